# SPDX-License-Identifier: GPL-3.0-or-later
"""OAuth 2 by token-command: a token that the user's own program prints opens IMAP and SMTP at a Dovecot which
asks its issuer about it."""

import http.server
import json
import smtplib
import tempfile
import threading
import unittest
import urllib.parse
from pathlib import Path

from harness import Case, ControlError, account, dovecot_settings, fill
from test_sync import mail, mails


class Issuer(http.server.ThreadingHTTPServer):
    """Says whose an access token is."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Tokens)
        self.good = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/?token="

    def close(self):
        self.shutdown()
        self.server_close()


class Tokens(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        token = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query).get("token", [""])[0]
        user = self.server.good.get(token)
        body = json.dumps({"user": user} if user else {"error": "invalid_token"}).encode()
        self.send_response(200 if user else 400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class TokenCommand(Case):
    def setUp(self):
        super().setUp()
        self.issuer = Issuer()
        self.addCleanup(self.issuer.close)
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.directory.chmod(0o755)
        self.server = self.provider(settings=dovecot_settings.oauth2(self.issuer.url,
                                                                     self.directory / "oauth2.conf"))
        fill(self.server, mails(3))
        self.token = self.directory / "token"
        self.issue("first")

    def issue(self, token):
        """From now on the command prints this token, and no other is good."""
        self.issuer.good = {token: "ada@example.org"}
        self.token.write_text(token + "\n")

    def settings(self, **more):
        settings = account(self.server, auth="oauth2", **more)
        del settings["password-command"]
        settings["token-command"] = f"cat {self.token}"
        return settings

    def test_a_token_opens_imap_and_smtp(self):
        daemon = self.postern(accounts={"work": self.settings()})
        self.assertEqual(daemon.state()["Messages"], 3)
        with smtplib.SMTP("127.0.0.1", daemon.ports["submission"], timeout=60) as session:
            session.login(*daemon.login())
            session.sendmail("ada@example.org", ["bob@example.net"], mail("by token"))
        daemon.wait(lambda: self.server.relay.deliveries, "the mail to arrive")

    def test_a_token_opens_a_maildrop(self):
        daemon = self.postern(accounts={"work": self.settings(incoming="pop3s")})
        self.assertEqual(daemon.state()["Messages"], 3)
        self.issue("second")
        daemon.sync()
        self.issuer.good = {}
        with self.assertRaises(ControlError) as caught:
            daemon.sync()
        self.assertIn("refuses the user name or password", str(caught.exception))

    def test_each_connection_has_a_fresh_token(self):
        daemon = self.postern(accounts={"work": self.settings()})
        self.issue("second")
        daemon.restart()
        daemon.sync()
        daemon.wait_state("idle")

    def test_a_token_that_is_no_more_good_is_told(self):
        daemon = self.postern(accounts={"work": self.settings()})
        self.issuer.good = {}
        daemon.restart()
        daemon.wait_state("auth-required")
        self.issue("third")
        daemon.control("sync", "work")
        daemon.wait_state("idle")

    def test_account_add_tries_the_token(self):
        daemon = self.postern(accounts={}, environment={"SSL_CERT_FILE": str(self.server.ca_file)})
        arguments = ("account", "add", "ada@example.org", "--token-command", f"cat {self.token}",
                     "--incoming", f"imaps://localhost:{self.server.imaps}",
                     "--outgoing", f"submissions://localhost:{self.server.submissions}")
        self.token.write_text("forged\n")
        with self.assertRaises(ControlError):
            daemon.control(*arguments)
        self.assertNotIn("[account", daemon.config.read_text())
        self.issue("good")
        daemon.control(*arguments)
        daemon.sync("ada")
        self.assertEqual(daemon.state("ada")["Messages"], 3)

    def test_what_doesnt_go_together_is_told_with_the_key(self):
        for key, value in (("token-command", None), ("auth", None), ("password-command", "true")):
            settings = self.settings()
            settings[key] = value
            daemon = self.postern(accounts={"work": {k: v for k, v in settings.items() if v}},
                                  synced=False)
            self.assertIn("token-command", daemon.state()["LastError"])


if __name__ == "__main__":
    unittest.main()
