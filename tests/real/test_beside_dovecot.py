# SPDX-License-Identifier: GPL-3.0-or-later
"""The requests of beside-dovecot.txt are answered by Postern as by Dovecot, on the same mail.

The reference is another user of the same Dovecot that Postern's account is at, with the same messages in
the same order, so that UIDs are alike, and nothing that a request changes on one side reaches the other.

Compared is what an answer says, not how: see Answer. Where Postern answers differently on purpose, the
reason stands with the request, and the test insists that the answers do differ. Where Dovecot 2.3 and 2.4
answer differently, it stands there which of them Postern doesn't follow."""

import re
import unittest
from datetime import datetime
from pathlib import Path

from harness import (Postern, Provider, RawImap, SharedCase, account, corpus,
                     dovecot_settings)
from harness.rawimap import parse
from harness.structure import alike

SCRIPT = Path(__file__).with_name("beside-dovecot.txt")
REFERENCE = "bob@example.org"
INSTALLED = "2.4" if dovecot_settings.is_newer() else "2.3"
#: What stands before a request in the script.
MARK = re.compile(r"(differs|not)(?: (?:from|to) (2\.[34]))?: (.*)")

# What never is alike, and says nothing:
#
# 1. Numbers that are each server's own choice: UIDVALIDITY and modification sequences.
VOLATILE = re.compile(rb"(UIDVALIDITY|HIGHESTMODSEQ|APPENDUID|COPYUID) \d+", re.I)
# 2. The texts people read.
# 3. Codes that only Postern has: MAILBOXID (RFC 8474), URLMECH (RFC 4467), HIGHESTMODSEQ without being asked (RFC 7162, 3.1.2.1,
#    wants it; Dovecot waits until someone has asked for CONDSTORE), and a NO's reason (RFC 5530) where
#    Dovecot gives none. Dovecot's BADCHARSET doesn't list the charsets.
OURS_ALONE = (b"MAILBOXID", b"URLMECH", b"HIGHESTMODSEQ")
# 4. \Recent: which session is told that a message is recent depends on who looked first, and Postern's
#    account was looked at by its own synchronization (RFC 9051 has done away with it).
# 5. Which keywords are listed in FLAGS and PERMANENTFLAGS, and when a new one is announced, as long as
#    it is before it is seen: to Dovecot all that ever were used, or searched for; to Postern those that
#    messages have.
# 6. How INTERNALDATE is written: Dovecot in its own time zone, Postern in the one that APPEND gave.
#    When a message was saved (SAVEDATE).
# 7. The attributes \Marked and \UnMarked (RFC 3501, 7.2.2: a server's guess).
GUESSES = {b"\\marked", b"\\unmarked"}
# 8. The right to administer a mailbox, which nobody has through Postern; the order of rights; and the
#    virtual ones c and d, which Dovecot doesn't tell of (RFC 4314, 2.1.1, wants it).
ADMINISTER = set(b"acd")
# 9. The UID of a message that has changed, once CONDSTORE is enabled (RFC 7162, 3.2.4, wants it); Dovecot
#    waits for QRESYNC.
# 10. What has hindered a conditional STORE, which Postern tells (RFC 7162, 3.1.3, recommends it).


def flags(words):
    return tuple(sorted(word.lower() for word in words if word.lower() != b"\\recent"))


def system_flags(words):
    return tuple(flag for flag in flags(words) if flag.startswith(b"\\"))


def frozen(value):
    """A parsed value in which atoms, strings and quoting are alike, and that can be compared."""
    if isinstance(value, list):
        return tuple(frozen(item) for item in value)
    return bytes(value) if value is not None else None


