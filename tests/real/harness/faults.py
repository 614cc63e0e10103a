# SPDX-License-Identifier: GPL-3.0-or-later
"""A grammar of faults: what servers do wrong, one kind each, to be turned on at a FakeImap one by one or
several together.

    server.faults.append(Refuse("SELECT", "NO [SERVERBUG] oops", folder="Archive", seconds=3600))

All take, beside what their own kind needs:

    folder   only in this folder (None: everywhere)
    uid      only for this message (or a collection of them)
    times    so often at most
    skip     not the first so many times
    seconds  so long, by the server's clock, from when it is first asked for

`touches` says what the fault may cost while it is on, for tests that check that all the rest goes well:
"bodies" (the bodies of these messages), "messages" (they), "folder" (what is read from and sent to it), "push"
(what is sent to it), "account" (everything waits), or "nothing". `hides`: what nobody can see
while it is on: "nothing", "flags" (that they have changed), "messages" (that they are there)."""

import random
import re
import socket
import time

from .fakeimap import Cut, mailbox_of, quoted, wire_name


class Fault:
    touches = "nothing"
    hides = "nothing"

    def __init__(self, folder=None, uid=None, times=None, skip=0, seconds=None):
        self.folder, self.times, self.skip, self.seconds = folder, times, skip, seconds
        self.uids = None if uid is None else set(uid) if hasattr(uid, "__iter__") else {uid}
        self.begun = None
        self.hits = 0

    def __repr__(self):
        shown = {name: value for name, value in vars(self).items()
                 if value is not None and value != 0 and not name.startswith("_") and name not in ("begun", "hits", "hides", "gone")}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def hit(self, session, folder=None, uid=None):
        """Whether it is its turn now; counts."""
        if self.folder is not None and folder != self.folder:
            return False
        if self.uids is not None and uid is not None and uid not in self.uids:
            return False
        now = session.server.clock.now()
        self.begun = self.begun or now
        if self.seconds is not None and now >= self.begun + self.seconds:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        self.hits += 1
        return True

    # What a fault can change; see FakeImap for when each is asked.

    def connected(self, session):
        """A connection was made."""

    def greeting(self, session):
        """What is said first, in place of OK."""

    def before(self, session, command):
        """What is answered to a command in place of obeying it."""

    def after(self, session, command, answer):
        """It was obeyed, and isn't answered yet."""

    def idling(self, session):
        """A client waits for news; asked many times a second."""

    def literal(self, session, line, size):
        """A refusal of a literal that is announced."""

    def uidvalidity(self, session, folder):
        """Another UIDVALIDITY."""

    def read_only(self, session, folder):
        """Whether it can only be read."""

    def answer(self, answer, session, command):
        return answer

    def lines(self, lines, session):
        """Untagged answers, without CRLF."""
        return lines

    def offered(self, capabilities, session):
        return capabilities

    def visible(self, uids, session, folder):
        """The messages that a folder seems to have."""
        return uids

    def listed(self, names, session):
        return names

    def created(self, name, session):
        """What a new folder is really called."""
        return name

    def kept(self, flags, session, folder):
        """PERMANENTFLAGS."""
        return flags

    def stored(self, flags, session, folder):
        """What of the flags is really kept."""
        return flags

    def fetching(self, uids, session, folder, items):
        """The messages that FETCH answers, in which order."""
        return uids

    def item(self, value, session, folder, uid, name):
        """An item's value as octets; None leaves it out."""
        return value

    def parts(self, parts, session, folder, uid):
        """A message's items, [[b"UID 1", ...]]: a FETCH answer for each list."""
        return parts


# ---- answers that can't be read, or lack something ------------------------------------------------------------


