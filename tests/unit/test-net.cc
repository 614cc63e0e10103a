/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Streams, TLS, dialing and listening, over socket pairs and loopback. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <fcntl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>

extern "C" {
#include "daemon/net/clock.h"
#include "daemon/net/dial.h"
#include "daemon/net/listen.h"
#include "daemon/net/stream.h"
}

namespace
{

struct Pair {
    NetCancel *cancel = net_cancel_new();
    NetStream *a = nullptr, *b = nullptr;
    int a_fd = -1, b_fd = -1;

    Pair()
    {
        signal(SIGPIPE, SIG_IGN);
        int fds[2];
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        a_fd = fds[0];
        b_fd = fds[1];
        a = net_stream_new(fds[0], "a.example:1", cancel);
        b = net_stream_new(fds[1], "b.example:2", cancel);
    }
    ~Pair()
    {
        net_stream_free(a);
        net_stream_free(b);
        net_cancel_unref(cancel);
    }
    void send(const std::string &text)
    {
        EXPECT_EQ(::send(b_fd, text.data(), text.size(), 0), (ssize_t)text.size());
    }
};

std::string line(NetStream *stream, gsize limit = 1000)
{
    g_autoptr(GError) error = nullptr;
    gsize length = 0;
    const char *text = net_stream_read_line(stream, limit, &length, &error);
    return text != nullptr ? std::string(text, length) : std::string("!") + error->message;
}

std::string temporary_directory()
{
    g_autofree char *dir = g_dir_make_tmp("postern-net-XXXXXX", nullptr);
    return dir;
}

TEST(Stream, ReadsLinesWithEitherEnd)
{
    Pair pair;
    pair.send(std::string("one\r\ntwo\n\r\nnul\0in\r\n", 19));
    EXPECT_EQ(line(pair.a), "one");
    EXPECT_EQ(line(pair.a), "two");
    EXPECT_EQ(line(pair.a), "");
    EXPECT_EQ(line(pair.a), std::string("nul\0in", 6));
}

TEST(Stream, RefusesALineOverTheLimitAndGoesOnAfterIt)
{
    Pair pair;
    pair.send(std::string(11, 'x') + "\r\nnext\r\n" + std::string(10, 'y') + "\r\n");
    EXPECT_EQ(line(pair.a, 10), "!a.example:1: a line of more than 10 bytes");
    EXPECT_EQ(line(pair.a, 10), "next");
    EXPECT_EQ(line(pair.a, 10), std::string(10, 'y'));
}

TEST(Stream, ReadsALongLineInPieces)
{
    Pair pair;
    std::string text(300000, 'z');
    std::thread writer([&] {
        net_stream_write(pair.b, text.data(), text.size(), nullptr);
        net_stream_puts(pair.b, "\r\n", nullptr);
        net_stream_flush(pair.b, nullptr);
    });
    EXPECT_EQ(line(pair.a, 1000000), text);
    writer.join();
}

TEST(Stream, SaysWhenTheOtherSideCloses)
{
    Pair pair;
    pair.send("rest");
    shutdown(pair.b_fd, SHUT_WR);
    EXPECT_EQ(line(pair.a), "!a.example:1 closed the connection");
}

TEST(Stream, CancellingEndsABlockedRead)
{
    Pair pair;
    std::thread canceller([&] {
        g_usleep(20000);
        net_cancel_trigger(pair.cancel);
    });
    g_autoptr(GError) error = nullptr;
    EXPECT_EQ(net_stream_read_line(pair.a, 100, nullptr, &error), nullptr);
    EXPECT_TRUE(g_error_matches(error, NET_ERROR, NET_ERROR_CANCELLED));
    canceller.join();
}

TEST(Stream, SaysGoodbyeAfterCancelling)
{
    Pair pair;
    net_cancel_trigger(pair.cancel);
    net_stream_puts(pair.a, "* BYE\r\n", nullptr);
    net_stream_close(pair.a);
    char buffer[16] = {};
    EXPECT_EQ(recv(pair.b_fd, buffer, sizeof buffer, 0), 7);
    EXPECT_STREQ(buffer, "* BYE\r\n");
}

TEST(Stream, TimesOut)
{
    Pair pair;
    net_stream_set_timeout(pair.a, 1);
    EXPECT_EQ(line(pair.a), "!a.example:1: no answer for 1 seconds");
}

/* Every few ten thousand times the clock goes on in the middle of reckoning what is left of no time. */
TEST(Stream, LookingWithoutWaitingNeverWaits)
{
    Pair pair;
    gint64 end = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
    std::atomic<bool> done = false;
    std::thread guard([&] {
        while (!done && g_get_monotonic_time() < end)
            g_usleep(1000);
        net_cancel_trigger(pair.cancel);
    });
    int ready = NET_TIMED_OUT;
    for (int i = 0; i < 200000 && ready == NET_TIMED_OUT; i++)
        ready = net_stream_wait(pair.a, -1, 0, nullptr);
    done = true;
    guard.join();
    EXPECT_EQ(ready, NET_TIMED_OUT) << "it waited until it was cancelled";
}

TEST(Stream, WaitTellsInputWakeAndTimeoutApart)
{
    Pair pair;
    int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    EXPECT_EQ(net_stream_wait(pair.a, wake, 10, nullptr), NET_TIMED_OUT);
    eventfd_write(wake, 1);
    EXPECT_EQ(net_stream_wait(pair.a, wake, -1, nullptr), NET_WOKEN);
    EXPECT_EQ(net_stream_wait(pair.a, wake, 0, nullptr), NET_TIMED_OUT) << "a wake-up counts once";
    pair.send("x\r\n");
    EXPECT_EQ(net_stream_wait(pair.a, wake, -1, nullptr), NET_READABLE);
    EXPECT_EQ(line(pair.a), "x");
    close(wake);
}

TEST(Stream, TheTailOfALongLineIsNoLine)
{
    for (size_t length : {103u, 5000u, 32766u, 32768u, 100000u}) {
        Pair pair;
        pair.send(std::string(length, 'x'));
        EXPECT_EQ(net_stream_read_line(pair.a, 100, nullptr, nullptr), nullptr);
        std::thread other([&] {
            g_usleep(10000);
            pair.send("tail\nnext\n");
        });
        EXPECT_EQ(line(pair.a), "next") << length;
        other.join();
    }
    Pair pair;
    pair.send(std::string(200, 'x') + "\nnext\n");
    EXPECT_EQ(net_stream_read_line(pair.a, 100, nullptr, nullptr), nullptr);
    EXPECT_TRUE(net_stream_skip_line(pair.a, nullptr));
    EXPECT_EQ(line(pair.a), "next");
}

TEST(Stream, PeekLetsAParserWorkInPlace)
{
    Pair pair;
    pair.send("abc");
    gsize length = 0;
    EXPECT_EQ(std::string(net_stream_peek(pair.a, &length, nullptr), 3), "abc");
    net_stream_consume(pair.a, 1);
    EXPECT_EQ(std::string(net_stream_peek(pair.a, &length, nullptr), 2), "bc");
}

TEST(Stream, DeflateCarriesBothDirectionsIncludingWhatWasReadAhead)
{
    Pair pair;
    ASSERT_TRUE(net_stream_start_deflate(pair.b, nullptr));
    net_stream_write(pair.b, "hello\r\n", 7, nullptr);
    net_stream_flush(pair.b, nullptr);
    gsize length = 0;
    net_stream_peek(pair.a, &length,
                    nullptr); /* compressed bytes are in the buffer before deflate starts */
    ASSERT_TRUE(net_stream_start_deflate(pair.a, nullptr));
    EXPECT_EQ(line(pair.a), "hello");
    net_stream_puts(pair.a, "back\r\n", nullptr);
    net_stream_flush(pair.a, nullptr);
    EXPECT_EQ(line(pair.b), "back");
    EXPECT_EQ(net_stream_wait(pair.a, -1, 0, nullptr), NET_TIMED_OUT);
}

/* A gigabyte of one letter is a megabyte on the wire. */
TEST(Stream, CompressedDataThatGrowsWithoutMeasureEndsTheStream)
{
    Pair pair;
    ASSERT_TRUE(net_stream_start_deflate(pair.a, nullptr));
    ASSERT_TRUE(net_stream_start_deflate(pair.b, nullptr));
    std::thread writer([&] {
        const std::string line = std::string(65534, 'x') + "\r\n";
        for (int i = 0; i < 16384; i++)
            if (!net_stream_write(pair.b, line.data(), line.size(), nullptr))
                return;
        net_stream_flush(pair.b, nullptr);
    });
    g_autoptr(GError) error = nullptr;
    gsize total = 0, length;

    while (net_stream_read_line(pair.a, 100000, &length, &error) != nullptr)
        total += length;
    EXPECT_TRUE(g_error_matches(error, NET_ERROR, NET_ERROR_IO));
    EXPECT_LT(total, 200u * 1024 * 1024);
    shutdown(pair.a_fd, SHUT_RDWR);
    writer.join();
}

TEST(Stream, GarbageInsteadOfDeflateIsAnError)
{
    Pair pair;
    ASSERT_TRUE(net_stream_start_deflate(pair.a, nullptr));
    pair.send(std::string(100, '\xff'));
    EXPECT_EQ(line(pair.a), "!a.example:1 sends data that can't be decompressed");
}

struct TlsFixture : testing::Test {
    std::string dir = temporary_directory();
    NetTlsServer *server = nullptr;
    NetTlsClient *client = nullptr;
    Pair pair;

