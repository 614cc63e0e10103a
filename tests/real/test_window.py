# SPDX-License-Identifier: GPL-3.0-or-later
"""The window, used as a screen reader uses it: by the names of things."""

import os
import re
import smtplib
import subprocess
import unittest
from pathlib import Path

from harness import FakeSmtp, Keyring
from harness.desktop import Desktop
from test_adding import Unadded

# POSTERN_SCREENSHOTS names a folder for pictures of every page, to be looked at.
PICTURES = os.environ.get("POSTERN_SCREENSHOTS")


class Window(Unadded):
    def desktop(self, daemon, **options):
        desktop = Desktop(daemon.environment, **options)
        self.addCleanup(self.end, desktop)
        desktop.open_window()
        return desktop

    def end(self, desktop):
        """No page may leave a complaint of GTK, GLib or a sanitizer behind."""
        said = desktop.close_window()
        desktop.__exit__()
        self.assertEqual([line for line in said.splitlines()
                          if "CRITICAL" in line or "WARNING" in line or "Sanitizer" in line], [])

    def picture(self, desktop, name):
        if PICTURES:
            desktop.screenshot(Path(PICTURES) / f"{name}.png")


class FirstRun(Window):
    def test_from_an_address_to_a_mail_program(self):
        daemon = self.begin(self.autoconfig())
        self.keyring = Keyring(daemon.environment)
        self.addCleanup(self.keyring.close)
        desktop = self.desktop(daemon)
        desktop.wait_text("No Accounts Yet")
        self.picture(desktop, "empty")
        desktop.press("Add an Account")
        desktop.wait_text("Mail address")
        self.picture(desktop, "address")
        desktop.fill("Mail address", "ada@example.org")
        desktop.press("Continue")
        desktop.wait_text("Example Mail")
        self.picture(desktop, "servers")
        desktop.press("Add Account")
        desktop.wait_text("Nobody vouches")
        desktop.click("These are my provider", role="check box")
        desktop.press("Add Account")
        desktop.wait_text("The password is missing")
        desktop.fill("Password", "wrong")
        desktop.press("Add Account")
        desktop.wait_text("Untried")
        self.picture(desktop, "wrong-password")
        self.assertNotIn("[account", daemon.config.read_text())
        desktop.fill("Password", "lovelace")
        desktop.press("Add Account")
        desktop.wait_text("The Account Is Added")
        desktop.wait_text("Up to date")
        self.picture(desktop, "done")
        daemon.wait(lambda: daemon.state("ada")["Messages"] == 3, "the mail")
        desktop.press("Set Up Your Mail Program")
        desktop.wait_text("Another program")
        self.picture(desktop, "programs")
        desktop.open("Another program", "Incoming mail (IMAP)")
        self.picture(desktop, "values")


class Looking(Window):
    """A window over an account with mail."""

    def setUp(self):
        super().setUp()
        self.daemon = self.begin()
        self.add(self.daemon, *self.servers())
        self.daemon.sync("ada")

    def test_an_account_has_a_page(self):
        desktop = self.desktop(self.daemon)
        desktop.wait_text("Up to date")
        self.picture(desktop, "main")
        desktop.open("ada@example.org", "Provider")
        seen = desktop.wait_text("3 messages")
        self.assertIn(f"imaps://localhost:{self.server.imaps}", seen)
        self.picture(desktop, "account")
        desktop.open("Folders", "3 messages, 1 unread")
        self.picture(desktop, "folders")
        desktop.press("Back")
        desktop.open("Set Up a Mail Program", "Another program")
        desktop.open("Another program", "Incoming mail (IMAP)")
        self.assertEqual(len(self.daemon.state("ada")["LocalPasswords"]), 1)
        desktop.press("Back")
        desktop.press("Back")
        desktop.press("End the password of client")
        desktop.wait_text("End This Password?")
        desktop.press("End It")
        self.daemon.wait(lambda: not self.daemon.state("ada")["LocalPasswords"], "the password to end")
        desktop.press("Remove Account")
        desktop.wait_text("Remove This Account?")
        self.picture(desktop, "remove")
        desktop.press("_Remove")
        desktop.wait_text("No Accounts Yet")
        self.assertEqual(self.daemon.control("account", "list"), [])


