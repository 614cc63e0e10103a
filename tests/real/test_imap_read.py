# SPDX-License-Identifier: GPL-3.0-or-later
"""What an IMAP client reads from Postern is what the provider has: bytes, structures, sections, search
results. The provider's own answers (Dovecot's) are the reference."""

import base64
import datetime
import email
import html.parser
import operator
import re
import unittest

from harness import (PATIENCE, Postern, Provider, RawImap, SharedCase, account, corpus, fill_real,
                     trusting, write_maildir)
from harness.structure import alike


def comparable(value):
    """A parsed value in which atoms and strings are alike."""
    if isinstance(value, list):
        return [comparable(item) for item in value]
    return bytes(value) if value is not None else None


def multipart_children(structure):
    children = []
    for item in structure:
        if not isinstance(item, list):
            break
        children.append(item)
    return children


def all_sections(structure, prefix=""):
    """(number, is message/rfc822) of every part below a structure."""
    if isinstance(structure[0], list):
        for i, child in enumerate(multipart_children(structure), 1):
            number = f"{prefix}.{i}" if prefix else str(i)
            yield from one_section(child, number)
    elif not prefix:
        yield from one_section(structure, "1")


def one_section(structure, number):
    if isinstance(structure[0], list):
        yield number, False
        yield from all_sections(structure, number)
        return
    is_message = structure[0].lower() == b"message" and structure[1].lower() == b"rfc822" and \
        len(structure) > 8 and isinstance(structure[8], list)
    yield number, is_message
    if is_message:
        inner = structure[8]
        if isinstance(inner[0], list):
            yield from all_sections(inner, number)
        else:
            yield from one_section(inner, f"{number}.1")


# How searches differ from Dovecot's, and how one can tell.
#
# 1. Dates that aren't RFC 5322's. Dovecot takes a Date field that it can't read for 1 January 1970.
#    Postern reads the forms of UNUSUAL_DATES, too; a Date that says nothing (the RFC wants years
#    from 1900 on, 3.3; spam has "0102") is neither before nor since any day.
# 2. 8-bit text in a header that names no charset and isn't UTF-8 is taken for Windows-1252. To
#    Dovecot it is no text.
# 3. HTML is searched as people read it: not in tags, comments, scripts and style sheets, but across
#    tags. Dovecot searches its source.
# 4. The headers of forwarded messages are text of the body. To Dovecot they belong to no BODY.

UNUSUAL_DATES = {
    b"2002/09/14 Sat 02:29:32 CDT": datetime.date(2002, 9, 14),
    b"2002/09/14 Sat 13:06:03 GMT": datetime.date(2002, 9, 14),
    b"Sat Sep 21 08:18:08 2002": datetime.date(2002, 9, 21),
    b"Mon, 27 May 2002 10:28:3 +0200": datetime.date(2002, 5, 27),
    b"Wed, 29 May 2002 16:54:6 +0300": datetime.date(2002, 5, 29),
    b"Sat, 8 Jun 2002 1:5:13 +-0500": datetime.date(2002, 6, 8),
    b"Mon, 22 Jul 2002 0:4:52 +-0500": datetime.date(2002, 7, 22),
}
RFC_5322_DATE = rb"^(\w{3}, *)?\d{1,2} \w{3} (19|[2-9]\d)\d\d \d\d:\d\d(:\d\d)? [-+\w]"
DATE_ORDERS = {"SENTBEFORE": operator.lt, "SENTON": operator.eq, "SENTSINCE": operator.ge}


class VisibleText(html.parser.HTMLParser):
    """The text of HTML, without what isn't shown."""

    def __init__(self, source):
        super().__init__()
        self.text = []
        self.feed(source)
        self.close()

    def handle_data(self, data):
        if self.cdata_elem is None:
            self.text.append(data)


def part_texts(part, ours):
    """What of a part, and the parts in it, is searched."""
    if part.get_content_type() == "message/rfc822":
        forwarded = part.get_payload(0)
        if ours:
            yield "\n".join(f"{name}: {value}" for name, value in forwarded.items())
        yield from part_texts(forwarded, ours)
    elif part.is_multipart():
        for child in part.get_payload():
            yield from part_texts(child, ours)
    elif part.get_content_maintype() in ("text", "message"):
        text = part.get_payload(decode=True).decode("iso-8859-1")
        if ours and part.get_content_subtype() == "html":
            text = "".join(VisibleText(text).text).replace("\xa0", " ")
        yield text


def body_text(mail, ours):
    """What a search of BODY looks through, in lower case: by Postern, or by Dovecot."""
    return "\n".join(part_texts(email.message_from_bytes(mail), ours)).lower()


def header_text(mail):
    return re.split(rb"\r?\n\r?\n", mail, maxsplit=1)[0].decode("iso-8859-1").lower()


def internal_date(text):
    return datetime.datetime.strptime(text.decode(), "%d-%b-%Y %H:%M:%S %z").timestamp()


