/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The local IMAP server, as transcripts of sessions. */
#include "imap-transcript.h"

#include <atomic>
#include <random>

namespace
{

const std::string HELLO = "From: Ada <ada@example.org>\r\n"
                          "To: Bob <bob@example.org>\r\n"
                          "Subject: Hello\r\n"
                          "Date: Mon, 7 Feb 1994 21:52:25 -0800\r\n"
                          "Message-ID: <1@example.org>\r\n"
                          "\r\n"
                          "Good morning!\r\n";

const std::string PARTS = "From: ada@example.org\r\n"
                          "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
                          "MIME-Version: 1.0\r\n"
                          "Content-Type: multipart/mixed; boundary=b\r\n"
                          "\r\n"
                          "--b\r\n"
                          "Content-Type: text/plain\r\n"
                          "\r\n"
                          "first part\r\n"
                          "--b\r\n"
                          "Content-Type: text/plain; charset=utf-8\r\n"
                          "Content-Transfer-Encoding: base64\r\n"
                          "\r\n"
                          "U3RyYcOfZQ==\r\n"
                          "--b--\r\n";

/* ---- session --------------------------------------------------------------------------------- */

TEST_F(ImapTest, GreetsWithItsCapabilities)
{
    Client client(&daemon, nullptr);
    std::string greeting = client.line();
    EXPECT_TRUE(
        matches("* OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE … AUTH=PLAIN …] …",
                greeting) ||
        matches("* OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE AUTH=PLAIN …] …",
                greeting))
        << greeting;
    client.play(R"(
        C: a CAPABILITY
        S: * CAPABILITY IMAP4rev1 …
        S: a OK …
        C: b NOOP
        S: b OK …
        C: c SELECT INBOX
        S: c BAD Log in first
        C: d LOGOUT
        S: * BYE …
        S: d OK …
        S: 
    )");
    EXPECT_TRUE(client.ended);
}

TEST_F(ImapTest, UnixSocketsAreLoggedInAtOnce)
{
    auto client = connect();
    client->play(R"(
        C: a LOGIN work secret
        S: a BAD Log out first…
        C: b CAPABILITY
        S: * CAPABILITY IMAP4rev1 … IDLE NAMESPACE …
        S: b OK …
    )");
}

TEST_F(ImapTest, GoesOnAfterGarbage)
{
    auto client = connect();
    client->play(R"(
        C: 
        S: * BAD …
        C: a
        S: … BAD …
        C: a FROBNICATE
        S: a BAD …
        C: a FETCH 1 FLAGS
        S: a BAD Select a mailbox first
        C: b UID LOGOUT
        S: b BAD …
        C: c NOOP extra
        S: c BAD …
        C: d NOOP
        S: d OK …
    )");
    client->send("e " + std::string(200000, 'x') + "\r\n");
    client->play("S: e BAD [TOOBIG] …\nC: f NOOP\nS: f OK …");
}

TEST_F(ImapTest, PipelinedCommandsAreAnsweredInOrder)
{
    auto client = connect();
    client->send("a NOOP\r\nb NOOP\r\nc NAMESPACE\r\n");
    client->play("S: a OK …\nS: b OK …\nS: * NAMESPACE ((\"\" \"/\")) NIL NIL\nS: c OK …");
}

TEST_F(ImapTest, StoppingSaysGoodbye)
{
    auto client = connect();
    client->stop();
    client->play("S: * BYE …");
}

TEST_F(ImapTest, AnswersId)
{
    auto client = connect();
    client->play(R"(
        C: a ID NIL
        S: * ID ("name" "Postern" "version" "…")
        S: a OK …
        C: b ID ("name" "mutt" "version" NIL)
        S: * ID …
        S: b OK …
        C: c ID ("name")
        S: c BAD …
    )");
}

/* ---- SELECT ---------------------------------------------------------------------------------- */

TEST_F(ImapTest, SelectTellsWhatAClientNeeds)
{
    deliver(inbox, HELLO, {CACHE_SEEN, 0});
    deliver(inbox, HELLO);
    auto client = connect();
    client->play(R"(
        C: a SELECT inbox
        S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft)
        S: * OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft \*)] …
        S: * 2 EXISTS
        S: * 2 RECENT
        S: * OK [UNSEEN 2] …
        S: * OK [UIDVALIDITY …] …
        S: * OK [UIDNEXT 3] …
        S: * OK [HIGHESTMODSEQ …] …
        S: * OK [URLMECH INTERNAL] …
        S: * OK [MAILBOXID (F…)] …
        S: a OK [READ-WRITE] …
        C: b EXAMINE INBOX
        S: * OK [CLOSED] …
        S: * FLAGS …
        S: * OK [PERMANENTFLAGS ()] …
        S: * 2 EXISTS
        S: * 0 RECENT
        S~ b OK [READ-ONLY] …
        C: c STORE 1 FLAGS \Seen
        S: c NO [CANNOT] …
        C: d SELECT nowhere
        S: * OK [CLOSED] …
        S: d NO [NONEXISTENT] …
        C: e CHECK
        S: e BAD Select …
    )");
}

/* ---- FETCH ----------------------------------------------------------------------------------- */

TEST_F(ImapTest, FetchesEveryItem)
{
    deliver(inbox, HELLO, {CACHE_FLAGGED, 0});
    auto client = select();
    client->play(R"(
        C: a FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE)
        S: * 1 FETCH (UID 1 FLAGS (\Flagged \Recent) INTERNALDATE "11-Feb-1996 16:00:00 -0800" RFC822.SIZE 156)
        S: a OK …
        C: b FETCH 1 ENVELOPE
        S: * 1 FETCH (ENVELOPE ("Mon, 7 Feb 1994 21:52:25 -0800" "Hello" (("Ada" NIL "ada" "example.org")) (("Ada" NIL "ada" "example.org")) (("Ada" NIL "ada" "example.org")) (("Bob" NIL "bob" "example.org")) NIL NIL NIL "<1@example.org>"))
        S: b OK …
        C: c FETCH 1 (BODY BODYSTRUCTURE)
        S: * 1 FETCH (BODY ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 15 1) BODYSTRUCTURE ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 15 1 NIL NIL NIL NIL))
        S: c OK …
        C: d FETCH 1 FAST
        S: * 1 FETCH (FLAGS … INTERNALDATE … RFC822.SIZE 156)
        S: d OK …
        C: e UID FETCH 1 (BODY.PEEK[HEADER.FIELDS (Subject)] BODY.PEEK[TEXT]<5.7>)
        S: * 1 FETCH (UID 1 BODY[HEADER.FIELDS (Subject)] {18}
        S: Subject: Hello
        S: 
        S:  BODY[TEXT]<5> {7}
        S: morning)
        S: e OK …
        C: f FETCH 1 RFC822.HEADER
        S: * 1 FETCH (RFC822.HEADER {141}
        S~ )
        S: f OK …
        C: g FETCH 1 MODSEQ
        S: * OK [HIGHESTMODSEQ …] …
        S: * 1 FETCH (MODSEQ (…))
        S: g OK …
        C: h FETCH 2 FLAGS
        S: h BAD …
        C: i UID FETCH 2:* FLAGS
        S: * 1 FETCH (UID 1 FLAGS …)
        S: i OK …
        C: j UID FETCH 7 FLAGS
        S: j OK …
    )");
}

