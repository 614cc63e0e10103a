# SPDX-License-Identifier: GPL-3.0-or-later
"""What the provider lets the user do in a mailbox: Postern tells clients so, and refuses at once what the
provider would refuse. Bob shares mailboxes with Ada; Dovecot's ACL plugin decides."""

import contextlib
import socket
import unittest

from harness import Case, ControlError, ImapFilter, account, dovecot_settings, fill
from harness.syncaccount import SyncAccount, SyncError
from test_sync import mail, mails

ADA, BOB = "ada@example.org", "bob@example.org"
SHARED = f"shared/{BOB}/"


class Rights(Case):
    imap_acl = True
    told = ["ACL", "RIGHTS=texk"]

    def setUp(self):
        self.server = self.provider(users={ADA: "lovelace", BOB: "babbage"}, start=False)
        self.server.start(settings=dovecot_settings.capabilities(*self.told) + dovecot_settings.acl(
            imap=self.imap_acl, shared=self.server.directory))
        for folder in ("Reading", "Drop", "Flags"):
            fill(self.server, mails(2), folder, user=BOB, flags="")
        self.grant("Reading", "lr")
        self.grant("Drop", "li")
        self.grant("Flags", "lrs")
        fill(self.server, mails(3), flags="")
        self.daemon = self.postern(self.server, user=ADA, incoming="imap+insecure",
                                   outgoing="submission+insecure", synced=False)
        self.sync()
        self.here = self.local(self.daemon)

    def sync(self):
        self.sync_of(self.daemon)

    def sync_of(self, daemon):
        """A round. That mailboxes which mayn't be read can't be read is said, and no failure here."""
        try:
            daemon.sync()
        except ControlError as error:
            self.assertIn("Permission denied", str(error))

    def changes(self):
        """Refused changes; what can't be read is listed beside them."""
        return [problem for problem in self.daemon.control("pending", "work")
                if problem["Operation"] not in ("read", "fetch")]

    def grant(self, folder, rights, user=ADA):
        names = {"l": "lookup", "r": "read", "s": "write-seen", "w": "write", "t": "write-deleted",
                 "i": "insert", "e": "expunge", "k": "create", "x": "delete"}
        words = [names[letter] for letter in rights]
        self.server.doveadm("acl", "set", "-u", BOB, folder, f"user={user}", *words)

    def rights(self, folder, imap=None):
        line, = (imap or self.here).ok(f'MYRIGHTS "{folder}"').lines("MYRIGHTS")
        return line.split()[-1].decode()

    def refused(self, command, imap=None):
        answer = (imap or self.here).command(command)
        self.assertEqual((answer.status, answer.code("NOPERM")), ("NO", ""), answer)

    def subjects(self, folder, user=BOB):
        there = self.upstream(self.server, user)
        there.select(folder, "EXAMINE")
        return sorted(body.split(b"Subject: ")[1].split(b"\r\n")[0].decode()
                      for body in there.bodies().values())

    def forbid_reading_with_changes_pending(self):
        self.here.select(SHARED + "Flags")
        self.daemon.control("offline")
        self.here.ok("STORE 1 +FLAGS (\\Seen)")
        self.here.select()
        self.here.ok("STORE 1 +FLAGS (\\Flagged)")
        self.grant("Flags", "l")
        self.daemon.control("online")
        self.sync()
        problem, = self.daemon.wait(lambda: self.changes(), "the refusal")
        self.assertEqual((problem["Operation"], problem["Folder"]), ("flags", SHARED + "Flags"))
        there = self.upstream(self.server, ADA)
        there.select()
        self.assertEqual(there.flags("1"), {1: {"\\flagged"}})

    def assert_settled(self):
        self.sync()
        self.assertEqual(self.changes(), [])
        self.daemon.wait(lambda: self.daemon.pending() == 0, "nothing to be pending")


