# SPDX-License-Identifier: GPL-3.0-or-later
"""What was sent is in Sent exactly once, whoever puts it there: the provider or not, a client before, while
or after it goes out, or none, with the network there or not, and with the daemon killed in between. What
only looks like it is a message of its own. And what may have been sent is looked for before it goes again.

tests/unit/test-filing.cc has the same as a table over every step, with a clock that can be put forward;
here are real servers and the real time, so all kinds of mail go at once."""

import smtplib
import time
import unittest

from harness import PATIENCE, TAKE_AND_DROP, Case, FakeSmtp, RawImap
from harness.postern import account

USERS = {f"{name}@example.org": "lovelace" for name in ("files", "known", "not")}
CLIENTS = ("before", "during", "after", "never")


def mail(number, text="hello", subject=None):
    return (f"From: Ada <ada@example.org>\r\nTo: bob@example.net\r\nSubject: {subject or number}\r\n"
            f"Message-ID: <{number}@sent.test>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n\r\n"
            f"{text}\r\n").encode()


class Sending(Case):
    def setUp(self):
        self.server = self.provider(users=USERS)
        self.smtp = {}
        accounts = {}
        for name in ("files", "known", "not"):
            user = f"{name}@example.org"
            self.smtp[name] = FakeSmtp(users={user: "lovelace"}, on_delivery=self.filer(name, user))
            self.addCleanup(self.smtp[name].close)
            accounts[name] = account(self.server, user=user, outgoing=None, aliases="ada@example.org")
            accounts[name]["outgoing"] = f"submission+insecure://127.0.0.1:{self.smtp[name].port}"
        accounts["known"]["quirks"] = "files-sent"
        self.daemon = self.postern(accounts=accounts, synced=False)
        for name in accounts:
            self.daemon.sync(name)

    def filer(self, name, user):
        """The provider's own copies have fields that the message didn't."""
        def file(delivery):
            if name != "not":
                with RawImap(self.server.imap).login(user, "lovelace") as there:
                    there.append("Sent", b"Received: from somewhere; Tue, 24 Nov 2026 10:00:00 +0000\r\n"
                                 + delivery.data, "\\Seen")
        return file

    def submit(self, name, *mails):
        session = smtplib.SMTP("127.0.0.1", self.daemon.ports["submission"], timeout=60 * PATIENCE)
        self.addCleanup(session.close)
        session.login(*self.daemon.login(name))
        for data in mails:
            session.sendmail("ada@example.org", ["bob@example.net"], data)
        session.quit()

    def client_appends(self, name, *mails):
        with self.daemon.imap(name) as imap:
            for data in mails:
                imap.append("Sent", data, "\\Seen")

    def sent(self, name):
        """The bytes in Sent, of every message, at the provider."""
        with RawImap(self.server.imap).login(f"{name}@example.org", "lovelace") as there:
            there.select("Sent")
            return [bytes(data) for data in there.bodies().values()] if there.uids() else []

    def copies(self, name):
        counts = {}
        for data in self.sent(name):
            number = data.split(b"Message-ID: <")[1].split(b"@")[0].decode()
            counts[number] = counts.get(number, 0) + 1
        return counts

    def settled(self, name):
        return not any(self.daemon.state(name)["PendingChanges"].values())

    def expect(self, name, wanted):
        try:
            self.daemon.wait(lambda: self.copies(name) == wanted and self.settled(name),
                             f"one copy of each of {name}", 40)
        except AssertionError as error:
            raise AssertionError(f"{self.copies(name)} in place of {wanted}: {error}") from error
        self.daemon.sync(name)
        self.assertEqual(self.copies(name), wanted)
        with self.daemon.imap(name) as imap:
            imap.select("Sent")
            self.assertEqual(len(imap.uids()), sum(wanted.values()))


class Once(Sending):
    def one_copy_each(self, offline=False, kills=()):
        if offline:
            self.daemon.control("offline")
        for name in self.smtp:
            self.client_appends(name, mail("before"))
            self.submit(name, *(mail(client) for client in CLIENTS))
            # What looks like it: another body under the same name; the same body under another.
            self.submit(name, mail("never", "another text"), mail("twin"))
        if offline:
            self.daemon.control("online")
        for name in self.smtp:
            self.smtp[name].wait_for(6, 30 * PATIENCE)
            self.client_appends(name, mail("during"))
        began = time.monotonic()
        for seconds in kills:
            time.sleep(max(0, began + seconds - time.monotonic()))
            self.daemon.kill()
            self.daemon.start()
        time.sleep(max(0, began + 24 - time.monotonic()))
        for name in self.smtp:
            self.daemon.sync(name)
            self.client_appends(name, mail("after"))
        wanted = {"before": 1, "during": 1, "after": 1, "never": 2, "twin": 1}
        for name in self.smtp:
            self.expect(name, wanted)
        self.assertEqual([len(smtp.deliveries) for smtp in self.smtp.values()], [6, 6, 6])
        # What one of two had is the other's.
        self.assertFalse([entry for entry in self.daemon.queue() if entry["State"] != "sent"])

    def test_with_the_network_there(self):
        self.one_copy_each()

    def test_what_was_written_offline(self):
        self.one_copy_each(offline=True)

    def test_killed_in_between(self):
        self.one_copy_each(kills=(0.2, 8, 20.3, 21.5))


class InDoubt(Sending):
    def test_what_the_provider_has_filed_is_not_sent_again(self):
        """The connection breaks when the message was taken; a client's own copy proves nothing."""
        for name in self.smtp:
            drops = [TAKE_AND_DROP]
            self.smtp[name].answers["DOT"] = lambda data, drops=drops: drops.pop() if drops else None
            self.client_appends(name, mail("doubt"))
            self.submit(name, mail("doubt"))
        for name, times in (("files", 1), ("known", 1), ("not", 2)):
            self.smtp[name].wait_for(times, 120 * PATIENCE)
            entry = self.daemon.wait(
                lambda: [entry for entry in self.daemon.queue("sent") if entry["Account"] == name],
                f"the mail of {name} to be sent", 120)[0]
            self.assertIn("isn't sent again" if times == 1 else "was sent again", entry["LastError"])
            self.expect(name, {"doubt": 1})
            self.assertEqual(len(self.smtp[name].deliveries), times)


if __name__ == "__main__":
    unittest.main()
