/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Submission by local clients, as sessions read. */
#include "session.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>

extern "C" {
#include "daemon/proto/sasl/mechanism.h"
#include "daemon/proto/smtp/data.h"
#include "daemon/proto/smtp/path.h"
#include "daemon/proto/smtp/reply.h"
}

namespace
{

std::string encode(const std::string &text)
{
    g_autofree char *encoded = g_base64_encode((const guchar *)text.data(), text.size());
    return encoded;
}

/* ---- the language ---------------------------------------------------------------------------- */

TEST(SmtpPath, ReadsAddressesAndParameters)
{
    g_auto(SmtpPath) path = {};
    const char *problem;
    ASSERT_TRUE(smtp_path_parse("FROM:<ada@example.org> SIZE=100 body=8bitmime SMTPUTF8",
                                "FROM:", &path, &problem));
    EXPECT_STREQ(path.address, "ada@example.org");
    EXPECT_FALSE(path.utf8);
    ASSERT_EQ(path.parameters->len, 3u);
    auto parameter = &g_array_index(path.parameters, SmtpParameter, 1);
    EXPECT_STREQ(parameter->name, "BODY");
    EXPECT_STREQ(parameter->value, "8bitmime");
    EXPECT_EQ(g_array_index(path.parameters, SmtpParameter, 2).value, nullptr);
}

TEST(SmtpPath, KnowsWhatAnAddressIs)
{
    struct {
        const char *text, *address;
    } good[] = {
        {"TO:<>", ""},
        {"to: <a@b>", "a@b"},
        {"TO:<@one,@two:a@b>", "a@b"},
        {"TO:<\"a b\"@c>", "\"a b\"@c"},
        {"TO:<\"a>b\\\"@\"@c>", "\"a>b\\\"@\"@c"},
        {"TO:<\"a\\\\\"@c>", "\"a\\\\\"@c"},
        {"TO:<a@[127.0.0.1]>", "a@[127.0.0.1]"},
        {"TO:<a@[IPv6:::1]>", "a@[IPv6:::1]"},
        {"TO:<grüße@bücher.example>", "grüße@bücher.example"},
        {"TO:<a+b.c!d@x-y.example>", "a+b.c!d@x-y.example"},
    };
    for (auto &one : good) {
        g_auto(SmtpPath) path = {};
        const char *problem;
        EXPECT_TRUE(smtp_path_parse(one.text, "TO:", &path, &problem)) << one.text;
        EXPECT_STREQ(path.address, one.address);
    }
    for (const char *bad : {"",
                            "TO:",
                            "TO:a@b",
                            "TO:<a@b",
                            "TO:<a>",
                            "TO:<a@>",
                            "TO:<@b>",
                            "TO:<a b@c>",
                            "TO:<a@b c>",
                            "TO:<.a@b>",
                            "TO:<a.@b>",
                            "TO:<a..b@c>",
                            "TO:<a@b>x",
                            "TO:<a@.b>",
                            "TO:<a@b..c>",
                            "TO:<\"a@b>",
                            "TO:<\"a\"b\"@c>",
                            "TO:<\"a\\\\\"b\"@c>",
                            "TO:<\"a\\\"@c>",
                            "TO:<a@[]>",
                            "TO:<a\x7f@b>",
                            "TO:<\xff@b>",
                            "FROM:<a@b>",
                            "TO:<a@b> =x",
                            "TO:<a@b> X=",
                            "TO:<a@b> X=a=\x01"}) {
        g_auto(SmtpPath) path = {};
        const char *problem;
        EXPECT_FALSE(smtp_path_parse(bad, "TO:", &path, &problem)) << bad;
    }
}

/* Feeds `in` in pieces of every size; what it stands for. */
std::string decode(const std::string &in, size_t piece, SmtpDataReader *reader, size_t *used)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    *reader = {};
    for (*used = 0; *used < in.size() && !reader->done;)
        *used += smtp_data_read(reader, in.data() + *used, std::min(piece, in.size() - *used), out);
    return std::string((char *)out->data, out->len);
}

TEST(SmtpData, DotsAreTakenOutAndOnlyCrlfDotCrlfEnds)
{
    struct {
        const char *in, *out;
        bool done, bare;
    } table[] = {
        {"a\r\nb\r\n.\r\n", "a\r\nb\r\n", true, false},
        {".\r\n", "", true, false},
        {"..\r\n...x\r\n.y\r\n.\r\n", ".\r\n..x\r\ny\r\n", true, false},
        {"a.\r\n.\r\n", "a.\r\n", true, false},
        {"a\n.\n", "a\n.\n", false, true},
        {"a\n.\r\n", "a\n.\r\n", false, true},
        {"a\r\n.\n", "a\r\n\n", false, true},
        {"a\r.\r\n", "a\r.\r\n", false, true},
        {"a\r\n.\r.\r\n", "a\r\n\r.\r\n", false, true},
        {"a\r\r\n.\r\n", "a\r\r\n", true, true},
    };
    for (auto &row : table)
        for (size_t piece = 1; piece < 6; piece++) {
            SmtpDataReader reader;
            size_t used;
            EXPECT_EQ(decode(row.in, piece, &reader, &used), row.out) << row.in;
            EXPECT_EQ((bool)reader.done, row.done) << row.in;
            EXPECT_EQ((bool)reader.bare, row.bare) << row.in;
        }
    SmtpDataReader reader;
    size_t used;
    decode("x\r\n.\r\nNOOP\r\n", 100, &reader, &used);
    EXPECT_EQ(used, 6u);
}

