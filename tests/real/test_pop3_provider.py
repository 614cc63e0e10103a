# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts whose mail comes from a POP3 maildrop: INBOX from there, everything else here."""

import contextlib
import os
import random
import signal
import smtplib
import sqlite3
import threading
import time
import unittest

from harness import (DROP, LONG, PATIENCE, Case, ControlError, FakePop3, FakeSmtp, fill)
from harness.syncaccount import SyncAccount, SyncError
from test_adding import Web
from test_sync import mail, mails

DAY = 24 * 60 * 60


def body(subject, text="Hello"):
    return mail(subject).replace(b"\r\n\r\n", b"\r\n\r\n" + text.encode() + b"\r\n", 1)


class MaildropCase(Case):
    def maildrop(self, messages=(), **options):
        server = FakePop3(messages, **options)
        self.addCleanup(server.close)
        return server

    def inbox(self, postern, folder="INBOX"):
        """The bodies in a folder, in order."""
        with postern.imap("work") as imap:
            imap.select(folder)
            return list(imap.bodies().values())

    def run_with(self, server, **settings):
        return self.postern(accounts={"work": server.account(**settings)})


class Dovecot(MaildropCase):
    def test_mail_comes_once_and_lives_in_folders_that_are_here_only(self):
        provider = self.provider()
        fill(provider, mails(5))
        for incoming in ("pop3s", "pop3"):
            with self.subTest(incoming):
                postern = self.postern(provider, incoming=incoming)
                there = self.upstream(provider)
                there.select()
                expected = list(there.bodies().values())
                self.assertEqual(self.inbox(postern), expected)
                imap = self.local(postern)
                imap.select("INBOX")
                imap.ok("CREATE Letters")
                imap.ok("UID MOVE 2 Letters")
                imap.ok("UID STORE 1 +FLAGS (\\Seen $Kept)")
                imap.ok("UID STORE 3 +FLAGS (\\Deleted)")
                imap.ok("EXPUNGE")
                self.assertEqual(postern.pending(), 0)
                postern.sync()
                postern.restart()
                postern.sync()
                self.assertEqual(self.inbox(postern), [expected[0], expected[3], expected[4]])
                self.assertEqual(self.inbox(postern, "Letters"), [expected[1]])
                # All of it is at the provider still.
                there = self.upstream(provider)
                there.select()
                self.assertEqual(len(there.bodies()), 5)

    def test_what_never_stays_is_gone_there_when_it_is_here(self):
        provider = self.provider()
        fill(provider, mails(120))
        postern = self.postern(provider, incoming="pop3s", leave_on_server="never")
        self.assertEqual(len(self.inbox(postern)), 120)
        there = self.upstream(provider)
        there.select()
        self.assertEqual(there.uids(), [])
        fill(provider, [mail("later")])
        postern.sync()
        self.assertEqual(len(self.inbox(postern)), 121)

    def test_a_wrong_password_is_said_and_another_one_works(self):
        provider = self.provider()
        postern = self.postern(provider, incoming="pop3s", password="wrong", synced=False)
        state = postern.wait_state("auth-required")
        self.assertIn("refuses the user name or password", state["LastError"])

    def test_the_fetched_is_sorted_searched_and_has_mod_sequences(self):
        provider = self.provider()
        fill(provider, [mail("pears"), mail("apples")])
        postern = self.postern(provider, incoming="pop3s")
        imap = self.local(postern)
        imap.ok("SELECT INBOX (CONDSTORE)")
        self.assertEqual(imap.ok("UID SEARCH SUBJECT apples").numbers(), [2])
        self.assertEqual(imap.ok("UID SORT (SUBJECT) UTF-8 ALL").numbers("SORT"), [2, 1])
        self.assertIsNotNone(imap.command(
            "UID STORE 1 (UNCHANGEDSINCE 0) +FLAGS (\\Seen)").code("MODIFIED"))

    def test_sent_mail_goes_into_the_sent_folder_here(self):
        provider = self.provider()
        smtp = FakeSmtp(users={"ada@example.org": "lovelace"})
        self.addCleanup(smtp.close)
        postern = self.postern(provider, incoming="pop3s", save_sent="always",
                               outgoing_user="ada@example.org")
        session = smtplib.SMTP("127.0.0.1", postern.ports["submission"])
        session.login(*postern.login())
        session.sendmail("ada@example.org", ["bob@example.net"],
                         b"From: ada@example.org\r\nMessage-ID: <sent@x>\r\nSubject: Out\r\n\r\nx\r\n")
        session.quit()
        postern.wait(lambda: self.inbox(postern, "Sent"), "the copy in Sent")
        self.assertEqual(postern.pending(), 0)


