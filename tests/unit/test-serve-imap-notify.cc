/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The local IMAP server's NOTIFY (RFC 5465), as transcripts. */
#include "imap-transcript.h"

namespace
{

const std::string HELLO = "Subject: Hello\r\nFrom: alice@example.org\r\n\r\nhello\r\n";

/* 3.1, 5.2 and 5.3 */
TEST_F(ImapTest, NotifyTellsOfTheSelectedMailboxBetweenCommands)
{
    deliver(inbox, HELLO);
    auto client = select(), other = select();
    client->play(R"(
        C: a NOTIFY SET (selected (MessageNew (uid body.peek[header.fields (subject)]) MessageExpunge FlagChange))
        S: a OK …
    )");
    deliver(inbox, HELLO);
    client->play(R"(
        S: * 2 EXISTS
        S: * 2 RECENT
        S: * 2 FETCH (UID 2 BODY[HEADER.FIELDS (subject)] {18}
        S: Subject: Hello
        S:
        S: )
    )");
    other->play("C: a UID STORE 1 +FLAGS.SILENT (\\Deleted)\nS~ a OK …");
    client->play("S: * 1 FETCH (UID 1 FLAGS (\\Deleted \\Recent))");
    other->play("C: b EXPUNGE\nS~ b OK …");
    client->play(R"(
        S: * 1 EXPUNGE
        C: b NOTIFY SET (selected (MessageNew MessageExpunge))
        S: b OK …
    )");
    other->play("C: c UID STORE 2 +FLAGS.SILENT (\\Flagged)\nS~ c OK …");
    client->play("C: c NOOP\nS: c OK …\nC: d NOTIFY NONE\nS: d OK …");
    deliver(inbox, HELLO);
    client->play("C: e NOOP\nS: e OK …\nC: f NOTIFY SET (personal (MailboxName))\nS: f OK …"
                 "\nC: g NOOP\nS: g OK …");
}

/* 6.1.2 */
TEST_F(ImapTest, NotifyDelaysExpungesWhereAsked)
{
    deliver(inbox, HELLO);
    deliver(inbox, HELLO);
    auto client = select(), other = select();
    client->play(R"(
        C: a NOTIFY SET (selected-delayed (MessageNew MessageExpunge FlagChange))
        S: a OK …
    )");
    other->play("C: a UID STORE 1 +FLAGS.SILENT (\\Deleted)\nS~ a OK …\nC: b EXPUNGE\nS~ b OK …");
    deliver(inbox, HELLO);
    client->play(R"(
        S~ * 3 EXISTS
        S: * 3 RECENT
        C: b FETCH 2 UID
        S: * 2 FETCH (UID 2)
        S: b OK …
        C: c NOOP
        S: * 1 EXPUNGE
        S: c OK …
    )");
}

/* 3.1 and 5.1 to 5.3: other mailboxes answer with STATUS. */
TEST_F(ImapTest, NotifyTellsOfOtherMailboxes)
{
    gint64 lists = make_folder("Lists/Lemonade"), misc = make_folder("misc");
    make_folder("Lists");
    auto client = connect();
    client->play(R"(
        C: a NOTIFY SET STATUS (selected (MessageNew MessageExpunge)) (subtree Lists (MessageNew MessageExpunge FlagChange))
        S: * STATUS Lists (MESSAGES 0 UIDNEXT 1 UIDVALIDITY … HIGHESTMODSEQ …)
        S: * STATUS Lists/Lemonade (MESSAGES 0 UIDNEXT 1 UIDVALIDITY … HIGHESTMODSEQ …)
        S: a OK …
    )");
    deliver(misc, HELLO);
    deliver(lists, HELLO);
    client->play("S: * STATUS Lists/Lemonade (MESSAGES 1 UIDNEXT 2 UNSEEN 1)");
    auto other = select("Lists/Lemonade");
    other->play("C: a STORE 1 +FLAGS.SILENT (\\Seen)\nS~ a OK …");
    client->play("S: * STATUS Lists/Lemonade (UNSEEN 0)");
    other->play("C: b STORE 1 +FLAGS.SILENT (\\Deleted)\nS~ b OK …\nC: c EXPUNGE\nS~ c OK …");
    client->play(R"(
        S: * STATUS Lists/Lemonade (MESSAGES 0 UIDNEXT 2)
        C: b SELECT Lists/Lemonade
        S~ b OK …
    )");
    deliver(lists, HELLO);
    client->play("S: * 1 EXISTS\nS: * 1 RECENT\nC: c IDLE\nS: + …");
    deliver(lists, HELLO);
    client->play("S: * 2 EXISTS\nS: * 2 RECENT\nC: DONE\nS: c OK …");
}

/* 5.4 to 5.7 */
TEST_F(ImapTest, NotifyTellsOfNamesSubscriptionsAndAnnotations)
{
    make_folder("Old/below");
    auto client = connect(), other = connect();
    client->play(R"(
        C: a NOTIFY SET (personal (MailboxName SubscriptionChange MailboxMetadataChange ServerMetadataChange))
        S: a OK …
    )");
    other->play("C: a CREATE NewMailbox\nS: a OK …");
    client->play("S: * LIST (\\HasNoChildren) \"/\" NewMailbox");
    other->play("C: b SUBSCRIBE NewMailbox\nS: b OK …");
    client->play("S: * LIST (\\HasNoChildren \\Subscribed) \"/\" NewMailbox");
    other->play("C: c CREATE Other\nS: c OK …");
    client->play("S: * LIST (\\HasNoChildren) \"/\" Other");
    other->play("C: d RENAME Other Another\nS: d OK …");
    client->play("S: * LIST (\\HasNoChildren) \"/\" Another (\"OLDNAME\" (Other))");
    other->play("C: e DELETE Another\nS: e OK …");
    client->play("S: * LIST (\\NonExistent \\HasNoChildren) \"/\" Another");
    other->play("C: f SETMETADATA INBOX (/shared/comment \"x\")\nS: f OK …");
    client->play("S: * METADATA INBOX /shared/comment");
    other->play("C: g SETMETADATA \"\" (/shared/comment \"x\")\nS: g OK …");
    client->play("S: * METADATA \"\" /shared/comment");
    other->play("C: h SETMETADATA INBOX (/shared/comment NIL)\nS: h OK …");
    client->play("S: * METADATA INBOX /shared/comment");
}

/* 5.4 */
TEST_F(ImapTest, NotifyTellsOfNamesThatLeaveItsScope)
{
    make_folder("Lists/a");
    make_folder("Lists/a/b");
    auto client = connect(), other = connect();
    client->play(R"(
        C: a NOTIFY SET (subtree Lists (MailboxName))
        S: a OK …
    )");
    other->play("C: a RENAME Lists/a Away\nS: a OK …");
    client->play("S: * LIST (\\HasChildren) \"/\" Away (\"OLDNAME\" (Lists/a))");
    other->play("C: b RENAME Away Lists/c\nS: b OK …");
    client->play("S: * LIST (\\HasChildren) \"/\" Lists/c (\"OLDNAME\" (Away))");
    other->play("C: c DELETE Lists/c\nS: c OK …");
    client->play("S: * LIST (\\Noselect \\HasChildren) \"/\" Lists/c");
    other->play("C: d CREATE Lists/c\nS: d OK …");
    client->play("S: * LIST (\\HasChildren) \"/\" Lists/c");
}

/* 5.4: the direct parent is affected, whether it is an existing mailbox or not. */
TEST_F(ImapTest, NotifyTellsOfParents)
{
    make_folder("Other");
    auto client = connect(), other = connect();
    client->play(R"(
        C: a NOTIFY SET (personal (MailboxName))
        S: a OK …
    )");
    other->play("C: a CREATE Lists/x/y\nS: a OK …");
    client->play("S: * LIST (\\HasNoChildren) \"/\" Lists/x/y\n"
                 "S: * LIST (\\Noselect \\HasChildren) \"/\" Lists/x");
    other->play("C: b DELETE Lists/x/y\nS: b OK …");
    client->play("S: * LIST (\\NonExistent \\HasNoChildren) \"/\" Lists/x/y\n"
                 "S: * LIST (\\Noselect \\HasNoChildren) \"/\" Lists/x");
    other->play("C: c CREATE Other/z\nS: c OK …");
    client->play("S: * LIST (\\HasNoChildren) \"/\" Other/z\n"
                 "S: * LIST (\\HasChildren) \"/\" Other");
}

TEST_F(ImapTest, NotifyRefusesWhatItCannotDo)
{
    auto client = connect();
    client->play(R"(
        C: a NOTIFY SET (personal (MessageNew MessageExpunge AnnotationChange))
        S: a NO [BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange ServerMetadataChange)] …
        C: b NOTIFY SET (personal (MessageNew))
        S: b BAD …
        C: c NOTIFY SET (personal (FlagChange))
        S: c BAD …
        C: d NOTIFY SET (selected (MailboxName))
        S: d BAD …
        C: e NOTIFY SET (selected NONE) (selected-delayed NONE)
        S: e BAD …
        C: f NOTIFY SET (personal (MessageNew (uid) MessageExpunge))
        S: f BAD …
        C: g NOTIFY
        S: g BAD …
        C: h NOTIFY SET (selected NONE)
        S: h OK …
    )");
}

