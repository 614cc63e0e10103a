# SPDX-License-Identifier: GPL-3.0-or-later
"""posternctl search, export and import, and the methods behind them: mail out of Postern and into it."""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
import unittest
from pathlib import Path

from harness import PATIENCE, Case, ControlError, account, corpus, fill, find_program
from test_sync import mail, mails

#: Of messages in turn: flags that all programs have, and keywords.
FLAGS = ("", "\\Seen", "\\Seen \\Answered", "\\Flagged", "\\Draft \\Seen", "\\Deleted", "$Forwarded \\Seen",
         "Work", "Work $Label1 \\Flagged", "junk NonJunk")


def zone_of(index):
    return ("+0000", "-0800", "+0530", "+1300")[index % 4]


class Archive(Case):
    """One account without a provider, unless a test says otherwise."""

    def setUp(self):
        self.postern = super().postern(accounts={}, synced=False)
        self.add("work")
        self.files = self.postern.directory / "files"

    def add(self, name):
        self.postern.control("account", "add", "--local", name)
        self.postern.wait_state("idle", account=name)

    def control(self, *arguments, **options):
        return self.postern.control(*arguments, **options)

    def put(self, messages, folder="INBOX", name="work"):
        """Appends messages with all kinds of flags, dates and zones."""
        imap = self.local(self.postern, name)
        if folder != "INBOX":
            imap.command(f'CREATE "{folder}"')
        for index, one in enumerate(messages):
            date = f"{1 + index % 28:2d}-Mar-20{10 + index % 10} 1{index % 10}:20:30 {zone_of(index)}"
            imap.ok(f'APPEND "{folder}" ({FLAGS[index % len(FLAGS)]}) "{date}" {{{len(one)}+}}\r\n'.encode() + one)
        imap.close()

    def contents(self, name="work"):
        """All that clients see: folder -> sorted list of (octets, flags, date)."""
        seen = {}
        imap = self.local(self.postern, name)
        for folder in imap.folders():
            if imap.command(f'EXAMINE "{folder}"').status != "OK":  # a level of names
                continue
            answer = imap.ok("UID FETCH 1:* (FLAGS INTERNALDATE BODY.PEEK[])")
            messages = []
            for items in answer.fetched().values():
                flags = {flag.decode().lower() for flag in items["FLAGS"]} - {"\\recent"}
                messages.append((items["BODY[]"], tuple(sorted(flags)), items["INTERNALDATE"].decode().strip()))
            seen[folder] = sorted(messages)
        imap.close()
        return {folder: messages for folder, messages in seen.items() if messages}


AWKWARD = [b"Subject: bare\n\nLF only\n", b"Subject: mixed\r\n\r\none\ntwo\r\n", b"\r\nno header\r\n", b"x",
           b"Subject: end\r\n\r\nno line end", b"Subject: From\r\n\r\nFrom ada\r\n>From bob\r\n>>From eve\r\nFrom\r\n",
           b"Subject: From at the end\r\n\r\nFrom x", b"From: a\r\n\r\n", b"From me\r\n\r\nFrom you\r\n",
           b"Status: RO\r\nX-Postern: 1\r\nX-Status: D\r\nSubject: status of its own\r\n\r\n\r\n\r\n",
           b"Subject: big\r\n\r\n" + b"0123456789\r\n" * 300000]


