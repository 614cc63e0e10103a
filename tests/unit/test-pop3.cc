/* SPDX-License-Identifier: GPL-3.0-or-later */
/* POP3 for local clients, as sessions read. */
#include "fake-fetch.h"
#include "session.h"

extern "C" {
#include "cache/change.h"
#include "cache/folder.h"
#include "cache/message.h"
#include "daemon/index/render.h"
}

namespace
{

class Pop3Test : public SessionTest
{
  protected:
    void SetUp() override
    {
        SessionTest::SetUp();
        cache = cache_open((std::string(directory) + "/work").c_str(), nullptr, nullptr);
        ASSERT_NE(cache, nullptr);
        account->cache = cache;
        account->bodies = &bodies;
        bodies.cache = cache;
        bodies.headers_alone = true;
    }

    void TearDown() override
    {
        cache_close(cache);
        SessionTest::TearDown();
    }

    void make_inbox()
    {
        CacheTxn *txn = cache_begin(cache, CACHE_WRITE_FULL, nullptr);
        CacheFolder row = {};
        char name[] = "INBOX";
        row.name = row.base_name = row.wire_name = name;
        row.delimiter = '/';
        row.role = CACHE_ROLE_INBOX;
        row.selectable = row.pushed = TRUE;
        inbox = cache_folder_add(txn, &row, nullptr);
        ASSERT_NE(inbox, 0);
        ASSERT_TRUE(cache_commit(txn, nullptr));
    }

    /* A message that the provider has, and of which nothing is here. */
    guint32 arrive(const std::string &text, guint64 hint)
    {
        CacheTxn *txn = cache_begin(cache, CACHE_WRITE_FULL, nullptr);
        CachePlacement placement = {};
        placement.folder = inbox;
        placement.message = cache_message_new(txn, nullptr, nullptr);
        placement.alive = TRUE;
        placement.size = hint;
        placement.date = date;
        placement.base = CACHE_BASE_PRESENT;
        placement.base_uid = ++base_uid;
        EXPECT_TRUE(cache_placement_put(txn, &placement, nullptr));
        EXPECT_TRUE(cache_commit(txn, nullptr));
        bodies.upstream[placement.message] = text;
        last_message = placement.message;
        return placement.uid;
    }

    guint32 add(const std::string &text)
    {
        guint32 uid = arrive(text, 1);
        bodies.bring(last_message, CACHE_CONTENT_FULL);
        return uid;
    }

    std::vector<guint32> uids()
    {
        g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, nullptr);
        g_autoptr(GArray) all = cache_uids(txn, inbox, nullptr);
        return std::vector<guint32>((guint32 *)all->data, (guint32 *)all->data + all->len);
    }

    /* What stands between the +OK and the final dot, dots taken out. */
    std::string text(Session &session)
    {
        std::string first = session.line(), all;
        EXPECT_EQ(first.substr(0, 3), "+OK") << first;
        for (std::string line; (line = session.line()) != ".\r\n" && !line.empty();)
            all += line[0] == '.' ? line.substr(1) : line;
        return all;
    }

    Cache *cache = nullptr;
    FetchBodies bodies = {};
    gint64 inbox = 0, last_message = 0;
    guint32 base_uid = 100;
    gint64 date = 0; /* of what arrives */
};

const char MAIL[] = "Subject: one\r\n\r\nfirst\r\n.second\r\n..\r\nthird\r\n";