class WithAcl(Rights):
    time_limit = 700

    def test_clients_are_told_what_the_provider_tells(self):
        self.assertEqual(self.rights("INBOX"), "lrswipkxtecd")
        self.assertEqual(self.rights(SHARED + "Reading"), "lr")
        self.assertEqual(self.rights(SHARED + "Drop"), "li")
        self.assertEqual(self.rights(SHARED + "Flags"), "lrs")
        told = self.here.ok('LIST "" "*" RETURN (MYRIGHTS)').lines("MYRIGHTS")
        self.assertIn(f"MYRIGHTS {SHARED}Drop li".encode(), told)

    def test_in_a_mailbox_for_reading_nothing_is_changed(self):
        reading = SHARED + "Reading"
        self.assertIsNotNone(self.here.select(reading).code("READ-ONLY"))
        for command in ("STORE 1 +FLAGS (\\Flagged)", "STORE 1:2 FLAGS (\\Seen)", "EXPUNGE",
                        "MOVE 1 INBOX", f'DELETE "{reading}"', f'RENAME "{reading}" Mine',
                        f'CREATE "{reading}/Below"'):
            self.refused(command)
        self.here.ok("FETCH 1 BODY[]")
        self.assertEqual(set(map(frozenset, self.here.flags().values())), {frozenset()})
        self.here.ok("COPY 1 INBOX")
        self.here.select()
        self.refused(f'COPY 1 "{reading}"')
        self.refused(f'UID MOVE 1:* "{reading}"')
        self.assert_settled()
        self.assertEqual(self.subjects("Reading"), ["Mail 0", "Mail 1"])
        self.assertEqual(self.subjects("INBOX", ADA), ["Mail 0", "Mail 0", "Mail 1", "Mail 2"])

    def test_seen_alone_is_kept_where_that_is_allowed(self):
        self.here.select(SHARED + "Flags")
        self.here.ok("STORE 1 +FLAGS (\\Seen \\Flagged)")
        self.refused("STORE 2 +FLAGS (\\Flagged)")
        self.assertEqual(list(self.here.flags().values()), [{"\\seen"}, set()])
        self.assert_settled()
        there = self.upstream(self.server, ADA)
        there.select(SHARED + "Flags")
        self.assertEqual(list(there.flags().values()), [{"\\seen"}, set()])

    def test_into_a_mailbox_for_inserting_mail_goes_and_is_not_seen_again(self):
        drop = SHARED + "Drop"
        self.refused(f'SELECT "{drop}"')
        self.refused(f'STATUS "{drop}" (MESSAGES)')
        self.here.select()
        self.here.append(drop, mail("appended"))
        self.here.ok(f'COPY 2 "{drop}"')
        self.here.ok(f'MOVE 3 "{drop}"')
        self.assert_settled()
        self.assertEqual(self.subjects("Drop"),
                         ["Mail 0", "Mail 1", "Mail 1", "Mail 2", "Mail appended"])
        self.assertEqual(self.subjects("INBOX", ADA), ["Mail 0", "Mail 1"])

    def test_rights_that_change_at_the_provider_hold_from_the_next_sync_on(self):
        reading = SHARED + "Reading"
        self.here.select(reading)
        self.refused("STORE 1 +FLAGS (\\Flagged)")
        self.grant("Reading", "lrwte")
        self.sync()
        self.assertEqual(self.here.ok("NOOP").code("PERMANENTFLAGS"),
                         "(\\Answered \\Flagged \\Deleted \\Draft \\*)")
        self.here.ok("STORE 1 +FLAGS (\\Flagged)")
        self.here.ok("STORE 2 +FLAGS (\\Deleted)")
        self.here.ok("EXPUNGE")
        self.assert_settled()
        self.assertEqual(self.subjects("Reading"), ["Mail 0"])
        self.grant("Reading", "lr")
        self.sync()
        self.refused("STORE 1 -FLAGS (\\Flagged)")

    def test_offline_the_last_known_rights_hold(self):
        self.daemon.control("offline")
        self.grant("Reading", "lrw")
        self.daemon.restart()
        here = self.local(self.daemon)
        here.select(SHARED + "Reading")
        self.refused("STORE 1 +FLAGS (\\Flagged)", here)
        here.select()
        self.refused(f'COPY 1 "{SHARED}Reading"', here)

    def test_what_was_changed_before_reading_was_forbidden_is_a_problem_and_holds_up_nothing(self):
        self.forbid_reading_with_changes_pending()
        self.refused(f'SELECT "{SHARED}Flags"')

    def linked(self, on_command, on_answer=lambda line: line):
        """Another Postern, with an ImapFilter before the provider."""
        link = ImapFilter(self.server.imap)
        self.addCleanup(link.close)
        link.on_command, link.on_answer = on_command, on_answer
        return self.postern(self.server, user=ADA, incoming="imap+insecure",
                            outgoing="submission+insecure", incoming_port=link.port)

    def test_in_doubt_a_mailbox_for_inserting_gets_it_twice(self):
        """When the answer is lost, nobody can look."""
        tags = []

        def on_command(line):
            if line.split()[1:2] == [b"APPEND"]:
                tags.append(line.split()[0])
            return line

        def on_answer(line):
            return None if tags and line.startswith(tags[0] + b" OK") else line
        link = ImapFilter(self.server.imap)
        self.addCleanup(link.close)
        link.on_command, link.on_answer = on_command, on_answer
        here = SyncAccount(link.port)
        self.addCleanup(here.close)
        # What can't be read, and what waits, ends a round without success; here that is no failure.
        with contextlib.suppress(SyncError):
            here("sync")
        here.append(SHARED + "Drop", mail("dropped"))
        # The answer is waited for, and then the mail, which may still come, for some minutes.
        for _ in range(20):
            with contextlib.suppress(SyncError):
                here("sync")
            here("advance", 60)
        self.assertEqual(len(tags), 2)
        self.assertEqual(self.subjects("Drop"),
                         ["Mail 0", "Mail 1", "Mail dropped", "Mail dropped"])

    def test_rights_are_asked_for_once_and_not_in_every_round(self):
        asked = []
        daemon = self.linked(lambda line: (asked.append(line.split()[1:]), line)[1])
        self.assertGreaterEqual(asked.count([b"MYRIGHTS", b"INBOX"]), 1)
        asked.clear()
        there = self.upstream(self.server, ADA)
        there.ok("CREATE New")
        there.select()
        there.ok("MOVE 1 New")
        here = self.local(daemon)
        daemon.wait(lambda: "New" in here.folders(), "the folders to be listed")
        self.assertEqual([words for words in asked if words[:1] == [b"MYRIGHTS"]],
                         [[b"MYRIGHTS", b"New"]])

    def test_other_flags_that_a_folder_keeps_make_it_ask_again(self):
        there = self.upstream(self.server, ADA)
        there.ok("CREATE New")
        there.select()
        self.grant("Reading", "lrw")
        fill(self.server, [mail("new")], "Reading", user=BOB, flags="")
        for moved in (1, 2):
            # What leaves INBOX for elsewhere makes it look at all folders.
            there.ok("MOVE 1 New")
            self.daemon.wait(lambda: "New" in self.here.folders() and
                             self.here.select("New", "EXAMINE").exists == moved, "what was moved")
        self.assertEqual(self.rights(SHARED + "Reading"), "lrw")

    def test_pop3_deletes_nothing_where_nothing_may_be_deleted(self):
        """INBOX itself, of which the provider lets only be read."""
        self.server.doveadm("acl", "set", "-u", ADA, "INBOX", "owner", "lookup", "read")
        self.sync()
        self.assertEqual(self.rights("INBOX"), "lr")
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(self.daemon.socket_path("pop3")))
            lines = sock.makefile("rb")
            said = [lines.readline()]
            for line in (b"DELE 1", b"LIST 1", b"QUIT"):
                sock.sendall(line + b"\r\n")
                said.append(lines.readline())
        self.assertEqual([line.split()[0] for line in said], [b"+OK", b"-ERR", b"+OK", b"+OK"])
        self.assertIn(b"[SYS/PERM]", said[1])
        self.assert_settled()
        self.assertEqual(self.subjects("INBOX", ADA), ["Mail 0", "Mail 1", "Mail 2"])


