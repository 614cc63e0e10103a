/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rights (RFC 4314) and LIST-MYRIGHTS (RFC 8440): the standards' examples, as near as a server can
 * come to them where nobody may administer access, and each rule of RFC 4314, 4.
 */
#include "imap-transcript.h"

extern "C" {
#include "daemon/proto/imap/rights.h"

#include "cache/subscription.h"
}

namespace
{

const std::string MAIL = "From: Fred <fred@example.com>\r\nSubject: hello\r\n\r\nHello Joe.\r\n";

class AclTest : public ImapTest
{
  protected:
    /* What the provider's MYRIGHTS said. */
    void grant(gint64 id, const char *letters)
    {
        Txn txn(cache, CACHE_WRITE);
        g_autoptr(CacheFolder) row = folder(txn, id);
        row->rights = CACHE_RIGHTS_TOLD | imap_rights_parse(letters, TRUE);
        ASSERT_TRUE(cache_folder_update(txn, row, error)) << error.text();
        txn.commit();
    }
    gint64 shared(const char *name, const char *letters)
    {
        gint64 id = make_folder(name);
        grant(id, letters);
        return id;
    }
};

/* 5.1.1 */
TEST_F(AclTest, TheNewRightsAreInTheCapabilities)
{
    connect()->play(R"(
        C: 1 capability
        S: * CAPABILITY …LIST-MYRIGHTS …ACL RIGHTS=kxte …
        S: 1 OK …
    )");
}

/* 3.5; "a" is at the provider only, and the virtual rights of 2.1.1 are told. */
TEST_F(AclTest, MyRightsAreTheProvidersWithoutAdministering)
{
    grant(inbox, "rwiptsldaex");
    shared("Reading", "lr");
    shared("Making", "lk");
    make_folder("Here");
    connect()->play(R"(
        C: A003 MYRIGHTS INBOX
        S: * MYRIGHTS INBOX lrswipxtecd
        S: A003 OK …
        C: A004 MYRIGHTS Reading
        S: * MYRIGHTS Reading lr
        S: A004 OK …
        C: A005 MYRIGHTS Making
        S: * MYRIGHTS Making lkc
        S: A005 OK …
        C: A006 MYRIGHTS Here
        S: * MYRIGHTS Here lrswipkxtecd
        S: A006 OK …
        C: A008 MYRIGHTS nowhere
        S: A008 NO [NONEXISTENT] …
        C: A009 MYRIGHTS
        S: A009 BAD …
    )");
}

/* 3.1 to 3.4; what is wrong in the commands is said before who may give them is asked. */
TEST_F(AclTest, NobodyAdministersAccessHere)
{
    shared("INBOX/Drafts", "lrswipkxtea");
    connect()->play(R"(
        C: A001 GETACL INBOX/Drafts
        S: A001 NO [NOPERM] …at the provider…
        C: A002 SETACL INBOX/Drafts Chris +cda
        S: A002 NO [NOPERM] …
        C: A003 SeTacl INBOX/Drafts David lrswida
        S: A003 NO [NOPERM] …
        C: A035 SETACL INBOX/Drafts John lrQswicda
        S: A035 BAD Uppercase rights are not allowed…
        C: A036 SETACL INBOX/Drafts John lrqswicda
        S: A036 BAD …not supported…
        C: A037 SETACL INBOX/Drafts "" lr
        S: A037 BAD …
        C: A038 SETACL INBOX/Drafts John
        S: A038 BAD …
        C: B002 DeleteAcl INBOX/Drafts -Fred
        S: B002 NO [NOPERM] …
        C: a001 LISTRIGHTS INBOX/Drafts smith
        S: a001 NO [NOPERM] …
        C: a005 listrights archive/imap anyone
        S: a005 NO [NONEXISTENT] …
    )");
}

/* 6: nothing is said of a mailbox that the user may not list. */
TEST_F(AclTest, WhatMayNotBeListedIsNotThere)
{
    shared("Secret", "p");
    shared("Drop", "i");
    auto client = connect();
    client->play(R"(
        C: a GETACL Secret
        S: a NO [NONEXISTENT] There is no folder Secret
        C: b GETACL Nowhere
        S: b NO [NONEXISTENT] There is no folder Nowhere
        C: c MYRIGHTS Secret
        S: c NO [NONEXISTENT] …
        C: d SELECT Secret
        S: d NO [NONEXISTENT] …
        C: e SUBSCRIBE Secret
        S: e NO [NONEXISTENT] …
        C: f LIST "" *
        S: * LIST (…) "/" INBOX
        S: f OK …
        C: g MYRIGHTS Drop
        S: * MYRIGHTS Drop i
        S: g OK …
        C: h GETACL Drop
        S: h NO [NONEXISTENT] …
    )");
}

/* 4: a parent that may not be listed is as if it weren't there. */
TEST_F(AclTest, ListShowsWhatIsBelowWhatItMayNotShow)
{
    shared("A", "r");
    shared("A/B", "lr");
    shared("C", "lr");
    shared("C/D", "lr");
    connect()->play(R"(
        C: A777 LIST "" *
        S: * LIST (\Noselect \HasChildren) "/" A
        S: * LIST (\HasNoChildren) "/" A/B
        S: * LIST (\HasChildren) "/" C
        S: * LIST (\HasNoChildren) "/" C/D
        S: * LIST (\HasNoChildren) "/" INBOX
        S: A777 OK …
    )");
}

/* 4, copying: flags that the target doesn't take are lost on the way. */
TEST_F(AclTest, CopyLeavesOutFlagsWithoutRights)
{
    gint64 target = make_folder("TargetMailbox");
    CacheFlags forwarded = {};
    {
        Txn txn(cache, CACHE_WRITE);
        const char *names[] = {"$Forwarded", nullptr};
        forwarded = {CACHE_SEEN, cache_keywords_intern(txn, names, error)};
        txn.commit();
    }
    deliver(inbox, MAIL, {CACHE_DRAFT | CACHE_DELETED, 0});
    deliver(inbox, MAIL, {CACHE_ANSWERED, 0});
    deliver(inbox, MAIL, forwarded);
    grant(target, "rwis");
    auto client = select();
    client->play(R"(
        C: A003 MYRIGHTS TargetMailbox
        S: * MYRIGHTS TargetMailbox rswi
        S: A003 OK …
        C: A005 COPY 1:3 TargetMailbox
        S: A005 OK [COPYUID …] …
    )");
    grant(target, "rsti");
    client->play(R"(
        C: A005 COPY 1:3 TargetMailbox
        S: A005 OK [COPYUID …] …
        C: A006 SELECT TargetMailbox
        S~ A006 OK [READ-WRITE] …
        C: A007 FETCH 1:6 (FLAGS)
        S: * 1 FETCH (FLAGS (\Draft \Recent))
        S: * 2 FETCH (FLAGS (\Answered \Recent))
        S: * 3 FETCH (FLAGS (\Seen \Recent $Forwarded))
        S: * 4 FETCH (FLAGS (\Deleted \Recent))
        S: * 5 FETCH (FLAGS (\Recent))
        S: * 6 FETCH (FLAGS (\Seen \Recent))
        S: A007 OK …
    )");
}

/* 4: APPEND needs "i", and loses flags as COPY does. */
TEST_F(AclTest, AppendNeedsInserting)
{
    gint64 target = shared("Shared", "lr");
    std::string size = std::to_string(MAIL.size());
    auto client = connect();
    client->play("C: a APPEND Shared {" + size + "}\nS: a NO [NOPERM] …put messages into…");
    grant(target, "lri");
    client->send("b APPEND Shared (\\Seen \\Deleted \\Flagged Odd) {" + size + "+}\r\n" + MAIL +
                 "\r\n");
    client->play(R"(
        S: b OK [APPENDUID …] …
        C: c EXAMINE Shared
        S~ c OK [READ-ONLY] …
        C: d FETCH 1 FLAGS
        S: * 1 FETCH (FLAGS (\Recent))
        S: d OK …
    )");
    grant(target, "i");
    client->play("C: e APPEND Shared {" + size + "}\nS: + …");
    client->send(MAIL + "\r\n");
    client->play("S~ e OK Appended.");
    grant(target, "r");
    client->play("C: f APPEND Shared {" + size + "}\nS: f NO [TRYCREATE] …");
}

/* 5.1.1 and 5.2, with its three mailboxes */
TEST_F(AclTest, SelectTellsWhatMayBeChanged)
{
    deliver(inbox, MAIL);
    grant(inbox, "lrwis");
    shared("banan", "lr");
    shared("apple", "rit");
    shared("pear", "rset");
    connect()->play(R"(
        C: A142 SELECT INBOX
        S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft)
        S: * OK [PERMANENTFLAGS (\Answered \Flagged \Seen \Draft \*)] …
        S~ A142 OK [READ-WRITE] …
        C: A143 MYRIGHTS INBOX
        S: * MYRIGHTS INBOX lrswi
        S: A143 OK …
        C: b SELECT banan
        S~ * OK [PERMANENTFLAGS ()] …
        S~ b OK [READ-ONLY] …
        C: c SELECT apple
        S~ * OK [PERMANENTFLAGS (\Deleted)] …
        S~ c OK [READ-WRITE] …
        C: d SELECT pear
        S~ * OK [PERMANENTFLAGS (\Deleted \Seen)] …
        S~ d OK [READ-WRITE] …
        C: e EXAMINE pear
        S~ * OK [PERMANENTFLAGS ()] …
        S~ e OK [READ-ONLY] …
    )");
}

