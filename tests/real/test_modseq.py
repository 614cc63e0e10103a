# SPDX-License-Identifier: GPL-3.0-or-later
"""What a provider's HIGHESTMODSEQ is worth: it may stand still while flags change."""

from harness import faults
from test_set_aside import Fake, mail


class StandsStill(Fake):
    def comparisons(self):
        return sum(line.startswith("UID FETCH 1:* (UID FLAGS)") and "CHANGEDSINCE" not in line
                   for _, line in self.server.commands)

    def begin(self, without):
        self.without = without
        self.setUp()
        self.fill()
        self.server.faults = [faults.StandsStill()]
        self.assertIsNone(self.sync())

    def test_a_highestmodseq_that_is_always_the_same_says_nothing(self):
        for without in ((), ("QRESYNC",)):
            with self.subTest(without=without):
                self.begin(without)
                # Before anything shows that it is: in a day or two.
                self.server.set_flags("INBOX", 3, ["\\Flagged"])
                self.account("advance", 2 * 86400)
                self.assertIsNone(self.sync())
                self.assertEqual(self.here(), self.there())
                # Then, also after a restart, at once.
                self.account.kill()
                self.account.restart()
                self.account("advance", 2 * 86400)
                self.server.set_flags("INBOX", 3, ["\\Seen"])
                self.assertIsNone(self.sync())
                self.assertEqual(self.here(), self.there())
                self.server.faults = []
                self.server.set_flags("INBOX", 4, ["\\Seen"])
                for _ in range(3):
                    self.assertIsNone(self.sync())
                self.assertEqual(self.here(), self.there())
                self.server.commands.clear()
                self.assertIsNone(self.sync())
                self.assertEqual(self.comparisons(), 0)

    def test_a_highestmodseq_that_is_the_same_with_new_mail_says_nothing(self):
        for without in ((), ("QRESYNC",)):
            with self.subTest(without=without):
                self.begin(without)
                self.server.put("INBOX", mail("new"))
                self.assertIsNone(self.sync())
                self.server.set_flags("INBOX", 3, ["\\Flagged"])
                self.assertIsNone(self.sync())
                self.assertEqual(self.here(), self.there())
