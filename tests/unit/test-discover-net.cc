// SPDX-License-Identifier: GPL-3.0-or-later
// Discovery against an HTTPS server of our own: a private root signs for its names, a proxy on loopback
// leads to it, and the resolver says what the test wants it to say.
#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include "quiet.h"

extern "C" {
#include "daemon/discover/discover.h"
#include "daemon/discover/dns.h"
}

// ---- a resolver that tests fill

struct Records {
    std::map<std::string, std::vector<std::pair<int, std::string>>> mx;
    std::map<std::string, std::vector<std::tuple<int, int, int, std::string>>> srv;
    std::map<std::string, std::vector<std::vector<std::string>>> txt;
    bool hangs = false;
};

typedef struct {
    GResolver parent;
    Records *records;
} TestResolver;
typedef GResolverClass TestResolverClass;
G_DEFINE_TYPE(TestResolver, test_resolver, G_TYPE_RESOLVER)

static GList *test_lookup_records(GResolver *resolver, const gchar *name, GResolverRecordType type,
                                  GCancellable *cancellable, GError **error)
{
    Records *records = reinterpret_cast<TestResolver *>(resolver)->records;
    GList *list = nullptr;
    while (records->hangs && !g_cancellable_is_cancelled(cancellable))
        g_usleep(1000);
    if (type == G_RESOLVER_RECORD_MX) {
        for (const auto &[preference, host] : records->mx[name])
            list = g_list_append(
                list, g_variant_ref_sink(g_variant_new("(qs)", (guint16)preference, host.c_str())));
    } else if (type == G_RESOLVER_RECORD_SRV) {
        for (const auto &[priority, weight, port, host] : records->srv[name])
            list = g_list_append(
                list, g_variant_ref_sink(g_variant_new("(qqqs)", (guint16)priority, (guint16)weight,
                                                       (guint16)port, host.c_str())));
    } else if (type == G_RESOLVER_RECORD_TXT) {
        for (const auto &strings : records->txt[name]) {
            GVariantBuilder parts;
            g_variant_builder_init(&parts, G_VARIANT_TYPE("as"));
            for (const std::string &part : strings)
                g_variant_builder_add(&parts, "s", part.c_str());
            list = g_list_append(list, g_variant_ref_sink(g_variant_new("(as)", &parts)));
        }
    }
    if (!list)
        g_set_error(error, G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND, "no such record");
    return list;
}

static void test_resolver_class_init(TestResolverClass *klass)
{
    klass->lookup_records = test_lookup_records;
}

static void test_resolver_init(TestResolver *resolver)
{
}

namespace
{

// ---- the web, as the test wants it: "host/path" → an answer. Everything is asked through one proxy, which
// is at the same time every server there is.

// Where a server stops answering, for good.
enum class Hang { NEVER, ACCEPTED, HANDSHAKE, ANSWER, BODY };

struct Page {
    guint status = 200;
    std::string body;
    std::string location;
    Hang hangs = Hang::NEVER;
};

std::string config(const std::string &host)
{
    return "<clientConfig version=\"1.1\"><emailProvider "
           "id=\"x.example\"><domain>x.example</domain>"
           "<incomingServer type=\"imap\"><hostname>" +
           host +
           "</hostname><port>993</port>"
           "<socketType>SSL</socketType><authentication>password-cleartext</authentication>"
           "<username>%EMAILADDRESS%</username></incomingServer></emailProvider></clientConfig>";
}

class Web
{
  public:
    Web()
    {
        dir_ = g_dir_make_tmp("postern-discover-XXXXXX", nullptr);
        g_autofree char *command = g_strdup_printf(
            "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
            "-keyout key.pem -out cert.pem -days 2 -subj /CN=x -addext 'subjectAltName="
            "DNS:example.org,DNS:*.example.org,DNS:hoster.example,DNS:*.hoster.example,"
            "DNS:*.thunderbird.net' >/dev/null 2>&1",
            dir_);
        EXPECT_EQ(system(command), 0);
        g_autofree char *key = g_build_filename(dir_, "key.pem", nullptr);
        g_autofree char *cert = g_build_filename(dir_, "cert.pem", nullptr);
        roots = g_tls_file_database_new(cert, nullptr);
        tls_ = net_tls_server_new(cert, key, nullptr);
        cancel_ = net_cancel_new();
        listener_ = g_socket_listener_new();
        stop_ = g_cancellable_new();
        guint port = g_socket_listener_add_any_inet_port(listener_, nullptr, nullptr);
        g_autofree char *uri = g_strdup_printf("http://127.0.0.1:%u", port);
        proxy = g_simple_proxy_resolver_new(uri, nullptr);
        thread_ = std::thread([this] {
            GSocket *client;
            while ((client = g_socket_listener_accept_socket(listener_, nullptr, stop_, nullptr))) {
                int fd = dup(g_socket_get_fd(client));
                g_object_unref(client);
                serving_.emplace_back([this, fd] { serve(net_stream_new(fd, "test", cancel_)); });
            }
        });
    }
    ~Web()
    {
        g_cancellable_cancel(stop_);
        net_cancel_trigger(cancel_);
        thread_.join();
        for (std::thread &serving : serving_)
            serving.join();
        g_object_unref(listener_);
        g_object_unref(proxy);
        g_object_unref(stop_);
        g_object_unref(roots);
        net_cancel_unref(cancel_);
        net_tls_server_unref(tls_);
        g_autofree char *remove = g_strdup_printf("rm -r %s", dir_);
        EXPECT_EQ(system(remove), 0);
        g_free(dir_);
    }

