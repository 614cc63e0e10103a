# SPDX-License-Identifier: GPL-3.0-or-later
"""Providers' habits: each is a switch of the fake server (harness/faults.py), shown to do harm without its quirk,
and none with it, from wherever the quirk is known: providers.ini, what the server says of itself, or `quirks=`."""

import itertools
import re
import time
import unittest
from pathlib import Path

from harness import LONG, Case, FakeImap, faults
from harness.fakeimap import plain_name
from test_set_aside import Fake, mail

TABLE = Path(__file__).resolve().parents[2] / "data" / "providers.ini"


class Quirks(Fake):
    def begin(self, settings="", providers=None, without=(), also=(), greeting=None, fault=None):
        """A new server with five messages and a new account before it."""
        self.without, self.also, self.settings, self.providers = without, also, settings, providers
        self.setUp()
        if greeting:
            self.server.greeting = greeting
        if fault:
            self.server.faults = [fault]
        self.fill()

    def said(self, start):
        return [line for _, line in self.server.commands if line.upper().startswith(start)]

    def names(self):
        return {f"m{number}" for number in range(1, 6)}

    def test_id_comes_before_a_folder_is_opened(self):
        self.begin(without=("ID",), fault=faults.UnsafeLogin())
        self.sync()
        self.assertEqual(self.here(), {})
        self.server.strict = False
        self.begin("quirks=id-first", without=("ID",), fault=faults.UnsafeLogin())
        self.assertIsNone(self.sync())
        self.assertEqual(set(self.here()), self.names())

    def test_few_commands_are_under_way_where_more_are_refused(self):
        for most in (1, 2, 7):
            self.begin(f"quirks=pipeline={most}", without=("LIST-STATUS",), fault=faults.InFlight(most))
            for number in range(30):
                self.server.create(f"F{number}")
            self.assertIsNone(self.sync())
            self.assertEqual(set(self.here()), self.names())
            self.assertLessEqual(self.server.faults[0].seen, most)
        self.begin(without=("LIST-STATUS",), fault=faults.InFlight(100))
        for number in range(60):
            self.server.create(f"F{number}")
        self.assertIsNone(self.sync())
        self.assertLessEqual(self.server.faults[0].seen, 25)
        self.assertGreater(self.server.faults[0].seen, 2)

    def test_without_qresync_a_wrong_vanished_costs_nothing(self):
        for settings, providers, also in (("quirks=no-qresync", None, ()), ("", TABLE, ("XAPPLEPUSHSERVICE",)),
                                          ("quirks=no-condstore", None, ())):
            with self.subTest(settings=settings, providers=providers):
                self.begin(settings, providers, also=also, fault=faults.VanishedWrongly())
                self.assertIsNone(self.sync())
                self.server.put("INBOX", mail("n1"))
                self.account("advance", 1000)
                self.assertIsNone(self.sync())
                self.assertEqual(set(self.here()), self.names() | {"n1"})
                self.assertEqual(self.said("ENABLE"), [])

    def test_what_is_not_to_be_used_is_not_used(self):
        """Each capability that can be taken away: what uses it is said without the quirk and not with it, and all is well
        both times."""
        for quirk, command, also in (
                ("no-move", r"UID MOVE ", ()), ("no-qresync", r"ENABLE ", ()), ("no-namespace", r"NAMESPACE", ()),
                ("no-uidplus", r"UID EXPUNGE ", ()), ("no-unselect", r"UNSELECT", ()), ("no-acl", r"MYRIGHTS ", ("ACL",)),
                ("no-list-extended", r"LIST \(SUBSCRIBED\)", ()), ("no-list-status", r"LIST .* STATUS \(", ()),
                ("no-special-use", r"LIST .*SPECIAL-USE", ()), ("no-condstore", r".*(CONDSTORE|CHANGEDSINCE|MODSEQ)", ()),
                ("no-objectid", r".*(EMAILID|MAILBOXID)", ("OBJECTID",)), ("no-quota", r"GETQUOTAROOT ", ("QUOTA",))):
            said = []
            for settings in ("", f"quirks={quirk}"):
                with self.subTest(quirk=quirk, settings=settings):
                    # Without MOVE a move is a COPY and an EXPUNGE.
                    self.begin(settings, also=also, without=("MOVE",) if quirk == "no-uidplus" else ())
                    self.assertIsNone(self.sync())
                    self.account("move", "INBOX", 1, "Archive")
                    self.account("sync")
                    self.assertIsNone(self.account.settle(4))
                    self.assertEqual(set(self.there("Archive")), {"m1"}, quirk)
                    self.assertEqual(set(self.here()), self.names() - {"m1"}, quirk)
                    said.append(any(re.match(command, line, re.I) for _, line in self.server.commands))
            self.assertEqual(said, [True, False], quirk)

    def test_the_users_word_is_the_last(self):
        """A quirk of the table is taken back by the name without no-."""
        self.begin("", TABLE, also=("XAPPLEPUSHSERVICE",))
        self.assertIsNone(self.sync())
        self.assertEqual(self.said("ENABLE"), [])
        self.begin("quirks=qresync,condstore", TABLE, also=("XAPPLEPUSHSERVICE",))
        self.assertIsNone(self.sync())
        self.assertNotEqual(self.said("ENABLE"), [])

    def test_estimated_sizes_tell_no_messages_apart(self):
        """Each time another size; after a UIDVALIDITY reset nothing comes a second time, no body is fetched again."""
        numbers = itertools.count(100)
        for settings, providers, greeting in (("quirks=estimated-sizes", None, None),
                                              ("", TABLE, "OK The Microsoft Exchange IMAP4 service is ready. [ABC]")):
            self.begin(settings, providers, greeting=greeting,
                       fault=faults.Item("RFC822.SIZE", lambda _: b"%d" % next(numbers)))
            self.assertIsNone(self.sync())
            self.account.settle(4)
            before = self.account.messages("INBOX")
            fetched = dict(self.server.fetched)
            self.server.renumber("INBOX", first=500)
            self.assertIsNone(self.sync())
            self.assertIsNone(self.account.settle(4))
            self.assertEqual(self.account.messages("INBOX"), before)
            self.assertEqual(sum(self.server.fetched.values()), sum(fetched.values()))

    def test_all_mail_is_fetched_when_the_labels_are_here(self):
        self.begin("quirks=all-mail-last")
        self.server.create("All", ["\\All"])
        for number in range(300):
            self.server.put("All", mail(f"a{number}"), date="25-Nov-2026 10:00:00 +0000")  # the newest of all
            self.server.put("Work", mail(f"w{number}"))
        self.assertIsNone(self.sync())
        self.assertIsNone(self.account.settle(4))
        order = [folder for folder, _ in self.server.fetched]
        self.assertEqual(order.count("All"), 300)
        self.assertGreater(order.index("All"), 100)  # the last piece of the labels may still be under way