TEST(SmtpData, WhatIsWrittenIsWhatIsRead)
{
    guint32 x = 1;
    for (int round = 0; round < 2000; round++) {
        std::string text;
        for (int i = 0; i < 20; i++) {
            x = x * 1664525 + 1013904223;
            static const char *const words[] = {".", "..", "\r\n", "a", "\r\n.\r\n", "\xe4"};
            text += words[(x >> 20) % 6];
        }
        text += "\r\n";
        g_autoptr(GByteArray) out = g_byte_array_new();
        SmtpDataWriter writer = {};
        for (size_t at = 0, piece; at < text.size(); at += piece) {
            x = x * 1664525 + 1013904223;
            piece = std::min<size_t>(1 + (x >> 24) % 7, text.size() - at);
            smtp_data_write(&writer, text.data() + at, piece, out);
        }
        smtp_data_finish(&writer, out);
        std::string wire = std::string((char *)out->data, out->len) + SMTP_DATA_END;
        SmtpDataReader reader;
        size_t used;
        EXPECT_EQ(decode(wire, 1 + round % 9, &reader, &used), text);
        EXPECT_TRUE(reader.done && used == wire.size() && !reader.bare);
    }
}

TEST(SmtpData, AMissingLineEndIsAdded)
{
    for (const char *text : {"a", "a\r", "", "a\r\n"}) {
        g_autoptr(GByteArray) out = g_byte_array_new();
        SmtpDataWriter writer = {};
        smtp_data_write(&writer, text, strlen(text), out);
        smtp_data_finish(&writer, out);
        EXPECT_EQ(std::string((char *)out->data, out->len), *text ? "a\r\n" : "");
    }
}

TEST(SmtpReply, ReadsLinesAndCapabilities)
{
    g_auto(SmtpReply) reply = {};
    auto add = [&](const char *line) { return smtp_reply_add(&reply, line, strlen(line)); };
    EXPECT_EQ(add("250-mail.example.org hello"), SMTP_REPLY_MORE);
    EXPECT_EQ(add("250-PIPELINING"), SMTP_REPLY_MORE);
    EXPECT_EQ(add("250-SIZE 35882577"), SMTP_REPLY_MORE);
    EXPECT_EQ(add("250-AUTH LOGIN plain XOAUTH2"), SMTP_REPLY_MORE);
    EXPECT_EQ(add("250-8bitmime"), SMTP_REPLY_MORE);
    EXPECT_EQ(add("250 SMTPUTF8"), SMTP_REPLY_DONE);
    SmtpEhlo ehlo = smtp_ehlo_read(&reply);
    EXPECT_EQ(ehlo.size, 35882577u);
    EXPECT_EQ(ehlo.capabilities,
              (guint)(SMTP_PIPELINING | SMTP_SIZE | SMTP_8BITMIME | SMTP_SMTPUTF8));
    EXPECT_EQ(ehlo.mechanisms, (guint)(SASL_LOGIN | SASL_PLAIN | SASL_XOAUTH2));
}

TEST(SmtpReply, IsShownOnOneCleanLine)
{
    g_auto(SmtpReply) reply = {};
    smtp_reply_add(&reply, "550-5.1.1 no\x1b[31m such \xff", 24);
    smtp_reply_add(&reply, "550 5.1.1 user", 14);
    g_autofree char *text = smtp_reply_text(&reply);
    EXPECT_STREQ(text, "550 5.1.1 no [31m such \xef\xbf\xbd user");
    for (const char *bad : {"", "25", "600 x", "2x0 a", "250_x", "HTTP/1.1 400", "\xff\xff\xff"}) {
        g_auto(SmtpReply) other = {};
        EXPECT_EQ(smtp_reply_add(&other, bad, strlen(bad)), SMTP_REPLY_BAD) << bad;
    }
    g_auto(SmtpReply) mixed = {};
    EXPECT_EQ(smtp_reply_add(&mixed, "250-a", 5), SMTP_REPLY_MORE);
    EXPECT_EQ(smtp_reply_add(&mixed, "251 b", 5), SMTP_REPLY_BAD);
    g_auto(SmtpReply) endless = {};
    SmtpReplyStatus status = SMTP_REPLY_MORE;
    for (int i = 0; i < 1000 && status == SMTP_REPLY_MORE; i++)
        status = smtp_reply_add(&endless, "250-a", 5);
    EXPECT_EQ(status, SMTP_REPLY_BAD);
}

/* ---- sessions -------------------------------------------------------------------------------- */

class SubmissionTest : public SessionTest
{
  protected:
    std::string plain()
    {
        std::string zero(1, '\0');
        return encode(zero + "work" + zero + password);
    }