/* 5.1.1: SELECT and MYRIGHTS may be pipelined. */
TEST_F(AclTest, SelectAndMyRightsInOneGo)
{
    grant(inbox, "lrwis");
    auto client = connect();
    client->send("A142 SELECT INBOX\r\nA143 MYRIGHTS INBOX\r\n");
    client->play(R"(
        S~ A142 OK [READ-WRITE] …
        S: * MYRIGHTS INBOX lrswi
        S: A143 OK …
    )");
}

/* RFC 4315, 5: of a mailbox that can't be read nothing is told. */
TEST_F(AclTest, UidsAreToldOnlyOfWhatCanBeRead)
{
    deliver(inbox, MAIL);
    deliver(inbox, MAIL);
    deliver(inbox, MAIL);
    shared("Drop", "li");
    select()->play(R"(
        C: a COPY 1 Drop
        S: a OK Copied.
        C: b MOVE 1 Drop
        S: * 1 EXPUNGE
        S: b OK Moved.
        C: c REPLACE 1 Drop {3+}
        C: x: 
        S: * 1 EXPUNGE
        S: c OK Replaced.
    )");
}

/* 4: SELECT, EXAMINE and STATUS need "r"; so does NOTIFY, which says so (RFC 5465, 3.1). */
TEST_F(AclTest, ReadingNeedsARight)
{
    shared("Drop", "li");
    auto client = select();
    client->play(R"(
        C: a STATUS Drop (MESSAGES)
        S: a NO [NOPERM] …read "Drop"…
        C: b EXAMINE Drop
        S: * OK [CLOSED] …
        S: b NO [NOPERM] …
        C: c SELECT Drop
        S: c NO [NOPERM] …
        C: d LIST "" Drop RETURN (STATUS (MESSAGES) MYRIGHTS)
        S: * LIST (\Noselect) "/" Drop
        S: * MYRIGHTS Drop li
        S: d OK …
        C: e ESEARCH IN (mailboxes Drop) ALL
        S: e OK …
        C: f NOTIFY SET STATUS (mailboxes Drop (MessageNew MessageExpunge)) (personal NONE)
        S: * LIST (\NoAccess \HasNoChildren) "/" Drop
        S: f OK …
        C: g NOTIFY SET (personal NONE)
        S: g OK …
    )");
}