class Daemon(Case):
    """What only a whole daemon does."""

    def begin(self, quirks="", synced=True):
        self.fake = FakeImap()
        self.addCleanup(self.fake.close)
        self.fake.put("INBOX", mail("m1"))
        return self.postern(accounts={"work": {
            "address": "ada@example.org", "password-command": "echo lovelace", "quirks": quirks,
            "incoming": f"imap+insecure://127.0.0.1:{self.fake.imap}"}}, synced=synced)

    def said(self, command):
        return [line for _, line in self.fake.commands if line.upper().startswith(command)]

    def test_without_idle_none_is_begun(self):
        for quirks in ("", "no-idle"):
            daemon = self.begin(quirks)
            daemon.control("sync", "--wait")
            # Whoever watches INBOX has a connection of its own, on which nothing else is said.
            daemon.wait(lambda: self.said("EXAMINE"), "INBOX to be watched")
            if not quirks:
                daemon.wait(lambda: self.said("IDLE"), "IDLE")
            daemon.control("sync", "--wait")
            self.assertEqual(bool(self.said("IDLE")), not quirks)
            daemon.close()

    @unittest.skipUnless(LONG, "takes a minute")
    def test_idle_is_begun_anew_after_so_many_minutes(self):
        daemon = self.begin("idle-minutes=1")
        daemon.wait(lambda: self.said("IDLE"), "IDLE")
        begun = time.monotonic()
        daemon.wait(lambda: len(self.said("IDLE")) > 1, "IDLE anew", 90)
        self.assertGreater(time.monotonic() - begun, 55)

    def test_a_name_that_is_none_is_said(self):
        daemon = self.begin("no-qresync,no-such-thing", synced=False)
        state = daemon.wait_state("error")
        self.assertIn("no-such-thing", state["LastError"])
        self.assertIn("quirks", state["LastError"])