class Names(MaildropCase):
    """UIDLs that are missing, unstable, reused or worthless."""

    def check(self, server, postern, expected):
        postern.sync()
        self.assertEqual(sorted(self.inbox(postern)), sorted(expected))

    def test_names_that_change_each_time_double_nothing(self):
        messages = mails(12)
        server = self.maildrop(messages)
        server.uidl = lambda key, number, session: f"s{session}-{key}"
        postern = self.run_with(server)
        for _ in range(2):
            self.check(server, postern, messages)
        self.assertEqual(server.said("RETR"), [])
        messages.append(mail("new"))
        server.add(messages[-1])
        self.check(server, postern, messages)

    def test_without_uidl_headers_tell(self):
        for top in (True, False):
            with self.subTest(top=top):
                messages = mails(8)
                server = self.maildrop(messages)
                server.uidl, server.top = None, top
                server.capa = ["USER"] + (["TOP"] if top else [])
                postern = self.run_with(server)
                self.check(server, postern, messages)
                server.messages.pop(1)
                messages.append(mail("new"))
                server.add(messages[-1])
                self.check(server, postern, messages)
                self.check(server, postern, messages)

    def test_names_that_are_numbers_say_nothing(self):
        messages = mails(4)
        server = self.maildrop(messages)
        server.uidl = lambda key, number, session: str(number)
        postern = self.run_with(server)
        for key in (1, 3):
            server.messages.pop(key)
            messages.append(body(f"new {key}"))
            server.add(messages[-1])
            self.check(server, postern, messages)

    def test_a_name_that_comes_to_mean_another_message_hides_none(self):
        # Of the same size, so that nothing but their looks tells them apart.
        messages = [mail("aa"), mail("bb"), mail("cc")]
        server = self.maildrop(messages)
        names = {1: "A", 2: "B", 3: "C"}
        server.uidl = lambda key, number, session: names[key]
        postern = self.run_with(server)
        self.check(server, postern, messages)
        server.messages.pop(3)
        messages.append(mail("dd"))
        names[server.add(messages[-1])] = "C"
        self.check(server, postern, messages)
        # Now names don't count for a while: not even at the beginning of the list.
        server.messages.pop(1)
        messages.append(mail("ee"))
        key = server.add(messages[-1])
        names[key] = "A"
        server.messages = {key: server.messages[key], **server.messages}
        self.check(server, postern, messages)

    def test_permuted_names_neither_double_nor_hide(self):
        messages = [mail("aa"), mail("bb"), mail("cc")]
        server = self.maildrop(messages)
        names = {1: "A", 2: "B", 3: "C"}
        server.uidl = lambda key, number, session: names[key]
        postern = self.run_with(server)
        names.update({1: "C", 3: "A"})
        self.check(server, postern, messages)
        self.check(server, postern, messages)

    def test_one_name_for_two_messages_is_none(self):
        messages = [mail("aa"), mail("bb"), mail("cc")]
        server = self.maildrop(messages)
        server.uidl = lambda key, number, session: "same" if key < 3 else "own"
        postern = self.run_with(server)
        self.check(server, postern, messages)
        self.check(server, postern, messages)

    def test_a_message_that_is_there_twice_is_here_twice(self):
        messages = [mail("twin"), mail("twin")]
        for uidl in (True, False):
            with self.subTest(uidl=uidl):
                server = self.maildrop(messages)
                server.uidl = server.uidl if uidl else None
                postern = self.run_with(server)
                self.check(server, postern, messages)
                self.check(server, postern, messages)

    def test_another_server_with_the_same_names_is_looked_at(self):
        first, second = self.maildrop([mail("aa"), mail("bb")]), self.maildrop([mail("cc"), mail("bb")])
        postern = self.run_with(first)
        settings = second.account(incoming=f"pop3+insecure://localhost:{second.port}")
        postern.accounts = {"work": settings}
        postern.write_config()
        postern.restart()
        self.check(second, postern, [mail("aa"), mail("bb"), mail("cc")])