    QueueEntry *last()
    {
        g_autoptr(GPtrArray) all = queue_list(queue, nullptr, -1, 0, 1, nullptr);
        return all->len ? (QueueEntry *)g_ptr_array_steal_index(all, 0) : nullptr;
    }

    std::string body(gint64 id)
    {
        g_autoptr(GBytes) bytes = queue_read(queue, id, 0, 200000000, nullptr);
        gsize size = 0;
        auto data = bytes ? (const char *)g_bytes_get_data(bytes, &size) : nullptr;
        return std::string(data ? data : "", size);
    }

    guint64 waiting()
    {
        guint64 counts[5];
        queue_counts(queue, nullptr, counts, nullptr);
        return counts[QUEUE_WAITING];
    }
};

TEST_F(SubmissionTest, AMessageIsStoredByteForByte)
{
    Session session(serve_submission, &daemon, nullptr);
    session.follow("S: 220 localhost ESMTP\n"
                   "C: EHLO client\nS: 250-localhost\n"
                   "C: AUTH PLAIN " +
                   plain() +
                   "\nS: 235 2.7.0\n"
                   "C: MAIL FROM:<ada@example.org> SIZE=50 BODY=8BITMIME RET=HDRS ENVID=QQ+3D1\n"
                   "S: 250 2.1.0\n"
                   "C: RCPT TO:<bob@example.com> NOTIFY=success,FAILURE ORCPT=rfc822;bob+40x\n"
                   "S: 250 2.1.5\n"
                   "C: RCPT TO:<eve@example.net>\nS: 250 2.1.5\n"
                   "C: DATA\nS: 354\n"
                   "C: date: Tue, 24 Nov 2026 10:00:00 +0000\n"
                   "C: Bcc: secret@example.org\n"
                   "C: MESSAGE-Id : <1@example.org>\n"
                   "C: Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n"
                   "C: \n"
                   "C: ..dots\n"
                   "C: caf\xc3\xa9\n"
                   "C: .\n"
                   "S: 250 2.0.0 Queued as 1\n"
                   "C: QUIT\nS: 221 2.0.0\n");
    g_autoptr(QueueEntry) entry = last();
    ASSERT_NE(entry, nullptr);
    EXPECT_STREQ(entry->account, "work");
    EXPECT_STREQ(entry->sender, "ada@example.org");
    EXPECT_STREQ(entry->ret, "HDRS");
    EXPECT_STREQ(entry->envid, "QQ+3D1");
    EXPECT_STREQ(entry->subject, "Grüße");
    EXPECT_TRUE(entry->eightbit);
    EXPECT_FALSE(entry->smtputf8);
    ASSERT_EQ(entry->recipients->len, 2u);
    auto bob = (QueueRecipient *)g_ptr_array_index(entry->recipients, 0);
    EXPECT_STREQ(bob->address, "bob@example.com");
    EXPECT_STREQ(bob->notify, "SUCCESS,FAILURE");
    EXPECT_STREQ(bob->orcpt, "rfc822;bob+40x");
    EXPECT_NEAR((double)entry->submitted, (double)g_get_real_time() / G_USEC_PER_SEC, 60);
    EXPECT_EQ(body(entry->id), "date: Tue, 24 Nov 2026 10:00:00 +0000\r\n"
                               "Bcc: secret@example.org\r\nMESSAGE-Id : "
                               "<1@example.org>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
                               "\r\n.dots\r\ncaf\xc3\xa9\r\n");
    EXPECT_EQ(entry->size, body(entry->id).size());
}

TEST_F(SubmissionTest, ADateAndAMessageIdAreAddedWhereMissingAndNothingElse)
{
    const std::string date = "Date: Tue, 24 Nov 2026 10:00:00 +0000\r\n",
                      id = "Message-ID: <1@example.org>\r\n", large(3000000, 'x');
    struct {
        std::string text, sender, pattern; /* what is put in front of it */
    } table[] = {
        {date + id + "\r\nx\r\n", "ada@example.org", "^$"},
        {date + "\r\nx\r\n", "ada@example.org", "^Message-ID: <[-0-9a-f]+@example.org>\r\n$"},
        {id + "\r\nx\r\n", "ada@example.org",
         "^Date: [A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} [+-][0-9]{4}\r\n$"},
        {"Subject: x\r\n\r\n" + date + id, "ada+lists@example.org",
         "^Date: [^\r]+\r\nMessage-ID: <[^\r]+@example.org>\r\n$"},
        {"\r\nno header\r\n", "", "^Date: [^\r]+\r\nMessage-ID: <[^\r]+@example.org>\r\n$"},
        {"no header at all\r\n", "ada@example.org", "^$"},
        {"", "ada@example.org", "^$"},
        {"Subject: large\r\n\r\n" + large + "\r\n", "ada@example.org",
         "^Date: [^\r]+\r\nMessage-ID: <[^\r]+@example.org>\r\n$"},
        {date + id + "Subject: large\r\n\r\n" + large + "\r\n", "ada@example.org", "^$"},
    };
    for (auto &row : table)
        for (bool chunks : {false, true}) {
            Session session(serve_submission, &daemon, account);
            session.follow("S: 220\nC: EHLO x\nS: 250\nC: MAIL FROM:<" + row.sender +
                           ">\nS: 250\nC: RCPT TO:<a@b>\nS: 250\n");
            if (chunks) {
                session.send("BDAT " + std::to_string(row.text.size()) + " LAST\r\n" + row.text);
            } else {
                session.follow("C: DATA\nS: 354\n");
                session.send(row.text + ".\r\n");
            }
            session.follow("S: 250 2.0.0 Queued\n");
            g_autoptr(QueueEntry) entry = last();
            std::string all = body(entry->id);
            EXPECT_EQ(entry->size, all.size());
            ASSERT_GE(all.size(), row.text.size());
            EXPECT_TRUE(all.substr(all.size() - row.text.size()) == row.text);
            std::string added = all.substr(0, all.size() - row.text.size());
            EXPECT_TRUE(g_regex_match_simple(row.pattern.c_str(), added.c_str(), G_REGEX_DEFAULT,
                                             G_REGEX_MATCH_DEFAULT))
                << added;
        }
}

