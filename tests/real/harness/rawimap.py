# SPDX-License-Identifier: GPL-3.0-or-later
"""RawImap: an IMAP client that shows everything and hides nothing."""

import re
import socket
import ssl

_LITERAL = re.compile(rb"\{(\d+)\+?\}\r\n$")


class Atom(bytes):
    """A word that was not quoted, as against a string."""


class Result:
    """What one command got: status (OK NO BAD), text, and the untagged responses before it, each a
    bytes object without its `* ` and final CRLF, literals included."""

    def __init__(self, line, untagged):
        _, status, text = (line.rstrip(b"\r\n") + b"  ").split(b" ", 2)
        self.status = status.decode()
        self.text = text.rstrip().decode("utf-8", "replace")
        self.untagged = untagged

    def __repr__(self):
        return f"{self.status} {self.text} {self.untagged[:20]}"

    def lines(self, name):
        """The untagged responses of one kind: lines("LIST"), lines("EXISTS")."""
        wanted = name.upper().encode()
        return [line for line in self.untagged if wanted in line.upper().split(b" ", 2)[:2]]

    def code(self, name):
        """The value of a response code in any answer, tagged or not, as str; None without it."""
        for line in [self.text.encode()] + self.untagged:
            found = re.search(rb"\[" + name.encode() + rb"(?: ([^\]]*))?\]", line, re.I)
            if found:
                return (found.group(1) or b"").decode()
        return None

    def numbers(self, name="SEARCH"):
        """The numbers of SEARCH (or SORT) answers."""
        return [int(word) for line in self.lines(name) for word in line.split()[1:]
                if word.isdigit()]

    def fetched(self):
        """sequence number: {item: value} of all FETCH answers."""
        messages = {}
        for line in self.untagged:
            found = re.match(rb"(\d+) FETCH ", line, re.I)
            if found:
                messages.setdefault(int(found.group(1)), {}).update(
                    fetch_items(line[found.end():]))
        return messages


def parse(data, at=0):
    """Parses one IMAP value: list, bytes (a string), Atom, or None (NIL). Returns (value, end)."""
    stack = []
    current = None
    while True:
        byte = data[at:at + 1]
        if byte == b" ":
            at += 1
            continue
        if byte == b"(":
            stack.append(current)
            current = []
            at += 1
            continue
        if byte == b")":
            value, current = current, stack.pop()
            at += 1
        else:
            value, at = _parse_word(data, at)
        if current is None:
            return value, at
        current.append(value)


def _parse_word(data, at):
    byte = data[at:at + 1]
    if byte == b'"':
        end = at + 1
        while data[end:end + 1] != b'"':
            end += 2 if data[end:end + 1] == b"\\" else 1
        return re.sub(rb"\\(.)", rb"\1", data[at + 1:end]), end + 1
    if byte == b"{" or data[at:at + 2] == b"~{":
        end = data.index(b"}\r\n", at)
        size = int(data[data.index(b"{", at) + 1:end].rstrip(b"+"))
        return data[end + 3:end + 3 + size], end + 3 + size
    found = re.compile(rb'[^ ()"{\[]*(?:\[[^\]]*\])?[^ ()"{]*').match(data, at)
    if not found.group():
        raise ValueError(f"not an IMAP value: {data[at:at + 40]!r}")
    word = found.group()
    return (None if word.upper() == b"NIL" else Atom(word)), found.end()


def fetch_items(data):
    """{item: value} of the parenthesized part of a FETCH answer; items as upper case str."""
    values, _ = parse(data)
    return {values[i].decode().upper(): values[i + 1] for i in range(0, len(values), 2)}


