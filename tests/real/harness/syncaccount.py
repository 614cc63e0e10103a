# SPDX-License-Identifier: GPL-3.0-or-later
"""SyncAccount: the cache and sync of one account without the daemon around them (tests/tools)."""

import base64
import os
import subprocess
import tempfile

from .postern import find_plain, find_program


class SyncError(Exception):
    """A command failed; str() says why."""


class SyncAccount:
    """Runs sync-account against an IMAP server on 127.0.0.1:`port`; the cache is in `directory`.

    settings   further lines of the account's group in postern.conf
    providers  the path of a providers.ini
    plain  without sanitizers, where that is built: a third of the time
    scheme what is spoken: "imap" or "pop3"; with TLS if `secure`, and a certificate of localhost
    """

    SYSTEM = {1: "\\Answered", 2: "\\Flagged", 4: "\\Deleted", 8: "\\Seen", 16: "\\Draft"}

    def __init__(self, port, directory=None, user="ada@example.org", password="lovelace",
                 prefetch=None, environment=None, plain=False, settings="", providers=None, scheme="imap",
                 secure=False):
        self.program = (find_plain if plain else find_program)("sync-account")
        self.port, self.user, self.password, self.prefetch = port, user, password, prefetch
        self.url = f"{scheme}://localhost:{port}" if secure else f"{scheme}+insecure://127.0.0.1:{port}"
        self.settings = {"POSTERN_SETTINGS": settings}
        if providers:
            self.settings["POSTERN_PROVIDERS"] = str(providers)
        self._temporary = None if directory else tempfile.TemporaryDirectory(prefix="postern-sync-")
        self.directory = str(directory or self._temporary.name)
        self._process = None
        self.start(environment)

    #: Without TLS nobody needs the system's authorities, which take longer to read than all the rest.
    ENVIRONMENT = {"SSL_CERT_FILE": "/dev/null", "SSL_CERT_DIR": "/dev/null"}

    def start(self, environment=None):
        """`environment` is what there is besides this process's own."""
        environment = {**os.environ, **self.ENVIRONMENT, **self.settings, **(environment or {})}
        command = [self.program, self.url,
                   self.user, self.password, self.directory]
        if self.prefetch is not None:
            command.append(str(self.prefetch))
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         text=True, errors="surrogateescape", env=environment)

    def __call__(self, *words):
        """Runs a command; returns its lines as lists of words."""
        lines = []
        try:
            self._process.stdin.write("\t".join(map(str, words)) + "\n")
            self._process.stdin.flush()
            for line in self._process.stdout:
                line = line.rstrip("\n")
                if line == "ok":
                    return lines
                if line.startswith("failed: "):
                    raise SyncError(line[8:])
                lines.append(line.split("\t"))
        except BrokenPipeError:
            pass
        raise SyncError(f"sync-account ended: {self._process.wait()}")

    def tell(self, *commands):
        """Commands of one word, the next as soon as one is done."""
        self._process.stdin.write("".join(command + "\n" for command in commands))
        self._process.stdin.flush()
        for _ in commands:
            assert self._process.stdout.readline() == "ok\n", commands

    def folders(self):
        """{name: UIDVALIDITY}"""
        return {line[0]: int(line[3]) for line in self("folders")}

    def messages(self, folder):
        """{uid: (Message-ID, set of flags, digest)}"""
        found = {}
        for uid, system, keywords, _, _, digest, name, _ in self("list", folder):
            flags = {flag for bit, flag in self.SYSTEM.items() if int(system) & bit}
            found[int(uid)] = (name, flags | set(filter(None, keywords.split(","))), digest)
        return found

    def dates(self, folder):
        """{uid: internal date in Unix seconds}"""
        return {int(line[0]): int(line[7]) for line in self("list", folder)}

    def state(self):
        """(state's number, progress, message) as last reported."""
        state, progress, message = self("state")[0]
        return int(state), float(progress), message

    def append(self, folder, message, flags=""):
        """The new message's UID."""
        return int(self("append", folder, flags, base64.b64encode(message).decode())[0][0])

    def pending(self):
        """(rows with differences, open attempts, problems)"""
        return tuple(map(int, self("pending")[0]))

    def problems(self):
        """[(operation, folder, UID, seconds until the next try, words)]"""
        return [(operation, folder, int(uid), int(wait), words)
                for _, operation, folder, uid, wait, words in self("problems")]

    def work(self):
        """Since the last call: (basic blocks of sync, SQLite's instructions, those of the transaction that held the
        writer longest, how many transactions wrote)"""
        return tuple(map(int, self("work")[0]))

    def settle(self, rounds, advance=200):
        """Syncs until nothing is to be done, so many seconds passing between two rounds; why that isn't so after
        so many rounds, or None."""
        reason = None
        for _ in range(rounds):
            try:
                self("sync")
                if self.pending() == (0, 0, 0):
                    self("sync")
                    return None
                self("advance", advance)
            except SyncError as error:
                reason = error
                if not self.ended:
                    self("advance", advance)
        return f"{self('pending')} {reason}"

    def kill(self):
        self._process.kill()
        self._process.wait()

    def restart(self, environment=None):
        """Starts it again after it was killed, or has ended itself."""
        self._process.wait(60)
        self._close_input()
        self._process.stdout.close()
        self.start(environment)

    def _close_input(self):
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass  # it was killed before it had read what was written

    @property
    def ended(self):
        return self._process.poll() is not None

    def close(self):
        """Ends it in order; returns its exit status."""
        self._close_input()
        status = self._process.wait(60)
        self._process.stdout.close()
        if self._temporary:
            self._temporary.cleanup()
            self._temporary = None
        return status