    void SetUp() override
    {
        g_autoptr(GError) error = nullptr;
        server = net_tls_local(dir.c_str(), &error);
        ASSERT_NE(server, nullptr) << error->message;
        client = net_tls_client_new((dir + "/authority.pem").c_str(), &error);
        ASSERT_NE(client, nullptr) << error->message;
    }
    void TearDown() override
    {
        net_tls_server_unref(server);
        net_tls_client_unref(client);
    }
    /* The client's result; the server's handshake runs beside it. */
    gboolean handshake(NetTlsClient *tls, const char *host, GError **error)
    {
        std::thread other([&] {
            net_stream_accept_tls(pair.b, server, nullptr, nullptr);
            net_stream_puts(pair.b, "hello\r\n", nullptr);
            net_stream_flush(pair.b, nullptr);
        });
        gboolean done = net_stream_start_tls(pair.a, tls, host, error);
        if (!done)
            shutdown(pair.a_fd, SHUT_RDWR);
        other.join();
        return done;
    }
};

TEST_F(TlsFixture, LocalCertificateIsGoodForEachLoopbackName)
{
    for (const char *host : {"localhost", "127.0.0.1", "::1"}) {
        Pair fresh;
        std::swap(pair.a, fresh.a), std::swap(pair.b, fresh.b),
            std::swap(pair.cancel, fresh.cancel);
        std::swap(pair.a_fd, fresh.a_fd), std::swap(pair.b_fd, fresh.b_fd);
        g_autoptr(GError) error = nullptr;
        ASSERT_TRUE(handshake(client, host, &error)) << host << ": " << error->message;
        EXPECT_EQ(line(pair.a), "hello");
        EXPECT_TRUE(net_stream_is_tls(pair.a));
    }
}

TEST_F(TlsFixture, ACertificateForAnotherNameIsRefusedWithBothNames)
{
    g_autoptr(GError) error = nullptr;
    EXPECT_FALSE(handshake(client, "imap.example.org", &error));
    EXPECT_TRUE(g_error_matches(error, NET_ERROR, NET_ERROR_CERTIFICATE));
    EXPECT_NE(std::string(error->message).find("it is for localhost, not for imap.example.org"),
              std::string::npos)
        << error->message;
}

/* RFC 9525: the CN is for people. */
TEST_F(TlsFixture, ANameInTheSubjectAloneIsNone)
{
    std::string files = dir + "/cn";
    for (bool san : {true, false}) {
        std::string command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
                              "-nodes -days 2 -subj /CN=localhost "
                              "-keyout " +
                              files + ".key -out " + files + ".pem" +
                              (san ? " -addext subjectAltName=DNS:localhost" : "") + " 2>/dev/null";
        ASSERT_EQ(system(command.c_str()), 0);
        Pair fresh;
        std::swap(pair.a, fresh.a), std::swap(pair.b, fresh.b),
            std::swap(pair.cancel, fresh.cancel);
        std::swap(pair.a_fd, fresh.a_fd), std::swap(pair.b_fd, fresh.b_fd);
        NetTlsServer *before = server;
        server = net_tls_server_new((files + ".pem").c_str(), (files + ".key").c_str(), nullptr);
        g_autoptr(NetTlsClient) trusting = net_tls_client_new((files + ".pem").c_str(), nullptr);
        g_autoptr(GError) error = nullptr;
        EXPECT_EQ(handshake(trusting, "localhost", &error), san) << (error ? error->message : "");
        net_tls_server_unref(server);
        server = before;
    }
}

TEST_F(TlsFixture, AnUnknownAuthorityIsRefusedWithTheRemedy)
{
    g_autoptr(GError) error = nullptr;
    g_autoptr(NetTlsClient) stranger = net_tls_client_new(nullptr, &error);
    EXPECT_FALSE(handshake(stranger, "localhost", &error));
    EXPECT_NE(std::string(error->message).find("tls-ca-file"), std::string::npos) << error->message;
}

TEST_F(TlsFixture, ClearTextBeforeTheHandshakeIsAnInjection)
{
    pair.send("a1 OK go\r\na2 OK injected\r\n");
    EXPECT_EQ(line(pair.a), "a1 OK go");
    g_autoptr(GError) error = nullptr;
    EXPECT_FALSE(net_stream_start_tls(pair.a, client, "localhost", &error));
    EXPECT_TRUE(g_error_matches(error, NET_ERROR, NET_ERROR_TLS));
}

/* A browser says what it speaks, and mustn't be taken for a mail program. */
TEST_F(TlsFixture, WhoWantsToSpeakSomethingElseIsRefused)
{
    const struct {
        const char *offered;
        const char *ours;
        bool ok;
    } cases[] = {
        {"", "imap", true},
        {"\4imap", "imap", true},
        {"\x8http/1.1", "imap", false},
        {"\2h2\x8http/1.1", "imap", false},
        {"\2h2\4imap", "imap", true},
        {"\4pop3", "imap", false},
        {"\4imap", nullptr, false},
        {"\5imap4", "imap", false},
    };
    for (const auto &one : cases) {
        Pair fresh;
        bool served = false;
        std::thread other(
            [&] { served = net_stream_accept_tls(fresh.b, server, one.ours, nullptr); });
        SSL_CTX *context = SSL_CTX_new(TLS_client_method());
        SSL *ssl = SSL_new(context);
        if (*one.offered)
            SSL_set_alpn_protos(ssl, (const unsigned char *)one.offered,
                                (unsigned)strlen(one.offered));
        fcntl(fresh.a_fd, F_SETFL, fcntl(fresh.a_fd, F_GETFL) & ~O_NONBLOCK);
        SSL_set_fd(ssl, fresh.a_fd);
        bool connected = SSL_connect(ssl) == 1;
        shutdown(fresh.a_fd, SHUT_WR);
        other.join();
        EXPECT_EQ(served, one.ok) << one.offered;
        EXPECT_EQ(connected, one.ok) << one.offered;
        SSL_free(ssl);
        SSL_CTX_free(context);
    }
}

TEST_F(TlsFixture, BothSidesAgreeOnTheChannelBinding)
{
    ASSERT_TRUE(handshake(client, "localhost", nullptr));
    for (const char *type : {"tls-exporter", "tls-server-end-point"}) {
        g_autoptr(GBytes) ours = net_stream_channel_binding(pair.a, type);
        g_autoptr(GBytes) theirs = net_stream_channel_binding(pair.b, type);
        ASSERT_NE(ours, nullptr);
        EXPECT_TRUE(g_bytes_equal(ours, theirs)) << type;
    }
    EXPECT_EQ(net_stream_channel_binding(pair.a, "tls-unique"), nullptr);
}

TEST_F(TlsFixture, WaitIsNotFooledBySessionTickets)
{
    std::thread other([&] { net_stream_accept_tls(pair.b, server, nullptr, nullptr); });
    ASSERT_TRUE(net_stream_start_tls(pair.a, client, "localhost", nullptr));
    other.join();
    EXPECT_EQ(net_stream_wait(pair.a, -1, 50, nullptr), NET_TIMED_OUT);
}

TEST_F(TlsFixture, CredentialsAreKeptAndTheAuthoritysKeyIsNowhere)
{
    auto read = [&](const char *name) {
        std::ifstream file(dir + "/" + name);
        return std::string(std::istreambuf_iterator<char>(file), {});
    };
    std::string before = read("certificate.pem");
    net_tls_server_unref(server);
    server = net_tls_local(dir.c_str(), nullptr);
    EXPECT_EQ(read("certificate.pem"), before);
    EXPECT_EQ(read("authority.pem").find("PRIVATE"), std::string::npos);
    g_autoptr(GDir) listing = g_dir_open(dir.c_str(), 0, nullptr);
    int files = 0;
    while (g_dir_read_name(listing) != nullptr)
        files++;
    EXPECT_EQ(files, 3);
}

TEST_F(TlsFixture, TheAuthorityIsConstrainedToLoopbackNames)
{
    std::string command =
        "openssl x509 -noout -ext nameConstraints,basicConstraints -in " + dir + "/authority.pem";
    g_autofree char *output = nullptr;
    ASSERT_TRUE(g_spawn_command_line_sync(command.c_str(), &output, nullptr, nullptr, nullptr));
    EXPECT_NE(std::string(output).find("Name Constraints: critical"), std::string::npos) << output;
    EXPECT_NE(std::string(output).find("DNS:localhost"), std::string::npos) << output;
    EXPECT_NE(std::string(output).find("pathlen:0"), std::string::npos) << output;
}

TEST(Endpoint, ReadsWhatTheInterfacePromises)
{
    struct {
        const char *url, *protocol, *host;
        NetSecurity security;
        int port;
    } cases[] = {
        {"imaps://imap.example.org", "imap", "imap.example.org", NET_SECURITY_TLS, 993},
        {"imap://imap.example.org/", "imap", "imap.example.org", NET_SECURITY_STARTTLS, 143},
        {"imap+insecure://127.0.0.1:1143", "imap", "127.0.0.1", NET_SECURITY_NONE, 1143},
        {"pop3s://p.example", "pop3", "p.example", NET_SECURITY_TLS, 995},
        {"submissions://[::1]:465", "submission", "::1", NET_SECURITY_TLS, 465},
        {"submission://smtp.example.org:2587", "submission", "smtp.example.org",
         NET_SECURITY_STARTTLS, 2587},
    };
    for (auto &c : cases) {
        g_autoptr(NetEndpoint) endpoint = net_endpoint_parse(c.url, nullptr);
        ASSERT_NE(endpoint, nullptr) << c.url;
        EXPECT_STREQ(endpoint->protocol, c.protocol);
        EXPECT_STREQ(endpoint->host, c.host);
        EXPECT_EQ(endpoint->security, c.security);
        EXPECT_EQ(endpoint->port, c.port);
        g_autofree char *text = net_endpoint_to_string(endpoint);
        g_autoptr(NetEndpoint) again = net_endpoint_parse(text, nullptr);
        EXPECT_TRUE(net_endpoint_equal(endpoint, again)) << text;
    }
}

TEST(Endpoint, RefusesWhatItCanNotMean)
{
    for (const char *url :
         {"imap.example.org", "http://x", "imaps://", "imaps://h:0", "imaps://h:70000",
          "imaps://u@h", "imaps://[1.2.3.4]", "imap+insecure://imap.example.org",
          "imaps://h/folder", "imaps://h:1:2"}) {
        g_autoptr(GError) error = nullptr;
        EXPECT_EQ(net_endpoint_parse(url, &error), nullptr) << url;
        EXPECT_NE(error, nullptr);
    }
}

TEST(Listen, OnlyLoopbackAddressesAreAccepted)
{
    for (const char *text : {"0.0.0.0:1", "192.0.2.1:1", "[::]:1", "localhost:1", "127.0.0.1",
                             "127.0.0.1:99999", ":1", ""}) {
        g_autofree char *host = nullptr;
        guint16 port;
        EXPECT_FALSE(net_parse_listen_address(text, &host, &port, nullptr)) << text;
    }
    g_autofree char *host = nullptr;
    guint16 port = 0;
    ASSERT_TRUE(net_parse_listen_address("[::1]:12143", &host, &port, nullptr));
    EXPECT_STREQ(host, "::1");
    EXPECT_EQ(port, 12143);
}

TEST(Listen, ABusyPortIsNamedTogetherWithTheRemedy)
{
    int first = net_listen_tcp("127.0.0.1", 0, nullptr);
    g_autoptr(GError) error = nullptr;
    EXPECT_EQ(net_listen_tcp("127.0.0.1", net_local_port(first), &error), -1);
    EXPECT_TRUE(g_error_matches(error, NET_ERROR, NET_ERROR_BUSY));
    EXPECT_NE(std::string(error->message).find(std::to_string(net_local_port(first))),
              std::string::npos);
    EXPECT_NE(std::string(error->message).find("postern.conf"), std::string::npos);
    close(first);
}

/* A process called `name` that listens, as another user where `uid` isn't 0, until it is ended. */
class Squatter
{
  public:
    Squatter(const char *host, const char *name, uid_t uid)
    {
        int fd = listen_on(host), ready[2];
        port = net_local_port(fd);
        EXPECT_EQ(pipe(ready), 0);
        process = fork();
        if (process == 0) {
            prctl(PR_SET_NAME, name);
            if (uid && setuid(uid) < 0)
                _exit(1);
            /* Whose a socket is was said when it was made. */
            close(fd);
            fd = listen_on(host, port);
            if (write(ready[1], fd >= 0 ? "y" : "n", 1) == 1)
                pause();
            _exit(0);
        }
        close(fd);
        char answer = 'n';
        EXPECT_EQ(read(ready[0], &answer, 1), 1);
        EXPECT_EQ(answer, 'y');
        close(ready[0]);
        close(ready[1]);
    }
    ~Squatter()
    {
        kill(process, SIGKILL);
        waitpid(process, nullptr, 0);
    }

