# SPDX-License-Identifier: GPL-3.0-or-later
"""What Postern says to providers is ordered and sized for the strictest of them. FakeImap checks that in everything
it hears in all tests (harness.fakeimap.Strict); here it gets to hear much: folders with holes, many folders, many
keywords, all at once."""

import unittest

from harness import faults
from test_set_aside import Fake, mail


class Commands(Fake):
    folders = ("Archive", "Work")

    def holes(self, folder, count=700, prefix="m"):
        """Every other UID is gone, so that sets are long."""
        for number in range(1, count + 1):
            self.server.put(folder, mail(f"{prefix}{number}"), uid=100000 + 2 * number)

    def test_folders_with_holes(self):
        for without in ((), ("QRESYNC",), ("QRESYNC", "CONDSTORE"), ("UIDPLUS", "MOVE"), ("LITERAL+", "ESEARCH")):
            with self.subTest(without=without):
                self.without = without
                self.setUp()
                self.holes("Archive")
                self.assertIsNone(self.sync())
                self.account("store", "Archive", "1:700", "+\\Flagged Work")
                self.account("copy", "Archive", "1:300", "INBOX")
                self.account("move", "Archive", "301:600", "Work")
                self.account("expunge", "Archive", "601:650")
                self.assertIsNone(self.account.settle(6))
                self.assertEqual([len(self.there(name)) for name in ("INBOX", "Archive", "Work")], [300, 350, 300])
                self.assertEqual(self.here("Archive"), self.there("Archive"))
                self.assertEqual(self.there("Archive")["m700"], {"\\Flagged", "Work"})
                self.server.remove("Archive", *range(100002, 100100, 4))
                for uid in range(100104, 100300, 4):
                    self.server.set_flags("Archive", uid, ["\\Seen"])
                self.assertIsNone(self.account.settle(4))
                self.assertEqual(self.here("Archive"), self.there("Archive"))
                self.check()

    def test_folders_with_holes_that_are_renumbered(self):
        self.holes("Archive")
        self.assertIsNone(self.sync())
        self.server.renumber("Archive", 5)
        self.assertIsNone(self.account.settle(4))
        self.assertEqual(self.here("Archive"), self.there("Archive"))
        self.check()

    def test_bodies_with_holes(self):
        self.server.faults = [faults.LeavesOut(only="BODY", times=2, uid=range(100000, 102000, 6))]
        self.holes("Archive", 900)
        self.account("sync")
        self.check()

    def test_many_folders(self):
        for without in ((), ("LIST-STATUS",), ("LIST-STATUS", "LIST-EXTENDED")):
            with self.subTest(without=without):
                self.without = without
                self.setUp()
                for number in range(120):
                    self.server.create(f"Folder {number}")
                    self.server.put(f"Folder {number}", mail(f"f{number}"))
                self.assertIsNone(self.sync())
                for number in range(60):
                    self.account("create", f"New {number}")
                self.assertIsNone(self.account.settle(4))
                self.assertEqual(len(self.server.folders), 6 + 180)
                self.check()

    def test_many_and_long_keywords(self):
        self.fill(count=3)
        self.assertIsNone(self.sync())
        words = [f"Keyword-{number:02}-" + "x" * 80 for number in range(40)] + ["y" * 250, "z" * 250]
        self.account("store", "INBOX", 1, "+" + " ".join(words))
        self.account.append("INBOX", mail("new"), " ".join(words[:35] + ["\\Seen"]))
        self.assertIsNone(self.account.settle(4))
        self.assertEqual(self.there()["m1"], set(words))
        self.assertEqual(self.there()["new"], set(words[:35]) | {"\\Seen"})
        self.account("store", "INBOX", 1, "-" + " ".join(words[1:]))
        self.assertIsNone(self.account.settle(4))
        self.assertEqual(self.there()["m1"], {words[0]})
        self.check()

    def test_many_messages_appended(self):
        for without in ((), ("LITERAL+",)):
            with self.subTest(without=without):
                self.without = without
                self.setUp()
                self.assertIsNone(self.sync())
                self.account("offline")
                for number in range(80):
                    self.account.append("Archive", mail(f"n{number}"))
                self.account("online")
                self.assertIsNone(self.account.settle(4))
                self.assertEqual(len(self.there("Archive")), 80)
                self.check()

    def test_no_more_than_25_are_under_way(self):
        """Keywords that need a command each, to a server that begins slowly."""
        self.fill(count=2)
        self.assertIsNone(self.sync())
        self.server.faults = [faults.Slow("UID STORE", 0.3, times=1)]
        words = [f"Keyword-{number:02}-" + "x" * 230 for number in range(70)]
        self.account("store", "INBOX", 1, "+" + " ".join(words))
        self.assertIsNone(self.account.settle(4))
        self.assertEqual(self.there()["m1"], set(words))
        stores = [line for _, line in self.server.commands if line.startswith("UID STORE")]
        self.assertGreater(len(stores), 30)
        self.check()

    def check(self):
        self.assertEqual(self.server.problems, [])


