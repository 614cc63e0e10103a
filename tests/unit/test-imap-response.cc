/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What servers send: the response parser and its typed views.
 */
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "daemon/proto/imap/flags.h"
#include "daemon/proto/imap/response-data.h"
#include "daemon/proto/imap/response-fetch.h"

namespace
{

std::string take(GString *string)
{
    std::string text(string->str, string->len);

    g_string_free(string, TRUE);
    return text;
}

/* A parser that has been fed the octets of one response, literals and all. */
struct Reply {
    ImapResponseParser *parser;
    GError *error = nullptr;
    bool complete = false, unreadable = false;

    explicit Reply(const std::string &octets,
                   const ImapResponseLimits &limits = imap_response_limits_default)
        : parser(imap_response_parser_new(&limits))
    {
        feed(octets);
    }
    ~Reply()
    {
        imap_response_parser_free(parser);
        g_clear_error(&error);
    }
    void feed(const std::string &octets)
    {
        size_t at = 0;

        g_clear_error(&error);
        for (;;) {
            size_t end = std::min(octets.find("\r\n", at), octets.size());
            ImapResponseFeed feed =
                imap_response_line(parser, octets.data() + at, end - at, &error);

            complete = feed == IMAP_RESPONSE_COMPLETE;
            unreadable = feed == IMAP_RESPONSE_UNREADABLE;
            if (feed != IMAP_RESPONSE_LITERAL)
                return;
            gsize size = imap_response_literal_size(parser);
            g_autoptr(GBytes) literal = g_bytes_new(octets.data() + end + 2, size);
            imap_response_literal(parser, literal);
            at = end + 2 + size;
        }
    }
    const ImapResponse *get() const
    {
        return imap_response_get(parser);
    }
};

void describe(const ImapNode *node, GString *out)
{
    const char *separator = "";

    for (; node != nullptr; node = imap_node_next(node), separator = " ") {
        g_string_append(out, separator);
        switch (node->kind) {
        case IMAP_NODE_LIST:
            g_string_append_c(out, '(');
            describe(imap_node_first(node), out);
            g_string_append_c(out, ')');
            break;
        case IMAP_NODE_NIL:
            g_string_append(out, "nil");
            break;
        case IMAP_NODE_BAD:
            g_string_append(out, "!");
            break;
        case IMAP_NODE_NUMBER:
            g_string_append_printf(out, "#%" G_GUINT64_FORMAT, node->number);
            break;
        default:
            g_string_append(out, node->kind == IMAP_NODE_STRING    ? "'"
                                 : node->kind == IMAP_NODE_LITERAL ? "~"
                                                                   : "");
            g_string_append_len(out, node->text, node->length);
            if (node->kind != IMAP_NODE_LITERAL) {
                EXPECT_EQ(node->text[node->length], '\0');
            }
        }
    }
}

std::string describe(const ImapResponse *r)
{
    GString *out = g_string_new(nullptr);

    if (r->kind == IMAP_CONTINUATION)
        g_string_append(out, "+ ");
    if (r->tag != nullptr)
        g_string_append_printf(out, "%s: ", r->tag);
    if (r->name != nullptr) {
        if (r->has_number)
            g_string_append_printf(out, "%u ", r->number);
        g_string_append(out, r->name);
        g_string_append_c(out, ' ');
        describe(r->args, out);
        return take(out);
    }
    const char *const conds[] = {"", "OK ", "NO ", "BAD ", "BYE ", "PREAUTH "};
    g_string_append(out, conds[r->cond]);
    if (r->code != nullptr) {
        g_string_append_printf(out, "[%s ", r->code);
        describe(r->code_args, out);
        g_string_append(out, "] ");
    }
    g_string_append(out, r->text);
    return take(out);
}

std::string parse(const std::string &octets,
                  const ImapResponseLimits &limits = imap_response_limits_default)
{
    Reply reply(octets, limits);

    return reply.complete ? describe(reply.get()) : "ERROR " + std::string(reply.error->message);
}

TEST(Response, IsReadAsATree)
{
    const struct {
        std::string in;
        const char *out;
    } cases[] = {
        /* RFC 3501, 7 */
        {"* OK IMAP4rev1 server ready", "OK IMAP4rev1 server ready"},
        {"* PREAUTH IMAP4rev1 server logged in as Smith",
         "PREAUTH IMAP4rev1 server logged in as Smith"},
        {"* BYE Autologout; idle for too long", "BYE Autologout; idle for too long"},
        {"A222 NO COPY failed: disk is full", "A222: NO COPY failed: disk is full"},
        {"* BAD Command line too long", "BAD Command line too long"},
        {"A001 OK", "A001: OK "},
        {"* ok", "OK "},
        {"* OK [ALERT] System shutdown in 10 minutes", "OK [ALERT ] System shutdown in 10 minutes"},
        {"* OK [UIDVALIDITY 3857529045] UIDs valid", "OK [UIDVALIDITY #3857529045] UIDs valid"},
        {"* OK [PERMANENTFLAGS (\\Deleted \\Seen \\*)] Limited",
         "OK [PERMANENTFLAGS (\\Deleted \\Seen \\*)] Limited"},
        {"a OK [capability IMAP4rev1 LITERAL+]", "a: OK [CAPABILITY IMAP4rev1 LITERAL+] "},
        {"a OK [READ-WRITE] SELECT completed", "a: OK [READ-WRITE ] SELECT completed"},
        {"A003 OK [COPYUID 38505 304,319:320 3956:3958] Done",
         "A003: OK [COPYUID #38505 304,319:320 3956:3958] Done"},
        {"a NO [BADURL \"/a;]x\"] bad", "a: NO [BADURL '/a;]x] bad"},
        {"a NO [REFERRAL imap://x/(y] not here", "a: NO [REFERRAL imap://x/(y] not here"},
        {"a NO [no end", "a: NO [no end"},
        {"a OK text {12}", "a: OK text {12}"},
        {"a OK [X (a] (b", "a: OK [X ] (b"},
        {"* CAPABILITY IMAP4rev1 AUTH=PLAIN", "CAPABILITY IMAP4rev1 AUTH=PLAIN"},
        {"* LIST (\\Noselect) \"/\" ~/Mail/foo", "LIST (\\Noselect) '/ ~/Mail/foo"},
        {"* LIST () NIL \"a \\\"b\\\\\"", "LIST () nil 'a \"b\\"},
        {"* LIST () \"\\\\\" Foo[bar]", "LIST () '\\ Foo[bar]"},
        {"* LIST (\\HasNoChildren) \".\" {5}\r\na (b)", "LIST (\\HasNoChildren) '. ~a (b)"},
        {"* STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292)",
         "STATUS blurdybloop (MESSAGES #231 UIDNEXT #44292)"},
        {"* SEARCH 2 3 6", "SEARCH #2 #3 #6"},
        {"* SEARCH", "SEARCH "},
        {"* SEARCH ", "SEARCH "},
        {"* FLAGS (\\Answered \\Flagged)", "FLAGS (\\Answered \\Flagged)"},
        {"* 23 EXISTS", "23 EXISTS "},
        {"* 44 expunge", "44 EXPUNGE "},
        {"* 23 FETCH (FLAGS (\\Seen) RFC822.SIZE 44827)",
         "23 FETCH (FLAGS (\\Seen) RFC822.SIZE #44827)"},
        {"* 1 FETCH (BODY[HEADER.FIELDS (\"DATE\" FROM)]<0> {3}\r\nabc UID 5)",
         "1 FETCH (BODY[HEADER.FIELDS (\"DATE\" FROM)]<0> ~abc UID #5)"},
        {"* 1 FETCH (BODY[] \"\" BODY[TEXT] NIL)", "1 FETCH (BODY[] ' BODY[TEXT] nil)"},
        {"* 1 FETCH (BODY[1] {0}\r\n BODY[2] ~{2+}\r\n)( FLAGS ())",
         "1 FETCH (BODY[1] ~ BODY[2] ~)( FLAGS ())"},
        {"* THREAD (2)(3 6 (4 23)(44 7 96))", "THREAD (#2) (#3 #6 (#4 #23) (#44 #7 #96))"},
        {"* NAMESPACE ((\"\" \"/\")) NIL ((\"#s/\" \"/\"))", "NAMESPACE ((' '/)) nil (('#s/ '/))"},
        {"* ID NIL", "ID nil"},
        {"* X-UNKNOWN a (b) \"c\"", "X-UNKNOWN a (b) 'c"},
        {"* VANISHED (EARLIER) 41,43:116", "VANISHED (EARLIER) 41,43:116"},
        {"+ idling", "+ idling"},
        {"+ ", "+ "},
        {"+", "+ "},
        {"+idling", "+ idling"},
        /* What servers do, and nothing is lost by. */
        {"*  23  EXISTS ", "23 EXISTS "},
        {"* 1 FETCH ( FLAGS  (\\Seen ) UID 4 )", "1 FETCH (FLAGS (\\Seen) UID #4)"},
        {"* LIST () \"/\" \"caf\xc3\xa9\"", "LIST () '/ 'caf\xc3\xa9"},
        {"* LIST () \"/\" caf\xe9", "LIST () '/ caf\xe9"},
        {"* SEARCH 99999999999999999999 nilly", "SEARCH 99999999999999999999 nilly"},
    };

    for (const auto &c : cases)
        EXPECT_EQ(parse(c.in), c.out) << c.in;
}

TEST(Response, WhatIsOddIsReadAsFarAsItGoes)
{
    const struct {
        std::string in, out;
    } cases[] = {
        {"* 1 FETCH (FLAGS (\\Seen)", "1 FETCH (FLAGS (\\Seen))"},
        {"* 1 FETCH (UID 3 FLAGS (\\Seen", "1 FETCH (UID #3 FLAGS !)"},
        {"* 1 FETCH (FLAGS ()))", "1 FETCH (FLAGS ())"},
        {"* SEARCH ) 3", "SEARCH #3"},
        {"* 3 FETCH (FLAGS (a(b \\Seen) UID 3)", "3 FETCH (FLAGS (a(b \\Seen) UID #3)"},
        {"* 3 FETCH (FLAGS (a(b) \\Seen) UID 3)", "3 FETCH (FLAGS (a(b) \\Seen) UID #3)"},
        {"* 3 FETCH (FLAGS(a\"b)MODSEQ(12)UID 3)", "3 FETCH (FLAGS (a\"b) MODSEQ (#12) UID #3)"},
        {"* 3 FETCH (BODY[]{3}\r\nabc UID 3)", "3 FETCH (BODY[] ~abc UID #3)"},
        {"* LIST () \"/\" \"abc", "LIST () '/ !"},
        {"* LIST () \"/\" \"abc\\", "LIST () '/ !"},
        {"* LIST () \"/\" \"a \"b c\"", "LIST () '/ 'a \"b c"},
        {"* LIST () \"/\" {x}", "LIST () '/ {x}"},
        {"* LIST () \"/\" {3} x", "LIST () '/ {3} x"},
        {"* LIST () \"/\" {}", "LIST () '/ {}"},
        {"* LIST () \"/\" {+}", "LIST () '/ {+}"},
        {"* LIST () \"/\" a{3}", "LIST () '/ a{3}"},
        {"* LIST () \"/\" a\tb", "LIST () '/ a\tb"},
        {"* 3 FETCH (UID\t3\tFLAGS\t())", "3 FETCH (UID #3 FLAGS ())"},
        {"A1 FETCH done", "A1: BAD FETCH done"},
        {"A1 BYE x", "A1: BAD BYE x"},
        {"* [COPYUID 7 1 2] Done", "OK [COPYUID #7 #1 #2] Done"},
        {"A1 [UIDNEXT 4]", "A1: OK [UIDNEXT #4] "},
        {std::string("\0\0* 1 EXISTS", 12), "1 EXISTS "},
        {"* 3 FETCH (BODYSTRUCTURE ((\"TEXT\" (NIL) UID 3 FLAGS (\\Seen))",
         "3 FETCH (BODYSTRUCTURE ! UID #3 FLAGS (\\Seen))"},
        {"HTTP/1.1 200 OK", "HTTP/1.1: BAD 200 OK"},
    };

    for (const auto &c : cases)
        EXPECT_EQ(parse(c.in), c.out) << c.in;
}

TEST(Response, OnlyWhatCanBeAKeywordIsOne)
{
    const struct {
        std::string flag;
        guint keywords, unkept;
    } cases[] = {
        {"$Junk", 1, 0},
        {"a]b", 1, 0},
        {"caf\xc3\xa9", 1, 0},
        {std::string(255, 'x'), 1, 0},
        {std::string(256, 'x'), 0, 1},
        {"caf\xe9", 0, 1},
        {"\xff\xfe", 0, 1},
        {"a\xc2\x9b"
         "2J",
         0, 1}, /* a terminal's control, C1 */
        {"a\xe2\x80\xae"
         "b",
         0, 1}, /* the other direction */
        {"a\xe2\x80\xa8"
         "b",
         0, 1},                 /* the next line */
        {"\xed\xa0\x80", 0, 1}, /* half a surrogate */
        {"a\x1b[2J", 0, 1},
        {"a%b", 0, 1},
        {"\\Seen", 0, 0},
        {"\\X-Own", 0, 0},
        {"\"\"", 0, 0},
        {"NIL", 0, 0},
        {"()", 0, 0},
    };
    for (const auto &c : cases) {
        Reply reply("* 1 FETCH (UID 1 FLAGS (\\Answered " + c.flag + "))");
        ImapFetchData data;
        ASSERT_TRUE(reply.complete);
        ASSERT_TRUE(imap_fetch_data_parse(reply.get(), &data, nullptr));
        EXPECT_TRUE(data.got & IMAP_GOT_FLAGS) << c.flag;
        EXPECT_EQ(data.n_keywords, c.keywords) << c.flag;
        EXPECT_EQ(data.n_unkept, c.unkept) << c.flag;
    }
}

TEST(Response, WhatHasNoFormIsPassedOver)
{
    for (const std::string &in : {
             std::string(""),
             std::string(" "),
             std::string(")"),
             std::string("*"),
             std::string("* "),
             std::string("a"),
             std::string("* 5"),
             std::string("* -1 EXISTS"),
             std::string("* 99999999999 EXISTS"),
             std::string("* ()"),
         }) {
        Reply reply(in);

        EXPECT_TRUE(reply.unreadable) << in;
        EXPECT_TRUE(g_error_matches(reply.error, IMAP_ERROR, IMAP_ERROR_SYNTAX)) << in;
        /* And the next one is read as if nothing had been. */
        reply.feed("* 1 EXISTS");
        EXPECT_TRUE(reply.complete) << in;
    }
}

TEST(Response, TheLiteralsOfWhatIsPassedOverAreKnown)
{
    ImapResponseLimits limits = {
        .line = 100, .literal = 50, .response = 150, .total = 80, .nodes = 20, .depth = 5};
    Reply reply("* X ((((((( {12}\r\n* 7 EXISTS\r\n a {3}\r\nabc )))))))", limits);

    EXPECT_TRUE(reply.unreadable);
    reply.feed("* 1 EXISTS");
    EXPECT_EQ(describe(reply.get()), "1 EXISTS ");
}

TEST(Response, HoldsTheServerToItsLimits)
{
    ImapResponseLimits limits = {
        .line = 100, .literal = 50, .response = 150, .total = 80, .nodes = 20, .depth = 5};
    std::string fifty(50, 'x'), forty(40, 'x');

    EXPECT_EQ(parse("* X (((())))", limits), "X (((())))");
    for (const std::string &in : {
             std::string("* LIST () \"/\" {99999999999999999999}"),
             "* OK " + std::string(96, 'x'),
             std::string("* X {51}\r\n") + fifty + "x",
             "* X {50}\r\n" + fifty + " {40}\r\n" + forty,
             "* X " + std::string(90, 'x') + " {1}\r\nx" + std::string(90, 'y'),
         }) {
        Reply reply(in, limits);

        EXPECT_FALSE(reply.complete || reply.unreadable) << in;
        EXPECT_TRUE(g_error_matches(reply.error, IMAP_ERROR, IMAP_ERROR_LIMIT)) << in;
    }
    for (const std::string &in : {
             std::string("* X ((((((()))))))"),
             std::string("* X a a a a a a a a a a a a a a a a a a a a a a"),
         })
        EXPECT_TRUE(Reply(in, limits).unreadable) << in;
}

TEST(Response, DeepNestingDoesNotExhaustTheStack)
{
    EXPECT_EQ(parse("* X " + std::string(1000000, '(')).find("ERROR"), 0u);
}

TEST(Response, LiteralsAreHandedOverWithoutACopy)
{
    g_autoptr(ImapResponseParser) parser = imap_response_parser_new(&imap_response_limits_default);
    g_autoptr(GBytes) body = g_bytes_new_take(g_strnfill(100000, 'b'), 100000), got = nullptr;
    const char first[] = "* 7 FETCH (UID 9 BODY[] {100000}", last[] = " FLAGS (\\Seen x))";
    ImapFetchData data;

    ASSERT_EQ(imap_response_line(parser, first, strlen(first), nullptr), IMAP_RESPONSE_LITERAL);
    EXPECT_EQ(imap_response_literal_size(parser), 100000u);
    imap_response_literal(parser, body);
    ASSERT_EQ(imap_response_line(parser, last, strlen(last), nullptr), IMAP_RESPONSE_COMPLETE);
    ASSERT_TRUE(imap_fetch_data_parse(imap_response_get(parser), &data, nullptr));
    EXPECT_EQ(data.uid, 9u);
    EXPECT_EQ(data.system, IMAP_FLAG_SEEN);
    ASSERT_TRUE(imap_fetch_data_section(&data, "", &got));
    EXPECT_EQ(got, body);
}

TEST(Response, ANulInANameMakesItAnother)
{
    Reply reply(std::string("* 1 FETCH (UID\0\0x 5 UID 7)", 26));
    ImapFetchData data;

    EXPECT_FALSE(imap_node_is(imap_node_first(reply.get()->args), "UID"));
    ASSERT_TRUE(imap_fetch_data_parse(reply.get(), &data, nullptr));
    EXPECT_EQ(data.uid, 7u);
}

TEST(Response, NodesGiveTheirText)
{
    Reply reply(std::string("* X NIL abc \"d e\" {3}\r\nf\0g (h)", 30));
    const ImapNode *node = reply.get()->args;
    g_autofree char *nil = imap_node_dup(node, TRUE), *none = imap_node_dup(node, FALSE);

    EXPECT_STREQ(nil, "NIL");
    EXPECT_EQ(none, nullptr);
    EXPECT_FALSE(imap_node_is(node, "NIL"));
    node = imap_node_next(node);
    EXPECT_TRUE(imap_node_is(node, "ABC"));
    EXPECT_FALSE(imap_node_is(node, "AB"));
    EXPECT_FALSE(imap_node_is(node, "ABCD"));
    node = imap_node_next(imap_node_next(node));
    EXPECT_EQ(node->kind, IMAP_NODE_LITERAL);
    EXPECT_EQ(imap_node_dup(node, TRUE), nullptr);
    node = imap_node_next(node);
    EXPECT_EQ(imap_node_dup(node, TRUE), nullptr);
    EXPECT_EQ(imap_node_next(node), nullptr);
}

/* ---- FETCH ------------------------------------------------------------------------------------*/

TEST(FetchData, HasWhatWasThere)
{
    Reply reply(
        "* 12 FETCH (FLAGS (\\Seen \\Recent $Junk \\Unknown NonJunk \\FLAGGED) INTERNALDATE "
        "\"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 4286 UID 4294967295 MODSEQ (65402) "
        "EMAILID (M6d99ac3275bb4e) THREADID NIL X-GM-MSGID 1278455344230334865 X-GM-THRID "
        "12 X-GM-LABELS (\\Inbox \"a b\") ENVELOPE (NIL (NIL)) X-NEW 5)");
    ImapFetchData data;
    std::string keywords;

    ASSERT_TRUE(imap_fetch_data_parse(reply.get(), &data, nullptr));
    EXPECT_EQ(data.sequence, 12u);
    EXPECT_EQ(data.got, (guint)IMAP_GOT_BODY - 1);
    EXPECT_EQ(data.uid, 4294967295u);
    EXPECT_EQ(data.system, IMAP_FLAG_SEEN | IMAP_FLAG_FLAGGED);
    EXPECT_TRUE(data.recent);
    EXPECT_EQ(data.n_keywords, 2u);
    for (const ImapNode *node = imap_fetch_data_keyword(imap_node_first(data.flags));
         node != nullptr; node = imap_fetch_data_keyword(imap_node_next(node)))
        keywords += std::string(node->text) + ";";
    EXPECT_EQ(keywords, "$Junk;NonJunk;");
    EXPECT_EQ(data.date.time, 837596665);
    EXPECT_EQ(data.date.zone, -420);
    EXPECT_EQ(data.size, 4286u);
    EXPECT_EQ(data.modseq, 65402u);
    EXPECT_STREQ(data.emailid->text, "M6d99ac3275bb4e");
    EXPECT_EQ(data.threadid, nullptr);
    EXPECT_EQ(data.gm_msgid, 1278455344230334865u);
    EXPECT_EQ(data.gm_thrid, 12u);
    EXPECT_EQ(data.gm_labels->n_children, 2u);
}

TEST(FetchData, SectionsAreFoundByName)
{
    Reply reply(
        "* 1 FETCH (BODY[] {3}\r\nabc BODY[HEADER.FIELDS (\"Date\" From)] \"x\" BODY[1.2.MIME]"
        "<10> NIL BINARY[3] ~{2}\r\nyz)");
    const struct {
        const char *section, *octets;
    } cases[] = {
        {"", "abc"}, {"header.fields (DATE FROM)", "x"}, {"1.2.MIME", "(nil)"}, {"3", "yz"}};
    ImapFetchData data;
    g_autoptr(GBytes) none = nullptr;

    ASSERT_TRUE(imap_fetch_data_parse(reply.get(), &data, nullptr));
    EXPECT_EQ(data.got, IMAP_GOT_BODY);
    for (const auto &c : cases) {
        g_autoptr(GBytes) octets = nullptr;

        EXPECT_TRUE(imap_fetch_data_section(&data, c.section, &octets)) << c.section;
        std::string text = octets == nullptr
                               ? "(nil)"
                               : std::string((const char *)g_bytes_get_data(octets, nullptr),
                                             g_bytes_get_size(octets));
        EXPECT_EQ(text, c.octets);
    }
    for (const char *section : {"1", "TEXT", "1.2.MIM", "HEADER.FIELDS (DATE)"})
        EXPECT_FALSE(imap_fetch_data_section(&data, section, &none)) << section;
}

TEST(FetchData, ABrokenDateIsAsGoodAsNone)
{
    Reply reply("* 1 FETCH (INTERNALDATE \"today\" UID 3)");
    ImapFetchData data;

    ASSERT_TRUE(imap_fetch_data_parse(reply.get(), &data, nullptr));
    EXPECT_EQ(data.got, IMAP_GOT_UID);
}

TEST(FetchData, IsOneOnlyWithANumberAndAList)
{
    for (const char *in : {"* 1 EXISTS", "* OK x", "* FETCH (UID 1)", "* 0 FETCH (UID 1)",
                           "* 1 FETCH", "* 1 FETCH x"}) {
        Reply reply(in);
        ImapFetchData data;
        g_autoptr(GError) error = nullptr;

        ASSERT_TRUE(reply.complete) << in;
        EXPECT_FALSE(imap_fetch_data_parse(reply.get(), &data, &error)) << in;
        EXPECT_TRUE(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_SYNTAX)) << in;
    }
}

