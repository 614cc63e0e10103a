// SPDX-License-Identifier: GPL-3.0-or-later
// Signing in with SASL: which mechanism is taken of what is offered, what is said in it, and what comes after a
// failure. GNU SASL is the server, in order or spoiled.
#include <gtest/gtest.h>

#include <functional>
#include <gsasl.h>
#include <map>
#include <string>
#include <vector>

extern "C" {
#include "daemon/config/settings.h"
#include "daemon/upstream/sign-in.h"
}

/* libgssglue's own. */
extern "C" const char *__lsan_default_suppressions()
{
    return "leak:libgssglue\nleak:libgssapi_krb5\n";
}

namespace
{

class Sasl : public ::testing::Test
{
  protected:
    Sasl()
    {
        endpoint = net_endpoint_parse("imaps://imap.example.org", nullptr);
        login.endpoint = endpoint;
        context.login = &login;
        context.service = "imap";
        login.user = "ada@example.org";
        login.secret = "s3cret, =w\xc3\xb6rd";
    }
    ~Sasl() override
    {
        net_endpoint_free(endpoint);
    }

    // The name of what is chosen, or "none".
    std::string choice(guint offered)
    {
        g_autoptr(GError) error = nullptr;
        g_autoptr(SaslClient) client = sasl_client_new(&context, offered, &error);
        return client ? sasl_mechanism_name(sasl_client_mechanism(client)) : "none";
    }

    static int know(Gsasl *, Gsasl_session *session, Gsasl_property property)
    {
        auto self = static_cast<Sasl *>(gsasl_session_hook_get(session));
        if (property == GSASL_PASSWORD)
            return gsasl_property_set(session, property, self->known.c_str());
        if (property == GSASL_SCRAM_ITER)
            return gsasl_property_set(session, property, self->iterations.c_str());
        return GSASL_NO_CALLBACK;
    }

    // An exchange with GNU SASL's server: "in", "refused" (by the server), or what we say is wrong.
    std::string exchange(const char *mechanism)
    {
        Gsasl *library;
        Gsasl_session *server;
        std::string outcome = "refused";
        g_autoptr(GError) error = nullptr;
        login.mechanisms = sasl_mechanism_of(mechanism);
        g_autoptr(SaslClient) client =
            sasl_client_new(&context, sasl_mechanism_of(mechanism), &error);
        if (!client)
            return error->message;
        gsasl_init(&library);
        gsasl_callback_set(library, know);
        EXPECT_EQ(gsasl_server_start(library, mechanism, &server), GSASL_OK);
        gsasl_session_hook_set(server, this);
        char *said = sasl_client_initial(client, &error);
        for (int code = GSASL_NEEDS_MORE; !error;) {
            char *challenge = nullptr;
            code = gsasl_step64(server, said, &challenge);
            g_clear_pointer(&said, g_free);
            if (code == GSASL_OK && (!challenge || !*challenge)) {
                gsasl_free(challenge);
                outcome = sasl_client_finish(client, &error) ? "in" : error->message;
                break;
            }
            if (code != GSASL_OK && code != GSASL_NEEDS_MORE)
                break;
            std::string shown = spoil && *challenge ? "dj1BQUFB" : challenge;
            said = sasl_client_step(client, shown.c_str(), &error);
            gsasl_free(challenge);
            if (code == GSASL_OK) {
                outcome = !error && sasl_client_finish(client, &error) ? "in" : "not trusted";
                break;
            }
        }
        if (error && outcome == "refused")
            outcome = error->code == SASL_CLIENT_ERROR_REFUSED ? "not trusted" : "unfit";
        g_free(said);
        gsasl_finish(server);
        gsasl_done(library);
        return outcome;
    }