    pid_t process = 0;
    guint16 port = 0;

  private:
    static int listen_on(const char *host, guint16 port = 0)
    {
        struct sockaddr_in v4 = {};
        struct sockaddr_in6 v6 = {};
        bool six = strchr(host, ':');
        int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
        v4.sin_family = AF_INET;
        v6.sin6_family = AF_INET6;
        v4.sin_port = v6.sin6_port = htons(port);
        inet_pton(AF_INET, host, &v4.sin_addr);
        inet_pton(AF_INET6, host, &v6.sin6_addr);
        if (bind(fd, six ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4,
                 six ? sizeof v6 : sizeof v4) < 0 ||
            (port && listen(fd, 1) < 0))
            return -1;
        return fd;
    }
};

std::string why_not(const char *host, guint16 port)
{
    g_autoptr(GError) error = nullptr;
    EXPECT_EQ(net_listen_tcp(host, port, &error), -1);
    return error ? error->message : "";
}

TEST(Listen, WhoHoldsAPortIsNamed)
{
    const char *const pairs[][2] = {{"127.0.0.1", "127.0.0.1"},
                                    {"0.0.0.0", "127.0.0.1"},
                                    {"::", "127.0.0.1"},
                                    {"::", "::1"},
                                    {"::1", "::1"}};
    for (auto &[theirs, ours] : pairs) {
        Squatter squatter(theirs, "mail) 1\n\33[2J\"", 0);
        std::string said = why_not(ours, squatter.port);
        std::string process = "(process " + std::to_string(squatter.process) + ")";
        EXPECT_NE(said.find("mail) 1  [2J\" " + process), std::string::npos) << said;
        EXPECT_EQ(said.find("user"), std::string::npos) << said;
    }
}

TEST(Listen, WhoeverOfAnotherUserHoldsAPortIsToldOf)
{
    if (getuid() != 0)
        GTEST_SKIP() << "only root can be another user";
    Squatter squatter("127.0.0.1", "trap", 65534);
    std::string said = why_not("127.0.0.1", squatter.port);
    EXPECT_NE(said.find("trap"), std::string::npos) << said;
    EXPECT_NE(said.find("of the user nobody, who would be told the password"), std::string::npos)
        << said;
}

TEST(Listen, AStaleUnixSocketIsReplacedALiveOneIsNot)
{
    std::string path = temporary_directory() + "/s";
    int first = net_listen_unix(path.c_str(), nullptr);
    ASSERT_GE(first, 0);
    g_autoptr(GError) error = nullptr;
    EXPECT_EQ(net_listen_unix(path.c_str(), &error), -1);
    EXPECT_TRUE(g_error_matches(error, NET_ERROR, NET_ERROR_BUSY));
    close(first);
    int second = net_listen_unix(path.c_str(), nullptr);
    EXPECT_GE(second, 0);
    close(second);
}

/* Connects to a listener by net_dial() and gives both ends. */
struct Dialed {
    NetCancel *cancel = net_cancel_new();
    NetStream *client = nullptr;
    int server = -1;
    explicit Dialed(const char *host)
    {
        int listener = net_listen_tcp(host, 0, nullptr);
        NetEndpoint endpoint = {(char *)"imap", NET_SECURITY_NONE, (char *)host,
                                net_local_port(listener)};
        g_autoptr(GError) error = nullptr;
        client = net_dial(&endpoint, nullptr, 5, cancel, &error);
        EXPECT_NE(client, nullptr) << (error ? error->message : "");
        struct pollfd fd = {listener, POLLIN, 0};
        poll(&fd, 1, 1000);
        server = accept(listener, nullptr, nullptr);
        close(listener);
    }
    ~Dialed()
    {
        net_stream_free(client);
        net_cancel_unref(cancel);
        if (server >= 0)
            close(server);
    }
};

TEST(Doubt, WhoSaysNothingAnyMoreIsGivenUpInSeconds)
{
    Dialed dialed("127.0.0.1");
    g_autoptr(GError) error = nullptr;
    gint64 begin = g_get_monotonic_time();
    net_stream_set_timeout(dialed.client, 60);
    net_cancel_doubt(dialed.cancel, NET_DOUBT_CHANGED);
    EXPECT_EQ(net_stream_read_line(dialed.client, 100, nullptr, &error), nullptr);
    EXPECT_TRUE(g_error_matches(error, NET_ERROR, NET_ERROR_STALE)) << error->message;
    EXPECT_LT(g_get_monotonic_time() - begin, 30 * G_USEC_PER_SEC);
}

/* What waits in this thread waits no longer than it takes, and time passes all the same. */
namespace
{
thread_local bool hurried;
thread_local gint64 passed; /* microseconds */
} // namespace

extern "C" int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    static auto real = (int (*)(struct pollfd *, nfds_t, int))dlsym(RTLD_NEXT, "poll");
    int found = real(fds, count, hurried && timeout > 0 ? 0 : timeout);
    if (hurried && found == 0 && timeout > 0)
        passed += (gint64)timeout * 1000;
    return found;
}

