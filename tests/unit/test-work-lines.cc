/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What clients and servers say is no more work than its length allows, as is mail (test-work.cc): many
 * ways to write a request, an answer or a value that is all of one kind, read at three sizes, and their
 * steps counted (steps.h). Twice the length may take twice the steps. */
#include "steps.h"

extern "C" {
#include "daemon/proto/imap/acl-args.h"
#include "daemon/proto/imap/assembler.h"
#include "daemon/proto/imap/date.h"
#include "daemon/proto/imap/fetch-args.h"
#include "daemon/proto/imap/list-args.h"
#include "daemon/proto/imap/mailbox-name.h"
#include "daemon/proto/imap/metadata-args.h"
#include "daemon/proto/imap/notify-args.h"
#include "daemon/proto/imap/quote.h"
#include "daemon/proto/imap/response-data.h"
#include "daemon/proto/imap/response-fetch.h"
#include "daemon/proto/imap/search-args.h"
#include "daemon/proto/imap/select-args.h"
#include "daemon/proto/imap/sort-args.h"
#include "daemon/proto/imap/status-args.h"
#include "daemon/proto/imap/store-args.h"
#include "daemon/proto/imap/url.h"
#include "daemon/proto/imap/urlauth-args.h"
#include "daemon/proto/mime/bodystructure-told.h"
#include "daemon/proto/pop3/answer.h"
#include "daemon/proto/pop3/text.h"
#include "daemon/proto/sasl/base64.h"
#include "daemon/proto/sasl/scram.h"
#include "daemon/proto/smtp/data.h"
#include "daemon/proto/smtp/path.h"
#include "daemon/proto/smtp/reply.h"
}

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

using std::string;
using std::vector;

