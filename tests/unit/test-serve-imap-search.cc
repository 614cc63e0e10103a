/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The local IMAP server's extensions of searching, sorting, threading, and making mailboxes, as
 * transcripts. */
#include "imap-transcript.h"

namespace
{

std::string mail(const char *from, const char *subject, int day, const char *more = "")
{
    return std::string("From: ") + from + "\r\nSubject: " + subject +
           "\r\nDate: " + std::to_string(day) + " Mar 2000 12:00:00 +0000\r\n" + more +
           "\r\nhello\r\n";
}

/* By reference alone, and the conversation with the latest message last. */
TEST_F(ImapTest, ThreadsByReferencesAlone)
{
    deliver(inbox, mail("a@a", "one", 1, "Message-ID: <1@a>\r\n"));
    deliver(inbox, mail("a@a", "two", 2, "Message-ID: <2@a>\r\n"));
    deliver(inbox, mail("a@a", "Re: two", 3));
    deliver(inbox, mail("a@a", "Re: one", 4, "Message-ID: <3@a>\r\nReferences: <1@a>\r\n"));
    deliver(inbox, mail("a@a", "x", 7, "References: <gone@a>\r\n"));
    deliver(inbox, mail("a@a", "y", 5, "References: <gone@a>\r\n"));
    deliver(inbox, mail("a@a", "z", 6));
    auto client = select();
    client->play(R"(
        C: a THREAD REFS UTF-8 ALL
        S: * THREAD (2)(3)(1 4)(7)((6)(5))
        S: a OK …
        C: b UID THREAD REFS UTF-8 1:2
        S: * THREAD (1)(2)
        S: b OK …
    )");
}

/* RFC 3501, 6.4.4: FROM, TO, CC and BCC look at the envelope's addresses, and at what is written. */
TEST_F(ImapTest, AddressesAreFoundHoweverTheyAreWritten)
{
    const struct {
        const char *written, *shown, *also; /* both are found */
    } cases[] = {
        {"Ada <ada (home) @ example (dot) . org>", "ada@example.org", "(home)"},
        {"Ada\r\n <ada@\r\n example.org>", "ada@example.org", "ada@ "},
        {"ada@example.org (Ada Lovelace)", "Ada Lovelace", "(ada"},
        {"\"Ada \\\"Countess\\\" L\" <a@b>", "ada \"countess\" l", "\\\"countess"},
        {"\"ada.l\"@example.org", "ada.l@example.org", "\"ada.l\"@"},
        {"=?utf-8?q?J=C3=BCrgen?= (=?utf-8?q?M=C3=BCller?=) <j@example.org>", "jürgen", "müller"},
        {"=?utf-8?b?SsO8cmdlbg==?=\r\n =?utf-8?q?_M=C3=BCller?= <j@example.org>", "jürgen müller",
         "j@ex"},
        {"Friends: ada@example.org, Bob (the) <bob(x)@example.org>;", "bob@example.org",
         "friends:"},
        {"<@relay.example:ada@example.org>", "ada@example.org", "@relay.example:"},
        {"a@b, c (x) @d, e (y) @f", "e@f", "(x)"},
    };
    const char *const fields[] = {"From", "To", "Cc", "Bcc"};
    guint number = 0;
    for (const char *field : fields)
        for (const auto &one : cases)
            deliver(inbox,
                    std::string(field) + ": " + one.written + "\r\nSubject: x\r\n\r\nbody\r\n");
    auto client = select();
    for (const char *field : fields)
        for (const auto &one : cases) {
            number++;
            for (std::string text : {one.shown, one.also}) {
                std::string literal = "{" + std::to_string(text.size()) + "+}\r\n" + text;
                std::string found =
                    client->command("a SEARCH CHARSET UTF-8 " + std::to_string(number) + " " +
                                    field + " " + literal);
                EXPECT_EQ(found.substr(0, found.find("\r\n")), "* SEARCH " + std::to_string(number))
                    << one.written << " / " << text;
            }
        }
    client->play("C: b SEARCH FROM xyzzy@example.org\nS: * SEARCH\nS: b OK …");
}

/* What people see or follow; README says so. */
TEST_F(ImapTest, HtmlIsSearchedWithWhatItsTagsShow)
{
    deliver(inbox,
            "Content-Type: "
            "text/html\r\n\r\n<html><head><title>Atitle</title><style>.hidden{}</style></head>"
            "<!-- acomment --><body><script>ascript</script><p class=aclass>Hel<b>lo</b>"
            "<a href='https://link.example/a?b=1&amp;c=2' title=\"hint\">there</a>"
            "<img src=\"cid:picture\" alt='analt &amp; more'></body></html>\r\n");
    auto client = select();
    for (const char *found :
         {"atitle", "hello", "https://link.example/a?b=1&c=2", "hint", "analt & more", "there"})
        for (const char *key : {"BODY", "TEXT"})
            client->play(std::string("C: a SEARCH ") + key + " \"" + found +
                         "\"\nS: * SEARCH 1\nS: a OK …");
    for (const char *hidden : {"acomment", "ascript", "aclass", "hidden", "href", "<b>"})
        client->play(std::string("C: a SEARCH BODY \"") + hidden + "\"\nS: * SEARCH\nS: a OK …");
}

/* RFC 6203, 3 to 6 */
TEST_F(ImapTest, FuzzySearchesFindAllWordsAndTellHowWell)
{
    deliver(inbox, mail("user@example.com", "IMAP break", 1));
    deliver(inbox, mail("a@a", "nothing", 2));
    deliver(inbox, mail("a@a", "broken by a break of IMAP", 3));
    deliver(inbox, mail("user@example.com", "work", 4) + "the IMAP break in the body\r\n");
    deliver(inbox, mail("a@a", "other", 5) + "to break is what IMAP does\r\n");
    auto client = select();
    client->play(R"(
        C: A1 SEARCH FUZZY (SUBJECT "IMAP break")
        S: * SEARCH 1 3
        S: A1 OK …
        C: A2 SEARCH FUZZY SUBJECT work FROM user@example.com
        S: * SEARCH 4
        S: A2 OK …
        C: B1 SEARCH RETURN (RELEVANCY ALL) FUZZY TEXT "IMAP break"
        S: * ESEARCH (TAG "B1") ALL 1,3:5 RELEVANCY (100 60 50 30)
        S: B1 OK …
        C: B2 SEARCH RETURN (RELEVANCY COUNT) FUZZY (TEXT "nonsense")
        S: * ESEARCH (TAG "B2") COUNT 0 RELEVANCY ()
        S: B2 OK …
        C: B3 SEARCH RETURN (RELEVANCY ALL) FUZZY OR FLAGGED SUBJECT "break imap"
        S: * ESEARCH (TAG "B3") ALL 1,3 RELEVANCY (60 60)
        S: B3 OK …
        C: B4 SEARCH FUZZY NOT SUBJECT "break IMAP"
        S: * SEARCH 1 2 3 4 5
        S: B4 OK …
        C: C1 SORT (RELEVANCY) UTF-8 FUZZY SUBJECT "break of"
        S: * SORT 3
        S: C1 OK …
        C: C2 SORT RETURN (RELEVANCY ALL) (REVERSE RELEVANCY) UTF-8 FUZZY TEXT "IMAP break"
        S: * ESEARCH (TAG "C2") ALL 5,4,3,1 RELEVANCY (30 50 60 100)
        S: C2 OK …
        C: C3 UID SORT RETURN (PARTIAL 1:2 RELEVANCY) (RELEVANCY) UTF-8 FUZZY TEXT "IMAP break"
        S: * ESEARCH (TAG "C3") UID PARTIAL (1:2 1,3) RELEVANCY (100 60)
        S: C3 OK …
        C: D1 SEARCH RETURN (RELEVANCY) TEXT "IMAP break"
        S: D1 BAD …
        C: D2 SORT (RELEVANCY) UTF-8 ALL
        S: D2 BAD …
        C: D3 SEARCH RETURN (RELEVANCY ALL) FUZZY FLAGGED
        S: * ESEARCH (TAG "D3") RELEVANCY ()
        S: D3 OK …
    )");
}

/* RFC 6154, 5.3; one use each is what is kept here. */
TEST_F(ImapTest, MailboxesAreMadeForAUse)
{
    auto client = connect();
    client->play(R"(
        C: t2 CREATE MyDrafts (USE (\Drafts))
        S: t2 OK [MAILBOXID …
        C: t3 CREATE Everything (USE (\All))
        S: t3 NO [USEATTR] …
        C: t4 CREATE MySpecial (USE (\Drafts \Sent))
        S: t4 NO [USEATTR] …
        C: t5 CREATE Other (USE (\Drafts))
        S: t5 NO [USEATTR] …
        C: t6 CREATE Plain (USE ())
        S: t6 OK …
        C: t7 CREATE Bad (USE \Sent)
        S: t7 BAD …
        C: t8 CREATE Bad (COLOUR (red))
        S: t8 BAD …
        C: t9 LIST (SPECIAL-USE) "" "*"
        S: * LIST (\Drafts) "/" MyDrafts
        S: t9 OK …
        C: ta LIST "" "B*"
        S: ta OK …
    )");
}

/* RFC 7377, 2 and 3 */
TEST_F(ImapTest, SearchesSeveralMailboxes)
{
    gint64 one = make_folder("folder1"), banana = make_folder("folder2/banana");
    make_folder("folder2");
    gint64 deep = make_folder("folder2/a/b");
    deliver(inbox, mail("a@a", "chad", 1));
    deliver(one, mail("a@a", "chad", 1));
    deliver(one, mail("a@a", "other", 1), {CACHE_SEEN, 0});
    deliver(one, mail("a@a", "chad", 1));
    deliver(banana, mail("a@a", "chad", 1), {CACHE_SEEN, 0});
    deliver(deep, mail("a@a", "chad", 1));
    auto client = connect();
    client->play(R"(
        C: tag1 ESEARCH IN (mailboxes "folder1" subtree "folder2") unseen
        S: * ESEARCH (TAG "tag1" MAILBOX folder1 UIDVALIDITY …) UID ALL 1,3
        S: * ESEARCH (TAG "tag1" MAILBOX folder2/a/b UIDVALIDITY …) UID ALL 1
        S: tag1 OK …
        C: tag2 ESEARCH IN (mailboxes "folder1" subtree-one "folder2") subject "chad"
        S: * ESEARCH (TAG "tag2" MAILBOX folder1 UIDVALIDITY …) UID ALL 1,3
        S: * ESEARCH (TAG "tag2" MAILBOX folder2/banana UIDVALIDITY …) UID ALL 1
        S: tag2 OK …
        C: tag3 ESEARCH IN (personal) RETURN (COUNT MIN) SEEN
        S: * ESEARCH (TAG "tag3" MAILBOX folder1 UIDVALIDITY …) UID MIN 2 COUNT 1
        S: * ESEARCH (TAG "tag3" MAILBOX folder2/banana UIDVALIDITY …) UID MIN 1 COUNT 1
        S: tag3 OK …
        C: tag4 ESEARCH IN (mailboxes (INBOX nowhere)) FLAGGED
        S: tag4 OK …
        C: tag5 ESEARCH SUBJECT chad
        S: tag5 BAD Select a mailbox first
        C: tag6 ESEARCH IN (selected-delayed) ALL
        S: tag6 BAD …
        C: tag7 SELECT folder1
        S~ tag7 OK …
        C: tag8 ESEARCH IN (selected inboxes) SUBJECT chad
        S: * ESEARCH (TAG "tag8" MAILBOX INBOX UIDVALIDITY …) UID ALL 1
        S: * ESEARCH (TAG "tag8" MAILBOX folder2/a/b UIDVALIDITY …) UID ALL 1
        S: * ESEARCH (TAG "tag8" MAILBOX folder2/banana UIDVALIDITY …) UID ALL 1
        S: * ESEARCH (TAG "tag8" MAILBOX folder1 UIDVALIDITY …) UID ALL 1,3
        S: tag8 OK …
        C: tag9 UID ESEARCH FROM "a@a" 2:100
        S: * ESEARCH (TAG "tag9" MAILBOX folder1 UIDVALIDITY …) UID ALL 2:3
        S: tag9 OK …
        C: taga ESEARCH RETURN (SAVE) SEEN
        S: taga OK …
        C: tagb UID SEARCH $
        S: * SEARCH 2
        S: tagb OK …
        C: tagc ESEARCH IN (mailboxes INBOX) RETURN (SAVE) ALL
        S: tagc BAD …
        C: tagd ESEARCH IN (mailboxes INBOX) RETURN (ALL) MODSEQ 1
        S: * OK [HIGHESTMODSEQ …
        S: * ESEARCH (TAG "tagd" MAILBOX INBOX UIDVALIDITY …) UID ALL 1 MODSEQ …
        S: tagd OK …
        C: tage FETCH 1 UID
        S: * 1 FETCH (UID 1)
        S: tage OK …
    )");
}

/* RFC 5267, 4.3 */
TEST_F(ImapTest, ContextsAreKeptUpToDate)
{
    deliver(inbox, mail("a@a", "one", 1), {CACHE_DELETED, 0});
    deliver(inbox, mail("a@a", "two", 2));
    auto client = select();
    client->play(R"(
        C: A01 SEARCH RETURN (CONTEXT COUNT) UNDELETED
        S: * ESEARCH (TAG "A01") COUNT 1
        S: A01 OK …
        C: B01 UID SEARCH RETURN (UPDATE COUNT) DELETED
        S: * ESEARCH (TAG "B01") UID COUNT 1
        S: B01 OK …
        C: B01 SORT RETURN (UPDATE) (DATE) UTF-8 FLAGGED
        S: B01 BAD …
        C: C01 SEARCH RETURN (UPDATE) NOT SUBJECT two 1:*
        S: * ESEARCH (TAG "C01")
        S: C01 OK …
        C: a STORE 2 +FLAGS (\Deleted)
        S: * 2 FETCH (FLAGS (\Deleted \Recent))
        S: * ESEARCH (TAG "B01") UID ADDTO (0 2)
        S: a OK …
        C: b STORE 1:2 -FLAGS.SILENT (\Deleted)
        S: * ESEARCH (TAG "B01") UID REMOVEFROM (0 1:2)
        S: b OK …
    )");
    deliver(inbox, mail("a@a", "three", 3), {CACHE_DELETED, 0});
    client->play(R"(
        C: c NOOP
        S: * 3 EXISTS
        S: * 3 RECENT
        S: * ESEARCH (TAG "B01") UID ADDTO (0 3)
        S: c OK …
        C: d STORE 1 +FLAGS.SILENT (\Deleted)
        S: * ESEARCH (TAG "B01") UID ADDTO (0 1)
        S: d OK …
        C: e EXPUNGE
        S: * ESEARCH (TAG "B01") UID REMOVEFROM (0 1,3)
        S: * ESEARCH (TAG "C01") REMOVEFROM (0 1)
        S: * 3 EXPUNGE
        S: * 1 EXPUNGE
        S: e OK …
        C: f CANCELUPDATE "B01"
        S: f OK …
        C: g STORE 1 +FLAGS.SILENT (\Deleted)
        S: g OK …
        C: h CANCELUPDATE "B01"
        S: h NO …
        C: i CANCELUPDATE
        S: i BAD …
    )");
}

/* RFC 5267, 4.3: updates are to what the same search would find. */
TEST_F(ImapTest, ContextsKnowWhichMessageIsTheLast)
{
    deliver(inbox, mail("a@a", "one", 1));
    deliver(inbox, mail("a@a", "two", 2));
    auto client = select();
    client->play(R"(
        C: a UID SEARCH RETURN (UPDATE ALL) UID *
        S: * ESEARCH (TAG "a") UID ALL 2
        S: a OK …
        C: b UID SEARCH RETURN (UPDATE ALL) NOT UID 4:*
        S: * ESEARCH (TAG "b") UID ALL 1
        S: b OK …
        C: c SEARCH RETURN (UPDATE ALL) *
        S: * ESEARCH (TAG "c") ALL 2
        S: c OK …
    )");
    deliver(inbox, mail("a@a", "three", 3));
    client->play(R"(
        C: d NOOP
        S: * 3 EXISTS
        S: * 3 RECENT
        S: * ESEARCH (TAG "a") UID REMOVEFROM (0 2)
        S: * ESEARCH (TAG "a") UID ADDTO (0 3)
        S: * ESEARCH (TAG "b") UID ADDTO (0 2)
        S: d OK …
        C: e STORE 3 +FLAGS.SILENT (\Deleted)
        S: e OK …
        C: f EXPUNGE
        S: * ESEARCH (TAG "a") UID REMOVEFROM (0 3)
        S: * 3 EXPUNGE
        S: * ESEARCH (TAG "a") UID ADDTO (0 2)
        S: * ESEARCH (TAG "b") UID REMOVEFROM (0 2)
        S: f OK …
    )");
}

/* RFC 5466, 3.1, and RFC 5267, 4.3: a filter is inserted, and its numbers mean what they mean when
 * the command is received. */
TEST_F(ImapTest, ContextsKeepTheirFilters)
{
    deliver(inbox, mail("a@a", "one", 1));
    deliver(inbox, mail("a@a", "two", 2));
    auto client = select();
    client->play(R"(
        C: a SETMETADATA "" (/private/filters/values/first "1 FILTER new" /private/filters/values/new "UNSEEN")
        S: a OK …
        C: b UID SEARCH RETURN (UPDATE ALL) FILTER first
        S: * ESEARCH (TAG "b") UID ALL 1
        S: b OK …
        C: c SETMETADATA "" (/private/filters/values/new NIL)
        S: c OK …
        C: d STORE 1 +FLAGS.SILENT (\Deleted)
        S: d OK …
        C: e EXPUNGE
        S: * ESEARCH (TAG "b") UID REMOVEFROM (0 1)
        S: * 1 EXPUNGE
        S: e OK …
        C: f STORE 1 +FLAGS.SILENT (\Flagged)
        S: f OK …
    )");
}

/* RFC 5466, 5: filters that name filters grow fast. */
TEST_F(ImapTest, FiltersHaveBounds)
{
    deliver(inbox, mail("a@a", "one", 1));
    auto client = select();
    for (int i = 0; i < 9; i++) {
        std::string name = std::to_string(i), below = " FILTER f" + std::to_string(i + 1);
        client->command("a SETMETADATA \"\" (/private/filters/values/f" + name + " \"ALL" + below +
                        below + below + below + below + below + below + "\")");
    }
    client->play(R"(
        C: b SETMETADATA "" (/private/filters/values/f9 "ALL")
        S: b OK …
        C: c SEARCH FILTER f7
        S: * SEARCH 1
        S: c OK …
        C: d SEARCH FILTER f0
        S: d NO [LIMIT] …
        C: e SETMETADATA "" (/private/filters/values/loop "NOT FILTER loop")
        S: e OK …
        C: f SEARCH FILTER loop
        S: f NO [UNDEFINED-FILTER loop] …
    )");
}

/* RFC 5267, 4.3.3 and 4.3.4: places in the order sorted */
TEST_F(ImapTest, SortedContextsTellPlaces)
{
    deliver(inbox, mail("a@a", "b", 1));
    deliver(inbox, mail("a@a", "d", 1), {CACHE_SEEN, 0});
    deliver(inbox, mail("a@a", "f", 1));
    auto client = select();
    client->play(R"(
        C: a UID SORT RETURN (UPDATE ALL) (SUBJECT) UTF-8 UNSEEN
        S: * ESEARCH (TAG "a") UID ALL 1,3
        S: a OK …
        C: b STORE 2 -FLAGS.SILENT (\Seen)
        S: * ESEARCH (TAG "a") UID ADDTO (2 2)
        S: b OK …
    )");
    deliver(inbox, mail("a@a", "a", 1));
    deliver(inbox, mail("a@a", "e", 1));
    client->play(R"(
        C: c NOOP
        S~ * ESEARCH (TAG "a") UID ADDTO (1 4 4 5)
        S: c OK …
        C: d STORE 1,3 +FLAGS.SILENT (\Seen)
        S: * ESEARCH (TAG "a") UID REMOVEFROM (2 1 4 3)
        S: d OK …
        C: e UID SORT RETURN (UPDATE COUNT RELEVANCY) (RELEVANCY) UTF-8 FUZZY SUBJECT e
        S: * ESEARCH (TAG "e") UID COUNT 1 RELEVANCY (100)
        S: * NO [NOUPDATE "e"] …
        S: e OK …
    )");
    for (int i = 0; i < 19; i++)
        client->command("x" + std::to_string(i) + " SEARCH RETURN (UPDATE COUNT) SEEN");
    client->play(R"(
        C: f SEARCH RETURN (UPDATE COUNT) SEEN
        S: * ESEARCH (TAG "f") COUNT 2
        S: * NO [NOUPDATE "f"] …
        S: f OK …
        C: g ESEARCH IN (selected) RETURN (UPDATE COUNT) SEEN
        S: * ESEARCH (TAG "g" MAILBOX INBOX UIDVALIDITY …) UID COUNT 2
        S: * NO [NOUPDATE "g"] …
        S: g OK …
    )");
}

/* RFC 4731, 3.2, and RFC 7162, 3.1.9 and 3.1.10: the mod-sequence is of what the answer is about.
 */
TEST_F(ImapTest, SortsAndPartsTellTheirModseq)
{
    for (int i = 1; i <= 3; i++)
        deliver(inbox, mail("a@a", "one", i));
    auto client = select();
    client->play(R"(
        C: a SEARCH RETURN (MIN CONTEXT) MODSEQ 1
        S~ * ESEARCH (TAG "a") MIN 1 MODSEQ 2
        S: a OK …
        C: b SEARCH RETURN (PARTIAL 1:2 MIN) MODSEQ 1
        S: * ESEARCH (TAG "b") MIN 1 PARTIAL (1:2 1:2) MODSEQ 3
        S: b OK …
        C: c SEARCH RETURN (PARTIAL 1:2 COUNT) MODSEQ 1
        S: * ESEARCH (TAG "c") COUNT 3 PARTIAL (1:2 1:2) MODSEQ 4
        S: c OK …
        C: d SEARCH RETURN (PARTIAL 4:5) MODSEQ 1
        S: * ESEARCH (TAG "d") PARTIAL (4:5 NIL)
        S: d OK …
        C: e SORT (REVERSE DATE) UTF-8 MODSEQ 3
        S: * SORT 3 2 (MODSEQ 4)
        S: e OK …
        C: f SORT (DATE) UTF-8 MODSEQ 5
        S: * SORT
        S: f OK …
        C: g SORT RETURN (ALL) (REVERSE DATE) UTF-8 MODSEQ 1
        S: * ESEARCH (TAG "g") ALL 3,2,1 MODSEQ 4
        S: g OK …
        C: h UID SORT RETURN (MAX) (REVERSE DATE) UTF-8 MODSEQ 1
        S: * ESEARCH (TAG "h") UID MAX 1 MODSEQ 2
        S: h OK …
        C: i THREAD ORDEREDSUBJECT UTF-8 MODSEQ 3
        S: * THREAD (2 3)
        S: i OK …
        C: j ESEARCH IN (inboxes) RETURN (MIN) MODSEQ 1
        S: * ESEARCH (TAG "j" MAILBOX INBOX UIDVALIDITY …) UID MIN 1 MODSEQ 2
        S: j OK …
    )");
}

/* RFC 9394, 3.2, and RFC 9051, 6.4.4: "$" is what the answer is about, sorted too. */
TEST_F(ImapTest, PartsAreSaved)
{
    for (int i = 1; i <= 5; i++)
        deliver(inbox, mail("a@a", "one", i));
    auto client = select();
    client->play(R"(
        C: a SEARCH RETURN (SAVE PARTIAL 2:3) ALL
        S: * ESEARCH (TAG "a") PARTIAL (2:3 2:3)
        S: a OK …
        C: b UID SEARCH $
        S: * SEARCH 2 3
        S: b OK …
        C: c SEARCH RETURN (SAVE PARTIAL 2:3 MIN) ALL
        S: * ESEARCH (TAG "c") MIN 1 PARTIAL (2:3 2:3)
        S: c OK …
        C: d SEARCH $
        S: * SEARCH 1 2 3
        S: d OK …
        C: e SEARCH RETURN (SAVE PARTIAL -1:-2 MIN MAX) ALL
        S: * ESEARCH (TAG "e") MIN 1 MAX 5 PARTIAL (-1:-2 4:5)
        S: e OK …
        C: f SEARCH $
        S: * SEARCH 1 4 5
        S: f OK …
        C: g SEARCH RETURN (SAVE PARTIAL 2:3 COUNT) ALL
        S: * ESEARCH (TAG "g") COUNT 5 PARTIAL (2:3 2:3)
        S: g OK …
        C: h SEARCH $
        S: * SEARCH 1 2 3 4 5
        S: h OK …
        C: i SEARCH RETURN (SAVE PARTIAL 6:7) ALL
        S: * ESEARCH (TAG "i") PARTIAL (6:7 NIL)
        S: i OK …
        C: j SEARCH $
        S: * SEARCH
        S: j OK …
        C: k SORT RETURN (SAVE MIN) (REVERSE DATE) UTF-8 ALL
        S: * ESEARCH (TAG "k") MIN 5
        S: k OK …
        C: l SEARCH $
        S: * SEARCH 5
        S: l OK …
        C: m SORT RETURN (SAVE PARTIAL 2:3) (REVERSE DATE) UTF-8 ALL
        S: * ESEARCH (TAG "m") PARTIAL (2:3 4,3)
        S: m OK …
        C: n SEARCH $
        S: * SEARCH 3 4
        S: n OK …
    )");
}

/* RFC 5182, 2.1, and RFC 9051, 6.4.4: so do the commands that are based on SEARCH. */
TEST_F(ImapTest, RefusedSearchesSaveNothing)
{
    deliver(inbox, mail("a@a", "one", 1));
    auto client = select();
    for (const char *refused :
         {"SORT RETURN (SAVE) (DATE) KLINGON ALL", "SORT RETURN (SAVE) (DATE) UTF-8 FILTER none",
          "ESEARCH RETURN (SAVE) CHARSET KLINGON ALL",
          "ESEARCH IN (selected) RETURN (SAVE COUNT) CHARSET KLINGON ALL",
          "ESEARCH RETURN (SAVE) FILTER none"}) {
        client->play("C: a SEARCH RETURN (SAVE) ALL\nS: a OK …\nC: b " + std::string(refused) +
                     "\nS: b NO …\nC: c SEARCH $\nS: * SEARCH\nS: c OK …");
        client->play("C: a SEARCH RETURN (SAVE) ALL\nS: a OK …");
    }
    for (const char *unread : {"SORT RETURN (SAVE) (DATE) UTF-8 NONSENSE", "ESEARCH NONSENSE",
                               "SORT RETURN (COUNT) (DATE) KLINGON ALL"})
        client->play("C: b " + std::string(unread) +
                     "\nS: b …\nC: c SEARCH $\nS: * SEARCH 1\nS: c OK …");
}

/* RFC 7377, 2.1: each response to ESEARCH says which mailbox it is about. */
TEST_F(ImapTest, ContextsOfSeveralMailboxesNameTheirs)
{
    deliver(inbox, mail("a@a", "one", 1));
    auto client = select();
    client->play(R"(
        C: a ESEARCH RETURN (UPDATE COUNT) UNSEEN
        S: * ESEARCH (TAG "a" MAILBOX INBOX UIDVALIDITY …) UID COUNT 1
        S: a OK …
        C: b STORE 1 +FLAGS.SILENT (\Seen)
        S: * ESEARCH (TAG "a" MAILBOX INBOX UIDVALIDITY …) UID REMOVEFROM (0 1)
        S: b OK …
    )");
}

/* RFC 7377, 2.2: UPDATE applies only to the selected mailbox, but to that by whichever name. */
TEST_F(ImapTest, UpdatesAreOfTheSelectedMailboxOnly)
{
    gint64 other = make_folder("Other");
    deliver(inbox, mail("a@a", "one", 1));
    deliver(other, mail("a@a", "one", 1));
    auto client = select();
    client->play(R"(
        C: a ESEARCH IN (personal) RETURN (UPDATE COUNT) UNSEEN
        S: * ESEARCH (TAG "a" MAILBOX Other UIDVALIDITY …) UID COUNT 1
        S: * ESEARCH (TAG "a" MAILBOX INBOX UIDVALIDITY …) UID COUNT 1
        S: a OK …
        C: b ESEARCH IN (mailboxes Other) RETURN (UPDATE COUNT) UNSEEN
        S: * ESEARCH (TAG "b" MAILBOX Other UIDVALIDITY …) UID COUNT 1
        S: * NO [NOUPDATE "b"] …
        S: b OK …
        C: c STORE 1 +FLAGS.SILENT (\Seen)
        S: * ESEARCH (TAG "a" MAILBOX INBOX UIDVALIDITY …) UID REMOVEFROM (0 1)
        S: c OK …
    )");
}

/* RFC 9585: how far a command is */
TEST_F(ImapTest, LongCommandsTellTheirProgress)
{
    daemon.progress_us = 1;
    for (int i = 0; i < 450; i++)
        deliver(inbox, mail("a@a", "one", 1));
    auto client = select();
    client->play(R"(
        C: a SEARCH BODY nothing
        S: * OK [INPROGRESS ("a" 200 450)] …
        S: * OK [INPROGRESS ("a" 400 450)] …
        S: * SEARCH
        S: a OK …
        C: b NOOP
        S: b OK …
    )");
}

/* RFC 7162, 3.2.10.2: no VANISHED (nor EXPUNGE) in a UID SEARCH that holds message numbers. */
TEST_F(ImapTest, NumbersStayInSearchesThatHoldSome)
{
    for (int i = 0; i < 4; i++)
        deliver(inbox, mail("a@a", "one", 1));
    auto client = select(), other = select();
    other->play("C: a STORE 1 +FLAGS.SILENT (\\Deleted)\nS: a OK …\nC: b EXPUNGE\n"
                "S: * 1 EXPUNGE\nS: b OK …");
    client->play(R"(
        C: a SETMETADATA "" (/private/filters/values/second "2")
        S: * 1 EXPUNGE
        S: a OK …
    )");
    other->play("C: a STORE 1 +FLAGS.SILENT (\\Deleted)\nS: a OK …\nC: b EXPUNGE\n"
                "S: * 1 EXPUNGE\nS: b OK …");
    client->play(R"(
        C: b UID SEARCH NOT 2:*
        S: * SEARCH 2
        S: b OK …
        C: c UID SEARCH FILTER second
        S: * SEARCH 3
        S: c OK …
        C: d UID SORT (ARRIVAL) UTF-8 2
        S: * SORT 3
        S: d OK …
        C: e UID THREAD REFS UTF-8 2
        S: * THREAD (3)
        S: e OK …
        C: f UID SEARCH UID 1:*
        S: * SEARCH 2 3 4
        S: * 1 EXPUNGE
        S: f OK …
    )");
}

/* RFC 9586 */
TEST_F(ImapTest, UidOnlyKnowsNoNumbers)
{
    for (int i = 0; i < 4; i++)
        deliver(inbox, mail("a@a", "one", 1));
    auto client = select();
    client->play(R"(
        C: 01 UID STORE 1 +FLAGS.SILENT (\Deleted)
        S: 01 OK …
        C: 02 EXPUNGE
        S: * 1 EXPUNGE
        S: 02 OK …
        C: w SEARCH RETURN (UPDATE COUNT) FLAGGED
        S: * ESEARCH (TAG "w") COUNT 0
        S: w OK …
        C: 03 ENABLE UIDONLY
        S: * ENABLED UIDONLY
        S: 03 OK …
        C: 04 FETCH 1:3 (FLAGS)
        S: 04 BAD [UIDREQUIRED] …
        C: 05 UID FETCH 2:3 (UID FLAGS)
        S: * 2 UIDFETCH (UID 2 FLAGS (\Recent))
        S: * 3 UIDFETCH (UID 3 FLAGS (\Recent))
        S: 05 OK …
        C: 06 UID STORE 3 +FLAGS (\Deleted)
        S: * 3 UIDFETCH (FLAGS (\Deleted \Recent))
        S: 06 OK …
        C: 07 STORE 1 +FLAGS (\Seen)
        S: 07 BAD [UIDREQUIRED] …
        C: 08 SEARCH ALL
        S: 08 BAD [UIDREQUIRED] …
        C: 09 UID SEARCH 1:2
        S: 09 BAD [UIDREQUIRED] …
        C: 10 UID SEARCH RETURN (SAVE) DELETED
        S: 10 OK …
        C: 11 UID SEARCH UID 1:* NOT $
        S: * SEARCH 2 4
        S: 11 OK …
        C: 12 EXPUNGE
        S: * VANISHED 3
        S: 12 OK …
        C: 13 COPY 1 INBOX
        S: 13 BAD [UIDREQUIRED] …
        C: 14 UID SORT (ARRIVAL) UTF-8 ALL
        S: * SORT 2 4
        S: 14 OK …
        C: 15 UID THREAD REFS UTF-8 2:3
        S: 15 BAD [UIDREQUIRED] …
    )");
    auto other = select();
    other->play("C: a UID STORE 4 +FLAGS.SILENT (\\Flagged)\nS~ a OK …");
    client->play(R"(
        C: 16 NOOP
        S: * 4 UIDFETCH (FLAGS (\Flagged \Recent))
        S: * ESEARCH (TAG "w") UID ADDTO (0 4)
        S: 16 OK …
    )");
}

} // namespace
