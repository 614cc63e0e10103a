# SPDX-License-Identifier: GPL-3.0-or-later
"""A write of sync's or of the fetchers' that fails, each of them once, as on a disk that is full for a moment: that is
said, nothing is lost, doubled or forgotten by it, and when there is room all is as it would have been."""

import random
import unittest

from harness import LONG, faults
from test_set_aside import Fake, mail


class EachWrite(Fake):
    """Both sides have changed; then the N-th transaction isn't written, for each N."""

    prefetch = -1
    folders = ("Archive", "Work", "Old")

    #: What the provider does meanwhile: each leads to other writes.
    KINDS = {
        "nothing": lambda: [],
        "an append's answer is lost": lambda: [faults.Break("APPEND", times=1, when="after")],
        "flags' answer is lost": lambda: [faults.Break("UID STORE", times=1, when="after")],
        "a move breaks it": lambda: [faults.Break("UID MOVE", times=2)],
        "a copy is refused": lambda: [faults.Refuse("UID COPY", "NO [OVERQUOTA] no room", times=2)],
        "a creation breaks it": lambda: [faults.Break("CREATE", times=1)],
        "flags aren't kept": lambda: [faults.ForgetsFlags("\\Answered")],
        "a body isn't given": lambda: [faults.Refuse(r"UID FETCH \S+ \(UID BODY.PEEK\[\]\)", "NO not now", times=6)],
        "a folder can't be read": lambda: [faults.Refuse("SELECT", "NO [SERVERBUG] oops", folder="Archive", times=2)],
        "numbers don't add up": lambda: [faults.Lags(folder="INBOX", uid=(1, 2), counted=True, times=4)],
    }

    def prepare(self):
        self.setUp()
        self.fill(count=8)
        self.fill("Archive", 4, "a")
        self.fill("Old", 2, "o")
        self.assertIsNone(self.sync())
        self.account("offline")
        self.account("store", "INBOX", 1, "+\\Flagged")
        self.account("store", "INBOX", "1:2", "+\\Answered")
        self.account("move", "INBOX", 3, "Work")
        self.account("copy", "INBOX", 4, "Archive")
        self.account("store", "INBOX", 5, "+\\Deleted")
        self.account("expunge", "INBOX", 5)
        self.account.append("INBOX", mail("n1"))
        self.account("create", "New")
        self.account.append("New", mail("n2"))
        self.account("rename", "Old", "Older")
        self.account("unsubscribe", "Work")
        self.server.put("INBOX", mail("s1"))
        self.server.put("Archive", mail("s2"), ["\\Seen"])
        self.server.set_flags("INBOX", 2, ["\\Seen"])
        self.server.remove("INBOX", 8)

    WANTED = {"INBOX": ["m1", "m2", "m4", "m6", "m7", "n1", "s1"], "Archive": ["a1", "a2", "a3", "a4", "m4", "s2"],
              "Work": ["m3"], "New": ["n2"], "Older": ["o1", "o2"]}

    def names(self, folder):
        return sorted(name.strip("<>").split("@")[0] for name, _, _ in self.account.messages(folder).values())

    def check(self):
        self.server.faults = []
        self.account("retry")
        self.assertIsNone(self.account.settle(8, 1000))
        self.assertEqual(self.account.problems(), [])
        for folder, names in self.WANTED.items():
            self.assertEqual(self.names(folder), names, folder)
            there = sorted(name.strip("<>").split("@")[0] for name, _, _ in self.server.state()[folder])
            self.assertEqual(there, names, folder)
            self.assertEqual(self.here(folder), self.there(folder), folder)
            self.assertNotIn("-", [digest for _, _, digest in self.account.messages(folder).values()])

    def run_at(self, number, kind):
        """Whether there were so many transactions."""
        self.prepare()
        self.server.faults = self.KINDS[kind]()
        self.account("full-at", number)
        self.account("online")
        for _ in range(3):
            self.sync()
            self.account("advance", 100)
        left, in_sync, said = map(int, self.account("full")[0])
        self.account("full-at", 0)
        if in_sync:
            self.assertTrue(said, "a full disk is a state of the account")
        self.check()
        self.account.close()
        self.server.close()
        return left == 0

    def test_that_fails_once_is_said_and_made_up_for(self):
        fate = random.Random(None if LONG else 10)
        step = 1 if LONG else 24
        for kind in self.KINDS:
            number = fate.randint(1, step)
            failed = True
            while failed:
                with self.subTest(kind=kind, number=number):
                    failed = None
                    failed = self.run_at(number, kind)
                number += step


if __name__ == "__main__":
    unittest.main()
