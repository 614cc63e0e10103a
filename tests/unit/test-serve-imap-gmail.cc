/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The local IMAP server's X-GM-EXT-1, as transcripts; the examples are those of "IMAP Extensions"
 * in Gmail's documentation. */
#include "imap-transcript.h"

extern "C" {
#include "cache/label.h"
#include "cache/set-like.h"
}

namespace
{

class GmailTest : public ImapTest
{
  protected:
    gint64 all = 0, trash = 0, sent = 0, foo = 0, important = 0;

    void SetUp() override
    {
        ImapTest::SetUp();
        all = make_folder("[Gmail]/All Mail", CACHE_ROLE_ALL);
        sent = make_folder("[Gmail]/Sent Mail", CACHE_ROLE_SENT);
        trash = make_folder("[Gmail]/Trash", CACHE_ROLE_TRASH);
        important = make_folder("Muy Importante");
        foo = make_folder("föö");
        Txn txn(cache, CACHE_WRITE_FULL);
        ASSERT_TRUE(cache_meta_set(txn, "gmail", "1", error));
        ASSERT_TRUE(cache_set_set_like(txn, TRUE, error));
        txn.commit();
    }

    /* A message as pull finds it in folders; its name and thread count from those of the examples.
     */
    gint64 arrive_in(std::vector<gint64> folders, guint number, guint thread)
    {
        Txn txn(cache, CACHE_WRITE_FULL);
        CachePlacement row = arrive(txn, folders[0], next_base++);
        std::string id = "gm:" + std::to_string(1278455344230334865 + number);
        EXPECT_TRUE(
            cache_message_name(txn, row.message, id.c_str(), 1266894439832287888 + thread, error));
        for (size_t i = 1; i < folders.size(); i++) {
            CachePlacement other = row;
            other.folder = folders[i];
            other.uid = 0;
            other.base_uid = next_base++;
            EXPECT_TRUE(cache_placement_put(txn, &other, error));
        }
        gint64 message = row.message;
        bodies.upstream[message] = "Subject: one\r\n\r\nHello\r\n";
        txn.commit();
        return message;
    }

