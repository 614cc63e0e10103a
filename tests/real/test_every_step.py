# SPDX-License-Identifier: GPL-3.0-or-later
"""One exchange with everything in it (append, copy, move, store, expunge, create, rename, delete here;
new, flagged, moved and expunged mail there), broken off at every step: killed before and after each
commit and each command, and the line cut at bytes of either direction. What it comes to is always the
same.

tests/run --long cuts at every byte. Both ends act on whole lines and literals only; a short run cuts before
half of the lines that are sent and somewhere in half of them, and somewhere in a quarter of those that are
received: at other places in every run."""

import itertools
import random
import tempfile
import unittest

from harness import LONG, Case, Link, RawImap
from harness.syncaccount import SyncAccount, SyncError

USERS = 15000 if LONG else 1500


def mail(name):
    return (f"From: bob@example.org\r\nTo: ada@example.org\r\nSubject: {name}\r\n"
            f"Message-ID: <{name}@step.test>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n"
            f"\r\nThe text of {name}.\r\n").encode()


BEFORE = {"INBOX": ["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7"], "Archive": ["a0", "a1", "a2"],
          "Old": ["o0"], "Gone": ["g0"]}

AFTER = {"INBOX": {"n0": {"\\Seen"}, "m0": {"\\Flagged"}, "m1": {"\\Seen", "Work"}, "m2": set(),
                   "m7": {"\\Answered"}, "u0": set(), "a0": set()},
         "Archive": {"a2": set(), "m2": set(), "m3": set(), "m4": set()},
         "New": {"n1": set(), "m5": set()},
         "Older": {"o0": set()}}


