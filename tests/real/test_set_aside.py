# SPDX-License-Identifier: GPL-3.0-or-later
"""What one message, one keyword, one folder, one direction does wrong upstream stays there: it is set aside and
said, and all else goes on in the same round. Each against a provider in memory (harness.FakeImap) with one fault
(harness.faults) turned on; the random test over all of them is test_faults."""

import base64
import contextlib
import itertools
import os
import pathlib
import random
import sqlite3
import tempfile
import time
import unittest

from harness import Case, FakeImap, faults, some
from harness.syncaccount import SyncAccount, SyncError


def mail(name, size=0):
    return (f"From: a@example.org\r\nSubject: {name}\r\nMessage-ID: <{name}@fake.test>\r\n"
            f"Date: Sat, 07 Nov 2026 10:00:00 +0000\r\n\r\n{name}\r\n" + "x" * size).encode()


class Fake(Case):
    """A provider in memory with a few messages, and the account's sync before it."""

    without, also = (), ()
    prefetch = None
    settings, providers = "", None
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
            self._account = SyncAccount(self.server.imap, prefetch=self.prefetch, settings=self.settings,
                                        providers=self.providers)
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


class Messages(Fake):
    """What the server tells of messages."""

    def test_an_item_that_lacks_or_cannot_be_read_costs_that_item(self):
        for name, value in (("INTERNALDATE", b'"00-Jan-0000 00:00:00 +0000"'), ("INTERNALDATE", None),
                            ("INTERNALDATE", b'"Sat, 07 Nov 2026 10:00:00 +0000"'),
                            ("INTERNALDATE", b"NIL"), ("RFC822.SIZE", b"NIL"), ("RFC822.SIZE", None),
                            ("FLAGS", b"NIL"), ("FLAGS", None)):
            with self.subTest(name=name, value=value):
                self.setUp()
                self.fill()
                self.server.faults = [faults.Item(name, value, uid=3)]
                self.assertIsNone(self.sync())
                self.assertEqual(set(self.here()), {"m1", "m2", "m3", "m4", "m5"})
                self.assertEqual(self.account.problems(), [])
                self.server.faults = []
                self.server.set_flags("INBOX", 3, ["\\Flagged"])
                self.assertIsNone(self.sync())
                self.assertEqual(self.here()["m3"], {"\\Flagged"})

    def test_flags_that_cannot_be_read_when_all_is_numbered_anew_are_what_they_were(self):
        """And are read when they can be, though nothing else changes."""
        for without, value, how in itertools.product(((), ("QRESYNC",), ("CONDSTORE",)), (b"NIL", None), ("renumbered", "back")):
            with self.subTest(without=without, value=value, how=how):
                self.without = without
                self.setUp()
                self.fill()
                self.server.set_flags("INBOX", 2, ["\\Flagged"])
                self.assertIsNone(self.sync())
                flagless = faults.Item("FLAGS", value, folder="INBOX")
                self.server.faults = [flagless]
                if how == "renumbered":
                    self.server.renumber("INBOX")
                else:
                    self.server.faults.append(faults.Rewrite(r"HIGHESTMODSEQ \d+", "HIGHESTMODSEQ 1"))
                    self.server.set_flags("INBOX", 3, ["\\Seen"])
                self.sync()
                self.assertEqual(self.here()["m2"], {"\\Flagged"})
                self.server.faults = []
                self.account("advance", 300)
                self.sync()
                self.assertIsNone(self.sync())
                self.assertEqual(self.here(), self.there())

    def test_a_count_that_is_not_told_is_not_none(self):
        for without, said in itertools.product(((), ("QRESYNC",), ("CONDSTORE",)), (None, "* NIL EXISTS", "* EXISTS")):
            with self.subTest(without=without, said=said):
                self.without = without
                self.setUp()
                self.fill(count=9)
                self.assertIsNone(self.sync())
                self.server.faults = [faults.Rewrite(r"^\* \d+ EXISTS$", said)]
                self.server.put("INBOX", mail("m10"))
                self.server.remove("INBOX", 4)
                self.server.set_flags("INBOX", 3, ["\\Flagged"])
                for _ in range(3):
                    self.sync()
                    self.assertEqual(self.here(), self.there())
                    self.account("advance", 300)
                self.assertEqual(len(self.here()), 9)

    def test_a_message_that_others_delete_while_it_is_told_costs_no_other(self):
        """RFC 3501, 7.4.1, forbids it where numbers are used; with QRESYNC it is VANISHED (RFC 7162, 3.2.10.2)."""
        for without, uid, known in itertools.product(((), ("QRESYNC",), ("CONDSTORE",)), (1, 4, 9), (False, True)):
            with self.subTest(without=without, uid=uid, known=known):
                self.without = without
                self.setUp()
                self.fill(count=9)
                if known:
                    self.assertIsNone(self.sync())
                    for one in range(1, 10):
                        self.server.set_flags("INBOX", one, ["\\Flagged"])
                fault = faults.ExpungedMeanwhile(folder="INBOX", uid=uid)
                self.server.faults = [fault]
                self.assertIsNone(self.sync())
                self.assertEqual(fault.hits, 1)
                self.assertIsNone(self.sync())
                self.assertEqual(self.here(), self.there())
                self.assertEqual(len(self.here()), 8)
                self.assertEqual(self.account.problems(), [])

    def test_without_internaldate_the_date_is_of_received(self):
        self.server.put("INBOX", b"Received: from a by b;\r\n\tFri, 06 Nov 2026 09:00:00 +0100\r\n" + mail("m1"))
        self.server.put("INBOX", mail("m2"))
        self.server.faults = [faults.Item("INTERNALDATE", None)]
        self.assertIsNone(self.sync())
        dates = {line[6]: int(line[7]) for line in self.account("list", "INBOX")}
        self.assertEqual(dates, {"<m1@fake.test>": 1793952000, "<m2@fake.test>": 1794045600})
        self.account("advance", 1000)
        self.assertIsNone(self.sync())
        self.assertEqual(dates, {line[6]: int(line[7]) for line in self.account("list", "INBOX")})

    def test_items_in_several_answers_are_one_message(self):
        self.fill()
        self.server.faults = [faults.Split()]
        self.assertIsNone(self.sync())
        self.assertEqual(set(self.here()), {"m1", "m2", "m3", "m4", "m5"})

    def test_a_refusal_takes_nothing_away_from_what_came_before(self):
        """At first contact, and later by each of the ways to hear of changes."""
        for without in ((), ("QRESYNC",), ("QRESYNC", "CONDSTORE")):
            for synced in (False, True):
                with self.subTest(without=without, synced=synced):
                    self.without = without
                    self.setUp()
                    self.fill(count=63)
                    if synced:
                        self.assertIsNone(self.sync())
                        self.fill(count=5, prefix="n")
                    bad = 66 if synced else 17
                    self.server.faults = [faults.LeavesOut("NO [SERVERBUG] Error in message", uid=bad)]
                    words = self.sync()
                    self.assertIn("INBOX", words)
                    self.assertEqual(len(self.here()), 67 if synced else 62)
                    (operation, folder, uid, _, text), = self.account.problems()
                    self.assertEqual((operation, folder, uid), ("read", "INBOX", bad))
                    self.assertIn("Error in message", text)
                    self.server.faults = []
                    self.account("advance", 100)
                    self.assertIsNone(self.sync())
                    self.assertEqual(len(self.here()), 68 if synced else 63)
                    self.assertEqual(self.account.problems(), [])

    def test_flags_that_are_not_told_are_said(self):
        for without in (("QRESYNC",), ("QRESYNC", "CONDSTORE")):
            with self.subTest(without=without):
                self.without = without
                self.setUp()
                self.fill(count=9)
                self.assertIsNone(self.sync())
                self.server.faults = [faults.Refuse(r"UID FETCH \S+ \(UID FLAGS\)", "BAD what?")]
                self.server.set_flags("INBOX", 2, ["\\Seen"])
                self.server.put("INBOX", mail("new"))
                self.assertIsNotNone(self.sync())
                self.assertIn("new", self.here())
                self.server.faults = []
                self.account("advance", 100)
                self.assertIsNone(self.account.settle(3))
                self.assertEqual(self.here(), self.there())

    def test_a_message_that_breaks_the_connection_is_halved_to(self):
        self.fill(count=40)

        class Breaks(faults.Fault):
            def item(self, value, session, folder, uid, name):
                if uid == 17 and name == "INTERNALDATE":
                    raise faults.Cut
                return value
        self.server.faults = [Breaks()]
        self.sync()
        self.assertEqual(len(self.here()), 39)
        self.assertEqual([problem[:3] for problem in self.account.problems()], [("read", "INBOX", 17)])
        self.server.put("Archive", mail("other"))
        self.sync()
        self.assertEqual(set(self.here("Archive")), {"other"})
        self.server.faults = []
        self.account("advance", 100)
        self.assertIsNone(self.sync())
        self.assertEqual(len(self.here()), 40)

    def test_what_an_answer_leaves_out_is_not_gone(self):
        for without in ((), ("QRESYNC",), ("QRESYNC", "CONDSTORE")):
            for counted in (True, False):
                with self.subTest(without=without, counted=counted):
                    self.without = without
                    self.setUp()
                    self.fill(count=30)
                    self.assertIsNone(self.sync())
                    self.account("store", "INBOX", "1:30", "+\\Flagged")
                    self.assertIsNone(self.sync())
                    before = self.account.messages("INBOX")
                    self.server.put("INBOX", mail("new"))
                    self.server.faults = [faults.Lags(folder="INBOX", uid=range(1, 31), counted=counted, seconds=60)]
                    for _ in range(3):
                        self.sync()
                        self.account("advance", 20)
                    self.assertEqual(before, {uid: row for uid, row in self.account.messages("INBOX").items()
                                              if uid <= 30})
                    self.server.faults = []
                    self.account("advance", 300)
                    self.assertIsNone(self.account.settle(3))
                    self.assertEqual(before, {uid: row for uid, row in self.account.messages("INBOX").items()
                                              if uid <= 30})

    def test_a_loss_that_lasts_is_believed(self):
        self.fill(count=30)
        self.assertIsNone(self.sync())
        self.server.remove("INBOX", *range(1, 29))
        self.assertIn("lost", self.sync())
        self.assertEqual(len(self.here()), 30)
        self.account("advance", 200)
        self.assertIsNone(self.sync())
        self.assertEqual(set(self.here()), {"m29", "m30"})
        self.assertEqual(self.account.problems(), [])

    def restart(self, seconds):
        """Killed, and started again so long after the program was first started."""
        self.account.kill()
        self.account.restart()
        self.account("advance", seconds)

    def test_a_loss_that_lasts_over_restarts_is_believed(self):
        self.fill(count=30)
        self.assertIsNone(self.sync())
        self.server.remove("INBOX", *range(1, 29))
        for seconds in (0, 60, 120, 170):
            self.restart(seconds)
            self.assertIn("lost", self.sync())
            self.assertEqual(len(self.here()), 30)
        self.restart(190)
        self.assertIsNone(self.sync())
        self.assertEqual(set(self.here()), {"m29", "m30"})
        self.assertEqual(self.account.problems(), [])

    def test_storage_that_is_away_twice_is_no_loss_that_lasts(self):
        for restarted in (False, True):
            with self.subTest(restarted=restarted):
                self.setUp()
                self.fill(count=30)
                self.assertIsNone(self.sync())
                self.server.remove("INBOX", *range(1, 29))
                self.assertIn("lost", self.sync())
                self.restart(30000) if restarted else self.account("advance", 30000)
                self.assertIn("lost", self.sync())
                self.assertEqual(len(self.here()), 30)
                self.account("advance", 190)
                self.assertIsNone(self.sync())
                self.assertEqual(set(self.here()), {"m29", "m30"})

    def test_numbers_that_do_not_add_up_are_said_though_the_program_was_killed(self):
        self.without = ("QRESYNC", "CONDSTORE")
        self.setUp()
        self.fill(count=30)
        self.assertIsNone(self.sync())
        self.server.put("INBOX", mail("new"))
        self.server.faults = [faults.Lags(folder="INBOX", uid=range(1, 31), counted=True, seconds=600)]
        self.sync()
        self.restart(20)
        self.assertIn("doesn't tell of all", self.sync())
        self.assertGreaterEqual(len(self.here()), 30)


