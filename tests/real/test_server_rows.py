# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers as they are, in tables: what is said at login and about what isn't needed, and refusals that last.
The rest, a test for each kind, is in test_servers.py."""

import unittest

from harness import LONG
from harness.faults import Break, Refuse, Rewrite, Says, Slow
from test_servers import ServerCase, mail

#: What may stand in place of a line that isn't needed.
USELESS = ("", "NIL", "(", ")", '("', "()", '("name")', '("name" NIL NIL)', '"x"', "{3}", "\xff\x01", "x" * 60000,
           "(" * 200, '("a" "b" ' * 50)

ID = [Rewrite(r"^\* ID .*", f"* ID {rest}") for rest in USELESS if rest != "{3}"]
ID += [Rewrite(r"^\* ID .*", None), Refuse("ID", "BAD what?"), Refuse("ID", "NO no"), Refuse("ID", "NO [SERVERBUG] oops")]

NAMESPACE = [Rewrite(r"^\* NAMESPACE .*", f"* NAMESPACE {rest}") for rest in USELESS if rest != "{3}"]
NAMESPACE += [Rewrite(r"^\* NAMESPACE .*", None), Refuse("NAMESPACE", "BAD what?"), Refuse("NAMESPACE", "NO no")]
NAMESPACE += [Break("NAMESPACE", times=1)]

ENABLE = [Refuse("ENABLE", "BAD what?"), Refuse("ENABLE", "NO no"), Rewrite(r"^\* ENABLED.*", None),
          Rewrite(r"^\* ENABLED.*", "* ENABLED"), Rewrite(r"^\* ENABLED.*", "* ENABLED ("),
          Rewrite(r"^\* ENABLED.*", "* ENABLED CONDSTORE")]

CAPABILITY = [Rewrite(r"^\* CAPABILITY .*", f"* CAPABILITY{words}") for words in (
    " IMAP4rev1", " imap4rev1 idle uidplus auth=plain", "  IMAP4rev1   IDLE  UIDPLUS", "", " ", " NIL", " (IMAP4rev1",
    " IMAP4rev1 X(Y", ' IMAP4rev1 "quoted"', " IMAP4rev1 AUTH=", " IMAP4rev1 APPENDLIMIT= QUOTA", " IMAP4rev1 APPENDLIMIT=-1",
    " IMAP4rev1" + " X" * 10000, " IMAP4rev2 IMAP4rev1", " IMAP4 IMAP4rev1", " IMAP4rev1 LOGIN-REFERRALS STARTTLS")]
CAPABILITY += [Rewrite(r"^\* CAPABILITY .*", None), Refuse("CAPABILITY", "BAD what?"), Refuse("CAPABILITY", "NO no")]

GREETINGS = ("OK", "OK ", "OK hello [x]", "OK [CAPABILITY] hello", "OK [CAPABILITY IMAP4rev1] hello", "OK [ALERT] mind the gap",
             "OK [UNKNOWN (x] hello", "OK [", "ok hello", "OK [REFERRAL imap://a;AUTH=*@b/] hello", "OK \xff\x80", "OK " + "x" * 30000)

#: Not needed at all: whatever becomes of it, mail comes and goes.
EXTRAS = [Refuse("NOOP|CHECK|GETQUOTAROOT|MYRIGHTS|UNSELECT|LSUB", answer) for answer in ("BAD what?", "NO no")]
EXTRAS += [Says(line, command="NOOP|SELECT|UID FETCH") for line in ("* QUOTA", "* MYRIGHTS", "* ID", "* CAPABILITY", "* ENABLED",
                                                                   "* NAMESPACE", "* FLAGS", "* FLAGS NIL", "* OK [COPYUID]",
                                                                   "* OK [APPENDUID 0 0]", "* OK [MODIFIED]", "* OK [HIGHESTMODSEQ]",
                                                                   "* RECENT", "* 0 RECENT", "* ESEARCH")]


class AtLogin(ServerCase):
    def check_all(self, faults):
        for fault in faults:
            with self.subTest(fault=repr(fault)[:200]):
                self.setUp()
                self.check_works(fault)

    def test_who_the_server_is(self):
        self.check_all(ID)

    def test_where_folders_can_be(self):
        self.check_all(NAMESPACE)

    def test_what_was_enabled(self):
        self.check_all(ENABLE)

    def test_what_it_can(self):
        for fault in CAPABILITY:
            with self.subTest(fault=repr(fault)[:200]):
                self.setUp()
                self.server.strict = False  # who hasn't said that it has ID isn't told who we are
                self.check_works(fault)

    def test_what_is_not_needed(self):
        self.check_all(EXTRAS)

    def test_how_it_greets(self):
        for greeting in GREETINGS:
            with self.subTest(greeting=greeting[:60]):
                self.setUp()
                self.server.greeting = greeting
                self.check_works()


class Keywords(ServerCase):
    """More, or longer ones, than can be kept: they are left out and that is said; all else goes on."""

    def check(self, flags, count):
        account = self.account()
        self.server.folders["INBOX"].messages[3].flags |= flags
        self.assertIsNone(self.sync(account))
        self.assertEqual(set(self.here(account)), set(self.there()))
        kept = self.here(account)["m3"]
        self.assertIn("\\Seen", kept)
        self.assertEqual(len(kept - {"\\Seen"}), count)
        self.check_pushes(account, said=None if count == len(flags) else "keywords")
        for one in flags:
            self.assertIn(one, self.there()["m3"])

    def test_a_word_that_is_too_long(self):
        for length in (255, 256, 300, 5000):
            with self.subTest(length=length):
                self.setUp()
                self.check({"k" * length, "Short"}, 1 + (length == 255))

    def test_more_words_than_a_message_may_have(self):
        for number in (999, 1001, 3000):
            with self.subTest(number=number):
                self.setUp()
                account = self.account()
                words = {f"word{i}" for i in range(number)}
                self.server.folders["INBOX"].messages[3].flags |= words
                self.assertIsNone(self.sync(account))
                self.assertEqual(set(self.here(account)), set(self.there()))
                self.assertIn("\\Seen", self.here(account)["m3"])
                self.check_pushes(account, said="keywords")
                self.assertLessEqual(words, self.there()["m3"])


class Slowly(ServerCase):
    """Row 14: while something comes, it is waited for."""

    def test_whatever_command_it_is(self):
        for command in ("SELECT", "LIST", "UID FETCH", "APPEND", "UID STORE", "CREATE", "LOGIN|AUTHENTICATE", "CAPABILITY"):
            with self.subTest(command=command):
                self.setUp()
                self.check_works(Slow(command, 1, "* OK still at it", often=4, times=1))

    @unittest.skipUnless(LONG, "takes minutes")
    def test_longer_than_silence_may_last(self):
        self.check_works(Slow("SELECT", 90, "* OK still opening", often=5, folder="Archive", times=1))


class ForADay(ServerCase):
    """Row 21: bodies are refused for a day."""

    def check(self, words):
        account = self.account()
        refusal = Refuse(r"UID FETCH .*BODY\.PEEK\[\]", words, seconds=86400)
        self.server.faults = [refusal]
        for hour in range(30):
            if hour == 12:
                self.server.put("INBOX", mail("noon"))
            said = self.sync(account) if hour % 6 == 0 else None
            if refusal.begun and self.server.clock.now() < refusal.begun + 86400 and hour % 6 == 0:
                self.assertIsNotNone(said, f"{hour} h")
                self.assertIn("exceeded", said)
            account("advance", 3600)
            self.server.clock.advance(3600)
        self.assertLess(refusal.hits, 30 * 8)
        self.assertIsNone(account.settle(4))
        self.check_equal(account)

    def test_it_is_said_asked_for_now_and_then_and_goes_on(self):
        for words in ("NO [OVERQUOTA] Account exceeded command or bandwidth limits", "NO [LIMIT] exceeded",
                      "NO bandwidth exceeded", "BAD exceeded"):
            with self.subTest(words=words):
                self.setUp()
                self.check(words)


class Creating(ServerCase):
    """Row 16: a folder that can't be made holds up nothing else."""

    def test_whatever_the_refusal(self):
        for words in ("NO [ALREADYEXISTS] it is there", "NO [CANNOT] no such names", "NO Mailbox exists", "NO [LIMIT] too many",
                      "NO [OVERQUOTA] full", "NO [NOPERM] not you", "BAD oops", "NO [SERVERBUG] oops", "NO"):
            with self.subTest(words=words):
                self.setUp()
                account = self.account()
                self.assertIsNone(self.sync(account))
                self.server.faults = [Refuse("CREATE", words)]
                account("create", "Work")
                account.append("Work", mail("w"))
                account.append("Archive", mail("despite"))
                account("store", "INBOX", "1", "+\\Flagged")
                for _ in range(4):
                    self.sync(account)
                self.assertIn("despite", self.there("Archive"))
                self.assertIn("\\Flagged", self.there()["m1"])
                self.assertTrue(account.problems())
                self.server.faults = []
                account("retry")
                self.assertIsNone(account.settle(6))
                self.assertEqual(self.there("Work"), {"w": set()})


if __name__ == "__main__":
    unittest.main()
