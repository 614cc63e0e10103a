# SPDX-License-Identifier: GPL-3.0-or-later
"""posternctl account add: from an address to an account that works, or to a sentence that says why not."""

import http.server
import os
import re
import subprocess
import threading
import time
import unittest

from harness import LONG, Case, ControlError, FakeSmtp, Keyring, find_program, free_port, fill
from test_sasl import hashed
from test_sync import mails

FILE = """<clientConfig version="1.1"><emailProvider id="example.org"><domain>example.org</domain>
<displayName>Example Mail</displayName>
<incomingServer type="imap"><hostname>localhost</hostname><port>{imap}</port>
<socketType>SSL</socketType><authentication>password-cleartext</authentication>
<username>{user}</username></incomingServer>
<outgoingServer type="smtp"><hostname>localhost</hostname><port>{smtp}</port>
<socketType>SSL</socketType><authentication>password-cleartext</authentication>
<username>{user}</username></outgoingServer></emailProvider></clientConfig>"""


class Web(http.server.ThreadingHTTPServer):
    """A proxy that knows a few pages itself and refuses everything else (https among it)."""

    daemon_threads = True

    def __init__(self, pages):
        super().__init__(("127.0.0.1", 0), Pages)
        self.pages = pages
        self.asked = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def close(self):
        self.shutdown()
        self.server_close()


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        page = self.server.pages.get(self.path)
        self.send_response(200 if page else 404)
        self.send_header("Content-Length", str(len(page or "")))
        self.end_headers()
        self.wfile.write((page or "").encode())

    def do_CONNECT(self):
        self.server.asked.append(self.path)
        self.send_response(403)
        self.end_headers()

    def log_message(self, *_):
        pass


class SettingUp(Case):
    """A daemon that has no account yet."""

    def start_server(self, **options):
        self.server = self.provider(**options)
        fill(self.server, mails(3))

    def begin(self, pages=None):
        """A daemon without accounts that trusts the provider's authority as it does the system's, and sees
        the web through `pages`."""
        web = Web(pages or {})
        self.addCleanup(web.close)
        self.web = web
        daemon = self.postern(accounts={}, environment={
            "SSL_CERT_FILE": str(self.server.ca_file), "http_proxy": web.url, "https_proxy": web.url,
            "no_proxy": "localhost,127.0.0.1"})
        self.password = daemon.directory / "password"
        self.password.write_text("lovelace\n")
        return daemon

    def add(self, daemon, *arguments, address="ada@example.org"):
        return daemon.control("account", "add", address, "--password-command",
                              f"cat {self.password}", *arguments)

    def refused(self, daemon, *arguments, **options):
        """What it says when it doesn't add; nothing may have been written."""
        before = daemon.config.read_text()
        with self.assertRaises(ControlError) as caught:
            self.add(daemon, *arguments, **options)
        self.assertEqual(caught.exception.status, 1)
        self.assertEqual(daemon.config.read_text(), before)
        return str(caught.exception)

    def autoconfig(self, user="%EMAILADDRESS%"):
        return {"http://autoconfig.example.org/mail/config-v1.1.xml": FILE.format(
            imap=self.server.imaps, smtp=self.server.submissions, user=user)}

    def servers(self):
        return ("--incoming", f"imaps://localhost:{self.server.imaps}",
                "--outgoing", f"submissions://localhost:{self.server.submissions}")


class Unadded(SettingUp):
    """A provider that has an account, and a daemon that hasn't."""

    def setUp(self):
        super().setUp()
        self.start_server()


class Adding(Unadded):
    def test_an_address_is_enough_where_the_user_agrees(self):
        daemon = self.begin(self.autoconfig())
        said = self.refused(daemon)
        self.assertIn("--yes", said)
        for url in self.servers()[1::2]:  # who gets the password is what is asked
            self.assertIn(url.partition("://")[2].partition(":")[0], said)
        self.add(daemon, "--yes")
        daemon.sync("ada")
        self.assertEqual(daemon.state("ada")["Messages"], 3)
        for where in self.web.asked:
            self.assertTrue("ada%40" not in where or where.startswith("https:"), where)

    def test_of_two_login_names_the_one_that_works_is_kept(self):
        daemon = self.begin(self.autoconfig(user="%EMAILLOCALPART%"))
        self.assertIn("nothing was added", self.refused(daemon, "--yes"))
        self.add(daemon, *self.servers(), "--user", "ada@example.org")
        daemon.sync("ada")

    def test_nobody_knows_the_domain(self):
        daemon = self.begin()
        self.assertIn("--incoming", self.refused(daemon))

    def test_a_wrong_password_is_told_before_anything_is_written(self):
        daemon = self.begin()
        self.password.write_text("wrong\n")
        self.assertIn("password", self.refused(daemon, *self.servers()))

    def test_a_port_where_nothing_listens_is_told(self):
        daemon = self.begin()
        port = free_port()
        said = self.refused(daemon, "--incoming", f"imaps://localhost:{port}")
        self.assertIn(f"localhost:{port}", said)
        self.assertIn("--no-test", said)
        self.add(daemon, "--incoming", f"imaps://localhost:{port}", "--no-test")
        self.assertEqual([one["Id"] for one in daemon.control("account", "list")], ["ada"])

    def test_a_certificate_that_nobody_vouches_for_is_told(self):
        daemon = self.begin()
        said = self.refused(daemon, "--incoming", f"imaps://127.0.0.2:{self.server.imaps}")
        self.assertIn("127.0.0.2", said)

    def test_where_only_sending_fails_the_mailbox_is_added(self):
        daemon = self.begin()
        smtp = FakeSmtp(users={"ada@example.org": "another"})
        self.addCleanup(smtp.close)
        self.add(daemon, *self.servers()[:2], "--outgoing",
                 f"submission+insecure://127.0.0.1:{smtp.port}")
        daemon.sync("ada")
        self.assertEqual(daemon.state("ada")["Messages"], 3)

    def test_an_address_is_added_once(self):
        daemon = self.begin()
        self.add(daemon, *self.servers())
        self.assertIn("--id", self.refused(daemon, *self.servers(), address="Ada@Example.org"))
        self.add(daemon, *self.servers(), "--id", "again")
        self.assertEqual(len(daemon.control("account", "list")), 2)

    def test_without_a_network_it_is_added_untried(self):
        daemon = self.begin()
        daemon.control("offline")
        self.password.write_text("wrong\n")
        self.add(daemon, *self.servers())
        daemon.wait_state("offline", account="ada")

    def test_providers_without_imap_are_named_as_that(self):
        daemon = self.begin()
        table = daemon.config.parent / "providers.ini"
        table.write_text("[tuta]\nname=Tuta\ndomains=tuta.example\nhint=Tuta has no IMAP\n")
        self.assertIn("Tuta has no IMAP", self.refused(daemon, address="ada@tuta.example"))