TEST_F(ImapTest, FetchesSectionsOfParts)
{
    deliver(inbox, PARTS);
    auto client = select();
    client->play(R"(
        C: a FETCH 1 (BODY.PEEK[1] BODY.PEEK[2.MIME] BODY.PEEK[2]<0.8> BODY.PEEK[9])
        S: * 1 FETCH (BODY[1] {10}
        S: first part BODY[2.MIME] {78}
        S: Content-Type: text/plain; charset=utf-8
        S: Content-Transfer-Encoding: base64
        S: 
        S:  BODY[2]<0> {8}
        S: U3RyYcOf BODY[9] {0}
        S: )
        S: a OK …
    )");
}

TEST_F(ImapTest, FetchingABodyMarksItSeen)
{
    deliver(inbox, HELLO);
    auto client = select();
    client->play(R"(
        C: a FETCH 1 BODY.PEEK[TEXT]
        S: * 1 FETCH (BODY[TEXT] {15}
        S: Good morning!
        S: )
        S: a OK …
        C: b FETCH 1 BODY[TEXT]
        S: * 1 FETCH (FLAGS (\Seen \Recent) BODY[TEXT] {15}
        S: Good morning!
        S: )
        S: b OK …
        C: c FETCH 1 BODY[TEXT]
        S~ )
        S: c OK …
    )");
}

TEST_F(ImapTest, LargeBodiesArriveWhole)
{
    std::string large = "Subject: large\r\n\r\n";
    for (int i = 0; large.size() < 5 * 1024 * 1024; i++)
        large += "line " + std::to_string(i) + "\r\n";
    deliver(inbox, large);
    deliver(inbox, HELLO);
    auto client = select();
    client->send("a FETCH 1:2 (BODY.PEEK[] UID)\r\n");
    EXPECT_EQ(client->line(), "* 1 FETCH (BODY[] {" + std::to_string(large.size()) + "}");
    EXPECT_TRUE(client->bytes(large.size()) == large);
    EXPECT_EQ(client->line(), " UID 1)");
    EXPECT_EQ(client->line(), "* 2 FETCH (BODY[] {" + std::to_string(HELLO.size()) + "}");
    EXPECT_EQ(client->bytes(HELLO.size()), HELLO);
    client->play("S:  UID 2)\nS: a OK …");
}

TEST_F(ImapTest, BodiesThatAreNotHereAreFetched)
{
    announce(inbox, HELLO);
    deliver(inbox, PARTS);
    announce(inbox, HELLO);
    auto client = select();
    client->play(R"(
        C: a FETCH 1:3 BODY.PEEK[HEADER.FIELDS (SUBJECT)]
        S: * 2 FETCH …
        S: Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
        S: 
        S: )
        S: * 1 FETCH …
        S: Subject: Hello
        S: 
        S: )
        S: * 3 FETCH …
        S: Subject: Hello
        S: 
        S: )
        S~ a OK …
    )");
    EXPECT_EQ(bodies.asked, 1);
}

/* Also with items that need the header: that is fetched, and no more. */
TEST_F(ImapTest, ALargeMessageThatIsNotHereIsLookedInto)
{
    using Asked = std::vector<std::string>;
    std::string large = HELLO + std::string(2 << 20, 'x');
    announce(inbox, large);
    auto client = select();
    client->play(R"(
        C: a FETCH 1 (UID BODY.PEEK[]<2.10> RFC822.SIZE BODY.PEEK[1.2]<0.4>)
        S: * 1 FETCH (UID 1 BODY[]<2> {10}
        S~ om: Ada <a RFC822.SIZE …
        S: From)
        S: a OK …
        C: b FETCH 1 (BODY[]<99999999.5>)
        S: * 1 FETCH (FLAGS (\Seen \Recent) BODY[]<99999999> {0}
        S: )
        S: b OK …
    )");
    EXPECT_EQ(bodies.extracts, (Asked{"[]<2.10>", "[1.2]<0.4>", "[]<99999999.5>"}));
    EXPECT_EQ(bodies.asked, 0);
    bodies.online = false;
    client->play(R"(
        C: c FETCH 1 (UID BODY.PEEK[]<0.10>)
        S: c NO [UNAVAILABLE] …
    )");
    bodies.online = true;
    client->play(R"(
        C: d FETCH 1 (BODY.PEEK[]<0.600000>)
        S~ * 1 FETCH (BODY[]<0> {600000}
    )");
    EXPECT_EQ(bodies.asked, 1);
}

TEST_F(ImapTest, OfflineGivesWhatIsHereAndSaysWhatIsNot)
{
    bodies.online = false;
    announce(inbox, HELLO);
    deliver(inbox, HELLO);
    auto client = select();
    client->play(R"(
        C: a UID FETCH 1:* (BODY.PEEK[TEXT])
        S: * 2 FETCH (UID 2 BODY[TEXT] {15}
        S: Good morning!
        S: )
        S: a NO [UNAVAILABLE] 1 messages aren't here: the provider can't be reached
        C: b FETCH 1 (FLAGS UID)
        S: * 1 FETCH (FLAGS (\Recent) UID 1)
        S: b OK …
    )");
}

/* ---- STORE ----------------------------------------------------------------------------------- */

TEST_F(ImapTest, StoreChangesFlagsAndKeywords)
{
    deliver(inbox, HELLO);
    deliver(inbox, HELLO);
    auto client = select();
    client->play(R"(
        C: a STORE 1:2 +FLAGS (\Seen $Forwarded)
        S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft $Forwarded)
        S: * OK [PERMANENTFLAGS …
        S: * 1 FETCH (FLAGS (\Seen \Recent $Forwarded))
        S: * 2 FETCH (FLAGS (\Seen \Recent $Forwarded))
        S: a OK …
        C: b UID STORE 2 -FLAGS.SILENT \Seen
        S: b OK …
        C: c FETCH 2 FLAGS
        S: * 2 FETCH (FLAGS (\Recent $Forwarded))
        S: c OK …
        C: d STORE 1 FLAGS ()
        S: * 1 FETCH (FLAGS (\Recent))
        S: d OK …
        C: e STORE 1 FLAGS (\Nonsense)
        S: e BAD …
        C: f STORE 3 FLAGS ()
        S: f BAD …
    )");
}

/* RFC 7162, 3.1.3 */
TEST_F(ImapTest, ConditionalStoreLeavesWhatOthersChanged)
{
    deliver(inbox, HELLO);
    deliver(inbox, HELLO);
    auto client = select();
    client->play(R"(
        C: a STORE 1 (UNCHANGEDSINCE 0) +FLAGS.SILENT (\Seen)
        S: * OK [HIGHESTMODSEQ …] …
        S: * 1 FETCH (UID 1 MODSEQ (…) FLAGS (\Recent))
        S: a OK [MODIFIED 1] …
        C: b UID STORE 1:2 (UNCHANGEDSINCE 1000) +FLAGS.SILENT (\Seen)
        S: * 1 FETCH (UID 1 MODSEQ (…))
        S: * 2 FETCH (UID 2 MODSEQ (…))
        S: b OK …
        C: c UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1000)
        S: c OK …
    )");
}