/* 4, changing flags: NO only if none of them may be changed; what may not stays as it is. */
TEST_F(AclTest, StoreChangesWhatMayBeChanged)
{
    deliver(inbox, MAIL, {CACHE_FLAGGED, 0});
    grant(inbox, "lrs");
    auto client = select();
    client->play(R"(
        C: a STORE 1 +FLAGS (\Seen \Deleted Odd)
        S: * 1 FETCH (FLAGS (\Flagged \Seen \Recent))
        S: a OK …
        C: b STORE 1 +FLAGS (\Deleted)
        S: b NO [NOPERM] …
        C: c STORE 1 -FLAGS (\Flagged)
        S: c NO [NOPERM] …
        C: d STORE 1 FLAGS ()
        S: * 1 FETCH (FLAGS (\Flagged \Recent))
        S: d OK …
        C: e STORE 1 FLAGS (\Seen \Answered)
        S: * 1 FETCH (FLAGS (\Flagged \Seen \Recent))
        S: e OK …
        C: f STORE 1 +FLAGS.SILENT (Odd)
        S: f NO [NOPERM] …
    )");
    grant(inbox, "lrw");
    client->play(R"(
        C: g UID STORE 1 FLAGS (Odd)
        S~ * 1 FETCH (UID 1 FLAGS (\Seen \Recent Odd))
        S~ * OK [PERMANENTFLAGS (\Answered \Flagged \Draft Odd \*)] …
        S: g OK …
    )");
}