class Folders(Fake):
    """Folders that refuse, or break the connection."""

    def run_fault(self, fault, words):
        self.fill()
        self.fill("Archive", 3, "a")
        self.fill("Work", 2, "w")
        self.server.faults = [fault]
        said = self.sync()
        self.assertIn(words, said)
        self.assertEqual(set(self.here()), {"m1", "m2", "m3", "m4", "m5"})
        self.assertEqual(set(self.here("Work")), {"w1", "w2"})
        self.assertEqual([problem[:3] for problem in self.account.problems()], [("read", "Archive", 0)])
        self.account("store", "INBOX", 2, "+\\Seen")
        self.account("move", "INBOX", 3, "Work")
        self.sync()
        self.assertEqual(self.there()["m2"], {"\\Seen"})
        self.assertIn("m3", self.there("Work"))
        self.assertNotIn("m3", self.there())
        self.server.faults = []
        self.account("advance", 100)
        self.assertIsNone(self.sync())
        self.assertEqual(set(self.here("Archive")), {"a1", "a2", "a3"})
        self.assertEqual(self.account.problems(), [])

    def test_one_that_cannot_be_selected(self):
        self.run_fault(faults.Refuse("SELECT", "NO [SERVERBUG] Internal error", folder="Archive"), "Internal error")

    def test_one_whose_select_is_bad(self):
        self.run_fault(faults.Refuse("SELECT", "BAD Command unknown", folder="Archive"), "Archive")

    def test_one_that_breaks_the_connection(self):
        self.run_fault(faults.Break("SELECT", folder="Archive"), "Archive")

    def test_one_that_breaks_it_in_the_middle_of_fetch(self):
        self.run_fault(faults.Break("UID FETCH", folder="Archive", when="middle"), "Archive")

    def test_one_whose_messages_cannot_be_fetched(self):
        self.run_fault(faults.Refuse("UID (FETCH|SEARCH)", "NO [UNAVAILABLE] storage is away", folder="Archive"),
                       "storage is away")