class Shown(Case):
    """What is found, and what the user says of it, is in `account show`."""

    def upstream_of(self, own="", table=None, **server):
        fake = FakeImap(**server)
        self.addCleanup(fake.close)
        daemon = self.postern(accounts={"work": {"address": "ada@example.org", "password-command": "echo lovelace",
                                                 "incoming": f"imap+insecure://127.0.0.1:{fake.imap}", "quirks": own}},
                              start=False)
        if table:
            (daemon.config.parent / "providers.ini").write_text(table.replace("PORT", str(fake.imap)))
        daemon.start()
        daemon.control("sync", "--wait")
        upstream = daemon.control("account", "show", "work")["Upstream"]
        return upstream["Provider"], upstream["Quirks"]

    def test_by_what_the_server_says(self):
        table = "[server x]\ncapability=XAPPLEPUSHSERVICE\nquirks=no-qresync;pipeline=7\n" \
                "[server y]\nid=fake\nquirks=idle-minutes=4\n"
        self.assertEqual(self.upstream_of(table=table, also=("XAPPLEPUSHSERVICE",)), ("server x", ["no-qresync", "pipeline=7"]))
        self.assertEqual(self.upstream_of(table=table), ("server y", ["idle-minutes=4"]))
        self.assertEqual(self.upstream_of(table=table, without=("ID",)), ("", []))

    def test_by_the_servers_name_and_the_users_word(self):
        table = "[mine]\nincoming=imap+insecure://127.0.0.1:PORT\nsent=provider\nquirks=no-move;pipeline=3\n" \
                "[server y]\nid=fake\nquirks=idle-minutes=4\n"
        self.assertEqual(self.upstream_of(table=table), ("mine", ["files-sent", "no-move", "pipeline=3"]))
        self.assertEqual(self.upstream_of("move,no-files-sent pipeline=0;no-idle", table), ("mine", ["no-idle"]))
        self.assertEqual(self.upstream_of("no-idle"), ("", ["no-idle"]))


class Connections(Case):
    def test_no_more_than_the_provider_allows(self):
        for most in (2, 3, 4):
            fake = FakeImap()
            self.addCleanup(fake.close)
            for number in range(200):
                fake.put("INBOX", mail(f"m{number}", size=2000))
            fake.faults = [faults.FewConnections(most)]
            daemon = self.postern(accounts={"work": {
                "address": "ada@example.org", "password-command": "echo lovelace", "quirks": f"connections={most}",
                "incoming": f"imap+insecure://127.0.0.1:{fake.imap}"}})
            daemon.control("sync", "--wait")
            imap = self.local(daemon)
            imap.ok("SELECT INBOX")
            imap.ok("UID FETCH 1:* (BODY.PEEK[])")
            daemon.wait(lambda: daemon.state()["Missing"] == 0, "all is here")
            self.assertEqual(fake.faults[0].hits, 0)
            self.assertLessEqual(fake.faults[0].seen, most)