class Leaving(MaildropCase):
    def test_what_is_left_always_is_never_deleted_and_never_comes_back(self):
        server = self.maildrop(mails(3))
        postern = self.run_with(server, leave_on_server="always")
        with postern.imap("work") as imap:
            imap.select()
            imap.ok("UID STORE 1:* +FLAGS (\\Deleted)")
            imap.ok("EXPUNGE")
        postern.sync()
        self.assertEqual((self.inbox(postern), server.deleted), ([], []))

    def test_a_number_of_days_counts_from_when_it_came(self):
        server = self.maildrop(mails(2))
        postern = self.run_with(server, leave_on_server="30d")
        postern.sync()
        self.assertEqual(server.deleted, [])
        postern.stop()
        self.age(postern, 29 * DAY)
        postern.start()
        postern.sync()
        server.add(mail("new"))
        postern.sync()
        self.assertEqual(server.deleted, [])
        postern.stop()
        self.age(postern, 2 * DAY, "uid < 3")
        postern.start()
        postern.sync()
        self.assertEqual(server.deleted, [1, 2])
        self.assertEqual(len(self.inbox(postern)), 3)

    @staticmethod
    def age(postern, seconds, where="1"):
        database = sqlite3.connect(postern.data / "accounts" / "work" / "mail.db")
        with database:
            database.execute(f"UPDATE maildrop SET since = since - ? WHERE {where}", (seconds,))
        database.close()

    def test_what_clients_have_moved_or_deleted_goes_by_the_same_rule(self):
        server = self.maildrop(mails(4))
        postern = self.run_with(server, leave_on_server="30d")
        with postern.imap("work") as imap:
            imap.select()
            imap.ok("UID MOVE 1 Archive")
            imap.ok("UID STORE 2 +FLAGS (\\Deleted)")
            imap.ok("EXPUNGE")
        postern.sync()
        self.assertEqual(server.deleted, [])
        postern.control("account", "set", "work", "leave-on-server=never")
        postern.sync()
        self.assertEqual(sorted(server.deleted), [1, 2, 3, 4])
        self.assertEqual((len(self.inbox(postern)), len(self.inbox(postern, "Archive"))), (2, 1))

    def test_nothing_is_deleted_that_isnt_what_it_was(self):
        """A name that has come to mean another message: that one isn't here."""
        server = self.maildrop([mail("aa"), mail("bb"), mail("cc")])
        names = {1: "A", 2: "B", 3: "C", 4: "A"}
        server.uidl = lambda key, number, session: names[key]
        postern = self.run_with(server)
        postern.stop()
        server.messages = {4: mail("dd"), 2: mail("bb"), 3: mail("cc")}
        server.answers["RETR 1"] = "-ERR not now"
        postern.accounts["work"]["leave-on-server"] = "never"
        postern.write_config()
        postern.start()
        postern.sync()
        self.assertNotIn(4, server.deleted)
        self.assertIn("not now", postern.control("pending", "work")[0]["Error"])
        del server.answers["RETR 1"]
        postern.sync()
        self.assertEqual(sorted(self.inbox(postern)), sorted(map(mail, ("aa", "bb", "cc", "dd"))))
        postern.wait(lambda: postern.sync() or not server.messages, "the rest to be deleted")

    def test_a_refusal_to_delete_is_said_until_it_works(self):
        server = self.maildrop(mails(2))
        server.answers["DELE"] = "-ERR read-only maildrop"
        postern = self.run_with(server, leave_on_server="never")
        problems = postern.control("pending", "work")
        self.assertEqual([(one["Operation"], one["Folder"]) for one in problems], [("expunge", "INBOX")])
        self.assertIn("read-only maildrop", problems[0]["Error"])
        server.answers = {"QUIT": "-ERR some deleted messages not removed"}
        postern.sync()
        self.assertIn("not removed", postern.control("pending", "work")[0]["Error"])
        server.answers = {}
        postern.sync()
        self.assertEqual((postern.control("pending", "work"), server.messages), ([], {}))

    def test_gmail_shows_what_it_has_deleted_again_and_it_doesnt_come_twice(self):
        messages = mails(3)
        server = self.maildrop(messages, user="recent:ada@example.org")
        server.answers["DELE"] = "+OK"
        postern = self.run_with(server, leave_on_server="never")
        for _ in range(3):
            postern.sync()
        self.assertEqual(len(self.inbox(postern)), 3)
        self.assertEqual(server.said("DELE"), [])

    def test_gmail_s_two_choices_of_one_maildrop_are_the_same_mail(self):
        """By her name alone it shows what nobody has fetched yet, by recent:NAME the last 30 days, whoever has it: what
        one of them doesn't show stays, what both show comes once, from the one to the other and back."""
        messages = [mail(f"gmail {number}") for number in range(12)]
        shown = {"ada@example.org": set(), "recent:ada@example.org": set()}
        for first in ("ada@example.org", "recent:ada@example.org"):
            with self.subTest(first=first):
                server = self.maildrop(messages, user=first)
                keys = list(server.messages)
                shown["ada@example.org"], shown["recent:ada@example.org"] = set(keys[2:7]), set(keys[4:9])
                server.shown = lambda keys, server=server: [key for key in keys if key in shown[server.user]]
                postern = self.run_with(server)
                expected = set(shown[first])
                names = [name for name in shown if name != first] + [first]
                for name in names:
                    before = len(server.sessions)
                    server.user = name
                    shown[name].add(max(shown[name]) + 2)  # and one that is new
                    postern.accounts["work"]["user"] = name
                    postern.write_config()
                    postern.reload()
                    postern.wait(lambda name=name: postern.state()["Settings"]["user"] == name, "the new settings")
                    new = shown[name] - expected
                    expected |= shown[name]
                    postern.wait(lambda: len(self.inbox(postern)) == len(expected), "all that was shown")
                    postern.sync()
                    self.assertEqual(sorted(self.inbox(postern)), sorted(server.messages[key] for key in expected))
                    asked = sum(len(server.said("RETR", session)) for session in range(before, len(server.sessions)))
                    self.assertEqual(asked, len(new), name)
                postern.close()

    def test_a_maildrop_that_is_shown_in_parts_comes_whole(self):
        messages = mails(450)
        server = self.maildrop(messages)
        fetched = set()
        server.shown = lambda keys: [key for key in keys if key not in fetched][:150]
        server.answers["RETR"] = lambda line: self.remember(server, fetched)
        postern = self.run_with(server)
        postern.wait(lambda: len(self.inbox(postern)) == 450, "all parts")
        self.assertEqual(sorted(self.inbox(postern)), sorted(messages))

    @staticmethod
    def remember(server, fetched):
        fetched.update(list(key for key in server.messages if key not in fetched)[:1])
        return None


