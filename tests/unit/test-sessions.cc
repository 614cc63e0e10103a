// SPDX-License-Identifier: GPL-3.0-or-later
// Sessions that come before their account does, and accounts that end under their sessions.

#include "cache-fixture.h"
#include "fake-fetch.h"

#include <atomic>
#include <csignal>
#include <mutex>
#include <poll.h>
#include <random>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

extern "C" {
#include "daemon/index/render.h"
#include "daemon/serve/sessions.h"
}

namespace
{

class Waiting : public testing::Test
{
  protected:
    std::atomic<ServeError> why{SERVE_ERROR_OPENING};
    Sessions *sessions = nullptr;

    static ServeAccount *find(const char *, gpointer data, GError **error)
    {
        g_set_error_literal(error, SERVE_ERROR, ((Waiting *)data)->why, "the disk is full");
        return nullptr;
    }
    static void changed(gpointer)
    {
    }
    void SetUp() override
    {
        ServeDaemon daemon = {};
        daemon.find_account = find;
        daemon.data = this;
        daemon.opening_seconds = 1;
        sessions = sessions_new(&daemon, changed, this);
    }
    void TearDown() override
    {
        sessions_free(sessions);
    }
    /* The client's end of a session on the account's socket. */
    int start(ServeProtocol protocol)
    {
        int pair[2];
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        SessionKind kind = {};
        kind.protocol = protocol;
        kind.listener = "socket";
        kind.account = "work";
        sessions_start(sessions, pair[0], &kind);
        return pair[1];
    }
    static std::string all(int fd)
    {
        std::string text;
        char buffer[512];
        for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;)
            text.append(buffer, (size_t)n);
        close(fd);
        return text;
    }
};

const struct {
    ServeProtocol protocol;
    const char *greeting;
} GREETINGS[] = {{SERVE_IMAP, "* BYE [UNAVAILABLE] the disk is full\r\n"},
                 {SERVE_POP3, "-ERR [SYS/TEMP] the disk is full\r\n"},
                 {SERVE_SUBMISSION, "421 4.3.2 the disk is full\r\n"}};

TEST_F(Waiting, WhoWaitsForAnAccountThatCanNotBeOpenedHearsWhyAtOnce)
{
    for (const auto &one : GREETINGS) {
        why = SERVE_ERROR_OPENING;
        int fd = start(one.protocol);
        g_usleep(100000);
        gint64 begin = g_get_monotonic_time();
        why = SERVE_ERROR_UNAVAILABLE;
        sessions_accounts_changed(sessions);
        EXPECT_EQ(all(fd), one.greeting);
        EXPECT_LT(g_get_monotonic_time() - begin, 700000);
    }
}

TEST_F(Waiting, NobodyWaitsLongerThanTheLimit)
{
    for (const auto &one : GREETINGS)
        EXPECT_EQ(all(start(one.protocol)), one.greeting);
}

TEST_F(Waiting, EndingTheSessionsEndsTheWaiting)
{
    int fd = start(SERVE_IMAP);
    g_usleep(50000);
    gint64 begin = g_get_monotonic_time();
    sessions_stop(sessions);
    EXPECT_EQ(all(fd), "* BYE [UNAVAILABLE] Postern is stopping\r\n");
    EXPECT_LT(g_get_monotonic_time() - begin, 700000);
}

// ---- clients that never log in ----

class Strangers : public Waiting
{
  protected:
    std::string dir = std::string(g_get_tmp_dir()) + "/postern-strangers-XXXXXX";
    NetTlsServer *tls = nullptr;

