# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers as they are: answers that were seen in the world, one test for each kind. What a server does wrong
with one item, message or folder stays there: the rest is complete, and what isn't is said.

The provider is a FakeImap with faults turned on; sync runs without the daemon around it."""

import re
import unicodedata
import unittest

from harness import Case, FakeImap, faults
from harness.faults import (BodyBreaks, BodyEmpty, BodyTooLarge, Break, Disorder, Hides, Item, LeavesOut, RawName,
                            Refuse, Rewrite, Says, Slow, Split, Twice)
from harness.syncaccount import SyncAccount, SyncError

RECEIVED = 1794045600  # Sat, 07 Nov 2026 10:00:00 +0000


def mail(name, received="Sat, 07 Nov 2026 10:00:00 +0000", date="Fri, 06 Nov 2026 09:00:00 +0000", size=0):
    text = f"The text of {name}.\r\n" + "x" * 70 * (size > 0) + ("\r\n" + "x" * 70) * (size // 72)
    return ((f"Received: from a.example by b.example; {received}\r\n" if received else "") +
            (f"Date: {date}\r\n" if date else "") +
            f"From: bob@example.org\r\nSubject: {name}\r\nMessage-ID: <{name}@servers.test>\r\n\r\n{text}\r\n").encode()


class ServerCase(Case):
    """INBOX with twelve mails, Archive with three."""

    without = ()

    def setUp(self):
        self.server = FakeImap(without=self.without)
        self.addCleanup(self.server.close)
        self.addCleanup(lambda: self.assertEqual(self.server.problems, []))
        for number in range(1, 13):
            self.server.put("INBOX", mail(f"m{number}"), {"\\Seen"} if number % 2 else ())
        self.server.create("Archive")
        for number in range(1, 4):
            self.server.put("Archive", mail(f"a{number}"))

    def account(self, **options):
        account = SyncAccount(self.server.imap, **options)
        self.addCleanup(account.close)
        return account

    def sync(self, account):
        """What `sync --wait` says: None, or why not."""
        try:
            account("sync")
        except SyncError as error:
            return str(error)
        return None

    def here(self, account, folder="INBOX"):
        """{name: flags} of what is here with its body."""
        return {name.strip("<>").split("@")[0]: flags for name, flags, digest in account.messages(folder).values()
                if digest != "-"}

    def there(self, folder="INBOX"):
        return {message.name: set(message.flags) for message in self.server.folders[folder].messages.values()}

    def check_equal(self, account, but=()):
        """Everything is here, but for these (folder, name)."""
        for folder in self.server.folders:
            expected = {name: flags for name, flags in self.there(folder).items() if (folder, name) not in but}
            self.assertEqual(self.here(account, folder), expected, folder)

    def check_works(self, *turned_on, account=None):
        """With these faults all is here, and what is changed here arrives there; and after them too."""
        account = account or self.account()
        self.server.faults = list(turned_on)
        self.assertIsNone(self.sync(account), turned_on)
        self.check_equal(account)
        self.check_pushes(account)
        self.server.faults = []
        self.assertIsNone(account.settle(5))
        self.check_equal(account)
        return account

    def check_pushes(self, account, folder="Archive", said=None):
        """A mail, a flag and a move from here arrive there. `said`: the kind of problem that is there still."""
        number = len(self.server.commands)
        account.append(folder, mail(f"n{number}"), "\\Seen")
        account("store", "INBOX", "1", "+\\Flagged")
        account("copy", "INBOX", "2", folder)
        left = account.settle(5)
        self.assertTrue(left is None if said is None else said in left, left)
        self.assertIn(f"n{number}", self.there(folder))
        self.assertIn("m2", self.there(folder))
        self.assertIn("\\Flagged", self.there()["m1"])


class Answers(ServerCase):
    """Answers that can't be read, or lack something (rows 1 to 11)."""

    def check_item(self, name, *values):
        for value in values:
            with self.subTest(value=value):
                self.check_works(Item(name, value, uid=3))

    def test_flags_sizes_and_ids_that_cannot_be_read_count_as_absent(self):
        self.check_item("RFC822.SIZE", b"NIL", b"-1", b"99999999999999999999", b'"12"', b"(5)")
        self.check_item("MODSEQ", b"(-1)", b"NIL", b"()", b"(0)")

    def test_a_keyword_that_is_none_costs_no_message(self):
        for word in (b"a(b", b"a)b", b'a"b', b"a{b", b"()", b'""', b"NIL", b"a%b", b"{3}", b"x" * 300):
            with self.subTest(word=word):
                server_flags = lambda value, word=word: value[:-1] + b" " + word + b")"
                account = self.account()
                self.server.faults = [Item("FLAGS", server_flags, uid=3)]
                self.assertIsNone(self.sync(account))
                self.assertEqual(set(self.here(account)), set(self.there()))
                self.assertIn("\\Seen", self.here(account)["m3"])

    def test_lines_that_mean_nothing_are_passed_over(self):
        for line in ("", ")", "* OK", "*", "* ", "* 5", "* -1 EXISTS", "* X-UNKNOWN (", "* 3 FETCH", "A999999 OK what",
                     "* LIST", "* STATUS", "* VANISHED", "* SEARCH x", "* BAD hm", "* NO [ALERT] hm", b"* OK \xff\x00\xfe"):
            with self.subTest(line=line):
                self.check_works(Says(line))

    def test_a_message_in_lines_of_an_item_each(self):
        self.check_works(Split(uid=3))
        self.check_works(Split())

    def test_messages_in_any_order_and_twice(self):
        self.check_works(Disorder())
        self.check_works(Disorder(seed=7), Twice(), Split())

    def test_a_date_that_is_none(self):
        """It is there, with the date of Received, else of Date, else now, and keeps it."""
        odd = (b'"00-Jan-0000 00:00:00 +0000"', b"NIL", b'"Sat, 07 Nov 2026 10:00:00 +0000"', b'"31-Jun-2026 10:00:00 +0000"',
               None, b'""', b"17", b"()")
        for number, form in enumerate(odd):
            with self.subTest(form=form):
                folder = f"Dates{number}"
                self.server.create(folder)
                self.server.put(folder, mail("received"))
                self.server.put(folder, mail("dated", received=None))
                self.server.put(folder, mail("undated", received=None, date=None))
                account = self.account()
                before = int(self.server.clock.now()) - 5
                self.server.faults = [Item("INTERNALDATE", form, folder=folder)]
                self.assertIsNone(self.sync(account))
                self.check_equal(account)
                dates = account.dates(folder)
                self.assertEqual([dates.get(1), dates.get(2)], [RECEIVED, RECEIVED - 25 * 3600])
                self.assertGreaterEqual(dates[3], before)
                self.server.faults = []
                self.server.set_flags(folder, 3, {"\\Flagged"})
                self.assertIsNone(self.sync(account))
                self.assertEqual(account.dates(folder), dates)

    def test_where_the_date_of_received_begins(self):
        """Behind the last semicolon that isn't in a comment or in quotes."""
        date = "Sat, 07 Nov 2026 10:00:00 +0000"
        forms = (date, f"(a; b) {date}", f"{date} (CET; winter)", f"{date} (a \\) ; b)", f"{date} (a (b; c) ; d)",
                 f'for "a;b"@x.example; {date}', f'for "a\\";b"@x.example; {date} (")', f"(\";) ; {date}")
        for form in forms:
            self.server.put("Archive", mail("r", received=form))
        account = self.account()
        self.server.faults = [Item("INTERNALDATE", None, folder="Archive")]
        self.assertIsNone(self.sync(account))
        dates = account.dates("Archive")
        for number, form in enumerate(forms, 4):
            self.assertEqual(dates[number], RECEIVED, form)

    def test_names_as_they_are_in_the_listing(self):
        for name in ("a\tb", "a b", "a  b c", "two\x01three", "NIL 7"):
            with self.subTest(name=name):
                self.server.create(name)
                self.server.put(name, mail("raw"))
                account = self.account()
                self.server.faults = [RawName(folder=name)]
                self.assertIsNone(self.sync(account))
                self.assertEqual(set(self.here(account)), set(self.there()))
                found = [one for one in account.folders() if one not in ("INBOX", "Archive", "Drafts", "Sent", "Trash")]
                self.assertEqual(len(found), 1, found)
                self.assertEqual(set(self.here(account, found[0])), {"raw"})
                self.check_pushes(account)
                del self.server.folders[name]

    def test_a_listing_with_lines_that_cannot_be_read(self):
        account = self.account()
        self.assertIsNone(self.sync(account))
        for line in ('* LIST () "/" "no end', "* LIST (", "* LIST () NIL", '* LIST () "/" (x)'):
            with self.subTest(line=line):
                self.server.faults = [Rewrite(r"^\* LIST .*Archive.*", line)]
                self.assertIsNone(self.sync(account))
                self.assertIsNone(self.sync(account))
                self.assertEqual(set(self.here(account, "Archive")), {"a1", "a2", "a3"})

    def test_numbers_of_status_that_cannot_be(self):
        for item in ("UIDNEXT", "UIDVALIDITY", "HIGHESTMODSEQ", "MESSAGES"):
            for value in ("-1", "NIL", "1732789200000", "99999999999999999999999", "()"):
                if item == "HIGHESTMODSEQ" and value == "1732789200000":
                    continue
                with self.subTest(item=item, value=value):
                    self.check_works(Rewrite(rf"(?<=\({item}) \d+|(?<= {item}) \d+", f" {value}", folder=None))

    def test_codes_of_select_that_cannot_be(self):
        for item in ("UIDNEXT", "HIGHESTMODSEQ", "PERMANENTFLAGS"):
            for value in ("-1", "NIL", "", "99999999999999999999999", "(()"):
                with self.subTest(item=item, value=value):
                    self.check_works(Rewrite(rf"\[{item} [^\]]*\]", f"[{item} {value}]"))

    def test_without_lsub(self):
        for answer in ("BAD what is that?", "NO [CANNOT] no"):
            with self.subTest(answer=answer):
                self.server.folders["Archive"].subscribed = False
                self.check_works(Refuse("LSUB", answer), Refuse(r"LIST \(SUBSCRIBED", "BAD unknown"))

    def test_without_lsub_but_list_of_subscriptions(self):
        self.server.capabilities = [word for word in self.server.capabilities if word not in ("LIST-EXTENDED", "LIST-STATUS")]
        self.server.faults = [Refuse("LSUB", "BAD what is that?")]
        account = self.account()
        self.assertIsNone(self.sync(account))
        self.check_equal(account)

    def test_an_inbox_that_is_not_listed(self):
        self.check_works(Hides(folder="INBOX"))

    def test_an_extended_list_that_is_answered_by_nothing_or_refused(self):
        for fault in (Rewrite(r"^\* LIST ", None, times=5), Refuse('LIST "" "\\*" RETURN', "BAD syntax")):
            with self.subTest(fault=fault):
                self.check_works(fault)

    def test_a_listing_that_is_cut_short_takes_no_folder_away(self):
        account = self.account()
        self.assertIsNone(self.sync(account))
        self.server.faults = [Refuse("LIST", "NO [SERVERBUG] in the middle")]
        self.sync(account)
        self.sync(account)
        self.assertEqual(set(account.folders()), set(self.server.folders))
        self.assertEqual(set(self.here(account, "Archive")), {"a1", "a2", "a3"})