class Reading(SharedCase):
    """One account with the real mails in INBOX, the awkward ones in Tricky and Monsters."""

    @classmethod
    def prepare(cls):
        cls.shared_provider = provider = Provider(storage="maildir")
        cls.mails = list(corpus.real().values())
        fill_real(provider)
        cls.tricky = corpus.tricky()
        cls.monsters = dict(corpus.monsters(), empty=b"")
        write_maildir(provider, list(cls.tricky.values()), "Tricky")
        write_maildir(provider, list(cls.monsters.values()), "Monsters")
        cls.shared_postern = Postern({"work": account(provider)})
        cls.shared_postern.sync(timeout=600)
        cls.there = RawImap(provider.imap).login("ada@example.org", "lovelace")
        cls.here = cls.shared_postern.imap(timeout=300)

    def both(self, folder="INBOX"):
        """(provider's connection, Postern's) with the folder selected read-only."""
        first = self.there.select(folder, "EXAMINE")
        second = self.here.select(folder, "EXAMINE")
        self.assertEqual(first.exists, second.exists)
        return self.there, self.here

    def assert_same_bytes(self, connection, folder="INBOX"):
        self.there.select(folder, "EXAMINE")
        connection.select(folder, "EXAMINE")
        expected = self.there.bodies()
        got = connection.bodies()
        self.assertEqual(len(expected), len(got))
        for i, (ours, theirs) in enumerate(zip(got.values(), expected.values())):
            if ours != theirs:
                self.fail(f"{folder} message {i + 1}: {len(ours)} bytes, {len(theirs)} upstream; "
                          f"first difference at {first_difference(ours, theirs)}")

    # Bytes

    def test_every_real_mail_is_byte_for_byte_on_the_unix_socket(self):
        self.assert_same_bytes(self.here)
        for data, sent in zip(self.here.bodies().values(), self.mails):
            # Dovecot keeps lines with LF and so takes one CR off each line that is appended,
            # however many it ends with, and puts one back where there is none: of several, one
            # is lost.
            self.assertEqual(data, corpus.crlf(sent).replace(b"\r\r\n", b"\r\n"))

    def test_every_real_mail_is_byte_for_byte_over_tls(self):
        postern = self.shared_postern
        with RawImap(postern.ports["imaps"], tls=trusting(postern.local_ca()), timeout=300) as imap:
            imap.login(*postern.login())
            self.assert_same_bytes(imap)

    def test_every_real_mail_is_byte_for_byte_after_starttls(self):
        postern = self.shared_postern
        with RawImap(postern.ports["imap"], timeout=300) as imap:
            imap.start_tls(trusting(postern.local_ca()))
            imap.login(*postern.login())
            self.assert_same_bytes(imap)

    def test_awkward_mails_are_byte_for_byte(self):
        self.assert_same_bytes(self.here, "Tricky")

    def test_monsters_are_byte_for_byte(self):
        self.assert_same_bytes(self.here, "Monsters")

    # Structures

    # ENVELOPE, BODY and BODYSTRUCTURE have no difference from Dovecot's that is meant.

    def assert_same_items(self, folder, items):
        """All messages of a folder have the same values."""
        there, here = self.both(folder)
        theirs = there.fetch("1:*", items, uid=False)
        ours = here.fetch("1:*", items, uid=False)
        self.assertEqual(set(theirs), set(ours))
        differences = []
        for number, expected in theirs.items():
            for item, value in expected.items():
                mine = comparable(ours[number].get(item))
                value = comparable(value)
                if not alike(mine, value):
                    differences.append(f"{folder} {number} {item}:\n  ours   {mine!r}\n"
                                       f"  theirs {value!r}")
        if differences:
            self.fail(f"{len(differences)} differences, the first of them:\n" +
                      "\n".join(differences[:8]))

    def test_envelopes_of_real_mails_are_dovecots(self):
        self.assert_same_items("INBOX", "(ENVELOPE)")

    def test_structures_of_real_mails_are_dovecots(self):
        self.assert_same_items("INBOX", "(BODYSTRUCTURE)")

    def test_non_extensible_structures_of_real_mails_are_dovecots(self):
        self.assert_same_items("INBOX", "(BODY)")

    def test_envelopes_of_awkward_mails_are_dovecots(self):
        self.assert_same_items("Tricky", "(ENVELOPE)")

    def test_structures_of_awkward_mails_are_dovecots(self):
        self.assert_same_items("Tricky", "(BODYSTRUCTURE)")

    def test_sizes_and_dates_are_the_providers(self):
        there, here = self.both()
        theirs = there.fetch("1:*", "(RFC822.SIZE INTERNALDATE)", uid=False)
        ours = here.fetch("1:*", "(RFC822.SIZE INTERNALDATE)", uid=False)
        for number, expected in theirs.items():
            self.assertEqual(ours[number]["RFC822.SIZE"], expected["RFC822.SIZE"], number)
            self.assertEqual(internal_date(ours[number]["INTERNALDATE"]),
                             internal_date(expected["INTERNALDATE"]), number)

    def test_flags_are_the_providers(self):
        there, here = self.both()
        self.assertEqual(list(there.flags().values()), list(here.flags().values()))

    # Sections

    def assert_same_section(self, which, items, folder="INBOX"):
        there, here = self.both(folder)
        theirs = there.fetch(which, items, uid=False)
        ours = here.fetch(which, items, uid=False)
        for number, expected in theirs.items():
            for item, value in expected.items():
                if item in ("FLAGS", "UID"):
                    continue
                mine = ours[number].get(item)
                self.assertEqual(mine, value, f"{folder} message {number} {item}")

    def test_headers_and_texts_are_dovecots(self):
        for items in ("(BODY.PEEK[HEADER])", "(BODY.PEEK[TEXT])", "(RFC822.HEADER)"):
            with self.subTest(items):
                self.assert_same_section("1:*", items)

    def test_chosen_header_fields_are_dovecots(self):
        for items in ("(BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority "
                      "X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)])",
                      "(BODY.PEEK[HEADER.FIELDS.NOT (Received From Subject)])",
                      "(BODY.PEEK[HEADER.FIELDS (received)])",
                      "(BODY.PEEK[HEADER.FIELDS (X-Not-There)])"):
            with self.subTest(items):
                self.assert_same_section("1:*", items)

    def test_partial_fetches_are_dovecots(self):
        for items in ("BODY.PEEK[]<0.100>", "BODY.PEEK[]<50.1>", "BODY.PEEK[]<1000000.5>",
                      "BODY.PEEK[TEXT]<10.2000>", "BODY.PEEK[HEADER]<3.70>", "BODY.PEEK[1]<7.300>"):
            with self.subTest(items):
                self.assert_same_section("1:400", f"({items})")

    def test_rfc822_and_rfc822_text_are_dovecots(self):
        self.assert_same_section("1:300", "(RFC822)")
        self.assert_same_section("1:300", "(RFC822.TEXT)")

    def test_every_part_of_every_multipart_is_dovecots(self):
        for folder in ("INBOX", "Tricky"):
            there, here = self.both(folder)
            structures = there.fetch("1:*", "(BODYSTRUCTURE)", uid=False)
            wanted = {}
            for number, items in structures.items():
                structure = items["BODYSTRUCTURE"]
                names = []
                for section, is_message in all_sections(structure):
                    names += [section, f"{section}.MIME"]
                    if is_message:
                        names += [f"{section}.HEADER", f"{section}.TEXT",
                                  f"{section}.HEADER.FIELDS (Subject From)",
                                  f"{section}.HEADER.FIELDS.NOT (Received)"]
                wanted.setdefault(tuple(names), []).append(number)
            for names, numbers in wanted.items():
                items = " ".join(f"BODY.PEEK[{name}]" for name in names)
                for at in range(0, len(numbers), 200):
                    which = ",".join(map(str, numbers[at:at + 200]))
                    theirs = there.fetch(which, f"({items})", uid=False)
                    ours = here.fetch(which, f"({items})", uid=False)
                    for number, expected in theirs.items():
                        for item, value in expected.items():
                            if item.endswith(".HEADER.FIELDS.NOT (RECEIVED)]"):
                                value = without_added_line(expected, item, value)
                            if item != "FLAGS" and ours[number].get(item) != value:
                                self.fail(f"{folder} message {number} {item}:\n"
                                          f"  ours   {ours[number].get(item)!r:.600}\n"
                                          f"  theirs {value!r:.600}")

    def test_sections_that_are_not_there_are_empty_or_nil(self):
        _, here = self.both()
        for section in ("99", "1.2.3.4", "99.MIME", "1.HEADER"):
            value = here.fetch("1", f"(BODY.PEEK[{section}])", uid=False)[1][f"BODY[{section}]"]
            self.assertIn(value, (None, b""))

    def test_reading_a_body_sets_seen_and_peeking_does_not(self):
        self.here.select("Tricky")
        first = self.here.uids("UNSEEN")[0]
        self.here.fetch(first, "(BODY.PEEK[])")
        self.assertNotIn("\\seen", self.here.flags(first)[first])
        self.here.fetch(first, "(BODY[]<0.1>)")
        self.assertIn("\\seen", self.here.flags(first)[first])

    def test_macros_stand_for_their_items(self):
        _, here = self.both()
        fast = {"FLAGS", "INTERNALDATE", "RFC822.SIZE"}
        for macro, items in (("FAST", fast), ("ALL", fast | {"ENVELOPE"}),
                             ("FULL", fast | {"ENVELOPE", "BODY"})):
            self.assertEqual(set(here.fetch("1", macro, uid=False)[1]), items)

    def test_sets_mean_what_rfc_3501_says(self):
        there, here = self.both()
        last = here.select("INBOX", "EXAMINE").exists
        for which in ("1", "1:3", "3:1", "*", "*:1", "2,4,6", "5:5", f"{last - 1}:*", "1,1,1"):
            ours = set(here.fetch(which, "(UID)", uid=False))
            self.assertEqual(ours, set(there.fetch(which, "(UID)", uid=False)), which)
        self.assertEqual(here.command(f"FETCH {last + 1} (UID)").status, "BAD")
        self.assertEqual(len(here.fetch("4000000000:*", "(UID)")), 1)

    # Search

    SEARCHES = (
        "ALL", "ANSWERED", "DELETED", "DRAFT", "FLAGGED", "NEW", "OLD", "SEEN", "UNANSWERED",
        "UNDELETED", "UNDRAFT", "UNFLAGGED", "UNSEEN", "KEYWORD $Forwarded", "UNKEYWORD $Forwarded",
        "KEYWORD notthere", "UNKEYWORD notthere", "1:100", "UID 1:*", "2,4,6:9", "*",
        "BEFORE 1-Sep-2002", "ON 22-Aug-2002", "SINCE 1-Sep-2002", "SENTBEFORE 1-Sep-2002",
        "SENTON 22-Aug-2002", "SENTSINCE 1-Sep-2002", "LARGER 10000", "SMALLER 2000",
        "FROM yahoo", "FROM \"steve burt\"", "TO zzzzteana", "CC linux", "BCC x", "SUBJECT re",
        "SUBJECT \"[SPAM]\"", "HEADER Message-ID cursor-system", "HEADER List-Id \"\"",
        "HEADER X-Mailer outlook", "HEADER Not-There \"\"",
        "NOT FROM yahoo", "OR FROM yahoo SUBJECT perl", "FROM yahoo SUBJECT re SEEN",
        "(FROM yahoo SUBJECT re)", "NOT (SEEN FROM yahoo)", "OR (SEEN FLAGGED) NOT LARGER 3000",
        "CHARSET US-ASCII SUBJECT perl", "CHARSET UTF-8 SUBJECT perl", "OR OR ANSWERED FLAGGED DRAFT",
        "SEEN NOT 1:3000", "SINCE 1-Aug-2002 BEFORE 15-Aug-2002", "NOT ALL", "OR SEEN UNSEEN",
        "SENTON 5-Sep-2002", "SENTBEFORE 1-Jan-2002", "SENTSINCE 1-Jan-2003", "ON 5-Sep-2002",
        "BEFORE 1-Jan-2002", "SINCE 1-Jan-2003", "LARGER 0", "SMALLER 0", "LARGER 4294967295",
        "CC \"\"", "BCC \"\"", "TO \"\"", "FROM \"\"", "SUBJECT \"\"", "TEXT \"\"", "BODY \"\"",
        "HEADER Received jmason", "HEADER Content-Type multipart", "HEADER Date 2002",
        "HEADER References @", "HEADER From yahoo", "HEADER To list", "CC \",\"", "SUBJECT \"=?\"",
        "1,3,5:7,* FROM a", "UID 10:20,1", "*:1", "FROM justin SUBJECT perl NOT SEEN",
        "NOT (OR SEEN FLAGGED)", "OLDER 1000", "YOUNGER 1000", "SUBJECT \"ticket #5560\"",
    )

    def test_search_keys_find_what_dovecot_finds(self):
        there, here = self.both()
        there.select("INBOX", "EXAMINE")
        for criteria in self.SEARCHES:
            with self.subTest(criteria):
                theirs = there.ok(f"SEARCH {criteria}").numbers()
                if re.search(r"\b(NEW|OLD|RECENT)\b", criteria):
                    continue
                ours = here.ok(f"SEARCH {criteria}").numbers()
                if criteria.startswith("SENT"):
                    self.assert_dates_explain(criteria, set(ours), set(theirs))
                else:
                    self.assertEqual(ours, theirs)

    def header_fields(self, numbers, name):
        """{number: value} of a header field that comes once."""
        which = ",".join(map(str, sorted(numbers)))
        found = self.there.fetch(which, f"(BODY.PEEK[HEADER.FIELDS ({name})])", uid=False)
        return {number: next(value for item, value in items.items() if item.startswith("BODY"))
                .partition(b":")[2].strip() for number, items in found.items()}

    def assert_dates_explain(self, criteria, ours, theirs):
        key, day = criteria.split()
        day = datetime.datetime.strptime(day, "%d-%b-%Y").date()
        if ours == theirs:
            return
        for number, date in self.header_fields(ours ^ theirs, "Date").items():
            self.assertNotRegex(date, RFC_5322_DATE, number)
            meets = date in UNUSUAL_DATES and DATE_ORDERS[key](UNUSUAL_DATES[date], day)
            self.assertEqual(number in ours, meets, f"{number}: {date!r}")
            self.assertEqual(number in theirs, DATE_ORDERS[key](datetime.date(1970, 1, 1), day))

    def test_text_and_body_searches_find_what_dovecot_finds(self):
        there, here = self.both()
        for criteria in ("BODY perl", "TEXT perl", "BODY \"free software\"", "TEXT zzzzteana",
                         "BODY qqxqqxqq", "NOT TEXT the", "BODY unsubscribe", "TEXT unsubscribe",
                         "NOT BODY linux", "BODY boundary", "TEXT multipart", "BODY the",
                         "BODY \"a b\"", "TEXT \"received: from\""):
            with self.subTest(criteria):
                theirs = set(there.ok(f"SEARCH {criteria}").numbers())
                ours = set(here.ok(f"SEARCH {criteria}").numbers())
                self.assert_text_explains(criteria, ours, theirs)

    def assert_text_explains(self, criteria, ours, theirs):
        negated, key, word = re.fullmatch(r'(NOT )?(BODY|TEXT) "?([^"]*)"?', criteria).groups()
        for number in ours ^ theirs:
            mail = self.mails[number - 1]
            header = header_text(mail) if key == "TEXT" else ""
            for found, is_ours in ((ours, True), (theirs, False)):
                meets = word in header or word in body_text(mail, is_ours)
                self.assertEqual(number in found, meets != bool(negated),
                                 f"{number}: {'ours' if is_ours else 'theirs'}")

    def test_uid_search_gives_uids(self):
        _, here = self.both()
        numbers = here.ok("SEARCH FROM yahoo").numbers()
        uids = here.uids("FROM yahoo")
        by_number = here.fetch(",".join(map(str, numbers)), "(UID)", uid=False)
        self.assertEqual([int(by_number[number]["UID"]) for number in numbers], uids)

    def test_an_unknown_charset_is_refused_with_badcharset(self):
        _, here = self.both()
        result = here.command("SEARCH CHARSET X-KLINGON SUBJECT x")
        self.assertEqual(result.status, "NO")
        self.assertIn("BADCHARSET", result.text.upper())

    def test_a_search_word_may_be_a_literal_in_utf_8(self):
        there, here = self.both()
        word = "é".encode()
        theirs, ours = (set(connection.ok("SEARCH CHARSET UTF-8 SUBJECT {}", word).numbers())
                        for connection in (there, here))
        self.assertTrue(ours & theirs)
        self.assertFalse(theirs - ours)
        for number, subject in self.header_fields(ours - theirs, "Subject").items():
            self.assertFalse(is_utf_8(subject), number)
            self.assertIn("é", subject.decode("windows-1252", "replace").lower(), number)


    # Sort and thread

    def read_differently(self):
        """Numbers of messages with an unusual Date, or 8-bit text in From or Subject: see above."""
        messages = self.there.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (Date From Subject)])",
                                    uid=False)
        return {number for number, items in messages.items() for value in items.values()
                if isinstance(value, bytes) and
                (not is_utf_8(value) or any(date in value for date in UNUSUAL_DATES))}

    def test_sort_orders_are_dovecots(self):
        there, here = self.both()
        left_out = self.read_differently()
        for keys in ("ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO", "REVERSE DATE",
                     "REVERSE SUBJECT DATE", "DISPLAYFROM", "DISPLAYTO", "FROM REVERSE SIZE"):
            ours, theirs = ([number for number in map(int, connection.ok(
                f"SORT ({keys}) UTF-8 ALL").lines("SORT")[0].split()[1:]) if number not in left_out]
                            for connection in (here, there))
            self.assertEqual(ours, theirs, keys)

    def test_threads_are_dovecots(self):
        there, here = self.both()
        left_out = self.read_differently()
        for algorithm in ("REFERENCES", "REFS", "ORDEREDSUBJECT"):
            ours, theirs = ([thread for thread in threads(connection.ok(
                f"THREAD {algorithm} UTF-8 ALL").lines("THREAD")[0])
                if left_out.isdisjoint(map(int, re.findall(rb"\d+", thread)))]
                            for connection in (here, there))
            self.assertEqual(ours, theirs, algorithm)


