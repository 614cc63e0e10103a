# SPDX-License-Identifier: GPL-3.0-or-later
"""FakeImap: a provider's IMAP server in memory that does everything right, until faults are turned on
(faults.py): each is asked at every turn whether it wants to do something else.

What is here: folders of all names, UIDVALIDITY, UIDPLUS, CONDSTORE and QRESYNC, MOVE, IDLE, SPECIAL-USE,
LIST-EXTENDED, LIST-STATUS, OBJECTID, LITERAL+; each can be left out. What isn't: access rights, quotas,
metadata, SORT and THREAD, search inside of messages. Nobody waits for a disk, so a test of hundreds of
rounds takes seconds."""

import base64
import bisect
import collections
import re
import select
import socket
import ssl
import threading
import time

from .link import reset

_LITERAL = re.compile(rb"\{(\d+)(\+?)\}$")
SYSTEM = ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")
CAPABILITIES = ("UNSELECT", "IDLE", "UIDPLUS", "MOVE", "NAMESPACE", "ENABLE", "CONDSTORE", "QRESYNC", "ESEARCH",
                "SPECIAL-USE", "LIST-EXTENDED", "LIST-STATUS", "CHILDREN", "LITERAL+", "ID")
#: What depends on what: without the one not the other.
_NEEDS = {"QRESYNC": ("CONDSTORE", "ENABLE"), "LIST-STATUS": ("LIST-EXTENDED",)}


class Cut(Exception):
    """The connection ends here."""


class Clock:
    """The time as the provider sees it: a test puts it forward together with the account's."""

    def __init__(self):
        self.ahead = 0

    def now(self):
        return time.time() + self.ahead

    def advance(self, seconds):
        self.ahead += seconds


def wire_name(name):
    """Modified UTF-7 (RFC 3501, 5.1.3), as bytes."""
    def shifted(found):
        text = base64.b64encode(found.group().encode("utf-16-be")).rstrip(b"=").replace(b"/", b",")
        return "&" + text.decode() + "-"
    return re.sub("[^\x20-\x7e]+", shifted, name.replace("&", "&-")).encode("latin-1")


def plain_name(wire):
    """The other way round; octets that are none stay as they are."""
    def unshifted(found):
        text = found.group(1).replace(b",", b"/")
        if not text:
            return b"&"
        return base64.b64decode(text + b"=" * (-len(text) % 4)).decode("utf-16-be").encode()
    return re.sub(rb"&([^-]*)-", unshifted, wire).decode("utf-8", "surrogateescape")


def quoted(name):
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", name) + b'"'


class Message:
    """What is stored once per folder."""

    def __init__(self, data, flags=(), date=None, identity=None):
        self.data, self.flags = data, set(flags)
        self.date = date or "24-Nov-2026 10:00:00 +0000"
        self.identity = identity
        self.modseq = 1

    def header(self):
        return self.data[:self.data.find(b"\r\n\r\n") + 4]

    def field(self, name):
        found = re.search(rb"^" + re.escape(name.encode()) + rb": *(.*?)\r\n(?![ \t])", self.header(), re.M | re.S | re.I)
        return found.group(1).decode("utf-8", "replace") if found else ""

    @property
    def name(self):
        """What tests call it: the part of its Message-ID before the @."""
        return self.field("Message-ID").strip("<>").split("@")[0]


class Folder:
    def __init__(self, name, uidvalidity, attributes=()):
        self.name, self.uidvalidity, self.attributes = name, uidvalidity, set(attributes)
        self.uidnext = 1
        self.messages = {}  # UID -> Message, ascending
        self.expunged = []  # (modseq, UID)
        self.subscribed = True
        self.identity = f"F{uidvalidity}"

    def uids(self):
        return list(self.messages)


