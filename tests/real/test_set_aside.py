# SPDX-License-Identifier: GPL-3.0-or-later
"""What one message, one keyword, one folder, one direction does wrong upstream stays there: it is set aside and
said, and all else goes on in the same round. Each against a provider in memory (harness.FakeImap) with one fault
(harness.faults) turned on; the random test over all of them is test_faults."""

import unittest

from harness import Case, FakeImap, faults
from harness.syncaccount import SyncAccount, SyncError


def mail(name, size=0):
    return (f"From: a@example.org\r\nSubject: {name}\r\nMessage-ID: <{name}@fake.test>\r\n"
            f"Date: Sat, 07 Nov 2026 10:00:00 +0000\r\n\r\n{name}\r\n" + "x" * size).encode()


class Fake(Case):
    """A provider in memory with a few messages, and the account's sync before it."""

    without, also = (), ()
    folders = ("Archive", "Work")

    def setUp(self):
        self.server = FakeImap(without=self.without, also=self.also)
        self.addCleanup(self.server.close)
        for name in self.folders:
            self.server.create(name)
        self._account = None

    @property
    def account(self):
        if not self._account:
            self._account = SyncAccount(self.server.imap)
            self.addCleanup(self._account.close)
        return self._account

    def fill(self, folder="INBOX", count=5, prefix="m"):
        return [self.server.put(folder, mail(f"{prefix}{number}")) for number in range(1, count + 1)]

    def here(self, folder="INBOX"):
        """{Message-ID without its domain: set of flags}"""
        return {name.strip("<>").split("@")[0]: flags for name, flags, _ in self.account.messages(folder).values()}

    def there(self, folder="INBOX"):
        return {name.strip("<>").split("@")[0]: set(flags) for name, flags, _ in self.server.state()[folder]}

    def sync(self):
        """Its words where it failed, else None."""
        try:
            self.account("sync")
        except SyncError as error:
            return str(error)
        return None


class Keywords(Fake):
    def test_a_thousand_keywords_on_a_message_hold_up_nothing(self):
        self.fill()
        many = [f"Keyword{number}" for number in range(1200)]
        self.server.set_flags("INBOX", 2, many)
        self.server.set_flags("INBOX", 3, ["x" * 300, "Short"])
        self.assertIsNone(self.sync())
        self.assertEqual(set(self.here()), {"m1", "m2", "m3", "m4", "m5"})
        self.assertEqual(self.here()["m3"], {"Short"})
        # What the user adds finds room beside them, and what changes there is followed.
        self.account("store", "INBOX", 2, "+Mine")
        self.assertIsNone(self.sync())
        self.assertIn("Mine", self.there()["m2"])
        self.assertLessEqual(set(many), self.there()["m2"])
        self.server.set_flags("INBOX", 2, many + ["Mine", "\\Seen"])
        self.server.set_flags("INBOX", 4, many[::-1])
        self.assertIsNone(self.sync())
        self.assertIn("\\Seen", self.here()["m2"])


if __name__ == "__main__":
    unittest.main()
