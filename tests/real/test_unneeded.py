# SPDX-License-Identifier: GPL-3.0-or-later
"""What isn't needed is never a reason to fail: commands that a provider refuses, or at which it ends each
connection."""

import itertools
import unittest

from harness import faults
from test_set_aside import Fake

#: What there can be without.
COMMANDS = ("ID", "ENABLE", "NAMESPACE", "UNSELECT", "STATUS", "LIST .*RETURN", "LSUB|LIST .*SUBSCRIBED", "UID SEARCH", "NOOP")
#: What else the provider lacks, each with some of them.
LACKS = itertools.cycle(((), ("LIST-EXTENDED", "QRESYNC"), ("CONDSTORE", "ESEARCH", "UNSELECT")))


class Unneeded(Fake):
    folders = ("Archive", "Work")

    def sync_until_it_works(self, rounds):
        for _ in range(rounds):
            self.account("advance", 400)
            reason = self.sync()
            if not reason:
                return
        self.fail(reason)

    def check(self, command, fault):
        self.without = next(LACKS)
        with self.subTest(fault=fault, without=self.without):
            self.setUp()
            for folder in ("INBOX", *self.folders):
                self.fill(folder, 3, folder)
            self.server.faults, self.server.strict = [fault], command != "ID"
            self.sync_until_it_works(8)
            self.account("store", "Archive", 1, "+\\Flagged")
            self.server.set_flags("Work", 2, ["\\Seen"])
            for _ in range(2):
                self.sync_until_it_works(1)
            for folder in ("INBOX", *self.folders):
                self.assertEqual(self.here(folder), self.there(folder))
            self.assertEqual(self.there("Archive")["Archive1"], {"\\Flagged"})
            self._account.close()
            self.server.close()

    def test_refused(self):
        for command, answer in itertools.product(COMMANDS, ("NO not now", "BAD what?")):
            self.check(command, faults.Refuse(command, answer))

    def test_at_which_connections_end(self):
        for command in COMMANDS:
            self.check(command, faults.Break(command))
            self.check(command, faults.Refuse(command, "BYE what?"))


del Fake

if __name__ == "__main__":
    unittest.main()
