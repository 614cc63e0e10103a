/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a provider tells and clients are given: BODYSTRUCTURE, of messages whose bodies stay
 * upstream. Whatever comes, what goes out is a BODYSTRUCTURE by a reading of the standard's grammar
 * that is this file's own, or nothing does.
 */
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "daemon/proto/imap/response-fetch.h"
#include "daemon/proto/mime/bodystructure-told.h"
#include "daemon/proto/mime/bodystructure.h"

namespace
{

using std::string;

/* ---- RFC 3501, 9, as strictly as it is written --------------------------------------------- */

class Grammar
{
  public:
    Grammar(const string &text, bool extended) : text(text), extended(extended)
    {
    }
    bool is_body()
    {
        body(0);
        return !failed && at == text.size();
    }

  private:
    const string &text;
    bool extended; /* with all extension data, as BODYSTRUCTURE has it; BODY has none */
    size_t at = 0;
    bool failed = false;

    bool next_is(const char *what) const
    {
        return text.compare(at, strlen(what), what) == 0;
    }
    bool accept(const char *what)
    {
        if (failed || !next_is(what))
            return false;
        at += strlen(what);
        return true;
    }
    void need(const char *what)
    {
        if (!accept(what))
            failed = true;
    }
    string quoted()
    {
        string value;

        need("\"");
        while (!failed && at < text.size() && text[at] != '"') {
            if (text[at] == '\\' && (++at == text.size() || !strchr("\"\\", text[at])))
                failed = true;
            else if (text[at] == '\r' || text[at] == '\n' || text[at] == '\0' ||
                     (unsigned char)text[at] > 0x7f)
                failed = true;
            else
                value += text[at++];
        }
        need("\"");
        return value;
    }
    string literal()
    {
        size_t size = 0, digits = 0;

        need("{");
        for (; at < text.size() && isdigit((unsigned char)text[at]); at++, digits++)
            size = size * 10 + (size_t)(text[at] - '0');
        need("}\r\n");
        failed |= digits == 0 || digits > 8 || size > text.size() - std::min(at, text.size());
        if (failed)
            return "";
        string value = text.substr(at, size);
        failed |= value.find('\0') != string::npos;
        at += size;
        return value;
    }
    string a_string()
    {
        return next_is("{") ? literal() : quoted();
    }
    void nstring()
    {
        if (!accept("NIL"))
            a_string();
    }
    void number()
    {
        size_t digits = 0;

        for (; at < text.size() && isdigit((unsigned char)text[at]); at++)
            digits++;
        failed |= digits == 0 || digits > 10;
        failed |= digits == 10 && text.substr(at - 10, 10) > "4294967295";
    }
    void params()
    {
        if (accept("NIL"))
            return;
        need("(");
        do {
            a_string();
            need(" ");
            a_string();
        } while (accept(" "));
        need(")");
    }
    void addresses()
    {
        if (accept("NIL"))
            return;
        need("(");
        do {
            need("(");
            for (int i = 0; i < 4; i++) {
                if (i > 0)
                    need(" ");
                nstring();
            }
            need(")");
        } while (!failed && next_is("("));
        need(")");
    }
    void envelope()
    {
        need("(");
        nstring();
        need(" ");
        nstring();
        for (int i = 0; i < 6; i++) {
            need(" ");
            addresses();
        }
        need(" ");
        nstring();
        need(" ");
        nstring();
        need(")");
    }
    void extension()
    {
        need(" ");
        if (!accept("NIL")) {
            need("(");
            a_string();
            need(" ");
            params();
            need(")");
        }
        need(" ");
        if (accept("(")) {
            do
                a_string();
            while (accept(" "));
            need(")");
        } else {
            nstring();
        }
        need(" ");
        nstring();
    }
    static bool same(const string &a, const char *b)
    {
        return strcasecmp(a.c_str(), b) == 0;
    }
    void single_part(int depth)
    {
        string type = a_string();
        need(" ");
        string subtype = a_string();
        need(" ");
        params();
        need(" ");
        nstring();
        need(" ");
        nstring();
        need(" ");
        a_string();
        need(" ");
        number();
        bool message = same(type, "message") && same(subtype, "rfc822");
        if (message) {
            need(" ");
            envelope();
            need(" ");
            body(depth + 1);
        }
        if (message || same(type, "text")) {
            need(" ");
            number();
        }
        if (extended) {
            need(" ");
            nstring();
            extension();
        }
    }
    void body(int depth)
    {
        failed |= depth > 100;
        need("(");
        if (failed)
            return;
        if (next_is("(")) {
            while (!failed && next_is("("))
                body(depth + 1);
            need(" ");
            a_string();
            if (extended) {
                need(" ");
                params();
                extension();
            }
        } else {
            single_part(depth);
        }
        need(")");
    }
};

/* ---- what comes of what a server writes ------------------------------------------------------ */

/* The response with this BODYSTRUCTURE, read with its literals; "" where nothing comes of it. */
string told(const string &structure)
{
    string octets = "* 1 FETCH (UID 7 BODYSTRUCTURE " + structure + ")\r\n";
    g_autoptr(ImapResponseParser) parser = imap_response_parser_new(&imap_response_limits_default);
    size_t at = 0;

    for (;;) {
        size_t end = std::min(octets.find("\r\n", at), octets.size());
        ImapResponseFeed feed = imap_response_line(parser, octets.data() + at, end - at, nullptr);
        if (feed == IMAP_RESPONSE_COMPLETE)
            break;
        if (feed != IMAP_RESPONSE_LITERAL)
            return "";
        size_t size = imap_response_literal_size(parser);
        at = std::min(end + 2, octets.size());
        if (size > octets.size() - at)
            return "";
        g_autoptr(GBytes) literal = g_bytes_new(octets.data() + at, size);
        imap_response_literal(parser, literal);
        at += size;
    }
    ImapFetchData fetch;
    if (!imap_fetch_data_parse(imap_response_get(parser), &fetch, nullptr))
        return "";
    const ImapNode *value = imap_fetch_data_value(&fetch, "BODYSTRUCTURE");
    g_autoptr(GBytes) bytes = value ? mime_bodystructure_told(value) : nullptr;
    if (!bytes)
        return "";
    gsize size;
    const char *data = static_cast<const char *>(g_bytes_get_data(bytes, &size));
    return string(data, size);
}

/* What goes out is well-formed, and so is the BODY that is made of it. Says whether anything does. */
bool check(const string &structure)
{
    string out = told(structure);

    if (out.empty())
        return false;
    EXPECT_TRUE(Grammar(out, true).is_body()) << structure << "\n became\n" << out;
    EXPECT_LE(out.size(), (size_t)MIME_TOLD_STRUCTURE_MAX);
    EXPECT_EQ(out, told(out)) << "read once more, it is the same";
    GString *body = g_string_new(nullptr);
    EXPECT_TRUE(mime_body_from_bodystructure(out.data(), out.size(), 1000, body)) << out;
    string text(body->str, body->len);
    g_string_free(body, TRUE);
    EXPECT_TRUE(Grammar(text, false).is_body()) << out << "\n has the BODY\n" << text;
    return true;
}

#define PLAIN "\"text\" \"plain\" NIL NIL NIL \"7bit\" 3 1"
#define END   " NIL NIL NIL NIL)"
#define ENV   "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"

TEST(Told, StructuresAreWrittenAnew)
{
    static const struct {
        string from, to;
    } cases[] = {
        {"(" PLAIN ")", "(" PLAIN END},
        {"(" PLAIN " NIL NIL NIL NIL)", "(" PLAIN END},
        {"(" PLAIN " NIL NIL NIL NIL NIL (1 (2)) \"later\")", "(" PLAIN END},
        {"(" PLAIN " {2}\r\nab (\"inline\" NIL) (\"en\" \"de\") \"x\")",
         "(" PLAIN " \"ab\" (\"inline\" NIL) (\"en\" \"de\") \"x\")"},
        {"(text plain () NIL NIL NIL 3 1)", "(" PLAIN END},
        {"(" PLAIN " NIL \"attachment\")", "(" PLAIN " NIL (\"attachment\" NIL) NIL NIL)"},
        {"(\"image\" \"png\" (\"name\" NIL) NIL NIL \"base64\" 4294967295)",
         "(\"image\" \"png\" (\"name\" \"\") NIL NIL \"base64\" 4294967295" END},
        {"((" PLAIN ")(" PLAIN ") \"mixed\")",
         "((" PLAIN END "(" PLAIN END " \"mixed\" NIL NIL NIL NIL)"},
        {"((" PLAIN ") (" PLAIN ") \"mixed\" (\"boundary\" \"a\\\"b\"))",
         "((" PLAIN END "(" PLAIN END " \"mixed\" (\"boundary\" \"a\\\"b\") NIL NIL NIL)"},
        {"(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 9 " ENV " (" PLAIN ") 2)",
         "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 9 " ENV " (" PLAIN END " 2" END},
        /* octets that a quoted string can't have */
        {"(\"text\" \"plain\" (\"name\" \"\xe4\") NIL NIL \"7bit\" 3 1)",
         "(\"text\" \"plain\" (\"name\" {1}\r\n\xe4) NIL NIL \"7bit\" 3 1" END},
        {"(\"text\" \"plain\" (\"name\" {8}\r\na\r\nb\r\n c) NIL NIL \"7bit\" 3 1)",
         "(\"text\" \"plain\" (\"name\" \"a b c\") NIL NIL \"7bit\" 3 1" END},
        {string("(\"text\" \"plain\" (\"name\" {3}\r\na\0b) NIL NIL \"7bit\" 3 1)", 54),
         "(\"text\" \"plain\" (\"name\" {5}\r\na\xef\xbf\xbd"
         "b) NIL NIL \"7bit\" 3 1" END},
    };
    for (const auto &c : cases) {
        EXPECT_EQ(told(c.from), c.to);
        EXPECT_TRUE(check(c.from)) << c.from;
    }
}

TEST(Told, WhatIsNoStructureIsLeftOut)
{
    static const char *const cases[] = {
        "NIL",
        "()",
        "(())",
        "(NIL)",
        "\"text\"",
        "7",
        "(\"text\")",
        "(\"text\" \"plain\")",
        "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 3)",     /* no lines */
        "(\"text\" \"plain\" NIL NIL NIL \"7bit\" NIL 1)", /* no size */
        "(\"text\" \"plain\" NIL NIL NIL \"7bit\" -3 1)",  /* or none that is one */
        "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 4294967296 1)",
        "(\"text\" \"plain\" NIL NIL NIL \"7bit\" \"3\" 1)",
        "(\"text\" \"plain\" (\"a\") NIL NIL \"7bit\" 3 1)", /* half a parameter */
        "(\"text\" \"plain\" (NIL \"a\") NIL NIL \"7bit\" 3 1)",
        "(\"text\" \"plain\" \"a\" NIL NIL \"7bit\" 3 1)",
        "(\"text\" \"plain\" ((\"a\" \"b\")) NIL NIL \"7bit\" 3 1)",
        "(\"text\" NIL NIL NIL NIL \"7bit\" 3 1)",
        "(NIL \"plain\" NIL NIL NIL \"7bit\" 3 1)",
        "(\"text\" \"plain\" NIL (\"id\") NIL \"7bit\" 3 1)",
        "(\"text\" \"plain\" NIL NIL NIL (\"7bit\") 3 1)",
        "(" PLAIN " (\"md5\"))",
        "(" PLAIN " NIL (NIL NIL))",
        "(" PLAIN " NIL (\"inline\" \"x\"))",
        "(" PLAIN " NIL (\"inline\" NIL NIL))",
        "(" PLAIN " NIL NIL (\"en\" NIL))",
        "(" PLAIN " NIL NIL NIL (\"x\"))",
        "((" PLAIN "))", /* no subtype */
        "((" PLAIN ") (\"mixed\"))",
        "((" PLAIN ") NIL)",
        "((" PLAIN ") \"mixed\" \"params\")",
        "((\"text\") \"mixed\")",
        "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 9)", /* as Exchange and others write it */
        "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 9 NIL (" PLAIN ") 2)",
        "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 9 (NIL) (" PLAIN ") 2)",
        "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 9 " ENV " NIL 2)",
        "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 9 " ENV " (" PLAIN "))",
        "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 9 (NIL NIL ((NIL NIL NIL)) NIL NIL NIL NIL "
        "NIL NIL NIL) (" PLAIN ") 2)",
        "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 9 (NIL NIL (\"a\") NIL NIL NIL NIL NIL NIL "
        "NIL) (" PLAIN ") 2)",
        "(\"text\" \"plain\" NIL NIL NIL \"7bit 3 1)",
        "(\"message\" \"global\" NIL NIL NIL \"7bit\" 9 " ENV " (" PLAIN ") 2)",
    };
    for (const char *c : cases)
        EXPECT_EQ(told(c), "") << c;
}

string repeat(const string &text, size_t count)
{
    string all;

    for (size_t i = 0; i < count; i++)
        all += text;
    return all;
}

TEST(Told, DepthCountAndSizeHaveBounds)
{
    auto nested = [](size_t levels) {
        return repeat("(", levels) + "(" PLAIN ")" + repeat(" \"mixed\")", levels);
    };
    auto messages = [](size_t levels) {
        return repeat("(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 9 " ENV " ", levels) +
               "(" PLAIN ")" + repeat(" 2)", levels);
    };
    auto parts = [](size_t count) { return "(" + repeat("(" PLAIN ")", count) + " \"mixed\")"; };
    auto name = [](size_t length) {
        return "(\"text\" \"plain\" (\"name\" \"" + string(length, 'x') +
               "\") NIL NIL \"7bit\" 3 1)";
    };
    EXPECT_TRUE(check(nested(99)));
    EXPECT_FALSE(check(nested(100)));
    EXPECT_FALSE(check(nested(900)));
    EXPECT_FALSE(check(nested(5000)));
    EXPECT_TRUE(check(messages(99)));
    EXPECT_FALSE(check(messages(100)));
    EXPECT_TRUE(check(parts(9999)));
    EXPECT_FALSE(check(parts(10000)));
    EXPECT_FALSE(check(parts(100000)));
    EXPECT_TRUE(check(name(MIME_TOLD_STRUCTURE_MAX - 100)));
    EXPECT_FALSE(check(name(MIME_TOLD_STRUCTURE_MAX)));
    EXPECT_FALSE(check("(\"text\" \"plain\" (\"name\" {2000000}\r\n" + string(2000000, '\xff') +
                       ") NIL NIL \"7bit\" 3 1)"));
}

/* ---- generated ------------------------------------------------------------------------------- */

class Generator
{
  public:
    explicit Generator(unsigned seed) : random(seed)
    {
    }

