# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to the provider that die without a word, and what may be asked of it at login."""

import concurrent.futures
import functools
import os
import smtplib
import socket
import struct
import subprocess
import time
import unittest

from harness import LONG, PATIENCE, Case, ControlError, FakeImap, FakePop3, FakeSmtp, Link, fill
from harness.postern import Bus
from test_sync import mail, mails


class Stranded(Case):
    def setUp(self):
        self.near = self.provider()
        fill(self.near, mails(3))
        self.link = Link(self.near.imap)
        self.addCleanup(self.link.close)

    def daemon(self, **options):
        return self.postern(self.near, incoming="imap+insecure", incoming_port=self.link.port,
                            **options)

    def messages(self, daemon):
        return daemon.state()["Messages"]

    def test_a_sync_over_a_dead_connection_takes_as_long_as_connecting(self):
        daemon = self.daemon()
        time.sleep(6)  # the first round is over
        self.link.strand()
        fill(self.near, [mail(4)])
        begin = time.monotonic()
        daemon.sync()
        self.assertLess(time.monotonic() - begin, 12 * PATIENCE)
        self.assertEqual(self.messages(daemon), 4)

    def test_a_change_reaches_the_provider_over_a_new_connection(self):
        daemon = self.daemon()
        time.sleep(6)
        self.link.strand()
        begin = time.monotonic()
        client = self.local(daemon)
        client.command("SELECT INBOX")
        client.command("STORE 1 +FLAGS (\\Flagged)")
        daemon.wait(lambda: daemon.pending() == 0, "the flag to be taken", 15)
        self.assertLess(time.monotonic() - begin, 20 * PATIENCE)

    def test_a_body_is_fetched_over_a_new_connection(self):
        near = FakeImap()
        self.addCleanup(near.close)
        for number in range(1, 4):
            near.put("INBOX", mail(number))
        link = Link(near.imap)
        self.addCleanup(link.close)
        daemon = self.postern(accounts={"work": {"address": "ada@example.org", "password-command": "echo lovelace",
                                                 "prefetch": "headers",
                                                 "incoming": f"imap+insecure://127.0.0.1:{link.port}"}})
        daemon.sync()
        client = self.local(daemon)
        client.command("SELECT INBOX")
        client.ok("FETCH 1 BODY.PEEK[]")
        time.sleep(6)
        link.strand()
        self.assertEqual(near.fetched["INBOX", 2], 0)
        begin = time.monotonic()
        client.ok("FETCH 2 BODY.PEEK[]")
        self.assertLess(time.monotonic() - begin, 12 * PATIENCE)
        self.assertEqual(near.fetched["INBOX", 2], 1)

    @unittest.skipUnless(LONG, "takes two minutes")
    def test_new_mail_is_there_two_minutes_after_a_connection_died(self):
        daemon = self.daemon()
        time.sleep(6)
        self.link.strand()
        fill(self.near, [mail(4)])
        daemon.wait(lambda: self.messages(daemon) == 4, "new mail", 130)


