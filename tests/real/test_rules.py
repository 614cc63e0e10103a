# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that make it exactly once (daemon/sync/README.md), each clause in the one situation in which
it matters: these tests fail without it. The random tests find most of that too, but not by name."""

import re
import sqlite3
import threading
import time
import unittest

from harness import Case, ImapFilter, RawImap
from harness.syncaccount import SyncAccount, SyncError
from test_conflicts import Sides, mail


class Rules(Sides):
    """Both sides, and someone between them who sees each line. A test begins with the account offline."""

    unknown = ()  # abilities that the provider seems not to have

    def port(self):
        self.filter = ImapFilter(self.server.imap, without=self.unknown)
        self.addCleanup(self.filter.close)
        return self.filter.port

    def once(self, pattern, act):
        """The first command that matches goes through `act`, which returns what to send, or None: cut."""
        waiting = [True]

        def see(line):
            if waiting and re.search(pattern, line):
                waiting.clear()
                return act(line)
            return line
        self.filter.on_command = see

    def always(self, pattern, other):
        """Each command that matches is another one, with the same tag."""
        self.filter.on_command = lambda line: (line.split(b" ")[0] + b" " + other + b"\r\n"
                                               if re.search(pattern, line) else line)

    def record(self):
        """A list that each command is added to."""
        lines = []
        self.filter.on_command = lambda line: lines.append(line) or line
        return lines

    def answered(self, pattern, act, send=lambda line: line):
        """When the first command that matches is over, its answer goes through `act`; the command itself
        goes through `send`."""
        tags = set()
        self.once(pattern, lambda line: tags.add(line.split(b" ")[0]) or send(line))

        def see(line):
            tag = line.split(b" ")[0]
            if tag not in tags:
                return line
            tags.remove(tag)
            return act(line)
        self.filter.on_answer = see

    def lose_answer(self, pattern):
        self.answered(pattern, lambda line: None)

    def meanwhile(self, pattern, *command, send=lambda line: line, answer=lambda line: line):
        """Goes online. A client gives a command when the provider has done what the first command that
        matches asks for, and sync doesn't know it yet. Both lines go through `send` and `answer`."""
        done, go = threading.Event(), threading.Event()

        def hold(line):
            done.set()
            go.wait(60)
            return answer(line)
        self.answered(pattern, hold, send)
        self.account("online")
        self.assertTrue(done.wait(60), pattern)
        self.account(*command)
        go.set()

    def pass_all(self):
        self.filter.on_command = self.filter.on_answer = lambda line: line

    def settle(self):
        """Syncs until nothing is to be done."""
        self.account("online")
        self.assertIsNone(self.account.settle(20))

    def sync_once(self):
        """A round, however it ends."""
        self.account("online")
        try:
            self.account("sync")
        except SyncError:
            pass

    def online(self):
        self.account("online")
        self.account("sync")
        self.account("offline")

    def put_bytes(self, folder, data, date=""):
        date = f'"{date}" ' if date else ""
        self.imap.ok(f'APPEND "{folder}" () {date}{{{len(data)}+}}\r\n'.encode() + data)

    def uid(self, folder, name):
        return next(uid for uid, (found, _) in self.here(folder).items() if found == name)

    def database(self, *statement):
        connection = sqlite3.connect(f"{self.account.directory}/mail.db")
        with connection:
            found = connection.execute(*statement).fetchall()
        connection.close()
        return found

    def bodies(self, folder):
        self.imap.ok(f'SELECT "{folder}"')
        return sorted(self.imap.bodies().values())