    NetEndpoint *endpoint;
    UpstreamLogin login = {};
    SaslContext context = {};
    std::string known = "s3cret, =w\xc3\xb6rd", iterations = "4096";
    bool spoil = false;
};

// Of each set of mechanisms that a server may offer, the best is taken; without TLS none is bound to it.
TEST_F(Sasl, TheBestOfWhatIsOfferedIsTaken)
{
    const guint password[] = {SASL_SCRAM_SHA_256, SASL_SCRAM_SHA_1, SASL_PLAIN, SASL_LOGIN};
    for (guint offered = 0; offered < 1u << SASL_MECHANISMS; offered++) {
        std::string best = "none";
        for (guint one : password)
            if (best == "none" && (offered & one))
                best = sasl_mechanism_name(one);
        login.oauth2 = FALSE;
        ASSERT_EQ(choice(offered), best) << offered;
        login.oauth2 = TRUE;
        best = offered & SASL_OAUTHBEARER ? "OAUTHBEARER"
               : offered & SASL_XOAUTH2   ? "XOAUTH2"
                                          : "none";
        ASSERT_EQ(choice(offered), best) << offered;
    }
}

TEST_F(Sasl, WhatIsWantedIsTakenAndNothingElse)
{
    login.mechanisms = SASL_CRAM_MD5;
    EXPECT_EQ(choice(SASL_CRAM_MD5 | SASL_PLAIN), "CRAM-MD5");
    EXPECT_EQ(choice(SASL_PLAIN), "none");
    login.mechanisms = SASL_EXTERNAL;
    EXPECT_EQ(choice(SASL_EXTERNAL | SASL_PLAIN), "EXTERNAL");
}

TEST_F(Sasl, EachMechanismLetsInWhoKnowsThePasswordAndNobodyElse)
{
    for (const char *mechanism : {"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN", "CRAM-MD5"}) {
        known = login.secret;
        EXPECT_EQ(exchange(mechanism), "in") << mechanism;
        known = "another";
        EXPECT_EQ(exchange(mechanism), "refused") << mechanism;
    }
}

TEST_F(Sasl, AServerThatProvesNothingIsNotTrusted)
{
    spoil = true;
    for (const char *mechanism : {"SCRAM-SHA-256", "SCRAM-SHA-1"})
        EXPECT_EQ(exchange(mechanism), "not trusted") << mechanism;
    g_autoptr(GError) error = nullptr;
    login.mechanisms = SASL_SCRAM_SHA_256;
    g_autoptr(SaslClient) client = sasl_client_new(&context, SASL_SCRAM_SHA_256, &error);
    g_free(sasl_client_initial(client, &error));
    EXPECT_FALSE(sasl_client_finish(client, &error));
}

TEST_F(Sasl, ServersDontChooseHowHardWeWork)
{
    iterations = "2000000000";
    EXPECT_EQ(exchange("SCRAM-SHA-256"), "not trusted");
}

TEST_F(Sasl, TokensAreSentAsTheStandardsSay)
{
    login.oauth2 = TRUE;
    login.secret = "ya29.tok";
    g_autoptr(SaslClient) google = sasl_client_new(&context, SASL_XOAUTH2, nullptr);
    g_autofree char *first = sasl_client_initial(google, nullptr);
    EXPECT_STREQ(first, "dXNlcj1hZGFAZXhhbXBsZS5vcmcBYXV0aD1CZWFyZXIgeWEyOS50b2sBAQ==");
    g_autofree char *second = sasl_client_step(google, "eyJzdGF0dXMiOiI0MDAifQ==", nullptr);
    EXPECT_STREQ(second, "");

    g_autoptr(SaslClient) standard = sasl_client_new(&context, SASL_OAUTHBEARER, nullptr);
    g_autofree char *message = sasl_client_initial(standard, nullptr);
    EXPECT_STREQ(message,
                 "bixhPWFkYUBleGFtcGxlLm9yZywBaG9zdD1pbWFwLmV4YW1wbGUub3JnAXBvcnQ9OTkzAWF1dGg9"
                 "QmVhcmVyIHlhMjkudG9rAQE=");
    g_autofree char *end = sasl_client_step(standard, "e30=", nullptr);
    EXPECT_STREQ(end, "AQ==");

    login.user = "a,b=c";
    g_autoptr(SaslClient) odd = sasl_client_new(&context, SASL_OAUTHBEARER, nullptr);
    g_autofree char *encoded = sasl_client_initial(odd, nullptr);
    gsize length;
    g_autofree guchar *bytes = g_base64_decode(encoded, &length);
    EXPECT_EQ(std::string((char *)bytes, 14), "n,a=a=2Cb=3Dc,");
}

// ---- over a connection ------------------------------------------------------------------------

// What a server does with one mechanism that it offers.
enum Way {
    HONEST,    // checks the password
    UNKNOWN,   // doesn't have it after all
    GARBLED,   // says that it can't read the command
    NO_SECRET, // refuses before it has seen a proof (SCRAM), or what came along
    BUSY,      // can't now
    ENDLESS,   // asks and asks
    TRUSTING,  // lets everyone in
};

// A server whose mechanisms are GNU SASL's. It counts how often a wrong secret was shown to it.
class Provider
{
  public:
    ~Provider()
    {
        close();
        gsasl_done(library);
    }
    Provider()
    {
        gsasl_init(&library);
        gsasl_callback_set(library, know);
        gsasl_callback_hook_set(library, this);
    }