    void put(const std::string &where, const Page &page)
    {
        std::lock_guard<std::mutex> guard(lock_);
        pages_[where] = page;
    }
    // All servers stop at one place, whatever is asked.
    void hang_all(Hang where)
    {
        std::lock_guard<std::mutex> guard(lock_);
        hang_all_ = where;
        hanging_ = 0;
    }
    int hanging()
    {
        std::lock_guard<std::mutex> guard(lock_);
        return hanging_;
    }
    void clear()
    {
        std::lock_guard<std::mutex> guard(lock_);
        hang_all_ = Hang::NEVER;
        pages_.clear();
        asked_.clear();
    }
    std::vector<std::string> asked()
    {
        std::lock_guard<std::mutex> guard(lock_);
        return asked_;
    }

    GProxyResolver *proxy;
    GTlsDatabase *roots;

  private:
    // The first line of a request, and its host; empty at the end.
    static std::string request(NetStream *stream, std::string *host)
    {
        const char *line = net_stream_read_line(stream, 4096, nullptr, nullptr);
        std::string first = line ? line : "";
        while (line && *line) {
            if (g_ascii_strncasecmp(line, "Host: ", 6) == 0)
                *host = line + 6;
            line = net_stream_read_line(stream, 4096, nullptr, nullptr);
        }
        return first;
    }

    static void hang(NetStream *stream)
    {
        net_stream_read_line(stream, 100, nullptr, nullptr);
    }

    void answer(NetStream *stream, const Page &page)
    {
        std::string text = "HTTP/1.1 " + std::to_string(page.status) +
                           " Said\r\nContent-Length: " + std::to_string(page.body.size()) +
                           "\r\nConnection: close\r\n";
        if (!page.location.empty())
            text += "Location: " + page.location + "\r\n";
        text += "\r\n" + page.body;
        if (page.hangs == Hang::BODY)
            text.pop_back();
        net_stream_write(stream, text.data(), text.size(), nullptr);
        net_stream_flush(stream, nullptr);
        if (page.hangs == Hang::BODY)
            hang(stream);
        net_stream_close(stream);
    }

    bool silence(Hang where)
    {
        std::lock_guard<std::mutex> guard(lock_);
        if (hang_all_ != where)
            return false;
        hanging_++;
        return true;
    }

    Page find(const std::string &where)
    {
        std::lock_guard<std::mutex> guard(lock_);
        asked_.push_back(where);
        auto found = pages_.find(where);
        Page page = found == pages_.end() ? Page{404} : found->second;
        if (hang_all_ == Hang::ANSWER || hang_all_ == Hang::BODY)
            page = {200, config("hangs.example.org"), "", hang_all_};
        hanging_ += page.hangs != Hang::NEVER;
        return page;
    }

    void serve(NetStream *raw)
    {
        g_autoptr(NetStream) stream = raw;
        net_stream_set_timeout(stream, 0);
        std::string host;
        std::string first = request(stream, &host);
        if (g_str_has_prefix(first.c_str(), "CONNECT ")) {
            if (silence(Hang::ACCEPTED))
                return hang(stream);
            net_stream_puts(stream, "HTTP/1.1 200 OK\r\n\r\n", nullptr);
            net_stream_flush(stream, nullptr);
            if (silence(Hang::HANDSHAKE))
                return hang(stream);
            if (!net_stream_accept_tls(stream, tls_, "http/1.1", nullptr))
                return;
            first = request(stream, &host);
        } else {
            first = "GET /http-is-not-served HTTP/1.1";
        }
        size_t begin = first.find(' ') + 1, end = first.find_first_of("? ", begin);
        if (begin == 0 || end == std::string::npos)
            return;
        Page page = find(host + first.substr(begin, end - begin));
        if (page.hangs == Hang::ANSWER)
            hang(stream);
        else
            answer(stream, page);
    }