namespace
{

constexpr size_t SMALL = 4096;
constexpr double GROWTH = 2.35;
constexpr guint64 GROUND = 40000;
constexpr guint64 STEPS_PER_BYTE = 2500;

/* unit again and again; "%d" in it is counted up. */
string repeated(const string &unit, size_t size)
{
    size_t number = unit.find("%d");
    string text;

    for (unsigned i = 1; text.size() < size; i++)
        text += number == string::npos
                    ? unit
                    : unit.substr(0, number) + std::to_string(i) + unit.substr(number + 2);
    return text;
}

/* A line: what begins it, what is repeated, and what ends it. */
struct Line {
    string start, unit, end;
};

string write(const Line &line, size_t size)
{
    return line.start + repeated(line.unit, size) + line.end;
}

string shown(const Line &line)
{
    g_autofree char *text =
        g_strescape((line.start + "…" + line.unit + "…" + line.end).c_str(), "");
    return text;
}

/* ---- IMAP clients ---------------------------------------------------------------------------- */

template <auto parse, auto release> void parse_args(ImapLexer *lexer)
{
    if (auto args = parse(lexer, nullptr))
        release(args);
}

void parse_acl(ImapLexer *lexer)
{
    g_free(imap_acl_args_parse(lexer, IMAP_ACL_IDENTIFIER_AND_RIGHTS, nullptr));
}

void parse_list(ImapLexer *lexer)
{
    g_autoptr(ImapListArgs) args = imap_list_args_parse(lexer, nullptr);

    /* What is done for each mailbox. */
    for (guint i = 0; args && i < args->patterns->len; i++)
        imap_name_matches((const char *)args->patterns->pdata[i], "Lists/One of them", '/');
}

void parse_search(ImapLexer *lexer)
{
    g_autoptr(ImapSearchArgs) args = imap_search_args_parse(lexer, nullptr);
}

void parse_fetch(ImapLexer *lexer)
{
    g_autoptr(ImapFetchArgs) args = imap_fetch_args_parse(lexer, nullptr);

    if (!args)
        return;
    g_autoptr(ImapSet) set = imap_sequence_set_resolve(args->set, 1000);
    for (guint i = 0; i < args->items->len; i++) {
        g_autoptr(GString) name = g_string_new(nullptr);

        imap_fetch_item_format(&g_array_index(args->items, ImapFetchItem, i), name);
    }
}

void parse_words(ImapLexer *lexer)
{
    while (imap_lexer_more(lexer)) {
        g_autofree char *text = imap_lexer_astring(lexer, "a string", nullptr);

        if (!text)
            return;
    }
}

void parse_genurlauth(ImapLexer *lexer)
{
    g_autoptr(GPtrArray) words = imap_genurlauth_args_parse(lexer, nullptr);

    for (guint i = 0; words && i < words->len; i += 2)
        if (ImapUrl *url = imap_url_parse((const char *)words->pdata[i], nullptr))
            imap_url_free(url);
}

const std::map<string, void (*)(ImapLexer *)> PARSERS{
    {"FETCH", parse_fetch},
    {"STORE", parse_args<imap_store_args_parse, imap_store_args_free>},
    {"SEARCH", parse_search},
    {"SORT", parse_args<imap_sort_args_parse, imap_sort_args_free>},
    {"THREAD", parse_args<imap_thread_args_parse, imap_thread_args_free>},
    {"LIST", parse_list},
    {"LSUB", parse_args<imap_lsub_args_parse, imap_list_args_free>},
    {"SELECT", parse_args<imap_select_args_parse, imap_select_args_free>},
    {"STATUS", parse_args<imap_status_args_parse, imap_status_args_free>},
    {"NOTIFY", parse_args<imap_notify_args_parse, imap_notify_args_free>},
    {"GETMETADATA", parse_args<imap_getmetadata_args_parse, imap_getmetadata_args_free>},
    {"SETMETADATA", parse_args<imap_setmetadata_args_parse, imap_setmetadata_args_free>},
    {"GENURLAUTH", parse_genurlauth},
    {"SETACL", parse_acl},
};

/* All that a client sends, as a session reads it. */
void read_commands(const string &text)
{
    g_autoptr(ImapAssembler) assembler = imap_assembler_new(&imap_limits_default, G_MAXUINT64);
    const char *at = text.data(), *end = at + text.size();

    while (at < end) {
        auto *eol = (const char *)memchr(at, '\n', (size_t)(end - at));
        const char *stop = eol ? eol : end;
        gsize length = (gsize)(stop - at) - (stop > at && stop[-1] == '\r');
        ImapFeed feed = imap_assembler_line(assembler, at, length);
        at = eol ? eol + 1 : end;
        if (feed == IMAP_FEED_LITERAL || feed == IMAP_FEED_MESSAGE || feed == IMAP_FEED_DISCARD) {
            gsize size = MIN(imap_assembler_literal(assembler)->size, (gsize)(end - at));
            g_autoptr(GBytes) octets = g_bytes_new(at, size);
            at += size;
            if (feed == IMAP_FEED_LITERAL)
                imap_assembler_literal_data(assembler, octets);
            else if (feed == IMAP_FEED_MESSAGE)
                imap_assembler_literal_streamed(assembler);
            continue;
        }
        if (feed == IMAP_FEED_COMPLETE && !imap_assembler_append(assembler)) {
            ImapLexer lexer;
            auto parser = PARSERS.find(imap_assembler_command(assembler)->name);
            imap_lexer_init(&lexer, imap_assembler_command(assembler), &imap_limits_default, 0);
            (parser == PARSERS.end() ? parse_words : parser->second)(&lexer);
        }
        imap_assembler_reset(assembler);
    }
}

vector<Line> commands()
{
    vector<Line> lines;

    for (const char *start : {"a FETCH 1 ",
                              "a FETCH 1 (",
                              "a FETCH 1 BODY[HEADER.FIELDS (",
                              "a STORE 1 FLAGS (",
                              "a UID SEARCH ",
                              "a SEARCH (",
                              "a SORT (DATE) UTF-8 ",
                              "a THREAD REFS UTF-8 ",
                              "a LIST \"\" (",
                              "a LIST \"\" \"",
                              "a LSUB \"\" \"",
                              "a SELECT INBOX (",
                              "a STATUS INBOX (",
                              "a NOTIFY SET (",
                              "a GETMETADATA INBOX (",
                              "a SETMETADATA INBOX (",
                              "a GENURLAUTH \"imap://a/b;UID=",
                              "a SETACL INBOX a ",
                              "a APPEND INBOX (",
                              "a APPEND INBOX CATENATE (",
                              "a ID (",
                              "a LOGIN ",
                              "a ENABLE ",
                              "a"})
        for (const char *unit : {"a",
                                 " ",
                                 "a ",
                                 "(",
                                 ")",
                                 "()",
                                 "(a) ",
                                 "\"",
                                 "\"\" ",
                                 "\"a\" ",
                                 "\\",
                                 "\\\\",
                                 "\\Seen ",
                                 "\\\" ",
                                 "{",
                                 "}",
                                 "{1",
                                 "{1+}\r\nx ",
                                 "{0+}\r\n ",
                                 "~{1+}\r\nx ",
                                 "%",
                                 "*",
                                 "%*",
                                 "%a",
                                 "1",
                                 "1,",
                                 "1:2,",
                                 "%d,",
                                 "%d:%d,",
                                 "*:1,",
                                 "$",
                                 "[",
                                 "]",
                                 "BODY[1] ",
                                 "BODY[1.",
                                 "1.",
                                 "BODY[]<1.1> ",
                                 "NOT ",
                                 "OR ",
                                 "OR ALL ",
                                 "NOT (",
                                 "(OR ALL ",
                                 "ALL ",
                                 "TEXT a ",
                                 "KEYWORD a ",
                                 "HEADER a b ",
                                 "UID 1:* ",
                                 "FUZZY ",
                                 "/a ",
                                 "/a NIL ",
                                 "&",
                                 "&-",
                                 "&AGE-",
                                 "%41",
                                 "/",
                                 ";",
                                 "\xc3\xa9",
                                 "\xff",
                                 "\t",
                                 "(PERSONAL (MessageNew)) ",
                                 "TEXT {1+}\r\nx",
                                 "URL \"/\" ",
                                 "SINCE 1-Jan-2000 ",
                                 "a%d "})
            lines.push_back({start, unit, "\r\n"});
    for (const char *unit :
         {"a NOOP\r\n", "\r\n", "a\r\n", "*\r\n", "a FETCH 1 FLAGS\r\n", "a {1+}\r\nx\r\n",
          "{1+}\r\n", "a APPEND b {1+}\r\nx\r\n", "a SEARCH {99+}\r\n", "a X {99999999+}\r\n"})
        lines.push_back({"", unit, ""});
    return lines;
}

/* ---- IMAP servers ---------------------------------------------------------------------------- */

void use(const ImapResponse *response)
{
    ImapFetchData data;
    gboolean earlier;
    g_autoptr(ImapListData) list = imap_list_data_parse(response, FALSE, nullptr);
    g_autoptr(ImapStatusData) status = imap_status_data_parse(response, FALSE, nullptr);
    g_autoptr(ImapSearchData) search = imap_search_data_parse(response, nullptr);
    g_autoptr(ImapNamespaceData) spaces = imap_namespace_data_parse(response, FALSE, nullptr);
    g_autoptr(ImapSet) vanished = imap_vanished_parse(response, &earlier, nullptr);
    g_autoptr(ImapFlags) flags = imap_flags_from_node(response->args, nullptr);
    g_auto(GStrv) words = imap_words_parse(response->args);

    const ImapNode *structure = imap_fetch_data_parse(response, &data, nullptr)
                                    ? imap_fetch_data_value(&data, "BODYSTRUCTURE")
                                    : nullptr;
    if (structure)
        g_bytes_unref(mime_bodystructure_told(structure));
}

void use_code(const ImapResponse *response)
{
    g_autoptr(ImapUidPlus) uids = imap_code_uidplus(response, nullptr);
    g_autoptr(ImapFlags) flags = imap_flags_from_node(response->code_args, nullptr);
    g_auto(GStrv) words = imap_words_parse(response->code_args);
}

void read_responses(const string &text)
{
    g_autoptr(ImapResponseParser) parser = imap_response_parser_new(&imap_response_limits_default);
    const char *at = text.data(), *end = at + text.size();

    while (at < end) {
        auto *eol = (const char *)memchr(at, '\n', (size_t)(end - at));
        gsize length = (gsize)((eol ? eol : end) - at);
        ImapResponseFeed feed = imap_response_line(parser, at, length, nullptr);
        at = eol ? eol + 1 : end;
        if (feed == IMAP_RESPONSE_COMPLETE && imap_response_get(parser)->name)
            use(imap_response_get(parser));
        else if (feed == IMAP_RESPONSE_COMPLETE)
            use_code(imap_response_get(parser));
        if (feed == IMAP_RESPONSE_ERROR)
            return;
        if (feed != IMAP_RESPONSE_LITERAL)
            continue;
        gsize size = MIN(imap_response_literal_size(parser), (gsize)(end - at));
        g_autoptr(GBytes) octets = g_bytes_new(at, size);
        at += size;
        imap_response_literal(parser, octets);
    }
}

vector<Line> responses()
{
    vector<Line> lines;

    for (const char *start :
         {"* ",
          "* OK ",
          "* OK [",
          "* OK [COPYUID 1 ",
          "* 1 FETCH (",
          "* 1 FETCH (FLAGS (",
          "* 1 FETCH (BODYSTRUCTURE (",
          "* 1 FETCH (BODYSTRUCTURE (text plain (",
          "* 1 FETCH (BODYSTRUCTURE (text plain NIL \"",
          "* 1 FETCH (BODYSTRUCTURE (text plain NIL NIL NIL 7bit 1 1 ",
          "* 1 FETCH (BODYSTRUCTURE (message rfc822 NIL NIL NIL 7bit 1 (NIL NIL (",
          "* LIST () \"/\" ",
          "* LIST (",
          "* STATUS a (",
          "* SEARCH ",
          "* ESEARCH ",
          "* VANISHED ",
          "* FLAGS (",
          "* NAMESPACE ",
          "* CAPABILITY ",
          "* QUOTA \"\" (",
          "* ID (",
          "* ENABLED ",
          "a OK ",
          "+ "})
        for (const char *unit : {"a",         " ",           "a ",
                                 "(",         ")",           "()",
                                 "(a) ",      "((",          "\"",
                                 "\"\" ",     "\"a",         "\\",
                                 "\\\\",      "\\a ",        "\\\"",
                                 "{1}\r\nx",  "{0}\r\n ",    "~{1}\r\nx ",
                                 "{",         "[",           "]",
                                 "[a] ",      "1 ",          "1,",
                                 "1:2,",      "%d,",         "%d:%d,",
                                 "%d ",       "NIL ",        "FLAGS ",
                                 "FLAGS () ", "UID 1 ",      "BODY[] \"\" ",
                                 "BODY[",     "MESSAGES 1 ", "ALL 1 ",
                                 "a%d ",      "a%d b ",      "((\"\" \"/\")) ",
                                 "\xff",      "\xc3\xa9",    "&",
                                 "&-",        "%",           "\t",
                                 "*"})
            lines.push_back({start, unit, "\r\n"});
    for (const char *unit : {"* OK\r\n", "\r\n", "*\r\n", "* 1 EXISTS\r\n", "* 1 FETCH (UID 1)\r\n",
                             "+\r\n", "x\r\n", "* LIST () NIL a\r\n", "* X {1}\r\nx\r\n"})
        lines.push_back({"", unit, ""});
    return lines;
}

/* ---- SMTP, POP3, SASL ------------------------------------------------------------------------ */

void read_path(const string &text)
{
    g_auto(SmtpPath) path = {};
    const char *problem;

    smtp_path_parse(text.c_str(), "FROM:", &path, &problem);
    for (guint i = 0; path.parameters && i < path.parameters->len; i++) {
        const char *value = g_array_index(path.parameters, SmtpParameter, i).value;
        if (value)
            (void)(smtp_is_xtext(value, 1 << 20) | smtp_is_notify(value) | smtp_is_orcpt(value));
    }
}

void read_data(const string &text)
{
    SmtpDataReader reader = {};
    SmtpDataWriter writer = {};
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GByteArray) wire = g_byte_array_new();

