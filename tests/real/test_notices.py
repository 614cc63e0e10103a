# SPDX-License-Identifier: GPL-3.0-or-later
"""What a desktop adds: a notification where somebody has to sign in, once and until it is done; and accounts of GNOME Online
Accounts, whose passwords and tokens open a Dovecot."""

import re
import smtplib
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import Case, ControlError, Keyring, account, dovecot_settings, fill
from harness.services import Services
from test_sync import mail, mails
from test_tokens import Issuer


class Notices(Case):
    def begin(self, **settings):
        self.server = self.provider()
        fill(self.server, mails(2))
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.password = Path(directory.name) / "password"
        self.password.write_text("wrong\n")
        chosen = account(self.server, password_command=f"cat {self.password}", **settings)
        daemon = self.postern(accounts={"work": chosen}, start=False, synced=False)
        self.desktop = Services(daemon.environment)
        self.addCleanup(self.desktop.close)
        daemon.start()
        return daemon

    def shown(self):
        return self.desktop.lines("notify")

    def taken_back(self):
        return self.desktop.lines("close")

    def refused(self, daemon):
        daemon.wait_state("auth-required")
        daemon.wait(self.shown, "a notification")

    def test_it_is_told_once_and_taken_back_when_it_is_solved(self):
        daemon = self.begin()
        self.refused(daemon)
        for _ in range(3):
            with self.assertRaises(ControlError):
                daemon.sync()
        self.assertEqual(len(self.shown()), 1)
        self.assertIn("ada@example.org", self.shown()[0])
        self.assertIn("work", self.shown()[0])
        self.assertEqual(self.taken_back(), [])
        self.password.write_text("lovelace\n")
        daemon.sync()
        daemon.wait(self.taken_back, "it to be taken back")
        # Another time is told anew.
        self.password.write_text("wrong again\n")
        daemon.restart()
        daemon.wait(lambda: len(self.shown()) == 2, "another notification")
        daemon.control("account", "remove", "work", "--purge")
        daemon.wait(lambda: len(self.taken_back()) == 2, "the second to be taken back")

    def test_of_what_works_nothing_is_told_and_with_the_daemon_it_goes(self):
        daemon = self.begin()
        self.refused(daemon)
        daemon.stop()
        daemon.wait(self.taken_back, "it to be taken back")
        self.password.write_text("lovelace\n")
        daemon.start()
        daemon.sync()
        daemon.restart()
        daemon.sync()
        self.assertEqual(len(self.shown()), 1)

    def test_where_only_sending_is_refused_it_is_told_too(self):
        daemon = self.begin(outgoing_password_command="echo never")
        self.password.write_text("lovelace\n")
        daemon.sync()
        self.assertEqual([line for line in self.shown()[1:]], [])
        before = len(self.shown())
        with smtplib.SMTP("127.0.0.1", daemon.ports["submission"], timeout=120) as session:
            session.login(*daemon.login())
            session.sendmail("ada@example.org", ["bob@example.net"], mail("out"))
        daemon.wait(lambda: len(self.shown()) > before, "a notification")

    def test_its_words_say_what_to_do_and_that_helps(self):
        daemon = self.begin()
        keyring = Keyring(daemon.environment)
        self.addCleanup(keyring.close)
        daemon.control("account", "set", "work", "password-command=")
        daemon.control("account", "set", "work", "--password-stdin", data=b"wrong\n")
        daemon.wait(lambda: any("posternctl account authorize work" in line for line in self.shown()), "what to do")
        daemon.control("account", "authorize", "work", data=b"lovelace\n")
        daemon.sync()
        daemon.wait(lambda: len(self.taken_back()) == len(self.shown()), "all to be taken back")