/* What an item can be written like: as it should be, as it is tolerated, and as it can't be read. */
struct Item {
    guint bit;
    const char *name;
    std::vector<std::string> good, bad;
};

const std::vector<Item> grammar = {
    {IMAP_GOT_UID,
     "UID",
     {"7", "\"7\"", "00007"},
     {"0", "-7", "NIL", "()", "4294967296", "7x", "\"\""}},
    {IMAP_GOT_FLAGS,
     "FLAGS",
     {"(\\Seen Work)", "(Work \\Seen)", "(\\Seen a(b Work)", "(\\Seen a\"b Work)",
      "(\\Seen () Work)", "(NIL \\Seen Work {3)", "(  \\SEEN  \\Unknown Work \"\" )",
      "(\\Seen Work \"a b\" a%b c*)", "(\\Seen Work x\x01y \x7f)", "(\\Seen Work (\\Flagged))"},
     {"NIL", "\\Seen", "\"\\\\Seen\"", "7", "()x"}},
    {IMAP_GOT_INTERNALDATE,
     "INTERNALDATE",
     {"\"17-Jul-1996 02:44:25 -0700\"", "\"17-Jul-1996 09:44:25 +0000\""},
     {"NIL", "\"\"", "\"00-Jan-0000 00:00:00 +0000\"", "\"Sat, 07 Nov 2026 10:00:00 +0000\"",
      "\"31-Jun-2026 10:00:00 +0000\"", "\"29-Feb-2026 10:00:00 +0000\"",
      "\"17-Jul-1996 25:00:00 +0000\"", "\"17-Jul-1996\"", "\"17-07-1996 02:44:25 -0700\"", "1469",
      "(\"17-Jul-1996 02:44:25 -0700\")"}},
    {IMAP_GOT_SIZE,
     "RFC822.SIZE",
     {"4286", "\"4286\"", "4.286e+03"},
     {"NIL", "-1", "(4286)", "\"\"", "x", "99999999999999999999999", "1e30"}},
    {IMAP_GOT_MODSEQ,
     "MODSEQ",
     {"(65402)", "65402", "(\"65402\")"},
     {"(-1)", "NIL", "()", "(0)", "(NIL)", "x"}},
    {IMAP_GOT_EMAILID,
     "EMAILID",
     {"(M6d)", "M6d", "(\"M6d\")"},
     {"NIL", "()", "(NIL)", "\"\"", "(\"a b\")"}},
    {IMAP_GOT_THREADID, "THREADID", {"NIL", "(T6)", "T6"}, {"()", "(\"\")"}},
    {IMAP_GOT_GM_MSGID, "X-GM-MSGID", {"1278455344230334865"}, {"NIL", "0", "-5", "()", "x"}},
    {IMAP_GOT_GM_THRID, "X-GM-THRID", {"12"}, {"NIL", "0", "-5", "()", "x"}},
    {IMAP_GOT_GM_LABELS, "X-GM-LABELS", {"(\\Inbox \"a b\" NIL)", "()"}, {"NIL", "x", "7"}},
    {0, "X-UNKNOWN", {}, {"5", "NIL", "(a (b) \"c\")", "\"x\"", "-1", "{5", "a]b[", "\x01"}},
    {0, "BODYSTRUCTURE", {}, {"NIL", "()", "(\"TEXT\" NIL 5)", "((((())))"}},
};

