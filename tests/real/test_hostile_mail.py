# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail that anyone can send to tie up whoever reads it. It is synchronized once, served as it is, searched in the
time that its size takes, and doesn't keep Postern from stopping."""

import time
import unittest

from harness import PATIENCE, Case

MEGA = 1 << 20
#: Seconds that anything may take with one of these, sanitizers and a busy machine included. Each took minutes.
SOON = 20 * PATIENCE


def mail(name, head="", body="Nothing.\r\n"):
    return (f"Subject: {name}\r\nMessage-ID: <{name}@hostile.test>\r\n{head}\r\n".encode() +
            (body if isinstance(body, bytes) else body.encode()))


def html(name, unit):
    text = unit * (2 * MEGA // len(unit))
    return mail(name, "Content-Type: text/html; charset=utf-8\r\n", f"<p>needle</p>{text}\r\n")


def words(count):
    """Encoded words, each in a charset of its own."""
    charsets = ("iso-8859-{}", "windows-125{}", "cp{}", "koi8-{}", "x-{}")
    return "".join(f" =?{charsets[i % 5].format(i)}?q?=E9?=" for i in range(count))


def attached_senders(commas, messages):
    part = b"--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: " + b"," * commas + b"\r\nSubject: needle\r\n\r\nx\r\n"
    return mail("senders", 'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n',
                part * messages + b"--b--\r\n")


#: By name; each has the word "needle" in its text.
BOMBS = {
    "comments": html("comments", "<!--x>"),
    "attributes": html("attributes", "<a b="),
    "references": html("references", "&zzzz"),
    "scripts": html("scripts", "<script></script"),
    "marks": mail("marks", "Content-Type: text/plain; charset=utf-8\r\n",
                  "needle " + "\u0301\u0323" * (MEGA // 4) + "\r\n"),
    "words": mail("words", "X-Subject: " + "\r\n".join([words(2)] * 5000) + "\r\n", "needle\r\n"),
    "senders": attached_senders(8 * MEGA, 1),
    "sender lists": attached_senders(9000, 900),
}


class HostileMail(Case):
    def timed(self, what, action):
        began = time.monotonic()
        result = action()
        self.assertLess(time.monotonic() - began, SOON, what)
        return result

    def test_is_served_searched_and_done_with(self):
        provider = self.provider()
        upstream = self.upstream(provider)
        for data in BOMBS.values():
            upstream.append("INBOX", data)
        postern = self.postern(provider, synced=False, prefetch="all")
        self.timed("the first round", postern.sync)
        imap = self.local(postern)
        imap.select()
        postern.wait(lambda: postern.state()["Progress"] == 1, "all bodies are here", timeout=4 * SOON)
        for number, (name, data) in enumerate(BOMBS.items(), 1):
            with self.subTest(name):
                structure = self.timed("BODYSTRUCTURE",
                                       lambda n=number: imap.ok(f"FETCH {n} (ENVELOPE BODYSTRUCTURE)"))
                self.assertLess(sum(len(line) for line in structure.untagged), 24 * MEGA)
                self.assertEqual(imap.fetch(number, "BODY.PEEK[]", uid=False)[number]["BODY[]"], data)
        for criterion in ("TEXT needle", "BODY needle", "TEXT nowhere", "SUBJECT nowhere"):
            found = self.timed(criterion, lambda c=criterion: imap.ok(f"SEARCH {c}").numbers())
            self.assertEqual(len(found), len(BOMBS) if "needle" in criterion else 0, criterion)
        self.timed("stopping", lambda: self.assertEqual(postern.stop(), 0))


if __name__ == "__main__":
    unittest.main()
