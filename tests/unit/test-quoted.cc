/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where something looks for the quote or the bracket that ends what it reads: all short texts over the
 * characters that matter, beside a lexer of this file's own that knows nothing but quotes and
 * backslashes.
 */
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

extern "C" {
#include "daemon/index/keys.h"
#include "daemon/proto/smtp/path.h"
}
#include "daemon/proto/imap/response.h"
#include "daemon/proto/mime/token.h"

namespace
{

using std::string;

/* All texts of up to `length` of these characters. */
void each_text(const string &alphabet, size_t length,
               const std::function<void(const string &)> &run)
{
    string text;
    std::function<void()> more = [&] {
        run(text);
        if (text.size() == length)
            return;
        for (char c : alphabet) {
            text.push_back(c);
            more();
            text.pop_back();
        }
    };
    more();
}

/* The length of the quoted string that text begins with, and what it says; 0: it is none. */
size_t reference(const string &text, string *says = nullptr)
{
    string value;

    if (text.empty() || text[0] != '"')
        return 0;
    for (size_t i = 1; i < text.size(); i++) {
        if (text[i] == '"') {
            if (says)
                *says = value;
            return i + 1;
        }
        if (text[i] == '\\' && ++i == text.size())
            return 0;
        value += text[i];
    }
    return 0;
}

/* ---- SMTP ------------------------------------------------------------------------------------ */

bool is_path(const string &text, string *address = nullptr)
{
    g_auto(SmtpPath) path = {};
    const char *problem = nullptr;
    bool ok = smtp_path_parse(text.c_str(), "TO:", &path, &problem);

    if (ok && address)
        *address = path.address;
    return ok;
}

TEST(Quoted, LocalPartsOfPaths)
{
    each_text("a\"\\@>.", 7, [](const string &local) {
        bool quoted = !local.empty() && local[0] == '"';
        if (!quoted)
            return;
        bool good = reference(local) == local.size();
        string address;
        EXPECT_EQ(is_path("TO:<" + local + "@b.example>", &address), good) << local;
        if (good) {
            EXPECT_EQ(address, local + "@b.example");
        }
        /* A parameter behind it belongs to what follows, whatever is in the quotes. */
        EXPECT_EQ(is_path("TO:<" + local + "@b.example> NOTIFY=NEVER"), good) << local;
        EXPECT_FALSE(good && is_path("TO:<" + local + "@b.example>x")) << local;
    });
}

TEST(Quoted, RoutesOfPaths)
{
    string address;

    for (const char *route : {"@a.example:", "@a.example,@b.example:", "@[127.0.0.1]:",
                              "@[IPv6:::1]:", "@[IPv6:::1],@[IPv6:2001:db8::1]:", ""})
        for (const char *to : {"a@b.example", "\"a:b\"@b.example", "\"@x:y\"@b.example",
                               "a@[IPv6:::1]", "\"a\\\\\"@b.example", "\"a\\\"\"@b.example"}) {
            EXPECT_TRUE(is_path(string("TO:<") + route + to + ">", &address)) << route << to;
            EXPECT_EQ(address, to) << route;
        }
}

/* ---- IMAP ------------------------------------------------------------------------------------ */

TEST(Quoted, StringsOfServers)
{
    each_text("a\"\\ )]", 6, [](const string &inner) {
        string line = "* LIST () \"/\" \"" + inner, says;
        size_t length = reference("\"" + inner, &says);
        /* Only what ends where the value may end is told apart from quotes that should have been escaped. */
        if (length != inner.size() + 1)
            return;
        g_autoptr(ImapResponseParser) parser =
            imap_response_parser_new(&imap_response_limits_default);
        ASSERT_EQ(imap_response_line(parser, line.data(), line.size(), nullptr),
                  IMAP_RESPONSE_COMPLETE);
        const ImapNode *node = imap_response_get(parser)->args;
        node = imap_node_next(imap_node_next(node));
        ASSERT_NE(node, nullptr);
        EXPECT_EQ(string(node->text, node->length), says) << line;
        EXPECT_EQ(imap_node_next(node), nullptr) << line;
    });
}

TEST(Quoted, BracketsOfCodes)
{
    each_text("a\"\\]", 6, [](const string &inner) {
        string quoted = "\"" + inner, says;
        if (reference(quoted, &says) != quoted.size())
            return;
        string line = "* OK [REFERRAL " + quoted + "] the ] text";
        g_autoptr(ImapResponseParser) parser =
            imap_response_parser_new(&imap_response_limits_default);
        ASSERT_EQ(imap_response_line(parser, line.data(), line.size(), nullptr),
                  IMAP_RESPONSE_COMPLETE);
        EXPECT_STREQ(imap_response_get(parser)->text, "the ] text") << line;
    });
}

/* ---- MIME ------------------------------------------------------------------------------------ */

TEST(Quoted, ParametersOfMime)
{
    each_text("a\"\\;=", 6, [](const string &inner) {
        string quoted = "\"" + inner, says;
        if (reference(quoted, &says) != quoted.size())
            return;
        string value = "; name=" + quoted + "; other=x";
        g_auto(MimeArena) arena = {};
        g_autoptr(GString) scratch = g_string_new(nullptr);
        MimeTokens tokens = {value.data(), value.data() + value.size(), nullptr};
        MimeParams params = mime_token_params(&tokens, &arena, scratch);
        ASSERT_NE(mime_params_get(&params, "name"), nullptr) << value;
        EXPECT_EQ(string(mime_params_get(&params, "name")), says) << value;
        EXPECT_STREQ(mime_params_get(&params, "other"), "x") << value;
    });
}

/* Behind the comment that text begins with; 0: it has no end. */
size_t comment_reference(const string &text)
{
    size_t depth = 0;

    for (size_t i = 0; i < text.size(); i++) {
        if (text[i] == '\\')
            i++;
        else if (text[i] == '(')
            depth++;
        else if (text[i] == ')' && --depth == 0)
            return i + 1;
    }
    return 0;
}

TEST(Quoted, Comments)
{
    each_text("a\"\\()", 7, [](const string &inner) {
        string comment = "(" + inner, text = comment + "x";
        if (comment_reference(comment) != comment.size())
            return;
        MimeTokens tokens = {text.data(), text.data() + text.size(), nullptr};
        EXPECT_EQ(mime_token_skip_space(&tokens), MIME_TOKEN_MORE) << text;
        EXPECT_EQ(string(tokens.pos), "x") << text;
    });
}

TEST(Quoted, DomainLiterals)
{
    each_text("a\"\\]", 6, [](const string &inner) {
        string text = "@[" + inner + "]x";
        size_t end = 0;
        for (size_t i = 2; i < text.size() && !end; i++) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == ']')
                end = i + 1;
        }
        if (end != text.size() - 1)
            return;
        g_autoptr(GString) out = g_string_new(nullptr);
        MimeTokens tokens = {text.data(), text.data() + text.size(), nullptr};
        EXPECT_EQ(mime_token_domain(&tokens, out), MIME_TOKEN_MORE) << text;
        EXPECT_EQ(string(tokens.pos), "x") << text;
    });
}