class Item(Fault):
    """An item of FETCH has another value: octets, None (it is left out), or what a function makes of the right
    one."""

    def __init__(self, name, value, **more):
        super().__init__(**more)
        self.name, self.value = name, value
        # Without a UID nobody can know whose flags these are; without flags they aren't followed.
        self.touches = {"UID": "messages", "FLAGS": "messages"}.get(name, "nothing")

    def item(self, value, session, folder, uid, name):
        if name != self.name or not self.hit(session, folder.name, uid):
            return value
        return self.value(value) if callable(self.value) else self.value


class Split(Fault):
    """The items of a message come in an answer each, the UID in all of them."""

    def parts(self, parts, session, folder, uid):
        if not self.hit(session, folder.name, uid):
            return parts
        found = []
        for part in parts:
            rest = [item for item in part if not item.startswith(b"UID ")]
            found += [[b"UID %d" % uid, item] for item in rest] or [part]
        return found


class Twice(Fault):
    """A message is answered twice."""

    def parts(self, parts, session, folder, uid):
        return parts + parts if self.hit(session, folder.name, uid) else parts


class ExpungedMeanwhile(Fault):
    """While FETCH is answered others delete a message: in place of its items it is said to have gone, which servers
    shouldn't (RFC 3501, 7.4.1) and some do. `gone(folder, name)` is told."""
    touches = "messages"

    gone = None

    def __init__(self, **more):
        super().__init__(times=1, **more)

    def parts(self, parts, session, folder, uid):
        if not self.hit(session, folder.name, uid):
            return parts
        number, name = session.known.index(uid) + 1, folder.messages[uid].name
        session.server.remove(folder.name, uid)
        session.known.remove(uid)
        session.send(f"* VANISHED {uid}" if "QRESYNC" in session.enabled else f"* {number} EXPUNGE")
        if self.gone:
            self.gone(folder.name, name)
        return []


class Disorder(Fault):
    """Messages are answered in another order: descending, or any."""

    def __init__(self, seed=None, **more):
        super().__init__(**more)
        self.seed = seed

    def fetching(self, uids, session, folder, items):
        if not self.hit(session, folder.name):
            return uids
        if self.seed is None:
            return list(reversed(uids))
        return random.Random(self.seed).sample(uids, len(uids))


class Says(Fault):
    """Lines that mean nothing, or nothing good, before a command is answered."""

    def __init__(self, *lines, command=".", **more):
        super().__init__(**more)
        self.said, self.command = lines, command

    def before(self, session, command):
        if re.match(self.command, command.text, re.I) and self.hit(session, command.folder):
            session.raw(b"".join((line if isinstance(line, bytes) else line.encode()) + b"\r\n" for line in self.said))


class Rewrite(Fault):
    """Untagged lines look otherwise: a regular expression over the line, literals included, and what takes the
    place of what it finds. None: the whole line doesn't come."""

    def __init__(self, pattern, to, **more):
        super().__init__(**more)
        self.pattern, self.to = pattern, to

    def lines(self, lines, session):
        found = []
        for line in lines:
            folder = session.folder.name if session.folder else session.command and session.command.folder
            if not re.search(self.pattern.encode(), line, re.S) or not self.hit(session, folder):
                found.append(line)
            elif self.to is not None:
                found.append(re.sub(self.pattern.encode(), self.to if callable(self.to) else self.to.encode(), line,
                                    flags=re.S))
        return found


class RawName(Fault):
    """A folder's name stands in LIST and STATUS as it is, without quotes."""

    def lines(self, lines, session):
        name = wire_name(self.folder)
        return [line.replace(quoted(name), name) if line.startswith((b"* LIST", b"* LSUB", b"* STATUS")) else line
                for line in lines]


class Hides(Fault):
    """LIST doesn't name a folder."""
    touches = "folder"

    def listed(self, names, session):
        return [name for name in names if name != self.folder] if self.hit(session, self.folder) else names