    static int know(Gsasl *library, Gsasl_session *session, Gsasl_property property)
    {
        auto self = static_cast<Provider *>(gsasl_callback_hook_get(library));
        switch (property) {
        case GSASL_PASSWORD:
            return gsasl_property_set(session, property, self->password.c_str());
        case GSASL_SCRAM_ITER:
            return gsasl_property_set(session, property, self->iterations);
        default:
            return GSASL_NO_CALLBACK;
        }
    }

    void close()
    {
        if (session)
            gsasl_finish(session);
        session = nullptr;
    }

    gboolean say(SignInReply *reply, SignInAnswer answer, const char *text = "")
    {
        reply->answer = answer;
        if (answer == SIGN_IN_CHALLENGE)
            reply->text = g_strdup(spoil ? spoil(text, ++challenges).c_str() : text);
        else if (answer != SIGN_IN_YES)
            reply->refusal = g_error_new(g_quark_from_static_string("refusal"), answer, "no");
        return TRUE;
    }

    gboolean step(const char *said, SignInReply *reply)
    {
        char *challenge = nullptr;
        if (!session)
            return say(reply, SIGN_IN_GARBLED);
        if (finished) {
            close();
            return say(reply, *said ? SIGN_IN_NO : SIGN_IN_YES);
        }
        int code = gsasl_step64(session, said, &challenge);
        std::string text = challenge ? challenge : "";
        gsasl_free(challenge);
        if (code == GSASL_NEEDS_MORE)
            return say(reply, SIGN_IN_CHALLENGE, text.c_str());
        if (code != GSASL_OK) {
            refusals++;
            close();
            return say(reply, SIGN_IN_NO);
        }
        finished = true;
        return text.empty() ? step("", reply) : say(reply, SIGN_IN_CHALLENGE, text.c_str());
    }

    gboolean begin(const char *mechanism, const char *initial, SignInReply *reply)
    {
        begun.push_back(mechanism);
        finished = false;
        close();
        way = ways.count(mechanism) ? ways[mechanism] : HONEST;
        switch (way) {
        case UNKNOWN:
            return say(reply, SIGN_IN_UNKNOWN);
        case GARBLED:
            return say(reply, SIGN_IN_GARBLED);
        case BUSY:
            return say(reply, SIGN_IN_LATER);
        case NO_SECRET:
            if (!initial) // a protocol in which nothing goes along
                return say(reply, SIGN_IN_CHALLENGE);
            return say(reply, SIGN_IN_NO);
        case ENDLESS:
            return say(reply, SIGN_IN_CHALLENGE, "AAAA");
        case TRUSTING:
            return say(reply, SIGN_IN_YES);
        default:
            EXPECT_EQ(gsasl_server_start(library, mechanism, &session), GSASL_OK) << mechanism;
            return initial ? step(initial, reply) : step("", reply);
        }
    }

