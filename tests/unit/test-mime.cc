/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The MIME side of the IMAP server: structure, ENVELOPE, BODYSTRUCTURE, sections, text, dates,
 * subjects. That all of it agrees with Dovecot on real mail is shown by tests/real/test_mime.py;
 * here are the rules one by one, and what no server would let in. */
#include "daemon/proto/mime/address.h"
#include "daemon/proto/mime/bodystructure.h"
#include "daemon/proto/mime/date.h"
#include "daemon/proto/mime/envelope.h"
#include "daemon/proto/mime/header.h"
#include "daemon/proto/mime/html.h"
#include "daemon/proto/mime/section.h"
#include "daemon/proto/mime/subject.h"
#include "daemon/proto/mime/text.h"

#include <gio/gio.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

using std::string;
using std::vector;

namespace
{

/* --- helpers --- */

/* What a function appends to a GString. */
string appended(const std::function<void(GString *)> &append)
{
    GString *out = g_string_new(nullptr);

    append(out);

    string text(out->str, out->len);

    g_string_free(out, TRUE);
    return text;
}

string owned(char *text)
{
    string copy(text);

    g_free(text);
    return copy;
}

using Structure = std::unique_ptr<MimeStructure, decltype(&mime_structure_free)>;

Structure parsed(const string &message, MimeLimits limits = mime_default_limits)
{
    /* A copy without spare bytes, so that AddressSanitizer sees any read beyond the end. */
    vector<char> exact(message.begin(), message.end());

    return {mime_structure_parse(exact.data(), exact.size(), &limits), mime_structure_free};
}

/* The tree in a line: kind letter, the text of header and body as lengths, children in brackets. */
string tree(const MimePart *part)
{
    string text = string(1, "TMRO"[part->kind]) + std::to_string(part->header_length) + "+" +
                  std::to_string(part->body_length);

    if (part->children != nullptr) {
        text += "[";
        for (const MimePart *child = part->children; child != nullptr; child = child->next)
            text += (child != part->children ? " " : "") + tree(child);
        text += "]";
    }
    return text;
}

guint count_parts(const MimeStructure *structure)
{
    guint count = 0;

    for (auto *part = mime_structure_root(structure); part; part = mime_part_following(part))
        count++;
    return count;
}

string repeated(const string &unit, size_t size)
{
    string text;

    while (text.size() < size)
        text += unit;
    return text;
}

const string two_part_start = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";

string tree(const string &message, MimeLimits limits = mime_default_limits)
{
    return tree(mime_structure_root(parsed(message, limits).get()));
}

string bodystructure(const string &message, MimeLimits limits = mime_default_limits)
{
    Structure structure = parsed(message, limits);

    return appended(
        [&](GString *out) { mime_bodystructure_render(structure.get(), message.data(), out); });
}

string envelope(const string &header)
{
    return appended([&](GString *out) { mime_envelope_render(header.data(), header.size(), out); });
}

struct Numbers {
    vector<guint32> numbers;
    ImapSectionKind kind = IMAP_SECTION_ALL;