class LeavesOut(Fault):
    """FETCH doesn't answer some messages, and says OK all the same, or what `answer` is."""
    touches = "messages"

    def __init__(self, answer=None, only="", **more):
        super().__init__(**more)
        self.said, self.only = answer, only  # only: an item that must be asked for, "BODY"
        if only:
            self.touches = "bodies"
        else:
            self.hides = "flags"  # with an answer, too: what SELECT tells of changes (QRESYNC) has none of its own

    def fetching(self, uids, session, folder, items):
        if self.only and not any(item.upper().startswith(self.only) for item in items):
            return uids
        wanted = self.uids if self.uids is not None else set(uids)
        if not wanted & set(uids) or not self.hit(session, folder.name):
            return uids
        session.failure = self.said
        return [uid for uid in uids if uid not in wanted]


# ---- bodies ------------------------------------------------------------------------------------------------------


class BodyBreaks(Fault):
    """The connection breaks when a message's body is asked for: after those before it."""
    touches = "bodies"

    def item(self, value, session, folder, uid, name):
        if name == "BODY[]" and self.hit(session, folder.name, uid):
            raise Cut
        return value


class BodyTooLarge(Fault):
    """A body is announced as so many octets, of which few come."""
    touches = "bodies"

    def __init__(self, size=300000000, **more):
        super().__init__(**more)
        self.size = size

    def item(self, value, session, folder, uid, name):
        if name != "BODY[]" or not self.hit(session, folder.name, uid):
            return value
        session.raw(b"* %d FETCH (UID %d BODY[] {%d}\r\n" % (session.known.index(uid) + 1, uid, self.size))
        session.raw(b"x" * 4096)
        session.sock.settimeout(5)
        try:
            while session.sock.recv(65536):
                pass
        except socket.timeout:
            pass
        raise Cut


class BodyEmpty(Fault):
    """A body is empty, or NIL, though it isn't."""
    touches = "bodies"

    def __init__(self, form=b"{0}\r\n", **more):
        super().__init__(**more)
        self.form = form

    def item(self, value, session, folder, uid, name):
        return self.form if name == "BODY[]" and self.hit(session, folder.name, uid) else value


# ---- refusals, and the end of connections ------------------------------------------------------------------------


class Refuse(Fault):
    """A command (a regular expression) is answered NO or BAD, without being obeyed."""

    def __init__(self, command, answer, touches="folder", **more):
        super().__init__(**more)
        self.command, self.said, self.touches = command, answer, touches

    def before(self, session, command):
        if not re.match(self.command, command.text, re.I | re.S) or not self.hit(session, command.folder):
            return None
        if self.said.startswith("BYE"):
            session.raw(b"* " + self.said.encode("utf-8", "surrogateescape") + b"\r\n")
            raise Cut
        return self.said


