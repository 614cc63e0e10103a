/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Trying servers before an account is made of them: servers that offer more than they can, names that are right or wrong,
 * and what is known of a provider beforehand. The server's side of SASL is GNU SASL's. */
#include <gtest/gtest.h>

#include <glib.h>
#include <gsasl.h>

#include <csignal>
#include <map>
#include <mutex>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <set>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

extern "C" {
#include "daemon/discover/probe.h"
#include "daemon/upstream/imap.h"
#include "daemon/upstream/pop3.h"
#include "daemon/upstream/smtp.h"
}

namespace
{

enum Way {
    ABSENT,  // it isn't offered
    HONEST,  // it is as it should be
    UNKNOWN, // it is offered, but nobody knows it
    EARLY,   // refuses before it has seen a proof: there is no verifier for this user
    LATE,    // refuses every proof: there is no verifier, and that isn't to be told
    BUSY,    // can't now
};

// What a protocol says.
struct Words {
    const char *protocol, *greeting, *yes, *no, *unknown, *busy, *go_on;
};

const Words imap = {"imap",
                    "* OK ready",
                    "%s OK done",
                    "%s NO [AUTHENTICATIONFAILED] no",
                    "%s NO [CANNOT] unknown",
                    "%s NO [UNAVAILABLE] later",
                    "+ %s"};
const Words pop3 = {
    "pop3", "+OK ready", "+OK done", "-ERR [AUTH] no", "-ERR unknown", "-ERR [SYS/TEMP] later",
    "+ %s"};
const Words smtp = {"submission",        "220 ready",       "235 done", "535 5.7.8 no",
                    "504 5.5.4 unknown", "454 4.7.0 later", "334 %s"};

const char *const USERS[] = {"ada@example.org", "ada", nullptr};

class Server
{
  public:
    Server(const Words &words, std::map<guint, Way> ways, std::string user)
        : words(words), ways(std::move(ways)), user(std::move(user))
    {
        sockaddr_in address = {};
        socklen_t length = sizeof address;
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        listener = socket(AF_INET, SOCK_STREAM, 0);
        EXPECT_EQ(bind(listener, (sockaddr *)&address, sizeof address), 0);
        EXPECT_EQ(listen(listener, 8), 0);
        getsockname(listener, (sockaddr *)&address, &length);
        port = ntohs(address.sin_port);
        thread = std::thread([this] { accept_all(); });
    }

    ~Server()
    {
        shutdown(listener, SHUT_RDWR);
        thread.join();
        close(listener);
    }

    NetEndpoint *endpoint() const
    {
        g_autofree char *url = g_strdup_printf("%s+insecure://127.0.0.1:%u", words.protocol, port);
        return net_endpoint_parse(url, nullptr);
    }

    guint16 port;
    guint refusals = 0;            // secrets that were shown in vain; while nobody is connected
    std::vector<std::string> used; // mechanisms, in order

  private:
    Words words;
    std::map<guint, Way> ways;
    std::string user, tag, rest;
    int listener, fd = -1;
    std::thread thread;
    Way way = HONEST;

    void accept_all()
    {
        while ((fd = accept(listener, nullptr, nullptr)) >= 0) {
            int at_once = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
            rest.clear();
            serve();
            close(fd);
        }
    }

    void say(const char *format, const char *text = "")
    {
        g_autofree char *line =
            strstr(format, "%s") ? g_strdup_printf(format, text) : g_strdup(format);
        std::string sent = std::string(line) + "\r\n";
        EXPECT_GE(send(fd, sent.data(), sent.size(), MSG_NOSIGNAL), 0);
    }

    bool read(std::string &line)
    {
        char buffer[4096];
        size_t end;
        while ((end = rest.find("\r\n")) == std::string::npos) {
            ssize_t count = recv(fd, buffer, sizeof buffer, 0);
            if (count <= 0)
                return false;
            rest.append(buffer, (size_t)count);
        }
        line = rest.substr(0, end);
        rest.erase(0, end + 2);
        return true;
    }

    std::string offered(const char *before) const
    {
        std::string text;
        for (auto [mechanism, way] : ways)
            if (way != ABSENT)
                text += std::string(before) + sasl_mechanism_name(mechanism);
        return text;
    }

    static int know(Gsasl *library, Gsasl_session *session, Gsasl_property property)
    {
        auto self = static_cast<Server *>(gsasl_callback_hook_get(library));
        const char *who = gsasl_property_fast(session, GSASL_AUTHID);
        bool right = self->way == HONEST && who && self->user == who;
        if (property == GSASL_PASSWORD)
            return gsasl_property_set(session, property, right ? "secret" : "what nobody has");
        if (property == GSASL_SCRAM_ITER)
            return gsasl_property_set(session, property, "64");
        return GSASL_NO_CALLBACK;
    }

    void refuse()
    {
        refusals++;
        say(words.no, tag.c_str());
    }

