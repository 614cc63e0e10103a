/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The upstream IMAP client against scripted servers, honest and otherwise.
 */
#include <gtest/gtest.h>

#include "scripted-server.h"

#include <sys/eventfd.h>

extern "C" {
#include "daemon/config/config.h"
#include "daemon/config/habits.h"
#include "daemon/net/stream.h"
#include "daemon/proto/imap/response-fetch.h"
#include "daemon/upstream/imap.h"
}

namespace
{

struct Options {
    const char *url = "imap+insecure://127.0.0.1:143";
    const char *user = "ada";
    const char *secret = "lovelace";
    bool oauth2 = false;
    ImapResponseLimits limits = {};
    const char *quirks = nullptr; /* quirks= of the account */
};

/* An account's habits as its settings have them; the caller unrefs. */
AccountHabits *habits_of(const char *quirks)
{
    std::string text =
        std::string("[account a]\naddress=a@b.org\nincoming=imaps://b.org\nquirks=") + quirks +
        "\n";
    g_autoptr(Config) config = config_parse("c", text.c_str(), nullptr);
    return account_habits_new(config_find(config, "a")->settings);
}

class Connection
{
  public:
    Connection(Server &server, Options settings = {})
    {
        UpstreamLogin options = {};
        cancel = net_cancel_new();
        endpoint = net_endpoint_parse(settings.url, nullptr);
        tls = net_tls_client_new(nullptr, nullptr);
        options.endpoint = endpoint;
        options.tls = tls;
        options.user = settings.user;
        options.secret = settings.secret;
        options.oauth2 = settings.oauth2;
        options.timeout = 10;
        if (settings.quirks)
            options.habits = habits = habits_of(settings.quirks);
        NetStream *stream = net_stream_new(server.client_fd, "test:143", cancel);
        client = imap_client_start(stream, &options,
                                   settings.limits.line ? &settings.limits : nullptr, &error);
    }

    ~Connection()
    {
        imap_client_free(client);
        net_endpoint_free(endpoint);
        net_tls_client_unref(tls);
        net_cancel_unref(cancel);
        g_clear_pointer(&habits, account_habits_unref);
        g_clear_error(&error);
    }

    bool failed_with(ImapClientError code)
    {
        return client == nullptr && g_error_matches(error, IMAP_CLIENT_ERROR, code);
    }

    bool reported(ImapClientError code)
    {
        bool matches = g_error_matches(error, IMAP_CLIENT_ERROR, code);
        if (error && !matches)
            ADD_FAILURE() << error->message;
        return matches;
    }

    bool run(const char *command)
    {
        return imap_client_run(client, nullptr, &error, "%s", command);
    }

    ImapClient *client = nullptr;
    NetCancel *cancel;
    GError *error = nullptr;

