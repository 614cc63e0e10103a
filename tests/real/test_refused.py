# SPDX-License-Identifier: GPL-3.0-or-later
"""What the provider refuses stays visible to the client, is listed with the provider's words, and can be
tried again, given up, or, where it exists only here, saved."""

import contextlib
import sqlite3
import subprocess
import time
import unittest

from harness import (Case, ControlError, ImapFilter, PATIENCE, dovecot_settings, fill,
                     find_program)
from test_sync import mail, mails


class Refused(Case):
    def start(self, server, **settings):
        self.server = server
        self.daemon = self.postern(server, incoming="imap+insecure",
                                   outgoing="submission+insecure", **settings)
        self.there = self.upstream(server)
        self.here = self.local(self.daemon)

    def restart_provider(self, settings):
        """Dovecot's processes live on with what they know as long as they are connected."""
        self.daemon.control("offline")
        self.server.restart(settings=settings)
        self.there = self.upstream(self.server)
        self.daemon.control("online")
        self.daemon.sync()

    def problems(self):
        return self.daemon.control("pending", "work")

    def the_problem(self, operation):
        """The one thing that is refused."""
        self.daemon.wait(self.problems, "the refusal", 60)
        self.daemon.sync()
        found = self.problems()
        self.assertEqual([problem["Operation"] for problem in found], [operation], found)
        self.assertTrue(found[0]["Error"])
        self.assert_said(found)
        return found[0]

    def assert_said(self, found):
        """`status` has a sentence for each, and says what can be done."""
        self.daemon.wait(lambda: self.daemon.state()["PendingChanges"]["Problems"] == len(found), "them to be counted")
        status = self.daemon.control("status", json_output=False)
        lines = [line for line in status.splitlines() if line.startswith("work: ")]
        for problem in found:
            line, = [line for line in lines if problem["Error"] in line and
                     (problem["Folder"] in line or not problem["Folder"])]
            self.assertRegex(line.removeprefix("work: "), r"^[A-Z][\w' ]+ ", line)
            self.assertNotIn(f": {problem['Operation']}, ", line)
        self.assertIn("'posternctl pending work'", lines[-1])

    def decide(self, verb, problem):
        self.daemon.control("pending", "work", verb, problem["Id"])
        self.daemon.sync()

    def assert_settled(self):
        self.daemon.sync()
        self.assertEqual(self.problems(), [])
        self.daemon.wait(lambda: self.daemon.pending() == 0, "nothing to be pending")

    def subjects(self, imap, folder):
        imap.select(folder, "EXAMINE")
        return sorted(body.split(b"Subject: ")[1].split(b"\r\n")[0].decode()
                      for body in imap.bodies().values())

    def refuses_to_give_up(self, problem):
        with self.assertRaises(ControlError) as caught:
            self.decide("give-up", problem)
        self.assertIn("only here", str(caught.exception))
        self.assertEqual(self.problems(), [problem])

    def exported(self, problem):
        return subprocess.run([find_program("posternctl"), "--no-start", "pending", "work", "export",
                               str(problem["Id"])], env=self.daemon.environment, check=True,
                              stdout=subprocess.PIPE, timeout=60 * PATIENCE).stdout


class OverQuota(Refused):
    def setUp(self):
        server = self.provider(settings=dovecot_settings.quota("The quota", size=20000))
        fill(server, mails(2), flags="")
        self.start(server)
        self.big = mail("big", "x" * 70 + "\r\n" * 400)
        self.big += b"more of it\r\n" * 3000

    def test_a_message_over_quota_is_shown_saved_and_sent_when_there_is_room(self):
        self.here.append("INBOX", self.big)
        problem = self.the_problem("append")
        self.assertIn("quota", problem["Error"].lower())
        self.assertEqual(problem["Folder"], "INBOX")
        self.assertGreater(problem["Retry"], time.time())
        self.assertEqual(self.subjects(self.here, "INBOX"), ["Mail 0", "Mail 1", "Mail big"])
        self.assertIn("quota", self.daemon.control("status", json_output=False).lower())
        self.assertEqual(self.exported(problem), self.big)
        self.refuses_to_give_up(problem)
        self.here.select()
        self.assertIn(self.big, self.here.bodies().values())
        self.restart_provider(dovecot_settings.quota("The quota", size=20000000))
        self.decide("retry", problem)
        self.assert_settled()
        self.assertEqual(self.subjects(self.there, "INBOX"), ["Mail 0", "Mail 1", "Mail big"])

    def test_retrying_what_is_still_refused_keeps_it(self):
        self.here.append("INBOX", self.big)
        problem = self.the_problem("append")
        self.decide("retry", problem)
        again = self.the_problem("append")
        self.assertEqual(again["Uid"], problem["Uid"])
        self.assertEqual(self.subjects(self.there, "INBOX"), ["Mail 0", "Mail 1"])

    def test_a_deleted_message_is_no_problem_any_more(self):
        self.here.append("INBOX", self.big)
        self.the_problem("append")
        self.here.select()
        self.here.ok("STORE 3 +FLAGS (\\Deleted)")
        self.here.ok("EXPUNGE")
        self.assert_settled()
        self.assertEqual(self.subjects(self.there, "INBOX"), ["Mail 0", "Mail 1"])

    def test_other_changes_go_on(self):
        self.here.append("INBOX", self.big)
        self.here.select()
        self.here.ok("STORE 1 +FLAGS (\\Flagged)")
        self.the_problem("append")
        self.there.select()
        self.assertEqual(self.there.flags("1:1"), {1: {"\\flagged"}})


