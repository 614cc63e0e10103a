/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The upstream POP3 client against scripted servers, and the language itself. */
#include <gtest/gtest.h>

#include "scripted-server.h"

extern "C" {
#include "daemon/proto/pop3/text.h"
#include "daemon/upstream/pop3.h"
}

namespace
{

struct Options {
    const char *url = "pop3+insecure://127.0.0.1:110";
    const char *secret = "lovelace";
    bool oauth2 = false;
};

class Connection
{
  public:
    explicit Connection(const std::string &script, Options options = {}) : server(script)
    {
        g_autoptr(NetEndpoint) endpoint = net_endpoint_parse(options.url, nullptr);
        UpstreamLogin how = {};
        how.endpoint = endpoint;
        how.user = "ada";
        how.secret = options.secret;
        how.oauth2 = options.oauth2;
        how.timeout = 20;
        client = pop3_client_start(net_stream_new(server.client_fd, "pop.example.org:110", cancel),
                                   &how, &error);
    }

    ~Connection()
    {
        pop3_client_free(client);
        net_cancel_unref(cancel);
        g_clear_error(&error);
    }

    Server server;
    NetCancel *cancel = net_cancel_new();
    Pop3Client *client;
    GError *error = nullptr;
};

const char *const HELLO = "S: +OK hello\n"
                          "C: CAPA\nS: +OK\nS: TOP\nS: UIDL\nS: USER\nS: .\n"
                          "C: USER ada\nS: +OK\nC: PASS lovelace\nS: +OK\n";

std::string refused(const std::string &script, int code, Options options = {})
{
    Connection connection(script, options);
    EXPECT_EQ(connection.client, nullptr);
    EXPECT_TRUE(g_error_matches(connection.error, POP3_CLIENT_ERROR, code))
        << script << (connection.error ? connection.error->message : "no error");
    return connection.error ? connection.error->message : "";
}

/* ---- logging in ---------------------------------------------------------------------------- */

TEST(Pop3Login, PlainWhereOfferedElseUserAndPass)
{
    EXPECT_NE(Connection(HELLO).client, nullptr);
    Connection plain("S: +OK\nC: CAPA\nS: +OK\nS: SASL PLAIN LOGIN\nS: .\n"
                     "C: AUTH PLAIN\nS: + \nC: AGFkYQBsb3ZlbGFjZQ==\nS: +OK\n");
    EXPECT_NE(plain.client, nullptr);
}

TEST(Pop3Login, AServerWithoutCapaIsTriedAllTheSame)
{
    EXPECT_NE(Connection("S: +OK\nC: CAPA\nS: -ERR what?\nC: USER ada\nS: +OK\n"
                         "C: PASS lovelace\nS: +OK\n")
                  .client,
              nullptr);
}

TEST(Pop3Login, ATokenTakesTwoLinesAndItsRefusalIsAnswered)
{
    Options token = {.secret = "t", .oauth2 = true};
    Connection good("S: +OK\nC: CAPA\nS: +OK\nS: SASL XOAUTH2\nS: .\n"
                    "C: AUTH XOAUTH2\nS: +\nC: dXNlcj1hZGEBYXV0aD1CZWFyZXIgdAEB\nS: +OK\n",
                    token);
    EXPECT_NE(good.client, nullptr);
    Connection bearer("S: +OK\nC: CAPA\nS: +OK\nS: SASL XOAUTH2 OAUTHBEARER\nS: .\n"
                      "C: AUTH OAUTHBEARER\nS: + \nC: bixhPWFkYS*\nS: +OK\n",
                      token);
    EXPECT_NE(bearer.client, nullptr);
    refused("S: +OK\nC: CAPA\nS: +OK\nS: SASL XOAUTH2\nS: .\n"
            "C: AUTH XOAUTH2\nS: +\nC: *\nS: + eyJzdGF0dXMiOiI0MDAifQ==\nC: \nS: -ERR no\n",
            POP3_CLIENT_ERROR_AUTH, token);
}

TEST(Pop3Login, CodesAndWordsTellWhatARefusalMeans)
{
    struct {
        const char *capa, *answer;
        int code;
    } const cases[] = {
        {"USER", "-ERR [AUTH] no", POP3_CLIENT_ERROR_AUTH},
        {"USER", "-ERR invalid login", POP3_CLIENT_ERROR_AUTH},
        {"USER", "-ERR [IN-USE] busy", POP3_CLIENT_ERROR_UNAVAILABLE},
        {"USER", "-ERR [in-use] busy", POP3_CLIENT_ERROR_UNAVAILABLE},
        {"USER", "-ERR [LOGIN-DELAY] wait", POP3_CLIENT_ERROR_UNAVAILABLE},
        {"USER", "-ERR [SYS/TEMP] disk", POP3_CLIENT_ERROR_UNAVAILABLE},
        {"USER", "-ERR [SYS/PERM] gone", POP3_CLIENT_ERROR_PROTOCOL},
        {"USER", "-ERR maildrop already locked", POP3_CLIENT_ERROR_UNAVAILABLE},
        {"USER", "-ERR Unable to lock maildrop", POP3_CLIENT_ERROR_UNAVAILABLE},
        {"USER", "-ERR too many connections", POP3_CLIENT_ERROR_UNAVAILABLE},
        {"AUTH-RESP-CODE", "-ERR no code", POP3_CLIENT_ERROR_UNAVAILABLE},
        {"AUTH-RESP-CODE", "-ERR [AUTH] code", POP3_CLIENT_ERROR_AUTH},
        {"USER", "hello?", POP3_CLIENT_ERROR_PROTOCOL},
    };
    for (const auto &one : cases)
        refused(std::string("S: +OK\nC: CAPA\nS: +OK\nS: ") + one.capa +
                    "\nS: .\nC: USER ada\nS: +OK\nC: PASS lovelace\nS: " + one.answer + "\n",
                one.code);
    refused("S: -ERR [SYS/TEMP] overloaded\n", POP3_CLIENT_ERROR_UNAVAILABLE);
    refused("S: * OK IMAP4rev1\n", POP3_CLIENT_ERROR_PROTOCOL);
}

TEST(Pop3Login, WithoutStlsNothingIsSent)
{
    Options tls = {.url = "pop3://pop.example.org"};
    EXPECT_NE(refused("S: +OK\nC: STLS\nS: -ERR unknown\n", POP3_CLIENT_ERROR_SECURITY, tls)
                  .find("pop3s://pop.example.org"),
              std::string::npos);
}

TEST(Pop3Login, ALineEndInAPasswordIsNoCommandOfItsOwn)
{
    refused("S: +OK\nC: CAPA\nS: -ERR\n", POP3_CLIENT_ERROR_AUTH, {.secret = "lovelace\r\nDELE 1"});
}

/* ---- the listing --------------------------------------------------------------------------- */

std::string listing(const std::string &script)
{
    Connection connection(HELLO + script);
    g_autoptr(GError) error = nullptr;
    g_autoptr(GArray) messages = pop3_client_list(connection.client, &error);
    if (!messages)
        return error->message;
    std::string out;
    for (guint i = 0; i < messages->len; i++) {
        const Pop3Message *message = &g_array_index(messages, Pop3Message, i);
        out += std::to_string(message->number) + ":" + std::to_string(message->size) + ":" +
               (message->uidl ? message->uidl : "-") + " ";
    }
    return out;
}

TEST(Pop3List, SizesAndNamesComeTogether)
{
    EXPECT_EQ(listing("C: STAT\nS: +OK 2 30\nC: LIST\nS: +OK\nS: 1 10\nS: 2 20\nS: .\n"
                      "C: UIDL\nS: +OK\nS: 1 a\nS: 2 b\nS: .\n"),
              "1:10:a 2:20:b ");
}

TEST(Pop3List, WhatIsOddIsBorneWith)
{
    EXPECT_EQ(listing("C: STAT\nS: +OK 0 0\n"), "");
    EXPECT_EQ(listing("C: STAT\nS: +OK 2 30\nC: LIST\nS: +OK<LF>\nS: 1 10<LF>\nS: 2 20 more<LF>\n"
                      "S: .<LF>\nC: UIDL\nS: -ERR never heard of\n"),
              "1:10:- 2:20:- ");
    /* Gaps, another order, what isn't listed, what has no name, what comes twice. */
    EXPECT_EQ(
        listing("C: STAT\nS: +OK 3 30\nC: LIST\nS: +OK\nS: 7 1\nS: 2 2\nS: 5 3\nS: 5 4\nS: x\n"
                "S: .\nC: UIDL\nS: +OK\nS: 5 e\nS: 6 f\nS: 2\nS: 7 g h\nS: 7 again\nS: .\n"),
        "2:2:- 5:3:e 7:1:g h ");
    EXPECT_NE(listing("C: STAT\nS: -ERR locked\n").find("locked"), std::string::npos);
    EXPECT_NE(listing("C: STAT\nS: +OK 1 1\nC: LIST\nS: -ERR broken\n").find("broken"),
              std::string::npos);
}

/* ---- messages ------------------------------------------------------------------------------ */

std::string text_of(const std::string &script, guint64 size = 100)
{
    Connection connection(HELLO + script);
    g_autoptr(GError) error = nullptr;
    if (!pop3_client_ask_retr(connection.client, 1, &error))
        return error->message;
    g_autoptr(GByteArray) text = pop3_client_read_text(connection.client, size, &error);
    return text ? std::string((const char *)text->data, text->len)
                : std::string("error: ") + error->message;
}

TEST(Pop3Text, DotsGoAndLineEndsAreCrLf)
{
    EXPECT_EQ(text_of("C: RETR 1\nS: +OK\nS: a\nS: ..b\nS: ...\nS: \nS: .\n"),
              "a\r\n.b\r\n..\r\n\r\n");
    EXPECT_EQ(text_of("C: RETR 1\nS: +OK<LF>\nS: a<LF>\nS: ..b<LF>\nS: .<LF>\n"), "a\r\n.b\r\n");
    EXPECT_EQ(text_of("C: RETR 1\nS: +OK\nS: a\nS: .<LF>\n"), "a\r\n");
    EXPECT_EQ(text_of("C: RETR 1\nS: +OK\nS: .\n"), "");
}

TEST(Pop3Text, IsTheSameHoweverItIsCut)
{
    const std::string in = "a\r\n..\r\n.x\r\r\n\rb\nc\r\n.\r\n+OK next";
    for (size_t cut = 0; cut <= in.size(); cut++) {
        Pop3Text text = {};
        g_autoptr(GByteArray) out = g_byte_array_new();
        size_t used = pop3_text_feed(&text, in.data(), cut, out);
        if (!text.done)
            used += pop3_text_feed(&text, in.data() + used, in.size() - used, out);
        EXPECT_TRUE(text.done);
        EXPECT_EQ(in.substr(used), "+OK next") << cut;
        EXPECT_EQ(std::string((const char *)out->data, out->len), "a\r\n.\r\nx\r\r\n\rb\r\nc\r\n")
            << cut;
    }
}

TEST(Pop3Text, RefusalsCutsAndFloodsAreErrors)
{
    EXPECT_EQ(text_of("C: RETR 1\nS: -ERR no such\n"), "error: 127.0.0.1 says: no such");
    EXPECT_EQ(text_of("C: RETR 1\nS: +OK\nS: half\nCLOSE\n").substr(0, 6), "error:");
    std::string flood = "C: RETR 1\nS: +OK\n";
    for (int i = 0; i < 20; i++)
        flood += "S: " + std::string(100000, 'x') + "\n";
    EXPECT_NE(text_of(flood, 10).find("much larger"), std::string::npos);
}

TEST(Pop3Text, WhatNobodyAskedForIsNoAnswer)
{
    Connection connection(HELLO + std::string("C: RETR 1\nS: +OK<CRLF>a<CRLF>.<CRLF>+OK\n"));
    g_autoptr(GError) error = nullptr;
    ASSERT_TRUE(pop3_client_ask_retr(connection.client, 1, nullptr));
    g_autoptr(GByteArray) text = pop3_client_read_text(connection.client, 3, &error);
    EXPECT_FALSE(pop3_client_ask_retr(connection.client, 2, &error));
    EXPECT_TRUE(g_error_matches(error, POP3_CLIENT_ERROR, POP3_CLIENT_ERROR_PROTOCOL));
}

TEST(Pop3Quit, TellsWhetherItWasDone)
{
    Connection done(HELLO + std::string("C: DELE 1\nS: +OK\nC: QUIT\nS: +OK\n"));
    ASSERT_TRUE(pop3_client_ask_dele(done.client, 1, nullptr));
    EXPECT_TRUE(pop3_client_read_status(done.client, nullptr));
    EXPECT_TRUE(pop3_client_quit(done.client, nullptr));
    Connection refused(HELLO + std::string("C: QUIT\nS: -ERR some not removed\n"));
    EXPECT_FALSE(pop3_client_quit(refused.client, nullptr));
    Connection cut(HELLO + std::string("C: QUIT\nCLOSE\n"));
    EXPECT_FALSE(pop3_client_quit(cut.client, nullptr));
}

TEST(Pop3Answers, NamesArePrintableAndBounded)
{
    guint32 number;
    g_autofree char *odd = nullptr, *none = nullptr, *longest = nullptr;
    EXPECT_TRUE(pop3_uidl_parse("1 \xff\x01", 4, &number, &odd));
    EXPECT_STREQ(odd, "\\377\\001");
    EXPECT_TRUE(pop3_uidl_parse("1 ", 2, &number, &none));
    EXPECT_EQ(none, nullptr);
    const std::string line = "1 " + std::string(5000, 'x');
    EXPECT_TRUE(pop3_uidl_parse(line.data(), line.size(), &number, &longest));
    EXPECT_LE(strlen(longest), 1000u);
    EXPECT_FALSE(pop3_uidl_parse("x y", 3, &number, &none));
    EXPECT_FALSE(pop3_uidl_parse("99999999999 y", 13, &number, &none));
}

TEST(Pop3Answers, CapabilitiesInAnyCase)
{
    Pop3Capabilities capabilities = {};
    for (const char *line : {"top", "SASL plain Xoauth2", "LOGIN-DELAY 900 USER", "PIPELINING", ""})
        pop3_capabilities_add(&capabilities, line, strlen(line));
    EXPECT_EQ(capabilities.bits, (guint)(POP3_CAP_TOP | POP3_CAP_PIPELINING));
    EXPECT_EQ(capabilities.mechanisms, (guint)(SASL_PLAIN | SASL_XOAUTH2));
    EXPECT_EQ(capabilities.login_delay, 900u);
}

} // namespace