    string structure(int depth)
    {
        string text;

        if (depth > 0 && pick(3) == 0) {
            for (unsigned i = 0, n = 1 + pick(3); i < n; i++)
                text += structure(depth - 1);
            return "(" + text + " " + a_string() + rest({params()}) + ")";
        }
        static const char *const types[] = {"\"text\" \"plain\"",
                                            "\"TEXT\" \"html\"",
                                            "\"image\" \"png\"",
                                            "\"message\" \"rfc822\"",
                                            "\"MESSAGE\" \"delivery-status\"",
                                            "{4}\r\ntext {5}\r\nplain"};
        unsigned type = pick(6);
        if (depth == 0 && type == 3)
            type = 0;
        text = types[type] + (" " + params()) + " " + nstring() + " " + nstring() + " " +
               (pick(4) ? "\"7bit\"" : nstring()) + " " + std::to_string(pick(100000));
        if (type == 3)
            text += " " + envelope() + " " + structure(depth - 1);
        if (type == 0 || type == 1 || type == 3 || type == 5)
            text += " " + std::to_string(pick(1000));
        return "(" + text + rest({nstring()}) + ")";
    }

    /* Something of it is torn, doubled, put elsewhere, or overwritten. */
    void spoil(string &text)
    {
        static const char *const odd[] = {
            "(",           ")",       " ",        "\"",   "\\",       "\r\n",   "NIL", "{3}\r\n",
            "{9999}\r\n",  "\"\"",    "()",       "\x80", "\xff\xfe", "((((((", "))",  "\t",
            "99999999999", "{0}\r\n", "~{1}\r\n", "\r",   "*",        "BODY[",
        };
        size_t at = pick(text.size() + 1), length = pick(9);

        switch (pick(5)) {
        case 0:
            text.erase(at, length);
            break;
        case 1:
            text.insert(at, text.substr(pick(text.size() + 1), pick(30)));
            break;
        case 2:
            text.insert(at, 1, '\0');
            break;
        case 3:
            if (at < text.size())
                text[at] = (char)pick(256);
            break;
        default:
            text.insert(at, odd[pick(G_N_ELEMENTS(odd))]);
        }
    }
    unsigned pick(size_t n)
    {
        return (unsigned)(random() % n);
    }