class OverAppendLimit(Refused):
    def test_a_message_over_the_limit_is_refused_once_and_holds_up_nothing(self):
        server = self.provider()
        fill(server, mails(1), flags="")
        small = ImapFilter(server.imap, append_limit=2000)
        self.addCleanup(small.close)
        self.start(server, incoming_port=small.port)
        self.here.append("INBOX", mail("large", "text\r\n" * 1000))
        self.here.append("INBOX", mail("small"))
        problem = self.the_problem("append")
        self.assertIn("No more than 2000 bytes, please", problem["Error"])
        self.assertEqual(problem["Retry"], 0, "it never can")
        self.assertEqual(self.subjects(self.there, "INBOX"), ["Mail 0", "Mail small"])
        self.assertEqual(self.subjects(self.here, "INBOX"), ["Mail 0", "Mail large", "Mail small"])
        self.refuses_to_give_up(problem)


class WithoutPermission(Refused):
    """The folder ReadOnly may be read, and no more; Postern, offline, hears of it when it is too late to
    refuse it to the client (test_rights.py)."""

    def setUp(self):
        server = self.provider()
        fill(server, mails(3), flags="")
        fill(server, [mail("kept")], "ReadOnly", flags="")
        rights = server.directory / "acl"
        rights.write_text("ReadOnly owner lr\n")
        rights.chmod(0o644)
        self.start(server)
        self.daemon.control("offline")
        server.restart(settings=dovecot_settings.acl(path=rights, imap=False))
        self.there = self.upstream(server)

    def uid(self, folder, subject):
        self.here.select(folder)
        return next(uid for uid, body in self.here.bodies().items()
                    if f"Subject: Mail {subject}\r\n".encode() in body)

    def test_what_cannot_be_moved_there_comes_back_when_given_up(self):
        before = self.uid("INBOX", "1")
        self.here.ok(f"UID MOVE {before} ReadOnly")
        self.assertEqual(self.subjects(self.here, "ReadOnly"), ["Mail 1", "Mail kept"])
        self.daemon.control("online")
        problem = self.the_problem("move")
        self.assertEqual(self.subjects(self.here, "ReadOnly"), ["Mail 1", "Mail kept"])
        self.assertEqual(self.subjects(self.there, "INBOX"), ["Mail 0", "Mail 1", "Mail 2"])
        self.decide("give-up", problem)
        self.assertEqual(self.subjects(self.here, "ReadOnly"), ["Mail kept"])
        self.assertEqual(self.subjects(self.here, "INBOX"), ["Mail 0", "Mail 1", "Mail 2"])
        self.assertGreater(self.uid("INBOX", "1"), before, "a UID that was seen to go stays gone")
        self.assert_settled()

    def test_what_cannot_be_copied_there_goes_from_there_when_given_up(self):
        self.here.ok(f"SELECT INBOX")
        self.here.ok("COPY 1 ReadOnly")
        self.daemon.control("online")
        problem = self.the_problem("copy")
        self.decide("give-up", problem)
        self.assertEqual(self.subjects(self.here, "ReadOnly"), ["Mail kept"])
        self.assertEqual(self.subjects(self.here, "INBOX"), ["Mail 0", "Mail 1", "Mail 2"])
        self.assert_settled()

    def test_what_cannot_be_expunged_there_comes_back_when_given_up(self):
        self.here.ok("SELECT ReadOnly")
        self.here.ok("STORE 1 +FLAGS (\\Deleted)")
        self.here.ok("EXPUNGE")
        self.daemon.control("online")
        problem = self.the_problem("expunge")
        self.assertEqual(self.subjects(self.here, "ReadOnly"), [])
        self.decide("give-up", problem)
        self.assertEqual(self.subjects(self.here, "ReadOnly"), ["Mail kept"])
        self.assert_settled()
        self.assertEqual(self.subjects(self.there, "ReadOnly"), ["Mail kept"])

    def test_it_is_put_there_once_that_is_allowed(self):
        self.here.ok("SELECT INBOX")
        self.here.ok("UID MOVE 1:2 ReadOnly")
        self.daemon.control("online")
        problem = self.the_problem("move")
        self.restart_provider("")
        self.decide("retry", problem)
        self.assert_settled()
        self.assertEqual(self.subjects(self.there, "ReadOnly"), ["Mail 0", "Mail 1", "Mail kept"])
        self.assertEqual(self.subjects(self.there, "INBOX"), ["Mail 2"])