class Attempts(Rules, Case):
    """1. Attempts are recorded."""

    def assert_once(self, folder, name, uid):
        self.settle()
        self.assertEqual(self.names(folder), [name])
        self.assertEqual({uid: name for uid, (name, _) in self.here(folder).items()}, {uid: name})

    def test_an_append_whose_answer_is_lost(self):
        uid = self.account.append("Archive", mail("new"))
        self.lose_answer(rb" APPEND ")
        self.assert_once("Archive", "new", uid)

    def test_a_copy_whose_answer_is_lost(self):
        uid = self.account("copy", "INBOX", self.uids["m1"], "Archive")[0][1]
        self.lose_answer(rb" UID COPY ")
        self.assert_once("Archive", "m1", int(uid))
        self.assertIn("m1", self.names("INBOX"))

    def test_a_move_whose_answer_is_lost(self):
        uid = self.account("move", "INBOX", self.uids["m1"], "Archive")[0][1]
        self.lose_answer(rb" UID MOVE ")
        self.assert_once("Archive", "m1", int(uid))
        self.assertNotIn("m1", self.names("INBOX"))

    def test_until_the_target_was_read_it_is_not_sent_again_nor_declared_void(self):
        uid = self.account.append("Archive", mail("new"))
        self.answered(rb" APPEND ", lambda line: self.always(rb"SELECT \"?Archive", b"RENAME Not There"))
        for _ in range(3):
            self.sync_once()
        self.assertEqual(self.account.pending()[1], 1)
        self.pass_all()
        self.assert_once("Archive", "new", uid)

    def test_other_bytes_of_the_same_size_and_date_are_not_ours(self):
        ours, theirs = (b"Subject: %s\r\n\r\nThe text\r\n" % word for word in (b"ours", b"them"))
        self.account.append("Archive", ours)

        def arrive_first(line):
            self.put_bytes("Archive", theirs, re.search(rb'"([^"]*-\d{4} [^"]*)"', line)[1].decode())
        self.once(rb" APPEND ", arrive_first)
        self.settle()
        self.assertEqual(self.bodies("Archive"), sorted([ours, theirs]))

    def test_what_was_there_before_is_not_ours(self):
        self.filter.on_answer = lambda line: b"" if b"FETCH (UID 3 " in line else line
        self.account.close()
        self.account = SyncAccount(self.filter.port)
        with self.assertRaisesRegex(SyncError, "UID 3"):
            self.account("sync")
        self.account("offline")
        self.assertNotIn("m2", [name for name, _ in self.here("INBOX").values()])
        self.account.append("INBOX", mail("m2"))

        def show_and_cut(line):
            self.pass_all()
            self.command("INBOX", "STORE 1 +FLAGS (\\Answered)")  # so that the folder is read
        self.once(rb" APPEND ", show_and_cut)
        self.settle()
        self.assertEqual(self.names("INBOX").count("m2"), 2)


class AttemptsWithoutUidplus(Rules, Case):
    unknown = ("UIDPLUS", "MOVE")

    def test_where_dates_are_not_kept_the_bytes_tell(self):
        uid = self.account.append("Archive", mail("new"))
        self.filter.on_command = lambda line: re.sub(rb'"[^"]*-\d{4} [^"]*"', b'"01-Jan-2020 10:00:00 +0000"', line)
        self.settle()
        self.assertEqual(self.names("Archive"), ["new"])
        self.assertEqual(list(self.here("Archive")), [uid])

    def test_what_someone_took_away_before_it_was_found_is_gone(self):
        self.account.append("Archive", mail("new"))
        self.answered(rb" APPEND ", lambda line: self.expunge_there("Archive", 1) or line)
        self.settle()
        self.assertEqual(self.names("Archive"), [])
        self.assertEqual(self.here("Archive"), {})


class Order(Rules, Case):
    """2. A placement can be in one place only; a move in two."""

    def test_copies_appends_flags_moves_expunges_and_then_deletions(self):
        self.account("delete", "Work")
        self.account("expunge", "INBOX", self.uids["m0"])
        self.account("move", "INBOX", self.uids["m1"], "Archive")
        self.account("store", "INBOX", self.uids["m2"], "+\\Flagged")
        self.account.append("Archive", mail("new"))
        self.account("copy", "INBOX", self.uids["m3"], "Archive")
        lines = self.record()
        self.settle()
        sent = [found[1] for line in lines if (found := re.match(
            rb"\S+ (UID COPY|APPEND|UID STORE \S+ \+FLAGS \(\\Flagged|UID MOVE|UID EXPUNGE|DELETE)\b", line))]
        self.assertEqual([word.split(b" ", 2)[:2] for word in sent],
                         [[b"UID", b"COPY"], [b"APPEND"], [b"UID", b"STORE"], [b"UID", b"MOVE"],
                          [b"UID", b"EXPUNGE"], [b"DELETE"]])

    def test_a_folder_is_not_deleted_while_a_move_out_of_it_is_refused(self):
        self.put("Archive", "a")
        self.online()
        self.account("move", "Archive", self.uid("Archive", "a"), "Work")
        self.account("delete", "Archive")
        self.always(rb" UID MOVE ", b"NONSENSE")
        for _ in range(3):
            self.sync_once()
        self.assertEqual(self.names("Archive"), ["a"])
        self.assertEqual(self.account.pending()[2], 1)

    def test_only_what_was_deleted_here_is_expunged(self):
        self.command("INBOX", "STORE 1 +FLAGS (\\Deleted)")
        self.account("expunge", "INBOX", self.uids["m3"])
        self.settle()
        self.assertEqual(self.names("INBOX"), ["m0", "m1", "m2", "m4", "m5"])


