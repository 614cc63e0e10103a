# SPDX-License-Identifier: GPL-3.0-or-later
"""An account's switch from POP3 to IMAP: what is here stays, what is there isn't fetched or sent again."""

import collections
import contextlib
import os
import random
import signal
import subprocess
import threading
import unittest

from harness import LONG, PATIENCE, ControlError, FakeImap, fill, free_port
from harness.faults import Fault
from harness.oidc import Keyring
from test_pop3_provider import MaildropCase
from test_sync import mail, mails

ROUNDS = 60 if LONG else 4


def large(name, text="", size=20_000):
    """A message whose text is long, and differs, if at all, at its end."""
    return mail(name).replace(b"\r\n\r\n", b"\r\n\r\n" + b"line of text\r\n" * (size // 14)
                              + text.encode() + b"\r\n", 1)


class SwitchCase(MaildropCase):
    def switch(self, postern, incoming, sync=True, **more):
        """By hand: another incoming= in postern.conf, and a reload."""
        postern.accounts["work"].update(incoming=incoming, **more)
        postern.write_config()
        postern.reload()
        postern.wait(lambda: postern.state()["Settings"]["incoming"].startswith("imap"), "the new settings")
        postern.wait_state("connecting", "syncing", "idle", "error")
        if sync:
            postern.sync()

    def here(self, postern, folder="INBOX"):
        """{bytes: [sorted flags of each]} of a folder."""
        found = collections.defaultdict(list)
        with postern.imap("work") as imap:
            if folder not in imap.folders():
                return {}
            imap.select(folder)
            if not imap.uids():
                return {}
            bodies, flags = imap.bodies(), imap.flags()
            for uid, octets in bodies.items():
                found[octets].append(tuple(sorted(flags[uid])))
        return {octets: sorted(each) for octets, each in found.items()}

    @staticmethod
    def there(server, folder):
        found = collections.defaultdict(list)
        for _, flags, octets in server.state().get(folder, []):
            found[octets].append(tuple(sorted(flag.lower() for flag in flags if flag != "\\Recent")))
        return {octets: sorted(each) for octets, each in found.items()}


class Dovecot(SwitchCase):
    """The same mailbox, by POP3 and then by IMAP."""

    def test_uids_flags_folders_and_mail_that_is_here_only_stay(self):
        provider = self.provider()
        messages = mails(6) + [large("long")]
        fill(provider, messages)
        for kind in ("file", "bus"):
            with self.subTest(kind):
                self.check_switch(provider, kind)

    def check_switch(self, provider, kind):
        there = self.upstream(provider)
        there.select()
        if there.uids():
            there.ok("UID STORE 1:* FLAGS.SILENT ()")
        for name in ("Sent", "Letters", "Archive"):
            there.command(f"DELETE {name}")
        postern = self.postern(provider, incoming="pop3s")
        imap = self.local(postern)
        imap.select("INBOX")
        validity = imap.command("STATUS INBOX (UIDVALIDITY)").lines("STATUS")
        imap.ok("UID STORE 1 +FLAGS (\\Seen $Kept)")
        imap.ok("UID STORE 2 +FLAGS (\\Flagged)")
        imap.append("Sent", mail("sent " + kind))
        imap.ok("CREATE Letters")
        imap.append("Letters", mail("letter " + kind))
        before = imap.bodies()
        imap.close()
        if kind == "file":
            self.switch(postern, provider.url("imaps"))
        else:
            self.configure(postern, provider)
        imap = self.local(postern)
        imap.select("INBOX")
        self.assertEqual(imap.command("STATUS INBOX (UIDVALIDITY)").lines("STATUS"), validity)
        self.assertEqual(imap.bodies(), before)
        flags = imap.flags()
        self.assertEqual(flags.pop(1), {"\\seen", "$kept"})
        self.assertEqual(flags.pop(2), {"\\flagged"})
        self.assertEqual(set().union(*flags.values()), set())
        self.assertEqual(postern.pending(), 0)
        there = self.upstream(provider)
        there.select()
        self.assertEqual(sorted(there.bodies().values()), sorted(before.values()))
        self.assertEqual(sorted(map(sorted, there.flags().values())),
                         sorted([["$kept", "\\seen"], ["\\flagged"]] + [[]] * (len(before) - 2)))
        for folder, subject in (("Sent", "sent "), ("Letters", "letter ")):
            there.select(folder)
            self.assertEqual(list(there.bodies().values()), [mail(subject + kind)])

    def configure(self, postern, provider):
        """Over D-Bus, with the password: what the window does."""
        with contextlib.closing(Keyring(postern.environment)):
            done = subprocess.run(
                ["gdbus", "call", "--session", "--dest", "org.postern.Postern1", "--object-path",
                 "/org/postern/Postern1/accounts/work", "--method", "org.postern.Postern1.Account.Configure",
                 f"{{'incoming': <'{provider.url('imaps')}'>}}", "lovelace"],
                env=postern.environment, capture_output=True, check=False, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            postern.wait(lambda: postern.state()["Settings"]["incoming"].startswith("imaps"), "the new settings")
            postern.sync()


class Names(SwitchCase):
    def test_folders_get_the_names_that_the_server_has_for_them(self):
        pop = self.maildrop([mail("one")])
        postern = self.run_with(pop)
        with postern.imap("work") as imap:
            imap.append("Sent", mail("sent"))
            imap.append("Archive", mail("kept"))
            for name in ("Family/2019", "Dr. Who"):
                imap.ok(f'CREATE "{name}"')
                imap.append(name, mail(name))
        server = FakeImap(delimiter=".")
        self.addCleanup(server.close)
        server.namespace = '(("INBOX." ".")) NIL NIL'
        for role in ("Drafts", "Sent", "Trash"):
            del server.folders[role]
        server.create("INBOX.Sent Items", ["\\Sent"])
        server.put("INBOX", mail("one"))
        server.put("INBOX.Sent Items", mail("sent"))
        self.switch(postern, server.url("imap+insecure"))
        expected = {"INBOX": "one", "INBOX.Sent Items": "sent", "INBOX.Archive": "kept",
                    "INBOX.Family.2019": "Family/2019", "INBOX.Dr_ Who": "Dr. Who"}
        for folder, subject in expected.items():
            self.assertEqual(self.here(postern, folder), {mail(subject): [()]}, folder)
            self.assertEqual(self.there(server, folder), {mail(subject): [()]}, folder)
        self.assertEqual(postern.pending(), 0)
        self.assertEqual(server.fetched, {})


class Refused(SwitchCase):
    def test_another_users_mailbox_isnt_the_same_account(self):
        pop = self.maildrop([mail("one")])
        postern = self.run_with(pop)
        server = FakeImap()
        self.addCleanup(server.close)
        self.switch(postern, server.url("imap+insecure"), sync=False, user="bob@example.org")
        self.assertIn("of ada@example.org", postern.wait_state("error")["LastError"])
        self.assertEqual(server.commands, [])
        self.switch(postern, server.url("imap+insecure"), user="ada@example.org")
        self.assertEqual(self.here(postern), {mail("one"): [()]})

    def test_an_imap_account_doesnt_become_one_of_pop3(self):
        server = FakeImap()
        self.addCleanup(server.close)
        server.put("INBOX", mail("one"))
        postern = self.postern(server, incoming="imap+insecure", outgoing=None, tls_ca_file=None)
        postern.control("account", "set", "work", f"incoming=pop3+insecure://127.0.0.1:{free_port()}")
        self.assertIn("of the kind imap", postern.wait_state("error")["LastError"])


class KillAt(Fault):
    """Kills the daemon before its command number `number`."""

    def __init__(self, postern, number):
        super().__init__()
        self.postern, self.left, self.done = postern, number, threading.Event()

    def before(self, session, command):
        with session.server.lock:
            self.left -= 1
            if self.left == 0:
                with contextlib.suppress(ProcessLookupError, TypeError):
                    os.kill(self.postern.pid, signal.SIGKILL)
                self.done.set()


class Model:
    """Mail here, in a maildrop, and what of it there will be at the IMAP server."""

    def __init__(self, case, seed):
        self.random = random.Random(seed)
        self.case = case
        self.pop = case.maildrop([self.message(i) for i in range(self.random.randint(4, 14))])
        self.leave = self.random.choice(["always", "always", "never", "30d"])
        self.postern = case.run_with(self.pop, leave_on_server=self.leave)
        self.listed = {} if self.leave == "never" else dict(self.pop.messages)

    def message(self, number):
        pick = self.random.choice
        kind = pick(["plain", "plain", "plain", "twin", "same id", "same id", "large", "large id", "no id"])
        if kind == "twin":
            return mail("twin")
        if kind == "same id":
            return mail("same").replace(b"\r\n\r\n", b"\r\n\r\n" + pick([b"one\r\n", b"two\r\n", b"three\r\n"]), 1)
        if kind == "large":
            return large(f"large {number}")
        if kind == "large id":
            return large("large same", pick(["aaa", "bbb"]))
        if kind == "no id":
            octets = mail(pick(["x", "y"]))
            return b"".join(line for line in octets.splitlines(True) if not line.startswith(b"Message-ID"))
        return mail(f"m{number}")

    def change_here(self):
        """Flags, moves, deletions, and mail of this machine alone. {UID: (key, moved to or None)}."""
        self.moved, self.deleted = collections.Counter(), collections.Counter()
        with self.postern.imap("work") as imap:
            imap.select()
            bodies = imap.bodies()
            keys = sorted(self.listed) if self.listed else [None] * len(bodies)
            for uid in sorted(bodies):
                what = self.random.choice(["", "", "\\Seen", "\\Flagged", "\\Seen $Label", "move", "copy", "delete"])
                there = keys[0] is not None
                if what == "move":
                    imap.ok(f"UID MOVE {uid} {self.random.choice(['Archive', 'Trash'])}")
                    self.moved[bodies[uid]] += there
                elif what == "copy":
                    imap.ok(f"UID COPY {uid} Archive")
                elif what == "delete":
                    imap.ok(f"UID STORE {uid} +FLAGS.SILENT (\\Deleted)")
                    imap.ok(f"UID EXPUNGE {uid}")
                elif what:
                    imap.ok(f"UID STORE {uid} +FLAGS.SILENT ({what})")
            for number in range(self.random.randint(0, 3)):
                imap.append("Sent", mail(f"sent {number}"))

    def make_server(self):
        server = FakeImap(without=self.random.choice([(), ("UIDPLUS",), ("CONDSTORE",), ("MOVE",)]))
        self.case.addCleanup(server.close)
        # Someone else has deleted some of the maildrop, and some has come.
        there = [octets for octets in self.pop.messages.values() if self.random.random() < 0.8]
        there += [self.message(100 + i) for i in range(self.random.randint(0, 3))]
        for octets in there:
            server.put("INBOX", octets, self.random.choice([(), ("\\Seen",), ("\\Flagged",)]))
        for octets in self.case.here(self.postern, "Sent"):
            if self.random.random() < 0.5:
                server.put("Sent", octets)
        return server

    def expect(self, server):
        """{folder: Counter of bytes} after the switch."""
        folders = {name: collections.Counter({octets: len(each) for octets, each in self.case.here(
            self.postern, name).items()}) for name in ("INBOX", "Archive", "Trash", "Sent")}
        there = collections.Counter(octets for _, _, octets in server.state()["INBOX"])
        for octets, count in there.items():
            folders["INBOX"][octets] += max(0, count - folders["INBOX"][octets] - self.moved[octets])
        return {name: +counter for name, counter in folders.items()}

    def check(self, server, expected, note):
        for name, wanted in expected.items():
            here, there = self.case.here(self.postern, name), self.case.there(server, name)
            self.case.assertEqual({octets: len(each) for octets, each in here.items()}, dict(wanted), (note, name))
            self.case.assertEqual(here, there, (note, name))


class AnyMail(SwitchCase):
    """Random mail: twins, the same Message-ID for other bytes, none at all, long texts."""

    def play(self, seed, kill=False):
        model = Model(self, seed)
        model.change_here()
        server = model.make_server()
        expected = model.expect(server)
        before = self.here(model.postern)
        if kill:
            model.postern.accounts["work"]["incoming"] = server.url("imap+insecure")
            model.postern.write_config()
            step = model.random.randint(1, 40)
            fault = KillAt(model.postern, step)
            server.faults.append(fault)
            model.postern.stop()
            with contextlib.suppress(RuntimeError):
                model.postern.start()
            with contextlib.suppress(ControlError, AssertionError):
                model.postern.sync()
            server.faults.clear()
            model.postern.kill()
            model.postern.start()
            server.clock.advance(1000)
        else:
            self.switch(model.postern, server.url("imap+insecure"), sync=False)
        model.postern.sync()
        model.check(server, expected, seed)
        self.assertEqual(model.postern.pending(), 0, seed)
        if not kill:
            alone = {octets for octets in before if not any(
                shared in octets for shared in (b"<same@", b"<large same@", b"<twin@", b"Mail x", b"Mail y"))}
            with server.lock:
                fetched = {server.folders[folder].messages[uid].data for folder, uid in server.fetched
                           if uid in server.folders[folder].messages}
            self.assertEqual(alone & fetched, set(), (seed, "fetched again"))
        here = self.here(model.postern)
        for octets, flags in before.items():
            if len(flags) == 1 and len(here[octets]) == 1:
                self.assertLessEqual(set(flags[0]), set(here[octets][0]), seed)
                self.assertEqual("\\seen" in flags[0], "\\seen" in here[octets][0], seed)
        model.postern.close()

    def test_all_of_it_is_on_both_sides_once(self):
        seed = int(os.environ.get("POSTERN_SEED", 0)) or random.randrange(10**9)
        for number in range(ROUNDS):
            with self.subTest(seed=seed + number):
                self.play(seed + number)

    def test_killed_at_any_command_it_comes_to_the_same(self):
        seed = int(os.environ.get("POSTERN_SEED", 0)) or random.randrange(10**9)
        for number in range(ROUNDS):
            with self.subTest(seed=seed + number):
                self.play(seed + number, kill=True)


if __name__ == "__main__":
    unittest.main()
