# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to the provider that die without a word, and what may be asked of it at login."""

import os
import socket
import struct
import subprocess
import time
import unittest

from harness import LONG, PATIENCE, Case, ControlError, FakeImap, Link, fill
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


class Waking(Case):
    """logind says that the machine wakes: on a system bus of the test's own."""

    def setUp(self):
        self.near = self.provider()
        fill(self.near, mails(3))
        self.link = Link(self.near.imap)
        self.addCleanup(self.link.close)

    def test_connections_are_replaced_at_once(self):
        daemon = self.postern(self.near, incoming="imap+insecure", incoming_port=self.link.port,
                              start=False)
        folder = daemon.directory / "system"
        folder.mkdir()
        system = Bus(folder)
        self.addCleanup(system.close)
        daemon.environment["DBUS_SYSTEM_BUS_ADDRESS"] = system.address
        daemon.start()
        daemon.sync()
        logind = Logind(system)
        self.addCleanup(logind.close)
        daemon.wait(lambda: self.link.connections >= 2, "INBOX to be watched")
        self.link.strand()
        fill(self.near, [mail(4)])
        before = self.link.connections
        for begins in (True, False):
            logind.prepare_for_sleep(begins)
            if begins:
                time.sleep(0.5)
                self.assertEqual(self.link.connections, before)
        daemon.wait(lambda: daemon.state()["Messages"] == 4, "new mail after waking", 10)


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


class Network(Case):
    """One network follows another: in a network namespace, where such can be made."""

    def test_another_network_is_noticed_while_there_is_one_all_the_time(self):
        if "POSTERN_IN_NETNS" not in os.environ:
            probe = ["unshare", "-rn", "true"]
            if subprocess.run(probe, check=False, stderr=subprocess.DEVNULL).returncode:
                self.skipTest("no network namespace can be made here")
            done = subprocess.run(["unshare", "-rn", "sh", "-c", NETWORK, "sh", "python3", "-m", "unittest",
                                   self.id()], env={**os.environ, "POSTERN_IN_NETNS": "1"},
                                  stderr=subprocess.STDOUT, stdout=subprocess.PIPE, check=False)
            self.assertEqual(done.returncode, 0, done.stdout.decode(errors="replace"))
            return
        near = FakeImap()
        self.addCleanup(near.close)
        near.put("INBOX", mail(1))
        link = Link(near.imap)
        self.addCleanup(link.close)
        settings = {"address": "ada@example.org", "password-command": "echo lovelace",
                    "incoming": f"imap+insecure://127.0.0.1:{link.port}"}
        daemon = self.postern(accounts={"work": settings})
        daemon.wait(lambda: any("IDLE" in str(command) for command in near.commands), "INBOX to be watched")
        # The round that watching INBOX begins with has ended, too: nothing is under way when the network changes.
        daemon.sync()
        link.strand()
        near.put("INBOX", mail(2))
        for change in ("addr add 198.51.100.1/24 dev lo", "route add default via 198.51.100.2 dev lo metric 5"):
            subprocess.run(["ip", *change.split()], check=True)
        daemon.wait(lambda: daemon.state()["Messages"] == 2, "new mail on another network", 20)
