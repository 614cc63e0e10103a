# SPDX-License-Identifier: GPL-3.0-or-later
"""FakePop3: a POP3 server whose every habit and fault is a switch."""

import base64
import hashlib
import socket
import threading

from .fakesmtp import DROP, HANG
from .link import reset


class FakePop3:
    """Listens on `self.port` of 127.0.0.1; the maildrop is `self.messages`: {key: bytes}, in order. A client
    that has said DELE and QUIT takes messages out of it. Everything can be changed while it runs.

    capa      the lines of CAPA, or None: it isn't known
    uidl      function (key, number, session number) of a message's name; None: UIDL isn't known
    top       whether there is TOP
    end       what lines end with
    size      function of a message's bytes: what LIST says
    shown     function (list of keys) of those that a session sees
    answers   command ("RETR", "RETR 3", "PASS"…): an answer line, HANG, DROP, or a function of the whole
              line that returns one of these, or None for the usual
    sessions  the commands of each session
    deleted   keys that were deleted, in order
    """

    def __init__(self, messages=(), user="ada@example.org", password="lovelace", port=0):
        self.messages = {}
        self.next_key = 1
        self.user, self.password = user, password
        self.capa = ["TOP", "UIDL", "USER", "PIPELINING", "RESP-CODES", "SASL PLAIN"]
        self.uidl = lambda key, number, session: f"uid-{key}"
        self.top = True
        self.end = b"\r\n"
        self.size = len
        self.shown = list
        self.answers = {}
        self.sessions = []
        self.deleted = []
        self.locked = threading.Lock()
        for message in messages:
            self.add(message)
        self._open = set()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", port))
        self._listener.listen(64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def add(self, message):
        """Delivers a message; gives its key."""
        key = self.next_key
        self.next_key += 1
        self.messages[key] = message
        return key

    def account(self, **more):
        """The settings of an account at this server."""
        settings = {"address": "ada@example.org", "user": self.user,
                    "incoming": f"pop3+insecure://127.0.0.1:{self.port}",
                    "password-command": f"printf '%s\\n' {self.password}"}
        settings.update({key.replace("_", "-"): value for key, value in more.items()})
        return settings

    def said(self, verb, session=-1):
        """The commands of one kind in a session."""
        return [line for line in self.sessions[session] if line.split(" ")[0].upper() == verb]

    def close(self):
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        for sock in list(self._open):
            reset(sock)

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                return
            self._open.add(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        session = _Session(self, sock)
        try:
            session.run()
        except (OSError, EOFError):
            pass
        finally:
            if session.has_lock:
                self.locked.release()
            self._open.discard(sock)
            sock.close()


class _Session:
    def __init__(self, server, sock):
        self.server = server
        self.sock = sock
        self.buffer = b""
        self.has_lock = False
        self.keys = []
        self.dele = set()
        self.lines = []
        server.sessions.append(self.lines)
        self.number = len(server.sessions)

    def read_line(self):
        while b"\n" not in self.buffer:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.rstrip(b"\r").decode("utf-8", "replace")

    def say(self, line):
        self.sock.sendall((line if isinstance(line, bytes) else line.encode("utf-8", "surrogateescape")) + self.server.end)

    def say_lines(self, first, lines):
        end = self.server.end
        parts = [first if isinstance(first, bytes) else first.encode()]
        parts += [b"." + line if line.startswith(b".") else line
                  for line in (one if isinstance(one, bytes) else one.encode() for one in lines)]
        self.sock.sendall(end.join(parts + [b"."]) + end)

    def scripted(self, line):
        """Whether a script has answered."""
        verb = line.split(" ")[0].upper()
        for key in (line, verb):
            answer = self.server.answers.get(key)
            if callable(answer):
                answer = answer(line)
            if answer is None:
                continue
            if answer is HANG:
                self.sock.settimeout(None)
                self.sock.recv(1)
                raise EOFError
            if answer is DROP:
                reset(self.sock)
                raise EOFError
            if isinstance(answer, bytes):
                self.sock.sendall(answer)
            else:
                self.say(answer)
            return True
        return False

    def run(self):
        if not self.scripted("GREETING"):
            self.say("+OK ready")
        while True:
            line = self.read_line()
            verb = line.split(" ")[0].upper()
            self.lines.append(line)
            if not self.scripted(line):
                handler = getattr(self, "on_" + verb.lower(), None)
                if handler:
                    handler(line.split(" ")[1:])
                else:
                    self.say("-ERR unknown command")
            if verb == "QUIT":
                return

    # Before login

    def on_capa(self, _):
        if self.server.capa is None:
            self.say("-ERR unknown command")
        else:
            self.say_lines("+OK", self.server.capa)

    def on_user(self, words):
        self.user = " ".join(words)
        self.say("+OK")

    def on_pass(self, words):
        self.enter(self.user == self.server.user and " ".join(words) == self.server.password)

    def on_auth(self, words):
        self.say("+ ")
        data = base64.b64decode(self.read_line())
        mechanism = words[0].upper()
        if mechanism == "PLAIN":
            return self.enter(data == f"\0{self.server.user}\0{self.server.password}".encode())
        good = f"auth=Bearer {self.server.password}\x01" in data.decode()
        if not good:
            self.say("+ " + base64.b64encode(b'{"status":"401"}').decode())
            self.read_line()
        return self.enter(good)

    def enter(self, good):
        if not good:
            return self.say("-ERR [AUTH] wrong")
        if not self.server.locked.acquire(blocking=False):
            return self.say("-ERR [IN-USE] another session has the maildrop")
        self.has_lock = True
        self.keys = self.server.shown(list(self.server.messages))
        self.texts = dict(self.server.messages)
        return self.say("+OK welcome")

    # After it

    def there(self):
        return [(number, key) for number, key in enumerate(self.keys, 1) if number not in self.dele]

    def on_stat(self, _):
        there = self.there()
        self.say(f"+OK {len(there)} {sum(self.server.size(self.texts[key]) for _, key in there)}")

    def on_list(self, _):
        self.say_lines("+OK", [f"{number} {self.server.size(self.texts[key])}"
                               for number, key in self.there()])

    def on_uidl(self, _):
        if not self.server.uidl:
            return self.say("-ERR unknown command")
        return self.say_lines("+OK", [f"{number} {self.server.uidl(key, number, self.number)}"
                                      for number, key in self.there()])

    def text(self, number):
        return self.texts[self.keys[int(number) - 1]]

    def on_retr(self, words):
        lines = self.text(words[0]).split(b"\r\n")
        self.say_lines("+OK", lines[:-1] if lines[-1] == b"" else lines)

    def on_top(self, words):
        if not self.server.top:
            return self.say("-ERR unknown command")
        header, _, body = self.text(words[0]).partition(b"\r\n\r\n")
        lines = header.split(b"\r\n") + [b""] + body.split(b"\r\n")[:int(words[1])]
        return self.say_lines("+OK", lines)

    def on_dele(self, words):
        self.dele.add(int(words[0]))
        self.say("+OK")

    def on_quit(self, _):
        for number in sorted(self.dele):
            key = self.keys[number - 1]
            if self.server.messages.pop(key, None) is not None:
                self.server.deleted.append(key)
        if self.has_lock:
            self.has_lock = False
            self.server.locked.release()
        self.say("+OK bye")


def by_digest(server):
    """A `uidl` that doesn't depend on keys: of the message's bytes."""
    return lambda key, number, session: hashlib.md5(server.messages[key]).hexdigest()