class Break(Fault):
    """The connection breaks at a command: "before" or "after" it is obeyed, or in the "middle" of the answer."""

    def __init__(self, command, when="before", touches="folder", **more):
        super().__init__(**more)
        self.command, self.when, self.touches = command, when, touches

    def is_it(self, session, command):
        return re.match(self.command, command.text, re.I | re.S) and self.hit(session, command.folder)

    def before(self, session, command):
        if self.when == "before" and self.is_it(session, command):
            raise Cut
        if self.when == "middle" and self.is_it(session, command):
            session.scratch["half"] = True

    def lines(self, lines, session):
        if session.scratch.pop("half", None):
            session.raw(lines[0][:len(lines[0]) // 2])
            raise Cut
        return lines

    def after(self, session, command, answer):
        if self.when == "after" and self.is_it(session, command) or session.scratch.pop("half", None):
            raise Cut


class BreaksAt(Fault):
    """Each connection breaks at its n-th command, whatever it is."""
    touches = "account"

    def __init__(self, number, when="before", **more):
        super().__init__(**more)
        self.number, self.when = number, when

    def at(self, session, when):
        if when != self.when:
            return
        session.scratch["commands"] = session.scratch.get("commands", 0) + 1
        if session.scratch["commands"] >= self.number and self.hit(session):
            raise Cut

    def before(self, session, command):
        self.at(session, "before")

    def after(self, session, command, answer):
        self.at(session, "after")


class NoConnection(Fault):
    """Nobody is let in: the connection is closed at once, or after a BYE."""
    touches = "account"

    def __init__(self, words=None, **more):
        super().__init__(**more)
        self.words = words

    def connected(self, session):
        if self.hit(session):
            if self.words:
                session.raw(b"* BYE " + self.words.encode() + b"\r\n")
            raise Cut


class Slow(Fault):
    """A command takes `delay` real seconds; while it lasts `line` is said `often` times."""

    def __init__(self, command, delay, line=None, often=4, **more):
        super().__init__(**more)
        self.command, self.delay, self.line, self.often = command, delay, line, often

    def before(self, session, command):
        if re.match(self.command, command.text, re.I) and self.hit(session, command.folder):
            for _ in range(self.often):
                time.sleep(self.delay / self.often)
                if self.line:
                    session.raw(self.line.encode() + b"\r\n")


# ---- folders that change ---------------------------------------------------------------------------------------


class Renumbers(Fault):
    """Another UIDVALIDITY on every connection."""

    def uidvalidity(self, session, folder):
        return 700000 + session.number if self.hit(session, folder.name) else None


class RenumbersAt(Fault):
    """Another UIDVALIDITY and other UIDs in the middle of a connection, without a word: before or after a command (a
    regular expression)."""

    def __init__(self, command, when="before", first=1, **more):
        super().__init__(**more)
        self.command, self.when, self.first = command, when, first

    def at(self, session, command, when):
        if when != self.when or not re.match(self.command, command.text, re.I) or not self.hit(session, command.folder):
            return
        server = session.server
        with server.lock:
            server.renumber(self.folder, first=self.first)
            for other in server.sessions:
                if other.folder and other.folder.name == self.folder:
                    other.known, other.told = other.folder.uids(), server.modseq

    def before(self, session, command):
        self.at(session, command, "before")

    def after(self, session, command, answer):
        self.at(session, command, "after")


class ReadOnly(Fault):
    touches = "push"

    def read_only(self, session, folder):
        return self.hit(session, folder.name)


class Lags(Fault):
    """A folder seems to have lost messages: a replica that is behind, storage that is away. These, or all; with
    `counted` EXISTS and STATUS still count them."""
    touches = "messages"

    def __init__(self, counted=False, **more):
        super().__init__(**more)
        self.counted = counted
        self.hides = "flags" if counted else "messages"

    def without(self, uids, session, folder):
        if not self.hit(session, folder.name):
            return uids
        return [uid for uid in uids if self.uids is not None and uid not in self.uids]

    def visible(self, uids, session, folder):
        return uids if self.counted else self.without(uids, session, folder)

    def fetching(self, uids, session, folder, items):
        return self.without(uids, session, folder) if self.counted else uids


class LagsFrom(Lags):
    """The same, from a command (a regular expression) on: in the middle of what a client does."""

    def __init__(self, command, **more):
        super().__init__(**more)
        self.command, self._on = command, False

    def before(self, session, command):
        self._on = self._on or bool(re.match(self.command, command.text, re.I)) and self.folder in (None, command.folder)

    def hit(self, session, folder=None, uid=None):
        return self._on and super().hit(session, folder, uid)


class StandsStill(Fault):
    """HIGHESTMODSEQ is always the same, and so is each message's."""
    hides = "flags"

    def before(self, session, command):
        if self.hit(session, command.folder):
            session.server.modseq = 7
            for folder in session.server.folders.values():
                for message in folder.messages.values():
                    message.modseq = 7


class ForgetsFlags(Fault):
    """Flags that are said to be kept and aren't."""
    touches = "push"

    def __init__(self, *flags, **more):
        super().__init__(**more)
        self.flags = set(flags)

    def stored(self, flags, session, folder):
        return set(flags) - self.flags if self.hit(session, folder.name) else flags


class CreatesAs(Fault):
    """CREATE of a name makes another."""

    def __init__(self, asked, made, **more):
        super().__init__(**more)
        self.asked, self.made = asked, made

    def created(self, name, session):
        return self.made if name == self.asked and self.hit(session) else name


# ---- what is stored ----------------------------------------------------------------------------------------------


class LateAppend(Fault):
    """An APPEND breaks the connection, and is stored all the same: `later` seconds after (the server's clock)."""
    touches = "push"

    def __init__(self, later=0, **more):
        super().__init__(**more)
        self.later = later

    def before(self, session, command):
        if command.name == "APPEND" and self.hit(session, command.folder):
            session.server.later(self.later, lambda: session.do_append(command.args))
            raise Cut


class AnswersUid(Fault):
    """APPENDUID or COPYUID say something else: what a function makes of the code's text."""

    def __init__(self, change, **more):
        super().__init__(**more)
        self.change = change

    def changed(self, line, session):
        found = re.search(r"\[(APPENDUID|COPYUID) [^\]]*\]", line)
        if not found or not self.hit(session, session.command.folder):
            return line
        return line[:found.start()] + self.change(found.group()) + line[found.end():]

    def answer(self, answer, session, command):
        return self.changed(answer, session)

    def lines(self, lines, session):
        return [self.changed(line.decode(), session).encode() if b"COPYUID" in line else line for line in lines]


class Floods(Fault):
    """A command is answered without end: `line` (a function of a number) until the client hangs up, `limit`
    lines at most."""
    touches = "account"

    def __init__(self, command, line, limit=5000000, **more):
        super().__init__(**more)
        self.command, self.line, self.limit = command, line, limit

    def before(self, session, command):
        if re.match(self.command, command.text, re.I) and self.hit(session, command.folder):
            for start in range(0, self.limit, 1000):
                session.raw(b"".join(self.line(number).encode() + b"\r\n" for number in range(start, start + 1000)))


__all__ = [name for name, value in list(globals().items())
           if isinstance(value, type) and issubclass(value, Fault)] + ["Cut", "mailbox_of"]


# Providers' habits (test_quirks.py)


class UnsafeLogin(Fault):
    """NetEase: no folder is opened before ID was said, which isn't announced."""
    touches = "account"
    what = "folders are refused before ID was said"

    def before(self, session, command):
        if command.name == "ID":
            session.scratch["id"] = True
            return "OK done"
        if command.name in ("SELECT", "EXAMINE", "STATUS") and "id" not in session.scratch:
            return f"NO {command.name} Unsafe Login. Please contact kefu@188.com for help"
        return None


class InFlight(Fault):
    """More commands under way than `most` are answered BAD."""
    touches = "account"
    what = "few commands may be under way"

    def __init__(self, most, **more):
        super().__init__(**more)
        self.most, self.seen = most, 0

    def before(self, session, command):
        under_way = 1 + len(re.findall(rb"(?:\A|\r\n)A\d+ [A-Z]", session.input))
        self.seen = max(self.seen, under_way)
        return "BAD too many commands" if under_way > self.most else None


class VanishedWrongly(Fault):
    """iCloud: QRESYNC tells of messages that have gone and haven't."""
    touches = "messages"
    what = "VANISHED names messages that are there"

    def after(self, session, command, answer):
        if command.name in ("SELECT", "EXAMINE") and "QRESYNC (" in command.text:
            session.send("* VANISHED (EARLIER) 1:3")


class FewConnections(Fault):
    """More than `most` connections at once are closed after a BYE."""
    touches = "account"
    what = "few connections are allowed"

    def __init__(self, most, **more):
        super().__init__(**more)
        self.most, self.seen = most, 0

    def connected(self, session):
        open_now = len(session.server.sessions)
        self.seen = max(self.seen, open_now)
        if open_now > self.most and self.hit(session):
            session.raw(b"* BYE [LIMIT] too many connections\r\n")
            raise Cut
