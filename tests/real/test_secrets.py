# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a provider's password is kept when no secret service is there, and what happens while one is locked."""

import os
import pty
import subprocess
import threading
import time
import unittest
from pathlib import Path

from harness import PATIENCE, Case, ControlError, FakePop3, Keyring, find_program
from test_sync import mails

#: What systemd-creds of systemd 256 does for a user, but for the encrypting; it notes its arguments.
CREDS = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/arguments"
[ "$2" = --user ] || { echo "needs root" >&2; exit 1; }
case "$1" in
encrypt) [ "$4 $5" = "- -" ] || exit 2; echo "$3"; base64 | rev;;
decrypt) [ "$(head -1 "$4")" = "$3" ] || { echo "another name" >&2; exit 1; }; tail -n +2 "$4" | rev | base64 -d;;
esac
"""


class SecretCase(Case):
    def setUp(self):
        self.server = FakePop3(mails(3))
        self.addCleanup(self.server.close)
        self.url = f"pop3+insecure://127.0.0.1:{self.server.port}"

    def daemon(self, creds):
        daemon = self.postern(accounts={}, start=False, synced=False)
        tools = daemon.directory / "tools"
        tools.mkdir()
        (tools / "systemd-creds").write_text(creds)
        (tools / "systemd-creds").chmod(0o755)
        daemon.environment["PATH"] = f"{tools}:{os.environ['PATH']}"
        daemon.start()
        return daemon

    def add(self, daemon, *more, password=b"lovelace\n"):
        return daemon.control("account", "add", "ada@example.org", "--id", "work", "--incoming", self.url,
                              "--password-stdin", *more, data=password)


class EncryptedFile(SecretCase):
    def sealed(self, daemon):
        return daemon.directory / "secrets/work.cred"

    def test_the_password_is_in_a_file_that_is_none_of_its_words(self):
        daemon = self.daemon(CREDS)
        self.add(daemon, "--encrypted-file")
        daemon.sync()
        self.assertEqual(daemon.state()["Messages"], 3)
        self.assertEqual(daemon.state()["Upstream"]["Secret"], "an encrypted file (systemd-creds)")
        sealed = self.sealed(daemon)
        self.assertEqual((sealed.stat().st_mode & 0o777, sealed.parent.stat().st_mode & 0o777), (0o600, 0o700))
        for path in daemon.directory.rglob("*"):
            if path.is_file() and "fake" not in path.name:
                self.assertNotIn(b"lovelace", path.read_bytes(), path)
        # It outlives the daemon, and another password takes its place.
        self.server.password = "byron"
        daemon.restart()
        daemon.wait_state("auth-required")
        daemon.control("account", "set", "work", "--password-stdin", data=b"byron\n")
        daemon.wait_state("idle")
        daemon.sync()
        # The file of another account isn't this one's.
        sealed.write_text(sealed.read_text().replace("postern-work", "postern-other"))
        daemon.restart()
        self.assertIn("another name", daemon.wait_state("locked")["LastError"])
        daemon.control("account", "remove", "work", "--purge")
        daemon.wait(lambda: not sealed.exists(), "the file's end")

    def test_without_a_yes_or_a_systemd_that_can_nothing_is_kept(self):
        daemon = self.daemon(CREDS)
        with self.assertRaises(ControlError) as caught:
            self.add(daemon)
        self.assertIn("--encrypted-file", str(caught.exception))
        old = self.daemon("#!/bin/sh\necho 'unknown option --user' >&2; exit 1\n")
        for more, words in (((), "--password-command"), (("--encrypted-file",), "systemd 256 or newer")):
            with self.assertRaises(ControlError) as caught:
                self.add(old, *more)
            self.assertIn(words, str(caught.exception))
            self.assertNotIn("--encrypted-file", str(caught.exception))
        for one in (daemon, old):
            self.assertEqual(one.control("account", "list"), [])
            self.assertFalse(self.sealed(one).exists())

    def test_on_a_terminal_it_is_offered_and_a_no_is_a_no(self):
        daemon = self.daemon(CREDS)
        for answer, status in ((b"n\n", 1), (b"y\n", 0)):
            self.assertEqual(self.on_terminal(daemon, answer), status)
        daemon.sync()

    def on_terminal(self, daemon, answer):
        ours, theirs = pty.openpty()
        program = subprocess.Popen(
            [find_program("posternctl"), "account", "add", "ada@example.org", "--id", "work", "--incoming", self.url],
            env=daemon.environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        said = b""
        for question, reply in ((b"password: ", b"lovelace\n"), (b"[y/N] ", answer)):
            while question not in said:
                said += os.read(ours, 4096)
            said = b""
            time.sleep(0.2)
            os.write(ours, reply)
        reader = threading.Thread(target=self.drain, args=(ours,), daemon=True)
        reader.start()
        status = program.wait(60 * PATIENCE)
        reader.join(10)
        os.close(ours)
        return status

    @staticmethod
    def drain(terminal):
        try:
            while os.read(terminal, 4096):
                pass
        except OSError:
            pass

    def test_nothing_shows_it_among_a_programs_arguments(self):
        daemon = self.daemon(CREDS)
        self.add(daemon, "--encrypted-file")
        daemon.sync()
        arguments = (daemon.directory / "tools/arguments").read_text()
        self.assertIn("encrypt --user --name=postern-work - -", arguments)
        self.assertNotIn("lovelace", arguments)
        self.assertNotIn("lovelace", daemon.log())


class Locked(SecretCase):
    """GNOME Keyring on the test's own bus, with nobody to type its password."""

    def call(self, daemon, method, *arguments):
        done = subprocess.run(["gdbus", "call", "--session", "--dest", "org.freedesktop.secrets", "--object-path",
                               "/org/freedesktop/secrets", "--method", f"org.freedesktop.Secret.Service.{method}",
                               *arguments], env=daemon.environment, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def begin_with_keyring(self):
        """A daemon whose account's password is kept by a keyring, `self.keyring`, which may be another later."""
        daemon = self.postern(accounts={}, synced=False)
        daemon.environment["XDG_DATA_HOME"] = str(daemon.directory / "xdg")
        Path(daemon.environment["XDG_DATA_HOME"]).mkdir()
        self.keyring = Keyring(daemon.environment)
        self.addCleanup(lambda: self.keyring.close())
        self.add(daemon)
        daemon.sync()
        return daemon

    def test_a_locked_keyring_is_said_and_waited_for(self):
        daemon = self.begin_with_keyring()
        self.assertEqual(daemon.state()["Upstream"]["Secret"], "the secret service")
        self.call(daemon, "Lock", "['/org/freedesktop/secrets/collection/login']")
        daemon.restart()
        state = daemon.wait_state("locked", timeout=120)
        self.assertIn("unlock it", state["LastError"])
        # Mail that is here is served meanwhile; what comes waits.
        with daemon.imap() as imap:
            self.assertEqual(imap.select().exists, 3)
        self.server.add(mails(4)[3])
        self.keyring.close()
        self.keyring = Keyring(daemon.environment)
        daemon.wait(lambda: daemon.state()["Messages"] == 4, "the mail that came meanwhile", timeout=200)
        self.assertEqual(daemon.wait_state("idle")["LastError"], "")

    def test_without_any_service_it_is_waited_for_too(self):
        daemon = self.begin_with_keyring()
        self.keyring.close()
        daemon.restart()
        self.assertIn("secret service", daemon.wait_state("locked", timeout=120)["LastError"])
        self.keyring = Keyring(daemon.environment)
        daemon.wait_state("idle", timeout=200)


if __name__ == "__main__":
    unittest.main()
