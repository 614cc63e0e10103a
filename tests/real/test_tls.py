# SPDX-License-Identifier: GPL-3.0-or-later
"""Encryption on both sides: nothing is believed that was said before TLS, nothing is sent without it, and
the local authority can't be used for anything else."""

import smtplib
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from harness import (Case, FakeImap, FakeSmtp, Postern, Provider, RawImap, SharedCase, account, faults, fill,
                     trusting)
from harness.certificates import Authority
from test_sync import mails


class LocalSide(SharedCase):
    @classmethod
    def prepare(cls):
        cls.shared_provider = provider = Provider()
        fill(provider, mails(3))
        cls.shared_postern = Postern({"work": account(provider)})
        cls.shared_postern.sync()

    def connect(self, listener):
        sock = socket.create_connection(("127.0.0.1", self.shared_postern.ports[listener]), 20)
        self.addCleanup(sock.close)
        return sock, sock.makefile("rb")

    def wrapped(self, sock):
        return trusting(self.shared_postern.local_ca()).wrap_socket(sock,
                                                                    server_hostname="localhost")

    def injected(self, listener, starttls, until, smuggled, probe, expected):
        """Sends `smuggled` in the same packet as STARTTLS; it must never be answered inside TLS."""
        sock, reader = self.connect(listener)
        reader.readline()
        sock.sendall(starttls + b"\r\n" + smuggled + b"\r\n")
        while not reader.readline().startswith(until):
            pass
        try:
            tls = self.wrapped(sock)
            tls.sendall(probe + b"\r\n")
            answer = tls.makefile("rb").readline()
        except (OSError, ssl.SSLError):
            return
        self.assertTrue(answer == b"" or answer.startswith(expected), answer)

    def test_commands_injected_before_tls_are_never_executed(self):
        self.injected("imap", b"a STARTTLS", b"a OK", b"b CAPABILITY", b"c NOOP", b"c OK")
        self.injected("pop3", b"STLS", b"+OK", b"CAPA", b"NONSENSE", b"-ERR")
        self.injected("submission", b"EHLO x\r\nSTARTTLS", b"220", b"NOOP", b"NONSENSE", b"50")

    def test_both_ports_of_each_protocol_speak_tls(self):
        for listener in ("imaps", "pop3s", "submissions"):
            sock, _ = self.connect(listener)
            tls = self.wrapped(sock)
            self.assertIn(tls.version(), ("TLSv1.2", "TLSv1.3"))
            self.assertTrue(tls.makefile("rb").readline())

    def test_old_tls_is_refused(self):
        for listener in ("imaps",):
            sock, _ = self.connect(listener)
            context = trusting(self.shared_postern.local_ca())
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
            context.set_ciphers("ALL:@SECLEVEL=0")
            with self.assertRaises((ssl.SSLError, OSError)):
                context.wrap_socket(sock, server_hostname="localhost")

    def test_the_certificate_is_for_this_machine_only(self):
        for name, good in (("localhost", True), ("127.0.0.1", True), ("example.org", False)):
            sock, _ = self.connect("imaps")
            context = trusting(self.shared_postern.local_ca())
            if good:
                context.wrap_socket(sock, server_hostname=name)
            else:
                with self.assertRaises(ssl.SSLError):
                    context.wrap_socket(sock, server_hostname=name)

    def test_the_authority_is_constrained_to_this_machine(self):
        text = subprocess.run(["openssl", "x509", "-noout", "-text", "-in",
                               str(self.shared_postern.local_ca())],
                              stdout=subprocess.PIPE, text=True, check=True).stdout
        self.assertIn("X509v3 Name Constraints: critical", text)
        self.assertIn("DNS:localhost", text)
        self.assertIn("IP:127.0.0.1", text)

    def test_the_authoritys_key_is_nowhere(self):
        authority = subprocess.run(
            ["openssl", "x509", "-noout", "-pubkey", "-in", str(self.shared_postern.local_ca())],
            stdout=subprocess.PIPE, check=True).stdout
        for path in (self.shared_postern.data / "tls").iterdir():
            done = subprocess.run(["openssl", "pkey", "-in", str(path), "-pubout"],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            self.assertNotEqual(done.stdout, authority, path)

    def test_files_are_private(self):
        data = self.shared_postern.data
        for path in [data, *data.rglob("*")]:
            if not path.is_socket():
                self.assertEqual(path.stat().st_mode & 0o077, 0, path)

    def test_a_certificate_lasts_over_restarts(self):
        before = self.shared_postern.local_ca().read_bytes()
        self.shared_postern.restart()
        self.assertEqual(self.shared_postern.local_ca().read_bytes(), before)

    def test_scram_logs_in_and_binds_to_the_channel(self):
        with RawImap(self.shared_postern.ports["imap"]) as imap:
            plain = imap.ok("CAPABILITY").lines("CAPABILITY")[0].decode().split()
        self.assertIn("AUTH=SCRAM-SHA-256", plain)
        with RawImap(self.shared_postern.ports["imaps"],
                     tls=trusting(self.shared_postern.local_ca())) as imap:
            secure = imap.ok("CAPABILITY").lines("CAPABILITY")[0].decode().split()
        self.assertIn("AUTH=SCRAM-SHA-256-PLUS", secure)


class Script(threading.Thread):
    """A server that says its lines and notes what it hears, whatever that is."""

    def __init__(self, conversation):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.conversation = conversation
        self.heard = []
        self.start()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def talk(self, client):
        try:
            client.settimeout(20)
            reader = client.makefile("rb")
            for greeting in self.conversation(None):
                client.sendall(greeting)
            while line := reader.readline():
                self.heard.append(line)
                for answer in self.conversation(line):
                    client.sendall(answer)
        except OSError:
            pass
        client.close()

    def close(self):
        self.listener.close()


class ProviderSide(Case):
    """A man in the middle who can write before TLS, or take STARTTLS away."""

    def secrets_heard(self, script):
        return [line for line in script.heard
                if any(word in line.upper() for word in (b"LOGIN", b"AUTH", b"LOVELACE", b"MAIL"))]

    def refused(self, conversation, **settings):
        """The daemon complains and never sends a password to this server."""
        script = Script(conversation)
        self.addCleanup(script.close)
        server = self.provider()
        options = {key: script.port for key in ("incoming_port", "outgoing_port")
                   if key.partition("_")[0] in settings}
        daemon = self.postern(server, synced=False, **settings, **options)
        return script, daemon

    def test_imap_without_starttls_is_not_used(self):
        def talk(line):
            if line is None:
                yield b"* OK [CAPABILITY IMAP4rev1] ready\r\n"
            elif b"CAPABILITY" in line.upper():
                yield b"* CAPABILITY IMAP4rev1\r\n" + line.split()[0] + b" OK done\r\n"
            else:
                yield line.split()[0] + b" BAD no\r\n"
        script, daemon = self.refused(talk, incoming="imap")
        state = daemon.wait(lambda: (lambda now: now if now["LastError"] else None)(
            daemon.state()), "a complaint")
        self.assertIn("STARTTLS", state["LastError"].upper())
        self.assertEqual(self.secrets_heard(script), [])

    def test_imap_answers_injected_before_tls_end_the_connection(self):
        def talk(line):
            if line is None:
                yield b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n"
            elif b"STARTTLS" in line.upper():
                yield line.split()[0] + b" OK go\r\n* CAPABILITY IMAP4rev1 INJECTED\r\n"
            elif b"CAPABILITY" in line.upper():
                yield b"* CAPABILITY IMAP4rev1 STARTTLS\r\n" + line.split()[0] + b" OK done\r\n"
        script, daemon = self.refused(talk, incoming="imap")
        state = daemon.wait(lambda: (lambda now: now if now["LastError"] else None)(
            daemon.state()), "a complaint")
        self.assertTrue(state["LastError"])
        self.assertEqual(self.secrets_heard(script), [])

    def test_a_preauth_greeting_before_starttls_is_refused(self):
        def talk(line):
            if line is None:
                yield b"* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] come in\r\n"
            else:
                yield line.split()[0] + b" OK done\r\n"
        script, daemon = self.refused(talk, incoming="imap")
        daemon.wait(lambda: daemon.state()["LastError"], "a complaint")
        self.assertFalse([line for line in script.heard if b"SELECT" in line or b"LIST" in line])

    def test_nothing_said_before_starttls_outlives_the_handshake(self):
        """PREAUTH, a go-ahead, a farewell and abilities, said in the clear before STARTTLS is answered: inside of TLS
        it is logged in all the same, with what the server says there."""
        directory = tempfile.TemporaryDirectory(prefix="postern-tls-")
        self.addCleanup(directory.cleanup)
        authority = Authority(directory.name)
        server = FakeImap(tls=authority.certificate())
        self.addCleanup(server.close)
        server.ca_file = authority.ca_file
        server.url = lambda scheme, port=None: f"{scheme}://localhost:{server.imap}"
        server.put("INBOX", mails(1)[0])
        server.faults = [faults.Says("* PREAUTH come in", "+ go", "+ go on", "* OK [ALERT] call this number",
                                     "* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] x", "* 4000 EXISTS",
                                     "* CAPABILITY IMAP4rev1 AUTH=XOAUTH2", command="STARTTLS")]
        daemon = self.postern(server, incoming="imap", outgoing=None)
        self.assertIn("AUTHENTICATE", [line.split()[0] for _, line in server.commands])
        self.assertEqual(len(self.local(daemon).folders()), 4)
        self.assertNotIn("call this number", daemon.log())

    def submit(self, daemon):

        session = smtplib.SMTP("127.0.0.1", daemon.ports["submission"], timeout=60)
        session.login(*daemon.login())
        session.sendmail("ada@example.org", ["bob@example.net"], mails(1)[0])
        session.quit()

    def test_smtp_without_starttls_is_not_used(self):
        def talk(line):
            if line is None:
                yield b"220 hello\r\n"
            elif line.upper().startswith(b"EHLO"):
                yield b"250-hello\r\n250 AUTH PLAIN LOGIN\r\n"
            else:
                yield b"502 no\r\n"
        script, daemon = self.refused(talk, outgoing="submission")
        self.submit(daemon)
        daemon.wait(lambda: "STARTTLS" in str(daemon.queue()).upper(),
                    "a complaint")
        self.assertEqual(self.secrets_heard(script), [])

    def test_smtp_answers_injected_before_tls_end_the_connection(self):
        def talk(line):
            if line is None:
                yield b"220 hello\r\n"
            elif line.upper().startswith(b"EHLO"):
                yield b"250-hello\r\n250 STARTTLS\r\n"
            elif line.upper().startswith(b"STARTTLS"):
                yield b"220 go\r\n250 injected\r\n"
        script, daemon = self.refused(talk, outgoing="submission")
        self.submit(daemon)
        daemon.wait(lambda: [entry for entry in daemon.queue() if entry["LastError"]], "a complaint")
        self.assertEqual(self.secrets_heard(script), [])

    def test_smtp_certificates_are_verified(self):
        for variant in ("expired", "wrong-host", "self-signed"):
            with self.subTest(variant):
                server = self.provider()
                smtp = FakeSmtp(users={"ada@example.org": "lovelace"}, tls="implicit",
                                certificate=server.authority.certificate(variant))
                self.addCleanup(smtp.close)
                daemon = self.postern(server, synced=False, outgoing_port=smtp.port)
                self.submit(daemon)
                daemon.wait(lambda: "certificate" in
                            str(daemon.queue()).lower(), "a complaint")
                time.sleep(0.5)
                self.assertEqual(smtp.deliveries, [])


if __name__ == "__main__":
    unittest.main()
