# SPDX-License-Identifier: GPL-3.0-or-later
"""GmailLike: a provider that keeps mail as Gmail does, made from what is documented of it ("IMAP extensions"
and "Choose IMAP settings" in Google's documentation) and is told by those who sync with it.

- A message has one X-GM-MSGID, one X-GM-THRID and one set of flags in all its folders, and is in each once.
- A folder is a label; everything is in All Mail but for what is in Spam or Trash. Going there takes a message
  out of all others; putting it into another folder takes it back from there.
- A message marked as \\Deleted leaves the folder at once (auto-expunge, the default); the last label gone, it
  stays in All Mail (archived). Leaving Spam or Trash deletes it.
- \\Flagged is being in Starred.
- Appending what is there already gives it the label.

Not there: quotas, XLIST, STORE of labels (Postern copies and expunges), more of X-GM-RAW than `matches()`.
"""

import collections
import datetime
import re
import select
import socket
import threading

from .link import reset

_LITERAL = re.compile(rb"\{(\d+)(\+?)\}$")
_WORDS = re.compile(rb'"((?:[^"\\]|\\.)*)"|\(|\)|[^\s()"]+')

ALL, TRASH, SPAM = "[Gmail]/All Mail", "[Gmail]/Trash", "[Gmail]/Spam"
STARRED = "[Gmail]/Starred"
_FOLDERS = {"INBOX": "", "[Gmail]": "\\Noselect", ALL: "\\All", "[Gmail]/Drafts": "\\Drafts",
            "[Gmail]/Important": "\\Important", "[Gmail]/Sent Mail": "\\Sent", SPAM: "\\Junk",
            STARRED: "\\Flagged", TRASH: "\\Trash"}


class Message:
    def __init__(self, number, data, thread=None, date=None):
        self.id = 1278455344230334865 + number
        self.thread = thread or self.id
        self.data = data
        self.date = date or datetime.datetime.now().strftime('"%d-%b-%Y %H:%M:%S +0000"')
        self.flags = set()
        self.modseq = 1

    def subject(self):
        found = re.search(rb"^Subject: (.*?)\r\n", self.data, re.M)
        return found.group(1).decode() if found else ""


class Folder:
    def __init__(self, uidvalidity):
        self.uidvalidity, self.uidnext = uidvalidity, 1
        self.messages = {}  # UID -> Message, ascending

    def uid_of(self, message):
        return next((uid for uid, there in self.messages.items() if there is message), None)


class GmailLike:
    """Listens on `self.imap` of 127.0.0.1.

    extensions  what CAPABILITY names beside IMAP4rev1; without X-GM-EXT-1 it answers BAD to what that adds
    commands    every command line that came, without its tag
    fetched     how often each message's body was fetched, by subject
    cut         (regular expression, "before" or "after"): the first command that matches breaks all
                connections off, before or after it has done what it does
    """

    users = {"ada@example.org": "lovelace"}
    EXTENSIONS = ("UNSELECT", "IDLE", "UIDPLUS", "MOVE", "CONDSTORE", "ESEARCH", "SPECIAL-USE", "CHILDREN",
                  "LITERAL+", "X-GM-EXT-1")

    def __init__(self, without=()):
        self.extensions = [name for name in self.EXTENSIONS if name not in without]
        self.lock = threading.RLock()
        self.commands = []
        self.fetched = collections.Counter()
        self.cut = None
        self.modseq = 1
        self.count = 0
        self.folders = {}
        for name in _FOLDERS:
            self.create(name)
        self._open = set()
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self.imap = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, scheme, port=None):
        return f"{scheme}://127.0.0.1:{port or self.imap}"

    ca_file = "/dev/null"

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
            except OSError:
                return
            self._open.add(sock)
            threading.Thread(target=_Session(self, sock).run, daemon=True).start()

    def cut_now(self, command, when):
        """Whether this is where it is to be cut."""
        if not self.cut or self.cut[1] != when or not re.match(self.cut[0], command):
            return False
        self.cut = None
        for sock in list(self._open):
            reset(sock)
        return True

    # What anyone may do; what a test asks about

    def create(self, name):
        self.folders[name] = Folder(600 + len(self.folders))

    def deliver(self, data, *labels, flags=(), thread=None):
        """A new message with these labels (folders)."""
        with self.lock:
            self.count += 1
            message = Message(self.count, data, thread)
            message.flags = set(flags)
            self.put(message, ALL)
            for label in labels:
                if label not in self.folders:
                    self.create(label)
                self.put(message, label)
            return message

    def find(self, subject):
        with self.lock:
            return next((message for folder in self.folders.values() for message in folder.messages.values()
                         if message.subject() == subject), None)

    def where(self, subject):
        """The folders a message is in but for All Mail; None: it is gone."""
        with self.lock:
            message = self.find(subject)
            return message and {name for name, folder in self.folders.items()
                                if folder.uid_of(message) and name != ALL}

    def touch(self, message):
        self.modseq += 1
        message.modseq = self.modseq

    def put(self, message, name):
        """The message's UID in the folder."""
        folder = self.folders[name]
        uid = folder.uid_of(message)
        if uid:
            return uid
        elsewhere = [other for other in (TRASH, SPAM) if other != name] if name not in (TRASH, SPAM) else \
            [other for other in self.folders if other != name]
        for other in elsewhere:
            self._drop(message, other)
        uid, folder.uidnext = folder.uidnext, folder.uidnext + 1
        folder.messages[uid] = message
        if name == STARRED:
            message.flags.add("\\Flagged")
        if name not in (TRASH, SPAM, ALL):
            self.put(message, ALL)
        self.touch(message)
        return uid

    def _drop(self, message, name):
        uid = self.folders[name].uid_of(message)
        if uid:
            del self.folders[name].messages[uid]
            self.touch(message)

    def take(self, message, name):
        """Out of a folder, as expunging there does; what is in All Mail stays there."""
        if name == ALL:
            return
        self._drop(message, name)
        if name == STARRED:
            message.flags.discard("\\Flagged")

    def set_flags(self, message, flags):
        message.flags = flags
        self.touch(message)
        if "\\Flagged" in flags and self.folders[ALL].uid_of(message):
            self.put(message, STARRED)
        else:
            self._drop(message, STARRED)

    def matches(self, message, query):
        """X-GM-RAW as far as it goes: subject:WORD, is:unread, label:NAME, words of the text; all of them."""
        text = message.data.decode("utf-8", "replace").lower()
        for term in query.lower().split():
            kind, _, value = term.rpartition(":")
            found = {"subject": lambda: value in message.subject().lower(),
                     "is": lambda: value == "unread" and "\\Seen" not in message.flags,
                     "label": lambda: any(folder.uid_of(message) for name, folder in self.folders.items()
                                          if name.lower() == value)}.get(kind, lambda: term in text)
            if not found():
                return False
        return True


