# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGTERM ends the daemon at once whatever is under way, and so does removing an account: one case for each kind of work."""

import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from harness import PATIENCE, Case, FakeImap, FakePop3, FakeSmtp, find_program
from harness.faults import Fault
from harness.fakesmtp import HANG

#: Far above what it takes, and far below any time-out of the daemon's (10 s and more).
SECONDS = 4 * PATIENCE


def mail(number, size=20):
    return (f"From: bob@example.org\r\nTo: ada@example.org\r\nSubject: m{number}\r\nMessage-ID: <m{number}@shutdown.test>\r\n"
            f"Date: Tue, 24 Nov 2026 10:00:00 +0000\r\n\r\n" + "Some words of mail.\r\n" * size).encode()


def running(word):
    """Whether a program has this among its arguments."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in path.read_bytes().split(b"\0"):
                return True
        except OSError:
            pass
    return False


class Hangs(Fault):
    """A command, or the greeting, isn't answered any more."""

    def __init__(self, command):
        super().__init__()
        self.command, self.reached, self.over = command, threading.Event(), threading.Event()

    def hang(self):
        self.reached.set()
        self.over.wait()

    def connected(self, session):
        if self.command is None:
            self.hang()

    def before(self, session, command):
        if self.command and re.match(self.command, command.text, re.I):
            self.hang()