class Logind:
    """Has logind's name on a bus, and says there that the machine goes to sleep, or wakes."""

    def __init__(self, bus):
        self._serial = 0
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(10 * PATIENCE)
        self._socket.connect(bus.address.split("=", 1)[1])
        self._socket.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
        self._socket.recv(4096)
        self._socket.sendall(b"BEGIN\r\n")
        self._send(1, "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello")
        name = self._string("org.freedesktop.login1")
        name += b"\0" * (-len(name) % 4) + struct.pack("<I", 0)
        self._send(1, "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName", "su", name)
        time.sleep(0.3)

    @staticmethod
    def _string(text):
        return struct.pack("<I", len(text)) + text.encode() + b"\0"

    def _send(self, kind, path, interface, member, signature="", body=b""):
        """One message (D-Bus specification, "Message Format")."""
        self._serial += 1
        fields = [(1, "o", path), (2, "s", interface), (3, "s", member)]
        fields += [(6, "s", "org.freedesktop.DBus")] if kind == 1 else []
        header = b""
        for code, form, text in fields:
            header += b"\0" * (-len(header) % 8) + bytes([code, 1]) + form.encode() + b"\0"
            header += self._string(text)
        if signature:
            header += b"\0" * (-len(header) % 8) + bytes([8, 1]) + b"g\0"
            header += bytes([len(signature)]) + signature.encode() + b"\0"
        message = struct.pack("<cBBBIII", b"l", kind, 0, 1, len(body), self._serial, len(header))
        message += header + b"\0" * (-len(header) % 8) + body
        self._socket.sendall(message)

    def prepare_for_sleep(self, begins):
        self._send(4, "/org/freedesktop/login1", "org.freedesktop.login1.Manager", "PrepareForSleep",
                   "b", struct.pack("<I", begins))

    def close(self):
        self._socket.close()


class Machine(Case):
    """A daemon with a system bus of its own, on which logind says that the machine has slept."""

    def start(self, daemon):
        folder = daemon.directory / "system"
        folder.mkdir()
        system = Bus(folder)
        self.addCleanup(system.close)
        daemon.environment["DBUS_SYSTEM_BUS_ADDRESS"] = system.address
        daemon.start()
        self.logind = Logind(system)
        self.addCleanup(self.logind.close)
        return daemon

    def wake(self):
        for begins in (True, False):
            self.logind.prepare_for_sleep(begins)


class Waking(Machine):
    def setUp(self):
        self.near = self.provider()
        fill(self.near, mails(3))
        self.link = Link(self.near.imap)
        self.addCleanup(self.link.close)

    def test_connections_are_replaced_at_once(self):
        daemon = self.postern(self.near, incoming="imap+insecure", incoming_port=self.link.port,
                              start=False)
        self.start(daemon)
        daemon.sync()
        daemon.wait(lambda: self.link.connections >= 2, "INBOX to be watched")
        self.link.strand()
        fill(self.near, [mail(4)])
        before = self.link.connections
        self.logind.prepare_for_sleep(True)
        time.sleep(0.5)
        self.assertEqual(self.link.connections, before)
        self.logind.prepare_for_sleep(False)
        daemon.wait(lambda: daemon.state()["Messages"] == 4, "new mail after waking", 10)


