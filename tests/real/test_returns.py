# SPDX-License-Identifier: GPL-3.0-or-later
"""What vanishes at the provider and is there again within seven days is the same message as before: it has its UID
(unless a client was told that it is gone: then a higher one, RFC 3501, 2.3.1.1), its flags, its content, and what
was still to be sent. Kinds of loss, of providers and of what was done before are multiplied."""

import contextlib
import itertools
import os
import random
import sqlite3
import time
import unittest

from harness import LONG, faults, some
from test_set_aside import Fake, mail

DAY = 24 * 3600

#: How a message goes and comes: each gives what undoes it.


def lags(server, folder, uids):
    """A replica that is behind."""
    fault = faults.Lags(folder=folder)
    fault.without = lambda there, session, where: [uid for uid in there if where.name != folder or uid not in uids]
    server.faults.append(fault)
    return lambda: server.faults.remove(fault)


def expunged(server, folder, uids):
    """Deleted, and taken back: under new UIDs."""
    gone = [server.folders[folder].messages[uid] for uid in uids]
    server.remove(folder, *uids)
    return lambda: [server.put(folder, message.data, message.flags, message.date, identity=message.identity)
                    for message in gone]


def same_uids(server, folder, uids):
    """Storage that was away: told as expunged, and there again under the same UIDs."""
    gone = {uid: server.folders[folder].messages[uid] for uid in uids}
    server.remove(folder, *uids)

    def undo():
        for uid, message in gone.items():
            server.put(folder, message.data, message.flags, message.date, uid=uid, identity=message.identity)
        server.folders[folder].messages = dict(sorted(server.folders[folder].messages.items()))
    return undo


def renumbered(server, folder, uids):
    """Restored into a mailbox that is numbered anew."""
    undo = expunged(server, folder, uids)

    def restore():
        undo()
        server.renumber(folder, first=random.choice([1, 50]))
    return restore


LOSSES = (lags, expunged, same_uids, renumbered)
SERVERS = ((), ("QRESYNC",), ("CONDSTORE",))


class Days(Fake):
    """With time that goes by."""

    def pass_time(self, seconds):
        self.server.clock.advance(seconds)
        self.account("advance", seconds)
        self.assertIsNone(self.sync())

    def settle(self):
        self.assertIsNone(self.account.settle(6))

    def pass_time_anyhow(self, seconds):
        self.server.clock.advance(seconds)
        self.account("advance", seconds)
        self.sync()

    def check_changed(self, expected):
        """m3 of nine is where it is expected, {folder: its flags}, on both sides, and nothing else is other."""
        for folder in ("INBOX", "Archive"):
            self.assertEqual(self.here(folder), self.there(folder))
            self.assertEqual(self.there(folder).get("m3"), expected.get(folder))
            self.assertEqual(len(self.there(folder)), len(self.server.folders[folder].messages))
        self.assertEqual(len(self.here() | self.here("Archive")), 9 if expected else 8)

    def database(self, command):
        with contextlib.closing(sqlite3.connect(os.path.join(self.account.directory, "mail.db"))) as database, database:
            return database.execute(command).fetchall()


