/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The local IMAP server's METADATA, LIST-METADATA, FILTERS and QUOTA, as
 * transcripts. */
#include "imap-transcript.h"

extern "C" {
#include "cache/annotation.h"
#include "cache/repair.h"
}

namespace
{

/* RFC 5464, 4.2 to 4.4, with its examples */
TEST_F(ImapTest, AnnotationsAreSetAndRead)
{
    auto client = connect();
    client->play(R"(
        C: a1 SETMETADATA "" (/shared/comment "Shared comment")
        S: a1 OK …
        C: a2 GETMETADATA "" /shared/comment
        S: * METADATA "" (/shared/comment "Shared comment")
        S: a2 OK …
        C: a3 SETMETADATA INBOX (/private/comment "My new comment" /shared/comment "This one is for you!")
        S: a3 OK …
        C: a4 GETMETADATA "INBOX" (/shared/comment /private/comment)
        S: * METADATA INBOX (/shared/comment "This one is for you!" /private/comment "My new comment")
        S: a4 OK …
        C: a5 GETMETADATA "INBOX" /private/comment /Shared/Comment
        S: * METADATA INBOX (/private/comment "My new comment" /Shared/Comment "This one is for you!")
        S: a5 OK …
        C: a6 GETMETADATA "INBOX" (MAXSIZE 15) (/shared/comment /private/comment)
        S: * METADATA INBOX (/private/comment "My new comment")
        S: a6 OK [METADATA LONGENTRIES 20] …
        C: a7 GETMETADATA (MAXSIZE 1) INBOX /shared/comment
        S: a7 OK [METADATA LONGENTRIES 20] …
        C: a8 SETMETADATA INBOX (/private/comment NIL)
        S: a8 OK …
        C: a9 GETMETADATA INBOX (/private/comment)
        S: * METADATA INBOX (/private/comment NIL)
        S: a9 OK …
    )");
    client->send("b1 SETMETADATA INBOX (/private/comment {33}\r\n");
    client->play("S: + …");
    client->send("My new comment across\r\ntwo lines.)\r\n");
    client->play("S: b1 OK …");
    client->send("b2 GETMETADATA INBOX /private/comment\r\n");
    client->play("S: * METADATA INBOX (/private/comment {33}\n"
                 "S: My new comment across\nS: two lines.)\nS: b2 OK …");
    client->send("b3 SETMETADATA INBOX (/private/comment ~{3+}\r\n" + std::string("a\0b", 3) +
                 ")\r\n");
    client->play("S: b3 OK …");
    client->send("b4 GETMETADATA INBOX /private/comment\r\n");
    client->play("S: * METADATA INBOX (/private/comment ~{3}");
    EXPECT_EQ(client->bytes(6), std::string("a\0b)\r\n", 6));
    client->play("S: b4 OK …");
}

TEST_F(ImapTest, AnnotationsAreFoundByDepth)
{
    auto client = connect();
    client->play(R"(
        C: a SETMETADATA INBOX (/private/filters/values/small "SMALLER 5000" /private/filters/values/boss "FROM \"boss@example.com\"" /private/filters/values/a/b "x")
        S: a OK …
        C: b GETMETADATA "INBOX" (DEPTH 1) (/private/filters/values)
        S: * METADATA INBOX (/private/filters/values/boss "FROM \"boss@example.com\"" /private/filters/values/small "SMALLER 5000")
        S: b OK …
        C: c GETMETADATA (DEPTH infinity) INBOX /private
        S: * METADATA INBOX (/private/filters/values/a/b "x" /private/filters/values/boss …)
        S: c OK …
        C: d GETMETADATA INBOX (DEPTH 1) /shared
        S: d OK …
    )");
}

TEST_F(ImapTest, BadAnnotationsAreRefusedAndNothingIsChanged)
{
    auto client = connect();
    client->play(R"(
        C: a SETMETADATA INBOX (/private/comment "x" /comment "y")
        S: a BAD …
        C: b SETMETADATA INBOX (/private/a*b "x")
        S: b BAD …
        C: c SETMETADATA INBOX (/private//b "x")
        S: c BAD …
        C: d SETMETADATA Nowhere (/private/comment "x")
        S: d NO [NONEXISTENT] …
        C: e GETMETADATA Nowhere /private/comment
        S: e NO [NONEXISTENT] …
        C: f SETMETADATA INBOX (/private/comment "x" /private/specialuse "\\Sent")
        S: f NO [CANNOT] …
        C: g SETMETADATA "" (/shared/admin "mailto:x@example.org")
        S: g NO [CANNOT] …
    )");
    client->send("h SETMETADATA INBOX (/private/comment {70000+}\r\n" + std::string(70000, 'x') +
                 ")\r\n");
    client->play(R"(
        S: h NO [METADATA MAXSIZE 65536] …
        C: i GETMETADATA INBOX /private/comment
        S: * METADATA INBOX (/private/comment NIL)
        S: i OK …
    )");
    for (int part = 0; part < 10; part++) {
        std::string entries;
        for (int i = 0; i < 100; i++)
            entries += " /private/n" + std::to_string(part * 100 + i) + " \"v\"";
        EXPECT_TRUE(matches(
            "s OK …",
            client->command("s SETMETADATA INBOX (" + entries.substr(1) + ")").substr(0, 5) + "…"));
    }
    client->play("C: j SETMETADATA INBOX (/private/one-more \"v\")\nS: j NO [METADATA TOOMANY] …");
}

/* RFC 5464, 4.1 */
TEST_F(ImapTest, AnnotationsFollowTheirMailbox)
{
    auto client = connect();
    client->play(R"(
        C: a CREATE Old
        S: a OK …
        C: b SETMETADATA Old (/private/comment "mine")
        S: b OK …
        C: c RENAME Old New
        S: c OK …
        C: d GETMETADATA New /private/comment
        S: * METADATA New (/private/comment "mine")
        S: d OK …
        C: e DELETE New
        S: e OK …
        C: f CREATE New
        S: f OK …
        C: g GETMETADATA New /private/comment
        S: * METADATA New (/private/comment NIL)
        S: g OK …
        C: h SETMETADATA INBOX (/shared/comment "in")
        S: h OK …
        C: i RENAME INBOX Was
        S: i OK …
        C: j GETMETADATA Was /shared/comment
        S: * METADATA Was (/shared/comment "in")
        S: j OK …
        C: k GETMETADATA INBOX /shared/comment
        S: * METADATA INBOX (/shared/comment "in")
        S: k OK …
    )");
}

/* RFC 6154, 4; RFC 9590 */
TEST_F(ImapTest, ListTellsAnnotations)
{
    make_folder("Sent", CACHE_ROLE_SENT);
    auto client = connect();
    client->play(R"(
        C: a SETMETADATA Sent (/shared/vendor/x/color "#b71c1c")
        S: a OK …
        C: b LIST "" % RETURN (METADATA (/shared/vendor/x/color /private/specialuse))
        S: * LIST () "/" INBOX
        S: * METADATA INBOX (/shared/vendor/x/color NIL /private/specialuse NIL)
        S: * LIST () "/" Sent
        S: * METADATA Sent (/shared/vendor/x/color "#b71c1c" /private/specialuse "\\Sent")
        S: b OK …
        C: c LIST "" % RETURN (METADATA (color))
        S: c BAD …
    )");
}

/* What clients have kept here is nowhere else: a damaged cache's successor has it, too. */
TEST_F(CacheTest, AnnotationsSurviveTheCache)
{
    gint64 work = make_folder("Work");
    {
        Txn txn(cache, CACHE_WRITE_FULL);
        g_autoptr(GBytes) value = g_bytes_new("v", 1);
        EXPECT_TRUE(cache_annotation_set(txn, work, "/private/a", value, error)) << error.text();
        EXPECT_TRUE(cache_annotation_set(txn, 0, "/shared/b", value, error)) << error.text();
        txn.commit();
    }
    close();
    std::string old = dir + "/old.db";
    rename((dir + "/mail.db").c_str(), old.c_str());
    open();
    CacheSalvage result;
    ASSERT_TRUE(cache_salvage(cache, old.c_str(), nullptr, &result, error)) << error.text();
    Txn txn(cache, CACHE_READ);
    g_autoptr(CacheFolder) again = cache_folder_find(txn, "Work", error);
    ASSERT_NE(again, nullptr) << error.text();
    g_autoptr(GBytes) first = cache_annotation_get(txn, again->id, "/private/a");
    g_autoptr(GBytes) second = cache_annotation_get(txn, 0, "/shared/b");
    EXPECT_NE(first, nullptr);
    EXPECT_NE(second, nullptr);
}

std::string mail(const char *from, size_t padding = 0)
{
    return std::string("From: ") + from + "\r\n\r\nhello\r\n" + std::string(padding, 'x');
}

/* RFC 5466, 3.1 and 3.2 */
TEST_F(ImapTest, FiltersStandForTheirSearch)
{
    deliver(inbox, mail("boss@example.com", 6000));
    deliver(inbox, mail("a@example.com"));
    deliver(inbox, mail("b@example.com", 6000));
    deliver(inbox, mail("c@example.com"), {CACHE_SEEN, 0});
    auto client = select();
    client->play(R"(
        C: a007 SETMETADATA "" ("/private/filters/values/on-the-road" "OR SMALLER 5000 FROM \"boss@example.com\"")
        S: a007 OK …
        C: a SEARCH UID 1:900 FILTER on-the-road UNSEEN
        S: * SEARCH 1 2
        S: a OK …
        C: b SEARCH NOT FILTER ON-THE-ROAD
        S: * SEARCH 3
        S: b OK …
        C: c SETMETADATA "" (/shared/filters/values/outer "FILTER on-the-road SEEN" /private/filters/values/loop "FILTER loop")
        S: c OK …
        C: d SEARCH FILTER outer
        S: * SEARCH 4
        S: d OK …
        C: e SEARCH FILTER loop
        S: e NO [UNDEFINED-FILTER loop] …
        C: f UID SEARCH FILTER nothing
        S: f NO [UNDEFINED-FILTER nothing] …
        C: g SETMETADATA "" (/private/filters/values/bad "OR SMALLER")
        S: g NO [CANNOT] …
        C: h SEARCH CHARSET ISO-8859-1 FILTER outer
        S: h BAD [BADCHARSET …] …
        C: i SETMETADATA "" (/private/filters/values/outer "ALL")
        S: i OK …
        C: j SORT (REVERSE ARRIVAL) UTF-8 FILTER outer
        S: * SORT …
        S: j OK …
        C: k SETMETADATA "" (/private/filters/values/outer NIL)
        S: k OK …
        C: l SEARCH FILTER outer
        S: * SEARCH 4
        S: l OK …
    )");
}

/* RFC 9208, 4: as the provider told it last, and only then. */
TEST_F(ImapTest, QuotasAreThoseOfTheProvider)
{
    deliver(inbox, mail("a@a", 1000), {CACHE_DELETED, 0});
    deliver(inbox, mail("a@a", 1000));
    auto client = connect();
    std::string before = client->command("a CAPABILITY");
    EXPECT_EQ(before.find("QUOTA"), std::string::npos) << before;
    client->play(R"(
        C: b GETQUOTAROOT INBOX
        S: * QUOTAROOT INBOX
        S: b OK …
    )");
    {
        Txn txn(cache, CACHE_WRITE);
        cache_meta_set(txn, "quota",
                       "#user/alice\tMESSAGE 42 1000\n!partition/sda4\tSTORAGE 104 10923847\n",
                       error);
        txn.commit();
    }
    client->play(R"(
        C: c CAPABILITY
        S: * CAPABILITY … QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE …
        S: c OK …
        C: G0001 GETQUOTA "!partition/sda4"
        S: * QUOTA !partition/sda4 (STORAGE 104 10923847)
        S: G0001 OK …
        C: G0002 GETQUOTAROOT INBOX
        S: * QUOTAROOT INBOX #user/alice !partition/sda4
        S: * QUOTA #user/alice (MESSAGE 42 1000)
        S: * QUOTA !partition/sda4 (STORAGE 104 10923847)
        S: G0002 OK …
        C: d GETQUOTA "!partition"
        S: d NO [NONEXISTENT] …
        C: S0003 STATUS INBOX (MESSAGES DELETED DELETED-STORAGE)
        S: * STATUS INBOX (MESSAGES 2 DELETED 1 DELETED-STORAGE 1020)
        S: S0003 OK …
    )");
}

} // namespace
