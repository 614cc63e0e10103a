# SPDX-License-Identifier: GPL-3.0-or-later
"""POP3 servers that aren't Dovecot's: Cyrus' and Courier's, from Debian's packages, unpacked into the build
directory and run there without being installed."""

import os
import poplib
import pwd
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from .certificates import Authority
from .courier import PACKAGES as COURIER_PACKAGES
from .lmtp import deliver

_BUILD = Path(os.environ.get("POSTERN_BUILD") or Path(__file__).resolve().parents[3] / "build-tests")


def unpack(name, packages, program):
    """The root that Debian packages are unpacked in, when they are asked for the first time; None where
    `program` isn't in it then, or doesn't find its libraries."""
    place = _BUILD / name
    root = place / "root"
    if not (root / program).exists():
        place.mkdir(parents=True, exist_ok=True)
        with open(place / "log", "w") as log:
            subprocess.run(["apt-get", "download", *packages], cwd=place, stdout=log, stderr=log)
            for package in place.glob("*.deb"):
                subprocess.run(["dpkg", "-x", package, root], stdout=log, stderr=log)
    if not (root / program).exists():
        return None
    needs = subprocess.run(["ldd", root / program], env=environment(root), capture_output=True, text=True).stdout
    return None if "not found" in needs else root


def environment(root):
    libraries = [root / "usr/lib", root / f"usr/lib/{os.uname().machine}-linux-gnu", root / "usr/lib/courier"]
    return dict(os.environ, LD_LIBRARY_PATH=":".join(map(str, libraries)))


def end(listener):
    """Whoever waits in accept() has to let go first: another socket may get the same number."""
    try:
        listener.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    listener.close()


class Pop3Server:
    """`users`, `ca_file` and `url()` as a Provider has them; `pop3` and `pop3s` are ports (0: there is none)."""

    users = {"ada": "lovelace"}
    ca_file = None
    pop3s = 0

    def url(self, scheme, port=None):
        host = "127.0.0.1" if "insecure" in scheme else "localhost"
        return f"{scheme}://{host}:{port or getattr(self, scheme.partition('+')[0])}"

    def session(self):
        """A POP3 session of the user's, in the clear."""
        session = poplib.POP3("127.0.0.1", self.pop3, timeout=60)
        try:
            session.user("ada")
            session.pass_("lovelace")
        except poplib.error_proto:
            session.close()
            raise
        return session

    def there(self):
        """What is in the maildrop: [bytes]. It is asked anew where it changed meanwhile, or is in use."""
        for tries in range(100):
            session = None
            try:
                session = self.session()
                found = [b"\r\n".join(session.retr(number + 1)[1]) + b"\r\n" for number in range(session.stat()[0])]
                session.quit()
                return found
            except poplib.error_proto:
                if tries == 99:
                    raise
                time.sleep(0.2)
            finally:
                if session:
                    session.close()
        return None

    def delete(self, *numbers):
        session = self.session()
        for number in numbers:
            session.dele(number)
        session.quit()