    bool exchange(Gsasl_session *session, std::string said)
    {
        for (;;) {
            char *challenge = nullptr;
            int code = gsasl_step64(session, said.c_str(), &challenge);
            std::string text = challenge ? challenge : "";
            gsasl_free(challenge);
            if (code != GSASL_OK && code != GSASL_NEEDS_MORE)
                return false;
            if (code == GSASL_OK && text.empty())
                return true;
            say(words.go_on, text.c_str());
            if (!read(said))
                return false;
            if (code == GSASL_OK)
                return true;
        }
    }

    void authenticate(const std::string &name, std::string initial, bool along)
    {
        guint mechanism = sasl_mechanism_of(name.c_str());
        used.push_back(name);
        way = ways[mechanism];
        if (way == UNKNOWN || way == BUSY)
            return say(way == BUSY ? words.busy : words.unknown, tag.c_str());
        if (!along && mechanism != SASL_LOGIN) {
            say(words.go_on, "");
            if (!read(initial))
                return;
        }
        if (way == EARLY && mechanism != SASL_LOGIN) {
            refusals += !(mechanism & SASL_SCRAM);
            return say(words.no, tag.c_str());
        }
        Gsasl *library;
        Gsasl_session *session;
        EXPECT_EQ(gsasl_init(&library), GSASL_OK);
        gsasl_callback_set(library, know);
        gsasl_callback_hook_set(library, this);
        EXPECT_EQ(gsasl_server_start(library, name.c_str(), &session), GSASL_OK);
        bool in = exchange(session, initial);
        gsasl_finish(session);
        gsasl_done(library);
        in ? say(words.yes, tag.c_str()) : refuse();
    }

    void own_command(const std::string &who, const std::string &secret)
    {
        used.push_back("own");
        way = ways.count(SASL_LOGIN) ? ways[SASL_LOGIN] : HONEST;
        who == user &&secret == "secret" ? say(words.yes, tag.c_str()) : refuse();
    }

    void capabilities()
    {
        if (words.protocol == imap.protocol) {
            say("* CAPABILITY IMAP4rev1 SASL-IR%s", offered(" AUTH=").c_str());
            say(words.yes, tag.c_str());
        } else if (words.protocol == pop3.protocol) {
            say("+OK\r\nUSER\r\nSASL%s\r\n.", offered(" ").c_str());
        } else {
            say("250-here\r\n250 AUTH%s", offered(" ").c_str());
        }
    }

    void serve()
    {
        std::string line, who;
        say(words.greeting);
        while (read(line)) {
            g_auto(GStrv) parts = g_strsplit(line.c_str(), " ", -1);
            guint at = words.protocol == imap.protocol ? 1 : 0, count = g_strv_length(parts);
            tag = at ? parts[0] : "";
            std::string verb = count > at ? parts[at] : "",
                        first = count > at + 1 ? parts[at + 1] : "",
                        second = count > at + 2 ? parts[at + 2] : "";
            if (verb == "CAPABILITY" || verb == "CAPA" || verb == "EHLO")
                capabilities();
            else if (verb == "AUTH" || verb == "AUTHENTICATE")
                authenticate(first, second, count > at + 2);
            else if (verb == "LOGIN")
                own_command(unquoted(first), unquoted(second));
            else if (verb == "USER")
                who = first, say("+OK");
            else if (verb == "PASS")
                own_command(who, first);
            else
                say(words.protocol == smtp.protocol ? "250 OK" : words.yes, tag.c_str());
        }
    }

    static std::string unquoted(std::string text)
    {
        return text.size() > 1 && text[0] == '"' ? text.substr(1, text.size() - 2) : text;
    }
};

bool log_in_as_every_day(const UpstreamLogin &login)
{
    g_autoptr(GError) error = nullptr;
    const char *protocol = login.endpoint->protocol;
    if (strcmp(protocol, "pop3") == 0) {
        g_autoptr(Pop3Client) client = pop3_client_connect(&login, &error);
        return client != nullptr;
    }
    if (strcmp(protocol, "imap") == 0) {
        g_autoptr(ImapClient) client = imap_client_connect(&login, &error);
        return client != nullptr;
    }
    SmtpClientOptions options = {};
    options.login = login;
    options.timeouts.connect = options.timeouts.command = 20;
    SmtpClient *client = smtp_client_connect(&options, &error);
    if (client)
        smtp_client_close(client);
    return client != nullptr;
}

const guint OFFERED[] = {SASL_SCRAM_SHA_256, SASL_PLAIN, SASL_LOGIN};

// Whether the name gets in by one of `allowed` as a login of every day goes: what isn't known, or refuses before a proof,
// is passed over. `*secret_shown`: the refusal was a real one.
bool gets_in(const Words &words, const std::map<guint, Way> &ways, guint allowed, bool right,
             guint *last)
{
    *last = 0;
    for (guint mechanism : OFFERED) {
        Way way = ways.at(mechanism);
        if (way == ABSENT || !(allowed & mechanism))
            continue;
        *last = mechanism;
        if (way == UNKNOWN || (way == EARLY && (mechanism & SASL_SCRAM)))
            continue;
        return way == HONEST && right;
    }
    // The protocol's own command comes last.
    if (words.protocol == smtp.protocol || !(allowed & SASL_LOGIN))
        return false;
    *last = SASL_LOGIN;
    return right;
}

const guint SHOWN = SASL_PLAIN | SASL_LOGIN;

// A server on this machine that has no way to sign in which it knows is thought to know us.
bool is_open(const Words &words, const std::map<guint, Way> &ways, guint known)
{
    bool closed = words.protocol != smtp.protocol;
    for (auto [mechanism, way] : ways)
        closed |= (!known || (known & mechanism)) && (way == HONEST || way == LATE || way == BUSY);
    return !closed;
}

class Probe : public ::testing::TestWithParam<const Words *>
{
  protected:
    void SetUp() override
    {
        signal(SIGPIPE, SIG_IGN);
    }