    gboolean respond(const char *line, SignInReply *reply)
    {
        lines++;
        if (std::string(line) == "*") {
            cancelled++;
            close();
            return say(reply, SIGN_IN_GARBLED);
        }
        if (way == ENDLESS)
            return say(reply, SIGN_IN_CHALLENGE, "AAAA");
        return way == NO_SECRET ? say(reply, SIGN_IN_NO) : step(line, reply);
    }

    Gsasl *library;
    Gsasl_session *session = nullptr;
    bool finished = false;
    Way way = HONEST;
    std::string password = "secret";
    const char *iterations = "64";
    std::map<std::string, Way> ways;
    std::function<std::string(const char *, guint)> spoil; // of the n-th challenge
    std::vector<std::string> begun;
    guint refusals = 0, lines = 0, cancelled = 0, challenges = 0;
};

gboolean begin_at(gpointer provider, const char *mechanism, const char *initial, SignInReply *reply,
                  GError **)
{
    return static_cast<Provider *>(provider)->begin(mechanism, initial, reply);
}

gboolean respond_at(gpointer provider, const char *line, SignInReply *reply, GError **)
{
    return static_cast<Provider *>(provider)->respond(line, reply);
}

const int INSECURE = 99;

void fail_at(const char *text, GError **error)
{
    g_set_error_literal(error, g_quark_from_static_string("refusal"), INSECURE, text);
}

class SignIn : public Sasl
{
  protected:
    SignIn()
    {
        login.secret = "secret";
        login.lacking = &lacking;
    }
    ~SignIn() override
    {
        g_clear_error(&error);
    }

    bool run(Provider &provider, guint offered, gsize initial_max = G_MAXSIZE)
    {
        const SignInDoor door = {begin_at, respond_at, fail_at, initial_max};
        g_clear_error(&error);
        bool ok = sign_in(&door, &provider, &context, offered, &none, &error);
        EXPECT_EQ(ok, error == nullptr);
        return ok;
    }

    std::string text() const
    {
        return error ? error->message : "";
    }

