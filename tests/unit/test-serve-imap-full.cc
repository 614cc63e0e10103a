/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A disk that gets full in the middle of a command, at each step of it: what isn't done whole is
 * undone, and NO leaves nothing behind.
 */
#include "imap-transcript.h"

#include <csignal>
#include <sys/resource.h>

namespace
{

/* No file of this process can be written to beyond some offset. */
struct FullDisk {
    rlimit before;
    explicit FullDisk(guint64 limit)
    {
        signal(SIGXFSZ, SIG_IGN);
        getrlimit(RLIMIT_FSIZE, &before);
        rlimit less = before;
        less.rlim_cur = limit;
        setrlimit(RLIMIT_FSIZE, &less);
    }
    ~FullDisk()
    {
        setrlimit(RLIMIT_FSIZE, &before);
    }
};

class FullTest : public ImapTest
{
  protected:
    static constexpr int MESSAGES = 600;

    void SetUp() override
    {
        ImapTest::SetUp();
        make_folder("Work");
        std::string mail = "From: a@example.org\r\nSubject: x\r\n\r\nhello\r\n";
        for (int i = 0; i < MESSAGES; i++)
            deliver(inbox, mail, {(guint32)(i % 3 ? 0 : CACHE_DELETED), 0});
    }

    /* All that can be seen, without changing it. */
    std::string picture()
    {
        auto client = connect();
        std::string seen = client->command("l LIST \"\" * RETURN (STATUS (MESSAGES UIDNEXT))") +
                           client->command("u LSUB \"\" *") +
                           client->command("m GETMETADATA (DEPTH infinity) INBOX (/private)");
        for (const char *folder : {"INBOX", "Work", "Old"}) {
            client->command(std::string("e EXAMINE ") + folder);
            seen += client->command("f UID FETCH 1:* (FLAGS)");
        }
        return seen;
    }

    /* Tries the command with ever more room, until there is enough; how often there wasn't. */
    int try_with_more_and_more_room(const std::string &command)
    {
        auto client = select();
        std::string before = picture();
        int failures = 0;
        for (guint64 room = 0;; room += room < 100000 ? 4096 : 65536) {
            std::string answer;
            {
                FullDisk full(room);
                answer = client->command("x " + command);
            }
            if (answer.find("x OK") != std::string::npos)
                break;
            failures++;
            EXPECT_NE(answer.find("x NO [OVERQUOTA]"), std::string::npos) << answer;
            EXPECT_EQ(picture(), before) << command << " with room for " << room;
            if (HasFailure() || room > (guint64)100 * 1024 * 1024)
                break;
        }
        EXPECT_NE(picture(), before);
        return failures;
    }

