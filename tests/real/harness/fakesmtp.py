# SPDX-License-Identifier: GPL-3.0-or-later
"""FakeSmtp: a scripted SMTP server that can answer anything, hang, or break off, and that keeps every
message it took, byte for byte."""

import base64
import collections
import socket
import ssl
import threading
import time

from .link import reset

#: What a script may return in place of an answer.
HANG = object()           # says nothing more
DROP = object()           # resets the connection instead of answering
TAKE_AND_DROP = object()  # at the final dot: keeps the message, then resets before answering

Delivery = collections.namedtuple("Delivery", "sender recipients data mail_parameters when")

_DEFAULTS = {
    "CONNECT": "220 provider.example.org ESMTP",
    "AUTH": "235 2.7.0 Welcome",
    "MAIL": "250 2.1.0 Ok",
    "RCPT": "250 2.1.5 Ok",
    "DATA": "354 Go ahead",
    "DOT": "250 2.0.0 Taken",
    "RSET": "250 2.0.0 Ok",
    "NOOP": "250 2.0.0 Ok",
    "QUIT": "221 2.0.0 Bye",
}


class FakeSmtp:
    """Listens on `self.port` of 127.0.0.1.

    answers     stage: an answer line, HANG, DROP, TAKE_AND_DROP, or a function of the command line
                returning one of these (or None for the default). Stages: CONNECT EHLO STARTTLS AUTH
                MAIL RCPT DATA DOT RSET NOOP QUIT. Changing it takes effect at the next command.
    extensions  the EHLO lines; STARTTLS and AUTH are added as tls and users ask for
    users       name: password; None takes mail without AUTH
    tls         None, "starttls" or "implicit", with certificate=(file, key file)
    deliveries  everything taken, in order
    sessions    every line each client sent, one list a connection
    """

    def __init__(self, users=None, tls=None, certificate=None, on_delivery=None, port=0,
                 extensions=("PIPELINING", "SIZE 67108864", "8BITMIME", "SMTPUTF8",
                             "ENHANCEDSTATUSCODES")):
        self.answers = {}
        self.extensions = list(extensions)
        self.users = users
        self.tls = tls
        self.deliveries = []
        self.sessions = []
        self.on_delivery = on_delivery
        self._context = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*map(str, certificate))
        self._lock = threading.Lock()
        self._open = set()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", port))
        self._listener.listen(128)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        with self._lock:
            for sock in self._open:
                reset(sock)

    def wait_for(self, count, timeout=30):
        """Waits until `count` messages were taken."""
        deadline = time.monotonic() + timeout
        while len(self.deliveries) < count:
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"the provider took {len(self.deliveries)} of {count} messages in {timeout} s")
            time.sleep(0.02)

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                return
            with self._lock:
                self._open.add(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        session = _Session(self, sock)
        try:
            if self.tls == "implicit":
                session.start_tls()
            session.run()
        except (OSError, EOFError, ssl.SSLError):
            pass
        finally:
            with self._lock:
                self._open.discard(sock)
            session.sock.close()


class _Session:
    def __init__(self, server, sock):
        self.server = server
        self.sock = sock
        self.buffer = b""
        self.lines = []
        self.secure = False
        self.known = server.users is None
        self.forget_envelope()
        server.sessions.append(self.lines)

    def forget_envelope(self):
        self.sender = None
        self.recipients = []
        self.parameters = ""

    def start_tls(self):
        self.sock = self.server._context.wrap_socket(self.sock, server_side=True)
        self.secure = True
        self.buffer = b""

    def run(self):
        self.answer("CONNECT", "")
        while True:
            line = self.read_line()
            verb = line.partition(" ")[0].upper()
            handler = getattr(self, "on_" + verb.lower(), None)
            if handler:
                handler(line)
            else:
                self.answer(verb, line, "500 5.5.1 Unknown command")
            if verb == "QUIT":
                return

    def read_line(self):
        while b"\r\n" not in self.buffer:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        text = line.decode("utf-8", "replace")
        self.lines.append(text)
        return text

    def answer(self, stage, line, default=None):
        """Sends the scripted or default answer of a stage; returns its code."""
        scripted = self.server.answers.get(stage)
        if callable(scripted):
            scripted = scripted(line)
        reply = scripted if scripted is not None else default or _DEFAULTS.get(stage)
        return self.send_scripted(reply)

    def send_scripted(self, reply):
        if reply is HANG:
            while self.sock.recv(65536):
                pass
            raise EOFError
        if reply in (DROP, TAKE_AND_DROP):
            reset(self.sock)
            raise EOFError
        self.sock.sendall(reply.encode("utf-8", "surrogateescape") + b"\r\n")
        return int(reply[:3])

    def on_ehlo(self, line):
        words = list(self.server.extensions)
        if self.server.tls == "starttls" and not self.secure:
            words.append("STARTTLS")
        if self.server.users is not None:
            words.append("AUTH PLAIN LOGIN")
        lines = ["provider.example.org"] + words
        reply = "\r\n".join(f"250-{word}" for word in lines[:-1])
        reply = f"{reply}\r\n250 {lines[-1]}" if words else "250 provider.example.org"
        self.answer("EHLO", line, reply)

    def on_helo(self, line):
        self.answer("HELO", line, "250 provider.example.org")

    def on_starttls(self, line):
        if self.answer("STARTTLS", line, "220 2.0.0 Ready") == 220:
            self.start_tls()

    def on_auth(self, line):
        words = line.split()
        if words[1].upper() == "PLAIN":
            initial = words[2] if len(words) > 2 else self.ask("334 ")
            _, user, password = base64.b64decode(initial).decode().split("\0")
        else:
            user = base64.b64decode(words[2] if len(words) > 2
                                    else self.ask("334 VXNlcm5hbWU6")).decode()
            password = base64.b64decode(self.ask("334 UGFzc3dvcmQ6")).decode()
        good = (self.server.users or {}).get(user) == password
        refusal = None if good else "535 5.7.8 Wrong user name or password"
        self.known = self.answer("AUTH", line, refusal) == 235

    def ask(self, prompt):
        self.sock.sendall(prompt.encode() + b"\r\n")
        return self.read_line()

    def on_mail(self, line):
        if not self.known:
            self.sock.sendall(b"530 5.7.0 Authentication required\r\n")
            return
        self.forget_envelope()
        if self.answer("MAIL", line) == 250:
            path, _, self.parameters = line.partition(":")[2].strip().partition(">")
            self.sender = path.lstrip("<")

    def on_rcpt(self, line):
        if self.sender is None:
            self.sock.sendall(b"503 5.5.1 MAIL first\r\n")
        elif self.answer("RCPT", line) in (250, 251):
            self.recipients.append(line.partition(":")[2].strip().partition(">")[0].lstrip("<"))

    def on_data(self, line):
        if not self.recipients:
            self.sock.sendall(b"554 5.5.1 No valid recipients\r\n")
            return
        if self.answer("DATA", line) != 354:
            return
        data = self.read_message()
        scripted = self.server.answers.get("DOT")
        if callable(scripted):
            scripted = scripted(data)
        taken = scripted is None or scripted is TAKE_AND_DROP or \
            (isinstance(scripted, str) and scripted.startswith("2"))
        if taken:
            self.keep(data)
        self.send_scripted(scripted or _DEFAULTS["DOT"])
        self.forget_envelope()

    def keep(self, data):
        delivery = Delivery(self.sender, list(self.recipients), data, self.parameters.strip(),
                            time.time())
        if self.server.on_delivery:
            self.server.on_delivery(delivery)
        with self.server._lock:
            self.server.deliveries.append(delivery)

    def read_message(self):
        """The bytes up to the final dot, unstuffed."""
        while not (self.buffer.startswith(b".\r\n") or b"\r\n.\r\n" in self.buffer):
            data = self.sock.recv(262144)
            if not data:
                raise EOFError
            self.buffer += data
        if self.buffer.startswith(b".\r\n"):
            self.buffer = self.buffer[3:]
            return b""
        body, _, self.buffer = self.buffer.partition(b"\r\n.\r\n")
        body += b"\r\n"
        if body.startswith(b"."):
            body = body[1:]
        return body.replace(b"\r\n.", b"\r\n")

    def on_rset(self, line):
        self.forget_envelope()
        self.answer("RSET", line)

    def on_noop(self, line):
        self.answer("NOOP", line)

    def on_quit(self, line):
        self.answer("QUIT", line)
