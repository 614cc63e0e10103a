# SPDX-License-Identifier: GPL-3.0-or-later
"""Providers that show a message in several folders: it is stored once and downloaded once."""

import os
import unittest

from harness import Case, RawImap
from harness.filter import ImapFilter

FOLDERS = ("INBOX", "All", "Label")
SIZE = 200000


def mail(number):
    head = (f"From: bob@example.org\r\nTo: ada@example.org\r\nSubject: shared {number}\r\n"
            f"Message-ID: <{number}@sharing.test>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n\r\n")
    # Of a length of its own, and nothing that compression could make small.
    return head.encode() + os.urandom(SIZE // 2 + number).hex().encode() + b"\r\n"


class Sharing(Case):
    def setUp(self):
        self.server = self.provider()
        self.mails = [mail(number) for number in range(10)]
        there = self.upstream(self.server)
        for folder in FOLDERS[1:]:
            there.ok(f"CREATE {folder}")
        for data in self.mails:
            there.ok(b"APPEND INBOX {%d+}\r\n" % len(data) + data)
        there.select("INBOX")
        for folder in FOLDERS[1:]:
            there.ok(f"COPY 1:* {folder}")
        there.ok("CLOSE")

    def through(self, **options):
        """A daemon behind a filter; gives how many bytes of literals its first sync took."""
        link = ImapFilter(self.server.imap, **options)
        self.addCleanup(link.close)
        self.daemon = self.postern(self.server, incoming="imap+insecure", incoming_port=link.port)
        self.daemon.wait(lambda: self.daemon.state()["Progress"] == 1, "all bodies")
        return link

    def assert_whole(self):
        here = self.local(self.daemon)
        for folder in FOLDERS:
            here.select(folder)
            self.assertEqual(list(here.bodies("1:*").values()), self.mails, folder)

    def test_gmail_s_message_number_saves_the_download_and_the_room(self):
        link = self.through(gmail=True)
        self.assertLess(link.literals, 1.3 * sum(map(len, self.mails)))
        self.assertLess(self.daemon.state()["CachedBytes"], 1.5 * sum(map(len, self.mails)))
        self.assert_whole()

    def test_equal_bytes_are_stored_once_without_any_number(self):
        link = self.through(without=("OBJECTID",))
        self.assertGreater(link.literals, 2.9 * sum(map(len, self.mails)))
        self.assertLess(self.daemon.state()["CachedBytes"], 1.5 * sum(map(len, self.mails)))
        self.assert_whole()

    def test_a_message_deleted_in_one_folder_stays_in_the_others(self):
        self.through(gmail=True)
        here = self.local(self.daemon)
        here.select("All")
        here.ok("STORE 1 +FLAGS (\\Deleted)")
        here.ok("EXPUNGE")
        self.daemon.sync()
        there = RawImap(self.server.imap).login(*next(iter(self.server.users.items())))
        self.addCleanup(there.close)
        self.assertEqual([there.select(folder).exists for folder in FOLDERS], [10, 9, 10])
        here.select("Label")
        self.assertEqual(list(here.bodies("1:*").values()), self.mails)


if __name__ == "__main__":
    unittest.main()