TEST_F(Pop3Test, ASessionAsTheStandardHasIt)
{
    make_inbox();
    add(MAIL);
    add("Subject: two\r\n\r\n");
    Session session(serve_pop3, &daemon, nullptr);
    session.follow("S: +OK\n"
                   "C: STAT\nS: -ERR log in first\n"
                   "C: USER ada@example.org\nS: +OK\n"
                   "C: PASS " +
                   password +
                   "\nS: +OK\n"
                   "C: STAT\nS: +OK 2 " +
                   std::to_string(strlen(MAIL) + 16) +
                   "\r\n"
                   "C: LIST\nS: +OK\nS: 1 " +
                   std::to_string(strlen(MAIL)) +
                   "\nS: 2 16\nS: .\n"
                   "C: LIST 2\nS: +OK 2 16\n"
                   "C: LIST 3\nS: -ERR\n"
                   "C: RETR 1\n");
    EXPECT_EQ(text(session), MAIL);
    session.follow("C: DELE 1\nS: +OK\n"
                   "C: DELE 1\nS: -ERR\nC: RETR 1\nS: -ERR\nC: UIDL 1\nS: -ERR\n"
                   "C: STAT\nS: +OK 1 16\n"
                   "C: LIST\nS: +OK\nS: 2 16\nS: .\n"
                   "C: RSET\nS: +OK\n"
                   "C: STAT\nS: +OK 2 \n"
                   "C: DELE 2\nS: +OK\n"
                   "C: NOOP\nS: +OK\n"
                   "C: quit\nS: +OK\n");
    EXPECT_EQ(session.line(), "");
    EXPECT_EQ(uids(), std::vector<guint32>{1});
}

TEST_F(Pop3Test, WithoutQuitNothingIsDeleted)
{
    make_inbox();
    add(MAIL);
    {
        Session session(serve_pop3, &daemon, account);
        session.follow("S: +OK\nC: DELE 1\nS: +OK\n");
    }
    EXPECT_EQ(uids().size(), 1u);
}

/* RFC 4314, 4: deleting is "t" and "e". */
TEST_F(Pop3Test, NothingIsDeletedWhereTheProviderForbidsIt)
{
    make_inbox();
    add(MAIL);
    add(MAIL);
    auto grant = [this](guint32 rights) {
        CacheTxn *txn = cache_begin(cache, CACHE_WRITE, nullptr);
        g_autoptr(CacheFolder) row = cache_folder_get(txn, inbox, nullptr);
        row->rights = CACHE_RIGHTS_TOLD | rights;
        EXPECT_TRUE(cache_folder_update(txn, row, nullptr));
        EXPECT_TRUE(cache_commit(txn, nullptr));
    };
    const guint32 reading = CACHE_RIGHT_LOOKUP | CACHE_RIGHT_READ;
    grant(reading | CACHE_RIGHT_DELETE);
    {
        Session session(serve_pop3, &daemon, account);
        session.follow("S: +OK\nC: DELE 1\nS: -ERR [SYS/PERM]\nC: RETR 1\nS: +OK\n");
    }
    grant(reading | CACHE_RIGHT_DELETE | CACHE_RIGHT_EXPUNGE);
    Session session(serve_pop3, &daemon, account);
    session.follow("S: +OK\nC: DELE 1\nS: +OK\n");
    grant(reading);
    session.follow("C: QUIT\nS: -ERR [SYS/TEMP]\n");
    EXPECT_EQ(uids().size(), 2u);
}

TEST_F(Pop3Test, DeletionsAreMadeForTheProviderToo)
{
    make_inbox();
    add(MAIL);
    Session session(serve_pop3, &daemon, account);
    session.follow("S: +OK\nC: DELE 1\nS: +OK\nC: QUIT\nS: +OK\n");
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, nullptr);
    CachePlacement placement;
    ASSERT_TRUE(cache_placement_get(txn, inbox, 1, &placement, nullptr));
    EXPECT_FALSE(placement.alive);
    EXPECT_EQ(placement.base, CACHE_BASE_PRESENT);
}

