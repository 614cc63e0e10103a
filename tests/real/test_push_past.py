# SPDX-License-Identifier: GPL-3.0-or-later
"""Push goes past what can't be sent: a folder, a message, a flag that the provider refuses or breaks the connection
at holds up only what depends on it. Each command and each way to fail, against a provider in memory."""

import tempfile
import unittest

from harness import faults
from harness.syncaccount import SyncAccount
from test_set_aside import Fake, mail

BREAK, REFUSE = faults.Break, faults.Refuse


class Past(Fake):
    folders = ("Archive", "Work", "Old")

    def begin(self):
        self.setUp()
        self.fill("INBOX", 8, "m")
        self.fill("Archive", 8, "a")
        self.assertIsNone(self.sync())

    def change(self):
        """Something of each kind, in Archive, between it and others, and among the others."""
        account = self.account
        account("store", "Archive", 1, "+\\Flagged")
        account("move", "Archive", 2, "Work")
        account("copy", "Archive", 3, "INBOX")
        account("expunge", "Archive", 4)
        account.append("Archive", mail("na"))
        account("move", "INBOX", 3, "Archive")
        account("copy", "INBOX", 4, "Archive")
        account("store", "INBOX", 1, "+\\Flagged")
        account("move", "INBOX", 2, "Work")
        account("copy", "INBOX", 5, "Work")
        account("expunge", "INBOX", 6)
        account.append("INBOX", mail("ni"))
        account.append("Work", mail("nw"))
        account("create", "New")
        account.append("New", mail("nn"))
        account("delete", "Old")

    def rounds(self, count, seconds=10):
        said = None
        for _ in range(count):
            said = self.sync()
            self.account("advance", seconds)
            self.server.clock.advance(seconds)
            self.server.tick()
        return said

    def check_others(self, without_old=True):
        """What Archive has nothing to do with is done within a minute."""
        there = self.server.state()
        inbox, work = self.there("INBOX"), self.there("Work")
        self.assertEqual(inbox["m1"], {"\\Flagged"})
        self.assertIn("ni", inbox)
        self.assertNotIn("m2", inbox)
        self.assertNotIn("m6", inbox)
        self.assertLessEqual({"m2", "m5", "nw"}, set(work))
        self.assertEqual([name for name, _, _ in there["New"]], ["nn"])
        if without_old:
            self.assertNotIn("Old", there)

    def check_end(self):
        self.server.faults = []
        for turn in range(8):
            self.account("advance", 200 * (turn + 1))
            self.server.clock.advance(200 * (turn + 1))
            self.server.tick()
            self.account("retry")
            if self.sync() is None and self.account.pending() == (0, 0, 0):
                break
        self.assertEqual(self.account.pending(), (0, 0, 0), self.account("pending"))
        wanted = {"INBOX": {"m1", "m4", "m5", "m7", "m8", "ni", "a3"}, "Work": {"m2", "m5", "nw", "a2"}, "New": {"nn"},
                  "Archive": {"a1", "a3", "a5", "a6", "a7", "a8", "na", "m3", "m4"}}
        for folder, names in wanted.items():
            self.assertEqual(sorted(name for name, _, _ in self.server.state()[folder]), sorted(names), folder)
            self.assertEqual(self.here(folder), self.there(folder))
        self.assertEqual(self.there("Archive")["a1"], {"\\Flagged"})

    def play(self, fault, without=()):
        self.without = without
        self.begin()
        self.server.faults = [fault]
        self.change()
        self.rounds(5)
        self.check_others()
        waiting, attempts, problems = self.account.pending()
        self.assertGreater(waiting + attempts + problems, 0)
        self.assertGreater(problems + attempts, 0, "nothing is said")
        self.check_end()

    def test_whatever_command_breaks_the_connection_in_a_folder(self):
        for command in ("SELECT|EXAMINE", "UID STORE", "UID (COPY|MOVE)", "UID EXPUNGE|EXPUNGE", "APPEND", "UID "):
            for without in ((), ("MOVE",), ("UIDPLUS",), ("LITERAL+", "LIST-STATUS")):
                with self.subTest(command=command, without=without):
                    self.play(BREAK(command, folder="Archive"), without)

    def test_whatever_command_is_refused_in_a_folder(self):
        for command in ("SELECT|EXAMINE", "UID STORE", "UID (COPY|MOVE)", "APPEND"):
            for words in ("NO [SERVERBUG] oops", "NO [NOPERM] not you", "NO [UNAVAILABLE] later", "NO no", "BAD what?"):
                with self.subTest(command=command, words=words):
                    self.play(REFUSE(command, words, folder="Archive"))

    def test_a_folder_whose_select_breaks_the_connection_is_tried_by_pull_alone(self):
        self.begin()
        account = self.account
        breaks = BREAK("SELECT", folder="Archive")
        self.server.faults = [breaks]
        for uid, flag in enumerate(("\\Seen", "\\Flagged", "\\Answered", "Work"), 1):
            account("store", "Archive", uid, "+" + flag)
        account("expunge", "Archive", 5)
        account("move", "Archive", 6, "Work")
        account("copy", "Archive", 7, "INBOX")
        account("store", "INBOX", 1, "+\\Flagged")
        self.sync()
        self.assertLessEqual(breaks.hits, 6)  # two for each round
        self.assertEqual(self.there("INBOX")["m1"], {"\\Flagged"})

    def test_many_folders_that_are_not_as_listed_cost_one_more_list(self):
        self.begin()
        for number in range(9):
            self.server.create(f"Folder {number}")
        self.assertIsNone(self.sync())
        self.account("offline")
        for number in range(9):
            self.account.append(f"Folder {number}", mail(f"n{number}"))
        self.account("store", "INBOX", 1, "+\\Flagged")
        self.server.faults = [REFUSE("APPEND", "NO [TRYCREATE] no such folder", folder=f"Folder {number}", times=1)
                              for number in range(9)]
        self.server.commands.clear()
        self.account("online")
        self.assertIsNone(self.sync())
        lists = [line for _, line in self.server.commands if line.startswith('LIST "" "*"')]
        self.assertLessEqual(len(lists), 3, lists)
        self.assertEqual([len(self.there(f"Folder {number}")) for number in range(9)], [1] * 9)
        self.assertEqual(self.account.pending(), (0, 0, 0))

    def test_a_target_that_refuses_is_no_fault_of_other_targets_nor_a_source_of_the_target(self):
        """A MOVE names two folders; which of them is why it is refused isn't known."""
        for words in ("NO [NOPERM] not from there", "NO [SERVERBUG] oops"):
            with self.subTest(words=words):
                self.begin()
                account = self.account
                self.server.faults = [REFUSE("UID (MOVE|COPY)", words, folder="Archive")]
                account("move", "Archive", "1:4", "Work")
                self.rounds(2)
                # What comes from elsewhere later isn't held up.
                account("move", "INBOX", "1:3", "Work")
                account("copy", "INBOX", "4", "Work")
                account.append("Work", mail("nw"))
                self.rounds(2)
                self.assertEqual(set(self.there("Work")), {"m1", "m2", "m3", "m4", "nw"})
                self.assertIn("move", [problem[0] for problem in account.problems()])

    def test_folders_at_which_create_rename_and_delete_break_the_connection(self):
        for command in ("CREATE", "RENAME", "DELETE", "STATUS"):
            for when in ("before", "after"):
                with self.subTest(command=command, when=when):
                    self.begin()
                    account = self.account
                    self.server.faults = [BREAK(command, when=when)]
                    account("create", "Some")
                    account("rename", "Work", "Play")
                    account("delete", "Old")
                    account("store", "INBOX", 1, "+\\Flagged")
                    account.append("Archive", mail("na"))
                    self.rounds(4)
                    self.assertEqual(self.there("INBOX")["m1"], {"\\Flagged"})
                    self.assertIn("na", self.there("Archive"))
                    self.server.faults = []
                    self.account("retry")
                    self.assertIsNone(account.settle(6))
                    self.assertEqual(set(self.server.folders), {"INBOX", "Drafts", "Sent", "Trash", "Archive", "Some", "Play"})
                    self.assertEqual(set(account.folders()), set(self.server.folders))

    def test_many_that_ask_for_another_list_end_no_more_than_one_round(self):
        self.begin()
        account = self.account
        self.server.faults = [REFUSE("CREATE", "NO [ALREADYEXISTS] it is there")]
        account("offline")
        for number in range(9):
            account("create", f"New{number}")
        account("online")
        account("store", "INBOX", 1, "+\\Flagged")
        connections = self.server.connections
        self.assertIsNone(self.sync())
        self.assertLess(self.server.connections - connections, 6)
        self.assertEqual(self.there("INBOX")["m1"], {"\\Flagged"})
        self.assertEqual({problem[:2] for problem in account.problems()}, {("create", f"New{number}") for number in range(9)})

    def test_a_message_that_breaks_the_connection_when_it_is_appended_takes_no_others_with_it(self):
        for without in ((), ("LITERAL+",), ("UIDPLUS",)):
            with self.subTest(without=without):
                self.without = without
                self.begin()

                class Breaks(faults.Fault):
                    def before(self, session, command):
                        if command.name == "APPEND" and b"<n7@" in command.args[-1]:
                            raise faults.Cut
                self.server.faults = [Breaks()]
                for number in range(30):
                    self.account.append("Archive", mail(f"n{number}"))
                self.account.append("Work", mail("other"))
                self.rounds(2)
                self.assertIn("other", self.there("Work"))
                self.rounds(4, 100)
                self.assertEqual(sorted(set(self.there("Archive")) - {f"a{n}" for n in range(9)}),
                                 sorted(f"n{number}" for number in range(30) if number != 7))
                self.assertEqual(len(self.server.state()["Archive"]), 8 + 29)
                self.assertEqual([problem[0] for problem in self.account.problems()], ["append"])

    def test_a_message_that_breaks_the_connection_when_it_is_moved_takes_no_others_with_it(self):
        for without in ((), ("MOVE",), ("UIDPLUS",)):
            with self.subTest(without=without):
                self.without = without
                self.begin()

                class Breaks(faults.Fault):
                    def before(self, session, command):
                        if command.name in ("UID MOVE", "UID COPY") and 5 in session.chosen(command.args[0], True):
                            raise faults.Cut
                self.server.faults = [Breaks()]
                self.account("move", "Archive", "1:8", "Work")
                for _ in range(6):
                    self.rounds(2, 100)
                self.assertEqual(sorted(self.there("Work")), [f"a{number}" for number in range(1, 9) if number != 5])
                self.assertEqual(len(self.account.problems()), 1)