class WithoutAcl(Rights):
    """The provider doesn't say what the rights are: SELECT shows what it shows."""
    imap_acl = False
    told = []

    def test_a_read_only_select_is_believed(self):
        self.assertEqual(self.rights("INBOX"), "lrswipkxtecd")
        self.assertEqual(self.rights(SHARED + "Reading"), "lr")
        self.assertIsNotNone(self.here.select(SHARED + "Reading").code("READ-ONLY"))
        self.refused("STORE 1 +FLAGS (\\Flagged)")
        self.refused("EXPUNGE")
        self.assert_settled()

    def test_what_was_changed_before_reading_was_forbidden_is_a_problem_and_holds_up_nothing(self):
        self.forbid_reading_with_changes_pending()

    def test_it_is_seen_when_that_changes(self):
        self.grant("Reading", "lrwi")
        fill(self.server, [mail("new")], "Reading", user=BOB, flags="")
        self.sync()
        self.here.select(SHARED + "Reading")
        self.here.ok("STORE 1 +FLAGS (\\Flagged)")
        self.assert_settled()
        self.assertEqual(self.rights(SHARED + "Reading"), "lrswipkxtecd")


class WithListMyRights(Rights):
    """Postern before Postern: the first one answers LIST RETURN (MYRIGHTS)."""

    def test_one_list_tells_all_rights(self):
        user, password = self.daemon.login()
        link = ImapFilter(self.daemon.ports["imap"])
        self.addCleanup(link.close)
        asked = []
        link.on_command = lambda line: (asked.append(line), line)[1]
        settings = account(self.server, user=ADA, outgoing="submission+insecure",
                           password=password)
        settings.update(user=user, incoming=f"imap+insecure://127.0.0.1:{link.port}")
        second = self.postern(accounts={"work": settings})
        here = self.local(second)
        self.assertEqual(self.rights(SHARED + "Reading", here), "lr")
        self.assertEqual(self.rights(SHARED + "Drop", here), "li")
        self.assertTrue(any(b" MYRIGHTS)" in line for line in asked), asked)
        self.assertFalse(any(line.split()[1:2] == [b"MYRIGHTS"] for line in asked), asked)


if __name__ == "__main__":
    unittest.main()