class Messages(ServerCase):
    """One message that can't be had (rows 3 to 5)."""

    def check_named(self, account, folder, uid):
        """Something that `sync --wait` and the list of problems say names the folder and the message."""
        reason = self.sync(account)
        self.assertIsNotNone(reason, "sync --wait says that all is well")
        problems = [line for line in account("pending")[1:] if line[2] == str(uid)]
        self.assertTrue(problems, account("pending"))
        if problems[0][0] == "fetch":
            missing = {line[0]: int(line[5]) for line in account("folders")}
            self.assertEqual(missing[folder], 1, missing)

    def check_one_missing(self, fault, tries=6):
        """INBOX's seventh message isn't here, all else is; what is missing is named; it comes in the end."""
        account = self.account()
        self.server.faults = [fault]
        for _ in range(tries):
            self.sync(account)
        self.check_equal(account, but={("INBOX", "m7")})
        self.check_named(account, "INBOX", 7)
        self.check_pushes_despite(account)
        self.server.faults = []
        account("retry")
        self.assertIsNone(account.settle(5))
        self.check_equal(account)

    def check_pushes_despite(self, account):
        account.append("Archive", mail("despite"), "")
        for _ in range(3):
            self.sync(account)
        self.assertIn("despite", self.there("Archive"))

    def test_a_message_at_which_fetch_fails(self):
        for answer in ("NO [SERVERBUG] Error in message 7", "NO Some of the messages no longer exist", "BAD oops"):
            with self.subTest(answer=answer):
                self.setUp()
                self.check_one_missing(LeavesOut(answer, folder="INBOX", uid=7))

    def test_a_body_at_which_the_connection_breaks(self):
        self.check_one_missing(BodyBreaks(folder="INBOX", uid=7))

    def test_a_body_that_is_announced_too_large(self):
        self.check_one_missing(BodyTooLarge(folder="INBOX", uid=7))

    def test_a_body_that_is_refused(self):
        self.check_one_missing(LeavesOut("NO [SERVERBUG] Message can't be read", only="BODY", folder="INBOX", uid=7))

    def test_a_body_that_is_empty_once(self):
        for form in (b"{0}\r\n", b"NIL", b'""'):
            with self.subTest(form=form):
                self.setUp()
                account = self.account()
                self.server.faults = [BodyEmpty(form, folder="INBOX", uid=7, times=1)]
                self.sync(account)
                self.assertNotIn(b"", [digest for _, _, digest in account.messages("INBOX").values()])
                account("retry")
                self.assertIsNone(account.settle(5))
                self.check_equal(account)


