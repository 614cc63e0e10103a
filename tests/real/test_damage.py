# SPDX-License-Identifier: GPL-3.0-or-later
"""A damaged cache is set aside and made anew; what exists only here is carried over, and the user is
told. Local UIDs go on meaning what they meant."""

import sqlite3
import unittest

from harness import Case, Link, fill
from test_sync import mail, mails


class Damage(Case):
    def setUp(self):
        self.server = self.provider()
        fill(self.server, mails(40), flags="")
        self.link = Link(self.server.imap)
        self.addCleanup(self.link.close)
        self.daemon = self.postern(self.server, incoming="imap+insecure",
                                   outgoing="submission+insecure", incoming_port=self.link.port)
        self.there = self.upstream(self.server)
        self.link.cut()
        self.daemon.wait_state("offline", "error")
        here = self.local(self.daemon)
        here.append("INBOX", mail("only here"))
        here.select()
        here.ok("STORE 3 +FLAGS (\\Flagged)")
        here.ok("STORE 4 +FLAGS (\\Deleted)")
        here.ok("EXPUNGE")
        self.validity = here.select().code("UIDVALIDITY")
        self.before = here.bodies()
        here.close()
        self.database = self.daemon.data / "accounts" / "work" / "mail.db"

    def damage(self, index="placement_message"):
        """Overwrites an index's root page: any use of it says that the database is damaged."""
        connection = sqlite3.connect(self.database)
        root, = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?",
                                   (index,)).fetchone()
        size, = connection.execute("PRAGMA page_size").fetchone()
        connection.close()
        with open(self.database, "r+b") as file:
            file.seek((root - 1) * size)
            file.write(b"\xa5" * size)

    def aside(self):
        return sorted(self.database.parent.glob("mail.db.damaged-*[0-9]"))

    def assert_rebuilt(self):
        """Told, and all there: what is only here at once, the rest when the provider is back."""
        problems = self.daemon.wait(lambda: self.daemon.control("status")["Problems"],
                                    "the user to be told")
        self.assertIn("damaged", problems[0])
        self.assertIn(str(self.aside()[0]), problems[0])
        self.assertIn("damaged", self.daemon.control("status", json_output=False))
        here = self.local(self.daemon)
        self.assertEqual(here.select().code("UIDVALIDITY"), self.validity)
        self.assertEqual(here.uids(), sorted(self.before))
        newest = max(self.before)
        self.assertEqual(here.bodies(str(newest)), {newest: mail("only here")})
        self.link.mend()
        self.daemon.sync()
        self.daemon.sync()
        here = self.local(self.daemon)
        here.select()
        self.assertEqual(here.bodies(), self.before)
        self.there.select()
        self.assertEqual(sorted(self.there.bodies().values()), sorted(self.before.values()))
        self.assertEqual(len(self.there.uids("FLAGGED")), 1)
        self.assertEqual(self.daemon.pending(), 0)
        self.assertEqual(len(self.aside()), 1)
        self.aside()[0].unlink()
        self.daemon.restart()
        self.assertEqual(self.daemon.control("status")["Problems"], [])

    def test_damage_that_shows_at_run_time(self):
        self.daemon.stop()
        self.damage()
        self.daemon.start()
        here = self.daemon.imap()
        here.select()
        try:
            here.command("COPY 1 INBOX")
            here.command("EXPUNGE")
        except (EOFError, OSError):
            pass
        here.close()
        self.assert_rebuilt()

    def test_damage_that_a_crash_has_left(self):
        self.daemon.kill()
        self.damage()
        # A WAL that isn't empty is how a crash looks.
        wal = self.database.with_name("mail.db-wal")
        if not wal.exists() or not wal.stat().st_size:
            wal.write_bytes(b"\0" * 32)
        self.daemon.start()
        self.assert_rebuilt()

    def test_damage_noted_by_a_daemon_that_died_of_it(self):
        self.daemon.stop()
        (self.database.parent / "damaged").touch()
        self.daemon.start()
        self.assert_rebuilt()
        self.assertFalse((self.database.parent / "damaged").exists())


class Copy(Case):
    def test_a_restored_copy_is_noticed_and_numbered_anew(self):
        self.restored(lambda backup, database: backup.replace(database))

    def test_an_older_state_over_the_same_file_is_noticed_and_numbered_anew(self):
        self.restored(lambda backup, database: database.write_bytes(backup.read_bytes()))

    def restored(self, restore):
        server = self.provider()
        fill(server, mails(5), flags="")
        daemon = self.postern(server, incoming="imap+insecure", outgoing="submission+insecure")
        database = daemon.data / "accounts" / "work" / "mail.db"

        def shown():
            here = self.local(daemon)
            return here.select().code("UIDVALIDITY"), here.bodies()
        validity, bodies = shown()
        daemon.stop()
        backup = database.with_name("backup")
        backup.write_bytes(database.read_bytes())
        daemon.start()
        self.assertEqual(shown()[0], validity, "a restart changes nothing")
        # After the backup a message gets the next UID, and then the backup comes back.
        here = self.local(daemon)
        here.append("INBOX", mail("lost with the disk"))
        daemon.sync()  # so that the provider has it before nothing gets there any more
        daemon.control("offline")
        here.append("INBOX", mail("shown under the next UID"))
        daemon.stop()
        restore(backup, database)
        daemon.start()
        self.assertIn("copy", daemon.control("status")["Problems"][0])
        self.assertGreater(int(shown()[0]), int(validity))
        daemon.control("online")
        daemon.sync()
        self.assertEqual(sorted(shown()[1].values()),
                         sorted([*bodies.values(), mail("lost with the disk")]))
        daemon.restart()
        self.assertEqual(daemon.control("status")["Problems"], [])


if __name__ == "__main__":
    unittest.main()