def is_utf_8(value):
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def threads(line):
    """The threads of a THREAD response, one by one."""
    depth, start = 0, 0
    for at, byte in enumerate(line):
        if byte == ord("("):
            start = at if depth == 0 else start
            depth += 1
        elif byte == ord(")"):
            depth -= 1
            if depth == 0:
                yield line[start:at + 1]


def first_difference(one, other):
    for i, (a, b) in enumerate(zip(one, other)):
        if a != b:
            return i
    return min(len(one), len(other))


def without_added_line(items, item, value):
    """The value of HEADER.FIELDS.NOT as Postern gives it: a forwarded message that ends within its
    header has no blank line to give (RFC 3501, 6.4.5: "except in the case of a message which has no
    body and no blank line"); Dovecot adds one."""
    header = items[item.replace(".FIELDS.NOT (RECEIVED)", "")]
    return value if header.endswith(b"\r\n\r\n") else value.removesuffix(b"\r\n")


class Folders(SharedCase):
    """LIST, LSUB and STATUS on a tree of folders with awkward names."""

    NAMES = ("Lists", "Lists/Easy", "Lists/Hard", "Lists/Hard/Deeper", "With space", "Quote\\\"d",
             "&AOQA9gD8-", "INBOX/Below", "Percent%", "a&-b")

    @classmethod
    def prepare(cls):
        cls.shared_provider = provider = Provider()
        cls.there = RawImap(provider.imap).login("ada@example.org", "lovelace")
        for name in cls.NAMES:
            result = cls.there.command(f'CREATE "{name}"')
            if result.status == "OK":
                cls.there.ok(f'SUBSCRIBE "{name}"')
        cls.there.ok('UNSUBSCRIBE "Lists/Easy"')
        cls.there.append("Lists", b"Subject: one\r\n\r\n1\r\n", "\\Seen")
        cls.there.append("Lists", b"Subject: two\r\n\r\n2\r\n")
        cls.shared_postern = Postern({"work": account(provider)})
        cls.shared_postern.sync()
        cls.here = cls.shared_postern.imap()

    def listed(self, connection, command):
        names = {}
        for line in connection.ok(command).untagged:
            found = re.match(rb"(?:LIST|LSUB) \(([^)]*)\) (\S+) (.*)$", line, re.S)
            if found:
                name = re.sub(rb"^\{\d+\}\r\n", b"", found.group(3)).strip(b'"')
                attributes = set(found.group(1).lower().split())
                names[name] = (attributes - {b"\\marked", b"\\unmarked", b"\\hasnochildren"},
                               found.group(2))
        return names

    def test_list_and_lsub_answer_as_the_provider_does(self):
        for command in ('LIST "" "*"', 'LIST "" "%"', 'LIST "" "Lists/%"', 'LIST "Lists/" "%"',
                        'LIST "" "lists*"', 'LIST "" "%/%"', 'LIST "" "INBOX"', 'LIST "" "inbox"',
                        'LIST "" "Not there"', 'LIST "" ""', 'LSUB "" "*"', 'LIST "" "*Hard*"'):
            with self.subTest(command):
                self.assertEqual(self.listed(self.here, command), self.listed(self.there, command))

    def test_special_use_is_the_providers(self):
        folders = self.here.folders()
        for name, use in (("Sent", "\\sent"), ("Drafts", "\\drafts"), ("Trash", "\\trash")):
            self.assertIn(use, folders[name])

    def test_status_counts_as_the_provider_does(self):
        for name in ("INBOX", "Lists", "&AOQA9gD8-"):
            command = f'STATUS "{name}" (MESSAGES UNSEEN)'
            ours, theirs = ([int(number) for number in re.findall(rb"(?:MESSAGES|UNSEEN) (\d+)",
                                                                  connection.ok(command).untagged[0])]
                            for connection in (self.here, self.there))
            self.assertEqual(ours, theirs, name)

    def test_status_of_a_folder_that_is_not_there_says_no(self):
        self.assertEqual(self.here.command('STATUS "Nowhere" (MESSAGES)').status, "NO")
        self.assertEqual(self.here.command('SELECT "Nowhere"').status, "NO")

    def test_status_gives_local_uidnext_and_uidvalidity(self):
        selected = self.here.select("Lists", "EXAMINE")
        line = self.here.ok('STATUS "Lists" (UIDNEXT UIDVALIDITY)').untagged[0].decode()
        self.assertIn(f"UIDNEXT {selected.code('UIDNEXT')}", line)
        self.assertIn(f"UIDVALIDITY {selected.code('UIDVALIDITY')}", line)