    ImapSection section() const
    {
        ImapSection section = {};

        section.kind = kind;
        section.n_parts = guint(numbers.size());
        section.parts = const_cast<guint32 *>(numbers.data());
        return section;
    }
};

/* The bytes of a section; "-" when there is none. */
string fetched(const MimeStructure *structure, const string &message, const Numbers &numbers)
{
    ImapSection section = numbers.section();
    gsize offset, length;

    if (!mime_section_find(structure, &section, &offset, &length))
        return "-";
    return message.substr(offset, length);
}

string repeated(const string &text, int times)
{
    string all;

    for (int i = 0; i < times; i++)
        all += text;
    return all;
}

/* multipart in multipart in multipart... */
string nested(int levels)
{
    string start, end;

    for (int i = 0; i < levels; i++) {
        string boundary = "b" + std::to_string(i) + "x";

        start += "Content-Type: multipart/mixed; boundary=" + boundary + "\r\n\r\n--" + boundary +
                 "\r\n";
        end = "\r\n--" + boundary + "--" + end;
    }
    return start + "\r\ninnermost" + end + "\r\n";
}

const char two_parts[] = "Content-Type: multipart/mixed; boundary=b\r\n" /* 0 */
                         "\r\n"
                         "preamble\r\n"
                         "--b\r\n"
                         "Content-Type: text/plain\r\n"
                         "\r\n"
                         "one\r\n"
                         "--b\r\n"
                         "Content-Type: message/rfc822\r\n"
                         "\r\n"
                         "Subject: inner\r\n"
                         "\r\n"
                         "two\r\n"
                         "--b--\r\n"
                         "epilogue\r\n";

/* --- fields --- */

TEST(Fields, AreSplitIntoNameAndValue)
{
    const struct {
        const char *line, *name, *value;
    } cases[] = {
        {"Subject: hi\r\n", "Subject", "hi"},
        {"Subject:hi\r\n", "Subject", "hi"},
        {"Subject \t:  hi \r\n", "Subject", "hi "},
        {"Subject: hi", "Subject", "hi"},
        {"Subject: hi\n", "Subject", "hi"},
        {"Subject:\r\n", "Subject", ""},
        {"Subject: \r\n", "Subject", ""},
        {"Subject:   \r\n", "Subject", "  "},
        {"Subject: a\r\n b\r\n\tc\r\n", "Subject", "a\r\n b\r\n\tc"},
        {"Subject:\r\n a\r\n", "Subject", "\r\n a"},
        {"no colon\r\n", "", "no colon"},
        {" first: line\r\n", " first", "line"},
        {":\r\n", "", ""},
        {"a:b:c\r\n", "a", "b:c"},
    };

    for (auto &c : cases) {
        const char *position = c.line;
        MimeField field;

        ASSERT_EQ(mime_field_next(&position, c.line + strlen(c.line), &field), MIME_FIELD_MORE)
            << c.line;
        EXPECT_EQ(string(field.name, field.name_length), c.name) << c.line;
        EXPECT_EQ(string(field.value, field.value_length), c.value) << c.line;
        EXPECT_EQ(*position, '\0') << c.line;
    }
}

TEST(Fields, AnOverlongNameIsNoName)
{
    string line = string(1001, 'x') + ": value\r\n";
    const char *position = line.data();
    MimeField field;

    ASSERT_EQ(mime_field_next(&position, line.data() + line.size(), &field), MIME_FIELD_MORE);
    EXPECT_EQ(field.name_length, 0u);
    EXPECT_EQ(field.value_length, line.size() - 2);
}

TEST(Fields, AHeaderEndsWithItsBlankLine)
{
    const struct {
        const char *message;
        gsize length;
    } cases[] = {
        {"", 0},
        {"\r\n", 2},
        {"\n", 1},
        {"a: b\r\n", 6},
        {"a: b\r\n\r\nbody", 8},
        {"a: b\n\nbody", 6},
        {"a: b\r\n \r\n\r\n", 11},
        {"\r\n\r\n", 2},
    };

    for (auto &c : cases)
        EXPECT_EQ(mime_header_length(c.message, strlen(c.message)), c.length) << c.message;
}

string filtered(const string &header, vector<const char *> names, bool keep)
{
    names.push_back(nullptr);

    MimeFieldSet *set = mime_field_set_new(names.data());
    string text = appended(
        [&](GString *out) { mime_header_filter(header.data(), header.size(), set, keep, out); });

    mime_field_set_free(set);
    return text;
}

TEST(Fields, ArePickedInTheMessagesOrderWithTheirFolds)
{
    const string header =
        "To: b\r\nX: y\r\nFROM: a\r\n more\r\nno colon\r\nto : c\r\n\r\nTo: body\r\n";

    EXPECT_EQ(filtered(header, {"from", "To"}, true),
              "To: b\r\nFROM: a\r\n more\r\nto : c\r\n\r\n");
    EXPECT_EQ(filtered(header, {"from", "To"}, false), "X: y\r\nno colon\r\n\r\n");
    EXPECT_EQ(filtered(header, {"tom", "t"}, true), "\r\n");
    EXPECT_EQ(filtered(header, {}, false), header.substr(0, header.find("To: body")));
}

TEST(Fields, PickedFromAHeaderWithoutEndGetABlankLine)
{
    EXPECT_EQ(filtered("To: b\r\nX: y", {"to"}, true), "To: b\r\n\r\n");
    EXPECT_EQ(filtered("To: b\r\nX: y", {"x"}, true), "X: y\r\n\r\n");
    EXPECT_EQ(filtered("To: b\r\nX: y", {"x"}, false), "To: b\r\n");
    EXPECT_EQ(filtered("", {"x"}, true), "\r\n");
}

/* --- structure --- */

TEST(Structure, GivesEveryByteItsPlace)
{
    string message = two_parts;
    Structure structure = parsed(message);
    const MimePart *root = mime_structure_root(structure.get());
    const MimePart *text = root->children, *forward = text->next, *inner = forward->children;

    EXPECT_EQ(count_parts(structure.get()), 4u);
    EXPECT_EQ(root->header_start + root->header_length + root->body_length, message.size());
    EXPECT_EQ(root->header_lines, 2u);
    EXPECT_EQ(root->body_lines, 13u);
    EXPECT_EQ(message.substr(text->header_start, text->header_length),
              "Content-Type: text/plain\r\n\r\n");
    EXPECT_EQ(message.substr(mime_part_body_start(text), text->body_length), "one");
    EXPECT_EQ(text->body_lines, 0u);
    EXPECT_EQ(message.substr(mime_part_body_start(forward), forward->body_length),
              "Subject: inner\r\n\r\ntwo");
    EXPECT_EQ(forward->body_lines, 2u);
    EXPECT_EQ(message.substr(mime_part_body_start(inner), inner->body_length), "two");
    EXPECT_EQ(mime_part_following(forward), inner);
    EXPECT_EQ(mime_part_following(inner), nullptr);
}

TEST(Structure, TreatsBoundariesAsDovecotDoes)
{
    const string head = "Content-Type: multipart/mixed; boundary=b\n\n"; /* 43 bytes */
    const struct {
        const char *what;
        string message, expected;
    } cases[] = {
        {"no MIME at all", "Subject: x\r\n\r\nbody", "T14+4"},
        {"nothing", "", "T0+0"},
        {"just a header", "Subject: x", "T10+0"},
        {"just a body", "\r\nbody", "T2+4"},
        {"no parts", head + "text\n", "M43+5"},
        {"an empty multipart", head, "M43+0"},
        {"closed before it begins", head + "--b--\nx\n", "M43+8"},
        {"no terminator", head + "--b\n\nx", "M43+6[T1+1]"},
        {"a terminator without line end", head + "--b\n\nx\n--b--", "M43+12[T1+1]"},
        {"a boundary at the very end", head + "--b", "M43+3"},
        {"a part of nothing", head + "--b\n", "M43+4[T0+0]"},
        {"text behind the boundary", head + "--bxyz\n\nx\n--b trailing\n\ny\n--b--\n",
         "M43+32[T1+1 T1+1]"},
        {"a part with an empty body", head + "--b\na: b\n\n--b--\n", "M43+16[T5+0]"},
        {"a part without a blank line", head + "--b\na: b\n--b--\n", "M43+15[T4+0]"},
        {"the boundary in the header is not one", "a: b\n--b\n" + head + "x", "M52+1"},
        {"a boundary of mixed line ends", head + "--b\r\n\r\nx\r\n--b--\r\n", "M43+17[T2+1]"},
        {"no boundary parameter", "Content-Type: multipart/mixed\n\n--b\n\nx\n", "M31+7"},
        {"another type", "Content-Type: image/png\n\nx", "O25+1"},
        {"a broken type", "Content-Type: nonsense\n\nx", "O24+1"},
        {"an empty type", "Content-Type:\n\nx", "O15+1"},
        {"the first type counts", "Content-Type: text/plain\nContent-Type: image/png\n\nx",
         "T50+1"},
        {"a type with junk behind it", "Content-Type: text/plain junk\n\nx", "O31+1"},
        {"a message", "Content-Type: message/rfc822\n\nSubject: x\n\nbody", "R30+16[T12+4]"},
        {"an empty message", "Content-Type: message/rfc822\n\n", "R30+0[T0+0]"},
    };

    for (auto &c : cases)
        EXPECT_EQ(tree(c.message), c.expected) << c.what;
}

TEST(Structure, TellsNestedBoundariesApart)
{
    auto multipart = [](const string &boundary) {
        return "Content-Type: multipart/mixed; boundary=\"" + boundary + "\"\n\n";
    };

    /* The longest match is meant: an inner boundary that begins like the outer one. */
    EXPECT_EQ(tree(multipart("a") + "--a\n" + multipart("ab") + "--ab\n\nx\n--ab--\n--a--\n"),
              "M45+71[M46+15[T1+1]]");
    /* The same boundary twice: the inner multipart's. */
    EXPECT_EQ(tree(multipart("a") + "--a\n" + multipart("a") + "--a\n\nx\n--a--\n--a--\n"),
              "M45+68[M45+13[T1+1]]");
    /* An outer boundary ends what is within, terminated or not. */
    EXPECT_EQ(tree(multipart("a") + "--a\n" + multipart("b") + "--b\n\nx\n--a\n\ny\n--a--\n"),
              "M45+69[M45+6[T1+1] T1+1]");
    /* A boundary that looks like another one's end. */
    EXPECT_EQ(tree(multipart("a--") + "--a--\n\nx\n--a----\n"), "M47+17[T1+1]");
}

TEST(Structure, ReadsDigestsAsMessages)
{
    EXPECT_EQ(tree("Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\ny\n--b\n"
                   "Content-Type: text/plain\n\nz\n--b--\n"),
              "M44+57[R1+13[T12+1] T26+1]");
}

TEST(Structure, WithoutMimeFieldsOtherContentFieldsDontCount)
{
    EXPECT_EQ(bodystructure("Content-ID: <x>\r\n\r\n"),
              R"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL))");
    EXPECT_EQ(bodystructure("Content-ID: <x>\r\nMIME-Version: 1.0\r\n\r\n"),
              R"(("text" "plain" ("charset" "us-ascii") "<x>" NIL "7bit" 0 0 NIL NIL NIL NIL))");
}

TEST(Structure, HoldsToItsLimits)
{
    MimeLimits limits = mime_default_limits;
    string deep = nested(10);

    limits.max_depth = 3;
    EXPECT_EQ(count_parts(parsed(deep, limits).get()), 3u);
    EXPECT_NE(bodystructure(deep, limits).find(R"("application" "octet-stream")"), string::npos);
    limits.max_depth = 1;
    EXPECT_EQ(count_parts(parsed(deep, limits).get()), 1u);

    limits = mime_default_limits;
    limits.max_parts = 3;
    EXPECT_EQ(
        tree("Content-Type: multipart/mixed; boundary=b\n\n--b\n\n1\n--b\n\n2\n--b\n\n3\n", limits),
        "M43+21[T1+1 T1+9]");

    limits = mime_default_limits;
    limits.max_header = 10;
    EXPECT_EQ(tree("Subject: x\nContent-Type: image/png\n\nx", limits), "T36+1");
}

string body_of(const string &bodystructure)
{
    return appended([&](GString *out) {
        mime_body_from_bodystructure(bodystructure.data(), bodystructure.size(), 1000, out);
    });
}

bool ends_with(const string &text, const string &end)
{
    return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

/* A comma of an address list is 44 bytes of ENVELOPE, three times for From. */
TEST(Amplification, IsBounded)
{
    const size_t mega = 1024 * 1024;
    const struct {
        const char *what;
        string mail;
        size_t envelope, bodystructure; /* what they may take */
    } cases[] = {
        {"senders", "From: " + string(4 * mega, ',') + "\r\n\r\n", 100, 100},
        {"senders within a MiB", "From: " + string(mega - 100, ',') + "\r\n\r\n", 2 * mega, 100},
        {"many fields", repeated("From: ,,,,,,,,,,,,,,,,,,\r\n", mega - 100) + "\r\n", 2 * mega,
         100},
        {"groups", "To: " + repeated("a:;,", mega - 100) + "\r\n\r\n", mega, 100},
        {"a group", "To: a:" + string(mega - 100, ',') + "\r\n\r\n", mega, 100},
        {"NULs", "From: \"" + string(mega - 100, '\0') + "\"\r\n\r\n", 10 * mega, 100},
        {"an attached sender",
         "Content-Type: message/rfc822\r\n\r\nFrom: " + string(8 * mega, ',') + "\r\n\r\n", 200,
         mega},
        {"attached senders",
         two_part_start + repeated("--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: " +
                                       string(9000, ',') + "\r\n\r\n",
                                   8 * mega),
         200, 12 * mega},
        {"attached NULs",
         two_part_start + repeated("--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: \"" +
                                       string(500000, '\0') + "\"\r\n\r\n",
                                   8 * mega),
         200, 20 * mega},
        {"parameters", "Content-Type: text/plain" + repeated(";a=", mega - 100) + "\r\n\r\n", 200,
         4 * mega},
        {"parameters of many parts",
         two_part_start +
             repeated("--b\r\nContent-Type: text/plain" + repeated(";a=", 3000) + "\r\n\r\n",
                      20 * mega),
         200, 14 * mega},
        {"parts", two_part_start + repeated("--b\r\n\r\n", mega), 200, mega},
        {"subjects", "Subject: " + string(20 * mega, 'x') + "\r\n\r\n", 200, 100},
    };

    for (auto &c : cases) {
        EXPECT_LE(envelope(c.mail).size(), c.envelope) << c.what;

        string rendered = bodystructure(c.mail);

        EXPECT_LE(rendered.size(), c.bodystructure) << c.what;
        EXPECT_FALSE(body_of(rendered).empty()) << c.what << ": it follows the grammar";
    }
}

/* What is left out of a BODYSTRUCTURE that is too long is what parts say of themselves. */
TEST(Amplification, LeavesTheShapeAsItIs)
{
    string mail = two_part_start;

    for (int i = 0; i < 20; i++)
        mail += "--b\r\nContent-Type: message/rfc822; x=y\r\n\r\nFrom: \"" + string(500000, '\0') +
                "\"\r\nContent-Type: image/png\r\n\r\n";

    string rendered = bodystructure(mail);

    EXPECT_TRUE(ends_with(rendered,
                          R"( NIL NIL "7bit" 500037 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL))"
                          R"( ("application" "octet-stream" NIL NIL NIL "7bit" 0 NIL NIL NIL NIL))"
                          R"( 3 NIL NIL NIL NIL) "mixed" NIL NIL NIL NIL))"))
        << rendered.substr(rendered.size() - 300);
}

TEST(Structure, TakesMonstersInItsStride)
{
    MimeLimits unlimited = {100000, 100000, 1024 * 1024, G_MAXSIZE};

    /* Far deeper than any stack would allow. */
    string deep = nested(20000);
    Structure structure = parsed(deep, unlimited);

    EXPECT_EQ(count_parts(structure.get()), 20001u);
    EXPECT_GT(bodystructure(deep, unlimited).size(), 20000u);
    EXPECT_EQ(count_parts(parsed(nested(1000)).get()), 100u);

    string many =
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + repeated("--b\r\n\r\nx\r\n", 12000);

    EXPECT_EQ(count_parts(parsed(many).get()), 10000u);
    EXPECT_EQ(tree("Subject: x\r\n\r\n" + string(5000000, 'x')), "T14+5000000");
    EXPECT_EQ(tree("Subject: " + string(5000000, 'x') + "\r\n\r\n"), "T5000013+0");
}

TEST(Structure, IsLinearInWhatItIsGiven)
{
    /* Each of these is quadratic for a careless parser: 2 MB would take minutes. */
    const string attacks[] = {
        "Content-Type: multipart/mixed; boundary=b\n\n" + repeated("--\n", 700000),
        "Content-Type: text/plain" + repeated(";(", 1000000) + "\n\n",
        "Content-Type: text/plain" + repeated("; a*1=", 300000) + "\n\n",
        "To: " + repeated("(", 2000000) + "\n\n",
        "To: " + repeated("a,", 300000) + "\n\n",
        "To: " + repeated("\"a,", 700000) + "\n\n",
        repeated("To: a@b\n", 100000) + "\n",
        "Subject: " + repeated("\"\\", 1000000) + "\n\n",
    };
    gint64 started = g_get_monotonic_time();

    for (auto &message : attacks) {
        bodystructure(message);
        envelope(message);
    }
    EXPECT_LT(g_get_monotonic_time() - started, 60 * G_USEC_PER_SEC);
}

/* --- kept structures --- */

Structure reread(GBytes *bytes, gsize length)
{
    return {mime_structure_deserialize(bytes, length, nullptr), mime_structure_free};
}

/* Everything that is kept, in a line. */
string kept(const MimeStructure *structure)
{
    string text;

    for (const MimePart *part = mime_structure_root(structure); part != nullptr;
         part = mime_part_following(part)) {
        for (gsize number :
             {gsize(part->kind), gsize(part->encoding), part->header_start, part->header_length,
              part->body_length, gsize(part->header_lines), gsize(part->body_lines)})
            text += std::to_string(number) + " ";
        text += part->parent != nullptr ? std::to_string(part->parent->header_start) + "; " : "; ";
    }
    return text;
}

TEST(KeptStructure, ComesBackAsItWas)
{
    for (const string &message : {string(two_parts), string(), nested(90)}) {
        Structure structure = parsed(message);
        GBytes *bytes = mime_structure_serialize(structure.get());
        Structure again = reread(bytes, message.size());

        ASSERT_TRUE(again);
        EXPECT_EQ(kept(again.get()), kept(structure.get()));
        EXPECT_EQ(count_parts(again.get()), count_parts(structure.get()));
        EXPECT_LE(g_bytes_get_size(bytes), 1 + 16 * count_parts(structure.get()));
        g_bytes_unref(bytes);
    }
}

TEST(KeptStructure, IsRefusedWhenItIsDamaged)
{
    Structure structure = parsed(two_parts);
    GBytes *bytes = mime_structure_serialize(structure.get());
    gsize size, length = strlen(two_parts);
    const guint8 *data = static_cast<const guint8 *>(g_bytes_get_data(bytes, &size));
    GError *error = nullptr;

    EXPECT_FALSE(reread(bytes, length - 1)) << "places beyond the message";
    for (gsize cut = 0; cut < size; cut++) {
        GBytes *part = g_bytes_new(data, cut);

        EXPECT_FALSE(reread(part, length)) << cut;
        g_bytes_unref(part);
    }
    /* Whatever the bytes are: refused, or everything within the message. */
    for (gsize i = 0; i < size; i++)
        for (int value = 0; value < 256; value++) {
            vector<guint8> changed(data, data + size);

            changed[i] = guint8(value);

            GBytes *wrong = g_bytes_new(changed.data(), size);
            Structure read = reread(wrong, length);

            for (const MimePart *part = read ? mime_structure_root(read.get()) : nullptr;
                 part != nullptr; part = mime_part_following(part))
                ASSERT_LE(mime_part_body_start(part) + part->body_length, length);
            g_bytes_unref(wrong);
        }
    EXPECT_EQ(mime_structure_deserialize(bytes, 3, &error), nullptr);
    EXPECT_TRUE(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA));
    g_error_free(error);
    g_bytes_unref(bytes);
}

/* --- the awkward mails --- */

/* Tells how far into the message has been read, too. */
string preview_of(const MimeStructure *structure, const string &message, gsize *read = nullptr)
{
    struct Source {
        const string &message;
        gsize read;
    } source = {message, 0};
    string preview = owned(mime_text_preview(
        structure,
        [](gsize offset, gsize length, gpointer data) {
            auto source = static_cast<Source *>(data);

            EXPECT_LE(offset + length, source->message.size());
            source->read = std::max(source->read, offset + length);
            return g_bytes_new(source->message.data() + offset, length);
        },
        &source));

    if (read != nullptr)
        *read = source.read;
    return preview;
}

vector<std::pair<string, string>> awkward_mails()
{
    vector<std::pair<string, string>> mails;

    for (auto &entry : std::filesystem::directory_iterator(POSTERN_TRICKY_MAILS)) {
        std::ifstream file(entry.path(), std::ios::binary);
        string text((std::istreambuf_iterator<char>(file)), {});

        if (entry.path().extension() == ".eml")
            mails.push_back({entry.path().filename(), text});
    }
    return mails;
}

/* Children are in their parent's body, one behind the other, and add up to no more. */
void expect_sound(const MimePart *part)
{
    gsize from = mime_part_body_start(part), end = from + part->body_length;

    for (const MimePart *child = part->children; child != nullptr; child = child->next) {
        EXPECT_GE(child->header_start, from);
        from = mime_part_body_start(child) + child->body_length;
        EXPECT_LE(from, end);
        expect_sound(child);
    }
}

TEST(AwkwardMails, AreSoundInEveryWay)
{
    auto mails = awkward_mails();

    ASSERT_GT(mails.size(), 100u);
    for (auto &mail : mails) {
        const auto &name = mail.first, &message = mail.second;
        SCOPED_TRACE(name);

        Structure structure = parsed(message);
        GBytes *bytes = mime_structure_serialize(structure.get());
        Structure again = reread(bytes, message.size());
        string full = bodystructure(message);

        expect_sound(mime_structure_root(structure.get()));
        ASSERT_TRUE(again);
        EXPECT_EQ(kept(again.get()), kept(structure.get()));
        EXPECT_TRUE(appended([&](GString *out) {
                        EXPECT_TRUE(
                            mime_body_from_bodystructure(full.data(), full.size(), 1000, out));
                    }).size() > 0);
        string text = appended([&](GString *out) {
            mime_text_header(message.data(), message.size(), 1 << 20, nullptr, out);
            mime_text_body(structure.get(), message.data(), 1 << 20, nullptr, out);
        });
        EXPECT_TRUE(g_utf8_validate_len(text.data(), text.size(), nullptr));
        string preview = preview_of(structure.get(), message);
        EXPECT_EQ(preview_of(again.get(), message), preview) << "from kept structure";
        EXPECT_TRUE(g_utf8_validate(preview.data(), -1, nullptr));
        EXPECT_LE(g_utf8_strlen(preview.data(), -1), 200);
        g_bytes_unref(bytes);
    }
}

TEST(AwkwardMails, CutAnywhereDoNoHarm)
{
    for (auto &[name, message] : awkward_mails())
        for (gsize length = 0; length < message.size(); length += 1 + message.size() / 40)
            expect_sound(mime_structure_root(parsed(message.substr(0, length)).get()));
}

/* --- ENVELOPE --- */

TEST(Envelope, HasItsTenFields)
{
    EXPECT_EQ(envelope(""), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
    EXPECT_EQ(envelope("Date: d\r\nSubject: s\r\nFrom: a@b\r\nTo: Bob <c@d>\r\nIn-Reply-To: <r>\r\n"
                       "message-id: <m>\r\n\r\nFrom: not@this\r\n"),
              R"(("d" "s" ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) )"
              R"((("Bob" NIL "c" "d")) NIL NIL "<r>" "<m>"))");
}

TEST(Envelope, JoinsAddressesAndTakesTheLastOfTheRest)
{
    EXPECT_EQ(envelope("Subject: one\r\nSubject: two\r\nTo: a@b\r\nTo: c@d\r\n"),
              R"((NIL "two" NIL NIL NIL ((NIL NIL "a" "b")(NIL NIL "c" "d")) NIL NIL NIL NIL))");
}

TEST(Envelope, QuotesOrSendsLiterals)
{
    const struct {
        const char *header, *expected;
    } cases[] = {
        {"Subject: plain", R"("plain")"},
        {"Subject: =?utf-8?q?left_alone?=", R"("=?utf-8?q?left_alone?=")"},
        {"Subject: a  b\t c ", "{5}\r\na b c"},
        {"Subject: a\r\n b", "{3}\r\na b"},
        {"Subject: \"q\"", "{3}\r\n\"q\""},
        {"Subject: \xe4", "{1}\r\n\xe4"},
        {"Subject:  \t ", R"("")"},
        {"Subject:", R"("")"},
    };

    for (auto &c : cases)
        EXPECT_EQ(envelope(c.header),
                  string("(NIL ") + c.expected + " NIL NIL NIL NIL NIL NIL NIL NIL)")
            << c.header;
    EXPECT_EQ(envelope("Date: a \"b\" \\\r\n c"),
              R"(("a \"b\" \\ c" NIL NIL NIL NIL NIL NIL NIL NIL NIL))");
    EXPECT_EQ(envelope("Date: \"\"\"\"\""),
              "({5}\r\n\"\"\"\"\" NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
    EXPECT_EQ(envelope(string("Date: a\0b", 9)), "({5}\r\na\xEF\xBF\xBD"
                                                 "b NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
}

TEST(Envelope, UnderstandsAddressesAsDovecotDoes)
{
    const struct {
        const char *value, *expected;
    } cases[] = {
        {"a@b", R"((NIL NIL "a" "b"))"},
        {"<a@b>", R"((NIL NIL "a" "b"))"},
        {"Ann <a@b>", R"(("Ann" NIL "a" "b"))"},
        {"\"Doe, Ann\" <a@b>", R"(("Doe, Ann" NIL "a" "b"))"},
        {"Ann \"X\" Doe <a@b>", R"(("Ann X Doe" NIL "a" "b"))"},
        {"a@b (Ann Doe)", R"(("Ann Doe" NIL "a" "b"))"},
        {"a @ b . c", R"((NIL NIL "a" "b.c"))"},
        {"\"a b\"@c", R"((NIL NIL "a b" "c"))"},
        {"a@[1.2.3.4]", R"((NIL NIL "a" "[1.2.3.4]"))"},
        {"<@r1,@r2:a@b>", R"((NIL "@r1,@r2" "a" "b"))"},
        {"a@b, c@d", R"((NIL NIL "a" "b")(NIL NIL "c" "d"))"},
        {"a..b.@c", R"((NIL NIL "a..b." "c"))"},
        /* groups */
        {"g:;", R"((NIL NIL "g" NIL)(NIL NIL NIL NIL))"},
        {"g: a@b, Ann <c@d>;, e@f",
         R"((NIL NIL "g" NIL)(NIL NIL "a" "b")("Ann" NIL "c" "d")(NIL NIL NIL NIL))"
         R"((NIL NIL "e" "f"))"},
        {"g: a@b", R"((NIL NIL "g" NIL)(NIL NIL "a" "b")(NIL NIL NIL NIL))"},
        /* broken */
        {"a", R"((NIL NIL "a" "MISSING_DOMAIN"))"},
        {"Ann Doe", R"(("Ann Doe" NIL "MISSING_MAILBOX" "MISSING_DOMAIN"))"},
        {"Ann <>", R"(("Ann" NIL "MISSING_MAILBOX" "MISSING_DOMAIN"))"},
        {"Ann <a@b", R"(("Ann" NIL "a" "SYNTAX_ERROR"))"},
        {"<@r a@b>", R"((NIL "INVALID_ROUTE" "a" "b"))"},
        {"@", R"((NIL NIL "MISSING_MAILBOX" "MISSING_DOMAIN"))"},
        {"a@b,,c@d",
         R"((NIL NIL "a" "b")(NIL NIL "MISSING_MAILBOX" "MISSING_DOMAIN")(NIL NIL "c" "d"))"},
    };

    for (auto &c : cases)
        EXPECT_EQ(envelope(string("To: ") + c.value),
                  string("(NIL NIL NIL NIL NIL (") + c.expected + ") NIL NIL NIL NIL)")
            << c.value;
    EXPECT_EQ(envelope("To: \r\n"), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
}

TEST(Addresses, HaveADisplayAndASortKey)
{
    const struct {
        const char *value, *display, *key;
    } cases[] = {
        {"Ann <a@b>", "Ann", "a"},
        {"=?utf-8?q?J=C3=BCrgen?= <j@b>", "Jürgen", "j"},
        {"a@b", "a@b", "a"},
        {"friends: a@b;", "friends", "friends"},
    };

    for (auto &c : cases) {
        MimeArena arena = {};
        MimeAddress *first =
            mime_address_parse(&arena, c.value, strlen(c.value), MIME_ADDRESSES_MAX);

        ASSERT_NE(first, nullptr);
        EXPECT_EQ(owned(mime_address_display(first)), c.display);
        EXPECT_STREQ(mime_address_sort_key(first), c.key);
        mime_arena_clear(&arena);
    }
    EXPECT_STREQ(mime_address_sort_key(nullptr), "");
}

/* --- BODYSTRUCTURE --- */

TEST(Bodystructure, ShowsAllThatAPartSaysOfItself)
{
    EXPECT_EQ(bodystructure("Content-Type: application/pdf; name=\"a b.pdf\"\r\n"
                            "Content-Transfer-Encoding: BASE64\r\n"
                            "Content-Disposition: attachment; filename=x.pdf\r\n"
                            "Content-Language: de, en-GB\r\n"
                            "Content-ID: <id@x>\r\n"
                            "Content-Description: what\r\n it is\r\n"
                            "Content-MD5: md5==\r\n"
                            "Content-Location: http://x/\r\n"
                            "\r\nAAAA\r\n"),
              R"(("application" "pdf" ("name" "a b.pdf") "<id@x>" "what it is" "BASE64" 6 "md5==" )"
              R"(("attachment" ("filename" "x.pdf")) ("de" "en-GB") "http://x/"))");
}

TEST(Bodystructure, NestsMultipartsAndMessages)
{
    EXPECT_EQ(bodystructure(two_parts),
              R"((("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 0 NIL NIL NIL NIL))"
              R"(("message" "rfc822" NIL NIL NIL "7bit" 21 )"
              R"((NIL "inner" NIL NIL NIL NIL NIL NIL NIL NIL) )"
              R"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 0 NIL NIL NIL NIL) )"
              R"(2 NIL NIL NIL NIL) )"
              R"("mixed" ("boundary" "b") NIL NIL NIL))");
    EXPECT_EQ(bodystructure("Content-Type: multipart/mixed; boundary=b\r\n\r\n"),
              R"((("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL) )"
              R"("mixed" ("boundary" "b") NIL NIL NIL))");
}

TEST(Bodystructure, JoinsSplitParameters)
{
    const struct {
        const char *params, *expected;
    } cases[] = {
        {"; a*0=x; a*1=y", R"("a" "xy")"},
        {"; a*1=y; a*0=x", R"("a" "xy")"},
        {"; a*0*=utf-8''x%20; a*1=y%", R"("a*" "utf-8''x%20y%25")"},
        {"; a*0=x%; a*1*=y%20", R"("a*" "''x%25y%20")"},
        {"; a*0=x; a*2=y", R"("a*0" "x" "a*2" "y")"},
        {"; a*=utf-8''x", R"("a*" "utf-8''x")"},
        {"; b=1; a*0=x", R"("b" "1" "a" "x")"},
        {"; a==?utf-8?q?x?=", R"("a" "=?utf-8?q?x?=")"},
        {"; a=\"q\\\"\r\n x\"", R"("a" "q\" x")"},
        {"; a=; b=2", R"("a" "" "b" "2")"},
        {"; broken;; b=2", R"("b" "2")"},
        {"; a=\"unterminated", ""},
    };

    for (auto &c : cases) {
        string params = *c.expected != '\0' ? string("(") + c.expected + ")" : "NIL";

        EXPECT_EQ(bodystructure(string("Content-Type: x/y") + c.params + "\r\n\r\n"),
                  "(\"x\" \"y\" " + params + " NIL NIL \"7bit\" 0 NIL NIL NIL NIL)")
            << c.params;
    }
}

TEST(Body, IsBodystructureWithoutItsExtensions)
{
    string full = bodystructure(two_parts);
    auto body = [](const string &text, guint depth = 1000) {
        return appended([&](GString *out) {
            g_string_append(out, mime_body_from_bodystructure(text.data(), text.size(), depth, out)
                                     ? ""
                                     : "refused");
        });
    };

    EXPECT_EQ(body(full),
              R"((("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 0))"
              R"(("message" "rfc822" NIL NIL NIL "7bit" 21 )"
              R"((NIL "inner" NIL NIL NIL NIL NIL NIL NIL NIL) )"
              R"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 0) 2) "mixed"))");
    EXPECT_EQ(body("(\"a\" \"b\" (\"n\" {99}\r\n\")() NIL NIL \"7bit\" 0 NIL NIL NIL NIL)"),
              "refused");
    EXPECT_EQ(body("(\"a\" \"b\" (\"n\" {2}\r\n\")) NIL NIL \"7bit\" 0 NIL NIL NIL NIL)"),
              "(\"a\" \"b\" (\"n\" {2}\r\n\")) NIL NIL \"7bit\" 0)");
    EXPECT_EQ(body(full, 2), "refused");
    for (gsize cut = 0; cut < full.size(); cut++)
        EXPECT_EQ(body(full.substr(0, cut)), "refused") << cut;
    EXPECT_EQ(body(full + "x"), "refused");
    EXPECT_EQ(body(string(100000, '(')), "refused");
}