/* 5.2 and 7: nothing is fetched of what the client made itself. */
TEST_F(ImapTest, OwnMessagesAreNotFetched)
{
    deliver(inbox, HELLO);
    auto client = select();
    client->play(R"(
        C: a UID SEARCH RETURN (COUNT UPDATE (FLAGS)) ALL
        S: * ESEARCH (TAG "a") UID COUNT 1
        S: a OK …
        C: b NOTIFY SET (selected (MessageNew (UID) MessageExpunge))
        S: b OK …
        C: c APPEND INBOX {6+}
        C: a: b
        C:
        S: * 2 EXISTS
        S: * 2 RECENT
        S: * ESEARCH (TAG "a") UID ADDTO (0 2)
        S: c OK …
        C: d COPY 1 INBOX
        S: * 3 EXISTS
        S: * 3 RECENT
        S: * ESEARCH (TAG "a") UID ADDTO (0 3)
        S: d OK …
    )");
    deliver(inbox, HELLO);
    client->play(R"(
        S: * 4 EXISTS
        S: * 4 RECENT
        S: * ESEARCH (TAG "a") UID ADDTO (0 4)
        S: * 4 FETCH (FLAGS (\Recent))
        S: * 4 FETCH (UID 4)
    )");
}

/* 7: what an UPDATE wants to have of new messages */
TEST_F(ImapTest, ContextsFetchWhatIsNew)
{
    deliver(inbox, HELLO);
    auto client = select();
    client->play(R"(
        C: a00 SEARCH RETURN (COUNT UPDATE (UID FLAGS)) FROM "alice"
        S: * ESEARCH (TAG "a00") COUNT 1
        S: a00 OK …
    )");
    deliver(inbox, HELLO);
    deliver(inbox, "From: bob@example.org\r\n\r\nhello\r\n");
    client->play(R"(
        C: b NOOP
        S: * 3 EXISTS
        S: * 3 RECENT
        S: * ESEARCH (TAG "a00") ADDTO (0 2)
        S: * 2 FETCH (UID 2 FLAGS (\Recent))
        S: b OK …
    )");
}

} // namespace
