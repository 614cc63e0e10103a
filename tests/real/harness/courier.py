# SPDX-License-Identifier: GPL-3.0-or-later
"""Courier: a second IMAP server that is not Dovecot. Courier's imapd, asked over its standard input,
serves one Maildir as PREAUTH; a listener on a loopback port gives every connection one of its own.

No CONDSTORE, no MOVE, no IDLE (which would want a file monitor), no LITERAL+, no LIST-EXTENDED; everything is below INBOX."""

import os
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path


#: Its Debian package and Dovecot's can't both be installed, so it is unpacked beside.
PACKAGES = ("courier-imap", "courier-base", "courier-authlib", "libcourier-unicode4", "libgamin0")
_PLACE = Path(os.environ.get("POSTERN_BUILD") or Path(__file__).resolve().parents[3] /
              "build-tests") / "courier"


def find_courier():
    """Courier's imapd, unpacked when it is asked for the first time; None where that fails."""
    program = _PLACE / "root/usr/bin/imapd"
    if not program.exists():
        _PLACE.mkdir(parents=True, exist_ok=True)
        with open(_PLACE / "log", "w") as log:
            subprocess.run(["apt-get", "download", *PACKAGES], cwd=_PLACE, stdout=log, stderr=log)
            for package in _PLACE.glob("*.deb"):
                subprocess.run(["dpkg", "-x", package, _PLACE / "root"], stdout=log, stderr=log)
    return str(program) if program.exists() else None


class Courier:
    """Use close(), or as a context manager. `self.imap` is the port."""

    ENVIRONMENT = {"IMAP_CAPABILITY": "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE",
                   "IMAP_ENHANCEDIDLE": "0", "IMAP_KEYWORDS": "1", "IMAP_IDLE_TIMEOUT": "60",
                   "IMAP_USELOCKS": "0", "IMAP_CHECK_ALL_FOLDERS": "1", "IMAP_ACL": "0",
                   "IMAP_EMPTYTRASH": "", "IMAP_MOVE_EXPUNGE_TO_TRASH": "0"}

    #: Without a file monitor it complains ahead of its greeting.
    COMMAND = "\"$0\" Maildir | sed -u '1{/Filesystem notification/d}'"

    def __init__(self, home=None):
        """`home`: another one's, whose Maildir is served."""
        self._temporary = None if home else tempfile.TemporaryDirectory(prefix="postern-courier-")
        self.home = Path(home or self._temporary.name)
        for name in ("", "cur", "new", "tmp"):
            (self.home / "Maildir" / name).mkdir(exist_ok=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.imap = self._listener.getsockname()[1]
        self._processes = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _accept(self):
        libraries = f"{_PLACE}/root/usr/lib:{_PLACE}/root/usr/lib/{os.uname().machine}-linux-gnu"
        environment = dict(os.environ, HOME=str(self.home), LD_LIBRARY_PATH=libraries,
                           **self.ENVIRONMENT)
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._processes = [process for process in self._processes if process.poll() is None]
            self._processes.append(
                subprocess.Popen(["sh", "-c", self.COMMAND, find_courier()], cwd=self.home,
                                 env=environment, stdin=connection, stdout=connection,
                                 stderr=subprocess.DEVNULL, start_new_session=True))
            connection.close()

    def close(self):
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        for process in self._processes:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        if self._temporary:
            self._temporary.cleanup()
