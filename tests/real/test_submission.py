# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending: what was answered 250 is never lost, goes out once, unchanged, and what the provider refuses
stays visible with its words."""

import base64
import concurrent.futures
import random
import smtplib
import socket
import threading
import time
import unittest

from harness import (DROP, LONG, PATIENCE, TAKE_AND_DROP, Case, FakeSmtp, Link, corpus,
                     postfix, trusting)

KILLS = 500 if LONG else 50
SENDER = "ada@example.org"


def mail(number, text=b"hello\r\n", to="bob@example.net"):
    return (f"From: Ada <{SENDER}>\r\nTo: {to}\r\nSubject: Number {number}\r\n"
            f"Message-ID: <{number}@submission.test>\r\n"
            f"Date: Tue, 24 Nov 2026 10:00:00 +0000\r\n\r\n").encode() + text


def unsent(daemon):
    return daemon.queue("waiting", "sending", "held", "failed")


def drained(daemon):
    """Whether all is sent. A long queue is listed only once its counts, which may be a moment old
    and are missing until it was first counted, say so."""
    counts = daemon.control("status")["QueueCounts"]
    return counts and counts["sent"] == sum(counts.values()) and not unsent(daemon)


class Submitting(Case):
    """One daemon before a scripted provider."""

    def setUp(self):
        self.provider_smtp = FakeSmtp(users={SENDER: "lovelace"})
        self.addCleanup(self.provider_smtp.close)
        self.link = Link(self.provider_smtp.port)
        self.addCleanup(self.link.close)
        self.dovecot = self.provider()
        self.daemon = self.postern(
            self.dovecot, synced=False, outgoing=None, aliases="lady@example.org",
            **{"save-sent": "never"})
        self.daemon.stop()
        self.daemon.accounts["work"]["outgoing"] = \
            f"submission+insecure://127.0.0.1:{self.link.port}"
        self.daemon.write_config()
        self.daemon.start()
        self.user, self.password = self.daemon.login()

    def client(self, login=True):
        session = smtplib.SMTP("127.0.0.1", self.daemon.ports["submission"], "test.local",
                               timeout=60 * PATIENCE)
        self.addCleanup(session.close)
        session.ehlo()
        if login:
            session.login(self.user, self.password)
        return session

    def send(self, number, recipients=("bob@example.net",), text=b"hello\r\n", options=()):
        data = mail(number, text)
        session = self.client()
        session.sendmail(SENDER, list(recipients), data, options)
        session.quit()
        return data

    def go_offline(self):
        self.link.cut()

    def go_online(self):
        self.link.mend()
        self.daemon.control("online")

    def raw(self):
        """A connection past AUTH, and its reader."""
        sock = socket.create_connection(("127.0.0.1", self.daemon.ports["submission"]), 30)
        self.addCleanup(sock.close)
        reader = sock.makefile("rb")
        self.addCleanup(reader.close)
        self.reply(reader)
        self.say(sock, reader, "EHLO test.local")
        secret = base64.b64encode(f"\0{self.user}\0{self.password}".encode()).decode()
        self.assertEqual(self.say(sock, reader, f"AUTH PLAIN {secret}")[:3], "235")
        return sock, reader

    @staticmethod
    def reply(reader):
        while True:
            line = reader.readline().decode()
            if line[3:4] != "-":
                return line

    def say(self, sock, reader, line):
        sock.sendall(line.encode() + b"\r\n")
        return self.reply(reader)


class Accepting(Submitting):
    def test_ehlo_offers_what_is_promised(self):
        features = self.client(login=False).esmtp_features
        for word in ("auth", "starttls", "pipelining", "size", "8bitmime", "smtputf8",
                     "enhancedstatuscodes"):
            self.assertIn(word, features)

    def test_nothing_is_taken_without_a_login(self):
        code, _ = self.client(login=False).mail(SENDER)
        self.assertEqual(code, 530)

    def test_wrong_passwords_are_refused(self):
        session = self.client(login=False)
        with self.assertRaises(smtplib.SMTPAuthenticationError) as caught:
            session.login(self.user, "wrong")
        self.assertEqual(caught.exception.smtp_code, 535)
        session.login(self.user, self.password)

    def test_plain_and_login_log_in(self):
        for mechanism in ("auth_plain", "auth_login"):
            session = self.client(login=False)
            session.user, session.password = self.user, self.password
            code, _ = session.auth(mechanism.partition("_")[2].upper(),
                                   getattr(session, mechanism))
            self.assertEqual(code, 235)

    def test_senders_are_the_accounts_own_addresses(self):
        session = self.client()
        for sender, good in ((SENDER, True), ("ada+lists@example.org", True),
                             ("lady@example.org", True), ("mallory@example.org", False)):
            with self.subTest(sender):
                code, _ = session.mail(sender)
                self.assertEqual(code // 100, 2 if good else 5)
                session.rset()

    def test_a_message_over_the_size_limit_is_refused_at_mail(self):
        session = self.client()
        limit = int(session.esmtp_features["size"])
        code, _ = session.mail(SENDER, [f"SIZE={limit + 1}"])
        self.assertEqual(code, 552)

    def test_commands_out_of_order_are_refused_and_the_session_goes_on(self):
        session = self.client()
        self.assertEqual(session.docmd("DATA")[0] // 100, 5)
        self.assertEqual(session.rcpt("bob@example.net")[0], 503)
        self.assertEqual(session.docmd("XYZZY")[0] // 100, 5)
        self.assertEqual(session.docmd("MAIL FROM:nonsense here")[0] // 100, 5)
        self.assertEqual(session.docmd("VRFY", "bob")[0] // 100 in (2, 5), True)
        session.sendmail(SENDER, ["bob@example.net"], mail("after nonsense"))
        self.provider_smtp.wait_for(1)

    def test_pipelined_commands_are_answered_in_order(self):
        sock, reader = self.raw()
        sock.sendall(f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<bob@example.net>\r\n"
                     "RCPT TO:<eve@example.net>\r\nDATA\r\n".encode())
        self.assertEqual([self.reply(reader)[:3] for _ in range(4)], ["250", "250", "250", "354"])
        sock.sendall(mail("pipelined") + b".\r\nNOOP\r\nQUIT\r\n")
        self.assertEqual([self.reply(reader)[:3] for _ in range(3)], ["250", "250", "221"])
        self.provider_smtp.wait_for(1)
        self.assertEqual(self.provider_smtp.deliveries[0].recipients,
                         ["bob@example.net", "eve@example.net"])

    def test_a_bare_line_feed_dot_does_not_end_the_message(self):
        for trick in (b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r\n"):
            with self.subTest(trick):
                before = len(self.provider_smtp.deliveries)
                sock, reader = self.raw()
                self.say(sock, reader, f"MAIL FROM:<{SENDER}>")
                self.say(sock, reader, "RCPT TO:<bob@example.net>")
                self.say(sock, reader, "DATA")
                sock.sendall(mail("smuggler") + b"one" + trick +
                             f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<victim@example.net>\r\n"
                             "DATA\r\nsmuggled\r\n.\r\n".encode())
                answer = self.reply(reader)
                self.assertIn(answer[:1], ("2", "5"))
                if answer[0] == "2":
                    self.provider_smtp.wait_for(before + 1)
                time.sleep(0.2)
                taken = self.provider_smtp.deliveries[before:]
                self.assertLessEqual(len(taken), 1)
                for delivery in taken:
                    self.assertEqual(delivery.recipients, ["bob@example.net"])
                sock.close()

    def test_many_clients_at_once_are_served(self):
        def one(i):
            return self.send(f"crowd {i}")
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            list(pool.map(one, range(60)))
        self.provider_smtp.wait_for(60, 60 * PATIENCE)


class Delivering(Submitting):
    def test_bytes_arrive_as_they_were_submitted(self):
        texts = {"plain": b"hello\r\n", "dots": b".\r\n..\r\n.x\r\n...\r\n", "long": b"x" * 998 + b"\r\n",
                 "8bit": "žluťoučký\r\n".encode(), "empty": b"", "blank": b"\r\n\r\n\r\n"}
        for name, text in texts.items():
            with self.subTest(name):
                before = len(self.provider_smtp.deliveries)
                data = self.send(name, text=text, options=["BODY=8BITMIME"])
                self.provider_smtp.wait_for(before + 1)
                self.assertEqual(self.provider_smtp.deliveries[before].data[-len(data):], data)

    def test_real_mails_arrive_as_they_were_submitted(self):
        mails = [corpus.crlf(data) for data in corpus.real(150).values()]
        mails = [data if data.endswith(b"\r\n") else data + b"\r\n" for data in mails]
        session = self.client()
        for data in mails:
            session.sendmail(SENDER, ["bob@example.net"], data, ["BODY=8BITMIME"])
        self.provider_smtp.wait_for(len(mails), 60 * PATIENCE)
        missing = [data for data in mails
                   if not any(delivery.data.endswith(data)
                              for delivery in self.provider_smtp.deliveries)]
        self.assertEqual([], [data[:300] for data in missing])

    def test_envelopes_arrive_as_they_were_submitted(self):
        recipients = ["bob@example.net", "eve@example.net", "\"odd one\"@example.net"]
        self.send("envelope", recipients)
        self.provider_smtp.wait_for(1)
        delivery = self.provider_smtp.deliveries[0]
        self.assertEqual((delivery.sender, delivery.recipients), (SENDER, recipients))

    def test_garbage_in_the_place_of_the_queue_costs_no_mail(self):
        garbage = b"this is not a database" * 1000
        queue = self.daemon.data / "queue.db"
        self.daemon.stop()
        queue.write_bytes(garbage)
        self.daemon.start()
        aside, = queue.parent.glob("queue.db.damaged-*")
        self.assertEqual(aside.read_bytes(), garbage)
        self.assertIn(str(aside), " ".join(self.daemon.control("status")["Problems"]))
        self.send(1)
        self.provider_smtp.wait_for(1)
        aside.unlink()
        self.daemon.restart()
        self.assertEqual(self.daemon.control("status")["Problems"], [])

    def test_smtputf8_is_passed_on(self):
        session = self.client()
        session.sendmail(SENDER, ["žofie@example.net"], mail("utf8"), ["SMTPUTF8", "BODY=8BITMIME"])
        self.provider_smtp.wait_for(1)
        delivery = self.provider_smtp.deliveries[0]
        self.assertEqual(delivery.recipients, ["žofie@example.net"])
        self.assertIn("SMTPUTF8", delivery.mail_parameters.upper())

    def test_mail_sent_offline_leaves_when_the_provider_is_back_once(self):
        self.go_offline()
        for i in range(10):
            self.send(f"offline {i}")
        self.assertEqual(len(unsent(self.daemon)), 10)
        self.go_online()
        self.provider_smtp.wait_for(10, 30 * PATIENCE)
        self.daemon.wait(lambda: not unsent(self.daemon), "an empty queue")
        time.sleep(1)
        self.assertEqual(len(self.provider_smtp.deliveries), 10)

    def test_mail_sent_offline_survives_kill_9(self):
        self.go_offline()
        for i in range(5):
            self.send(f"offline {i}")
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(len(unsent(self.daemon)), 5)
        self.go_online()
        self.provider_smtp.wait_for(5, 30 * PATIENCE)

    def test_a_refused_recipient_is_kept_with_the_servers_words(self):
        words = "550 5.1.1 There is no Eve here"
        self.provider_smtp.answers["RCPT"] = lambda line: words if "eve" in line else None
        self.daemon.sync()  # there is an INBOX to tell it in
        self.send("partly", ["bob@example.net", "eve@example.net"])
        self.provider_smtp.wait_for(1)
        self.assertEqual(self.provider_smtp.deliveries[0].recipients, ["bob@example.net"])
        entry = self.daemon.wait(lambda: self.daemon.queue("failed"), "a failed entry")[0]
        shown = self.daemon.control("queue", "show", entry["Id"])
        self.assertIn("There is no Eve here", str(shown))
        there = self.upstream(self.dovecot)

        def told():
            there.select("INBOX")
            return there.uids('SUBJECT "Not sent: Number partly"')
        self.daemon.wait(told, "a notification in the provider's INBOX", 60)
        time.sleep(1)
        self.assertEqual(len(self.provider_smtp.deliveries), 1)

    def test_a_refused_message_fails_with_the_servers_words_and_is_not_sent_again(self):
        self.provider_smtp.answers["DOT"] = "554 5.7.1 We do not like it"
        self.send("refused")
        entry = self.daemon.wait(lambda: self.daemon.queue("failed"), "a failed entry")[0]
        self.assertIn("We do not like it",
                      str(self.daemon.control("queue", "show", entry["Id"])))
        attempts = len(self.provider_smtp.sessions)
        time.sleep(2)
        self.assertEqual(len(self.provider_smtp.sessions), attempts)
        del self.provider_smtp.answers["DOT"]
        self.daemon.control("queue", "retry", entry["Id"])
        self.provider_smtp.wait_for(1)

    def test_a_temporary_refusal_is_tried_again(self):
        for stage in ("MAIL", "RCPT", "DATA", "DOT"):
            with self.subTest(stage):
                before = len(self.provider_smtp.deliveries)
                self.provider_smtp.answers[stage] = "451 4.3.0 Later please"
                self.send(f"later {stage}")
                entry = self.daemon.wait(
                    lambda: [entry for entry in unsent(self.daemon)
                             if "Later please" in str(entry)],
                    "the first attempt")[0]
                self.assertEqual(entry["State"], "waiting")
                self.assertGreater(entry["NextAttempt"], time.time() - 5)
                del self.provider_smtp.answers[stage]
                self.daemon.control("queue", "retry", entry["Id"])
                self.provider_smtp.wait_for(before + 1)

    def test_connections_that_break_are_tried_again(self):
        for stage in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "DOT"):
            with self.subTest(stage):
                before = len(self.provider_smtp.deliveries)
                self.link.cut()  # a connection from before would be used again
                self.link.mend()
                self.provider_smtp.answers[stage] = lambda _: DROP
                self.send(f"broken {stage}")
                entry = self.daemon.wait(
                    lambda: [entry for entry in unsent(self.daemon) if entry["Attempts"] > 0],
                    "the first attempt")[0]
                del self.provider_smtp.answers[stage]
                self.daemon.control("queue", "retry", entry["Id"])
                self.provider_smtp.wait_for(before + 1)
                self.daemon.wait(lambda: not unsent(self.daemon), "an empty queue")

    def test_in_doubt_a_message_is_sent_again_rather_than_lost(self):
        self.provider_smtp.answers["DOT"] = lambda _: TAKE_AND_DROP
        self.send("doubt")
        self.provider_smtp.wait_for(1)
        entry = self.daemon.wait(
            lambda: [entry for entry in unsent(self.daemon) if entry["Attempts"] > 0],
            "the first attempt")[0]
        del self.provider_smtp.answers["DOT"]
        self.daemon.control("queue", "retry", entry["Id"])
        self.daemon.wait(lambda: not unsent(self.daemon), "an empty queue")

    def test_a_reload_in_the_middle_of_the_final_dot_sends_once(self):
        entered = threading.Event()

        def slow(data):
            entered.set()
            time.sleep(8)
        self.provider_smtp.answers["DOT"] = slow
        self.send("reloaded")
        self.assertTrue(entered.wait(20 * PATIENCE))
        self.daemon.accounts["work"]["name"] = "Countess Lovelace"
        self.daemon.write_config()
        self.daemon.reload()
        self.provider_smtp.wait_for(1, 20 * PATIENCE)
        self.daemon.wait(lambda: self.daemon.queue("sent"), "the entry as sent", 30)
        del self.provider_smtp.answers["DOT"]
        self.daemon.wait(lambda: self.daemon.state()["State"] == "idle", "the account to run", 30)
        self.send("afterwards")
        self.provider_smtp.wait_for(2, 30 * PATIENCE)
        time.sleep(1)
        self.assertEqual(len(self.provider_smtp.deliveries), 2)

    def test_a_wrong_provider_password_keeps_the_mail_and_says_so(self):
        self.provider_smtp.users[SENDER] = "changed"
        self.send("locked out")
        self.daemon.wait(lambda: "password" in str(unsent(self.daemon)).lower() or
                         self.daemon.state()["State"] == "auth-required", "a complaint")
        self.assertEqual(len(unsent(self.daemon)), 1)

    def test_held_mail_waits_for_its_release_and_cancelled_mail_goes_nowhere(self):
        self.go_offline()
        for i in range(3):
            self.send(f"hold {i}")
        held, cancelled, _ = (entry["Id"] for entry in unsent(self.daemon))
        self.daemon.control("queue", "hold", held)
        self.daemon.control("queue", "cancel", cancelled)
        self.go_online()
        self.provider_smtp.wait_for(1)
        time.sleep(1)
        self.assertEqual(len(self.provider_smtp.deliveries), 1)
        self.daemon.control("queue", "release", held)
        self.provider_smtp.wait_for(2)


class NeverLosing(Submitting):
    def test_what_was_answered_250_survives_any_kill(self):
        """Clients submit without pause while the daemon is killed again and again."""
        accepted, lock, ending = set(), threading.Lock(), threading.Event()

        def submit(worker):
            i = 0
            while not ending.is_set():
                name = f"{worker}-{i}"
                i += 1
                try:
                    with socket.create_connection(
                            ("127.0.0.1", self.daemon.ports["submission"]), 20):
                        pass
                    session = smtplib.SMTP("127.0.0.1", self.daemon.ports["submission"],
                                           "test.local", timeout=20 * PATIENCE)
                    session.login(self.user, self.password)
                    for part in range(20):
                        session.sendmail(SENDER, ["bob@example.net"], mail(f"{name}-{part}"))
                        with lock:
                            accepted.add(f"{name}-{part}")
                        time.sleep(0.01)  # all of it has to be relayed in the end
                except (OSError, smtplib.SMTPException):
                    time.sleep(0.02)

        workers = [threading.Thread(target=submit, args=(i,), daemon=True) for i in range(4)]
        for worker in workers:
            worker.start()
        chance = random.Random(1)
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.05, 0.5))
            self.daemon.kill()
            self.daemon.start()
        ending.set()
        for worker in workers:
            worker.join(60 * PATIENCE)
        self.daemon.control("online")
        self.assertGreater(len(accepted), KILLS)
        self.daemon.wait(lambda: drained(self.daemon), "an empty queue", 120)
        arrived = [self.name_of(delivery.data) for delivery in self.provider_smtp.deliveries]
        lost = accepted - set(arrived)
        self.assertEqual(lost, set(), f"{len(lost)} of {len(accepted)} lost")
        doubled = len(arrived) - len(set(arrived))
        self.assertLessEqual(doubled, KILLS * 4, "only what was in flight at a kill may be doubled")

    @staticmethod
    def name_of(data):
        return data.partition(b"Message-ID: <")[2].partition(b"@")[0].decode()


class ThroughDovecot(Case):
    """The whole way round: submitted here, relayed by the provider, back in INBOX."""

    def test_a_sent_mail_comes_back_through_the_provider(self):
        for scheme in ("submissions", "submission"):
            with self.subTest(scheme):
                server = self.provider()
                daemon = self.postern(server, outgoing=scheme)
                here = self.local(daemon)
                here.select()
                here.idle()
                session = smtplib.SMTP_SSL("localhost", daemon.ports["submissions"],
                                           context=trusting(daemon.local_ca()))
                session.login(*daemon.login())
                session.sendmail(SENDER, [SENDER], mail("round trip", to=SENDER))
                session.quit()
                here.wait_line("EXISTS", 20 * PATIENCE)
                here.done()
                self.assertTrue(any(b"Number round trip" in data
                                    for data in here.bodies().values()))

    def test_a_copy_is_filed_under_sent(self):
        server = self.provider()
        daemon = self.postern(server, **{"save-sent": "always"})
        session = smtplib.SMTP("127.0.0.1", daemon.ports["submission"])
        session.starttls(context=trusting(daemon.local_ca()))
        session.login(*daemon.login())
        session.sendmail(SENDER, ["bob@example.net"], mail("keep a copy"))
        session.quit()
        server.relay.wait_for(1)
        there = self.upstream(server)

        def copies():
            there.select("Sent")
            return there.uids("SUBJECT \"Number keep a copy\"")
        self.assertEqual(len(daemon.wait(copies, "a copy in Sent", 30)), 1)


@unittest.skipUnless(postfix.available(), "Postfix needs root; Dovecot's submission is used instead")
class ThroughPostfix(Case):
    """Postfix as the provider's submission server."""

    def setUp(self):
        self.server = self.provider()
        self.postfix = postfix.Postfix(self.server)
        self.addCleanup(self.postfix.close)

    def sender(self, daemon):
        session = smtplib.SMTP("127.0.0.1", daemon.ports["submission"], timeout=60 * PATIENCE)
        self.addCleanup(session.close)
        session.login(*daemon.login())
        return session

    def arrived(self, daemon, count):
        there = self.upstream(self.server)

        def enough():
            return there.select().exists >= count
        try:
            daemon.wait(enough, f"{count} messages at the provider", 60)
        except AssertionError as error:
            raise AssertionError(f"{error}\nunsent: {unsent(daemon)}\n"
                                 f"Postfix: {self.postfix.log()[-6000:]}") from None
        return list(there.bodies().values())

    def test_mail_goes_out_with_starttls_and_with_tls_from_the_first_byte(self):
        for count, (scheme, port) in enumerate((("submission", self.postfix.port),
                                                ("submissions", self.postfix.tls_port)), 1):
            with self.subTest(scheme):
                daemon = self.postern(self.server, outgoing=scheme, outgoing_port=port)
                data = mail(scheme, b".dots\r\n..\r\nend\r\n", SENDER)
                self.sender(daemon).sendmail(SENDER, [SENDER], data)
                bodies = self.arrived(daemon, count)
                self.assertTrue(any(body.endswith(data) for body in bodies))

    def test_a_hundred_mails_sent_while_postfix_is_away_arrive_once_each(self):
        link = Link(self.postfix.tls_port)
        self.addCleanup(link.close)
        daemon = self.postern(self.server, outgoing_port=link.port)
        link.cut()
        session = self.sender(daemon)
        for i in range(100):
            session.sendmail(SENDER, [SENDER], mail(f"batch-{i}", to=SENDER))
        link.mend()
        daemon.control("online")
        bodies = self.arrived(daemon, 100)
        time.sleep(1)
        self.assertEqual(len(bodies), 100)
        names = {body.partition(b"Message-ID: <")[2].partition(b"@")[0] for body in bodies}
        self.assertEqual(names, {b"batch-%d" % i for i in range(100)})


if __name__ == "__main__":
    unittest.main()