class Shutdown(Case):
    def setUp(self):
        self.near = FakeImap(strict=False)
        self.addCleanup(self.near.close)
        for number in range(1, 6):
            self.near.put("INBOX", mail(number))

    def daemon_at(self, hang=None, **settings):
        """A daemon that has reached `hang`, or has all mail."""
        if hang:
            self.near.faults = [hang]
            self.addCleanup(hang.over.set)
        account = {"address": "ada@example.org", "password-command": "echo lovelace", "incoming": self.near.url("imap+insecure"),
                   **{key.replace("_", "-"): value for key, value in settings.items()}}
        self.daemon = self.postern(synced=hang is None and "synced" not in settings, accounts={"work": account})
        if hang:
            self.assertTrue(hang.reached.wait(30 * PATIENCE))

    def check_ends(self, more=0):
        began = time.monotonic()
        self.assertEqual(self.daemon.stop(timeout=5 + more), 0)
        self.assertLess(time.monotonic() - began, SECONDS + more)

    def check_leaves(self):
        """The daemon goes on."""
        began = time.monotonic()
        self.daemon.control("account", "remove", "work", "--purge", timeout=SECONDS)
        self.assertLess(time.monotonic() - began, SECONDS)
        self.assertEqual(self.daemon.control("account", "list"), [])
        self.check_ends()

    def client(self):
        imap = self.daemon.imap()
        self.addCleanup(imap.close)
        return imap

    def program(self, *words, **options):
        """posternctl, at something that doesn't end by itself."""
        running = subprocess.Popen([find_program("posternctl"), "--no-start", *words], env=self.daemon.environment,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.PIPE, **options)
        self.addCleanup(lambda: (running.kill(), running.communicate()))
        return running

    def test_an_imap_server_that_says_nothing_more(self):
        for command in (None, "LOGIN|AUTHENTICATE", "LIST", "SELECT|EXAMINE", "UID FETCH", "UID FETCH .*BODY.PEEK"):
            for end in (self.check_ends, self.check_leaves):
                with self.subTest(command=command, end=end.__name__):
                    self.setUp()
                    self.daemon_at(Hangs(command))
                    end()

    def test_a_change_that_is_not_answered(self):
        for command, change in (("UID STORE", "STORE 1 +FLAGS (\\Flagged)"), ("APPEND", "COPY 1 Mine"), ("CREATE", "CREATE Mine")):
            with self.subTest(command):
                self.setUp()
                self.near.create("Archive")
                self.daemon_at()
                hang = Hangs(command)
                self.addCleanup(hang.over.set)
                self.near.faults = [hang]
                with self.daemon.imap() as imap:
                    imap.ok("SELECT INBOX")
                    if command == "APPEND":
                        imap.ok("APPEND Archive {%d+}\r\n%s" % (len(mail(9)), mail(9).decode()))
                    else:
                        imap.ok(change)
                self.assertTrue(hang.reached.wait(30 * PATIENCE))
                self.check_ends()

    def test_an_smtp_server_that_says_nothing_more(self):
        for stage in ("CONNECT", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "DOT"):
            with self.subTest(stage):
                self.setUp()
                far, reached = FakeSmtp(users={"ada@example.org": "lovelace"}), threading.Event()
                self.addCleanup(far.close)
                far.answers[stage] = lambda line, reached=reached: reached.set() or HANG
                self.daemon_at(outgoing=f"submission+insecure://127.0.0.1:{far.port}")
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(str(self.daemon.socket_path("submission")))
                    client.sendall(b"EHLO x\r\nMAIL FROM:<ada@example.org>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n")
                    time.sleep(0.2)
                    client.sendall(mail(7) + b".\r\nQUIT\r\n")
                    while client.recv(65536):
                        pass
                self.assertTrue(reached.wait(30 * PATIENCE))
                # Whether a mail was taken is waited for a little: to give up is to send it again, or to hold it.
                self.check_ends(5 if stage == "DOT" else 0)

    def test_a_maildrop_that_says_nothing_more(self):
        for stage in ("GREETING", "PASS", "UIDL", "RETR", "TOP", "QUIT"):
            with self.subTest(stage):
                drop, reached = FakePop3([mail(1), mail(2)]), threading.Event()
                self.addCleanup(drop.close)
                drop.capa = ["TOP", "UIDL", "USER"]
                drop.answers[stage] = lambda line, reached=reached: reached.set() or HANG
                self.daemon = self.postern(synced=False, accounts={"work": drop.account()})
                if stage != "TOP":
                    self.assertTrue(reached.wait(30 * PATIENCE))
                self.check_ends()

    def test_a_password_command_that_does_not_end(self):
        for end in (self.check_ends, self.check_leaves):
            with self.subTest(end.__name__):
                self.setUp()
                mark = f"77{time.monotonic_ns() % 10**9}"
                self.daemon_at(password_command=f"sleep {mark}; echo lovelace", synced=False)
                self.daemon.wait(lambda: running(mark), "the command to run")
                end()
                self.assertFalse(running(mark))

    def test_clients_in_the_midst_of_something(self):
        """All at once: half a command, half a literal, an answer that nobody reads, a search, a wait, no login at all."""
        for number in range(6, 40):
            self.near.put("INBOX", mail(number, 20000))
        self.daemon_at()
        for port in self.daemon.ports.values():
            self.addCleanup(socket.create_connection(("127.0.0.1", port)).close)
        lazy = self.client()
        lazy.ok("SELECT INBOX")
        lazy.sock.sendall(b"f FETCH 1:* (BODY.PEEK[])\r\n" * 20)
        searching = self.client()
        searching.ok("SELECT INBOX")
        searching.sock.sendall(b"".join(b"s%d SEARCH NOT TEXT nowhere%d\r\n" % (number, number) for number in range(2000)))
        idle = self.client()
        idle.ok("SELECT INBOX")
        idle.sock.sendall(b"i IDLE\r\n")
        for words in (b"a APPEND INBOX {1000000}\r\n", b"a APPEND INBOX {1000000+}\r\nhalf", b"a NOO", b"a SEARCH TEXT {10}\r\n",
                      b"a AUTHENTICATE PLAIN\r\n"):
            self.client().sock.sendall(words)
        for protocol, words in (("submission", b"EHLO x\r\nMAIL FROM:<ada@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nhalf"),
                                ("submission", b"EHLO x\r\nMAIL FROM:<ada@example.org>\r\nRCPT TO:<b@example.net>\r\nBDAT 100000\r\nhalf"),
                                ("pop3", b"USER x\r\nPASS y\r\nRETR 1\r\n" * 2000)):
            client = socket.socket(socket.AF_UNIX)
            self.addCleanup(client.close)
            client.connect(str(self.daemon.socket_path(protocol)))
            client.sendall(words)
        time.sleep(0.5)
        self.check_ends()

    def test_programs_that_do_not_read_what_they_have_asked_for(self):
        for number in range(6, 40):
            self.near.put("INBOX", mail(number, 20000))
        self.daemon_at()
        stopped = [self.program("search", "work", "words"), self.program("watch")]
        time.sleep(1)
        for one in stopped:
            one.send_signal(signal.SIGSTOP)
            self.addCleanup(one.send_signal, signal.SIGCONT)
        self.check_ends()