void expect_right(const ImapFetchData &data, guint expected, const std::string &in)
{
    EXPECT_EQ(data.got, expected) << in;
    EXPECT_EQ(data.uid, expected & IMAP_GOT_UID ? 7u : 0) << in;
    EXPECT_EQ(data.size, expected & IMAP_GOT_SIZE ? 4286u : 0) << in;
    EXPECT_EQ(data.modseq, expected & IMAP_GOT_MODSEQ ? 65402u : 0) << in;
    if (expected & IMAP_GOT_FLAGS) {
        EXPECT_EQ(data.system & ~(guint)IMAP_FLAG_FLAGGED, (guint)IMAP_FLAG_SEEN) << in;
        const ImapNode *keyword = imap_fetch_data_keyword(imap_node_first(data.flags));
        ASSERT_NE(keyword, nullptr) << in;
        EXPECT_STREQ(keyword->text, "Work") << in;
        EXPECT_EQ(data.n_keywords, 1u) << in;
    }
    if (expected & IMAP_GOT_INTERNALDATE) {
        EXPECT_EQ(data.date.time, 837596665) << in;
    }
    if (expected & IMAP_GOT_EMAILID) {
        EXPECT_EQ(std::string(data.emailid->text, data.emailid->length), "M6d") << in;
    }
}

