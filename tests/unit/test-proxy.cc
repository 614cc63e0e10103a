/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Proxies: their URLs, what is said to them octet by octet, and that none of them holds anything up.
 */
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

extern "C" {
#include "daemon/net/listen.h"
#include "daemon/net/route.h"
}

namespace
{

std::string shown(const char *url)
{
    g_autoptr(GError) error = nullptr;
    g_autoptr(NetProxy) proxy = net_proxy_parse(url, &error);

    EXPECT_EQ(proxy == nullptr, error != nullptr);
    if (!proxy)
        return "";
    return std::string(proxy->kind == NET_PROXY_HTTP ? "http" : "socks") + " " + proxy->host + " " +
           std::to_string(proxy->port) + " " + (proxy->user ? proxy->user : "-") + " " +
           (proxy->password ? proxy->password : "-");
}

/* Dials imap.example.org:143 through a proxy at `at` that does what `proxy` does with the connection. */
std::string dial(const char *scheme, std::function<void(int)> proxy,
                 const char *host = "imap.example.org", guint timeout = 2,
                 const char *at = "127.0.0.1")
{
    int listener = net_listen_tcp(at, 0, nullptr);
    std::string address = strchr(at, ':') ? "[" + std::string(at) + "]" : at;
    std::string url = scheme + address + ":" + std::to_string(net_local_port(listener));
    std::thread thread([&] {
        struct pollfd waiting = {listener, POLLIN, 0};
        poll(&waiting, 1, 10000);
        int fd = accept(listener, nullptr, nullptr);
        proxy(fd);
        close(fd);
    });
    NetEndpoint endpoint = {};
    endpoint.protocol = (char *)"imap";
    endpoint.security = NET_SECURITY_STARTTLS;
    endpoint.host = (char *)host;
    endpoint.port = 143;
    endpoint.proxy = (char *)url.c_str();
    NetCancel *cancel = net_cancel_new();
    g_autoptr(GError) error = nullptr;
    NetStream *stream = net_dial(&endpoint, nullptr, timeout, cancel, &error);
    std::string said = error ? error->message : "";
    if (stream) {
        char word[3] = {};
        EXPECT_TRUE(net_stream_read_exact(stream, word, 2, nullptr));
        said = word;
    }
    EXPECT_EQ(stream == nullptr, error != nullptr);
    net_stream_free(stream);
    thread.join();
    close(listener);
    net_cancel_unref(cancel);
    return said;
}

std::string take(int fd, size_t length)
{
    std::string data(length, 0);
    EXPECT_EQ(recv(fd, &data[0], length, MSG_WAITALL), (ssize_t)length);
    return data;
}

void give(int fd, const std::string &data)
{
    send(fd, data.data(), data.size(), MSG_NOSIGNAL);
}

/* Until the other side goes. */
void wait_end(int fd)
{
    char c;
    while (recv(fd, &c, 1, 0) > 0)
        ;
}

std::string octets(std::initializer_list<int> values)
{
    return std::string(values.begin(), values.end());
}

} // namespace

TEST(Proxy, UrlsAreRead)
{
    EXPECT_EQ(shown("socks5://127.0.0.1:9050"), "socks 127.0.0.1 9050 - -");
    EXPECT_EQ(shown("socks5h://tor"), "socks tor 1080 - -");
    EXPECT_EQ(shown("socks://[::1]:1081/"), "socks ::1 1081 - -");
    EXPECT_EQ(shown("HTTP://proxy.example.org"), "http proxy.example.org 3128 - -");
    EXPECT_EQ(shown("http://ada:love%40l%3Aace@p:80"), "http p 80 ada love@l:ace");
    EXPECT_EQ(shown("socks5://ada@p"), "socks p 1080 ada -");
    for (const std::string &bad :
         {std::string(""), std::string("p"), std::string("p:3128"), std::string("socks4://p"),
          std::string("ftp://p"), std::string("http://"), std::string("http://p:0"),
          std::string("http://p:99999"), std::string("http://p/path"), std::string("http://p/?q"),
          "socks5://" + std::string(256, 'u') + "@p", "socks5://u:" + std::string(256, 'p') + "@p"})
        EXPECT_EQ(shown(bad.c_str()), "") << bad;
}

