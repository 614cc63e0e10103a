# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail by way of a proxy (proxy=): SOCKS 5 and HTTP's CONNECT, which resolves the names; TLS is with the real server,
and a proxy that hangs, lies, refuses or talks too much is said, with words and within time."""

import itertools
import smtplib
import socket

from harness import PATIENCE, Case, ControlError, account, fill
from harness.fakeproxy import FakeProxy
from test_adding import FILE, Web
from test_set_aside import Fake
from test_sync import mails

HOST = "mail.elsewhere.example"
SCHEMES = ("socks5", "http")


class Mail(Case):
    """Before a real server whose certificate is for a name that only the proxy knows."""

    def begin(self, scheme, login="", users=None, host=HOST, mode="good", protocol="imaps"):
        provider = self.provider(certificate="wrong-host")
        proxy = FakeProxy({(HOST, 995): provider.pop3s, (HOST, 465): provider.submissions, HOST: provider.imaps,
                           "other.example": provider.imaps}, users=users, mode=mode)
        self.addCleanup(proxy.close)
        self.proxy = proxy
        settings = account(provider, outgoing=None, proxy=proxy.url(scheme, login), incoming="imaps")
        settings["incoming"] = f"{protocol}://{host}"
        settings["outgoing"] = f"submissions://{host}"
        daemon = self.postern(accounts={"work": settings}, synced=False)
        return daemon

    def test_tls_is_with_the_real_server_whose_name_the_proxy_resolves(self):
        for scheme in SCHEMES:
            daemon = self.begin(scheme)
            daemon.sync()
            self.assertGreater(daemon.state()["Folders"], 0)
            self.assertEqual({(kind[:4], host, port) for kind, host, port in self.proxy.asked},
                             {({"socks5": "sock"}.get(scheme, "http"), HOST, 993)})

    def test_pop3_and_submission_go_the_same_way(self):
        for scheme in SCHEMES:
            daemon = self.begin(scheme, protocol="pop3s")
            daemon.sync()
            self.assertEqual({port for _, _, port in self.proxy.asked}, {995})
            with smtplib.SMTP("127.0.0.1", daemon.ports["submission"], "test.local", timeout=60 * PATIENCE) as client:
                client.login(*daemon.login())
                client.sendmail("ada@example.org", ["ada@example.org"], "Subject: by proxy\r\n\r\nhello\r\n")
            daemon.wait(lambda: len(daemon.queue("sent")) == 1, "it is sent")
            self.assertEqual({port for _, _, port in self.proxy.asked}, {995, 465})

    def test_what_a_proxy_says_of_its_own_is_not_the_servers(self):
        for scheme in SCHEMES:
            daemon = self.begin(scheme, mode="talk")
            with self.assertRaises(ControlError):
                daemon.sync()
            self.assertEqual(daemon.state()["Folders"], 0)

    def test_another_servers_certificate_is_refused(self):
        daemon = self.begin("socks5", host="other.example")
        with self.assertRaises(ControlError) as caught:
            daemon.sync()
        self.assertIn("certificate", str(caught.exception))

    def test_a_proxys_password_is_not_shown_on_the_bus(self):
        daemon = self.begin("http", "ada:love%20lace@", users={"ada": "love lace"})
        daemon.sync()
        self.assertGreater(daemon.state()["Folders"], 0)
        shown = str(daemon.control("account", "show", "work"))
        self.assertNotIn("love", shown.replace("Lovelace", "").replace("lovelace", ""))
        self.assertIn("http://ada@127.0.0.1", shown)


class SettingUp(Case):
    """account add --proxy: the search for the servers and the trial go the way that the account will go."""

    def begin(self, **options):
        self.server = self.provider(certificate="wrong-host")
        fill(self.server, mails(3))
        page = FILE.format(imap=993, smtp=465, user="%EMAILADDRESS%").replace("localhost", HOST)
        self.web = Web({"/mail/config-v1.1.xml": page, "http://autoconfig.example.org/mail/config-v1.1.xml": page})
        self.addCleanup(self.web.close)
        self.proxy = FakeProxy({(HOST, 465): self.server.submissions, HOST: self.server.imaps,
                                ("autoconfig.example.org", 80): self.web.server_port}, **options)
        self.addCleanup(self.proxy.close)
        daemon = self.postern(accounts={}, environment={"SSL_CERT_FILE": str(self.server.ca_file)})
        self.password = daemon.directory / "password"
        self.password.write_text("lovelace\n")
        return daemon

    def add(self, daemon, proxy, *arguments):
        daemon.control("account", "add", "ada@example.org", "--password-command", f"cat {self.password}", "--yes",
                       "--proxy", proxy, *arguments)

    def test_servers_are_found_tried_and_used_by_way_of_the_proxy(self):
        for scheme, login, address in itertools.product(SCHEMES, ("", "ada:love%20lace@"), ("127.0.0.1", "::1")):
            with self.subTest(scheme=scheme, login=login, address=address):
                daemon = self.begin(users={"ada": "love lace"} if login else None, address=address)
                proxy = self.proxy.url(scheme, login)
                self.add(daemon, proxy)
                self.assertIn(f"proxy={proxy}\n", daemon.config.read_text())
                asked = {(host, port) for _, host, port in self.proxy.asked}
                self.assertLessEqual({("autoconfig.example.org", 443), ("autoconfig.example.org", 80),
                                      (HOST, 993), (HOST, 465)}, asked)
                daemon.sync("ada")
                self.assertEqual(daemon.state("ada")["Messages"], 3)
                # Nothing but names has come to the proxy: it resolves them.
                self.assertFalse({host for host, _ in asked if host[-1].isdigit() or ":" in host})
                daemon.close()

    def test_where_nobody_says_the_servers_the_usual_names_are_tried(self):
        """For what a domain has of them, the best answers: IMAP before POP3, TLS from the first byte before STARTTLS;
        what doesn't speak its protocol, or proves to be another, is none."""
        daemon = self.begin()
        silent = FakeProxy({}, mode="garbage").port
        mine = {993: self.server.imaps, 143: self.server.imap, 995: self.server.pop3s, 110: self.server.pop3,
                465: self.server.submissions, 587: self.server.submission}
        kinds = {993: "imaps", 143: "imap", 995: "pop3s", 110: "pop3", 465: "submissions", 587: "submission",
                 25: "submission"}
        for ports, wrong, expected in (
                ({993, 143, 995, 110, 465, 587}, {}, (993, 465)),
                ({995, 110}, {}, (995, None)),
                ({143, 587}, {993: silent, 465: silent}, (143, 587)),
                ({110}, {993: mine[995], 143: mine[587], 995: mine[465], 25: mine[587]}, (110, 25))):
            with self.subTest(ports=ports, wrong=sorted(wrong)):
                names = {(HOST, port): mine[port] for port in ports}
                names |= {(HOST, port): there for port, there in wrong.items()}
                # Another server's certificate under a better name.
                names["imap.elsewhere.example"] = self.server.imaps
                self.proxy.names = names
                daemon.control("account", "add", "ada@elsewhere.example", "--user", "ada@example.org", "--yes",
                               "--password-command", f"cat {self.password}", "--proxy", self.proxy.url("socks5"))
                settings = daemon.control("account", "show", "ada")["Settings"]
                urls = [f"{kinds[port]}://{HOST}" + (":25" if port == 25 else "") if port else "" for port in expected]
                self.assertEqual([settings["incoming"], settings.get("outgoing", "")], urls)
                daemon.control("account", "remove", "ada", "--purge")

    def test_why_a_proxy_leads_nowhere_is_said(self):
        daemon = self.begin()

        def refused(proxy, *arguments):
            with self.assertRaises(ControlError) as caught:
                self.add(daemon, proxy, *arguments)
            return str(caught.exception)

        for scheme in SCHEMES:
            for login, options in (("", {"mode": "close"}), ("", {"mode": "garbage"}),
                                   ("ada:wrong@", {"users": {"ada": "love"}}), ("", {"users": {"ada": "love"}})):
                proxy = FakeProxy({}, **options)
                self.addCleanup(proxy.close)
                for arguments in ((), ("--incoming", f"imaps://{HOST}")):
                    with self.subTest(scheme=scheme, login=login, **options):
                        said = refused(proxy.url(scheme, login), *arguments)
                        self.assertIn("proxy", said)
                        self.assertNotIn("wrong", said)
        self.assertIn("socks5://HOST", refused("ftp://127.0.0.1"))