TEST_F(Pop3Test, DeletingDoesWhatTheAccountWants)
{
    make_inbox();
    add(MAIL);
    auto remove = [&](const std::string &answer) {
        Session session(serve_pop3, &daemon, account);
        session.follow("S: +OK\nC: DELE 1\nS: +OK message 1 " + answer + "\nC: QUIT\n");
        return session.line().substr(0, 4);
    };
    settings->pop3_delete = ACCOUNT_POP3_IGNORE;
    EXPECT_EQ(remove("stays all the same"), "+OK ");
    EXPECT_EQ(uids().size(), 1u);
    settings->pop3_delete = ACCOUNT_POP3_TRASH;
    EXPECT_EQ(remove("goes"), "-ERR"); /* there is none yet */
    EXPECT_EQ(uids().size(), 1u);
    CacheTxn *txn = cache_begin(cache, CACHE_WRITE_FULL, nullptr);
    gint64 trash = cache_folder_create(txn, "Trash", CACHE_ROLE_TRASH, nullptr);
    ASSERT_TRUE(cache_commit(txn, nullptr));
    EXPECT_EQ(remove("goes"), "+OK ");
    EXPECT_EQ(uids().size(), 0u);
    {
        g_autoptr(CacheTxn) reading = cache_begin(cache, CACHE_READ, nullptr);
        g_autoptr(CacheFolder) folder = cache_folder_get(reading, trash, nullptr);
        EXPECT_EQ(folder->exists, 1u);
    }
    settings->pop3_folder = g_strdup("Trash");
    EXPECT_EQ(remove("goes"), "+OK "); /* from the trash it is gone */
    g_autoptr(CacheTxn) reading = cache_begin(cache, CACHE_READ, nullptr);
    g_autoptr(CacheFolder) folder = cache_folder_get(reading, trash, nullptr);
    EXPECT_EQ(folder->exists, 0u);
}

TEST_F(Pop3Test, AnotherFolderAndALimitedTimeCanBeShown)
{
    make_inbox();
    add("Subject: old\r\n\r\n");
    date = g_get_real_time() / G_USEC_PER_SEC - 5 * 86400;
    add("Subject: recent\r\n\r\n");
    settings->pop3_days = 10;
    {
        Session session(serve_pop3, &daemon, account);
        session.follow("S: +OK\nC: STAT\nS: +OK 1 \nC: RETR 1\n");
        EXPECT_EQ(text(session), "Subject: recent\r\n\r\n");
    }
    settings->pop3_days = 2;
    {
        Session session(serve_pop3, &daemon, account);
        session.follow("S: +OK\nC: STAT\nS: +OK 0 \n");
    }
    settings->pop3_folder = g_strdup("Lists");
    Session session(serve_pop3, &daemon, nullptr);
    session.follow("S: +OK\nC: USER work\nS: +OK\nC: PASS " + password +
                   "\nS: -ERR [SYS/TEMP] pop3-folder=Lists can't be opened\n");
}

TEST_F(Pop3Test, NumbersHoldWhateverOthersDo)
{
    make_inbox();
    add("Subject: a\r\n\r\n");
    guint32 gone = add("Subject: b\r\n\r\n");
    add("Subject: c\r\n\r\n");
    Session one(serve_pop3, &daemon, account), two(serve_pop3, &daemon, account);
    one.follow("S: +OK\n");
    two.follow("S: +OK\nC: DELE 2\nS: +OK\nC: QUIT\nS: +OK\n");
    add("Subject: d\r\n\r\n");
    one.follow("C: STAT\nS: +OK 3\nC: RETR 3\n");
    EXPECT_EQ(text(one), "Subject: c\r\n\r\n");
    one.follow("C: DELE 2\nS: +OK\nC: DELE 3\nS: +OK\nC: QUIT\nS: +OK\n");
    EXPECT_EQ(uids(), (std::vector<guint32>{1, 4}));
    EXPECT_EQ(gone, 2u);
}

