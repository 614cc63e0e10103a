# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user did last is what is in the end, on both sides: after lost answers, changes of mind while offline,
folders deleted and made again, renamed in chains. Against a provider in memory."""

import itertools
import unittest

from harness import faults
from test_set_aside import Fake, mail

WITHOUT = ((), ("QRESYNC",), ("QRESYNC", "CONDSTORE"))


class Flags(Fake):
    def play(self, first, then, when, without):
        self.without = without
        self.setUp()
        self.fill()
        self.server.set_flags("INBOX", 2, ["\\Flagged", "Old"])
        self.assertIsNone(self.sync())
        self.server.faults = [faults.Break("UID STORE", when=when, times=2)]
        account = self.account
        for change in first:
            account("store", "INBOX", "1:3", change)
        try:
            account("sync")
        except Exception:  # it may fail, or be tried again
            pass
        account("offline")
        for change in then:
            account("store", "INBOX", "1:3", change)
        wanted = self.here()
        self.server.faults = []
        account("online")
        self.assertIsNone(account.settle(4))
        self.assertEqual(self.here(), wanted)
        self.assertEqual(self.there(), wanted)

    def test_a_change_whose_answer_is_lost_is_taken_back_offline(self):
        for first, then in ((["+\\Seen"], ["-\\Seen"]), (["+Work"], ["-Work"]), (["-\\Flagged"], ["+\\Flagged"]),
                            (["-Old"], ["+Old"]), (["+\\Seen"], []), (["+\\Seen Work"], ["-\\Seen", "+\\Answered"]),
                            (["+\\Seen", "-Old"], ["-\\Seen", "+Old"])):
            for when, without in itertools.product(("before", "after"), WITHOUT):
                with self.subTest(first=first, then=then, when=when, without=without):
                    self.play(first, then, when, without)

    def test_what_others_change_meanwhile_is_kept(self):
        for when in ("before", "after"):
            self.setUp()
            self.fill()
            self.assertIsNone(self.sync())
            self.server.faults = [faults.Break("UID STORE", when=when, times=2)]
            self.account("store", "INBOX", 1, "+\\Seen")
            try:
                self.account("sync")
            except Exception:
                pass
            self.account("offline")
            self.account("store", "INBOX", 1, "-\\Seen")
            self.server.set_flags("INBOX", 1, set(self.there()["m1"]) | {"\\Flagged", "Theirs"})
            self.server.faults = []
            self.account("online")
            self.assertIsNone(self.account.settle(4))
            self.assertEqual((self.there()["m1"], self.here()["m1"]), ({"\\Flagged", "Theirs"},) * 2)

    def test_while_the_folder_can_only_be_read_it_waits(self):
        """Be it that it is numbered anew meanwhile, too."""
        for change, anew, without in itertools.product((("store", "+\\Seen"), ("store", "+Work"), ("move", "Archive"),
                                                        ("expunge",)), (False, True), WITHOUT):
            with self.subTest(change=change, anew=anew, without=without):
                self.without = without
                self.setUp()
                self.fill()
                self.assertIsNone(self.sync())
                self.account("offline")  # else it may be under way already
                self.account(change[0], "INBOX", 2, *change[1:])
                wanted = self.here(), self.here("Archive")
                self.server.faults = [faults.ReadOnly(folder="INBOX")]
                if anew:
                    self.server.renumber("INBOX", first=7)
                self.account("online")
                for _ in range(3):
                    self.sync()
                    self.account("advance", 700)
                self.assertEqual((self.here(), self.here("Archive")), wanted)
                self.server.faults = []
                self.account("advance", 3600)
                self.account("retry")
                self.assertIsNone(self.account.settle(4, advance=3600))
                self.assertEqual((self.here(), self.here("Archive")), wanted)
                self.assertEqual((self.there(), self.there("Archive")), wanted)

    def test_where_each_connection_has_other_numbers(self):
        for first, then in (("+\\Seen", "-\\Seen"), ("+Work", "-Work"), ("-\\Flagged", "+\\Flagged")):
            for without in WITHOUT:
                with self.subTest(first=first, without=without):
                    self.without = without
                    self.setUp()
                    self.fill()
                    self.server.set_flags("INBOX", 2, ["\\Flagged"])
                    numbers = faults.Renumbers(folder="INBOX")
                    self.server.faults = [numbers]
                    self.assertIsNone(self.sync())
                    self.account("offline")
                    self.account("store", "INBOX", 2, first)
                    self.server.faults = [numbers, faults.Break("UID STORE", when="after"), faults.NoConnection(skip=1)]
                    self.account("online")
                    self.sync()
                    self.account("offline")
                    self.account("store", "INBOX", 2, then)
                    self.server.faults = []
                    self.account("online")
                    self.assertIsNone(self.account.settle(4))
                    self.assertEqual((self.there()["m2"], self.here()["m2"]), ({"\\Flagged"},) * 2)


class Sent(Fake):
    """Flags that go out with a message, and that the provider doesn't keep, are said, and stay here."""

    def check(self, name, without):
        for _ in range(3):
            self.sync()
            self.account("advance", 60)
        self.assertEqual(self.here("Work")[name], {"\\Seen", "Mine"}, without)
        self.assertEqual(self.there("Work")[name], {"\\Seen"}, without)
        self.assertEqual([problem[:2] for problem in self.account.problems()], [("flags", "Work")], without)
        self.server.faults = []
        self.account("retry")
        self.assertIsNone(self.account.settle(3))
        self.assertEqual(self.there("Work")[name], {"\\Seen", "Mine"}, without)

    def begin(self, without):
        self.without = without
        self.setUp()
        self.fill(count=2)
        self.server.set_flags("INBOX", 1, ["\\Seen", "Mine"])
        self.assertIsNone(self.sync())
        self.server.faults = [faults.ForgetsFlags("Mine", folder="Work")]

    def test_by_append(self):
        for without in (*WITHOUT, ("UIDPLUS",)):
            self.begin(without)
            self.account.append("Work", mail("new"), "\\Seen Mine")
            self.check("new", without)

    def test_by_copy_and_move(self):
        for kind, without in itertools.product(("copy", "move"), (*WITHOUT, ("UIDPLUS",), ("MOVE",))):
            self.begin(without)
            self.account(kind, "INBOX", 1, "Work")
            self.check("m1", (kind, without))