/* Every item in every way, between all the others in any order: what is good is read, what isn't is
 * not told, and neither costs another item or the next response. */
TEST(FetchData, AnItemThatCannotBeReadCostsNoOther)
{
    std::mt19937 random(20261128);

    for (int round = 0; round < 20000; round++) {
        std::vector<size_t> order(grammar.size());
        std::string in = "* 3 FETCH (";
        guint expected = 0;
        size_t odd = random() % grammar.size();

        std::iota(order.begin(), order.end(), 0);
        std::shuffle(order.begin(), order.end(), random);
        order.resize(1 + random() % order.size());
        for (size_t i : order) {
            const Item &item = grammar[i];
            bool bad = item.good.empty() || i == odd || random() % 8 == 0;
            const auto &forms = bad ? item.bad : item.good;

            in += std::string(in.back() == '(' ? "" : " ") + item.name + " " +
                  forms[random() % forms.size()];
            expected |= bad ? 0 : item.bit;
        }
        in += random() % 10 == 0 ? "" : ")";
        Reply reply(in);
        ImapFetchData data;

        ASSERT_TRUE(reply.complete) << in;
        ASSERT_TRUE(imap_fetch_data_parse(reply.get(), &data, nullptr)) << in;
        expect_right(data, expected, in);
        reply.feed("* 1 EXISTS");
        EXPECT_TRUE(reply.complete) << in;
        if (testing::Test::HasFailure())
            break;
    }
}

