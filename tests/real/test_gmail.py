# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts whose provider keeps mail as Gmail does (X-GM-EXT-1): labels, flags that are the message's, one body
for all folders. The provider is harness/gmail.py."""

import random
import re
import sqlite3

from harness import LONG, Case, GmailLike, Link
from harness.gmail import ALL, SPAM, STARRED, TRASH
from harness.syncaccount import SyncAccount


def mail(subject, text="Good morning!"):
    return (f"From: Ada <ada@example.org>\r\nTo: Bob <bob@example.org>\r\nSubject: {subject}\r\n"
            f"Message-ID: <{subject}@example.org>\r\nDate: Mon, 7 Feb 1994 21:52:25 -0800\r\n\r\n"
            f"{text}\r\n").encode()


class Gmail(Case):
    """One account; `self.server` is the provider, `self.imap` a client of Postern."""

    without = ()

    def setUp(self):
        self.server = GmailLike(without=self.without)
        self.addCleanup(self.server.close)
        self.link = Link(self.server.imap)
        self.addCleanup(self.link.close)
        self.fill()
        self.daemon = self.postern(self.server, incoming="imap+insecure", outgoing=None,
                                   incoming_port=self.link.port, tls_ca_file=None)
        self.imap = self.local(self.daemon)

    def fill(self):
        for number in range(1, 4):
            self.server.deliver(mail(f"m{number}"), "INBOX", *(["work", "Muy Importante"] if number == 1 else []))

    def offline(self):
        self.daemon.control("offline")
        self.daemon.wait_state("offline")

    def online(self):
        self.daemon.control("online")
        self.daemon.sync()
        self.assertEqual(self.daemon.pending(), 0)

    def uid(self, subject, folder="INBOX"):
        self.imap.select(folder)
        (uid,) = self.imap.uids(f"SUBJECT {subject}")
        return uid

    def subjects(self, folder):
        self.imap.select(folder)
        return sorted(re.search(rb"Subject: (\S+)", body).group(1).decode()
                      for body in self.imap.bodies().values()) if self.imap.uids() else []

    def labels(self, subject, folder="INBOX"):
        uid = self.uid(subject, folder)
        return {label.decode() for label in self.imap.fetch(uid, "(UID X-GM-LABELS)")[uid]["X-GM-LABELS"]}

    def sent(self, pattern):
        """The commands that reached the provider since forget()."""
        return [line for line in self.server.commands if re.match(pattern, line)]

    def forget(self):
        del self.server.commands[:]


class Seen(Gmail):
    """What a client sees."""

    def test_it_is_as_at_the_provider_and_each_body_came_once(self):
        self.assertIn("X-GM-EXT-1", self.imap.ok("CAPABILITY").untagged[0].decode().split())
        self.assertEqual(self.labels("m1"), {"work", "Muy Importante"})
        self.assertEqual(self.labels("m1", "work"), {"\\Inbox", "Muy Importante"})
        self.assertEqual(self.labels("m1", ALL), {"\\Inbox", "work", "Muy Importante"})
        self.assertEqual(self.labels("m2"), set())
        message = self.server.find("m1")
        for folder in ("INBOX", "work", ALL):
            uid = self.uid("m1", folder)
            got = self.imap.fetch(uid, "(UID X-GM-MSGID X-GM-THRID EMAILID)")[uid]
            self.assertEqual((int(got["X-GM-MSGID"]), int(got["X-GM-THRID"])), (message.id, message.thread))
        self.assertEqual(self.subjects(ALL), ["m1", "m2", "m3"])
        self.assertEqual(self.server.fetched, {"m1": 1, "m2": 1, "m3": 1})

    def test_it_is_searched_for(self):
        thread = self.server.find("m2").thread
        self.server.deliver(mail("m4", "An answer to m2"), "INBOX", thread=thread)
        self.daemon.sync()
        uids = {name: self.uid(name) for name in ("m1", "m2", "m3", "m4")}
        found = {f"X-GM-MSGID {self.server.find('m3').id}": ["m3"], "X-GM-MSGID 17": [],
                 f"X-GM-THRID {thread}": ["m2", "m4"], "X-GM-LABELS work": ["m1"],
                 'X-GM-LABELS "Muy Importante"': ["m1"], "X-GM-LABELS nothing": [],
                 "NOT X-GM-LABELS work": ["m2", "m3", "m4"], "X-GM-LABELS \\Inbox": ["m1", "m2", "m3", "m4"],
                 'X-GM-RAW "is:unread answer"': ["m4"], 'NOT X-GM-RAW "subject:m2" UNSEEN': ["m1", "m3", "m4"]}
        for program, names in found.items():
            self.assertEqual(self.imap.uids(program), [uids[name] for name in names], program)
        self.assertEqual(self.imap.ok("UID SORT (REVERSE ARRIVAL) UTF-8 X-GM-LABELS work").numbers("SORT"),
                         [uids["m1"]])
        self.offline()
        refused = self.imap.command('UID SEARCH X-GM-RAW "is:unread"')
        self.assertEqual(refused.status, "NO")
        self.assertRegex(refused.text, r"\[UNAVAILABLE\] X-GM-RAW is searched by the provider: .*offline")
        self.assertEqual(self.imap.uids("X-GM-LABELS work"), [uids["m1"]])

    def test_offline_after_a_restart_it_is_all_still_there(self):
        self.offline()
        self.daemon.restart()
        self.imap = self.local(self.daemon)
        self.assertIn(b"X-GM-EXT-1", self.imap.greeting)
        self.assertEqual(self.labels("m1"), {"work", "Muy Importante"})

    def test_a_cache_from_before_they_were_kept_learns_names_and_threads(self):
        self.daemon.stop()
        database = sqlite3.connect(self.daemon.data / "accounts" / "work" / "mail.db")
        with database:
            database.execute("DELETE FROM meta WHERE key IN ('gmail', 'set-like')")
            database.execute("DELETE FROM message_thread")
        database.close()
        self.daemon.start()
        self.daemon.sync()
        self.imap = self.local(self.daemon)
        uid = self.uid("m1", ALL)
        self.assertEqual(int(self.imap.fetch(uid, "(UID X-GM-THRID)")[uid]["X-GM-THRID"]),
                         self.server.find("m1").thread)
        self.assertEqual(self.server.fetched, {"m1": 1, "m2": 1, "m3": 1})

    def test_what_changed_at_the_provider_is_told(self):
        uid = self.uid("m2")
        watched = self.local(self.daemon)
        watched.ok("ENABLE CONDSTORE")
        modseq = int(watched.select("INBOX").code("HIGHESTMODSEQ"))
        with self.server.lock:
            self.server.put(self.server.find("m2"), "work")
            self.server.take(self.server.find("m1"), "work")
            self.server.set_flags(self.server.find("m3"), {"\\Seen", "\\Flagged"})
        self.daemon.sync()
        self.assertEqual(self.labels("m2"), {"work"})
        self.assertEqual(self.labels("m1"), {"Muy Importante"})
        self.assertEqual(self.labels("m3"), {"\\Starred"})
        for folder in ("INBOX", ALL, STARRED):
            self.assertEqual(self.imap.flags(self.uid("m3", folder)).popitem()[1], {"\\seen", "\\flagged"})
        watched.ok("NOOP")
        changed = watched.ok(f"UID FETCH 1:* (X-GM-LABELS) (CHANGEDSINCE {modseq})").fetched()
        self.assertEqual({int(row["UID"]) for row in changed.values()}, {1, 2, 3})
        self.assertEqual([label for row in changed.values() if int(row["UID"]) == uid
                          for label in row["X-GM-LABELS"]], [b"work"])


class Labels(Gmail):
    """Labels that a client gives and takes."""

    time_limit = 700

    def store(self, which, what, silent=""):
        return self.imap.ok(f"UID STORE {which} {what[0]}X-GM-LABELS{silent} {what[1:]}"
                            if what[0] in "+-" else f"UID STORE {which} X-GM-LABELS{silent} {what}")

    def test_labels_are_given_taken_and_set(self):
        uid = self.uid("m2")
        self.forget()
        for act in (lambda: None, self.offline):
            act()
            self.assertEqual(self.store(uid, "+(work new)").fetched()[2]["X-GM-LABELS"], [b"work", b"new"])
            self.assertEqual(self.labels("m2"), {"work", "new"})
            self.assertEqual(self.labels("m2", "work"), {"\\Inbox", "new"})
            self.imap.select("INBOX")
            self.assertEqual(self.store(uid, "-(work)").fetched()[2]["X-GM-LABELS"], [b"new"])
            self.store(uid, "(\\Important)")
            self.assertEqual(self.labels("m2"), {"\\Important"})
            self.assertEqual(self.store(uid, "()", ".SILENT").untagged, [])
            self.assertEqual(self.labels("m2"), set())
            self.store(uid, "+(work new)")
        self.online()
        self.assertEqual(self.server.where("m2"), {"INBOX", "work", "new"})
        self.store(uid, "(new)")
        self.store(self.uid("m1"), "-(\\Inbox)")
        self.daemon.sync()
        self.assertEqual(self.server.where("m2"), {"INBOX", "new"})
        self.assertEqual(self.server.where("m1"), {"work", "Muy Importante"}, "archived")
        self.assertEqual(self.subjects("INBOX"), ["m2", "m3"])
        self.assertEqual(self.server.fetched, {"m1": 1, "m2": 1, "m3": 1})
        self.assertEqual(self.sent("APPEND"), [])
        refused = self.imap.command(f"UID STORE {uid} +X-GM-LABELS (\\Nonsense)")
        self.assertEqual(refused.status, "NO")

    def test_undone_before_it_was_sent_nothing_is_sent(self):
        uid = self.uid("m1")
        self.offline()
        self.forget()
        self.store(uid, "-(work)")
        self.store(uid, "+(work)")
        self.store(uid, "+(other)")
        self.store(uid, "-(other)")
        self.imap.ok(f"UID STORE {self.uid('m1', ALL)} +FLAGS (\\Answered)")
        self.imap.ok(f"UID STORE {self.uid('m1', 'work')} -FLAGS (\\Answered)")
        self.online()
        self.assertEqual(self.sent("UID (STORE|COPY|MOVE|EXPUNGE)"), [])
        self.assertEqual(self.labels("m1"), {"work", "Muy Importante"})

    def test_a_copy_to_where_it_is_is_the_same_message(self):
        uid, there = self.uid("m1"), self.uid("m1", "work")
        self.imap.select("INBOX")
        self.assertRegex(self.imap.ok(f'UID COPY {uid} "work"').text, rf"COPYUID \d+ {uid} {there}\]")
        self.daemon.sync()
        self.assertEqual(self.subjects("work"), ["m1"])
        self.assertEqual(self.server.where("m1"), {"INBOX", "work", "Muy Importante"})

    def test_a_label_given_on_both_sides_is_one(self):
        uid = self.uid("m2")
        self.offline()
        self.store(uid, "+(work)")
        given = self.uid("m2", "work")
        with self.server.lock:
            self.server.put(self.server.find("m2"), "work")
        self.forget()
        self.online()
        self.assertEqual(self.uid("m2", "work"), given)
        self.assertEqual(self.subjects("work"), ["m1", "m2"])
        self.assertEqual(self.sent("UID (COPY|MOVE)"), [])

    def is_settled(self):
        self.daemon.sync()
        return self.daemon.pending() == 0

    def test_cut_in_the_middle_of_a_change_of_labels_it_happens_once(self):
        cases = (("UID COPY", "before"), ("UID STORE", "after"), ("UID COPY", "after"))
        for command, when in cases if LONG else cases[1:]:
            label = f"{command[4:]}-{when}"
            self.offline()
            self.store(self.uid("m3"), f"+({label})")
            self.store(self.uid("m2"), f"+({label})")
            self.store(self.uid("m1"), "-(work)")
            self.server.cut = (command, when)
            self.daemon.control("online")
            self.daemon.wait(lambda: not self.server.cut, "the cut")
            self.daemon.sync()
            # A COPY whose answer was lost may still happen; it is looked for during some minutes.
            self.daemon.wait(self.is_settled, "the lost answer to be decided", 200)
            self.assertEqual(self.subjects(label), ["m2", "m3"])
            self.assertEqual(len(self.server.folders[label].messages), 2)
            self.assertEqual(self.server.where("m1"), {"INBOX", "Muy Importante"})
            self.assertEqual(self.labels("m1"), {"Muy Importante"})
            self.store(self.uid("m1"), "+(work)")
            self.daemon.sync()
        self.assertEqual(self.server.fetched, {"m1": 1, "m2": 1, "m3": 1})


class Sets(Gmail):
    """A message is in a folder once, and what it is it is everywhere."""

    def test_flags_are_the_messages_and_are_sent_once(self):
        uid = self.uid("m1")
        watched = self.local(self.daemon)
        watched.select(ALL)
        self.forget()
        self.imap.ok(f"UID STORE {uid} +FLAGS (\\Seen \\Flagged $Later)")
        for folder in ("work", "Muy Importante", ALL):
            self.assertEqual(self.imap.flags(self.uid("m1", folder)).popitem()[1],
                             {"\\seen", "\\flagged", "$later"})
        self.assertIn(b"$Later", watched.ok("NOOP").fetched()[1]["FLAGS"])
        self.daemon.sync()
        self.assertEqual(self.server.find("m1").flags, {"\\Seen", "\\Flagged", "$Later"})
        self.assertEqual(len(self.sent("UID STORE")), 1, self.sent("UID STORE"))
        self.assertEqual(self.subjects(STARRED), ["m1"])
        self.offline()
        self.forget()
        self.imap.ok(f"UID STORE {self.uid('m1', ALL)} -FLAGS (\\Seen)")
        self.assertEqual(self.imap.flags(self.uid("m1")).popitem()[1], {"\\flagged", "$later"})
        self.online()
        self.assertEqual(self.server.find("m1").flags, {"\\Flagged", "$Later"})
        self.assertEqual(len(self.sent("UID STORE")), 1, self.sent("UID STORE"))

    def test_deleting_is_archiving_but_in_trash_and_spam(self):
        uid = self.uid("m2")
        self.imap.ok(f"UID STORE {uid} +FLAGS (\\Deleted)")
        self.imap.ok(f"UID EXPUNGE {uid}")
        self.daemon.sync()
        self.assertEqual(self.server.where("m2"), set())
        self.assertEqual(self.labels("m2", ALL), set())
        self.imap.ok(f"UID MOVE {self.uid('m2', ALL)} {SPAM!r}".replace("'", '"'))
        self.daemon.sync()
        self.assertEqual(self.server.where("m2"), {SPAM})
        self.assertEqual(self.subjects(ALL), ["m1", "m3"])
        uid = self.uid("m2", SPAM)
        self.imap.ok(f"UID STORE {uid} +FLAGS (\\Deleted)")
        self.imap.ok("EXPUNGE")
        self.daemon.sync()
        self.assertEqual(self.server.where("m2"), None)
        self.assertEqual(self.daemon.pending(), 0)

    def test_trash_takes_it_out_of_all_labels_and_gives_it_back(self):
        uid = self.uid("m1")
        self.offline()
        self.imap.ok(f"UID STORE {uid} +FLAGS (\\Seen)")
        self.imap.ok(f'UID MOVE {uid} "{TRASH}"')
        self.online()
        self.assertEqual(self.server.where("m1"), {TRASH})
        self.assertEqual(self.server.find("m1").flags, {"\\Seen"})
        for folder in ("INBOX", "work", "Muy Importante", ALL):
            self.assertNotIn("m1", self.subjects(folder), folder)
        self.assertEqual(self.subjects(TRASH), ["m1"])
        self.imap.ok(f'UID STORE {self.uid("m1", TRASH)} +X-GM-LABELS (\\Inbox)')
        self.daemon.sync()
        self.assertEqual(self.server.where("m1"), {"INBOX"})
        self.assertEqual(self.subjects(TRASH), [])
        self.assertEqual(self.subjects(ALL), ["m1", "m2", "m3"])
        self.imap.ok(f'UID STORE {self.uid("m3")} +X-GM-LABELS (\\Trash)')
        self.daemon.sync()
        self.assertEqual(self.server.where("m3"), {TRASH})
        with self.server.lock:
            self.server.put(self.server.find("m2"), TRASH)
        self.daemon.sync()
        self.assertEqual(self.subjects(TRASH), ["m2", "m3"])
        self.assertEqual(self.subjects(ALL), ["m1"])
        self.assertEqual(self.server.fetched, {"m1": 1, "m2": 1, "m3": 1})

    def test_what_is_appended_is_one_message_with_what_is_in_all_mail(self):
        self.offline()
        self.imap.append("work", mail("new"))
        uid = self.uid("new", "work")
        self.assertEqual(int(self.imap.fetch(uid, "(UID X-GM-MSGID)")[uid]["X-GM-MSGID"]), 0)
        self.imap.ok(f"UID STORE {uid} +X-GM-LABELS (\\Inbox)")
        self.imap.append("INBOX", mail("m1"))  # is there already
        self.online()
        self.assertEqual(self.server.where("new"), {"work", "INBOX"})
        self.assertEqual(self.subjects(ALL), ["m1", "m2", "m3", "new"])
        self.assertEqual(self.labels("new", ALL), {"work", "\\Inbox"})
        uid = self.uid("new", ALL)
        self.assertEqual(int(self.imap.fetch(uid, "(UID X-GM-MSGID)")[uid]["X-GM-MSGID"]),
                         self.server.find("new").id)
        self.assertEqual(self.subjects("INBOX"), ["m1", "m2", "m3", "new"])
        self.assertEqual(self.server.fetched, {"m1": 1, "m2": 1, "m3": 1})


    def test_gone_from_one_and_new_in_another_it_was_not_moved(self):
        uid = self.uid("m2")
        self.offline()
        self.imap.ok(f"UID STORE {uid} +FLAGS (\\Deleted)")
        self.imap.ok("EXPUNGE")
        with self.server.lock:
            self.server.put(self.server.find("m2"), "work")
            self.server.take(self.server.find("m2"), "INBOX")
        self.online()
        self.assertEqual(self.server.where("m2"), {"work"})
        self.assertEqual(self.subjects("work"), ["m1", "m2"])


class Random(Case):
    """Both sides do anything, and the connection breaks anywhere: in the end both have the same, nothing is lost,
    and nothing was fetched twice."""

    FOLDERS = ("INBOX", "work", "Muy Importante", TRASH)
    FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "Later")
    COMMANDS = ("UID COPY", "UID MOVE", "UID STORE", "APPEND", "UID FETCH .*FLAGS")
    ROUNDS = 400 if LONG else 6

    def setUp(self):
        self.server = GmailLike()
        self.addCleanup(self.server.close)
        self.count = 0
        # A label is a folder from its first message on.
        self.server.deliver(mail(self.name()), *self.FOLDERS[:3])
        for _ in range(5):
            self.deliver()
        self.account = SyncAccount(self.server.imap)
        self.addCleanup(self.account.close)
        self.account("sync")

    def name(self):
        self.count += 1
        return f"m{self.count}"

    def deliver(self):
        self.server.deliver(mail(self.name()), *self.rng.sample(self.FOLDERS[:3], self.rng.randrange(3)))

    def act_here(self):
        folder = self.rng.choice(self.FOLDERS)
        # What is deleted before it was sent is lost for good, and rightly so.
        uids = [uid for uid, (name, _, _) in self.account.messages(folder).items()
                if self.server.find(name.strip("<>").partition("@")[0])]
        act = self.rng.randrange(8)
        if act == 0:
            self.account.append(self.rng.choice(self.FOLDERS[:3]), mail(self.name()))
        elif uids and act <= 2:
            self.account("copy", folder, self.rng.choice(uids), self.rng.choice(self.FOLDERS[:3]))
        elif uids and act == 3:
            self.account("move", folder, self.rng.choice(uids), self.rng.choice(self.FOLDERS))
        elif uids and act == 4 and folder != TRASH:
            self.account("expunge", folder, self.rng.choice(uids))
        elif uids:
            self.account("store", folder, self.rng.choice(uids),
                         self.rng.choice("+-") + self.rng.choice(self.FLAGS))

    def act_there(self):
        with self.server.lock:
            message = self.rng.choice([message for folder in (ALL, TRASH)
                                       for message in self.server.folders[folder].messages.values()])
            act = self.rng.randrange(5)
            if act == 0:
                self.deliver()
            elif act == 1:
                self.server.put(message, self.rng.choice(self.FOLDERS))
            elif act == 2:
                name = self.rng.choice(self.FOLDERS[:3])
                if self.server.folders[name].uid_of(message):
                    self.server.take(message, name)
            else:
                self.server.set_flags(message, message.flags ^ {self.rng.choice(self.FLAGS)})

    def settle(self):
        self.account("online")
        reason = self.account.settle(12)
        self.assertIsNone(reason, f"with seed {self.seed}")

    def check(self):
        for name in (*self.FOLDERS, ALL, STARRED):
            here = sorted((known.strip("<>").partition("@")[0], sorted(flags), digest != "-")
                          for known, flags, digest in self.account.messages(name).values())
            there = sorted((message.subject(), sorted(message.flags), True)
                           for message in self.server.folders[name].messages.values())
            self.assertEqual(here, there, f"{name} with seed {self.seed}")
        names = [message.subject() for folder in (ALL, TRASH)
                 for message in self.server.folders[folder].messages.values()]
        self.assertEqual(sorted(names), sorted(f"m{number + 1}" for number in range(self.count)), self.seed)

    seed = random.randrange(1 << 30)
    rng = random.Random(seed)

    def test_both_sides_agree_in_the_end(self):
        for _ in range(self.ROUNDS):
            self.account("offline")
            for _ in range(self.rng.randrange(1, 8)):
                self.act_here()
            for _ in range(self.rng.randrange(6)):
                self.act_there()
            if self.rng.randrange(2):
                self.server.cut = (self.rng.choice(self.COMMANDS), self.rng.choice(["before", "after"]))
            cut = self.server.cut
            self.settle()
            self.check()
            if not cut or self.server.cut:  # else a body may have been under way
                self.assertLessEqual(max(self.server.fetched.values(), default=0), 1, self.seed)
            self.server.fetched.clear()
            self.server.cut = None


class Without(Gmail):
    without = ("X-GM-EXT-1",)

    def test_a_provider_that_does_not_have_it_is_as_before(self):
        self.assertNotIn(b"X-GM-EXT-1", self.imap.greeting)
        uid = self.uid("m1")
        for command in (f"UID FETCH {uid} (X-GM-LABELS)", f"UID STORE {uid} +X-GM-LABELS (foo)",
                        "UID SEARCH X-GM-LABELS foo", 'UID SEARCH X-GM-RAW "foo"'):
            self.assertEqual(self.imap.command(command).status, "BAD", command)
        self.imap.ok(f"UID STORE {uid} +FLAGS (\\Answered)")
        self.assertEqual(self.imap.flags(self.uid("m1", ALL)).popitem()[1], set())