/* --- sections --- */

TEST(Sections, LeadToTheirBytes)
{
    string message = two_parts;
    Structure structure = parsed(message);
    GBytes *bytes = mime_structure_serialize(structure.get());
    Structure again = reread(bytes, message.size());
    const gsize body = message.find("preamble");
    const struct {
        Numbers numbers;
        string expected;
    } cases[] = {
        {{{}}, message},
        {{{}, IMAP_SECTION_HEADER}, message.substr(0, body)},
        {{{}, IMAP_SECTION_TEXT}, message.substr(body)},
        {{{1}}, "one"},
        {{{1}, IMAP_SECTION_MIME}, "Content-Type: text/plain\r\n\r\n"},
        {{{1}, IMAP_SECTION_HEADER}, "-"},
        {{{1}, IMAP_SECTION_TEXT}, "-"},
        {{{1, 1}}, "-"},
        {{{2}}, "Subject: inner\r\n\r\ntwo"},
        {{{2}, IMAP_SECTION_MIME}, "Content-Type: message/rfc822\r\n\r\n"},
        {{{2}, IMAP_SECTION_HEADER}, "Subject: inner\r\n\r\n"},
        {{{2}, IMAP_SECTION_HEADER_FIELDS}, "Subject: inner\r\n\r\n"},
        {{{2}, IMAP_SECTION_TEXT}, "two"},
        {{{2, 1}}, "two"},
        {{{2, 1}, IMAP_SECTION_MIME}, "Subject: inner\r\n\r\n"},
        {{{2, 2}}, "-"},
        {{{3}}, "-"},
        {{{0}}, "-"},
    };

    ASSERT_TRUE(again);
    for (auto &c : cases) {
        EXPECT_EQ(fetched(structure.get(), message, c.numbers), c.expected);
        EXPECT_EQ(fetched(again.get(), message, c.numbers), c.expected) << "from kept structure";
    }
    g_bytes_unref(bytes);

    string plain = "Subject: x\r\n\r\nbody";

    EXPECT_EQ(fetched(parsed(plain).get(), plain, {{1}}), "body");
    EXPECT_EQ(fetched(parsed(plain).get(), plain, {{1}, IMAP_SECTION_MIME}), "Subject: x\r\n\r\n");
    EXPECT_EQ(fetched(parsed(plain).get(), plain, {{2}}), "-");
}