TEST_F(Pop3Test, UidlStaysTheSameFromSessionToSession)
{
    make_inbox();
    for (int i = 0; i < 3; i++)
        add("Subject: " + std::to_string(i) + "\r\n\r\n");
    std::string before, after;
    {
        Session session(serve_pop3, &daemon, account);
        session.follow("S: +OK\nC: UIDL\n");
        before = text(session);
        session.follow("C: DELE 1\nS: +OK\nC: QUIT\nS: +OK\n");
    }
    Session session(serve_pop3, &daemon, account);
    session.follow("S: +OK\nC: UIDL 2\n");
    after = session.line();
    size_t third = before.find("3 ") + 2;
    EXPECT_EQ(after, "+OK 2 " + before.substr(third));
    EXPECT_LE(before.size() - third, 72u);
}

TEST_F(Pop3Test, TopGivesTheHeaderAndThatManyLines)
{
    make_inbox();
    add(MAIL);
    Session session(serve_pop3, &daemon, account);
    session.follow("S: +OK\nC: TOP 1 0\n");
    EXPECT_EQ(text(session), "Subject: one\r\n\r\n");
    session.follow("C: TOP 1 2\n");
    EXPECT_EQ(text(session), "Subject: one\r\n\r\nfirst\r\n.second\r\n");
    session.follow("C: TOP 1 1000\n");
    EXPECT_EQ(text(session), MAIL);
    session.follow(
        "C: TOP 1\nS: -ERR\nC: TOP 1 x\nS: -ERR\nC: TOP 2 1\nS: -ERR\nC: TOP\nS: -ERR\n"
        "C: RETR\nS: -ERR\nC: RETR 0\nS: -ERR\nC: RETR -1\nS: -ERR\nC: RETR 1 2\nS: -ERR\n"
        "C: RETR 4294967297\nS: -ERR\n");
}

TEST_F(Pop3Test, WhatIsNotHereIsFetchedOrRefusedWithAReason)
{
    make_inbox();
    arrive(MAIL, 33);
    gint64 message = last_message;
    Session session(serve_pop3, &daemon, account);
    session.follow("S: +OK\nC: LIST 1\nS: +OK 1 33\nC: TOP 1 0\n");
    EXPECT_EQ(text(session), "Subject: one\r\n\r\n");
    EXPECT_EQ(bodies.states[message], CACHE_CONTENT_HEADER);
    bodies.online = false;
    session.follow("C: RETR 1\nS: -ERR [SYS/TEMP] the provider can't be reached\n"
                   "C: TOP 1 1\nS: -ERR [SYS/TEMP]\n");
    bodies.online = true;
    session.follow("C: RETR 1\n");
    EXPECT_EQ(text(session), MAIL);
    session.follow("C: LIST 1\nS: +OK 1 " + std::to_string(strlen(MAIL)) + "\n");
    bodies.online = false;
    session.follow("C: RETR 1\n");
    EXPECT_EQ(text(session), MAIL);
}

TEST_F(Pop3Test, LargeAndOddMessagesComeWhole)
{
    make_inbox();
    std::string large = "Subject: large\r\n\r\n";
    while (large.size() < 3000000)
        large += ".\r\n..." + std::to_string(large.size()) + "\r\n";
    std::string line = "Subject: line\r\n\r\n" + std::string(5000000, 'x') + "\r\n";
    std::string bare = "Subject: bare\n\n.\nx\r.\n", endless = "Subject: x\r\n\r\nno end";
    add(large);
    add(line);
    add(bare);
    add(endless);
    Session session(serve_pop3, &daemon, account);
    session.follow("S: +OK\nC: RETR 1\n");
    EXPECT_TRUE(text(session) == large);
    session.follow("C: RETR 2\n");
    EXPECT_TRUE(text(session) == line);
    session.follow("C: RETR 3\n");
    EXPECT_EQ(text(session), bare);
    session.follow("C: RETR 4\n");
    EXPECT_EQ(text(session), endless + "\r\n");
    session.follow("C: TOP 1 2\n");
    EXPECT_EQ(text(session), "Subject: large\r\n\r\n.\r\n...18\r\n");
}