extern "C" gint64 g_get_monotonic_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (gint64)now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000 + passed;
}

/* Until when a stream waits for an answer, by what is doubted: in whole seconds. */
TEST(Doubt, HasItsSecondsAndPatienceHasMore)
{
    const struct {
        NetDoubt doubt;
        guint timeout, patience;
        long seconds;
        int code;
    } cases[] = {
        {NET_DOUBT_NONE, 60, 0, 60, NET_ERROR_TIMEOUT},
        {NET_DOUBT_NONE, 10, 60, 10, NET_ERROR_TIMEOUT},
        {NET_DOUBT_ASKED, 60, 0, 25, NET_ERROR_STALE}, /* a person asks for a sync */
        {NET_DOUBT_ASKED, 10, 0, 10, NET_ERROR_TIMEOUT},
        {NET_DOUBT_CHANGED, 60, 0, 5, NET_ERROR_STALE},  /* the network is another */
        {NET_DOUBT_ASKED, 600, 60, 60, NET_ERROR_STALE}, /* the end of a mail that is sent */
        {NET_DOUBT_CHANGED, 600, 60, 60, NET_ERROR_STALE},
    };
    for (auto &one : cases) {
        SCOPED_TRACE(std::to_string(one.doubt) + " " + std::to_string(one.timeout) + " " +
                     std::to_string(one.patience));
        Dialed dialed("127.0.0.1");
        g_autoptr(GError) error = nullptr;
        net_stream_set_timeout(dialed.client, one.timeout);
        net_stream_set_patience(dialed.client, one.patience);
        if (one.doubt != NET_DOUBT_NONE)
            net_cancel_doubt(dialed.cancel, one.doubt);
        hurried = true;
        passed = 0;
        EXPECT_EQ(net_stream_read_line(dialed.client, 100, nullptr, &error), nullptr);
        hurried = false;
        EXPECT_EQ((passed + G_USEC_PER_SEC / 2) / G_USEC_PER_SEC, one.seconds);
        ASSERT_NE(error, nullptr);
        EXPECT_EQ(error->code, one.code) << error->message;
    }
    passed = 0;
}