TEST(Sections, AreDecodedForBinary)
{
    auto decoded = [](const string &encoding, const string &body, gsize limit = 1000) {
        string message =
            "Content-Type: x/y\r\nContent-Transfer-Encoding: " + encoding + "\r\n\r\n" + body;
        Numbers numbers = {{1}};
        ImapSection section = numbers.section();
        Structure structure = parsed(message);

        return appended([&](GString *out) {
            GError *error = nullptr;

            if (mime_section_decode(structure.get(), message.data(), &section, limit, out, &error))
                return;
            EXPECT_TRUE(
                g_error_matches(error, MIME_DECODE_ERROR, MIME_DECODE_ERROR_UNKNOWN_ENCODING));
            g_error_free(error);
            g_string_append(out, "unknown");
        });
    };

    EXPECT_EQ(decoded("base64", "aGVs\r\nbG8=\r\n"), "hello");
    EXPECT_EQ(decoded("Base64", "aGVsbG8=", 3), "hel");
    EXPECT_EQ(decoded("base64", "!aGV!sbG8"), "hello");
    EXPECT_EQ(decoded("quoted-printable", "a=20b=\r\nc=3D=XY"), "a bc==XY");
    EXPECT_EQ(decoded("quoted-printable", "a \t\r\nb=20 \r\nc= \r\nd"), "a\r\nb \r\ncd");
    EXPECT_EQ(decoded("quoted-printable", "abc\r\ndef", 4), "abc\r");
    EXPECT_EQ(decoded("quoted printable", "x"), "unknown");
    EXPECT_EQ(decoded("", "x"), "unknown");
    EXPECT_EQ(decoded("7bit", "as=20is"), "as=20is");
    EXPECT_EQ(decoded("BINARY", string("\0\1", 2)), string("\0\1", 2));
    EXPECT_EQ(decoded("x-secret", "x"), "unknown");
    EXPECT_EQ(decoded("base64", repeated("AAAA", 50000), 1000000).size(), 150000u);
}