class FakeImap:
    """Listens on `self.imap` of 127.0.0.1, in the clear.

    without     capabilities that it doesn't have
    also        capabilities that it has beside the usual ones (OBJECTID)
    delimiter   between the levels of a folder's name
    commands    [(connection's number, command line without its tag)] so far
    faults      what is turned on (faults.py)
    clock       the time that faults which last go by
    tls         (certificate file, key file): STARTTLS is offered
    strict      the client has to keep to what the strictest servers ask (Strict)
    """

    users = {"ada@example.org": "lovelace"}
    ca_file = "/dev/null"

    def __init__(self, without=(), also=(), delimiter="/", clock=None, tls=None, strict=True):
        gone = set(without)
        gone |= {name for name, needs in _NEEDS.items() if gone & set(needs)}
        self.capabilities = [name for name in (*CAPABILITIES, *also) if name not in gone]
        self.delimiter = delimiter
        self.strict = strict
        self.greeting = "OK fake server ready"
        self.namespace = '(("" "%s")) NIL NIL' % delimiter
        self.clock = clock or Clock()
        self.tls = None
        if tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*tls)
        self.lock = threading.RLock()
        self.faults = []
        self.commands = []
        self.cut_at = set()  # names of commands at which a fault ended a connection: these may be left out
        self.fetched = collections.Counter()  # bodies asked for, by (folder, UID)
        self.modseq = 1
        self._uidvalidity = 1000
        self._identity = 0
        self._later = []
        self.folders = {}
        self.create("INBOX")
        for role in ("Drafts", "Sent", "Trash"):
            self.create(role, [f"\\{role}"])
        self.connections = 0
        self.sessions = set()
        self.problems = []  # what a session of this server failed with, or Postern did wrong (Strict); close() tells
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.imap = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, scheme, port=None):
        return f"{scheme}://127.0.0.1:{port or self.imap}"

    def close(self):
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        self.drop_connections()
        assert not self.problems, self.problems

    def drop_connections(self):
        for session in list(self.sessions):
            reset(session.sock)

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            session = Session(self, sock, self.connections)
            self.sessions.add(session)
            threading.Thread(target=session.run, daemon=True).start()

    # What goes on at the provider; and what a test asks about

    def has(self, capability):
        return capability in self.capabilities

    def ask(self, what, *arguments):
        """The first of the faults that has something to say to it, or None."""
        for fault in list(self.faults):
            answer = getattr(fault, what)(*arguments)
            if answer is not None:
                return answer
        return None

    def change(self, what, value, *arguments):
        """`value` as the faults, one after the other, change it."""
        for fault in list(self.faults):
            value = getattr(fault, what)(value, *arguments)
        return value

    def create(self, name, attributes=()):
        self._uidvalidity += 1
        self.folders[name] = Folder(name, self._uidvalidity, attributes)
        return self.folders[name]

    def later(self, seconds, what):
        """Does it when the clock has gone on by so much."""
        with self.lock:
            self._later.append((self.clock.now() + seconds, what))

    def tick(self):
        """Does what is due."""
        with self.lock:
            due = [what for when, what in self._later if when <= self.clock.now()]
            self._later = [entry for entry in self._later if entry[0] > self.clock.now()]
            for what in due:
                what()

    def next_uidvalidity(self):
        self._uidvalidity += 1
        return self._uidvalidity

    def touch(self):
        self.modseq += 1
        return self.modseq

    def put(self, name, data, flags=(), date=None, uid=None, identity=None):
        """A new message in the folder; its UID."""
        with self.lock:
            folder = self.folders[name]
            if identity is None:
                self._identity += 1
                identity = f"M{self._identity}"
            message = Message(data, flags, date, identity)
            message.modseq = self.touch()
            uid = uid or folder.uidnext
            folder.uidnext = max(folder.uidnext, uid + 1)
            folder.messages[uid] = message
            return uid

    def remove(self, name, *uids):
        with self.lock:
            folder = self.folders[name]
            for uid in uids:
                if folder.messages.pop(uid, None):
                    folder.expunged.append((self.touch(), uid))

    def set_flags(self, name, uid, flags):
        with self.lock:
            message = self.folders[name].messages[uid]
            if message.flags != set(flags):
                message.flags = set(flags)
                message.modseq = self.touch()

    def renumber(self, name, first=1):
        """A new UIDVALIDITY, and new UIDs from `first` on."""
        with self.lock:
            folder = self.folders[name]
            folder.uidvalidity = self.next_uidvalidity()
            folder.messages = dict(enumerate(folder.messages.values(), first))
            folder.uidnext = first + len(folder.messages)
            folder.expunged = []
            for message in folder.messages.values():
                message.modseq = self.touch()

    def backup(self):
        """What restore() takes: the whole of the mail as it is now."""
        with self.lock:
            kept = {}
            for name, folder in self.folders.items():
                copy = Folder(name, folder.uidvalidity, folder.attributes)
                copy.uidnext, copy.expunged, copy.identity = folder.uidnext, list(folder.expunged), folder.identity
                copy.subscribed = folder.subscribed
                for uid, message in folder.messages.items():
                    copy.messages[uid] = Message(message.data, message.flags, message.date, message.identity)
                    copy.messages[uid].modseq = message.modseq
                kept[name] = copy
            return kept, self.modseq

    def restore(self, kept):
        """The server is set up again from a backup: counters go back with the mail."""
        with self.lock:
            self.folders, self.modseq = kept
        self.drop_connections()

    def state(self):
        """{folder: [(name, sorted flags, data)]} of all of its mail, sorted."""
        with self.lock:
            return {name: sorted((message.name, tuple(sorted(message.flags)), message.data)
                                 for message in folder.messages.values())
                    for name, folder in self.folders.items() if "\\Noselect" not in folder.attributes}