class Restarts(Fake):
    """What isn't known to have happened is still in doubt after the program was killed."""

    def kill(self):
        self.account.kill()
        self.account.restart()

    def test_a_change_that_was_sent_is_taken_back_offline_and_the_program_was_killed(self):
        for when, without in itertools.product(("before", "after"), WITHOUT):
            with self.subTest(when=when, without=without):
                self.without = without
                self.setUp()
                self.fill()
                self.assertIsNone(self.sync())
                self.account("offline")
                self.account("store", "INBOX", 2, "+\\Seen")
                self.server.faults = [faults.Break("UID STORE", when=when), faults.NoConnection(skip=1)]
                self.account("online")
                self.sync()
                self.kill()
                self.account("offline")
                self.account("store", "INBOX", 2, "-\\Seen")
                self.server.faults = []
                self.account("online")
                self.assertIsNone(self.account.settle(4))
                self.assertEqual((self.there()["m2"], self.here()["m2"]), (set(), set()))

    def test_a_move_that_broke_the_connection_goes_on_in_the_parts_it_was_in(self):
        self.fill(count=32)
        self.assertIsNone(self.sync())
        breaks = faults.Break(r"UID MOVE \S*[,:]", times=3)
        self.server.faults = [breaks]
        self.account("move", "INBOX", "1:32", "Work")
        for _ in range(2):
            self.sync()
            self.account("advance", 200)
        sizes = [self.size(line) for _, line in self.server.commands if line.startswith("UID MOVE")]
        self.kill()
        self.account("advance", 1000)
        self.sync()
        after = [self.size(line) for _, line in self.server.commands if line.startswith("UID MOVE")][len(sizes):]
        self.assertLess(max(after), 32, (sizes, after))

    @staticmethod
    def size(line):
        low, _, high = line.split()[2].partition(":")
        return int(high or low) - int(low) + 1