class Flags(Fake):
    """A flag that isn't kept holds that flag of that message only."""

    def test_a_flag_that_is_not_kept_holds_no_other(self):
        for bad in ("Work", "\\Flagged", "$Junk"):
            for action in ("+", "-"):
                with self.subTest(bad=bad, action=action):
                    self.setUp()
                    self.fill()
                    if action == "-":
                        self.server.set_flags("INBOX", 2, [bad, "Kept"])
                    self.assertIsNone(self.sync())

                    class Forgets(faults.Fault):
                        def stored(self, flags, session, folder):
                            return set(flags) - {bad}
                    self.server.faults = [Forgets()]
                    account = self.account
                    account("store", "INBOX", 2, f"{action}{bad} Other" if action == "-" else f"+{bad}")
                    self.sync()
                    self.assertEqual([problem[:3] for problem in account.problems()], [("flags", "INBOX", 2)])
                    # Others of that message, and this flag of others.
                    account("store", "INBOX", 2, "+\\Seen Fine")
                    account("store", "INBOX", 2, "-Kept")
                    account("store", "INBOX", 3, "+\\Seen")
                    self.sync()
                    self.assertEqual(self.there()["m2"] - {bad}, {"\\Seen", "Fine"})
                    self.assertEqual(self.there()["m3"], {"\\Seen"})
                    self.assertEqual([problem[:3] for problem in account.problems()], [("flags", "INBOX", 2)])
                    # It isn't asked for again.
                    stores = [line for _, line in self.server.commands if line.startswith("UID STORE") and bad in line]
                    self.sync()
                    self.assertEqual([line for _, line in self.server.commands
                                      if line.startswith("UID STORE") and bad in line], stores)
                    # After a change of mind nothing is left of it, nor held the next time.
                    account("store", "INBOX", 2, ("+" if action == "-" else "-") + bad)
                    self.assertIsNone(account.settle(2))
                    self.server.faults = []
                    account("store", "INBOX", 2, action + bad)
                    self.assertIsNone(account.settle(2))
                    self.assertEqual(self.there()["m2"], {"\\Seen", "Fine"} | ({bad} if action == "+" else set()))

    def test_it_is_sent_when_someone_asks_for_that(self):
        self.fill()
        self.assertIsNone(self.sync())
        self.server.faults = [faults.ForgetsFlags("Work")]
        self.account("store", "INBOX", 2, "+Work")
        self.sync()
        self.account("store", "INBOX", 2, "+\\Seen")
        self.sync()
        self.server.faults = []
        self.account("retry")
        self.assertIsNone(self.account.settle(2))
        self.assertEqual(self.there()["m2"], {"Work", "\\Seen"})

    def test_after_a_restart_too(self):
        with tempfile.TemporaryDirectory() as directory:
            self._account = SyncAccount(self.server.imap, directory)
            self.fill()
            self.assertIsNone(self.sync())
            self.server.faults = [faults.ForgetsFlags("Work")]
            self.account("store", "INBOX", 2, "+Work")
            self.sync()
            self._account.close()
            self._account = SyncAccount(self.server.imap, directory)
            self.account("store", "INBOX", 2, "+\\Seen")
            self.sync()
            self.assertEqual(self.there()["m2"], {"\\Seen"})
            self.assertEqual([problem[:3] for problem in self.account.problems()], [("flags", "INBOX", 2)])
            self._account.close()


del Fake

if __name__ == "__main__":
    unittest.main()