/* Wherever the pieces of a body end. */
TEST(Decoding, InPiecesIsTheSameAsAtOnce)
{
    const struct {
        MimeEncoding encoding;
        const char *body, *expected;
    } cases[] = {
        {MIME_ENCODING_IDENTITY, "as=20is\r\n", "as=20is\r\n"},
        {MIME_ENCODING_BASE64, "aGVs\r\nbG8gd2 9y\r\nbGQ", "hello world"},
        {MIME_ENCODING_QUOTED_PRINTABLE, "a=20b=\r\nc=3D=XY==\r\n", "a bc==XY="},
        {MIME_ENCODING_QUOTED_PRINTABLE, "a \t\r\nb=20 \r\nc= \r\nd \r", "a\r\nb \r\ncd \r"},
        {MIME_ENCODING_QUOTED_PRINTABLE, "a\n\n=\n\rb\r\r\n =4", "a\n\n\rb\r\r\n =4"},
        {MIME_ENCODING_QUOTED_PRINTABLE, "one  =\r\n  two  ", "one    two"},
        {MIME_ENCODING_QUOTED_PRINTABLE, "soft at the end=", "soft at the end"},
        {MIME_ENCODING_UUENCODE, "Here:\r\n begin 1\nbegin\nbegin 644 x\r\n%:&5L;&\\ \n`\nend\nX\n",
         "hello"},
        {MIME_ENCODING_UUENCODE, "begin 644 x\n$:&5L;```\n \nend\n", "hell"},
        {MIME_ENCODING_UUENCODE, "begin 644 x\n#:&5L", "hel"},
        {MIME_ENCODING_UUENCODE, "begin 644 x\r\n$:&5L;\r\n#:&5L\r\n \r\nbegin 644 y\n#:&5L",
         "hellhel"},
    };

    for (auto &c : cases)
        for (gsize size = 1; size <= strlen(c.body); size++) {
            MimeDecoder *decoder = mime_decoder_new(c.encoding, nullptr);

            EXPECT_EQ(appended([&](GString *out) {
                          for (gsize at = 0; at < strlen(c.body); at += size)
                              mime_decoder_step(decoder, c.body + at,
                                                std::min(size, strlen(c.body) - at), out);
                          mime_decoder_end(decoder, out);
                      }),
                      c.expected)
                << c.body << " in pieces of " << size;
            mime_decoder_free(decoder);
        }
}