    void SetUp() override
    {
        signal(SIGPIPE, SIG_IGN); /* as posternd does: TLS writes may raise it */
        ASSERT_NE(mkdtemp(dir.data()), nullptr);
        tls = net_tls_local(dir.c_str(), nullptr);
        ASSERT_NE(tls, nullptr);
        ServeDaemon daemon = {};
        daemon.find_account = find;
        daemon.data = this;
        daemon.tls = tls;
        daemon.login_seconds = 1;
        sessions = sessions_new(&daemon, changed, this);
    }
    /* There is all the time to log in. */
    void stay()
    {
        sessions_free(sessions);
        ServeDaemon daemon = {};
        daemon.find_account = find;
        daemon.data = this;
        daemon.tls = tls;
        daemon.opening_seconds = 1;
        sessions = sessions_new(&daemon, changed, this);
    }
    void TearDown() override
    {
        Waiting::TearDown();
        net_tls_server_unref(tls);
        std::filesystem::remove_all(dir);
    }
    int start(ServeProtocol protocol, bool tls)
    {
        int pair[2];
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        SessionKind kind = {};
        kind.protocol = protocol;
        kind.listener = "imaps";
        kind.tls = tls;
        sessions_start(sessions, pair[0], &kind);
        return pair[1];
    }
};

/* Says something octet by octet until it is over; how long that took. */
gint64 drip(int fd, const std::string &saying)
{
    gint64 begin = g_get_monotonic_time();
    struct pollfd poller = {fd, POLLIN, 0};
    size_t at = 0;
    for (bool open = true; open && g_get_monotonic_time() - begin < 20 * G_USEC_PER_SEC;) {
        char buffer[512];
        if (poll(&poller, 1, 40) > 0)
            open = read(fd, buffer, sizeof buffer) > 0;
        else if (!saying.empty())
            open = send(fd, &saying[at++ % saying.size()], 1, MSG_NOSIGNAL) == 1;
    }
    close(fd);
    return g_get_monotonic_time() - begin;
}

/* Whatever they say, and however slowly; the time for TLS is a part of it. */
TEST_F(Strangers, HaveATimeToLogInThatNothingProlongs)
{
    std::vector<std::thread> clients;
    for (bool with_tls : {false, true})
        for (ServeProtocol protocol : {SERVE_IMAP, SERVE_POP3, SERVE_SUBMISSION})
            for (const std::string saying :
                 {"", "\x16\x03\x01\x40 hello\r\n", "NOOP\r\n", "a NOOP\r\n"})
                clients.emplace_back([=, fd = start(protocol, with_tls)] {
                    EXPECT_LT(drip(fd, saying), 15 * G_USEC_PER_SEC) << protocol << saying;
                });
    for (auto &client : clients)
        client.join();
}