class Searching(Archive):
    def setUp(self):
        super().setUp()
        self.put(mails(30))
        self.put([mail(100 + i, "needle") for i in range(5)], "Lists/Deep")

    def found(self, *words):
        return self.control("search", "work", *words)

    def test_words_mean_what_imap_means_by_them(self):
        imap = self.local(self.postern, "work")
        pairs = [(["subject:Mail 1"], 'SUBJECT "Mail 1"'), (["from:BOB@"], 'FROM "BOB@"'), (["hello 7"], 'TEXT "hello 7"'),
                 (["is:unread"], "UNSEEN"), (["is:flagged", "NOT", "is:read"], "FLAGGED NOT SEEN"),
                 (["keyword:work"], "KEYWORD work"), (["since:2015"], "SINCE 1-Jan-2015"),
                 (["before:2015-03-06"], "BEFORE 6-Mar-2015"), (["on:2015-03"], "SINCE 1-Mar-2015 BEFORE 1-Apr-2015"),
                 (["on:2015-03-06"], "ON 6-Mar-2015"), (["larger:1k"], "LARGER 1024"), (["smaller:500"], "SMALLER 500"),
                 (["header:Message-ID:3@sync"], 'HEADER Message-ID "3@sync"'), (["body:hello 2"], 'BODY "hello 2"'),
                 (["is:answered", "OR", "is:draft"], "OR ANSWERED DRAFT"), (["to:ada", "-subject:1"], 'TO "ada" NOT SUBJECT "1"'),
                 (['body:"quoted" \\ text'], 'BODY "\\"quoted\\" \\\\ text"'), ([], "ALL")]
        for words, program in pairs:
            for folder in ("INBOX", "Lists/Deep"):
                with self.subTest(words=words, folder=folder):
                    imap.ok(f'EXAMINE "{folder}"')
                    wanted = imap.ok(f"UID SEARCH {program}").numbers()
                    given = self.found(*(["--"] + words if any(word.startswith("-") for word in words) else words),
                                       f"in:{folder}") or []
                    self.assertEqual(sorted(one["Uid"] for one in given), wanted)

    def test_a_line_says_what_a_person_looks_for(self):
        one, = self.found("in:inbox", "subject:Mail 8")
        self.assertEqual((one["Folder"], one["Uid"], one["From"], one["To"], one["Subject"], one["MessageId"]),
                         ("INBOX", 9, "bob@example.org", "ada@example.org", "Mail 8", "<8@sync.test>"))
        self.assertEqual((sorted(one["Flags"]), one["Size"], one["Zone"]),
                         (["$Label1", "Work", "\\Flagged"], len(mail(8)), 0))
        text = self.control("search", "work", "needle", json_output=False)
        self.assertEqual(len(text.splitlines()), 5)
        self.assertIn("Lists/Deep", text)

    def test_the_list_fits_the_terminal_and_steers_nothing(self):
        self.put(["Subject: \x1b[31m=?utf-8?q?=E4=BA=AC?= {} \u202e\r\nFrom: {} <a@b.c>\r\n\r\n".format("long " * 40, "name " * 40).encode()])
        for columns in (40, 60, 80, 200):
            done = subprocess.run([find_program("posternctl"), "search", "work", "subject:long"], check=True, text=True,
                                  env={**self.postern.environment, "COLUMNS": str(columns), "LC_ALL": "C.UTF-8"}, stdout=subprocess.PIPE)
            line, = done.stdout.splitlines()
            self.assertLessEqual(len(line), columns + 1)
            self.assertNotRegex(line, "[\x00-\x1f\u202e]")

    def test_nothing_found_is_an_empty_list(self):
        self.assertEqual(self.found("no such word"), [])
        self.assertEqual(self.control("search", "work", "no such word", json_output=False), "")

    def test_a_word_that_means_nothing_is_named(self):
        for word in ("since:soon", "on:2024-13", "larger:much", "is:lost", "in:", "in:Nowhere", "header:X", "keyword:a b",
                     "NOT", "OR", "before:2024-02-30", "since:7x"):
            with self.subTest(word=word), self.assertRaises(ControlError) as caught:
                self.found(word)
            self.assertEqual(caught.exception.status, 1)
            self.assertIn(word.partition(":")[2] or word.partition(":")[0], str(caught.exception))

    def test_what_is_found_is_written_to_files_once(self):
        for _ in range(2):
            self.control("search", "work", "needle", "--export", self.files)
        files = [path for path in self.files.rglob("*") if path.parent.name == "cur"]
        self.assertEqual(sorted(path.read_bytes() for path in files), sorted(mail(100 + i, "needle") for i in range(5)))

    def test_closing_the_output_ends_it(self):
        command = f'{find_program("posternctl")} search work | head -1'
        done = subprocess.run(["bash", "-c", command], env=self.postern.environment, stdout=subprocess.PIPE, timeout=30 * PATIENCE, check=True)
        self.assertEqual(len(done.stdout.splitlines()), 1)