/* --- text --- */

string folded(const string &text)
{
    return owned(mime_text_fold(text.data(), text.size()));
}

TEST(Text, FoldsWhatPeopleTakeForTheSame)
{
    const struct {
        const char *one, *other;
    } same[] = {
        {"Hello World", "hELLO wORLD"},
        {"Straße", "STRASSE"},
        {"Ärger", "A\xCC\x88rger"},
        {"ＡＢＣ", "abc"},
        {"ﬁn", "FIN"},
        {"ΣΑΣ", "σας"},
        {"a\r\nb", "A\nB"},
    };

    for (auto &c : same)
        EXPECT_EQ(folded(c.one), folded(c.other));
    EXPECT_NE(folded("a b"), folded("a  b"));
    /* RFC 5051: decomposed, a letter is a part of the same with an accent. */
    EXPECT_EQ(folded("CAFÉ").find(folded("cafe")), 0U);
    EXPECT_EQ(folded("cafe").find(folded("café")), string::npos);
    EXPECT_TRUE(g_utf8_validate(folded("bad \xff byte").data(), -1, nullptr));
}

TEST(Text, DecodesHeaders)
{
    const struct {
        const char *value, *expected;
    } cases[] = {
        {"plain", "plain"},
        {"a\r\n b", "a b"},
        {"a\r\n\tb\tc\n\t\td", "a b\tc \td"},
        {"=?utf-8?q?J=C3=BCrgen?=", "Jürgen"},
        {"=?iso-8859-1?B?SvxyZ2Vu?= x", "Jürgen x"},
        {"=?utf-8?q?a?=\r\n =?utf-8?q?b?=", "ab"},
        {"=?utf-8?b?YQ==?= =?utf-8?b?Yg==?=\r\n\t=?UTF-8?Q?_c?=", "ab c"},
        {"=?utf-8?b?YcM=?= =?utf-8?b?vGI=?=", "aüb"},
        {"=?iso-8859-1?q?=FC?= =?utf-8?q?=C3=BC?= =?utf-8?q?x?= y", "üüx y"},
        {"=?iso-2022-jp?b?GyRCJW0bKEI=?= =?iso-2022-jp?b?GyRCJTsbKEIgIzU=?=", "ロセ #5"},
        {"a =?utf-8*en?q?b?= c", "a b c"},
        {"\"=?utf-8?q?in_quotes?=\" (=?utf-8?q?=28?=)", "\"in quotes\" (()"},
        {"=?utf-8?q?white space?=", "white space"},
        {"=?utf-8?q?a=0D=0Ab?=", "a  b"},
        {"=?utf-8?q?\?=x", "x"},
        {"=?utf-8?x?a?= =??q?a?= =?utf-8?q?a =? ?= =?=",
         "=?utf-8?x?a?= =??q?a?= =?utf-8?q?a =? ?= =?="},
        {"=?utf-8?b?YW?= =?utf-8?b?!?=", "a"},
        {"J\xc3\xbcrgen", "Jürgen"},
        {"J\xfcrgen", "Jürgen"},
        {"=?utf-8?q?broken", "=?utf-8?q?broken"},
        {"=?no-such-charset?q?x?=", "x"},
    };

    for (auto &c : cases)
        EXPECT_EQ(owned(mime_text_decode_header(c.value, strlen(c.value))), c.expected) << c.value;
}

string body_text(const string &message, gsize limit = 1 << 20)
{
    Structure structure = parsed(message);

    return appended([&](GString *out) {
        mime_text_body(structure.get(), message.data(), limit, nullptr, out);
    });
}

TEST(Text, DecodesBodiesFromTheirCharsets)
{
    EXPECT_EQ(body_text("Subject: x\r\n\r\nHello\r\n"), "hello\n");
    EXPECT_EQ(body_text("Content-Type: text/plain; charset=iso-8859-1\r\n\r\nJ\xfcrgen"),
              folded("jürgen\n"));
    EXPECT_EQ(
        body_text(
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            "SsO8cmdlbg=="),
        folded("jürgen\n"));
    EXPECT_EQ(body_text("Content-Type: text/plain; charset=koi8-r\r\n\r\n\xf0\xd2\xc9\xd7\xc5\xd4"),
              "привет\n");
    EXPECT_EQ(body_text(string("Content-Type: text/plain; charset=utf-16le\r\n\r\nA\0B\0", 50)),
              "ab\n");
    EXPECT_EQ(body_text("Content-Type: text/plain; charset=nonsense\r\n\r\nx\xfc"), folded("xü\n"));
    EXPECT_EQ(body_text("Content-Type: text/plain; charset=nonsense\r\n\r\nxü"), folded("xü\n"));
    EXPECT_EQ(body_text("\r\nx\xfcy"), folded("xüy\n")) << "8-bit without a charset";
    EXPECT_EQ(body_text("Content-Type: text/plain; charset=utf-8\r\n\r\nx\xfcy\xc3\xbc"),
              folded("x\xEF\xBF\xBDyü\n"));
}