TEST_F(SubmissionTest, MailCanBeTakenBackForAMomentAndSentLater)
{
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    settings->undo_delay = 10;
    auto submit = [&](const std::string &parameters) {
        Session session(serve_submission, &daemon, account);
        session.follow("S: 220\nC: EHLO x\nS: 250\nC: MAIL FROM:<ada@example.org>" + parameters +
                       "\nS: 250\nC: RCPT TO:<a@b>\nS: 250\nC: DATA\nS: 354\nC: x\nC: .\nS: 250\n");
        g_autoptr(QueueEntry) entry = last();
        return entry->send_at - now;
    };
    EXPECT_NEAR((double)submit(""), 10, 5);
    EXPECT_NEAR((double)submit(" HOLDFOR=3600"), 3600, 5);
    EXPECT_NEAR((double)submit(" HOLDFOR=1"), 10, 5);
    g_autoptr(GDateTime) when = g_date_time_new_from_unix_utc(now + 86400);
    g_autofree char *text = g_date_time_format(when, "%Y-%m-%dT%H:%M:%SZ");
    EXPECT_NEAR((double)submit(std::string(" HOLDUNTIL=") + text), 86400, 1);
    settings->undo_delay = 0;
    EXPECT_NEAR((double)submit(" HOLDUNTIL=2020-01-01T00:00:00Z"), 1577836800. - now, 1);
    Session session(serve_submission, &daemon, account);
    session.follow("S: 220\nC: EHLO x\n");
    EXPECT_NE(session.answer().find("250-FUTURERELEASE 31622400 20"), std::string::npos);
}

TEST_F(SubmissionTest, ANulIsRefusedHoweverItComes)
{
    for (bool chunks : {false, true})
        for (std::string text : {std::string("a\0b\r\n", 5), std::string("\0\r\n", 3),
                                 std::string("a\r\n\0", 4) + "\r\n"}) {
            Session session(serve_submission, &daemon, account);
            session.follow("S: 220\nC: EHLO x\nS: 250\nC: MAIL FROM:<ada@example.org>\nS: 250\n"
                           "C: RCPT TO:<a@b>\nS: 250\n");
            if (chunks) {
                session.send("BDAT " + std::to_string(text.size()) + " LAST\r\n" + text);
            } else {
                session.follow("C: DATA\nS: 354\n");
                session.send(text + ".\r\n");
            }
            session.follow("S: 550 5.6.0 The message has a NUL\nC: NOOP\nS: 250\n");
        }
    EXPECT_EQ(waiting(), 0u);
}

TEST_F(SubmissionTest, NobodySendsWithoutLoggingIn)
{
    Session session(serve_submission, &daemon, nullptr);
    session.follow("S: 220\n"
                   "C: MAIL FROM:<ada@example.org>\nS: 503 5.5.1\n"
                   "C: AUTH PLAIN\nS: 503 5.5.1\n"
                   "C: EHLO client\nS: 250-localhost\n"
                   "C: MAIL FROM:<ada@example.org>\nS: 530 5.7.0\n"
                   "C: DATA\nS: 530 5.7.0\n"
                   "C: BDAT 5 LAST\nC: abc\nS: 530 5.7.0\n"
                   "C: AUTH PLAIN AGFkYQBub25zZW5zZQ==\nS: 535 5.7.8\n"
                   "C: AUTH GSSAPI\nS: 504 5.5.4\n"
                   "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: *\nS: 501 5.7.0\n"
                   "C: AUTH LOGIN " +
                   encode("ada@example.org") +
                   "\nS: 334 UGFzc3dvcmQ6\n"
                   "C: " +
                   encode(password) +
                   "\nS: 235 2.7.0\n"
                   "C: AUTH PLAIN " +
                   plain() +
                   "\nS: 503 5.5.1\n"
                   "C: MAIL FROM:<ada@example.org>\nS: 250 2.1.0\n");
}