    for (size_t at = 0; at < text.size() && !reader.done;)
        at += smtp_data_read(&reader, text.data() + at, MIN(1000, text.size() - at), out);
    smtp_data_write(&writer, text.data(), text.size(), wire);
}

void read_reply(const string &text)
{
    g_auto(SmtpReply) reply = {};
    g_auto(GStrv) lines = g_strsplit(text.c_str(), "\r\n", -1);

    for (char **line = lines; *line; line++)
        if (smtp_reply_add(&reply, *line, strlen(*line)) != SMTP_REPLY_MORE)
            break;
    if (reply.lines) {
        g_free(smtp_reply_text(&reply));
        smtp_ehlo_read(&reply);
    }
}

void read_pop3(const string &text)
{
    Pop3Text reader = {};
    Pop3Capabilities capabilities = {};
    g_auto(Pop3Status) status = {};
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autofree char *uidl = nullptr;
    guint32 number;
    guint64 size;

    pop3_status_parse(text.data(), text.size(), &status);
    pop3_capabilities_add(&capabilities, text.data(), text.size());
    pop3_listing_parse(text.data(), text.size(), &number, &size);
    pop3_uidl_parse(text.data(), text.size(), &number, &uidl);
    for (size_t at = 0; at < text.size() && !reader.done;)
        at += pop3_text_feed(&reader, text.data() + at, MIN(1000, text.size() - at), out);
}