TEST(Text, GoesIntoAllPartsAndMessages)
{
    EXPECT_EQ(body_text(two_parts), "one\nsubject: inner\ntwo\n");
    EXPECT_EQ(body_text("Content-Type: image/png; name=\"=?utf-8?q?=C3=84?=.png\"\r\n\r\n\x89PNG"),
              folded("ä.png\n"));
    EXPECT_EQ(
        body_text("Content-Type: image/png\r\nContent-Disposition: attachment; filename*=utf-8''"
                  "%C3%84.png\r\n\r\n\x89PNG"),
        folded("ä.png\n"));
    EXPECT_EQ(body_text("Content-Type: text/html\r\n\r\n<p>One <b>T</b>wo</p>"), "one two\n");
}

TEST(Text, GoesIntoDeliveryReports)
{
    EXPECT_EQ(body_text("Content-Type: multipart/report; boundary=b\r\n\r\n"
                        "--b\r\n\r\nSorry.\r\n"
                        "--b\r\nContent-Type: message/delivery-status\r\n\r\n"
                        "Reporting-MTA: dns; mx\r\n\r\nAction: failed\r\n"
                        "--b\r\nContent-Type: application/x\r\n\r\nnot text\r\n--b--\r\n"),
              "sorry.\nreporting-mta: dns; mx\n\naction: failed\n");
}

TEST(Text, StopsAtItsLimitBetweenCharacters)
{
    string message = "Content-Type: text/plain; charset=utf-8\r\n\r\n" + repeated("ü", 1000);

    for (gsize limit : {0, 1, 2, 3, 99, 100}) {
        string text = body_text(message, limit);

        EXPECT_LE(text.size(), limit);
        EXPECT_TRUE(g_utf8_validate_len(text.data(), text.size(), nullptr));
    }
    EXPECT_EQ(body_text(message, 100).size(), 100u);
}

TEST(Text, ReadsHeadersForSearching)
{
    const string header = "Subject: =?utf-8?q?=C3=84?=\r\nX-A: 1\r\nx-a: Two\r\n\r\n";
    auto field = [&](const char *name) {
        return appended([&](GString *out) {
            if (!mime_text_field(header.data(), header.size(), name, 1000, nullptr, out))
                g_string_append(out, "none");
        });
    };

    EXPECT_EQ(field("subject"), folded("ä\n"));
    EXPECT_EQ(field("X-A"), "1\ntwo\n");
    EXPECT_EQ(field("To"), "none");
    EXPECT_EQ(appended([&](GString *out) {
                  mime_text_header(header.data(), header.size(), 1000, nullptr, out);
              }),
              folded("subject: ä\nx-a: 1\nx-a: two\n"));
}

TEST(Html, IsReducedToItsText)
{
    const struct {
        const char *html, *text;
    } cases[] = {
        {"plain", "plain"},
        {"a<b>b</b>c", "abc"},
        {"<p>one</p><p>two</p>", "one\ntwo\n"},
        {"one<br>two<BR/>three", "one\ntwo\nthree"},
        {"&lt;x&gt; &amp;amp; &auml;&#228;&#xE4;&nbsp;&euro;", "<x> &amp; äää €"},
        {"a & b &unknown; &#; &#x; &", "a & b &unknown; &#; &#x; &"},
        {"a < b", "a < b"},
        {"<script>var x = '<b>';</script>after", "after"},
        {"<style>p { color: red }</style>after", "after"},
        {"a<!-- <p> -- hidden -->b", "ab"},
        {"a<!-->b", "ab"},
        {"a<!--#rotate> <b>b</b> --> c<!-- d>", "a c"},
        {"a<!--#rotate> <b>never</b> closed", "a never closed"},
        {"a<!-- b", "a"},
        {"<a href=\"x>y\">link</a>", "link"},
        {"<a href='it\"s'>link</a>", "link"},
        {"unclosed <a href=\"x", "unclosed "},
        {"<script>never closed", ""},
        {"<!DOCTYPE html>x", "x"},
        {"see<img src=\"a.png\" alt=\"The &Auml;rger > all\">this", "see The Ärger > all this"},
        {"<p><IMG Alt='one two' src=x/> <img alt=three><img alt=\"\"><img alt src=alt></p>",
         "one two  three \n"},
        {"<img title=\"alt=no\" data-alt=no></img alt=no><a alt=no>x", "x"},
        {"<img alt=\"never closed", "never closed "},
        {"<img", ""},
    };

    for (auto &c : cases)
        EXPECT_EQ(appended([&](GString *out) {
                      mime_html_to_text(c.html, strlen(c.html), FALSE, nullptr, out);
                  }),
                  c.text)
            << c.html;
}

struct NamedCharacter {
    string name, text; /* the name with its semicolon, if there is one */
};

/* All of the standard's, from a source that isn't the table's. */
vector<NamedCharacter> named_characters()
{
    std::ifstream file(POSTERN_ENTITIES);
    vector<NamedCharacter> all;

    for (string line; std::getline(file, line);) {
        if (line[0] == '#')
            continue;

        std::istringstream words(line);
        NamedCharacter character;
        gunichar code;

        words >> character.name;
        while (words >> std::hex >> code)
            character.text += appended([&](GString *out) { g_string_append_unichar(out, code); });
        all.push_back(character);
    }
    return all;
}

string html_text(const string &html)
{
    return appended(
        [&](GString *out) { mime_html_to_text(html.data(), html.size(), FALSE, nullptr, out); });
}

TEST(Html, KnowsAllNamedCharacters)
{
    auto all = named_characters();

    EXPECT_EQ(all.size(), 2231u);
    for (auto &c : all) {
        string shown = c.text == "\u00a0" ? " " : c.text;

        EXPECT_EQ(html_text("x&" + c.name + ".y"), "x" + shown + ".y") << c.name;
        EXPECT_EQ(html_text("&" + c.name), shown) << c.name << " at the end";
        EXPECT_EQ(body_text("Content-Type: text/html\r\n\r\n<p>x&" + c.name + ".y"),
                  folded("x" + c.text + ".y\n"))
            << c.name;
    }
    EXPECT_EQ(folded(html_text("Dvo&rcaron;&aacute;k Wa&lstrok;&eogon;sa")),
              folded("Dvořák Wałęsa"));
}

TEST(Html, NamedCharactersCanDoWithoutTheirSemicolonOnlyIfTheyAreOld)
{
    std::map<string, string> all;

    for (auto &c : named_characters())
        all[c.name] = c.text == "\u00a0" ? " " : c.text;
    for (auto &[name, text] : all) {
        if (name.back() != ';')
            continue;

        /* What the longest name that needs no semicolon leaves. */
        string bare = name.substr(0, name.size() - 1), left = "&" + bare;

        for (size_t length = bare.size(); length > 1; length--)
            if (all.count(bare.substr(0, length))) {
                left = all[bare.substr(0, length)] + bare.substr(length);
                break;
            }
        EXPECT_EQ(html_text("&" + bare + " x"), left + " x") << name;
        EXPECT_EQ(html_text("&" + bare), left) << name;
    }
}