    char *dir_;
    std::mutex lock_;
    std::map<std::string, Page> pages_;
    std::vector<std::string> asked_;
    Hang hang_all_ = Hang::NEVER;
    int hanging_ = 0;
    NetTlsServer *tls_;
    NetCancel *cancel_;
    GSocketListener *listener_;
    GCancellable *stop_;
    std::thread thread_;
    std::vector<std::thread> serving_;
};

const char *const PROVIDER = "autoconfig.example.org/mail/config-v1.1.xml";
const char *const WELL_KNOWN = "example.org/.well-known/autoconfig/mail/config-v1.1.xml";
const char *const ISPDB = "autoconfig.thunderbird.net/v1.1/example.org";
const char *const HOSTER = "autoconfig.hoster.example/mail/config-v1.1.xml";
const char *const HOSTER_ISPDB = "autoconfig.thunderbird.net/v1.1/hoster.example";

// No test may wait so long: what hangs is ended by what the test is about, and by no limit.
const guint LONG = 3600;

class Discover : public ::testing::Test
{
  protected:
    // Making its key takes longer than the tests.
    static void SetUpTestSuite()
    {
        shared_ = new Web;
    }
    static void TearDownTestSuite()
    {
        delete shared_;
    }

    Discover() : web(*shared_)
    {
        web.clear();
        resolver_ = (TestResolver *)g_object_new(test_resolver_get_type(), nullptr);
        resolver_->records = &records;
    }
    ~Discover() override
    {
        g_object_unref(resolver_);
    }

    // The best offer as "source host", or the error.
    std::string find(const char *address = "ada@example.org", guint seconds = LONG,
                     NetCancel *cancel = nullptr)
    {
        DiscoverOptions options = {};
        options.network = {(GResolver *)resolver_, web.proxy, web.roots, LONG};
        options.seconds = seconds;
        options.cancel = cancel;
        options.pacc = pacc;
        g_autoptr(GError) error = nullptr;
        g_autoptr(DiscoverOffer) offer = discover(address, &options, &error);
        if (!offer)
            return error->message;
        trusted = offer->trusted;
        servers = urls(offer->incoming) + "|" + urls(offer->outgoing);
        auto server = static_cast<DiscoverServer *>(g_ptr_array_index(offer->incoming, 0));
        return std::to_string(offer->source) + " " + server->endpoint->host;
    }

    Web &web;
    Records records;
    gboolean trusted = FALSE, pacc = FALSE;
    std::string servers; // what was found, as URLs

  private:
    static std::string urls(const GPtrArray *list)
    {
        std::string text;
        for (guint i = 0; i < list->len; i++) {
            g_autofree char *url = net_endpoint_to_string(
                static_cast<const DiscoverServer *>(list->pdata[i])->endpoint);
            text += (i ? " " : "") + std::string(url);
        }
        return text;
    }

