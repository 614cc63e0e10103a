# SPDX-License-Identifier: GPL-3.0-or-later
"""Maildrops of Cyrus' and Courier's POP3 servers: as test_pop3_provider.py has it, with what is theirs."""

import collections
import unittest

from harness import account
from harness.courier import Courier, find_courier
from harness.pop3d import CourierPop3, CyrusPop3
from test_pop3_provider import MaildropCase
from test_switch import SwitchCase
from test_sync import mail, mails


class Rules:
    """What holds with any server; `server_class` and `schemes` are the classes' below."""

    def setUp(self):
        if not self.server_class.is_there():
            self.skipTest("this server can't be had from Debian's packages now")
        self.server = self.server_class()
        self.addCleanup(self.server.close)

    def fill(self, messages):
        for message in messages:
            self.server.deliver(message)

    def daemon(self, scheme=None, **settings):
        return self.postern(accounts={"work": account(
            self.server, incoming=scheme or self.schemes[0], outgoing=None, address="ada@example.org",
            tls_ca_file=self.server.ca_file, **settings)})

    def check(self, postern, expected):
        self.assertEqual(collections.Counter(self.inbox(postern)), collections.Counter(expected))

    def test_mail_comes_once_with_each_kind_of_login(self):
        dotted = mail("dots").replace(b"hello", b".\r\n..\r\n.hello")
        self.fill(mails(12) + [dotted, mail("0"), mail("0")])
        for scheme in self.schemes:
            with self.subTest(scheme):
                postern = self.daemon(scheme)
                expected = self.server.there()
                self.check(postern, expected)
                self.assertTrue(any(b"\r\n.\r\n..\r\n.hello" in octets for octets in expected))
                postern.sync()
                postern.restart()
                postern.sync()
                self.check(postern, expected)

    def test_what_never_stays_goes_and_what_comes_later_comes(self):
        self.fill(mails(70))
        expected = self.server.there()
        postern = self.daemon(leave_on_server="never")
        self.assertEqual(self.server.there(), [])
        self.fill([mail("later")])
        expected += self.server.there()
        postern.sync()
        self.check(postern, expected)
        self.assertEqual(self.server.there(), [])

    def test_what_is_left_is_looked_at_by_top_before_it_goes(self):
        self.fill(mails(9))
        postern = self.daemon(leave_on_server="always")
        expected = self.server.there()
        self.check(postern, expected)
        for forms, left in (("30d", 9), ("never", 0)):
            postern.control("account", "set", "work", f"leave-on-server={forms}")
            postern.wait(lambda forms=forms: postern.state()["Settings"]["leave-on-server"] == forms, "the setting")
            postern.sync()
            self.assertEqual(len(self.server.there()), left, forms)
            self.check(postern, expected)

    def test_what_others_delete_there_stays_here_and_numbers_that_move_confuse_nothing(self):
        self.fill(mails(8))
        postern = self.daemon()
        expected = self.server.there()
        self.server.delete(1, 3, 8)
        self.fill([mail("new")])
        self.assertEqual(len(self.server.there()), 6)
        expected.append(next(octets for octets in self.server.there() if octets not in expected))
        postern.sync()
        postern.restart()
        postern.sync()
        self.check(postern, expected)

    def test_a_wrong_password_is_said(self):
        postern = self.postern(accounts={"work": account(
            self.server, incoming=self.schemes[0], outgoing=None, address="ada@example.org", password="wrong",
            tls_ca_file=self.server.ca_file)}, synced=False)
        self.assertIn("refuses", postern.wait_state("auth-required")["LastError"])


class Cyrus(Rules, MaildropCase):
    server_class = CyrusPop3
    schemes = ("pop3s", "pop3", "pop3+insecure")

    def test_another_session_at_the_same_time_confuses_nothing(self):
        self.fill(mails(3))
        expected = self.server.there()
        session = self.server.session()
        postern = self.daemon(leave_on_server="never")
        self.check(postern, expected)
        session.quit()
        self.fill([mail("later")])
        expected += self.server.there()
        postern.sync()
        self.check(postern, expected)
        self.assertEqual(self.server.there(), [])


class CourierMaildrop(Rules, MaildropCase):
    server_class = CourierPop3
    schemes = ("pop3+insecure",)

    def test_the_same_maildir_by_imap_keeps_what_is_here(self):
        if not find_courier():
            self.skipTest("Courier can't be had from Debian's packages now")
        imap = Courier(self.server.home)
        self.addCleanup(imap.close)
        self.fill(mails(6))
        postern = self.daemon(leave_on_server="always")
        with postern.imap("work") as local:
            local.select()
            local.ok("UID STORE 2 +FLAGS (\\Flagged)")
            local.ok("UID MOVE 3 Archive")
            local.append("Sent", mail("sent"))
        before = self.inbox(postern)
        SwitchCase.switch(self, postern, f"imap+insecure://127.0.0.1:{imap.imap}")
        self.assertEqual(self.inbox(postern), before)
        self.assertEqual(self.inbox(postern, "INBOX.Sent"), [mail("sent")])
        self.assertEqual(len(self.inbox(postern, "INBOX.Archive")), 1)
        with postern.imap("work") as local:
            local.select()
            self.assertEqual(list(local.flags().values()), [set(), {"\\flagged"}, set(), set(), set()])
        self.assertEqual(postern.pending(), 0)
        self.assertEqual(len(self.server.there()), 5)


if __name__ == "__main__":
    unittest.main()