TEST(Doubt, WhoSaysSomethingIsTrustedAgain)
{
    Dialed dialed("127.0.0.1");
    std::thread server([&] {
        g_usleep(G_USEC_PER_SEC); /* it is waited for by then, and in doubt */
        EXPECT_EQ(write(dialed.server, "a\n", 2), 2);
        g_usleep(7 * G_USEC_PER_SEC);
        EXPECT_EQ(write(dialed.server, "b\n", 2), 2);
    });
    net_stream_set_timeout(dialed.client, 60);
    net_cancel_doubt(dialed.cancel, NET_DOUBT_CHANGED);
    EXPECT_STREQ(net_stream_read_line(dialed.client, 100, nullptr, nullptr), "a");
    EXPECT_STREQ(net_stream_read_line(dialed.client, 100, nullptr, nullptr), "b");
    server.join();
}

TEST(Doubt, WhoWaitsForNothingIsWokenAndWhoIsPatientStaysSo)
{
    Dialed dialed("127.0.0.1");
    net_cancel_doubt(dialed.cancel, NET_DOUBT_ASKED);
    EXPECT_EQ(net_stream_wait(dialed.client, -1, 10000, nullptr), NET_WOKEN);
    EXPECT_EQ(net_stream_wait(dialed.client, -1, 1, nullptr), NET_TIMED_OUT);
    net_stream_set_patience(dialed.client, 60);
    net_stream_set_timeout(dialed.client, 6);
    net_cancel_doubt(dialed.cancel, NET_DOUBT_CHANGED);
    g_autoptr(GError) error = nullptr;
    EXPECT_EQ(net_stream_read_line(dialed.client, 100, nullptr, &error), nullptr);
    EXPECT_TRUE(g_error_matches(error, NET_ERROR, NET_ERROR_TIMEOUT)) << error->message;
}