  private:
    NetEndpoint *endpoint;
    NetTlsClient *tls;
    AccountHabits *habits = nullptr;
};

#define GREET "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR LITERAL+ IDLE MOVE UIDPLUS] hi\n"
#define LOG_IN                                                                                     \
    GREET "C: A1 AUTHENTICATE PLAIN AGFkYQBsb3ZlbGFjZQ==\n"                                        \
          "S: A1 OK [CAPABILITY IMAP4rev1 LITERAL+ IDLE MOVE UIDPLUS] in\n"

GBytes *xs(guint64, gsize length, gpointer, GError **)
{
    return g_bytes_new_take(g_strnfill(length, 'x'), length);
}

gboolean count_fetches(const ImapResponse *response, gpointer data, GError **)
{
    ImapFetchData fetch;
    if (response->name && g_str_equal(response->name, "FETCH") &&
        imap_fetch_data_parse(response, &fetch, nullptr))
        ++*(int *)data;
    return TRUE;
}

/* ---- connecting ---------------------------------------------------------------------------- */

TEST(Login, AuthenticatesWithAnInitialResponseWhereOffered)
{
    Server server(LOG_IN);
    Connection connection(server);
    ASSERT_NE(connection.client, nullptr);
    EXPECT_TRUE(imap_client_has(connection.client, IMAP_CAP_MOVE | IMAP_CAP_UIDPLUS));
    EXPECT_FALSE(imap_client_has(connection.client, IMAP_CAP_QRESYNC));
}

TEST(Login, AnswersTheChallengeWhereNot)
{
    Server server("S: * OK hi\n"
                  "C: A1 CAPABILITY\nS: * CAPABILITY IMAP4rev1 AUTH=PLAIN\nS: A1 OK\n"
                  "C: A2 AUTHENTICATE PLAIN\nS: +\nC: AGFkYQBsb3ZlbGFjZQ==\nS: A2 OK in\n"
                  "C: A3 CAPABILITY\nS: * CAPABILITY IMAP4rev1 IDLE\nS: A3 OK\n");
    Connection connection(server);
    ASSERT_NE(connection.client, nullptr) << connection.error->message;
    EXPECT_TRUE(imap_client_has(connection.client, IMAP_CAP_IDLE));
}

TEST(Login, QuotesWhatNeedsQuoting)
{
    Server server("S: * OK [CAPABILITY IMAP4rev1] hi\n"
                  "C: A1 LOGIN \"a d\\\"a\" {7}\nS: + go\nC: l\xc3\xb6vely\n"
                  "S: A1 OK [CAPABILITY IMAP4rev1] in\n");
    Options options;
    options.user = "a d\"a";
    options.secret = "l\xc3\xb6vely";
    Connection connection(server, options);
    EXPECT_NE(connection.client, nullptr) << connection.error->message;
}

TEST(Login, SendsATokenAndReadsWhyItWasRefused)
{
    Server server("S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hi\n"
                  "C: A1 AUTHENTICATE XOAUTH2 dXNlcj1hZGEBYXV0aD1CZWFyZXIgdG9rZW4BAQ==\n"
                  "S: + eyJzdGF0dXMiOiI0MDAifQ==\nC: \nS: A1 NO [AUTHENTICATIONFAILED] expired\n");
    Options options;
    options.secret = "token";
    options.oauth2 = true;
    Connection connection(server, options);
    EXPECT_TRUE(connection.failed_with(IMAP_CLIENT_ERROR_AUTH));
}

TEST(Login, AWrongPasswordIsToldFromABusyServer)
{
    struct {
        const char *answer;
        ImapClientError error;
    } cases[] = {
        {"NO [AUTHENTICATIONFAILED] Invalid credentials", IMAP_CLIENT_ERROR_AUTH},
        {"NO Login failed", IMAP_CLIENT_ERROR_AUTH},
        {"NO [UNAVAILABLE] Backend down", IMAP_CLIENT_ERROR_UNAVAILABLE},
        {"NO [ALERT] Too many simultaneous connections.", IMAP_CLIENT_ERROR_UNAVAILABLE},
        {"NO [LIMIT] Slow down", IMAP_CLIENT_ERROR_UNAVAILABLE},
        {"NO [AUTHENTICATIONFAILED] Too many failures", IMAP_CLIENT_ERROR_AUTH},
        {"NO [ALERT] Application-specific password required", IMAP_CLIENT_ERROR_AUTH},
        {"NO [EXPIRED] Change it first", IMAP_CLIENT_ERROR_AUTH},
        {"NO [OVERQUOTA] Account exceeded command or bandwidth limits",
         IMAP_CLIENT_ERROR_UNAVAILABLE},
        {"NO Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)",
         IMAP_CLIENT_ERROR_UNAVAILABLE},
        {"NO [INUSE] Locked", IMAP_CLIENT_ERROR_UNAVAILABLE},
        {"NO [SERVERBUG] Internal error occurred", IMAP_CLIENT_ERROR_UNAVAILABLE},
        {"NO Server Unavailable. 15", IMAP_CLIENT_ERROR_UNAVAILABLE},
        {"BAD User is authenticated but not connected", IMAP_CLIENT_ERROR_UNAVAILABLE},
        {"BAD Command received in Invalid state.", IMAP_CLIENT_ERROR_UNAVAILABLE},
        {"BAD", IMAP_CLIENT_ERROR_UNAVAILABLE},
    };
    for (auto &entry : cases) {
        Server server(std::string(GREET "C: A1 AUTHENTICATE PLAIN *\nS: A1 ") + entry.answer +
                      "\n");
        Connection connection(server);
        EXPECT_TRUE(connection.failed_with(entry.error)) << entry.answer;
        const char *words = strchr(entry.answer, ' ');
        EXPECT_NE((words && strstr(connection.error->message, words + 1) != nullptr) ||
                      strchr(entry.answer, ']') != nullptr || !words,
                  false)
            << connection.error->message;
    }
}

TEST(Login, AServerThatTakesNoConnectionIsUnavailable)
{
    Server server("S: * BYE Too many connections\nCLOSE\n");
    Connection connection(server);
    EXPECT_TRUE(connection.failed_with(IMAP_CLIENT_ERROR_UNAVAILABLE));
}

TEST(Login, SomethingElseThanImapIsSaidToBeThat)
{
    Server server("S: SSH-2.0-OpenSSH_9.2\n");
    Connection connection(server);
    EXPECT_TRUE(connection.failed_with(IMAP_CLIENT_ERROR_PROTOCOL));
}

TEST(Login, IsNotNeededAfterPreauthButAbilitiesAre)
{
    Server server(
        "S: * PREAUTH hi\nC: A1 CAPABILITY\nS: * CAPABILITY IMAP4rev1 UIDPLUS\nS: A1 OK\n");
    Connection connection(server);
    ASSERT_NE(connection.client, nullptr);
    EXPECT_TRUE(imap_client_has(connection.client, IMAP_CAP_UIDPLUS));
}

TEST(Login, NothingIsSentWhereLoginIsDisabled)
{
    Server server("S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hi\n");
    Connection connection(server);
    EXPECT_TRUE(connection.failed_with(IMAP_CLIENT_ERROR_SECURITY));
}

/* ---- STARTTLS ------------------------------------------------------------------------------ */

Options starttls()
{
    Options options;
    options.url = "imap://mail.example.org";
    return options;
}

TEST(Starttls, IsRequired)
{
    Server server("S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\n");
    Connection connection(server, starttls());
    EXPECT_TRUE(connection.failed_with(IMAP_CLIENT_ERROR_SECURITY));
}

TEST(Starttls, CannotBeSkippedByPreauth)
{
    Server server("S: * PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] come in\n");
    Connection connection(server, starttls());
    EXPECT_TRUE(connection.failed_with(IMAP_CLIENT_ERROR_SECURITY));
}

TEST(Starttls, WhatIsInjectedBeforeItIsNotRead)
{
    Server server("S: * OK [CAPABILITY IMAP4rev1 STARTTLS] hi\n"
                  "C: A1 STARTTLS\n"
                  "S: A1 OK go<CRLF>* OK [ALERT] call this number\n");
    Connection connection(server, starttls());
    EXPECT_EQ(connection.client, nullptr);
    EXPECT_TRUE(g_error_matches(connection.error, NET_ERROR, NET_ERROR_TLS));
}

/* ---- commands ------------------------------------------------------------------------------ */

TEST(Commands, PipelinedOnesFindTheirAnswersInAnyOrder)
{
    Server server(LOG_IN "C: A2 NOOP\nC: A3 CHECK\nS: A3 NO [LIMIT] not now\nS: A2 OK done\n");
    Connection connection(server);
    g_auto(ImapReply) second = {};
    guint first_number = imap_client_send(connection.client,
                                          imap_client_command(connection.client, "NOOP"), nullptr);
    guint second_number = imap_client_send(
        connection.client, imap_client_command(connection.client, "CHECK"), nullptr);
    EXPECT_TRUE(imap_client_finish(connection.client, first_number, nullptr, nullptr));
    EXPECT_TRUE(imap_client_finish(connection.client, second_number, &second, nullptr));
    EXPECT_EQ(second.cond, IMAP_COND_NO);
    EXPECT_STREQ(second.code, "LIMIT");
    EXPECT_STREQ(second.text, "not now");
}

TEST(Commands, ARefusalLeavesTheConnectionGood)
{
    Server server(LOG_IN "C: A2 DELETE x\nS: A2 NO [NOPERM] no\nC: A3 NOOP\nS: A3 OK\n");
    Connection connection(server);
    EXPECT_FALSE(connection.run("DELETE x"));
    EXPECT_TRUE(connection.reported(IMAP_CLIENT_ERROR_REFUSED));
    EXPECT_STREQ(connection.error->message, "no");
    g_clear_error(&connection.error);
    EXPECT_TRUE(connection.run("NOOP"));
}

TEST(Commands, WhatCannotBeReadIsPassedOver)
{
    for (const char *odd : {"",
                            ")",
                            "*",
                            "* ",
                            "* OK",
                            "* 5",
                            "* -1 EXISTS",
                            "* 5 FETCH (FLAGS",
                            "* 5 FETCH",
                            "* 0 FETCH (UID 1)",
                            "* FETCH (UID 1)",
                            "\x01\x02",
                            "* )",
                            "A9 OK what",
                            "A1 OK again",
                            "A9",
                            "nonsense {3}",
                            "* X (((",
                            "* LIST",
                            "* 99999999999999999999 EXISTS",
                            "* 1 FETCH (BODY[] NIL {5",
                            "* VANISHED",
                            "* STATUS x"}) {
        Server server(std::string(LOG_IN "C: A2 NOOP\nS: ") + odd +
                      "\nS: * 7 FETCH (UID 8)\nS: A2 OK done\nC: A3 NOOP\nS: A3 OK\n");
        Connection connection(server);
        int fetches = 0;

        EXPECT_TRUE(imap_client_run_with(connection.client, count_fetches, &fetches, nullptr,
                                         &connection.error, "NOOP"))
            << odd;
        EXPECT_GE(fetches, 1) << odd;
        EXPECT_TRUE(connection.run("NOOP")) << odd;
    }
}

TEST(Commands, LinesThatArePassedOverAreCounted)
{
    Server server(LOG_IN "C: A2 NOOP\nS: \nS: * 3 EXISTS\nS: )\nS: A7 OK\nS: A2 OK\n");
    Connection connection(server);
    EXPECT_EQ(imap_client_unread(connection.client), 0u);
    EXPECT_TRUE(connection.run("NOOP"));
    EXPECT_EQ(imap_client_unread(connection.client), 3u);
}

TEST(Commands, ALengthThatIsNoneEndsTheConnection)
{
    Server server(LOG_IN "C: A2 NOOP\nS: * 1 FETCH (BODY[] {99999999999999999999}\nCLOSE\n");
    Connection connection(server);
    EXPECT_FALSE(connection.run("NOOP"));
    EXPECT_TRUE(connection.reported(IMAP_CLIENT_ERROR_PROTOCOL));
    g_clear_error(&connection.error);
    EXPECT_FALSE(connection.run("NOOP"));
}

TEST(Commands, AnAnswerThatIsNeitherYesNorNoIsOneAllTheSame)
{
    for (const char *answer : {"A2 FOO bar", "A2 BYE bar", "A2 bar", "a2 bad bar"}) {
        Server server(std::string(LOG_IN "C: A2 DELETE x\nS: ") + answer +
                      "\nC: A3 NOOP\nS: A3 OK\n");
        Connection connection(server);

        EXPECT_FALSE(connection.run("DELETE x")) << answer;
        EXPECT_TRUE(connection.reported(IMAP_CLIENT_ERROR_REFUSED)) << answer;
        g_clear_error(&connection.error);
        EXPECT_TRUE(connection.run("NOOP")) << answer;
    }
}

TEST(Commands, ASearchThatCannotBeReadHasFailed)
{
    for (const char *found : {"* SEARCH 3 x", "* SEARCH -1", "* ESEARCH (TAG \"A2\") ALL 3:x",
                              "* SEARCH 99999999999"}) {
        Server server(std::string(LOG_IN "C: A2 SEARCH ALL\nS: ") + found +
                      "\nS: A2 OK done\nC: A3 NOOP\nS: A3 OK\n");
        Connection connection(server);

        EXPECT_FALSE(imap_client_run_with(
            connection.client,
            [](const ImapResponse *response, gpointer, GError **error) -> gboolean {
                g_autoptr(ImapSearchData) data = imap_search_data_parse(response, error);
                return data != nullptr;
            },
            nullptr, nullptr, &connection.error, "SEARCH ALL"))
            << found;
        EXPECT_TRUE(connection.reported(IMAP_CLIENT_ERROR_REFUSED)) << found;
        g_clear_error(&connection.error);
        EXPECT_TRUE(connection.run("NOOP")) << found;
    }
}

std::string found_by(ImapClient *client, GError **error, const char *keys = "ALL",
                     const char *string = nullptr)
{
    g_autoptr(ImapSet) found = imap_client_search(client, keys, string, error);
    g_autoptr(GString) text = g_string_new(nullptr);

    if (!found)
        return "refused";
    imap_set_format(found, text);
    return text->str;
}

#define GREET_WITH(capabilities) "S: * PREAUTH [CAPABILITY IMAP4rev1 " capabilities "] hi\n"

/* Either answer to either question (RFC 4731, 3.1; servers mix them up), and the other question where the first
 * isn't understood. */
TEST(Search, FindsTheSameHoweverItIsAnswered)
{
    const struct {
        const char *capabilities, *script, *found;
    } cases[] = {
        {"X", "C: A1 UID SEARCH ALL\nS: * SEARCH 3 5 4\nS: A1 OK\n", "3:5"},
        {"X", "C: A1 UID SEARCH ALL\nS: * SEARCH\nS: A1 OK\n", ""},
        {"X", "C: A1 UID SEARCH ALL\nS: * ESEARCH (TAG \"A1\") UID ALL 7\nS: A1 OK\n", "7"},
        {"ESEARCH",
         "C: A1 UID SEARCH RETURN (ALL) ALL\nS: * ESEARCH (TAG \"A1\") UID ALL 3:5,9\nS: A1 OK\n",
         "3:5,9"},
        {"ESEARCH", "C: A1 UID SEARCH RETURN (ALL) ALL\nS: * ESEARCH (TAG \"A1\") UID\nS: A1 OK\n",
         ""},
        {"ESEARCH", "C: A1 UID SEARCH RETURN (ALL) ALL\nS: * SEARCH 8 9\nS: A1 OK\n", "8:9"},
        {"ESEARCH", "C: A1 UID SEARCH RETURN (ALL) ALL\nS: A1 NO why\n", "refused"},
        {"ESEARCH",
         "C: A1 UID SEARCH RETURN (ALL) ALL\nS: A1 BAD what?\n"
         "C: A2 UID SEARCH ALL\nS: * SEARCH 4\nS: A2 OK\n",
         "4"},
        {"ESEARCH",
         "C: A1 UID SEARCH RETURN (ALL) ALL\nS: * ESEARCH (TAG \"A1\") ALL 1:2\nS: A1 OK\n"
         "C: A2 UID SEARCH ALL\nS: * SEARCH 4\nS: A2 OK\n",
         "4"},
        {"ESEARCH",
         "C: A1 UID SEARCH RETURN (ALL) ALL\nS: * ESEARCH UID ALL 3:x\nS: A1 OK\n"
         "C: A2 UID SEARCH ALL\nS: * SEARCH 4\nS: A2 BAD no\n",
         "refused"},
    };
    for (const auto &item : cases) {
        std::string script = "S: * PREAUTH [CAPABILITY IMAP4rev1 " +
                             std::string(item.capabilities) + "] hi\n" + item.script;
        Server server(script);
        Connection connection(server);
        ASSERT_NE(connection.client, nullptr);
        EXPECT_EQ(found_by(connection.client, &connection.error), item.found) << item.script;
        EXPECT_EQ(connection.error != nullptr, std::string(item.found) == "refused");
    }
}

TEST(Search, ALargeAnswerIsOneLine)
{
    std::string all = "1";
    for (int uid = 3; all.size() < 700000; uid += 2)
        all += "," + std::to_string(uid);
    Server server(
        GREET_WITH(
            "ESEARCH") "C: A1 UID SEARCH RETURN (ALL) ALL\nS: * ESEARCH (TAG \"A1\") UID ALL " +
        all + "\nS: A1 OK\n");
    Connection connection(server);
    EXPECT_EQ(found_by(connection.client, &connection.error), all);
}

TEST(Search, StringsTakeTheFormThatTheyNeed)
{
    Server server(GREET_WITH("ESEARCH") "C: A1 UID SEARCH RETURN (ALL) X-GM-RAW \"in:a b\"\nS: * "
                                        "ESEARCH UID ALL 1\nS: A1 OK\n"
                                        "C: A2 UID SEARCH RETURN (ALL) CHARSET UTF-8 X-GM-RAW "
                                        "{3}\nS: + go\nC: \xc3\xa4x\n"
                                        "S: * ESEARCH UID ALL 2\nS: A2 OK\n");
    Connection connection(server);
    EXPECT_EQ(found_by(connection.client, &connection.error, "X-GM-RAW", "in:a b"), "1");
    EXPECT_EQ(found_by(connection.client, &connection.error, "CHARSET UTF-8 X-GM-RAW", "\xc3\xa4x"),
              "2");
}

/* ---- quirks --------------------------------------------------------------------------------- */

void append(ImapClient *client, GError **error)
{
    ImapClientCommand *command = imap_client_command(client, "APPEND INBOX");
    guint number = imap_client_send_literal(client, command, 5, xs, nullptr, error);
    EXPECT_TRUE(number != 0 && imap_client_finish(client, number, nullptr, error));
}

void rename_folder(ImapClient *client, GError **error)
{
    ImapClientCommand *command = imap_client_command(client, "RENAME a");
    imap_client_command_string(command, "x\xff", 2);
    EXPECT_TRUE(imap_client_run_command(client, command, nullptr, nullptr, nullptr, error));
}

void search(ImapClient *client, GError **error)
{
    EXPECT_EQ(found_by(client, error), "1");
}

/* What is announced is used, and isn't where a quirk says so; whatever the server says later. */
TEST(Quirks, WhatIsNotToBeUsedIsNotSaid)
{
    const struct {
        const char *capabilities, *quirk;
        void (*act)(ImapClient *client, GError **error);
        const char *with, *without;
    } cases[] = {
        {"LITERAL+", "no-literals", append, "C: A1 APPEND INBOX {5+}\nC: xxxxx\nS: A1 OK\n",
         "C: A1 APPEND INBOX {5}\nS: + go\nC: xxxxx\nS: A1 OK\n"},
        {"LITERAL-", "no-literals", append, "C: A1 APPEND INBOX {5+}\nC: xxxxx\nS: A1 OK\n",
         "C: A1 APPEND INBOX {5}\nS: + go\nC: xxxxx\nS: A1 OK\n"},
        {"LITERAL+", "no-literals", rename_folder, "C: A1 RENAME a {2+}\nC: x\xff\nS: A1 OK\n",
         "C: A1 RENAME a {2}\nS: + go\nC: x\xff\nS: A1 OK\n"},
        {"LITERAL-", "no-literals", rename_folder, "C: A1 RENAME a {2+}\nC: x\xff\nS: A1 OK\n",
         "C: A1 RENAME a {2}\nS: + go\nC: x\xff\nS: A1 OK\n"},
        {"ESEARCH", "no-esearch", search,
         "C: A1 UID SEARCH RETURN (ALL) ALL\nS: * ESEARCH UID ALL 1\nS: A1 OK\n",
         "C: A1 UID SEARCH ALL\nS: * SEARCH 1\nS: A1 OK\n"},
        {"COMPRESS=DEFLATE", "no-compress", [](ImapClient *, GError **) {},
         "C: A1 COMPRESS DEFLATE\nS: A1 NO not now\n", ""},
    };
    for (const auto &item : cases)
        for (const char *quirks : {"", item.quirk}) {
            std::string script = "S: * PREAUTH [CAPABILITY IMAP4rev1 " +
                                 std::string(item.capabilities) + "] hi\n" +
                                 (*quirks ? item.without : item.with);
            Server server(script);
            Options options;
            options.url = "imaps://imap.example.org"; /* nothing is compressed on this machine */
            options.quirks = quirks;
            Connection connection(server, options);
            ASSERT_NE(connection.client, nullptr) << script << connection.error->message;
            item.act(connection.client, &connection.error);
            EXPECT_EQ(connection.error, nullptr) << script << connection.error->message;
        }
}

/* Exchange's way to say that it is overloaded (quirk). */
TEST(Commands, AServerThatAsksToWaitIsNotRefusing)
{
    Server server(LOG_IN
                  "C: A2 NOOP\nS: A2 BAD Request is throttled. Suggested Backoff Time: 92415 "
                  "milliseconds\n");
    Connection connection(server);
    g_auto(ImapReply) reply = {};

    EXPECT_FALSE(imap_client_run(connection.client, &reply, &connection.error, "NOOP"));
    ASSERT_TRUE(connection.reported(IMAP_CLIENT_ERROR_UNAVAILABLE));
}

/* Lines that aren't IMAP, with which Exchange ends. */
TEST(Commands, AServerThatSaysGoodbyeInWordsOfItsOwnIsGone)
{
    for (const char *words : {"Server Unavailable. 15", "Command Error. 10"}) {
        Server server(std::string(LOG_IN "C: A2 NOOP\nS: ") + words + "\n");
        Connection connection(server);

        EXPECT_FALSE(connection.run("NOOP"));
        EXPECT_TRUE(connection.reported(IMAP_CLIENT_ERROR_CLOSED));
        EXPECT_NE(strstr(connection.error->message, words), nullptr);
    }
}

/* A go-ahead that came before anybody asked doesn't hurry the next literal. */
TEST(Commands, AGoAheadIsGoodForTheCommandThatWaits)
{
    Server server("S: * PREAUTH [CAPABILITY IMAP4rev1] hi\n"
                  "C: A1 NOOP\nS: + go\nS: A1 OK\n"
                  "C: A2 APPEND x {5}\nS: A2 NO [TRYCREATE] no\n");
    Connection connection(server);
    g_auto(ImapReply) reply = {};

    ASSERT_TRUE(connection.run("NOOP"));
    guint number = imap_client_send_literal(connection.client,
                                            imap_client_command(connection.client, "APPEND x"), 5,
                                            xs, nullptr, nullptr);
    ASSERT_NE(number, 0u);
    ASSERT_TRUE(imap_client_finish(connection.client, number, &reply, nullptr));
    EXPECT_EQ(reply.cond, IMAP_COND_NO);
}

std::string repeated(const std::string &line, int count)
{
    std::string all;

    for (int i = 0; i < count; i++)
        all += line;
    return all;
}

TEST(Commands, AnAnswerWithoutEndEndsTheConnection)
{
    const std::string lines[] = {"S: * LSUB () \"/\" " + std::string(2000, 'x') + "\n",
                                 "S: * 1 FETCH (UID 1)\n", "S: )\n"};

    for (const std::string &line : lines) {
        Server server(std::string(LOG_IN "C: A2 NOOP\nS: * 10 EXISTS\n") +
                      repeated(line, line.size() > 1000 ? 40000 : 600000));
        Connection connection(server);

        EXPECT_FALSE(connection.run("NOOP"));
        ASSERT_TRUE(connection.reported(IMAP_CLIENT_ERROR_PROTOCOL));
        EXPECT_NE(strstr(connection.error->message, "without end"), nullptr);
    }
}

TEST(Commands, UidsWithoutMeasureAreNotTaken)
{
    Server server(LOG_IN
                  "C: A2 UID COPY 1:2 x\nS: A2 OK [COPYUID 7 1:4294967295 1:4294967295] x\n");
    Connection connection(server);
    g_auto(ImapReply) reply = {};

    ASSERT_TRUE(imap_client_run(connection.client, &reply, nullptr, "UID COPY 1:2 x"));
    EXPECT_EQ(reply.cond, IMAP_COND_OK);
    EXPECT_EQ(reply.uids, nullptr);
}

TEST(Commands, ALiteralBeyondTheLimitIsNotRead)
{
    Server server(LOG_IN "C: A2 NOOP\nS: * 1 FETCH (UID 1 BODY[] {1000001}\nCLOSE\n");
    Options options;
    options.limits = imap_response_limits_default;
    options.limits.literal = 1000000;
    Connection connection(server, options);
    EXPECT_FALSE(connection.run("NOOP"));
    EXPECT_TRUE(connection.reported(IMAP_CLIENT_ERROR_PROTOCOL));
}

TEST(Commands, ALineBeyondTheLimitIsNotRead)
{
    Server server(LOG_IN "C: A2 NOOP\nS: * SEARCH " + std::string(5000, '1') + "\nCLOSE\n");
    Options options;
    options.limits = imap_response_limits_default;
    options.limits.line = 4096;
    Connection connection(server, options);
    EXPECT_FALSE(connection.run("NOOP"));
}

TEST(Commands, ALiteralThatIsCutShortIsAClosedConnection)
{
    Server server(LOG_IN "C: A2 NOOP\nS: * 1 FETCH (UID 1 BODY[] {1000}\nS: only this\nCLOSE\n");
    Connection connection(server);
    EXPECT_FALSE(connection.run("NOOP"));
    EXPECT_EQ(connection.error->domain, NET_ERROR);
}

TEST(Commands, ByeInTheMiddleIsTheServersWord)
{
    Server server(LOG_IN "C: A2 NOOP\nS: * BYE shutting down\nCLOSE\n");
    Connection connection(server);
    EXPECT_FALSE(connection.run("NOOP"));
    EXPECT_TRUE(connection.reported(IMAP_CLIENT_ERROR_CLOSED));
    EXPECT_NE(strstr(connection.error->message, "shutting down"), nullptr);
}

TEST(Commands, AnAlertIsKeptForPeople)
{
    Server server(LOG_IN "C: A2 NOOP\nS: * OK [ALERT] quota nearly used up\nS: A2 OK\n");
    Connection connection(server);
    EXPECT_TRUE(connection.run("NOOP"));
    g_autofree char *alert = imap_client_take_alert(connection.client);
    EXPECT_STREQ(alert, "quota nearly used up");
    EXPECT_EQ(imap_client_take_alert(connection.client), nullptr);
}

TEST(Commands, UidsOfAMoveStandInAnUntaggedOk)
{
    Server server(LOG_IN "C: A2 UID MOVE 1:2 x\nS: * OK [COPYUID 7 1:2 11:12] moved\nS: A2 OK\n");
    Connection connection(server);
    g_auto(ImapReply) reply = {};
    ASSERT_TRUE(imap_client_run(connection.client, &reply, nullptr, "UID MOVE 1:2 x"));
    ASSERT_NE(reply.uids, nullptr);
    EXPECT_EQ(reply.uids->uidvalidity, 7u);
}

TEST(Commands, ALiteralWaitsForTheGoAheadWhereItMust)
{
    Server server("S: * PREAUTH [CAPABILITY IMAP4rev1] hi\n"
                  "C: A1 APPEND x {5}\nS: + go\nC: xxxxx\nS: A1 OK [APPENDUID 3 9] done\n"
                  "C: A2 APPEND x {5}\nS: A2 NO [TRYCREATE] no\n");
    Connection connection(server);
    ASSERT_NE(connection.client, nullptr) << connection.error->message;
    for (ImapCond wanted : {IMAP_COND_OK, IMAP_COND_NO}) {
        g_auto(ImapReply) reply = {};
        ImapClientCommand *command = imap_client_command(connection.client, "APPEND x");
        guint number =
            imap_client_send_literal(connection.client, command, 5, xs, nullptr, nullptr);
        ASSERT_NE(number, 0u);
        ASSERT_TRUE(imap_client_finish(connection.client, number, &reply, nullptr));
        EXPECT_EQ(reply.cond, wanted);
    }
}

TEST(Commands, WhatTheHandlerRefusesEndsTheRun)
{
    Server server(LOG_IN "C: A2 NOOP\nS: * 3 EXISTS\n");
    Connection connection(server);
    EXPECT_FALSE(imap_client_run_with(
        connection.client,
        [](const ImapResponse *, gpointer, GError **error) -> gboolean {
            g_set_error_literal(error, NET_ERROR, NET_ERROR_IO, "the disk is full");
            return FALSE;
        },
        nullptr, nullptr, &connection.error, "NOOP"));
    EXPECT_STREQ(connection.error->message, "the disk is full");
}

/* A response goes to the oldest command under way that has a handler; one that is over hears of
 * nothing any more. */
TEST(Commands, EachHearsWhatIsSaidToItAndNoMore)
{
    Server server(LOG_IN "C: A2 NOOP\nC: A3 CHECK\nS: * 1 FETCH (UID 1)\nS: A2 OK\n"
                         "S: * 2 FETCH (UID 2)\nS: * 3 FETCH (UID 3)\nS: A3 OK\n"
                         "C: A4 NOOP\nS: * 4 FETCH (UID 4)\nS: A4 OK\n");
    Connection connection(server);
    ImapClient *client = connection.client;
    int first = 0, second = 0;
    guint one = imap_client_send_with(client, imap_client_command(client, "NOOP"), count_fetches,
                                      &first, nullptr);
    guint two = imap_client_send_with(client, imap_client_command(client, "CHECK"), count_fetches,
                                      &second, nullptr);
    ASSERT_TRUE(imap_client_finish(client, one, nullptr, nullptr));
    ASSERT_TRUE(imap_client_finish(client, two, nullptr, nullptr));
    ASSERT_TRUE(imap_client_run(client, nullptr, nullptr, "NOOP"));
    EXPECT_EQ(first, 1);
    EXPECT_EQ(second, 2);
}

/* ---- folders ------------------------------------------------------------------------------- */

TEST(Select, ReadsWhatTheServerSaysOfTheFolder)
{
    Server server(LOG_IN "C: A2 SELECT Entw&APw-rfe\nS: * 12 EXISTS\nS: * 0 RECENT\n"
                         "S: * OK [PERMANENTFLAGS (\\Seen \\Flagged \\*)] limited\n"
                         "S: * OK [UIDVALIDITY 77] x\nS: * OK [UIDNEXT 20] x\n"
                         "S: * OK [HIGHESTMODSEQ 99] x\nS: A2 OK [READ-WRITE] done\n");
    Connection connection(server);
    g_auto(ImapSelected) state = {};
    const ImapSelect what = {.name = "Entw\xc3\xbcrfe"};
    ASSERT_TRUE(imap_client_select(connection.client, &what, &state, nullptr));
    EXPECT_TRUE(state.told_exists);
    EXPECT_EQ(imap_client_exists(connection.client), 12u);
    EXPECT_EQ(state.uidvalidity, 77u);
    EXPECT_EQ(state.uidnext, 20u);
    EXPECT_EQ(state.highestmodseq, 99u);
    EXPECT_EQ(state.permanent, (guint32)(IMAP_FLAG_SEEN | IMAP_FLAG_FLAGGED));
    EXPECT_TRUE(state.keywords);
    EXPECT_FALSE(state.read_only);
}

/* RFC 3501, 7.1: READ-ONLY; which flags are kept all the same is in PERMANENTFLAGS. */
TEST(Select, ReadOnlyKeepsNoFlagsThatItDoesNotName)
{
    Server server("S: * PREAUTH [CAPABILITY IMAP4rev1] hi\n"
                  "C: A1 SELECT Reading\nS: * 5 EXISTS\nS: A1 OK [READ-ONLY] here\n"
                  "C: A2 SELECT Seen\nS: * OK [PERMANENTFLAGS (\\Seen)] one\n"
                  "S: A2 OK [READ-ONLY] here\n");
    Connection connection(server);
    ASSERT_NE(connection.client, nullptr) << connection.error->message;
    g_auto(ImapSelected) first = {}, second = {};
    const ImapSelect reading = {.name = "Reading"}, seen = {.name = "Seen"};
    ASSERT_TRUE(imap_client_select(connection.client, &reading, &first, nullptr));
    EXPECT_TRUE(first.read_only);
    EXPECT_EQ(first.permanent, 0u);
    EXPECT_FALSE(first.keywords);
    ASSERT_TRUE(imap_client_select(connection.client, &seen, &second, nullptr));
    EXPECT_TRUE(second.read_only);
    EXPECT_EQ(second.permanent, (guint32)IMAP_FLAG_SEEN);
}

TEST(Select, AsksQresyncOnlyAfterItWasEnabled)
{
    Server server("S: * PREAUTH [CAPABILITY IMAP4rev1 ENABLE QRESYNC CONDSTORE] hi\n"
                  "C: A1 ENABLE QRESYNC\nS: * ENABLED QRESYNC\nS: A1 OK\n"
                  "C: A2 SELECT INBOX (QRESYNC (7 900))\nS: * 5 EXISTS\n"
                  "S: * VANISHED (EARLIER) 1:3\nS: * 2 FETCH (UID 9 FLAGS (\\Seen) MODSEQ (901))\n"
                  "S: A2 OK\n");
    Connection connection(server);
    ASSERT_NE(connection.client, nullptr) << connection.error->message;
    int fetches = 0;
    g_auto(ImapSelected) state = {};
    const ImapSelect what = {.name = "INBOX",
                             .uidvalidity = 7,
                             .modseq = 900,
                             .handler = count_fetches,
                             .data = &fetches};
    ASSERT_TRUE(imap_client_select(connection.client, &what, &state, nullptr));
    EXPECT_EQ(fetches, 1);
    /* What vanished earlier isn't in EXISTS any more. */
    EXPECT_EQ(imap_client_exists(connection.client), 5u);
}

TEST(Select, QresyncThatIsNotConfirmedIsNotUsed)
{
    Server server("S: * PREAUTH [CAPABILITY IMAP4rev1 ENABLE QRESYNC] hi\n"
                  "C: A1 ENABLE QRESYNC\nS: A1 OK but no\n"
                  "C: A2 SELECT INBOX (CONDSTORE)\nS: A2 OK\n");
    Connection connection(server);
    g_auto(ImapSelected) state = {};
    const ImapSelect what = {.name = "INBOX", .uidvalidity = 7, .modseq = 900};
    EXPECT_TRUE(imap_client_select(connection.client, &what, &state, nullptr));
}

/* ---- IDLE ---------------------------------------------------------------------------------- */

TEST(Idle, EndsWhenWoken)
{
    Server server(LOG_IN "C: A2 IDLE\nS: + idling\nC: DONE\nS: A2 OK\n");
    Connection connection(server);
    int wake = eventfd(1, EFD_NONBLOCK);
    EXPECT_TRUE(imap_client_idle(connection.client, wake, 60, nullptr, nullptr, &connection.error));
    close(wake);
}

/* And is begun anew, as often as it is asked for. */
TEST(Idle, EndsAfterItsTime)
{
    Server server(LOG_IN "C: A2 IDLE\nS: + idling\nC: DONE\nS: A2 OK\n"
                         "C: A3 IDLE\nS: + idling\nS: * OK Still here\nC: DONE\nS: A3 OK\n"
                         "C: A4 IDLE\nS: + idling\nC: DONE\nS: A4 OK\n");
    Connection connection(server);
    for (int i = 0; i < 3; i++)
        EXPECT_TRUE(
            imap_client_idle(connection.client, -1, 1, nullptr, nullptr, &connection.error));
}

TEST(Idle, EndsWhenTheServerHasNews)
{
    Server server(LOG_IN "C: A2 IDLE\nS: + idling\nS: * 4 EXISTS\nC: DONE\nS: A2 OK\n");
    Connection connection(server);
    EXPECT_TRUE(imap_client_idle(connection.client, -1, 60, nullptr, nullptr, &connection.error));
    EXPECT_EQ(imap_client_exists(connection.client), 4u);
}

TEST(Idle, IsCancelled)
{
    Server server(LOG_IN "C: A2 IDLE\nS: + idling\n");
    Connection connection(server);
    std::thread canceller([&] {
        g_usleep(50000);
        net_cancel_trigger(connection.cancel);
    });
    EXPECT_FALSE(imap_client_idle(connection.client, -1, 60, nullptr, nullptr, &connection.error));
    EXPECT_TRUE(g_error_matches(connection.error, NET_ERROR, NET_ERROR_CANCELLED));
    canceller.join();
}

} // namespace