class Steps:
    without = ()
    time_limit = 700

    def setUp(self):
        self.users = {f"u{n}@example.org": "secret" for n in range(USERS)}
        self.server = self.provider(users=self.users, without=self.without)
        self.names = iter(self.users)
        self.link = Link(self.server.imap)
        self.addCleanup(self.link.close)

    def put(self, imap, folder, name):
        data = mail(name)
        imap.ok(f'APPEND "{folder}" () "24-Nov-2026 10:00:0{len(name)} +0000" '
                f"{{{len(data)}+}}\r\n".encode() + data)

    def uid(self, account, folder, name):
        return next(uid for uid, (found, _, _) in account.messages(folder).items()
                    if found == f"<{name}@step.test>")

    def prepare(self):
        """A new user whose mail is here, and whose changes on both sides are waiting."""
        self.user = next(self.names)
        self.there = RawImap(self.server.imap).login(self.user, "secret")
        for folder, names in BEFORE.items():
            if folder != "INBOX":
                self.there.ok(f"CREATE {folder}")
            for name in names:
                self.put(self.there, folder, name)
        self.directory = tempfile.TemporaryDirectory(prefix="postern-step-")
        account = self.account()
        account("sync")
        account("offline")
        self.change_here(account)
        self.change_there()
        self.assertEqual(account.close(), 0)

    def change_here(self, account):
        account.append("INBOX", mail("n0"), "\\Seen")
        account("create", "New")
        account.append("New", mail("n1"))
        account("store", "INBOX", self.uid(account, "INBOX", "m0"), "+\\Flagged")
        account("store", "INBOX", self.uid(account, "INBOX", "m1"), "+\\Seen Work")
        account("copy", "INBOX", self.uid(account, "INBOX", "m2"), "Archive")
        for name, target in (("m3", "Archive"), ("m4", "Archive"), ("m5", "New")):
            account("move", "INBOX", self.uid(account, "INBOX", name), target)
        account("expunge", "INBOX", self.uid(account, "INBOX", "m6"))
        account("rename", "Old", "Older")
        account("delete", "Gone")

    def change_there(self):
        imap = self.there
        self.put(imap, "INBOX", "u0")
        imap.ok("SELECT INBOX")
        imap.ok("STORE 8 +FLAGS (\\Answered)")
        imap.ok("SELECT Archive")
        imap.ok("UID COPY 1 INBOX")
        imap.ok("STORE 1:2 +FLAGS (\\Deleted)")
        imap.ok("EXPUNGE")

    def account(self, abort=None):
        environment = {"POSTERN_ABORT_AT": str(abort)} if abort else None
        return SyncAccount(self.link.port, directory=self.directory.name, user=self.user,
                           password="secret", environment=environment, plain=True)

    def settle(self, account, note):
        reason = account.settle(20)
        self.assertIsNone(reason, note)

    def check(self, account, note):
        """What it has come to, on both sides, each message once."""
        def plain(state):
            return {folder: sorted(messages) for folder, messages in state.items()}
        expected = {folder: [(name, sorted(flags)) for name, flags in messages.items()]
                    for folder, messages in AFTER.items()}
        here = {folder: [(name.strip("<>").split("@")[0], sorted(flags))
                         for name, flags, _ in account.messages(folder).values()]
                for folder in account.folders()}
        there = {}
        for line in self.there.ok('LIST "" "*"').lines("LIST"):
            folder = line.split()[-1].strip(b'"').decode()
            self.there.ok(f'SELECT "{folder}"')
            fetched = self.there.ok("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            there[folder] = []
            for items in fetched.fetched().values():
                subject = next(value for key, value in items.items() if key.startswith("BODY["))
                flags = {flag.decode() for flag in items["FLAGS"]} - {"\\Recent"}
                there[folder].append((subject.decode().split()[-1], sorted(flags)))
        for state, side in ((here, "here"), (there, "there")):
            for folder in ("Drafts", "Sent", "Trash"):
                self.assertEqual(state.pop(folder, []), [], f"{note}: {folder} {side}")
            self.assertEqual(plain(state), plain(expected), f"{note}: {side}")

    def finish(self, note):
        self.link.mend()
        self.link._left = {"up": None, "down": None}
        account = self.account()
        try:
            self.settle(account, note)
            self.check(account, note)
        finally:
            self.assertEqual(account.close(), 0, note)
            self.directory.cleanup()
            self.there.close()

    def broken_sync(self, abort=None):
        """Whether it was broken off."""
        account = self.account(abort)
        try:
            account("sync")
            return False
        except SyncError:
            return True
        finally:
            account.close()

    def test_killed_at_every_step(self):
        survived = 0
        # In a short run at every second one, the odd or the even ones.
        for step in itertools.count(1 if LONG else random.randint(1, 2), 1 if LONG else 2):
            self.prepare()
            survived = 0 if self.broken_sync(step) else survived + 1
            self.finish(f"killed at step {step}")
            if survived == (3 if LONG else 2):
                break
        self.assertGreater(step, 30)

    def record(self):
        """{way: the bytes of an exchange that isn't broken off}"""
        self.prepare()
        self.link.transcript = []
        self.assertFalse(self.broken_sync())
        exchange = {way: b"".join(data for _, direction, data in self.link.transcript
                                  if direction == way) for way in ("up", "down")}
        self.link.transcript = None
        self.finish("not cut")
        return exchange

    @staticmethod
    def cuts(way, data):
        """After how many bytes to cut."""
        if LONG:
            return range(len(data))
        places, start = set(), 0
        for line in data.splitlines(keepends=True):
            if random.random() < (0.25 if way == "up" else 0.12):
                places.add(start + random.randrange(len(line)))
            if way == "up" and random.random() < 0.25:
                places.add(start)
            start += len(line)
        return sorted(places)

    def test_cut_at_bytes_of_either_direction(self):
        for way, data in self.record().items():
            for at in self.cuts(way, data):
                self.prepare()
                self.link.cut_after(way, at)
                self.broken_sync()
                self.finish(f"cut {way} after {at} of {len(data)} bytes")


class WithEverything(Steps, Case):
    pass


class WithoutUidplusAndMove(Steps, Case):
    without = ("UIDPLUS", "MOVE")


if __name__ == "__main__":
    unittest.main()
