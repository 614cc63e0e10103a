# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers as they are: answers that were seen in the world, one test for each kind. What a server does wrong
with one item, message or folder stays there: the rest is complete, and what isn't is said.

The provider is a FakeImap with faults turned on; sync runs without the daemon around it."""

import unittest

from harness import Case, FakeImap
from harness.faults import Hides, Item, RawName, Refuse, Rewrite, Says
from harness.syncaccount import SyncAccount, SyncError

RECEIVED = 1794045600  # Sat, 07 Nov 2026 10:00:00 +0000


def mail(name, received="Sat, 07 Nov 2026 10:00:00 +0000", date="Fri, 06 Nov 2026 09:00:00 +0000", size=0):
    text = f"The text of {name}.\r\n" + "x" * 70 * (size > 0) + ("\r\n" + "x" * 70) * (size // 72)
    return ((f"Received: from a.example by b.example; {received}\r\n" if received else "") +
            (f"Date: {date}\r\n" if date else "") +
            f"From: bob@example.org\r\nSubject: {name}\r\nMessage-ID: <{name}@servers.test>\r\n\r\n{text}\r\n").encode()


class ServerCase(Case):
    """INBOX with twelve mails, Archive with three."""

    without = ()

    def setUp(self):
        self.server = FakeImap(without=self.without)
        self.addCleanup(self.server.close)
        self.addCleanup(lambda: self.assertEqual(self.server.problems, []))
        for number in range(1, 13):
            self.server.put("INBOX", mail(f"m{number}"), {"\\Seen"} if number % 2 else ())
        self.server.create("Archive")
        for number in range(1, 4):
            self.server.put("Archive", mail(f"a{number}"))

    def account(self, **options):
        account = SyncAccount(self.server.imap, **options)
        self.addCleanup(account.close)
        return account

    def sync(self, account):
        """What `sync --wait` says: None, or why not."""
        try:
            account("sync")
        except SyncError as error:
            return str(error)
        return None

    def here(self, account, folder="INBOX"):
        """{name: flags} of what is here with its body."""
        return {name.strip("<>").split("@")[0]: flags for name, flags, digest in account.messages(folder).values()
                if digest != "-"}

    def there(self, folder="INBOX"):
        return {message.name: set(message.flags) for message in self.server.folders[folder].messages.values()}

    def check_equal(self, account, but=()):
        """Everything is here, but for these (folder, name)."""
        for folder in self.server.folders:
            expected = {name: flags for name, flags in self.there(folder).items() if (folder, name) not in but}
            self.assertEqual(self.here(account, folder), expected, folder)

    def check_works(self, *turned_on, account=None):
        """With these faults all is here, and what is changed here arrives there; and after them too."""
        account = account or self.account()
        self.server.faults = list(turned_on)
        self.assertIsNone(self.sync(account), turned_on)
        self.check_equal(account)
        self.check_pushes(account)
        self.server.faults = []
        self.assertIsNone(account.settle(5))
        self.check_equal(account)
        return account

    def check_pushes(self, account, folder="Archive"):
        """A mail, a flag and a move from here arrive there."""
        number = len(self.server.commands)
        account.append(folder, mail(f"n{number}"), "\\Seen")
        account("store", "INBOX", "1", "+\\Flagged")
        account("copy", "INBOX", "2", folder)
        self.assertIsNone(account.settle(5))
        self.assertIn(f"n{number}", self.there(folder))
        self.assertIn("m2", self.there(folder))
        self.assertIn("\\Flagged", self.there()["m1"])


class Answers(ServerCase):
    """Answers that can't be read, or lack something (rows 1 to 11)."""

    def check_item(self, name, *values):
        for value in values:
            with self.subTest(value=value):
                self.check_works(Item(name, value, uid=3))

    def test_a_keyword_that_is_none_costs_no_message(self):
        for word in (b"a(b", b"a)b", b'a"b', b"a{b", b"()", b'""', b"NIL", b"a%b", b"{3}", b"x" * 300):
            with self.subTest(word=word):
                server_flags = lambda value, word=word: value[:-1] + b" " + word + b")"
                account = self.account()
                self.server.faults = [Item("FLAGS", server_flags, uid=3)]
                self.assertIsNone(self.sync(account))
                self.assertEqual(set(self.here(account)), set(self.there()))
                self.assertIn("\\Seen", self.here(account)["m3"])

    def test_lines_that_mean_nothing_are_passed_over(self):
        for line in ("", ")", "* OK", "*", "* ", "* 5", "* -1 EXISTS", "* X-UNKNOWN (", "* 3 FETCH", "A999999 OK what",
                     "* LIST", "* STATUS", "* VANISHED", "* SEARCH x", "* BAD hm", "* NO [ALERT] hm", b"* OK \xff\x00\xfe"):
            with self.subTest(line=line):
                self.check_works(Says(line))

    def test_names_as_they_are_in_the_listing(self):
        for name in ("a\tb", "a b", "a  b c", "two\x01three", "NIL 7"):
            with self.subTest(name=name):
                self.server.create(name)
                self.server.put(name, mail("raw"))
                account = self.account()
                self.server.faults = [RawName(folder=name)]
                self.assertIsNone(self.sync(account))
                self.assertEqual(set(self.here(account)), set(self.there()))
                found = [one for one in account.folders() if one not in ("INBOX", "Archive", "Drafts", "Sent", "Trash")]
                self.assertEqual(len(found), 1, found)
                self.assertEqual(set(self.here(account, found[0])), {"raw"})
                self.check_pushes(account)
                del self.server.folders[name]

    def test_a_listing_with_lines_that_cannot_be_read(self):
        account = self.account()
        self.assertIsNone(self.sync(account))
        for line in ('* LIST () "/" "no end', "* LIST (", "* LIST () NIL", '* LIST () "/" (x)'):
            with self.subTest(line=line):
                self.server.faults = [Rewrite(r"^\* LIST .*Archive.*", line)]
                self.assertIsNone(self.sync(account))
                self.assertIsNone(self.sync(account))
                self.assertEqual(set(self.here(account, "Archive")), {"a1", "a2", "a3"})

    def test_numbers_of_status_that_cannot_be(self):
        for item in ("UIDNEXT", "UIDVALIDITY", "HIGHESTMODSEQ", "MESSAGES"):
            for value in ("-1", "NIL", "1732789200000", "99999999999999999999999", "()"):
                if item == "HIGHESTMODSEQ" and value == "1732789200000":
                    continue
                with self.subTest(item=item, value=value):
                    self.check_works(Rewrite(rf"(?<=\({item}) \d+|(?<= {item}) \d+", f" {value}", folder=None))

    def test_codes_of_select_that_cannot_be(self):
        for item in ("UIDNEXT", "HIGHESTMODSEQ", "PERMANENTFLAGS"):
            for value in ("-1", "NIL", "", "99999999999999999999999", "(()"):
                with self.subTest(item=item, value=value):
                    self.check_works(Rewrite(rf"\[{item} [^\]]*\]", f"[{item} {value}]"))

    def test_without_lsub(self):
        for answer in ("BAD what is that?", "NO [CANNOT] no"):
            with self.subTest(answer=answer):
                self.server.folders["Archive"].subscribed = False
                self.check_works(Refuse("LSUB", answer), Refuse(r"LIST \(SUBSCRIBED", "BAD unknown"))

    def test_without_lsub_but_list_of_subscriptions(self):
        self.server.capabilities = [word for word in self.server.capabilities if word not in ("LIST-EXTENDED", "LIST-STATUS")]
        self.server.faults = [Refuse("LSUB", "BAD what is that?")]
        account = self.account()
        self.assertIsNone(self.sync(account))
        self.check_equal(account)

    def test_an_inbox_that_is_not_listed(self):
        self.check_works(Hides(folder="INBOX"))

    def test_an_extended_list_that_is_answered_by_nothing_or_refused(self):
        for fault in (Rewrite(r"^\* LIST ", None, times=5), Refuse('LIST "" "\\*" RETURN', "BAD syntax")):
            with self.subTest(fault=fault):
                self.check_works(fault)

    def test_a_listing_that_is_cut_short_takes_no_folder_away(self):
        account = self.account()
        self.assertIsNone(self.sync(account))
        self.server.faults = [Refuse("LIST", "NO [SERVERBUG] in the middle")]
        self.sync(account)
        self.sync(account)
        self.assertEqual(set(account.folders()), set(self.server.folders))
        self.assertEqual(set(self.here(account, "Archive")), {"a1", "a2", "a3"})


if __name__ == "__main__":
    unittest.main()
