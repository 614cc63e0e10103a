# SPDX-License-Identifier: GPL-3.0-or-later
"""POP3: the account's INBOX for clients that know nothing else."""

import poplib
import socket
import unittest

from harness import Postern, Provider, RawImap, SharedCase, account, fill_real, trusting

poplib._MAXLINE = 10_000_000  # there are longer lines in mail than the 2,048 it takes


class Pop3(SharedCase):
    @classmethod
    def prepare(cls):
        cls.shared_provider = provider = Provider()
        fill_real(provider, limit=150)
        cls.shared_postern = Postern({"work": account(provider)})
        cls.shared_postern.sync()
        there = RawImap(provider.imap).login("ada@example.org", "lovelace")
        there.select()
        cls.bodies = list(there.bodies().values())

    def client(self, login=True):
        session = poplib.POP3("127.0.0.1", self.shared_postern.ports["pop3"], 60)
        self.addCleanup(session.close)
        if login:
            user, password = self.shared_postern.login()
            session.user(user)
            session.pass_(password)
        return session

    @staticmethod
    def joined(lines):
        return b"\r\n".join(lines) + b"\r\n"

    def test_every_mail_is_byte_for_byte(self):
        session = self.client()
        count, size = session.stat()
        self.assertEqual((count, size), (len(self.bodies), sum(map(len, self.bodies))))
        for number, expected in enumerate(self.bodies, 1):
            # POP3 ends every message with a line end.
            expected = expected if expected.endswith(b"\r\n") else expected + b"\r\n"
            self.assertEqual(self.joined(session.retr(number)[1]), expected)
        session.quit()

    def test_sizes_are_exact(self):
        sizes = [int(line.split()[1]) for line in self.client().list()[1]]
        self.assertEqual(sizes, [len(data) for data in self.bodies])

    def test_unique_ids_stay_over_sessions_and_restarts(self):
        ids = self.client().uidl()[1]
        self.assertEqual(len(set(line.split()[1] for line in ids)), len(self.bodies))
        self.shared_postern.restart()
        self.assertEqual(self.client().uidl()[1], ids)

    def test_top_gives_the_header_and_some_lines(self):
        session = self.client()
        for number in (1, 2, 50):
            header, _, body = self.bodies[number - 1].partition(b"\r\n\r\n")
            for lines in (0, 3):
                text = b"".join(line + b"\r\n" for line in body.split(b"\r\n")[:lines])
                self.assertEqual(self.joined(session.top(number, lines)[1]),
                                 header + b"\r\n\r\n" + text)

    def test_tls_from_the_first_byte_and_stls(self):
        trust = trusting(self.shared_postern.local_ca())
        session = poplib.POP3_SSL("localhost", self.shared_postern.ports["pop3s"], context=trust)
        session.user("work")
        session.pass_(self.shared_postern.login()[1])
        self.assertEqual(session.stat()[0], len(self.bodies))
        session.quit()
        session = poplib.POP3("localhost", self.shared_postern.ports["pop3"])
        session.stls(trust)
        session.user("ada@example.org")
        session.pass_(self.shared_postern.login()[1])
        session.quit()

    def test_capa_names_what_there_is(self):
        offered = self.client(login=False).capa()
        for word in ("UIDL", "TOP", "STLS", "USER", "SASL", "PIPELINING", "RESP-CODES"):
            self.assertIn(word, offered)

    def test_wrong_passwords_and_wrong_orders_are_refused(self):
        session = self.client(login=False)
        for command in ("STAT", "RETR 1", "XYZZY"):
            with self.assertRaises(poplib.error_proto):
                session._shortcmd(command)
        session.user("work")
        with self.assertRaises(poplib.error_proto):
            session.pass_("wrong")
        session.user("work")
        session.pass_(self.shared_postern.login()[1])
        for command in ("RETR 0", "RETR 9999", "RETR x", "LIST 9999", "TOP 1"):
            with self.assertRaises(poplib.error_proto):
                session._shortcmd(command)
        self.assertEqual(session.noop()[:3], b"+OK")

    def test_deleting_can_be_reset(self):
        session = self.client()
        try:
            session.dele(1)
        except poplib.error_proto:
            return
        with self.assertRaises(poplib.error_proto):
            session.retr(1)
        session.rset()
        session.retr(1)
        session.quit()
        self.assertEqual(self.client().stat()[0], len(self.bodies))

    def test_the_unix_socket_needs_no_password(self):

        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(20)
        sock.connect(str(self.shared_postern.socket_path("pop3")))
        with sock.makefile("rwb") as stream:
            self.assertTrue(stream.readline().startswith(b"+OK"))
            stream.write(b"STAT\r\n")
            stream.flush()
            self.assertEqual(stream.readline().split()[1], b"%d" % len(self.bodies))
        sock.close()


if __name__ == "__main__":
    unittest.main()