/* 4: FETCH doesn't set \Seen without "s". */
TEST_F(AclTest, FetchSetsSeenOnlyWithTheRight)
{
    deliver(inbox, MAIL);
    grant(inbox, "lrwte");
    auto client = select();
    client->play(R"(
        C: a FETCH 1 BODY[HEADER.FIELDS (SUBJECT)]
        S~ a OK …
        C: b FETCH 1 FLAGS
        S: * 1 FETCH (FLAGS (\Recent))
        S: b OK …
    )");
    grant(inbox, "lrs");
    client->play(R"(
        C: c FETCH 1 BODY[HEADER.FIELDS (SUBJECT)]
        S~ c OK …
        C: d FETCH 1 FLAGS
        S~ * 1 FETCH (FLAGS (\Seen \Recent))
        S: d OK …
    )");
}

/* 4: EXPUNGE needs "e"; CLOSE does without, and keeps the messages. MOVE (RFC 6851, 4.2) and
 * REPLACE (RFC 8508, 4.1) need all that they are made of. */
TEST_F(AclTest, ExpungingNeedsARight)
{
    deliver(inbox, MAIL, {CACHE_DELETED, 0});
    gint64 other = shared("Other", "lri");
    grant(inbox, "lrswt");
    auto client = select();
    client->play(R"(
        C: a EXPUNGE
        S: a NO [NOPERM] …delete messages from "INBOX"…
        C: b UID EXPUNGE 1
        S: b NO [NOPERM] …
        C: c MOVE 1 Other
        S: c NO [NOPERM] …
        C: d UID REPLACE 1 Other {3}
        S: d NO [NOPERM] …
        C: e COPY 1 Other
        S: e OK [COPYUID …] …
        C: f CLOSE
        S: f OK …
        C: g SELECT INBOX
        S~ g OK …
        C: h FETCH 1 FLAGS
        S: * 1 FETCH (FLAGS (\Deleted))
        S: h OK …
    )");
    grant(inbox, "lre");
    client->play("C: i MOVE 1 Other\nS: i NO [NOPERM] …");
    grant(inbox, "lrte");
    grant(other, "lr");
    client->play("C: j MOVE 1 Other\nS~ j NO [NOPERM] …put messages into \"Other\"…");
    client->play("C: k COPY 1 Other\nS: k NO [NOPERM] …");
    grant(other, "lri");
    client->play("C: l MOVE 1 Other\nS~ * 1 EXPUNGE\nS: l OK …");
}

/* 4: "k" on the nearest mailbox above to make one, "x" to delete or rename it. */
TEST_F(AclTest, TheTreeOfNamesNeedsRights)
{
    gint64 a = shared("A", "lr"), b = shared("A/B", "lr"), d = shared("D", "lr");
    auto client = connect();
    client->play(R"(
        C: a CREATE A/New
        S: a NO [NOPERM] …below "A"…
        C: b CREATE A/New/Deep
        S: b NO [NOPERM] …
        C: c CREATE Top
        S: c OK …
        C: d DELETE A/B
        S: d NO [NOPERM] …delete or rename "A/B"…
        C: e RENAME A/B D/E
        S: e NO [NOPERM] …
    )");
    grant(b, "lrx");
    client->play("C: f RENAME A/B D/E\nS: f NO [NOPERM] …below \"D\"…");
    grant(d, "lrk");
    client->play("C: g RENAME A/B D/E\nS: g OK …");
    client->play("C: h RENAME D/E A/B\nS: h NO [NOPERM] …");
    client->play("C: i DELETE D/E\nS: i OK …");
    grant(a, "lrk");
    client->play("C: j CREATE A/New/Deep\nS: j OK …");
    client->play("C: k SUBSCRIBE A\nS: k OK …\nC: l UNSUBSCRIBE A\nS: l OK …");
}

/* Of INBOX the messages are moved (RFC 3501, 6.3.5). */
TEST_F(AclTest, RenamingInboxNeedsDeletingInIt)
{
    deliver(inbox, MAIL);
    grant(inbox, "lrswix");
    auto client = connect();
    client->play("C: a RENAME INBOX Old\nS: a NO [NOPERM] …");
    grant(inbox, "lrte");
    client->play("C: b RENAME INBOX Old\nS: b OK …");
}