class Folders(ServerCase):
    """Folders that refuse, hang or change (rows 12 to 19)."""

    def check_folder_said(self, account, folder, words):
        reason = self.sync(account)
        self.assertIsNotNone(reason, "sync --wait says that all is well")
        problems = [line for line in account("pending")[1:] if line[0] == "read"]
        self.assertTrue(any(words in line[3] for line in problems), account("pending"))

    def check_one_folder(self, *turned_on, words=""):
        """Archive can't be read; all else works and goes on working; Archive comes back."""
        account = self.account()
        self.server.faults = list(turned_on)
        for _ in range(4):
            self.sync(account)
        self.assertEqual(self.here(account), self.there())
        self.check_folder_said(account, "Archive", words)
        account.append("Sent", mail("despite"), "")
        account("store", "INBOX", "1", "+\\Flagged")
        for _ in range(3):
            self.sync(account)
        self.assertIn("despite", self.there("Sent"))
        self.assertIn("\\Flagged", self.there()["m1"])
        self.server.faults = []
        account("retry")
        self.assertIsNone(account.settle(6))
        self.check_equal(account)
        self.assertEqual(account("pending")[1:], [])

    def test_a_folder_that_cannot_be_selected(self):
        self.check_one_folder(Refuse("SELECT|EXAMINE", "NO [SERVERBUG] Archive is broken", folder="Archive"),
                              words="Archive is broken")

    def test_a_folder_at_which_the_connection_ends(self):
        self.check_one_folder(Break("SELECT|EXAMINE", folder="Archive"))
        self.setUp()
        self.check_one_folder(Break("STATUS|SELECT|EXAMINE", folder="Archive"))

    def test_a_status_at_which_the_connection_ends(self):
        self.server.capabilities.remove("LIST-STATUS")
        self.server.faults = [Break("STATUS", folder="Archive")]
        account = self.account()
        for _ in range(3):
            self.sync(account)
        self.check_equal(account)

    def test_a_folder_that_is_slow_to_open(self):
        account = self.account()
        self.server.faults = [Slow("SELECT", 3, "* OK still opening", often=6, folder="Archive", times=1)]
        self.assertIsNone(self.sync(account))
        self.check_equal(account)

    def test_another_uidvalidity_on_every_connection(self):
        for without in ((), ("QRESYNC",), ("LIST-STATUS",)):
            with self.subTest(without=without):
                self.without = without
                self.setUp()
                account = self.account()
                self.server.faults = [faults.Renumbers(folder="Archive")]
                for _ in range(4):
                    self.sync(account)
                self.check_equal(account)
                uids = set(account.messages("Archive"))
                renumbers = [problem[:2] for problem in account.problems()]
                # Mail that comes, changes, and new connections.
                self.server.put("Archive", mail("a4"))
                self.server.set_flags("Archive", 1, ["\\Flagged"])
                account.append("Archive", mail("n1"))
                account("store", "INBOX", 1, "+\\Flagged")
                for _ in range(4):
                    self.server.drop_connections()
                    account("advance", 20)
                    self.sync(account)
                account("advance", 200)  # an APPEND whose answer was cut off is looked for first
                self.sync(account)
                self.sync(account)
                self.check_equal(account)
                self.assertLessEqual(uids, set(account.messages("Archive")))
                self.assertEqual(renumbers, [])
                self.assertEqual([problem[:2] for problem in account.problems()], [("renumbers", "Archive")])
                self.server.faults = []
                for _ in range(2):
                    self.server.drop_connections()
                    account("advance", 400)
                    self.sync(account)
                self.assertIsNone(account.settle(6))
                self.check_equal(account)

    def test_another_uidvalidity_on_every_connection_that_another_folder_breaks(self):
        for prefetch in (None, 7):
            with self.subTest(prefetch=prefetch):
                self.setUp()
                self.server.create("Work")
                self.server.put("Work", mail("w1"))
                account = self.account(prefetch=prefetch, plain=True)
                self.assertIsNone(self.sync(account))
                self.server.faults = [faults.Renumbers(folder="Archive"), Break("SELECT|EXAMINE", folder="Work")]
                for _ in range(4):
                    self.server.drop_connections()
                    account("advance", 75)
                    self.sync(account)
                for number in range(5):
                    self.server.put("Archive", mail(f"a{number + 10}"), date="24-Nov-2020 10:00:00 +0000")
                    for _ in range(2):
                        account("advance", 75)
                        self.sync(account)
                    # Of what is older than a week there are headers.
                    here = account.messages("Archive").values()
                    self.assertEqual([name for name, _, digest in here if not name or digest == "-" and not prefetch], [])
                    self.assertEqual(len(here), len(self.server.folders["Archive"].messages))

    def test_a_folder_that_is_made_under_another_name(self):
        for made in ("Entwu\u0308rfe", "Drafts/Entwurfe", "INBOX/ENTWÜRFE", "x"):
            for without in ((), ("LIST-STATUS", "LIST-EXTENDED")):
                with self.subTest(made=made, without=without):
                    self.without = without
                    self.setUp()
                    account = self.account()
                    self.assertIsNone(self.sync(account))
                    self.server.faults = [faults.CreatesAs("Entwürfe", made)]
                    account("create", "Entwürfe")
                    account.append("Entwürfe", mail("w"))
                    for _ in range(5):
                        self.sync(account)
                    self.assertIsNone(account.settle(4))
                    self.assertEqual(self.there(made), {"w": set()})
                    self.check_equal(account)
                    self.assertEqual(set(account.folders()), set(self.server.folders))
                    creates = [line for _, line in self.server.commands if line.startswith("CREATE")]
                    self.assertEqual(len(creates), 1)

    def test_several_folders_that_are_made_under_other_names(self):
        names = ["Entwürfe", "Gelöscht", "Übrig"]
        account = self.account()
        self.assertIsNone(self.sync(account))
        self.server.faults = [faults.CreatesAs(name, unicodedata.normalize("NFD", name)) for name in names]
        for name in names:
            account("create", name)
            account.append(name, mail(name[-1]))
        self.assertIsNone(account.settle(5))
        for name in names:
            self.assertEqual(self.there(unicodedata.normalize("NFD", name)), {name[-1]: set()})
        self.assertEqual(set(account.folders()), set(self.server.folders))

    def test_a_folder_that_is_made_and_never_listed(self):
        account = self.account()
        self.assertIsNone(self.sync(account))
        self.server.faults = [faults.Hides(folder="Work"), Refuse("CREATE", "OK made", folder="Work"),
                              Refuse("SELECT|APPEND|STATUS", "NO [TRYCREATE] none", folder="Work")]
        account("create", "Work")
        account.append("Work", mail("w"))
        account.append("Archive", mail("despite"))
        for _ in range(6):
            self.sync(account)
        self.assertIn("despite", self.there("Archive"))
        self.assertIn("create", [problem[0] for problem in account.problems()])
        creates = [line for _, line in self.server.commands if line.startswith("CREATE")]
        self.assertLess(len(creates), 6)
        self.server.faults = []
        account("retry")
        self.assertIsNone(account.settle(6))
        self.assertEqual(self.there("Work"), {"w": set()})

    def test_an_appenduid_that_is_there_already(self):
        account = self.account()
        self.assertIsNone(self.sync(account))
        account.append("Archive", mail("new"))
        self.server.faults = [faults.AnswersUid(lambda code: re.sub(r"\d+\]", "2]", code), times=1)]
        for _ in range(5):
            self.sync(account)
        self.assertEqual(len([line for _, line in self.server.commands if line.startswith("APPEND")]), 1)
        self.assertIsNone(account.settle(5))
        self.check_equal(account)


