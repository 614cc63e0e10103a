# SPDX-License-Identifier: GPL-3.0-or-later
"""posternctl sendmail, by those who call it: git send-email, mutt, cron; while posternd runs, is down, or is killed."""

import email
import email.header
import email.utils
import os
import random
import re
import shutil
import subprocess
import unittest
from pathlib import Path

from harness import Case, find_program

USAGE, DATAERR, NOUSER, TEMPFAIL, NOPERM, CONFIG = 64, 65, 67, 75, 77, 78


class Sendmail(Case):
    def daemon(self, start=True, **settings):
        """A daemon whose mail stays in the queue, with its configuration where posternctl looks for it."""
        daemon = self.postern(accounts={"work": self.account(aliases="*@club.test", **settings)}, start=False)
        return self.ready(daemon, start)

    def account(self, address="ada@example.org", **more):
        """Settings of an account whose servers are never there."""
        return {"address": address, "incoming": "imap+insecure://127.0.0.1:1", "outgoing": "submission+insecure://127.0.0.1:1",
                "password_command": "echo x", **more}

    def ready(self, daemon, start=True):
        folder = Path(daemon.environment["XDG_CONFIG_HOME"]) / "postern"
        folder.mkdir(parents=True, mode=0o700)
        daemon.config.rename(folder / "postern.conf")
        daemon.config = folder / "postern.conf"
        self.handed = Path(daemon.environment["XDG_DATA_HOME"]) / "postern" / "handed"
        if start:
            daemon.start()
        return daemon

    def send(self, daemon, *words, text="Subject: hello\n\nText\n", status=0):
        done = subprocess.run([find_program("posternctl"), "sendmail", *words], env=daemon.environment,
                              input=text.encode() if isinstance(text, str) else text, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (status, b""), done.stderr.decode())
        return done.stderr.decode()

    def queued(self, daemon, count=1):
        """(entry, its message's bytes) of those in the queue, oldest first, once there are so many."""
        entries = daemon.wait(lambda: (lambda listed: listed if len(listed) >= count else None)(daemon.queue()),
                              f"{count} in the queue, but {list(self.handed.glob('*'))}")
        self.assertEqual(len(entries), count)
        daemon.wait(lambda: not list(self.handed.glob("*.mail")), "the files to go")
        return [(entry, daemon.queued_message(entry["Id"])) for entry in reversed(entries)]

    def only(self, daemon):
        (entry, message), = self.queued(daemon)
        return entry, message

    def recipients(self, entry):
        return [one["Address"] for one in entry["Recipients"]]

    def test_a_message_with_recipients_goes_out_as_it_came(self):
        daemon = self.daemon()
        self.send(daemon, "-oi", "-f", "ada@example.org", "--", "bob@example.net", "eve@example.net",
                  text="From: Ada <ada@example.org>\nDate: Sat, 28 Nov 2026 10:00:00 +0000\nMessage-ID: <1@x>\nTo: bob\n\n.\nline\r\n..\n")
        entry, message = self.only(daemon)
        self.assertEqual((entry["From"], self.recipients(entry)), ("ada@example.org", ["bob@example.net", "eve@example.net"]))
        self.assertEqual(message, b"From: Ada <ada@example.org>\r\nDate: Sat, 28 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@x>\r\n"
                                  b"To: bob\r\n\r\n.\r\nline\r\n..\r\n")

    def test_recipients_are_read_from_the_header_and_bcc_goes(self):
        daemon = self.daemon()
        self.send(daemon, "-ti", "carol@example.net",
                  text='To: "Bob, the one" <bob@example.net>,\n friends: eve@example.net, mallory@example.net;\nCC: ada@example.org\n'
                       'Bcc: secret@example.net,\n\tbob@example.net\nSubject: x\n\nBcc: stays@example.net\n')
        entry, message = self.only(daemon)
        self.assertEqual(self.recipients(entry), ["carol@example.net", "bob@example.net", "eve@example.net",
                                                  "mallory@example.net", "ada@example.org", "secret@example.net"])
        self.assertNotIn(b"secret", message)
        self.assertIn(b"\r\n\r\nBcc: stays@example.net\r\n", message)
        self.assertRegex(message, rb"(?m)^From: ada@example\.org\r$")
        self.assertRegex(message, rb"(?m)^Message-ID: <\S+@example\.org>\r$")

    def test_resent_fields_are_the_recipients_where_there_are_some(self):
        daemon = self.daemon()
        self.send(daemon, "-t", text="Resent-To: bob@example.net\nResent-Bcc: eve@example.net\nTo: list@example.net\nFrom: x@y.test\n\n.\nlost\n")
        entry, message = self.only(daemon)
        self.assertEqual(self.recipients(entry), ["bob@example.net", "eve@example.net"])
        self.assertTrue(message.endswith(b"From: x@y.test\r\n\r\n"), message)
        self.assertEqual(entry["From"], "ada@example.org")

    def test_names_of_all_kinds_are_written_as_a_header_may_have_them(self):
        daemon = self.daemon()
        names = ("Ada", 'A "B" \\ C', "Ada Łøvęlåčę", "日本語の長い名前" * 9, "a\r\nBcc: x@y.test")
        for name in names:
            self.send(daemon, "-F", name, "bob@example.net")
        for name, (_, message) in zip(names, self.queued(daemon, len(names))):
            parsed = email.message_from_bytes(message)
            display = str(email.header.make_header(email.header.decode_header(email.utils.parseaddr(parsed["From"])[0])))
            self.assertEqual(display, re.sub(r"[\r\n]+", lambda m: " " * len(m[0]), name).strip())
            self.assertIsNone(parsed["Bcc"])
            self.assertLess(max(len(line) for line in message.splitlines()), 79)

    def test_the_account_is_found_by_sender_or_from_or_is_the_only_one(self):
        accounts = {name: self.account(address, **more) for name, address, more in (
            ("work", "ada@example.org", {}), ("club", "ada@club.test", {"aliases": "*@club.test"}),
            ("off", "ada@off.test", {"enabled": "false"}))}
        daemon = self.ready(self.postern(accounts=accounts, start=False))
        for words, text, expected in (
                (("-f", "ada@example.org"), "\n", ("work", "ada@example.org")),
                (("-f", "ADA+tag@example.org"), "\n", ("work", "ADA+tag@example.org")),
                (("-f", "ada@club.test"), "\n", ("club", "ada@club.test")),
                (("-r", "board@club.test"), "\n", ("club", "board@club.test")),
                ((), "From: The board <board@club.test>\n\n", ("club", "board@club.test")),
                (("-a", "work"), "From: board@club.test\n\n", ("work", "ada@example.org")),
                (("--account=club", "-f", "root"), "\n", ("club", "ada@club.test")),
                (("-a", "ada@club.test", "-f", "<>"), "\n", ("club", ""))):
            with self.subTest(words=words):
                before = len(daemon.queue())
                self.send(daemon, *words, "bob@example.net", text=text)
                entry, _ = self.queued(daemon, before + 1)[-1]
                self.assertEqual((entry["Account"], entry["From"]), expected)
        for words, status in ((("bob@example.net",), CONFIG), (("-a", "none", "bob@example.net"), CONFIG),
                              (("-a", "off", "bob@example.net"), CONFIG), (("-a", "work", "-f", "x@y.test", "b@c.test"), NOPERM),
                              (("-a", "work"), USAGE), (("-a", "work", "bob@"), NOUSER), (("-bs",), USAGE), (("-Q",), USAGE),
                              (("--frob",), USAGE), (("-f",), USAGE)):
            with self.subTest(words=words):
                self.assertRegex(self.send(daemon, *words, status=status), r"^posternctl: .+\n$")

    def test_a_name_without_a_domain_is_the_user(self):
        daemon = self.daemon()
        self.send(daemon, "-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root",
                  text="From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@host> date\n\nSat\n")
        entry, message = self.only(daemon)
        self.assertEqual((entry["From"], self.recipients(entry)), ("ada@example.org", ["ada@example.org"]))
        self.assertIn(b"From: root (Cron Daemon)\r\n", message)

    def test_what_was_sent_while_nothing_ran_is_taken_at_the_start(self):
        daemon = self.daemon(start=False)
        for number in range(5):
            self.send(daemon, "bob@example.net", text=f"Subject: {number}\n\n" + "é" * 700000)
        self.assertEqual(len(list(self.handed.glob("*.mail"))), 5)
        daemon.start()
        self.assertEqual([entry["Subject"] for entry, _ in self.queued(daemon, 5)], list("01234"))

    def test_mail_is_taken_once_however_often_the_daemon_is_killed(self):
        chance = random.Random(5)
        daemon = self.daemon(start=False)
        count = 30
        for number in range(count):
            self.send(daemon, "bob@example.net", text=f"Subject: {number}\n\n" + "x\n" * chance.randint(1, 200000))
        for _ in range(6):
            daemon.start()
            daemon.wait(lambda left=len(list(self.handed.glob("*.mail"))): len(list(self.handed.glob("*.mail"))) < left or not left,
                        "one to be taken")
            daemon.kill()
        daemon.start()
        self.assertEqual(sorted(int(entry["Subject"]) for entry, _ in self.queued(daemon, count)), list(range(count)))

    def test_a_file_whose_end_was_reached_before_a_crash_is_not_taken_twice(self):
        daemon = self.daemon()
        self.send(daemon, "bob@example.net")
        self.only(daemon)
        daemon.stop()
        # As if the power had failed between the queue's commit and the file's end.
        (self.handed / "0-again.mail").write_bytes(b"account work\nfrom ada@example.org\nto bob@example.net\n\nSubject: y\r\n\r\n")
        subprocess.run(["sqlite3", str(daemon.data / "queue.db"), "INSERT INTO meta VALUES ('ticket/0-again.mail', '')"], check=True)
        daemon.start()
        self.only(daemon)

    def test_what_can_not_be_taken_stays_and_is_said(self):
        daemon = self.daemon()
        self.handed.mkdir(parents=True, exist_ok=True)
        odd = {"a": b"", "b": b"account work\n", "c": b"account work\nfrom \nto a@b.test\nto" + b"x" * 5000, "d": os.urandom(3000),
               "e": b"account none\nfrom \nto a@b.test\n\nx\r\n", "f": b"account work\nfrom x@y.test\nto a@b.test\n\nx\r\n",
               "g": b"account work\nfrom \nto a@b.test\n\nx\ny\r\n", "h": b"account work\naccount work\nfrom \nto a@b.test\n\n",
               "i": b"account work\nfrom \n\nx\r\n", "j": b"account work\nfrom \nto a@b.test\n\n\0\r\n"}
        for name, content in odd.items():
            (self.handed / f".{name}").write_bytes(content)
            (self.handed / f".{name}").rename(self.handed / f"{name}.mail")
        (self.handed / "link.mail").symlink_to("/etc/passwd")
        problems = daemon.wait(lambda: (lambda found: found if len(found) == len(odd) + 1 else None)(
            [text for text in daemon.control("status")["Problems"] if "handed/" in text]), "problems")
        self.assertTrue(any("x@y.test is not an address of account work" in text for text in problems))
        self.assertEqual(daemon.queue(), [])
        for path in self.handed.glob("*.mail"):
            path.unlink()
        self.send(daemon, "bob@example.net")
        self.only(daemon)
        daemon.wait(lambda: not [text for text in daemon.control("status")["Problems"] if "handed/" in text], "no problems")

    def test_a_folder_that_can_not_be_written_is_a_failure_for_now(self):
        daemon = self.daemon(start=False)
        folder = Path(daemon.environment["XDG_DATA_HOME"])
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "postern").write_bytes(b"")
        self.assertIn("can't be written", self.send(daemon, "bob@example.net", status=TEMPFAIL))

    @unittest.skipUnless(Path("/usr/lib/git-core/git-send-email").exists(), "no git send-email")
    def test_git_send_email(self):
        daemon = self.daemon()
        work = daemon.directory / "tree"
        sendmail = work / "sendmail"
        work.mkdir()
        sendmail.write_text(f'#!/bin/sh\nexec {find_program("posternctl")} sendmail "$@"\n')
        sendmail.chmod(0o755)
        environment = dict(daemon.environment, GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="Ada", GIT_AUTHOR_EMAIL="ada@example.org",
                           GIT_COMMITTER_NAME="Ada", GIT_COMMITTER_EMAIL="ada@example.org")
        for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "one"],):
            subprocess.run(["git", *command], cwd=work, env=environment, check=True)
        (work / "file").write_text(".\n..\nx\n")
        for command in (["add", "file"], ["commit", "-q", "-m", "Add a file"],
                        ["send-email", "--quiet", "--confirm=never", "--sendmail-cmd", str(sendmail), "--to", "bob@example.net",
                         "--from", "Ada <ada@example.org>", "-1"]):
            subprocess.run(["git", *command], cwd=work, env=environment, check=True, stdout=subprocess.DEVNULL)
        entry, message = self.only(daemon)
        self.assertIn("Add a file", entry["Subject"])
        self.assertIn(b"\r\n+.\r\n+..\r\n+x\r\n", message)

    @unittest.skipUnless(shutil.which("neomutt"), "no neomutt")
    def test_neomutt(self):
        daemon = self.daemon()
        settings = daemon.directory / "muttrc"
        settings.write_text(f'set sendmail="{find_program("posternctl")} sendmail -oi"\nset copy=no\nset from="ada@example.org"\n'
                            'set use_envelope_from=yes\n')
        subprocess.run(["neomutt", "-F", str(settings), "-s", "From neomutt", "-b", "eve@example.net", "bob@example.net"],
                       env=dict(daemon.environment, TERM="dumb"), input=b"Text\n.\nmore\n", check=True)
        entry, message = self.only(daemon)
        self.assertEqual((entry["From"], sorted(self.recipients(entry))), ("ada@example.org", ["bob@example.net", "eve@example.net"]))
        self.assertIn(b"\r\n\r\nText\r\n.\r\nmore\r\n", message)
        self.assertNotIn(b"eve@", message)