    std::string status(const char *folder)
    {
        return connect()->command(std::string("s STATUS ") + folder + " (MESSAGES)");
    }
};

TEST_F(FullTest, CopiesAreAllThereOrNone)
{
    EXPECT_GT(try_with_more_and_more_room("UID COPY 1:* Work"), 3);
    EXPECT_NE(status("Work").find("MESSAGES 600"), std::string::npos);
}

TEST_F(FullTest, SoAreCopiesByNumber)
{
    EXPECT_GT(try_with_more_and_more_room("COPY 1:600 Work"), 3);
    EXPECT_NE(status("Work").find("MESSAGES 600"), std::string::npos);
}

TEST_F(FullTest, AMoveMovesAllOrNone)
{
    EXPECT_GT(try_with_more_and_more_room("UID MOVE 1:* Work"), 3);
    EXPECT_NE(status("Work").find("MESSAGES 600"), std::string::npos);
    EXPECT_NE(status("INBOX").find("MESSAGES 0"), std::string::npos);
}

TEST_F(FullTest, AStoreChangesAllOrNone)
{
    EXPECT_GT(try_with_more_and_more_room("UID STORE 1:* +FLAGS.SILENT (\\Flagged Important)"), 3);
}

TEST_F(FullTest, AnExpungeIsOfAllOrNone)
{
    EXPECT_GT(try_with_more_and_more_room("EXPUNGE"), 3);
    EXPECT_NE(status("INBOX").find("MESSAGES 400"), std::string::npos);
}

TEST_F(FullTest, InboxIsRenamedWholly)
{
    EXPECT_GT(try_with_more_and_more_room("RENAME INBOX Old"), 3);
    EXPECT_NE(status("Old").find("MESSAGES 600"), std::string::npos);
}

/* So is everything else that writes. */
TEST_F(FullTest, WhateverAClientChangesIsDoneWhollyOrNot)
{
    const std::string mail = " {24+}\r\nSubject: new\r\n\r\nhello\r\n";
    for (const std::string &command :
         {std::string("UID REPLACE 2 Work (\\Flagged)") + mail, "REPLACE 2 INBOX" + mail,
          std::string("UID EXPUNGE 1:300"), std::string("CREATE a/b/c/d/e"),
          std::string("RENAME a x"), std::string("SUBSCRIBE x/b/c"),
          std::string("DELETE x/b/c/d/e"), std::string("STORE 2:90 FLAGS (One Two Three)"),
          std::string("UID STORE 2:90 (UNCHANGEDSINCE 1000000) -FLAGS (One)"),
          std::string("SETMETADATA INBOX (/private/comment \"one\" /private/x \"two\")")}) {
        SCOPED_TRACE(command);
        EXPECT_GT(try_with_more_and_more_room(command), 0);
    }
}

/* What only marks messages as read keeps nobody from reading them; nor is anything told that isn't so. */
TEST_F(FullTest, MailCanBeRead)
{
    for (const char *fetch : {"FETCH 2 BODY[]", "UID FETCH 2 (BODY[TEXT])", "FETCH 2 RFC822",
                              "UID FETCH 2 BINARY[1]"}) {
        SCOPED_TRACE(fetch);
        std::string answer;
        auto client = select();
        {
            FullDisk full(0);
            answer = client->command(std::string("x ") + fetch);
        }
        EXPECT_NE(answer.find("hello"), std::string::npos) << answer;
        EXPECT_EQ(answer.find("\\Seen"), std::string::npos) << answer;
        EXPECT_EQ(client->command("f FETCH 2 FLAGS").find("\\Seen"), std::string::npos);
    }
}

/* CLOSE that can't expunge says so, and the mailbox stays open. */
TEST_F(FullTest, CloseExpungesAllOrNone)
{
    auto client = select();
    std::string before = picture();
    {
        FullDisk full(0);
        EXPECT_NE(client->command("x CLOSE").find("x NO [OVERQUOTA]"), std::string::npos);
        EXPECT_EQ(picture(), before);
    }
    EXPECT_NE(client->command("y CLOSE").find("y OK"), std::string::npos);
    EXPECT_NE(status("INBOX").find("MESSAGES 400"), std::string::npos);
}

/* That a message is gone is told when it can be noted that it was: it may return, under another UID then. */
TEST_F(FullTest, WhatHasVanishedIsToldWhenThatCanBeNoted)
{
    auto client = select();
    vanish(inbox, 5);
    {
        FullDisk full(0);
        EXPECT_EQ(client->command("n NOOP").find("EXPUNGE"), std::string::npos);
        EXPECT_EQ(client->command("n NOOP").find("EXPUNGE"), std::string::npos);
        EXPECT_NE(client->command("f UID FETCH 6 (FLAGS)").find("UID 6"), std::string::npos);
    }
    EXPECT_EQ(query_number("SELECT told FROM vanished WHERE uid = 5"), 0);
    EXPECT_NE(client->command("n NOOP").find("* 5 EXPUNGE"), std::string::npos);
    EXPECT_EQ(query_number("SELECT told FROM vanished WHERE uid = 5"), 1);
}

/* SELECT tells what there is all the same; that is noted with the next thing that can be, though the
 * client has left by then. */
TEST_F(FullTest, WhatSelectHasToldIsNotedWhenThereIsRoom)
{
    guint32 uid = 5;
    auto told = [&](guint32 which) {
        return query_number(
            ("SELECT told FROM vanished WHERE uid = " + std::to_string(which)).c_str());
    };
    for (const char *command : {"SELECT INBOX", "EXAMINE INBOX"}) {
        vanish(inbox, uid);
        vanish(inbox, uid + 1);
        {
            FullDisk full(0);
            auto client = connect();
            EXPECT_NE(client->command(std::string("s ") + command).find("s OK"), std::string::npos);
            EXPECT_NE(client->command("x LOGOUT").find("x OK"), std::string::npos);
            CacheTxn *txn = cache_begin(cache, CACHE_WRITE_FULL, nullptr);
            EXPECT_FALSE(txn && cache_commit(txn, nullptr));
        }
        EXPECT_EQ(told(uid), 0);
        /* What vanishes afterwards nobody was told of. */
        vanish(inbox, uid + 2);
        EXPECT_EQ(told(uid), 1);
        EXPECT_EQ(told(uid + 1), 1);
        EXPECT_EQ(told(uid + 2), 0);
        uid += 10;
    }
}

TEST_F(FullTest, AllMessagesOfAnAppendAreThereOrNone)
{
    std::string noise = "Subject: noise\r\n\r\n";
    for (guint seed = 1; noise.size() < 30000; seed = seed * 1103515245 + 12345)
        noise += (char)('a' + (seed >> 16) % 26);
    std::string literal = " {" + std::to_string(noise.size()) + "+}\r\n" + noise;
    EXPECT_GT(try_with_more_and_more_room("APPEND Work" + literal + " (\\Seen)" + literal +
                                          " CATENATE (TEXT" + literal + " TEXT" + literal + ")"),
              3);
    EXPECT_NE(status("Work").find("MESSAGES 3"), std::string::npos);
}

} // namespace