    // Tries; then logs in by what came of it. `whose`: the name that is right, or nobody's.
    void check(const std::map<guint, Way> &ways, guint known, const std::string &whose)
    {
        const Words &words = *GetParam();
        Server server(words, ways, whose);
        g_autoptr(NetEndpoint) endpoint = server.endpoint();
        ProbeServer tried = {};
        ProbeResult result = {};
        g_autoptr(GError) error = nullptr;
        tried.login.endpoint = endpoint;
        tried.login.secret = "secret";
        tried.login.mechanisms = known;
        g_autoptr(NetCancel) cancel = net_cancel_new();
        tried.login.cancel = cancel;
        tried.login.timeout = 20;
        tried.users = (char *const *)USERS;
        bool in = words.protocol == smtp.protocol ? probe_outgoing(&tried, &result, &error)
                                                  : probe_incoming(&tried, &result, &error);
        g_autofree char *user = result.user;
        std::string order;
        for (const auto &name : server.used)
            order += name + " ";
        SCOPED_TRACE(order + "for " + whose + (error ? std::string(": ") + error->message : ""));
        ASSERT_EQ(in, error == nullptr);
        ASSERT_EQ(in, user != nullptr);
        EXPECT_LE(server.refusals, 3u);
        // Where the first name was refused by SCRAM, others go by what shows the secret alone.
        bool can_show = !is_open(words, ways, SHOWN);
        guint scram = !can_show                               ? 0
                      : ways.at(SASL_SCRAM_SHA_256) == HONEST ? SASL_SCRAM_SHA_256
                                                              : 0;
        guint best = known               ? known
                     : whose == USERS[1] ? ~scram
                                         : ~0u,
              shown = known ? known : SHOWN, last;
        bool expected =
            (gets_in(words, ways, best, true, &last) || gets_in(words, ways, shown, true, &last)) &&
            whose != "nobody";
        bool busy = false;
        for (auto [mechanism, way] : ways)
            busy |= way == BUSY;
        // A server that can't now may have said so before what works had its turn.
        if (!busy) {
            EXPECT_EQ(in, expected);
        } else if (in) {
            EXPECT_TRUE(expected);
        }
        if (!in)
            return;
        EXPECT_EQ(whose, user);
        UpstreamLogin login = tried.login;
        UpstreamTried used = {};
        guint before = server.refusals;
        login.user = user;
        login.tried = &used;
        if (result.unexpected)
            login.mechanisms = result.mechanism;
        EXPECT_TRUE(log_in_as_every_day(login));
        EXPECT_EQ(server.refusals, before);
        EXPECT_EQ(used.last, result.mechanism);
        // Nothing is written down that would have been done anyway.
        EXPECT_EQ(result.unexpected, used.first != used.last || login.mechanisms != known);
    }
};

// What the server offers, how each of it behaves, whose name is right, and what is known of the provider.
TEST_P(Probe, WhatLetsInIsWhatIsDoneFromThenOn)
{
    const Way scram[] = {ABSENT, HONEST, UNKNOWN, EARLY, LATE, BUSY};
    const Way shown[] = {ABSENT, HONEST, UNKNOWN, LATE, BUSY};
    const guint known[] = {0, SASL_PLAIN, SASL_LOGIN, SASL_SCRAM_SHA_256, SASL_PLAIN | SASL_LOGIN};
    for (Way first : scram) {
        for (Way second : shown) {
            for (Way third : shown) {
                for (guint mechanisms : known) {
                    const std::map<guint, Way> ways = {
                        {SASL_SCRAM_SHA_256, first}, {SASL_PLAIN, second}, {SASL_LOGIN, third}};
                    if (is_open(*GetParam(), ways, mechanisms))
                        continue;
                    for (const char *whose : {USERS[0], USERS[1], "nobody"}) {
                        check(ways, mechanisms, whose);
                        ASSERT_FALSE(HasFailure()) << first << second << third << " " << mechanisms;
                    }
                }
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Protocols, Probe, ::testing::Values(&imap, &pop3, &smtp),
                         [](const auto &info) { return std::string(info.param->protocol); });

} // namespace