class Listing(Fake):
    """LIST-EXTENDED is announced, and isn't worth much."""

    def setUp(self):
        super().setUp()
        for folder in ("INBOX", *self.folders):
            self.fill(folder, 2, folder)

    def check_all_is_here(self, syncs=1):
        for _ in range(syncs):
            self.account("advance", 400)
            reason = self.sync()
        self.assertIsNone(reason)
        for folder in ("INBOX", *self.folders):
            self.assertEqual(self.here(folder), self.there(folder))
        self.assertEqual(self.account.problems(), [])

    def extended(self):
        return [line for _, line in self.server.commands if line.startswith("LIST") and "RETURN" in line]

    def test_what_answers_nothing_is_dropped(self):
        for answer in ("OK done", "NO not known", "BAD syntax"):
            for without in ((), ("LIST-STATUS",)):
                with self.subTest(answer=answer, without=without):
                    self.without = without
                    self.setUp()
                    self.server.faults = [faults.Refuse("LIST .*RETURN", answer)]
                    self.check_all_is_here()
                    self.assertEqual(len(self.extended()), 1)
                    self.check_all_is_here(3)
                    self.assertEqual(len(self.extended()), 1)

    def test_that_no_list_can_be_had_is_said_as_long_as_it_is_so(self):
        for known in (False, True):
            for fault, words in ((faults.Refuse("LIST", "NO not today"), "not today"),
                                 (faults.Refuse("LIST", "BAD what?"), "what"),
                                 (faults.Break("LIST"), "ends the connection")):
                with self.subTest(known=known, fault=fault):
                    self.setUp()
                    if known:
                        self.check_all_is_here()
                    self.server.faults = [fault]
                    for _ in range(5):
                        self.account("advance", 400)
                        self.sync()
                    (kind, *_, said), = self.account.problems()
                    self.assertEqual(kind, "list")
                    self.assertRegex(said, f"which folders there are.*{words}")
                    self.assertEqual("Work" in self.account.folders(), known)
                    self.assertEqual(set(self.here()), {"INBOX1", "INBOX2"})
                    self.server.faults = []
                    self.account("advance", 100000)
                    self.sync()
                    self.check_all_is_here()

    def test_what_ends_the_connection_is_dropped(self):
        for command in ("LIST .*RETURN", r"LIST \(SUBSCRIBED", "LSUB"):
            for fault in (faults.Break(command), faults.Break(command, when="middle"),
                          faults.Refuse(command, "BYE syntax error")):
                with self.subTest(fault=fault):
                    self.without = ("LIST-EXTENDED",) if command == "LSUB" else ()
                    self.setUp()
                    self.server.faults = [fault]
                    self.sync()
                    self.sync()
                    self.check_all_is_here()
                    self.check_all_is_here(3)

    def test_what_names_some_folders_only_is_dropped(self):
        class Some(faults.Fault):
            """Only INBOX, where options are given."""

            def listed(self, names, session):
                return ["INBOX"] if "RETURN" in session.command.text and self.hit(session) else names

        for skip in (0, 2):
            with self.subTest(skip=skip):
                self.setUp()
                self.server.faults = [Some(skip=skip)]
                self.check_all_is_here()
                self.check_all_is_here(3)


del Fake

if __name__ == "__main__":
    unittest.main()