class NameSpaces(Case):
    """Where folders can be is the provider's to say (row 18)."""

    def daemon(self, namespace, delimiter="."):
        self.server = FakeImap(delimiter=delimiter)
        self.addCleanup(self.server.close)
        self.server.namespace = namespace
        daemon = self.postern(accounts={"work": {"address": "ada@example.org", "password-command": "echo lovelace",
                                                 "incoming": f"imap+insecure://127.0.0.1:{self.server.imap}"}})
        daemon.control("sync", "--wait")
        return self.local(daemon)

    def test_folders_can_only_be_made_below_a_prefix(self):
        imap = self.daemon('(("INBOX." ".")) NIL (("shared." "."))')
        self.assertIn(b'NAMESPACE (("INBOX." ".")) NIL (("shared." "."))', imap.command("NAMESPACE").untagged[0])
        for name in ("Trash2", "INBOXES", "sharedfolder"):
            answer = imap.command(f"CREATE {name}")
            self.assertEqual((answer.status, answer.code("CANNOT")), ("NO", ""), name)
            self.assertIn("INBOX.", str(answer))
            self.assertEqual(imap.command(f"RENAME Sent {name}").status, "NO")
        for name in ("INBOX.Work", "inbox.Play", "shared.Both"):
            imap.ok(f"CREATE {name}")

    def test_without_a_prefix_they_can_be_anywhere(self):
        imap = self.daemon('(("" "/")) (("~" "/")) NIL', "/")
        self.assertIn(b'NAMESPACE (("" "/")) (("~" "/")) NIL', imap.command("NAMESPACE").untagged[0])
        imap.ok("CREATE Anywhere")

    def test_what_cannot_be_read_is_as_if_nothing_was_said(self):
        for namespace in ("NIL NIL NIL", "(1 2", '((NIL NIL)) "x"', ""):
            with self.subTest(namespace=namespace):
                imap = self.daemon(namespace)
                self.assertIn(b'NAMESPACE (("" ".")) NIL NIL', imap.command("NAMESPACE").untagged[0])
                imap.ok("CREATE Anywhere")