void read_sasl(const string &text)
{
    g_auto(ScramClientFirst) first = {};
    g_auto(ScramClientFinal) final = {};
    gsize length;

    scram_parse_client_first(text.c_str(), &first);
    scram_parse_client_final(text.c_str(), &final);
    g_free(base64_decode_strict(text.c_str(), &length));
}

vector<Line> cross(const vector<string> &starts, const vector<string> &units,
                   const vector<string> &ends)
{
    vector<Line> lines;

    for (auto &start : starts)
        for (auto &unit : units)
            for (auto &end : ends)
                lines.push_back({start, unit, end});
    return lines;
}

vector<Line> paths()
{
    return cross({"FROM:<", "FROM:<\"", "FROM:<a@b> ", "FROM:<@a:", "FROM: "},
                 {"a",    ".",        "a.",      "\"",        "\\", "\\\\",
                  "\\\"", "@",        "@a,",     ":",         " ",  "<",
                  ">",    "[",        "]",       "a=b ",      "a=", "=",
                  "+",    "+41",      "SIZE=1 ", "NOTIFY=a,", ",",  "ORCPT=rfc822;a ",
                  ";",    "\xc3\xa9", "\xff"},
                 {"", "@b>", "\"@b>", "> BODY=8BITMIME"});
}

vector<Line> data_texts()
{
    return cross({"", "\r\n", "\r\n."},
                 {".", "..", "\r", "\n", "\r\n", ".\r\n", "\r\n.", "..\r\n", "a", "a\r\n", "\r\r\n",
                  "\n.\n", "\r.\r", "\xff", string(1, '\0')},
                 {"", "\r\n.\r\n"});
}