/* ---- several sessions ------------------------------------------------------------------------ */

TEST_F(ImapTest, SessionsSeeEachOthersChanges)
{
    deliver(inbox, HELLO);
    deliver(inbox, HELLO);
    auto ada = select(), bob = select();
    ada->play("C: a STORE 1 +FLAGS (\\Flagged)\nS: * 1 FETCH …\nS: a OK …");
    bob->play("C: a NOOP\nS: * 1 FETCH (FLAGS (\\Flagged))\nS: a OK …");
    ada->play("C: b NOOP\nS: b OK …");
    deliver(inbox, HELLO);
    ada->play("C: c NOOP\nS: * 3 EXISTS\nS: * 3 RECENT\nS: c OK …");
    bob->play("C: c FETCH 1 UID\nS: * 1 FETCH (UID 1)\nS: * 3 EXISTS\nS: * 0 RECENT\nS: c OK …");
}

/* RFC 3501, 7.4.1; RFC 2180 */
TEST_F(ImapTest, ExpungesDontShiftNumbersWhileAClientCountsInThem)
{
    for (int i = 0; i < 4; i++)
        deliver(inbox, HELLO);
    auto ada = select(), bob = select();
    ada->play(R"(
        C: a STORE 2 +FLAGS.SILENT (\Deleted)
        S: a OK …
        C: b EXPUNGE
        S: * 2 EXPUNGE
        S: b OK …
        C: c FETCH 2 UID
        S: * 2 FETCH (UID 3)
        S: c OK …
    )");
    bob->play(R"(
        C: a FETCH 3 (UID)
        S: * 3 FETCH (UID 3)
        S: a OK …
        C: b FETCH 1:3 (UID)
        S: * 1 FETCH (UID 1)
        S: * 3 FETCH (UID 3)
        S: b OK [EXPUNGEISSUED] …
        C: c STORE 3 +FLAGS (\Seen)
        S: * 3 FETCH (FLAGS (\Seen))
        S: c OK …
        C: d SEARCH ALL
        S: * SEARCH 1 2 3 4
        S: d OK …
        C: e UID FETCH 4 UID
        S: * 4 FETCH (UID 4)
        S: * 2 EXPUNGE
        S: e OK …
        C: f FETCH 2 UID
        S: * 2 FETCH (UID 3)
        S: f OK …
    )");
}

TEST_F(ImapTest, IdleTellsAtOnce)
{
    deliver(inbox, HELLO);
    auto ada = select(), bob = select();
    ada->play("C: a IDLE\nS: + idling");
    bob->play("C: a STORE 1 +FLAGS (\\Deleted)\nS~ a OK …");
    ada->play("S: * 1 FETCH (FLAGS (\\Deleted \\Recent))");
    bob->play("C: b EXPUNGE\nS: * 1 EXPUNGE\nS: b OK …");
    ada->play("S: * 1 EXPUNGE");
    deliver(inbox, HELLO);
    ada->play("S: * 1 EXISTS\nS: * 1 RECENT\nC: DONE\nS: a OK …");
}

/*
 * What one client believes: UIDs by sequence number, kept as the protocol says, from nothing but
 * what it is told. Every answer is checked against it.
 */
class Believer
{
  public:
    Believer(std::unique_ptr<Client> with, unsigned seed) : client(std::move(with)), random(seed)
    {
    }

    void run(int rounds)
    {
        command("UID FETCH 1:* (UID)");
        for (int i = 0; i < rounds && !testing::Test::HasFailure(); i++)
            step();
        command("NOOP");
        command("UID FETCH 1:* (UID)");
    }

    std::vector<guint32> uids; /* 0: not asked yet */