TEST_F(SubmissionTest, OnTheAccountsOwnSocketTheUserIsTheLogin)
{
    Session session(serve_submission, &daemon, account);
    session.send("EHLO x\r\n");
    session.follow("S: 220\n");
    EXPECT_EQ(session.answer().find("AUTH"), std::string::npos);
    session.follow("C: MAIL FROM:<ada@example.org>\nS: 250\n");
}

TEST_F(SubmissionTest, TheSenderHasToBeTheAccounts)
{
    g_strfreev(settings->aliases);
    const char *aliases[] = {"lovelace@example.com", nullptr};
    settings->aliases = g_strdupv((char **)aliases);
    Session session(serve_submission, &daemon, account);
    session.follow(
        "S: 220\nC: EHLO x\nS: 250\n"
        "C: MAIL FROM:<eve@example.org>\nS: 550 5.7.1 eve@example.org is not an address\n"
        "C: MAIL FROM:<lovelace@example.com>\nS: 250\nC: RSET\nS: 250\n"
        "C: MAIL FROM:<ada+lists@example.org>\nS: 250\nC: RSET\nS: 250\n"
        "C: MAIL FROM:<>\nS: 250\n");
}

TEST_F(SubmissionTest, AnAccountThatCantSendSaysSo)
{
    g_clear_pointer(&settings->outgoing, net_endpoint_free);
    Session session(serve_submission, &daemon, account);
    session.follow("S: 220\nC: EHLO x\nS: 250\nC: MAIL FROM:<ada@example.org>\nS: 550 5.3.5\n");
}

TEST_F(SubmissionTest, WhatIsOutOfOrderOrUnknownIsRefusedAndTheSessionGoesOn)
{
    Session session(serve_submission, &daemon, account);
    session.follow("S: 220\n"
                   "C: EHLO\nS: 501\n"
                   "C: HELO x\nS: 250 localhost\n"
                   "C: RCPT TO:<b@c>\nS: 503\n"
                   "C: DATA\nS: 503\n"
                   "C: DATA x\nS: 501\n"
                   "C: MAIL FROM:<ada@example.org>\nS: 250\n"
                   "C: MAIL FROM:<ada@example.org>\nS: 503\n"
                   "C: DATA\nS: 554\n"
                   "C: RCPT TO:<>\nS: 501\n"
                   "C: RCPT TO:<nonsense>\nS: 501\n"
                   "C: RCPT FROM:<b@c>\nS: 501\n"
                   "C: RCPT TO:<b@c> NOTIFY=NEVER,DELAY\nS: 501\n"
                   "C: RCPT TO:<b@c> ORCPT=b@c\nS: 501\n"
                   "C: RCPT TO:<b@c> FOO=bar\nS: 555\n"
                   "C: RCPT TO:<b@c> NOTIFY=DELAY NOTIFY=DELAY\nS: 501\n"
                   "C: RCPT TO:<b@c>\nS: 250\n"
                   "C: RSET\nS: 250\n"
                   "C: DATA\nS: 503\n"
                   "C: FOO\nS: 500\n"
                   "C: VRFY ada\nS: 252\n"
                   "C: HELP\nS: 214\n"
                   "C: NOOP whatever\nS: 250\n"
                   "C: quit\nS: 221\n");
    EXPECT_EQ(session.line(), "");
}

TEST_F(SubmissionTest, ParametersOfMailAreChecked)
{
    Session session(serve_submission, &daemon, account);
    session.follow("S: 220\nC: EHLO x\nS: 250\n"
                   "C: MAIL FROM:<ada@example.org> SIZE=999999999999\nS: 552 5.3.4\n"
                   "C: MAIL FROM:<ada@example.org> SIZE=abc\nS: 501 5.5.4 SIZE\n"
                   "C: MAIL FROM:<ada@example.org> SIZE\nS: 501\n"
                   "C: MAIL FROM:<ada@example.org> BODY=BINARYMIME\nS: 501\n"
                   "C: MAIL FROM:<ada@example.org> RET=SOME\nS: 501\n"
                   "C: MAIL FROM:<ada@example.org> ENVID=a=b\nS: 501\n"
                   "C: MAIL FROM:<ada@example.org> SMTPUTF8=yes\nS: 501\n"
                   "C: MAIL FROM:<ada@example.org> BY=120;R\nS: 555\n"
                   "C: MAIL FROM:<ada@example.org> HOLDFOR=0\nS: 501\n"
                   "C: MAIL FROM:<ada@example.org> HOLDFOR=31622401\nS: 501\n"
                   "C: MAIL FROM:<ada@example.org> HOLDFOR=1h\nS: 501\n"
                   "C: MAIL FROM:<ada@example.org> HOLDUNTIL=tomorrow\nS: 501\n"
                   "C: MAIL FROM:<ada@example.org> HOLDUNTIL=2999-01-01T00:00:00Z\nS: 501\n"
                   "C: MAIL FROM:<ada@example.org> HOLDFOR=5 "
                   "HOLDUNTIL=2026-12-01T00:00:00Z\nS: 501\n"
                   "C: MAIL FROM:<ada@example.org> AUTH=<>\nS: 250\n");
}

