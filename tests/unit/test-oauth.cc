// SPDX-License-Identifier: GPL-3.0-or-later
// OAuth 2 without a provider: what is sent and read, and what becomes of tokens whatever their server does.
#include <gtest/gtest.h>

#include "http-server.h"
#include "quiet.h"

extern "C" {
#include "daemon/net/stream.h"
#include "daemon/oauth/redirect.h"
#include "daemon/oauth/signin.h"
#include "daemon/oauth/tokens.h"
#include <gio/gio.h>
}

namespace
{

// ---- queries

TEST(OauthRedirect, TheChallengeIsTheStandardsOne) // RFC 7636, appendix B
{
    g_autofree char *challenge = oauth_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    EXPECT_STREQ(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

// "code X", "no", or "other"
std::string read(const char *query)
{
    g_autofree char *code = nullptr;
    g_autoptr(GError) error = nullptr;
    if (oauth_redirect_read(query, "st+te/=", "https://id.example", &code, &error))
        return std::string("code ") + code;
    return error->domain == OAUTH_ERROR ? "no" : "other";
}

TEST(OauthRedirect, OnlyTheAnswerToOurQuestionCounts)
{
    EXPECT_EQ(read("code=a%2Bb+c%2F&state=st%2Bte%2F%3D"), "code a+b c/");
    EXPECT_EQ(read("state=st%2Bte/%3D&code=x#fragment"), "code x");
    EXPECT_EQ(read("code=x&state=st%2Bte%2F%3D&iss=https%3A%2F%2Fid.example"), "code x");
    EXPECT_EQ(read("error=access_denied&state=st%2Bte%2F%3D"), "no");
    for (const char *other :
         {"", "code=x", "code=x&state=", "code=x&state=st+te/=x", "state=st%2Bte%2F%3D",
          "code=&state=st%2Bte%2F%3D", "error=access_denied", "error=x&state=y",
          "code=x&state=st%2Bte%2F%3D&iss=https%3A%2F%2Fevil.example", "%", "&&&=", "%00%ff"})
        EXPECT_EQ(read(other), "other") << other;
}

TEST(OauthRedirect, ItHasOurPortWhereItIsOnThisMachine)
{
    const struct {
        const char *wanted;
        bool here;
        const char *result;
    } cases[] = {
        {nullptr, true, "http://127.0.0.1:99/"},
        {"http://localhost", true, "http://localhost:99"},
        {"http://127.0.0.1/cb", true, "http://127.0.0.1:99/cb"},
        {"http://[::1]/", true, "http://[::1]:99/"},
        {"https://127.0.0.1", false, nullptr},
        {"http://example.org/", false, nullptr},
        {"https://login.microsoftonline.com/common/oauth2/nativeclient", false, nullptr},
    };
    for (const auto &one : cases) {
        EXPECT_EQ(oauth_redirect_is_here(one.wanted), one.here) << one.wanted;
        if (!one.here)
            continue;
        g_autofree char *result = oauth_redirect_with_port(one.wanted, 99);
        EXPECT_STREQ(result, one.result);
    }
}

// ---- servers

char *key_of_file(const char *name, const char *key, gpointer file)
{
    std::string group = std::string("oauth2 ") + name;
    return g_key_file_get_string(static_cast<GKeyFile *>(file), group.c_str(), key, nullptr);
}

TEST(OauthServers, EachOfTheTableIsWhole)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    ASSERT_TRUE(g_key_file_load_from_file(file, POSTERN_PROVIDERS, G_KEY_FILE_NONE, nullptr));
    g_auto(GStrv) groups = g_key_file_get_groups(file, nullptr);
    int count = 0;
    for (char **group = groups; *group; group++) {
        if (!g_str_has_prefix(*group, "oauth2 "))
            continue;
        g_autoptr(GError) error = nullptr;
        g_autoptr(OauthServer) server =
            oauth_server_load(*group + strlen("oauth2 "), key_of_file, file, &error);
        ASSERT_NE(server, nullptr) << error->message;
        EXPECT_NE(server->authorize_url, nullptr) << *group;
        EXPECT_NE(server->scope, nullptr) << *group;
        EXPECT_EQ(server->client_id, nullptr) << *group << " has somebody's ID";
        EXPECT_NE(server->hint, nullptr) << *group;
        count++;
    }
    EXPECT_GE(count, 8);
}

TEST(OauthServers, ATenantIsOne)
{
    for (const char *tenant :
         {"common", "consumers", "contoso.onmicrosoft.com", "72f988bf-86f1-41af-91ab-2d7cd011db47",
          "a/../b", "a b", "x?y", "@"}) {
        g_autoptr(GKeyFile) file = g_key_file_new();
        g_key_file_load_from_file(file, POSTERN_PROVIDERS, G_KEY_FILE_NONE, nullptr);
        g_key_file_set_string(file, "oauth2 microsoft", "tenant", tenant);
        g_autoptr(OauthServer) server = oauth_server_load("microsoft", key_of_file, file, nullptr);
        bool good = strpbrk(tenant, "/ ?@") == nullptr;
        ASSERT_EQ(server != nullptr, good) << tenant;
        if (good) {
            EXPECT_EQ(std::string(server->token_url),
                      std::string("https://login.microsoftonline.com/") + tenant +
                          "/oauth2/v2.0/token");
        }
    }
}

TEST(OauthServers, OnlySafeAddressesAreUsed)
{
    for (const char *good :
         {"https://id.example/x", "http://127.0.0.1:8/x", "http://localhost/", "http://[::1]:1/"})
        EXPECT_TRUE(oauth_is_safe_url(good)) << good;
    for (const char *bad :
         {"http://id.example/", "ftp://127.0.0.1/", "https://", "https://u:p@id.example/",
          "id.example", "", "javascript:x", "https://id.example/#x",
          "http://localhost.evil.example/", "http://127.0.0.1.evil.example/"})
        EXPECT_FALSE(oauth_is_safe_url(bad)) << bad;
}

const WebNetwork NETWORK = {};

// What the issuer's metadata say decides; wrong ones are none.
TEST(OauthServers, MetadataCountOnlyIfTheyAreTheIssuers)
{
    const struct {
        const char *path, *issuer, *rest;
        bool good;
    } cases[] = {
        {"/.well-known/oauth-authorization-server/r", "%s/r", "", true},
        {"/r/.well-known/openid-configuration", "%s/r", "", true},
        {"/.well-known/oauth-authorization-server", "%s/r", "", false},
        {"/.well-known/oauth-authorization-server/r", "%s", "", false},
        {"/.well-known/oauth-authorization-server/r", "%s/r/", "", false},
        {"/.well-known/oauth-authorization-server/r", "https://evil.example/r", "", false},
        {"/.well-known/oauth-authorization-server/r", "%s/r", "http://evil.example/token", false},
    };
    for (const auto &one : cases) {
        std::string own;
        HttpServer server([&](const HttpRequest &request) {
            if (request.line != std::string("GET ") + one.path + " HTTP/1.1")
                return HttpServer::answer(404, "");
            std::string issuer = one.issuer;
            if (issuer.compare(0, 2, "%s") == 0)
                issuer = own + issuer.substr(2);
            std::string token = *one.rest ? one.rest : own + "/token";
            return HttpServer::answer(200, "{\"issuer\":\"" + issuer +
                                               "\",\"authorization_endpoint\":\"" + own +
                                               "/auth\",\"token_endpoint\":\"" + token + "\"}");
        });
        own = server.url;
        g_autoptr(OauthServer) known = oauth_server_of_issuer((server.url + "/r").c_str(), nullptr);
        ASSERT_NE(known, nullptr);
        EXPECT_EQ(oauth_server_complete(known, &NETWORK, nullptr, nullptr), one.good)
            << one.path << one.issuer << one.rest;
    }
}

// ---- tokens

// An account, its store, and a token endpoint that says what the test wants.
class Tokens : public ::testing::Test
{
  protected:
    Tokens() : server([this](const HttpRequest &request) { return answer(request); })
    {
        OauthStore store = {load, save, this};
        clock = net_clock_new();
        tokens = oauth_tokens_new(&NETWORK, &store, clock);
        settings = g_new0(AccountSettings, 1);
        settings->refs = 1;
        settings->id = g_strdup("work");
        settings->incoming = net_endpoint_parse("imaps://in.example.org", nullptr);
        settings->outgoing = net_endpoint_parse("submissions://out.example.org", nullptr);
        settings->user = g_strdup("ada");
        settings->outgoing_user = g_strdup("ada");
        OauthGrant grant = {};
        std::string url = server.url + "/token";
        grant.token_url = const_cast<char *>(url.c_str());
        grant.client_id = const_cast<char *>("me");
        grant.refresh_token = const_cast<char *>("r0");
        EXPECT_TRUE(oauth_tokens_keep(tokens, settings, &grant, nullptr));
    }
    ~Tokens() override
    {
        oauth_tokens_free(tokens);
        account_settings_unref(settings);
        net_clock_unref(clock);
    }

    static char *load(const char *, gpointer data, GError **)
    {
        return g_strdup(static_cast<Tokens *>(data)->stored.c_str());
    }
    static gboolean save(const char *, const char *text, gpointer data, GError **error)
    {
        auto self = static_cast<Tokens *>(data);
        if (self->locked) {
            g_set_error(error, ACCOUNT_ERROR_DOMAIN, ACCOUNT_SECRET_LOCKED, "locked");
            return FALSE;
        }
        self->stored = text;
        return TRUE;
    }

    std::string answer(const HttpRequest &request)
    {
        if (hangs)
            return "";
        if (!says.empty())
            return says == "hang" ? "" : says;
        int number = ++count;
        if (slow)
            g_usleep(100000);
        // It was to be the newest refresh token that was shown.
        std::string want = "refresh_token=r" + std::to_string(rotates ? number - 1 : 0) + "&";
        EXPECT_NE(request.body.find(want), std::string::npos) << request.body;
        std::string body = "{\"access_token\":\"a" + std::to_string(number) +
                           "\",\"token_type\":\"bearer\"" + more;
        if (rotates)
            body += ",\"refresh_token\":\"r" + std::to_string(number) + "\"";
        return HttpServer::answer(200, body + "}", head);
    }

    // The access token, or the error as "domain code".
    std::string ask(bool outgoing = false)
    {
        g_autoptr(GError) error = nullptr;
        char *token = oauth_tokens_password(settings, outgoing, tokens, &error);
        if (token) {
            std::string text = token;
            account_password_free(token);
            return text;
        }
        message = error->message;
        return std::string(g_quark_to_string(error->domain)) + " " + std::to_string(error->code);
    }

    const std::string LATER =
        std::string(g_quark_to_string(NET_ERROR)) + " " + std::to_string(NET_ERROR_CONNECT);
    const std::string MISSING = std::string(g_quark_to_string(ACCOUNT_ERROR_DOMAIN)) + " " +
                                std::to_string(ACCOUNT_SECRET_MISSING);
    const std::string LOCKED = std::string(g_quark_to_string(ACCOUNT_ERROR_DOMAIN)) + " " +
                               std::to_string(ACCOUNT_SECRET_LOCKED);

    std::string stored, says, more = ",\"expires_in\":3600", head, message;
    bool locked = false, rotates = true, slow = false;
    std::atomic<int> count{0};
    std::atomic<bool> hangs{false};
    NetClock *clock;
    OauthTokens *tokens;
    AccountSettings *settings;
    HttpServer server;
};

TEST_F(Tokens, OneIsUsedUntilShortlyBeforeItEnds)
{
    EXPECT_EQ(ask(), "a1");
    EXPECT_EQ(ask(true), "a1");
    net_clock_advance(clock, 3600 - 200);
    EXPECT_EQ(ask(), "a1");
    net_clock_advance(clock, 30);
    EXPECT_EQ(ask(), "a2");
}

// What a server says of its tokens' life, and for how many seconds one is used.
TEST_F(Tokens, WhateverIsSaidOfTheirLifeTheyAreRenewedInTime)
{
    const std::pair<const char *, int> lives[] = {
        {"", 3420},
        {",\"expires_in\":10", 5},
        {",\"expires_in\":\"600\"", 420},
        {",\"expires_in\":0", 0},
        {",\"expires_in\":-5", 0},
        {",\"expires_in\":null", 3420},
        {",\"expires_in\":1e300", 3420},
    };
    for (const auto &[said, life] : lives) {
        more = said;
        net_clock_advance(clock, 10000000);
        std::string first = ask();
        if (life > 2) {
            net_clock_advance(clock, life - 2);
            EXPECT_EQ(ask(), first) << said;
        }
        net_clock_advance(clock, 3);
        EXPECT_NE(ask(), first) << said;
    }
}

TEST_F(Tokens, AllWhoNeedOneAtTheSameTimeShareOneRequest)
{
    slow = true;
    std::vector<std::thread> askers;
    std::vector<std::string> got(16);
    for (size_t i = 0; i < got.size(); i++)
        askers.emplace_back([this, i, &got] { got[i] = ask(i % 2); });
    for (std::thread &asker : askers)
        asker.join();
    EXPECT_EQ(got, std::vector<std::string>(16, "a1"));
    EXPECT_EQ(count, 1);
}

TEST_F(Tokens, AReplacedRefreshTokenIsStoredBeforeTheAccessTokenIsUsed)
{
    locked = true;
    EXPECT_EQ(ask(), LOCKED);
    EXPECT_EQ(ask(), LOCKED);
    EXPECT_EQ(count, 1);
    locked = false;
    EXPECT_EQ(ask(), "a1");
    EXPECT_NE(stored.find("\"r1\""), std::string::npos);
    net_clock_advance(clock, 4000);
    EXPECT_EQ(ask(), "a2");
}

TEST_F(Tokens, OneThatIsntReplacedGoesOn)
{
    rotates = false;
    for (int i = 1; i < 4; i++) {
        EXPECT_EQ(ask(), "a" + std::to_string(i));
        net_clock_advance(clock, 4000);
    }
}

TEST_F(Tokens, AServerInTroubleIsAskedLessOftenAndTheTokenStays)
{
    std::string before = stored;
    const std::string troubles[] = {
        HttpServer::answer(500, ""),
        HttpServer::answer(503, "{\"error\":\"temporarily_unavailable\"}"),
        HttpServer::answer(429, "{\"error\":\"invalid_grant\"}"),
        HttpServer::answer(400, "{\"error\":\"temporarily_unavailable\"}"),
        HttpServer::answer(400, "<html>no</html>"),
        HttpServer::answer(404, ""),
        HttpServer::answer(200, "[]"),
        HttpServer::answer(200, "{\"access_token\":\"\"}"),
        HttpServer::answer(200, "{\"access_token\":\"a\\u0001b\"}"),
        HttpServer::answer(200, "{\"access_token\":\"a\\nb\"}"),
        HttpServer::answer(200, "{\"access_token\":\"a\",\"token_type\":\"mac\"}"),
        HttpServer::answer(200, "{\"access_token\":\"" + std::string(50000, 'a') + "\"}"),
        HttpServer::answer(200, "{\"x\":\"" + std::string(500000, 'a') + "\"}"),
        HttpServer::answer(302, "", "Location: http://127.0.0.1:1/\r\n"),
        "nonsense\r\n\r\n",
    };
    for (const std::string &trouble : troubles) {
        says = trouble;
        net_clock_advance(clock, 1000);
        size_t asked = server.requests().size();
        EXPECT_EQ(ask(), LATER) << trouble.substr(0, 100);
        EXPECT_EQ(ask(), LATER);
        EXPECT_EQ(server.requests().size(), asked + 1) << trouble.substr(0, 100);
        EXPECT_EQ(stored, before);
    }
    says = "";
    EXPECT_EQ(ask(), LATER);
    net_clock_advance(clock, 1000);
    EXPECT_EQ(ask(), "a1");
}

TEST_F(Tokens, AServerThatNamesATimeIsLeftAloneForSoLong)
{
    says = HttpServer::answer(503, "", "Retry-After: 5000\r\n");
    EXPECT_EQ(ask(), LATER);
    says = "";
    net_clock_advance(clock, 4900);
    EXPECT_EQ(ask(), LATER);
    net_clock_advance(clock, 200);
    EXPECT_EQ(ask(), "a1");
}

TEST_F(Tokens, ADeadRefreshTokenIsShownOnceAndTheServersWordsAreTold)
{
    for (const char *name : {"invalid_grant", "consent_required", "invalid_client"}) {
        says = HttpServer::answer(
            400, std::string("{\"error\":\"") + name +
                     "\",\"error_description\":\"AADSTS50173: password\\nchanged\"}");
        OauthGrant grant = {};
        std::string url = server.url, refresh = name;
        grant.token_url = const_cast<char *>(url.c_str());
        grant.client_id = const_cast<char *>("me");
        grant.refresh_token = const_cast<char *>(refresh.c_str());
        ASSERT_TRUE(oauth_tokens_keep(tokens, settings, &grant, nullptr));
        size_t asked = server.requests().size();
        for (int i = 0; i < 3; i++)
            EXPECT_EQ(ask(), MISSING);
        EXPECT_EQ(server.requests().size(), asked + 1);
        EXPECT_NE(message.find("AADSTS50173: password changed"), std::string::npos) << message;
        EXPECT_NE(message.find("account authorize work"), std::string::npos) << message;
    }
}

TEST_F(Tokens, AClockThatIsWrongIsNamedAsTheCause)
{
    says = HttpServer::answer(400, "{\"error\":\"invalid_grant\"}",
                              "Date: Sat, 01 Jan 2000 00:00:00 GMT\r\n");
    EXPECT_EQ(ask(), MISSING);
    EXPECT_NE(message.find("clock"), std::string::npos) << message;
}

TEST_F(Tokens, ARefusedTokenIsReplacedUnlessItIsNew)
{
    EXPECT_EQ(ask(), "a1");
    oauth_tokens_refused(settings, "a1", tokens);
    EXPECT_EQ(ask(), "a1");
    net_clock_advance(clock, 60);
    oauth_tokens_refused(settings, "another", tokens);
    EXPECT_EQ(ask(), "a1");
    oauth_tokens_refused(settings, "a1", tokens);
    EXPECT_EQ(ask(), "a2");
}

TEST_F(Tokens, TheyGoToNoServerOrUserButThoseSignedInFor)
{
    EXPECT_EQ(ask(), "a1");
    net_endpoint_free(settings->outgoing);
    settings->outgoing = net_endpoint_parse("submissions://evil.example", nullptr);
    EXPECT_EQ(ask(true), MISSING);
    EXPECT_EQ(ask(), "a1");
    g_free(settings->user);
    settings->user = g_strdup("eve");
    EXPECT_EQ(ask(), MISSING);
}

TEST_F(Tokens, WhatIsStoredMayBeAnything)
{
    for (const char *text :
         {"", "{}", "[]",
          "{\"token_url\":\"http://evil.example/\",\"client_id\":\"x\",\"incoming\":\"y\"}"}) {
        stored = text;
        EXPECT_EQ(ask(), MISSING) << text;
    }
    EXPECT_EQ(server.requests().size(), 0u);
}

TEST_F(Tokens, ARequestThatHangsEndsWithTheDaemon)
{
    says = "hang";
    std::thread stopper([this] {
        while (server.requests().empty())
            g_usleep(1000);
        oauth_tokens_stop(tokens);
    });
    EXPECT_EQ(ask(), std::string(g_quark_to_string(NET_ERROR)) + " " +
                         std::to_string(NET_ERROR_CANCELLED));
    stopper.join();
}

/* The server has replaced the refresh token when it answers: what was stored before is worth nothing any more. */
TEST_F(Tokens, WhatIsAnsweredWhileTheDaemonEndsIsStored)
{
    slow = true;
    std::thread stopper([this] {
        while (server.requests().empty())
            g_usleep(1000);
        oauth_tokens_stop(tokens);
    });
    EXPECT_EQ(ask(), "a1");
    stopper.join();
    EXPECT_NE(stored.find("r1"), std::string::npos);
}

TEST_F(Tokens, WhenTheNetworkChangesARequestThatHangsIsMadeAnewInSeconds)
{
    hangs = true;
    std::atomic<bool> done{false};
    std::thread asking([this, &done] {
        EXPECT_EQ(ask(), "a1");
        done = true;
        g_main_context_wakeup(nullptr);
    });
    while (server.requests().empty())
        g_usleep(1000);
    g_usleep(100000);
    hangs = false;
    gint64 begin = g_get_monotonic_time();
    oauth_tokens_check(tokens);
    while (!done)
        g_main_context_iteration(nullptr, TRUE);
    asking.join();
    EXPECT_LT(g_get_monotonic_time() - begin, 25 * G_USEC_PER_SEC);
    EXPECT_EQ(server.requests().size(), 2u);
}

TEST_F(Tokens, WhenTheNetworkChangesABackOffEndsUnlessTheServerAskedForIt)
{
    says = HttpServer::answer(500, "");
    EXPECT_EQ(ask(), LATER);
    says = HttpServer::answer(503, "", "Retry-After: 100\r\n");
    oauth_tokens_check(tokens);
    EXPECT_EQ(ask(), LATER);
    EXPECT_EQ(server.requests().size(), 2u);
    says = "";
    oauth_tokens_check(tokens);
    EXPECT_EQ(ask(), LATER);
    net_clock_advance(clock, 101);
    EXPECT_EQ(ask(), "a1");
}

TEST_F(Tokens, WhoLeavesSaysSo)
{
    OauthGrant grant = {};
    std::string url = server.url + "/token", revoke = server.url + "/revoke";
    grant.token_url = const_cast<char *>(url.c_str());
    grant.revoke_url = const_cast<char *>(revoke.c_str());
    grant.client_id = const_cast<char *>("me");
    grant.refresh_token = const_cast<char *>("r0");
    ASSERT_TRUE(oauth_tokens_keep(tokens, settings, &grant, nullptr));
    says = HttpServer::answer(200, "");
    oauth_tokens_revoke(tokens, settings);
    EXPECT_EQ(server.requests().at(0).line, "POST /revoke HTTP/1.1");
    EXPECT_NE(server.requests().at(0).body.find("token=r0"), std::string::npos);
}

// ---- device flow

TEST(OauthDevice, ItWaitsAsLongAsItIsToldTo)
{
    int asked = 0;
    const char *const answers[] = {"authorization_pending", "authorization_pending", ""};
    HttpServer server([&](const HttpRequest &request) {
        if (request.line.find("/device") != std::string::npos)
            return HttpServer::answer(
                200, "{\"device_code\":\"d\",\"user_code\":\"AB-CD\",\"interval\":1,"
                     "\"verification_uri\":\"https://id.example/device\"}");
        std::string name = answers[MIN(asked++, 2)];
        if (!name.empty())
            return HttpServer::answer(400, "{\"error\":\"" + name + "\"}");
        return HttpServer::answer(200, "{\"access_token\":\"a\",\"refresh_token\":\"r\"}");
    });
    OauthServer *known = g_new0(OauthServer, 1);
    known->name = g_strdup("test");
    known->device_url = g_strdup((server.url + "/device").c_str());
    known->token_url = g_strdup((server.url + "/token").c_str());
    known->client_id = g_strdup("me");
    g_autoptr(GError) error = nullptr;
    g_autoptr(OauthSignIn) sign_in =
        oauth_sign_in_begin(known, nullptr, TRUE, &NETWORK, nullptr, &error);
    ASSERT_NE(sign_in, nullptr) << error->message;
    EXPECT_STREQ(oauth_sign_in_code(sign_in), "AB-CD");
    EXPECT_TRUE(oauth_sign_in_wait(sign_in, nullptr, nullptr, &error));
    EXPECT_EQ(asked, 3);
    EXPECT_STREQ(oauth_sign_in_grant(sign_in)->refresh_token, "r");
}

} // namespace