class Command:
    """One command line: `name` ("UID FETCH"), its arguments as nested lists of str (atoms) and bytes (strings)
    and the line for people."""

    def __init__(self, tag, name, args, text, session):
        self.tag, self.name, self.args, self.text, self.session = tag, name, args, text, session

    @property
    def folder(self):
        """The name of the folder it is about: the one it names, else the one that is selected."""
        if self.name in ("SELECT", "EXAMINE", "STATUS", "CREATE", "DELETE", "RENAME", "APPEND", "SUBSCRIBE",
                         "UNSUBSCRIBE", "MYRIGHTS"):
            return mailbox_of(self.args[0]) if self.args else None
        return self.session.folder.name if self.session.folder else None


def mailbox_of(word):
    name = plain_name(word.encode("utf-8", "surrogateescape") if isinstance(word, str) else word)
    return "INBOX" if name.upper() == "INBOX" else name


_ATOM = re.compile(rb'(?:[^\s()"\[{]|\[[^\]]*\])+')


def words_of(line, literals):
    """Arguments as nested lists: atoms are str, strings and literals («n») bytes."""
    stack, at = [[]], 0
    while at < len(line):
        byte = line[at:at + 1]
        if byte == b" ":
            at += 1
        elif byte == b"(":
            stack.append([])
            at += 1
        elif byte == b")":
            done = stack.pop()
            stack[-1].append(done)
            at += 1
        elif byte == b'"':
            found = re.compile(rb'"((?:[^"\\]|\\.)*)"').match(line, at)
            stack[-1].append(re.sub(rb"\\(.)", rb"\1", found.group(1)))
            at = found.end()
        elif byte == b"\xff":
            number, _, _ = line[at + 1:].partition(b"\xff")
            stack[-1].append(literals[int(number)])
            at += len(number) + 2
        else:
            found = _ATOM.match(line, at)
            stack[-1].append(found.group().decode("utf-8", "surrogateescape"))
            at = found.end()
    return stack[0]


def in_set(text, known):
    """The members of `known` in a set as written: "2,4:*". What a fault has hidden for a while is at its end."""
    chosen, known = set(), sorted(known)
    for part in text.split(","):
        first, _, last = part.partition(":")
        ends = [known[-1] if known and word == "*" else 0 if word == "*" else int(word)
                for word in (first, last or first)]
        low, high = min(ends), max(ends)
        chosen.update(known[bisect.bisect_left(known, low):bisect.bisect_right(known, high)])
    return sorted(chosen)


def as_set(numbers):
    """Ascending numbers as a set: "1:3,7"."""
    ranges = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(str(low) if low == high else f"{low}:{high}" for low, high in ranges)


class Strict:
    """What the strictest servers ask of a client, checked in everything that Postern says to a FakeImap: lines below
    1,000 octets (RFC 7162, 4, allows 8192; some take no more), sets that ascend, at most 25 commands under way,
    capabilities asked for again after login and ID said before a folder is opened."""

    LINE, IN_FLIGHT = 1000, 25
    def __init__(self, server):
        self.server = server
        self.said = set()  # names of commands since login

    def complain(self, what):
        if self.server.strict and len(self.server.problems) < 20:
            self.server.problems.append(what)

    def line(self, octets):
        if len(octets) + 2 > self.LINE and b" AUTHENTICATE " not in octets[:30].upper():
            self.complain(f"a line of {len(octets) + 2} octets: {octets[:100]}...")

    def command(self, command, waiting):
        under_way = 1 + len(re.findall(rb"(?:\A|\r\n)A\d+ [A-Z]", waiting))
        if under_way > self.IN_FLIGHT:
            self.complain(f"{under_way} commands under way at {command.text}")
        if command.name.startswith("UID ") and command.name != "UID SEARCH" and command.args:
            self.set(command.args[0], command.text)
        if command.name in ("LOGIN", "AUTHENTICATE", "STARTTLS"):
            self.said.clear()
        elif command.name in ("SELECT", "EXAMINE", "STATUS", "LIST", "APPEND", "CREATE", "IDLE"):
            missing = {"CAPABILITY"} | ({"ID"} if self.server.has("ID") else set())
            missing -= self.said | self.server.cut_at
            if missing:
                self.complain(f"no {missing} before {command.text}")
        self.said.add(command.name)

    def set(self, text, shown):
        last = 0
        for part in text.split(","):
            low, _, high = part.partition(":")
            if not low.isdigit() or int(low) <= last or high.isdigit() and int(high) < int(low):
                self.complain(f"a set that doesn't ascend: {shown[:100]}")
            last = int(high or low) if (high or low).isdigit() else 1 << 32