class Faults(Fake):
    """Against servers in memory."""

    def begin(self, scheme, mode="good", login="", users=None):
        self.setUp()
        self.fill()
        self.proxy = FakeProxy({"127.0.0.1": self.server.imap}, users=users, mode=mode)
        self.addCleanup(self.proxy.close)
        self.settings = f"proxy={self.proxy.url(scheme, login)}"

    def test_with_and_without_a_login(self):
        for scheme in SCHEMES:
            for login, users, words in (("", None, None), ("ada:love%40lace@", {"ada": "love@lace"}, None),
                                        ("ada:wrong@", {"ada": "love@lace"}, "user name or password"),
                                        ("", {"ada": "love@lace"}, "login")):
                with self.subTest(scheme=scheme, login=login):
                    self.begin(scheme, login=login, users=users)
                    said = self.sync()
                    if words:
                        self.assertIn(words, said)
                        self.assertIn("proxy", said)
                    else:
                        self.assertIsNone(said)
                        self.assertEqual(len(self.here()), 5)

    def test_what_a_bad_proxy_does_is_said(self):
        for scheme, (mode, words) in itertools.product(SCHEMES, {
                "refuse": "doesn't allow", "garbage": "does not speak", "close": "broke", "flood": ""}.items()):
            with self.subTest(scheme=scheme, mode=mode):
                self.begin(scheme, mode)
                said = self.sync()
                self.assertIn(words, said or "")
                if mode != "flood":
                    self.assertIn("proxy", said)
                self.assertEqual(self.server.commands, [])

    def test_a_host_that_the_proxy_cannot_reach(self):
        for scheme in SCHEMES:
            self.begin(scheme)
            self.proxy.names = {}
            self.assertIn("proxy", self.sync())

    def test_nobody_there(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        self.setUp()
        self.settings = f"proxy=socks5://127.0.0.1:{port}"
        self.assertIn(f"proxy 127.0.0.1:{port}", self.sync())

    def test_direct_is_without(self):
        self.setUp()
        self.fill()
        self.settings = "proxy=direct"
        self.assertIsNone(self.sync())
        self.assertEqual(len(self.here()), 5)
