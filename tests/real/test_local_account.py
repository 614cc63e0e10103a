# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts without a provider: mail that lives here only."""

import subprocess
import time
import unittest

from harness import Case, ControlError, account
from test_sync import mail, mails


class LocalAccount(Case):
    def setUp(self):
        self.postern = super().postern(accounts={}, synced=False)

    def add(self, name="archive"):
        return self.postern.control("account", "add", "--local", name)

    def test_an_account_is_added_by_its_name_alone_and_is_ready_at_once(self):
        added = self.add()
        self.assertEqual((added["Id"], added["Address"]), ("archive", "archive@localhost"))
        state = self.postern.wait_state("idle", account="archive")
        self.assertEqual((state["LastError"], state["Progress"]), ("", 1.0))
        self.assertEqual(state["Upstream"]["Incoming"], "local:")
        names = {one["Name"]: one["Role"] for one in self.postern.control("folders", "archive")}
        self.assertEqual(names, {"INBOX": "inbox", "Archive": "archive", "Drafts": "drafts",
                                 "Junk": "junk", "Sent": "sent", "Trash": "trash"})
        with self.assertRaises(ControlError) as caught:
            self.add()
        self.assertIn("already", str(caught.exception))
        with self.assertRaises(ControlError) as caught:
            self.postern.control("account", "add", "--local", "old", "--user", "ada")
        self.assertEqual(caught.exception.status, 2)

    def test_the_bus_adds_one_without_a_password(self):
        done = subprocess.run(
            ["gdbus", "call", "--session", "--dest", "org.postern.Postern1", "--object-path",
             "/org/postern/Postern1", "--method", "org.postern.Postern1.Manager.AddAccount",
             "{'id': <'old-mail'>, 'incoming': <'local:'>}", ""],
            env=self.postern.environment, capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.postern.wait_state("idle", account="old-mail")

    def test_what_is_put_into_it_is_there_and_nothing_is_pending(self):
        self.add()
        imap = self.local(self.postern, "archive")
        imap.ok("CREATE 2019/Letters")
        for one in mails(5):
            imap.append("2019/Letters", one)
        imap.select("2019/Letters")
        self.assertEqual(len(imap.bodies()), 5)
        imap.ok("UID COPY 1:2 Archive")
        imap.ok("UID MOVE 3 Trash")
        imap.ok("UID STORE 1 +FLAGS.SILENT (\\Seen $Old)")
        imap.ok("RENAME 2019/Letters 2019/Post")
        self.assertEqual(self.postern.pending("archive"), 0)
        self.postern.sync("archive")
        self.assertEqual(self.postern.control("pending", "archive"), [])
        counts = {one["Name"]: one["Messages"] for one in self.postern.control("folders", "archive")}
        self.assertEqual((counts["2019/Post"], counts["Archive"], counts["Trash"]), (4, 2, 1))

    def test_it_is_in_step_without_a_network_and_offline(self):
        self.add()
        self.postern.wait_state("idle", account="archive")
        self.postern.control("offline")
        time.sleep(0.3)
        state = self.postern.state("archive")
        self.assertEqual((state["State"], state["LastError"]), ("idle", ""))
        imap = self.local(self.postern, "archive")
        imap.append("INBOX", mail("offline"))
        self.postern.sync("archive")
        self.assertEqual(self.postern.pending("archive"), 0)

    def test_a_kill_loses_nothing_and_folders_that_were_deleted_stay_away(self):
        self.add()
        imap = self.local(self.postern, "archive")
        imap.append("INBOX", mail("kept"))
        imap.ok("DELETE Junk")
        self.postern.kill()
        self.postern.start()
        imap = self.local(self.postern, "archive")
        imap.select("INBOX")
        self.assertEqual(list(imap.bodies().values()), [mail("kept")])
        self.assertNotIn("Junk", [one["Name"] for one in self.postern.control("folders", "archive")])

    def test_it_isnt_removed_with_what_is_nowhere_else(self):
        self.add()
        imap = self.local(self.postern, "archive")
        imap.append("INBOX", mail("precious"))
        with self.assertRaises(ControlError) as caught:
            self.postern.control("account", "remove", "archive")
        self.assertIn("1 messages are in no other place", str(caught.exception))
        self.postern.control("account", "remove", "archive", "--purge")
        self.add()
        imap = self.local(self.postern, "archive")
        imap.select("INBOX")
        self.assertEqual(imap.bodies(), {})

    def test_search_sort_and_condstore_work_as_anywhere(self):
        self.add()
        imap = self.local(self.postern, "archive")
        for subject in ("pears", "apples"):
            imap.append("INBOX", mail(subject))
        imap.ok("SELECT INBOX (CONDSTORE)")
        self.assertEqual(imap.ok("UID SEARCH SUBJECT apples").numbers(), [2])
        self.assertEqual(imap.ok("UID SORT (SUBJECT) UTF-8 ALL").numbers("SORT"), [2, 1])
        answer = imap.command("UID STORE 1 (UNCHANGEDSINCE 1) +FLAGS (\\Seen)")
        self.assertEqual(answer.code("MODIFIED"), "1")

    def test_it_has_the_extensions_that_other_accounts_have(self):
        self.add()
        imap, other = self.local(self.postern, "archive"), self.local(self.postern, "archive")
        imap.append("INBOX", mail("one"))
        imap.append("INBOX", mail("two").replace(b"\r\n\r\n", b"\r\nReferences: <one@sync.test>\r\n\r\n", 1))
        imap.ok("ENABLE QRESYNC")
        selected = imap.select("INBOX")
        since, validity = selected.code("HIGHESTMODSEQ"), selected.code("UIDVALIDITY")
        self.assertIn(b"(1 2)", imap.ok("UID THREAD REFERENCES UTF-8 ALL").lines("THREAD")[0])
        self.assertIn(b"COUNT 2", imap.ok("UID SEARCH RETURN (COUNT SAVE) ALL").lines("ESEARCH")[0])
        self.assertEqual(len(imap.fetch("$", "(UID FLAGS)")), 2)
        imap.ok('SETMETADATA INBOX (/private/comment "kept")')
        self.assertIn(b"kept", imap.ok("GETMETADATA INBOX /private/comment").lines("METADATA")[0])
        other.select("INBOX")
        other.idle()
        imap.append("INBOX", mail("three"))
        other.wait_line("3 EXISTS")
        other.done()
        imap.ok("UID STORE 1 +FLAGS.SILENT (\\Deleted)")
        imap.ok("UID EXPUNGE 1")
        again = self.local(self.postern, "archive")
        again.ok("ENABLE QRESYNC")
        told = again.ok(f"SELECT INBOX (QRESYNC ({validity} {since}))")
        self.assertIn(b"VANISHED (EARLIER) 1", told.untagged)


class AnotherKind(Case):
    def test_a_cache_isnt_given_to_an_account_of_another_kind(self):
        """Nothing that is only here is sent to a provider, or taken for what a provider has lost."""
        provider = self.provider()
        postern = self.postern(accounts={"work": {"incoming": "local:"}})
        imap = self.local(postern)
        imap.append("INBOX", mail("mine"))
        imap.close()
        postern.accounts = {"work": account(provider)}
        postern.write_config()
        postern.restart()
        state = postern.wait_state("error")
        self.assertIn("of the kind local", state["LastError"])
        postern.accounts = {"work": {"incoming": "local:"}}
        postern.write_config()
        postern.restart()
        postern.wait_state("idle")
        imap = self.local(postern)
        imap.select("INBOX")
        self.assertEqual(list(imap.bodies().values()), [mail("mine")])


if __name__ == "__main__":
    unittest.main()