class Returns(Days):
    def lose(self, loss, uids, folder="INBOX"):
        undo = loss(self.server, folder, uids)
        self.assertIsNone(self.sync())
        self.pass_time(600)
        return undo

    def each(self, check, servers=SERVERS):
        for loss, without in itertools.product(LOSSES, servers):
            with self.subTest(loss=loss.__name__, without=without):
                self.without = without
                self.setUp()
                self.fill(count=12)
                self.assertIsNone(self.sync())
                check(loss)

    def test_it_has_its_uid_flags_and_content(self):
        def check(loss):
            before = self.account.messages("INBOX")
            fetched = dict(self.server.fetched)
            undo = self.lose(loss, [3, 4, 9])
            self.assertEqual(len(self.account.messages("INBOX")), 9)
            self.pass_time(6 * DAY)
            undo()
            self.settle()
            self.assertEqual(self.account.messages("INBOX"), before)
            self.assertEqual(dict(self.server.fetched), fetched)
        self.each(check)

    def test_what_was_still_to_be_sent_is_sent(self):
        def check(loss):
            self.server.faults = [faults.Refuse("UID STORE", "NO [INUSE] busy")]
            self.account("store", "INBOX", 3, "+\\Flagged")
            self.account("store", "INBOX", 4, "+Work")
            self.sync()
            undo = loss(self.server, "INBOX", [3, 4, 5])
            self.sync()
            self.assertEqual(len(self.here()), 9)
            self.pass_time_anyhow(DAY)
            undo()
            self.server.faults = []
            self.pass_time_anyhow(DAY)
            self.settle()
            self.assertEqual(self.there(), self.here())
            self.assertEqual((self.there()["m3"], self.there()["m4"]), ({"\\Flagged"}, {"Work"}))
        self.each(check)

    def test_where_a_client_knows_that_it_was_gone_it_has_a_higher_uid(self):
        def check(loss):
            self.account("store", "INBOX", 3, "+\\Flagged")
            self.settle()
            before = self.account.messages("INBOX")
            undo = self.lose(loss, [3, 4])
            self.database("UPDATE vanished SET told = 1 WHERE uid = 3")
            undo()
            self.settle()
            before[13] = before.pop(3)
            self.assertEqual(self.account.messages("INBOX"), before)
            self.assertEqual(self.database("SELECT uid FROM vanished"), [])
            self.assertEqual(self.database("SELECT uid FROM placement WHERE NOT alive"), [])
        self.each(check, SERVERS[:1])

    def test_a_copy_without_its_body_whose_original_is_gone_is_said_until_it_returns(self):
        for (loss, change), end in itertools.product(itertools.product((lags, expunged, renumbered), ("copy", "move")),
                                                     ("returns", "deleted here")):
            with self.subTest(loss=loss.__name__, change=change, end=end):
                self.prefetch = 0
                self.setUp()
                self.fill(count=12)
                self.sync()
                while set(self.here()) != set(self.there()):  # until the headers are here
                    time.sleep(0.02)
                self.server.faults = [faults.Refuse("UID (MOVE|COPY|STORE|EXPUNGE)|APPEND", "NO [INUSE] busy")]
                self.account(change, "INBOX", 3, "Archive")
                self.sync()
                undo = loss(self.server, "INBOX", [3])
                self.server.faults = [fault for fault in self.server.faults if isinstance(fault, faults.Lags)]
                self.pass_time_anyhow(3600)
                self.pass_time_anyhow(3600)
                (operation, folder, uid, _, words), = self.account.problems()
                self.assertEqual((operation, folder, uid), (change, "Archive", 1))
                self.assertIn("only its header is here", words)
                self.assertEqual(list(self.here("Archive")), ["m3"])
                self.assertNotEqual(self.account.pending(), (0, 0, 0))
                if end == "returns":
                    undo()
                else:
                    self.account("expunge", "Archive", 1)
                for _ in range(5):  # the back-off of what was refused doubles
                    self.pass_time_anyhow(2 * 3600)
                    if self.account.pending() == (0, 0, 0):
                        break
                self.settle()
                self.assertEqual(list(self.there("Archive")), ["m3"] if end == "returns" else [])
                self.assertEqual(self.here("Archive"), self.there("Archive"))
                self.assertEqual("m3" in self.there(), change == "copy" if end == "returns" else loss is lags)

    def test_flags_that_changed_meanwhile_are_merged(self):
        def check(loss):
            undo = self.lose(loss, [3])
            undo()
            uid = next(uid for uid, message in self.server.folders["INBOX"].messages.items() if message.name == "m3")
            self.server.set_flags("INBOX", uid, ["\\Answered"])
            self.settle()
            self.assertEqual(self.here()["m3"], {"\\Answered"})
            self.assertEqual(sorted(self.account.messages("INBOX")), list(range(1, 13)))
        self.each(check, SERVERS[:1])

    def test_what_was_deleted_or_moved_here_stays_so_where_it_is_the_same_message(self):
        for without, change in itertools.product(SERVERS, ("expunge", "move")):
            with self.subTest(without=without, change=change):
                self.without = without
                self.setUp()
                self.fill(count=12)
                self.assertIsNone(self.sync())
                self.server.faults = [faults.Refuse("UID (MOVE|COPY|STORE|EXPUNGE)|EXPUNGE|APPEND", "NO [INUSE] busy")]
                self.account(change, "INBOX", 3, *(["Archive"] if change == "move" else []))
                self.sync()
                undo = lags(self.server, "INBOX", [3])
                self.sync()
                undo()
                self.server.faults = []
                self.pass_time_anyhow(DAY)
                self.settle()
                self.assertNotIn("m3", self.there())
                self.assertNotIn("m3", self.here())
                self.assertEqual(list(self.there("Archive")), ["m3"] if change == "move" else [])
                self.assertEqual(self.there("Archive"), self.here("Archive"))

    def test_what_others_put_back_is_not_deleted_again(self):
        """Deleted on both sides, and taken back there."""
        for loss in (expunged, renumbered):
            self.setUp()
            self.fill(count=12)
            self.assertIsNone(self.sync())
            self.server.faults = [faults.Refuse("UID (STORE|EXPUNGE)", "NO [INUSE] busy")]
            self.account("expunge", "INBOX", 3)
            self.sync()
            undo = loss(self.server, "INBOX", [3])
            self.sync()
            self.server.faults = []
            undo()
            self.pass_time_anyhow(DAY)
            self.settle()
            self.assertIn("m3", self.there())
            self.assertIn("m3", self.here())

    def test_a_new_copy_of_what_is_elsewhere_is_not_what_had_vanished(self):
        for where in ("INBOX", "Archive"):
            self.setUp()
            self.fill(count=3)
            message = self.server.folders["INBOX"].messages[2]
            self.server.put("Archive", message.data, {"\\Seen"}, message.date)
            self.assertIsNone(self.sync())
            self.server.faults = [faults.Refuse("UID STORE", "NO [INUSE] busy")]
            self.account("store", "Archive", 1, "-\\Seen")
            self.sync()
            undo = expunged(self.server, "Archive", [1])
            if where == "Archive":
                undo = lambda undo=undo, too=expunged(self.server, "INBOX", [2]): (too(), undo())
            self.sync()
            self.server.faults = []
            self.pass_time_anyhow(DAY)
            with self.server.lock:  # no round sees one of them alone, be it the one of INBOX that IDLE wakes
                undo()
            self.settle()
            # Alone it is what it was; beside the one in INBOX someone may have copied that.
            self.assertEqual(self.there("Archive"), {"m2": {"\\Seen"} if where == "INBOX" else set()})
            self.assertEqual(self.here("Archive"), self.there("Archive"))

    def test_after_seven_days_it_is_new(self):
        def check(loss):
            undo = self.lose(loss, [3])
            self.pass_time(6 * DAY)
            self.pass_time(DAY)
            undo()
            self.settle()
            self.assertEqual(set(self.here()), {f"m{number}" for number in range(1, 13)})
            self.assertEqual(sorted(self.account.messages("INBOX")), [1, 2, *range(4, 14)])
        self.each(check, SERVERS[:1])

    def test_other_bytes_are_another_message(self):
        """The same date and size under the same UID, or the same Message-ID with another size."""
        for data, name in ((mail("M3"), "M3"), (mail("m3", 100), "m3")):
            for uid in (3, None):
                with self.subTest(name=name, uid=uid):
                    self.setUp()
                    self.fill(count=12)
                    self.assertIsNone(self.sync())
                    old = self.account.messages("INBOX")[3]
                    self.lose(expunged, [3])
                    self.server.put("INBOX", data, uid=uid)
                    self.server.folders["INBOX"].messages = dict(sorted(self.server.folders["INBOX"].messages.items()))
                    self.settle()
                    here = self.account.messages("INBOX")
                    self.assertEqual(sorted(here), [1, 2, *range(4, 14)])
                    self.assertEqual(here[13][0], f"<{name}@fake.test>")
                    self.assertNotEqual(here[13][2], old[2])

    def test_it_may_come_and_go_again_and_again(self):
        """At random, over some days; what is there at the end has the UIDs and flags of the beginning."""
        for seed in range(60 if LONG else 2):
            with self.subTest(seed=seed):
                chance = random.Random(seed)
                self.without = chance.choice(SERVERS)
                self.setUp()
                self.fill(count=10)
                self.assertIsNone(self.sync())
                for uid in range(1, 11):
                    if chance.random() < 0.5:
                        self.account("store", "INBOX", uid, "+" + chance.choice(["\\Seen", "\\Flagged", "Work"]))
                self.settle()
                before = self.account.messages("INBOX")
                for _ in range(4):
                    there = self.server.folders["INBOX"].uids()
                    undo = self.lose(chance.choice(LOSSES), chance.sample(there, chance.randint(1, 9)))
                    if chance.random() < 0.4:
                        self.account.kill()
                        self.account.restart()
                        self.account("advance", self.server.clock.ahead)
                    if chance.random() < 0.5:
                        self.pass_time(chance.choice([3600, DAY]))
                    undo()
                    self.settle()
                    self.assertEqual(self.account.messages("INBOX"), before)