static int option_of(int fd, int level, int option)
{
    int value = -1;
    socklen_t length = sizeof value;
    getsockopt(fd, level, option, &value, &length);
    return value;
}

/* The socket of this process that is connected to `server`. */
static int other_end(int server)
{
    struct sockaddr_in ours = {}, theirs = {};
    socklen_t length = sizeof ours;
    getpeername(server, (struct sockaddr *)&theirs, &length);
    for (int fd = 3; fd < 1024; fd++) {
        length = sizeof ours;
        if (fd != server && getsockname(fd, (struct sockaddr *)&ours, &length) == 0 &&
            ours.sin_family == AF_INET && ours.sin_port == theirs.sin_port)
            return fd;
    }
    return -1;
}

TEST(Dead, ConnectionsAreNoticedWithinTwoMinutes)
{
    Dialed dialed("127.0.0.1");
    int fd = other_end(dialed.server);
    ASSERT_GE(fd, 0);
    /* While nothing is sent, and while what was sent isn't acknowledged. */
    EXPECT_EQ(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_LE(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE) +
                  option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL) *
                      option_of(fd, IPPROTO_TCP, TCP_KEEPCNT),
              120);
    int unacknowledged = option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT);
    EXPECT_GT(unacknowledged, 0);
    EXPECT_LE(unacknowledged, 120000);
}

