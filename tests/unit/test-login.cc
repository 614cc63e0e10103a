/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Logging in locally. The clients' side of SCRAM is GNU SASL's, so that two authors have to agree.
 */
#include <algorithm>
#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include <glib.h>
#include <glib/gstdio.h>
#include <gsasl.h>

#include <csignal>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

extern "C" {
#include "daemon/proto/sasl/base64.h"
#include "daemon/proto/sasl/scram.h"
#include "daemon/serve/login.h"
}

namespace
{

std::string encode(const std::string &text)
{
    g_autofree char *encoded = g_base64_encode((const guchar *)text.data(), text.size());
    return encoded;
}

/* ---- base64 and SCRAM ------------------------------------------------------------------------ */

TEST(Base64, TakesBase64AndNothingElse)
{
    gsize length;
    for (const char *bad : {"a", "ab", "abc", "a===", "====", "ab=c", "YW Jj", "YWJ\n", "*"}) {
        g_autofree guint8 *bytes = base64_decode_strict(bad, &length);
        EXPECT_EQ(bytes, nullptr) << bad;
    }
    g_autofree guint8 *empty = base64_decode_strict("", &length);
    EXPECT_TRUE(empty && length == 0);
    g_autofree guint8 *bytes = base64_decode_strict("YWI=", &length);
    ASSERT_NE(bytes, nullptr);
    EXPECT_EQ(std::string((char *)bytes, length), "ab");
}

/* RFC 7677, 3 */
TEST(Scram, AgreesWithTheStandardsExample)
{
    gsize length;
    g_autofree guint8 *salt_data = base64_decode_strict("W22ZaJ0SNY7soEsUEjb6gQ==", &length);
    g_autoptr(GBytes) salt = g_bytes_new(salt_data, length);
    ScramVerifier verifier, other;
    scram_verifier_make("pencil", salt, 4096, &verifier);
    scram_verifier_make("Pencil", salt, 4096, &other);

    g_auto(ScramClientFirst) first = {};
    ASSERT_TRUE(scram_parse_client_first("n,,n=user,r=rOprNGfwEbeRWgbNEkqO", &first));
    EXPECT_STREQ(first.user, "user");
    g_autofree char *server_first =
        scram_server_first("rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", salt, 4096);
    EXPECT_STREQ(server_first, "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                               "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    g_auto(ScramClientFinal) final = {};
    ASSERT_TRUE(
        scram_parse_client_final("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                 "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
                                 &final));
    g_autofree char *message =
        g_strconcat(first.bare, ",", server_first, ",", final.without_proof, nullptr);
    EXPECT_TRUE(scram_check_proof(&verifier, message, final.proof));
    EXPECT_FALSE(scram_check_proof(&other, message, final.proof));
    g_autofree char *last = scram_server_final(&verifier, message);
    EXPECT_STREQ(last, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

TEST(Scram, ReadsFirstMessagesAsTheGrammarHasThem)
{
    g_auto(ScramClientFirst) plus = {};
    ASSERT_TRUE(scram_parse_client_first("p=tls-exporter,a=me,n=a=2Cb=3Dc,r=x,ext=1", &plus));
    EXPECT_STREQ(plus.gs2_header, "p=tls-exporter,a=me,");
    EXPECT_STREQ(plus.binding, "tls-exporter");
    EXPECT_STREQ(plus.authzid, "me");
    EXPECT_STREQ(plus.user, "a,b=c");
    EXPECT_STREQ(plus.bare, "n=a=2Cb=3Dc,r=x,ext=1");
    for (const char *bad :
         {"", "n", "n,,", "n,,n=user", "n,,n=,r=x", "n,,n=a=b,r=x", "n,,m=1,n=a,r=x", "x,,n=a,r=x",
          "n,b,n=a,r=x", "n,,r=x,n=a", "n,,n=a,r=", "n,,n=a,r=\xc3\xa4", "n,,n=\xff,r=x"}) {
        g_auto(ScramClientFirst) first = {};
        EXPECT_FALSE(scram_parse_client_first(bad, &first)) << bad;
    }
    for (const char *bad : {"", "p=", "c=biws,r=x", "c=biws,r=x,p=AAAA", "c=!,r=x,p=", "r=x,p="}) {
        g_auto(ScramClientFinal) final = {};
        EXPECT_FALSE(scram_parse_client_final(bad, &final)) << bad;
    }
}

/* ---- verifiers ------------------------------------------------------------------------------- */

class LoginTest : public ::testing::Test
{
  protected:
    void SetUp() override
    {
        signal(SIGPIPE, SIG_IGN); /* as posternd does */
        directory = g_dir_make_tmp("postern-login-XXXXXX", nullptr);
        path = std::string(directory) + "/passwords";
        verifiers = serve_verifiers_load(path.c_str(), nullptr);
        ASSERT_NE(verifiers, nullptr);
        cancel = net_cancel_new();
        int fds[2];
        ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        server = net_stream_new(fds[0], "client", cancel);
        client = net_stream_new(fds[1], "server", cancel);
    }

    void TearDown() override
    {
        serve_verifiers_unref(verifiers);
        net_stream_free(server);
        net_stream_free(client);
        net_cancel_unref(cancel);
        g_autofree char *command = g_strdup_printf("rm -rf '%s'", directory);
        EXPECT_EQ(system(command), 0);
        g_free(directory);
    }

    std::string add(const char *name)
    {
        g_autofree char *password = serve_verifiers_add(verifiers, name, nullptr);
        return password ? password : "";
    }

    void start_tls()
    {
        g_autoptr(NetTlsServer) tls = net_tls_local(directory, nullptr);
        g_autofree char *authority = g_build_filename(directory, "authority.pem", nullptr);
        g_autoptr(NetTlsClient) trust = net_tls_client_new(authority, nullptr);
        ASSERT_TRUE(tls && trust);
        std::thread other(
            [&] { EXPECT_TRUE(net_stream_start_tls(client, trust, "localhost", nullptr)); });
        EXPECT_TRUE(net_stream_accept_tls(server, tls, nullptr, nullptr));
        other.join();
    }

    static ServeVerifiers *find(const char *login, gpointer data)
    {
        auto test = (LoginTest *)data;
        return g_str_equal(login, "work") ? test->verifiers : nullptr;
    }

    /* Runs the client's messages; the last result. The first may be NULL: no initial response. */
    ServeSaslResult run(const char *mechanism, std::initializer_list<const char *> messages)
    {
        g_autoptr(ServeSasl) sasl = serve_sasl_new(mechanism, server, find, this);
        ServeSaslResult result = SERVE_SASL_FAILED;
        EXPECT_NE(sasl, nullptr);
        for (const char *message : messages) {
            g_autofree char *output = nullptr;
            result = serve_sasl_step(sasl, message, &output);
            EXPECT_STREQ(result == SERVE_SASL_OK ? serve_sasl_login(sasl) : "work", "work");
        }
        return result;
    }

    /* GNU SASL's client against Postern's server. */
    bool gsasl(const char *mechanism, const char *user, const std::string &password,
               bool lie = false)
    {
        Gsasl *context;
        Gsasl_session *session;
        EXPECT_EQ(gsasl_init(&context), GSASL_OK);
        EXPECT_EQ(gsasl_client_start(context, mechanism, &session), GSASL_OK);
        gsasl_property_set(session, GSASL_AUTHID, user);
        gsasl_property_set(session, GSASL_PASSWORD, password.c_str());
        g_autoptr(GBytes) binding = net_stream_channel_binding(client, "tls-exporter");
        if (binding) {
            gsize size;
            auto data = (const char *)g_bytes_get_data(binding, &size);
            std::string text = encode(std::string(data, size));
            if (lie)
                text[0] = text[0] == 'A' ? 'B' : 'A';
            gsasl_property_set(session, GSASL_CB_TLS_EXPORTER, text.c_str());
        }
        bool ok = exchange(mechanism, session);
        gsasl_finish(session);
        gsasl_done(context);
        return ok;
    }

    bool exchange(const char *mechanism, Gsasl_session *session)
    {
        g_autoptr(ServeSasl) sasl = serve_sasl_new(mechanism, server, find, this);
        std::string challenge;
        for (bool first = true; sasl; first = false) {
            char *answer = nullptr;
            int code = gsasl_step64(session, first ? nullptr : challenge.c_str(), &answer);
            if (code != GSASL_OK && code != GSASL_NEEDS_MORE)
                return false;
            g_autofree char *output = nullptr;
            ServeSaslResult result = serve_sasl_step(sasl, answer ? answer : "", &output);
            gsasl_free(answer);
            if (result == SERVE_SASL_OK)
                return code == GSASL_OK;
            if (result == SERVE_SASL_FAILED)
                return false;
            challenge = output;
        }
        return false;
    }

    /* An exchange that fails at its end; in the client's last message NONCE is the server's. */
    void fail(const char *mechanism, const std::vector<std::string> &messages)
    {
        g_autoptr(ServeSasl) sasl = serve_sasl_new(mechanism, server, find, this);
        ServeSaslResult result = SERVE_SASL_CONTINUE;
        std::string nonce;
        for (std::string message : messages) {
            g_autofree char *output = nullptr;
            EXPECT_EQ(result, SERVE_SASL_CONTINUE);
            size_t at = message.find("NONCE");
            if (at != std::string::npos)
                message.replace(at, strlen("NONCE"), nonce);
            result = serve_sasl_step(sasl, encode(message).c_str(), &output);
            gsize length;
            g_autofree guint8 *bytes =
                output && *output ? g_base64_decode(output, &length) : nullptr;
            std::string challenge = bytes ? std::string((const char *)bytes, length) : "";
            if (challenge.compare(0, 2, "r=") == 0)
                nonce = challenge.substr(2, challenge.find(',') - 2);
        }
        EXPECT_EQ(result, SERVE_SASL_FAILED);
    }

    char *directory = nullptr;
    std::string path;
    ServeVerifiers *verifiers = nullptr;
    NetCancel *cancel = nullptr;
    NetStream *server = nullptr, *client = nullptr;
};

TEST_F(LoginTest, PasswordsAreMadeNamedKeptAndRevoked)
{
    std::string mutt = add("mutt"), phone = add("Grüße vom Telefon");
    EXPECT_EQ(mutt.size(), 26u);
    EXPECT_NE(mutt, phone);
    g_autoptr(GError) error = nullptr;
    EXPECT_EQ(serve_verifiers_add(verifiers, "mutt", &error), nullptr);
    ASSERT_NE(error, nullptr);

    g_autoptr(ServeVerifiers) again = serve_verifiers_load(path.c_str(), nullptr);
    ASSERT_NE(again, nullptr);
    EXPECT_TRUE(serve_verifiers_check(again, mutt.c_str()));
    EXPECT_TRUE(serve_verifiers_check(again, phone.c_str()));
    EXPECT_FALSE(serve_verifiers_check(again, "guess"));
    ASSERT_TRUE(serve_verifiers_revoke(again, "mutt", nullptr));
    EXPECT_FALSE(serve_verifiers_revoke(again, "mutt", nullptr));
    EXPECT_FALSE(serve_verifiers_check(again, mutt.c_str()));
    EXPECT_TRUE(serve_verifiers_check(again, phone.c_str()));
    g_auto(GStrv) names = serve_verifiers_names(again);
    EXPECT_EQ(g_strv_length(names), 1u);
    EXPECT_STREQ(names[0], "Grüße vom Telefon");
}

TEST_F(LoginTest, TheFileHoldsNoPasswordAndIsPrivate)
{
    std::string password = add("mutt");
    g_autofree char *text = nullptr;
    ASSERT_TRUE(g_file_get_contents(path.c_str(), &text, nullptr, nullptr));
    EXPECT_EQ(std::string(text).find(password), std::string::npos);
    struct stat info;
    ASSERT_EQ(stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(LoginTest, NamesAreForPeople)
{
    std::string longest(64, 'x'), longer(65, 'x');
    EXPECT_NE(add(longest.c_str()), "");
    for (const char *bad : {"", "a\nb", "a\x01", "\xff", longer.c_str()})
        EXPECT_EQ(add(bad), "");
}

TEST_F(LoginTest, ADamagedFileIsReportedNotOverwritten)
{
    add("mutt");
    ASSERT_TRUE(g_file_set_contents(path.c_str(), "[scram-sha-256]\nsalt=zzz\n", -1, nullptr));
    g_autoptr(GError) error = nullptr;
    EXPECT_EQ(serve_verifiers_load(path.c_str(), &error), nullptr);
    EXPECT_NE(error, nullptr);
}

TEST_F(LoginTest, WithoutRoomForTheFileThePasswordDoesNotExist)
{
    g_autoptr(ServeVerifiers) nowhere =
        serve_verifiers_load((path + "/missing/passwords").c_str(), nullptr);
    if (!nowhere)
        nowhere = serve_verifiers_load("/nonexistent/passwords", nullptr);
    ASSERT_NE(nowhere, nullptr);
    g_autoptr(GError) error = nullptr;
    EXPECT_EQ(serve_verifiers_add(nowhere, "mutt", &error), nullptr);
    EXPECT_NE(error, nullptr);
    g_auto(GStrv) names = serve_verifiers_names(nowhere);
    EXPECT_EQ(g_strv_length(names), 0u);
}

/* ---- mechanisms ------------------------------------------------------------------------------ */

TEST_F(LoginTest, PlainTakesAnyOfThePasswords)
{
    std::string zero(1, '\0'), a = add("a"), b = add("b");
    auto plain = [&](const std::string &authzid, const std::string &user, const std::string &pass) {
        return encode(authzid + zero + user + zero + pass);
    };
    EXPECT_EQ(run("PLAIN", {plain("", "work", a).c_str()}), SERVE_SASL_OK);
    EXPECT_EQ(run("plain", {plain("work", "work", b).c_str()}), SERVE_SASL_OK);
    EXPECT_EQ(run("PLAIN", {nullptr, plain("", "work", b).c_str()}), SERVE_SASL_OK);
    /* RFC 5530 tells the two apart. */
    EXPECT_EQ(run("PLAIN", {plain("root", "work", b).c_str()}), SERVE_SASL_UNAUTHORIZED);
    EXPECT_EQ(run("PLAIN", {plain("root", "work", "x").c_str()}), SERVE_SASL_FAILED);
    EXPECT_EQ(run("PLAIN", {plain("", "home", b).c_str()}), SERVE_SASL_FAILED);
    EXPECT_EQ(run("PLAIN", {plain("", "work", a + b).c_str()}), SERVE_SASL_FAILED);
    EXPECT_EQ(run("PLAIN", {plain("", "work", "").c_str()}), SERVE_SASL_FAILED);
    EXPECT_EQ(run("PLAIN", {plain("", "work", a + zero).c_str()}), SERVE_SASL_FAILED);
    for (const char *bad : {"=", "", "*", "AA", "AA==", "AAA=", "d29yaw=="})
        EXPECT_EQ(run("PLAIN", {bad}), SERVE_SASL_FAILED) << bad;
    EXPECT_EQ(run("PLAIN", {encode(std::string(4000, 'x')).c_str()}), SERVE_SASL_FAILED);
}

TEST_F(LoginTest, LoginWorksWithAndWithoutAnInitialResponse)
{
    std::string password = encode(add("a")), user = encode("work");
    EXPECT_EQ(run("LOGIN", {nullptr, user.c_str(), password.c_str()}), SERVE_SASL_OK);
    EXPECT_EQ(run("LOGIN", {user.c_str(), password.c_str()}), SERVE_SASL_OK);
    EXPECT_EQ(run("LOGIN", {user.c_str(), encode("no").c_str()}), SERVE_SASL_FAILED);
    EXPECT_EQ(run("LOGIN", {nullptr, "*"}), SERVE_SASL_FAILED);
    EXPECT_EQ(run("LOGIN", {nullptr, nullptr}), SERVE_SASL_CONTINUE);
}

TEST_F(LoginTest, AFailedExchangeStaysFailed)
{
    std::string zero(1, '\0');
    std::string good = encode(zero + "work" + zero + add("a"));
    EXPECT_EQ(run("PLAIN", {"*", good.c_str()}), SERVE_SASL_FAILED);
}

TEST_F(LoginTest, ScramTriesEveryPassword)
{
    for (const char *name : {"a", "b", "c"}) {
        std::string password = add(name);
        EXPECT_TRUE(gsasl("SCRAM-SHA-256", "work", password)) << name;
    }
    EXPECT_FALSE(gsasl("SCRAM-SHA-256", "work", "wrong"));
    EXPECT_FALSE(gsasl("SCRAM-SHA-256", "nobody", "wrong"));
    std::string gone = add("gone");
    ASSERT_TRUE(serve_verifiers_revoke(verifiers, "gone", nullptr));
    EXPECT_FALSE(gsasl("SCRAM-SHA-256", "work", gone));
}

TEST_F(LoginTest, ScramPlusIsOfferedOnTlsOnlyAndBindsToTheChannel)
{
    std::string password = add("a");
    EXPECT_EQ(strstr(serve_sasl_mechanisms(server), "PLUS"), nullptr);
    EXPECT_EQ(serve_sasl_new("SCRAM-SHA-256-PLUS", server, find, this), nullptr);
    start_tls();
    EXPECT_NE(strstr(serve_sasl_mechanisms(server), "SCRAM-SHA-256-PLUS"), nullptr);
    EXPECT_TRUE(gsasl("SCRAM-SHA-256-PLUS", "work", password));
    EXPECT_FALSE(gsasl("SCRAM-SHA-256-PLUS", "work", password, true));
    EXPECT_FALSE(gsasl("SCRAM-SHA-256-PLUS", "work", "wrong"));
}

TEST_F(LoginTest, TlsServerEndPointBindsToo)
{
    start_tls();
    add("a");
    std::string first = encode("p=tls-server-end-point,,n=work,r=abc");
    EXPECT_EQ(run("SCRAM-SHA-256-PLUS", {first.c_str()}), SERVE_SASL_CONTINUE);
    first = encode("p=tls-unique,,n=work,r=abc");
    EXPECT_EQ(run("SCRAM-SHA-256-PLUS", {first.c_str()}), SERVE_SASL_FAILED);
    first = encode("n,,n=work,r=abc");
    EXPECT_EQ(run("SCRAM-SHA-256-PLUS", {first.c_str()}), SERVE_SASL_FAILED);
}

/* RFC 5802, 6: a client that could bind and says that we don't offer it has been lied to. */
TEST_F(LoginTest, RemovingPlusFromTheOfferIsNoticed)
{
    add("a");
    std::string first = encode("y,,n=work,r=abc");
    EXPECT_EQ(run("SCRAM-SHA-256", {first.c_str()}), SERVE_SASL_CONTINUE);
    start_tls();
    EXPECT_EQ(run("SCRAM-SHA-256", {first.c_str()}), SERVE_SASL_FAILED);
    first = encode("n,,n=work,r=abc");
    EXPECT_EQ(run("SCRAM-SHA-256", {first.c_str()}), SERVE_SASL_CONTINUE);
}

TEST_F(LoginTest, UnknownMechanismsAreNotBegun)
{
    for (const char *name : {"", "CRAM-MD5", "PLAINX", "GSSAPI", "ANONYMOUS"})
        EXPECT_EQ(serve_sasl_new(name, server, find, this), nullptr) << name;
}

/* ---- throttling ------------------------------------------------------------------------------ */

TEST_F(LoginTest, FailuresSlowTheNextAnswerAndCancellingEndsTheWait)
{
    g_autoptr(ServeThrottle) throttle = serve_throttle_new();
    auto seconds = [&] {
        gint64 start = g_get_monotonic_time();
        serve_throttle_failed(throttle, server);
        return (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC;
    };
    EXPECT_LT(seconds(), 0.2);
    EXPECT_GE(seconds(), 0.25);
    serve_throttle_succeeded(throttle);
    EXPECT_LT(seconds(), 0.2);
    net_cancel_trigger(cancel);
    for (int i = 0; i < 10; i++)
        EXPECT_LT(seconds(), 0.2);
}

static const char SCRAM_WRONG[] = "c=biws,r=NONCE,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/* How much longer one takes than the other, either way, in what this thread has computed: other
 * programs don't count, and taking the least of many turns about leaves out what they did to the
 * processor meanwhile. */
static double difference(const std::function<void()> &one, const std::function<void()> &other)
{
    auto time = [](const std::function<void()> &run) {
        auto now = [] {
            struct timespec time;
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
            return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
        };
        double begin = now();
        run();
        return now() - begin;
    };
    double a = G_MAXDOUBLE, b = G_MAXDOUBLE;
    for (int i = 0; i < 41; i++) {
        a = std::min(a, time(one));
        b = std::min(b, time(other));
    }
    return std::max(a / b, b / a);
}

TEST_F(LoginTest, NamesThatNobodyHasFailAsSlowlyAsWrongPasswords)
{
    const struct {
        const char *mechanism;
        std::vector<std::string> known, unknown;
    } cases[] = {
        {"PLAIN", {std::string("\0work\0wrong", 11)}, {std::string("\0nope\0wrong", 11)}},
        {"LOGIN", {"work", "wrong"}, {"nope", "wrong"}},
        {"SCRAM-SHA-256", {"n,,n=work,r=abc", SCRAM_WRONG}, {"n,,n=nope,r=abc", SCRAM_WRONG}},
    };
    /* With none, one and many passwords. */
    for (guint passwords : {0u, 1u, 40u}) {
        for (guint i = passwords / 2; i < passwords; i++)
            ASSERT_NE(add(std::to_string(i).c_str()), "");
        for (const auto &one : cases) {
            EXPECT_LT(difference([&] { fail(one.mechanism, one.known); },
                                 [&] { fail(one.mechanism, one.unknown); }),
                      1.3)
                << one.mechanism << ", " << passwords << " passwords";
        }
    }
}

/* The salt that SCRAM gives for `name`. */
static std::string salt_of(NetStream *stream, const char *name, ServeFindVerifiers find, void *data)
{
    g_autoptr(ServeSasl) sasl = serve_sasl_new("SCRAM-SHA-256", stream, find, data);
    g_autofree char *output = nullptr;
    std::string first = std::string("n,,n=") + name + ",r=abc";
    EXPECT_EQ(serve_sasl_step(sasl, encode(first).c_str(), &output), SERVE_SASL_CONTINUE);
    gsize length;
    g_autofree guint8 *bytes = g_base64_decode(output, &length);
    std::string text((const char *)bytes, length);
    size_t at = text.find(",s=") + 3, end = text.find(",i=");
    EXPECT_EQ(text.substr(end), ",i=4096");
    return text.substr(at, end - at);
}

/* Neither do their salts say that nobody has them: they are as long, stay the same over restarts,
 * and can't be computed by somebody else. */
TEST_F(LoginTest, NamesThatNobodyHasHaveSaltsAsGoodAsOthers)
{
    auto salt = [this](const char *name) { return salt_of(server, name, find, this); };
    std::string here = directory + std::string("/decoys"), elsewhere = here + "-elsewhere";
    serve_decoys_keep(here.c_str());
    std::string nope = salt("nope");
    EXPECT_EQ(nope.size(), salt("work").size());
    EXPECT_EQ(salt("nope"), nope);
    EXPECT_NE(salt("nobody"), nope);
    serve_decoys_keep(elsewhere.c_str());
    EXPECT_NE(salt("nope"), nope);
    serve_decoys_keep(here.c_str());
    EXPECT_EQ(salt("nope"), nope);
    GStatBuf info;
    ASSERT_EQ(g_stat(here.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
    /* What can't be kept lasts as long as the process. */
    serve_decoys_keep((here + "/file/in/a/file").c_str());
    nope = salt("nope");
    EXPECT_EQ(salt("nope"), nope);
}

} // namespace