class UnderWay:
    """Each kind of connection dies in the middle of something, without a word; then wake() says so. It goes on
    over another one within seconds, where a socket's timeout is a minute and more."""

    SECONDS = 15

    def prepare(self, prefetch="all", settings=None):
        self.near = FakeImap()
        self.addCleanup(self.near.close)
        self.addCleanup(lambda: self.assertEqual(self.near.problems, []))
        for number in range(1, 4):
            self.near.put("INBOX", mail(number))
        self.smtp = FakeSmtp()
        self.addCleanup(self.smtp.close)
        self.out = Link(self.smtp.port)
        self.addCleanup(self.out.close)
        self.link = Link(self.near.imap)
        self.addCleanup(self.link.close)
        work = {"address": "ada@example.org", "password-command": "echo lovelace", "prefetch": prefetch,
                "save-sent": "never", "incoming": f"imap+insecure://127.0.0.1:{self.link.port}",
                "outgoing": f"submission+insecure://127.0.0.1:{self.out.port}"}
        return self.start(self.postern(accounts={"work": settings or work}, start=False))

    def wait_watched(self, daemon):
        daemon.wait(lambda: any("IDLE" in str(command) for command in self.near.commands), "INBOX to be watched")
        daemon.sync()

    def submit(self, daemon):
        with smtplib.SMTP("127.0.0.1", daemon.ports["submission"], "test.local", timeout=60 * PATIENCE) as session:
            session.ehlo()
            session.login(*daemon.login())
            session.sendmail("ada@example.org", ["bob@example.net"], mail(9))

    def check_round(self, pattern):
        daemon = self.prepare()
        self.wait_watched(daemon)
        self.near.create("New")
        self.near.put("New", mail(4))
        self.link.strand_at(pattern)
        daemon.control("sync")
        daemon.wait(self.link.is_stranded, f"{pattern} to be said")
        self.wake()
        daemon.wait(lambda: daemon.state()["Messages"] == 4, "the new folder's mail", self.SECONDS)
        self.assertEqual(daemon.state()["LastError"], "")

    def test_a_round_that_lists(self):
        self.check_round(b"LIST ")

    def test_a_round_that_opens_a_folder(self):
        self.check_round(b"SELECT ")

    def test_a_round_that_reads_a_folder(self):
        self.check_round(b"UID FETCH ")

    def test_a_login(self):
        for pattern in (b"", b"AUTHENTICATE"):
            with self.subTest(pattern=pattern):
                daemon = self.prepare()
                self.wait_watched(daemon)
                self.near.put("INBOX", mail(4))
                self.link.strand_at(pattern)
                self.link.drop_connections()
                daemon.wait(self.link.is_stranded, "a connection")
                self.wake()
                daemon.wait(lambda daemon=daemon: daemon.state()["Messages"] == 4, "new mail", self.SECONDS)

    def test_a_push(self):
        daemon = self.prepare()
        self.wait_watched(daemon)
        self.link.strand_at(b"UID STORE ")
        client = self.local(daemon)
        client.command("SELECT INBOX")
        client.ok("STORE 1 +FLAGS (\\Flagged)")
        daemon.wait(self.link.is_stranded, "the flag to be sent")
        self.wake()
        daemon.wait(lambda: "\\Flagged" in self.near.folders["INBOX"].messages[1].flags, "the flag to be taken",
                    self.SECONDS)

    def test_idling(self):
        daemon = self.prepare()
        self.wait_watched(daemon)
        time.sleep(1)
        self.link.strand()
        self.near.put("INBOX", mail(4))
        self.wake()
        daemon.wait(lambda: daemon.state()["Messages"] == 4, "new mail", self.SECONDS)

    def test_a_body_that_somebody_waits_for(self):
        daemon = self.prepare(prefetch="headers")
        self.wait_watched(daemon)
        client = self.local(daemon)
        client.command("SELECT INBOX")
        self.link.strand_at(b"BODY.PEEK[]")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            fetched = pool.submit(client.command, "FETCH 2 BODY.PEEK[]")
            daemon.wait(self.link.is_stranded, "the body to be asked for")
            begin = time.monotonic()
            self.wake()
            self.assertEqual(fetched.result().status, "OK")
        self.assertLess(time.monotonic() - begin, self.SECONDS * PATIENCE)

    def test_bodies_that_are_fetched_ahead(self):
        daemon = self.prepare()
        self.wait_watched(daemon)
        for number in range(4, 9):
            self.near.put("INBOX", mail(number))
        self.link.strand_at(b"BODY.PEEK[]")
        daemon.control("sync")
        daemon.wait(self.link.is_stranded, "the bodies to be asked for")
        self.wake()
        daemon.wait(lambda: all(self.near.fetched["INBOX", uid] for uid in range(4, 9)), "the bodies", self.SECONDS)
        self.assertEqual(daemon.state()["LastError"], "")

    def test_a_mail_that_is_sent(self):
        for pattern in (b"", b"EHLO", b"MAIL", b"DATA"):
            with self.subTest(pattern=pattern):
                daemon = self.prepare()
                self.wait_watched(daemon)
                self.out.strand_at(pattern)
                self.submit(daemon)
                daemon.wait(self.out.is_stranded, "the mail to be on its way")
                self.wake()
                daemon.wait(lambda: self.smtp.deliveries, "the mail to be taken", self.SECONDS)
                daemon.wait(lambda daemon=daemon: [entry["State"] for entry in daemon.queue()] == ["sent"], "it to be noted")
                self.assertEqual(len(self.smtp.deliveries), 1)
                self.assertEqual(daemon.queue()[0]["Attempts"], 1)

    def test_a_maildrop(self):
        for pattern in (b"", b"USER", b"UIDL", b"RETR"):
            with self.subTest(pattern=pattern):
                drop = FakePop3([mail(1), mail(2)])
                self.addCleanup(drop.close)
                link = Link(drop.port)
                self.addCleanup(link.close)
                drop.capa = [word for word in drop.capa if not word.startswith("SASL")]
                link.strand_at(pattern)
                daemon = self.prepare(settings=drop.account(incoming=f"pop3+insecure://127.0.0.1:{link.port}"))
                daemon.wait(link.is_stranded, f"{pattern} to be said")
                self.wake()
                daemon.wait(lambda daemon=daemon: daemon.state()["Messages"] == 2, "the maildrop's mail", self.SECONDS)
                self.assertEqual(daemon.state()["LastError"], "")