class Bodies(Fake):
    """Bodies that can't be had."""

    def missing(self, folder="INBOX"):
        return {name.strip("<>").split("@")[0] for name, _, digest in self.account.messages(folder).values()
                if digest == "-"}

    def run_fault(self, *found, bad=17, words=""):
        self.fill(count=40)
        self.fill("Archive", 3, "a")
        self.server.faults = list(found)
        said = self.sync()
        self.assertIn(words, said)
        self.assertIn(f"UID {bad} of INBOX", said)
        lines = [line for line in self.account("list", "INBOX") if line[5] == "-"]
        self.assertEqual([int(line[0]) for line in lines], [bad])
        self.assertEqual(self.missing("Archive"), set())
        self.assertEqual([problem[:3] for problem in self.account.problems()], [("fetch", "INBOX", bad)])

    def check_mended(self):
        self.server.faults = []
        self.account("advance", 100)
        self.assertIsNone(self.sync())
        self.assertEqual(self.missing(), set())
        self.assertEqual(self.account.problems(), [])

    def test_one_that_breaks_the_connection(self):
        self.run_fault(faults.BodyBreaks(uid=17))
        self.check_mended()

    def test_a_break_while_it_is_found_out_what_is_refused_takes_nothing_away(self):
        class RefusesThenBreaks(faults.Fault):
            """Of the commands on a connection after one that was refused, the n-th breaks it; once."""

            def __init__(self, refusals, number, when):
                super().__init__(times=1)
                self.left, self.number, self.when, self.place = refusals, number, when, None

            def count(self, session, when):
                if session is self.place and when == self.when:
                    self.number -= 1
                    if self.number < 0 and self.hit(session):
                        raise faults.Cut

            def before(self, session, command):
                self.count(session, "before")
                if "BODY.PEEK[]" in command.text and self.left > 0 and self.place in (None, session):
                    self.left -= 1
                    self.place = session
                    return "NO not now"
                return None

            def after(self, session, command, answer):
                self.count(session, "after")

        for refusals, number, when in some(itertools.product((1, 2, 4, 7), range(5), ("before", "after")), 12):
            with self.subTest(refusals=refusals, number=number, when=when):
                self.setUp()
                self.fill(count=3)
                self.server.faults = [RefusesThenBreaks(refusals, number, when)]
                self.sync()
                self.check_mended()
                self._account.close()
                self.server.close()

    def test_one_that_is_too_large(self):
        self.run_fault(faults.BodyTooLarge(uid=17))
        self.check_mended()

    def test_one_that_can_not_be_stored(self):
        self.fill(count=40)
        odd = mail("m41")
        noise = b"\r\n ".join(random.Random(7).randbytes(36).hex().encode() for _ in range(9000))
        self.server.put("INBOX", odd.replace(b"Subject: ", b"To: " + noise.replace(b"\r\n", b"@x.test,\r\n") + b"@x.test\r\nSubject: "))
        self.fill("Archive", 3, "a")
        self.account("largest", 100000)
        self.assertIn("can't hold something that large", self.sync())
        lines = [line for line in self.account("list", "INBOX") if line[5] == "-"]
        self.assertEqual([int(line[0]) for line in lines], [41])
        self.assertEqual(self.missing("Archive"), set())
        self.assertEqual([problem[:3] for problem in self.account.problems()], [("fetch", "INBOX", 41)])
        self.account("largest", 1000000000)
        self.check_mended()

    def test_one_that_is_refused(self):
        self.run_fault(faults.LeavesOut("NO [SERVERBUG] Error in message", uid=17, only="BODY"), words="Error in message")
        self.check_mended()

    def test_one_that_is_left_out(self):
        self.run_fault(faults.LeavesOut(uid=17, only="BODY"))
        self.check_mended()

    def test_what_has_come_is_no_problem_though_the_program_was_killed_before_that_was_noted(self):
        self.fill()
        self.server.faults = [faults.LeavesOut("NO [SERVERBUG] oops", uid=2, only="BODY")]
        self.sync()
        path = next(pathlib.Path(self.account.directory).rglob("mail.db"))
        with contextlib.closing(sqlite3.connect(path)) as cache:
            rows = cache.execute("SELECT * FROM problem").fetchall()
        self.server.faults = []
        self.assertIsNone(self.sync())
        self.account.kill()
        with contextlib.closing(sqlite3.connect(path)) as cache, cache:
            for row in rows:
                cache.execute(f"INSERT INTO problem VALUES ({', '.join('?' * len(row))})", row)
        self.account.restart()
        self.account.settle(2)
        self.assertEqual((len(rows), self.account.problems()), (1, []))

    def test_it_is_remembered_and_not_asked_for_at_each_new_mail(self):
        with tempfile.TemporaryDirectory() as directory:
            self._account = SyncAccount(self.server.imap, directory)
            self.run_fault(faults.BodyBreaks(uid=17))
            self._account.close()
            before = self.server.fetched["INBOX", 17]
            self.server.put("INBOX", mail("new"))
            self._account = SyncAccount(self.server.imap, directory)
            deadline = time.monotonic() + 20
            while "new" not in self.here() and time.monotonic() < deadline:
                time.sleep(0.1)
            self.assertIn("new", self.here())
            self.assertEqual(self.server.fetched["INBOX", 17], before)
            self._account.close()

    def test_empty_ones_are_not_kept(self):
        for form in (b"{0}\r\n", b"NIL", b'""'):
            with self.subTest(form=form):
                self.setUp()
                self.run_fault(faults.BodyEmpty(uid=17, form=form))
                self.check_mended()

    def test_empty_is_kept_when_it_is_all_that_is_said_for_an_hour(self):
        self.run_fault(faults.BodyEmpty(uid=17))
        for _ in range(3):
            self.account("advance", 1500)
            self.sync()
        self.assertIsNone(self.sync())
        self.assertEqual(self.account.problems(), [])

    def test_what_is_really_empty_is_here_at_once(self):
        self.server.put("INBOX", b"")
        self.assertIsNone(self.sync())
        self.assertEqual(self.account.problems(), [])

    def test_where_none_are_given_one_is_the_probe(self):
        self.fill(count=100)
        refusal = faults.Refuse(r"UID FETCH .*BODY\.PEEK\[\]", "NO [OVERQUOTA] Account exceeded bandwidth limits")
        self.server.faults = [refusal]
        self.assertIn("bandwidth", self.sync())
        self.assertEqual([problem[:3] for problem in self.account.problems()], [("fetch", "INBOX", 0)])
        asked = refusal.hits
        self.server.put("INBOX", mail("new"))
        self.sync()
        self.assertLess(refusal.hits - asked, 5)
        self.server.faults = []
        self.account("advance", 100)
        self.assertIsNone(self.sync())
        self.assertEqual(self.missing(), set())

    def test_a_folder_that_gives_none_keeps_no_other_from_it(self):
        self.fill("Archive", 5, "a")
        self.server.faults = [faults.Refuse(r"UID FETCH .*BODY\.PEEK\[\]", "NO [LIMIT] too fast", folder="Archive")]
        self.sync()
        self.fill("INBOX", 3)
        self.fill("Work", 3, "w")
        self.server.put("Archive", mail("newest"))
        for _ in range(2):
            self.account("advance", 100)
            self.assertIn("Archive", self.sync())
        self.assertEqual(self.missing() | self.missing("Work"), set())
        self.assertEqual([digest for _, _, digest in self.account.messages("Archive").values()], ["-"] * 6)
        self.assertEqual([problem[:3] for problem in self.account.problems()], [("fetch", "Archive", 0)])
        self.server.faults = []
        self.account("advance", 300)
        self.assertIsNone(self.sync())
        self.assertEqual((self.missing("Archive"), self.account.problems()), (set(), []))


