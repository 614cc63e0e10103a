# SPDX-License-Identifier: GPL-3.0-or-later
"""ENVELOPE, BODYSTRUCTURE, BODY and every section of every mail: as Dovecot renders them.

Dovecot serves the 6,046 real mails, the awkward ones and the monsters; what it serves as BODY[]
goes into mime-render (tests/tools), and both answers are compared byte for byte. There are no
exceptions; should one become necessary, it belongs here with its reason."""

import os
import random
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import Provider, RawImap, corpus, fill
from harness.postern import find_program
from harness.rawimap import parse
from harness.structure import alike

BATCH = 200
PUZZLES = 2000
ITEM_NAME = re.compile(rb"[\w.]+(?:\[[^\]]*\])?")
FIELDS = "(from TO Subject Received DATE)"


def raw_items(response):
    """The items of a FETCH response, {name: value as sent}; literals' bytes for sections."""
    items = {}
    at = response.index(b"(") + 1
    while response[at:at + 1] not in (b")", b""):
        word = ITEM_NAME.match(response, at)
        # The order of a list of fields is the server's own.
        name = re.sub(r" \(.*\)", "", word.group().decode().upper())
        start = word.end() + 1
        value, at = parse(response, start)
        section = "[" in name
        items[name] = (value or b"") if section else response[start:at]
        at += response[at:at + 1] == b" "
    return items


def fetch(imap, uid, items):
    """One message's items, as raw_items has them."""
    line = next(line for line in imap.ok(f"UID FETCH {uid} ({' '.join(items)})").untagged
                if b" FETCH (" in line[:30].upper())
    return raw_items(line)


def rendered(paths):
    """{path: {section: bytes}} from mime-render."""
    done = subprocess.run([find_program("mime-render")], input="\n".join(map(str, paths)).encode(),
                          stdout=subprocess.PIPE, check=True)
    data, at, results = done.stdout, 0, {}

    def line():
        nonlocal at
        end = data.index(b"\n", at)
        words = data[at:end].decode().rsplit(" ", 1)
        at = end + 1
        return words

    for path in paths:
        items = {}
        for _ in range(int(line()[1])):
            section, length = line()
            items[section] = data[at:at + int(length)]
            at += int(length) + 1
        results[path] = items
    return results


def question(section):
    """The FETCH item for one of mime-render's sections."""
    if section in ("ENVELOPE", "BODYSTRUCTURE", "BODY"):
        return section
    if section.startswith("HEADER.FIELDS"):
        return f"BODY.PEEK[{section} {FIELDS}]"
    if section.startswith("BINARY"):
        return section.replace("[", ".PEEK[")
    return f"BODY.PEEK[{section}]"


def same(section, ours, theirs):
    """Whether they are the same octets; or the same structure, as far as Dovecot's versions agree on it."""
    return ours == theirs or (section in ("BODY", "BODYSTRUCTURE") and
                              alike(parse(ours)[0], parse(theirs)[0]))


def answer_name(section):
    return section if question(section) == section or "[" in section else f"BODY[{section}]"


class Puzzles:
    """Small mails that make no sense, put together at random from what makes parsers stumble.

    One thing is left out: white space alone as a field's last line behind an unterminated quote,
    where Dovecot's answer depends on what it has cached."""

    BOUNDARIES = ["a", "ab", "b", "a--", "", "a b", "x" * 90]
    TYPES = ["multipart/mixed"] * 6 + ["multipart/digest", "multipart/", "multipart", "text/plain",
             "message/rfc822", "message/rfc822", "text/html", "image/png", "text", "x", "/", ""]
    SOUP = ["a", "b.c", '"q"', '"', "<", ">", "@", ",", ":", ";", "(", ")", "(c)", ".", "\\", " ",
            "=", "=?utf-8?q?x?=", "[1.2]", "\r\n f", "\u00fc", "\t", "x*0=", "x*1*=", "x=", "%20",
            "'", "/", "{3}"]
    ADDRESS_FIELDS = ["From", "Sender", "Reply-To", "To", "Cc", "Bcc"]
    TEXT_FIELDS = ["Subject", "Date", "Message-ID", "In-Reply-To"]
    CONTENT_FIELDS = ["Content-" + name for name in (
        "Transfer-Encoding", "Disposition", "Language", "ID", "Description", "MD5", "Location")]

    def __init__(self, seed):
        self.random = random.Random(seed)

    def soup(self, most=8):
        return "".join(self.random.choices(self.SOUP, k=self.random.randint(0, most)))

    def content_type(self):
        boundary = self.random.choice(self.BOUNDARIES)
        return (f"Content-Type: {self.random.choice(self.TYPES)}"
                f"{self.random.choice(['', '', '', ' junk', ' (c)', '; ' + self.soup(4)])}"
                f"; boundary=\"{boundary}\"{self.random.choice(['', '; ' + self.soup(4)])}\r\n")

    def field(self):
        kind = self.random.random()
        if kind < 0.4:
            return self.content_type()
        name = self.random.choice(self.random.choice(
            [self.ADDRESS_FIELDS, self.TEXT_FIELDS, self.CONTENT_FIELDS]))
        return f"{name}{self.random.choice([':', ': ', ' : '])}{self.soup()}\r\n"

    def line(self):
        kind = self.random.random()
        if kind < 0.35:
            return (f"--{self.random.choice(self.BOUNDARIES)}"
                    f"{self.random.choice(['', '', '', '--', ' ', 'x', '-'])}\r\n")
        if kind < 0.6:
            return self.field()
        return self.random.choice(
            ["\r\n", "\r\n", "text\r\n", "no colon\r\n", " folded\r\n", "--\r\n"])

    def mail(self):
        head = "".join(self.field() for _ in range(self.random.randint(1, 4)))
        body = "".join(self.line() for _ in range(self.random.randint(0, 25)))
        mail = head + self.random.choice(["\r\n", "\r\n", "\r\n", ""]) + body
        # Without the last line end, but not in a header: Dovecot's cache loses the blank line that
        # HEADER.FIELDS ends with then.
        if self.random.random() < 0.2 and "\r\n\r\n" in mail[:-2]:
            mail = mail[:-2]
        return mail.encode()