class Lagging(Days):
    """A replica takes over that is behind, in the middle of what is pushed: what the user did stays done."""

    #: What is done, what it is sent by, and what comes of m3: {folder: flags}.
    CHANGES = {"expunge": ((), "UID STORE|UID EXPUNGE|EXPUNGE|UID SEARCH", {}),
               "move": (("Archive",), "UID MOVE|UID COPY|UID STORE|UID EXPUNGE|EXPUNGE|UID SEARCH", {"Archive": set()}),
               "copy": (("Archive",), "UID COPY|UID SEARCH", {"INBOX": set(), "Archive": set()}),
               "store": (("+\\Flagged",), "UID STORE|UID FETCH", {"INBOX": {"\\Flagged"}})}

    def test_what_was_done_here_stays_done(self):
        without = ((), ("QRESYNC",), ("CONDSTORE",), ("UIDPLUS",), ("MOVE",))
        for change, lacks, behind in some(itertools.product(self.CHANGES, without, ([3], [3, 4], None)), 20):
            words, commands, expected = self.CHANGES[change]
            for command, counted in itertools.product(commands.split("|"), (False, True)):
                with self.subTest(change=change, without=lacks, behind=behind, command=command, counted=counted):
                    self.without = lacks
                    self.setUp()
                    self.fill(count=9)
                    self.assertIsNone(self.sync())
                    self.server.faults = [faults.LagsFrom(command, folder="INBOX", uid=behind, counted=counted)]
                    self.account(change, "INBOX", 3, *words)
                    self.sync()
                    self.pass_time_anyhow(60)
                    self.server.faults = []
                    self.pass_time_anyhow(300)
                    self.pass_time_anyhow(3600)
                    self.settle()
                    self.check_changed(expected)


    def test_what_returns_and_is_told_twice_is_one(self):
        for without, change in itertools.product(SERVERS, ("expunge", "store", "none")):
            with self.subTest(without=without, change=change):
                self.without = without
                self.setUp()
                self.fill(count=9)
                self.assertIsNone(self.sync())
                before = self.account.messages("INBOX")
                self.server.faults = [faults.Lags(folder="INBOX", uid=[3, 4])]
                self.account("offline")
                if change != "none":
                    self.account(change, "INBOX", 3, *(["+\\Seen"] if change == "store" else []))
                self.account("online")
                self.sync()
                self.pass_time_anyhow(60)
                self.server.faults = [faults.Twice(folder="INBOX")]
                self.pass_time_anyhow(300)
                self.settle()
                self.assertEqual(self.here(), self.there())
                self.assertEqual("m3" in self.there(), change != "expunge")
                self.assertEqual(set(self.account.messages("INBOX")), set(before) - ({3} if change == "expunge" else set()))

    def test_what_was_deleted_takes_room_for_a_day_only(self):
        self.fill(count=9)
        self.assertIsNone(self.sync())
        self.account("expunge", "INBOX", 3)
        self.account("move", "INBOX", 4, "Archive")
        self.settle()
        self.pass_time(DAY // 2)
        self.assertEqual(self.database("SELECT uid FROM vanished ORDER BY uid"), [(3,), (4,)])
        self.pass_time(DAY // 2 + 1)
        self.assertEqual(self.database("SELECT uid FROM placement WHERE NOT alive"), [])
        self.assertEqual(self.database("SELECT count(*) FROM content"), [(8,)])

    def test_what_was_moved_is_there_once_also_after_a_backup(self):
        """The move is in the backup, or isn't: then what is there again is all there is."""
        for without, moved, when in itertools.product(((), ("MOVE",), ("QRESYNC",), ("UIDPLUS",)), (True, False), (0, DAY)):
            with self.subTest(without=without, moved=moved, when=when):
                self.without = without
                self.setUp()
                self.fill(count=9)
                self.assertIsNone(self.sync())
                kept = self.server.backup()
                self.account("move", "INBOX", 3, "Archive")
                self.settle()
                self.pass_time(when)
                if moved:
                    kept = self.server.backup()
                self.server.restore(kept)
                for _ in range(4):
                    self.pass_time_anyhow(600)
                self.settle()
                both = {"INBOX": self.there(), "Archive": self.there("Archive")}
                self.assertEqual({"INBOX": self.here(), "Archive": self.here("Archive")}, both)
                self.assertEqual(("m3" in both["INBOX"], "m3" in both["Archive"]), (not moved, moved))

    def test_what_was_moved_to_where_nothing_can_be_read_is_not_gone_from_there(self):
        """Nor known to be there: until it can be read it is left where it is shown."""
        cannot = {"fetch": lambda uid: faults.Refuse("UID FETCH", "NO no", folder="Archive"),
                  "select": lambda uid: faults.Refuse("SELECT|EXAMINE", "NO no", folder="Archive"),
                  "tell": lambda uid: faults.LeavesOut("NO [SERVERBUG] x", folder="Archive", uid=uid)}
        for what, is_there, killed in itertools.product(cannot, (True, False), (False, True)):
            with self.subTest(cannot=what, is_there=is_there, killed=killed):
                self.setUp()
                self.fill(count=9)
                self.fill("Archive", count=2, prefix="a")
                self.assertIsNone(self.sync())
                self.server.faults = [faults.Lags()]
                self.account("move", "INBOX", 3, "Archive")
                for _ in range(2):
                    self.sync()
                    self.pass_time_anyhow(10)
                uid = next(uid for uid, message in self.server.folders["Archive"].messages.items() if message.name == "m3")
                if not is_there:
                    self.server.remove("Archive", uid)
                self.server.faults = [cannot[what](uid)]
                for _ in range(3):
                    self.pass_time_anyhow(60)
                    self.assertIn("m3", self.there() | self.there("Archive"))
                    if killed:
                        self.account.kill()
                        self.account.restart()
                        self.account("advance", int(self.server.clock.ahead))
                self.server.faults = []
                self.pass_time_anyhow(3600)
                self.account("retry")
                self.settle()
                for folder in ("INBOX", "Archive"):
                    self.assertEqual(self.here(folder), self.there(folder))
                    self.assertEqual(len(self.there(folder)), len(self.server.folders[folder].messages))
                self.assertEqual(("m3" in self.there(), "m3" in self.there("Archive")), (not is_there, is_there))

    def test_storage_that_is_away_everywhere_while_things_are_moved(self):
        for change, where in itertools.product(("move", "copy", "expunge"), ("INBOX", "Work")):
            with self.subTest(change=change, where=where):
                self.setUp()
                self.fill(where, count=9)
                self.assertIsNone(self.sync())
                self.server.faults = [faults.Lags()]
                self.account(change, where, 3, *(["Archive"] if change != "expunge" else []))
                self.sync()
                self.pass_time_anyhow(10)
                self.server.faults = []
                self.pass_time_anyhow(60)
                self.pass_time_anyhow(3600)
                self.settle()
                for folder in (where, "Archive"):
                    self.assertEqual(self.here(folder), self.there(folder))
                self.assertEqual(("m3" in self.there(where), "m3" in self.there("Archive")),
                                 (change == "copy", change != "expunge"))
                self.assertEqual(len(self.server.folders[where].messages), 9 if change == "copy" else 8)
                self.assertEqual(len(self.server.folders["Archive"].messages), 0 if change == "expunge" else 1)


def unlisted(server, name):
    """Its storage is away: it isn't in LIST, and there again as it was."""
    gone = server.folders.pop(name)
    return lambda: server.folders.__setitem__(name, gone)


def made_anew(server, name):
    """Deleted, and restored from a backup: another UIDVALIDITY, other UIDs."""
    undo = unlisted(server, name)

    def restore():
        undo()
        server.renumber(name, first=random.choice([1, 50]))
        server.folders[name].identity += "x"
    return restore


class Renumbering(Days):
    """A folder is numbered anew in the middle of a connection, in the middle of what is pushed, without a word: what
    the user did stays done, and nothing else is."""

    CHANGES = {"expunge": ((), {}), "move": (("Archive",), {"Archive": set()}),
               "copy": (("Archive",), {"INBOX": set(), "Archive": set()}),
               "store": (("+\\Flagged",), {"INBOX": {"\\Flagged"}})}
    COMMANDS = {"expunge": "SELECT|UID STORE|UID EXPUNGE|EXPUNGE|UID SEARCH", "store": "SELECT|UID STORE|UID FETCH",
                "move": "SELECT|UID MOVE|UID COPY|UID STORE|UID EXPUNGE|EXPUNGE", "copy": "SELECT|UID COPY|UID SEARCH"}

    def test_what_was_done_here_stays_done(self):
        without = itertools.cycle(((), ("QRESYNC",), ("CONDSTORE",), ("UIDPLUS",), ("MOVE",)))
        for change in self.CHANGES:
            for command, when, first in itertools.product(self.COMMANDS[change].split("|"), ("before", "after"), (1, 50)):
                lacks = next(without)
                with self.subTest(change=change, without=lacks, first=first, command=command, when=when):
                    self.without = lacks
                    self.setUp()
                    self.fill(count=9)
                    self.assertIsNone(self.sync())
                    self.server.faults = [faults.RenumbersAt(command, when, first, folder="INBOX", times=1)]
                    self.account(change, "INBOX", 3, *self.CHANGES[change][0])
                    self.sync()
                    self.pass_time_anyhow(60)
                    self.pass_time_anyhow(300)
                    self.server.faults = []
                    self.settle()
                    self.check_changed(self.CHANGES[change][1])


    def test_storage_that_goes_away_after_a_move_takes_nothing_with_it(self):
        """At any moment: while the command is under way, while its effect is looked for, when that was found."""
        cases = itertools.product(((), ("QRESYNC",), ("UIDPLUS",), ("UIDPLUS", "MOVE")), ("move", "copy"), range(8, 20))
        for without, change, skip in some(cases, 40):
            with self.subTest(without=without, change=change, skip=skip):
                self.without, self.prefetch = without, -1
                self.setUp()
                self.fill(count=9)
                self.fill("Archive", 4, "a")
                self.fill("Work", 4, "w")
                self.assertIsNone(self.sync())
                self.server.faults = [faults.Lags(skip=skip, seconds=60)]
                self.account(change, "INBOX", 3, "Work")
                for seconds in (1, 1, 20, 75, 75):
                    self.sync()
                    self.server.clock.advance(seconds)
                    self.server.tick()
                    self.account("advance", seconds)
                self.server.faults = []
                self.settle()
                for folder in ("INBOX", "Archive", "Work"):
                    self.assertEqual(self.here(folder), self.there(folder))
                self.assertEqual("m3" in self.there("INBOX"), change == "copy")
                self.assertEqual(set(self.there("Work")), {"w1", "w2", "w3", "w4", "m3"})
                self._account.close()
                self.server.close()

    def test_storage_that_is_away_and_comes_back_under_other_numbers(self):
        """Or that was put in place from a backup."""
        for change, without, late in itertools.product(self.CHANGES, ((), ("QRESYNC",), ("CONDSTORE",)), (False, True)):
            with self.subTest(change=change, without=without, late=late):
                self.without = without
                self.setUp()
                self.fill(count=9)
                self.assertIsNone(self.sync())
                self.server.faults = [faults.Lags(folder="INBOX")]
                if late:
                    self.account("offline")
                    self.account(change, "INBOX", 3, *self.CHANGES[change][0])
                    self.account("online")
                    self.sync()
                else:
                    self.account(change, "INBOX", 3, *self.CHANGES[change][0])
                    self.sync()
                self.pass_time_anyhow(60)
                self.server.renumber("INBOX", first=20)
                self.server.faults = []
                for _ in range(3):
                    self.pass_time_anyhow(300)
                self.settle()
                self.check_changed(self.CHANGES[change][1])


class Folders(Days):
    """A whole folder that is gone for some days."""

    def lose_folder(self, loss, name="Work"):
        """Believed after three minutes where it is large, and confirmed by another connection."""
        with self.server.lock:
            undo = loss(self.server, name)
        self.server.drop_connections()
        for _ in range(3):
            self.pass_time_anyhow(200)
        self.assertNotIn(name, self.account.folders())
        return undo

    def give_back(self, undo):
        with self.server.lock:
            undo()
        self.pass_time_anyhow(60)
        self.settle()

    def each_folder(self, check, count=12):
        for loss, without, also in itertools.product((unlisted, made_anew), SERVERS[:2], ((), ("OBJECTID",))):
            with self.subTest(loss=loss.__name__, without=without, also=also):
                self.without, self.also = without, also
                self.setUp()
                self.fill("Work", count=count)
                self.assertIsNone(self.sync())
                check(loss)

    def test_it_has_its_uids_flags_and_content(self):
        def check(loss):
            self.account("store", "Work", 3, "+\\Flagged")
            self.account("expunge", "Work", 5)
            self.settle()
            before, fetched = self.account.messages("Work"), dict(self.server.fetched)
            validity = self.database("SELECT uidvalidity FROM folder WHERE name = 'Work'")
            undo = self.lose_folder(loss)
            self.pass_time(6 * DAY)
            self.give_back(undo)
            self.assertEqual(self.account.messages("Work"), before)
            self.assertEqual(dict(self.server.fetched), fetched)
            self.assertEqual(self.database("SELECT uidvalidity FROM folder WHERE name = 'Work'"), validity)
            self.assertEqual(self.database("SELECT * FROM vanished WHERE alive"), [])
        self.each_folder(check)

    def test_a_large_one_too(self):
        self.fill("Work", count=60)
        self.assertIsNone(self.sync())
        before = self.account.messages("Work")
        self.give_back(self.lose_folder(unlisted))
        self.assertEqual(self.account.messages("Work"), before)

    def test_what_was_still_to_be_sent_is_sent(self):
        def check(loss):
            self.server.faults = [faults.Refuse("UID (MOVE|COPY|STORE|EXPUNGE)|EXPUNGE", "NO [INUSE] busy")]
            self.account("store", "Work", 3, "+\\Flagged")
            self.account("store", "Work", 4, "+Work")
            self.sync()
            undo = self.lose_folder(loss)
            self.server.faults = []
            self.give_back(undo)
            self.pass_time_anyhow(DAY)
            self.settle()
            self.assertEqual(self.there("Work"), self.here("Work"))
            self.assertEqual((self.there("Work")["m3"], self.there("Work")["m4"]), ({"\\Flagged"}, {"Work"}))
        self.each_folder(check)

    def test_what_was_put_into_it_here_is_in_it_once(self):
        def check(loss):
            self.server.faults = [faults.Refuse("APPEND", "NO [INUSE] busy")]
            self.account.append("Work", mail("new"))
            self.sync()
            self.server.faults = []
            with self.server.lock:
                undo = loss(self.server, "Work")
            self.server.faults = [faults.Refuse("CREATE|APPEND", "NO [INUSE] busy")]
            self.server.drop_connections()
            for _ in range(3):
                self.pass_time_anyhow(200)
            self.server.faults = []
            self.give_back(undo)
            self.pass_time_anyhow(DAY)
            self.settle()
            self.assertEqual(set(self.here("Work")), {f"m{number}" for number in range(1, 13)} | {"new"})
            self.assertEqual(self.there("Work"), self.here("Work"))
            self.assertEqual(len(self.account.messages("Work")), 13)
        self.each_folder(check)

    def test_what_was_deleted_here_stays_so(self):
        """The folder itself, while its storage was away."""
        self.fill("Work", count=5)
        self.assertIsNone(self.sync())
        self.server.faults = [faults.Refuse("DELETE", "NO [INUSE] busy")]
        self.account("delete", "Work")
        self.sync()
        undo = self.lose_folder(unlisted)
        self.server.faults = []
        self.give_back(undo)
        self.pass_time_anyhow(DAY)
        self.settle()
        self.assertNotIn("Work", self.account.folders())
        self.assertNotIn("Work", self.server.folders)

    def test_one_that_was_deleted_here_after_it_had_gone_is_another(self):
        self.fill("Work", count=5)
        self.assertIsNone(self.sync())
        self.lose_folder(unlisted)
        self.account("create", "Work")
        self.account.append("Work", mail("new"))
        self.settle()
        self.assertEqual(self.there("Work"), {"new": set()})
        self.account("delete", "Work")
        self.settle()
        self.pass_time(8 * DAY)
        self.assertEqual(self.database("SELECT name FROM folder WHERE name IS NULL"), [])

    def test_after_seven_days_nothing_is_kept(self):
        def check(loss):
            undo = self.lose_folder(loss)
            self.pass_time(8 * DAY)
            self.assertEqual(self.database("SELECT id FROM folder WHERE name IS NULL"), [])
            self.assertEqual(self.database("SELECT uid FROM placement p WHERE NOT EXISTS"
                                           " (SELECT 1 FROM folder WHERE id = p.folder)"), [])
            self.give_back(undo)
            self.assertEqual(set(self.here("Work")), {f"m{number}" for number in range(1, 13)})
        self.each_folder(check)

    def test_it_may_come_and_go_again_and_again(self):
        for seed in range(40 if LONG else 2):
            with self.subTest(seed=seed):
                chance = random.Random(seed)
                self.without, self.also = chance.choice(SERVERS), chance.choice(((), ("OBJECTID",)))
                self.setUp()
                for name in ("Work", "Archive"):
                    self.fill(name, count=6, prefix=name[0])
                self.assertIsNone(self.sync())
                for name, uid in itertools.product(("Work", "Archive"), range(1, 7)):
                    if chance.random() < 0.5:
                        self.account("store", name, uid, "+" + chance.choice(["\\Seen", "\\Flagged", "Work"]))
                self.settle()
                before = {name: self.account.messages(name) for name in ("Work", "Archive")}
                for _ in range(4):
                    undo = self.lose_folder(chance.choice((unlisted, made_anew)), chance.choice(("Work", "Archive")))
                    if chance.random() < 0.4:
                        self.account.kill()
                        self.account.restart()
                        self.account("advance", self.server.clock.ahead)
                    if chance.random() < 0.5:
                        self.pass_time(chance.choice([3600, DAY]))
                    self.give_back(undo)
                    self.assertEqual({name: self.account.messages(name) for name in before}, before)


if __name__ == "__main__":
    unittest.main()
