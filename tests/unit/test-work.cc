/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Nobody's mail is more work than its size allows: for each of many ways to write a mail that is all
 * of one kind (brackets, marks, boundaries, unclosed comments, …) everything that is computed of a
 * mail is computed for one of 8, 16 and 32 KiB, and its steps are counted (steps.h). Twice the mail
 * may take twice the steps. */
#include "daemon/proto/mime/bodystructure.h"
#include "daemon/proto/mime/header.h"
#include "daemon/proto/mime/section.h"
#include "daemon/proto/mime/text.h"
#include "steps.h"

extern "C" {
#include "daemon/index/keys.h"
#include "daemon/index/render.h"
#include "daemon/index/text.h"
}

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

using std::string;
using std::vector;

namespace
{

constexpr size_t SMALL = 8192;
/* Sorting takes a little more than twice. */
constexpr double GROWTH = 2.35;
constexpr guint64 GROUND = 40000;
/* No kind of mail takes more for each of its bytes. */
constexpr guint64 STEPS_PER_BYTE = 2500;

struct Bomb {
    string name;
    std::function<string(size_t)> make; /* of about so many bytes */
};

/* ---- generators ------------------------------------------------------------------------------ */

/* unit again and again; "%d" in it is counted up. */
string repeated(const string &unit, size_t size)
{
    size_t number = unit.find("%d");
    string text;

    for (unsigned i = 0; text.size() < size; i++)
        text += number == string::npos
                    ? unit
                    : unit.substr(0, number) + std::to_string(i) + unit.substr(number + 2);
    return text;
}

string printable(const string &unit)
{
    g_autofree char *text = g_strescape(unit.c_str(), nullptr);

    return text[0] != '\0' ? text : "NUL";
}

const string NUL(1, '\0');

/* What a field's value is made of. */
vector<string> field_units()
{
    return {
        "a",
        " ",
        "\t",
        "\r\n ",
        "\r\n\t",
        "\r\n x",
        "a ",
        ".",
        ". ",
        "a.",
        "a . ",
        ",",
        ", ",
        "a, ",
        ";",
        ":",
        "(",
        ")",
        "(a)",
        "((a)",
        "(a(",
        "(\\",
        "\"",
        "\"\"",
        "\"a\" ",
        "\"a\",",
        "\\",
        "\\\"",
        "\"\\",
        "<",
        ">",
        "<>",
        "<<>",
        "<a@b>",
        "<a@b> ",
        "<a@b>,",
        "x <a@b>, ",
        "<a",
        "a>",
        "@",
        "@a",
        "@a,",
        "<@a,",
        "<@a:b@c>,",
        "a@b,",
        "a@b",
        "a@b (c), ",
        "a@[",
        "a@[b],",
        "[",
        "]",
        "a:",
        "a:;,",
        "a:b;",
        "a:b,c;,",
        "a:b,",
        "a: (",
        "[a] ",
        "[a]",
        "[[",
        "]]",
        "re:",
        "Re: ",
        "re[a]: ",
        "re[",
        "fwd: ",
        "[fwd: ",
        "(fwd)",
        "(fwd) ",
        "[fwd: ]",
        "re: [a] ",
        "=?",
        "?=",
        "=?=",
        "=?a?q?",
        "=?a?b?=",
        "=?utf-8?q?a?=",
        "=?utf-8?q?a?= ",
        "=?utf-8?b?YQ==?= ",
        "=?utf-8?q?=CC=81?= ",
        "=?utf-8?q?=CC=81=CC=A3?= ",
        "=?x%d?q?a?= ",
        "=?cp%d?q?=E9?= ",
        "=?iso-8859-%d?q?=E9?= ",
        "=?iso-2022-jp?b?GyRC?= ",
        "=?utf-7?q?+?= ",
        "=?utf-16?b?AA==?= ",
        "=?utf-8*en?q?a?= ",
        "=?%d?",
        "=",
        "==",
        "%41",
        "\u0301",
        "\u0301\u0323",
        "a\u0301",
        "\u0323\u0301a",
        "\u0f73",
        "\u0344",
        "\uff9e",
        "\ufdfa",
        "\u0345",
        "\u0390",
        "\u1e9e",
        "\u3400",
        "\uac01",
        "\xff",
        "\xc3",
        NUL,
        "\x01",
        "\x1b",
        "; a=b",
        "; a=",
        ";a",
        "; =",
        "; a%d=b",
        "; a*=b",
        "; a*%d=b",
        "; a*%d*=%41",
        "; a*0=b",
        "; a*9=b",
        "; a*4294967295=b",
        "; boundary=b",
        "; boundary=%d",
        "; charset=utf-8",
        "; charset=x%d",
        "; a=\"",
        "; a=\"b\"",
        "; a==?utf-8?q?a?=",
        "; name=a",
        "; filename*=utf-8''%41",
        "; filename*%d*='",
        "a/b;",
        "a/b",
        "text/html;",
        "multipart/mixed;",
        "mon, ",
        "1 Jan ",
        "Jan ",
        "+0000 ",
        "12:",
        "12:00 ",
        "99999999",
        "0",
        "-",
        "--",
        "_",
        "?",
        "*",
        "en, ",
        "base64 ",
        "7bit;",
    };
}

vector<string> field_names()
{
    return {"Subject",
            "From",
            "To",
            "Date",
            "Message-ID",
            "References",
            "In-Reply-To",
            "X-Any",
            "Content-Type",
            "Content-Disposition",
            "Content-Language",
            "Content-ID",
            "Content-Transfer-Encoding"};
}

/* A field's value that is all of one kind; "" is in front of a name of its own. */
void add_values(vector<Bomb> &bombs)
{
    for (const string &field : field_names())
        for (const string &unit : field_units())
            bombs.push_back({field + ": " + printable(unit), [field, unit](size_t size) {
                                 return field + ": " + repeated(unit, size) + "\r\n\r\nbody\r\n";
                             }});
}

/* A value that opens, and closes as often. */
void add_nested_values(vector<Bomb> &bombs)
{
    const vector<std::pair<string, string>> pairs{
        {"(", ")"},    {"(\\(", ")"},  {"[", "]"},     {"<", ">"},   {"[fwd: ", "]"}, {"a:", ";"},
        {"re[", "]:"}, {"\"(", ")\""}, {"(\"", "\")"}, {"=?", "?="}, {"<@a:", ">"}};

    for (const char *field : {"Subject", "From", "Date", "Message-ID", "Content-Type", "Cc"})
        for (auto &[open, close] : pairs)
            bombs.push_back(
                {string(field) + ": nested " + open, [=, open = open, close = close](size_t size) {
                     return string(field) + ": " + repeated(open, size / 2) + "x" +
                            repeated(close, size / 2) + "\r\n\r\n";
                 }});
}

/* Headers of many fields. */
void add_fields(vector<Bomb> &bombs)
{
    for (const string &unit : {string("a: b\r\n"),
                               string("a:\n"),
                               string(":\n"),
                               string("a\n"),
                               string("-\n"),
                               string("--b\n"),
                               string("a \t : b\n"),
                               string("a: \xc3\xa9\n"),
                               string("a%d: b\r\n"),
                               string("Subject: =?x%d?q?a?=\r\n"),
                               string("X: =?x%d?q?a?=\r\n"),
                               string("X: =?cp%d?q?=E9?=\r\n"),
                               string("From: a@b\r\n"),
                               string("To: ,,\r\n"),
                               string("Message-ID: <a@b>\r\n"),
                               string("References: <%d@b>\r\n"),
                               string("Date: 1 Jan 2000 00:00\r\n"),
                               string("Mime-Version: 1.0\r\n"),
                               string("Content-Type: text/plain\r\n"),
                               string("Content-Type: x\r\n"),
                               string("Content-Type: multipart/mixed; boundary=b%d\r\n"),
                               string("Content-Disposition: x\r\n"),
                               string("Content-Disposition: x; a=b\r\n"),
                               string("Content-Language: en\r\n"),
                               string("Content-Language: ,\r\n"),
                               string("Content-Transfer-Encoding: ;\r\n"),
                               string("Content-ID: <a>\r\n"),
                               string("Received: from a by b\r\n\tfor c\r\n"),
                               string(" a\n"),
                               string("\ta: b\n"),
                               string("\r\n x\r\n"),
                               NUL + ":\n",
                               string("\r"),
                               string("\r\r\n"),
                               string("a:\r")})
        bombs.push_back({"fields " + printable(unit), [unit](size_t size) {
                             return "From: a@b\r\n" + repeated(unit, size) + "\r\nbody\r\n";
                         }});
}

/* HTML, behind what may be open. */
void add_html(vector<Bomb> &bombs)
{
    const vector<string> openers{"",         "<!--",        "<script>",   "<style>", "<a b=\"",
                                 "<a b='",   "<img alt=\"", "<img ",      "<",       "<!",
                                 "<p>x</p>", "</",          "<textarea>", "&"};
    const vector<string> units{"<",
                               ">",
                               "<<",
                               "<>",
                               "</",
                               "</>",
                               "<a",
                               "<a>",
                               "<a ",
                               "<a b",
                               "<a b=",
                               "<a b=\"",
                               "<a b='",
                               "<a b=\"c\">",
                               "<!",
                               "<!-",
                               "<!--",
                               "<!-->",
                               "<!--x>",
                               "<!--x-->",
                               "<!--x--",
                               "-->",
                               "--",
                               "--!>",
                               "<!D>",
                               "<![CDATA[",
                               "]]>",
                               "<?",
                               "?>",
                               "<script",
                               "<script>",
                               "</script",
                               "</script>",
                               "<script></script>",
                               "<style>",
                               "</style",
                               "<style><",
                               "<img",
                               "<img ",
                               "<img>",
                               "<img alt>",
                               "<img alt=",
                               "<img alt=a>",
                               "<img alt=\"&amp;\">",
                               "<img alt='&",
                               "<img =",
                               "<img a=b ",
                               "<br>",
                               "<p>",
                               "<div>",
                               "<div><p>",
                               "<table><tr><td>",
                               "</div>",
                               "<td>",
                               "<p",
                               "&",
                               "&&",
                               "&#",
                               "&#x",
                               "&#1",
                               "&#x1",
                               "&#99999",
                               "&#301;",
                               "&#x301;",
                               "&#x301;&#x323;",
                               "&amp",
                               "&amp;",
                               "&notit;",
                               "&a",
                               "&zzzzzz;",
                               "&CounterClockwiseContourIntegra",
                               "&CounterClockwiseContourIntegral;",
                               "&NewLine;",
                               "&nbsp;",
                               "&DotDot;",
                               "&nGt;",
                               "a",
                               " ",
                               "\n",
                               "\r\n",
                               "\"",
                               "'",
                               "=",
                               "/",
                               "\u0301",
                               "\u0301\u0323",
                               "\xff",
                               NUL,
                               ";",
                               "#"};

    for (const string &opener : openers)
        for (const string &unit : units)
            bombs.push_back({"html " + printable(opener + " " + unit), [=](size_t size) {
                                 return "Content-Type: text/html; charset=utf-8\r\n\r\n" + opener +
                                        repeated(unit, size);
                             }});
}

/* Plain text in charsets and encodings. */
void add_texts(vector<Bomb> &bombs)
{
    for (const string charset :
         {"", "us-ascii", "utf-8", "utf-16", "utf-7", "iso-2022-jp", "iso-2022-kr", "hz-gb-2312",
          "gb18030", "big5", "windows-1252", "koi8-r", "ucs-4", "nonsense"})
        for (const string &unit :
             {string("a"), string("\xff"), string("\xc3"), string("\x1b$B"), string("\x1b"),
              string("+"), string("+AGE-"), string("~{"), string("\n"), string("\r"), NUL,
              string("\u0301"), string("\u0301\u0323"), string("\x81"), string("\u0f73\uff9e"),
              string("a\u0301\n"), string("\ufdfa")})
            bombs.push_back({"text " + charset + " " + printable(unit), [=](size_t size) {
                                 return "Content-Type: text/plain; charset=" + charset +
                                        "\r\n\r\n" + repeated(unit, size);
                             }});
    for (const string encoding : {"quoted-printable", "base64", "x-uuencode", "binary", "nonsense"})
        for (const string &unit : {string("a"),
                                   string("="),
                                   string("=\n"),
                                   string("= "),
                                   string(" "),
                                   string(" \n"),
                                   string("\t"),
                                   string("=4"),
                                   string("=41"),
                                   string("=CC=81=CC=A3"),
                                   string("=3D\n"),
                                   string("QUJD"),
                                   string("A"),
                                   string("QQ=="),
                                   string("====="),
                                   string("!"),
                                   string("begin "),
                                   string("begin 6\n"),
                                   string("`\n"),
                                   string("M\n"),
                                   string("#0V%T\n"),
                                   string("end\n"),
                                   string("\r"),
                                   string("\r\n"),
                                   NUL})
            bombs.push_back({encoding + " " + printable(unit), [=](size_t size) {
                                 return "Content-Transfer-Encoding: " + encoding +
                                        "\r\nContent-Type: text/plain\r\n\r\nbegin 644 x\r\n" +
                                        repeated(unit, size);
                             }});
}

string multipart(const string &boundary, const string &subtype = "mixed")
{
    return "Content-Type: multipart/" + subtype + "; boundary=\"" + boundary + "\"\r\n\r\n";
}

/* Multiparts with as many open boundaries as are allowed, each the start of the next. */
string open_boundaries(guint count)
{
    string text, boundary;

    for (guint i = 0; i < count; i++) {
        boundary += "b";
        text += multipart(boundary) + "--" + boundary + "\r\n";
    }
    return text;
}

void add_structures(vector<Bomb> &bombs)
{
    const vector<string> parts{
        "--b\n",
        "--b\r\n\r\n",
        "--b--\n",
        "--b \n",
        "--bb\n",
        "--",
        "--\n",
        "-\n",
        "-",
        "--c\n",
        "\n--",
        "\n--b",
        "--b\n--c\n",
        "--b\nContent-Type: text/plain\n\nx\n",
        "--b\nContent-Type: x\n\n",
        "--b\nContent-Type: text/html\n\n<!--x>\n",
        "--b\nContent-Type: text/plain; charset=cp%d\n\n\xe9\n",
        "--b\nContent-Type: a/b; name=\"=?cp%d?q?=E9?=\"\n\n",
        "--b\nContent-Type: message/rfc822\n\nFrom: ,\n\n",
        "--b\nContent-Type: message/rfc822\n\nSubject: =?x%d?q?a?=\n\n",
        "--b\nContent-Type: message/rfc822\n\nFrom: ,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\n\n",
        "--b\nContent-Type: message/rfc822\n",
        "--b\nContent-Type: multipart/mixed; boundary=c%d\n\n--c%d\n",
        "--b\nContent-Type: multipart/mixed\n\n",
        "--b\nContent-Type: message/delivery-status\n\nx: y\n\n",
        "--b\nContent-Transfer-Encoding: base64\n\nQQ\n",
        "--b\n\n\u0301\u0323\n"};

    for (const string &unit : parts)
        for (guint depth : {1u, 99u}) {
            string start = depth == 1 ? multipart("b") : open_boundaries(depth);

            bombs.push_back({"parts " + std::to_string(depth) + " deep " + printable(unit),
                             [=](size_t size) { return start + repeated(unit, size); }});
        }
    bombs.push_back({"digest", [](size_t size) {
                         return multipart("b", "digest") + repeated("--b\n\nFrom: a\n\n", size);
                     }});
    bombs.push_back({"nested messages", [](size_t size) {
                         return repeated("Content-Type: message/rfc822\r\n\r\n", size);
                     }});
    bombs.push_back({"nested multiparts", [](size_t size) {
                         return repeated(
                             "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b0\r\n", size);
                     }});
    bombs.push_back({"nested multiparts of one boundary",
                     [](size_t size) { return repeated(multipart("b") + "--b\r\n", size); }});
    bombs.push_back({"a long boundary", [](size_t size) {
                         string boundary = repeated("b", size / 4);

                         return multipart(boundary) + repeated("--bbbbbbbb\n", size / 2);
                     }});
    bombs.push_back({"boundaries in headers",
                     [](size_t size) { return multipart("b") + repeated("--b\nX: y\n", size); }});
    bombs.push_back({"attached senders", [](size_t size) {
                         return multipart("b") +
                                "--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: " +
                                repeated(",", size) + "\r\n\r\n--b--\r\n";
                     }});
}

vector<Bomb> all_bombs()
{
    vector<Bomb> bombs;

    add_values(bombs);
    add_nested_values(bombs);
    add_fields(bombs);
    add_html(bombs);
    add_texts(bombs);
    add_structures(bombs);
    return bombs;
}

/* ---- the work -------------------------------------------------------------------------------- */

GBytes *read_some(gsize offset, gsize length, gpointer mail)
{
    return g_bytes_new_static(((string *)mail)->data() + offset, length);
}

void clear(CacheRendered *rendered)
{
    g_clear_pointer(&rendered->envelope, g_bytes_unref);
    g_clear_pointer(&rendered->bodystructure, g_bytes_unref);
    g_clear_pointer(&rendered->structure, g_bytes_unref);
    g_free(rendered->message_id);
}

/* What is computed when a mail arrives. */
void render(const string &mail, GString *out)
{
    CacheRendered rendered;
    gsize length;

    render_message(mail.data(), mail.size(), TRUE, &rendered);

    auto *text = (const char *)g_bytes_get_data(rendered.bodystructure, &length);

    mime_body_from_bodystructure(text, length, 1000, out);
    mime_structure_free(mime_structure_deserialize(rendered.structure, mail.size(), nullptr));
    clear(&rendered);
}

/* What clients may ask for, SEARCH and SORT looks at, and lists show. */
void read(const string &mail, GString *out)
{
    const char *const names[] = {"from", "Subject", "to", nullptr};
    gsize header = mime_header_length(mail.data(), mail.size());
    g_autoptr(MimeFieldSet) set = mime_field_set_new(names);
    g_autoptr(MimeStructure) structure =
        mime_structure_parse(mail.data(), mail.size(), &mime_default_limits);

    g_free(mime_text_preview(structure, read_some, (gpointer)&mail));
    mime_header_filter(mail.data(), header, set, TRUE, out);
    mime_header_filter(mail.data(), header, set, FALSE, g_string_truncate(out, 0));
    index_text_header(mail.data(), header, nullptr, out);
    index_text_body(mail.data(), mail.size(), nullptr, out);
    for (int kind = 0; kind < CACHE_TEXT_KINDS; kind++)
        if (index_is_key((CacheText)kind))
            index_key((CacheText)kind, mail.data(), header, out);
        else if (index_text_field((CacheText)kind))
            index_text_values(mail.data(), header, index_text_field((CacheText)kind), nullptr, out);
}

guint64 steps_for(const string &mail)
{
    g_autoptr(GString) out = g_string_new(nullptr);
    guint64 before = steps_taken();

    render(mail, out);
    read(mail, out);
    return steps_taken() - before;
}

TEST(Work, GrowsWithTheMailAndNoFaster)
{
    auto bombs = all_bombs();
    guint64 worst = 0;
    string worst_name;

    EXPECT_GT(bombs.size(), 3000u);
    for (const Bomb &bomb : bombs) {
        string mail = bomb.make(SMALL * 4);
        guint64 small = steps_for(bomb.make(SMALL)), medium = steps_for(bomb.make(SMALL * 2)),
                large = steps_for(mail);

        EXPECT_LE(medium, small * GROWTH + GROUND) << bomb.name;
        EXPECT_LE(large, medium * GROWTH + GROUND) << bomb.name;
        EXPECT_LE(large / mail.size(), STEPS_PER_BYTE) << bomb.name;
        if (large / mail.size() > worst) {
            worst = large / mail.size();
            worst_name = bomb.name;
        }
    }
    std::cout << bombs.size() << " kinds; the worst: " << worst << " steps a byte, " << worst_name
              << std::endl;
}

gboolean at_once(gpointer)
{
    return TRUE;
}

/* The texts of a mail of a megabyte are given up when nobody waits for them any more. */
TEST(Work, EndsWhenItIsStopped)
{
    const size_t mega = 1024 * 1024;
    const string html = "Content-Type: text/html\r\n\r\n", plain = "Content-Type: text/plain";
    const std::pair<const char *, string> mails[] = {
        {"plain", plain + "\r\n\r\n" + repeated("abc def\r\n", mega)},
        {"one line", plain + "\r\n\r\n" + string(mega, 'a')},
        {"marks", plain + "; charset=utf-8\r\n\r\n" + repeated("\u0301\u0323", mega)},
        {"windows", plain + "; charset=koi8-r\r\n\r\n" + string(mega, '\xe9')},
        {"broken", plain + "; charset=iso-2022-jp\r\n\r\n" + string(mega, '\xff')},
        {"quoted", plain + "\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
                       repeated("=41=\r\n", mega)},
        {"base64",
         plain + "\r\nContent-Transfer-Encoding: base64\r\n\r\n" + repeated("QUJDREVG\r\n", mega)},
        {"html", html + repeated("<p>a</p>", mega)},
        {"comments", html + repeated("<!--x>", mega)},
        {"references", html + repeated("&aacute;", mega)},
        {"parts", multipart("b") + repeated("--b\r\n\r\nx\r\n", mega)},
        {"fields", multipart("b") + "--b\r\nContent-Type: message/rfc822\r\n\r\n" +
                       repeated("X: =?utf-8?q?=C3=A9?=\r\n", mega)},
    };

    for (auto &[name, mail] : mails) {
        g_autoptr(GString) out = g_string_new(nullptr);
        MimeStop stop = {at_once, nullptr, 0, FALSE};
        guint64 start = steps_taken();

        index_text_body(mail.data(), mail.size(), nullptr, out);

        guint64 all = steps_taken() - start;

        index_text_body(mail.data(), mail.size(), &stop, out);
        EXPECT_TRUE(stop.now) << name;
        EXPECT_LT(steps_taken() - start - all, all / 4) << name;
    }
}

/* The counting counts: what is known to be quadratic is found out. */
TEST(Work, OfSquaresIsSeen)
{
    auto square = [](size_t size) {
        string text(size, 'a');
        guint64 before = steps_taken();

        for (size_t i = 0; i < size; i += 8)
            g_assert_null(memchr(text.data() + i, 'b', size - i));
        return steps_taken() - before;
    };

    EXPECT_GT(square(SMALL * 2), square(SMALL) * GROWTH + GROUND);
}

} // namespace