/* Whoever waits without a word keeps nobody out: neither from the ports nor from the sockets. */
TEST_F(Strangers, TheOldestMakesRoomForTheNext)
{
    std::vector<int> silent;
    auto is_open = [](int fd) {
        char buffer[512];
        ssize_t n;
        while ((n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
            continue;
        return n < 0 && errno == EAGAIN;
    };
    auto greeted = [](int fd) {
        char buffer[512];
        struct pollfd poller = {fd, POLLIN, 0};
        return poll(&poller, 1, 20000) == 1 && read(fd, buffer, sizeof buffer) > 0;
    };
    stay();
    for (int i = 0; i < SESSIONS_LIMIT + 200; i++) {
        silent.push_back(start((ServeProtocol)(i % 3), i % 7 == 0));
        if (i % 7) {
            ASSERT_TRUE(greeted(silent.back())) << i;
        }
    }
    /* The last hundred are there still, all others were told to leave. */
    for (size_t i = 0; i + SESSIONS_STRANGERS < silent.size(); i++) {
        struct pollfd poller = {silent[i], POLLRDHUP, 0};
        EXPECT_EQ(poll(&poller, 1, 20000), 1) << i;
    }
    for (size_t i = silent.size() - SESSIONS_STRANGERS; i < silent.size(); i++)
        EXPECT_TRUE(is_open(silent[i])) << i;
    int own = Waiting::start(SERVE_IMAP);
    EXPECT_TRUE(greeted(own));
    close(own);
    for (int fd : silent)
        close(fd);
}

// ---- accounts that are started anew under sessions that do everything ----

/* An account as daemon/account runs it: found by its ID, ended, opened again. */
class Restarted
{
  public:
    Restarted(const char *id, Sessions **sessions) : id(id), sessions(sessions)
    {
        dir = std::string(g_get_tmp_dir()) + "/postern-restart-XXXXXX";
        EXPECT_NE(mkdtemp(dir.data()), nullptr);
        settings = g_new0(AccountSettings, 1);
        settings->refs = 1;
        settings->id = g_strdup(id);
        settings->address = g_strdup_printf("%s@example.org", id);
        start();
        g_autofree char *made = serve_verifiers_add(verifiers, "test", nullptr);
        password = made;
        fill();
    }
    ~Restarted()
    {
        stop();
        account_settings_unref(settings);
        std::filesystem::remove_all(dir);
    }
    void start()
    {
        cache = cache_open(dir.c_str(), nullptr, nullptr);
        verifiers = serve_verifiers_load((dir + "/passwords").c_str(), nullptr);
        ASSERT_TRUE(cache && verifiers);
        auto *made = new FetchBodies;
        made->cache = cache;
        made->online = false;
        made->when_asked = [] { g_usleep(5000); };
        bodies = made;
        std::lock_guard<std::mutex> guard(lock);
        serve = serve_account_new(settings, cache, bodies, verifiers);
    }
    void stop()
    {
        lock.lock();
        ServeAccount *ending = std::exchange(serve, nullptr);
        lock.unlock();
        if (*sessions)
            sessions_end_account(*sessions, ending);
        serve_account_unref_last(ending);
        serve_verifiers_unref(verifiers);
        delete bodies;
        cache_close(cache);
    }
    ServeAccount *find()
    {
        std::lock_guard<std::mutex> guard(lock);
        return serve ? serve_account_ref(serve) : nullptr;
    }

    std::string id, dir, password;

  private:
    void fill()
    {
        const std::string octets = "From: a@example.org\r\nSubject: Hello\r\n\r\nHello.\r\n";
        Txn txn(cache, CACHE_WRITE_FULL);
        gint64 inbox = cache_folder_create(txn, "INBOX", CACHE_ROLE_INBOX, nullptr);
        for (int i = 0; i < 3; i++) {
            CacheContentWriter *writer = cache_content_writer_new(cache);
            cache_content_writer_add(writer, octets.data(), octets.size(), nullptr);
            cache_content_writer_end(writer);
            CacheRendered how;
            render_message(octets.data(), octets.size(), TRUE, &how);
            EXPECT_NE(cache_append(txn, inbox, writer, &how, {{}, 1000, 0}, nullptr), 0u);
            cache_rendered_clear(&how);
            cache_content_writer_free(writer);
        }
        /* The last one is still upstream, and whoever wants it has to wait. */
        CachePlacement placement = {};
        placement.folder = inbox;
        placement.message = cache_message_new(txn, nullptr, nullptr);
        placement.alive = TRUE;
        placement.size = 100;
        placement.base = CACHE_BASE_PRESENT;
        placement.base_uid = 100;
        EXPECT_TRUE(cache_placement_put(txn, &placement, nullptr));
        txn.commit();
    }

    Sessions **sessions;
    AccountSettings *settings;
    Cache *cache = nullptr;
    FetchBodies *bodies = nullptr;
    ServeVerifiers *verifiers = nullptr;
    std::mutex lock;
    ServeAccount *serve = nullptr;
};

class Restarts : public testing::Test
{
  protected:
    Sessions *sessions = nullptr;
    std::unique_ptr<Restarted> ada, bob;
    std::atomic<bool> over{false};
    std::atomic<int> answers{0};

    static ServeAccount *find(const char *login, gpointer data, GError **error)
    {
        auto *self = (Restarts *)data;
        for (Restarted *one : {self->ada.get(), self->bob.get()}) {
            ServeAccount *account = one->id == login ? one->find() : nullptr;
            if (account)
                return account;
        }
        g_set_error_literal(error, SERVE_ERROR, SERVE_ERROR_UNAVAILABLE, "it isn't running");
        return nullptr;
    }
    static void changed(gpointer)
    {
    }
    void SetUp() override
    {
        ada = std::make_unique<Restarted>("ada", &sessions);
        bob = std::make_unique<Restarted>("bob", &sessions);
        ServeDaemon daemon = {};
        daemon.find_account = find;
        daemon.data = this;
        sessions = sessions_new(&daemon, changed, this);
    }
    void TearDown() override
    {
        sessions_free(std::exchange(sessions, nullptr));
    }
    int start(ServeProtocol protocol, const char *account)
    {
        int pair[2];
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        SessionKind kind = {};
        kind.protocol = protocol;
        kind.listener = account ? "socket" : "imap";
        kind.account = account;
        sessions_start(sessions, pair[0], &kind);
        struct timeval timeout = {0, 200000};
        setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
        return pair[1];
    }
    static std::string plain(const Restarted &who, const char *authzid = "")
    {
        std::string text =
            authzid + std::string(1, '\0') + who.id + std::string(1, '\0') + who.password;
        g_autofree char *encoded = g_base64_encode((const guchar *)text.data(), text.size());
        return encoded;
    }
    /* Something that a client might say next. */
    std::string next(std::mt19937 &random, ServeProtocol protocol, const std::string &url)
    {
        const std::string imap[] = {
            "a SELECT INBOX",
            "a URLFETCH \"" + url + "\"",
            "a GENURLAUTH \"" + url.substr(0, url.find(":internal")) + "\" INTERNAL",
            "a FETCH 1:* (FLAGS BODY.PEEK[])",
            "a UNAUTHENTICATE",
            "a LOGIN bob " + bob->password,
            "a LOGIN ada " + ada->password,
            "a LOGIN bob nonsense",
            "a AUTHENTICATE PLAIN " + plain(*bob, "ada"),
            "a AUTHENTICATE PLAIN " + plain(*ada),
            "a AUTHENTICATE LOGIN\r\nYm9i",
            "a STATUS INBOX (MESSAGES)",
            "a APPEND INBOX CATENATE (URL \"" + url + "\")",
            "a STORE 1 +FLAGS (\\Seen)",
            "a IDLE\r\nDONE",
            "a SEARCH TEXT hello",
            "a NOTIFY SET (SELECTED (MessageNew MessageExpunge FlagChange))",

            "a AUTHENTICATE SCRAM-SHA-256 " + std::string("biwsbj1ib2Iscj1hYmNkZWY="),
            "a LOGOUT"};
        const std::string pop3[] = {"USER bob\r\nPASS " + bob->password,
                                    "AUTH PLAIN " + plain(*ada),
                                    "STAT",
                                    "RETR 1",
                                    "TOP 1 1",
                                    "DELE 1",
                                    "RSET",
                                    "UIDL",
                                    "AUTH LOGIN\r\nYm9i",
                                    "QUIT"};
        const std::string smtp[] = {"EHLO x",
                                    "AUTH PLAIN " + plain(*bob),
                                    "AUTH PLAIN " + plain(*ada),
                                    "MAIL FROM:<ada@example.org>",
                                    "RCPT TO:<x@example.org>",
                                    "RSET",
                                    "AUTH LOGIN\r\nYm9i",
                                    "QUIT"};
        switch (protocol) {
        case SERVE_IMAP:
            if (random() % 3 == 0)
                return imap[1];
            return imap[random() % G_N_ELEMENTS(imap)];
        case SERVE_POP3:
            return pop3[random() % G_N_ELEMENTS(pop3)];
        default:
            return smtp[random() % G_N_ELEMENTS(smtp)];
        }
    }
    void client(unsigned seed, const std::vector<std::string> &urls)
    {
        std::mt19937 random(seed);
        while (!over) {
            auto protocol = (ServeProtocol)(random() % 4 % 3);
            const char *accounts[] = {nullptr, "ada", "bob"};
            int fd = start(protocol, accounts[random() % 3]);
            for (int i = random() % 60; i > 0 && !over; i--) {
                std::string line = next(random, protocol, urls[random() % urls.size()]) + "\r\n";
                char buffer[8192];
                if (send(fd, line.data(), line.size(), MSG_NOSIGNAL) < 0)
                    break;
                ssize_t n = random() % 3 ? recv(fd, buffer, sizeof buffer, 0) : -1;
                answers += n > 0;
                if (n == 0)
                    break;
            }
            close(fd);
        }
    }
    /* A URL of bob's for everybody. */
    std::string authorized(int uid)
    {
        int fd = start(SERVE_IMAP, "bob");
        std::string say = "a GENURLAUTH \"imap://bob@localhost/INBOX/;UID=" + std::to_string(uid) +
                          ";URLAUTH=anonymous\" "
                          "INTERNAL\r\nb LOGOUT\r\n",
                    all;
        EXPECT_EQ(send(fd, say.data(), say.size(), MSG_NOSIGNAL), (ssize_t)say.size());
        char buffer[4096];
        for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;)
            all.append(buffer, (size_t)n);
        close(fd);
        size_t at = all.find("\"imap://"), end = all.find('"', at + 1);
        EXPECT_NE(end, std::string::npos) << all;
        return all.substr(at + 1, end - at - 1);
    }
};

TEST_F(Restarts, UnderSessionsThatDoEverythingNothingIsUsedAfterItsEnd)
{
    const char *rounds = g_getenv("POSTERN_ROUNDS");
    std::vector<std::string> urls = {authorized(1), authorized(4)};
    std::vector<std::thread> clients;
    for (unsigned i = 0; i < 6; i++)
        clients.emplace_back([this, i, &urls] { client(i, urls); });
    std::mt19937 random(1);
    for (int i = 0; i < (rounds ? atoi(rounds) : 20); i++) {
        Restarted &one = random() % 2 ? *ada : *bob;
        g_usleep(random() % 30000);
        one.stop();
        g_usleep(random() % 5000);
        one.start();
        sessions_accounts_changed(sessions);
    }
    over = true;
    for (auto &thread : clients)
        thread.join();
    EXPECT_GT(answers, 100);
}

/* Who reads a message of another account by URL isn't logged in to that account. */
TEST_F(Restarts, EndOnlyTheSessionsThatAreLoggedIn)
{
    std::string url = authorized(1);
    int fd = start(SERVE_IMAP, "ada");
    struct timeval timeout = {20, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    auto say = [&](const std::string &tag, const std::string &what) {
        std::string all, line = tag + " " + what + "\r\n";
        char buffer[4096];
        if (send(fd, line.data(), line.size(), MSG_NOSIGNAL) < 0)
            return std::string("(it ended)");
        while (all.find("\r\n" + tag + " ") == std::string::npos) {
            ssize_t n = recv(fd, buffer, sizeof buffer, 0);
            if (n <= 0)
                return all + "(it ended)";
            all.append(buffer, (size_t)n);
        }
        return all;
    };
    EXPECT_NE(say("a", "URLFETCH \"" + url + "\"").find("Hello."), std::string::npos);
    bob->stop();
    EXPECT_NE(say("b", "URLFETCH \"" + url + "\"").find(" NIL\r\n"), std::string::npos);
    bob->start();
    EXPECT_NE(say("c", "URLFETCH \"" + url + "\"").find("Hello."), std::string::npos);
    g_autoptr(GVariant) described = g_variant_ref_sink(sessions_describe(sessions));
    g_autofree char *text = g_variant_print(described, FALSE);
    EXPECT_NE(strstr(text, "'Account': <'ada'>"), nullptr) << text;
    ada->stop();
    EXPECT_NE(say("d", "NOOP").find("(it ended)"), std::string::npos);
    ada->start();
    close(fd);
}

} // namespace
