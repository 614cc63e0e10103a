# SPDX-License-Identifier: GPL-3.0-or-later
"""A provider that says what it likes. What of it reaches clients, terminals, logs and programs is looked at first."""

import unittest

from harness import Case, FakeImap
from harness.faults import Item


def mail(number):
    return (f"From: bob@example.org\r\nSubject: m{number}\r\nMessage-ID: <m{number}@hostile.test>\r\n\r\n"
            f"Mail {number}.\r\n").encode()


PLAIN = b'"text" "plain" NIL NIL NIL "7bit" 9 1'
#: BODYSTRUCTUREs, and whether clients are given them; of the others the messages are fetched.
STRUCTURES = {
    "shouted": (b'("TEXT" "PLAIN" NIL NIL NIL "7BIT" 9 1)', True),
    "atoms": (b'(text plain () NIL NIL NIL 9 1)', True),
    "line ends": (b'("text" "plain" ("name" {17}\r\na\r\n* 1 EXPUNGE\r\nb) NIL NIL "7bit" 9 1)', True),
    "NUL": (b'("text" "plain" ("name" {3}\r\na\0b) NIL NIL "7bit" 9 1)', True),
    "8 bit": (b'("text" "plain" ("name" "\xff\xfe") NIL NIL "7bit" 9 1)', True),
    "arity": (b'("text" "plain" NIL NIL NIL "7bit")', False),
    "no list": (b'"text"', False),
    "no structure": (b'(((("x"))))', False),
    "a number that isn't one": (b'("text" "plain" NIL NIL NIL "7bit" (9) 1)', False),
    "deep": (b"(" * 500 + PLAIN + b') "mixed"' * 499 + b")", False),
    "wide": (b"(" + (b"(" + PLAIN + b")") * 20000 + b' "mixed")', False),
    "long": (b'("text" "plain" ("name" "' + b"x" * 2000000 + b'") NIL NIL "7bit" 9 1)', False),
}


class Structures(Case):
    def test_a_structure_that_is_none_is_made_of_the_message(self):
        near = FakeImap()
        self.addCleanup(near.close)
        told = {}
        for number, (name, (structure, given)) in enumerate(STRUCTURES.items(), 1):
            near.put("INBOX", mail(number))
            told[number] = name, given
            near.faults = [*near.faults, Item("BODYSTRUCTURE", structure, uid=number)]
        daemon = self.postern(accounts={"work": {"address": "ada@example.org", "password-command": "echo lovelace",
                                                 "prefetch": "headers",
                                                 "incoming": f"imap+insecure://127.0.0.1:{near.imap}"}})
        daemon.sync()
        client = self.local(daemon)
        self.assertEqual(client.select().exists, len(told))
        for number, (name, given) in told.items():
            with self.subTest(name):
                answer = client.ok(f"FETCH {number} (BODY BODYSTRUCTURE)")
                self.assertEqual(len(answer.untagged), 1, answer.untagged)
                self.assertNotIn(b"\r\n* 1 EXPUNGE", answer.untagged[0])
                self.assertEqual(near.fetched["INBOX", number], not given, "fetched in full")
                client.ok("NOOP")


if __name__ == "__main__":
    unittest.main()