class Mechanisms(SettingUp):
    """What lets one in at set-up is what is done from then on."""

    def start_server(self, **options):
        super().start_server(settings="auth_mechanisms = plain login scram-sha-256\n", **options)

    def methods(self, since):
        log = self.server.log()[since:]
        return set(re.findall(r"(imap|submission)-login: Info: (?:Login|Logged in): .*?method=([A-Za-z0-9-]+)", log))

    def test_a_server_that_cannot_check_scram_is_never_asked_for_it_again(self):
        self.start_server(stored={"ada@example.org": hashed("lovelace")})
        daemon = self.begin()
        self.add(daemon, *self.servers())
        text, before = daemon.config.read_text(), len(self.server.log())
        self.assertIn("\nmechanism=PLAIN\n", text)
        self.assertNotIn("outgoing-mechanism", text)
        daemon.sync("ada")
        self.assertEqual({method for _, method in self.methods(before)}, {"PLAIN"})
        self.assertNotIn("SCRAM-SHA-256 scheme", self.server.log()[before:])

    def test_where_the_best_works_nothing_is_written(self):
        self.start_server()
        daemon = self.begin()
        self.add(daemon, *self.servers())
        self.assertNotIn("mechanism", daemon.config.read_text())

    def test_what_is_known_of_the_provider_is_done_at_once(self):
        self.start_server()
        daemon = self.begin()
        table = daemon.config.parent / "providers.ini"
        table.write_text(f"[mine]\nname=Mine\ndomains=mine.example\nmechanism=LOGIN\n"
                         f"incoming={self.servers()[1]}\noutgoing={self.servers()[3]}\n")
        before = len(self.server.log())
        self.add(daemon, *self.servers())
        daemon.sync("ada")
        self.assertEqual({method for _, method in self.methods(before)}, {"LOGIN"})
        self.assertNotIn("mechanism", daemon.config.read_text())


class Killed(Unadded):
    """The daemon or posternctl is killed at moments that are spread over the time that adding takes."""

    steps = 24 if LONG else 3

    def start_adding(self, daemon, kind):
        secret = (("--password-stdin",) if kind == "stdin" else ("--password-command", f"cat {self.password}"))
        with open(self.password, "rb") as stdin:
            return subprocess.Popen([find_program("posternctl"), "account", "add", "ada@example.org",
                                     *self.servers(), *secret], env=daemon.environment, stdin=stdin,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def how_long(self, daemon, kind):
        begun = time.monotonic()
        self.assertEqual(self.start_adding(daemon, kind).wait(60), 0)
        daemon.control("account", "remove", "ada", "--purge")
        return time.monotonic() - begun

    def check(self, daemon, note):
        """No account and no trace of one, or one that works."""
        ids = [one["Id"] for one in daemon.control("account", "list")]
        self.assertIn(ids, ([], ["ada"]), note)
        if ids:
            daemon.sync("ada")
            self.assertEqual(daemon.state("ada")["Messages"], 3, note)
            self.assertEqual(daemon.state("ada")["Upstream"]["OutgoingError"], "", note)
            daemon.control("account", "remove", "ada", "--purge")
        self.assertNotIn("[account", daemon.config.read_text(), note)
        self.assertEqual([path.name for path in daemon.config.parent.iterdir() if "postern.conf" in path.name],
                         ["postern.conf"], note)

    def test_there_is_no_account_or_a_whole_one(self):
        daemon = self.begin()
        keyring = Keyring(daemon.environment)
        self.addCleanup(keyring.close)
        for kind in ("stdin", "command"):
            takes = self.how_long(daemon, kind)
            for step in range(self.steps):
                for whom in ("daemon", "posternctl"):
                    adding = self.start_adding(daemon, kind)
                    time.sleep(takes * step / self.steps)
                    if whom == "daemon":
                        daemon.kill()
                    adding.kill()
                    adding.wait()
                    if whom == "daemon":
                        daemon.start()
                    else:
                        daemon.control("status")  # what was asked for is answered before this
                    self.check(daemon, f"{kind}, step {step}, {whom} killed")


if __name__ == "__main__":
    unittest.main()