TEST(Peer, TheUserAtTheOtherEndOfLoopbackTcpIsKnown)
{
    for (const char *host : {"127.0.0.1", "::1"}) {
        Dialed dialed(host);
        uid_t uid = 12345;
        g_autoptr(GError) error = nullptr;
        EXPECT_TRUE(net_peer_uid(dialed.server, &uid, &error))
            << host << (error ? error->message : "");
        EXPECT_EQ(uid, getuid());
    }
}

TEST(Peer, AnEndThatIsGoneIsNotTakenForRoot)
{
    Dialed dialed("127.0.0.1");
    g_clear_pointer(&dialed.client, net_stream_free);
    uid_t uid;
    EXPECT_FALSE(net_peer_uid(dialed.server, &uid, nullptr));
}

TEST(Peer, TheUserAtTheOtherEndOfAUnixSocketIsKnown)
{
    Pair pair;
    uid_t uid = 12345;
    EXPECT_TRUE(net_peer_uid(pair.a_fd, &uid, nullptr));
    EXPECT_EQ(uid, getuid());
}

TEST(Dial, ARefusedConnectionSaysWhere)
{
    int listener = net_listen_tcp("127.0.0.1", 0, nullptr);
    NetEndpoint endpoint = {(char *)"imap", NET_SECURITY_NONE, (char *)"127.0.0.1",
                            net_local_port(listener)};
    close(listener);
    g_autoptr(NetCancel) cancel = net_cancel_new();
    g_autoptr(GError) error = nullptr;
    EXPECT_EQ(net_dial(&endpoint, nullptr, 5, cancel, &error), nullptr);
    EXPECT_TRUE(g_error_matches(error, NET_ERROR, NET_ERROR_CONNECT));
    EXPECT_NE(std::string(error->message).find("127.0.0.1:"), std::string::npos);
}

