# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever stands in the place of postern.conf while the daemon runs: each call over D-Bus answers, a refusal names the
file and what to do, and the file stays as it is."""

import os
import re
import socket
import subprocess

from harness import PATIENCE, Case

NAME, ROOT = "org.postern.Postern1", "/org/postern/Postern1"
WORK = f"{ROOT}/accounts/work"

#: (path, method, arguments, whether it has to read or write the file)
CALLS = (
    (WORK, "Account.Configure", ("{'name': <'Ada'>}", ""), True),
    (ROOT, "Manager.AddAccount", ("{'id': <'other'>, 'address': <'new@example.org'>, 'incoming': <'imap+insecure://127.0.0.1:9'>}", ""), True),
    (ROOT, "Manager.RemoveAccount", ("work", "false"), True),
    (ROOT, "Manager.Reload", (), True),
    (WORK, "Account.NewLocalPassword", ("x",), False),
    (WORK, "Account.RevokeLocalPassword", ("x",), False),
    (WORK, "Account.ListFolders", (), False),
    (ROOT, "Manager.ListQueue", ("{}", "0", "10"), False),
)
#: What a refusal says to do.
REMEDY = "move it away|put a copy|chmod|mend|by hand|Make room|line \\d|look for"


def device(path):
    path.symlink_to("/dev/zero")


def socket_at(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


class States(Case):
    def states(self):
        text = self.daemon.config.read_bytes()
        yield "a folder", lambda path: path.mkdir()
        yield "a pipe", os.mkfifo
        yield "a device", device
        yield "a socket", socket_at
        yield "a circle", lambda path: path.symlink_to(path.name)
        yield "others can write", lambda path: (path.write_bytes(text), path.chmod(0o666))
        yield "NUL", lambda path: path.write_bytes(text + b"\0\n[account eve]\n")
        yield "no text", lambda path: path.write_bytes(os.urandom(3000) + b"\0")
        yield "huge", lambda path: path.write_bytes(text + b"# x\n" * 500000)
        yield "half", lambda path: path.write_bytes(text + b"[account e")
        yield "nonsense", lambda path: path.write_bytes(b"nonsense\n" + text)

    def disk(self, path):
        """The file on a disk of its own."""
        where = path.parent / "disk"
        where.mkdir(mode=0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(where)], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", str(where)], check=True)
        (where / path.name).write_bytes(path.read_bytes())
        (where / path.name).chmod(0o600)
        path.unlink()
        path.symlink_to(where / path.name)
        return where

    def check_refused(self, words):
        """It can be read, not written."""
        before = self.seen(self.daemon.config)
        for where, method, arguments, needs in CALLS:
            with self.subTest(call=method):
                made, said = self.call(where, method, arguments)
                self.assertEqual(made, method == "Manager.Reload" or not needs, said)
                self.assertEqual(self.seen(self.daemon.config), before)
                if not made:
                    self.assertRegex(said, words)
        self.assertEqual(self.daemon.state()["State"], "idle")

    def test_a_disk_that_is_full(self):
        self.daemon = self.postern(synced=False, accounts={"work": {"incoming": "local:"}})
        where = self.disk(self.daemon.config)
        with open(where / "ballast", "wb", buffering=0) as ballast:
            try:
                while ballast.write(b"x" * 4096):
                    pass
            except OSError:
                pass
        self.check_refused(r"Error\.NoSpace.*postern\.conf.*Make room")

    def test_a_disk_that_can_only_be_read(self):
        self.daemon = self.postern(synced=False, accounts={"work": {"incoming": "local:"}})
        where = self.disk(self.daemon.config)
        subprocess.run(["mount", "-o", "remount,ro", str(where)], check=True)
        self.check_refused(r"postern\.conf can't be written \(.*by hand")

    def call(self, path, method, arguments):
        done = subprocess.run(["gdbus", "call", "--session", "--dest", NAME, "--object-path", path, "--method", f"{NAME}.{method}",
                               *arguments], env=self.daemon.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=20 * PATIENCE)
        return done.returncode == 0, done.stdout

    @staticmethod
    def seen(path):
        return (os.lstat(path).st_mode, path.read_bytes()) if path.is_file() else os.lstat(path).st_mode

    def test_each_call_answers_and_the_file_stays_whole(self):
        self.daemon = self.postern(synced=False, accounts={"work": {"incoming": "local:"}})
        path = self.daemon.config
        good = path.read_bytes()
        for name, make in list(self.states()):
            path.unlink()
            make(path)
            path.is_symlink() or path.is_dir() or path.chmod(path.stat().st_mode & 0o777 & (0o700 if name != "others can write" else 0o777))
            before = self.seen(path)
            for where, method, arguments, needs in CALLS:
                with self.subTest(state=name, call=method):
                    made, said = self.call(where, method, arguments)
                    self.assertTrue(self.daemon.running())
                    self.assertEqual(self.seen(path), before)
                    if needs:
                        self.assertFalse(made, said)
                        self.assertRegex(said, re.escape(path.name))
                        self.assertRegex(said, REMEDY)
                    elif method != "Account.RevokeLocalPassword":
                        self.assertTrue(made, said)
            path.rmdir() if path.is_dir() else path.unlink()
            path.write_bytes(good)
            path.chmod(0o600)
        made, said = self.call(ROOT, "Manager.Reload", ())
        self.assertTrue(made, said)
        self.assertEqual(self.daemon.state()["State"], "idle")