class Faults(MaildropCase):
    def test_a_maildrop_in_use_is_waited_for(self):
        server = self.maildrop(mails(2))
        server.locked.acquire()
        postern = self.postern(accounts={"work": server.account()}, synced=False)
        state = postern.wait(lambda: (lambda now: now if now["LastError"] else None)(postern.state()),
                             "an error")
        self.assertIn("another session has the maildrop", state["LastError"])
        self.assertNotEqual(state["State"], "auth-required")
        server.locked.release()
        postern.wait(lambda: len(self.inbox(postern)) == 2, "the mail", timeout=60)

    def test_what_refusals_at_login_mean(self):
        cases = {"-ERR [AUTH] no": "auth-required", "-ERR invalid password": "auth-required",
                 "-ERR [SYS/TEMP] later": "offline", "-ERR [LOGIN-DELAY] slow down": "offline",
                 "-ERR maildrop already locked": "offline", "-ERR [SYS/PERM] broken": "error"}
        server = self.maildrop()
        server.capa = ["USER"]
        postern = self.postern(accounts={"work": server.account()})
        for answer, state in cases.items():
            with self.subTest(answer):
                server.answers["PASS"] = answer
                with self.assertRaises(ControlError):
                    postern.sync()
                self.assertEqual(postern.wait_state(state)["State"], state)
        server.answers = {}
        postern.sync()

    def test_a_message_that_isnt_given_is_missing_and_the_others_come(self):
        messages = mails(5)
        server = self.maildrop(messages)
        answer = "-ERR can't open the message"
        third = {5: "RETR 3", 1: "RETR 1"}  # as long as the others are there, and then
        server.answers["RETR"] = lambda line: answer if line == third[len(server.messages)] else None
        postern = self.postern(accounts={"work": server.account(leave_on_server="never")}, synced=False)
        with self.assertRaises(ControlError) as caught:
            postern.sync()
        self.assertIn("can't open the message", str(caught.exception))
        self.assertEqual(len(self.inbox(postern)), 4)
        self.assertEqual(list(server.messages), [3])
        folder = [one for one in postern.control("folders", "work") if one["Name"] == "INBOX"][0]
        self.assertEqual(folder["Missing"], 1)
        self.assertLess(postern.state()["Progress"], 1)
        problem = postern.control("pending", "work")[0]
        self.assertEqual((problem["Operation"], problem["Folder"]), ("read", "INBOX"))
        server.answers = {}
        postern.sync()
        self.assertEqual(sorted(self.inbox(postern)), sorted(messages))
        self.assertEqual((postern.control("pending", "work"), server.messages), ([], {}))

    def test_a_message_that_breaks_connections_doesnt_keep_the_others_away(self):
        messages = mails(6)
        for pipelining in (True, False):
            with self.subTest(pipelining=pipelining):
                server = self.maildrop(messages)
                if not pipelining:
                    server.capa.remove("PIPELINING")
                server.answers["RETR 2"] = DROP
                postern = self.postern(accounts={"work": server.account()}, synced=False)
                postern.wait(lambda: len(self.inbox(postern)) == 5, "the others", timeout=60)
                server.answers = {}
                postern.sync()
                self.assertEqual(sorted(self.inbox(postern)), sorted(messages))

    def test_what_no_database_can_hold_is_one_messages_trouble(self):
        """Whatever else comes with it, and wherever it stands among them."""
        for place in (0, 2, 4):
            for kept in ("always", "never"):
                with self.subTest(place=place, kept=kept):
                    messages = [body(f"m{n}", os.urandom(150000).hex() if n == place else "") for n in range(5)]
                    server = self.maildrop(messages)
                    account = SyncAccount(server.port, scheme="pop3", settings=f"leave-on-server={kept}")
                    self.addCleanup(account.close)
                    account("offline")
                    account("create", "INBOX")
                    account("largest", 100000)
                    account("online")
                    with self.assertRaises(SyncError):
                        account("sync")
                    self.assertEqual(len(account.messages("INBOX")), 4)
                    self.assertEqual([problem[:2] for problem in account.problems()], [("read", "INBOX")])
                    # It is the only one that is still there, where nothing is to stay.
                    there = 5 if kept == "always" else 1
                    self.assertEqual(len(server.messages), there)
                    self.assertIn(messages[place], server.messages.values())
                    account("largest", 1000000000)
                    account("sync")
                    self.assertEqual(len(account.messages("INBOX")), 5)
                    self.assertEqual(account.problems(), [])

    def test_a_message_that_breaks_the_connection_is_set_aside_though_the_program_is_killed_each_time(self):
        messages = mails(6)
        server = self.maildrop(messages)
        server.answers["RETR 2"] = DROP
        account = SyncAccount(server.port, scheme="pop3")
        self.addCleanup(account.close)
        account("create", "INBOX")
        for _ in range(2):
            with contextlib.suppress(SyncError):
                account("sync")
            account.kill()
            account.restart()
        with contextlib.suppress(SyncError):
            account("sync")
        self.assertEqual(len(account.messages("INBOX")), 5)
        self.assertEqual([problem[:2] for problem in account.problems()], [("read", "INBOX")])
        server.answers = {}
        account("sync")
        self.assertEqual((len(account.messages("INBOX")), account.problems()), (6, []))

    def test_half_a_message_is_none(self):
        message = mail("whole")
        server = self.maildrop([message])
        server.answers["RETR"] = b"+OK\r\n" + message[:40]
        postern = self.postern(accounts={"work": server.account(leave_on_server="never")}, synced=False)
        postern.wait(lambda: len(server.sessions) >= 1 and server.said("RETR", 0), "the question")
        server.close()
        self.assertEqual((self.inbox(postern), server.deleted), ([], []))

    def test_servers_that_end_lines_with_lf_and_know_no_capa(self):
        messages = [body("dots", ".\r\n..\r\n.x"), mail("plain")]
        server = self.maildrop(messages)
        server.capa, server.end = None, b"\n"
        self.assertEqual(sorted(self.inbox(self.run_with(server))), sorted(messages))

    def test_a_token_takes_two_lines_and_its_refusal_is_explained(self):
        server = self.maildrop(mails(1))
        server.capa = ["SASL XOAUTH2", "UIDL", "TOP"]
        settings = server.account(auth="oauth2")
        settings["token-command"] = settings.pop("password-command")
        postern = self.postern(accounts={"work": settings})
        self.assertEqual(len(self.inbox(postern)), 1)
        self.assertIn("AUTH XOAUTH2", server.sessions[-1])
        server.password = "another"
        with self.assertRaises(ControlError):
            postern.sync()
        postern.wait_state("auth-required")

    def test_a_session_is_ended_with_quit_also_where_nothing_is_new(self):
        server = self.maildrop(mails(1))
        postern = self.run_with(server)
        postern.sync()
        self.assertTrue(all(session[-1] == "QUIT" for session in server.sessions))
        self.assertEqual(server.said("RETR"), [])
        self.assertEqual(len(server.said("TOP")), 1)