TEST_F(SubmissionTest, AddressesBeyondAsciiNeedSmtputf8)
{
    Session session(serve_submission, &daemon, account);
    session.follow("S: 220\nC: EHLO x\nS: 250\n"
                   "C: MAIL FROM:<ada@example.org>\nS: 250\n"
                   "C: RCPT TO:<jürgen@example.org>\nS: 553 5.6.7\n"
                   "C: RSET\nS: 250\n"
                   "C: MAIL FROM:<ada@example.org> SMTPUTF8\nS: 250\n"
                   "C: RCPT TO:<jürgen@example.org>\nS: 250\n"
                   "C: DATA\nS: 354\nC: x\nC: .\nS: 250\n");
    g_autoptr(QueueEntry) entry = last();
    EXPECT_TRUE(entry->smtputf8);
}

TEST_F(SubmissionTest, PipelinedCommandsAreAnsweredInOrder)
{
    Session session(serve_submission, &daemon, account);
    session.send("EHLO x\r\nMAIL FROM:<ada@example.org>\r\nRCPT TO:<a@b>\r\nRCPT TO:<>\r\n"
                 "RCPT TO:<c@d>\r\nDATA\r\n");
    session.follow("S: 220\nS: 250-\nS: 250\nS: 250\nS: 501\nS: 250\nS: 354\n");
    session.send("one\r\n.\r\nMAIL FROM:<ada@example.org>\r\nRCPT TO:<a@b>\r\nDATA\r\n");
    session.follow("S: 250 2.0.0 Queued\nS: 250\nS: 250\nS: 354\n");
    session.send(".\r\nQUIT\r\n");
    session.follow("S: 250 2.0.0 Queued\nS: 221\n");
    EXPECT_EQ(waiting(), 2u);
}

TEST_F(SubmissionTest, NobodySmugglesAMessageIntoAnother)
{
    for (const char *end : {"\n.\n", "\r.\r", "\n.\r\n", "\r\n.\n", "\r\n.\r"}) {
        Session session(serve_submission, &daemon, account);
        session.follow("S: 220\nC: EHLO x\nS: 250\nC: MAIL FROM:<ada@example.org>\nS: 250\n"
                       "C: RCPT TO:<a@b>\nS: 250\nC: DATA\nS: 354\n");
        session.send(std::string("one") + end +
                     "MAIL FROM:<ada@example.org>\r\nRCPT TO:<a@b>\r\nDATA\r\ntwo\r\n.\r\n");
        session.follow("S: 550 5.6.0\nC: NOOP\nS: 250\n");
    }
    EXPECT_EQ(waiting(), 0u);
}

TEST_F(SubmissionTest, ChunksMakeAMessageToo)
{
    Session session(serve_submission, &daemon, account);
    session.follow("S: 220\nC: EHLO x\nS: 250\nC: MAIL FROM:<ada@example.org>\nS: 250\n"
                   "C: RCPT TO:<a@b>\nS: 250\n");
    session.send("BDAT 7\r\n.\r\n..\r\n");
    session.follow("S: 250 2.0.0 7\nC: DATA\nS: 503\nC: RCPT TO:<c@d>\nS: 503\n");
    session.send("BDAT 5 last\r\nEnd\r\nMAIL FROM:<ada@example.org>\r\nRCPT TO:<a@b>\r\n"
                 "BDAT 3\r\nab\rBDAT 0 LAST\r\nBDAT 4 LAST\r\nxxxxNOOP\r\n");
    session.follow("S: 250 2.0.0 Queued\nS: 250\nS: 250\nS: 250\nS: 550 5.6.0\nS: 503\nS: 250\n"
                   "C: BDAT x\nS: 501\n");
    EXPECT_EQ(session.line(), "");
    g_autoptr(QueueEntry) entry = last();
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(body(entry->id), ".\r\n..\r\nEnd\r\n"); /* no header to add to */
    EXPECT_EQ(waiting(), 1u);
}

TEST_F(SubmissionTest, LargeMessagesGoThroughAFile)
{
    std::string text = "Subject: large\r\n\r\n";
    while (text.size() < 5000000)
        text += "." + std::to_string(text.size() * 7919) + "\r\n";
    std::string wire;
    for (size_t at = 0, end; at < text.size(); at = end) {
        end = text.find('\n', at) + 1;
        wire += (text[at] == '.' ? "." : "") + text.substr(at, end - at);
    }
    Session session(serve_submission, &daemon, account);
    session.follow("S: 220\nC: EHLO x\nS: 250\nC: MAIL FROM:<ada@example.org>\nS: 250\n"
                   "C: RCPT TO:<a@b>\nS: 250\nC: DATA\nS: 354\n");
    session.send(wire + ".\r\n");
    session.follow("S: 250 2.0.0\n");
    g_autoptr(QueueEntry) entry = last();
    EXPECT_STREQ(entry->subject, "large");
    std::string stored = body(entry->id); /* with a Date and a Message-ID in front */
    EXPECT_TRUE(stored.substr(stored.size() - text.size()) == text);
}