class Exporting(Archive):
    def export(self, *options):
        return self.control("export", "work", self.files, *options)

    def test_a_round_trip_keeps_octets_flags_dates_and_names(self):
        messages = [corpus.crlf(one) for one in corpus.real(300).values()] + list(corpus.tricky().values()) + AWKWARD + [mail(1), mail(1)]
        messages = [one for one in messages if b"\0" not in one]
        self.put(messages)
        for folder in ("Archive/2024", "Archive/2024/.hidden", "with %2F and %25", "cur", "x.sbd", "dovecot-keywords", "postern-folders",
                       "Entw&APw-rfe &Tqw-", "new/tmp", "n" * 230):
            self.put([mail(7, folder[:20])], folder)
        before = self.contents()
        for number, kind in enumerate(("maildir", "mbox")):
            with self.subTest(format=kind):
                self.files = self.postern.directory / kind
                summary = self.export("--format", kind)
                self.assertEqual((summary["Known"], summary["Missing"]), (0, 0))
                self.add(f"copy-{number}")
                for _ in range(2):
                    self.control("import", f"copy-{number}", self.files)
                self.assertEqual(self.contents(f"copy-{number}"), before)

    def test_what_is_there_already_is_not_written_again_and_gets_its_new_flags(self):
        self.put(mails(20))
        self.assertEqual(self.export()["Known"], 0)
        files = {path: path.stat().st_ino for path in self.files.rglob("*.postern,*")}
        self.assertEqual(len(files), 20)
        victim, cut = sorted(files)[:2]
        victim.unlink()
        cut.write_bytes(b"half")
        imap = self.local(self.postern, "work")
        imap.select("INBOX")
        imap.ok("UID STORE 20 +FLAGS (\\Flagged)")
        summary = self.export()
        self.assertEqual((summary["Messages"], summary["Known"]), (20, 18))
        after = {path: path.stat().st_ino for path in self.files.rglob("*.postern,*")}
        self.assertEqual(len(after), 20)
        self.assertEqual(sorted(path.read_bytes() for path in after), sorted(mails(20)))
        flagged, = [path for path in after if ".U20V" in path.name]
        self.assertIn("F", flagged.name.rpartition(",")[2])
        self.assertGreaterEqual(len(set(files.values()) & set(after.values())), 18)

    def test_an_mbox_that_was_cut_off_anywhere_is_completed(self):
        self.put(AWKWARD[:10])
        self.export("--format", "mbox")
        whole = (self.files / "INBOX").read_bytes()
        points = random.Random(5)
        for cut in [0, 1, len(whole) - 1, len(whole) - 2] + [points.randrange(len(whole)) for _ in range(12)]:
            with self.subTest(cut=cut):
                (self.files / "INBOX").write_bytes(whole[:cut])
                self.export("--format", "mbox")
                self.assertEqual((self.files / "INBOX").read_bytes(), whole)

    def test_folders_are_chosen_by_name_and_pattern(self):
        self.put([mail(1)], "Archive/2023")
        self.put([mail(2)], "Archive/2024")
        self.put([mail(3)])
        self.assertEqual(self.export("--folder", "Archive/*")["Messages"], 2)
        self.assertEqual(self.export("--folder", "inbox")["Messages"], 1)
        with self.assertRaises(ControlError) as caught:
            self.export("--folder", "Nowhere")
        self.assertIn("Nowhere", str(caught.exception))

    def test_two_formats_or_two_at_once_in_one_place_are_refused(self):
        self.put([mail(1)])
        self.export()
        with self.assertRaises(ControlError) as caught:
            self.export("--format", "mbox")
        self.assertIn("another format", str(caught.exception))
        with self.assertRaises(ControlError) as caught:
            self.export("--format", "tar")
        self.assertEqual(caught.exception.status, 2)
        with self.assertRaises(ControlError) as caught:
            self.control("export", "work", "/proc/nowhere")
        self.assertIn("/proc/nowhere", str(caught.exception))

    def test_killed_at_any_time_it_goes_on_where_it_was(self):
        self.put([mail(i, "x" * 3000) for i in range(300)])
        for delay in (0.05, 0.1, 0.2, 0.3):
            process = subprocess.Popen([find_program("posternctl"), "export", "work", str(self.files)], env=self.postern.environment,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(delay)
            process.kill()
            process.wait()
        self.export()
        files = list(self.files.rglob("*.postern,*:2,*"))
        self.assertEqual(sorted(path.read_bytes() for path in files), sorted(mail(i, "x" * 3000) for i in range(300)))



def quoted(data, pattern=rb"^(>*From )"):
    return re.sub(pattern, rb">\1", data, flags=re.M)


class Importing(Archive):
    """Files as other programs have them."""

    def setUp(self):
        super().setUp()
        self.files.mkdir()
        self.mails = [one for one in list(corpus.real(60).values()) + list(corpus.tricky().values()) if b"\0" not in one]
        self.mails = [corpus.crlf(one).replace(b"\r\n", b"\n") for one in self.mails]
        self.mails += [b"Subject: q\n\nFrom ada\n\nFrom bob Thu Jan  1 00:00:00 1970\n>From eve\n>>From mallory\n",
                       b"Subject: alike\n\nalike\n", b"Subject: alike\n\nalike\n"]
        self.mails = [one if one.endswith(b"\n") else one + b"\n" for one in self.mails]

    def imported(self, *options):
        return self.control("import", "work", self.files, *options)

    def octets(self, folder="INBOX"):
        return [one[0] for one in self.contents().get(folder, [])]

    def expected(self, messages=None):
        return sorted(corpus.crlf(one) for one in (self.mails if messages is None else messages))

    def mbox(self, messages, quote=None, length=False):
        text = b""
        for one in messages:
            body = quoted(one, *quote) if quote is not None else one
            header, _, rest = body.partition(b"\n\n")
            if length:
                header += b"\nContent-Length: %d" % len(rest)
            text += b"From bob@example.org Tue Nov 24 10:00:00 2026\n" + header + b"\n\n" + rest + b"\n"
        return text

    def test_every_kind_of_mbox_gives_the_octets_back_and_only_once(self):
        # Content-Length counts from the empty line, which these have.
        plain = [one for one in self.mails if b"\n\n" in one and not one.startswith(b"\n")
                 and not re.search(rb"^(content-length|x?-?status|x-keywords|x-uid|x-imap)", one.partition(b"\n\n")[0], re.I | re.M)]
        self.assertGreater(len(plain), 60)
        kinds = {"mboxrd": ([], False), "mboxcl": ([], True), "mboxcl2": (None, True), "mboxo": ([rb"^(From )"], False)}
        for kind, (quote, length) in kinds.items():
            for options in ([], ["--mbox", kind]):
                messages = plain
                if kind == "mboxo":  # what it can't tell apart
                    messages = [one for one in plain if b"\n>From " not in one]
                with self.subTest(kind=kind, options=options):
                    path = self.files / "box"
                    path.write_bytes(self.mbox(messages, quote, length))
                    folder = f"{kind}{len(options)}"
                    for turn in range(2):
                        summary = self.control("import", "work", path, "--folder", folder, *options)
                        self.assertEqual(summary["Messages"], 0 if turn else len(messages))
                    self.assertEqual(self.octets(folder), self.expected(messages))

    def test_maildirs_keep_flags_keywords_and_dates(self):
        for name, place in (("INBOX", ""), ("Lists.Deep", ".Lists.Deep"), ("Entw\u00fcrfe", ".Entw&APw-rfe")):
            for part in ("cur", "new", "tmp"):
                (self.files / "Maildir" / place / part).mkdir(parents=True)
        self.files /= "Maildir"
        (self.files / "dovecot-keywords").write_text("0 Work\n2 $Label1\n")
        cases = [("cur", "", ()), ("cur", ":2,", ()), ("cur", ":2,S", ("\\seen",)), ("cur", ":2,DFPRST", ("$forwarded", "\\answered", "\\deleted", "\\draft", "\\flagged", "\\seen")),
                 ("cur", ":2,Fac", ("$label1", "\\flagged", "work")), ("new", "", ()), ("cur", ":2,b", ())]
        wanted = []
        for index, (part, info, flags) in enumerate(cases):
            path = self.files / part / f"17000{index:05}.M1P1.host,S=12{info}"
            path.write_bytes(mail(index).replace(b"\r\n", b"\n"))
            os.utime(path, (1500000000 + index, 1500000000 + index))
            when = time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(1500000000 + index))
            wanted.append((mail(index), tuple(sorted(flags)), when))
        (self.files / ".Lists.Deep" / "cur" / "1.x:2,S").write_bytes(mail(50))
        (self.files / ".Entw&APw-rfe" / "cur" / "1.x:2,S").write_bytes(mail(51))
        (self.files / "tmp" / "1.half").write_bytes(b"half")
        for turn in range(2):
            self.assertEqual(self.imported()["Messages"], 0 if turn else 9)
        seen = self.contents()
        self.assertEqual(sorted(seen), ["Entw&APw-rfe", "INBOX", "Lists/Deep"])
        self.assertEqual(seen["INBOX"], sorted(wanted))

    def test_thunderbirds_folders_and_profile(self):
        local = self.files / "profile" / "Mail" / "Local Folders"
        (local / "Archive.sbd" / "2024.sbd").mkdir(parents=True)
        (self.files / "profile" / "prefs.js").write_text("// mail\n")
        (self.files / "profile" / "storage").mkdir()
        (self.files / "profile" / "storage" / "notmail").write_text("From here Thu Jan  1 00:00:00 1970\n")

        def box(path, *messages):
            path.write_bytes(b"".join(b"From - Tue Nov 24 10:00:00 2026\n" + head + one + b"\n" for head, one in messages))
            path.with_name(path.name + ".msf").write_text("// <!-- <mdb:mork")
        plain = [b"Subject: %d\n\ntext %d\n" % (i, i) for i in range(6)]
        box(local / "Inbox", (b"X-Mozilla-Status: 0001\nX-Mozilla-Status2: 00000000\nX-Mozilla-Keys: $label1 NonJunk                     \n", plain[0]),
            (b"X-Mozilla-Status: 1007\nX-Mozilla-Status2: 00000000\n", plain[1]),
            (b"X-Mozilla-Status: 0009\nX-Mozilla-Status2: 00000000\n", plain[2]))
        box(local / "Archive", (b"", plain[3]))
        box(local / "Archive.sbd" / "2024", (b"", plain[4]))
        box(local / "Archive.sbd" / "2024.sbd" / "March", (b"", plain[5]))
        (local / "Empty").write_bytes(b"")
        (local / "Empty.msf").write_text("// <!-- <mdb:mork")
        (local / "msgFilterRules.dat").write_text('version="9"')
        for turn in range(2):
            summary = self.control("import", "work", local)
            self.assertEqual((summary["Messages"], summary["Known"]), (0, 5) if turn else (5, 0))
        seen = self.contents()
        self.assertEqual({name: [one[:2] for one in messages] for name, messages in seen.items()},
                         {"INBOX": [(corpus.crlf(plain[0]), tuple(sorted(("$label1", "nonjunk", "\\seen")))),
                                    (corpus.crlf(plain[1]), tuple(sorted(("$forwarded", "\\answered", "\\flagged", "\\seen"))))],
                          "Archive": [(corpus.crlf(plain[3]), ())], "Archive/2024": [(corpus.crlf(plain[4]), ())],
                          "Archive/2024/March": [(corpus.crlf(plain[5]), ())]})
        self.assertIn("Empty", [one["Name"] for one in self.control("folders", "work")])
        self.control("import", "work", self.files / "profile", "--folder", "Old")
        self.assertIn("Old/Mail/Local Folders/Archive/2024/March", self.contents())
        self.assertFalse([name for name in self.contents() if "storage" in name])

    def test_folders_of_eml_files(self):
        (self.files / "letters" / "deep").mkdir(parents=True)
        for index, one in enumerate(self.mails):
            (self.files / "letters" / ("deep" if index % 2 else "") / f"{index}.EML").write_bytes(one)
        for turn in range(2):
            self.assertEqual(self.control("import", "work", self.files / "letters")["Messages"], 0 if turn else len(self.mails))
        self.assertEqual(self.octets("letters"), self.expected(self.mails[::2]))
        self.assertEqual(self.octets("deep"), self.expected(self.mails[1::2]))
        one = self.files / "one.eml"
        one.write_bytes(mail(1))
        with self.assertRaises(ControlError) as caught:
            self.control("import", "work", one)
        self.assertEqual(caught.exception.status, 2)
        self.control("import", "work", one, "--folder", "One")
        self.assertEqual(self.octets("One"), [mail(1)])

    def test_killed_in_the_middle_it_is_there_once_in_the_end(self):
        messages = [b"Subject: %d\n\n%s\n" % (i, b"x" * 2000) for i in range(400)] + [b"Subject: twin\n\n"] * 5
        box = self.files / "box"
        box.write_bytes(self.mbox(messages))
        for turn in range(6):
            process = subprocess.Popen([find_program("posternctl"), "import", "work", str(box), "--folder", "In"],
                                       env=self.postern.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.05 * (turn + 1))
            if turn % 2:
                self.postern.kill()
                process.wait()
                self.postern.start()
                self.postern.wait_state("idle")
            else:
                process.kill()
                process.wait()
        for _ in range(2):
            self.control("import", "work", box, "--folder", "In")
        self.assertEqual(self.octets("In"), self.expected(messages))

    def test_what_is_no_mail_is_said(self):
        (self.files / "text").write_text("hello")
        with self.assertRaises(ControlError) as caught:
            self.imported()
        self.assertIn("no mail in", str(caught.exception))
        with self.assertRaises(ControlError) as caught:
            self.control("import", "work", self.files / "missing")
        self.assertIn("missing", str(caught.exception))
        (self.files / "nul.eml").write_bytes(b"Subject: nul\n\n\0\n")
        (self.files / "empty.eml").write_bytes(b"")
        (self.files / "good.eml").write_bytes(mail(1))
        with self.assertRaises(ControlError) as caught:
            self.imported("--folder", "In")
        self.assertIn("2 can't be mail", str(caught.exception))
        self.assertEqual(self.octets("In"), [mail(1)])


if __name__ == "__main__":
    unittest.main()