class Outgoing(Window):
    """A window over mail that isn't sent."""

    def begin_offline(self):
        self.daemon = self.postern(accounts={"work": {
            "address": "ada@example.org", "incoming": "imap+insecure://127.0.0.1:1",
            "outgoing": "submission+insecure://127.0.0.1:1", "password_command": "echo x"}}, synced=False)
        self.daemon.control("offline")

    def begin_refusing(self):
        """A provider that refuses mail until told otherwise."""
        smtp = FakeSmtp()
        self.addCleanup(smtp.close)
        smtp.answers["RCPT"] = "550 5.1.1 No such person"
        self.daemon = self.postern(accounts={"work": {
            "address": "ada@example.org", "incoming": "imap+insecure://127.0.0.1:1",
            "outgoing": f"submission+insecure://127.0.0.1:{smtp.port}", "password_command": "echo x"}},
            synced=False)
        return smtp

    def send(self, count, subject):
        with smtplib.SMTP("127.0.0.1", self.daemon.ports["submission"]) as smtp:
            smtp.login("work", self.daemon.new_password(name=subject))
            for number in range(count):
                smtp.sendmail("ada@example.org", ["bob@example.net"],
                              f"Subject: {subject} {number}\r\n\r\nText\r\n")

    def test_a_refused_mail_is_seen_however_many_were_sent_after_it(self):
        smtp = self.begin_refusing()
        self.send(1, "bad")
        self.daemon.wait(lambda: self.daemon.queue("failed"), "the refusal")
        del smtp.answers["RCPT"]
        self.send(60, "good")
        self.daemon.wait(lambda: len(self.daemon.queue("sent")) >= 50, "them to be sent")
        desktop = self.desktop(self.daemon)
        desktop.wait_text("bad 0")
        desktop.wait_text("Refused")
        self.picture(desktop, "refused")

    def test_all_that_waits_is_counted_and_listed(self):
        self.begin_offline()
        self.send(1001, "letter")
        desktop = self.desktop(self.daemon)
        desktop.wait_text("All 1001…")
        self.picture(desktop, "outgoing")
        desktop.press("All 1001")
        desktop.wait_text("letter 992")
        self.picture(desktop, "outgoing-all")

    def test_nothing_is_thrown_away_by_one_click(self):
        self.begin_offline()
        self.send(2, "letter")
        desktop = self.desktop(self.daemon)
        desktop.wait_text("letter 1")
        desktop.press("Throw Away")
        desktop.wait_text("Throw This Mail Away?")
        self.picture(desktop, "throw-away")
        desktop.key("Return")  # what Enter does isn't that
        self.assertEqual(len(self.daemon.queue()), 2)
        desktop.press("Throw Away")
        desktop.press("_Throw Away")
        self.daemon.wait(lambda: len(self.daemon.queue()) == 1, "it to go")
        self.daemon.wait(lambda: self.daemon.queue("held") or (desktop.try_press("Hold Back"), None)[1],
                         "it to be held")
        desktop.wait_text("On hold")

    def test_the_window_lives_over_a_restart(self):
        self.begin_offline()
        self.send(1, "letter")
        desktop = self.desktop(self.daemon)
        desktop.wait_text("letter 0")
        self.daemon.stop()
        desktop.wait_text("Isn’t Running")
        self.daemon.start()
        desktop.wait_text("letter 0")
        desktop.wait_text("Offline")


class Translations(unittest.TestCase):
    """What the window says, in every language that it speaks."""

    TOP = Path(__file__).resolve().parents[2]

    def said(self):
        """Everything that is to be translated, as xgettext finds it."""
        files = (self.TOP / "data/po/POTFILES").read_text().split()
        self.assertEqual(sorted(files), sorted(str(path.relative_to(self.TOP)) for path in
                                               (self.TOP / "ui/window").iterdir() if path.suffix in (".c", ".ui")))
        return subprocess.run(["xgettext", "--from-code=UTF-8", "-k_", "-kN_", "-kngettext:1,2", "-o", "-", *files],
                              cwd=self.TOP, check=True, capture_output=True, text=True).stdout

    def test_they_are_whole(self):
        said = self.said()
        count = len(re.findall(r"^msgid ", said, re.M)) - 1
        for language in (self.TOP / "data/po/LINGUAS").read_text().split():
            with self.subTest(language=language):
                po = self.TOP / f"data/po/{language}.po"
                checked = subprocess.run(["msgfmt", "--check-format", "--statistics", "-o", "/dev/null", str(po)],
                                         capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
                self.assertEqual(checked.stderr.strip(), f"{count} translated messages.")
                merged = subprocess.run(["msgmerge", "--no-fuzzy-matching", "-q", "-o", "-", str(po), "-"], input=said,
                                        check=True, capture_output=True, text=True).stdout
                self.assertNotRegex(merged, r'msgstr(\[\d\])? ""\n(?!")')