TEST_F(SubmissionTest, TooLargeIsSaidAtTheEndAndNothingIsKept)
{
    Session session(serve_submission, &daemon, account);
    session.follow("S: 220\nC: EHLO x\nS: 250\nC: MAIL FROM:<ada@example.org>\nS: 250\n"
                   "C: RCPT TO:<a@b>\nS: 250\nC: DATA\nS: 354\n");
    std::string piece(1 << 20, 'x');
    piece += "\r\n";
    for (int i = 0; i < 151; i++)
        session.send(piece);
    session.follow("C: .\nS: 552 5.3.4\nC: NOOP\nS: 250\n");
    EXPECT_EQ(waiting(), 0u);
}

TEST_F(SubmissionTest, TooManyRecipientsAreRefusedForNow)
{
    Session session(serve_submission, &daemon, account);
    session.follow("S: 220\nC: EHLO x\nS: 250\nC: MAIL FROM:<ada@example.org>\nS: 250\n");
    for (int i = 0; i < 1000; i++) {
        session.send("RCPT TO:<a" + std::to_string(i) + "@b>\r\n");
        EXPECT_EQ(session.answer().substr(0, 3), "250");
    }
    session.follow("C: RCPT TO:<one.more@b>\nS: 452 4.5.3\n");
}

TEST_F(SubmissionTest, LongLinesAndGarbageAreBounded)
{
    Session session(serve_submission, &daemon, account);
    session.follow("S: 220\nC: EHLO x\nS: 250\n");
    session.send("NOOP " + std::string(13000, 'x') + "\r\n");
    session.follow("S: 500 5.5.6\nC: NOOP\nS: 250\n");
    session.send(std::string("NO\0OP\r\n", 7));
    session.follow("S: 500\n");
    for (int i = 0; i < 17; i++)
        session.follow("C: \xff\xfe\nS: 500\n");
    session.follow("C: X\nS: 421 4.7.0\n");
    EXPECT_EQ(session.line(), "");
}

/* Whatever stands in a line that is too long, and however it comes in pieces. */
TEST_F(SubmissionTest, TheTailOfALongLineIsNoCommand)
{
    Session session(serve_submission, &daemon, account);
    session.follow("S: 220\nC: EHLO x\nS: 250\n");
    for (size_t length : {12289u, 16000u, 32768u, 40000u, 70000u, 300000u}) {
        std::string line = "NOOP " + std::string(length, 'x');
        for (size_t at = 0; at < line.size(); at += 8000) {
            session.send(line.substr(at, 8000));
            g_usleep(2000);
        }
        session.send("MAIL FROM:<ada@example.org>");
        g_usleep(20000);
        session.send("\r\nRSET\r\n");
        session.follow("S: 500 5.5.6\nS: 250 2.0.0 Forgotten\n");
    }
    session.follow("C: RCPT TO:<a@b>\nS: 503\n");
}

TEST_F(SubmissionTest, ALongAnswerToAuthIsNoCommandEither)
{
    Session session(serve_submission, &daemon, nullptr);
    session.follow("S: 220\nC: EHLO x\nS: 250\nC: AUTH LOGIN\nS: 334\n");
    session.send(std::string(50000, 'A') + "QUIT\r\n");
    session.follow("S: 501 5.5.2\nC: NOOP\nS: 250\n");
}