  private:
    std::mt19937 random;

    string a_string()
    {
        static const char *const strings[] = {
            "\"\"",
            "\"a\"",
            "\"a b\"",
            "\"a\\\"b\"",
            "\"a\\\\\"",
            "\"\xc3\xa4\"",
            "{0}\r\n",
            "{3}\r\na\"b",
            "{5}\r\na\r\nbc",
            "{4}\r\na)(b",
            "\"a)\"",
            "\"(\"",
            "atom",
            "\"NIL\"",
            "12",
            "{6}\r\n\xff\xfe\x80\x01\x7f}",
            "\"\x01\x1b[2J\"",
        };
        return strings[pick(G_N_ELEMENTS(strings))];
    }
    string nstring()
    {
        return pick(2) ? "NIL" : a_string();
    }
    string params()
    {
        string text;

        if (pick(3) == 0)
            return pick(4) ? "NIL" : "()";
        for (unsigned i = 0, n = 1 + pick(3); i < n; i++)
            text += (i > 0 ? " " : "") + a_string() + " " + a_string();
        return "(" + text + ")";
    }
    string addresses()
    {
        string text;

        if (pick(2))
            return "NIL";
        for (unsigned i = 0, n = 1 + pick(3); i < n; i++)
            text += "(" + nstring() + " " + nstring() + " " + nstring() + " " + nstring() + ")";
        return "(" + text + ")";
    }
    string envelope()
    {
        string text = nstring() + " " + nstring();

        for (int i = 0; i < 6; i++)
            text += " " + addresses();
        return "(" + text + " " + nstring() + " " + nstring() + ")";
    }
    /* Extension data up to some point. */
    string rest(std::vector<string> data)
    {
        string text;
        size_t n = pick(7);

        data.push_back(pick(2) ? "NIL" : "(" + a_string() + " " + params() + ")");
        data.push_back(pick(2) ? nstring() : "(" + a_string() + " " + a_string() + ")");
        data.push_back(nstring());
        data.push_back("(1 (\"future\" NIL))");
        for (size_t i = 0; i < std::min(n, data.size()); i++)
            text += " " + data[i];
        return text;
    }
};

TEST(Told, WhateverComesWhatGoesOutIsWellFormed)
{
    unsigned passed = 0, right = 0;

    for (unsigned seed = 0; seed < 6000 && !HasFailure(); seed++) {
        Generator generator(seed);
        string text = generator.structure(4);

        SCOPED_TRACE(seed);
        right += check(text);
        for (unsigned i = 0, n = 1 + generator.pick(4); i < n; i++)
            generator.spoil(text);
        passed += check(text);
    }
    EXPECT_EQ(right, 6000u) << "what follows the grammar is understood";
    EXPECT_GT(passed, 600u) << "and some of what doesn't";
}

} // namespace
