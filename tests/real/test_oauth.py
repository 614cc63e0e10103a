# SPDX-License-Identifier: GPL-3.0-or-later
"""OAuth 2, from the address to mail that comes and goes: a certified OpenID provider gives tokens, a Dovecot asks it
whose they are, and the refresh token is in a real secret service."""

import shutil
import smtplib
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse
from pathlib import Path

from harness import (Before, Browser, Case, ControlError, Keyring, OpenId, dovecot_settings, fill, find_program)
from harness.fakeproxy import FakeProxy
from test_sync import mail, mails

TABLE = Path(__file__).resolve().parents[2] / "data" / "providers.ini"
ADA = "ada@example.org"
CLIENT = {"client_id": "postern", "token_endpoint_auth_method": "none", "application_type": "native",
          "response_types": ["code"], "redirect_uris": ["http://127.0.0.1/"],
          "grant_types": ["authorization_code", "refresh_token",
                          "urn:ietf:params:oauth:grant-type:device_code"]}
SCOPE = "openid offline_access mail"


class SignIn:
    """posternctl while a person signs in: what it said so far, and what it ends with."""

    def __init__(self, daemon, *arguments):
        self._process = subprocess.Popen(
            [find_program("posternctl"), "--no-start", *map(str, arguments)], env=daemon.environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.said = []

    def line(self, what):
        """Waits for a line with `what` in it."""
        for line in self._process.stderr:
            self.said.append(line.strip())
            if what in line:
                return line.strip()
        raise AssertionError(f"posternctl never said {what}: {self.said}")

    def paste(self, text):
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()

    def kill(self):
        self._process.kill()
        self._process.communicate()

    def end(self):
        """Its exit status, and all that it said."""
        out, err = self._process.communicate(timeout=180)
        return self._process.returncode, "\n".join(self.said) + err + out


class OAuth(Case):
    lives = {}
    rotate = True
    registration = False
    clients = [CLIENT]

    def setUp(self):
        super().setUp()
        self.openid = OpenId(self.clients, self.lives, self.rotate, self.registration)
        self.addCleanup(self.openid.close)
        self.token = Before(self.openid.issuer + "/token")
        self.addCleanup(self.token.close)
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.directory.chmod(0o755)
        self.server = self.provider(settings=dovecot_settings.introspected(
            self.openid.introspection, self.directory / "oauth2.conf"))
        fill(self.server, mails(3))
        self.opened = self.directory / "opened"
        self.browser = Browser(self.openid.issuer, ADA)

    def begin(self):
        """A daemon without accounts, that knows where one signs in; and a keyring."""
        browser = self.directory / "browser"
        browser.write_text(f'#!/bin/sh\nprintf "%s" "$1" > {self.opened}.new\nmv {self.opened}.new {self.opened}\n')
        browser.chmod(0o755)
        daemon = self.postern(accounts={}, environment={
            "SSL_CERT_FILE": str(self.server.ca_file), "BROWSER": str(browser)})
        daemon.stop()
        with open(daemon.config, "a", encoding="utf-8") as config:
            config.write(f"\n[oauth2 test]\nissuer={self.openid.issuer}\ntoken-url={self.token.url}\n"
                         f"client-id=postern\nscope={SCOPE}\nauthorize-extra=prompt=consent\n")
        keyring = Keyring(daemon.environment)
        self.addCleanup(keyring.close)
        daemon.start()
        self.keyring = keyring
        return daemon

    def add_arguments(self, *more):
        return ("account", "add", ADA, "--id", "work", "--incoming", f"imaps://localhost:{self.server.imaps}",
                "--outgoing", f"submissions://localhost:{self.server.submissions}", *more)

    def page(self, daemon):
        """What the browser was asked to open."""
        daemon.wait(self.opened.exists, "a browser to be opened")
        url = self.opened.read_text()
        self.opened.unlink()
        return url

    def add(self, daemon, *more, user=ADA):
        """Adds the account, with somebody who agrees; the exit status and what was said."""
        sign_in = SignIn(daemon, *self.add_arguments(*(more or ("--oauth2", "test"))))
        browser = Browser(self.openid.issuer, user)
        browser.go(browser.agree(self.page(daemon)))
        return sign_in.end()

    def begin_added(self):
        daemon = self.begin()
        status, said = self.add(daemon)
        self.assertEqual(status, 0, said)
        daemon.sync()
        return daemon

    def send(self, daemon, subject):
        with smtplib.SMTP("127.0.0.1", daemon.ports["submission"], timeout=120) as session:
            session.login(*daemon.login())
            session.sendmail(ADA, ["bob@example.net"], mail(subject))


class Signing(OAuth):
    def test_the_browser_s_answer_opens_imap_and_smtp(self):
        daemon = self.begin_added()
        self.assertEqual(daemon.state()["Messages"], 3)
        self.send(daemon, "by token")
        daemon.wait(lambda: self.server.relay.deliveries, "the mail to arrive")
        self.assertLessEqual(len(self.token.refreshes()), 1)
        self.assertNotIn("refresh", daemon.config.read_text())
        for path in daemon.data.rglob("*"):
            if path.is_file():
                self.assertNotIn(b"refresh_token", path.read_bytes(), path)

    def test_what_isnt_the_answer_changes_nothing(self):
        daemon = self.begin()
        sign_in = SignIn(daemon, *self.add_arguments("--oauth2", "test"))
        end = self.browser.agree(self.page(daemon))
        here = end[:end.index("?")]
        for wrong in ("", "favicon.ico", "?code=x", "?code=x&state=wrong", "?error=access_denied&state=wrong",
                      end[len(here):] + "&iss=https://evil.example", "?" + "x" * 30000):
            with self.assertRaises(OSError, msg=wrong):
                self.browser.go(here + wrong)
        self.assertIn("Signed in", self.browser.go(end))
        status, said = sign_in.end()
        self.assertEqual(status, 0, said)

    def test_a_no_adds_nothing(self):
        daemon = self.begin()
        before = daemon.config.read_text()
        sign_in = SignIn(daemon, *self.add_arguments("--oauth2", "test"))
        page = self.browser.go(self.browser.refuse(self.page(daemon)))
        status, said = sign_in.end()
        self.assertEqual(status, 1)
        self.assertIn("refused", said)
        self.assertIn("Not signed in", page)
        self.assertEqual(daemon.config.read_text(), before)

    def test_the_final_address_may_be_pasted(self):
        daemon = self.begin()
        sign_in = SignIn(daemon, *self.add_arguments("--oauth2", "test", "--paste"))
        end = self.browser.agree(sign_in.line(self.openid.issuer))
        sign_in.paste("http://127.0.0.1:1/?code=1&state=2")
        sign_in.line("isn't the address")
        sign_in.paste(end)
        status, said = sign_in.end()
        self.assertEqual(status, 0, said)
        daemon.sync()

    def test_a_code_may_be_typed_in_elsewhere(self):
        daemon = self.begin()
        sign_in = SignIn(daemon, *self.add_arguments("--oauth2", "test", "--device"))
        url = sign_in.line(self.openid.issuer)
        sign_in.line("type in")
        self.browser.enter(url, sign_in.line("-"))
        status, said = sign_in.end()
        self.assertEqual(status, 0, said)
        daemon.sync()

    def test_somebody_else_s_sign_in_is_told_and_not_kept(self):
        daemon = self.begin()
        before = daemon.config.read_text()
        status, said = self.add(daemon, user="eve@example.org")
        self.assertEqual(status, 1)
        self.assertIn("nothing was added", said)
        self.assertEqual(daemon.config.read_text(), before)
        self.assertEqual(self.add(daemon)[0], 0)
        daemon.sync()
        sign_in = SignIn(daemon, "account", "authorize", "work")
        eve = Browser(self.openid.issuer, "eve@example.org")
        eve.go(eve.agree(self.page(daemon)))
        status, said = sign_in.end()
        self.assertEqual(status, 1)
        self.assertIn(ADA, said)
        daemon.restart()
        daemon.sync()

    def test_without_a_client_id_it_is_said_how_to_get_one(self):
        daemon = self.begin()
        shutil.copy(TABLE, daemon.config.parent / "providers.ini")
        with self.assertRaises(ControlError) as caught:
            daemon.control(*self.add_arguments("--oauth2", "microsoft"))
        self.assertIn("entra.microsoft.com", str(caught.exception))
        self.assertIn("[oauth2 microsoft]", str(caught.exception))
        with self.assertRaises(ControlError) as caught:
            daemon.control(*self.add_arguments("--oauth2", "nobody"))
        self.assertIn("[oauth2 nobody]", str(caught.exception))


class Killed(OAuth):
    """Refresh tokens are good for ever: one that was replaced when the power went would be lost."""

    rotate = False

    def test_killed_at_any_moment_there_is_no_account_or_a_whole_one(self):
        daemon = self.begin()
        for delay in (0, 0.05, 0.1, 0.2, 0.4):
            sign_in = SignIn(daemon, *self.add_arguments("--oauth2", "test"))
            end = self.browser.agree(self.page(daemon))
            going = threading.Thread(target=lambda: self.ignore(end))
            going.start()
            time.sleep(delay)
            daemon.kill()
            sign_in.kill()
            going.join()
            daemon.start()
            if "[account work]" in daemon.config.read_text():
                daemon.sync()
                daemon.control("account", "remove", "work", "--purge")
        self.assertEqual(self.add(daemon)[0], 0)
        daemon.sync()

    def ignore(self, url):
        try:
            self.browser.go(url)
        except OSError:
            pass


class Registering(OAuth):
    clients = []
    registration = True

    def test_a_server_that_takes_new_clients_needs_no_id(self):
        daemon = self.begin()
        status, said = self.add(daemon, "--oauth2", self.openid.issuer)
        self.assertEqual(status, 0, said)
        daemon.sync()
        daemon.restart()
        daemon.sync()
        self.assertEqual(daemon.state()["Settings"]["oauth2"], self.openid.issuer)


class Proxied(OAuth):
    """All of it by way of the account's own proxy: the sign-in, in a browser or with a code, and each renewal."""

    lives = {"access": 20}

    def begin_proxied(self, scheme):
        port = urllib.parse.urlsplit(self.token.url).port
        self.proxy = FakeProxy({("127.0.0.1", self.openid.port): self.openid.port, ("127.0.0.1", port): port,
                                ("localhost", self.server.imaps): self.server.imaps,
                                ("localhost", self.server.submissions): self.server.submissions},
                               users={"ada": "love lace"})
        self.addCleanup(self.proxy.close)
        self.issuer, self.tokens = ("127.0.0.1", self.openid.port), ("127.0.0.1", port)
        return self.begin(), self.proxy.url(scheme, "ada:love%20lace@")

    def asked(self):
        asked = {(host, port) for _, host, port in self.proxy.asked}
        self.proxy.asked.clear()
        return asked

    def test_the_browsers_sign_in_and_each_renewal(self):
        for scheme in ("socks5", "http"):
            daemon, proxy = self.begin_proxied(scheme)
            status, said = self.add(daemon, "--oauth2", "test", "--proxy", proxy)
            self.assertEqual(status, 0, said)
            self.assertLessEqual({self.issuer, self.tokens, ("localhost", self.server.imaps),
                                  ("localhost", self.server.submissions)}, self.asked())
            daemon.restart()
            daemon.sync()
            self.assertIn(self.tokens, self.asked())
            # A sign-in for an account that is there goes its way, too.
            sign_in = SignIn(daemon, "account", "authorize", "work")
            self.browser.go(self.browser.agree(self.page(daemon)))
            self.assertEqual(sign_in.end()[0], 0)
            self.assertLessEqual({self.issuer, self.tokens}, self.asked())
            daemon.sync()
            # Where the proxy leads nowhere the token is kept.
            names, self.proxy.names = self.proxy.names, {}
            daemon.restart()
            state = daemon.wait(lambda: (lambda now: now if now["LastError"] else None)(daemon.state()), "an error", 60)
            self.assertEqual(state["State"], "offline")
            self.proxy.names = names
            daemon.restart()
            daemon.sync()
            self.asked()
            daemon.control("account", "remove", "work", "--purge")
            daemon.wait(lambda: self.issuer in {(host, port) for _, host, port in self.proxy.asked},
                        "the token to be given back")
            daemon.close()

    def test_a_code_that_is_typed_in_elsewhere(self):
        daemon, proxy = self.begin_proxied("socks5")
        sign_in = SignIn(daemon, *self.add_arguments("--oauth2", "test", "--device", "--proxy", proxy))
        url = sign_in.line(self.openid.issuer)
        sign_in.line("type in")
        self.browser.enter(url, sign_in.line("-"))
        status, said = sign_in.end()
        self.assertEqual(status, 0, said)
        self.assertLessEqual({self.issuer, self.tokens}, self.asked())


#: Seconds, and one more: daemon/oauth/tokens.c.
YOUNG = 10 + 1


class Refused(OAuth):
    """An access token that should be good and isn't any more."""

    def begin_with(self, protocol):
        daemon = self.begin()
        sign_in = SignIn(daemon, "account", "add", ADA, "--id", "work", "--oauth2", "test", "--incoming",
                         f"{protocol}://localhost:{self.server.ports[protocol]}",
                         "--outgoing", f"submissions://localhost:{self.server.submissions}")
        browser = Browser(self.openid.issuer, ADA)
        browser.go(browser.agree(self.page(daemon)))
        status, said = sign_in.end()
        self.assertEqual(status, 0, said)
        daemon.sync()
        return daemon

    def renewed(self, daemon, work):
        """How often the token was renewed while that was done with one that had been ended."""
        time.sleep(YOUNG)  # one that was made only just now would be refused as well
        self.openid.forget(ADA)
        before = len(self.token.refreshes())
        work()
        self.assertEqual(daemon.state()["LastError"], "")
        return len(self.token.refreshes()) - before

    def connect_anew(self, daemon):
        daemon.control("offline")
        daemon.wait_state("offline")
        daemon.control("online")
        daemon.sync()

    def test_it_is_asked_for_anew_once_whatever_the_protocol(self):
        for protocol in ("imaps", "pop3s"):
            daemon = self.begin_with(protocol)
            self.assertEqual(daemon.state()["Messages"], 3)
            self.assertEqual(self.renewed(daemon, lambda: self.connect_anew(daemon)), 1, protocol)
            delivered = len(self.server.relay.deliveries)

            def send():
                self.send(daemon, "with a token that was ended")
                daemon.wait(lambda: len(self.server.relay.deliveries) > delivered, "the mail to arrive")
            self.assertEqual(self.renewed(daemon, send), 1, protocol)
            daemon.close()


class Living(OAuth):
    """Access tokens live twenty seconds (a slow machine has to get in with one), and are renewed after half of
    that; each refresh token is good for once."""

    lives = {"access": 20}

    def used(self):
        return [form["refresh_token"] for form in self.token.refreshes()]

    def test_tokens_are_renewed_and_those_replaced_are_kept(self):
        daemon = self.begin_added()
        for _ in range(3):
            before = len(self.used())
            daemon.restart()
            daemon.sync()
            self.assertGreater(len(self.used()), before)
        self.assertEqual(len(self.used()), len(set(self.used())), "a refresh token was used twice")

    def test_all_connections_share_one_refresh(self):
        daemon = self.begin_added()
        daemon.restart()
        daemon.sync()
        before = len(self.used())
        for number in range(4):
            self.send(daemon, f"mail {number}")
        daemon.wait(lambda: len(self.server.relay.deliveries) >= 4, "the mails to arrive")
        time.sleep(11)
        self.send(daemon, "the last")
        daemon.wait(lambda: len(self.server.relay.deliveries) >= 5, "the mail to arrive")
        daemon.wait(lambda: len(self.used()) > before, "the token to be renewed")
        self.assertEqual(len(self.used()), len(set(self.used())), "a refresh token was used twice")

    def test_what_was_revoked_is_told_and_signed_in_for_anew(self):
        daemon = self.begin_added()
        self.openid.revoke(ADA)
        daemon.restart()
        state = daemon.wait_state("auth-required")
        self.assertIn("posternctl account authorize work", state["LastError"])
        asked = len(self.token.refreshes())
        for _ in range(3):
            daemon.control("sync", "work")
            time.sleep(0.3)
        self.assertEqual(len(self.token.refreshes()), asked, "a dead refresh token is shown once")
        sign_in = SignIn(daemon, "account", "authorize", "work")
        self.browser.go(self.browser.agree(self.page(daemon)))
        status, said = sign_in.end()
        self.assertEqual(status, 0, said)
        daemon.wait_state("idle")
        daemon.sync()

    def test_a_server_in_trouble_costs_nothing(self):
        daemon = self.begin_added()
        for trouble in ("hang", (503, b"", {"Retry-After": "1"}), (429, b"{}", {"Retry-After": "1"}),
                        (200, b"", {}), (200, b"[]", {}), (200, b'{"access_token": 7}', {}),
                        (200, b'{"access_token": "a\\u0001b", "token_type": "Bearer"}', {}),
                        (200, b"{" + b" " * 3000000, {}), (400, b"<html>", {}),
                        (302, b"", {"Location": "https://evil.example/"})):
            self.token.behaviour = trouble
            daemon.restart()
            state = daemon.wait(lambda: (lambda now: now if now["LastError"] else None)(daemon.state()),
                                f"trouble to be told: {trouble}"[:80], 60)
            self.assertEqual(state["State"], "offline", (state["LastError"], str(trouble)[:80]))
        self.token.behaviour = None
        daemon.restart()
        daemon.sync()

    def test_killed_between_answer_and_storage_it_asks_to_sign_in(self):
        daemon = self.begin_added()
        daemon.stop()
        swallowed = threading.Event()
        self.token.swallow = swallowed.set
        daemon.start()
        daemon.wait(swallowed.is_set, "an answer to be lost")
        daemon.kill()
        self.token.swallow = None
        daemon.start()
        daemon.wait_state("auth-required")
        sign_in = SignIn(daemon, "account", "authorize", "work")
        self.browser.go(self.browser.agree(self.page(daemon)))
        self.assertEqual(sign_in.end()[0], 0)
        daemon.sync()

    def test_a_sign_in_goes_to_no_other_server(self):
        daemon = self.begin_added()
        daemon.control("account", "set", "work", f"outgoing=submission://localhost:{self.server.submission}")
        self.send(daemon, "elsewhere")
        state = daemon.wait(lambda: (lambda now: now if now["Upstream"]["OutgoingError"] else None)(
            daemon.state()), "the sign-in to be refused")
        self.assertIn("authorize", state["Upstream"]["OutgoingError"])


if __name__ == "__main__":
    unittest.main()