class Answer:
    """One server's answer to a request, without what the notes above name."""

    def __init__(self, result, selects):
        self.selects = selects
        self.status = (result.status, self.code(result.text.encode()))
        self.untagged = sorted(filter(None, map(self.line, self.merged(result.untagged))), key=repr)

    def same_as(self, reference):
        """Whether it says what the reference says."""
        modified = bool(self.status[1]) and self.status[1][0] == b"MODIFIED"
        untagged = [self.without_uid(part, reference.untagged) for part in self.untagged]
        if modified:
            untagged = [part for part in untagged if part in reference.untagged or part[0] != b"FETCH"]
        return alike(untagged, reference.untagged) and \
            (self.status == reference.status or
             (self.status[0] == "NO" and reference.status == ("NO", None)))

    @staticmethod
    def without_uid(part, references):
        """News of a message, without the UID if the reference doesn't tell it."""
        if part in references or part[0] != b"FETCH" or b"MODSEQ" not in dict(part[2]):
            return part
        shorter = part[:2] + (tuple(item for item in part[2] if item[0] != b"UID"),)
        return shorter if shorter in references else part

    def __str__(self):
        return "\n".join(f"      {part!r}" for part in [self.status] + self.untagged)

    @staticmethod
    def merged(lines):
        """All lines, those of one message made one: an item is told when it is told."""
        messages = {}
        for line in lines:
            found = re.match(rb"(\d+) FETCH ", line, re.I)
            if not found:
                yield line
                continue
            values, _ = parse(line[found.end():])
            items = messages.setdefault(int(found.group(1)), {})
            items.update({values[i].upper(): values[i + 1] for i in range(0, len(values), 2)})
        for number, items in messages.items():
            yield number, items

    def code(self, text):
        """The response code at the beginning of `text`."""
        found = re.match(rb"\[([A-Z]+)((?:-[A-Z]+)?)(?: ([^\]]*))?\]", text, re.I)
        if not found or found.group(1).upper() in OURS_ALONE:
            return None
        name = found.group(1).upper() + found.group(2).upper()
        value = found.group(3) or b""
        if name == b"PERMANENTFLAGS":
            return (name, system_flags(value.strip(b"()").split())) if self.selects else None
        if name == b"BADCHARSET":
            return (name,)
        return name, VOLATILE.sub(rb"\1 N", name + b" " + value)

    def line(self, line):
        if isinstance(line, tuple):
            return self.fetched(*line)
        words = line.split(b" ", 2)
        kind = words[0].upper()
        if len(words) > 1 and words[1].upper() == b"RECENT":
            return None
        if kind in (b"OK", b"NO", b"BAD"):
            code = self.code(line[len(kind) + 1:])
            return (kind, code) if code else None
        handler = getattr(self, "on_" + kind.decode("ascii", "replace").lower(), None)
        return handler(line[len(kind):].strip()) if handler else line

    @staticmethod
    def fetched(number, items):
        kept = {}
        for item, value in items.items():
            if item == b"FLAGS":
                value = flags(value)
            elif item == b"MODSEQ":
                value = b"N"
            elif item == b"INTERNALDATE":
                value = datetime.strptime(value.strip().decode(), "%d-%b-%Y %H:%M:%S %z").timestamp()
                if abs(value - datetime.now().timestamp()) < 600:
                    value = "now"  # one may have appended it a second after the other
            elif item == b"SAVEDATE":
                value = b"T"
            kept[bytes(item)] = frozen(value) if isinstance(value, list) else value
        return b"FETCH", number, tuple(sorted(kept.items()))

    def on_flags(self, rest):
        return (b"FLAGS", system_flags(rest.strip(b"()").split())) if self.selects else None

    @staticmethod
    def on_list(rest, kind=b"LIST"):
        values, _ = parse(b"(" + rest + b")")
        attributes = {word.lower() for word in values[0]} - GUESSES
        return kind, tuple(sorted(attributes)), frozen(values[1:])

    def on_lsub(self, rest):
        return self.on_list(rest, b"LSUB")

    @staticmethod
    def on_status(rest):
        (name, items), _ = parse(b"(" + rest + b")")
        values = dict(zip(map(bytes.upper, items[::2]), items[1::2]))
        for item in (b"UIDVALIDITY", b"HIGHESTMODSEQ"):
            if item in values:
                values[item] = b"N"
        values.pop(b"RECENT", None)
        return b"STATUS", bytes(name), tuple(sorted(values.items()))

    @staticmethod
    def on_search(rest):
        numbers, _, modseq = rest.partition(b"(")
        return b"SEARCH", tuple(sorted(map(int, numbers.split()))), bool(modseq)

    @staticmethod
    def on_esearch(rest):
        rest = re.sub(rb"\(TAG [^)]*\) ?", b"", rest)
        words, _ = parse(b"(" + rest + b")")
        uid = bool(words) and words[0] == b"UID"
        words = words[uid:]
        items = {words[i].upper(): frozen(words[i + 1]) for i in range(0, len(words) - 1, 2)}
        if b"MODSEQ" in items:
            items[b"MODSEQ"] = b"N"
        return b"ESEARCH", uid, tuple(sorted(items.items()))

    @staticmethod
    def on_metadata(rest):
        (name, items), _ = parse(b"(" + rest + b")")
        values = {key.lower(): frozen(value) for key, value in zip(items[::2], items[1::2])}
        return b"METADATA", bytes(name), tuple(sorted(values.items()))

    @staticmethod
    def on_namespace(rest):
        return b"NAMESPACE", frozen(parse(b"(" + rest + b")")[0])

    @staticmethod
    def on_id(rest):
        return b"ID"

    @staticmethod
    def on_enabled(rest):
        return b"ENABLED", tuple(sorted(rest.upper().split()))

    @staticmethod
    def on_myrights(rest):
        name, _, rights = rest.rpartition(b" ")
        return b"MYRIGHTS", name.strip(b'"'), bytes(sorted(set(rights) - ADMINISTER))

    @staticmethod
    def on_vanished(rest):
        return b"VANISHED", rest


