# SPDX-License-Identifier: GPL-3.0-or-later
"""data/try, the first thing that a new user runs, does what it says and leaves nothing behind."""

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from harness import PATIENCE, Case, find_program

TOP = Path(__file__).resolve().parents[2]
_PR_SET_CHILD_SUBREAPER = 36


def build_directory():
    return Path(find_program("posternd")).parents[1]


class Trial(Case):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="try-")
        self.addCleanup(self.directory.cleanup)
        # Started by root, the provider runs as nobody and has to get in.
        os.chmod(self.directory.name, 0o711)

    def start(self, *arguments, build=None):
        """data/try in a process group of its own, with its temporary files in `self.directory`."""
        environment = {key: value for key, value in os.environ.items()
                       if key != "DBUS_SESSION_BUS_ADDRESS"}
        environment.update(TMPDIR=self.directory.name, LC_ALL="C.UTF-8")
        process = subprocess.Popen(
            [str(TOP / "data" / "try"), "--build", str(build or build_directory()), "--mails",
             "100", *arguments], env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def assertNothingLeft(self):
        self.assertEqual(os.listdir(self.directory.name), [])

    def test_check_reads_and_sends_a_message_and_says_what_it_saw(self):
        process = self.start("--check")
        output, problems = process.communicate(timeout=100 * PATIENCE)
        self.assertEqual((process.returncode, problems), (0, ""), output)
        self.assertIn("100 messages in ", output)
        self.assertRegex(output, r"Read by IMAP from 127\.0\.0\.1:\d+: “.+” from .+, \d+ bytes, "
                                 "the same as at the provider")
        self.assertRegex(output, r"Sent by submission to 127\.0\.0\.1:\d+: accepted after .*, "
                                 "delivered at the provider")
        self.assertTrue(output.endswith("All is well.\n"), output)
        self.assertNothingLeft()

    def test_check_says_what_is_wrong_and_fails(self):
        process = self.start("--check", build=self.directory.name)
        output, problems = process.communicate(timeout=30 * PATIENCE)
        self.assertEqual(process.returncode, 1, output)
        self.assertIn(f"data/try: {self.directory.name} holds no complete build", problems)
        self.assertNotIn("Traceback", problems)

    def test_it_stays_until_ctrl_c_and_leaves_no_process_behind(self):
        # Whatever loses its parent becomes a child of this process.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        process = self.start()
        text = ""
        for line in process.stdout:
            text += line
            if line.startswith("Ctrl-C ends it"):
                break
        self.assertIsNone(process.poll(), text)
        self.try_the_curl_commands(text)
        os.killpg(process.pid, signal.SIGINT)
        _, problems = process.communicate(timeout=30 * PATIENCE)
        self.assertEqual((process.returncode, problems), (0, ""))
        self.assertNoChildren()
        self.assertNothingLeft()

    def try_the_curl_commands(self, text):
        """What is offered for copying works as printed."""
        commands = re.findall(r"^    (curl .*\\\n.*)$", text, re.M)
        self.assertEqual(len(commands), 2, text)
        said = [subprocess.run(command, shell=True, check=True, stdout=subprocess.PIPE,
                               timeout=60 * PATIENCE).stdout for command in commands]
        self.assertIn(b"MESSAGES 100", said[0])
        self.assertRegex(said[1], rb"(?im)^Subject: ")
        sending = re.search(r"^    (printf .*\n.*\n.*)$", text, re.M).group(1)
        subprocess.run(sending, shell=True, check=True, timeout=60 * PATIENCE)
        status = re.search(r"^    (.* status)$", text, re.M).group(1)
        self.assertIn(b"demo", subprocess.run(status, shell=True, check=True,
                                              stdout=subprocess.PIPE).stdout)

    def assertNoChildren(self):
        """No process that was started here is alive; the dead may take a moment to be seen so."""
        deadline = time.monotonic() + 5 * PATIENCE
        with contextlib.suppress(ChildProcessError):
            while time.monotonic() < deadline:
                if os.waitpid(-1, os.WNOHANG) == (0, 0):
                    time.sleep(0.05)
            left = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
            self.fail([Path(f"/proc/{pid}/cmdline").read_text() for pid in left])