class Roles(Case):
    """What folders are for is told to clients, though the server doesn't say it (no SPECIAL-USE)."""

    def begin(self, *folders, without=("SPECIAL-USE",), synced=True, **settings):
        fake = FakeImap(without=without)
        self.addCleanup(fake.close)
        if without:
            for name in ("Sent", "Drafts", "Trash"):
                del fake.folders[name]
        for name in folders:
            fake.create(name)
        self.fake = fake
        daemon = self.postern(accounts={"work": {"address": "ada@example.org", "password-command": "echo lovelace",
                                                 "incoming": f"imap+insecure://127.0.0.1:{fake.imap}", **settings}},
                              synced=synced)
        if synced:
            daemon.control("sync", "--wait")
        return daemon

    def roles(self, daemon):
        answer = self.local(daemon).command('LIST (SPECIAL-USE) "" "*"')
        return {plain_name(line.split(b'"/" ')[1].strip(b'"')): re.search(rb"\\(Sent|Drafts|Trash|Junk|Archive)", line)[1].decode()
                for line in answer.untagged if b"LIST" in line}

    def test_names_in_other_languages_are_announced(self):
        for folders in (("Éléments envoyés", "Brouillons", "Corbeille", "Courrier indésirable", "Archives"),
                        ("已发送", "草稿箱", "已删除", "垃圾邮件", "存档"),
                        ("Gesendete Objekte", "Entwürfe", "INBOX/Papierkorb", "Spamverdacht", "Archiv"),
                        ("Отправленные", "Черновики", "Корзина", "Спам", "Архив")):
            daemon = self.begin(*folders)
            self.assertEqual(self.roles(daemon), dict(zip(folders, ("Sent", "Drafts", "Trash", "Junk", "Archive"))))

    def test_folders_set_by_hand_are_announced(self):
        settings = {"sent-folder": "Ausgang/Weg", "junk-folder": "Müll"}
        daemon = self.begin("Ausgang", "Ausgang/Weg", "Müll", "Sent", "Drafts", **settings)
        self.assertEqual(self.roles(daemon), {"Ausgang/Weg": "Sent", "Müll": "Junk", "Drafts": "Drafts"})
        daemon = self.begin("Ausgang", "Ausgang/Weg", "Müll", without=(), **settings)
        self.assertEqual(self.roles(daemon), {"Ausgang/Weg": "Sent", "Müll": "Junk", "Drafts": "Drafts", "Trash": "Trash"})
        daemon.control("account", "set", "work", "sent-folder=")
        daemon.control("sync", "--wait")
        self.assertEqual(self.roles(daemon)["Sent"], "Sent")
        self.assertNotIn("Ausgang/Weg", self.roles(daemon))


    def test_a_folder_set_by_hand_that_is_not_there_is_said(self):
        for key in ("sent", "drafts", "trash", "junk", "archive"):
            daemon = self.begin(synced=False, **{f"{key}-folder": "Ausgagn"})
            state = daemon.wait(lambda: (lambda now: now if now["LastError"] else None)(daemon.state()), "it to be said")
            self.assertIn(f"{key}-folder=Ausgagn", state["LastError"])
            self.assertIn(f"posternctl account set work {key}-folder=", state["LastError"])
            self.assertIn("Ausgagn", daemon.control("status", json_output=False))
            # It comes, or another is named.
            if key == "sent":
                self.fake.create("Ausgagn")
            else:
                daemon.control("account", "set", "work", f"{key}-folder=")
            daemon.control("sync", "--wait")
            daemon.wait(lambda: daemon.state()["LastError"] == "", "it to be solved")
            daemon.close()