class Marks(Rules, Case):
    """3. The folder's marks advance in the last transaction of a complete pull."""

    def test_a_pull_that_broke_off_is_made_up_for(self):
        self.put("INBOX", "new")
        self.once(rb"UID FETCH \d+:\*", lambda line: None)
        self.settle()
        self.assert_same("INBOX")

    def test_what_vanished_in_a_round_that_broke_off_is_found_again(self):
        self.expunge_there("INBOX", 2)
        self.put("Work", "new")
        self.once(rb"SELECT \"?Work", lambda line: None)
        self.sync_once()
        self.settle()
        self.assert_same("INBOX")
        self.assert_same("Work")


class Vanished(Rules, Case):
    """4. Vanished isn't deleted yet."""

    def test_deleted_here_moved_there_it_is_deleted(self):
        self.account("expunge", "INBOX", self.uids["m2"])
        self.move_there("INBOX", 3, "Archive")
        self.settle()
        self.assertEqual(self.names("Archive"), [])
        self.assert_same("INBOX")

    def kept(self):
        """The row of what vanished, with its unsent flag and its content."""
        return self.database("SELECT placement.system, message.state FROM placement JOIN message ON"
                             " message = id WHERE alive = 0 AND base = 0")

    def age(self, days):
        """What was kept vanished so many days ago."""
        self.database("UPDATE vanished SET since = since - ?", (days * 24 * 3600,))

    def test_it_is_kept_for_seven_days(self):
        self.account("store", "INBOX", self.uids["m2"], "+\\Flagged")
        self.expunge_there("INBOX", 3)
        self.settle()
        self.assertEqual(self.kept(), [(2, 2)])
        self.age(6)
        self.settle()
        self.assertEqual(self.kept(), [(2, 2)])
        self.age(2)
        self.settle()
        self.assertEqual(self.kept(), [])

    def test_a_folder_that_a_list_leaves_out_once_is_not_gone(self):
        self.put("Archive", "a")
        self.online()
        before = self.account.folders(), self.here("Archive")
        self.filter.on_answer = lambda line: b"" if re.match(rb"\* (LIST|STATUS).*Archive", line) else line
        self.once(rb" LIST .*STATUS", lambda line: self.once(rb" LIST .*STATUS", lambda second: self.pass_all() or
                                                             second) or line)
        self.settle()
        self.assertEqual((self.account.folders(), self.here("Archive")), before)

    def test_many_folders_that_went_at_once_are_confirmed_at_once(self):
        names = [f"F{number}" for number in range(8)]
        for name in names:
            self.imap.ok(f"CREATE {name}")
        self.online()
        for name in names:
            self.imap.ok(f"DELETE {name}")
        self.online()
        self.assertFalse(set(names) & set(self.account.folders()))

    def test_what_moved_out_of_the_folder_that_is_watched_is_not_fetched_again(self):
        self.put_bytes("INBOX", mail("big", "x" * 70 + "\r\n" * 20000))
        self.account("online")
        self.account("sync")
        before = self.filter.literals
        self.move_there("INBOX", 7, "Archive")
        deadline = time.monotonic() + 60
        while "big" in (name for name, _ in self.here("INBOX").values()) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.settle()
        self.assertEqual(self.names("Archive"), ["big"])
        self.assertLess(self.filter.literals - before, 20000)


class Losing(Rules, Case):
    """4. Losing more than half of a large folder is confirmed on a new connection."""

    unknown = ("CONDSTORE", "QRESYNC")

    def many(self):
        for number in range(30):
            self.put("Archive", f"a{number}")
        self.online()
        return self.here("Archive")

    def hide_until_reconnected(self):
        """Most of Archive, on the present connection."""
        self.filter.on_answer = lambda line: b"" if re.match(rb"\* \d+ FETCH \(UID (?:1|2)\d ", line) else line
        self.once(rb"SELECT \"?Archive",
                  lambda line: self.once(rb"SELECT \"?Archive", lambda second: self.pass_all() or second) or line)

    def test_messages_that_an_answer_leaves_out_once_are_not_gone(self):
        before = self.many()
        self.hide_until_reconnected()
        self.settle()
        self.assertEqual(self.here("Archive"), before)

    def test_nor_after_a_reset(self):
        before = self.many()
        self.server.doveadm("mailbox", "update", "-u", "ada@example.org", "--uid-validity", "4242", "Archive")
        self.hide_until_reconnected()
        self.settle()
        self.assertEqual(self.here("Archive"), before)