class FlagsNotKept(Refused):
    """The provider keeps no flags of the folder Some but \\Deleted, and says so in PERMANENTFLAGS alone."""

    def setUp(self):
        server = self.provider()
        fill(server, [mail("kept")], "Some", flags="")
        rights = server.directory / "acl"
        rights.write_text("Some owner lrit\n")
        rights.chmod(0o644)
        server.restart(settings=dovecot_settings.acl(path=rights, imap=False))
        self.start(server)

    def test_flags_the_folder_does_not_keep_are_kept_here(self):
        self.here.ok("SELECT Some")
        self.here.ok("STORE 1 +FLAGS (\\Flagged)")
        self.assert_settled()
        self.here.select("Some")
        self.assertEqual(list(self.here.flags().values()), [{"\\flagged"}])


class RefusedNames(Refused):
    def setUp(self):
        server = self.provider()
        fill(server, [mail("in a folder")], "Fine", flags="")
        self.start(server)
        self.bad = "x" * 300

    def test_an_empty_folder_that_cannot_be_made_goes_when_given_up(self):
        self.here.ok(f"CREATE {self.bad}")
        problem = self.the_problem("create")
        self.assertEqual(problem["Folder"], self.bad)
        self.assertIn(self.bad, self.here.folders())
        self.decide("give-up", problem)
        self.assertNotIn(self.bad, self.here.folders())
        self.assert_settled()

    def test_a_folder_with_mail_that_exists_only_here_is_not_given_up(self):
        self.here.ok(f"CREATE {self.bad}")
        self.here.append(self.bad, mail("only here"))
        problem = self.the_problem("create")
        with self.assertRaises(ControlError):
            self.decide("give-up", problem)
        self.assertEqual(self.subjects(self.here, self.bad), ["Mail only here"])

    def test_a_name_that_is_refused_is_taken_back_when_given_up(self):
        self.here.ok(f"RENAME Fine {self.bad}")
        problem = self.the_problem("rename")
        self.assertEqual(self.subjects(self.here, self.bad), ["Mail in a folder"])
        self.decide("give-up", problem)
        self.assertIn("Fine", self.here.folders())
        self.assertNotIn(self.bad, self.here.folders())
        self.assertEqual(self.subjects(self.here, "Fine"), ["Mail in a folder"])
        self.assert_settled()

    def test_a_refused_name_can_be_mended(self):
        self.here.ok(f"CREATE {self.bad}")
        self.here.append(self.bad, mail("only here"))
        self.the_problem("create")
        self.here.ok(f"RENAME {self.bad} Short")
        self.assert_settled()
        self.assertEqual(self.subjects(self.there, "Short"), ["Mail only here"])

    def test_there_is_nothing_to_decide_about_an_unknown_number(self):
        for verb in ("retry", "give-up"):
            with self.assertRaises(ControlError) as caught:
                self.daemon.control("pending", "work", verb, 12345)
            self.assertEqual(caught.exception.status, 1)
            with self.assertRaises(ControlError) as caught:
                self.daemon.control("pending", "work", verb, "one")
            self.assertEqual(caught.exception.status, 2)


class Said(Refused):
    def test_each_kind_is_a_sentence(self):
        kinds = ("append", "copy", "move", "flags", "expunge", "create", "delete", "rename", "subscribe", "renumbers")
        self.start(self.provider())
        self.daemon.stop()
        self.server.stop()
        words = "Not %s, says the provider."
        with contextlib.closing(sqlite3.connect(self.daemon.data / "accounts" / "work" / "mail.db")) as cache, cache:
            folder, = cache.execute("SELECT id FROM folder WHERE name = 'Trash'").fetchone()
            for kind in kinds:
                # Sync's own words name the folder.
                text = f"The provider numbers Trash anew; {kind}." if kind == "renumbers" else words % kind
                cache.execute("INSERT INTO problem (operation, folder, uid, text, since, retry) VALUES (?, ?, 0, ?, 1, 0)",
                              (kind, folder, text))
        self.daemon.start()
        found = self.problems()
        self.assertEqual([problem["Operation"] for problem in found], list(kinds))
        self.assert_said(found)


if __name__ == "__main__":
    unittest.main()