/* 5.1.1: what has changed at the provider is told, and holds, with the next command. */
TEST_F(AclTest, RightsThatChangeAreToldToWhoHasItSelected)
{
    deliver(inbox, MAIL);
    grant(inbox, "lrswte");
    auto client = select();
    grant(inbox, "lrs");
    client->play(R"(
        C: a NOOP
        S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft)
        S: * OK [PERMANENTFLAGS (\Seen)] …
        S: a OK …
        C: b NOOP
        S: b OK …
    )");
    grant(inbox, "lr");
    client->play("C: c STORE 1 +FLAGS (\\Seen)\nS~ c NO [NOPERM] …");
}

/* RFC 8440, 4: a name that doesn't exist has no rights, nor has one that is listed for another. */
TEST_F(AclTest, ListReturnsRights)
{
    grant(inbox, "lrswipkxtecda");
    shared("foo", "lrs");
    make_folder("foo/baz");
    {
        Txn txn(cache, CACHE_WRITE_FULL);
        for (const char *name : {"INBOX", "foo/baz", "bar"})
            ASSERT_TRUE(cache_subscribe(txn, name, TRUE, error));
        txn.commit();
    }
    connect()->play(R"(
        C: A01 LIST "" % RETURN (MYRIGHTS)
        S: * LIST () "/" INBOX
        S: * MYRIGHTS INBOX lrswipkxtecd
        S: * LIST () "/" foo
        S: * MYRIGHTS foo lrs
        S: A01 OK …
        C: A02 LIST (SUBSCRIBED RECURSIVEMATCH) "" % RETURN (MYRIGHTS STATUS (MESSAGES))
        S: * LIST (\Subscribed) "/" INBOX
        S: * MYRIGHTS INBOX lrswipkxtecd
        S: * STATUS INBOX (MESSAGES 0)
        S: * LIST (\NonExistent \Subscribed) "/" bar
        S: * LIST () "/" foo ("CHILDINFO" ("SUBSCRIBED"))
        S: A02 OK …
    )");
}

/* A level of names has rights too: whether mailboxes can be made below it. */
TEST_F(AclTest, LevelsOfNamesHaveRights)
{
    gint64 level;
    make_folder("Level/Box");
    {
        Txn txn(cache, CACHE_READ);
        g_autoptr(CacheFolder) row = cache_folder_find(txn, "Level", error);
        level = row->id;
    }
    grant(level, "l");
    connect()->play(R"(
        C: a LIST "" Level* RETURN (MYRIGHTS STATUS (MESSAGES))
        S: * LIST (\Noselect) "/" Level
        S: * MYRIGHTS Level l
        S: * LIST () "/" Level/Box
        S: * MYRIGHTS Level/Box lrswipkxtecd
        S: * STATUS Level/Box (MESSAGES 0)
        S: a OK …
        C: b CREATE Level/More
        S: b NO [NOPERM] …
        C: c CREATE Level/Box/More
        S: c OK …
    )");
}

/* A mailbox whose SELECT is READ-ONLY, at a provider without ACL. */
TEST_F(AclTest, ReadOnlyWithoutAcl)
{
    deliver(inbox, MAIL);
    {
        Txn txn(cache, CACHE_WRITE);
        g_autoptr(CacheFolder) row = folder(txn, inbox);
        row->rights = CACHE_RIGHTS_SHOWN | CACHE_RIGHT_LOOKUP | CACHE_RIGHT_READ;
        ASSERT_TRUE(cache_folder_update(txn, row, error));
        txn.commit();
    }
    connect()->play(R"(
        C: a MYRIGHTS INBOX
        S: * MYRIGHTS INBOX lr
        S: a OK …
        C: b SELECT INBOX
        S~ b OK [READ-ONLY] …
        C: c STORE 1 +FLAGS (\Flagged)
        S: c NO [NOPERM] …
    )");
}

/* RFC 5464, 3.3; RFC 4467: what a URL names has to be readable. */
TEST_F(AclTest, AnnotationsAndUrlsNeedRights)
{
    gint64 id = shared("Shared", "l");
    deliver(id, MAIL);
    auto client = connect();
    client->play(R"(
        C: a GETMETADATA Shared /private/comment
        S: a NO [NOPERM] …
        C: b SETMETADATA Shared (/private/comment "mine")
        S: b NO [NOPERM] …
        C: c APPEND INBOX CATENATE (URL "/Shared/;UID=1")
        S: c NO [BADURL …] …
    )");
    grant(id, "lr");
    client->play(R"(
        C: d SETMETADATA Shared (/private/comment "mine")
        S: d OK …
        C: e APPEND INBOX CATENATE (URL "/Shared/;UID=1")
        S: e OK …
    )");
}

} // namespace