    static Web *shared_;
    TestResolver *resolver_;
};

Web *Discover::shared_;

std::string said(DiscoverSource source, const char *host)
{
    return std::to_string(source) + " " + host;
}

// For every set of sources that answer: the best-ranked one counts.
TEST_F(Discover, TheBestSourceCountsWhateverElseAnswers)
{
    const std::vector<std::tuple<const char *, DiscoverSource, bool>> sources = {
        {PROVIDER, DISCOVER_PROVIDER, true},
        {WELL_KNOWN, DISCOVER_WELL_KNOWN, true},
        {ISPDB, DISCOVER_ISPDB, true},
        {HOSTER, DISCOVER_MX, false},
    };
    records.mx["example.org"] = {{20, "b.other.example."}, {5, "MX1.hoster.example."}};
    for (unsigned set = 1; set < 1u << sources.size(); set++) {
        DiscoverSource best = DISCOVER_SOURCES;
        bool good = false;
        for (unsigned i = 0; i < sources.size(); i++) {
            auto [where, source, safe] = sources[i];
            Page page;
            page.status = set & (1u << i) ? 200 : 404;
            page.body = config("s" + std::to_string(source) + ".example.org");
            web.put(where, page);
            if ((set & (1u << i)) && best == DISCOVER_SOURCES) {
                best = source;
                good = safe;
            }
        }
        EXPECT_EQ(find(), said(best, ("s" + std::to_string(best) + ".example.org").c_str())) << set;
        EXPECT_EQ(trusted, good) << set;
    }
}

TEST_F(Discover, SrvRecordsAreUsedButNotTrusted)
{
    records.srv["_imaps._tcp.example.org"] = {{0, 1, 993, "srv.example.org"}};
    records.srv["_submissions._tcp.example.org"] = {{0, 0, 0, "."}};
    EXPECT_EQ(find(), said(DISCOVER_SRV, "srv.example.org"));
    EXPECT_FALSE(trusted);
}

TEST_F(Discover, AServiceThatIsDeclaredAbsentIsNone)
{
    records.srv["_imaps._tcp.example.org"] = {{0, 0, 993, "."}};
    EXPECT_NE(find().find("help pages"), std::string::npos);
}

// For every set of services that a domain has mail fetched by: IMAP before POP3, TLS from the first byte before STARTTLS.
TEST_F(Discover, EverySetOfSrvRecordsIsPutInOrder)
{
    const struct {
        const char *label, *url;
        int port;
        bool outgoing;
    } services[] = {
        {"_imaps", "imaps://imaps.example.org", 993, false},
        {"_imap", "imap://imap.example.org", 143, false},
        {"_pop3s", "pop3s://pop3s.example.org", 995, false},
        {"_pop3", "pop3://pop3.example.org", 110, false},
        {"_submissions", "submissions://submissions.example.org", 465, true},
        {"_submission", "submission://submission.example.org", 587, true},
    };
    for (unsigned incoming_set = 0; incoming_set < 16; incoming_set++) {
        const unsigned set = incoming_set | (incoming_set * 7 % 4) << 4;
        std::string incoming, outgoing;
        for (unsigned i = 0; i < 6; i++) {
            const auto &service = services[i];
            auto &list = records.srv[std::string(service.label) + "._tcp.example.org"];
            list.clear();
            if (!(set & (1u << i))) {
                list = {{0, 0, 0, "."}};
                continue;
            }
            list = {{20, 9, 1, "worse.example.org"},
                    {10, 1, 2, "rarer.example.org"},
                    {10, 5, service.port, std::string(service.label + 1) + ".Example.org."},
                    {0, 9, 3, "bad_name.example.org"}};
            std::string &text = service.outgoing ? outgoing : incoming;
            text += (text.empty() ? "" : " ") + std::string(service.url);
        }
        servers = "";
        find();
        EXPECT_EQ(servers, incoming.empty() ? "" : incoming + "|" + outgoing) << set;
        EXPECT_FALSE(trusted);
    }
}

// Behind its switch, and only what DNS vouches for to the byte.
TEST_F(Discover, TheProvidersOwnJsonCountsWhereDnsVouchesForIt)
{
    const std::string json = "{\"protocols\":{\"imap\":{\"host\":\"in.example.org\"}},"
                             "\"authentication\":{\"password\":true}}";
    g_autoptr(GBytes) bytes = g_bytes_new(json.data(), json.size());
    g_autofree char *hex = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, bytes);
    guchar digest[32];
    for (int i = 0; i < 32; i++)
        digest[i] = (guchar)std::stoi(std::string(hex + 2 * i, 2), nullptr, 16);
    g_autofree char *base64 = g_base64_encode(digest, 32);
    const std::string good = base64;
    const struct {
        bool on;
        std::vector<std::vector<std::string>> txt;
        bool counts;
    } cases[] = {
        {true, {{"v=UAAC1; a=sha256; d=" + good}}, true},
        {false, {{"v=UAAC1; a=sha256; d=" + good}}, false},
        {true, {{"v=UAAC1; a=sha256; d=" + good.substr(0, 9), good.substr(9)}}, true},
        {true,
         {{"v=spf1 -all"}, {"v=UAAC1;a=sha256;d=AAAA"}, {"v=UAAC1;a=sha256;d=" + good}},
         true},
        {true, {{"v=UAAC1; a=md5; d=" + good}}, false},
        {true, {{"v=UAAC2; a=sha256; d=" + good}}, false},
        {true, {{"v=UAAC1; a=sha256; d=x" + good}}, false},
        {true, {{""}}, false},
        {true, {}, false},
    };
    web.put("ua-auto-config.example.org/.well-known/user-agent-configuration.json", {200, json});
    web.put(ISPDB, {200, config("ispdb.example.org")});
    for (const auto &item : cases) {
        pacc = item.on;
        records.txt["_ua-auto-config.example.org"] = item.txt;
        EXPECT_EQ(find(), item.counts ? said(DISCOVER_PACC, "in.example.org")
                                      : said(DISCOVER_ISPDB, "ispdb.example.org"));
    }
    pacc = TRUE;
    records.txt["_ua-auto-config.example.org"] = {{"v=UAAC1; a=sha256; d=" + good}};
    web.put(WELL_KNOWN, {200, config("own.example.org")});
    EXPECT_EQ(find(), said(DISCOVER_WELL_KNOWN, "own.example.org"));
}