class Choice(Case):
    """folders= and headers-only=."""

    refuse = ()

    def begin(self, synced=True, **settings):
        self.fake = fake = FakeImap()
        fake.faults = list(self.refuse)
        self.addCleanup(fake.close)
        for name in ("Archive", "Archive/2020", "Work"):
            fake.create(name)
            for number in range(3):
                fake.put(name, mail(f"{name.replace('/', '-')}{number}"))
        daemon = self.postern(accounts={"work": {"address": "ada@example.org", "password-command": "echo lovelace",
                                                 "incoming": f"imap+insecure://127.0.0.1:{fake.imap}", **settings}},
                              synced=synced)
        if synced:
            daemon.control("sync", "--wait")
        return daemon

    def set(self, daemon, *settings):
        daemon.control("account", "set", "work", *settings)
        daemon.control("sync", "--wait")

    @staticmethod
    def kept(daemon):
        return {folder["Name"]: (folder["Kept"], folder["Messages"], folder["Missing"])
                for folder in daemon.control("folders", "work") if folder["Name"] in ("Archive", "Archive/2020", "Work")}

    def uids(self, daemon, folder="Archive/2020"):
        imap = self.local(daemon)
        imap.ok(f"SELECT {folder}")
        return imap.ok("UID FETCH 1:* (UID)").untagged

    def test_what_is_left_out_is_not_asked_for(self):
        daemon = self.begin(folders="!Archive/*,*")
        self.assertEqual(self.kept(daemon), {"Archive": ("all", 3, 0), "Archive/2020": ("nothing", 0, 0), "Work": ("all", 3, 0)})
        self.assertFalse([line for _, line in self.fake.commands if "2020" in line])
        self.assertIn("Archive/2020 is left out", daemon.control("folders", "work", json_output=False))
        self.assertEqual(daemon.state()["Progress"], 1)
        imap = self.local(daemon)
        for command in ("SELECT Archive/2020", "DELETE Archive/2020", "RENAME Archive/2020 Other"):
            self.assertEqual(imap.command(command).status, "NO", command)
        daemon.control("sync", "--wait")
        self.assertEqual(len(self.fake.folders["Archive/2020"].messages), 3)
        self.set(daemon, "folders=")
        self.assertEqual(self.kept(daemon)["Archive/2020"], ("all", 3, 0))

    def test_it_comes_back_with_its_numbers(self):
        daemon = self.begin()
        before = self.uids(daemon)
        self.set(daemon, "folders=!Archive/*,*")
        self.fake.put("Archive/2020", mail("later"))
        self.fake.set_flags("Archive/2020", 1, ["\\Flagged"])
        daemon.control("sync", "--wait")
        self.assertEqual(self.kept(daemon)["Archive/2020"], ("nothing", 3, 0))
        self.assertEqual(self.local(daemon).command("SELECT Archive/2020").status, "NO")
        self.assertEqual(len(self.fake.folders["Archive/2020"].messages), 4)
        self.set(daemon, "folders=")
        after = self.uids(daemon)
        self.assertEqual(after[:3], before)
        self.assertEqual(len(after), 4)

    def test_what_may_not_be_read_is_said_unless_it_is_left_out(self):
        """A server with access rights lists a folder that it doesn't let one read."""
        self.refuse = [faults.Refuse(r'(SELECT|EXAMINE|STATUS) "?Work', "NO [NOPERM] You may not read Work")]
        for settings, said in (({}, True), ({"folders": "!Work,*"}, False), ({"folders": "!Archive/*,*"}, True),
                               ({"folders": "!W*,!Archive,*"}, False)):
            with self.subTest(**settings):
                daemon = self.begin(synced=False, **settings)
                if said:  # a round of INBOX alone comes first
                    daemon.wait(lambda: "Work" in daemon.state()["LastError"], "it to be said")
                else:
                    daemon.sync()
                state = daemon.wait_state("idle")
                self.assertEqual("Work" in state["LastError"], said, state["LastError"])
                self.assertEqual("You may not read" in state["LastError"], said)
                asked = [line for _, line in self.fake.commands if re.match(r'(SELECT|EXAMINE) "?Work', line)]
                self.assertEqual(bool(asked), said)
                daemon.close()

    def test_of_some_only_headers_are_here(self):
        daemon = self.begin(**{"headers-only": "Archive/*"})
        self.assertEqual(self.kept(daemon), {"Archive": ("all", 3, 0), "Archive/2020": ("headers", 3, 0), "Work": ("all", 3, 0)})
        self.assertEqual({folder for folder, _ in self.fake.fetched}, {"Archive", "Work"})
        self.set(daemon, "headers-only=")
        daemon.wait(lambda: daemon.state()["Missing"] == 0 and ("Archive/2020", 1) in self.fake.fetched, "the bodies are here")