  private:
    std::string command(const std::string &text)
    {
        std::string tag = "t" + std::to_string(++count);
        client->send(tag + " " + text + "\r\n");
        std::string all = client->until(tag + " ");
        bool numbers = text.compare(0, 5, "FETCH") == 0 || text.compare(0, 5, "STORE") == 0 ||
                       text.compare(0, 6, "SEARCH") == 0;
        EXPECT_FALSE(numbers && all.find(" EXPUNGE\r\n") != std::string::npos) << text;
        EXPECT_EQ(all.find(" BAD "), std::string::npos) << text << "\n" << all;
        follow(all);
        return all;
    }
    /* Untagged news, in their order. */
    void follow(const std::string &answer)
    {
        std::istringstream lines(answer);
        std::string line;
        while (std::getline(lines, line)) {
            unsigned number, uid;
            char word[20];
            if (sscanf(line.c_str(), "* %u FETCH (UID %u", &number, &uid) == 2)
                meet(number, uid);
            else if (sscanf(line.c_str(), "* %u %19s", &number, word) == 2)
                news(number, word);
        }
    }
    void news(unsigned number, const std::string &word)
    {
        if (word.compare(0, 7, "EXPUNGE") == 0) {
            ASSERT_TRUE(number >= 1 && number <= uids.size()) << number << " of " << uids.size();
            uids.erase(uids.begin() + number - 1);
        } else if (word.compare(0, 6, "EXISTS") == 0) {
            ASSERT_GE(number, uids.size());
            uids.resize(number);
        }
    }
    void meet(unsigned number, unsigned uid)
    {
        ASSERT_TRUE(number >= 1 && number <= uids.size()) << number << " of " << uids.size();
        guint32 &known = uids[number - 1];
        ASSERT_TRUE(known == 0 || known == uid) << number << " was " << known << ", is " << uid;
        known = uid;
    }
    unsigned pick()
    {
        return 1 + random() % (unsigned)uids.size();
    }
    void step()
    {
        unsigned what = random() % 8;
        std::string size = "{" + std::to_string(HELLO.size()) + "+}\r\n" + HELLO;
        if (uids.size() < 5 || what == 0)
            command("APPEND INBOX " + size);
        else if (what == 1)
            command("STORE " + std::to_string(pick()) + " +FLAGS.SILENT (\\Deleted)");
        else if (what == 2)
            command("EXPUNGE");
        else if (what == 3)
            command("STORE " + std::to_string(pick()) + " FLAGS (\\Seen k" +
                    std::to_string(random() % 5) + ")");
        else if (what == 4)
            command("NOOP");
        else if (what == 5)
            command("SEARCH UNSEEN");
        else
            command("FETCH 1:* (UID FLAGS)");
    }

    std::unique_ptr<Client> client;
    std::minstd_rand random;
    int count = 0;
};

TEST_F(ImapTest, NumbersStayRightWhateverOthersDo)
{
    for (int i = 0; i < 20; i++)
        deliver(inbox, HELLO);
    std::vector<std::unique_ptr<Believer>> believers;
    for (unsigned i = 0; i < 4; i++) {
        auto client = connect();
        client->send("s SELECT INBOX\r\n");
        client->until("s ");
        believers.push_back(std::make_unique<Believer>(std::move(client), i + 1));
        believers.back()->uids.resize(20);
    }
    std::vector<std::thread> threads;
    for (auto &believer : believers)
        threads.emplace_back([&believer] { believer->run(60); });
    for (auto &thread : threads)
        thread.join();
    for (auto &believer : believers)
        believer->run(0);
    Txn txn(cache, CACHE_READ);
    for (auto &believer : believers)
        EXPECT_EQ(believer->uids, uids(txn, inbox));
}

/* What SELECT says and what it lets be seen are of one moment, whatever happens around it. */
TEST_F(ImapTest, SelectIsOfOneMoment)
{
    std::atomic<bool> stop = false;
    for (int i = 0; i < 20; i++)
        deliver(inbox, HELLO, {i < 5 ? (guint32)CACHE_SEEN : 0, 0});
    std::thread others([this, &stop] {
        for (guint32 uid = 1; !stop; uid += 2) {
            deliver(inbox, HELLO);
            Txn txn(cache, CACHE_WRITE_FULL);
            EXPECT_TRUE(cache_expunge(txn, inbox, &uid, 1, TRUE, nullptr, error));
            txn.commit();
        }
    });
    auto client = connect();
    for (int i = 0; i < 40; i++) {
        std::string opened = client->command("s SELECT INBOX");
        std::string exists = opened.substr(0, opened.find(" EXISTS"));
        exists.erase(0, exists.rfind(' ') + 1);
        std::string unseen = opened.substr(opened.find("[UNSEEN ") + 8);
        unseen.erase(unseen.find(']'));
        std::string all = client->command("a SEARCH RETURN (COUNT) 1:*");
        EXPECT_NE(all.find(" COUNT " + exists + "\r\n"), std::string::npos) << opened << all;
        std::string flags = client->command("b FETCH " + unseen + " FLAGS");
        EXPECT_EQ(flags.find("\\Seen"), std::string::npos) << opened << flags;
    }
    stop = true;
    others.join();
}

/* ---- LIST, STATUS ---------------------------------------------------------------------------- */

TEST_F(ImapTest, ListsMailboxesAsPatternsAsk)
{
    make_folder("Work/Plans");
    make_folder("Sent", CACHE_ROLE_SENT);
    make_folder("Entwürfe");
    auto client = connect();
    client->play(R"(
        C: a LIST "" *
        S: * LIST (\HasNoChildren) "/" Entw&APw-rfe
        S: * LIST (\HasNoChildren) "/" INBOX
        S: * LIST (\HasNoChildren \Sent) "/" Sent
        S: * LIST (\Noselect \HasChildren) "/" Work
        S: * LIST (\HasNoChildren) "/" Work/Plans
        S: a OK …
        C: b LIST "" ""
        S: * LIST (\Noselect) "/" ""
        S: b OK …
        C: c LIST "Work/" %
        S: * LIST (\HasNoChildren) "/" Work/Plans
        S: c OK …
        C: d LIST "" inBOX
        S: * LIST (\HasNoChildren) "/" INBOX
        S: d OK …
        C: e LIST "" nothing
        S: e OK …
    )");
}

TEST_F(ImapTest, SubscriptionsAreListed)
{
    make_folder("Work/Plans/2026");
    make_folder("Sent", CACHE_ROLE_SENT);
    auto client = connect();
    client->play(R"(
        C: a SUBSCRIBE Work/Plans/2026
        S: a OK …
        C: b SUBSCRIBE INBOX
        S: b OK …
        C: c LSUB "" *
        S: * LSUB () "/" INBOX
        S: * LSUB () "/" Work/Plans/2026
        S: c OK …
        C: d LSUB "" %
        S: * LSUB () "/" INBOX
        S: * LSUB (\Noselect) "/" Work
        S: d OK …
        C: e LIST (SUBSCRIBED) "" * RETURN (CHILDREN)
        S: * LIST (\HasNoChildren \Subscribed) "/" INBOX
        S: * LIST (\HasNoChildren \Subscribed) "/" Work/Plans/2026
        S: e OK …
        C: f LIST (SUBSCRIBED RECURSIVEMATCH) "" %
        S: * LIST (\Subscribed) "/" INBOX
        S: * LIST (\Noselect) "/" Work ("CHILDINFO" ("SUBSCRIBED"))
        S: f OK …
        C: f2 SUBSCRIBE Sent
        S: f2 OK …
        C: f3 LSUB "" S*
        S: * LSUB (\Sent) "/" Sent
        S: f3 OK …
        C: g UNSUBSCRIBE INBOX
        S: g OK …
        C: h LSUB "" I*
        S: h OK …
        C: i SUBSCRIBE nowhere
        S: i NO [NONEXISTENT] …
    )");
}

