// SPDX-License-Identifier: GPL-3.0-or-later
// Discovery against an HTTPS server of our own: a private root signs for its names, a proxy on loopback
// leads to it, and the resolver says what the test wants it to say.
#include <gtest/gtest.h>

#include <libsoup/soup.h>

#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

extern "C" {
#include "daemon/discover/discover.h"
#include "daemon/discover/dns.h"
}

// GLib's TLS and proxy modules bring threads of their own, which LeakSanitizer can't trace to the end. The
// pure parts and the daemon's own tests look for leaks.
extern "C" const char *__asan_default_options(void);
extern "C" const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

// ---- a resolver that tests fill

struct Records {
    std::map<std::string, std::vector<std::pair<int, std::string>>> mx;
    std::map<std::string, std::tuple<int, int, int, std::string>> srv;
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
    } else if (type == G_RESOLVER_RECORD_SRV && records->srv.count(name)) {
        auto &[priority, weight, port, host] = records->srv[name];
        list = g_list_append(
            list, g_variant_ref_sink(g_variant_new("(qqqs)", (guint16)priority, (guint16)weight,
                                                   (guint16)port, host.c_str())));
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

// ---- a proxy that leads every CONNECT to one port

class Proxy
{
  public:
    explicit Proxy(guint16 to) : to_(to)
    {
        listener_ = g_socket_listener_new();
        stop_ = g_cancellable_new();
        guint port = g_socket_listener_add_any_inet_port(listener_, nullptr, nullptr);
        g_autofree char *uri = g_strdup_printf("http://127.0.0.1:%u", port);
        resolver = g_simple_proxy_resolver_new(uri, nullptr);
        thread_ = std::thread([this] {
            GSocketConnection *client;
            while ((client = g_socket_listener_accept(listener_, nullptr, stop_, nullptr))) {
                serving_.emplace_back([this, client] {
                    serve(client);
                    g_object_unref(client);
                });
            }
        });
    }
    ~Proxy()
    {
        g_cancellable_cancel(stop_);
        thread_.join();
        for (std::thread &serving : serving_)
            serving.join();
        g_object_unref(listener_);
        g_object_unref(resolver);
        g_object_unref(stop_);
    }
    GProxyResolver *resolver;

  private:
    void pump(GInputStream *from, GOutputStream *to)
    {
        char buffer[4096];
        gssize length;
        while ((length = g_input_stream_read(from, buffer, sizeof buffer, stop_, nullptr)) > 0 &&
               g_output_stream_write_all(to, buffer, (gsize)length, nullptr, nullptr, nullptr))
            ;
    }

    void serve(GSocketConnection *client)
    {
        g_autoptr(GDataInputStream) in =
            g_data_input_stream_new(g_io_stream_get_input_stream(G_IO_STREAM(client)));
        g_filter_input_stream_set_close_base_stream(G_FILTER_INPUT_STREAM(in), FALSE);
        GOutputStream *out = g_io_stream_get_output_stream(G_IO_STREAM(client));
        g_autofree char *request = g_data_input_stream_read_line(in, nullptr, nullptr, nullptr);
        gboolean connect = request && g_str_has_prefix(request, "CONNECT ");
        for (;;) {
            g_autofree char *line = g_data_input_stream_read_line(in, nullptr, nullptr, nullptr);
            if (!line || !*g_strstrip(line))
                break;
        }
        if (!connect) {
            g_output_stream_printf(out, nullptr, nullptr, nullptr,
                                   "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
            return;
        }
        g_autoptr(GSocketClient) dialer = g_socket_client_new();
        g_socket_client_set_proxy_resolver(dialer, nullptr);
        g_socket_client_set_enable_proxy(dialer, FALSE);
        g_autoptr(GSocketConnection) server =
            g_socket_client_connect_to_host(dialer, "127.0.0.1", to_, stop_, nullptr);
        if (!server)
            return;
        g_output_stream_printf(out, nullptr, nullptr, nullptr, "HTTP/1.1 200 OK\r\n\r\n");
        std::thread back([&] {
            pump(g_io_stream_get_input_stream(G_IO_STREAM(server)), out);
            g_io_stream_close(G_IO_STREAM(client), nullptr, nullptr);
        });
        pump(G_INPUT_STREAM(in), g_io_stream_get_output_stream(G_IO_STREAM(server)));
        g_io_stream_close(G_IO_STREAM(server), nullptr, nullptr);
        back.join();
    }

    guint16 to_;
    GSocketListener *listener_;
    GCancellable *stop_;
    std::thread thread_;
    std::vector<std::thread> serving_;
};

// ---- the web, as the test wants it: "host/path" → an answer

struct Page {
    guint status = 200;
    std::string body;
    std::string location;
    bool hangs = false;
};

class Web
{
  public:
    Web()
    {
        dir_ = g_dir_make_tmp("postern-discover-XXXXXX", nullptr);
        const char *dir = dir_;
        g_autofree char *command = g_strdup_printf(
            "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
            "-keyout key.pem -out cert.pem -days 2 "
            "-subj /CN=x -addext "
            "'subjectAltName=DNS:example.org,DNS:*.example.org,DNS:hoster.example,"
            "DNS:*.hoster.example,DNS:*.thunderbird.net' >/dev/null 2>&1 && "
            "cat key.pem cert.pem > both.pem",
            dir);
        EXPECT_EQ(system(command), 0);
        g_autofree char *both = g_build_filename(dir, "both.pem", nullptr);
        g_autofree char *cert = g_build_filename(dir, "cert.pem", nullptr);
        g_autoptr(GTlsCertificate) certificate = g_tls_certificate_new_from_file(both, nullptr);
        roots = g_tls_file_database_new(cert, nullptr);

        context_ = g_main_context_new();
        loop_ = g_main_loop_new(context_, FALSE);
        g_main_context_push_thread_default(context_);
        server_ = soup_server_new("tls-certificate", certificate, nullptr);
        soup_server_add_handler(server_, nullptr, handle, this, nullptr);
        EXPECT_TRUE(soup_server_listen_local(server_, 0, SOUP_SERVER_LISTEN_HTTPS, nullptr));
        g_main_context_pop_thread_default(context_);
        GSList *uris = soup_server_get_uris(server_);
        port = (guint16)g_uri_get_port((GUri *)uris->data);
        g_slist_free_full(uris, (GDestroyNotify)g_uri_unref);
        thread_ = std::thread([this] {
            g_main_context_push_thread_default(context_);
            g_main_loop_run(loop_);
            g_main_context_pop_thread_default(context_);
        });
    }
    ~Web()
    {
        g_main_loop_quit(loop_);
        thread_.join();
        g_main_context_push_thread_default(context_);
        soup_server_disconnect(server_);
        g_object_unref(server_);
        g_main_context_pop_thread_default(context_);
        g_main_loop_unref(loop_);
        g_main_context_unref(context_);
        g_object_unref(roots);
        g_autofree char *remove = g_strdup_printf("rm -r %s", dir_);
        EXPECT_EQ(system(remove), 0);
        g_free(dir_);
    }

    void put(const std::string &where, const Page &page)
    {
        std::lock_guard<std::mutex> guard(lock_);
        pages_[where] = page;
    }
    void clear()
    {
        std::lock_guard<std::mutex> guard(lock_);
        pages_.clear();
        asked_.clear();
    }
    std::vector<std::string> asked()
    {
        std::lock_guard<std::mutex> guard(lock_);
        return asked_;
    }

    guint16 port;
    GTlsDatabase *roots;

  private:
    static void handle(SoupServer *, SoupServerMessage *message, const char *path, GHashTable *,
                       gpointer data)
    {
        auto self = static_cast<Web *>(data);
        const char *host =
            soup_message_headers_get_one(soup_server_message_get_request_headers(message), "Host");
        std::lock_guard<std::mutex> guard(self->lock_);
        std::string where = std::string(host ? host : "") + path;
        self->asked_.push_back(where);
        auto found = self->pages_.find(where);
        if (found == self->pages_.end()) {
            soup_server_message_set_status(message, 404, nullptr);
            return;
        }
        const Page &page = found->second;
        if (page.hangs) {
            soup_server_message_pause(message);
            return;
        }
        if (!page.location.empty())
            soup_message_headers_replace(soup_server_message_get_response_headers(message),
                                         "Location", page.location.c_str());
        soup_server_message_set_status(message, page.status, nullptr);
        soup_server_message_set_response(message, "text/xml", SOUP_MEMORY_COPY, page.body.data(),
                                         page.body.size());
    }

    char *dir_;
    std::mutex lock_;
    std::map<std::string, Page> pages_;
    std::vector<std::string> asked_;
    SoupServer *server_;
    GMainContext *context_;
    GMainLoop *loop_;
    std::thread thread_;
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

const char *const PROVIDER = "autoconfig.example.org/mail/config-v1.1.xml";
const char *const WELL_KNOWN = "example.org/.well-known/autoconfig/mail/config-v1.1.xml";
const char *const ISPDB = "autoconfig.thunderbird.net/v1.1/example.org";
const char *const HOSTER = "autoconfig.hoster.example/mail/config-v1.1.xml";
const char *const HOSTER_ISPDB = "autoconfig.thunderbird.net/v1.1/hoster.example";

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

    Discover() : web(*shared_), proxy_(web.port)
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
    std::string find(const char *address = "ada@example.org", guint seconds = 5,
                     NetCancel *cancel = nullptr)
    {
        DiscoverOptions options = {};
        options.network = {(GResolver *)resolver_, proxy_.resolver, web.roots};
        options.seconds = seconds;
        options.cancel = cancel;
        g_autoptr(GError) error = nullptr;
        g_autoptr(DiscoverOffer) offer = discover(address, &options, &error);
        if (!offer)
            return error->message;
        trusted = offer->trusted;
        auto server = static_cast<DiscoverServer *>(g_ptr_array_index(offer->incoming, 0));
        return std::to_string(offer->source) + " " + server->endpoint->host;
    }

    Web &web;
    Records records;
    gboolean trusted = FALSE;

  private:
    static Web *shared_;
    Proxy proxy_;
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
    records.srv["_imaps._tcp.example.org"] = {0, 1, 993, "srv.example.org"};
    records.srv["_submissions._tcp.example.org"] = {0, 0, 0, "."};
    EXPECT_EQ(find(), said(DISCOVER_SRV, "srv.example.org"));
    EXPECT_FALSE(trusted);
}

TEST_F(Discover, AServiceThatIsDeclaredAbsentIsNone)
{
    records.srv["_imaps._tcp.example.org"] = {0, 0, 993, "."};
    EXPECT_NE(find().find("help pages"), std::string::npos);
}

TEST_F(Discover, TheIspdbKnowsTheHoster)
{
    records.mx["example.org"] = {{10, "in.hoster.example"}};
    web.put(HOSTER_ISPDB, {200, config("mail.hoster.example"), "", false});
    EXPECT_EQ(find(), said(DISCOVER_MX, "mail.hoster.example"));
}

// A source that is sick in any way is as if it weren't there.
TEST_F(Discover, SickSourcesAreAsIfTheyWerentThere)
{
    web.put(ISPDB, {200, config("good.example.org"), "", false});
    const std::vector<Page> sick = {
        {500, "", "", false},
        {200, "", "", false},
        {200, "<html>", "", false},
        {200, config("bad host"), "", false},
        {200, config("big.example.org") + std::string(300 * 1024, ' '), "", false},
        {302, "", "", false},
        {302, "", "http://autoconfig.example.org/x", false},
        {302, "", "file:///etc/passwd", false},
        {302, "", "https://autoconfig.example.org/mail/config-v1.1.xml", false},
        {302, "", "https://untrusted.invalid/", false},
        {204, "", "", false},
    };
    for (const Page &page : sick) {
        web.put(PROVIDER, page);
        EXPECT_EQ(find(), said(DISCOVER_ISPDB, "good.example.org")) << page.status << page.location;
    }
}

TEST_F(Discover, RedirectsWithinHttpsAreFollowed)
{
    web.put(PROVIDER, {301, "", "https://www.example.org/autoconfig.xml", false});
    web.put("www.example.org/autoconfig.xml", {200, config("r.example.org"), "", false});
    EXPECT_EQ(find(), said(DISCOVER_PROVIDER, "r.example.org"));
    EXPECT_TRUE(trusted);
}

TEST_F(Discover, WhatHangsHoldsUpNothingForLongerThanTheLimit)
{
    web.put(PROVIDER, {200, "", "", true});
    web.put(ISPDB, {200, config("good.example.org"), "", false});
    records.hangs = true;
    gint64 start = g_get_monotonic_time();
    EXPECT_EQ(find("ada@example.org", 1), said(DISCOVER_ISPDB, "good.example.org"));
    EXPECT_LT(g_get_monotonic_time() - start, 10 * G_USEC_PER_SEC);
}

TEST_F(Discover, ItCanBeStopped)
{
    web.put(PROVIDER, {200, "", "", true});
    g_autoptr(NetCancel) cancel = net_cancel_new();
    net_cancel_trigger(cancel);
    EXPECT_EQ(find("ada@example.org", 60, cancel), "stopped looking for the servers");
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