/* A value that is missing altogether costs that item. */
TEST(FetchData, ANameWithoutAValueIsPassedOver)
{
    const struct {
        const char *in;
        guint got;
    } cases[] = {
        {"* 1 FETCH (UID)", 0},
        {"* 1 FETCH (UID 7 FLAGS)", IMAP_GOT_UID},
        {"* 1 FETCH (FLAGS UID 7)", IMAP_GOT_UID},
        {"* 1 FETCH (RFC822.SIZE MODSEQ UID 7)", IMAP_GOT_UID},
        {"* 1 FETCH (\"UID\" 5 UID 7)", IMAP_GOT_UID},
        {"* 1 FETCH (X-NEW UID 7 X-OLD)", IMAP_GOT_UID},
        {"* 1 FETCH (1 2 (3) UID 7 NIL NIL RFC822.SIZE 4286)", IMAP_GOT_UID | IMAP_GOT_SIZE},
        {"* 1 FETCH (BODY[] UID 7)", IMAP_GOT_UID},
        /* Told twice, and once so that it can't be read. */
        {"* 1 FETCH (EMAILID (M6d) UID 7 EMAILID (a", IMAP_GOT_UID | IMAP_GOT_EMAILID},
        {"* 1 FETCH (UID 7 UID 0)", IMAP_GOT_UID},
        {"* 1 FETCH (UID 7 FLAGS ()x)", IMAP_GOT_UID},
        {"* 1 FETCH (FLAGS ()x UID 7)", IMAP_GOT_UID},
        {"* 1 FETCH (UID -1 UID 7 FLAGS (\\Seen) FLAGS NIL)", IMAP_GOT_UID | IMAP_GOT_FLAGS},
        {"* 1 FETCH ()", 0},
    };

    for (const auto &c : cases) {
        Reply reply(c.in);
        ImapFetchData data;

        ASSERT_TRUE(imap_fetch_data_parse(reply.get(), &data, nullptr)) << c.in;
        EXPECT_EQ(data.got, c.got) << c.in;
        EXPECT_EQ(data.uid, c.got & IMAP_GOT_UID ? 7u : 0) << c.in;
        EXPECT_TRUE(!(c.got & IMAP_GOT_EMAILID) || std::string(data.emailid->text) == "M6d");
        EXPECT_EQ(data.system, c.got & IMAP_GOT_FLAGS ? (guint)IMAP_FLAG_SEEN : 0) << c.in;
    }
}

/* ---- the other data ---------------------------------------------------------------------------*/

std::string list(const std::string &in, gboolean utf8 = FALSE)
{
    Reply reply(in);
    g_autoptr(GError) error = nullptr;
    g_autoptr(ImapListData) data = imap_list_data_parse(reply.get(), utf8, &error);
    GString *out;

    if (data == nullptr)
        return "ERROR";
    out = g_string_new(nullptr);
    for (guint bit = 1; bit <= IMAP_ATTR_IMPORTANT; bit <<= 1)
        if ((data->attributes & bit) != 0)
            g_string_append_printf(out, "%s ", imap_list_attr_name(bit));
    g_string_append_printf(out, "%c %s=%s", data->delimiter != '\0' ? data->delimiter : '0',
                           data->wire, data->name);
    if (data->old_name != nullptr)
        g_string_append_printf(out, " was %s", data->old_name);
    g_string_append(out, data->child_subscribed ? " child" : "");
    return take(out);
}