class Untold(Fake):
    """Changes that aren't told when they should be."""

    def test_a_change_that_was_left_out_is_found_by_a_comparison(self):
        for without in ((), ("QRESYNC",)):
            with self.subTest(without=without):
                self.without = without
                self.setUp()
                self.fill()
                self.assertIsNone(self.sync())
                self.server.faults = [faults.Lags(counted=True, folder="INBOX")]
                self.server.set_flags("INBOX", 3, ["\\Flagged"])
                self.sync()
                self.server.faults = []
                self.sync()
                self.account("advance", 4000)
                self.assertIsNone(self.sync())
                self.assertEqual(self.here()["m3"], {"\\Flagged"})
                # Once, not each time.
                self.server.commands.clear()
                self.account("advance", 4000)
                self.assertIsNone(self.sync())
                self.assertEqual([line for _, line in self.server.commands if line.startswith("UID FETCH 1:* (UID FLAGS)")],
                                 [])

    def test_flags_that_have_changed_and_cannot_be_read_are_said(self):
        for without in ((), ("QRESYNC",), ("QRESYNC", "CONDSTORE")):
            for value in (b"NIL", b"()x", None):
                with self.subTest(without=without, value=value):
                    self.without = without
                    self.setUp()
                    self.fill()
                    self.assertIsNone(self.sync())
                    self.server.faults = [faults.Item("FLAGS", value, uid=3)]
                    self.server.set_flags("INBOX", 3, ["\\Flagged"])
                    self.server.set_flags("INBOX", 4, ["\\Flagged"])
                    self.account("advance", 40)
                    self.sync()
                    self.account("advance", 40)
                    self.assertIn("INBOX", self.sync() or "")
                    self.assertEqual((self.here()["m3"], self.here()["m4"]), (set(), {"\\Flagged"}))
                    self.server.faults = []
                    self.account("advance", 200)
                    self.assertIsNone(self.sync())
                    self.assertEqual((self.here(), self.account.problems()), (self.there(), []))

    def test_what_is_there_and_not_shown_is_not_sent_again(self):
        """An APPEND whose answer is lost, and a folder that seems to be empty for some minutes."""
        for without in ((), ("UIDPLUS",)):
            with self.subTest(without=without):
                self.without = without
                self.setUp()
                self.fill("Work", 3)
                self.assertIsNone(self.sync())
                self.account.append("Work", mail("new"))
                self.server.faults = [faults.LateAppend(0, times=1), faults.Lags(folder="Work")]
                for _ in range(4):
                    self.sync()
                    self.account("advance", 100)
                self.server.faults = []
                for _ in range(3):
                    self.account("advance", 300)
                    self.sync()
                self.assertEqual([name for name, _, _ in self.server.state()["Work"]], ["m1", "m2", "m3", "new"])
                self.assertEqual(set(self.here("Work")), {"m1", "m2", "m3", "new"})

    def test_what_is_copied_and_cannot_be_read_is_not_copied_again(self):
        self.without = ("UIDPLUS",)
        self.setUp()
        self.fill(count=2)
        self.fill("Work", 2, "w")
        self.assertIsNone(self.sync())
        self.account("copy", "INBOX", 1, "Work")
        self.server.faults = [faults.LeavesOut("NO [SERVERBUG] damaged", folder="Work", uid=3)]
        for _ in range(6):
            self.sync()
            self.account("advance", 300)
        self.server.faults = []
        for _ in range(3):
            self.account("advance", 2000)
            self.sync()
        self.assertEqual([name for name, _, _ in self.server.state()["Work"]], ["m1", "w1", "w2"])
        self.assertEqual((sorted(self.here("Work")), self.account.problems()), (["m1", "w1", "w2"], []))