class Killed(MaildropCase):
    def test_at_each_step_nothing_is_lost_doubled_or_deleted_before_it_is_here(self):
        steps = ["CAPA", "AUTH", "STAT", "LIST", "UIDL", "RETR 1", "RETR 3", "DELE 1", "DELE 3", "QUIT"]
        messages = mails(4)
        for stable in (True, False):
            server = self.maildrop(messages)
            if not stable:
                server.uidl = lambda key, number, session: f"{session}.{number}"
            postern = self.postern(accounts={"work": server.account(leave_on_server="never")},
                                   synced=False, start=False)
            for step in steps:
                self.kill_at(step, server, postern)
                here = self.read_offline(postern, server)
                for key in server.deleted:
                    self.assertIn(messages[key - 1], here, step)
                self.assertEqual(len(here), len(set(here)), step)
            server.answers = {}
            postern.start()
            postern.sync()
            self.assertEqual(sorted(self.inbox(postern)), sorted(messages))
            self.assertEqual(server.messages, {})

    @staticmethod
    def kill_at(step, server, postern):
        reached = threading.Event()

        def kill(_):
            os.kill(postern.pid, signal.SIGKILL)
            reached.set()
            return DROP

        server.answers = {step: kill}
        with contextlib.suppress(RuntimeError):  # it may be killed before it was seen to have started
            postern.start()
        if not reached.wait(60 * PATIENCE):
            raise AssertionError(f"{step} wasn't reached: {server.sessions[-1]}")
        postern.kill()

    def read_offline(self, postern, server):
        server.answers = {"GREETING": "-ERR not now"}
        postern.start()
        here = self.inbox(postern)
        postern.stop()
        return here