class Request:
    """A line of the script. LITERAL are the octets of <<...>>, with \\r, \\n and \\xHH."""

    LITERAL = re.compile(r"(\+?)<<(.*?)>>")

    def __init__(self, number, line, reason):
        self.number = number
        self.reason = reason
        found = re.match(r"(\d)> (.*)", line)
        self.connection, self.text = (int(found.group(1)), found.group(2)) if found else (1, line)

    def send(self, imap, values):
        text = re.sub(r"\$\((\w+)\)", lambda found: values[found.group(1)], self.text)
        literals = []

        def literal(found):
            octets = found.group(2).encode().decode("unicode_escape").encode("latin-1")
            if found.group(1):
                return "{%d+}\r\n%s" % (len(octets), octets.decode("latin-1"))
            literals.append(octets)
            return "{}"
        return imap.command(self.LITERAL.sub(literal, text).encode("latin-1"), *literals)


def read_script():
    """{section: [Request, or (name, code) to remember]}"""
    sections, requests, marks = {}, None, {}
    for number, line in enumerate(SCRIPT.read_text("utf-8").splitlines(), 1):
        word, _, rest = line.partition(" ")
        if not line or word == "#":
            continue
        if word == "==":
            requests = sections.setdefault(rest, [])
        elif word == "let":
            requests.append(tuple(rest.split()))
        elif found := MARK.match(line):
            what, version, text = found.groups()
            if version in (None, INSTALLED):
                marks[what] = text
        else:
            if "not" not in marks:
                requests.append(Request(number, line, marks.get("differs")))
            marks = {}
    return sections


def mails():
    """Some of all kinds: made for searching, awkward and real ones."""
    yield (b"From: Ada Lovelace <ada@example.org>\r\nTo: Bob <bob@example.net>\r\n"
           b"Cc: \"C, Carl\" <carl@example.org>\r\nBcc: hidden@example.org\r\nSubject: Engines\r\n"
           b"Date: Mon, 3 Mar 2003 10:00:00 +0000\r\nMessage-ID: <1@beside>\r\n\r\n"
           b"The engine weaves\r\nalgebraic patterns.\r\n")
    yield (b"From: bob@example.net\r\nTo: ada@example.org\r\nSubject: Re: Engines\r\n"
           b"Date: Tue, 4 Mar 2003 10:00:00 +0000\r\nMessage-ID: <2@beside>\r\n"
           b"In-Reply-To: <1@beside>\r\nReferences: <1@beside>\r\n\r\nIndeed.\r\n")
    yield (b"From: carl@example.org\r\nTo: ada@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
           b"Date: Wed, 5 Mar 2003 10:00:00 +0000\r\nMessage-ID: <3@beside>\r\nMIME-Version: 1.0\r\n"
           b"Content-Type: multipart/mixed; boundary=out\r\n\r\npreamble\r\n--out\r\n"
           b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
           b"U3RyYcOfZQ==\r\n--out\r\nContent-Type: message/rfc822\r\n\r\nFrom: inner@example.org\r\n"
           b"Subject: inside\r\nMessage-ID: <4@beside>\r\nMIME-Version: 1.0\r\n"
           b"Content-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\n"
           b"Content-Type: text/plain\r\n\r\nplain words\r\n--in\r\nContent-Type: text/html\r\n"
           b"Content-Transfer-Encoding: quoted-printable\r\n\r\n<p>marked=20words</p>\r\n--in--\r\n"
           b"--out\r\nContent-Type: application/octet-stream; name=zeros.bin\r\n"
           b"Content-Transfer-Encoding: base64\r\n"
           b"Content-Disposition: attachment; filename=zeros.bin\r\n\r\nAAECAw==\r\n--out--\r\nepilogue\r\n")
    yield (b"From: dora@example.org\r\nSubject: a thread apart\r\n"
           b"Date: Thu, 6 Mar 2003 10:00:00 +0000\r\nMessage-ID: <5@beside>\r\n\r\n" + b"x" * 6000 + b"\r\n")
    yield from (data for name, data in corpus.tricky().items() if "attachment" in name)
    yield from corpus.real(12).values()


