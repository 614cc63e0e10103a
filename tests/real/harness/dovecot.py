# SPDX-License-Identifier: GPL-3.0-or-later
"""Provider: a private, temporary Dovecot that plays the user's mail provider.

It serves IMAP, POP3, submission and LMTP on free loopback ports. Started by root it runs as `nobody`,
started by anyone else as that user."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from . import dovecot_settings
from .certificates import Authority
from .fakesmtp import FakeSmtp
from .link import free_ports
from .lmtp import deliver
from .postern import PATIENCE

_PORTS = ("imap", "imaps", "pop3", "pop3s", "submission", "submissions", "lmtp")


class Provider:
    """A Dovecot in a temporary directory. Use it as a context manager, or call close().

    users        name: password
    storage      mdbox (fastest to fill), sdbox or maildir
    certificate  a variant of certificates.Authority
    without      capabilities it does not announce, such as {"QRESYNC"}
    separator, prefix  of the personal namespace
    settings     what the functions of dovecot_settings say, joined
    stored       user: what the server keeps in place of the password, such as {SHA512-CRYPT}…

    Mail that is submitted to it (`submission`, `submissions`) is passed to `self.relay`, a FakeSmtp,
    which keeps it and delivers it to the users of this provider.
    """

    def __init__(self, users=None, storage="mdbox", certificate="valid", without=(), directory=None,
                 separator="/", prefix="", settings="", stored=None, start=True):
        self.users = users or {"ada@example.org": "lovelace"}
        self._stored = stored or {}
        self.directory = Path(directory or tempfile.mkdtemp(prefix="provider-"))
        self._temporary = directory is None
        self.authority = Authority(self.directory / "tls")
        self.ca_file = self.authority.ca_file
        self.ports = dict(zip(_PORTS, free_ports(len(_PORTS))))
        self.relay = FakeSmtp(on_delivery=self._deliver)
        self._process = None
        self._account = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        self._options = {"storage": storage, "certificate": certificate,
                         "without": set(without), "separator": separator, "prefix": prefix,
                         "settings": settings}
        if start:
            self._start_on_free_ports()

    def _start_on_free_ports(self):
        """A port that was free may be somebody else's by the time Dovecot wants it."""
        for left in (2, 1, 0):
            try:
                return self.start()
            except RuntimeError as error:
                if not left or "Address already in use" not in str(error):
                    raise
                self.ports = dict(zip(_PORTS, free_ports(len(_PORTS))))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __getattr__(self, name):
        if name in _PORTS:
            return self.ports[name]
        raise AttributeError(name)

    def url(self, scheme, port=None):
        """The account URL of one of its services; `port` where a Link stands before it."""
        service, _, _ = scheme.partition("+")
        return f"{scheme}://127.0.0.1:{port or self.ports[service]}"

    # Life

    def start(self, **changes):
        """Starts it; `changes` are new values for constructor options (certificate, without, …)."""
        self._options.update(changes)
        self._write_configuration()
        command = ["setpriv", "--pdeathsig=TERM"] + self._as_user() + \
                  ["dovecot", "-F", "-c", str(self.directory / "dovecot.conf")]
        if os.geteuid() == 0:
            self._own_everything()
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                         env=dovecot_settings.environment(),
                                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                         start_new_session=True)
        self._wait_until_listening()

    def stop(self):
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process.stdout.close()
        self._process = None

    def restart(self, **changes):
        self.stop()
        self.start(**changes)

    def freeze(self):
        """Everything hangs: connections stay open, nothing answers."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self):
        self._signal_all(signal.SIGCONT)

    def close(self):
        if self._process:
            self._signal_all(signal.SIGKILL)
            self.stop()
        self.relay.close()
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def log(self):
        path = self.directory / "dovecot.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_log(self, pattern, since=0, count=1):
        """Waits until what was logged after `since` characters matches so often, for lines come a little late; returns
        that log."""
        deadline = time.monotonic() + 30 * PATIENCE
        while True:
            log = self.log()[since:]
            if len(re.findall(pattern, log)) >= count:
                return log
            if time.monotonic() > deadline:
                raise AssertionError(f"waited 30 s for {pattern} in Dovecot's log:\n{log[-4000:]}")
            time.sleep(0.05)

    # Mail

    def home(self, user=None):
        return self.directory / "mail" / (user or next(iter(self.users)))

    def doveadm(self, *arguments, data=None):
        """Runs doveadm(1) on it and returns what it prints."""
        command = ["doveadm", "-c", str(self.directory / "dovecot.conf"), *map(str, arguments)]
        if os.geteuid() == 0:
            command = ["setpriv"] + self._as_user() + command
        done = subprocess.run(command, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode:
            raise RuntimeError(f"doveadm {arguments}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode(errors="replace")

    def own(self, path):
        """Gives files that a test made to the server's user."""
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", f"{self._account.pw_uid}:{self._account.pw_gid}",
                            str(path)], check=True)

    def _deliver(self, delivery):
        known = [recipient for recipient in delivery.recipients
                 if self._user_of(recipient) in self.users]
        if known:
            deliver(self.ports["lmtp"], delivery.sender, known, delivery.data)

    @staticmethod
    def _user_of(address):
        local, _, domain = address.rpartition("@")
        return f"{local.partition('+')[0]}@{domain}"

    # Inside

    def _write_configuration(self):
        for name in ("run", "state", "mail"):
            (self.directory / name).mkdir(exist_ok=True)
        certificate, key = self.authority.certificate(self._options["certificate"])
        group = subprocess.run(["id", "-gn", self._account.pw_name], stdout=subprocess.PIPE,
                               text=True, check=True).stdout.strip()
        capabilities = [name for name in dovecot_settings.CAPABILITIES
                        if name not in self._options["without"]]
        text = dovecot_settings.base(
            dir=self.directory, unique=os.path.basename(self.directory),
            user=self._account.pw_name, group=group, certificate=certificate, key=key,
            relay=self.relay.port, capabilities=" ".join(capabilities),
            storage=self._options["storage"], separator=self._options["separator"],
            prefix=self._options["prefix"], **self.ports)
        (self.directory / "dovecot.conf").write_text(text + self._options["settings"])
        (self.directory / "users").write_text(
            "".join(f"{user}:{self._stored.get(user, '{PLAIN}' + password)}\n"
                    for user, password in self.users.items()))

    def _as_user(self):
        """What setpriv(1) needs to run a program as the server's user."""
        if os.geteuid() != 0:
            return []
        return [f"--reuid={self._account.pw_uid}", f"--regid={self._account.pw_gid}",
                "--clear-groups"]

    def _own_everything(self):
        os.chmod(self.directory, 0o755)
        for name in ("run", "state", "tls", "dovecot.conf", "users"):
            self.own(self.directory / name)
        os.chown(self.directory, self._account.pw_uid, self._account.pw_gid)
        os.chown(self.directory / "mail", self._account.pw_uid, self._account.pw_gid)

    def _wait_until_listening(self):
        deadline = time.monotonic() + 20
        waiting = list(self.ports.values())
        while waiting:
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self._process.stdout.read().decode(errors="replace") \
                    if self._process.poll() is not None else "still starting after 20 s"
                raise RuntimeError(f"Dovecot did not start: {said}\n{self.log()[-2000:]}")
            if self._answers(waiting[-1]):
                waiting.pop()
            else:
                time.sleep(0.02)

    def _answers(self, port):
        """Whether somebody listens there; on the IMAP port, whether he says hello: one whose other ports are
        taken listens, too, for a moment, before he gives up."""
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as sock:
                return port != self.ports["imap"] or sock.recv(1) == b"*"
        except OSError:
            return False

    def _signal_all(self, number):
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            pass
