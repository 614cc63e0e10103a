# SPDX-License-Identifier: GPL-3.0-or-later
"""Services: what a daemon finds on a desktop's session bus, played by tests/tools/fake-desktop: notifications, and GNOME's
online accounts."""

import subprocess
import threading

from .postern import find_program


class Services:
    """environment   the daemon's, for its session bus
    accounts      a key file of GNOME's online accounts (tests/tools/fake-desktop.c says what is in it), or None: none run
    said          the lines so far
    """

    def __init__(self, environment, accounts=None):
        self.said = []
        self._process = subprocess.Popen(
            [find_program("fake-desktop"), *([str(accounts)] if accounts else [])], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        names = {"org.freedesktop.Notifications"} | ({"org.gnome.OnlineAccounts"} if accounts else set())
        while names:
            line = self._process.stdout.readline()
            if not line:
                raise RuntimeError("the desktop did not start")
            names.discard(line.split()[-1])
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self._process.stdout:
            self.said.append(line.strip())

    def lines(self, verb):
        return [line for line in self.said if line.split(" ")[0] == verb]

    def changed(self, account):
        """Tells that AttentionNeeded is another one now."""
        self._process.stdin.write(f"changed {account}\n")
        self._process.stdin.flush()

    def close(self):
        self._process.kill()
        self._process.communicate()