TEST_F(ImapTest, StatusCountsWithoutSelecting)
{
    deliver(inbox, HELLO, {CACHE_SEEN, 0});
    deliver(inbox, HELLO);
    auto client = connect();
    client->play(R"(
        C: a STATUS INBOX (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)
        S: * STATUS INBOX (MESSAGES 2 RECENT 2 UIDNEXT 3 UIDVALIDITY … UNSEEN 1)
        S: a OK …
        C: b STATUS INBOX (SIZE DELETED HIGHESTMODSEQ MAILBOXID)
        S: * STATUS INBOX (DELETED 0 SIZE 312 HIGHESTMODSEQ … MAILBOXID (F…))
        S: b OK …
        C: c STATUS nowhere (MESSAGES)
        S: c NO [NONEXISTENT] …
        C: d LIST "" INBOX RETURN (STATUS (MESSAGES))
        S: * LIST () "/" INBOX
        S: * STATUS INBOX (MESSAGES 2)
        S: d OK …
    )");
}

/* ---- folders --------------------------------------------------------------------------------- */

TEST_F(ImapTest, FoldersAreMadeRenamedAndDeleted)
{
    auto client = connect();
    client->play(R"(
        C: a CREATE Work/Plans/
        S: a OK [MAILBOXID (F…)] …
        C: b0 SELECT Work
        S: b0 NO [NONEXISTENT] …
        C: b1 CREATE Work
        S: b1 OK …
        C: b CREATE Work
        S: b NO [ALREADYEXISTS] …
        C: c CREATE inbox
        S: c NO [ALREADYEXISTS] …
        C: d RENAME Work Office
        S: d OK …
        C: e LIST "" *
        S: * LIST … INBOX
        S: * LIST … Office
        S: * LIST … Office/Plans
        S: e OK …
        C: f DELETE Office/Plans
        S: f OK …
        C: g DELETE Office/Plans
        S: g NO [NONEXISTENT] …
        C: h DELETE INBOX
        S: h NO [CANNOT] …
        C: i RENAME nowhere there
        S: i NO [NONEXISTENT] …
        C: j RENAME Office INBOX
        S: j NO [ALREADYEXISTS] …
    )");
}

/* RFC 3501, 6.3.5 */
TEST_F(ImapTest, RenamingInboxMovesItsMail)
{
    deliver(inbox, HELLO);
    deliver(inbox, HELLO);
    auto client = select();
    client->play(R"(
        C: a RENAME INBOX Old
        S: * 2 EXPUNGE
        S: * 1 EXPUNGE
        S: a OK …
        C: b STATUS Old (MESSAGES)
        S: * STATUS Old (MESSAGES 2)
        S: b OK …
        C: c STATUS INBOX (MESSAGES)
        S: * STATUS INBOX (MESSAGES 0)
        S: c OK …
    )");
}

TEST_F(ImapTest, AFolderThatIsDeletedElsewhereIsEmpty)
{
    gint64 work = make_folder("Work");
    deliver(work, HELLO);
    auto ada = select("Work"), bob = connect();
    bob->play("C: a DELETE Work\nS: a OK …");
    ada->play("C: a NOOP\nS: * 1 EXPUNGE\nS: a OK …\nC: b LOGOUT\nS: * BYE …\nS: b OK …");
}

/* ---- COPY, MOVE, APPEND, EXPUNGE ------------------------------------------------------------- */

TEST_F(ImapTest, CopiesAndMovesTellTheNewUids)
{
    make_folder("Work");
    for (int i = 0; i < 3; i++)
        deliver(inbox, HELLO);
    auto client = select();
    client->play(R"(
        C: a COPY 1,3 Work
        S: a OK [COPYUID … 1,3 1:2] …
        C: b UID MOVE 2:3 Work
        S: * OK [COPYUID … 2:3 3:4] …
        S: * 3 EXPUNGE
        S: * 2 EXPUNGE
        S: b OK …
        C: c UID COPY 77 Work
        S: c OK Copied.
        C: d COPY 1 nowhere
        S: d NO [TRYCREATE] …
        C: e MOVE 1 INBOX
        S: * OK [COPYUID … 1 4] …
        S: * 1 EXPUNGE
        S: * 1 EXISTS
        S: * 1 RECENT
        S: e OK …
        C: f STATUS Work (MESSAGES)
        S: * STATUS Work (MESSAGES 4)
        S: f OK …
    )");
}