class FoldersLast(Fake):
    folders = ("X", "Work")

    def names(self):
        return sorted(set(self.server.folders) - {"INBOX", "Drafts", "Sent", "Trash"})

    def check(self, wanted):
        """{folder: names of mails} beside the usual folders, on both sides."""
        self.assertIsNone(self.account.settle(6))
        self.assertEqual(self.names(), sorted(wanted))
        for folder, names in wanted.items():
            self.assertEqual(sorted(self.there(folder)), sorted(names), folder)
            self.assertEqual(self.here(folder), self.there(folder))
        self.assertEqual(sorted(self.account.folders()), sorted(self.server.folders))

    def test_a_folder_that_is_deleted_and_made_again_offline_is_empty(self):
        for without in (*WITHOUT, ("UIDPLUS",), ("LIST-STATUS", "LIST-EXTENDED")):
            for new in ((), ("n1", "n2")):
                with self.subTest(without=without, new=new):
                    self.without = without
                    self.setUp()
                    self.fill("X", 4, "x")
                    self.assertIsNone(self.sync())
                    self.account("offline")
                    self.account("delete", "X")
                    self.account("create", "X")
                    for name in new:
                        self.account.append("X", mail(name))
                    self.account("online")
                    self.check({"X": new, "Work": ()})

    def test_made_again_and_renamed_or_deleted_again(self):
        for last, wanted in ((("rename", "X", "Y"), {"Y": ["n"], "Work": []}), (("delete", "X"), {"Work": []})):
            with self.subTest(last=last):
                self.setUp()
                self.fill("X", 4, "x")
                self.assertIsNone(self.sync())
                self.account("offline")
                self.account("delete", "X")
                self.account("create", "X")
                self.account.append("X", mail("n"))
                self.account(*last)
                self.account("online")
                self.check(wanted)

    def test_a_folder_is_deleted_into_which_we_have_just_put_mail(self):
        for without in (*WITHOUT, ("UIDPLUS",), ("MOVE",)):
            for put in ("append", "copy", "move"):
                for offline in (False, True):
                    with self.subTest(without=without, put=put, offline=offline):
                        self.without = without
                        self.setUp()
                        self.fill()
                        self.fill("X", 2, "x")
                        self.assertIsNone(self.sync())
                        if put == "append":
                            self.account.append("X", mail("n"))
                        else:
                            self.account(put, "INBOX", "1:2", "X")
                        self.sync()
                        if offline:
                            self.account("offline")
                        self.account("delete", "X")
                        self.account("online")
                        self.check({"Work": ()})
                        self.assertEqual(len(self.there()), 3 if put == "move" else 5)

    def test_mail_of_others_still_revives_it(self):
        self.fill("X", 2, "x")
        self.assertIsNone(self.sync())
        self.account("offline")
        self.account("delete", "X")
        self.server.put("X", mail("theirs"))
        self.account("online")
        self.check({"X": ["theirs"], "Work": ()})

    def test_chains_of_renames(self):
        """Names handed on from one to the next, in either order, and with folders below."""
        for moves in ([("A", "B"), ("B", "C"), ("C", "D")], [("C", "D"), ("B", "C"), ("A", "B")],
                      [("A", "T"), ("B", "A"), ("T", "B")], [("A", "T"), ("B", "A"), ("C", "B"), ("T", "C")],
                      [("A", "B/A")], [("A/Sub", "Sub"), ("A", "Sub/A")], [("A", "E"), ("B", "A"), ("E", "C/E")]):
            with self.subTest(moves=moves):
                self.setUp()
                for name in ("A", "A/Sub", "B", "C"):
                    self.server.create(name)
                    self.fill(name, 2, name.replace("/", "-").lower())
                self.assertIsNone(self.sync())
                place = {name: name for name in ("A", "A/Sub", "B", "C", "X", "Work")}
                self.account("offline")
                done = []
                for old, new in moves:
                    try:
                        self.account("rename", old, new)
                    except Exception:  # the name is taken: then it stays
                        continue
                    done.append((old, new))
                    place = {was: new + now[len(old):] if now == old or now.startswith(old + "/") else now
                             for was, now in place.items()}
                self.account("online")
                self.check({now: [f"{was.replace('/', '-').lower()}{n}" for n in (1, 2)] if was in ("A", "A/Sub", "B", "C") else []
                            for was, now in place.items()})


del Fake

if __name__ == "__main__":
    unittest.main()
