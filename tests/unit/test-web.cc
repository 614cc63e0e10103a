// SPDX-License-Identifier: GPL-3.0-or-later
// One HTTP request: what it sends, what it gives, and that it ends.
#include <gtest/gtest.h>

#include "growth.h"
#include "http-server.h"
#include "quiet.h"

extern "C" {
#include "daemon/web/json.h"
#include "daemon/web/web.h"
}

namespace
{

const WebNetwork NETWORK = {};

WebRequest request_of(const std::string &url)
{
    WebRequest request = {};
    request.url = url.c_str();
    request.limit = 1000;
    request.seconds = 30;
    return request;
}

const int ANOTHER = -2;

// The code of the error that it fails with; -1: it doesn't fail, ANOTHER: it is of another domain.
int failure(const WebRequest &request, GCancellable *cancellable = nullptr)
{
    g_auto(WebAnswer) answer = {};
    g_autoptr(GError) error = nullptr;
    if (web_ask(&NETWORK, &request, &answer, cancellable, &error))
        return -1;
    EXPECT_EQ(answer.body, nullptr);
    return error->domain == G_IO_ERROR ? error->code : ANOTHER;
}

TEST(Web, AFormIsPostedAndTheAnswerGivenWhateverItsStatus)
{
    HttpServer server([](const HttpRequest &) {
        return HttpServer::answer(400, "{\"error\":\"x\"}",
                                  "Retry-After: 7\r\nDate: Sat, 28 Nov 2026 12:00:00 GMT\r\n");
    });
    WebRequest request = request_of(server.url);
    request.body = "a=1&b=2";
    request.user = "me";
    request.password = "it's";
    g_auto(WebAnswer) answer = {};
    ASSERT_TRUE(web_ask(&NETWORK, &request, &answer, nullptr, nullptr));
    EXPECT_EQ(answer.status, 400u);
    EXPECT_EQ(answer.retry_after, 7);
    EXPECT_EQ(answer.date, 1795867200);
    EXPECT_EQ(g_bytes_get_size(answer.body), strlen("{\"error\":\"x\"}"));
    HttpRequest seen = server.requests().at(0);
    EXPECT_EQ(seen.line, "POST / HTTP/1.1");
    EXPECT_EQ(seen.body, "a=1&b=2");
    EXPECT_NE(seen.head.find("application/x-www-form-urlencoded"), std::string::npos);
    EXPECT_NE(seen.head.find("Authorization: Basic bWU6aXQncw=="), std::string::npos);
}

TEST(Web, APostIsNeverSentAnywhereElse)
{
    HttpServer server([](const HttpRequest &request) {
        return HttpServer::answer(request.line.find("/there") == std::string::npos ? 307 : 200, "",
                                  "Location: /there\r\n");
    });
    for (int post = 0; post < 2; post++) {
        WebRequest request = request_of(server.url);
        request.body = post ? "secret" : nullptr;
        g_auto(WebAnswer) answer = {};
        ASSERT_TRUE(web_ask(&NETWORK, &request, &answer, nullptr, nullptr));
        EXPECT_EQ(answer.status, post ? 307u : 200u);
    }
}

// Bodies of one octet too many, announced or not, and one without end.
TEST(Web, WhatIsTooLargeIsRefused)
{
    for (int kind = 0; kind < 4; kind++) {
        HttpServer server([kind](const HttpRequest &) {
            std::string body((size_t)(kind == 0 ? 1000 : 1001), 'x');
            if (kind < 2)
                return HttpServer::answer(200, body);
            return "HTTP/1.1 200 OK\r\n\r\n" + (kind == 2 ? body : std::string(50000000, 'x'));
        });
        EXPECT_EQ(failure(request_of(server.url)), kind == 0 ? -1 : G_IO_ERROR_MESSAGE_TOO_LARGE)
            << kind;
    }
}

// It hangs before the answer, in its head, and in its body.
const char *const HALVES[] = {
    "", "HTTP/1.1 200 OK\r\nX: ", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"};

// Sends the half, and says nothing more.
class Half
{
  public:
    explicit Half(const std::string &half)
    {
        sockaddr_in address = {};
        socklen_t length = sizeof address;
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bind(listener_, reinterpret_cast<sockaddr *>(&address), sizeof address);
        listen(listener_, 8);
        getsockname(listener_, reinterpret_cast<sockaddr *>(&address), &length);
        port = std::to_string(ntohs(address.sin_port));
        thread_ = std::thread([this, half] {
            fd_ = accept(listener_, nullptr, nullptr);
            if (fd_ >= 0 && !half.empty()) {
                EXPECT_GT(write(fd_, half.data(), half.size()), 0);
            }
            accepted = true;
        });
    }
    ~Half()
    {
        shutdown(listener_, SHUT_RDWR);
        thread_.join();
        close(listener_);
        if (fd_ >= 0)
            close(fd_);
    }
    std::string port;
    std::atomic<bool> accepted{false};

  private:
    int listener_, fd_ = -1;
    std::thread thread_;
};

TEST(Web, AServerThatHangsIsGivenUp)
{
    for (const char *half : HALVES) {
        for (const char *scheme : {"http", "https"}) {
            Half server(half);
            std::string url = std::string(scheme) + "://127.0.0.1:" + server.port;
            WebRequest request = request_of(url);
            request.seconds = 1;
            int code = failure(request);
            bool is_no_tls = *half && strcmp(scheme, "https") == 0;
            EXPECT_EQ(code, is_no_tls ? ANOTHER : G_IO_ERROR_TIMED_OUT) << scheme << half;
        }
    }
}

TEST(Web, ItCanBeStoppedAtAnyMoment)
{
    for (const char *scheme : {"http", "https"}) {
        Half server("");
        std::string url = std::string(scheme) + "://127.0.0.1:" + server.port;
        g_autoptr(GCancellable) cancellable = g_cancellable_new();
        std::thread stopper([&] {
            while (!server.accepted)
                g_usleep(1000);
            g_cancellable_cancel(cancellable);
        });
        EXPECT_EQ(failure(request_of(url), cancellable), G_IO_ERROR_CANCELLED) << scheme;
        stopper.join();
        EXPECT_EQ(failure(request_of(url), cancellable), G_IO_ERROR_CANCELLED) << scheme;
    }
}

TEST(Web, WhatCantBeReachedIsSaid)
{
    std::string url;
    {
        Half closed("");
        url = "http://127.0.0.1:" + closed.port;
    }
    EXPECT_NE(failure(request_of(url)), -1);
    EXPECT_NE(failure(request_of("nonsense")), -1);
    EXPECT_NE(failure(request_of("ftp://127.0.0.1/")), -1);
}

// Whether it is read; its member "a" is 1 then.
bool reads(const std::string &document)
{
    g_autoptr(GBytes) bytes = g_bytes_new(document.data(), document.size());
    g_autoptr(GError) error = nullptr;
    JsonObject *object = web_json_read(bytes, &error);
    EXPECT_EQ(object == nullptr, error != nullptr) << document;
    if (!object)
        return false;
    EXPECT_EQ(web_json_number(object, "a", 0), 1) << document;
    json_object_unref(object);
    return true;
}

TEST(Json, IsWhatTheStandardHasAndNoMore)
{
    for (const char *good :
         {"{\"a\":1}", " {\t\"a\" : 1 ,\r\n\"b\":[-1.5e+3,true,null,{}]}",
          "{\"b\":\"/* ' # \\\" [[[[ // \\\\\",\"a\":1}", "{\"a\":1,\"b\":\"\\u00e9 \303\251\"}"})
        EXPECT_TRUE(reads(good)) << good;
    for (const char *bad :
         {"", "1", "[]", "{", "{\"a\":1", "{\"a\":1}]", "{\"a\":/* x */1}", "// x\n{\"a\":1}",
          "# x\n{\"a\":1}", "{'a':1}", "{\"b\":'x',\"a\":1}", "var a = {\"a\":1};", "{\"a\":$f}"})
        EXPECT_FALSE(reads(bad)) << bad;
}

// Nothing hides how deep it is: json-glib reads by recursion, and the stack ends.
TEST(Json, IsNeverTooDeep)
{
    for (const char *before :
         {"", "\"b\":/*\"*/1,", "\"b\":'\"',", "//\"\n", "#\"\n", "\"b\":\"\\\\\",",
          "\"b\":\"\\\"\",", "\"b\":]]]]]]]]]]]]]]]]]]]]]]]],"})
        for (const char *open : {"[", "{\"x\":", "[{\"y\":", "[[],", "[/*\"*/", "['\"',"}) {
            std::string text = std::string("{\"a\":1,") + before + "\"c\":";
            for (int i = 0; i < 200000; i++)
                text += open;
            EXPECT_FALSE(reads(text)) << before << open;
        }
}

/* A string is RFC 8259's or refused, wherever it stands: json-glib leaks some of those that aren't, which
 * LeakSanitizer tells at the end. */
TEST(Json, StringsAreThoseOfTheStandard)
{
    static const struct {
        const char *string;
        bool good;
    } cases[] = {
        {"", true},
        {"\\\"\\\\\\/\\b\\f\\n\\r\\t", true},
        {"\\u0041\\u00e9\\uFFFD\\uffff", true},
        {"\\ud83d\\ude00", true},
        {"\\uD83D\\uDE00x", true},
        {"\\ud83d", false},
        {"\\ud83dx", false},
        {"\\ud83d\\n", false},
        {"\\ud83d\\ud83d", false},
        {"\\ud83d\\u0041", false},
        {"\\ud83d\\ude0", false},
        {"\\ud83d\\\\ude00", false},
        {"\\ude00", false},
        {"\\ude00\\ud83d", false},
        {"\\udfff", false},
        {"\\ud800", false},
        {"\\udbff", false},
        {"\\u", false},
        {"\\u12", false},
        {"\\u12g4", false},
        {"\\u 041", false},
        {"\\x41", false},
        {"\\0", false},
        {"\\U0041", false},
        {"a\nb", false},
        {"a\tb", false},
        {"\x1f", false},
        {"\xff", false},
        {"\xed\xa0\xbd", false}, /* half a pair, in UTF-8 */
        {"\xc3\xa9", true},
    };
    static const char *const places[] = {"{\"a\":\"%\"}", "{\"%\":1}", "{\"a\":[\"%\",2]}",
                                         "{\"a\":{\"b\":\"x\",\"%\":null}}",
                                         "{\"a\":\"before %\"}"};
    for (const auto &c : cases)
        for (const char *place : places) {
            std::string text = place;
            text.replace(text.find('%'), 1, c.string);
            g_autoptr(GBytes) bytes = g_bytes_new(text.data(), text.size());
            g_autoptr(JsonObject) object = web_json_read(bytes, nullptr);
            EXPECT_EQ(object != nullptr, c.good) << text;
        }
    /* And whatever else a string may be cut into. */
    const std::string whole = "{\"a\":\"x\\ud83d\\ude00\\n\",\"b\":[\"\\u0041\"]}";
    for (size_t length = 0; length < whole.size(); length++) {
        g_autoptr(GBytes) bytes = g_bytes_new(whole.data(), length);
        g_autoptr(JsonObject) object = web_json_read(bytes, nullptr);
        EXPECT_EQ(object, nullptr) << whole.substr(0, length);
    }
}

TEST(Json, IsReadInTheTimeThatItsLengthTakes)
{
    auto read = [](const std::string &document) {
        g_autoptr(GBytes) bytes = g_bytes_new(document.data(), document.size());
        if (JsonObject *object = web_json_read(bytes, nullptr))
            json_object_unref(object);
    };
    for (const char *start : {"{\"a\":[", "{\"a\":1,", "{", "{\"a\":\""})
        for (const char *unit :
             {"1,",      "\"x\",", "\"x%d\":1,", "\"x\":1,", "[],",  "{},",     "[",
              "]",       " ",      "a",          "\\",       "\\\"", "\\u0041", "\\ud83d\\ude00",
              "\\ud83d", "-",      "1",          ".",        "e",    "null,",   "\xc3\xa9",
              "\xff",    "\"",     ","})
            for (const char *end : {"", "1]}", "\"x\":1}", "\"}"})
                expect_growth(start, unit, end, read, 16384);
}

} // namespace