/* ---- Message-IDs ------------------------------------------------------------------------------ */

string thread_key(const string &header)
{
    g_autoptr(GString) out = g_string_new(nullptr);

    index_key(CACHE_TEXT_THREAD, header.data(), header.size(), out);
    return out->str;
}

/* Without quotes and backslashes. */
string bare(const string &text)
{
    string all;

    for (char c : text)
        if (!strchr("\"\\ ", c))
            all += c;
    return all;
}

TEST(Quoted, MessageIds)
{
    each_text("a\"\\<>", 6, [](const string &inner) {
        string quoted = "\"" + inner;
        if (reference(quoted) != quoted.size())
            return;
        string id = "<" + quoted + "@b.example>";
        EXPECT_EQ(thread_key("References: <1@x> " + id + " <2@x>\r\n\r\n"),
                  "\n\n1@x\n" + bare(quoted) + "@b.example\n2@x")
            << id;
        EXPECT_EQ(thread_key("Message-ID: " + id + "\r\n\r\n"), "\n" + bare(quoted) + "@b.example")
            << id;
    });
    /* Quotes that are none take nothing along. */
    EXPECT_EQ(thread_key("References: <a\"b@x> <c\"d@x>\r\n\r\n"), "\n\nab@x\ncd@x");
    EXPECT_EQ(thread_key("References: <\"b@x> <c@x>\r\n\r\n"), "\n\nb@x\nc@x");
}

} // namespace