class AnyMaildrop(MaildropCase):
    """leave-on-server in all its forms × names of every kind × where the daemon is killed, drawn at random."""

    NAMES = {"stable": lambda key, number, session: f"uid-{key}",
             "unstable": lambda key, number, session: f"s{session}-{key}",
             "numbers": lambda key, number, session: str(number),
             "reused": lambda key, number, session: f"r{key % 3}-{number}",
             "doubled": lambda key, number, session: f"d{key // 2}",
             "missing": None}
    STEPS = ("CAPA", "STAT", "LIST", "UIDL", "TOP", "RETR", "DELE", "QUIT")

    def play(self, seed):
        draw = random.Random(seed)
        form, kind = draw.choice(["always", "never", "30d", "1d"]), draw.choice(sorted(self.NAMES))
        server = self.maildrop()
        server.uidl, server.top = self.NAMES[kind], draw.random() < 0.7
        server.capa = [line for line in server.capa if (line != "UIDL" or server.uidl) and (line != "TOP" or server.top)]
        if draw.random() < 0.3:
            part = draw.randint(2, 5)
            server.shown = lambda keys: keys[:part]
        ever = []
        postern = self.postern(accounts={"work": server.account(leave_on_server=form)}, synced=False, start=False)
        note = f"seed {seed}: {form}, {kind} names, top {server.top}"
        for number in range(draw.randint(2, 4)):
            for i in range(draw.randint(0, 4)):
                ever.append(body(f"m{number}.{i}", "text " * draw.randint(1, 3)))
                server.add(ever[-1])
            if kind != "reused" and server.messages and form == "always" and draw.random() < 0.3:
                del server.messages[draw.choice(sorted(server.messages))]
            step = draw.choice(self.STEPS)
            if draw.random() < 0.5:
                step += f" {draw.randint(1, 4)}"
            self.killed(server, postern, step)
            here = set(self.read_offline(postern, server))
            for key in server.deleted:
                self.assertIn(self.by_key[key], here, (note, step))
        server.shown, server.answers = list, {}
        postern.start()
        for _ in range(2):
            postern.sync()
        here = self.inbox(postern)
        self.assertEqual(len(here), len(set(here)), (note, "doubled"))
        self.assertLessEqual(set(server.messages.values()), set(here), (note, "lost"))
        if form != "never":
            self.assertEqual(server.deleted, [], note)
        elif server.uidl is None or kind in ("stable", "unstable"):
            self.assertEqual(server.messages, {}, note)
        postern.close()

    def maildrop(self, messages=(), **options):
        server = super().maildrop(messages, **options)
        self.by_key, add = {}, server.add

        def remember(message):
            key = add(message)
            self.by_key[key] = message
            return key

        server.add = remember
        return server

    def killed(self, server, postern, step):
        """Killed at that command, if it comes, else when the round is over."""
        reached = threading.Event()

        def kill(_):
            reached.set()
            with contextlib.suppress(ProcessLookupError):
                os.kill(postern.pid, signal.SIGKILL)
            return DROP

        server.answers = {step: kill}
        with contextlib.suppress(RuntimeError):
            postern.start()
            with contextlib.suppress(ControlError):
                postern.sync()
        postern.kill()
        server.answers = {}

    read_offline = Killed.read_offline

    def test_nothing_is_lost_doubled_or_deleted_before_it_is_here(self):
        seed = int(os.environ.get("POSTERN_SEED", 0)) or random.randrange(10**9)
        for number in range(100 if LONG else 5):
            with self.subTest(seed=seed + number):
                self.play(seed + number)