vector<Line> replies()
{
    return cross({"250", "250-", "250 ", "334 "},
                 {"250-a\r\n", "-", " ", "a", "a ", "\t", "=", "AUTH PLAIN ", "\r\n",
                  "250-AUTH=LOGIN\r\n", "250-SIZE 1\r\n", "\xff", "\x1b", "\xc3\xa9"},
                 {"", "\r\n250 OK"});
}

vector<Line> pop3_lines()
{
    return cross(
        {"+OK ", "-ERR [", "+ ", "SASL ", "1 ", "", "\r\n"},
        {"a",     " ",  "a ",   "[",     "]",     "/",    "1",        "1 ", ".",  "..",
         "\r",    "\n", "\r\n", ".\r\n", "\r\n.", "\xff", "\xc3\xa9", "%",  "\t", string(1, '\0'),
         "PLAIN "},
        {"", "]", "\r\n.\r\n"});
}

vector<Line> sasl_texts()
{
    return cross({"n,,", "n,,n=", "p=", "p=tls-exporter,,n=", "c=biws,", "y,a=", ""},
                 {"a", ",", "=", "=2C", "=3D", "=2", "a=b,", "r=a,", "n=a,", "m=", "p=", "AAAA",
                  "A", "\xc3\xa9", "\xff", "+", "/"},
                 {"", ",r=abc", ",p=AAAA", "=="});
}