class WakingUnderWay(UnderWay, Machine):
    pass


class Refused(Case):
    def test_a_refused_password_is_shown_once_however_many_connections_want_it(self):
        near = self.provider()
        fill(near, mails(3))
        link = Link(near.imap, record=True)
        self.addCleanup(link.close)
        daemon = self.postern(near, incoming="imap+insecure", incoming_port=link.port)
        daemon.stop()
        link.transcript.clear()
        daemon.accounts["work"]["password-command"] = "echo wrong"
        daemon.write_config()
        daemon.start()
        daemon.wait_state("auth-required")
        time.sleep(3)

        def logins():
            said = b"".join(data for _, direction, data in link.transcript if direction == "up")
            return said.count(b"AUTHENTICATE") + said.count(b" LOGIN ")

        self.assertEqual(logins(), 1)
        with self.assertRaises(ControlError):
            daemon.sync()
        self.assertEqual(logins(), 2)


NETWORK = """
ip link set lo up
ip addr add 192.0.2.1/24 dev lo
ip route add default via 192.0.2.2 dev lo
exec "$@"
"""


def in_namespace(test):
    """Runs a test in a network namespace of its own, where such can be made."""
    @functools.wraps(test)
    def run(self):
        if "POSTERN_IN_NETNS" in os.environ:
            test(self)
            return
        probe = ["unshare", "-rn", "true"]
        if subprocess.run(probe, check=False, stderr=subprocess.DEVNULL).returncode:
            self.skipTest("no network namespace can be made here")
        done = subprocess.run(["unshare", "-rn", "sh", "-c", NETWORK, "sh", "python3", "-m", "unittest", self.id()],
                              env={**os.environ, "POSTERN_IN_NETNS": "1"}, stderr=subprocess.STDOUT,
                              stdout=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 0, done.stdout.decode(errors="replace"))
    return run


class AnotherNetwork(Case):
    """One network follows another, so that there is one all the time."""

    count = 0

    def start(self, daemon):
        daemon.start()
        return daemon

    def wake(self):
        self.count += 1
        for change in (f"addr add 198.51.100.{self.count}/24 dev lo",
                       f"route add default via 198.51.100.2{self.count} dev lo metric {self.count}"):
            subprocess.run(["ip", *change.split()], check=True)

    SECONDS = UnderWay.SECONDS
    prepare, wait_watched = UnderWay.prepare, UnderWay.wait_watched
    submit, check_round = UnderWay.submit, UnderWay.check_round


ALWAYS = ("test_a_round_that_reads_a_folder", "test_a_body_that_somebody_waits_for", "test_idling", "test_a_maildrop")

for name in dir(UnderWay):
    if name in ALWAYS or (name.startswith("test_") and LONG):
        setattr(AnotherNetwork, name, in_namespace(getattr(UnderWay, name)))


if __name__ == "__main__":
    unittest.main()