class CyrusPop3(Pop3Server):
    """Cyrus: several sessions at once, STLS, SASL; messages come by LMTP."""

    PACKAGES = ("cyrus-pop3d", "cyrus-common", "libcyrus-imap-perl")
    PROGRAM = "usr/lib/cyrus/bin/pop3d"

    def __init__(self):
        self._root = unpack("cyrus", self.PACKAGES, self.PROGRAM)
        self._temporary = tempfile.TemporaryDirectory(prefix="postern-cyrus-")
        self.home = Path(self._temporary.name)
        self._master = None
        self._listen_for_logins()
        for _ in range(5):
            self.pop3, self.pop3s, self.lmtp = self._free_ports()
            self._configure()
            if self._start():
                return
        raise RuntimeError("Cyrus doesn't start: " + (self.home / "log").read_text())

    @classmethod
    def is_there(cls):
        return unpack("cyrus", cls.PACKAGES, cls.PROGRAM) is not None

    @staticmethod
    def _free_ports():
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
        ports = [one.getsockname()[1] for one in sockets]
        for one in sockets:
            one.close()
        return ports

    def _listen_for_logins(self):
        """saslauthd's protocol: four words with their lengths, and OK or NO with its own."""
        (self.home / "run").mkdir()
        self._mux = socket.socket(socket.AF_UNIX)
        self._mux.bind(str(self.home / "run/mux"))
        self._mux.listen(8)
        threading.Thread(target=self._check_logins, daemon=True).start()

    def _check_logins(self):
        while True:
            try:
                connection, _ = self._mux.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as words:
                user, password = [words.read(struct.unpack(">H", words.read(2))[0]).decode() for _ in range(4)][:2]
                answer = b"OK" if self.users.get(user) == password else b"NO"
                connection.sendall(struct.pack(">H", len(answer)) + answer)

    def _configure(self):
        home, programs = self.home, self._root / "usr/lib/cyrus/bin"
        for name in ("config", "spool"):
            (home / name).mkdir(exist_ok=True)
        authority = Authority(home / "tls")
        certificate, key = authority.certificate("valid")
        self.ca_file = authority.ca_file
        user = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        (home / "imapd.conf").write_text(f"""
configdirectory: {home}/config
partition-default: {home}/spool
defaultpartition: default
sasl_pwcheck_method: saslauthd
sasl_saslauthd_path: {home}/run/mux
sasl_mech_list: PLAIN LOGIN
allowplaintext: yes
cyrus_user: {user}
admins: cyrus
autocreate_quota: 0
autocreate_post: 1
lmtpsocket: {home}/run/lmtp
idlesocket: {home}/run/idle
notifysocket: {home}/run/notify
tls_server_cert: {certificate}
tls_server_key: {key}
tls_session_timeout: 0
duplicatesuppression: no
""")
        line = '{name} cmd="{programs}/{program} -C {home}/imapd.conf{more}" listen="127.0.0.1:{port}" prefork=0\n'
        services = "".join(line.format(name=name, programs=programs, program=program, home=home, more=more, port=port)
                           for name, program, more, port in (("pop3", "pop3d", "", self.pop3),
                                                             ("pop3s", "pop3d", " -s", self.pop3s),
                                                             ("lmtp", "lmtpd", " -a", self.lmtp)))
        (home / "cyrus.conf").write_text(
            f'START {{\nrecover cmd="{programs}/ctl_cyrusdb -C {home}/imapd.conf -r"\n}}\n'
            f"SERVICES {{\n{services}}}\nEVENTS {{ }}\n")
        if os.getuid() == 0:
            subprocess.run(["chown", "-R", "nobody", home], check=True)

    def _start(self):
        with open(self.home / "log", "w") as log:
            self._master = subprocess.Popen(
                [self._root / "usr/lib/cyrus/bin/master", "-C", self.home / "imapd.conf", "-M",
                 self.home / "cyrus.conf", "-p", self.home / "run/pid", "-D"],
                env=environment(self._root), stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._master.poll() is None:
            try:
                self.session().quit()  # which makes the user's mailbox
                return True
            except (OSError, EOFError, poplib.error_proto):
                time.sleep(0.1)
        return False

    def deliver(self, message):
        deliver(self.lmtp, "bob@example.org", ["ada"], message)

    def close(self):
        end(self._mux)
        if self._master:
            os.killpg(self._master.pid, signal.SIGKILL)
            self._master.wait()
        self._temporary.cleanup()


class CourierPop3(Pop3Server):
    """Courier: no lock, LOGIN-DELAY, names made of files' names. Its program for what comes after the login serves a
    Maildir; the login itself, which wants an authentication daemon at a fixed place, is made here."""

    PACKAGES = ("courier-pop", *COURIER_PACKAGES)
    PROGRAM = "usr/lib/courier/courier/courierpop3d"
    CAPA = b"+OK Here's what I can do:\r\nTOP\r\nUSER\r\nLOGIN-DELAY 1\r\nPIPELINING\r\nUIDL\r\n" \
           b"IMPLEMENTATION Courier Mail Server\r\n.\r\n"

    def __init__(self):
        self._root = unpack("courier-pop", self.PACKAGES, self.PROGRAM)
        self._temporary = tempfile.TemporaryDirectory(prefix="postern-courier-")
        self.home = Path(self._temporary.name)
        for name in ("", "cur", "new", "tmp"):
            (self.home / "Maildir" / name).mkdir(exist_ok=True)
        self._count = 0
        self._processes = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.pop3 = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @classmethod
    def is_there(cls):
        return unpack("courier-pop", cls.PACKAGES, cls.PROGRAM) is not None

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    @staticmethod
    def _line(connection):
        """Octet by octet: what comes after the login is the program's."""
        line = b""
        while not line.endswith(b"\n"):
            octet = connection.recv(1)
            if not octet:
                raise EOFError
            line += octet
        return line.strip().decode()

    def _serve(self, connection):
        user = None
        with connection:
            try:
                connection.sendall(b"+OK Hello there.\r\n")
                while True:
                    verb, _, argument = self._line(connection).partition(" ")
                    if verb.upper() == "PASS" and self.users.get(user) == argument:
                        return self._hand_over(connection)
                    if verb.upper() == "USER":
                        user = argument
                    said = {"CAPA": self.CAPA, "USER": b"+OK Password required.\r\n",
                            "QUIT": b"+OK Better luck next time.\r\n"}
                    connection.sendall(said.get(verb.upper(), b"-ERR Login failed.\r\n"))
                    if verb.upper() == "QUIT":
                        return None
            except (OSError, EOFError):
                return None

    def _hand_over(self, connection):
        process = subprocess.Popen([self._root / self.PROGRAM, "Maildir"], cwd=self.home, stdin=connection,
                                   stdout=connection, stderr=subprocess.DEVNULL,
                                   env=dict(environment(self._root), HOME=str(self.home)))
        self._processes.append(process)
        process.wait()

    def deliver(self, message):
        self._count += 1
        name = f"{int(time.time())}.{self._count}.test"
        (self.home / "Maildir/tmp" / name).write_bytes(message.replace(b"\r\n", b"\n"))
        os.rename(self.home / "Maildir/tmp" / name, self.home / "Maildir/new" / name)

    def close(self):
        end(self._listener)
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        self._temporary.cleanup()