TEST(Html, ReferencesAreReadAsTheStandardSays)
{
    const struct {
        const char *html, *text;
    } cases[] = {
        {"I'm &notit; I tell you", "I'm ¬it; I tell you"},
        {"I'm &notin; I tell you", "I'm ∉ I tell you"},
        {"&ampamp;&AMP&Amp;", "&amp;&&Amp;"},
        {"&ngE;", "≧̸"},
        {"&CounterClockwiseContourIntegral; &CounterClockwiseContourIntegralx;",
         "∳ &CounterClockwiseContourIntegralx;"},
        {"&#128;&#x80;&#150;&#x9f;&#129;", "€€–Ÿ\u0081"},
        {"&#0;&#xD800;&#x110000;&#99999999999999999999;&#xFFFFFFFFFF41;",
         "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"},
        {"&#000000000000065;&#x00000000000041;", "AA"},
        {"&#65&#x41.&#X41g&#65a", "AA.AgAa"},
        {"&#a;&#xg;&#;", "&#a;&#xg;&#;"},
        {"&#x1F600;", "😀"},
        {"<img alt=\"?a=1&copy=2&reg;&lt=&ltx &lt;&lt \">", "?a=1&copy=2®&lt=&ltx <<  "},
        {"?a=1&copy=2", "?a=1©=2"},
        {"&", "&"},
        {"&;", "&;"},
    };

    for (auto &c : cases)
        EXPECT_EQ(html_text(c.html), c.text) << c.html;
}

string preview(const string &message)
{
    return preview_of(parsed(message).get(), message);
}

TEST(Preview, IsTheStartOfTheText)
{
    EXPECT_EQ(preview("Subject: x\r\n\r\n  One\r\n\r\ntwo\tThree\r\n"), "One two Three");
    EXPECT_EQ(preview("\r\nAnn wrote:\r\n> quoted\r\n> more\r\nMine\r\n"), "Ann wrote: Mine");
    EXPECT_EQ(preview("\r\n> only\r\n> quoted\r\n"), "> only > quoted");
    EXPECT_EQ(preview("Content-Type: image/png\r\n\r\nx"), "");
    EXPECT_EQ(preview("Content-Type: text/html\r\n\r\n<style>x</style><p>Hi <i>you</i>"), "Hi you");
    EXPECT_EQ(preview("Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: "
                      "text/html\r\n\r\n<p>html\r\n--b\r\n\r\nplain\r\n--b--\r\n"),
              "plain");
    EXPECT_EQ(
        g_utf8_strlen(
            preview("Content-Type: text/plain; charset=utf-8\r\n\r\n" + repeated("ü", 500)).data(),
            -1),
        200);
}

TEST(Preview, ReadsNoMoreThanTheStart)
{
    string large = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHere it is.\r\n" +
                   repeated("> and much more\r\n", 100000) +
                   "--b\r\nContent-Type: text/plain\r\n\r\nnot this\r\n--b--\r\n";
    gsize read = 0;

    EXPECT_EQ(preview_of(parsed(large).get(), large, &read), "Here it is.");
    EXPECT_LT(read, 100000u);

    string behind = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: "
                    "text/html\r\n\r\nhtml\r\n--b\r\nContent-Type: text/x-log\r\n"
                    "Content-Disposition: attachment\r\n\r\nlog\r\n--b\r\n"
                    "Content-Transfer-Encoding: base64\r\n\r\nU3RyYcOfZQ==\r\n--b--\r\n";

    EXPECT_EQ(preview_of(parsed(behind).get(), behind, &read), "Straße");
    behind.replace(behind.find("U3RyYcOfZQ=="), 12, "            ");
    EXPECT_EQ(preview_of(parsed(behind).get(), behind, &read), "");
    EXPECT_EQ(owned(mime_text_preview(
                  parsed("Content-Type: x/y\r\n\r\nx").get(),
                  [](gsize, gsize, gpointer) -> GBytes * { return nullptr; }, nullptr)),
              "");
    EXPECT_EQ(mime_text_preview(
                  parsed("\r\nx").get(), [](gsize, gsize, gpointer) -> GBytes * { return nullptr; },
                  nullptr),
              nullptr);
}

/* --- dates --- */

TEST(Dates, AreReadInAllTheirForms)
{
    const struct {
        const char *value;
        gint64 time;
        gint32 zone;
    } cases[] = {
        {"Fri, 21 Nov 1997 09:55:06 -0600", 880127706, -360},
        {"21 Nov 97 09:55:06 -0600", 880127706, -360},
        {"Fri, 21 Nov 1997 15:55:06 GMT", 880127706, 0},
        {"Fri, 21 Nov 1997 09:55:06 CST", 880127706, -360},
        {"Fri, 21 Nov 1997 09:55:06 -0600 (CST)", 880127706, -360},
        {"Fri,\r\n 21 Nov 1997 (comment) 09:55:06\r\n -0600", 880127706, -360},
        {"Fri, 21 November 1997 15:55:06", 880127706, 0},
        {"Fri, 21 Nov 1997 15.55.06 +0000", 880127706, 0},
        {"Fri, 21 Nov 1997 15:55 +0000", 880127700, 0},
        {"1 Jan 1970 00:00:00 +0000", 0, 0},
        {"1 Jan 2069 00:00:00 +0000", 3124224000, 0},
        {"Sat, 31 Dec 2016 23:59:60 +0000", 1483228799, 0},
        {"Thu, 1 Jan 1970 05:30:00 +0530", 0, 330},
        /* Not in the RFC, but in mailboxes. */
        {"Fri Nov 21 15:55:06 1997", 880127706, 0},
        {"Friday, 21 Nov 1997 15:55:06 +0000", 880127706, 0},
        /* RFC 5256, 2.2: an invalid zone is UTC, and an invalid time 00:00:00. */
        {"Fri, 21 Nov 1997 15:55:06 +0099", 880127706, 0},
        {"Fri, 21 Nov 1997 15:55:06 nowhere", 880127706, 0},
        {"Fri, 21 Nov 1997 25:99:06 +0200", 880070400, 0},
        {"21 Nov 1997 noon", 880070400, 0},
        {"21 Nov 1997", 880070400, 0},
    };

    for (auto &c : cases) {
        ImapDateTime date = {};

        ASSERT_TRUE(mime_date_parse(c.value, strlen(c.value), &date)) << c.value;
        EXPECT_EQ(date.time, c.time) << c.value;
        EXPECT_EQ(date.zone, c.zone) << c.value;
    }
}

TEST(Dates, ThatAreNoneAreRefused)
{
    for (const char *value :
         {"", " ", "yesterday", "(", "Fri,", "Fri, 21", "Fri, 31 Feb 1997 09:55:06 -0600"}) {
        ImapDateTime date;

        EXPECT_FALSE(mime_date_parse(value, strlen(value), &date)) << value;
    }
}

/* --- subjects --- */

TEST(Subjects, AreReducedToTheirBase)
{
    const struct {
        const char *subject, *base;
        bool reply;
    } cases[] = {
        {"Lunch", "LUNCH", false},
        {"  two   words ", "TWO WORDS", false},
        {"Re: Lunch", "LUNCH", true},
        {"RE: re:Fwd: fw : Lunch", "LUNCH", true},
        {"Re[2]: Lunch", "LUNCH", true},
        {"[list] Re: Lunch", "LUNCH", true},
        {"[list] Lunch", "LUNCH", false},
        {"[only]", "[ONLY]", false},
        {"Lunch (fwd) (FWD)", "LUNCH", true},
        {"[Fwd: Lunch]", "LUNCH", true},
        {"[fwd: Re: Lunch (fwd)]", "LUNCH", true},
        {"Re: [", "[", true},
        {"Reply: x", "REPLY: X", false},
        {"=?utf-8?q?Re:_J=C3=BCrgen?=", "JU\xCC\x88RGEN", true},
        {"Re:\r\n Lunch", "LUNCH", true},
        {"", "", false},
        {"Re:", "", true},
    };

    for (auto &c : cases) {
        gboolean reply;

        EXPECT_EQ(owned(mime_subject_base(c.subject, strlen(c.subject), &reply)), c.base)
            << c.subject;
        EXPECT_EQ(reply, c.reply) << c.subject;
    }
}

TEST(Subjects, OfManyBlobsAreNoWork)
{
    string subject = repeated("[x]", 300000);
    gint64 started = g_get_monotonic_time();

    EXPECT_EQ(owned(mime_subject_base(subject.data(), subject.size(), nullptr)), "[X]");
    EXPECT_LT(g_get_monotonic_time() - started, 20 * G_USEC_PER_SEC);
}

} // namespace
