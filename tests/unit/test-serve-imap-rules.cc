/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The local IMAP server: rules of the standards that are easily overlooked, one test for each. */
#include "imap-transcript.h"

namespace
{

const std::string NOTE = "From: ada@example.org\r\nSubject: note\r\n\r\nGood morning!\r\n";

class RulesTest : public ImapTest
{
  protected:
    void SetUp() override
    {
        ImapTest::SetUp();
        for (int i = 0; i < 4; i++)
            deliver(inbox, NOTE);
    }
    /* A folder found upstream, just as it is named there. */
    void add_upstream(const char *name)
    {
        CacheFolder folder = {};
        folder.name = folder.base_name = (char *)name;
        folder.delimiter = '/';
        folder.selectable = folder.base_selectable = TRUE;
        Txn txn(cache, CACHE_WRITE_FULL);
        ASSERT_NE(cache_folder_add(txn, &folder, error), 0) << error.text();
        txn.commit();
    }
};

/* RFC 7162, 3.2.4: CONDSTORE, however enabled, brings UIDs too; RFC 9051, 7.5.2: so does rev2. */
TEST_F(RulesTest, ChangesAreToldWithTheirUids)
{
    auto ada = connect(), bob = connect(), carl = select();
    ada->play("C: a SELECT INBOX (CONDSTORE)\nS~ a OK …");
    bob->play("C: a ENABLE IMAP4rev2\nS~ a OK …\nC: b SELECT INBOX\nS~ b OK …");
    carl->play(
        "C: a STORE 2 +FLAGS (\\Flagged)\nS: * 2 FETCH (FLAGS (\\Flagged \\Recent))\nS: a OK …");
    ada->play(R"(
        C: c NOOP
        S: * 2 FETCH (UID 2 MODSEQ (…) FLAGS (\Flagged))
        S: c OK …
        C: d STORE 3 +FLAGS.SILENT (\Seen)
        S: * 3 FETCH (UID 3 MODSEQ (…))
        S: d OK …
        C: e FETCH 4 (BODY[TEXT])
        S: * 4 FETCH (UID 4 MODSEQ (…) FLAGS (\Seen) BODY[TEXT] {…}
        S~ )
        S: e OK …
        C: f FETCH 4 FLAGS
        S: * 4 FETCH (FLAGS (\Seen))
        S: f OK …
    )");
    bob->play(R"(
        C: c NOOP
        S: * 2 FETCH (UID 2 FLAGS (\Flagged))
        S: * 3 FETCH (UID 3 FLAGS (\Seen))
        S: * 4 FETCH (UID 4 FLAGS (\Seen))
        S: c OK …
    )");
}

/* RFC 7162, 3.2.8: of CLOSE no HIGHESTMODSEQ; 3.2.7 and 3.2.9: of EXPUNGE; RFC 6851, 4.4: of MOVE,
 * where anything was moved. */
TEST_F(RulesTest, WhatTakesMessagesAwayTellsTheModSequenceButForClose)
{
    make_folder("Work");
    auto client = connect();
    client->play(R"(
        C: a ENABLE QRESYNC
        S~ a OK …
        C: b SELECT INBOX
        S~ b OK …
        C: c MOVE 1 Work
        S: * OK [COPYUID … 1 1] …
        S: * VANISHED 1
        S: c OK [HIGHESTMODSEQ …] …
        C: d UID MOVE 77 Work
        S: d OK Moved.
        C: e UID MOVE 2 INBOX
        S: * OK [COPYUID … 2 5] …
        S: * VANISHED 2
        S: * 3 EXISTS
        S: * 3 RECENT
        S: e OK [HIGHESTMODSEQ …] …
        C: f STORE 1:2 +FLAGS.SILENT (\Deleted)
        S~ f OK …
        C: g UID EXPUNGE 3
        S: * VANISHED 3
        S: g OK [HIGHESTMODSEQ …] …
        C: h CLOSE
        S: h OK CLOSE done.
        C: i STATUS INBOX (MESSAGES)
        S: * STATUS INBOX (MESSAGES 1)
        S: i OK …
    )");
}

/* RFC 7162, 3.1.3, example 10: a conditional STORE that fails tells what is there instead. */
TEST_F(RulesTest, AConditionalStoreThatFailsTellsWhy)
{
    auto ada = select();
    ada->play("C: a STORE 2:3 +FLAGS.SILENT (\\Flagged)\nS: a OK …");
    auto bob = connect();
    bob->play(R"(
        C: a SELECT INBOX (CONDSTORE)
        S~ a OK …
        C: b UID STORE 2:4 (UNCHANGEDSINCE 5) +FLAGS.SILENT (\Seen)
        S: * 4 FETCH (UID 4 MODSEQ (…))
        S: * 2 FETCH (UID 2 MODSEQ (…) FLAGS (\Flagged))
        S: * 3 FETCH (UID 3 MODSEQ (…) FLAGS (\Flagged))
        S: b OK [MODIFIED 2:3] …
    )");
    ada->play("C: b STORE 2 +FLAGS.SILENT (\\Draft)\nS~ b OK …");
    bob->play(R"(
        C: c STORE 2:3 (UNCHANGEDSINCE 5) +FLAGS (\Seen)
        S: * 3 FETCH (UID 3 MODSEQ (…) FLAGS (\Flagged))
        S: * 2 FETCH (UID 2 MODSEQ (…) FLAGS (\Flagged \Draft))
        S: c OK [MODIFIED 2:3] …
    )");
}

/* RFC 5530, 3 */
TEST_F(RulesTest, ANameThatOnlyHasChildrenIsNotDeletedBeforeThem)
{
    make_folder("Work/Plans");
    connect()->play(R"(
        C: a CREATE Work
        S: a OK …
        C: b DELETE Work
        S: b OK …
        C: c DELETE Work
        S: c NO [HASCHILDREN] …
        C: d DELETE Work/Plans
        S: d OK …
        C: e DELETE Work
        S: e OK …
    )");
}

/* RFC 9051, 6.3.2: SELECT's LIST is accurate, and says what another name the client used stands for
 * (the example of 8). */
TEST_F(RulesTest, Rev2SelectsTellWhatTheMailboxIs)
{
    make_folder("Sent", CACHE_ROLE_SENT);
    make_folder("Work");
    make_folder("Work/Plans");
    connect()->play(R"(
        C: a ENABLE IMAP4rev2
        S~ a OK …
        C: b SUBSCRIBE Sent
        S: b OK …
        C: c SELECT Sent
        S~ * LIST (\HasNoChildren \Subscribed \Sent) "/" Sent
        S~ c OK …
        C: d EXAMINE Work
        S~ * LIST (\HasChildren) "/" Work
        S~ d OK …
        C: e SELECT inbox
        S~ * LIST (\HasNoChildren) "/" INBOX ("OLDNAME" (inbox))
        S~ e OK …
    )");
}

/* RFC 3501, 5.1: INBOX is written in any case, so what is below it is, too; LIST shows one INBOX.
 */
TEST_F(RulesTest, WhatIsBelowInboxIsBelowIt)
{
    make_folder("Work");
    connect()->play(R"(
        C: a CREATE inbox/sub
        S: a OK …
        C: b CREATE Inbox/sub
        S: b NO [ALREADYEXISTS] …
        C: c RENAME Work iNBOX/Work/
        S: c OK …
        C: d LIST "" *
        S: * LIST (\HasChildren) "/" INBOX
        S: * LIST (\HasNoChildren) "/" INBOX/Work
        S: * LIST (\HasNoChildren) "/" INBOX/sub
        S: d OK …
        C: e SUBSCRIBE inbox/sub
        S: e OK …
        C: f LSUB "" *
        S: * LSUB () "/" INBOX/sub
        S: f OK …
        C: g UNSUBSCRIBE inBox/sub
        S: g OK …
        C: h LSUB "" *
        S: h OK …
        C: i STATUS inbox/sub (MESSAGES)
        S: * STATUS INBOX/sub (MESSAGES 0)
        S: i OK …
        C: j DELETE inbox/sub
        S: j OK …
    )");
}

/* RFC 3501, 6.3.5: "it is an error to attempt to rename to a mailbox name that already exists". */
TEST_F(RulesTest, InboxIsNotRenamedToAnExistingNameEither)
{
    auto client = connect();
    client->play(R"(
        C: a CREATE Work/Plans
        S: a OK …
        C: b RENAME INBOX Work
        S: b NO [ALREADYEXISTS] …
        C: c RENAME INBOX Work/Plans
        S: c NO [ALREADYEXISTS] …
        C: d STATUS INBOX (MESSAGES)
        S: * STATUS INBOX (MESSAGES 4)
        S: d OK …
    )");
}

/* RFC 3501, 5.1: what upstream has below "Inbox" is below INBOX; there isn't another one. */
TEST_F(RulesTest, ThereIsOneInboxHoweverUpstreamWritesIt)
{
    add_upstream("Inbox/Sub");
    connect()->play(R"(
        C: a LIST "" *
        S: * LIST (\HasChildren) "/" INBOX
        S: * LIST (\HasNoChildren) "/" Inbox/Sub
        S: a OK …
        C: b SELECT Inbox/Sub
        S~ b OK …
    )");
}

/* RFC 3501, 3: no command that isn't one of its state, whatever it brings. */
TEST_F(RulesTest, NothingIsAppendedBeforeLogin)
{
    auto client = connect(false);
    client->play(R"(
        C: a APPEND INBOX {5}
        S: a BAD Log in first
        C: b APPEND INBOX {5+}
        C: hello
        S: b BAD Log in first
        C: c NOOP
        S: c OK …
    )");
}

/* RFC 5258, 3.5: upstream may have a folder without those above it. */
TEST_F(RulesTest, ANameThatIsNoneIsListedWithWhatIsBelowIt)
{
    add_upstream("Customers/ABC");
    connect()->play(R"(
        C: a LIST "" ("C%" "I%")
        S: * LIST (\NonExistent \HasChildren) "/" Customers
        S: * LIST () "/" INBOX
        S: a OK …
        C: b LIST "" Customers
        S: * LIST (\Noselect \HasChildren) "/" Customers
        S: b OK …
    )");
}

/* RFC 9051, 5.1: no new names in UTF-8 but Net-Unicode; RFC 6855, 3: without line separators. */
TEST_F(RulesTest, NewNamesInUtf8AreNormalized)
{
    const std::string composed = "Caf\u00e9", decomposed = "Cafe\u0301";
    auto client = connect();
    client->play("C: a ENABLE UTF8=ACCEPT\nS~ a OK …");
    client->play("C: b CREATE \"" + decomposed + "\"\nS: b NO [CANNOT] …");
    client->play("C: c CREATE \"" + composed + "\"\nS: c OK …");
    client->play("C: d RENAME \"" + composed + "\" \"" + decomposed + "\"\nS: d NO [CANNOT] …");
    client->play("C: e CREATE \"a\u2028b\"\nS: e NO [CANNOT] …");
}

/* RFC 8474, 4: another UIDVALIDITY, another mailbox. */
TEST_F(RulesTest, AMailboxMadeAgainAboveOthersHasAnotherId)
{
    make_folder("Lists");
    make_folder("Lists/a");
    auto client = connect();
    std::string before = client->command("a STATUS Lists (MAILBOXID)");
    client->play("C: b DELETE Lists\nS: b OK …\n");
    std::string created = client->command("c CREATE Lists");
    std::string after = client->command("a STATUS Lists (MAILBOXID)");
    std::string id = created.substr(created.find('('), created.find(']') - created.find('('));
    EXPECT_NE(before, after);
    EXPECT_NE(after.find(id), std::string::npos) << created << after;
}

/* RFC 3501, 2.3.1.1: a client that knows that a message is gone looks for new ones above all UIDs it
 * has seen; so what vanished upstream and returns keeps its UID only as long as no client knows. */
TEST_F(RulesTest, WhatClientsAreToldOfWhatHasVanishedIsRemembered)
{
    const struct {
        const char *transcript;
        bool told;
    } cases[] = {
        {"C: a STATUS INBOX (MESSAGES UIDNEXT)\nS~ a OK …", false},
        {"C: a LIST \"\" *\nS~ a OK …", false},
        {"C: a SELECT Other\nS~ a OK …", false},
        {"C: a EXAMINE INBOX\nS~ a OK …", true},
        {"C: a SELECT INBOX\nS~ a OK …", true},
        {"C: a ENABLE QRESYNC\nS~ a OK …\nC: b SELECT INBOX (QRESYNC (1 1))\nS~ b OK …", true},
    };
    make_folder("Other");
    for (auto &[transcript, told] : cases) {
        SCOPED_TRACE(transcript);
        guint32 uid = announce(inbox, "\r\nx");
        vanish(inbox, uid);
        connect()->play(transcript);
        Txn txn(cache, CACHE_READ);
        EXPECT_NE(cache_vanished_untold(txn, inbox), told);
    }
}

TEST_F(RulesTest, AnExpungeThatIsHeldBackIsNotToldYet)
{
    guint32 uid = announce(inbox, "\r\nx");
    auto client = select();
    vanish(inbox, uid);
    auto untold = [this] {
        Txn txn(cache, CACHE_READ);
        return cache_vanished_untold(txn, inbox) != FALSE;
    };
    client->play("C: a FETCH 1 UID\nS~ a OK …");
    EXPECT_TRUE(untold());
    client->play("C: b NOOP\nS: * … EXPUNGE\nS: b OK …");
    EXPECT_FALSE(untold());
}

} // namespace
