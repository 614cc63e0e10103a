# SPDX-License-Identifier: GPL-3.0-or-later
"""Postern: a posternd of a test's own, with its own directories, ports and D-Bus session."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .link import free_port
from .rawimap import RawImap

LISTENERS = ("imap", "imaps", "pop3", "pop3s", "submission", "submissions")
_TOP = Path(__file__).resolve().parents[3]
_SANITIZER = re.compile(r"(ERROR: (Address|Leak|Thread)Sanitizer|WARNING: ThreadSanitizer|"
                        r"runtime error:|\bCRITICAL\b|-CRITICAL \*\*|assertion .* failed)")
#: Sanitized builds on a busy machine are slow; every wait is multiplied by this.
PATIENCE = float(os.environ.get("POSTERN_PATIENCE", "1"))


def find_program(name):
    """The path of posternd or posternctl: $POSTERND, $POSTERNCTL, or the build in $POSTERN_BUILD,
    build-tests or build."""
    given = os.environ.get(name.upper())
    if given:
        return given
    builds = [os.environ.get("POSTERN_BUILD"), _TOP / "build-tests", _TOP / "build"]
    for build in filter(None, builds):
        for path in sorted(Path(build).rglob(name)):
            if path.is_file() and os.access(path, os.X_OK):
                return str(path)
    raise FileNotFoundError(f"{name} isn't built: run meson and ninja, or set {name.upper()}")


def find_plain(name):
    """The same from a build without sanitizers, for tests that start a program thousands of times (others
    run it with them); where there is none, any."""
    found = sorted((_TOP / "build-plain").rglob(name))
    programs = [path for path in found if path.is_file() and os.access(path, os.X_OK)]
    return str(programs[0]) if programs else find_program(name)


class Bus:
    """A private D-Bus session without activation."""

    _CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={path}</listen>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy></busconfig>"""

    def __init__(self, directory):
        path = Path(directory) / "bus"
        config = Path(directory) / "bus.conf"
        config.write_text(self._CONFIG.format(path=path))
        self.address = f"unix:path={path}"
        self._process = subprocess.Popen(["dbus-daemon", "--nofork", f"--config-file={config}"],
                                         stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not path.exists():
            if time.monotonic() > deadline:
                raise RuntimeError("dbus-daemon did not start")
            time.sleep(0.01)

    def close(self):
        self._process.terminate()
        self._process.wait()


class ControlError(Exception):
    """posternctl failed: `status` is its exit status, str() what it said."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Postern:
    """Runs posternd. Use it as a context manager: leaving it stops the daemon and checks that it ended
    cleanly and that no sanitizer complained.

    accounts  {id: {key: value}} groups of postern.conf; see account()
    listen    replaces keys of [listen]; ports not named are free ones
    bus       False: no session bus, nothing can be controlled
    """

    def __init__(self, accounts=None, listen=None, bus=True, start=True, config=None,
                 environment=None, wrapper=()):
        self.directory = Path(tempfile.mkdtemp(prefix="postern-test-"))
        self.data = self.directory / "data"
        self.config = self.directory / "postern.conf"
        self.ports = {name: free_port() for name in LISTENERS}
        self.accounts = accounts or {}
        self.listen = listen or {}
        self.local_password = {}
        self.environment = self._environment(environment or {})
        self.wrapper = list(wrapper)
        self.bus = Bus(self.directory) if bus else None
        if self.bus:
            self.environment["DBUS_SESSION_BUS_ADDRESS"] = self.bus.address
        self._log_path = self.directory / "posternd.log"
        self._process = None
        if config is None:
            self.write_config()
        else:
            self.config.write_text(config)
            self.config.chmod(0o600)
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.close(check=kind is None)
        if kind is not None:
            sys.stderr.write(f"---- posternd said:\n{self.log()[-6000:]}\n----\n")

    # Configuration

    def write_config(self):
        """Writes postern.conf from `self.accounts`, `self.listen` and `self.ports`."""
        lines = ["[listen]"]
        values = {name: f"127.0.0.1:{port}" for name, port in self.ports.items()}
        values.update(self.listen)
        lines += [f"{key}={value}" for key, value in values.items()]
        for identity, settings in self.accounts.items():
            lines += ["", f"[account {identity}]"]
            lines += [f"{key.replace('_', '-')}={value}" for key, value in settings.items()]
        self.config.write_text("\n".join(lines) + "\n")
        self.config.chmod(0o600)

    def _environment(self, extra):
        environment = {key: value for key, value in os.environ.items()
                       if not key.startswith(("DBUS_", "XDG_", "NOTIFY_", "LISTEN_"))}
        home = self.directory / "home"
        runtime = self.directory / "runtime"
        home.mkdir(mode=0o700)
        runtime.mkdir(mode=0o700)
        environment.update(
            HOME=str(home), XDG_RUNTIME_DIR=str(runtime), XDG_CONFIG_HOME=str(home / ".config"),
            XDG_DATA_HOME=str(home / ".local/share"), LC_ALL="C.UTF-8",
            DBUS_SESSION_BUS_ADDRESS="disabled:",
            ASAN_OPTIONS="detect_leaks=1:intercept_tls_get_addr=0:abort_on_error=0:exitcode=99:detect_stack_use_after_return=0",
            UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=0",
            TSAN_OPTIONS="exitcode=99:second_deadlock_stack=1")
        environment.update(extra)
        return environment

    # Life

    def spawn(self, *arguments):
        """Starts posternd without waiting; for tests of how it refuses to start."""
        command = self.wrapper + [find_program("posternd"), "--config", str(self.config),
                                  "--data-dir", str(self.data), *arguments]
        with open(self._log_path, "ab") as log:
            return subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=log)

    def start(self, timeout=30):
        """Starts posternd and waits until it says READY=1, as systemd would."""
        path = self.directory / "notify"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
            notices.bind(str(path))
            self.environment["NOTIFY_SOCKET"] = str(path)
            self._process = self.spawn()
            notices.settimeout(0.2)
            deadline = time.monotonic() + timeout * PATIENCE
            while True:
                try:
                    if b"READY=1" in notices.recv(4096).split(b"\n"):
                        break
                except socket.timeout:
                    pass
                if self._process.poll() is not None:
                    raise RuntimeError(f"posternd ended with {self._process.returncode}:\n{self.log()}")
                if time.monotonic() > deadline:
                    raise RuntimeError(f"posternd wasn't ready after {timeout} s:\n{self.log()}")
        self.environment.pop("NOTIFY_SOCKET")
        return self

    @property
    def pid(self):
        return self._process.pid

    def running(self):
        return self._process is not None and self._process.poll() is None

    def stop(self, timeout=20):
        """SIGTERM; returns the exit status."""
        if self._process is None:
            return None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGABRT)
            self._process.wait()
            self._process = None
            raise AssertionError(f"posternd did not stop within {timeout} s of SIGTERM") from None
        self._process = None
        return status

    def kill(self):
        """SIGKILL, as a crash or a power cut."""
        self._process.kill()
        self._process.wait()
        self._process = None

    def restart(self):
        status = self.stop()
        assert status in (0, None), f"posternd ended with {status}"
        self.start()

    def reload(self):
        self._process.send_signal(signal.SIGHUP)

    def log(self):
        """What posternd wrote to stderr so far."""
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    def close(self, check=True):
        try:
            status = self.stop() if self._process else 0
            log = self.log()
            if check:
                found = _SANITIZER.search(log)
                assert not found, f"posternd's log has {found.group()}:\n" \
                                  f"{log[max(0, found.start() - 500):found.start() + 4000]}"
                assert status == 0, f"posternd ended with {status}:\n{log[-3000:]}"
        finally:
            if self._process and self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            if self.bus:
                self.bus.close()
            keep = os.environ.get("POSTERN_KEEP")
            if keep:
                sys.stderr.write(f"kept: {self.directory}\n")
            else:
                self._last_log = self.log()
                self.log = lambda: self._last_log
                shutil.rmtree(self.directory, ignore_errors=True)

    # Control

    def control(self, *arguments, data=None, timeout=120, json_output=True):
        """Runs posternctl; returns the JSON it printed (None for nothing). Raises ControlError."""
        command = [find_program("posternctl"), "--no-start"]
        command += ["--json"] if json_output else []
        done = subprocess.run(command + list(map(str, arguments)), env=self.environment, input=data,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=timeout * PATIENCE)
        problem = done.stderr.decode(errors="replace")
        if _SANITIZER.search(problem):
            raise AssertionError(f"posternctl {arguments}: {problem}")
        if done.returncode:
            raise ControlError(done.returncode, problem.strip())
        text = done.stdout.decode(errors="replace")
        if not json_output:
            return text
        return json.loads(text) if text.strip() else None

    def new_password(self, account="work", name="test"):
        """A new local password for a client; remembered for login()."""
        answer = self.control("client", account, "--new-password", "--name", name)
        self.local_password[account] = answer["Password"]
        return answer["Password"]

    def state(self, account="work"):
        """The account's properties."""
        return self.control("account", "show", account)

    def pending(self, account="work"):
        """How many changes the provider hasn't taken yet."""
        return self.state(account)["PendingChanges"]["Changes"]

    def queue(self, *states):
        """The queue's entries, newest first; all, or those in one of the states."""
        listed = self.control("queue", "list")
        return [entry for entry in listed if not states or entry["State"] in states]

    def queued_message(self, number):
        """The bytes of a message in the queue."""
        return subprocess.run([find_program("posternctl"), "queue", "show", str(number), "--raw"], env=self.environment,
                              stdout=subprocess.PIPE, check=True).stdout

    def sync(self, account="work", timeout=300):
        """Brings the account up to date, and waits for it."""
        self.control("sync", account, "--wait", timeout=timeout)

    def wait_state(self, *states, account="work", timeout=60):
        """Waits until the account is in one of the states; returns its properties."""
        return self.wait(lambda: (lambda now: now if now["State"] in states else None)(
            self.state(account)), f"account {account} to be {' or '.join(states)}", timeout)

    def wait(self, condition, what, timeout=30):
        """Waits until condition() is true, and returns that."""
        deadline = time.monotonic() + timeout * PATIENCE
        while True:
            value = condition()
            if value:
                return value
            if not self.running():
                raise AssertionError(f"posternd died while waiting for {what}:\n{self.log()[-4000:]}")
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {timeout} s for {what}:\n{self.log()[-4000:]}")
            time.sleep(0.05)

    # Clients

    def socket_path(self, protocol="imap", account="work"):
        return self.data / "run" / account / f"{protocol}.sock"

    def imap(self, account="work", timeout=120):
        """A RawImap on the account's Unix socket: no login needed."""
        return RawImap(path=self.socket_path("imap", account), timeout=timeout * PATIENCE)

    def login(self, account="work"):
        """(user, password) for a client on TCP."""
        if account not in self.local_password:
            self.new_password(account)
        return account, self.local_password[account]

    def local_ca(self):
        """The authority of Postern's own certificate, as a file a client can trust."""
        directory = self.data / "tls"
        for path in sorted(directory.glob("*.pem")) + sorted(directory.glob("*.crt")):
            text = path.read_text(errors="replace")
            done = subprocess.run(["openssl", "x509", "-noout", "-ext", "basicConstraints"],
                                  input=text, text=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL)
            if "CA:TRUE" in done.stdout:
                return path
        raise AssertionError(f"no authority in {directory}")


def account(provider, user=None, incoming="imaps", outgoing="submissions", password=None,
            incoming_port=None, outgoing_port=None, **more):
    """The settings of an account at `provider`, for Postern(accounts={"work": account(provider)})."""
    user = user or next(iter(provider.users))
    password = provider.users[user] if password is None else password
    settings = {"address": user, "name": "Ada Lovelace", "user": user,
                "incoming": provider.url(incoming, incoming_port),
                "outgoing": provider.url(outgoing, outgoing_port) if outgoing else None,
                "password-command": f"printf '%s\\n' {shlex.quote(password)}",
                "tls-ca-file": str(provider.ca_file)}
    settings.update({key.replace("_", "-"): value for key, value in more.items()})
    return {key: value for key, value in settings.items() if value is not None}
