/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The local IMAP server and clients that mean no good, or know no better: each bound there is. */
#include "imap-transcript.h"
#include <future>

#include <poll.h>

namespace
{

const std::string MAIL = "From: a@example.org\r\nSubject: x\r\n\r\nhello\r\n";

std::string repeated(const std::string &text, int times)
{
    std::string all;
    for (int i = 0; i < times; i++)
        all += text;
    return all;
}

/* A command that is answered `answer`, and a session that goes on. */
void refused(Client &client, const std::string &command, const std::string &answer)
{
    SCOPED_TRACE(command.substr(0, 40));
    client.send(command + "\r\n");
    client.play("S: " + answer + "\nC: after NOOP\nS~ after OK …");
}

/* Keywords that can't be kept are refused as a whole, also with a message: it isn't half stored. */
TEST_F(ImapTest, KeywordsThatCannotBeKeptAreRefusedAndTheSessionGoesOn)
{
    deliver(inbox, MAIL);
    auto client = select();
    std::string most, many, sets;
    for (int i = 0; i < 1000; i++)
        most += (i ? " K" : "K") + std::to_string(i);
    many = most + " K1000";
    for (const std::string &bad : {std::string(256, 'x'), std::string(300, 'x'), std::string("a%b"),
                                   std::string("a\x01"
                                               "b"),
                                   std::string("caf\xc3\xa9"), many}) {
        refused(*client, "a STORE 1 +FLAGS (\\Seen " + bad + ")", "a …");
        refused(*client, "a APPEND INBOX (\\Seen " + bad + ") {4+}\r\nA: b", "a …");
        client->play("C: c FETCH 1 FLAGS\nS: * 1 FETCH (FLAGS (\\Recent))\nS: c OK …");
        client->play("C: d STATUS INBOX (MESSAGES)\nS: * STATUS INBOX (MESSAGES 1)\nS: d OK …");
    }
    client->send("e STORE 1 +FLAGS.SILENT (" + most + ")\r\n");
    client->play("S~ e OK …");
    /* One more, beside a thousand, is one too many. */
    refused(*client, "f STORE 1 +FLAGS.SILENT (More)", "f NO …");
}

TEST_F(ImapTest, NonsenseIsAnsweredAndTheSessionGoesOn)
{
    deliver(inbox, MAIL);
    auto client = select();
    for (const char *line : {"*",
                             "+ NOOP",
                             "a",
                             "a (",
                             "a NOOP\t",
                             "a FETCH 1 (((((",
                             "a FETCH 1 \"",
                             "a FETCH 1 {",
                             "a FETCH 1 {}",
                             "a FETCH 1 {-1}",
                             "a FETCH 1 {1x}",
                             "a SEARCH SUBJECT \"\\x\"",
                             "a LIST \"\" \"\\",
                             "a FETCH 4294967296 FLAGS",
                             "a FETCH 99999999999999999999 FLAGS",
                             "a FETCH , FLAGS",
                             "a FETCH 1: FLAGS",
                             "a STORE 1 FLAGS (\\)",
                             "a UID UID FETCH 1 FLAGS",

                             "a \xff\xfe",
                             "a FETCH 1 BODY[1.]",
                             "a FETCH 1 BODY[0]",

                             "a SEARCH NOT",
                             "a SEARCH (",
                             "a SEARCH )",
                             "a APPEND INBOX (\\Seen",
                             "a STATUS INBOX (MESSAGES",
                             "DONE",
                             "\"a\" NOOP"})
        refused(*client, line, "… BAD …");
}

TEST_F(ImapTest, OctetsThatNoCommandHasAreRefused)
{
    auto client = connect();
    refused(*client, std::string("a NO\0OP", 7), "… BAD …");
    refused(*client, "a LIST \"\" x\ry", "a BAD …");
    refused(*client, std::string("a SELECT {3+}\r\nx\0y", 18), "a BAD …");
}

/* What is too long is read to its end, wherever the parts of it come apart, and nothing of it is a
 * command: it has its answer, by its tag. */
TEST_F(ImapTest, LinesAreBounded)
{
    auto client = connect();
    for (size_t octets : {150000u, 163840u, 300001u, 3000000u}) {
        std::string line = "a SEARCH SUBJECT \"";
        while (line.size() < octets)
            line += "\" z LOGOUT ";
        for (size_t at = 0; at < line.size(); at += 50000)
            client->send(line.substr(at, 50000));
        refused(*client, "", "a BAD [TOOBIG] …");
    }
    for (size_t octets : {40000u, 65536u, 70000u, 300000u}) {
        auto stranger = connect(false);
        std::string line = "a LOGIN work ";
        while (line.size() < octets)
            line += "z LOGOUT ";
        refused(*stranger, line, "a BAD [TOOBIG] …");
        refused(*stranger, std::string(octets, '('), "* BAD …");
    }
}

/* A line just as long as may be, and longer by each number of octets up to where it is cut. */
TEST_F(ImapTest, LinesAreCutWithoutTheirTagAndTheirEndBeingLost)
{
    auto client = connect();
    for (int more = -2; more < 140; more++) {
        std::string line = "t" + std::to_string(more) + " NOOP ";
        line += std::string((size_t)(144 * 1024 + more) - line.size(), 'x');
        refused(*client, line,
                "t" + std::to_string(more) + (more > 0 ? " BAD [TOOBIG] …" : " BAD …"));
    }
}

/* What was announced at the end of a line that is too long belongs to it. */
TEST_F(ImapTest, LiteralsOfLinesThatAreTooLongAreNoCommands)
{
    auto client = connect();
    std::string filler(200000, 'x');
    refused(*client, "a SELECT " + filler + " {12+}\r\nb LOGOUT\r\nc  d", "a BAD [TOOBIG] …");
    refused(*client,
            "a SELECT " + filler + " {12+}\r\nb LOGOUT\r\nc  " + filler + "{10+}\r\nb LOGOUT\r\n",
            "a BAD [TOOBIG] …");
    refused(*client, "a SELECT {3+}\r\nabc" + filler + " {10+}\r\nb LOGOUT\r\n",
            "a BAD [TOOBIG] …");
    refused(*client, "a SELECT " + filler + " {12}", "a BAD [TOOBIG] …");
    client->play("C: i IDLE\nS: + …");
    refused(*client, "DONE" + filler, "i BAD …");
}

/* RFC 2971, 3.3: 30 pairs, of 30 and 1,024 octets; also as literals, also before login. */
TEST_F(ImapTest, IdMayBeAsLongAsItsStandardSays)
{
    std::string field(30, 'f'), value(1024, 'v');
    std::string quoted, literals;
    for (int i = 0; i < 30; i++) {
        quoted += (i ? " \"" : "\"") + field + "\" \"" + value + "\"";
        literals += (i ? " {30+}\r\n" : "{30+}\r\n") + field + " {1024+}\r\n" + value;
    }
    for (bool logged_in : {true, false})
        for (const std::string &pairs : {quoted, literals}) {
            auto client = connect(logged_in);
            client->send("a ID (" + pairs + ")\r\n");
            client->play("S: * ID (\"name\" \"Postern\" …)\nS: a OK …");
        }
}

/* Whoever says what no client does before login is no client. */
TEST_F(ImapTest, StrangersMayMakeThreeMistakes)
{
    for (const char *line : {"EHLO me", "a FROB", "* ", "a LOGIN x", "a SELECT INBOX"}) {
        auto client = connect(false);
        client->play(std::string("C: ") + line + "\nS: … BAD …\nC: b NOOP\nS: b OK …\nC: " + line +
                     "\nS: … BAD …\nC: " + line + "\nS: … BAD …\nS: * BYE …");
        EXPECT_EQ(client->line(), "");
        EXPECT_TRUE(client->ended);
    }
    auto client = connect(false);
    for (int i = 0; i < 5; i++)
        client->play("C: a AUTHENTICATE PLAIN\nS: + \nC: *\nS: a BAD …");
    client->play("C: a NOOP\nS: a OK …");
    auto known = connect();
    for (int i = 0; i < 50; i++)
        known->play("C: a FROB\nS: a BAD …");
}

TEST_F(ImapTest, WhatIsNoClientIsSentAwayBeforeItsBodyIsRead)
{
    for (bool logged_in : {true, false}) {
        for (const char *method : {"GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "post"}) {
            auto client = connect(logged_in);
            client->send(std::string(method) +
                         " / HTTP/1.1\r\nHost: localhost\r\n\r\na LOGOUT\r\n");
            EXPECT_EQ(client->line(), "") << method;
            EXPECT_TRUE(client->ended);
        }
        auto client = connect(logged_in);
        client->send(std::string("\x16\x03\x01\x02\x00\x01", 6));
        EXPECT_EQ(client->line(), "");
        EXPECT_TRUE(client->ended);
    }
    connect()->play("C: GET NOOP\nS: GET OK …\nC: POST UID SEARCH ALL\nS: POST BAD …");
}

TEST_F(ImapTest, LiteralsAreBounded)
{
    auto client = select();
    refused(*client, "a SEARCH SUBJECT {1048577}", "a BAD …");
    refused(*client, "a SEARCH SUBJECT {1048577+}\r\n" + std::string(1048577, 'x'), "a BAD …");
    refused(*client, "a APPEND INBOX {268435457}", "a NO [TOOBIG] …");
    refused(*client, "a APPEND INBOX {99999999999999999999999}", "a NO [TOOBIG] …");
    refused(*client, "a SEARCH" + repeated(" SUBJECT {1+}\r\nx", 1001), "a BAD …");
    std::string megabyte = " SUBJECT {1048576+}\r\n" + std::string(1048576, 'x');
    refused(*client, "a SEARCH" + repeated(megabyte, 4), "a BAD …");
    for (const std::string &command :
         {std::string("a LOGIN {4097}"), "a LOGIN {4097+}\r\n" + std::string(4097, 'x') + " y",
          "a ID (" + repeated("{1+}\r\nx ", 60) + "{1+}\r\nx)", std::string("a APPEND INBOX {1}")})
        refused(*connect(false), command, "a BAD …");
}

TEST_F(ImapTest, NestingAndListsAreBounded)
{
    deliver(inbox, MAIL);
    auto client = select();
    refused(*client, "a SEARCH " + std::string(101, '(') + "ALL" + std::string(101, ')'),
            "a BAD [LIMIT] …");
    refused(*client, "a SEARCH " + repeated("NOT ", 101) + "ALL", "a BAD [LIMIT] …");
    refused(*client, "a SEARCH " + repeated("OR ALL ", 101) + "ALL", "a BAD [LIMIT] …");
    refused(*client, "a SEARCH" + repeated(" ALL", 10001), "a BAD [LIMIT] …");
    refused(*client, "a FETCH 1 (UID" + repeated(" UID", 10001) + ")", "a BAD [LIMIT] …");
    refused(*client, "a FETCH 1 BODY[" + repeated("1.", 1001) + "1]", "a BAD [LIMIT] …");
    refused(*client, "a STORE 1 +FLAGS (" + repeated("x ", 10001) + "x)", "a BAD [LIMIT] …");
    auto stranger = connect(false);
    refused(*stranger, "a ID (" + repeated("\"a\" NIL ", 40) + "\"a\" NIL)", "a BAD …");
}

/* A line can't hold more ranges than are allowed, but what one does hold costs no more than it
 * says. */
TEST_F(ImapTest, LargeSetsAreTaken)
{
    deliver(inbox, MAIL);
    auto client = select();
    std::string set = "1";
    while (set.size() < 128 * 1024)
        set += ",1:4294967295";
    client->send("a UID FETCH " + set + " UID\r\n");
    client->play("S: * 1 FETCH (UID 1)\nS: a OK …");
    client->send("b UID SEARCH UID " + set + "\r\n");
    client->play("S: * SEARCH 1\nS: b OK …");
}

/* It counts from the connection on, whatever is said. */
TEST_F(ImapTest, ThereIsATimeToLogIn)
{
    daemon.login_seconds = 2;
    auto silent = connect(false), talker = connect(false);
    gint64 start = g_get_monotonic_time();
    silent->play("S: * BYE You took too long to log in");
    while (!talker->ended && g_get_monotonic_time() - start < 15 * G_USEC_PER_SEC) {
        if (::send(talker->fd, "a NOOP\r\n", 8, MSG_NOSIGNAL) < 0)
            break;
        if (talker->line().compare(0, 5, "* BYE") == 0)
            break;
        g_usleep(50000);
    }
    EXPECT_LT(g_get_monotonic_time() - start, 15 * G_USEC_PER_SEC);
}

/* A search is given up when the client leaves: the rest of the folder isn't fetched for nobody. */
TEST_F(ImapTest, ASearchEndsWhenItsClientLeaves)
{
    for (int i = 0; i < 600; i++)
        announce(inbox, "Subject: hello\r\n\r\nHello " + std::to_string(i) + "\r\n");
    auto client = select();
    std::promise<void> left;
    bodies.when_asked = [&] {
        if (bodies.asked > 1)
            return;
        client->leave();
        left.set_value();
    };
    client->send("a SEARCH BODY nothing\r\n");
    left.get_future().wait();
    client.reset();
    EXPECT_EQ(bodies.asked, 1);
}

/* RFC 3501, 5.4: a client that says nothing is logged out, and is told so, whatever it waits for; one
 * that says something isn't. */
TEST_F(ImapTest, ClientsThatSayNothingAreLoggedOut)
{
    daemon.idle_seconds = 3;
    auto silent = select(), idling = select(), notified = select(), talker = select();
    gint64 start = g_get_monotonic_time();
    idling->play("C: i IDLE\nS: + …");
    notified->play("C: n NOTIFY SET (SELECTED (MessageNew (FLAGS) MessageExpunge))\nS: n OK …");
    g_usleep(2 * G_USEC_PER_SEC);
    talker->play("C: a NOOP\nS: a OK …");
    deliver(inbox,
            "Subject: hello\r\n\r\nHello\r\n"); /* news put nothing off: the client may be gone */
    idling->play("S: * 1 EXISTS\nS: * … RECENT\nS: * BYE You were away for too long");
    notified->play("S: * 1 EXISTS\nS~ * BYE You were away for too long");
    silent->play("S: * BYE You were away for too long");
    gint64 took = g_get_monotonic_time() - start;
    EXPECT_GE(took, 3 * G_USEC_PER_SEC);
    EXPECT_LT(took, 10 * G_USEC_PER_SEC);
    for (auto *gone : {&silent, &idling, &notified}) {
        EXPECT_EQ((*gone)->line(), "");
        EXPECT_TRUE((*gone)->ended);
    }
    talker->play("C: b NOOP\nS: * 1 EXISTS\nS: * … RECENT\nS: b OK …");
}

/* Nothing is lost but what hasn't arrived: no expunge as with CLOSE, and half a message is none. */
TEST_F(ImapTest, BeingLoggedOutChangesNothing)
{
    daemon.idle_seconds = 1;
    deliver(inbox, "Subject: hello\r\n\r\nHello\r\n");
    select()->play(
        "C: a STORE 1 +FLAGS (\\Deleted $Keep)\nS: * FLAGS …\nS: * OK …\nS: * 1 FETCH …\n"
        "S: a OK …\nS: * BYE You were away for too long");
    connect()->play("C: a APPEND INBOX {5}\nS: + …\nC: Hello\nS: a OK …\n"
                    "C: b APPEND INBOX {500}\nS: + …\nC: Hello\nS: * BYE …");
    daemon.idle_seconds = 0;
    EXPECT_EQ(select()->command("a FETCH 1:* FLAGS"),
              "* 1 FETCH (FLAGS (\\Deleted $Keep))\r\n* 2 FETCH (FLAGS (\\Recent))\r\n"
              "a OK FETCH done.\r\n");
}

/* As much as the kernel takes, and no more, until it reads. */
size_t send_without_reading(Client &client, const std::string &text, size_t limit)
{
    size_t sent = 0;
    struct pollfd writable = {client.fd, POLLOUT, 0};
    while (sent < limit && poll(&writable, 1, 1000) == 1) {
        size_t at = sent % text.size();
        ssize_t n =
            ::send(client.fd, text.data() + at, text.size() - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
    }
    return sent;
}

/* Commands are read as they are answered, so that pipelining fills no memory; who doesn't read its
 * answers waits, and nobody else does. */
TEST_F(ImapTest, SlowReadersBlockNobody)
{
    std::string large = "Subject: large\r\n\r\n" + repeated("a line of a large message\r\n", 40000);
    deliver(inbox, large);
    auto slow = select(), other = select();
    const size_t limit = 32 << 20;
    std::string command = "p FETCH 1 (BODY.PEEK[] FLAGS)\r\n";
    size_t sent = send_without_reading(*slow, command, limit);
    EXPECT_LT(sent, limit);
    other->play(R"(
        C: a STORE 1 +FLAGS (\Flagged)
        S: * 1 FETCH (FLAGS (\Flagged))
        S: a OK …
        C: b APPEND INBOX {6+}
        C: A: 1
        C: 
        S~ b OK …
        C: c STORE 2 +FLAGS.SILENT (\Deleted)
        S: c OK …
        C: d EXPUNGE
        S: * 2 EXPUNGE
        S: d OK …
    )");
    /* Once it reads, the first answer is what it was to be. */
    EXPECT_EQ(slow->line(), "* 1 FETCH (BODY[] {" + std::to_string(large.size()) + "}");
    EXPECT_TRUE(slow->bytes(large.size()) == large);
    slow->play("S:  FLAGS (…))");
}

TEST_F(ImapTest, PipelinesOfAnyLengthAreAnswered)
{
    auto client = connect();
    std::thread sender([&] {
        for (int i = 0; i < 20; i++)
            client->send(repeated("p NOOP\r\n", 1000));
        client->send("q LOGOUT\r\n");
    });
    int answered = 0;
    std::string line;
    while ((line = client->line()).compare(0, 4, "p OK") == 0)
        answered++;
    sender.join();
    EXPECT_EQ(answered, 20000);
    EXPECT_EQ(line.compare(0, 5, "* BYE"), 0) << line;
}

} // namespace
