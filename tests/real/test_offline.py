# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading goes on when the provider is gone."""

import time
import unittest

from harness import Case, ImapFilter, Link, fill, fill_real
from test_sync import mail, mails


class Offline(Case):
    def setUp(self):
        self.server = self.provider()
        fill_real(self.server, limit=200)
        fill(self.server, mails(5), "Archive")
        self.link = Link(self.server.imaps)
        self.addCleanup(self.link.close)

    def start(self, **settings):
        daemon = self.postern(self.server, incoming_port=self.link.port, **settings)
        return daemon

    def test_a_start_without_network_serves_everything_that_is_cached(self):
        daemon = self.start()
        here = self.local(daemon)
        here.select()
        items = "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY.PEEK[])"
        before = here.fetch("1:*", items)
        found = here.uids("TEXT perl")
        self.assertTrue(all(b"\\Recent" in message["FLAGS"] for message in before.values()))
        daemon.stop()
        self.link.cut()
        daemon.start()
        daemon.wait_state("offline", "error", "connecting")
        here = self.local(daemon)
        here.select()
        # RFC 3501, 2.3.2: "subsequent sessions will not see \Recent set for this message", a
        # restart of the server between them or not.
        for message in before.values():
            message["FLAGS"].remove(b"\\Recent")
        self.assertEqual(here.fetch("1:*", items), before)
        self.assertEqual(here.select("Archive").exists, 5)
        self.assertIn("Sent", here.folders())
        here.select()
        self.assertEqual(here.uids("TEXT perl"), found)
        self.assertTrue(found)

    def test_a_first_start_without_network_waits_for_it(self):
        self.link.cut()
        daemon = self.start(synced=False)
        daemon.wait(lambda: daemon.state()["LastError"], "a reason")
        here = self.local(daemon)
        here.ok('LIST "" "*"')
        self.link.mend()
        daemon.control("online")
        daemon.sync()
        self.assertEqual(self.local(daemon).select().exists, 200)

    def test_a_body_that_is_not_here_is_fetched_when_asked_for(self):
        daemon = self.start(prefetch="headers")
        here = self.local(daemon)
        here.select()
        there = self.upstream(self.server)
        there.select("INBOX", "EXAMINE")
        started = time.monotonic()
        self.assertEqual(here.bodies("1"), there.bodies("1"))
        self.assertLess(time.monotonic() - started, 5)

    def test_a_large_message_that_is_not_here_is_looked_into(self):
        """The first octets of 20 MB are there before all of it is, and byte for byte."""
        large = (b"Subject: large\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
                 b"\r\n--b\r\n\r\nfirst\r\n--b\r\nContent-Type: text/plain\r\n\r\n" +
                 b"".join(b"%08d: so it goes on and on and on\r\n" % i for i in range(500000)) +
                 b"--b--\r\n")
        there = self.upstream(self.server)
        there.append("Archive", large)
        counted = ImapFilter(self.server.imap)
        self.addCleanup(counted.close)
        daemon = self.postern(self.server, incoming="imap+insecure", incoming_port=counted.port,
                              prefetch="headers")
        here = self.local(daemon)
        there.select("Archive", "EXAMINE")
        here.select("Archive")
        before = counted.literals
        for items in ("(UID BODY.PEEK[]<0.65536>)", "(RFC822.SIZE ENVELOPE BODY.PEEK[2]<7000000.300>)",
                      "(BODY.PEEK[TEXT]<100.1000> BODY.PEEK[1]<0.65536> BODY.PEEK[2.MIME]<0.1000>)",
                      "(BODY.PEEK[7]<0.10>)", "(BODY.PEEK[2]<99000000.10>)"):
            self.assertEqual(here.fetch("6", items, uid=False), there.fetch("6", items, uid=False))
        self.assertLess(counted.literals - before, 1000000)
        self.assertEqual(here.fetch("6", "(BODY.PEEK[])", uid=False),
                         there.fetch("6", "(BODY.PEEK[])", uid=False))
        self.assertGreater(counted.literals - before, len(large))

    def test_a_body_that_is_not_here_is_unavailable_offline(self):
        daemon = self.start(prefetch="headers")
        self.link.cut()
        daemon.wait_state("offline", "error", "connecting")
        here = self.local(daemon)
        here.select()
        self.assertEqual(len(here.fetch("1:*", "(ENVELOPE RFC822.SIZE BODYSTRUCTURE "
                                        "BODY.PEEK[HEADER])", uid=False)), 200)
        result = here.command("FETCH 5 (BODY.PEEK[])")
        self.assertEqual(result.status, "NO")
        self.assertIn("[UNAVAILABLE]", result.text)
        self.assertGreater(len(result.text), len("[UNAVAILABLE]") + 10, "a reason is given")
        here.ok("NOOP")

    def test_all_bodies_can_be_had_with_prefetch_headers(self):
        daemon = self.start(prefetch="headers")
        here = self.local(daemon)
        here.select()
        there = self.upstream(self.server)
        there.select("INBOX", "EXAMINE")
        self.assertEqual(list(here.bodies().values()), list(there.bodies().values()))

    def test_a_hanging_provider_does_not_slow_reading(self):
        daemon = self.start()
        self.link.silence()
        self.server.freeze()
        self.addCleanup(self.server.thaw)
        here = self.local(daemon)
        started = time.monotonic()
        here.select()
        here.bodies()
        here.ok("STORE 1:* +FLAGS (\\Seen)")
        here.select("Archive")
        self.assertLess(time.monotonic() - started, 10)

    def test_the_user_may_go_offline_and_stays_so_over_a_restart(self):
        daemon = self.start()
        daemon.control("offline")
        daemon.wait_state("offline")
        there = self.upstream(self.server)
        there.append("INBOX", mail("not yet"))
        daemon.restart()
        daemon.wait_state("offline")
        here = self.local(daemon)
        self.assertEqual(here.select().exists, 200)
        connections = self.link.connections
        time.sleep(1)
        self.assertEqual(self.link.connections, connections, "offline means offline")
        daemon.control("online")
        daemon.sync()
        self.assertEqual(here.select().exists, 201)

    def test_the_network_coming_back_is_noticed_without_being_told(self):
        daemon = self.start()
        self.link.cut()
        daemon.wait_state("offline", "error", "connecting")
        self.upstream(self.server).append("INBOX", mail("after the cut"))
        self.link.mend()
        here = self.local(daemon)
        daemon.wait(lambda: here.select().exists == 201, "the new mail", 60)

    def test_a_daemon_without_a_bus_serves_all_the_same(self):
        daemon = self.start()
        daemon.stop()
        daemon.environment["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/nowhere"
        daemon.start()
        self.assertEqual(self.local(daemon).select().exists, 200)
        self.assertRegex(daemon.log().lower(), "bus")


if __name__ == "__main__":
    unittest.main()
