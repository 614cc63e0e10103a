# SPDX-License-Identifier: GPL-3.0-or-later
"""Both sides changed the same thing while they could not see each other. Each test is one sentence of
the documentation (daemon/sync/README.md) and what it means."""

import unittest

from harness import Case, Link, RawImap
from harness.syncaccount import SyncAccount, SyncError


def mail(name, text="The text"):
    return (f"From: bob@example.org\r\nTo: ada@example.org\r\nSubject: {name}\r\n"
            f"Message-ID: <{name}@conflict.test>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n"
            f"\r\n{text} of {name}.\r\n").encode()


class Sides:
    """Both sides of an account, which can't see each other when a test begins."""

    without = ()

    def setUp(self):
        self.server = self.provider(without=self.without)
        self.imap = self.upstream(self.server)
        for folder in ("Archive", "Work"):
            self.imap.ok(f"CREATE {folder}")
        for number in range(6):
            self.put("INBOX", f"m{number}")
        self.account = SyncAccount(self.port())
        self.addCleanup(lambda: self.assertEqual(self.account.close(), 0))
        self.account("sync")
        self.uids = {name: uid for uid, (name, _) in self.here("INBOX").items()}
        self.account("offline")

    def port(self):
        """Where the account finds its provider."""
        return self.server.imap

    def put(self, folder, name):
        data = mail(name)
        self.imap.ok(f'APPEND "{folder}" () {{{len(data)}+}}\r\n'.encode() + data)

    def here(self, folder):
        """{uid: (name, flags)}"""
        return {uid: (name.strip("<>").split("@")[0], flags)
                for uid, (name, flags, _) in self.account.messages(folder).items()}

    def there(self, folder):
        """{name: flags}, as a sorted list, so that doubles show."""
        # A folder deleted and made again: Dovecot may find out at the first attempt.
        if self.imap.command(f'SELECT "{folder}"').status != "OK":
            self.imap.ok(f'SELECT "{folder}"')
        result = self.imap.ok("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        found = []
        for items in result.fetched().values():
            subject = next(value for key, value in items.items() if key.startswith("BODY["))
            flags = sorted({flag.decode() for flag in items["FLAGS"]} - {"\\Recent"})
            found.append((subject.decode().split()[-1], flags))
        return sorted(found)

    def command(self, folder, *commands):
        self.imap.ok(f'SELECT "{folder}"')
        for command in commands:
            self.imap.ok(command)
        self.imap.ok("UNSELECT")

    def expunge_there(self, folder, number):
        self.command(folder, f"STORE {number} +FLAGS (\\Deleted)", "EXPUNGE")

    def move_there(self, folder, number, target):
        self.command(folder, f"COPY {number} {target}", f"STORE {number} +FLAGS (\\Deleted)",
                     "EXPUNGE")

    def sync(self):
        self.account("online")
        for _ in range(10):
            try:
                self.account("sync")
                if self.account.pending()[:2] == (0, 0):
                    break
            except SyncError as error:
                self.fail(error)
        self.account("sync")

    def assert_same(self, folder):
        ours = sorted((name, sorted(flags)) for name, flags in self.here(folder).values())
        self.assertEqual(ours, self.there(folder))

    def names(self, folder):
        return [name for name, _ in self.there(folder)]


class Conflicts(Sides, Case):
    def test_flags_are_merged_bit_by_bit(self):
        self.account("store", "INBOX", self.uids["m0"], "+\\Seen Here")
        self.command("INBOX", "STORE 1 +FLAGS (\\Flagged There)")
        self.sync()
        self.assertEqual(self.there("INBOX")[0][1], ["Here", "There", "\\Flagged", "\\Seen"])
        self.assert_same("INBOX")

    def test_moved_here_deleted_there_it_is_where_it_was_moved(self):
        self.account("move", "INBOX", self.uids["m1"], "Archive")
        self.expunge_there("INBOX", 2)
        self.sync()
        self.assertNotIn("m1", self.names("INBOX"))
        self.assertEqual(self.names("Archive"), ["m1"])
        self.assert_same("Archive")

    def test_deleted_here_flagged_there_it_is_deleted(self):
        self.account("expunge", "INBOX", self.uids["m2"])
        self.command("INBOX", "STORE 3 +FLAGS (\\Flagged)")
        self.sync()
        self.assertNotIn("m2", self.names("INBOX"))
        self.assert_same("INBOX")

    def test_flagged_here_deleted_there_it_is_deleted(self):
        self.account("store", "INBOX", self.uids["m2"], "+\\Flagged")
        self.expunge_there("INBOX", 3)
        self.sync()
        self.assertNotIn("m2", self.names("INBOX"))
        self.assert_same("INBOX")

    def test_flagged_here_moved_there_the_flag_follows(self):
        self.account("store", "INBOX", self.uids["m2"], "+\\Flagged")
        self.move_there("INBOX", 3, "Archive")
        self.sync()
        self.assertEqual(self.there("Archive"), [("m2", ["\\Flagged"])])
        self.assert_same("Archive")

    def test_moved_to_different_places_it_is_where_it_was_moved_here(self):
        self.account("move", "INBOX", self.uids["m3"], "Archive")
        self.move_there("INBOX", 4, "Work")
        self.sync()
        self.assertEqual((self.names("Archive"), self.names("Work")), (["m3"], []))
        self.assertNotIn("m3", self.names("INBOX"))
        self.assert_same("Archive")

    def test_appended_into_a_folder_that_was_renamed_it_is_there(self):
        self.account.append("Archive", mail("new"))
        self.imap.ok("RENAME Archive Attic")
        self.sync()
        self.assertEqual(self.names("Attic"), ["new"])
        self.assertNotIn("Archive", self.account.folders())
        self.assert_same("Attic")

    def test_appended_into_a_folder_that_was_deleted_the_folder_is_made_again(self):
        self.put("Archive", "old")
        self.account("online")
        self.account("sync")
        self.account("offline")
        self.account.append("Archive", mail("new"))
        self.imap.ok("DELETE Archive")
        self.sync()
        self.assertEqual(self.names("Archive"), ["new"])
        self.assert_same("Archive")

    def test_renamed_on_both_sides_it_has_the_name_from_here(self):
        self.put("Archive", "old")
        self.account("online")
        self.account("sync")
        self.account("offline")
        validity = self.account.folders()["Archive"]
        self.account("rename", "Archive", "Mine")
        self.imap.ok("RENAME Archive Theirs")
        self.sync()
        self.assertEqual(self.names("Mine"), ["old"])
        self.assertNotIn("Theirs", self.account.folders())
        self.assertEqual(self.account.folders()["Mine"], validity)
        self.assert_same("Mine")

    def test_created_on_both_sides_it_is_one_folder(self):
        self.account("create", "Both")
        self.account.append("Both", mail("ours"))
        self.imap.ok("CREATE Both")
        self.put("Both", "theirs")
        self.sync()
        self.assertEqual(self.names("Both"), ["ours", "theirs"])
        self.assert_same("Both")

    def test_deleted_here_new_mail_there_it_comes_back(self):
        self.account("delete", "Archive")
        self.put("Archive", "new")
        self.sync()
        self.assertEqual(self.names("Archive"), ["new"])
        self.assert_same("Archive")

    def test_deleted_here_with_folders_below_it_it_is_a_level_there(self):
        """RFC 3501, 6.3.4: its name stays, for those below, and its messages go. A listing that comes
        before the deletion goes out says nothing against it."""
        self.account("create", "Archive/Below")
        self.put("Archive", "old")
        self.sync()
        self.account("delete", "Archive")
        self.sync()
        self.assertIn("\\noselect", self.imap.folders()["Archive"])
        self.assertNotIn("\\noselect", self.imap.folders()["Archive/Below"])

    def test_folders_swapped_there_keep_their_messages(self):
        self.put("Archive", "a")
        self.put("Work", "w")
        self.account("online")
        self.account("sync")
        self.account("offline")
        digests = {folder: self.account.messages(folder) for folder in ("Archive", "Work")}
        for old, new in (("Archive", "x"), ("Work", "Archive"), ("x", "Work")):
            self.imap.ok(f"RENAME {old} {new}")
        self.sync()
        self.assertEqual(self.account.messages("Archive"), digests["Work"])
        self.assertEqual(self.account.messages("Work"), digests["Archive"])
        self.assert_same("Archive")

    def test_folders_swapped_here_are_swapped_there(self):
        self.put("Archive", "a")
        self.put("Work", "w")
        self.account("online")
        self.account("sync")
        self.account("offline")
        for old, new in (("Archive", "x"), ("Work", "Archive"), ("x", "Work")):
            self.account("rename", old, new)
        self.sync()
        self.assertEqual((self.names("Archive"), self.names("Work")), (["w"], ["a"]))
        self.assert_same("Archive")

    def test_uidvalidity_reset_keeps_uids_bodies_and_pending_changes(self):
        before = self.here("INBOX")
        validity = self.account.folders()["INBOX"]
        self.account("store", "INBOX", self.uids["m4"], "+\\Flagged")
        self.account("move", "INBOX", self.uids["m5"], "Archive")
        user = ("-u", "ada@example.org")
        self.imap.ok("CREATE Copy")
        self.server.doveadm("mailbox", "update", *user, "--uid-validity", "4242", "INBOX")
        self.sync()
        self.assertEqual(self.account.folders()["INBOX"], validity)
        after = self.here("INBOX")
        self.assertEqual({uid: name for uid, (name, _) in after.items()},
                         {uid: name for uid, (name, _) in before.items() if name != "m5"})
        self.assertIn(("m4", ["\\Flagged"]), self.there("INBOX"))
        self.assertEqual(self.names("Archive"), ["m5"])
        self.assert_same("INBOX")

    def test_a_message_both_sides_deleted_is_gone(self):
        self.account("expunge", "INBOX", self.uids["m0"])
        self.expunge_there("INBOX", 1)
        self.sync()
        self.assertNotIn("m0", self.names("INBOX"))
        self.assert_same("INBOX")

    def test_undone_offline_nothing_is_sent(self):
        self.account("store", "INBOX", self.uids["m0"], "+\\Seen")
        self.account("store", "INBOX", self.uids["m0"], "-\\Seen")
        self.assertEqual(self.account.pending(), (0, 0, 0))
        moved = self.account("move", "INBOX", self.uids["m1"], "Work")[0][1]
        self.account("move", "Work", moved, "Archive")
        self.sync()
        self.assertEqual((self.names("Work"), self.names("Archive")), ([], ["m1"]))
        self.imap.ok("SELECT Work")
        self.assertEqual(self.imap.ok("STATUS Work (UIDNEXT)").lines("STATUS")[0].split()[-1],
                         b"1)", "it never was in Work")

    def test_what_is_put_into_a_new_folder_goes_out_in_the_same_round(self):
        self.account("create", "New")
        self.account.append("New", mail("appended"))
        self.account("move", "INBOX", self.uids["m1"], "New")
        self.account("online")
        self.account("sync")
        self.assertEqual(self.account.pending(), (0, 0, 0))
        self.assertEqual(self.names("New"), ["appended", "m1"])


class ConflictsWithoutMove(Conflicts):
    without = ("MOVE", "UIDPLUS")


class Refusals(Sides, Case):
    """What the provider refuses stays visible, with its words, until it is retried or given up."""

    def test_a_name_the_server_refuses_is_a_problem(self):
        name = "x" * 300
        self.account("create", name)
        self.sync()
        problem = self.account("pending")[1]
        self.assertEqual(problem[0], "create")
        self.assertTrue(problem[3])
        self.assertIn(name, self.account.folders())

    def test_without_uidplus_others_marks_are_never_expunged(self):
        self.account("online")
        self.server.restart(without=("UIDPLUS", "MOVE"))
        self.imap = self.upstream(self.server)
        self.command("INBOX", "STORE 1 +FLAGS (\\Deleted)")
        self.account("expunge", "INBOX", self.uids["m3"])
        for _ in range(5):
            try:
                self.account("sync")
                break
            except SyncError:
                pass
        self.account("sync")
        self.assertIn(("m0", ["\\Deleted"]), self.there("INBOX"))
        self.assertEqual([line[0] for line in self.account("pending")[1:]], ["expunge"])


if __name__ == "__main__":
    unittest.main()