class Limits(ServerCase):
    """Refusals that mean: not now (rows 21 and 22)."""

    def test_a_login_that_is_refused_for_now_is_no_wrong_password(self):
        for words in ("NO [OVERQUOTA] Account exceeded command or bandwidth limits", "BAD busy", "BAD",
                      "NO Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)"):
            with self.subTest(words=words):
                self.setUp()
                account = self.account()
                self.server.faults = [Refuse("LOGIN|AUTHENTICATE", words)]
                said = self.sync(account)
                self.assertIn(words.split("]")[-1].split(" ", 1)[-1].strip()[:20] if " " in words else "", said)
                self.assertEqual(account.state()[0], 1, said)  # offline
                self.server.faults = []
                account("advance", 400)
                self.assertIsNone(account.settle(3))
                self.check_equal(account)

    def test_a_throttled_command_is_waited_for(self):
        throttled = "BAD Request is throttled. Suggested Backoff Time: 92415 milliseconds"
        for command in ("UID FETCH|APPEND|SELECT|UID STORE", "APPEND", "SELECT", "UID STORE", "UID COPY", "UID MOVE", "UID EXPUNGE",
                        "UID"):
            for skip in (0, 1):
                with self.subTest(command=command, skip=skip):
                    self.setUp()
                    account = self.account(plain=True)
                    self.assertIsNone(self.sync(account))
                    self.server.put("Archive", mail("new"))
                    account("offline")
                    for number in range(4):
                        account.append("Archive", mail(f"mine{number}"))
                    account("store", "INBOX", "1:4", "+\\Flagged")
                    account("copy", "INBOX", "5:6", "Archive")
                    account("move", "INBOX", "7:8", "Archive")
                    account("expunge", "INBOX", "9:10")
                    self.server.faults = [Refuse(command, throttled, seconds=90, skip=skip)]
                    account("online")
                    self.sync(account)
                    self.assertEqual(account.pending()[2], 0, account("pending"))
                    # What was put off is known not to have been done: nothing needs to be waited for but what was asked for.
                    account("advance", 95)
                    self.server.clock.advance(95)
                    for _ in range(2):
                        self.sync(account)
                    self.assertEqual(account.pending(), (0, 0, 0))
                    self.check_equal(account)


if __name__ == "__main__":
    unittest.main()
