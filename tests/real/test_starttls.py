# SPDX-License-Identifier: GPL-3.0-or-later
"""The way into TLS, broken off at every step: the line is cut at bytes of either direction from the greeting to the
first command inside of TLS, or STARTTLS (STLS) gets every other answer. It is a failure of the network, or of the
server, never of the password; nothing secret was said in the clear; and when the fault ends, all mail comes."""

import random
import unittest

from harness import LONG, Case, Link, RawImap
from harness.syncaccount import SyncAccount, SyncError
from test_sync import mails

USER, PASSWORD = "ada@example.org", "lovelace"

ANSWERS = {
    "imap": [b"%s NO not now", b"%s BAD what?", b"%s NO [UNAVAILABLE] later", b"* BYE bye", b"", b"%s OK go\r\n* BYE now",
             b"%s OK go\r\nnot TLS", b"%s", b"xyz OK go", b"\xff\xfe", b"+ go", b"* 4000 EXISTS"],
    "pop3": [b"-ERR not now", b"-ERR [SYS/TEMP] later", b"-ERR [AUTH] no", b"", b"+OK go\r\n-ERR now", b"+OK go\r\nnot TLS", b"+",
             b"\xff\xfe", b"OK go"],
}
WORDS = {"imap": b"STARTTLS", "pop3": b"STLS"}


class Steps:
    scheme = None
    time_limit = 600

    def setUp(self):
        self.server = self.provider()
        with RawImap(self.server.imap).login(USER, PASSWORD) as there:
            for message in mails(3):
                there.ok(f"APPEND INBOX {{{len(message)}+}}\r\n".encode() + message)
        self.link = Link(getattr(self.server, self.scheme), record=True)
        self.addCleanup(self.link.close)

    def account(self):
        account = SyncAccount(self.link.port, scheme=self.scheme, secure=True,
                              environment={"SSL_CERT_FILE": str(self.server.ca_file)}, plain=True)
        self.addCleanup(account.close)
        if self.scheme == "pop3":
            account("create", "INBOX")
        return account

    def broken(self, account, note):
        """Its words; None: there was another connection meanwhile."""
        try:
            account("sync")
            said = None
        except SyncError as error:
            said = str(error)
            self.assertNotIn("password", said, note)
        self.check_clear(note)
        return said

    def check_clear(self, note):
        said = b"".join(data for _, way, data in self.link.transcript if way == "up")
        for secret in (PASSWORD.encode(), b"AUTH", b"LOGIN", b"PASS"):
            self.assertNotIn(secret, said, note)

    def mended(self, account, note):
        for _ in range(3):
            try:
                account("sync")
                break
            except SyncError as error:
                self.assertNotIn("password", str(error), note)
                account("advance", 400)
        self.assertEqual(len(account.messages("INBOX")), 3, note)
        account.close()

    def exchange(self):
        """How many bytes go each way until the first command inside of TLS has been answered."""
        account = self.account()
        account("sync")
        self.check_clear("not broken")
        self.assertIn(WORDS[self.scheme], b"".join(data for _, way, data in self.link.transcript if way == "up"))
        account.close()
        found = {"up": b"", "down": b""}
        for _, way, data in self.link.transcript:
            found[way] += data
        self.link.transcript = []
        return found

    def test_cut_at_bytes_of_either_direction(self):
        for way, data in self.exchange().items():
            # To the end of what is in the clear at each place, and then here and there in the handshake.
            clear = data.index(b"\x16\x03")
            places = [*range(clear + 8), *range(clear + 8, min(len(data), clear + 3000), 150)]
            for at in places if LONG else sorted(random.sample(places, 5)):
                note = f"cut {way} after {at} of {clear} bytes in the clear"
                with self.subTest(note):
                    self.link.transcript = []
                    self.link.cut_after(way, at)
                    account = self.account()
                    self.broken(account, note)
                    self.link.mend()
                    self.link._left = {"up": None, "down": None}
                    self.mended(account, note)

    def test_every_other_answer(self):
        for answer in ANSWERS[self.scheme]:
            with self.subTest(answer=answer):
                self.link.transcript = []
                self.link.answer_to(WORDS[self.scheme], answer)
                account = self.account()
                self.assertTrue(self.broken(account, repr(answer)))
                self.link.answer_to(None, None)
                self.mended(account, repr(answer))


class Imap(Steps, Case):
    scheme = "imap"


class Pop3(Steps, Case):
    scheme = "pop3"


if __name__ == "__main__":
    unittest.main()