TEST_F(Pop3Test, BeforeTheFirstSyncItSaysSo)
{
    Session session(serve_pop3, &daemon, nullptr);
    session.follow("S: +OK\nC: USER work\nS: +OK\nC: PASS " + password +
                   "\nS: -ERR [SYS/TEMP] the account was not synchronized yet\n");
}

TEST_F(Pop3Test, LoginsAreCheckedAndNamed)
{
    make_inbox();
    std::string zero(1, '\0'), plain = zero + "work" + zero + password;
    g_autofree char *encoded = g_base64_encode((const guchar *)plain.data(), plain.size());
    Session session(serve_pop3, &daemon, nullptr);
    session.follow("S: +OK\nC: PASS x\nS: -ERR USER comes before\nC: USER\nS: -ERR\n"
                   "C: USER work\nS: +OK\nC: PASS wrong\nS: -ERR [AUTH]\n"
                   "C: AUTH GSSAPI\nS: -ERR\n"
                   "C: AUTH PLAIN\nS: + \nC: *\nS: -ERR cancelled\n"
                   "C: AUTH\nS: +OK\nS: PLAIN\nS: LOGIN\nS: SCRAM-SHA-256\nS: .\n"
                   "C: APOP work 0123\nS: -ERR\n"
                   "C: AUTH PLAIN " +
                   std::string(encoded) +
                   "\nS: +OK\n"
                   "C: USER work\nS: -ERR you are logged in already\n");
}

TEST_F(Pop3Test, OnTheAccountsOwnSocketAnyLoginWillDo)
{
    make_inbox();
    Session session(serve_pop3, &daemon, account);
    session.follow("S: +OK Postern, logged in\nC: STAT\nS: +OK 0 0\n"
                   "C: USER whoever\nS: +OK\nC: PASS whatever\nS: +OK\nC: STAT\nS: +OK 0 0\n"
                   "C: LIST\nS: +OK\nS: .\n");
}

TEST_F(Pop3Test, CapabilitiesAreWhatThereIs)
{
    make_inbox();
    daemon.tls = net_tls_local(directory, nullptr);
    ASSERT_NE(daemon.tls, nullptr);
    Session session(serve_pop3, &daemon, nullptr);
    session.follow("S: +OK\nC: CAPA\n");
    std::string all = text(session);
    for (const char *name :
         {"TOP\r\n", "UIDL\r\n", "STLS\r\n", "USER\r\n", "RESP-CODES\r\n", "AUTH-RESP-CODE\r\n",
          "PIPELINING\r\n", "SASL PLAIN LOGIN SCRAM-SHA-256\r\n"})
        EXPECT_NE(all.find(name), std::string::npos) << name;
    session.follow("C: USER work\nS: +OK\nC: PASS " + password + "\nS: +OK\nC: CAPA\n");
    all = text(session);
    EXPECT_EQ(all.find("SASL"), std::string::npos);
}

TEST_F(Pop3Test, StlsSecuresAndTakesNothingFromBefore)
{
    make_inbox();
    daemon.tls = net_tls_local(directory, nullptr);
    g_autofree char *authority = g_build_filename(directory, "authority.pem", nullptr);
    g_autoptr(NetTlsClient) trust = net_tls_client_new(authority, nullptr);
    ASSERT_TRUE(daemon.tls && trust);
    {
        Session session(serve_pop3, &daemon, nullptr);
        session.send("STLS\r\nUSER injected\r\n");
        session.follow("S: +OK\nS: +OK\n");
        EXPECT_EQ(session.line(), "");
    }
    Session session(serve_pop3, &daemon, nullptr);
    session.follow("S: +OK\nC: USER work\nS: +OK\nC: STLS\nS: +OK\n");
    g_autoptr(NetStream) stream = net_stream_new(dup(session.fd), "server", session.cancel);
    ASSERT_TRUE(net_stream_start_tls(stream, trust, "localhost", nullptr));
    net_stream_puts(
        stream, ("PASS " + password + "\r\nUSER work\r\nPASS " + password + "\r\nSTLS\r\n").c_str(),
        nullptr);
    net_stream_flush(stream, nullptr);
    for (const char *expected : {"-ERR USER comes", "+OK", "+OK welcome", "-ERR"})
        EXPECT_EQ(std::string(net_stream_read_line(stream, 1000, nullptr, nullptr))
                      .compare(0, strlen(expected), expected),
                  0)
            << expected;
    net_stream_close(stream);
}