TEST(Proxy, GioIsToldInItsWords)
{
    for (const auto &[url, expected] :
         {std::pair("socks5h://a%40:b%3A@p", "socks5://a%40:b:@p:1080"),
          std::pair("http://p", "http://p:3128"), std::pair("direct", "direct://"),
          std::pair("socks://[::1]:9050", "socks5://[::1]:9050"),
          std::pair("http://a:b@[2001:db8::7]/", "http://a:b@[2001:db8::7]:3128")}) {
        g_autoptr(GProxyResolver) resolver = net_proxy_resolver(url);
        g_auto(GStrv) found =
            g_proxy_resolver_lookup(resolver, "https://example.org/", nullptr, nullptr);
        const char *text = found[0];
        EXPECT_STREQ(text, expected);
    }
    EXPECT_EQ(net_proxy_resolver(nullptr), nullptr);
}

TEST(Proxy, PasswordsAreLeftOut)
{
    for (const auto &[url, expected] :
         {std::pair("socks5://ada:love@p:1", "socks5://ada@p:1"),
          std::pair("http://ada:l@ve@p", "http://ada@p"),
          std::pair("http://p:3128", "http://p:3128"), std::pair("http://ada@p", "http://ada@p"),
          std::pair("socks5://ada:l@[::1]:1080", "socks5://ada@[::1]:1080"),
          std::pair("http://[::1]:3128", "http://[::1]:3128"), std::pair("direct", "direct")}) {
        g_autofree char *text = net_proxy_without_password(url);
        EXPECT_STREQ(text, expected);
    }
}

TEST(Proxy, SocksIsSpokenAsTheStandardSays)
{
    EXPECT_EQ(dial("socks5://",
                   [](int fd) {
                       EXPECT_EQ(take(fd, 3), octets({5, 1, 0}));
                       give(fd, octets({5, 0}));
                       EXPECT_EQ(take(fd, 5 + 16 + 2),
                                 octets({5, 1, 0, 3, 16}) + "imap.example.org" + octets({0, 143}));
                       give(fd, octets({5, 0, 0, 3, 2}) + "xy" + octets({1, 2}) + "ok");
                       wait_end(fd);
                   }),
              "ok");
    EXPECT_EQ(dial(
                  "socks5://a:b@",
                  [](int fd) {
                      EXPECT_EQ(take(fd, 4), octets({5, 2, 0, 2}));
                      give(fd, octets({5, 2}));
                      EXPECT_EQ(take(fd, 5), octets({1, 1, 'a', 1, 'b'}));
                      give(fd, octets({1, 0}));
                      EXPECT_EQ(take(fd, 10), octets({5, 1, 0, 1, 10, 0, 0, 9, 0, 143}));
                      give(fd, octets({5, 0, 0, 4}) + std::string(18, 'z') + "ok");
                      wait_end(fd);
                  },
                  "10.0.0.9"),
              "ok");
}

/* Addresses of either kind at either end of the way. */
TEST(Proxy, AddressesOfIpv6AreReachedAndAsked)
{
    const std::string ipv6("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09", 16);
    for (const char *at : {"127.0.0.1", "::1"}) {
        EXPECT_EQ(dial(
                      "socks5://",
                      [&](int fd) {
                          take(fd, 3);
                          give(fd, octets({5, 0}));
                          EXPECT_EQ(take(fd, 22), octets({5, 1, 0, 4}) + ipv6 + octets({0, 143}));
                          give(fd, octets({5, 0, 0, 4}) + ipv6 + octets({1, 2}) + "ok");
                          wait_end(fd);
                      },
                      "2001:db8::9", 2, at),
                  "ok");
        EXPECT_EQ(dial(
                      "http://",
                      [&](int fd) {
                          std::string expected = "CONNECT [2001:db8::9]:143 HTTP/1.1\r\n"
                                                 "Host: [2001:db8::9]:143\r\n\r\n";
                          EXPECT_EQ(take(fd, expected.size()), expected);
                          give(fd, "HTTP/1.1 200 fine\r\n\r\nok");
                          wait_end(fd);
                      },
                      "2001:db8::9", 2, at),
                  "ok");
    }
}

/* What is said of one is an address that can be copied. */
TEST(Proxy, AnAddressOfIpv6IsNamedAsInItsUrl)
{
    for (const char *scheme : {"socks5://", "http://"})
        for (const char *host : {"imap.example.org", "2001:db8::9"}) {
            std::string said = dial(
                scheme, [](int) {}, host, 2, "::1");
            EXPECT_NE(said.find("proxy [::1]:"), std::string::npos) << said;
            said = dial(
                scheme,
                [&](int fd) {
                    if (*scheme == 's') {
                        take(fd, 3);
                        give(fd, octets({5, 0}));
                        take(fd, *host == '2' ? 22 : 23);
                        give(fd, octets({5, 2, 0, 1, 0, 0, 0, 0, 0, 0}));
                    } else
                        give(fd, "HTTP/1.1 403 No\r\n\r\n");
                    wait_end(fd);
                },
                host, 2, "::1");
            EXPECT_NE(said.find(*host == '2' ? "[2001:db8::9]:143" : "imap.example.org:143"),
                      std::string::npos)
                << said;
        }
}