class Damaged(MaildropCase):
    def test_a_cache_made_anew_keeps_what_came_and_fetches_none_of_it_again(self):
        messages = mails(10)
        server = self.maildrop(messages)
        postern = self.run_with(server)
        with postern.imap("work") as imap:
            imap.select()
            imap.ok("UID MOVE 1 Archive")
            imap.ok("UID STORE 2 +FLAGS (\\Deleted)")
            imap.ok("EXPUNGE")
        before = self.inbox(postern)
        postern.stop()
        database = postern.data / "accounts" / "work" / "mail.db"
        connection = sqlite3.connect(database)
        root, = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?",
                                   ("placement_message",)).fetchone()
        size, = connection.execute("PRAGMA page_size").fetchone()
        connection.close()
        with open(database, "r+b") as file:
            file.seek((root - 1) * size)
            file.write(b"\xa5" * size)
        (database.parent / "damaged").touch()
        postern.start()
        postern.sync()
        self.assertEqual(len(list(database.parent.glob("mail.db.damaged-*[0-9]"))), 1)
        self.assertEqual((self.inbox(postern), len(self.inbox(postern, "Archive"))), (before, 1))
        self.assertEqual(server.said("RETR"), [])
        self.assertEqual(postern.pending(), 0)


class Letter:
    """A message of about two kilobytes that is made when it is asked for: 100,000 weigh little."""

    def __init__(self, number):
        self.number = number

    def made(self):
        return mail(f"number {self.number:06}", text="".join(f"line {i} of {self.number:06}\r\n" for i in range(100)))

    def __len__(self):
        return LENGTH

    def split(self, *arguments):
        return self.made().split(*arguments)

    def partition(self, *arguments):
        return self.made().partition(*arguments)


LENGTH = len(Letter(0).made())