class Epochs(Rules, Case):
    """5. UIDs go only to the epoch they are from."""

    date = "24-Nov-2026 10:00:00 +0000"

    def provider(self, **options):
        return super().provider(users={"ada@example.org": "lovelace", "bob@example.org": "other"}, **options)

    def replace(self, *names, validity=None):
        """Archive is another folder now, with other messages under the same UIDs."""
        self.imap.ok("DELETE Archive")
        self.imap.ok("CREATE Archive")
        for name in names:
            self.put_bytes("Archive", mail(name), self.date)
        if validity:
            self.server.doveadm("mailbox", "update", "-u", "ada@example.org", "--uid-validity", str(validity),
                                "Archive")

    def fill(self):
        for number in range(4):
            self.put_bytes("Archive", mail(f"a{number}"), self.date)
        self.online()

    def validity(self):
        return int(self.imap.ok("STATUS Archive (UIDVALIDITY)").lines("STATUS")[0].split()[-1].rstrip(b")"))

    def test_a_folder_that_is_another_one_when_push_comes_is_left_alone(self):
        self.fill()
        self.account("store", "Archive", self.uid("Archive", "a0"), "+\\Flagged")
        self.once(rb"SELECT \"?Archive", lambda line: self.replace("b0", "b1") or line)
        self.settle()
        self.assertEqual(self.there("Archive"), [("b0", []), ("b1", [])])
        self.assert_same("Archive")

    def test_uidnext_going_backwards_is_a_reset(self):
        self.fill()
        self.replace("b0", "a3", validity=self.validity())
        self.settle()
        self.assertEqual(self.names("Archive"), ["a3", "b0"])
        self.assert_same("Archive")
        self.assertEqual(self.uid("Archive", "a3"), 4)

    def test_another_user_is_a_reset(self):
        self.fill()
        meanings = self.here("Archive")
        validity = self.account.folders()["Archive"]
        self.account.kill()
        self.imap = RawImap(self.server.imap).login("bob@example.org", "other")
        self.addCleanup(self.imap.close)
        self.imap.ok("CREATE Archive")
        for name in ("b0", "b1", "b2", "b3"):
            self.put("Archive", name)
        self.account.user, self.account.password = "bob@example.org", "other"
        self.account.restart()
        self.settle()
        self.assert_same("Archive")
        self.assertEqual(self.account.folders()["Archive"], validity)
        self.assertFalse(set(self.here("Archive")) & set(meanings))