TEST(Proxy, EveryRefusalOfSocksHasWords)
{
    for (int reply = 1; reply < 256; reply += reply < 10 ? 1 : 49) {
        std::string said = dial("socks5://", [&](int fd) {
            take(fd, 3);
            give(fd, octets({5, 0}));
            take(fd, 23);
            give(fd, octets({5, reply, 0, 1, 0, 0, 0, 0, 0, 0}));
            wait_end(fd);
        });
        EXPECT_EQ(said.rfind("the proxy for imap.example.org:143 ", 0), 0u) << said;
    }
}

TEST(Proxy, HttpAnswersAreReadToTheirEnd)
{
    EXPECT_EQ(dial("http://a:b@",
                   [](int fd) {
                       std::string expected = "CONNECT imap.example.org:143 HTTP/1.1\r\n"
                                              "Host: imap.example.org:143\r\n"
                                              "Proxy-Authorization: Basic YTpi\r\n\r\n";
                       EXPECT_EQ(take(fd, expected.size()), expected);
                       give(fd, "HTTP/1.0 200 fine\r\nA: b\r\nC: d\r\n\r\nok");
                       wait_end(fd);
                   }),
              "ok");
    for (const char *bad :
         {"HTTP/1.1 301 Moved\r\n\r\n", "HTTP/1.1 407 Who\r\n\r\n", "HTTP/1.1 500 Oops\r\n\r\n",
          "HTTP/1.1 100 Wait\r\n\r\n", "HTTP/1.1\r\n\r\n", "HTTP/1.1 2x0 a\r\n\r\n",
          "SSH-2.0-x\r\n", "\r\n", "ICY 200 OK\r\n\r\n"}) {
        std::string said = dial("http://", [&](int fd) {
            give(fd, bad);
            wait_end(fd);
        });
        EXPECT_NE(said.find("proxy"), std::string::npos) << bad << said;
    }
}

TEST(Proxy, SilenceDripsAndFloodsEnd)
{
    for (const char *scheme : {"socks5://", "http://"}) {
        gint64 start = g_get_monotonic_time();
        EXPECT_NE(dial(scheme, wait_end, "imap.example.org", 1).find("proxy"), std::string::npos);
        EXPECT_NE(dial(
                      scheme,
                      [&](int fd) {
                          const char *drip = *scheme == 's' ? "\5" : "H";
                          while (send(fd, drip, 1, MSG_NOSIGNAL) > 0 &&
                                 g_get_monotonic_time() - start < 60 * G_USEC_PER_SEC)
                              g_usleep(200000);
                      },
                      "imap.example.org", 1)
                      .find("proxy"),
                  std::string::npos);
        EXPECT_LT(g_get_monotonic_time() - start, 50 * G_USEC_PER_SEC);
    }
    std::string said = dial("http://", [](int fd) {
        std::string line = "X: " + std::string(1000, 'x') + "\r\n";
        give(fd, "HTTP/1.1 200 OK\r\n");
        while (send(fd, line.data(), line.size(), MSG_NOSIGNAL) > 0)
            ;
    });
    EXPECT_NE(said.find("without end"), std::string::npos) << said;
}

TEST(Proxy, ThisMachineIsReachedDirectlyAndWhatIsSaidHolds)
{
    NetCancel *cancel = net_cancel_new();
    for (const char *host : {"localhost", "127.0.0.1", "127.9.9.9", "::1", "x.localhost"}) {
        NetEndpoint endpoint = {};
        endpoint.protocol = (char *)"imap";
        endpoint.host = (char *)host;
        g_autoptr(GPtrArray) routes = net_routes(&endpoint, 5, cancel, nullptr);
        ASSERT_TRUE(routes && routes->len == 1);
        EXPECT_EQ(routes->pdata[0], nullptr);
        endpoint.proxy = (char *)"socks5://p";
        g_autoptr(GPtrArray) said = net_routes(&endpoint, 5, cancel, nullptr);
        EXPECT_NE(said->pdata[0], nullptr);
        endpoint.host = (char *)"imap.example.org";
        endpoint.proxy = (char *)NET_PROXY_DIRECT;
        g_autoptr(GPtrArray) direct = net_routes(&endpoint, 5, cancel, nullptr);
        EXPECT_EQ(direct->pdata[0], nullptr);
    }
    net_cancel_unref(cancel);
}