class Subscriptions(Fake):
    def test_one_that_is_refused_is_said_until_it_is_noted_or_nobody_wants_it(self):
        for end in ("noted", "unsubscribed", "given up"):
            with self.subTest(end=end):
                self.setUp()
                self.server.folders["Work"].subscribed = False
                self.assertIsNone(self.sync())
                refusal = faults.Refuse("SUBSCRIBE", "NO [OVERQUOTA] too many")
                self.server.faults = [refusal]
                self.account("subscribe", "Work")
                for _ in range(3):
                    self.sync()
                problem, = self.account.problems()
                self.assertEqual(problem[:3], ("subscribe", "Work", 0))
                self.assertIn("too many", problem[4])
                self.assertEqual(refusal.hits, 1)
                if end == "noted":
                    self.server.faults = []
                    self.account("retry")
                elif end == "unsubscribed":
                    self.account("unsubscribe", "Work")
                else:
                    self.account("give-up", self.account("problems")[0][0])
                self.assertIsNone(self.sync())
                self.assertEqual(self.account.problems(), [])
                self.assertEqual(self.server.folders["Work"].subscribed, end == "noted")


class Identity(Fake):
    """The right bytes under the right UID."""

    def digests(self, folder="INBOX"):
        return {uid: (name, digest) for uid, (name, _, digest) in self.account.messages(folder).items()}

    def test_a_renumbering_while_a_body_is_fetched(self):
        """The fetcher's connection asks in the old epoch's numbers, sync changes over, and then the body comes."""
        self.fill(count=8)
        server, test = self.server, self

        class Meanwhile(faults.Fault):
            def before(self, session, command):
                if "BODY.PEEK[]" in command.text and self.hit(session, command.folder):
                    server.folders["INBOX"].messages = dict(
                        enumerate(reversed(server.folders["INBOX"].messages.values()), 1))
                    server.folders["INBOX"].uidvalidity = server.next_uidvalidity()
        server.faults = [Meanwhile(times=1)]
        self.sync()
        server.faults = []
        self.assertIsNone(self.account.settle(4))
        import hashlib
        for name, digest in self.digests().values():
            plain = name.strip("<>").split("@")[0]
            self.assertEqual(digest, hashlib.sha256(mail(plain)).hexdigest(), name)

    def test_object_ids_of_a_new_epoch_do_not_decide(self):
        """Short EMAILIDs mean other mails after a renumbering."""
        self.also = ("OBJECTID",)
        self.setUp()
        for number in range(1, 6):
            self.server.put("INBOX", mail(f"old{number}"), identity=f"M{number}")
        self.assertIsNone(self.sync())
        self.account("offline")
        self.account("expunge", "INBOX", "2")
        for uid in list(self.server.folders["INBOX"].messages):
            self.server.remove("INBOX", uid)
        for number in range(1, 6):
            self.server.put("INBOX", mail(f"new{number}"), identity=f"M{number}")
        self.server.renumber("INBOX")
        self.account("online")
        self.account.settle(4)
        self.assertEqual({name for name, _ in self.digests().values()},
                         {f"<new{number}@fake.test>" for number in range(1, 6)})
        self.assertEqual(len(self.there()), 5)

    def test_new_object_ids_after_a_reset_change_nothing(self):
        self.also = ("OBJECTID",)
        self.setUp()
        self.fill(count=30)
        self.assertIsNone(self.sync())
        before = self.digests()
        fetched = sum(self.server.fetched.values())
        for message in self.server.folders["INBOX"].messages.values():
            message.identity = "N" + message.identity
        self.server.renumber("INBOX", first=100)
        self.assertIsNone(self.account.settle(3))
        self.assertEqual(self.digests(), before)
        self.assertEqual(sum(self.server.fetched.values()), fetched)

    def test_the_same_message_id_and_date_are_not_the_same_bytes(self):
        self.server.put("INBOX", mail("m1", size=5000), date=None)
        self.server.put("INBOX", mail("m2"))
        self.assertIsNone(self.sync())
        old = self.digests()
        self.account("store", "INBOX", "1", "+\\Flagged")
        message = self.server.folders["INBOX"].messages[1]
        message.data = mail("m1")
        self.server.renumber("INBOX", first=10)
        self.assertIsNone(self.account.settle(3))
        import hashlib
        now = self.digests()
        self.assertNotIn(1, now)
        self.assertEqual(now[2], old[2])
        self.assertEqual({digest for name, digest in now.values() if "m1" in name},
                         {hashlib.sha256(mail("m1")).hexdigest()})
        self.assertIn("\\Flagged", self.here()["m1"])

    def test_a_server_that_is_set_up_from_a_backup(self):
        self.fill(count=5)
        self.assertIsNone(self.sync())
        kept = self.server.backup()
        self.fill(count=5, prefix="later")
        self.assertIsNone(self.sync())
        self.server.restore(kept)
        self.fill(count=3, prefix="other")
        self.account.settle(3)
        self.assertEqual({name for name in self.here()}, {name for name in self.there()})
        import hashlib
        for name, digest in self.digests().values():
            plain = name.strip("<>").split("@")[0]
            self.assertEqual(digest, hashlib.sha256(mail(plain)).hexdigest(), name)

    def test_a_server_that_is_set_up_from_a_backup_and_has_gone_on(self):
        """Its numbers aren't behind ours any more, and yet some UIDs are other messages."""
        import hashlib
        for without, later, others, ahead in itertools.product(((), ("QRESYNC",), ("CONDSTORE",)), (1, 4), (0, 2), (0, 20)):
            with self.subTest(without=without, later=later, others=others, ahead=ahead):
                self.without = without
                self.setUp()
                self.fill(count=5)
                self.server.put("Archive", mail("kept"))
                self.assertIsNone(self.sync())
                kept = self.server.backup()
                self.fill(count=later, prefix="later")
                self.server.put("Archive", mail("moved"))
                self.assertIsNone(self.sync())
                self.account("offline")
                self.account("store", "INBOX", 2, "+\\Flagged")
                self.account("append", "INBOX", "", base64.b64encode(mail("draft")).decode())
                self.account("move", "Archive", 2, "Work")
                self.server.restore(kept)
                self.fill(count=later + others, prefix="other")
                self.server.modseq += ahead
                self.account("online")
                self.account.settle(8)
                self.assertEqual(self.here(), self.there())
                self.assertEqual(self.there()["m2"], {"\\Flagged"})
                self.assertIn("draft", self.there())
                self.assertEqual(list(self.there("Work")), ["moved"])
                for name, digest in self.digests().values():
                    self.assertEqual(digest, hashlib.sha256(mail(name.strip("<>").split("@")[0])).hexdigest(), name)

    def test_a_server_that_is_set_up_from_a_backup_with_the_same_numbers(self):
        """Nothing that it lists has changed, and yet some UIDs are other messages: none of ours is done to them."""
        for change in (("store", "INBOX", 7, "+\\Flagged"), ("expunge", "INBOX", 7), ("move", "INBOX", 7, "Work"),
                       ("copy", "INBOX", 7, "Work")):
            for without in ((), ("QRESYNC",)):
                with self.subTest(change=change[0], without=without):
                    self.without = without
                    self.setUp()
                    self.fill(count=5)
                    self.assertIsNone(self.sync())
                    kept = self.server.backup()
                    self.fill(count=2, prefix="later")
                    self.assertIsNone(self.sync())
                    numbers = self.server.modseq
                    self.account("offline")
                    self.account(*change)
                    self.server.restore(kept)
                    self.fill(count=2, prefix="other")
                    self.server.modseq = numbers
                    self.account("online")
                    self.account.settle(6)
                    self.assertEqual(self.here(), self.there())
                    self.assertEqual(self.there()["other2"], set())
                    self.assertNotIn("other2", self.there("Work"))