class _Session:
    """One connection."""

    def __init__(self, server, sock):
        self.server, self.sock = server, sock
        self.input = b""
        self.name = self.folder = None
        self.known = []  # UIDs as the client counts them

    def run(self):
        try:
            self.send("* OK Gimap ready for requests")
            while self.command():
                pass
        except (OSError, EOFError):
            pass
        finally:
            self.server._open.discard(self.sock)
            self.sock.close()

    # Lines

    def send(self, *lines):
        self.sock.sendall(b"".join((line.encode() if isinstance(line, str) else line) + b"\r\n"
                                   for line in lines))

    def line(self):
        while b"\r\n" not in self.input:
            self.fill()
        line, _, self.input = self.input.partition(b"\r\n")
        return line

    def fill(self):
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        self.input += data

    def read(self):
        """A command's text with «0», «1» in the place of its literals, and these."""
        text, literals = self.line(), []
        while found := _LITERAL.search(text):
            if not found.group(2):
                self.send("+ go ahead")
            while len(self.input) < int(found.group(1)):
                self.fill()
            literals.append(self.input[:int(found.group(1))])
            self.input = self.input[int(found.group(1)):]
            text = text[:found.start()] + b"\xab%d\xbb" % (len(literals) - 1) + self.line()
        return text, literals

    @staticmethod
    def words(text, literals):
        """Arguments; parentheses stand alone."""
        words = []
        for found in _WORDS.finditer(text):
            word = found.group()
            literal = re.fullmatch(rb"\xab(\d+)\xbb", word)
            if literal:
                words.append(literals[int(literal.group(1))])
            elif word.startswith(b'"'):
                words.append(re.sub(rb"\\(.)", rb"\1", found.group(1)))
            else:
                words.append(word)
        return words

    # Commands

    def command(self):
        text, literals = self.read()
        tag, _, rest = text.partition(b" ")
        self.tag = tag.decode()
        verb, _, arguments = rest.partition(b" ")
        name = verb.decode().upper()
        if name == "UID":
            verb, _, arguments = arguments.partition(b" ")
            name = "UID_" + verb.decode().upper()
        shown = rest.decode("utf-8", "replace")
        if name not in ("LOGIN", "AUTHENTICATE"):
            self.server.commands.append(shown)
        run = getattr(self, "do_" + name.lower(), None)
        if self.server.cut_now(shown, "before"):
            return False
        if name == "IDLE":
            self.idle(tag)
            return True
        with self.server.lock:
            try:
                answer = run(self.words(arguments, literals)) if run else "BAD what is that?"
            except (KeyError, IndexError, ValueError) as error:
                answer = f"NO [NONEXISTENT] {error!r}"
            self.news()
        if self.server.cut_now(shown, "after"):
            return False
        self.send(tag + b" " + (answer or "OK Success").encode())
        return name != "LOGOUT"

    def news(self):
        """What has become of the selected folder."""
        if not self.folder:
            return
        now = list(self.folder.messages)
        for number in range(len(self.known), 0, -1):
            if self.known[number - 1] not in self.folder.messages:
                self.send(f"* {number} EXPUNGE")
                del self.known[number - 1]
        if len(now) > len(self.known):
            self.send(f"* {len(now)} EXISTS")
        self.known = now

    def idle(self, tag):
        self.send("+ idling")
        while b"\r\n" not in self.input:
            if select.select([self.sock], [], [], 0.05)[0]:
                self.fill()
            with self.server.lock:
                self.news()
        self.line()
        self.send(tag + b" OK Success")

    def do_capability(self, _):
        self.send("* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR " + " ".join(self.server.extensions))

    def do_login(self, words):
        user, password = (word.decode() for word in words)
        return None if self.server.users.get(user) == password else "NO [AUTHENTICATIONFAILED] Invalid"

    def do_authenticate(self, words):
        import base64
        initial = words[1] if len(words) > 1 else None
        if initial is None:
            self.send("+ ")
            initial = self.line()
        _, user, password = base64.b64decode(initial).decode().split("\0")
        return None if self.server.users.get(user) == password else "NO [AUTHENTICATIONFAILED] Invalid"

    def do_noop(self, _):
        pass

    def do_logout(self, _):
        self.send("* BYE")

    def do_list(self, _):
        for name in sorted(self.server.folders):
            self.send(f'* LIST ({_FOLDERS.get(name, "")}) "/" "{name}"')

    def do_lsub(self, _):
        for name in sorted(self.server.folders):
            self.send(f'* LSUB () "/" "{name}"')

    def do_subscribe(self, _):
        pass

    do_unsubscribe = do_subscribe

    def do_status(self, words):
        folder = self.server.folders[words[0].decode()]
        modseq = f" HIGHESTMODSEQ {self.server.modseq}" if "CONDSTORE" in self.server.extensions else ""
        self.send(f'* STATUS "{words[0].decode()}" (MESSAGES {len(folder.messages)} UIDNEXT {folder.uidnext} '
                  f'UIDVALIDITY {folder.uidvalidity}{modseq})')

    def do_create(self, words):
        name = words[0].decode()
        if name in self.server.folders or name.startswith("[Gmail]"):
            return "NO [ALREADYEXISTS] Duplicate folder name"
        self.server.create(name)

    def do_delete(self, words):
        del self.server.folders[words[0].decode()]

    def do_rename(self, words):
        self.server.folders[words[1].decode()] = self.server.folders.pop(words[0].decode())

    def do_select(self, words):
        self.name = words[0].decode()
        self.folder = None
        if "\\Noselect" in _FOLDERS.get(self.name, ""):
            return f"NO [NONEXISTENT] Unknown Mailbox: {self.name} (Failure)"
        self.folder = self.server.folders[self.name]
        self.known = list(self.folder.messages)
        self.send("* FLAGS (\\Answered \\Flagged \\Draft \\Deleted \\Seen)",
                  "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Draft \\Deleted \\Seen \\*)] Flags permitted.",
                  f"* OK [UIDVALIDITY {self.folder.uidvalidity}] UIDs valid.",
                  f"* {len(self.known)} EXISTS", "* 0 RECENT",
                  f"* OK [UIDNEXT {self.folder.uidnext}] Predicted next UID.")
        if "CONDSTORE" in self.server.extensions:
            self.send(f"* OK [HIGHESTMODSEQ {self.server.modseq}]")
        return f"OK [READ-WRITE] {self.name} selected. (Success)"

    do_examine = do_select

    def do_unselect(self, _):
        self.name = self.folder = None

    # Messages

    def chosen(self, text):
        """[(UID, message)] of a set of UIDs."""
        uids = list(self.folder.messages)
        chosen = []
        for part in text.decode().split(","):
            first, _, last = part.partition(":")
            last = last or first
            low, high = sorted(uids[-1] if word == "*" and uids else 0 if word == "*" else int(word)
                               for word in (first, last))
            chosen += [uid for uid in uids if low <= uid <= high]
        return [(uid, self.folder.messages[uid]) for uid in chosen]

    def number(self, uid):
        return self.known.index(uid) + 1

    def do_uid_fetch(self, words):
        text = b" ".join(words[1:]).decode().upper()
        if "X-GM" in text and "X-GM-EXT-1" not in self.server.extensions:
            return "BAD Could not parse command"
        changed = re.search(r"CHANGEDSINCE (\d+)", text)
        self.news()
        for uid, message in self.chosen(words[0]):
            if not changed or message.modseq > int(changed.group(1)):
                self.fetch(uid, message, text)

    def fetch(self, uid, message, text):
        items = [b"UID %d" % uid]
        flags = " ".join(sorted(message.flags))
        header = message.data[:message.data.index(b"\r\n\r\n") + 4]
        plain = {"FLAGS": f"({flags})", "INTERNALDATE": message.date, "RFC822.SIZE": len(message.data),
                 "X-GM-MSGID": message.id, "X-GM-THRID": message.thread, "MODSEQ": f"({message.modseq})"}
        items += [f"{name} {value}".encode() for name, value in plain.items()
                  if name in re.split(r"[ ()]", text)]
        if "BODY.PEEK[]" in text:
            self.server.fetched[message.subject()] += 1
            items.append(b"BODY[] {%d}\r\n" % len(message.data) + message.data)
        elif "HEADER.FIELDS" in text:
            found = re.search(rb"^Message-ID:.*?\r\n", header, re.M | re.I)
            field = (found.group() if found else b"") + b"\r\n"
            items.append(b"BODY[HEADER.FIELDS (MESSAGE-ID)] {%d}\r\n" % len(field) + field)
        elif "BODY.PEEK[HEADER]" in text:
            items.append(b"BODY[HEADER] {%d}\r\n" % len(header) + header)
        self.send(b"* %d FETCH (" % self.number(uid) + b" ".join(items) + b")")

    def do_uid_store(self, words):
        mode = words[1].decode().upper()
        flags = {word.decode() for word in words[2:] if word not in (b"(", b")")}
        self.news()
        for uid, message in self.chosen(words[0]):
            kept = flags - {"\\Deleted"}
            self.server.set_flags(message, message.flags | kept if mode[0] == "+" else
                                  message.flags - kept if mode[0] == "-" else kept)
            if ".SILENT" not in mode:
                self.fetch(uid, message, "UID FLAGS")
            if "\\Deleted" in flags and mode[0] == "+":
                self.expunge(message)

    def expunge(self, message):
        self.server.take(message, self.name)

    def do_uid_expunge(self, _):
        pass  # it is gone since it was marked

    do_expunge = do_close = do_uid_expunge

    def copy(self, words, move):
        name = words[1].decode()
        if name not in self.server.folders:
            return "NO [TRYCREATE] No folder " + name
        pairs = [(uid, message, self.server.put(message, name)) for uid, message in self.chosen(words[0])]
        for _, message, _ in pairs if move and name != self.name else ():
            if self.folder.uid_of(message):
                self.server.take(message, self.name)
        if not pairs:
            return None
        return (f"[COPYUID {self.server.folders[name].uidvalidity} {','.join(str(uid) for uid, _, _ in pairs)} "
                f"{','.join(str(uid) for _, _, uid in pairs)}]")

    def do_uid_copy(self, words):
        code = self.copy(words, False)
        return code and (code if code.startswith("NO") else f"OK {code} (Success)")

    def do_uid_move(self, words):
        code = self.copy(words, True)
        if code and not code.startswith("NO"):
            self.send(f"* OK {code}")
            return None
        return code

    def do_append(self, words):
        name, data = words[0].decode(), words[-1]
        flags = {word.decode() for word in words[1:-1] if word.startswith(b"\\")}
        if name not in self.server.folders:
            return "NO [TRYCREATE] No folder " + name
        same = [message for message in self.server.folders[ALL].messages.values() if message.data == data]
        if same:
            message = same[0]
        else:
            self.server.count += 1
            message = Message(self.server.count, data, date=f'"{words[-2].decode()}"')
            message.flags = flags - {"\\Deleted"}
        uid = self.server.put(message, name)
        return f"OK [APPENDUID {self.server.folders[name].uidvalidity} {uid}] (Success)"

    def do_uid_search(self, words):
        self.news()
        esearch = words[0].upper() == b"RETURN"
        if esearch:
            words = words[words.index(b")") + 1:]
        if words[0].upper() == b"CHARSET":
            words = words[2:]
        if words[0].upper() == b"X-GM-RAW" and "X-GM-EXT-1" in self.server.extensions:
            found = [uid for uid, message in self.folder.messages.items()
                     if self.server.matches(message, words[1].decode())]
        elif words[0].upper() == b"UID":
            found = [uid for uid, _ in self.chosen(words[1])]
        else:
            return "BAD Could not parse command"
        if esearch:
            self.send(f'* ESEARCH (TAG "{self.tag}") UID' + (f" ALL {','.join(map(str, found))}" if found else ""))
        else:
            self.send("* SEARCH" + "".join(f" {uid}" for uid in found))