class Session:
    """One connection. Faults know it as the place where things happen: `number`, `folder`, `user`."""

    def __init__(self, server, sock, number):
        self.server, self.sock, self.number = server, sock, number
        self.input = b""
        self.user = self.folder = None
        self.read_only = False
        self.known = []       # UIDs as the client counts them
        self.told = 0         # the mod-sequence up to which the client knows the folder's flags
        self.enabled = set()
        self.condstore = False
        self.command = None
        self.scratch = {}     # what faults remember of this connection
        self.strict = Strict(server)

    def run(self):
        try:
            self.server.ask("connected", self)
            self.send("* " + (self.server.ask("greeting", self) or self.server.greeting))
            while self.one():
                pass
        except (OSError, EOFError, Cut):
            pass
        except Exception as error:  # a mistake in this file must not look like a fault
            self.server.problems.append(f"{self.command and self.command.text}: {error!r}")
            raise
        finally:
            self.server.sessions.discard(self)
            reset(self.sock)

    # Lines

    def send(self, *lines):
        """Untagged lines and continuations, as the faults change them."""
        out = []
        for line in lines:
            line = line.encode("utf-8", "surrogateescape") if isinstance(line, str) else line
            out += self.server.change("lines", [line], self)
        self.raw(b"".join(line + b"\r\n" for line in out))

    def raw(self, octets):
        self.sock.sendall(octets)

    def line(self):
        while b"\r\n" not in self.input:
            self.fill()
        line, _, self.input = self.input.partition(b"\r\n")
        return line

    def fill(self):
        data = self.sock.recv(262144)
        if not data:
            raise EOFError
        self.input += data

    def read(self):
        text, literals = self.line(), []
        self.strict.line(text)
        while found := _LITERAL.search(text):
            size = int(found.group(1))
            if not found.group(2):
                refused = self.server.ask("literal", self, text, size)
                if refused:
                    self.raw(text.split(b" ")[0] + b" " + refused.encode() + b"\r\n")
                    text, literals = self.line(), []
                    continue
                self.raw(b"+ go ahead\r\n")
            while len(self.input) < size:
                self.fill()
            literals.append(self.input[:size])
            self.input = self.input[size:]
            more = self.line()
            self.strict.line(more)
            text = text[:found.start()] + b"\xff%d\xff" % (len(literals) - 1) + more
        return text, literals

    # Commands

    def one(self):
        text, literals = self.read()
        tag, _, rest = text.partition(b" ")
        verb, _, arguments = rest.partition(b" ")
        name = verb.decode().upper()
        if name == "UID":
            verb, _, arguments = arguments.partition(b" ")
            name = "UID " + verb.decode().upper()
        shown = rest.decode("utf-8", "replace")
        if name in ("LOGIN", "AUTHENTICATE"):
            shown = name
        self.server.commands.append((self.number, shown))
        self.server.tick()
        self.command = command = Command(tag, name, words_of(arguments, literals), shown, self)
        self.strict.command(command, self.input)
        try:
            answer = self.server.ask("before", self, command)
            if answer is None:
                answer = self.answer(command)
            self.server.ask("after", self, command, answer)
        except Cut:
            self.server.cut_at.add(name)
            raise
        answer = self.server.change("answer", answer, self, command)
        self.raw(tag + b" " + answer.encode("utf-8", "surrogateescape") + b"\r\n")
        if name == "STARTTLS" and answer.startswith("OK"):
            self.sock = self.server.tls.wrap_socket(self.sock, server_side=True)
        return name != "LOGOUT"

    def answer(self, command):
        run = getattr(self, "do_" + command.name.lower().replace(" ", "_"), None)
        if not run or not self.may(command.name):
            return "BAD what is that?"
        if command.name == "IDLE":
            return self.idle()
        with self.server.lock:
            try:
                answer = run(command.args) or "OK done"
            except (KeyError, IndexError, ValueError) as error:
                answer = f"NO [NONEXISTENT] {error!r}"
            # While numbers are used nothing may be renumbered (RFC 3501, 7.4.1).
            self.news(numbers=command.name in ("FETCH", "STORE", "SEARCH"))
        return answer

    def may(self, name):
        """Whether it knows this command, by what it can."""
        needs = {"UID EXPUNGE": "UIDPLUS", "MOVE": "MOVE", "UID MOVE": "MOVE", "IDLE": "IDLE", "ENABLE": "ENABLE",
                 "UNSELECT": "UNSELECT", "ID": "ID", "NAMESPACE": "NAMESPACE"}.get(name)
        return not needs or self.server.has(needs)

    def news(self, numbers=False):
        """What has become of the selected folder since the client last heard."""
        if not self.folder:
            return
        folder = self.folder
        now = self.seen()
        there = set(now)
        gone = [uid for uid in self.known if uid not in there]
        if gone and not numbers:
            if "QRESYNC" in self.enabled:
                self.send(f"* VANISHED {as_set(gone)}")
                self.known = [uid for uid in self.known if uid in there]
            else:
                for number in range(len(self.known), 0, -1):
                    if self.known[number - 1] not in there:
                        self.send(f"* {number} EXPUNGE")
                        del self.known[number - 1]
        known = set(self.known)
        arrived = [uid for uid in now if uid not in known]
        if arrived:
            self.known += arrived
            self.send(f"* {len(self.known)} EXISTS")
        told, self.told = self.told, self.server.modseq
        for number, uid in enumerate(self.known, 1):
            message = folder.messages.get(uid)
            if message and message.modseq > told and uid in known:
                modseq = f" MODSEQ ({message.modseq})" if self.condstore else ""
                self.send(f"* {number} FETCH (UID {uid} FLAGS ({' '.join(sorted(message.flags))}){modseq})")

    def seen(self):
        """The UIDs of the selected folder as this connection is shown it."""
        return self.server.change("visible", self.folder.uids(), self, self.folder)

    def idle(self):
        self.raw(b"+ idling\r\n")
        while b"\r\n" not in self.input:
            if select.select([self.sock], [], [], 0.02)[0]:
                self.fill()
            self.server.ask("idling", self)
            with self.server.lock:
                self.news()
        self.line()
        return "OK done"

    def do_capability(self, _):
        start = ["STARTTLS"] if self.server.tls and not isinstance(self.sock, ssl.SSLSocket) else []
        words = self.server.change("offered", ["IMAP4rev1", *start, "AUTH=PLAIN", "SASL-IR", *self.server.capabilities], self)
        self.send("* CAPABILITY " + " ".join(words))

    def do_starttls(self, _):
        return "OK begin" if self.server.tls else "BAD no TLS here"

    def do_login(self, words):
        user, password = (word if isinstance(word, str) else word.decode() for word in words)
        return self.log_in(user, password)

    def do_authenticate(self, words):
        initial = words[1].encode() if len(words) > 1 else None
        if initial is None:
            self.raw(b"+ \r\n")
            initial = self.line()
        _, user, password = base64.b64decode(initial).decode().split("\0")
        return self.log_in(user, password)

    def log_in(self, user, password):
        if self.server.users.get(user) != password:
            return "NO [AUTHENTICATIONFAILED] Invalid credentials"
        self.user = user
        return "OK welcome"

    def do_enable(self, words):
        new = [word.upper() for word in words if word.upper() in ("QRESYNC", "CONDSTORE") and self.server.has(word.upper())]
        self.enabled.update(new)
        if new:
            self.condstore = True
        self.send("* ENABLED" + "".join(f" {word}" for word in new))

    def do_id(self, _):
        self.send('* ID ("name" "fake")')

    def do_noop(self, _):
        pass

    do_check = do_noop

    def do_logout(self, _):
        self.send("* BYE good bye")

    def do_namespace(self, _):
        self.send("* NAMESPACE " + self.server.namespace)

    # Folders

    def matching(self, words):
        """The folders that a LIST names, and what it is to return."""
        words = list(words)
        selection = [word.upper() for word in words.pop(0)] if isinstance(words[0], list) else []
        pattern = words[1] if isinstance(words[1], str) else words[1].decode("utf-8", "surrogateescape")
        wanted = re.compile(re.escape(plain_name(pattern.encode())).replace(r"\*", ".*").replace("%", "[^/]*") + "$", re.S)
        returned = []
        if len(words) > 3 and str(words[2]).upper() == "RETURN":
            returned = words[3]
        names = [name for name in sorted(self.server.folders) if wanted.match(name)]
        if "SUBSCRIBED" in selection:
            names = [name for name in names if self.server.folders[name].subscribed]
        return self.server.change("listed", names, self), selection, returned

    def list_line(self, name, verb="LIST", more=()):
        folder = self.server.folders.get(name)
        attributes = sorted(folder.attributes if folder else ()) + list(more)
        if not self.server.has("SPECIAL-USE"):
            attributes = [word for word in attributes if word in ("\\Noselect", "\\Subscribed")]
        delimiter = quoted(self.server.delimiter.encode()) if self.server.delimiter else b"NIL"
        return (f"* {verb} ({' '.join(attributes)}) ".encode() + delimiter + b" " + quoted(wire_name(name)))

    def do_list(self, words):
        extended = any(isinstance(word, list) for word in words)
        if extended and not self.server.has("LIST-EXTENDED") and not self.server.has("LIST-STATUS"):
            return "BAD no extended LIST"
        names, selection, returned = self.matching(words)
        options = [word.upper() for word in returned if isinstance(word, str)]
        items = next((word for word in returned if isinstance(word, list)), None)
        for name in names:
            folder = self.server.folders.get(name)
            subscribed = folder and folder.subscribed and ("SUBSCRIBED" in options or "SUBSCRIBED" in selection)
            self.send(self.list_line(name, more=["\\Subscribed"] if subscribed else []))
        if items is not None:
            for name in names:
                if "\\Noselect" not in self.server.folders[name].attributes:
                    self.send(self.status_line(name, items))
        return None

    def do_lsub(self, words):
        names, _, _ = self.matching(words)
        for name in names:
            if self.server.folders[name].subscribed:
                self.send(self.list_line(name, "LSUB"))

    def do_subscribe(self, words):
        self.server.folders[mailbox_of(words[0])].subscribed = True

    def do_unsubscribe(self, words):
        folder = self.server.folders.get(mailbox_of(words[0]))
        if folder:
            folder.subscribed = False

    def uidvalidity(self, folder):
        return self.server.ask("uidvalidity", self, folder) or folder.uidvalidity

    def uids_of(self, folder):
        return self.server.change("visible", folder.uids(), self, folder)

    def status_line(self, name, items):
        folder = self.server.folders[name]
        uids = self.uids_of(folder)
        values = {"MESSAGES": len(uids), "UIDNEXT": folder.uidnext, "UIDVALIDITY": self.uidvalidity(folder),
                  "UNSEEN": sum("\\Seen" not in folder.messages[uid].flags for uid in uids if uid in folder.messages),
                  "RECENT": 0, "HIGHESTMODSEQ": self.server.modseq, "MAILBOXID": f"({folder.identity})",
                  "SIZE": sum(len(message.data) for message in folder.messages.values())}
        parts = [f"{item.upper()} {values[item.upper()]}" for item in items]
        return b"* STATUS " + quoted(wire_name(name)) + f" ({' '.join(parts)})".encode()

    def do_status(self, words):
        name = mailbox_of(words[0])
        if "\\Noselect" in self.server.folders[name].attributes:
            return "NO [NONEXISTENT] it is only a level"
        self.send(self.status_line(name, words[1]))

    def do_create(self, words):
        name = mailbox_of(words[0]).rstrip(self.server.delimiter or "\0")
        name = self.server.change("created", name, self)
        if name in self.server.folders:
            return "NO [ALREADYEXISTS] It is there already"
        self.server.create(name)

    def do_delete(self, words):
        name = mailbox_of(words[0])
        if name == "INBOX":
            return "NO [CANNOT] Not INBOX"
        del self.server.folders[name]

    def do_rename(self, words):
        old, new = mailbox_of(words[0]), mailbox_of(words[1])
        if new in self.server.folders:
            return "NO [ALREADYEXISTS] It is there already"
        for name in [name for name in self.server.folders
                     if name == old or name.startswith(old + (self.server.delimiter or "\0"))]:
            folder = self.server.folders.pop(name)
            folder.name = new + name[len(old):]
            self.server.folders[folder.name] = folder
        return None

    # The selected folder

    def do_select(self, words, read_only=False):
        name = mailbox_of(words[0])
        if self.folder and "QRESYNC" in self.enabled:
            self.send("* OK [CLOSED] the one before is closed")
        self.folder = None
        folder = self.server.folders[name]
        if "\\Noselect" in folder.attributes:
            return "NO [NONEXISTENT] it is only a level"
        self.folder, self.read_only = folder, read_only or bool(self.server.ask("read_only", self, folder))
        self.known, self.told = self.seen(), self.server.modseq
        options = words[1] if len(words) > 1 else []
        if any(isinstance(word, str) and word.upper() in ("CONDSTORE", "QRESYNC") for word in options):
            self.condstore = True
        kept = self.server.change("kept", ["\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft", "\\*"], self, folder)
        self.send("* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)",
                  f"* OK [PERMANENTFLAGS ({'' if self.read_only else ' '.join(kept)})] these are kept",
                  f"* {len(self.known)} EXISTS", "* 0 RECENT",
                  f"* OK [UIDVALIDITY {self.uidvalidity(folder)}] UIDs are good",
                  f"* OK [UIDNEXT {folder.uidnext}] the next one")
        if self.server.has("CONDSTORE"):
            self.send(f"* OK [HIGHESTMODSEQ {self.server.modseq}] the highest")
        if self.server.has("OBJECTID"):
            self.send(f"* OK [MAILBOXID ({folder.identity})] its name for good")
        if "QRESYNC" in self.enabled and len(options) > 1 and isinstance(options[1], list):
            self.resync(options[1])
        return f"OK [READ-{'ONLY' if self.read_only else 'WRITE'}] selected"

    def do_examine(self, words):
        return self.do_select(words, read_only=True)

    def resync(self, known):
        if int(known[0]) != self.uidvalidity(self.folder):
            return
        since = int(known[1])
        gone = sorted({uid for modseq, uid in self.folder.expunged if modseq > since} - set(self.known))
        if gone:
            self.send(f"* VANISHED (EARLIER) {as_set(gone)}")
        self.fetch_all([uid for uid in self.known
                        if uid in self.folder.messages and self.folder.messages[uid].modseq > since],
                       ["UID", "FLAGS", "MODSEQ"])

    def do_unselect(self, _):
        self.folder = None

    def do_close(self, _):
        self.expunge([uid for uid, message in self.folder.messages.items() if "\\Deleted" in message.flags])
        self.folder = None

    # Messages

    def chosen(self, text, by_uid):
        self.news(numbers=not by_uid)
        if by_uid:
            return in_set(text, self.known)
        return [self.known[number - 1] for number in in_set(text, list(range(1, len(self.known) + 1)))]

    def do_fetch(self, words, by_uid=False):
        items = words[1] if isinstance(words[1], list) else [words[1]]
        modifiers = words[2] if len(words) > 2 else []
        uids = self.chosen(words[0], by_uid)
        if by_uid and "UID" not in [item.upper() for item in items]:
            items = ["UID", *items]
        if "CHANGEDSINCE" in modifiers:
            since = int(modifiers[modifiers.index("CHANGEDSINCE") + 1])
            self.condstore = True
            if "VANISHED" in modifiers:
                gone = sorted({uid for modseq, uid in self.folder.expunged if modseq > since} - set(self.known))
                if gone:
                    self.send(f"* VANISHED (EARLIER) {as_set(gone)}")
            uids = [uid for uid in uids if uid in self.folder.messages and self.folder.messages[uid].modseq > since]
            items = [*items, "MODSEQ"]
        return self.fetch_all(uids, items)

    def do_uid_fetch(self, words):
        return self.do_fetch(words, by_uid=True)

    def fetch_all(self, uids, items):
        """The answers for these; what is to be said to the command, if it isn't OK."""
        self.failure = None
        uids = self.server.change("fetching", list(uids), self, self.folder, items)
        for uid in uids:
            message = self.folder.messages.get(uid)
            if message is None or uid not in self.known:
                continue
            values = []
            for item in items:
                name, value = self.value(uid, message, item.upper())
                value = self.server.change("item", value, self, self.folder, uid, name)
                if value is not None:
                    values.append(name.encode() + b" " + value)
            for part in self.server.change("parts", [values], self, self.folder, uid):
                self.send(b"* %d FETCH (" % (self.known.index(uid) + 1) + b" ".join(part) + b")")
        return self.failure

    def value(self, uid, message, item):
        plain = {"UID": lambda: str(uid), "FLAGS": lambda: f"({' '.join(sorted(message.flags))})",
                 "INTERNALDATE": lambda: f'"{message.date}"', "RFC822.SIZE": lambda: str(len(message.data)),
                 "MODSEQ": lambda: f"({message.modseq})", "EMAILID": lambda: f"({message.identity})",
                 "THREADID": lambda: "NIL",
                 "BODYSTRUCTURE": lambda: f'("TEXT" "PLAIN" NIL NIL NIL "8BIT" {len(message.data)} 1 NIL NIL NIL NIL)'}
        if item in plain:
            return item, plain[item]().encode()
        found = re.fullmatch(r"(?:BODY(?:\.PEEK)?\[([^\]]*)\]|RFC822)(?:<(\d+)\.(\d+)>)?", item)
        if not found:
            raise ValueError(f"unknown item {item}")
        section = found.group(1) or ""
        if not section:
            self.server.fetched[self.folder.name, uid] += 1
        octets = self.section(message, section)
        name = f"BODY[{section}]"
        if found.group(2):
            start = int(found.group(2))
            octets = octets[start:start + int(found.group(3))]
            name += f"<{start}>"
        return name, b"{%d}\r\n" % len(octets) + octets

    @staticmethod
    def section(message, section):
        if section == "":
            return message.data
        header = message.header()
        if section == "HEADER":
            return header
        if section == "TEXT":
            return message.data[len(header):]
        if section.startswith("HEADER.FIELDS"):
            names = section[section.index("(") + 1:section.index(")")].split()
            found = [re.search(rb"^" + re.escape(name.encode()) + rb":.*?\r\n(?![ \t])", header, re.M | re.S | re.I)
                     for name in names]
            return b"".join(match.group() for match in found if match) + b"\r\n"
        raise ValueError(f"unknown section {section}")

    def do_store(self, words, by_uid=False):
        if self.read_only:
            return "NO [NOPERM] read-only"
        uids, unchanged = self.chosen(words[0], by_uid), None
        if isinstance(words[1], list):
            unchanged = int(words[1][1])
            words = [words[0], *words[2:]]
        mode = words[1].upper()
        named = words[2] if isinstance(words[2], list) else words[2:]
        # System flags are the same however they are written (RFC 3501, 2.3.2).
        system = {flag.lower(): flag for flag in SYSTEM}
        named = {system.get(word.lower(), word) for word in named}
        named = set(self.server.change("stored", named, self, self.folder))
        modified = []
        for uid in uids:
            message = self.folder.messages.get(uid)
            if not message:
                continue
            if unchanged is not None and message.modseq > unchanged:
                modified.append(uid)
                continue
            flags = (message.flags | named if mode[0] == "+" else message.flags - named if mode[0] == "-" else named)
            self.server.set_flags(self.folder.name, uid, flags)
            self.told = max(self.told, message.modseq) if ".SILENT" in mode else self.told
            if ".SILENT" in mode and self.condstore:
                self.send(f"* {self.known.index(uid) + 1} FETCH (UID {uid} MODSEQ ({message.modseq}))")
        if modified:
            return f"OK [MODIFIED {as_set(modified)}] some were changed"
        return None

    def do_uid_store(self, words):
        return self.do_store(words, by_uid=True)

    def do_copy(self, words, by_uid=False, move=False):
        name = mailbox_of(words[1])
        if name not in self.server.folders or "\\Noselect" in self.server.folders[name].attributes:
            return "NO [TRYCREATE] no such folder"
        if move and self.read_only:
            return "NO [NOPERM] read-only"
        pairs = []
        for uid in self.chosen(words[0], by_uid):
            message = self.folder.messages.get(uid)
            if message:
                flags = self.server.change("stored", set(message.flags), self, self.server.folders[name])
                pairs.append((uid, self.server.put(name, message.data, flags, message.date, identity=message.identity)))
        if not pairs:
            return None
        code = ""
        if self.server.has("UIDPLUS"):
            code = (f"[COPYUID {self.uidvalidity(self.server.folders[name])} "
                    f"{','.join(str(old) for old, _ in pairs)} {','.join(str(new) for _, new in pairs)}] ")
        if not move:
            return f"OK {code}copied"
        if code:
            self.send(f"* OK {code}moved")
        self.server.remove(self.folder.name, *(old for old, _ in pairs))
        return None

    def do_uid_copy(self, words):
        return self.do_copy(words, by_uid=True)

    def do_move(self, words):
        return self.do_copy(words, move=True)

    def do_uid_move(self, words):
        return self.do_copy(words, by_uid=True, move=True)

    def expunge(self, uids):
        self.server.remove(self.folder.name, *uids)

    def do_expunge(self, _):
        if self.read_only:
            return "NO [NOPERM] read-only"
        return self.expunge([uid for uid, message in self.folder.messages.items() if "\\Deleted" in message.flags])

    def do_uid_expunge(self, words):
        if self.read_only:
            return "NO [NOPERM] read-only"
        return self.expunge([uid for uid in self.chosen(words[0], True)
                             if uid in self.folder.messages and "\\Deleted" in self.folder.messages[uid].flags])

    def do_append(self, words):
        name, data = mailbox_of(words[0]), words[-1]
        if name not in self.server.folders or "\\Noselect" in self.server.folders[name].attributes:
            return "NO [TRYCREATE] no such folder"
        flags = next((word for word in words[1:] if isinstance(word, list)), [])
        date = words[-2].decode().strip() if len(words) > 2 and isinstance(words[-2], bytes) else None
        flags = set(self.server.change("stored", set(flags), self, self.server.folders[name]))
        uid = self.server.put(name, data, flags, date)
        if not self.server.has("UIDPLUS"):
            return "OK appended"
        return f"OK [APPENDUID {self.uidvalidity(self.server.folders[name])} {uid}] appended"

    # Searching

    def do_search(self, words, by_uid=False):
        self.news(numbers=not by_uid)
        words = list(words)
        esearch = bool(words) and words[0] == "RETURN"
        if esearch:
            words = words[2:]
        if words and str(words[0]).upper() == "CHARSET":
            words = words[2:]
        found = [uid for uid in self.known if uid in self.folder.messages and self.matches(uid, list(words))]
        numbers = found if by_uid else [self.known.index(uid) + 1 for uid in found]
        if esearch:
            self.send(f'* ESEARCH (TAG "{self.command.tag.decode()}")' + (" UID" if by_uid else "") +
                      (f" ALL {as_set(numbers)}" if numbers else ""))
        else:
            self.send("* SEARCH" + "".join(f" {number}" for number in numbers))

    def do_uid_search(self, words):
        return self.do_search(words, by_uid=True)

    def matches(self, uid, words):
        """ALL, UID, flags and HEADER, all of them."""
        message = self.folder.messages[uid]
        flags = {f"{name[1:].upper()}": name for name in SYSTEM}
        while words:
            word = words.pop(0)
            key = word.upper() if isinstance(word, str) else ""
            if key == "ALL":
                continue
            if key == "UID":
                ok = uid in in_set(words.pop(0), self.known)
            elif key in flags:
                ok = flags[key] in message.flags
            elif key.startswith("UN") and key[2:] in flags:
                ok = flags[key[2:]] not in message.flags
            elif key in ("KEYWORD", "UNKEYWORD"):
                ok = (words.pop(0) in message.flags) == (key == "KEYWORD")
            elif key == "HEADER":
                name, value = words.pop(0), words.pop(0)
                name, value = (text if isinstance(text, str) else text.decode("utf-8", "replace") for text in (name, value))
                ok = value.lower() in message.field(name).lower()
            elif re.fullmatch(r"[\d:,*]+", key):
                ok = self.known.index(uid) + 1 in in_set(word, list(range(1, len(self.known) + 1)))
            else:
                raise ValueError(f"unknown search key {word}")
            if not ok:
                return False
        return True