class Large(MaildropCase):
    """--long: 100,000 messages. A build without sanitizers (build-plain) is held to its memory."""

    COUNT = 100_000 if LONG else 5_000
    MOST = 120  # MiB

    def make(self):
        return self.maildrop(map(Letter, range(self.COUNT)))

    def memory(self, postern):
        """MiB, at most so far."""
        with open(f"/proc/{postern.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024

    def is_plain(self, postern):
        with open(f"/proc/{postern.pid}/maps") as maps:
            return "libasan" not in maps.read()

    def timed(self, what):
        began = time.monotonic()
        what()
        return time.monotonic() - began

    def test_a_first_round_that_is_killed_goes_on_and_the_next_cost_little(self):
        server = self.make()
        postern = self.postern(accounts={"work": server.account()}, synced=False)
        postern.wait(lambda: server.sessions and len(server.said("RETR")) > self.COUNT // 2, "half of it", timeout=3600)
        postern.kill()
        first = len(server.said("RETR"))
        postern.start()
        rest = self.timed(lambda: postern.sync(timeout=3600))
        asked = sum(len(server.said("RETR", session)) for session in range(len(server.sessions)))
        self.assertEqual(postern.state()["Messages"], self.COUNT)
        # What was on its way and not written yet comes again: some batches, not half of it.
        self.assertLess(asked - self.COUNT, 500)
        before = len(server.sessions)
        nothing = self.timed(postern.sync)
        said = [line.split()[0] for session in server.sessions[before:] for line in session]
        self.assertNotIn("RETR", said)
        self.assertLessEqual(said.count("TOP"), len(server.sessions) - before)  # that names are what they were
        most = self.memory(postern)
        print(f"{self.COUNT} messages: {first} before the kill, the others in {rest:.1f} s, asked for {asked - self.COUNT} "
              f"twice; nothing new: {nothing:.2f} s; {most:.0f} MiB at most")
        if self.is_plain(postern):
            self.assertLess(most, self.MOST)
        for form in ("30d", "never"):
            postern.control("account", "set", "work", f"leave-on-server={form}")
            spent = self.timed(lambda: postern.sync(timeout=3600))
            print(f"leave-on-server={form}: {spent:.1f} s, {len(server.deleted)} deleted, {self.memory(postern):.0f} MiB")
            self.assertEqual(len(server.deleted), 0 if form == "30d" else self.COUNT, form)
        postern.sync()
        self.assertEqual(postern.state()["Messages"], self.COUNT)
        if self.is_plain(postern):
            self.assertLess(self.memory(postern), self.MOST)


FILE = """<clientConfig version="1.1"><emailProvider id="example.org"><domain>example.org</domain>
<incomingServer type="pop3"><hostname>localhost</hostname><port>{port}</port>
<socketType>SSL</socketType><authentication>password-cleartext</authentication>
<username>%EMAILADDRESS%</username></incomingServer></emailProvider></clientConfig>"""


class Adding(MaildropCase):
    def test_an_address_is_enough_where_the_provider_has_pop3_alone(self):
        provider = self.provider()
        fill(provider, mails(3))
        web = Web({"http://autoconfig.example.org/mail/config-v1.1.xml": FILE.format(
            port=provider.pop3s)})
        self.addCleanup(web.close)
        postern = self.postern(accounts={}, environment={
            "SSL_CERT_FILE": str(provider.ca_file), "http_proxy": web.url, "https_proxy": web.url,
            "no_proxy": "localhost,127.0.0.1"})
        postern.control("account", "add", "ada@example.org", "--yes", "--id", "work",
                        "--password-command", "echo lovelace")
        postern.sync()
        self.assertEqual(len(self.inbox(postern)), 3)
        self.assertTrue(postern.state()["Settings"]["incoming"].startswith("pop3s://localhost"))

    def test_an_account_is_tried_before_it_is_added(self):
        server = self.maildrop(mails(1))
        postern = self.postern(accounts={}, synced=False)
        url = f"pop3+insecure://127.0.0.1:{server.port}"
        with self.assertRaises(ControlError) as caught:
            postern.control("account", "add", "ada@example.org", "--incoming", url,
                            "--password-command", "echo wrong")
        self.assertIn("refuses the user name or password", str(caught.exception))
        postern.control("account", "add", "ada@example.org", "--id", "work", "--incoming", url,
                        "--password-command", "echo lovelace")
        postern.sync()
        self.assertEqual(len(self.inbox(postern)), 1)

    def test_it_isnt_removed_while_mail_is_here_only_nor_made_local(self):
        server = self.maildrop(mails(2))
        postern = self.run_with(server, leave_on_server="never")
        with self.assertRaises(ControlError) as caught:
            postern.control("account", "remove", "work")
        self.assertIn("2 messages", str(caught.exception))
        postern.control("account", "set", "work", "incoming=local:")
        self.assertIn("of the kind pop3", postern.wait_state("error")["LastError"])


if __name__ == "__main__":
    unittest.main()