TEST_F(Discover, TheIspdbKnowsTheHoster)
{
    records.mx["example.org"] = {{10, "in.hoster.example"}};
    web.put(HOSTER_ISPDB, {200, config("mail.hoster.example"), ""});
    EXPECT_EQ(find(), said(DISCOVER_MX, "mail.hoster.example"));
}

// A source that is sick in any way is as if it weren't there.
TEST_F(Discover, SickSourcesAreAsIfTheyWerentThere)
{
    web.put(ISPDB, {200, config("good.example.org"), ""});
    const std::vector<Page> sick = {
        {500, "", ""},
        {200, "", ""},
        {200, "<html>", ""},
        {200, config("bad host"), ""},
        {200, config("big.example.org") + std::string(300 * 1024, ' '), ""},
        {302, "", ""},
        {302, "", "http://autoconfig.example.org/x"},
        {302, "", "file:///etc/passwd"},
        {302, "", "https://autoconfig.example.org/mail/config-v1.1.xml"},
        {302, "", "https://untrusted.invalid/"},
        {204, "", ""},
    };
    for (const Page &page : sick) {
        web.put(PROVIDER, page);
        EXPECT_EQ(find(), said(DISCOVER_ISPDB, "good.example.org")) << page.status << page.location;
    }
}

TEST_F(Discover, RedirectsWithinHttpsAreFollowed)
{
    web.put(PROVIDER, {301, "", "https://www.example.org/autoconfig.xml"});
    web.put("www.example.org/autoconfig.xml", {200, config("r.example.org"), ""});
    EXPECT_EQ(find(), said(DISCOVER_PROVIDER, "r.example.org"));
    EXPECT_TRUE(trusted);
}

// Which limit is enough for those who do answer depends on the machine; that one is doesn't.
TEST_F(Discover, WhatHangsHoldsUpNothingForLongerThanTheLimit)
{
    web.put(PROVIDER, {200, "", "", Hang::ANSWER});
    web.put(ISPDB, {200, config("good.example.org")});
    records.hangs = true;
    std::string found;
    for (guint limit = 1; limit < 100 && found != said(DISCOVER_ISPDB, "good.example.org");
         limit *= 2)
        found = find("ada@example.org", limit);
    EXPECT_EQ(found, said(DISCOVER_ISPDB, "good.example.org"));
}

// At each place where a request can wait: nobody waits with it.
TEST_F(Discover, ItCanBeStoppedWhereverItWaits)
{
    for (Hang where : {Hang::NEVER, Hang::ACCEPTED, Hang::HANDSHAKE, Hang::ANSWER, Hang::BODY}) {
        web.clear();
        web.hang_all(where);
        records.hangs = where == Hang::NEVER;
        g_autoptr(NetCancel) cancel = net_cancel_new();
        std::thread stopper([&] {
            while (web.hanging() < (where == Hang::NEVER ? 0 : 3))
                g_usleep(1000);
            net_cancel_trigger(cancel);
        });
        EXPECT_EQ(find("ada@example.org", LONG, cancel), "stopped looking for the servers")
            << (int)where;
        stopper.join();
    }
}

TEST_F(Discover, ItCanBeStoppedBeforeItBegins)
{
    web.hang_all(Hang::ANSWER);
    g_autoptr(NetCancel) cancel = net_cancel_new();
    net_cancel_trigger(cancel);
    EXPECT_EQ(find("ada@example.org", LONG, cancel), "stopped looking for the servers");
}

TEST_F(Discover, NothingThatIsAskedNamesTheAddressToOthers)
{
    records.mx["example.org"] = {{10, "in.hoster.example"}};
    find();
    for (const std::string &where : web.asked())
        EXPECT_EQ(where.find("ada"), std::string::npos) << where;
    EXPECT_GE(web.asked().size(), 4u);
}

} // namespace