class Sessions(SharedCase):
    """The commands of RFC 3501 in their states, and what happens to wrong ones."""

    @classmethod
    def prepare(cls):
        cls.shared_provider = provider = Provider()
        fill_real(provider, limit=20)
        cls.shared_postern = Postern({"work": account(provider)})
        cls.shared_postern.sync()

    def plain(self):
        imap = RawImap(self.shared_postern.ports["imap"])
        self.addCleanup(imap.close)
        return imap

    def preauth(self):
        return self.local(self.shared_postern)

    def test_greetings_are_ok_and_preauth(self):
        self.assertTrue(self.plain().greeting.startswith(b"* OK"))
        self.assertTrue(self.preauth().greeting.startswith(b"* PREAUTH"))

    def test_capabilities_name_what_issue_3_promises(self):
        words = set(self.preauth().ok("CAPABILITY").lines("CAPABILITY")[0].decode().upper().split())
        for word in ("IMAP4REV1", "IDLE", "UIDPLUS", "NAMESPACE", "ID", "ENABLE", "LITERAL+",
                     "UNSELECT", "SPECIAL-USE", "CHILDREN", "CONDSTORE"):
            self.assertIn(word, words)
        before = set(self.plain().ok("CAPABILITY").lines("CAPABILITY")[0].decode().upper().split())
        for word in ("IMAP4REV1", "STARTTLS", "AUTH=PLAIN", "SASL-IR", "LITERAL+"):
            self.assertIn(word, before)

    def test_login_by_id_and_by_address(self):
        _, password = self.shared_postern.login()
        for user in ("work", "ada@example.org", "ADA@example.org"):
            with self.subTest(user):
                self.plain().login(user, password).select()

    def test_login_by_literal_and_by_authenticate(self):
        user, password = self.shared_postern.login()
        self.plain().ok("LOGIN {} {}", user.encode(), password.encode())
        initial = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        self.plain().ok(f"AUTHENTICATE PLAIN {initial}")
        imap = self.plain()
        tag = imap.start("AUTHENTICATE PLAIN")
        self.assertTrue(imap.read_line().startswith(b"+"))
        imap.send(initial + "\r\n")
        self.assertEqual(imap.finish(tag).status, "OK")

    def test_wrong_passwords_are_refused_and_the_session_goes_on(self):
        imap = self.plain()
        result = imap.command('LOGIN "work" "wrong"')
        self.assertEqual(result.status, "NO")
        self.assertIn("AUTHENTICATIONFAILED", result.text)
        imap.login(*self.shared_postern.login())

    def test_an_authentication_can_be_cancelled(self):
        imap = self.plain()
        tag = imap.start("AUTHENTICATE PLAIN")
        imap.read_line()
        imap.send("*\r\n")
        self.assertEqual(imap.finish(tag).status, "BAD")
        imap.login(*self.shared_postern.login())

    def test_commands_need_their_state(self):
        for command in ("SELECT INBOX", 'LIST "" "*"', "FETCH 1 FLAGS", "SEARCH ALL"):
            self.assertEqual(self.plain().command(command).status, "BAD", command)
        imap = self.preauth()
        for command in ("FETCH 1 FLAGS", "SEARCH ALL", "CLOSE", "EXPUNGE", "LOGIN a b",
                        "UID FETCH 1 FLAGS"):
            self.assertEqual(imap.command(command).status, "BAD", command)

    def test_nonsense_is_answered_bad_and_the_session_goes_on(self):
        imap = self.preauth()
        imap.select()
        for command in ("XYZZY", "FETCH", "FETCH 0 FLAGS", "FETCH 1 (FLAGS", "FETCH 1 NONSENSE",
                        "STORE 1 FLAGS", "SEARCH NONSENSE", "SEARCH", "UID", "UID NONSENSE",
                        "FETCH 1 BODY[", "FETCH a FLAGS", "LIST", "STATUS INBOX ()",
                        "SELECT", 'LIST "" "*" extra'):
            self.assertEqual(imap.command(command).status, "BAD", command)
        imap.send("\r\n")
        imap.wait_line(r"^\* BAD|^ BAD|BAD", 10)
        imap.ok("NOOP")

    def test_logout_says_bye(self):
        imap = self.preauth()
        result = imap.command("LOGOUT")
        self.assertEqual(result.status, "OK")
        self.assertTrue(any(line.upper().startswith(b"BYE") for line in result.untagged))

    def test_select_tells_all_that_rfc_3501_demands(self):
        result = self.preauth().select()
        self.assertEqual(result.exists, 20)
        for line in ("EXISTS", "RECENT", "FLAGS"):
            self.assertTrue(result.lines(line), line)
        for code in ("UIDVALIDITY", "UIDNEXT", "PERMANENTFLAGS", "HIGHESTMODSEQ", "READ-WRITE"):
            self.assertIsNotNone(result.code(code), code)
        self.assertIsNotNone(self.preauth().select(verb="EXAMINE").code("READ-ONLY"))

    def test_examined_mailboxes_are_not_changed(self):
        imap = self.preauth()
        imap.select(verb="EXAMINE")
        self.assertEqual(imap.command("STORE 1 +FLAGS (\\Deleted)").status, "NO")
        first = imap.uids("UNSEEN")[0]
        imap.fetch(first, "(BODY[])")
        self.assertNotIn("\\seen", imap.flags(first)[first])

    def test_store_answers_and_silence(self):
        imap = self.preauth()
        imap.select()
        answer = imap.ok("STORE 1 +FLAGS (\\Flagged $Label1)").fetched()[1]["FLAGS"]
        self.assertIn(b"\\Flagged", answer)
        self.assertIn(b"$Label1", answer)
        self.assertFalse(imap.ok("STORE 1 -FLAGS.SILENT (\\Flagged)").lines("FETCH"))
        self.assertNotIn("\\flagged", imap.flags(imap.uids("1")[0]).popitem()[1])
        imap.ok("STORE 1 FLAGS ()")
        self.assertEqual(imap.flags(imap.uids("1")[0]).popitem()[1], set())

    def test_store_takes_keywords_and_refuses_recent(self):
        imap = self.preauth()
        imap.select()
        self.assertIn(imap.command("STORE 1 +FLAGS (\\Recent)").status, ("BAD", "NO"))
        imap.ok("UID STORE 1:* +FLAGS (Work)")
        self.assertTrue(all("work" in flags for flags in imap.flags().values()))
        self.assertEqual(len(imap.uids("KEYWORD work")), 20)
        imap.ok("UID STORE 1:* -FLAGS (work)")

    def test_two_sessions_see_each_others_flags(self):
        one, two = self.preauth(), self.preauth()
        one.select()
        two.select()
        one.ok("STORE 2 +FLAGS.SILENT (\\Flagged)")
        seen = two.ok("NOOP").fetched()
        self.assertIn(b"\\Flagged", seen[2]["FLAGS"])
        one.ok("STORE 2 -FLAGS.SILENT (\\Flagged)")

    def test_an_idling_session_hears_at_once(self):
        one, two = self.preauth(), self.preauth()
        one.select()
        two.select()
        two.idle()
        one.ok("STORE 3 +FLAGS.SILENT (\\Flagged)")
        self.assertIn(b"\\Flagged", two.wait_line(r"^\* 3 FETCH", 5))
        two.done()
        one.ok("STORE 3 -FLAGS.SILENT (\\Flagged)")

    def test_condstore_tells_and_heeds_modification_sequences(self):
        imap = self.preauth()
        # Other messages may have changed since message 4 last did: the mailbox's own value tells
        # what "changed since" is to be measured from (RFC 7162, 3.1.2.1).
        before = int(imap.ok("SELECT INBOX (CONDSTORE)").code("HIGHESTMODSEQ"))
        self.assertLessEqual(int(imap.fetch("4", "(MODSEQ)", uid=False)[4]["MODSEQ"][0]), before)
        imap.ok("STORE 4 +FLAGS (\\Flagged)")
        after = int(imap.fetch("4", "(MODSEQ)", uid=False)[4]["MODSEQ"][0])
        self.assertGreater(after, before)
        changed = imap.ok(f"FETCH 1:* (FLAGS) (CHANGEDSINCE {before})").fetched()
        self.assertEqual(set(changed), {4})
        result = imap.command(f"STORE 4 (UNCHANGEDSINCE {before}) -FLAGS (\\Flagged)")
        self.assertEqual(result.code("MODIFIED"), "4")
        imap.ok(f"STORE 4 (UNCHANGEDSINCE {after}) -FLAGS (\\Flagged)")
        self.assertEqual(imap.ok(f"SEARCH MODSEQ {after}").numbers(), [4])

    def test_namespace_id_enable_and_unselect(self):
        imap = self.preauth()
        self.assertTrue(imap.ok("NAMESPACE").lines("NAMESPACE"))
        self.assertTrue(imap.ok('ID ("name" "test")').lines("ID"))
        imap.ok("ID NIL")
        self.assertTrue(imap.ok("ENABLE CONDSTORE").lines("ENABLED"))
        imap.select()
        imap.ok("UNSELECT")
        self.assertEqual(imap.command("FETCH 1 FLAGS").status, "BAD")

    def test_literals_may_be_non_synchronizing(self):
        imap = self.preauth()
        imap.send(b"x1 SELECT {5+}\r\nINBOX\r\n")
        self.assertEqual(imap.finish("x1").status, "OK")

    def test_commands_may_be_pipelined(self):
        imap = self.preauth()
        imap.send(b"p1 SELECT INBOX\r\np2 FETCH 1 FLAGS\r\np3 SEARCH ALL\r\np4 NOOP\r\n")
        for tag in ("p1", "p2", "p3", "p4"):
            self.assertEqual(imap.finish(tag).status, "OK")

    def test_check_noop_and_close_do_no_harm(self):
        imap = self.preauth()
        imap.select()
        for command in ("CHECK", "NOOP", "CLOSE"):
            imap.ok(command)
        self.assertEqual(imap.select().exists, 20)

    def test_writes_are_done_or_refused_by_name(self):
        imap = self.preauth()
        imap.select()
        for command in ("COPY 1 Trash", "CREATE New", "RENAME New Newer", "DELETE Newer"):
            result = imap.command(command)
            if result.status != "OK":
                self.assertEqual(result.status, "NO", command)
                self.assertIn("[CANNOT]", result.text, command)

    def test_250_sessions_at_once_are_served(self):
        sessions = [self.preauth() for _ in range(250)]
        for imap in sessions:
            imap.select()
        for imap in sessions:
            imap.idle()
        sessions[0].done()
        # A flag that message 5 doesn't have: what changes nothing is told to nobody.
        sessions[0].ok("STORE 5 +FLAGS.SILENT (\\Answered)")
        for imap in sessions[1:]:
            imap.wait_line(r"^\* 5 FETCH", 20 * PATIENCE)
        sessions[0].ok("STORE 5 -FLAGS.SILENT (\\Answered)")

    def test_endless_lines_and_literals_are_bounded(self):
        imap = self.plain()
        try:
            for _ in range(64):
                imap.send(b"x" * 65536)
            imap.send(b"\r\n")
            line = imap.wait_line("BAD|BYE|TOOBIG", 30)
        except (OSError, EOFError):
            line = b"closed"
        self.assertTrue(line)
        imap = self.plain()
        imap.send(b"a LOGIN {4000000000}\r\n")
        self.assertRegex(imap.read_line(), rb"^(a (BAD|NO)|\* BYE)")
        self.plain().login(*self.shared_postern.login())


if __name__ == "__main__":
    unittest.main()