class Agreement(unittest.TestCase):
    """Postern's rendering equals Dovecot's."""

    @classmethod
    def setUpClass(cls):
        cls.provider = Provider()
        cls.addClassCleanup(cls.provider.close)
        cls.directory = tempfile.TemporaryDirectory(prefix="postern-mime-")
        cls.addClassCleanup(cls.directory.cleanup)

    def connect(self, folder):
        imap = RawImap(self.provider.imap, timeout=300)
        self.addCleanup(imap.close)
        user, password = next(iter(self.provider.users.items()))
        imap.login(user, password)
        imap.select(folder)
        return imap

    def compare(self, folder, mails, most_sections=None):
        fill(self.provider, mails.values(), folder, dates=False)
        imap = self.connect(folder)
        uids = imap.uids()
        self.assertEqual(len(uids), len(mails))
        names = dict(zip(uids, mails))
        differences, compared = [], 0
        for start in range(0, len(uids), BATCH):
            batch = uids[start:start + BATCH]
            paths = {}
            for uid, body in imap.bodies(f"{batch[0]}:{batch[-1]}").items():
                paths[uid] = Path(self.directory.name) / f"{folder}-{uid}"
                paths[uid].write_bytes(body or b"")
            ours = rendered(list(paths.values()))
            for uid, path in paths.items():
                mine = ours[path]
                sections = list(mine)[:most_sections]
                theirs = fetch(imap, uid, [question(section) for section in sections
                                           if not section.startswith("BINARY")])
                for section in sections:
                    if section.startswith("BINARY"):
                        imap, theirs[section] = self.binary(imap, folder, uid, section)
                for section in sections:
                    answer = theirs[answer_name(section)]
                    compared += answer is not None
                    if answer is not None and not same(section, mine[section], answer):
                        differences.append(f"{names[uid]} {section}\n"
                                           f"  ours:   {mine[section][:1000]!r}\n"
                                           f"  theirs: {answer[:1000]!r}")
                path.unlink()
        self.assertEqual(differences, [], f"{len(differences)} differences, such as\n" +
                         "\n".join(differences[:20]))
        print(f"{folder}: {len(mails)} mails, {compared} answers agree", flush=True)

    def binary(self, imap, folder, uid, section):
        """BINARY[...], and the connection to go on with. None where Dovecot refuses to decode what
        is broken (Postern decodes what can be), or falls over it."""
        try:
            result = imap.command(f"UID FETCH {uid} ({question(section)})")
        except EOFError:
            return self.connect(folder), None
        if result.status != "OK":
            return imap, None
        return imap, fetch(imap, uid, [question(section)])[section]

    def test_awkward_mails(self):
        self.compare("awkward", corpus.tricky())

    def test_monsters(self):
        self.compare("monsters", corpus.monsters(), most_sections=500)

    def test_puzzles(self):
        seed = int(os.environ.get("POSTERN_SEED", "1"))
        puzzles = Puzzles(seed)
        self.compare(f"puzzles-{seed}", {f"puzzle {i} of seed {seed}": puzzles.mail()
                                         for i in range(PUZZLES)})

    def test_real_mails(self):
        self.compare("real", corpus.real())


if __name__ == "__main__":
    unittest.main()