class Ids(Rules, Case):
    """5. … and MAILBOXID."""

    def setUp(self):
        self.ids = {}
        super().setUp()

    def port(self):
        port = super().port()
        self.pass_all()
        return port

    def pass_all(self):
        self.selecting = None
        self.filter.on_command, self.filter.on_answer = self.ask, self.tell

    def ask(self, line):
        found = re.match(rb"\S+ (?:SELECT|EXAMINE) \"?([^\" \r]+)", line)
        if found:
            self.selecting = found[1]
        return line.replace(b" MAILBOXID", b"").replace(b" EMAILID", b"")

    def tell(self, line):
        line = re.sub(rb"(IMAP4rev1)\b", rb"\1 OBJECTID", line)
        status = re.match(rb"\* STATUS \"?([^\" ]+)\"? \(", line)
        if status:
            return line[:status.end()] + b"MAILBOXID (%s) " % self.id_of(status[1]) + line[status.end():]
        if self.selecting and b"[UIDVALIDITY" in line:
            return b"* OK [MAILBOXID (%s)] Id\r\n" % self.id_of(self.selecting) + line
        return line

    def id_of(self, name):
        return self.ids.get(name, b"F" + name)

    def fill(self):
        """Two folders that only their ids tell apart."""
        self.put("Archive", "a0")
        self.put("Work", "w0")
        self.server.doveadm("mailbox", "update", "-u", "ada@example.org", "--uid-validity", "4242", "Archive")
        self.server.doveadm("mailbox", "update", "-u", "ada@example.org", "--uid-validity", "4242", "Work")
        self.online()

    def swap_when_selected(self):
        def swap(line):
            self.pass_all()
            self.ids = {b"Archive": b"FWork", b"Work": b"FArchive"}
            for old, new in (("Archive", "x"), ("Work", "Archive"), ("x", "Work")):
                self.imap.ok(f"RENAME {old} {new}")
            return self.ask(line)
        self.filter.on_command = lambda line: (swap if re.search(rb"SELECT \"?Archive", line) else self.ask)(line)

    def test_a_folder_of_another_id_is_left_alone_by_push(self):
        self.fill()
        self.account("store", "Archive", self.uid("Archive", "a0"), "+\\Flagged")
        self.swap_when_selected()
        self.settle()
        self.assertEqual(self.there("Work"), [("a0", ["\\Flagged"])])
        self.assertEqual(self.there("Archive"), [("w0", [])])
        self.assert_same("Archive")
        self.assert_same("Work")

    def test_a_folder_of_another_id_is_not_read_as_the_one_it_was(self):
        self.fill()
        flagged = self.uid("Archive", "a0")
        self.command("Archive", "STORE 1 +FLAGS (\\Answered)")
        self.command("Work", "STORE 1 +FLAGS (\\Flagged)")
        self.swap_when_selected()
        self.sync_once()
        self.assertNotIn("\\Flagged", {flag for folder in ("Archive", "Work")
                                       for name, flags in self.here(folder).values() if name == "a0" for flag in flags})
        self.settle()
        self.assertEqual(self.here("Work"), {flagged: ("a0", {"\\Answered"})})
        self.assert_same("Archive")


class NotAskedAgain(Rules, Case):
    """6. What the server won't keep isn't asked for again."""

    def stores(self, lines):
        return [line for line in lines if b" UID STORE " in line]

    def test_a_flag_that_was_dropped(self):
        self.account("store", "INBOX", self.uids["m0"], "+\\Flagged")
        self.filter.on_command = lambda line: line.replace(b"+FLAGS (\\Flagged)", b"+FLAGS ()")
        self.sync_once()
        self.assertEqual([line[0] for line in self.account("pending")[1:]], ["flags"])
        lines = self.record()
        self.sync_once()
        self.assertEqual(self.stores(lines), [])
        self.assertEqual(self.here("INBOX")[self.uids["m0"]][1], {"\\Flagged"})

    def test_what_was_refused_until_it_is_time(self):
        self.account("store", "INBOX", self.uids["m0"], "+\\Flagged")
        self.always(rb" UID STORE ", b"RENAME Not There")
        self.sync_once()
        self.assertEqual([line[0] for line in self.account("pending")[1:]], ["flags"])
        lines = self.record()
        self.sync_once()
        self.assertEqual(self.stores(lines), [])
        self.database("UPDATE problem SET retry = 1")
        self.settle()
        self.assertEqual(self.there("INBOX")[0], ("m0", ["\\Flagged"]))


