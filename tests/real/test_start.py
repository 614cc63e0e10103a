# SPDX-License-Identifier: GPL-3.0-or-later
"""The first moments of a daemon: who comes while an account is still being opened waits for it."""

import base64
import os
import poplib
import smtplib
import socket
import threading
import time

from harness import PATIENCE, Case, RawImap, account, fill
from test_sync import mails


class SlowOpening:
    """Makes the opening of an account take as long as the test wants: the file that it reads first is
    a FIFO, which nobody writes to yet."""

    def __init__(self, postern, account_id="work"):
        self.path = postern.data / "accounts" / account_id / "uidvalidity"
        self._text = self.path.read_bytes()
        self.path.unlink()
        os.mkfifo(self.path, 0o600)

    def end(self):
        with open(self.path, "wb") as fifo:
            fifo.write(self._text)


class Asked(threading.Thread):
    """A question in a thread: `answer` is what came, or the exception."""

    def __init__(self, name, question):
        super().__init__(daemon=True)
        self.question = question
        self.asked = name
        self.answer = None
        self.start()

    def run(self):
        try:
            self.answer = self.question()
        except Exception as error:  # pylint: disable=broad-except
            self.answer = error


def line_from(path):
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(60 * PATIENCE)
        stream.connect(str(path))
        return stream.makefile("rb").readline().decode()


class Starting(Case):
    def setUp(self):
        self.near = self.provider()
        fill(self.near, mails(3))
        self.daemon = self.postern(accounts={"work": account(self.near), "other": account(self.near)},
                                   synced=False)
        for one in ("work", "other"):
            self.daemon.sync(one)
            self.daemon.new_password(one)
        self.assertEqual(self.daemon.stop(), 0)
        self.slow = SlowOpening(self.daemon)
        self.addCleanup(self._let_go)

    def _let_go(self):
        if self.slow.path.is_fifo():
            threading.Thread(target=self.slow.end, daemon=True).start()

    def questions(self):
        """Every way to ask for the account, by name."""
        daemon = self.daemon
        user, password = daemon.login()
        token = base64.b64encode(f"\\0{user}\\0{password}".replace("\\0", "\0").encode()).decode()

        def pop3():
            client = poplib.POP3("127.0.0.1", daemon.ports["pop3"], timeout=60 * PATIENCE)
            client.user(user)
            answer = client.pass_(password).decode()
            client.quit()
            return answer

        def submission():
            client = smtplib.SMTP("127.0.0.1", daemon.ports["submission"], timeout=60 * PATIENCE)
            client.ehlo()
            code, words = client.docmd("AUTH", f"PLAIN {token}")
            client.close()
            return f"{code} {words.decode()}"

        def imap(*command):
            def ask():
                client = RawImap(daemon.ports["imap"], timeout=60 * PATIENCE)
                done = client.command(*command)
                client.close()
                return f"{done.status} {done.text}"
            return ask

        return {
            "imap login": (imap(f"LOGIN {user} {password}"), "OK"),
            "imap authenticate": (imap(f"AUTHENTICATE PLAIN {token}"), "OK"),
            "pop3": (pop3, "+OK"),
            "submission": (submission, "235"),
            "imap socket": (lambda: line_from(daemon.socket_path("imap")), "* PREAUTH"),
            "pop3 socket": (lambda: line_from(daemon.socket_path("pop3")), "+OK"),
            "submission socket": (lambda: line_from(daemon.socket_path("submission")), "220"),
            "folders": (lambda: str(daemon.control("folders", "work")), "[{"),
            "client": (lambda: str(daemon.control("client", "work", "--new-password", "--name", "x")),
                       "{"),
            "pending": (lambda: str(daemon.control("pending", "work")), "["),
            "sync": (lambda: str(daemon.control("sync", "work", "--wait")), "None"),
        }

    def ask_all(self):
        questions = self.questions()
        asked = [Asked(name, question) for name, (question, _) in questions.items()]
        return asked, {name: begin for name, (_, begin) in questions.items()}

    def test_whoever_comes_while_the_account_opens_is_served_once_it_runs(self):
        begin = time.monotonic()
        self.daemon.start()
        self.assertLess(time.monotonic() - begin, 5 * PATIENCE)
        client = RawImap(self.daemon.ports["imap"], timeout=10 * PATIENCE)
        self.addCleanup(client.close)
        asked, expected = self.ask_all()
        # The other account isn't held up, nor is what is about the daemon alone.
        self.assertEqual(client.login(*self.daemon.login("other")).command("NOOP").status, "OK")
        self.daemon.sync("other")
        self.assertEqual({one["Id"] for one in self.daemon.control("account", "list")},
                         {"work", "other"})
        self.assertIn(self.daemon.state()["State"], ("opening", "connecting"))
        self.daemon.control("account", "add", "eve@example.org", "--id", "eve", "--no-test", "--incoming",
                            self.near.url("imaps"), "--password-command", "printf x")
        self.daemon.control("account", "remove", "eve", "--purge")
        self.assertEqual([one.asked for one in asked if one.answer is not None], [])
        self.slow.end()
        for one in asked:
            one.join(60 * PATIENCE)
            self.assertTrue(str(one.answer).startswith(expected[one.asked]),
                            f"{one.asked}: {one.answer}")

    def test_an_account_that_can_not_be_opened_says_so_and_not_that_the_password_is_wrong(self):
        self.daemon.start()
        asked, _ = self.ask_all()
        time.sleep(0.5)
        with open(self.slow.path, "wb") as fifo:
            fifo.write(b"no number")
        self.slow.path.unlink()
        wanted = {"imap login": "NO [UNAVAILABLE]", "imap authenticate": "NO [UNAVAILABLE]",
                  "pop3": "-ERR [SYS/TEMP]", "submission": "454 ", "imap socket": "* BYE [UNAVAILABLE]",
                  "pop3 socket": "-ERR [SYS/TEMP]", "submission socket": "421 "}
        for one in asked:
            one.join(60 * PATIENCE)
            answer = str(one.answer)
            self.assertIn("should hold one number", answer, one.asked)
            self.assertIn(wanted.get(one.asked, ""), answer, one.asked)

    def test_stopping_answers_who_waits(self):
        self.daemon.start()
        client = RawImap(self.daemon.ports["imap"], timeout=30 * PATIENCE)
        self.addCleanup(client.close)
        user, password = self.daemon.login()
        asked = Asked("imap", lambda: client.command(f"LOGIN {user} {password}").text)
        time.sleep(0.5)
        stop = Asked("stop", self.daemon.stop)
        asked.join(10 * PATIENCE)
        self.assertIn("[UNAVAILABLE]", str(asked.answer))
        self.slow.end()
        stop.join(30 * PATIENCE)
        self.assertEqual(stop.answer, 0)
