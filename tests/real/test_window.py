# SPDX-License-Identifier: GPL-3.0-or-later
"""The window, used as a screen reader uses it: by the names of things."""

import os
from pathlib import Path

from harness import Keyring, fill
from harness.desktop import Desktop
from test_adding import Adding
from test_sync import mails

# POSTERN_SCREENSHOTS names a folder for pictures of every page, to be looked at.
PICTURES = os.environ.get("POSTERN_SCREENSHOTS")


class Window(Adding):
    def desktop(self, daemon, **options):
        desktop = Desktop(daemon.environment, **options)
        self.addCleanup(self.end, desktop)
        desktop.open_window()
        return desktop

    def end(self, desktop):
        """No page may leave a complaint of GTK, GLib or a sanitizer behind."""
        self.assertEqual([line for line in desktop.close_window().splitlines()
                          if "CRITICAL" in line or "WARNING" in line or "Sanitizer" in line], [])
        desktop.__exit__()

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
        self.assertEqual(daemon.state("ada")["Messages"], 3)
        desktop.press("Set Up Your Mail Program")
        desktop.wait_text("Another program")
        self.picture(desktop, "programs")
        desktop.click("Another program", role="list item")
        desktop.wait_text("User name")
        self.picture(desktop, "values")