    void fill()
    {
        arrive_in({inbox, all, sent, important, foo}, 0, 0);
        arrive_in({inbox, all}, 1, 1);
        arrive_in({inbox, all}, 2, 0);
    }
};

TEST_F(GmailTest, ItIsAnnouncedWhereTheProviderHasIt)
{
    auto client = connect();
    EXPECT_NE(client->command("a CAPABILITY").find(" X-GM-EXT-1"), std::string::npos);
    {
        Txn txn(cache, CACHE_WRITE);
        ASSERT_TRUE(cache_meta_set(txn, "gmail", nullptr, error));
        txn.commit();
    }
    auto other = select();
    EXPECT_EQ(other->command("a CAPABILITY").find("X-GM-EXT-1"), std::string::npos);
    other->play(R"(
        C: b FETCH 1 (X-GM-LABELS)
        S: b BAD …
        C: c SEARCH X-GM-MSGID 1
        S: c BAD …
        C: d STORE 1 +X-GM-LABELS (foo)
        S: d BAD …
    )");
}

TEST_F(GmailTest, NamesThreadsAndLabelsAreFetched)
{
    fill();
    select()->play(R"(
        C: a001 FETCH 1:3 (X-GM-MSGID)
        S: * 1 FETCH (X-GM-MSGID 1278455344230334865)
        S: * 2 FETCH (X-GM-MSGID 1278455344230334866)
        S: * 3 FETCH (X-GM-MSGID 1278455344230334867)
        S: a001 OK …
        C: a002 UID FETCH 1:3 (X-GM-THRID)
        S: * 1 FETCH (UID 1 X-GM-THRID 1266894439832287888)
        S: * 2 FETCH (UID 2 X-GM-THRID 1266894439832287889)
        S: * 3 FETCH (UID 3 X-GM-THRID 1266894439832287888)
        S: a002 OK …
        C: a003 FETCH 1:2 (X-GM-LABELS FLAGS)
        S: * 1 FETCH (X-GM-LABELS (\Sent "Muy Importante" f&APYA9g-) FLAGS (\Recent))
        S: * 2 FETCH (X-GM-LABELS () FLAGS (\Recent))
        S: a003 OK …
        C: a004 ENABLE UTF8=ACCEPT
        S: * ENABLED UTF8=ACCEPT
        S: a004 OK …
        C: a005 FETCH 1 X-GM-LABELS
        S: * 1 FETCH (X-GM-LABELS (\Sent "Muy Importante" "föö"))
        S: a005 OK …
        C: a006 SELECT "[Gmail]/All Mail"
        S~ a006 OK …
        C: a007 FETCH 1 (X-GM-LABELS)
        S: * 1 FETCH (X-GM-LABELS (\Inbox \Sent "Muy Importante" "föö"))
        S: a007 OK …
    )");
}

TEST_F(GmailTest, WhatIsOnlyHereHasNoNumberYet)
{
    deliver(inbox, "Subject: new\r\n\r\nHello\r\n");
    select()->play(R"(
        C: a FETCH 1 (X-GM-MSGID X-GM-THRID X-GM-LABELS)
        S: * 1 FETCH (X-GM-MSGID 0 X-GM-THRID 0 X-GM-LABELS ())
        S: a OK …
        C: b SEARCH X-GM-MSGID 0
        S: * SEARCH
        S: b OK …
    )");
}

TEST_F(GmailTest, TheyAreSearchedFor)
{
    fill();
    bodies.found["has:attachment in:unread"] = {105, 107, 999};
    bodies.found["größer"] = {100};
    auto client = select();
    client->play(R"(
        C: a1 SEARCH X-GM-MSGID 1278455344230334866
        S: * SEARCH 2
        S: a1 OK …
        C: a2 UID SEARCH X-GM-THRID 1266894439832287888
        S: * SEARCH 1 3
        S: a2 OK …
        C: a3 SEARCH X-GM-LABELS f&APYA9g-
        S: * SEARCH 1
        S: a3 OK …
        C: a4 SEARCH NOT X-GM-LABELS "Muy Importante"
        S: * SEARCH 2 3
        S: a4 OK …
        C: a5 SEARCH X-GM-LABELS \Sent
        S: * SEARCH 1
        S: a5 OK …
        C: a6 SEARCH X-GM-LABELS "\\sent" X-GM-LABELS inbox
        S: * SEARCH 1
        S: a6 OK …
        C: a7 SEARCH X-GM-LABELS nothing
        S: * SEARCH
        S: a7 OK …
        C: a8 SEARCH CHARSET UTF-8 X-GM-LABELS "föö"
        S: * SEARCH 1
        S: a8 OK …
        C: b1 SEARCH X-GM-RAW "has:attachment in:unread"
        S: * SEARCH 2 3
        S: b1 OK …
        C: b2 SEARCH RETURN (ALL) NOT X-GM-RAW "has:attachment in:unread" UNSEEN
        S: * ESEARCH (TAG "b2") ALL 1
        S: b2 OK …
        C: b3 SEARCH CHARSET UTF-8 X-GM-RAW "größer"
        S: * SEARCH 1
        S: b3 OK …
        C: b4 UID SORT (ARRIVAL) UTF-8 X-GM-RAW "has:attachment in:unread"
        S: * SORT 2 3
        S: b4 OK …
        C: b5 THREAD ORDEREDSUBJECT UTF-8 X-GM-THRID 1266894439832287889
        S: * THREAD (2)
        S: b5 OK …
        C: b6 ESEARCH IN (mailboxes "[Gmail]/All Mail") RETURN (COUNT) X-GM-LABELS INBOX
        S: * ESEARCH (TAG "b6" MAILBOX "[Gmail]/All Mail" UIDVALIDITY …) UID COUNT 3
        S: b6 OK …
    )");
    bodies.online = false;
    client->play(R"(
        C: c1 SEARCH X-GM-RAW "in:unread"
        S: c1 NO [UNAVAILABLE] X-GM-RAW is searched by the provider: the provider can't be reached
        C: c2 SEARCH X-GM-LABELS \Sent
        S: * SEARCH 1
        S: c2 OK …
    )");
}

TEST_F(GmailTest, ASearchByTheProviderIsNotKeptUpToDate)
{
    fill();
    select()->play(R"(
        C: a SEARCH RETURN (UPDATE COUNT) X-GM-RAW "x"
        S: * ESEARCH (TAG "a") COUNT 0
        S: * NO [NOUPDATE "a"] …
        S: a OK …
        C: b UID SEARCH RETURN (UPDATE COUNT) X-GM-LABELS f&APYA9g-
        S: * ESEARCH (TAG "b") UID COUNT 1
        S: b OK …
        C: c UID STORE 2 +X-GM-LABELS.SILENT (f&APYA9g-)
        S: * ESEARCH (TAG "b") UID ADDTO (0 2)
        S: c OK …
        C: d UID STORE 1 -X-GM-LABELS.SILENT (f&APYA9g-)
        S: * ESEARCH (TAG "b") UID REMOVEFROM (0 1)
        S: d OK …
    )");
}

TEST_F(GmailTest, LabelsAreGivenTakenAndSet)
{
    fill();
    auto client = select();
    client->play(R"(
        C: a011 STORE 2 +X-GM-LABELS (foo)
        S: * 2 FETCH (X-GM-LABELS (foo))
        S: a011 OK …
        C: a012 UID STORE 2 +X-GM-LABELS ("Muy Importante" \Sent foo)
        S: * 2 FETCH (UID 2 X-GM-LABELS (\Sent "Muy Importante" foo))
        S: a012 OK …
        C: a013 UID STORE 1:2 -X-GM-LABELS ("Muy Importante" "not there")
        S: * 1 FETCH (UID 1 X-GM-LABELS (\Sent f&APYA9g-))
        S: * 2 FETCH (UID 2 X-GM-LABELS (\Sent foo))
        S: a013 OK …
        C: a014 STORE 1:2 X-GM-LABELS (f&APYA9g-)
        S: * 1 FETCH (X-GM-LABELS (f&APYA9g-))
        S: * 2 FETCH (X-GM-LABELS (f&APYA9g-))
        S: a014 OK …
        C: a015 STORE 1 X-GM-LABELS ()
        S: * 1 FETCH (X-GM-LABELS ())
        S: a015 OK …
        C: a016 STORE 1 +X-GM-LABELS.SILENT foo
        S: a016 OK …
        C: a017 FETCH 1:2 (X-GM-LABELS)
        S: * 1 FETCH (X-GM-LABELS (foo))
        S: * 2 FETCH (X-GM-LABELS (f&APYA9g-))
        S: a017 OK …
        C: a018 STORE 3 -X-GM-LABELS (\Inbox)
        S: * 3 FETCH (X-GM-LABELS ())
        S: a018 OK …
        C: a019 NOOP
        S: * 3 EXPUNGE
        S: a019 OK …
        C: a020 SELECT "[Gmail]/All Mail"
        S~ a020 OK …
        C: a021 FETCH 1:3 (X-GM-LABELS)
        S: * 1 FETCH (X-GM-LABELS (\Inbox foo))
        S: * 2 FETCH (X-GM-LABELS (\Inbox f&APYA9g-))
        S: * 3 FETCH (X-GM-LABELS ())
        S: a021 OK …
        C: a022 LIST "" foo
        S: * LIST (\HasNoChildren) "/" foo
        S: a022 OK …
    )");
}

TEST_F(GmailTest, WhatIsNoLabelCannotBeGivenAsOne)
{
    fill();
    select()->play(R"(
        C: a STORE 1 +X-GM-LABELS (foo \Nonsense)
        S: a NO [CANNOT] …
        C: b STORE 1 +X-GM-LABELS ("[Gmail]/All Mail")
        S: b NO [CANNOT] …
        C: c STORE 1 +X-GM-LABELS (\Important)
        S: c NO [CANNOT] …
        C: d STORE 1 -X-GM-LABELS (\Trash)
        S: d NO [CANNOT] …
        C: e LIST "" foo
        S: e OK …
        C: f UID STORE 1 +X-GM-LABELS.SILENT (\Trash)
        S: * 1 EXPUNGE
        S: f OK …
        C: g STATUS "[Gmail]/Trash" (MESSAGES)
        S: * STATUS "[Gmail]/Trash" (MESSAGES 1)
        S: g OK …
        C: h EXAMINE INBOX
        S~ h OK [READ-ONLY] …
        C: i STORE 1 +X-GM-LABELS (foo)
        S: i NO …
    )");
}

TEST_F(GmailTest, ALabelChangesTheModSequenceWhereverTheMessageIs)
{
    fill();
    auto client = select(), other = select("\"[Gmail]/All Mail\"");
    client->play(
        "C: a FETCH 1 (MODSEQ)\nS: * OK [HIGHESTMODSEQ …\nS: * 1 FETCH (MODSEQ (…))\nS: a OK …");
    other->play("C: a ENABLE QRESYNC\nS~ a OK …");
    client->play(R"(
        C: b UID STORE 2 (UNCHANGEDSINCE 1) +X-GM-LABELS (foo)
        S: b OK [MODIFIED 2] …
        C: c UID STORE 2 +X-GM-LABELS (foo)
        S: * 2 FETCH (UID 2 MODSEQ (…) X-GM-LABELS (foo))
        S: c OK …
        C: d NOOP
        S: d OK …
    )");
    other->play(R"(
        C: b NOOP
        S: * 2 FETCH (UID 2 MODSEQ (…) FLAGS (\Recent))
        S: b OK …
        C: c FETCH 2 (X-GM-LABELS)
        S: * 2 FETCH (X-GM-LABELS (\Inbox foo))
        S: c OK …
    )");
    client->play("C: e DELETE foo\nS: * 2 FETCH (UID 2 MODSEQ (…) FLAGS (\\Recent))\nS: e OK …");
    other->play("C: d NOOP\nS: * 2 FETCH (UID 2 MODSEQ (…) FLAGS (\\Recent))\nS: d OK …");
}

TEST_F(GmailTest, FlagsAreTheMessages)
{
    fill();
    auto client = select(), other = select("\"[Gmail]/All Mail\"");
    client->play(R"(
        C: a STORE 1 FLAGS (\Seen \Deleted Junk)
        S: * FLAGS …
        S: * OK [PERMANENTFLAGS …
        S: * 1 FETCH (FLAGS (\Deleted \Seen \Recent Junk))
        S: a OK …
    )");
    other->play(R"(
        C: a NOOP
        S: * FLAGS …
        S: * OK [PERMANENTFLAGS …
        S: * 1 FETCH (FLAGS (\Seen \Recent Junk))
        S: a OK …
        C: b STORE 1 -FLAGS (\Seen)
        S: * 1 FETCH (FLAGS (\Recent Junk))
        S: b OK …
    )");
    client->play(R"(
        C: b NOOP
        S: * 1 FETCH (FLAGS (\Deleted \Recent Junk))
        S: b OK …
        C: c COPY 1 f&APYA9g-
        S: c OK [COPYUID … 1 1] …
        C: d COPY 1 "[Gmail]/Trash"
        S: d OK [COPYUID … 1 1] …
        C: e EXPUNGE
        S: * 1 EXPUNGE
        S: e OK …
        C: f STATUS "[Gmail]/Trash" (MESSAGES DELETED)
        S: * STATUS "[Gmail]/Trash" (MESSAGES 1 DELETED 0)
        S: f OK …
    )");
}

/* RFC 3501, 6.4.7: the destination is as it was before, with what was there. */
TEST_F(GmailTest, ACopyThatFailsLeavesWhatWasThere)
{
    fill();
    auto client = select(), other = select();
    other->play(R"(
        C: a UID STORE 2 +FLAGS.SILENT (\Deleted)
        S: a OK …
        C: b EXPUNGE
        S: * 2 EXPUNGE
        S: b OK …
    )");
    client->play(R"(
        C: a COPY 1:3 f&APYA9g-
        S~ a NO [EXPUNGEISSUED] …
        C: b STATUS f&APYA9g- (MESSAGES)
        S: * STATUS f&APYA9g- (MESSAGES 1)
        S~ b OK …
        C: c FETCH 1:2 (X-GM-LABELS)
        S~ * 1 FETCH (X-GM-LABELS (\Sent "Muy Importante" f&APYA9g-))
        S: * 2 FETCH (X-GM-LABELS ())
        S~ c OK …
    )");
}

} // namespace