class Folders(Rules, Case):
    """7. Folders."""

    def test_new_mail_at_the_last_moment_keeps_it(self):
        self.account("delete", "Archive")
        self.once(rb" STATUS \"?Archive", lambda line: self.put("Archive", "new") or line)
        self.settle()
        self.assertEqual(self.names("Archive"), ["new"])
        self.assert_same("Archive")

    def rename_with_lost_answer(self):
        self.put("Archive", "a")
        self.put("Work", "w")
        self.online()
        before = self.account.folders(), self.here("Archive")
        # As some servers do when a folder is renamed.
        def renumber(line):
            self.server.doveadm("mailbox", "update", "-u", "ada@example.org", "--uid-validity", "4242", "Mine")
        self.answered(rb" RENAME ", renumber)
        return before

    def test_a_rename_whose_answer_is_lost_is_still_a_rename(self):
        folders, messages = self.rename_with_lost_answer()
        self.account("rename", "Archive", "Mine")
        self.settle()
        folders["Mine"] = folders.pop("Archive")
        self.assertEqual(self.account.folders(), folders)
        self.assertEqual(self.here("Mine"), messages)
        self.assert_same("Mine")

    def assert_nowhere(self, *names):
        self.settle()
        for name in names:
            self.assertNotIn(name, self.account.folders())
            self.assertNotIn(name, self.imap.folders())

    def test_deleted_while_it_is_created_it_does_not_come_back(self):
        self.account("create", "New")
        self.meanwhile(rb" CREATE ", "delete", "New")
        self.assert_nowhere("New")

    def test_nor_when_the_answer_is_lost(self):
        self.account("create", "New")
        self.meanwhile(rb" CREATE ", "delete", "New", answer=lambda line: None)
        self.assert_nowhere("New")
        self.assertEqual(self.database("SELECT id FROM folder WHERE name IS NULL"), [])

    def test_one_that_was_refused_and_deleted_leaves_nothing(self):
        self.account("create", "New")
        self.meanwhile(rb" CREATE ", "delete", "New", send=lambda line: line.split(b" ")[0] + b" NONSENSE\r\n")
        self.assert_nowhere("New")
        self.assertEqual(self.database("SELECT id FROM folder WHERE name IS NULL"), [])

    def test_someone_elses_of_that_name_stays(self):
        self.account("create", "New")
        self.meanwhile(rb" CREATE ", "delete", "New", send=lambda line: self.imap.ok("CREATE New") and line)
        self.settle()
        self.assertIn("New", self.account.folders())
        self.assertIn("New", self.imap.folders())

    def test_mail_that_came_into_one_that_was_never_read_keeps_it(self):
        self.account("create", "New")
        self.meanwhile(rb" CREATE ", "delete", "New", answer=lambda line: self.always(
            rb" SELECT \"?New", b"RENAME Not There") or self.put("New", "new") or line)
        self.sync_once()
        self.assertEqual(self.names("New"), ["new"])
        self.pass_all()
        self.settle()
        self.assert_same("New")

    def test_nor_is_it_deleted_where_status_is_refused(self):
        self.account("create", "New")
        self.meanwhile(rb" CREATE ", "delete", "New", answer=lambda line: self.always(
            rb" (SELECT|STATUS) \"?New", b"RENAME Not There") or self.put("New", "new") or line)
        self.sync_once()
        self.assertEqual(self.names("New"), ["new"])
        self.pass_all()
        self.settle()
        self.assert_same("New")

    def test_renamed_while_it_is_created_it_has_the_new_name(self):
        self.account("create", "New")
        self.meanwhile(rb" CREATE ", "rename", "New", "Newer")
        self.assert_nowhere("New")
        self.assertIn("Newer", self.imap.folders())

    def test_deleted_while_it_is_renamed_it_does_not_come_back(self):
        self.account("rename", "Archive", "Mine")
        self.meanwhile(rb" RENAME ", "delete", "Mine")
        self.assert_nowhere("Archive", "Mine")

    def test_nor_the_folders_below_it(self):
        self.account("create", "Archive/Below")
        self.online()
        self.account("rename", "Archive", "Mine")
        self.meanwhile(rb" RENAME ", "delete", "Mine/Below")
        self.assert_nowhere("Archive", "Archive/Below", "Mine/Below")
        self.assertIn("Mine", self.imap.folders())

    def test_renamed_again_while_it_is_renamed_it_has_the_last_name(self):
        self.account("rename", "Archive", "Mine")
        self.meanwhile(rb" RENAME ", "rename", "Mine", "Other")
        self.assert_nowhere("Archive", "Mine")
        self.assertIn("Other", self.imap.folders())

    def test_made_again_while_it_becomes_a_level_it_is_a_folder(self):
        self.account("create", "Archive/Below")
        self.online()
        self.account("delete", "Archive")
        self.meanwhile(rb" DELETE ", "create", "Archive")
        self.settle()
        self.assertNotIn("\\noselect", self.imap.folders()["Archive"])
        self.assertTrue(self.is_selectable("Archive"))

    def is_selectable(self, name):
        return bool(self.database("SELECT selectable FROM folder WHERE name = ?", (name,))[0][0])

    #: What is asked to find out that Archive is Other now.
    comparing = rb" EXAMINE \"?Other"

    def rename_there(self):
        self.put("Archive", "a")
        self.online()
        self.imap.ok("RENAME Archive Other")

    def test_deleted_while_the_list_is_read_it_does_not_come_back(self):
        self.rename_there()
        self.meanwhile(self.comparing, "delete", "Archive")
        self.assert_nowhere("Archive", "Other")

    def test_created_while_the_list_is_read_it_is_one_folder_with_theirs(self):
        self.rename_there()
        self.imap.ok("CREATE New")
        self.put("New", "theirs")
        self.meanwhile(self.comparing, "create", "New")
        self.settle()
        self.assertEqual([name for name in self.account.folders() if name.startswith("New")], ["New"])
        self.assert_same("New")

    def test_new_mail_in_one_that_became_a_level_here_comes_back_under_its_name(self):
        self.account("create", "Archive/Below")
        self.online()
        self.account("delete", "Archive")
        self.put("Archive", "new")
        self.settle()
        self.assertEqual(self.names("Archive"), ["new"])
        self.assert_same("Archive")


