# SPDX-License-Identifier: GPL-3.0-or-later
"""A large cache that is brought up to date, or made anew, while the daemon starts: how far it has come is to be
seen, who asks for it waits, the other account isn't held up, and a stop doesn't wait for the end."""

import json
import sqlite3
import unittest

from harness import LONG, PATIENCE, Case, RawImap, account, fill
from test_restart import Program
from test_start import Asked
from test_sync import mails

ROWS = 1000000 if LONG else 300000


class Busy(Case):
    def setUp(self):
        self.server = self.provider()
        fill(self.server, mails(3))
        self.daemon = self.postern(accounts={"work": account(self.server), "other": account(self.server)},
                                   synced=False)
        for one in ("work", "other"):
            self.daemon.sync(one)
            self.daemon.new_password(one)
        self.directory = self.daemon.data / "accounts" / "work"

    def sql(self, script):
        database = sqlite3.connect(self.directory / "mail.db")
        try:
            database.executescript(script)
            return database.execute("PRAGMA user_version").fetchone()[0]
        finally:
            database.close()

    def numbers(self):
        return f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})"

    def make_old(self):
        """Left by an earlier version, with much text that is to be made anew."""
        self.sql(f"BEGIN; {self.numbers()} INSERT OR IGNORE INTO message (id, state) SELECT 1000000 + i, 2 FROM n;"
                 f"{self.numbers()} INSERT OR IGNORE INTO text_data SELECT 1000000 + i, zeroblob(200) FROM n;"
                 # What later versions have added goes.
                 "DROP TABLE IF EXISTS note; PRAGMA user_version = 13; COMMIT")

    def make_damaged(self):
        """Marked as damaged, with much that is to be carried over."""
        self.sql(f"BEGIN; {self.numbers()} INSERT OR IGNORE INTO message (id, state) SELECT 1000000 + i, 0 FROM n;"
                 f"{self.numbers()} INSERT OR IGNORE INTO placement SELECT (SELECT id FROM folder WHERE name = 'INBOX'),"
                 " 1000 + i, 1, 0, 0, 1000, 1000000 + i, 0, 100, 0, 0, 0, 0, 0, 1, 100000 + i, 0, 0"
                 f" FROM n WHERE i % 4 = 0; UPDATE folder SET alive = {3 + ROWS // 4},"
                 f" uidnext = {ROWS + 2000} WHERE name = 'INBOX'; COMMIT")
        (self.directory / "damaged").touch()

    def changes(self, watch):
        """What the next line says of the account."""
        line = json.loads(watch.until(lambda line: json.loads(line)["Path"].endswith("/work")))
        return line.get("Changed", {})

    def begun(self, watch, activity):
        while activity != self.changes(watch).get("Activity"):
            pass

    def shares(self, watch):
        """How far it was said to have come, until it was done."""
        shares, state = [], {"State": "opening"}
        while state["State"] == "opening":
            changed = self.changes(watch)
            state.update(changed)
            if "Progress" in changed and state["State"] == "opening":
                shares.append(changed["Progress"])
        self.assertEqual(state["Activity"], "")
        return shares

    def check(self, prepare, activity):
        watch = Program(self.daemon, "--json", "watch")
        self.addCleanup(watch.close)
        self.daemon.control("offline")
        self.daemon.wait_state("offline")
        user, password = self.daemon.login()
        self.assertEqual(self.daemon.stop(), 0)
        prepare()
        self.daemon.start()
        self.begun(watch, activity)
        # A stop doesn't wait for the end; nor does it take it for a failure.
        self.assertEqual(self.daemon.stop(), 0)
        self.assertNotIn("can't be opened", self.daemon.log())
        prepare()  # where it was quicker
        self.daemon.start()
        client = RawImap(self.daemon.ports["imap"], timeout=60 * PATIENCE)
        self.addCleanup(client.close)
        waits = Asked("work", lambda: client.command(f"LOGIN {user} {password}"))
        other = RawImap(self.daemon.ports["imap"], timeout=60 * PATIENCE)
        self.addCleanup(other.close)
        other.login(*self.daemon.login("other"))
        other.ok("SELECT INBOX")
        self.assertEqual(len(other.bodies()), 3)
        self.begun(watch, activity)
        text = self.daemon.control("status", json_output=False)
        if self.daemon.state()["State"] == "opening":
            self.assertRegex(text, rf"work: {activity}")
        shares = self.shares(watch)
        self.assertEqual(shares, sorted(shares))
        self.assertGreater(len(shares), 1)
        waits.join(60 * PATIENCE)
        # On a slow machine it may take longer than a login waits.
        self.assertIn((waits.answer.status, "[UNAVAILABLE]" in waits.answer.text), (("OK", False), ("NO", True)))

    def test_a_cache_of_an_earlier_version(self):
        newest = self.sql("SELECT 1")
        self.check(self.make_old, "updating the mail cache")
        self.daemon.stop()
        self.assertEqual(self.sql("SELECT 1"), newest)
        self.daemon.start()

    def test_a_damaged_cache(self):
        self.check(self.make_damaged, "making the mail cache anew")
        self.assertIn("damaged", "".join(self.daemon.control("status")["Problems"]))
        self.daemon.wait(lambda: self.daemon.state()["Messages"] == 3 + ROWS // 4, "all to be counted")


if __name__ == "__main__":
    unittest.main()