TEST_F(ImapTest, AppendsWhatAClientSends)
{
    auto client = select();
    client->send("a APPEND INBOX (\\Seen Junk) \" 7-Feb-1994 21:52:25 -0800\" {" +
                 std::to_string(HELLO.size()) + "}\r\n");
    client->play("S: + OK");
    client->send(HELLO + "\r\n");
    client->play(R"(
        S: * 1 EXISTS
        S: * 1 RECENT
        S: a OK [APPENDUID … 1] …
        C: b FETCH 1 (INTERNALDATE RFC822.SIZE BODYSTRUCTURE)
        S: * 1 FETCH (INTERNALDATE " 7-Feb-1994 21:52:25 -0800" RFC822.SIZE 156 BODYSTRUCTURE ("text" "plain" …))
        S: b OK …
        C: c FETCH 1 FLAGS
        S: * FLAGS (… Junk)
        S: * OK [PERMANENTFLAGS …
        S: * 1 FETCH (FLAGS (\Seen \Recent Junk))
        S: c OK …
    )");
    /* LITERAL+, MULTIAPPEND */
    std::string size = "{" + std::to_string(HELLO.size()) + "+}\r\n" + HELLO;
    client->send("d APPEND INBOX " + size + " (\\Flagged) " + size + "\r\n");
    client->play("S: * 3 EXISTS\nS: * 3 RECENT\nS: d OK [APPENDUID … 2:3] …");
    client->play("C: e FETCH 2:3 FLAGS\nS: * 2 FETCH (FLAGS (\\Recent))\n"
                 "S: * 3 FETCH (FLAGS (\\Flagged \\Recent))\nS: e OK …");
}

TEST_F(ImapTest, AppendsThatCannotBeAreRefusedBeforeTheyAreSent)
{
    auto client = connect();
    client->play(R"(
        C: a APPEND nowhere {100}
        S: a NO [TRYCREATE] …
        C: b APPEND INBOX {99999999999}
        S: b … [TOOBIG] …
        C: c APPEND INBOX
        S: c BAD …
        C: d APPEND INBOX {0+}
        C: 
        S: d NO [CANNOT] …
        C: e APPEND nowhere {5+}
        C: hello
        S: e NO [TRYCREATE] …
        C: f NOOP
        S: f OK …
    )");
}

TEST_F(ImapTest, ExpungesJustWhatItIsAskedTo)
{
    for (int i = 0; i < 4; i++)
        deliver(inbox, HELLO, {(guint32)(i < 3 ? CACHE_DELETED : 0), 0});
    auto client = select();
    client->play(R"(
        C: a UID EXPUNGE 2,4
        S: * 2 EXPUNGE
        S: a OK …
        C: b EXAMINE INBOX
        S~ b OK …
        C: c CLOSE
        S: c OK …
        C: d SELECT INBOX
        S~ * 3 EXISTS
        S~ d OK …
        C: e CLOSE
        S: e OK …
        C: f SELECT INBOX
        S~ * 1 EXISTS
        S~ f OK …
        C: g UNSELECT
        S: g OK …
        C: h NOOP
        S: h OK …
    )");
}

/* ---- QRESYNC (RFC 7162, 3.2) ----------------------------------------------------------------- */

TEST_F(ImapTest, QresyncTellsWhatHappenedMeanwhile)
{
    for (int i = 0; i < 5; i++)
        deliver(inbox, HELLO);
    guint64 modseq;
    guint32 uidvalidity;
    {
        Txn txn(cache, CACHE_READ);
        FolderPtr row(folder(txn, inbox), cache_folder_free);
        modseq = row->highestmodseq;
        uidvalidity = row->uidvalidity;
    }
    auto client = connect();
    client->play(R"(
        C: a SELECT INBOX (QRESYNC (1 1))
        S: a BAD …
        C: b ENABLE QRESYNC X-UNKNOWN
        S: * ENABLED QRESYNC
        S: b OK …
        C: c SELECT INBOX
        S~ c OK …
        C: d STORE 2 +FLAGS.SILENT (\Deleted)
        S: * 2 FETCH (UID 2 MODSEQ (…))
        S: d OK …
        C: e EXPUNGE
        S: * VANISHED 2
        S: e OK [HIGHESTMODSEQ …] …
        C: f UID STORE 4 +FLAGS (\Flagged)
        S: * 3 FETCH (UID 4 MODSEQ (…) FLAGS (\Flagged \Recent))
        S: f OK …
        C: g CLOSE
        S: g OK …
    )");
    std::string known = "(" + std::to_string(uidvalidity) + " " + std::to_string(modseq);
    client->play("C: h SELECT INBOX (QRESYNC " + known + "))\n" + R"(
        S~ * OK [HIGHESTMODSEQ …] …
        S~ * VANISHED (EARLIER) 2
        S: * 3 FETCH (UID 4 MODSEQ (…) FLAGS (\Flagged))
        S: h OK …
    )");
    client->play("C: i SELECT INBOX (QRESYNC " + known + " 3:5))\n" + R"(
        S: * OK [CLOSED] …
        S~ * OK [MAILBOXID …
        S: * 3 FETCH (UID 4 …
        S: i OK …
    )");
    client->play("C: j SELECT INBOX (QRESYNC (7 1))\n" + std::string(R"(
        S~ * OK [MAILBOXID …
        S: j OK …
    )"));
    client->play("C: k UID FETCH 1:* (FLAGS) (CHANGEDSINCE " + std::to_string(modseq) +
                 " VANISHED)\n" + R"(
        S: * VANISHED (EARLIER) 2
        S: * 3 FETCH (UID 4 FLAGS (\Flagged) MODSEQ (…))
        S: k OK …
    )");
}

/* ---- SEARCH ---------------------------------------------------------------------------------- */

class SearchTest : public ImapTest
{
  protected:
    std::unique_ptr<Client> client;

    void SetUp() override
    {
        ImapTest::SetUp();
        deliver(inbox, HELLO, {CACHE_SEEN, 0});           /* 1, 7-Feb-1994, arrived 11-Feb-1996 */
        deliver(inbox, PARTS, {CACHE_FLAGGED, 0}, 86400); /* 2, 1-Jan-1970 at -0800 */
    }
    void TearDown() override
    {
        client.reset();
        ImapTest::TearDown();
    }
    std::string search(const std::string &what)
    {
        if (!client)
            client = select();
        client->send("s SEARCH " + what + "\r\n");
        std::string first = client->line();
        if (first.compare(0, 8, "* SEARCH") != 0)
            return first;
        EXPECT_TRUE(matches("s OK …", client->line()));
        return first.size() > 9 ? first.substr(9) : "";
    }
};

TEST_F(SearchTest, FindsByFlagsDatesAndSizes)
{
    EXPECT_EQ(search("ALL"), "1 2");
    EXPECT_EQ(search("SEEN"), "1");
    EXPECT_EQ(search("UNSEEN FLAGGED"), "2");
    EXPECT_EQ(search("NOT FLAGGED"), "1");
    EXPECT_EQ(search("OR SEEN FLAGGED"), "1 2");
    EXPECT_EQ(search("RECENT"), "1 2");
    EXPECT_EQ(search("NEW"), "2");
    EXPECT_EQ(search("OLD"), "");
    EXPECT_EQ(search("KEYWORD Junk"), "");
    EXPECT_EQ(search("UNKEYWORD Junk"), "1 2");
    EXPECT_EQ(search("LARGER 200"), "2");
    EXPECT_EQ(search("SMALLER 200"), "1");
    EXPECT_EQ(search("ON 11-Feb-1996"), "1");
    EXPECT_EQ(search("BEFORE 11-Feb-1996"), "2");
    EXPECT_EQ(search("SINCE 11-Feb-1996"), "1");
    EXPECT_EQ(search("SENTON 7-Feb-1994"), "1");
    EXPECT_EQ(search("SENTBEFORE 8-Feb-1994"), "1");
    EXPECT_EQ(search("NOT SENTSINCE 7-Feb-1994"), "2");
    EXPECT_EQ(search("OLDER 1000"), "1 2");
    EXPECT_EQ(search("YOUNGER 1000"), "");
    EXPECT_EQ(search("2:*"), "2");
    EXPECT_EQ(search("UID 1 ALL"), "1");
    EXPECT_EQ(search("UID 5:*"), "2");
    EXPECT_EQ(search("NOT UID 1"), "2");
    EXPECT_EQ(search("1:500"), "1 2");
    EXPECT_EQ(search("(OR 1 2) (NOT (SEEN FLAGGED))"), "1 2");
}

TEST_F(SearchTest, FindsTextAsPeopleReadIt)
{
    EXPECT_EQ(search("FROM ada"), "1 2");
    EXPECT_EQ(search("FROM \"ADA <ada\""), "1");
    EXPECT_EQ(search("TO bob"), "1");
    EXPECT_EQ(search("CC bob"), "");
    EXPECT_EQ(search("SUBJECT hell"), "1");
    EXPECT_EQ(search("CHARSET UTF-8 SUBJECT {6+}\r\ngr\303\274ss"), "2");
    EXPECT_EQ(search("CHARSET ISO-8859-1 SUBJECT {5+}\r\ngr\374ss"), "2");
    EXPECT_EQ(search("HEADER Message-ID \"\""), "1");
    EXPECT_EQ(search("HEADER Message-ID 1@ex"), "1");
    EXPECT_EQ(search("BODY morning"), "1");
    EXPECT_EQ(search("BODY strasse"), "2");
    EXPECT_EQ(search("BODY hello"), "");
    EXPECT_EQ(search("TEXT hello"), "1");
    EXPECT_EQ(search("NOT BODY morning"), "2");
    EXPECT_EQ(search("OR BODY morning SUBJECT nothing"), "1");
    EXPECT_EQ(search("BODY \"\""), "1 2");
    EXPECT_TRUE(matches("s NO [BADCHARSET …] …", search("CHARSET KLINGON SUBJECT x")));
}

TEST_F(SearchTest, OfflineSearchesWhatIsHereAndSaysSo)
{
    announce(inbox, HELLO);
    bodies.online = false;
    EXPECT_TRUE(matches("* NO [UNAVAILABLE] 1 messages …", search("BODY morning")));
    client->play("S: * SEARCH 1\nS: s OK …");
    bodies.online = true;
    EXPECT_EQ(search("BODY morning"), "1 3");
}

/* RFC 4731, RFC 5182, RFC 9394, RFC 7162 3.1.5 */
TEST_F(SearchTest, ReturnsWhatTheClientAsksFor)
{
    client = select();
    client->play(R"(
        C: a SEARCH RETURN (MIN MAX COUNT) ALL
        S: * ESEARCH (TAG "a") MIN 1 MAX 2 COUNT 2
        S: a OK …
        C: b UID SEARCH RETURN () SEEN
        S: * ESEARCH (TAG "b") UID ALL 1
        S: b OK …
        C: c SEARCH RETURN (MIN COUNT) DELETED
        S: * ESEARCH (TAG "c") COUNT 0
        S: c OK …
        C: d SEARCH RETURN (SAVE) FLAGGED
        S: d OK …
        C: e FETCH $ UID
        S: * 2 FETCH (UID 2)
        S: e OK …
        C: f SEARCH $
        S: * SEARCH 2
        S: f OK …
        C: g UID SEARCH RETURN (PARTIAL -1:-1) ALL
        S: * ESEARCH (TAG "g") UID PARTIAL (-1:-1 2)
        S: g OK …
        C: h SEARCH MODSEQ 1
        S: * OK [HIGHESTMODSEQ …] …
        S: * SEARCH 1 2 (MODSEQ …)
        S: h OK …
    )");
}

TEST_F(SearchTest, AnEmptyMailboxHasNothing)
{
    make_folder("Empty");
    client = select("Empty");
    EXPECT_EQ(search("ALL"), "");
    EXPECT_EQ(search("1:*"), "");
    EXPECT_EQ(search("UID 1:*"), "");
    EXPECT_EQ(search("TEXT x"), "");
}

/* ---- extensions ------------------------------------------------------------------------------ */

/* RFC 3516 */
TEST_F(ImapTest, BinaryGivesPartsDecoded)
{
    std::string zeros = PARTS, unknown = PARTS;
    zeros.replace(zeros.find("U3RyYcOfZQ=="), 12, "AAECAwQFBgc=");
    unknown.replace(unknown.find("base64"), 6, "xyzzy1");
    deliver(inbox, PARTS);
    deliver(inbox, zeros);
    deliver(inbox, unknown);
    auto client = select();
    client->play(R"(
        C: a FETCH 1 (BINARY.PEEK[2] BINARY.SIZE[2] BINARY.PEEK[1]<0.5>)
        S: * 1 FETCH (BINARY[2] {7}
        S: Straße BINARY.SIZE[2] 7 BINARY[1]<0> {5}
        S: first)
        S: a OK …
        C: b FETCH 3,1 (UID BINARY.SIZE[2])
        S: * 1 FETCH (UID 1 BINARY.SIZE[2] 7)
        S: b NO [UNKNOWN-CTE] …
    )");
    client->send("c FETCH 2 BINARY.PEEK[2]\r\n");
    EXPECT_EQ(client->line(), "* 2 FETCH (BINARY[2] ~{8}");
    EXPECT_EQ(client->bytes(8), std::string("\0\1\2\3\4\5\6\7", 8));
    client->play("S: )\nS: c OK …");
    client->send("d APPEND INBOX ~{5+}\r\na\r\nb" + std::string(1, '\0') + "\r\n");
    client->play("S: d NO [UNKNOWN-CTE] …");
}

/* RFC 8508 */
TEST_F(ImapTest, ReplacePutsAMessageInAnothersPlace)
{
    deliver(inbox, HELLO);
    deliver(inbox, HELLO);
    auto client = select();
    std::string literal = "{" + std::to_string(PARTS.size()) + "+}\r\n" + PARTS + "\r\n";
    client->send("a REPLACE 1 INBOX (\\Seen) " + literal);
    client->play(R"(
        S: * OK [APPENDUID … 3] …
        S: * 1 EXPUNGE
        S: * 2 EXISTS
        S: * 2 RECENT
        S: a OK …
        C: b UID FETCH 1:* FLAGS
        S: * 1 FETCH (UID 2 FLAGS (\Recent))
        S: * 2 FETCH (UID 3 FLAGS (\Seen \Recent))
        S: b OK …
    )");
    client->send("c UID REPLACE 77 INBOX " + literal);
    client->play("S: c NO …");
    client->send("d REPLACE 77 INBOX " + literal);
    client->play("S: d BAD …");
}

/* RFC 6855 */
TEST_F(ImapTest, Utf8NamesAreQuotedOnceEnabled)
{
    make_folder("Entwürfe");
    auto client = connect();
    client->play(R"(
        C: a ENABLE UTF8=ACCEPT
        S: * ENABLED UTF8=ACCEPT
        S: a OK …
        C: b LIST "" E*
        S: * LIST (\HasNoChildren) "/" "Entwürfe"
        S: b OK …
        C: c SELECT "Entwürfe"
        S~ c OK …
        C: d APPEND "Entwürfe" UTF8 (~{18+}
        C: Subject: Grüße
        C: )
        S: * 1 EXISTS
        S: * 1 RECENT
        S: d OK [APPENDUID … 1] …
    )");
}

/* RFC 8437 */
TEST_F(ImapTest, UnauthenticateForgetsEverything)
{
    auto client = select();
    client->play(R"(
        C: a ENABLE CONDSTORE
        S: * ENABLED CONDSTORE
        S: * OK [HIGHESTMODSEQ …] …
        S: a OK …
        C: b UNAUTHENTICATE
        S: b OK …
        C: c NOOP
        S: c OK …
        C: d LIST "" *
        S: d BAD Log in first
    )");
}

/* ---- SORT and THREAD (RFC 5256) -------------------------------------------------------------- */

std::string mail(const char *from, const char *subject, int day, const char *more = "")
{
    return std::string("From: ") + from + "\r\nSubject: " + subject +
           "\r\nDate: " + std::to_string(day) + " Mar 2000 12:00:00 +0000\r\n" + more +
           "\r\nhello\r\n";
}

TEST_F(ImapTest, SortsByWhatIsAsked)
{
    deliver(inbox, mail("zoe@a", "Re: Boats", 3), {}, 500);
    deliver(inbox, mail("\"Ada\" <y@a>", "apples", 1), {}, 400);
    deliver(inbox, mail("Bob <x@a>", "[list] boats", 2), {}, 300);
    deliver(inbox, "Subject: x\r\n\r\n", {}, 952084800); /* 3 Mar 2000, 12:00 UTC */
    auto client = select();
    client->play(R"(
        C: a SORT (ARRIVAL) UTF-8 ALL
        S: * SORT 3 2 1 4
        S: a OK …
        C: b SORT (SUBJECT DATE) UTF-8 1:3
        S: * SORT 2 3 1
        S: b OK …
        C: c SORT (REVERSE DATE) UTF-8 ALL
        S: * SORT 1 4 3 2
        S: c OK …
        C: d SORT (FROM) UTF-8 1:3
        S: * SORT 3 2 1
        S: d OK …
        C: e UID SORT (DISPLAYFROM) UTF-8 1:3
        S: * SORT 2 3 1
        S: e OK …
        C: f SORT (REVERSE SIZE) UTF-8 4
        S: * SORT 4
        S: f OK …
        C: g SORT RETURN (MIN MAX ALL COUNT) (REVERSE ARRIVAL) UTF-8 1:3
        S: * ESEARCH (TAG "g") MIN 1 MAX 3 ALL 1:3 COUNT 3
        S: g OK …
        C: h SORT (NONSENSE) UTF-8 ALL
        S: h BAD …
    )");
}

TEST_F(ImapTest, ThreadsConversations)
{
    deliver(inbox, mail("a@a", "one", 1, "Message-ID: <1@a>\r\n"));
    deliver(inbox, mail("a@a", "Re: one", 3, "Message-ID: <2@a>\r\nIn-Reply-To: <1@a>\r\n"));
    deliver(inbox,
            mail("a@a", "Re: one", 2, "Message-ID: <3@a>\r\nReferences: <1@a>\r\n <\"2\"@a>\r\n"));
    deliver(inbox, mail("a@a", "other", 4, "References: <gone@a>\r\n"));
    deliver(inbox, mail("a@a", "another", 5, "References: <gone@a>\r\n"));
    deliver(inbox, mail("a@a", "Re: other", 6));
    auto client = select();
    client->play(R"(
        C: a THREAD REFERENCES UTF-8 1:5
        S: * THREAD (1 2 3)((4)(5))
        S: a OK …
        C: b THREAD REFERENCES UTF-8 1:3,6
        S: * THREAD (1 2 3)(6)
        S: b OK …
        C: c THREAD ORDEREDSUBJECT UTF-8 ALL
        S: * THREAD (1 (3)(2))(4 6)(5)
        S: c OK …
        C: d UID THREAD REFERENCES UTF-8 7
        S: * THREAD
        S: d OK …
        C: e THREAD REFERENCES UTF-8 ALL
        S: * THREAD (1 2 3)((4)(5)(6))
        S: e OK …
    )");
}

/* RFC 9051, E */
TEST_F(ImapTest, Rev2SpeaksAsRev2Does)
{
    deliver(inbox, HELLO);
    deliver(make_folder("Work/Pläne"), HELLO);
    auto client = connect();
    client->play(R"(
        C: a ENABLE IMAP4rev2
        S: * ENABLED IMAP4rev2
        S: a OK …
        C: b SELECT "Work/Pläne"
        S: * FLAGS …
        S: * OK [PERMANENTFLAGS …
        S: * 1 EXISTS
        S: * LIST (\HasNoChildren) "/" "Work/Pläne"
        S: * OK [UIDVALIDITY …
        S~ b OK [READ-WRITE] …
        C: c FETCH 1 FLAGS
        S: * 1 FETCH (FLAGS ())
        S: c OK …
        C: d SEARCH UNSEEN
        S: * ESEARCH (TAG "d") ALL 1
        S: d OK …
        C: e UID SEARCH SEEN
        S: * ESEARCH (TAG "e") UID
        S: e OK …
    )");
}

} // namespace
