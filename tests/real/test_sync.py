# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes at the provider reaches the cache, and what a client changes reaches the provider: with
QRESYNC, with CONDSTORE only, and with neither."""

import random
import time
import unittest

from harness import LONG, PATIENCE, Case, ControlError, Link, account, fill, fill_real
from harness.syncaccount import SyncAccount


def mail(number, text="hello"):
    return (f"From: bob@example.org\r\nTo: ada@example.org\r\nSubject: Mail {number}\r\n"
            f"Message-ID: <{number}@sync.test>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n"
            f"\r\n{text} {number}\r\n").encode()


def mails(count):
    return [mail(i) for i in range(count)]


class Synchronizing:
    """The tests; the classes below run them against three kinds of server."""

    without = ()
    prefetch = "all"

    def setUp(self):
        self.server = self.provider(without=self.without)
        fill(self.server, mails(50), flags="")
        self.link = Link(self.server.imaps)
        self.addCleanup(self.link.close)
        self.daemon = self.postern(self.server, incoming_port=self.link.port,
                                   prefetch=self.prefetch)
        self.there = self.upstream(self.server)
        self.here = self.local(self.daemon)

    def same(self, folder="INBOX"):
        """Asserts that a folder holds the same mail with the same flags on both sides."""
        self.there.select(folder, "EXAMINE")
        here = self.local(self.daemon)
        here.select(folder, "EXAMINE")
        theirs, ours = self.there.bodies(), here.bodies()
        self.assertEqual(sorted(theirs.values()), sorted(ours.values()))
        def by_mail(bodies, flags):
            return sorted((bodies[uid], sorted(flags[uid])) for uid in bodies)
        self.assertEqual(by_mail(theirs, self.there.flags()), by_mail(ours, here.flags()))

    def eventually_same(self, folder="INBOX"):
        self.daemon.sync()
        self.same(folder)

    def eventually(self, condition, what, timeout=20):
        return self.daemon.wait(condition, what, timeout)

    def cut(self):
        self.link.cut()
        self.daemon.wait_state("offline", "error", "connecting")

    def mend(self):
        self.link.mend()
        self.daemon.control("online")

    # Provider to client

    def test_the_first_sync_brings_everything(self):
        self.same()

    def test_new_mail_is_pushed_to_an_idling_client(self):
        self.here.select()
        self.here.idle()
        self.there.append("INBOX", mail("pushed"))
        line = self.here.wait_line(r"EXISTS", 10 * PATIENCE)
        self.assertTrue(line.startswith(b"* 51 "), line)
        self.here.done()
        self.assertIn(mail("pushed"), self.here.bodies().values())

    def test_flags_set_at_the_provider_are_pushed_to_an_idling_client(self):
        self.here.select()
        self.here.idle()
        self.there.select()
        self.there.ok("STORE 7 +FLAGS (\\Flagged $Label2)")
        line = self.here.wait_line(r"^\* 7 FETCH", 10 * PATIENCE)
        self.assertIn(b"\\Flagged", line)
        self.assertIn(b"$Label2", line)
        self.here.done()

    def test_an_expunge_at_the_provider_is_pushed_to_an_idling_client(self):
        self.here.select()
        self.here.idle()
        self.there.select()
        self.there.ok("STORE 3 +FLAGS (\\Deleted)")
        self.there.ok("EXPUNGE")
        self.here.wait_line(r"^\* 3 EXPUNGE", 10 * PATIENCE)
        self.here.done()
        self.same()

    def test_what_happened_upstream_during_a_cut_arrives_afterwards(self):
        self.cut()
        self.there.select()
        self.there.ok("STORE 1:10 +FLAGS (\\Seen)")
        self.there.ok("STORE 11:20 +FLAGS (\\Deleted)")
        self.there.ok("EXPUNGE")
        fill(self.server, [mail(f"late {i}") for i in range(15)], flags="\\Flagged")
        self.there.ok("STORE 40 +FLAGS (KeyWord)")
        self.mend()
        self.eventually_same()

    def test_what_happened_upstream_while_the_daemon_was_down_arrives(self):
        self.here.select()
        before = {data: uid for uid, data in self.here.bodies().items()}
        self.daemon.stop()
        self.there.select()
        self.there.ok("STORE 2:4,9 +FLAGS (\\Deleted)")
        self.there.ok("EXPUNGE")
        self.there.ok("STORE 1:5 +FLAGS (\\Answered)")
        fill(self.server, [mail("next morning")])
        self.daemon.start()
        self.eventually_same()
        here = self.local(self.daemon)
        here.select()
        for uid, data in here.bodies().items():
            self.assertEqual(before.get(data, uid), uid, "a UID changed its meaning")

    def test_a_folder_that_was_emptied_isnt_believed_at_once(self):
        """The provider may have lost sight of it for a minute: it is said, and nothing is lost meanwhile. That
        it is believed later is in test_set_aside, by a clock of its own."""
        self.daemon.stop()
        self.there.select()
        self.there.ok("STORE 1:* +FLAGS (\\Deleted)")
        self.there.ok("EXPUNGE")
        self.daemon.start()
        with self.assertRaises(ControlError) as caught:
            self.daemon.sync()
        self.assertIn("seems to have lost", str(caught.exception))
        here = self.local(self.daemon)
        self.assertEqual(here.select().exists, 50)

    def test_folders_come_and_go_with_the_providers(self):
        self.there.ok('CREATE "Projects/Engine"')
        self.there.append("Projects/Engine", mail("in a new folder"), "\\Seen")
        self.daemon.sync()
        self.same("Projects/Engine")
        self.assertIn("Projects/Engine", self.here.folders())
        self.there.ok('RENAME "Projects/Engine" "Projects/Analytical"')
        self.daemon.sync()
        self.same("Projects/Analytical")
        self.assertNotIn("Projects/Engine", self.here.folders())
        self.there.ok('DELETE "Projects/Analytical"')
        self.daemon.sync()
        self.daemon.sync()
        self.assertNotIn("Projects/Analytical", self.here.folders())

    def test_other_folders_are_kept_up_to_date(self):
        fill(self.server, mails(20), "Archive", flags="")
        self.eventually_same("Archive")
        self.there.select("Archive")
        self.there.ok("STORE 1:5 +FLAGS (\\Flagged)")
        self.there.ok("STORE 6:7 +FLAGS (\\Deleted)")
        self.there.ok("EXPUNGE")
        self.there.append("Archive", mail("more"))
        self.eventually_same("Archive")

    # Client to provider

    def flags_there(self, number):
        self.there.ok("NOOP")
        return {flag.lower() for flag in
                self.there.fetch(number, "(FLAGS)", uid=False)[number]["FLAGS"]}

    def test_flags_a_client_sets_reach_the_provider(self):
        self.here.select()
        self.there.select()
        self.here.ok("STORE 5 +FLAGS (\\Seen \\Flagged Urgent)")
        self.eventually(lambda: {b"\\seen", b"\\flagged", b"urgent"} <= self.flags_there(5),
                        "the flags to reach the provider")
        self.here.ok("STORE 5 -FLAGS (\\Flagged Urgent)")
        self.eventually(lambda: not {b"\\flagged", b"urgent"} & self.flags_there(5),
                        "the flags to leave the provider")
        self.assertIn(b"\\seen", self.flags_there(5))

    def test_flags_set_offline_reach_the_provider_later(self):
        self.cut()
        self.here.select()
        self.here.ok("STORE 1:25 +FLAGS (\\Seen)")
        self.here.ok("STORE 26:30 +FLAGS (\\Answered Later)")
        self.here.ok("STORE 30 -FLAGS (Later)")
        self.eventually(lambda: self.daemon.pending() > 0, "the changes to be counted")
        self.mend()
        self.eventually_same()
        self.there.select()
        self.assertEqual(len(self.there.uids("SEEN")), 25)
        self.assertEqual(len(self.there.uids("KEYWORD Later")), 4)
        self.assertEqual(self.daemon.pending(), 0)

    def test_flags_set_offline_survive_kill_9(self):
        self.cut()
        self.here.select()
        self.here.ok("STORE 1:10 +FLAGS (\\Flagged)")
        self.daemon.kill()
        self.daemon.start()
        self.mend()
        self.eventually_same()
        self.there.select()
        self.assertEqual(len(self.there.uids("FLAGGED")), 10)

    def test_flags_changed_on_both_sides_merge_bit_by_bit(self):
        self.cut()
        self.here.select()
        self.here.ok("STORE 1 +FLAGS (\\Seen)")
        self.here.ok("STORE 2 +FLAGS (Mine)")
        self.there.select()
        self.there.ok("STORE 1 +FLAGS (\\Flagged)")
        self.there.ok("STORE 2 +FLAGS (\\Answered Theirs)")
        self.mend()
        self.eventually_same()
        self.there.select()
        self.assertLessEqual({b"\\seen", b"\\flagged"}, self.flags_there(1))
        self.assertLessEqual({b"mine", b"\\answered", b"theirs"}, self.flags_there(2))

    def test_undoing_a_change_offline_sends_nothing(self):
        self.cut()
        self.here.select()
        self.here.ok("STORE 1:50 +FLAGS (\\Seen)")
        self.here.ok("STORE 1:50 -FLAGS (\\Seen)")
        # What the bus shows is brought up to date a moment later.
        self.eventually(lambda: self.daemon.pending() == 0, "nothing to be pending")
        self.mend()
        self.eventually_same()

    def test_reading_marks_as_read_at_the_provider(self):
        self.here.select()
        self.there.select()
        self.here.fetch(self.here.uids("8")[0], "(BODY[])")
        self.eventually(lambda: b"\\seen" in self.flags_there(8), "\\Seen to reach the provider")


class WithQresync(Synchronizing, Case):
    pass


class WithCondstoreOnly(Synchronizing, Case):
    without = ("QRESYNC",)


class WithNeither(Synchronizing, Case):
    without = ("QRESYNC", "CONDSTORE")


class WithoutIdle(Case):
    def test_new_mail_is_found_by_sync_where_the_provider_has_no_idle(self):
        server = self.provider(without=("IDLE", "NOTIFY"))
        fill(server, mails(5))
        daemon = self.postern(server)
        there = self.upstream(server)
        there.append("INBOX", mail("without idle"))
        daemon.sync()
        here = self.local(daemon)
        here.select()
        self.assertIn(mail("without idle"), here.bodies().values())


class StartTls(Case):
    def test_a_provider_with_starttls_is_synced(self):
        server = self.provider()
        fill(server, mails(5))
        daemon = self.postern(server, incoming="imap", outgoing="submission")
        here = self.local(daemon)
        self.assertEqual(here.select().exists, 5)

    def test_a_loopback_provider_without_tls_is_synced(self):
        server = self.provider()
        fill(server, mails(5))
        daemon = self.postern(server, incoming="imap+insecure", outgoing="submission+insecure")
        here = self.local(daemon)
        self.assertEqual(here.select().exists, 5)


class Reconnecting(Case):
    def test_offline_and_online_at_once_is_followed_by_a_round(self):
        server = self.provider()
        fill(server, mails(3))
        link = Link(server.imap)
        self.addCleanup(link.close)
        account = SyncAccount(link.port)
        self.addCleanup(account.close)
        account("sync")
        self.upstream(server).append("INBOX", mail("meanwhile"))
        # What watches INBOX notices, and the round that follows hangs while it connects.
        link.silence()
        before = link.connections
        link.drop_connections()
        self.wait(lambda: link.connections > before, "it to connect")
        account.tell("offline", "online")
        link.speak()
        self.wait(lambda: len(account.messages("INBOX")) == 4, "the round that nobody asked for")

    def test_so_is_a_moment_offline_while_nothing_was_to_be_done(self):
        server = self.provider()
        account = SyncAccount(server.imap)
        self.addCleanup(account.close)
        account("sync")
        there = self.upstream(server)
        for number in range(10):
            there.ok(f"CREATE Moment{number}")
            account.tell("offline", "online")
            self.wait(lambda: f"Moment{number}" in account.folders(), "the round that nobody asked for")

    def wait(self, condition, what):
        deadline = time.monotonic() + 20 * PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), deadline, f"waited for {what}")
            time.sleep(0.02)


class OtherHierarchies(Case):
    def test_separator_and_prefix_are_the_providers(self):
        server = self.provider(separator=".", prefix="INBOX.")
        fill(server, mails(3), "INBOX.Lists.Deep")
        daemon = self.postern(server)
        here = self.local(daemon)
        self.assertEqual(here.select("INBOX.Lists.Deep").exists, 3)
        line = here.ok('LIST "" ""').untagged[0]
        self.assertIn(b'"."', line)

    def test_two_accounts_do_not_mix(self):
        server = self.provider(users={"ada@example.org": "one", "bob@example.org": "two"})
        fill(server, mails(3), user="ada@example.org")
        fill(server, mails(7), user="bob@example.org")
        daemon = self.postern(accounts={"ada": account(server, "ada@example.org"),
                                        "bob": account(server, "bob@example.org")}, synced=False)
        daemon.sync("ada")
        daemon.sync("bob")
        self.assertEqual(self.local(daemon, "ada").select().exists, 3)
        self.assertEqual(self.local(daemon, "bob").select().exists, 7)


class FirstSync(Case):
    def test_a_first_sync_that_is_killed_again_and_again_completes(self):
        server = self.provider()
        total = fill_real(server, limit=6046 if LONG else 2500)
        daemon = self.postern(server, synced=False)
        seen = {}
        chance = random.Random(7)
        for _ in range(30 if LONG else 8):
            time.sleep(chance.uniform(0.05, 0.6))
            self.remember(daemon, seen)
            daemon.kill()
            daemon.start()
        daemon.sync(timeout=600)
        here, there = self.local(daemon), self.upstream(server)
        self.assertEqual(here.select().exists, total)
        there.select("INBOX", "EXAMINE")
        ours = here.bodies()
        self.assertEqual(list(ours.values()), list(there.bodies().values()))
        headers = here.fetch("1:*", "(UID RFC822.SIZE)")
        for uid, size in seen.items():
            self.assertIn(uid, headers, "a UID that was shown is gone")
            self.assertEqual(headers[uid]["RFC822.SIZE"], size, "a UID changed its meaning")

    def test_a_first_sync_over_a_breaking_line_completes(self):
        server = self.provider()
        total = fill_real(server, limit=600)
        link = Link(server.imaps)
        self.addCleanup(link.close)
        daemon = self.postern(server, synced=False, incoming_port=link.port)
        for count in (100, 3000, 20000, 150000, 400000):
            link.cut_after("down", count)
            daemon.wait(lambda: link.cuts or link.bytes["down"] > 3000000, "the cut", 60)
            link.cuts = 0
            daemon.control("online")
        daemon.sync(timeout=300)
        here, there = self.local(daemon), self.upstream(server)
        self.assertEqual(here.select().exists, total)
        there.select("INBOX", "EXAMINE")
        self.assertEqual(list(here.bodies().values()), list(there.bodies().values()))

    def remember(self, daemon, seen):
        """Notes the UIDs and sizes that a client sees now, as far as there are any."""
        here = daemon.imap()
        try:
            result = here.command("SELECT INBOX")
            if result.status == "OK" and not any(line.startswith(b"0 EXISTS")
                                                 for line in result.untagged):
                for uid, items in here.fetch("1:50", "(UID RFC822.SIZE)", uid=False).items():
                    seen[int(items["UID"])] = items["RFC822.SIZE"]
        finally:
            here.close()


if __name__ == "__main__":
    unittest.main()