class Once(Fake):
    """What is sent is there once, and nothing waits for what is refused."""

    def test_an_append_that_is_stored_after_the_connection_broke(self):
        for without in ((), ("UIDPLUS",)):
            for later in (5, 75):
                with self.subTest(without=without, later=later):
                    self.without = without
                    self.setUp()
                    self.assertIsNone(self.sync())
                    self.server.faults = [faults.LateAppend(times=1, later=later)]
                    uid = self.account.append("INBOX", mail("new"))
                    for _ in range(8):
                        self.sync()
                        self.server.clock.advance(20)
                        self.server.tick()
                        self.account("advance", 20)
                    self.assertIsNone(self.account.settle(4))
                    self.assertEqual([name for name, _, _ in self.server.state()["INBOX"]], ["new"])
                    self.assertEqual(list(self.account.messages("INBOX")), [uid])

    def test_an_append_that_was_not_stored_is_sent_again(self):
        self.assertIsNone(self.sync())
        self.server.faults = [faults.Break("APPEND", times=1)]
        uid = self.account.append("INBOX", mail("new"))
        self.sync()
        self.assertIsNone(self.account.settle(4))
        self.assertEqual([name for name, _, _ in self.server.state()["INBOX"]], ["new"])
        self.assertEqual(list(self.account.messages("INBOX")), [uid])

    def test_an_appenduid_of_a_message_that_is_there(self):
        self.fill(count=3)
        self.assertIsNone(self.sync())
        self.server.faults = [faults.AnswersUid(lambda code: code.replace(" 4]", " 2]"), times=1)]
        self.account.append("INBOX", mail("new"))
        self.account("store", "INBOX", "1", "+\\Flagged")
        self.assertIsNone(self.account.settle(4))
        self.assertEqual(self.here().keys(), self.there().keys())
        self.assertEqual(len(self.here()), 4)
        self.assertEqual(self.there()["m1"], {"\\Flagged"})

    def test_a_folder_that_can_only_be_read_for_a_while(self):
        self.fill()
        self.assertIsNone(self.sync())
        self.server.faults = [faults.ReadOnly(folder="INBOX")]
        self.server.set_flags("INBOX", 2, ["Work"])
        self.account("store", "INBOX", "1", "+\\Flagged")
        for _ in range(3):
            self.sync()
        self.assertEqual((self.here()["m1"], self.here()["m2"]), ({"\\Flagged"}, {"Work"}))
        self.assertEqual([problem[:2] for problem in self.account.problems()], [("flags", "INBOX")])
        self.server.faults = []
        self.account("advance", 4000)
        self.assertIsNone(self.account.settle(3))
        self.assertEqual(self.there()["m1"], {"\\Flagged"})

    def test_an_expunge_that_is_given_up_takes_deleted_back(self):
        self.fill()
        self.assertIsNone(self.sync())
        self.server.faults = [faults.Refuse("UID EXPUNGE", "NO [CANNOT] not today")]
        self.account("expunge", "INBOX", "2")
        self.sync()
        self.assertEqual(self.there()["m2"], {"\\Deleted"})
        (number, operation, *_), = self.account("problems")
        self.assertEqual(operation, "expunge")
        self.account("give-up", number)
        self.assertIsNone(self.account.settle(3))
        self.assertEqual((self.there()["m2"], self.here()["m2"]), (set(), set()))

    def test_a_create_that_is_refused_holds_up_nothing(self):
        self.fill()
        self.assertIsNone(self.sync())
        self.server.faults = [faults.Refuse("CREATE", "NO [ALREADYEXISTS] it is there")]
        self.account("create", "New")
        self.account("store", "INBOX", "1", "+\\Flagged")
        self.sync()
        self.assertEqual(self.there()["m1"], {"\\Flagged"})
        self.assertEqual([problem[:2] for problem in self.account.problems()], [("create", "New")])

    def test_flags_that_break_the_connection_hold_up_no_others(self):
        self.fill(count=9)
        self.assertIsNone(self.sync())
        self.server.faults = [faults.Break(r"UID STORE \S*3")]
        self.account("store", "INBOX", "1", "+\\Flagged")
        self.account("store", "INBOX", "3", "+\\Answered")
        self.account("store", "INBOX", "5", "+\\Seen")
        for _ in range(6):
            self.sync()
        self.assertEqual((self.there()["m1"], self.there()["m5"]), ({"\\Flagged"}, {"\\Seen"}))
        self.assertEqual([problem[:3] for problem in self.account.problems()], [("flags", "INBOX", 3)])


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

    def said(self):
        return [(problem[1], problem[-1]) for problem in self.account.problems() if problem[0] == "keywords"]

    def test_what_is_left_out_is_said_until_it_is_gone(self):
        for name, keywords in (("long", ["x" * 256]), ("longer", ["x" * 300, "Short"]), ("endless", ["x" * 70000]),
                               ("many", [f"Keyword{number}" for number in range(501)]),
                               ("more", [f"Keyword{number}" for number in range(1001)]),
                               ("none", ["a%b"]), ("control", ["a\x01b"])):
            for first in (True, False):
                with self.subTest(name, first=first):
                    self.without = () if first else ("CONDSTORE", "QRESYNC")
                    self.setUp()
                    self.fill()
                    if not first:
                        self.assertIsNone(self.sync())
                        self.assertEqual(self.said(), [])
                    self.server.set_flags("INBOX", 2, keywords)
                    self.server.set_flags("INBOX", 4, ["\\Seen", "Other"])
                    self.assertIsNone(self.sync())
                    self.assertEqual([folder for folder, _ in self.said()], ["INBOX"])
                    self.assertEqual(self.here()["m4"], {"\\Seen", "Other"})
                    self.server.set_flags("INBOX", 2, ["Fine"])
                    self.assertIsNone(self.sync())
                    self.assertEqual(self.here()["m2"], {"Fine"})
                    if self.without: # else when the folder is compared as a whole
                        self.assertEqual(self.said(), [])

    def test_what_was_a_disorder_is_not_said_for_good(self):
        """Nothing has changed since, so nothing but a comparison tells."""
        for without in ((), ("QRESYNC",), ("CONDSTORE",)):
            for first in (True, False):
                with self.subTest(without=without, first=first):
                    self.without = without
                    self.setUp()
                    self.fill()
                    if not first:
                        self.assertIsNone(self.sync())
                        self.server.set_flags("INBOX", 2, ["\\Seen"])
                    self.server.faults = [faults.Item("FLAGS", lambda value: value[:-1] + b" a(b)", folder="INBOX", uid=2)]
                    self.sync()
                    self.assertEqual([folder for folder, _ in self.said()], ["INBOX"])
                    self.server.faults = []
                    for _ in range(2):
                        self.account("advance", 3700)
                        self.sync()
                    self.assertEqual(self.said(), [])
                    # Once is enough.
                    before = len(self.server.commands)
                    self.account("advance", 3700)
                    self.assertIsNone(self.sync())
                    self.assertEqual([line for _, line in self.server.commands[before:]
                                      if without != ("CONDSTORE",) and line == "UID FETCH 1:* (UID FLAGS)"], [])

    def test_what_can_be_kept_is_not_said(self):
        self.fill()
        self.server.set_flags("INBOX", 2, ["x" * 255, "NotJunk", "$Forwarded", "a]b"])
        self.server.set_flags("INBOX", 3, [f"Keyword{number}" for number in range(500)])
        self.assertIsNone(self.sync())
        self.assertEqual(self.said(), [])
        self.assertEqual(len(self.here()["m3"]), 500)

    def test_the_hundred_thousandth_set_is_left_out_and_all_else_goes_on(self):
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        self._account = SyncAccount(self.server.imap, directory=kept.name)
        self.addCleanup(lambda: self.account.close())
        self.fill()
        self.server.set_flags("INBOX", 1, ["Known"])
        self.server.set_flags("INBOX", 2, ["Known"])
        self.assertIsNone(self.sync())
        self.account.close()
        with sqlite3.connect(os.path.join(self.account.directory, "mail.db")) as cache:
            first = cache.execute("SELECT max(id) FROM keyword_set").fetchone()[0] + 1
            cache.executemany("INSERT INTO keyword_set VALUES (?, ?)",
                              ((number, f"Made{number}") for number in range(first, 100001)))
        cache.close()
        self.account.start()
        self.server.set_flags("INBOX", 1, ["Known", "New"])
        self.server.set_flags("INBOX", 3, ["\\Seen", "Newer"])
        self.server.put("INBOX", mail("m6"), ["Known", "Newest"])
        self.assertIsNone(self.sync())
        self.assertEqual([folder for folder, _ in self.said()], ["INBOX"])
        here = self.here()
        self.assertEqual((here["m1"], here["m3"], here["m6"]), ({"Known"}, {"\\Seen"}, {"Known"}))
        # What it means doesn't reach the provider, and what clients change does, with names of their own.
        self.account("store", "INBOX", 2, "+Mine")
        self.account("store", "INBOX", 1, "+Mine")
        self.account("store", "INBOX", 3, "+Mine \\Flagged")
        self.account.append("INBOX", mail("m7"), "Yours")
        self.assertIsNone(self.sync())
        self.assertIsNone(self.sync())
        there = self.there()
        self.assertEqual(there["m1"], {"Known", "New", "Mine"})
        self.assertEqual(there["m2"], {"Known", "Mine"})
        self.assertEqual(there["m3"], {"\\Seen", "\\Flagged", "Newer", "Mine"})
        self.assertEqual(there["m7"], {"Yours"})


if __name__ == "__main__":
    unittest.main()