    gboolean none = FALSE;
    guint lacking = 0;
    GError *error = nullptr;
};

const guint PASSWORDS[] = {SASL_SCRAM_SHA_256, SASL_SCRAM_SHA_1, SASL_PLAIN, SASL_LOGIN};

// Each set of mechanisms that a server may offer, each way it may have with each of them, whether or not the
// password is right, and whether or not something goes along with the command.
TEST_F(SignIn, AfterARefusalThereIsNoOtherAndBeforeItThereIs)
{
    const Way ways[] = {HONEST, UNKNOWN, GARBLED, NO_SECRET, BUSY};
    for (guint round = 0; round < 5 * 5 * 5 * 5 * 4; round++) {
        const bool right = round % 2, along = round / 2 % 2;
        guint rest = round / 4,
              offered = SASL_SCRAM_SHA_256 | SASL_SCRAM_SHA_1 | SASL_PLAIN | SASL_LOGIN;
        Provider provider;
        provider.password = right ? "secret" : "another";
        std::string expected;
        bool open = true, in = false;
        lacking = 0;
        for (guint mechanism : PASSWORDS) {
            Way way = ways[rest % 5];
            rest /= 5;
            const char *name = sasl_mechanism_name(mechanism);
            provider.ways[name] = way;
            bool scram = mechanism & SASL_SCRAM;
            if (!open || (scram && (lacking & SASL_SCRAM)))
                continue;
            expected += std::string(name) + " ";
            // LOGIN's first word is the server's.
            bool said = along && mechanism != SASL_LOGIN;
            in = way == HONEST && right;
            open = way == UNKNOWN || (way == GARBLED && (scram || !said)) ||
                   (way == NO_SECRET && scram);
            if (way == NO_SECRET && scram)
                lacking = SASL_SCRAM;
        }
        guint found = lacking;
        lacking = 0;
        bool ok = run(provider, offered, along ? G_MAXSIZE : 0);
        std::string begun;
        for (const auto &name : provider.begun)
            begun += name + " ";
        ASSERT_EQ(begun, expected) << round;
        ASSERT_EQ(ok, in) << round;
        ASSERT_LE(provider.refusals, 1u) << round;
        ASSERT_EQ(lacking, found) << round;
        ASSERT_EQ(none, !ok && open) << round;
    }
}

TEST_F(SignIn, WhatAServerLacksIsntAskedForAgainButByHimWhoWantsIt)
{
    Provider provider;
    provider.ways["SCRAM-SHA-256"] = NO_SECRET;
    const guint offered = SASL_SCRAM_SHA_256 | SASL_PLAIN;
    EXPECT_TRUE(run(provider, offered));
    EXPECT_TRUE(run(provider, offered));
    EXPECT_EQ(provider.begun, (std::vector<std::string>{"SCRAM-SHA-256", "PLAIN", "PLAIN"}));
    login.mechanisms = SASL_SCRAM_SHA_256;
    EXPECT_FALSE(run(provider, offered));
    EXPECT_EQ(provider.begun.back(), "SCRAM-SHA-256");
    EXPECT_EQ(text(), "no");
}

TEST_F(SignIn, AServerThatNeverEndsIsEnded)
{
    for (guint mechanism :
         {SASL_SCRAM_SHA_256, SASL_PLAIN, SASL_LOGIN, SASL_XOAUTH2, SASL_OAUTHBEARER}) {
        Provider provider;
        const char *name = sasl_mechanism_name(mechanism);
        provider.ways[name] = ENDLESS;
        login.oauth2 = (mechanism & SASL_TOKEN) != 0;
        EXPECT_FALSE(run(provider, mechanism)) << name;
        EXPECT_EQ(provider.cancelled, 1u) << name;
        EXPECT_LE(provider.lines, 12u) << name;
        EXPECT_NE(text().find("imap.example.org can't be trusted"), std::string::npos) << text();
    }
}

std::string decoded(const char *base64)
{
    gsize length;
    g_autofree guchar *octets = g_base64_decode(base64, &length);
    return std::string(reinterpret_cast<char *>(octets), length);
}

std::string encoded(const std::string &text)
{
    g_autofree char *base64 = g_base64_encode((const guchar *)text.data(), text.size());
    return base64;
}

// What a server in the middle, or one that doesn't know the password, may say in place of what it should.
TEST_F(SignIn, AServerThatLiesIsNotTrustedAndSaid)
{
    const struct {
        guint challenge; // 1: nonce, salt, count; 2: the server's proof
        const char *from, *to;
        const char *says;
    } lies[] = {
        {1, "r=", "r=x", "can't be trusted"},      // not our nonce at all
        {1, ",s=", ",s=!", "can't be trusted"},    // no salt
        {1, ",i=4096", ",i=1000001", "rounds"},    // more work than is honest
        {1, ",i=4096", ",i=4000000000", "rounds"}, //
        {1, ",i=4096", ",i=99999999999999999999", "rounds"},
        {1, ",i=4096", ",i=-1", "rounds"},
        {1, ",i=4096", ",i=0", "rounds"},
        {1, ",i=4096", ",i=4096x", "rounds"},
        {1, ",i=4096", "", "can't be trusted"},
        {2, "v=", "v=AAAA", "prove"}, // another signature
        {2, "v=", "e=other-error", "can't be trusted"},
        {2, "v=", "", "can't be trusted"},
    };
    for (guint mechanism : {SASL_SCRAM_SHA_256, SASL_SCRAM_SHA_1}) {
        for (const auto &lie : lies) {
            Provider provider;
            provider.iterations = "4096";
            provider.spoil = [&](const char *challenge, guint n) {
                std::string plain = decoded(challenge);
                size_t at = n == lie.challenge ? plain.find(lie.from) : std::string::npos;
                return at == std::string::npos
                           ? std::string(challenge)
                           : encoded(plain.replace(at, strlen(lie.from), lie.to));
            };
            EXPECT_FALSE(run(provider, mechanism | SASL_PLAIN)) << lie.to;
            EXPECT_NE(text().find(lie.says), std::string::npos) << lie.to << ": " << text();
            EXPECT_NE(text().find("imap.example.org can't be trusted"), std::string::npos)
                << text();
            EXPECT_EQ(provider.begun.size(), 1u)
                << lie.to; // the password doesn't follow in the clear
            EXPECT_EQ(provider.cancelled, 1u) << lie.to;
        }
    }
}

// Rubbish of all kinds in place of each challenge: never in, never long, never PLAIN behind it.
TEST_F(SignIn, RubbishIsNoChallenge)
{
    const guint mechanisms[] = {SASL_SCRAM_SHA_256, SASL_SCRAM_SHA_1, SASL_CRAM_MD5};
    g_autoptr(GRand) random = g_rand_new_with_seed(11);
    for (guint round = 0; round < 3000; round++) {
        const guint mechanism = mechanisms[round % 3], kind = round / 3 % 4;
        const guint which = 1 + round / 12 % 2;
        Provider provider;
        bool same = true;
        login.mechanisms = mechanism;
        provider.spoil = [&](const char *challenge, guint n) {
            std::string plain = kind < 2 ? challenge : decoded(challenge), was = plain;
            if (n != which)
                return std::string(challenge);
            for (guint i = 0; i < 1 + kind; i++) {
                gsize at = plain.empty() ? 0 : g_rand_int_range(random, 0, (int)plain.size());
                char octet = (char)g_rand_int_range(random, 1, 256);
                if (g_rand_boolean(random))
                    plain.insert(at, 1, octet);
                else if (!plain.empty())
                    plain[at] = octet;
            }
            same = same && plain == was;
            return kind < 2 ? plain : encoded(plain);
        };
        bool in = run(provider, mechanism);
        ASSERT_LE(provider.lines, 12u) << round;
        // A challenge of CRAM-MD5 may be anything, but then the digest is another.
        ASSERT_TRUE(!in || same || mechanism == SASL_CRAM_MD5) << round;
    }
}

TEST_F(SignIn, AServerWithoutTheProofIsNotTrusted)
{
    Provider provider;
    provider.spoil = [](const char *challenge, guint) { return std::string(challenge); };
    provider.ways["SCRAM-SHA-256"] = HONEST;
    const SignInDoor door = {begin_at,
                             [](gpointer, const char *, SignInReply *reply, GError **) -> gboolean {
                                 reply->answer = SIGN_IN_YES; // whatever was said
                                 return TRUE;
                             },
                             fail_at, G_MAXSIZE};
    EXPECT_FALSE(sign_in(&door, &provider, &context, SASL_SCRAM_SHA_256, &none, &error));
    EXPECT_NE(text().find("without having proved"), std::string::npos) << text();
}

// GNU SASL can't prepare every password for SCRAM; PLAIN takes it as it is.
TEST_F(SignIn, APasswordThatScramCantTakeGoesByPlain)
{
    Provider provider;
    login.secret = "bell\x07";
    provider.ways["PLAIN"] = TRUSTING;
    EXPECT_TRUE(run(provider, SASL_SCRAM_SHA_256 | SASL_PLAIN)) << text();
    EXPECT_EQ(provider.begun.back(), "PLAIN");
    EXPECT_EQ(provider.refusals, 0u);
}

TEST_F(SignIn, WithoutATicketTheAccountIsLockedAndItSaysWhatToDo)
{
    Provider provider;
    login.secret = "";
    login.mechanisms = SASL_GSSAPI;
    g_setenv("KRB5CCNAME", "/nowhere/ticket", TRUE);
    EXPECT_FALSE(run(provider, SASL_GSSAPI | SASL_PLAIN));
    EXPECT_TRUE(g_error_matches(error, ACCOUNT_ERROR_DOMAIN, ACCOUNT_SECRET_LOCKED)) << text();
    EXPECT_NE(text().find("kinit"), std::string::npos) << text();
    EXPECT_TRUE(provider.begun.empty());
}

} // namespace