TEST_F(SubmissionTest, WhatIsNoClientIsSentAwayBeforeItsBodyIsRead)
{
    for (const char *method :
         {"GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "DELETE", "post"})
        for (ServeAccount *preauth : {(ServeAccount *)nullptr, account}) {
            Session session(serve_submission, &daemon, preauth);
            session.follow("S: 220\n");
            session.send(std::string(method) + " / HTTP/1.1\r\nHost: localhost\r\n\r\nEHLO x\r\n");
            EXPECT_EQ(session.line(), "") << method;
        }
    {
        Session session(serve_submission, &daemon, nullptr);
        session.follow("S: 220\n");
        session.send(std::string("\x16\x03\x01\x02\x00\x01", 6));
        EXPECT_EQ(session.line(), "");
    }
    Session session(serve_submission, &daemon, nullptr);
    session.follow("S: 220\nC: hello\nS: 500\nC: \nS: 500\nC: EHLOX\nS: 421 4.7.0\n");
    EXPECT_EQ(session.line(), "");
}

TEST_F(SubmissionTest, AChunkIsNeverACommandWhateverTheState)
{
    Session session(serve_submission, &daemon, nullptr);
    std::string chunk = "EHLO x\r\nAUTH PLAIN " + plain() + "\r\n";
    std::string command = "BDAT " + std::to_string(chunk.size()) + " LAST\r\n" + chunk;
    session.follow("S: 220\n");
    session.send(command);
    session.follow("S: 503 5.5.1\nC: EHLO x\nS: 250\n");
    session.send(command);
    session.follow("S: 530 5.7.0\nC: MAIL FROM:<ada@example.org>\nS: 530\n");
}

TEST_F(SubmissionTest, StartTlsComesBeforeTheLogin)
{
    daemon.tls = net_tls_local(directory, nullptr);
    ASSERT_NE(daemon.tls, nullptr);
    {
        Session session(serve_submission, &daemon, nullptr);
        session.follow("S: 220\nC: EHLO x\nS: 250\nC: AUTH PLAIN " + plain() +
                       "\nS: 235\nC: STARTTLS\nS: 503 5.5.1\nC: NOOP\nS: 250\n");
    }
    Session own(serve_submission, &daemon, account);
    own.follow("S: 220\nC: EHLO x\nS: 250\nC: STARTTLS\nS: 220\n");
}

TEST_F(SubmissionTest, WithoutAQueueMailIsRefusedForNowWithTheReason)
{
    daemon.queue = nullptr;
    daemon.queue_error = "nothing can be sent: the queue is damaged";
    Session session(serve_submission, &daemon, account);
    session.follow("S: 220\nC: EHLO x\nS: 250\n"
                   "C: MAIL FROM:<ada@example.org>\n"
                   "S: 451 4.3.0 nothing can be sent: the queue is damaged\n"
                   "C: RCPT TO:<a@b>\nS: 503\nC: DATA\nS: 503\n");
    session.send("BDAT 3 LAST\r\nabc");
    session.follow("S: 503\nC: QUIT\nS: 221\n");
}

TEST_F(SubmissionTest, InjectionBeforeStartTlsEndsTheSession)
{
    daemon.tls = net_tls_local(directory, nullptr);
    ASSERT_NE(daemon.tls, nullptr);
    Session session(serve_submission, &daemon, nullptr);
    session.follow("S: 220\nC: EHLO x\nS: 250\n");
    session.send("STARTTLS\r\nRSET\r\n");
    session.follow("S: 220\n");
    EXPECT_EQ(session.line(), "");
}

TEST_F(SubmissionTest, AfterStartTlsEverythingBeginsAnewAndScramPlusIsThere)
{
    daemon.tls = net_tls_local(directory, nullptr);
    g_autofree char *authority = g_build_filename(directory, "authority.pem", nullptr);
    g_autoptr(NetTlsClient) trust = net_tls_client_new(authority, nullptr);
    ASSERT_TRUE(daemon.tls && trust);
    Session session(serve_submission, &daemon, nullptr);
    session.follow("S: 220\nC: STARTTLS\nS: 503\nC: EHLO x\nS: 250\nC: STARTTLS\nS: 220\n");
    g_autoptr(NetStream) stream = net_stream_new(dup(session.fd), "server", session.cancel);
    ASSERT_TRUE(net_stream_start_tls(stream, trust, "localhost", nullptr));
    net_stream_puts(stream, "MAIL FROM:<ada@example.org>\r\nEHLO x\r\n", nullptr);
    net_stream_flush(stream, nullptr);
    std::string text;
    for (int i = 0; i < 10 && text.find("250 SIZE") == std::string::npos; i++)
        text += std::string(net_stream_read_line(stream, 1000, nullptr, nullptr)) + "\n";
    EXPECT_EQ(text.substr(0, 3), "503");
    EXPECT_NE(text.find("SCRAM-SHA-256-PLUS"), std::string::npos);
    EXPECT_EQ(text.find("STARTTLS"), std::string::npos);
    net_stream_close(stream);
}

TEST_F(SubmissionTest, StoppingIsSaidPolitely)
{
    Session session(serve_submission, &daemon, account);
    session.follow("S: 220\nC: EHLO x\nS: 250\n");
    net_cancel_trigger(session.cancel);
    session.follow("S: 421 4.3.2\n");
}

/* A limit on file sizes is a full disk that needs no root. */
TEST_F(SubmissionTest, AFullDiskIsAnswered452AndAfterwardsAllIsWell)
{
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGXFSZ, SIG_IGN);
        queue_close(queue);
        queue = daemon.queue = queue_open((std::string(directory) + "/other.db").c_str(), nullptr);
        {
            Session session(serve_submission, &daemon, account);
            session.follow("S: 220\nC: EHLO x\nS: 250\nC: MAIL FROM:<ada@example.org>\nS: 250\n"
                           "C: RCPT TO:<a@b>\nS: 250\nC: DATA\nS: 354\n");
            struct rlimit limit = {1500000, RLIM_INFINITY};
            setrlimit(RLIMIT_FSIZE, &limit);
            for (int i = 0; i < 3000; i++)
                session.send(std::string(998, 'x') + "\r\n");
            session.follow("C: .\nS: 452 4.3.1\n");
            limit.rlim_cur = RLIM_INFINITY;
            setrlimit(RLIMIT_FSIZE, &limit);
            session.follow("C: MAIL FROM:<ada@example.org>\nS: 250\nC: RCPT TO:<a@b>\nS: 250\n"
                           "C: DATA\nS: 354\nC: x\nC: .\nS: 250 2.0.0\n");
        }
        _exit(HasFailure() ? 1 : 0);
    }
    int status;
    waitpid(pid, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

} // namespace
