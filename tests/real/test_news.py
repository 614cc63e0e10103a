# SPDX-License-Identifier: GPL-3.0-or-later
"""What a session hears of others, and how soon; what Postern learns of the provider's quota and keeps of
what a mailbox is for; and a compressed session."""

import re
import statistics
import sys
import time
import unittest
import zlib

from harness import (PATIENCE, Case, Postern, Provider, SharedCase, account, dovecot_settings,
                     fill_real)

ROUNDS = 100
#: What every delivery is to stay below, in seconds. It is meant to be 0.05; tests don't fail by the clock
#: of a busy machine, but this is no clock any more.
GROSS = 1.0


class Deliveries(SharedCase):
    """From a request that changes something, its commit and its answer included, to the news of it."""

    @classmethod
    def prepare(cls):
        cls.shared_provider = provider = Provider()
        fill_real(provider, limit=20)
        cls.shared_postern = Postern({"work": account(provider)})
        cls.shared_postern.sync()

    def measure(self, listener, changer, what, change, news):
        """change(i) is the request of round i, and news(i) the line that the listener is to hear."""
        times = []
        for i in range(ROUNDS):
            start = time.monotonic()
            tag = changer.start(change(i))
            listener.wait_line(news(i), 20 * PATIENCE)
            times.append(time.monotonic() - start)
            self.assertEqual(changer.finish(tag).status, "OK")
        sys.stderr.write(f"{what}: median {statistics.median(times) * 1000:.1f} ms, "
                         f"max {max(times) * 1000:.1f} ms\n")
        self.assertLess(max(times), GROSS * PATIENCE)

    def pair(self):
        return self.local(self.shared_postern), self.local(self.shared_postern)

    def test_idling_sessions_hear_of_flags(self):
        listener, changer = self.pair()
        listener.select()
        changer.select()
        listener.idle()
        self.measure(listener, changer, "IDLE, flags",
                     lambda i: f"STORE 1 {'+-'[i % 2]}FLAGS.SILENT (\\Answered)",
                     lambda i: r"^\* 1 FETCH")
        listener.done()

    def test_idling_sessions_hear_of_new_mail_and_expunges(self):
        listener, changer = self.pair()
        changer.ok("CREATE Arrivals")
        listener.select("Arrivals")
        listener.idle()
        message = "Subject: new\r\n\r\nnew\r\n"
        self.measure(listener, changer, "IDLE, new mail",
                     lambda i: f"APPEND Arrivals {{{len(message)}+}}\r\n{message}",
                     lambda i: rf"^\* {i + 1} EXISTS")
        changer.select("Arrivals")
        changer.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
        self.measure(listener, changer, "IDLE, expunges",
                     lambda i: f"UID EXPUNGE {i + 1}", lambda i: r"^\* 1 EXPUNGE")
        listener.done()

    def test_notified_sessions_hear_of_other_mailboxes(self):
        listener, changer = self.pair()
        changer.ok("CREATE Elsewhere")
        listener.ok("NOTIFY SET (personal (MessageNew MessageExpunge))")
        message = "Subject: new\r\n\r\nnew\r\n"
        self.measure(listener, changer, "NOTIFY, new mail elsewhere",
                     lambda i: f"APPEND Elsewhere {{{len(message)}+}}\r\n{message}",
                     lambda i: rf"^\* STATUS Elsewhere \(.*MESSAGES {i + 1}\b")

    def test_a_compressed_session_says_the_same(self):
        """RFC 4978; and no second time."""
        plain, squeezed = self.pair()
        squeezed.ok("COMPRESS DEFLATE")
        squeezed.sock = Deflated(squeezed.sock)
        self.assertEqual(squeezed.command("COMPRESS DEFLATE").status, "NO")
        self.assertNotIn(b"COMPRESS", squeezed.ok("CAPABILITY").untagged[0])
        plain.select(verb="EXAMINE")
        squeezed.select(verb="EXAMINE")
        self.assertEqual(plain.bodies(), squeezed.bodies())
        self.assertLess(squeezed.sock.received, sum(map(len, plain.bodies().values())))


class Deflated:
    """A socket on which both sides deflate what they say."""

    def __init__(self, sock):
        self.sock = sock
        self.received = 0
        self._squeeze = zlib.compressobj(wbits=-15)
        self._unfold = zlib.decompressobj(wbits=-15)

    def sendall(self, data):
        self.sock.sendall(self._squeeze.compress(data) + self._squeeze.flush(zlib.Z_SYNC_FLUSH))

    def recv(self, size):
        while True:
            data = self.sock.recv(size)
            self.received += len(data)
            text = self._unfold.decompress(data)
            if text or not data:
                return text

    def settimeout(self, seconds):
        self.sock.settimeout(seconds)

    def close(self):
        self.sock.close()


class Quota(Case):

    def test_the_quota_is_the_providers(self):
        provider = self.provider(settings=dovecot_settings.capabilities("QUOTA")
                                 + dovecot_settings.quota("User quota", size=10 << 20, messages=1000))
        fill_real(provider, limit=10)
        there = self.upstream(provider)
        here = self.local(self.postern(provider))
        for command in ("GETQUOTAROOT INBOX", 'GETQUOTA "User quota"'):
            theirs, ours = (imap.ok(command).lines("QUOTA")[0] for imap in (there, here))
            self.assertEqual(resources(ours), resources(theirs), command)
        capabilities = here.ok("CAPABILITY").untagged[0].split()
        for word in (b"QUOTA", b"QUOTA=RES-STORAGE", b"QUOTA=RES-MESSAGE"):
            self.assertIn(word, capabilities)
        self.assertEqual(here.command('GETQUOTA "Nothing"').status, "NO")

    def test_without_quotas_there_are_none(self):
        here = self.local(self.postern(self.provider()))
        self.assertNotIn(b"QUOTA", here.ok("CAPABILITY").untagged[0].split())


def resources(line):
    """{resource: (used, limit)} of a QUOTA response."""
    return {name: (int(used), int(limit))
            for name, used, limit in re.findall(rb"([A-Z]+) (\d+) (\d+)", line)}


class Uses(Case):

    def test_what_a_mailbox_was_made_for_outlives_synchronizing_and_restarting(self):
        """The provider knows nothing of it: it has no CREATE-SPECIAL-USE."""
        provider = self.provider()
        postern = self.postern(provider)
        here = self.local(postern)
        here.ok("CREATE Keep (USE (\\Archive))")
        self.assertIn("\\archive", here.folders()["Keep"])
        postern.sync()
        self.assertIn("Keep", self.upstream(provider).folders())
        self.upstream(provider).ok("CREATE Other")
        postern.sync()
        self.assertIn("\\archive", here.folders()["Keep"])
        postern.restart()
        postern.sync()
        here = self.local(postern)
        self.assertIn("\\archive", here.folders()["Keep"])
        self.assertEqual(here.command("CREATE Another (USE (\\Archive))").status, "NO")
        here.ok("RENAME Keep Kept")
        postern.sync()
        self.assertIn("\\archive", here.folders()["Kept"])


if __name__ == "__main__":
    unittest.main()
