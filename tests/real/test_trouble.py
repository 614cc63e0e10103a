# SPDX-License-Identifier: GPL-3.0-or-later
"""What can't be had from the provider is said wherever somebody looks, and counted."""

import re
import sqlite3
import time

from harness import PATIENCE, Case, ControlError, FakeImap
from test_shutdown import Hangs
from test_sync import mails


class Trouble(Case):
    def setUp(self):
        self.near = FakeImap()
        self.addCleanup(self.near.close)
        for one in mails(5):
            self.near.put("INBOX", one)
        settings = {"address": "ada@example.org", "password-command": "echo lovelace",
                    "incoming": self.near.url("imap+insecure")}
        self.daemon = self.postern(accounts={"work": settings})

    def edit(self, *statements):
        """Changes the cache while nobody uses it."""
        self.assertEqual(self.daemon.stop(), 0)
        path = self.daemon.data / "accounts" / "work" / "mail.db"
        with sqlite3.connect(path) as database:
            for statement in statements:
                database.execute(statement)
        database.close()

    @staticmethod
    def problem(operation, uid, text):
        return ("INSERT INTO problem (operation, folder, uid, text, since, retry) SELECT "
                f"'{operation}', id, {uid}, '{text}', {int(time.time())}, 0 FROM folder WHERE name = 'INBOX'")

    def test_messages_that_can_not_be_fetched_are_told_everywhere(self):
        # What is here can't be missing.
        settings = {**self.daemon.accounts["work"], "prefetch": "headers"}
        self.daemon = self.postern(accounts={"work": settings})
        self.edit(*(self.problem("fetch", uid, "[SERVERBUG] damaged") for uid in (1, 2, 3)))
        self.daemon.start()
        words = "3 messages of INBOX can't be fetched: [SERVERBUG] damaged"
        with self.assertRaises(ControlError) as caught:
            self.daemon.sync()
        self.assertEqual(caught.exception.status, 1)
        self.assertIn(words, str(caught.exception))
        state = self.daemon.wait_state("idle")  # a round of its own may begin at the start, too
        self.assertEqual(state["LastError"], words)
        inbox = next(one for one in self.daemon.control("folders", "work") if one["Name"] == "INBOX")
        self.assertEqual(inbox["Error"], words)
        self.assertIn(words, self.daemon.control("status", json_output=False))
        self.assertIn(words, self.daemon.control("folders", "work", json_output=False))

    def test_a_folder_that_can_not_be_read_is_told(self):
        self.edit(self.problem("read", 0, "NO [SERVERBUG] broken"))
        self.near.close()
        self.daemon.start()
        inbox = next(one for one in self.daemon.control("folders", "work") if one["Name"] == "INBOX")
        self.assertEqual(inbox["Error"], "INBOX can't be read: NO [SERVERBUG] broken")

    def test_keywords_that_are_left_out_are_told_and_in_the_exit_status(self):
        self.near.set_flags("INBOX", 2, ["x" * 300, "Short"])
        with self.assertRaises(ControlError) as caught:
            self.daemon.sync()
        self.assertEqual(caught.exception.status, 1)
        words = "INBOX: Keywords are left out here: "
        self.assertIn(words, str(caught.exception))
        self.daemon.wait(lambda: words in self.daemon.state()["LastError"], "the account to say so")
        inbox = next(one for one in self.daemon.control("folders", "work") if one["Name"] == "INBOX")
        self.assertIn(words, inbox["Error"])
        self.assertIn(words, self.daemon.control("status", json_output=False))

    def test_going_offline_in_the_middle_is_not_the_providers_doing(self):
        """What a provider ends connections at is left out; not what was given up here."""
        for command, without in (("LIST .*RETURN", ()), (r"LIST \(SUBSCRIBED", ()), ("ID", ()), ("ENABLE", ()),
                                 ("LSUB", ("LIST-EXTENDED",)), ("STATUS", ("LIST-STATUS",))):
            with self.subTest(command):
                self.near = FakeImap(without=without, strict=False)
                self.addCleanup(self.near.close)
                self.near.create("Archive")
                daemon = self.postern(accounts={"work": {**self.daemon.accounts["work"], "incoming": self.near.url("imap+insecure")}})
                for _ in range(3):
                    hang = Hangs(command)
                    self.addCleanup(hang.over.set)
                    self.near.faults = [hang]
                    daemon.control("offline")
                    daemon.control("online")
                    self.assertTrue(hang.reached.wait(30 * PATIENCE))
                daemon.control("offline")
                self.near.faults = []
                self.near.commands.clear()
                daemon.control("online")
                daemon.sync()
                self.assertTrue(any(re.match(command, line) for _, line in self.near.commands), self.near.commands)
                self.assertEqual(daemon.control("pending", "work"), [])
                daemon.stop()

    def test_folders_whose_names_are_too_long_are_told_as_long_as_they_are(self):
        long = ["x" * 1025, "y" * 2000]
        for name in (*long, "z" * 1024):
            self.near.create(name)
        with self.assertRaises(ControlError) as caught:
            self.daemon.sync()
        words = "2 folders of the provider have a name that is longer than 1024 octets"
        self.assertEqual(caught.exception.status, 1)
        self.assertIn(words, str(caught.exception))
        self.daemon.wait(lambda: words in self.daemon.state()["LastError"], "the account to say so")
        self.assertIn("z" * 1024, {one["Name"] for one in self.daemon.control("folders", "work")})
        self.assertEqual([one["Operation"] for one in self.daemon.control("pending", "work")], ["list"])
        for name in long:
            self.near.folders.pop(name)
        self.daemon.sync()
        self.daemon.wait(lambda: not self.daemon.state()["LastError"], "the account to be well")
        self.assertEqual(self.daemon.control("pending", "work"), [])

    def test_what_is_missing_is_counted_and_progress_is_not_complete(self):
        self.daemon.control("offline")
        folders = self.daemon.control("folders", "work")
        self.assertEqual([one["Missing"] for one in folders], [0] * len(folders))
        self.daemon.stop()
        settings = self.daemon.accounts["work"]
        daemon = self.postern(accounts={"work": {**settings, "prefetch": "headers"}})
        daemon.control("offline")
        self.assertEqual((daemon.state()["Missing"], daemon.state()["Progress"]), (0, 1))
        # Wanted now, and not to be had.
        daemon.accounts["work"]["prefetch"] = "all"
        daemon.write_config()
        daemon.reload()
        daemon.wait(lambda: daemon.state()["Missing"] == 5, "what is missing to be counted")
        self.assertLess(daemon.state()["Progress"], 1)
        inbox = next(one for one in daemon.control("folders", "work") if one["Name"] == "INBOX")
        self.assertEqual(inbox["Missing"], 5)
        self.assertIn("5 messages, 5 missing", daemon.control("status", json_output=False))