TEST(ListData, IsRead)
{
    const struct {
        const char *in, *out;
    } cases[] = {
        {"* LIST (\\Noselect) \"/\" ~/Mail/foo", "\\Noselect / ~/Mail/foo=~/Mail/foo"},
        {"* LSUB () \".\" #news.comp.mail.misc", ". #news.comp.mail.misc=#news.comp.mail.misc"},
        {"* LIST () NIL inbox", "0 inbox=INBOX"},
        {"* LIST () \"\" x", "0 x=x"},
        {"* LIST () \"/\" Entw&APw-rfe", "/ Entw&APw-rfe=Entwürfe"},
        {"* LIST (\\HasNoChildren \\Sent \\Foo) \"\\\\\" \"a\\\\b\"",
         "\\HasNoChildren \\Sent \\ a\\b=a\\b"},
        {"* LIST () \"/\" 2024", "/ 2024=2024"},
        {"* LIST () \"/\" NIL", "/ NIL=NIL"},
        {"* LIST () \"/\" {3}\r\na b", "/ a b=a b"},
        {"* XLIST (\\Inbox \\Spam) \"/\" \"[Gmail]/Spam\"", "\\Junk / [Gmail]/Spam=[Gmail]/Spam"},
        /* Names that a server forgot to quote, and what isn't a list or a delimiter. */
        {"* LIST (\\HasNoChildren) \"/\" a\tb", "\\HasNoChildren / a\tb=a\xEF\x9C\x89"
                                                "b"},
        {"* LIST () \"/\" a  b 3 NIL\x01", "/ a  b 3 NIL\x01=a  b 3 NIL\xEF\x9C\x81"},
        {"* LIST () \"/\" a b (\"OLDNAME\" (c))", "/ a b=a b was c"},
        {"* LIST (\\Noselect {3} (\\Sent) \\Trash) / y", "\\Noselect \\Trash / y=y"},
        {"* LIST NIL \"/\" y", "/ y=y"},
        {"* LIST x \"/\" y", "/ y=y"},
        {"* LIST () \"//\" x", "0 x=x"},
        {"* LIST () . x", ". x=x"},
        {"* LIST () \"\" \"a\\\"b\"", "0 a\"b=a\"b"},
        /* RFC 5258, 5 */
        {"* LIST () \"/\" \"Foo\" (\"CHILDINFO\" (\"SUBSCRIBED\"))", "/ Foo=Foo child"},
        {"* LIST (\\Subscribed) \"/\" Foo (CHILDINFO (SUBSCRIBED) TABLECLOTH ((\"A\" B)))",
         "\\Subscribed / Foo=Foo child"},
        /* RFC 9051, 7.3.1 */
        {"* LIST () \"/\" New (\"OLDNAME\" (\"Entw&APw-rfe\"))", "/ New=New was Entwürfe"},
    };

    for (const auto &c : cases)
        EXPECT_EQ(list(c.in), c.out) << c.in;
    EXPECT_EQ(list(std::string("* LIST () \"/\" a\0b c", 20)), "ERROR");
    EXPECT_EQ(list("* LIST () \"/\" \"Entwürfe &-\"", TRUE), "/ Entwürfe &-=Entwürfe &-");
    for (const char *in : {"* STATUS x ()", "* LIST", "* LIST ()", "* LIST () \"/\"",
                           "* LIST () \"/\" (x)", "* LIST () \"/\" \"x", "* LIST () \"/\" {1}\r\n"})
        EXPECT_EQ(list(std::string(in) + std::string(in[strlen(in) - 1] == '\n' ? 1 : 0, '\0')),
                  "ERROR")
            << in;
}

TEST(StatusData, IsRead)
{
    Reply reply(
        "* STATUS \"a b\" (MESSAGES 231 RECENT 1 UIDNEXT 44292 UIDVALIDITY 7 UNSEEN 3 DELETED 2 "
        "SIZE 5000000000 HIGHESTMODSEQ 9007199254740991 MAILBOXID (F2212ea87) APPENDLIMIT "
        "NIL DELETED-STORAGE 8 X-NEW (1))");
    g_autoptr(ImapStatusData) data = imap_status_data_parse(reply.get(), FALSE, nullptr);

    ASSERT_NE(data, nullptr);
    EXPECT_STREQ(data->name, "a b");
    EXPECT_EQ(data->items, IMAP_STATUS_ALL);
    EXPECT_EQ(data->messages, 231u);
    EXPECT_EQ(data->recent, 1u);
    EXPECT_EQ(data->uidnext, 44292u);
    EXPECT_EQ(data->uidvalidity, 7u);
    EXPECT_EQ(data->unseen, 3u);
    EXPECT_EQ(data->deleted, 2u);
    EXPECT_EQ(data->size, 5000000000u);
    EXPECT_EQ(data->highestmodseq, 9007199254740991u);
    EXPECT_STREQ(data->mailboxid, "F2212ea87");
    EXPECT_EQ(data->appendlimit, G_MAXUINT64);
    EXPECT_EQ(data->deleted_storage, 8u);
    for (const char *in : {"* STATUS", "* STATUS x", "* STATUS x y", "* STATUS (x) (MESSAGES 1)",
                           "* STATUS \"x (MESSAGES 1)", "* 1 EXISTS"}) {
        Reply bad(in);

        EXPECT_EQ(imap_status_data_parse(bad.get(), FALSE, nullptr), nullptr) << in;
    }
}

TEST(StatusData, ANumberThatCannotBeOneCountsAsNotTold)
{
    const char *const odd[] = {
        "-1",  "4294967296", "1732789200000", "NIL", "()",
        "(5)", "x",          "\"\"",          "5x",  "99999999999999999999999"};

    for (const char *value : odd) {
        std::string in = std::string("* STATUS a\tb c (UIDVALIDITY ") + value +
                         " MESSAGES 3 UIDNEXT " + value + " X-NEW " + value + " UNSEEN 2)";
        Reply reply(in);
        g_autoptr(ImapStatusData) data = imap_status_data_parse(reply.get(), FALSE, nullptr);

        ASSERT_NE(data, nullptr) << in;
        EXPECT_STREQ(data->wire, "a\tb c");
        EXPECT_EQ(data->items, (guint)(IMAP_STATUS_MESSAGES | IMAP_STATUS_UNSEEN)) << in;
        EXPECT_EQ(data->messages, 3u);
        EXPECT_EQ(data->unseen, 2u);
        EXPECT_EQ(data->uidnext, 0u);
    }
    for (const char *in : {"* STATUS x (MESSAGES)", "* STATUS x (MESSAGES UIDNEXT)",
                           "* STATUS x (MAILBOXID 5)", "* STATUS x (1 2 3)", "* STATUS x ()"}) {
        Reply reply(in);
        g_autoptr(ImapStatusData) data = imap_status_data_parse(reply.get(), FALSE, nullptr);

        ASSERT_NE(data, nullptr) << in;
        EXPECT_EQ(data->items, 0u) << in;
    }
}