class Levels(Rules):
    """7. Names that only have folders below them."""

    def level(self, *names):
        """Archive, with something in it here and a folder below it, is only a level there."""
        for name in names:
            self.put("Archive", name)
        self.imap.ok("CREATE Archive/Below")
        self.online()
        self.imap.ok("DELETE Archive")

    def is_folder(self):
        """Here, there"""
        here, = self.database("SELECT selectable FROM folder WHERE name = 'Archive'")
        return bool(here[0]), "\\noselect" not in self.imap.folders()["Archive"]

    def test_one_that_becomes_a_level_there_is_one_here(self):
        self.level("a", "b")
        self.settle()
        self.assertEqual(self.is_folder(), (False, False))
        self.assertEqual(self.here("Archive"), {})
        self.assertIn("Archive/Below", self.account.folders())
        self.assertEqual(self.database("SELECT count(*) FROM placement JOIN folder ON folder = folder.id WHERE"
                                       " name = 'Archive' AND base = 0"), [(2,)])  # kept for seven days
        self.settle()
        self.assertEqual(self.is_folder(), (False, False))

    def test_what_was_put_there_only_here_makes_it_a_folder_again(self):
        self.level("a")
        uid = self.account.append("Archive", mail("mine"))
        self.settle()
        self.assertEqual(self.is_folder(), (True, True))
        self.assertEqual(self.names("Archive"), ["mine"])
        self.assertEqual(self.here("Archive"), {uid: ("mine", set())})
        self.assertIn("Archive/Below", self.account.folders())

    def test_what_was_moved_out_before_is_where_it_is(self):
        self.level("a")
        self.account("move", "Archive", self.uid("Archive", "a"), "Work")
        self.settle()
        self.assertEqual(self.is_folder(), (False, False))
        self.assertEqual(self.names("Work"), ["a"])

    def test_what_was_sent_there_and_is_gone_with_it_is_not_waited_for(self):
        self.imap.ok("CREATE Archive/Below")
        self.online()
        uid = self.account.append("Archive", mail("mine"))
        self.meanwhile(rb" APPEND ", "expunge", "Archive", uid,
                       answer=lambda line: self.imap.ok("DELETE Archive") and None)
        self.settle()
        self.assertEqual(self.is_folder(), (False, False))

    def test_made_a_folder_here_it_is_one_there(self):
        self.level()
        self.online()
        self.account("create", "Archive")
        self.settle()
        self.assertEqual(self.is_folder(), (True, True))
        uid = self.account.append("Archive", mail("mine"))
        self.settle()
        self.assertEqual(self.names("Archive"), ["mine"])
        self.assertEqual(list(self.here("Archive")), [uid])

    def test_made_a_folder_there_it_is_one_here(self):
        self.level()
        self.online()
        self.imap.ok("CREATE Archive")
        self.put("Archive", "theirs")
        self.settle()
        self.assertEqual(self.is_folder(), (True, True))
        self.assert_same("Archive")

    def test_that_it_cannot_be_made_is_a_problem_and_asked_for_once(self):
        self.level()
        self.online()
        self.account("create", "Archive")
        self.always(rb" CREATE ", b"NONSENSE")
        self.sync_once()
        self.assertEqual([line[0] for line in self.account("pending")[1:]], ["create"])
        lines = self.record()
        self.sync_once()
        self.assertEqual([line for line in lines if b" CREATE " in line], [])
        self.assertEqual(self.is_folder(), (True, False))


class LevelsNonexistent(Levels, Case):
    """... as names that don't exist (RFC 5258, 3.1)."""


class LevelsNoselect(Levels, Case):
    """... as names that can't be selected (RFC 3501, 7.2.2)."""

    unknown = ("LIST-EXTENDED", "LIST-STATUS", "SPECIAL-USE")


if __name__ == "__main__":
    unittest.main()
