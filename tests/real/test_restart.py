# SPDX-License-Identifier: GPL-3.0-or-later
"""What looks on while the daemon is started anew: it says so, and goes on with the next one."""

import json
import queue
import subprocess
import threading
import unittest

from harness import PATIENCE, Case, Link, fill, find_program
from test_sync import mail, mails


class Program:
    """posternctl in the background, with the lines that it prints."""

    def __init__(self, postern, *arguments):
        self.process = subprocess.Popen([find_program("posternctl"), "--no-start", *arguments],
                                        env=postern.environment, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)

    def until(self, condition):
        """The first line from now on that meets it."""
        while True:
            line = self.lines.get(timeout=60 * PATIENCE)
            if condition(line):
                return line

    def end(self):
        """(exit status, what it complained of)"""
        status = self.process.wait(60 * PATIENCE)
        return status, self.process.stderr.read()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


class Restart(Case):
    def setUp(self):
        self.server = self.provider()
        fill(self.server, mails(3))
        self.link = Link(self.server.imap)
        self.addCleanup(self.link.close)
        self.daemon = self.postern(self.server, incoming="imap+insecure", outgoing="submission+insecure",
                                   incoming_port=self.link.port)

    def run_beside(self, *arguments):
        program = Program(self.daemon, *arguments)
        self.addCleanup(program.close)
        return program

    def ends(self):
        """A daemon that is stopped, and one that dies."""
        return (self.daemon.stop, self.daemon.kill)

    def watch_until(self, watch, **wanted):
        return json.loads(watch.until(lambda line: all(json.loads(line).get(key) == value
                                                       for key, value in wanted.items())))

    def test_watch_says_so_and_goes_on(self):
        watch = self.run_beside("--json", "watch")
        self.daemon.control("offline")
        self.watch_until(watch, Event="changed")
        for end in self.ends():
            end()
            self.watch_until(watch, Event="ended")
            self.daemon.start()
            self.watch_until(watch, Event="started")
            # How the account is by now, and then what changes.
            now = watch.until(lambda line: "State" in json.loads(line).get("Changed", {}))
            self.assertTrue(json.loads(now)["Path"].endswith("/work"))
            self.daemon.control("online")
            watch.until(lambda line: json.loads(line).get("Changed", {}).get("State") == "idle")
            self.daemon.control("offline")
            self.daemon.wait_state("offline")
        self.assertIsNone(watch.process.poll())

    def test_watch_says_so_to_people(self):
        watch = self.run_beside("watch")
        self.daemon.control("offline")
        watch.until(lambda line: "work" in line)
        self.daemon.restart()
        watch.until(lambda line: "ended" in line)
        watch.until(lambda line: "started" in line)

    def test_who_waits_for_a_round_gets_that_of_the_next_daemon(self):
        for number, end in enumerate(self.ends()):
            self.link.silence()
            waiting = self.run_beside("sync", "--wait", "work")
            self.daemon.wait_state("syncing", "connecting")
            end()
            self.link.speak()
            fill(self.server, [mail(100 + number)])
            self.daemon.start()
            self.assertEqual(waiting.end(), (0, ""))
        self.assertEqual(self.daemon.state()["Messages"], 5)

    def test_who_waits_while_the_account_is_started_anew_gets_its_next_round(self):
        self.link.silence()
        waiting = self.run_beside("sync", "--wait", "work")
        self.daemon.wait_state("syncing", "connecting")
        self.daemon.accounts["work"]["name"] = "Ada Byron"
        self.daemon.write_config()
        self.daemon.reload()
        self.daemon.wait(lambda: self.daemon.state()["Settings"].get("name") == "Ada Byron",
                         "the account to be another")
        fill(self.server, [mail(100)])
        self.link.speak()
        self.assertEqual(waiting.end(), (0, ""))
        self.assertEqual(self.daemon.state()["Messages"], 4)

    def test_who_waits_for_a_daemon_that_stays_away_is_told(self):
        self.link.silence()
        waiting = self.run_beside("sync", "--wait")
        self.daemon.wait_state("syncing", "connecting")
        self.daemon.kill()
        status, words = waiting.end()
        self.assertEqual(status, 3)
        self.assertIn("posternd has ended", words)
        self.link.speak()
        self.daemon.start()


if __name__ == "__main__":
    unittest.main()