/* RFC 8474, 4: one is kept of each mailbox, so it can't be as long as the server likes. */
TEST(Status, MailboxIdsAreBounded)
{
    for (size_t length : {1, 255, 256, 100000}) {
        std::string name(length, 'F');
        std::string told = "* STATUS x (MAILBOXID (" + name + ") MESSAGES 3)";
        std::string selected = "a OK [MAILBOXID (" + name + ")] x";
        Reply status(told), code(selected);
        g_autoptr(ImapStatusData) data = imap_status_data_parse(status.get(), FALSE, nullptr);
        g_autofree char *id = imap_code_mailboxid(code.get());

        ASSERT_NE(data, nullptr);
        EXPECT_EQ(data->messages, 3u) << length;
        EXPECT_EQ(data->mailboxid != nullptr, length <= 255) << length;
        EXPECT_EQ(id != nullptr, length <= 255) << length;
    }
}

/* RFC 4314, 3.8 */
TEST(MyRights, AreRead)
{
    Reply reply("* MYRIGHTS \"Entw&APw-rfe\" lr");
    Reply empty("* MYRIGHTS INBOX \"\"");
    Reply nil("* MYRIGHTS INBOX nil");
    for (auto [in, name, letters] :
         {std::tuple{&reply, "Entwürfe", "lr"}, {&empty, "INBOX", ""}, {&nil, "INBOX", "nil"}}) {
        g_autofree char *rights = nullptr;
        g_autofree char *mailbox = imap_myrights_parse(in->get(), FALSE, &rights, nullptr);
        EXPECT_STREQ(mailbox, name);
        EXPECT_STREQ(rights, letters);
    }
    for (const char *in :
         {"* MYRIGHTS", "* MYRIGHTS x", "* MYRIGHTS x (lr)", "* MYRIGHTS (x) lr", "* LIST x lr"}) {
        Reply bad(in);
        char *rights = nullptr;

        EXPECT_EQ(imap_myrights_parse(bad.get(), FALSE, &rights, nullptr), nullptr) << in;
        EXPECT_EQ(rights, nullptr);
    }
}

std::string format(const ImapSet *set)
{
    GString *out = g_string_new(nullptr);

    imap_set_format(set, out);
    return take(out);
}

std::string search(const std::string &in)
{
    Reply reply(in);
    g_autoptr(ImapSearchData) data = imap_search_data_parse(reply.get(), nullptr);
    GString *out;

    if (data == nullptr)
        return "ERROR";
    out = g_string_new(format(data->all).c_str());
    if (data->tag != nullptr)
        g_string_append_printf(out, " tag %s", data->tag);
    g_string_append(out, data->uid ? " uid" : "");
    if (data->has_count)
        g_string_append_printf(out, " count %u", data->count);
    g_string_append_printf(out, " %u..%u modseq %" G_GUINT64_FORMAT, data->min, data->max,
                           data->modseq);
    return take(out);
}

TEST(SearchData, IsRead)
{
    const struct {
        const char *in, *out;
    } cases[] = {
        {"* SEARCH", " 0..0 modseq 0"},
        {"* SEARCH 2 3 6", "2:3,6 0..0 modseq 0"},
        /* RFC 7162, 3.1.5 */
        {"* SEARCH 2 5 6 7 11 12 18 19 20 23 (MODSEQ 917162500)",
         "2,5:7,11:12,18:20,23 0..0 modseq 917162500"},
        /* RFC 4731, 3.1 and 3.2 */
        {"* ESEARCH (TAG \"A282\") MIN 2 COUNT 3", " tag A282 count 3 2..0 modseq 0"},
        {"* ESEARCH (TAG \"A285\") UID MIN 7 MAX 3800", " tag A285 uid 7..3800 modseq 0"},
        {"* ESEARCH (TAG \"a\") ALL 1:17,21 MODSEQ 1236", "1:17,21 tag a 0..0 modseq 1236"},
        {"* ESEARCH (TAG \"a\")", " tag a 0..0 modseq 0"},
        {"* ESEARCH", " 0..0 modseq 0"},
        {"* ESEARCH (TAG \"a\") COUNT 0", " tag a count 0 0..0 modseq 0"},
        /* RFC 9394, 3.1 */
        {"* ESEARCH (TAG \"A01\") UID PARTIAL (-1:-100 200:250,252:300)",
         "200:250,252:300 tag A01 uid 0..0 modseq 0"},
        {"* ESEARCH (TAG \"A02\") UID PARTIAL (23500:24000 NIL)", " tag A02 uid 0..0 modseq 0"},
        /* RFC 7377, 2.1 */
        {"* ESEARCH (TAG \"tag1\" MAILBOX \"folder1\" UIDVALIDITY 1) UID ALL 4001,4003",
         "4001,4003 tag tag1 uid 0..0 modseq 0"},
        {"* ESEARCH ALL 5 X-NEW (1 2)", "5 0..0 modseq 0"},
    };

    for (const auto &c : cases)
        EXPECT_EQ(search(c.in), c.out) << c.in;
    for (const char *in :
         {"* SEARCH x", "* SEARCH 4294967296", "* SEARCH (2)", "* SEARCH (MODSEQ)", "* ESEARCH ALL",
          "* ESEARCH ALL 1:*", "* ESEARCH ALL ()", "* ESEARCH MIN x", "* ESEARCH PARTIAL (1:2)",
          "* ESEARCH UID ALL", "* 1 EXISTS"})
        EXPECT_EQ(search(in), "ERROR") << in;
}

TEST(VanishedData, IsRead)
{
    const struct {
        const char *in, *out;
        gboolean earlier;
    } cases[] = {
        {"* VANISHED (EARLIER) 41,43:116,118", "41,43:116,118", TRUE},
        {"* VANISHED 405,407,410,425", "405,407,410,425", FALSE},
        {"* VANISHED 5", "5", FALSE},
    };
    gboolean earlier;

    for (const auto &c : cases) {
        Reply reply(c.in);
        g_autoptr(ImapSet) set = imap_vanished_parse(reply.get(), &earlier, nullptr);

        ASSERT_NE(set, nullptr) << c.in;
        EXPECT_EQ(format(set), c.out);
        EXPECT_EQ(earlier, c.earlier);
    }
    for (const char *in : {"* VANISHED", "* VANISHED (EARLIER)", "* VANISHED (LATER) 5",
                           "* VANISHED 1:*", "* VANISHED x", "* 1 EXISTS"}) {
        Reply reply(in);
        g_autoptr(GError) error = nullptr;

        EXPECT_EQ(imap_vanished_parse(reply.get(), &earlier, &error), nullptr) << in;
        EXPECT_NE(error, nullptr);
    }
}