class RawImap:
    """A connection to an IMAP server on 127.0.0.1:`port`, at a Unix socket `path`, or on `sock`.

    tls  an ssl.SSLContext for TLS from the first byte
    """

    def __init__(self, port=None, path=None, sock=None, tls=None, timeout=60, host="127.0.0.1"):
        if sock is None and path is not None:
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(timeout)
            sock.connect(str(path))
        elif sock is None:
            sock = socket.create_connection((host, port), timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        if tls:
            self.sock = tls.wrap_socket(sock, server_hostname="localhost")
        self.sock.settimeout(timeout)
        self.buffer = bytearray()
        self.at = 0
        self.number = 0
        self.greeting = self.read_line()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def start_tls(self, context):
        self.ok("STARTTLS")
        self.sock = context.wrap_socket(self.sock, server_hostname="localhost")

    def login(self, user, password):
        self.ok(f'LOGIN "{user}" "{password}"')
        return self

    # Lines

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def read_line(self):
        """One line including CRLF."""
        while True:
            end = self.buffer.find(b"\r\n", self.at)
            if end >= 0:
                line = bytes(self.buffer[self.at:end + 2])
                self.at = end + 2
                if self.at > 1 << 20:
                    del self.buffer[:self.at]
                    self.at = 0
                return line
            self._receive()

    def read_exactly(self, count):
        while len(self.buffer) - self.at < count:
            self._receive()
        data = bytes(self.buffer[self.at:self.at + count])
        self.at += count
        return data

    def _receive(self):
        data = self.sock.recv(262144)
        if not data:
            raise EOFError("the server closed the connection")
        self.buffer += data

    def read_response(self):
        """One response with its literals, including the final CRLF."""
        parts = [self.read_line()]
        found = _LITERAL.search(parts[0])
        while found:
            parts.append(self.read_exactly(int(found.group(1))))
            parts.append(self.read_line())
            found = _LITERAL.search(parts[-1])
        return b"".join(parts)

    # Commands

    def start(self, command):
        """Sends a command (str or bytes, without tag and CRLF); returns its tag."""
        self.number += 1
        tag = f"A{self.number}"
        data = command if isinstance(command, bytes) else command.encode()
        self.send(tag.encode() + b" " + data + b"\r\n")
        return tag

    def finish(self, tag):
        untagged = []
        wanted = tag.encode() + b" "
        while True:
            line = self.read_response()
            if line.startswith(wanted):
                return Result(line, untagged)
            if line.startswith(b"* "):
                untagged.append(line[2:-2])
                if line.upper().startswith(b"* BYE") and not self._expects_bye:
                    raise EOFError(f"the server said {line!r}")
            elif not line.startswith(b"+"):
                raise AssertionError(f"neither tagged nor untagged: {line!r}")

    _expects_bye = False

    def command(self, command, *literals):
        """Sends a command; where it has `{}` a synchronizing literal from `literals` is sent."""
        self.number += 1
        tag = f"A{self.number}"
        self._expects_bye = str(command).upper().startswith("LOGOUT")
        data = command if isinstance(command, bytes) else command.encode()
        pieces = data.split(b"{}") if literals else [data]
        self.send(tag.encode() + b" ")
        for piece, literal in zip(pieces, literals):
            self.send(piece + b"{%d}\r\n" % len(literal))
            untagged = []
            line = self.read_response()
            while line.startswith(b"* "):
                untagged.append(line[2:-2])
                line = self.read_response()
            if not line.startswith(b"+"):
                return Result(line, untagged)
            self.send(literal)
        self.send(pieces[-1] + b"\r\n")
        return self.finish(tag)

    def ok(self, command, *literals):
        """The same, and insists on OK."""
        result = self.command(command, *literals)
        assert result.status == "OK", f"{command!r}: {result.status} {result.text}"
        return result

    def select(self, folder="INBOX", verb="SELECT"):
        """Selects; returns the Result, with `.exists` set."""
        result = self.ok(f'{verb} "{folder}"')
        result.exists = int(result.lines("EXISTS")[0].split()[0])
        return result

    def fetch(self, which, items, uid=True):
        """{uid: {item: value}} (or by sequence number with uid=False)."""
        result = self.ok(f"{'UID ' if uid else ''}FETCH {which} {items}")
        messages = result.fetched()
        if not uid:
            return messages
        return {int(message["UID"]): message for message in messages.values()
                if "UID" in message}

    def bodies(self, which="1:*"):
        """{uid: bytes} of whole messages."""
        return {uid: message["BODY[]"]
                for uid, message in self.fetch(which, "(UID BODY.PEEK[])").items()}

    def flags(self, which="1:*"):
        """{uid: set of flags, lower case, without \\recent}"""
        return {uid: {flag.decode().lower() for flag in message["FLAGS"]} - {"\\recent"}
                for uid, message in self.fetch(which, "(UID FLAGS)").items()}

    def uids(self, criteria="ALL"):
        return self.ok(f"UID SEARCH {criteria}").numbers()

    def folders(self):
        """{name: set of attributes, lower case} as LIST gives them."""
        names = {}
        for line in self.ok('LIST "" "*"').lines("LIST"):
            (attributes, _, name), _ = parse(b"(" + line[5:] + b")")
            names[(name or b"NIL").decode()] = {word.decode().lower() for word in attributes}
        return names

    def append(self, folder, data, flags="", date=None):
        """Appends; returns the Result."""
        when = f' "{date}"' if date else ""
        return self.ok(f'APPEND "{folder}" ({flags}){when} {{}}', data)

    def idle(self):
        """Starts IDLE and waits for the continuation; end it with done()."""
        tag = self.start("IDLE")
        line = self.read_line()
        early = []
        while not line.startswith(b"+"):
            early.append(line)
            line = self.read_line()
        self._idling = tag
        return early

    def wait_line(self, pattern, timeout=10):
        """Reads responses until one matches the regular expression; returns it."""
        self.sock.settimeout(timeout)
        while True:
            line = self.read_response()
            if re.search(pattern.encode(), line, re.I):
                return line

    def done(self):
        self.send(b"DONE\r\n")
        return self.finish(self._idling)


def trusting(ca_file):
    """An SSLContext that trusts this authority only."""
    return ssl.create_default_context(cafile=str(ca_file))