/* ---- values ---------------------------------------------------------------------------------- */

void read_value(const string &text)
{
    g_autoptr(GString) out = g_string_new(nullptr);
    g_autoptr(ImapSet) set = imap_set_parse(text.data(), text.size(), 200000, nullptr);
    g_autoptr(ImapUrl) url = imap_url_parse(text.c_str(), nullptr);
    ImapDateTime when;
    gint32 days;

    if (set)
        imap_set_format(set, out);
    imap_date_time_parse(text.data(), text.size(), &when);
    imap_date_parse(text.data(), text.size(), &days);
    imap_quote_append_astring(out, text.data(), text.size(), TRUE);
    imap_quote_append_text(out, text.c_str(), TRUE);
    if (memchr(text.data(), 0, text.size()))
        return;
    g_autofree char *name = imap_name_from_wire(text.data(), text.size());
    g_autofree char *wire = imap_name_to_wire(name);
    g_free(imap_name_decode(text.data(), text.size(), nullptr));
    imap_name_check_new(name, nullptr);
    /* A pattern that a client gives, and one of our mailboxes. */
    imap_name_matches(name, "Lists/One of them/and another below it", '/');
}

vector<Line> values()
{
    return cross({"", "&", "imap://", "imap://a@b/", "/", "/a;UID=1/;SECTION=", "*", "INBOX"},
                 {"a",        "&",
                  "&-",       "&AGE-",
                  "&AGE",     "&2D3",
                  "-",        "/",
                  "//",       "%",
                  "*",        "**",
                  "%*",       "*%",
                  "*a",       "%a",
                  "%%a",      "%41",
                  "%4",       ";",
                  ";UID=1",   ";UIDVALIDITY=1",
                  "@",        ":",
                  "[",        "]",
                  "1",        "1,",
                  "%d,",      "%d:%d,",
                  "%d0:%d1,", "*,",
                  "*:*,",     "\xc3\xa9",
                  "\xff",     "\xed\xa0\x80",
                  " ",        "\"",
                  "\\",       "\r",
                  ".",        "=",
                  "?"},
                 {"", "-", "/;UID=1"});
}

/* ---- the work -------------------------------------------------------------------------------- */

struct Kind {
    const char *name;
    void (*read)(const string &text);
    vector<Line> (*lines)();
};

class Work : public testing::TestWithParam<Kind>
{
};

TEST_P(Work, GrowsWithWhatIsSaidAndNoFaster)
{
    auto lines = GetParam().lines();
    guint64 worst = 0;
    string worst_name;

    for (const Line &line : lines) {
        auto steps_for = [&](size_t size) {
            string text = write(line, size);
            guint64 before = steps_taken();
            GetParam().read(text);
            return steps_taken() - before;
        };
        guint64 small = steps_for(SMALL), medium = steps_for(SMALL * 2),
                large = steps_for(SMALL * 4);

        EXPECT_LE(medium, small * GROWTH + GROUND) << shown(line);
        EXPECT_LE(large, medium * GROWTH + GROUND) << shown(line);
        EXPECT_LE(large / (SMALL * 4), STEPS_PER_BYTE) << shown(line);
        if (large / (SMALL * 4) > worst) {
            worst = large / (SMALL * 4);
            worst_name = shown(line);
        }
    }
    EXPECT_GT(lines.size(), 80u);
    std::cout << lines.size() << " kinds; the worst: " << worst << " steps a byte, " << worst_name
              << std::endl;
}

INSTANTIATE_TEST_SUITE_P(
    Of, Work,
    testing::Values(Kind{"commands", read_commands, commands},
                    Kind{"responses", read_responses, responses}, Kind{"paths", read_path, paths},
                    Kind{"data", read_data, data_texts}, Kind{"replies", read_reply, replies},
                    Kind{"pop3", read_pop3, pop3_lines}, Kind{"sasl", read_sasl, sasl_texts},
                    Kind{"values", read_value, values}),
    [](const auto &info) { return string(info.param.name); });

} // namespace