class Beside(SharedCase):
    """Each section of the script is a session, or several at once, of its own; what one leaves behind is
    there for the next."""

    @classmethod
    def prepare(cls):
        cls.shared_provider = provider = Provider(
            users={"ada@example.org": "lovelace", REFERENCE: "bernoulli"}, settings=cls.settings())
        for user in provider.users:
            cls.fill(user)
        cls.shared_postern = Postern({"work": account(provider)})
        cls.shared_postern.sync()
        # What the provider would make of it in the meantime is other tests' matter.
        cls.shared_postern.control("offline")

    @staticmethod
    def settings():
        return dovecot_settings.metadata() + dovecot_settings.keep_parents()

    @classmethod
    def fill(cls, user):
        flags = ("\\Seen", "", "\\Flagged \\Seen", "\\Answered", "$Forwarded \\Seen", "\\Draft", "\\Deleted")
        with RawImap(cls.shared_provider.imap) as imap:
            imap.login(user, cls.shared_provider.users[user])
            for name in ("Lists", "Lists/One", "Lists/One/Deep", "Work", "Empty", "&AOQA9gD8-"):
                imap.ok(f'CREATE "{name}"')
                imap.ok(f'SUBSCRIBE "{name}"')
            for folder in ("INBOX", "Work"):
                for i, data in enumerate(mails()):
                    data = corpus.crlf(data)
                    when = corpus.received_date(data, i)
                    imap.append(folder, data, flags[i % len(flags)], when)

    def connections(self, number):
        """(Dovecot's, Postern's) connection of that number in this section."""
        if number not in self.open:
            there = RawImap(self.shared_provider.imap)
            self.addCleanup(there.close)
            there.login(REFERENCE, self.shared_provider.users[REFERENCE])
            self.open[number] = there, self.local(self.shared_postern)
        return self.open[number]

    def play(self, requests):
        self.open = {}
        values = {}, {}
        results = None
        for request in requests:
            if isinstance(request, tuple):
                name, code = request
                for known, result in zip(values, results):
                    known[name] = result.code(code)
                continue
            results = [request.send(imap, known)
                       for imap, known in zip(self.connections(request.connection), values)]
            selects = re.match("SELECT|EXAMINE", request.text) is not None
            theirs, ours = (Answer(result, selects) for result in results)
            with self.subTest(f"line {request.number}: {request.text}"):
                if request.reason:
                    self.assertFalse(ours.same_as(theirs), "no difference any more")
                elif not ours.same_as(theirs):
                    self.fail(f"\n   Dovecot:\n{theirs}\n   Postern:\n{ours}")


class BesideDovecot(Beside):
    """All sections but those of the next class."""


class RightsBesideDovecot(Beside):
    """Sections whose title begins with "rights": both have mailboxes that their own users may not do
    everything with (RFC 4314)."""
    rights = {"Reading": "lookup read", "Seen": "lookup read write-seen", "Drop": "lookup insert",
              "Flags": "lookup read write insert", "Bin": "lookup read write-deleted expunge create"}

    @staticmethod
    def settings():
        return BesideDovecot.settings() + dovecot_settings.acl() + \
            dovecot_settings.capabilities("ACL", "RIGHTS=texk")

    @classmethod
    def fill(cls, user):
        super().fill(user)
        with RawImap(cls.shared_provider.imap) as imap:
            imap.login(user, cls.shared_provider.users[user])
            imap.select("Work")
            for name in cls.rights:
                imap.ok(f"CREATE {name}")
                imap.ok(f"COPY 1:7 {name}")
        for name, rights in cls.rights.items():
            cls.shared_provider.doveadm("acl", "set", "-u", user, name, "owner", *rights.split())


def section_test(requests):
    return lambda self: self.play(requests)


def add_section_tests():
    for index, (title, section) in enumerate(read_script().items()):
        setattr(RightsBesideDovecot if title.startswith("rights") else BesideDovecot,
                f"test_{index:02}_{re.sub(r'[^a-z0-9]+', '_', title.lower())}", section_test(section))


add_section_tests()


if __name__ == "__main__":
    unittest.main()
