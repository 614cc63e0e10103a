# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools of the other tests do what they say."""

import smtplib
import socket
import ssl
import unittest

from harness import (DROP, TAKE_AND_DROP, Case, FakeImap, FakeSmtp, ImapFilter, Link, RawImap, corpus,
                     faults, fill, parse, trusting, write_maildir)

MAIL = b"From: a@example.org\r\nSubject: x\r\n\r\n.dot\r\n\r\n.\r\nend\r\n"


class Tools(Case):
    def test_every_service_of_the_provider_answers_with_a_good_certificate(self):
        server = self.provider()
        trust = trusting(server.ca_file)
        for port in (server.imaps, server.pop3s, server.submissions):
            with socket.create_connection(("127.0.0.1", port)) as sock:
                trust.wrap_socket(sock, server_hostname="localhost").close()

    def test_bad_certificates_are_bad_in_their_own_way(self):
        for variant, words in (("expired", "expired"), ("wrong-host", "localhost"),
                               ("self-signed", "self-signed"), ("future", "not yet valid")):
            server = self.provider(certificate=variant)
            with socket.create_connection(("127.0.0.1", server.imaps)) as sock, \
                    self.assertRaises(ssl.SSLCertVerificationError) as caught:
                trusting(server.ca_file).wrap_socket(sock, server_hostname="localhost")
            self.assertIn(words, str(caught.exception))

    def test_a_link_cuts_after_exactly_k_bytes(self):
        server = self.provider()
        link = Link(server.imap)
        self.addCleanup(link.close)
        link.cut_after("down", 20)
        with socket.create_connection(("127.0.0.1", link.port)) as sock:
            got = b""
            with self.assertRaises(ConnectionResetError):
                while data := sock.recv(100):
                    got += data
                raise ConnectionResetError
        self.assertLessEqual(len(got), 20)
        self.assertEqual(link.bytes["down"], 20)
        RawImap(link.port).close()
        link.cut()
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.1", link.port))
        link.mend()
        RawImap(link.port).close()

    def test_a_filter_takes_abilities_away(self):
        server = self.provider()
        barrier = ImapFilter(server.imap, {"UIDPLUS", "MOVE", "CONDSTORE"})
        self.addCleanup(barrier.close)
        imap = RawImap(barrier.port).login("ada@example.org", "lovelace")
        self.addCleanup(imap.close)
        words = imap.ok("CAPABILITY").lines("CAPABILITY")[0].split()
        for word in (b"UIDPLUS", b"MOVE", b"CONDSTORE", b"QRESYNC"):
            self.assertNotIn(word, words)
        result = imap.append("INBOX", MAIL)
        self.assertIsNone(result.code("APPENDUID"))
        self.assertIsNone(imap.select().code("HIGHESTMODSEQ"))
        self.assertEqual(imap.command("MOVE 1 Trash").status, "BAD")
        self.assertEqual(imap.command("UID EXPUNGE 1").status, "BAD")
        self.assertEqual(imap.bodies(), {1: MAIL})

    def test_the_scripted_smtp_server_keeps_exact_bytes_and_follows_its_script(self):
        server = FakeSmtp(users={"ada": "pw"})
        self.addCleanup(server.close)
        session = smtplib.SMTP("127.0.0.1", server.port)
        with self.assertRaises(smtplib.SMTPAuthenticationError):
            session.login("ada", "no")
        session.login("ada", "pw")
        session.sendmail("a@example.org", ["b@example.org"], MAIL)
        self.assertEqual(server.deliveries[0].data, MAIL)
        server.answers["RCPT"] = "550 no"
        with self.assertRaises(smtplib.SMTPRecipientsRefused):
            session.sendmail("a@example.org", ["b@example.org"], MAIL)
        del server.answers["RCPT"]
        for answer, taken in ((TAKE_AND_DROP, 2), (DROP, 2)):
            server.answers["DOT"] = lambda _, answer=answer: answer
            session = smtplib.SMTP("127.0.0.1", server.port)
            session.login("ada", "pw")
            with self.assertRaises((smtplib.SMTPServerDisconnected, OSError)):
                session.sendmail("a@example.org", ["b@example.org"], MAIL)
            self.assertEqual(len(server.deliveries), taken)

    def test_filled_mail_is_what_was_given(self):
        server = self.provider(storage="maildir")
        fill(server, [MAIL, b"Subject: bare\n\nlf\n"])
        write_maildir(server, [b"", MAIL], "Raw")
        imap = self.upstream(server)
        imap.select()
        self.assertEqual(list(imap.bodies().values()), [MAIL, b"Subject: bare\r\n\r\nlf\r\n"])
        imap.select("Raw")
        self.assertEqual(list(imap.bodies().values()), [b"", MAIL])

    def test_the_corpora_are_complete(self):
        self.assertEqual(len(corpus.real()), 6046)
        self.assertGreater(len(corpus.tricky()), 60)
        self.assertGreater(len(corpus.monsters()["1000-levels"]), 50000)

    def test_values_are_parsed(self):
        value, _ = parse(b'(a "b\\"c" NIL (1 ({3}\r\nx"y)) BODY[HEADER.FIELDS (A B)] ())')
        self.assertEqual(value, [b"a", b'b"c', None, [b"1", [b'x"y']],
                                 b"BODY[HEADER.FIELDS (A B)]", []])