class Gnome(Case):
    """account add --goa, and what comes after."""

    def begin(self, tokens=False):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.directory.chmod(0o755)
        settings = None
        if tokens:
            self.issuer = Issuer()
            self.addCleanup(self.issuer.close)
            self.issuer.good = {"first": "ada@example.org"}
            settings = dovecot_settings.oauth2(self.issuer.url, self.directory / "oauth2.conf")
        self.server = self.provider(**({"settings": settings} if settings else {}))
        fill(self.server, mails(3))
        self.file = self.directory / "goa"
        self.known = {"address": "ada@example.org", "imap": f"localhost:{self.server.imaps}",
                      "smtp": f"localhost:{self.server.submissions}", "imap-user": "ada@example.org",
                      "smtp-user": "ada@example.org",
                      **({"token": "first"} if tokens else {"password": "lovelace"})}
        self.write()
        daemon = self.postern(accounts={}, environment={"SSL_CERT_FILE": str(self.server.ca_file)})
        self.desktop = Services(daemon.environment, self.file)
        self.addCleanup(self.desktop.close)
        return daemon

    def write(self, **more):
        self.known.update(more)
        self.file.write_text("[account_1]\n" + "".join(f"{key}={value}\n" for key, value in self.known.items()))

    def use(self, daemon):
        daemon.sync("ada")
        self.assertEqual(daemon.state("ada")["Messages"], 3)
        delivered = len(self.server.relay.deliveries)
        with smtplib.SMTP("127.0.0.1", daemon.ports["submission"], timeout=120) as session:
            session.login(*daemon.login("ada"))
            session.sendmail("ada@example.org", ["bob@example.net"], mail("by way of GNOME"))
        daemon.wait(lambda: len(self.server.relay.deliveries) > delivered, "the mail to arrive")

    def listed(self, daemon):
        said = subprocess.run(["gdbus", "call", "--session", "--dest", "org.postern.Postern1", "--object-path",
                               "/org/postern/Postern1", "--method", "org.postern.Postern1.Manager.ListOnlineAccounts"],
                              env=daemon.environment, stdout=subprocess.PIPE, text=True, check=True).stdout
        return {key: text if word == "" else word == "true"
                for key, text, word in re.findall(r"'(\w+)': <(?:'([^']*)'|(true|false))>", said)}

    def check(self, tokens):
        daemon = self.begin(tokens)
        one = self.listed(daemon)
        self.assertEqual((one["Id"], one["Address"], one["OAuth2"], one["AttentionNeeded"], one["Account"]),
                         ("account_1", "ada@example.org", tokens, False, ""))
        self.assertEqual(one["Incoming"], f"imaps://localhost:{self.server.imaps}")
        daemon.control("account", "add", "ada@example.org", "--goa", "account_1")
        text = daemon.config.read_text()
        self.assertIn("goa=account_1\n", text)
        self.assertNotRegex(text, "lovelace|first")
        self.use(daemon)
        self.assertEqual(self.listed(daemon)["Account"], "ada")
        # GNOME isn't let in any more.
        for error in ("org.gnome.OnlineAccounts.Error.NotAuthorized", "org.gnome.OnlineAccounts.Error.Failed"):
            self.write(attention="true", refuse=error)
            daemon.restart()
            state = daemon.wait_state("auth-required", account="ada")
            self.assertIn("GNOME's settings", state["LastError"])
            daemon.wait(lambda: self.desktop.lines("notify"), "a notification")
            self.assertIn("GNOME's settings", self.desktop.lines("notify")[-1])
            self.assertTrue(self.listed(daemon)["AttentionNeeded"])
            with self.assertRaises(ControlError) as caught:
                daemon.control("account", "authorize", "ada", data=b"\n")
            self.assertIn("GNOME's settings", str(caught.exception))
            # It is again: nobody has to wait, or to say so.
            self.write(attention="false", refuse="")
            self.desktop.changed("account_1")
            daemon.wait_state("idle", account="ada")
        self.use(daemon)
        # What it can't say now is waited for.
        self.write(refuse="org.gnome.OnlineAccounts.Error.Failed")
        daemon.restart()
        daemon.wait_state("locked", account="ada")

    def test_its_password_opens_imap_and_smtp(self):
        self.check(tokens=False)

    def test_its_token_opens_imap_and_smtp(self):
        self.check(tokens=True)

    def test_an_account_that_it_does_not_have(self):
        daemon = self.begin()
        with self.assertRaises(ControlError) as caught:
            daemon.control("account", "add", "ada@example.org", "--goa", "account_9")
        self.assertIn("account_9", str(caught.exception))
        self.assertNotIn("[account", daemon.config.read_text())


if __name__ == "__main__":
    unittest.main()