TEST_F(Pop3Test, PipelinedCommandsAreAnsweredInOrder)
{
    make_inbox();
    for (int i = 0; i < 200; i++)
        add("Subject: " + std::to_string(i) + "\r\n\r\n");
    Session session(serve_pop3, &daemon, account);
    std::string commands;
    for (int i = 1; i <= 200; i++)
        commands += "RETR " + std::to_string(i) + "\r\n";
    session.send(commands + "STAT\r\n");
    session.follow("S: +OK\n");
    for (int i = 0; i < 200; i++)
        EXPECT_EQ(text(session), "Subject: " + std::to_string(i) + "\r\n\r\n");
    session.follow("S: +OK 200\n");
}

TEST_F(Pop3Test, TheTailOfALongLineIsNoCommand)
{
    make_inbox();
    add("Subject: x\r\n\r\n");
    Session session(serve_pop3, &daemon, account);
    session.follow("S: +OK\n");
    for (size_t length : {4097u, 16000u, 32768u, 40000u, 300000u}) {
        std::string line = "NOOP " + std::string(length, 'x');
        for (size_t at = 0; at < line.size(); at += 8000) {
            session.send(line.substr(at, 8000));
            g_usleep(2000);
        }
        session.send("DELE 1\r\nSTAT\r\n");
        session.follow("S: -ERR that line is too long\nS: +OK 1 \n");
    }
}

TEST_F(Pop3Test, WhatIsNoClientIsSentAwayBeforeItsBodyIsRead)
{
    make_inbox();
    for (const char *method : {"GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "post"})
        for (ServeAccount *preauth : {(ServeAccount *)nullptr, account}) {
            Session session(serve_pop3, &daemon, preauth);
            session.follow("S: +OK\n");
            session.send(std::string(method) + " / HTTP/1.1\r\nHost: localhost\r\n\r\nCAPA\r\n");
            EXPECT_EQ(session.line(), "") << method;
        }
    {
        Session session(serve_pop3, &daemon, nullptr);
        session.follow("S: +OK\n");
        session.send(std::string("\x16\x03\x01\x02\x00\x01", 6));
        EXPECT_EQ(session.line(), "");
    }
    Session session(serve_pop3, &daemon, nullptr);
    session.follow("S: +OK\nC: hello\nS: -ERR\nC: \nS: -ERR\nC: USERX\nS: -ERR too many\n");
    EXPECT_EQ(session.line(), "");
}

TEST_F(Pop3Test, GarbageIsBoundedAndStoppingIsSaid)
{
    make_inbox();
    {
        Session session(serve_pop3, &daemon, account);
        session.follow("S: +OK\n");
        session.send(std::string(5000, 'x') + "\r\n");
        session.follow("S: -ERR that line\n");
        session.send(std::string("NO\0OP\r\n", 7));
        session.follow("S: -ERR\n");
        for (int i = 0; i < 18; i++)
            session.follow("C: \xff\nS: -ERR\n");
        EXPECT_EQ(session.line(), "");
    }
    Session session(serve_pop3, &daemon, account);
    session.follow("S: +OK\n");
    net_cancel_trigger(session.cancel);
    session.follow("S: -ERR [SYS/TEMP] Postern is stopping\n");
}

} // namespace
