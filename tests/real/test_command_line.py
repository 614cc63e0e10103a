# SPDX-License-Identifier: GPL-3.0-or-later
"""posternctl as a person meets it: help on every level, tables in a terminal, lists that are empty, output that can't be written."""

import os
import pty
import re
import smtplib
import subprocess
import time
import unicodedata

from harness import Postern, Provider, SharedCase, account, fill, find_program
from test_sync import mails


def width(line):
    """Columns that a line takes in a terminal."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


class CommandLine(SharedCase):
    @classmethod
    def prepare(cls):
        cls.shared_provider = provider = Provider()
        fill(provider, mails(3))
        cls.shared_postern = Postern({"work": account(provider)})
        cls.shared_postern.sync()

    def run_it(self, *words, stdout=subprocess.PIPE, **environment):
        return subprocess.run([find_program("posternctl"), *words], env=dict(self.shared_postern.environment, **environment),
                              stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)

    def every_command(self):
        """(words, summary) of all commands, from the main help."""
        listed = self.run_it("--help").stdout.partition("Commands:\n")[2].partition("\n\n")[0]
        found = [re.match(r"  ([a-z0-9| -]+?)(?: [^a-z].*?)?  +", line.replace("] ", "]  ") + "  ") for line in listed.splitlines()]
        self.assertTrue(all(found), listed)
        return [tuple(word for word in match[1].split() if "|" not in word) for match in found]

    def queue(self, count=1, state="waiting"):
        """Mails that wait, since the outgoing server isn't asked."""
        self.shared_postern.control("offline")
        self.addCleanup(self.shared_postern.control, "online")
        client = smtplib.SMTP("127.0.0.1", self.shared_postern.ports["submission"], timeout=60)
        client.login(*self.shared_postern.login())
        for number in range(count):
            client.sendmail("ada@example.org", ["bob@example.org"],
                            f"Subject: {number} 日本語 {'long ' * 30}\r\n\r\nx\r\n".encode())
        client.quit()
        entries = self.shared_postern.queue(state)
        self.addCleanup(lambda: [self.shared_postern.control("queue", "cancel", entry["Id"])
                                 for entry in self.shared_postern.queue("waiting", "held", "failed")])
        return entries

    def test_every_command_has_its_help_with_an_example(self):
        commands = self.every_command()
        self.assertIn(("queue", "send-at"), commands)
        for words in commands:
            name = " ".join(words)
            for asked in ([*name.split(), "--help"], ["help", *name.split()]):
                done = self.run_it(*asked)
                self.assertEqual((done.returncode, done.stderr), (0, ""), asked)
                self.assertIn(f"posternctl {name}", done.stdout)
                self.assertRegex(done.stdout, rf"Example:\n  posternctl {name}")

    def test_groups_have_their_help_and_take_the_first_command_without_one(self):
        for group in ("account", "queue"):
            for asked in ([group, "--help"], ["help", group], [group, "-h"]):
                done = self.run_it(*asked)
                self.assertEqual(done.returncode, 0)
                self.assertIn("list", done.stdout)
            for words in ([group], [group, "list"]):
                for option in ([], ["--json"], ["--no-start"], ["--json", "--no-start"]):
                    self.assertEqual(self.run_it(*words, *option).stdout, self.run_it(group, "list", *option).stdout)
        self.assertEqual(self.run_it("account", "--json", "show", "work").stdout[:1], "{")
        self.assertEqual(self.run_it("queue", "--state", "failed").returncode, 0)
        self.assertEqual(self.run_it("queue", "--no-such-option").returncode, 2)
        for words in (["frob"], ["queue", "frob"], ["account", "12"], ["help", "frob"], ["help", "queue", "frob"]):
            done = self.run_it(*words)
            self.assertEqual(done.returncode, 2)
            self.assertIn("is no command; 'posternctl", done.stderr)

    def test_an_output_that_can_not_be_written_is_a_failure(self):
        for words in (["status"], ["account", "show", "work"], ["folders", "work", "--json"], ["--help"], ["help", "queue"],
                      ["queue", "list", "--help"], ["--version"], ["client", "work"]):
            with open("/dev/full", "w", encoding="ascii") as full:
                done = self.run_it(*words, stdout=full)
            self.assertEqual(done.returncode, 1, words)
            self.assertIn("can't be written", done.stderr)

    def test_empty_lists_say_so_and_print_no_line(self):
        for words in (["queue"], ["queue", "list", "--state", "failed"], ["pending"], ["pending", "work"]):
            done = self.run_it(*words)
            self.assertEqual((done.returncode, done.stdout), (0, ""), words)
            self.assertRegex(done.stderr, r"^[A-Z][^\n]*\.\n$")
            self.assertEqual(self.run_it(*words, "--json").stdout.split(), ["[]"])

    def test_tables_fit_the_terminal(self):
        self.queue(3)
        whole = self.run_it("queue").stdout
        self.assertIn("long " * 30, whole)
        for columns in (40, 72, 80, 133):
            for line in self.run_it("queue", COLUMNS=str(columns)).stdout.splitlines():
                self.assertLessEqual(width(line), max(columns, 7 * 8 + 12))
                self.assertIn("bob@", line)

    def test_a_terminal_tells_its_width_itself(self):
        self.queue(1)
        master, slave = pty.openpty()
        try:
            subprocess.run(["stty", "cols", "90"], stdin=slave, check=True)
            subprocess.run([find_program("posternctl"), "queue"], env=self.shared_postern.environment, stdout=slave, check=True)
            line = os.read(master, 4096).decode().splitlines()[0]
        finally:
            os.close(master)
            os.close(slave)
        self.assertLessEqual(width(line), 90)
        self.assertIn("…", line)

    def test_the_account_is_shown_in_an_order_of_its_own(self):
        texts = {self.run_it("account", "show", "work").stdout.replace("1 s ago", "0 s ago") for _ in range(4)}
        lines = texts.pop().splitlines()
        names = [re.split("  +", line)[0] for line in lines]
        self.assertEqual(names[:4], ["Id", "Address", "State", "Last error"])
        rest = [name for name in names if name.startswith("Settings")]
        self.assertEqual(rest, sorted(rest))

    def test_a_scheduled_mail_shows_its_time_and_is_not_just_tried(self):
        number = self.queue(1)[0]["Id"]
        self.shared_postern.control("queue", "send-at", number, "+3h")
        self.assertRegex(self.run_it("queue").stdout, r"to be sent in (2|3) h")
        done = self.run_it("queue", "retry", str(number))
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"posternctl queue send-at {number} now", done.stderr)
        self.shared_postern.control("queue", "send-at", number, "now")
        self.assertEqual(self.run_it("queue", "retry", str(number)).returncode, 0)

    def test_several_passwords_are_revoked_at_once(self):
        kept = self.shared_postern.login()[1]
        for name in ("one", "two", "three"):
            self.shared_postern.new_password(name=name)
        self.shared_postern.local_password["work"] = kept
        self.assertEqual(self.run_it("client", "work", "--revoke", "one", "--revoke", "two").returncode, 0)
        for name, status in (("one", 1), ("two", 1), ("three", 0)):
            self.assertEqual(self.run_it("client", "work", "--revoke", name).returncode, status, name)

    def test_watch_is_read_by_people(self):
        watcher = subprocess.Popen([find_program("posternctl"), "watch"], env=self.shared_postern.environment,
                                   stdout=subprocess.PIPE, text=True)
        try:
            time.sleep(0.5)
            self.shared_postern.control("offline")
            self.shared_postern.control("online")
            line = watcher.stdout.readline()
        finally:
            watcher.terminate()
            watcher.wait()
            watcher.stdout.close()
        self.assertRegex(line, r"^\d\d:\d\d:\d\d [a-z]+: \w")
        self.assertNotRegex(line, r"[<>{}]|'")
        self.shared_postern.wait_state("idle")