class FakeProvider(Case):
    """FakeImap keeps to IMAP as long as no fault is turned on; and faults do what they say."""

    def setUp(self):
        self.server = FakeImap(strict=False)
        self.addCleanup(self.server.close)
        self.addCleanup(lambda: self.assertEqual(self.server.problems, []))

    def connect(self):
        imap = RawImap(self.server.imap).login("ada@example.org", "lovelace")
        self.addCleanup(imap.close)
        return imap

    @staticmethod
    def mail(name):
        return f"Subject: {name}\r\nMessage-ID: <{name}@fake.test>\r\n\r\n{name}\r\n".encode()

    def test_what_one_client_does_another_sees(self):
        one, other = self.connect(), self.connect()
        other.ok("ENABLE QRESYNC")
        for imap in (one, other):
            imap.select("INBOX")
        answer = one.append("INBOX", self.mail("a"), "\\Seen Work")
        self.assertEqual(answer.code("APPENDUID").split()[1], "1")
        one.append("INBOX", self.mail("b"))
        self.assertEqual(other.ok("NOOP").untagged, [b"2 EXISTS"])
        self.assertEqual(other.bodies(), {1: self.mail("a"), 2: self.mail("b")})
        one.ok("UID STORE 2 +FLAGS (\\Flagged)")
        self.assertRegex(other.ok("NOOP").untagged[0], rb"2 FETCH \(UID 2 FLAGS \(.Flagged\) MODSEQ \(\d+\)\)")
        self.assertEqual(one.ok("UID MOVE 1 Trash").lines("EXPUNGE"), [b"1 EXPUNGE"])
        self.assertEqual(other.ok("NOOP").untagged, [b"VANISHED 1"])
        one.ok('CREATE "Entw&APw-rfe"')
        self.assertEqual(set(self.server.folders), {"INBOX", "Drafts", "Sent", "Trash", "Entwürfe"})
        self.assertEqual(self.server.state()["Trash"], [("a", ("Work", "\\Seen"), self.mail("a"))])

    def test_qresync_tells_what_came_between(self):
        for name in "abc":
            self.server.put("INBOX", self.mail(name))
        imap = self.connect()
        imap.ok("ENABLE QRESYNC")
        found = imap.select("INBOX")
        known = f'{found.code("UIDVALIDITY")} {found.code("HIGHESTMODSEQ")}'
        imap.ok("UNSELECT")
        self.server.remove("INBOX", 2)
        self.server.set_flags("INBOX", 3, {"\\Seen"})
        again = imap.ok(f"SELECT INBOX (QRESYNC ({known}))")
        self.assertEqual(again.lines("VANISHED"), [b"VANISHED (EARLIER) 2"])
        self.assertEqual([line[:15] for line in again.lines("FETCH")], [b"2 FETCH (UID 3 "])

    def test_faults_come_when_and_as_often_as_they_are_meant_to(self):
        self.server.put("INBOX", self.mail("a"))
        self.server.put("INBOX", self.mail("b"))
        imap = self.connect()
        imap.select("INBOX")
        self.server.faults = [faults.Item("RFC822.SIZE", b"NIL", uid=2, skip=1, times=1),
                              faults.Refuse("STATUS", "NO [SERVERBUG] not today", folder="Trash", seconds=3600)]
        sizes = [[line.rpartition(b" ")[2] for line in imap.ok("UID FETCH 1:* (RFC822.SIZE)").lines("FETCH")]
                 for _ in range(3)]
        self.assertEqual([b"NIL)" in line for line in sizes], [False, True, False])
        self.assertEqual(imap.command("STATUS Trash (MESSAGES)").status, "NO")
        self.assertEqual(imap.command("STATUS Sent (MESSAGES)").status, "OK")
        self.server.clock.advance(3601)
        self.assertEqual(imap.command("STATUS Trash (MESSAGES)").status, "OK")

    def test_a_set_means_what_it_names_though_something_was_hidden(self):
        for name in "abcdef":
            self.server.put("INBOX", self.mail(name))
        imap = self.connect()
        self.server.faults = [faults.Lags(folder="INBOX", uid=3)]
        imap.select("INBOX")
        self.server.faults = []
        imap.ok("NOOP")
        imap.ok("UID STORE 5 +FLAGS (\\Flagged)")
        imap.ok("UID STORE 2:3 +FLAGS (\\Seen)")
        flags = {name: set(flags) for name, flags, _ in self.server.state()["INBOX"]}
        self.assertEqual(flags, {"a": set(), "b": {"\\Seen"}, "c": {"\\Seen"}, "d": set(), "e": {"\\Flagged"}, "f": set()})

    def test_a_backup_takes_everything_back(self):
        self.server.put("INBOX", self.mail("a"))
        kept, before = self.server.backup(), self.server.state()
        self.server.put("INBOX", self.mail("b"))
        self.server.set_flags("INBOX", 1, {"\\Seen"})
        self.server.restore(kept)
        self.assertEqual(self.server.state(), before)
        self.assertEqual(self.server.folders["INBOX"].uidnext, 2)


if __name__ == "__main__":
    unittest.main()