TEST(Words, AreCapabilities)
{
    Reply reply("* CAPABILITY IMAP4rev1 starttls AUTH=PLAIN"),
        code("a OK [CAPABILITY IMAP4rev2] x");
    g_auto(GStrv) words = imap_words_parse(reply.get()->args);
    g_auto(GStrv) more = imap_words_parse(code.get()->code_args);

    EXPECT_TRUE(imap_words_have(words, "STARTTLS"));
    EXPECT_TRUE(imap_words_have(words, "auth=plain"));
    EXPECT_FALSE(imap_words_have(words, "IDLE"));
    EXPECT_STREQ(more[0], "IMAP4REV2");
    EXPECT_FALSE(imap_words_have(nullptr, "IDLE"));
}

TEST(NamespaceData, IsRead)
{
    /* RFC 2342, 5 */
    Reply reply(
        "* NAMESPACE ((\"\" \"/\")(\"#mh/\" \"/\" \"X-PARAM\" (\"FLAG1\"))) NIL ((\"a&-b\" NIL))");
    g_autoptr(ImapNamespaceData) data = imap_namespace_data_parse(reply.get(), FALSE, nullptr);

    ASSERT_NE(data, nullptr);
    ASSERT_EQ(data->personal->len, 2u);
    EXPECT_STREQ(((ImapNamespace *)data->personal->pdata[1])->prefix, "#mh/");
    EXPECT_EQ(((ImapNamespace *)data->personal->pdata[1])->delimiter, '/');
    EXPECT_EQ(data->others->len, 0u);
    EXPECT_STREQ(((ImapNamespace *)data->shared->pdata[0])->prefix, "a&b");
    EXPECT_EQ(((ImapNamespace *)data->shared->pdata[0])->delimiter, '\0');
    /* What can't be read of it is left out. */
    for (const char *in : {"* NAMESPACE NIL NIL", "* NAMESPACE x ((\"#\" \"/\")) NIL",
                           "* NAMESPACE ((NIL \"/\")) NIL (((\"\")))"}) {
        Reply odd(in);
        g_autoptr(ImapNamespaceData) none = imap_namespace_data_parse(odd.get(), FALSE, nullptr);

        ASSERT_NE(none, nullptr) << in;
        EXPECT_EQ(none->personal->len + none->shared->len, 0u) << in;
    }
    EXPECT_EQ(imap_namespace_data_parse(Reply("* NAMESPACE").get(), FALSE, nullptr), nullptr);
}

TEST(Codes, AreRead)
{
    Reply next("* OK [UIDNEXT 4392] next"), nomodseq("* OK [NOMODSEQ] none"),
        id("a OK [MAILBOXID (F2212ea87)] x"), flags("* OK [PERMANENTFLAGS (\\Seen \\* $a \\x)] x");
    guint64 number;
    g_autofree char *mailboxid = imap_code_mailboxid(id.get());
    g_autoptr(ImapFlags) permanent = imap_flags_from_node(flags.get()->code_args, nullptr);

    ASSERT_TRUE(imap_code_number(next.get(), &number));
    EXPECT_EQ(number, 4392u);
    EXPECT_FALSE(imap_code_number(nomodseq.get(), &number));
    EXPECT_STREQ(mailboxid, "F2212ea87");
    EXPECT_EQ(imap_code_mailboxid(next.get()), nullptr);
    EXPECT_EQ(permanent->system, IMAP_FLAG_SEEN);
    EXPECT_TRUE(permanent->any);
    EXPECT_EQ(permanent->keywords->len, 1u);
}

TEST(Codes, UidPlusPairsSourceAndTarget)
{
    Reply copy("a OK [COPYUID 38505 320,304:305 3956,3958:3957] Done"),
        append("a OK [APPENDUID 38505 3955] Done");
    g_autoptr(ImapUidPlus) uids = imap_code_uidplus(copy.get(), nullptr);
    g_autoptr(ImapUidPlus) one = imap_code_uidplus(append.get(), nullptr);
    ImapSequenceIter source, target;
    std::string pairs;
    guint32 a, b;

    ASSERT_NE(uids, nullptr);
    imap_sequence_iter_init(&source, uids->source);
    imap_sequence_iter_init(&target, uids->target);
    while (imap_sequence_iter_next(&source, &a) && imap_sequence_iter_next(&target, &b))
        pairs += std::to_string(a) + ">" + std::to_string(b) + " ";
    EXPECT_EQ(pairs, "320>3956 304>3957 305>3958 ");
    ASSERT_NE(one, nullptr);
    EXPECT_EQ(one->uidvalidity, 38505u);
    EXPECT_EQ(one->source, nullptr);
    for (const char *in :
         {"a OK [COPYUID 1 1:2 3] x", "a OK [COPYUID 1 1:* 3:4] x", "a OK [COPYUID 1 5] x",
          "a OK [COPYUID 1] x", "a OK [APPENDUID] x", "a OK [APPENDUID x 1] x",
          "a OK [APPENDUID 1 *] x", "a OK x", "a OK [UIDNEXT 1] x"}) {
        Reply bad(in);

        EXPECT_EQ(imap_code_uidplus(bad.get(), nullptr), nullptr) << in;
    }
}

/* ---- speed ------------------------------------------------------------------------------------*/

TEST(Response, ReadsAHundredThousandFlagsInNoTime)
{
    g_autoptr(ImapResponseParser) parser = imap_response_parser_new(&imap_response_limits_default);
    auto start = std::chrono::steady_clock::now();
    guint64 sum = 0;

    for (guint i = 1; i <= 100000; i++) {
        char line[100];
        int length = g_snprintf(line, sizeof line,
                                "* %u FETCH (UID %u FLAGS (\\Seen $Forwarded) MODSEQ (%u))", i,
                                i + 7, i + 900);
        ImapFetchData data;

        ASSERT_EQ(imap_response_line(parser, line, length, nullptr), IMAP_RESPONSE_COMPLETE);
        ASSERT_TRUE(imap_fetch_data_parse(imap_response_get(parser), &data, nullptr));
        sum += data.uid;
    }
    auto took = std::chrono::duration<double>(std::chrono::steady_clock::now() - start);
    EXPECT_EQ(sum, 5000750000u);
    RecordProperty("milliseconds", (int)(took.count() * 1000));
    printf("100,000 FETCH lines, made and read: %.0f ms\n", took.count() * 1000);
}

} // namespace