TEST(Dial, CancelledBeforeItBeginsItDoesNothing)
{
    NetEndpoint endpoint = {(char *)"imap", NET_SECURITY_NONE, (char *)"127.0.0.1", 1};
    g_autoptr(NetCancel) cancel = net_cancel_new();
    net_cancel_trigger(cancel);
    g_autoptr(GError) error = nullptr;
    EXPECT_EQ(net_dial(&endpoint, nullptr, 5, cancel, &error), nullptr);
    EXPECT_TRUE(g_error_matches(error, NET_ERROR, NET_ERROR_CANCELLED));
}

TEST(Cancel, SleepEndsEarlyWhenTriggered)
{
    g_autoptr(NetCancel) cancel = net_cancel_new();
    EXPECT_TRUE(net_cancel_sleep(cancel, 0.01));
    net_cancel_trigger(cancel);
    EXPECT_FALSE(net_cancel_sleep(cancel, 60));
}

TEST(Clock, TheMachinesOwnGoesByItself)
{
    gint64 before = net_clock_usec(nullptr);
    g_autoptr(NetCancel) cancel = net_cancel_new();
    EXPECT_TRUE(net_clock_sleep(nullptr, cancel, 0.02));
    EXPECT_GE(net_clock_usec(nullptr) - before, 20000);
    EXPECT_NEAR(net_clock_seconds(nullptr), g_get_real_time() / G_USEC_PER_SEC, 1);
    net_cancel_trigger(cancel);
    EXPECT_FALSE(net_clock_sleep(nullptr, cancel, 3600));
}

TEST(Clock, DaysPassInAMomentForThoseWhoWait)
{
    g_autoptr(NetClock) clock = net_clock_new();
    g_autoptr(NetCancel) cancel = net_cancel_new();
    gint64 before = net_clock_seconds(clock), start = g_get_monotonic_time();
    std::atomic<int> slept{-1};
    std::thread sleeper([&] { slept = net_clock_sleep(clock, cancel, 7 * 86400); });

    while (slept < 0) {
        net_clock_advance(clock, 86400);
        g_usleep(1000);
    }
    sleeper.join();
    EXPECT_EQ(slept, 1);
    EXPECT_GE(net_clock_seconds(clock) - before, 7 * 86400);
    EXPECT_LT(g_get_monotonic_time() - start, 10 * G_USEC_PER_SEC);
}

TEST(Clock, ADescriptorEndsTheWaitBeforeItIsTime)
{
    g_autoptr(NetClock) clock = net_clock_new();
    g_autoptr(NetCancel) cancel = net_cancel_new();
    struct pollfd fds[] = {{-1, POLLIN, 0}, {net_cancel_fd(cancel), POLLIN, 0}};
    gint64 hour = 3600 * (gint64)G_USEC_PER_SEC;

    EXPECT_EQ(net_clock_poll(clock, fds, 2, net_clock_usec(clock) - 1), 0);
    std::thread trigger([&] { net_cancel_trigger(cancel); });
    EXPECT_EQ(net_clock_poll(clock, fds, 2, net_clock_usec(clock) + hour), 1);
    EXPECT_EQ(fds[0].revents, 0);
    EXPECT_EQ(fds[1].revents, POLLIN);
    EXPECT_EQ(net_clock_poll(nullptr, fds, 2, -1), 1);
    trigger.join();
}

} // namespace
