/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What clients send: the assembler, the lexer and the arguments of every command that has a grammar
 * of its own. Examples are those of the standards wherever they have one.
 */
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "daemon/proto/imap/assembler.h"
#include "daemon/proto/imap/fetch-args.h"
#include "daemon/proto/imap/list-args.h"
#include "daemon/proto/imap/search-args.h"
#include "daemon/proto/imap/select-args.h"
#include "daemon/proto/imap/sort-args.h"
#include "daemon/proto/imap/status-args.h"
#include "daemon/proto/imap/store-args.h"
#include "daemon/proto/imap/url.h"
#include "daemon/proto/imap/urlauth-args.h"

namespace
{

std::string take(GString *string)
{
    std::string text(string->str, string->len);

    g_string_free(string, TRUE);
    return text;
}

/* A session's reading side: feeds the octets of a connection to an assembler, and writes down what
 * a session would do. */
struct Session {
    ImapAssembler *as;
    std::string input;
    size_t at = 0;
    std::string log;               /* "+", "discard 5", "message 5", "BAD reason", ... */
    std::vector<std::string> sink; /* streamed messages */
    bool refuse_messages = false;

    explicit Session(const std::string &octets, const ImapLimits &limits = imap_limits_default,
                     guint64 literal_plus = G_MAXUINT64)
        : as(imap_assembler_new(&limits, literal_plus)), input(octets)
    {
    }
    ~Session()
    {
        imap_assembler_free(as);
    }
    std::string read(size_t n)
    {
        std::string octets = input.substr(at, n);

        at += octets.size();
        return octets;
    }
    void note(const std::string &what)
    {
        log += (log.empty() ? "" : "; ") + what;
    }
    ImapFeed line()
    {
        size_t end = input.find("\r\n", at);
        std::string text = input.substr(at, end - at);

        at = end == std::string::npos ? input.size() : end + 2;
        return imap_assembler_line(as, text.data(), text.size());
    }
    void keep_literal()
    {
        const ImapLiteral *literal = imap_assembler_literal(as);

        if (literal->sync)
            note("+");
        std::string octets = read(literal->size);
        g_autoptr(GBytes) bytes = g_bytes_new(octets.data(), octets.size());
        imap_assembler_literal_data(as, bytes);
    }
    void take_message()
    {
        const ImapLiteral *literal = imap_assembler_literal(as);

        note((literal->sync ? "+message " : "message ") + std::to_string(literal->size));
        sink.push_back(read(literal->size));
        imap_assembler_literal_streamed(as);
    }
    /* Reads one command; whether it is complete. */
    bool run()
    {
        for (;;) {
            ImapFeed feed = line();

            if (feed == IMAP_FEED_MESSAGE && refuse_messages)
                feed = imap_assembler_refuse(as);
            switch (feed) {
            case IMAP_FEED_COMPLETE:
                return true;
            case IMAP_FEED_LITERAL:
                keep_literal();
                break;
            case IMAP_FEED_MESSAGE:
                take_message();
                break;
            case IMAP_FEED_DISCARD:
                note("discard " + std::to_string(imap_assembler_literal(as)->size));
                read(imap_assembler_literal(as)->size);
                break;
            case IMAP_FEED_REFUSED:
                note("refused");
                return false;
            case IMAP_FEED_BAD: {
                const ImapBad *bad = imap_assembler_error(as);

                note(std::string(bad->tag != nullptr ? bad->tag : "*") + " BAD " +
                     (bad->code != nullptr ? "[" + std::string(bad->code) + "] " : "") +
                     bad->reason);
                return false;
            }
            }
        }
    }
    ImapLexer lexer(guint mode = 0)
    {
        ImapLexer lexer;

        imap_lexer_init(&lexer, imap_assembler_command(as), &imap_limits_default, mode);
        return lexer;
    }
};

/* Whether the text contains the part. */
bool has(const std::string &text, const std::string &part)
{
    return text.find(part) != std::string::npos;
}

/* ---- the assembler ----------------------------------------------------------------------------*/

TEST(Assembler, ReadsACommandOfOneLine)
{
    Session s("A1 uid fetch 1:* (FLAGS)\r\n");

    ASSERT_TRUE(s.run());
    const ImapCommand *command = imap_assembler_command(s.as);
    EXPECT_STREQ(command->tag, "A1");
    EXPECT_STREQ(command->name, "FETCH");
    EXPECT_TRUE(command->uid);
    EXPECT_EQ(s.log, "");
}

TEST(Assembler, PutsLiteralsTogether)
{
    /* RFC 7888, 3 and RFC 3501, 7.5: synchronizing and not, in one command. */
    Session s("A001 LOGIN {11+}\r\nFRED FOOBAR {7}\r\nfat man\r\nA002 NOOP\r\n");
    g_autofree char *user = nullptr, *password = nullptr;

    ASSERT_TRUE(s.run());
    EXPECT_EQ(s.log, "+");
    ImapLexer lexer = s.lexer();
    ASSERT_TRUE(imap_lexer_space(&lexer, nullptr));
    user = imap_lexer_astring(&lexer, "a user", nullptr);
    ASSERT_TRUE(imap_lexer_space(&lexer, nullptr));
    password = imap_lexer_astring(&lexer, "a password", nullptr);
    EXPECT_STREQ(user, "FRED FOOBAR");
    EXPECT_STREQ(password, "fat man");
    EXPECT_TRUE(imap_lexer_end(&lexer, nullptr));
    imap_assembler_reset(s.as);
    ASSERT_TRUE(s.run());
    EXPECT_STREQ(imap_assembler_command(s.as)->name, "NOOP");
}

TEST(Assembler, SaysWhatIsWrongWithTheFirstWords)
{
    const struct {
        const char *line, *log;
    } cases[] = {
        {"", "* BAD a command must begin"},       {"a", "* BAD a command must begin"},
        {"a ", "a BAD there is no command"},      {" NOOP", "* BAD a command must begin"},
        {"+ NOOP", "* BAD a command must begin"}, {"a( NOOP", "* BAD a command must begin"},
        {"a NOOP(", "a BAD a space must follow"}, {"a \"NOOP\"", "a BAD there is no command"},
    };

    for (const auto &c : cases) {
        Session s(std::string(c.line) + "\r\n");

        EXPECT_FALSE(s.run()) << c.line;
        EXPECT_EQ(s.log.find(c.log), 0u) << s.log;
    }
}

TEST(Assembler, AControlCharacterThatEndsLinesIsBad)
{
    for (const std::string &line :
         {std::string("a NOOP \0", 8), std::string("a NOOP \r x"), std::string("a NOOP \n x")}) {
        Session s("");

        EXPECT_EQ(imap_assembler_line(s.as, line.data(), line.size()), IMAP_FEED_BAD);
        EXPECT_STREQ(imap_assembler_error(s.as)->tag, "a");
    }
}

TEST(Assembler, HoldsLinesLiteralsAndCommandsToTheirLimits)
{
    ImapLimits limits = imap_limits_default;
    std::string big(200, 'x');

    limits.line = 100;
    limits.literal = 50;
    limits.command = 120;
    limits.literals = 3;
    const struct {
        std::string input;
        const char *log;
    } cases[] = {
        {"a LOGIN " + big + "\r\n", "a BAD [TOOBIG] the line is too long"},
        {"a LOGIN " + big + " {5+}\r\n12345 x\r\n",
         "discard 5; a BAD [TOOBIG] the line is too long"},
        {"a LOGIN {51}\r\n", "a BAD [TOOBIG] the literal is larger than 50 octets"},
        {"a LOGIN {51+}\r\n" + std::string(51, 'x') + " {2+}\r\nab\r\n",
         "discard 51; discard 2; a BAD [TOOBIG] the literal is larger than 50 octets"},
        {"a LOGIN {51+}\r\n" + std::string(51, 'x') + " {2}\r\n",
         "discard 51; a BAD [TOOBIG] the literal is larger"},
        {"a X {50}\r\n" + std::string(50, 'x') + " {50}\r\n" + std::string(50, 'x') + " {30}\r\n",
         "+; +; a BAD [TOOBIG] the command is too long"},
        {"a X {1}\r\nx {1}\r\nx {1}\r\nx {1}\r\n",
         "+; +; +; a BAD the command has more than 3 literals"},
        {"a X {99999999999999999999999999}\r\n", "a BAD [TOOBIG] the literal is larger than 50"},
    };

    for (const auto &c : cases) {
        Session s(c.input, limits);

        EXPECT_FALSE(s.run());
        EXPECT_EQ(s.log.find(c.log), 0u) << s.log;
        EXPECT_EQ(s.at, s.input.size());
    }
}

TEST(Assembler, LiteralMinusAllowsSmallOnesOnly)
{
    Session small("a LOGIN {4096+}\r\n" + std::string(4096, 'x') + " y\r\n", imap_limits_default,
                  4096);
    Session large("a LOGIN {4097+}\r\n" + std::string(4097, 'x') + " y\r\n", imap_limits_default,
                  4096);
    Session waits("a LOGIN {4097}\r\n" + std::string(4097, 'x') + " y\r\n", imap_limits_default,
                  4096);

    EXPECT_TRUE(small.run());
    EXPECT_FALSE(large.run());
    EXPECT_TRUE(has(large.log, "discard 4097; a BAD a non-synchronizing")) << large.log;
    EXPECT_TRUE(waits.run());
}

TEST(Assembler, ANulNeedsALiteral8)
{
    Session s("a SETMETADATA x (/private/comment {3}\r\n" + std::string("a\0b", 3) +
              ")\r\nb NOOP\r\n");

    EXPECT_FALSE(s.run());
    EXPECT_TRUE(has(s.log, "+; a BAD a NUL octet")) << s.log;
    imap_assembler_reset(s.as);
    EXPECT_TRUE(s.run());
    EXPECT_STREQ(imap_assembler_command(s.as)->tag, "b");
}

/* ---- APPEND -----------------------------------------------------------------------------------*/

const ImapAppendMessage *message(const ImapAppendArgs *args, guint n)
{
    return (const ImapAppendMessage *)args->messages->pdata[n];
}

const ImapAppendPart *part(const ImapAppendMessage *message, guint n)
{
    return &g_array_index(message->parts, ImapAppendPart, n);
}

TEST(Append, StreamsTheMessage)
{
    /* RFC 3501, 6.3.11 */
    std::string mail = "Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)\r\n\r\nHello\r\n";
    Session s("A003 APPEND saved-messages (\\Seen $Junk) \" 7-Feb-1994 21:52:25 -0800\" {" +
              std::to_string(mail.size()) + "}\r\n" + mail + "\r\n");

    ASSERT_TRUE(s.run());
    EXPECT_EQ(s.log, "+message " + std::to_string(mail.size()));
    EXPECT_EQ(s.sink, std::vector<std::string>{mail});
    const ImapAppendArgs *args = imap_assembler_append(s.as);
    EXPECT_STREQ(args->mailbox, "saved-messages");
    ASSERT_EQ(args->messages->len, 1u);
    EXPECT_EQ(message(args, 0)->flags->system, IMAP_FLAG_SEEN);
    EXPECT_EQ(message(args, 0)->flags->keywords->len, 1u);
    EXPECT_TRUE(message(args, 0)->has_date);
    EXPECT_EQ(message(args, 0)->date.time, 760686745);
    EXPECT_EQ(part(message(args, 0), 0)->size, mail.size());
}

TEST(Append, TellsWhereToBeforeTheOctetsCome)
{
    Session s("");
    const char line[] = "a APPEND inBOX (\\Draft) {10}";

    ASSERT_EQ(imap_assembler_line(s.as, line, strlen(line)), IMAP_FEED_MESSAGE);
    const ImapAppendArgs *args = imap_assembler_append(s.as);
    EXPECT_STREQ(args->mailbox, "INBOX");
    ASSERT_EQ(args->messages->len, 1u);
    EXPECT_EQ(message(args, 0)->flags->system, IMAP_FLAG_DRAFT);
    EXPECT_EQ(imap_assembler_literal(s.as)->size, 10u);
    EXPECT_TRUE(imap_assembler_literal(s.as)->sync);
}

TEST(Append, KeepsTheMailboxNameInMemory)
{
    Session s("a APPEND {5}\r\nSaved {3+}\r\nabc\r\n");

    ASSERT_TRUE(s.run());
    EXPECT_EQ(s.log, "+; message 3");
    EXPECT_STREQ(imap_assembler_append(s.as)->mailbox, "Saved");
}

TEST(Append, TakesSeveralMessages)
{
    /* RFC 3502, 6.3.11 */
    Session s("A003 APPEND saved-messages (\\Seen) {3}\r\nabc (\\Seen) \" 7-Feb-1994 22:43:04 "
              "-0800\" {5+}\r\ndefgh {0}\r\n\r\n");

    ASSERT_TRUE(s.run());
    EXPECT_EQ(s.log, "+message 3; message 5; +message 0");
    EXPECT_EQ(s.sink, (std::vector<std::string>{"abc", "defgh", ""}));
    const ImapAppendArgs *args = imap_assembler_append(s.as);
    ASSERT_EQ(args->messages->len, 3u);
    EXPECT_FALSE(message(args, 0)->has_date);
    EXPECT_TRUE(message(args, 1)->has_date);
    EXPECT_EQ(message(args, 2)->flags, nullptr);
}

TEST(Append, CatenatesUrlsAndText)
{
    /* RFC 4469, 5 */
    Session s(
        "A003 APPEND Drafts (\\Seen \\Draft $MDNSent) CATENATE (TEXT {42}\r\n"
        "\r\n--------------030308070208000400050907\r\n"
        " URL \"/Drafts;UIDVALIDITY=385759045/;UID=20\" URL {5+}\r\n/a/b? TEXT {2}\r\nxy)\r\n");

    ASSERT_TRUE(s.run());
    EXPECT_EQ(s.log, "+message 42; +message 2");
    const ImapAppendArgs *args = imap_assembler_append(s.as);
    ASSERT_EQ(args->messages->len, 1u);
    const ImapAppendMessage *m = message(args, 0);
    EXPECT_TRUE(m->catenate);
    ASSERT_EQ(m->parts->len, 4u);
    EXPECT_EQ(part(m, 0)->url, nullptr);
    EXPECT_STREQ(part(m, 1)->url, "/Drafts;UIDVALIDITY=385759045/;UID=20");
    EXPECT_STREQ(part(m, 2)->url, "/a/b?");
    EXPECT_EQ(part(m, 3)->size, 2u);
}

TEST(Append, TakesBinaryAndUtf8)
{
    Session binary("a APPEND x ~{3+}\r\n" + std::string("a\0b", 3) + "\r\n");
    Session utf8("a APPEND x (\\Seen) UTF8 (~{3}\r\nabc)\r\n"); /* RFC 6855, 4 */
    Session parts("a APPEND x CATENATE (UTF8 (~{1+}\r\na) TEXT {1+}\r\nb)\r\n");

    ASSERT_TRUE(binary.run());
    EXPECT_TRUE(message(imap_assembler_append(binary.as), 0)->binary);
    EXPECT_FALSE(message(imap_assembler_append(binary.as), 0)->utf8);
    ASSERT_TRUE(utf8.run()) << utf8.log;
    EXPECT_TRUE(message(imap_assembler_append(utf8.as), 0)->utf8);
    ASSERT_TRUE(parts.run()) << parts.log;
    EXPECT_EQ(parts.sink, (std::vector<std::string>{"a", "b"}));
}

TEST(Append, ReplacesAMessage)
{
    /* RFC 8508, 3.1 */
    Session s("A002 UID REPLACE 2000 Drafts (\\Seen \\Draft) {3}\r\nabc\r\n");
    Session star("A002 REPLACE * Drafts {3+}\r\nabc\r\n");
    Session two("A002 REPLACE 4 Drafts {3+}\r\nabc {2+}\r\nab\r\n");

    ASSERT_TRUE(s.run()) << s.log;
    EXPECT_TRUE(imap_assembler_command(s.as)->uid);
    EXPECT_TRUE(imap_assembler_append(s.as)->is_replace);
    EXPECT_EQ(imap_assembler_append(s.as)->replaces, 2000u);
    EXPECT_STREQ(imap_assembler_append(s.as)->mailbox, "Drafts");
    ASSERT_TRUE(star.run());
    EXPECT_EQ(imap_assembler_append(star.as)->replaces, 0u);
    EXPECT_FALSE(two.run());
}

TEST(Append, CanBeRefusedBeforeTheOctetsAreStored)
{
    Session waits("a APPEND nowhere {500000}\r\nb NOOP\r\n");
    Session sends("a APPEND nowhere {3+}\r\nabc (\\Seen) {2+}\r\nab\r\nb NOOP\r\n");

    waits.refuse_messages = sends.refuse_messages = true;
    EXPECT_FALSE(waits.run());
    EXPECT_EQ(waits.log, "refused");
    EXPECT_FALSE(sends.run());
    EXPECT_EQ(sends.log, "discard 3; discard 2; refused");
    for (Session *s : {&waits, &sends}) {
        imap_assembler_reset(s->as);
        EXPECT_TRUE(s->run());
        EXPECT_STREQ(imap_assembler_command(s->as)->name, "NOOP");
    }
}

TEST(Append, ALargeMessageIsTooBig)
{
    ImapLimits limits = imap_limits_default;

    limits.message = 100;
    Session waits("a APPEND x {101}\r\n", limits);
    Session sends("a APPEND x {101+}\r\n" + std::string(101, 'x') + "\r\n", limits);
    EXPECT_FALSE(waits.run());
    EXPECT_EQ(waits.log.find("a BAD [TOOBIG] the message is larger than 100"), 0u) << waits.log;
    EXPECT_FALSE(sends.run());
    EXPECT_EQ(sends.log.find("discard 101; a BAD [TOOBIG]"), 0u);
}

TEST(Append, SaysWhatIsWrong)
{
    const struct {
        const char *input, *reason;
    } cases[] = {
        {"a APPEND", "expected a space"},
        {"a APPEND x", "expected a space"},
        {"a APPEND x ", "expected a literal with the message"},
        {"a APPEND x (\\Seen)", "expected a space"},
        {"a APPEND x (\\Recent) {3}", "\\Recent can't be set"},
        {"a APPEND x (\\Seen {3}", "expected a flag, found a literal"},
        {"a APPEND x \"yesterday\" {3}", "a date and time must look like"},
        {"a APPEND x \"17-Jul-1996 02:44:25 -0700\"{3}", "expected a space"},
        {"a APPEND x UTF8 ({3}", "literal8"},
        {"a APPEND x CATENATE (MAIL {3}", "expected URL, TEXT or UTF8"},
        {"a APPEND x CATENATE (URL /a", "expected a space"},
        {"a APPEND x text", "expected a literal with the message"},
        {"a REPLACE 0 x {3}", "found 0"},
        {"a REPLACE 1:2 x {3}", "expected a space"},
    };

    for (const auto &c : cases) {
        Session s(std::string(c.input) + "\r\n");

        EXPECT_FALSE(s.run()) << c.input;
        EXPECT_TRUE(has(s.log, c.reason)) << c.input << ": " << s.log;
    }
}

TEST(Append, GarbageBehindTheMessageIsBadAfterIt)
{
    Session s("a APPEND x {3+}\r\nabcdef\r\n");

    EXPECT_FALSE(s.run());
    EXPECT_TRUE(has(s.log, "message 3; a BAD expected a space")) << s.log;
}

/* ---- the lexer --------------------------------------------------------------------------------*/

/* The arguments of one line. */
struct Line {
    ImapCommand *command;
    ImapLexer lexer;
    GError *error = nullptr;

    explicit Line(const std::string &line, guint mode = 0,
                  const ImapLimits *limits = &imap_limits_default)
    {
        command = imap_command_from_line(line.c_str(), &error);
        if (command != nullptr)
            imap_lexer_init(&lexer, command, limits, mode);
    }
    ~Line()
    {
        imap_command_free(command);
        g_clear_error(&error);
    }
    std::string reason() const
    {
        return error != nullptr ? error->message : "";
    }
};

std::string astring(const std::string &argument, guint mode = 0)
{
    Line line("a X " + argument, mode);

    imap_lexer_space(&line.lexer, nullptr);
    g_autofree char *text = imap_lexer_astring(&line.lexer, "a string", &line.error);
    if (text == nullptr || !imap_lexer_end(&line.lexer, &line.error))
        return "BAD " + line.reason();
    return text;
}

TEST(Lexer, ReadsStrings)
{
    EXPECT_EQ(astring("abc"), "abc");
    EXPECT_EQ(astring("a]b[c&"), "a]b[c&");
    EXPECT_EQ(astring("NIL"), "NIL");
    EXPECT_EQ(astring("\"\""), "");
    EXPECT_EQ(astring("\"a \\\"b\\\\c\""), "a \"b\\c");
    EXPECT_EQ(astring("\"\xc3\xa9\"", IMAP_MODE_UTF8), "\xc3\xa9");
    for (const char *bad : {"", "(", "\"abc", "\"a\\nb\"", "\"a\\", "a\"b", "a%", "\xc3\xa9", "{3}",
                            "\"\xc3\xa9\"", "~{3}", "a\x7f", "\t"})
        EXPECT_EQ(astring(bad).find("BAD "), 0u) << bad << ": " << astring(bad);
    EXPECT_EQ(astring("\"\xff\"", IMAP_MODE_UTF8).find("BAD 8-bit"), 0u);
}

TEST(Lexer, ReadsMailboxNames)
{
    const struct {
        const char *argument;
        guint mode;
        const char *name;
    } cases[] = {
        {"inbox", 0, "INBOX"},
        {"Entw&APw-rfe", 0, "Entwürfe"},
        {"Entw&APw-rfe", IMAP_MODE_UTF8, "Entw&APw-rfe"},
        {"\"Entwürfe\"", IMAP_MODE_UTF8, "Entwürfe"},
        {"\"a b\"", 0, "a b"},
    };

    for (const auto &c : cases) {
        Line line(std::string("a SELECT ") + c.argument, c.mode);

        imap_lexer_space(&line.lexer, nullptr);
        g_autofree char *name = imap_lexer_mailbox(&line.lexer, &line.error);
        EXPECT_STREQ(name, c.name);
    }
}

TEST(Lexer, ReadsNumbersWithinTheirRange)
{
    const struct {
        const char *text;
        bool number, nz_number, number64;
    } cases[] = {
        {"0", true, false, true},
        {"4294967295", true, true, true},
        {"4294967296", false, false, true},
        {"9223372036854775807", false, false, true},
        {"9223372036854775808", false, false, false},
        {"99999999999999999999999", false, false, false},
        {"-1", false, false, false},
        {"x", false, false, false},
    };

    for (const auto &c : cases) {
        Line a(std::string("a X ") + c.text), b(std::string("a X ") + c.text),
            d(std::string("a X ") + c.text);
        guint32 number;
        guint64 number64;

        for (Line *line : {&a, &b, &d})
            imap_lexer_space(&line->lexer, nullptr);
        EXPECT_EQ(imap_lexer_number(&a.lexer, &number, nullptr), c.number) << c.text;
        EXPECT_EQ(imap_lexer_nz_number(&b.lexer, &number, nullptr), c.nz_number) << c.text;
        EXPECT_EQ(imap_lexer_number64(&d.lexer, &number64, nullptr), c.number64) << c.text;
    }
}

TEST(Lexer, SaysWhatItFound)
{
    const struct {
        const char *line, *reason;
    } cases[] = {
        {"a X ", "expected a number, but the command ends"},
        {"a X (", "expected a number, found '('"},
        {"a X  ", "expected a number, but the command ends"},
        {"a X \x01", "expected a number, found a character that is not allowed there"},
    };

    for (const auto &c : cases) {
        Line line(c.line);
        guint32 number;

        imap_lexer_space(&line.lexer, nullptr);
        EXPECT_FALSE(imap_lexer_number(&line.lexer, &number, &line.error));
        EXPECT_EQ(line.reason(), c.reason);
    }
}

/* ---- FETCH ------------------------------------------------------------------------------------*/

std::string describe(const ImapFetchArgs *args)
{
    GString *out = g_string_new(nullptr);

    imap_sequence_set_format(args->set, out);
    for (guint i = 0; i < args->items->len; i++) {
        ImapFetchItem *item = &g_array_index(args->items, ImapFetchItem, i);

        g_string_append_c(out, ' ');
        imap_fetch_item_format(item, out);
        if (item->partial)
            g_string_append_printf(out, "+%u", (guint)item->length);
        g_string_append(out, item->sets_seen ? "!" : "");
        g_string_append(out, item->lazy ? "~" : "");
    }
    if (args->changed_since)
        g_string_append_printf(out, " since %" G_GUINT64_FORMAT, args->modseq);
    g_string_append(out, args->vanished ? " vanished" : "");
    if (args->partial.given)
        g_string_append_printf(out, " partial %s%u:%u", args->partial.from_end ? "-" : "",
                               args->partial.first, args->partial.last);
    return take(out);
}

std::string fetch(const std::string &arguments, const char *name = "FETCH", guint mode = 0,
                  const ImapLimits *limits = &imap_limits_default)
{
    Line line("a " + std::string(name) + " " + arguments, mode, limits);
    g_autoptr(ImapFetchArgs) args = imap_fetch_args_parse(&line.lexer, &line.error);

    return args != nullptr ? describe(args) : "BAD " + line.reason();
}

TEST(Fetch, ReadsEveryItem)
{
    const struct {
        const char *in, *out;
    } cases[] = {
        {"2:4 (FLAGS BODY[HEADER.FIELDS (DATE FROM)])",
         "2:4 FLAGS BODY[HEADER.FIELDS (DATE FROM)]!"}, /* RFC 3501, 6.4.5 */
        {"1 ALL", "1 FLAGS INTERNALDATE RFC822.SIZE ENVELOPE"},
        {"1 fast", "1 FLAGS INTERNALDATE RFC822.SIZE"},
        {"1 FULL", "1 FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY"},
        {"* uid", "* UID"},
        {"1 (BODY BODYSTRUCTURE)", "1 BODY BODYSTRUCTURE"},
        {"1 BODY[]", "1 BODY[]!"},
        {"1 body.peek[]<0.100>", "1 BODY[]<0>+100"},
        {"1 BODY[TEXT]<4294967296.9223372036854775807>", "1 BODY[TEXT]<4294967296>+4294967295!"},
        {"1 BODY.PEEK[1.2.HEADER.FIELDS (A B)]<0.100>", "1 BODY[1.2.HEADER.FIELDS (A B)]<0>+100"},
        {"1 BODY.PEEK[header.fields.not (\"x y\" \"z\")]", "1 BODY[HEADER.FIELDS.NOT (\"x y\" z)]"},
        {"1 (BODY[HEADER] BODY[TEXT] BODY[1] BODY[3.HEADER] BODY[3.TEXT] BODY[3.1] BODY[4.1.MIME])",
         "1 BODY[HEADER]! BODY[TEXT]! BODY[1]! BODY[3.HEADER]! BODY[3.TEXT]! BODY[3.1]! "
         "BODY[4.1.MIME]!"},
        {"1 RFC822", "1 RFC822!"},
        {"1 (RFC822.HEADER RFC822.TEXT RFC822.SIZE)", "1 RFC822.HEADER RFC822.TEXT! RFC822.SIZE"},
        {"1 (BINARY[1.2]<0.10> BINARY.PEEK[1] BINARY.SIZE[1] BINARY.PEEK[])",
         "1 BINARY[1.2]<0>+10! BINARY[1] BINARY.SIZE[1] BINARY[]"},
        {"1 (MODSEQ EMAILID THREADID SAVEDATE)", "1 MODSEQ EMAILID THREADID SAVEDATE"},
        {"1 (PREVIEW)", "1 PREVIEW"},
        {"1 (PREVIEW (LAZY) UID)", "1 PREVIEW~ UID"}, /* RFC 8970, 3.2 */
        {"1 PREVIEW (LAZY)", "1 PREVIEW~"},
        {"1 PREVIEW (CHANGEDSINCE 5)", "1 PREVIEW MODSEQ since 5"},
        {"1 (FLAGS FLAGS flags)", "1 FLAGS"},
        {"$ FLAGS", "$ FLAGS"},
        {"1,5:* FLAGS (CHANGEDSINCE 12345)", "1,5:* FLAGS MODSEQ since 12345"},
        {"1  ( FLAGS  UID ) ", "BAD expected a FETCH item, found a space"},
        {"1  (FLAGS  UID ) ", "1 FLAGS UID"},
        {"900:1000 (UID FLAGS) (PARTIAL -1:-30)", "900:1000 UID FLAGS partial -1:30"},
        {"1:* (UID) (PARTIAL 500:400)", "1:* UID partial 400:500"},
    };

    for (const auto &c : cases)
        EXPECT_EQ(fetch(c.in), c.out) << c.in;
}

TEST(Fetch, ByUidAlwaysHasTheUid)
{
    EXPECT_EQ(fetch("1:* (FLAGS)", "UID FETCH"), "1:* UID FLAGS");
    EXPECT_EQ(fetch("1:* (FLAGS UID)", "UID FETCH"), "1:* UID FLAGS");
    /* RFC 7162, 3.2.6 */
    EXPECT_EQ(fetch("300:500 (FLAGS) (CHANGEDSINCE 12345 VANISHED)", "UID FETCH"),
              "300:500 UID FLAGS MODSEQ since 12345 vanished");
}

TEST(Fetch, GmailsItemsAreKnownInItsModeOnly)
{
    EXPECT_EQ(fetch("1 (X-GM-MSGID X-GM-THRID X-GM-LABELS)", "FETCH", IMAP_MODE_GMAIL),
              "1 X-GM-MSGID X-GM-THRID X-GM-LABELS");
    EXPECT_TRUE(has(fetch("1 (X-GM-MSGID)"), "BAD"));
}

TEST(Fetch, RefusesWhatIsNotInTheGrammar)
{
    for (const char *in : {
             "",
             "1",
             "1 ",
             "1 ()",
             "1 (",
             "1 (FLAGS",
             "1 FLAGS)",
             "1 (FLAGS))",
             "1 NOPE",
             "1 (ALL)",
             "1 FLAGS UID",
             "x FLAGS",
             "0 FLAGS",
             "1:0 FLAGS",
             "1 BODY[",
             "1 BODY[]x",
             "1 BODY[HEADER.FIELDS]",
             "1 BODY[HEADER.FIELDS ()]",
             "1 BODY[MIME]",
             "1 BODY[1.]",
             "1 BODY[0]",
             "1 BODY[1.0]",
             "1 BODY[1..2]",
             "1 BODY[TEXT.1]",
             "1 BODY[1.FOO]",
             "1 BODY[]<0>",
             "1 BODY[]<0.0>",
             "1 BODY[]<.1>",
             "1 BODY[]<0.1",
             "1 BODY[]<-1.1>",
             "1 BODY.PEEK",
             "1 BINARY",
             "1 BINARY[TEXT]",
             "1 BINARY[1.TEXT]",
             "1 BINARY.SIZE[1]<0.1>",
             "1 RFC822.SIZE[]",
             "1 FLAGS (CHANGEDSINCE)",
             "1 FLAGS (CHANGEDSINCE x)",
             "1 FLAGS (VANISHED)",
             "1 FLAGS (CHANGEDSINCE 1 VANISHED)",
             "1 FLAGS ()",
             "1 FLAGS (PARTIAL 1:-2)",
             "1 FLAGS (PARTIAL 0:2)",
             "1 FLAGS (PARTIAL 1:*)",
             "1 (PREVIEW (LAZY)",
             "1 \"FLAGS\"",
             "1,, FLAGS",
             "1 (FLAGS,UID)",
             "$,1 FLAGS",
         })
        EXPECT_EQ(fetch(in).find("BAD "), 0u) << in << ": " << fetch(in);
    EXPECT_EQ(fetch("1 FLAGS (VANISHED)", "UID FETCH").find("BAD "), 0u);
}

TEST(Fetch, HoldsToItsLimits)
{
    ImapLimits limits = imap_limits_default;

    limits.list_items = 3;
    limits.part_numbers = 2;
    limits.set_ranges = 2;
    EXPECT_EQ(fetch("1,3 (UID FLAGS BODY[1.2])", "FETCH", 0, &limits), "1,3 UID FLAGS BODY[1.2]!");
    for (const char *in : {"1,3,5 FLAGS", "1 (UID FLAGS BODY[1] MODSEQ)", "1 BODY[1.2.3]",
                           "1 BODY[HEADER.FIELDS (A B C D)]"})
        EXPECT_TRUE(has(fetch(in, "FETCH", 0, &limits), "more than")) << in;
}

TEST(Fetch, FieldNamesMayBeLiterals)
{
    Session s("a FETCH 1 BODY[HEADER.FIELDS (DATE {4}\r\nFROM {3+}\r\nx\"y)]<0.5>\r\n");

    ASSERT_TRUE(s.run());
    ImapLexer lexer = s.lexer();
    g_autoptr(GError) error = nullptr;
    g_autoptr(ImapFetchArgs) args = imap_fetch_args_parse(&lexer, &error);
    ASSERT_NE(args, nullptr) << error->message;
    EXPECT_EQ(describe(args), "1 BODY[HEADER.FIELDS (DATE FROM \"x\\\"y\")]<0>+5!");
}

/* ---- STORE ------------------------------------------------------------------------------------*/

std::string store(const std::string &arguments, guint mode = 0)
{
    Line line("a STORE " + arguments, mode);
    g_autoptr(ImapStoreArgs) args = imap_store_args_parse(&line.lexer, &line.error);
    GString *out;

    if (args == nullptr)
        return "BAD " + line.reason();
    out = g_string_new(nullptr);
    imap_sequence_set_format(args->set, out);
    g_string_append(out, args->mode == IMAP_STORE_ADD      ? " +"
                         : args->mode == IMAP_STORE_REMOVE ? " -"
                                                           : " =");
    g_string_append(out, args->silent ? " silent" : "");
    if (args->unchanged_since)
        g_string_append_printf(out, " since %" G_GUINT64_FORMAT, args->modseq);
    g_string_append_c(out, ' ');
    if (args->flags != nullptr) {
        g_ptr_array_add(args->flags->keywords, nullptr);
        imap_flags_format(args->flags->system, FALSE,
                          (const char *const *)args->flags->keywords->pdata, out);
        g_ptr_array_remove_index(args->flags->keywords, args->flags->keywords->len - 1);
    }
    for (guint i = 0; args->labels != nullptr && i < args->labels->len; i++)
        g_string_append_printf(out, "[%s]", (char *)args->labels->pdata[i]);
    return take(out);
}

TEST(Store, ReadsItsForms)
{
    const struct {
        const char *in, *out;
    } cases[] = {
        {"2:4 +FLAGS (\\Deleted)", "2:4 + \\Deleted"}, /* RFC 3501, 6.4.6 */
        {"1 flags.silent (\\seen $Junk)", "1 = silent \\Seen $Junk"},
        {"1 -FLAGS ()", "1 - "},
        {"1 FLAGS \\Seen \\Answered x", "1 = \\Answered \\Seen x"},
        {"$ +FLAGS.SILENT \\Deleted", "$ + silent \\Deleted"},
        /* RFC 7162, 3.1.3 */
        {"6,4,8 (UNCHANGEDSINCE 12121230045) +FLAGS.SILENT (\\Deleted)",
         "6,4,8 + silent since 12121230045 \\Deleted"},
        {"12 (UNCHANGEDSINCE 0) +FLAGS ($MDNSent)", "12 + since 0 $MDNSent"},
        {"1 +FLAGS (a a A)", "1 + a"},
    };

    for (const auto &c : cases)
        EXPECT_EQ(store(c.in), c.out) << c.in;
    EXPECT_EQ(store("1 +X-GM-LABELS (foo \"b c\" \\Inbox)", IMAP_MODE_GMAIL),
              "1 + [foo][b c][\\Inbox]");
    EXPECT_EQ(store("1 X-GM-LABELS foo", IMAP_MODE_GMAIL), "1 = [foo]");
}

TEST(Store, RefusesWhatIsNotInTheGrammar)
{
    for (const char *in :
         {"", "1", "1 FLAGS", "1 FLAGS ", "1 (\\Seen)", "1 FLAGS (\\Recent)", "1 FLAGS (\\*)",
          "1 FLAGS (\\Foo)", "1 FLAGS (\\Seen", "1 FLAGS (\\Seen) x", "1 FLAGS.LOUD (\\Seen)",
          "1 *FLAGS (\\Seen)", "1 +FLAGS (\"x\")", "1 (UNCHANGEDSINCE) FLAGS (\\Seen)",
          "1 (CHANGEDSINCE 1) FLAGS (\\Seen)", "1 () FLAGS (\\Seen)", "1 X-GM-LABELS (x)",
          "1 .SILENT (x)", "1 FLAGS (\\)"})
        EXPECT_EQ(store(in).find("BAD "), 0u) << in << ": " << store(in);
}

/* ---- SELECT, STATUS, LIST ---------------------------------------------------------------------*/

std::string select(const std::string &arguments)
{
    Line line("a SELECT " + arguments);
    g_autoptr(ImapSelectArgs) args = imap_select_args_parse(&line.lexer, &line.error);
    GString *out;

    if (args == nullptr)
        return "BAD " + line.reason();
    out = g_string_new(args->mailbox);
    g_string_append(out, args->condstore ? " condstore" : "");
    if (args->qresync)
        g_string_append_printf(out, " %u %" G_GUINT64_FORMAT, args->uidvalidity, args->modseq);
    for (auto *set : {args->known_uids, args->match_seqs, args->match_uids}) {
        if (set != nullptr) {
            g_string_append_c(out, ' ');
            imap_sequence_set_format(set, out);
        }
    }
    return take(out);
}

TEST(Select, ReadsItsParameters)
{
    EXPECT_EQ(select("inbox"), "INBOX");
    EXPECT_EQ(select("INBOX (CONDSTORE)"), "INBOX condstore");
    /* RFC 7162, 3.2.5 */
    EXPECT_EQ(select("INBOX (QRESYNC (67890007 20050715194045000 41,43:211,214:541))"),
              "INBOX 67890007 20050715194045000 41,43:211,214:541");
    EXPECT_EQ(select("INBOX (QRESYNC (67890007 90060115194045000 41:211,214:541 (1,3 41,43)))"),
              "INBOX 67890007 90060115194045000 41:211,214:541 1,3 41,43");
    EXPECT_EQ(select("INBOX (QRESYNC (1 2 (1,3 41,43)) CONDSTORE)"),
              "INBOX condstore 1 2 1,3 41,43");
    EXPECT_EQ(select("INBOX (QRESYNC (1 0))"), "INBOX 1 0");
    for (const char *in :
         {"", "a b", "a ()", "a (QRESYNC)", "a (QRESYNC ())", "a (QRESYNC (0 1))",
          "a (QRESYNC (1 1 *))", "a (QRESYNC (1 1 1:*))", "a (QRESYNC (1 1 1 2))", "a (NOPE)",
          "a (QRESYNC (1 1 (1)))", "a (QRESYNC (1 1) QRESYNC (1 1))", "a (CONDSTORE"})
        EXPECT_EQ(select(in).find("BAD "), 0u) << in << ": " << select(in);
}

TEST(Status, ReadsItsItems)
{
    Line all("a STATUS \"a b\" (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE "
             "HIGHESTMODSEQ MAILBOXID APPENDLIMIT DELETED-STORAGE)");
    g_autoptr(ImapStatusArgs) args = imap_status_args_parse(&all.lexer, &all.error);

    ASSERT_NE(args, nullptr) << all.reason();
    EXPECT_STREQ(args->mailbox, "a b");
    EXPECT_EQ(args->items, IMAP_STATUS_ALL);
    for (guint bit = 1; bit < IMAP_STATUS_ALL; bit <<= 1)
        EXPECT_EQ(imap_status_item_from_name(imap_status_item_name(bit),
                                             strlen(imap_status_item_name(bit))),
                  bit);
    for (const char *in :
         {"", "x", "x ()", "x MESSAGES", "x (NOPE)", "x (MESSAGES", "x (MESSAGES) y"}) {
        Line line("a STATUS " + std::string(in));

        EXPECT_EQ(imap_status_args_parse(&line.lexer, &line.error), nullptr) << in;
        EXPECT_NE(line.reason(), "");
    }
}

/* RFC 4467, 5 and 11; RFC 5092, 11 */
TEST(Url, ReadsWhoMayUseIt)
{
    const std::string rump = "imap://joe@example.com/INBOX/;uid=20/;section=1.2;"
                             "expire=2005-12-01T12:00:00Z;urlauth=submit+fr%65d";
    g_autoptr(ImapUrl) url =
        imap_url_parse((rump + ":internal:91354a473744909de610943775f92038").c_str(), nullptr);

    ASSERT_NE(url, nullptr);
    EXPECT_STREQ(url->host, "example.com");
    EXPECT_STREQ(url->user, "joe");
    EXPECT_EQ(url->uid, 20u);
    EXPECT_EQ(url->expires, 1133438400);
    EXPECT_STREQ(url->access, "submit");
    EXPECT_STREQ(url->access_user, "fred");
    EXPECT_STREQ(url->mechanism, "internal");
    EXPECT_STREQ(url->token, "91354a473744909de610943775f92038");
    EXPECT_EQ(url->rump_length, rump.size());
    for (const char *text : {"imap://a@[::1]/b/;uid=1;urlauth=anonymous",
                             "imap://a@[::1]:143/b/;uid=1;URLAUTH=AUTHUSER"}) {
        g_autoptr(ImapUrl) other = imap_url_parse(text, nullptr);

        ASSERT_NE(other, nullptr) << text;
        EXPECT_STREQ(other->host, "[::1]");
        EXPECT_EQ(other->token, nullptr);
        EXPECT_EQ(other->rump_length, strlen(text));
    }
    for (const char *text :
         {"imap://a@b/c/;uid=1;urlauth=", "imap://a@b/c/;uid=1;urlauth=x:",
          "imap://a@b/;uid=1;urlauth=x", "imap://a@b/c/;uid=1;urlauth=x:internal",
          "imap://a@b/c/;uid=1;urlauth=x:internal:",
          "imap://a@b/c/;uid=1;urlauth=x;expire=2005-12-01T12:00:00Z", "/c/;uid=1;urlauth=x",
          "imap://b/c/;uid=1;urlauth=x", "imap://a@b/c/;uid=1;expire=2005-12-01T12:00:00;urlauth=x",
          "imap://a@b/c/;urlauth=x"})
        EXPECT_EQ(imap_url_parse(text, nullptr), nullptr) << text;
}

/* RFC 4467, 9; RFC 5524, 5 */
TEST(Url, CommandsReadTheirArguments)
{
    Line pairs("a GENURLAUTH \"x\" INTERNAL y XSAMPLE");
    g_autoptr(GPtrArray) words = imap_genurlauth_args_parse(&pairs.lexer, &pairs.error);

    ASSERT_NE(words, nullptr) << pairs.reason();
    ASSERT_EQ(words->len, 4u);
    EXPECT_STREQ((char *)words->pdata[3], "XSAMPLE");
    for (const char *in : {"", "x", "x ", "x (y)", "x y z"}) {
        Line line("a GENURLAUTH " + std::string(in));
        EXPECT_EQ(imap_genurlauth_args_parse(&line.lexer, &line.error), nullptr) << in;
    }

    Line urls("a URLFETCH x (y) (\"z\" BODYPARTSTRUCTURE binary)");
    g_autoptr(GArray) fetches = imap_urlfetch_args_parse(&urls.lexer, &urls.error);
    ASSERT_NE(fetches, nullptr) << urls.reason();
    ASSERT_EQ(fetches->len, 3u);
    EXPECT_EQ(g_array_index(fetches, ImapUrlfetch, 1).parameters, 0u);
    EXPECT_STREQ(g_array_index(fetches, ImapUrlfetch, 2).url, "z");
    EXPECT_EQ(g_array_index(fetches, ImapUrlfetch, 2).parameters,
              (guint)(IMAP_URLFETCH_STRUCTURE | IMAP_URLFETCH_BINARY));
    for (const char *in : {"", "()", "(x", "(x BODY BINARY)", "(x COLOUR)", "x (y BODY", "x)"}) {
        Line line("a URLFETCH " + std::string(in));
        EXPECT_EQ(imap_urlfetch_args_parse(&line.lexer, &line.error), nullptr) << in;
    }

    Line some("a RESETKEY inbox INTERNAL X"), all("a RESETKEY"), bad("a RESETKEY inbox (");
    g_autofree char *name = nullptr, *none = nullptr, *no = nullptr;
    EXPECT_TRUE(imap_resetkey_args_parse(&some.lexer, &name, &some.error));
    EXPECT_STREQ(name, "INBOX");
    EXPECT_TRUE(imap_resetkey_args_parse(&all.lexer, &none, &all.error));
    EXPECT_EQ(none, nullptr);
    EXPECT_FALSE(imap_resetkey_args_parse(&bad.lexer, &no, &bad.error));
}

std::string list(const std::string &arguments, const ImapLimits *limits = &imap_limits_default)
{
    Line line("a LIST " + arguments, 0, limits);
    g_autoptr(ImapListArgs) args = imap_list_args_parse(&line.lexer, &line.error);
    GString *out;

    if (args == nullptr)
        return "BAD " + line.reason();
    out = g_string_new(nullptr);
    g_string_printf(out, "%s%x '%s'", args->extended ? "x" : "", args->select, args->reference);
    for (guint i = 0; i < args->patterns->len; i++)
        g_string_append_printf(out, " '%s'", (char *)args->patterns->pdata[i]);
    g_string_append_printf(out, " %x %x", args->returns, args->status);
    for (guint i = 0; args->metadata != nullptr && i < args->metadata->len; i++)
        g_string_append_printf(out, " %s", (char *)args->metadata->pdata[i]);
    return take(out);
}

TEST(List, ReadsItsOptions)
{
    const struct {
        const char *in, *out;
    } cases[] = {
        {"\"\" \"\"", "0 '' '' 0 0"},
        {"~/Mail/ %", "0 '~/Mail/' '%' 0 0"},
        {"\"\" inbox", "0 '' 'INBOX' 0 0"},
        {"\"\" Entw&APw-%*", "0 '' 'Entwü%*' 0 0"},
        /* RFC 5258, 5 */
        {"(SUBSCRIBED) \"\" \"*\"", "x1 '' '*' 1 0"},
        {"() \"\" \"%\" RETURN (CHILDREN)", "x0 '' '%' 2 0"},
        {"(REMOTE) \"\" \"%\" RETURN (CHILDREN)", "x2 '' '%' 2 0"},
        {"(REMOTE SUBSCRIBED) \"\" \"*\"", "x3 '' '*' 1 0"},
        {"\"\" (\"INBOX\" \"Drafts\" \"Sent/%\")", "x0 '' 'INBOX' 'Drafts' 'Sent/%' 0 0"},
        {"(SUBSCRIBED RECURSIVEMATCH) \"\" \"*2\"", "x5 '' '*2' 1 0"},
        /* RFC 5819, 4 */
        {"\"\" % RETURN (STATUS (MESSAGES UNSEEN))", "x0 '' '%' 10 11"},
        {"(SUBSCRIBED RECURSIVEMATCH)\"\" % RETURN (STATUS (MESSAGES))",
         "BAD expected a space, found '\"'"},
        /* RFC 6154, 5 */
        {"(SPECIAL-USE) \"\" \"*\"", "x8 '' '*' 4 0"},
        {"\"\" \"%\" RETURN (SPECIAL-USE SUBSCRIBED)", "x0 '' '%' 5 0"},
        {"\"\" \"%\" RETURN (MYRIGHTS)", "x0 '' '%' 8 0"}, /* RFC 8440 */
        {"\"\" \"%\" RETURN ()", "x0 '' '%' 0 0"},
        {"\"\" % RETURN (METADATA (\"/shared/vendor/cmu/cyrus-imapd/color\" /private/x))",
         "x0 '' '%' 20 0 /shared/vendor/cmu/cyrus-imapd/color /private/x"},
    };

    for (const auto &c : cases)
        EXPECT_EQ(list(c.in), c.out) << c.in;
    for (const char *in :
         {"", "\"\"", "\"\" ", "\"\" ()", "(NOPE) \"\" *", "(RECURSIVEMATCH) \"\" *",
          "(RECURSIVEMATCH REMOTE) \"\" *", "\"\" * RETURN", "\"\" * RETURN CHILDREN",
          "\"\" * RETURN (NOPE)", "\"\" * RETURN (STATUS)", "\"\" * x", "\"\" * RETURN (STATUS ())",
          "\"\" (a", "* * *"})
        EXPECT_EQ(list(in).find("BAD "), 0u) << in << ": " << list(in);
}

TEST(List, LsubIsTheOldForm)
{
    Line line("a LSUB \"#news.\" \"comp.mail.*\""), extended("a LSUB (SUBSCRIBED) \"\" *");
    g_autoptr(ImapListArgs) args = imap_lsub_args_parse(&line.lexer, &line.error);

    ASSERT_NE(args, nullptr);
    EXPECT_STREQ(args->reference, "#news.");
    EXPECT_STREQ((char *)args->patterns->pdata[0], "comp.mail.*");
    EXPECT_EQ(imap_lsub_args_parse(&extended.lexer, &extended.error), nullptr);
}

/* ---- SEARCH -----------------------------------------------------------------------------------*/

const char *const kinds[] = {
    "ALL",         "AND",        "OR",         "NOT",
    "FUZZY",       "SEQ",        "UID",        "FLAG",
    "RECENT",      "KEYWORD",    "BCC",        "CC",
    "FROM",        "TO",         "SUBJECT",    "BODY",
    "TEXT",        "HEADER",     "BEFORE",     "ON",
    "SINCE",       "SENTBEFORE", "SENTON",     "SENTSINCE",
    "SAVEDBEFORE", "SAVEDON",    "SAVEDSINCE", "SAVEDATESUPPORTED",
    "LARGER",      "SMALLER",    "OLDER",      "YOUNGER",
    "MODSEQ",      "EMAILID",    "THREADID",   "FILTER",
    "X-GM-RAW",    "X-GM-MSGID", "X-GM-THRID", "X-GM-LABELS",
};
static_assert(G_N_ELEMENTS(kinds) == IMAP_SEARCH_KINDS, "a kind has no name");

void describe(const ImapSearchKey *key, GString *out)
{
    g_string_append(out, kinds[key->kind]);
    if (key->field != nullptr)
        g_string_append_printf(out, " <%s>", key->field);
    if (key->text != nullptr)
        g_string_append_printf(out, " '%s'", key->text);
    if (key->set != nullptr) {
        g_string_append_c(out, ' ');
        imap_sequence_set_format(key->set, out);
    }
    if (key->kind >= IMAP_SEARCH_BEFORE && key->kind <= IMAP_SEARCH_SAVEDSINCE) {
        g_string_append_c(out, ' ');
        imap_date_format(key->day, out);
    }
    if (key->number != 0)
        g_string_append_printf(out, " %" G_GUINT64_FORMAT, key->number);
    for (guint i = 0; key->children != nullptr && i < key->children->len; i++) {
        g_string_append(out, i == 0 ? "(" : ", ");
        describe((const ImapSearchKey *)key->children->pdata[i], out);
    }
    g_string_append(out, key->children != nullptr ? ")" : "");
}

std::string describe(const ImapSearchKey *key)
{
    GString *out = g_string_new(nullptr);

    describe(key, out);
    return take(out);
}

std::string search(const std::string &arguments, guint mode = 0,
                   const ImapLimits *limits = &imap_limits_default)
{
    Line line("a SEARCH " + arguments, mode, limits);
    g_autoptr(ImapSearchArgs) args = imap_search_args_parse(&line.lexer, &line.error);

    return args != nullptr ? describe(args->key) : "BAD " + line.reason();
}

TEST(Search, ReadsEveryKey)
{
    const struct {
        const char *in, *out;
    } cases[] = {
        /* RFC 3501, 6.4.4 */
        {"FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"",
         "AND(FLAG 2, SINCE 1-Feb-1994, NOT(FROM 'Smith'))"},
        {"TEXT \"string not in mailbox\"", "TEXT 'string not in mailbox'"},
        {"ALL", "ALL"},
        {"ANSWERED DELETED DRAFT FLAGGED SEEN", "AND(FLAG 1, FLAG 4, FLAG 16, FLAG 2, FLAG 8)"},
        {"UNANSWERED", "NOT(FLAG 1)"},
        {"undeleted", "NOT(FLAG 4)"},
        {"UNDRAFT UNFLAGGED UNSEEN", "AND(NOT(FLAG 16), NOT(FLAG 2), NOT(FLAG 8))"},
        {"NEW", "AND(RECENT, NOT(FLAG 8))"},
        {"OLD RECENT", "AND(NOT(RECENT), RECENT)"},
        {"KEYWORD $Junk UNKEYWORD x", "AND(KEYWORD '$Junk', NOT(KEYWORD 'x'))"},
        {"BCC a CC b FROM c TO d SUBJECT e BODY f TEXT g",
         "AND(BCC 'a', CC 'b', FROM 'c', TO 'd', SUBJECT 'e', BODY 'f', TEXT 'g')"},
        {"HEADER Message-ID <x@y>", "HEADER <Message-ID> '<x@y>'"},
        {"HEADER X-Spam \"\"", "HEADER <X-Spam> ''"},
        {"BEFORE 1-Jan-2000 ON \"2-Jan-2000\" SINCE 03-Jan-2000",
         "AND(BEFORE 1-Jan-2000, ON 2-Jan-2000, SINCE 3-Jan-2000)"},
        {"SENTBEFORE 1-Jan-2000 SENTON 2-Jan-2000 SENTSINCE 3-Jan-2000",
         "AND(SENTBEFORE 1-Jan-2000, SENTON 2-Jan-2000, SENTSINCE 3-Jan-2000)"},
        {"LARGER 5000000000 SMALLER 0", "AND(LARGER 5000000000, SMALLER)"},
        {"1,3:5 UID 7:*", "AND(SEQ 1,3:5, UID 7:*)"},
        {"*", "SEQ *"},
        {"OR SEEN (FROM a TO b)", "OR(FLAG 8, AND(FROM 'a', TO 'b'))"},
        {"OR OR SEEN DRAFT NOT NOT ALL", "OR(OR(FLAG 8, FLAG 16), NOT(NOT(ALL)))"},
        {"(((SEEN)))", "FLAG 8"},
        {"(SEEN 1) ", "AND(FLAG 8, SEQ 1)"},
        /* RFC 7162, 3.1.5 */
        {"MODSEQ \"/flags/\\\\draft\" all 620162338", "MODSEQ 620162338"},
        {"OR NOT MODSEQ 720162338 LARGER 50000", "OR(NOT(MODSEQ 720162338), LARGER 50000)"},
        {"UNSEEN YOUNGER 259200", "AND(NOT(FLAG 8), YOUNGER 259200)"}, /* RFC 5032 */
        {"OLDER 1", "OLDER 1"},
        {"FUZZY (SUBJECT \"IMAP break\" FROM x)", "FUZZY(AND(SUBJECT 'IMAP break', FROM 'x'))"},
        {"EMAILID M6d99ac3275bb4e THREADID T64b478a75b7ea9",
         "AND(EMAILID 'M6d99ac3275bb4e', THREADID 'T64b478a75b7ea9')"},
        {"SAVEDBEFORE 1-Jan-2000 SAVEDON 28-Dec-2014 SAVEDSINCE 1-Jan-2000 SAVEDATESUPPORTED",
         "AND(SAVEDBEFORE 1-Jan-2000, SAVEDON 28-Dec-2014, SAVEDSINCE 1-Jan-2000, "
         "SAVEDATESUPPORTED)"},
        {"FILTER on-the-road", "FILTER 'on-the-road'"},
        {"UID $ SMALLER 4096", "AND(UID $, SMALLER 4096)"}, /* RFC 5182, 2.1 */
        {"$", "SEQ $"},
        {"CHARSET UTF-8 TEXT abc", "TEXT 'abc'"},
        {"CHARSET \"us-ascii\" TEXT abc", "TEXT 'abc'"},
        {"CHARSET UTF-8 TEXT \"\xc3\xa9\"", "TEXT '\xc3\xa9'"},
    };

    for (const auto &c : cases)
        EXPECT_EQ(search(c.in), c.out) << c.in;
    EXPECT_EQ(search("X-GM-RAW \"has:attachment\" X-GM-MSGID 1278455344230334865 X-GM-THRID 1 "
                     "X-GM-LABELS foo",
                     IMAP_MODE_GMAIL),
              "AND(X-GM-RAW 'has:attachment', X-GM-MSGID 1278455344230334865, X-GM-THRID 1, "
              "X-GM-LABELS 'foo')");
}

TEST(Search, RefusesWhatIsNotInTheGrammar)
{
    for (const char *in : {"",
                           " ",
                           "NOPE",
                           "FROM",
                           "FROM ",
                           "NOT",
                           "OR SEEN",
                           "OR SEEN ",
                           "()",
                           "(SEEN",
                           "SEEN)",
                           "HEADER X",
                           "BEFORE x",
                           "BEFORE 30-Feb-2000",
                           "LARGER -1",
                           "LARGER x",
                           "OLDER 0",
                           "KEYWORD \"x\"",
                           "KEYWORD \\Seen",
                           "UID",
                           "UID x",
                           "0",
                           "1,,2",
                           "MODSEQ",
                           "MODSEQ x 1",
                           "MODSEQ \"/flags\" most 1",
                           "SEEN,DRAFT",
                           "CHARSET UTF-8",
                           "CHARSET",
                           "X-GM-RAW x",
                           "FROM \"x",
                           "TEXT \"\xc3\xa9\"",
                           "RETURN",
                           "RETURN (",
                           "RETURN (NOPE) ALL",
                           "RETURN (ALL PARTIAL 1:2) ALL",
                           "RETURN (PARTIAL 1) ALL",
                           "$1"})
        EXPECT_EQ(search(in).find("BAD "), 0u) << in << ": " << search(in);
}

TEST(Search, HoldsToItsLimits)
{
    ImapLimits limits = imap_limits_default;
    std::string nested, nots, keys;

    limits.depth = 20;
    limits.search_keys = 50;
    for (int i = 0; i < 100; i++) {
        nested += "(";
        nots += "NOT ";
        keys += "SEEN ";
    }
    for (const std::string &in : {nested, nots + "SEEN", keys + "SEEN"})
        EXPECT_TRUE(has(search(in, 0, &limits), "too complex")) << in;
    EXPECT_EQ(search(nested + "SEEN" + std::string(100, ')')).find("BAD"), 0u);
}

TEST(Search, AMillionParenthesesDoNotExhaustTheStack)
{
    EXPECT_TRUE(has(search(std::string(1000000, '(')), "too complex"));
}

std::string search_literal(const std::string &charset, const std::string &text, guint mode = 0)
{
    Session s("a SEARCH " + charset + "TEXT {" + std::to_string(text.size()) + "}\r\n" + text +
              " SEEN\r\n");

    if (!s.run())
        return s.log;
    ImapLexer lexer = s.lexer(mode);
    g_autoptr(GError) error = nullptr;
    g_autoptr(ImapSearchArgs) args = imap_search_args_parse(&lexer, &error);
    if (args == nullptr)
        return error->code == IMAP_ERROR_CHARSET ? "CHARSET" : error->message;
    return describe(args->key);
}

TEST(Search, TextBecomesUtf8)
{
    const std::string e = "AND(TEXT '\xc3\xa9', FLAG 8)";

    EXPECT_EQ(search_literal("", "\xc3\xa9"), e);
    EXPECT_EQ(search_literal("CHARSET utf-8 ", "\xc3\xa9"), e);
    EXPECT_EQ(search_literal("CHARSET ISO-8859-1 ", "\xe9"), e);
    EXPECT_EQ(search_literal("CHARSET KOI8-R ", "\xcd"), "AND(TEXT 'м', FLAG 8)");
    EXPECT_EQ(search_literal("CHARSET US-ASCII ", "\xe9"), "CHARSET");
    EXPECT_EQ(search_literal("", "\xe9"), "CHARSET");
    EXPECT_EQ(search_literal("CHARSET x-nope ", "a"), "CHARSET");
    EXPECT_EQ(search_literal("CHARSET UTF-8//IGNORE ", "a"), "CHARSET");
    EXPECT_EQ(search_literal("CHARSET ../../x ", "a"), "CHARSET");
    EXPECT_EQ(search_literal("CHARSET ISO-8859-1 ", "a", IMAP_MODE_UTF8), "CHARSET");
    EXPECT_EQ(search_literal("CHARSET US-ASCII ", "a", IMAP_MODE_UTF8), "AND(TEXT 'a', FLAG 8)");
}

TEST(Search, ReadsReturnOptions)
{
    const struct {
        const char *in;
        guint options;
    } cases[] = {
        {"ALL", 0},
        {"RETURN () ALL", IMAP_RETURN_ALL},
        {"RETURN (MIN COUNT) ALL", IMAP_RETURN_MIN | IMAP_RETURN_COUNT}, /* RFC 4731, 3.1 */
        {"RETURN (MAX ALL) ALL", IMAP_RETURN_MAX | IMAP_RETURN_ALL},
        {"RETURN (SAVE) ALL", IMAP_RETURN_SAVE},
        {"return (save min) all", IMAP_RETURN_SAVE | IMAP_RETURN_MIN},
        {"RETURN (RELEVANCY ALL) FUZZY TEXT Helo", IMAP_RETURN_RELEVANCY | IMAP_RETURN_ALL},
        {"RETURN (UPDATE COUNT) DELETED", IMAP_RETURN_UPDATE | IMAP_RETURN_COUNT},
        {"RETURN (PARTIAL 1:500 CONTEXT) ALL", IMAP_RETURN_PARTIAL | IMAP_RETURN_CONTEXT},
    };

    for (const auto &c : cases) {
        Line line("a SEARCH " + std::string(c.in));
        g_autoptr(ImapSearchArgs) args = imap_search_args_parse(&line.lexer, &line.error);

        ASSERT_NE(args, nullptr) << c.in << ": " << line.reason();
        EXPECT_EQ(args->ret.options, c.options) << c.in;
        EXPECT_EQ(args->ret.given, c.options != 0);
    }
    Line line("a UID SEARCH RETURN (PARTIAL -100:-1) UNDELETED"); /* RFC 9394, 3.1 */
    g_autoptr(ImapSearchArgs) args = imap_search_args_parse(&line.lexer, &line.error);
    ASSERT_NE(args, nullptr);
    EXPECT_TRUE(args->ret.partial.from_end);
    EXPECT_EQ(args->ret.partial.first, 1u);
    EXPECT_EQ(args->ret.partial.last, 100u);
}

TEST(Search, SeveralMailboxes)
{
    /* RFC 7377, 2.1 */
    Line line("tag1 ESEARCH IN (mailboxes \"folder1\" subtree \"folder2\" personal subtree-one (a "
              "inbox)) RETURN (MIN) unseen subject \"chad\"");
    g_autoptr(ImapSearchArgs) args = imap_search_args_parse(&line.lexer, &line.error);
    const ImapScopeKind kinds[] = {IMAP_SCOPE_MAILBOXES, IMAP_SCOPE_SUBTREE, IMAP_SCOPE_PERSONAL,
                                   IMAP_SCOPE_SUBTREE_ONE};

    ASSERT_NE(args, nullptr) << line.reason();
    ASSERT_EQ(args->scopes->len, 4u);
    for (guint i = 0; i < 4; i++)
        EXPECT_EQ(((ImapScope *)args->scopes->pdata[i])->kind, kinds[i]);
    ImapScope *last = (ImapScope *)args->scopes->pdata[3];
    ASSERT_EQ(last->names->len, 2u);
    EXPECT_STREQ((char *)last->names->pdata[1], "INBOX");
    EXPECT_EQ(describe(args->key), "AND(NOT(FLAG 8), SUBJECT 'chad')");
}

/* ---- SORT, THREAD -----------------------------------------------------------------------------*/

TEST(Sort, ReadsItsKeys)
{
    /* RFC 5256, 3 */
    Line line("A283 SORT RETURN (PARTIAL 1:10) (SUBJECT REVERSE DATE DISPLAYFROM) UTF-8 ALL SEEN");
    g_autoptr(ImapSortArgs) args = imap_sort_args_parse(&line.lexer, &line.error);
    const ImapSortKey keys[] = {
        {IMAP_SORT_SUBJECT, FALSE}, {IMAP_SORT_DATE, TRUE}, {IMAP_SORT_DISPLAYFROM, FALSE}};

    ASSERT_NE(args, nullptr) << line.reason();
    EXPECT_EQ(args->ret.options, IMAP_RETURN_PARTIAL);
    ASSERT_EQ(args->keys->len, 3u);
    for (guint i = 0; i < 3; i++) {
        EXPECT_EQ(g_array_index(args->keys, ImapSortKey, i).kind, keys[i].kind);
        EXPECT_EQ(g_array_index(args->keys, ImapSortKey, i).reverse, keys[i].reverse);
    }
    EXPECT_EQ(describe(args->key), "AND(ALL, FLAG 8)");
}

TEST(Sort, RefusesWhatIsNotInTheGrammar)
{
    for (const char *in :
         {"", "SUBJECT UTF-8 ALL", "() UTF-8 ALL", "(SUBJECT) ALL", "(SUBJECT) UTF-8",
          "(REVERSE) UTF-8 ALL", "(REVERSE REVERSE DATE) UTF-8 ALL", "(NOPE) UTF-8 ALL",
          "(SUBJECT) x-nope ALL"}) {
        Line line("a SORT " + std::string(in));

        EXPECT_EQ(imap_sort_args_parse(&line.lexer, &line.error), nullptr) << in;
        EXPECT_NE(line.reason(), "") << in;
    }
}

TEST(Thread, ReadsItsAlgorithm)
{
    /* RFC 5256, 3 */
    Line line("A283 THREAD ORDEREDSUBJECT UTF-8 SINCE 5-MAR-2000"), refs("a THREAD refs UTF-8 ALL"),
        bad("a THREAD JWZ UTF-8 ALL");
    g_autoptr(ImapThreadArgs) args = imap_thread_args_parse(&line.lexer, &line.error);
    g_autoptr(ImapThreadArgs) two = imap_thread_args_parse(&refs.lexer, &refs.error);

    ASSERT_NE(args, nullptr) << line.reason();
    EXPECT_EQ(args->algorithm, IMAP_THREAD_ORDEREDSUBJECT);
    EXPECT_EQ(describe(args->key), "SINCE 5-Mar-2000");
    ASSERT_NE(two, nullptr);
    EXPECT_EQ(two->algorithm, IMAP_THREAD_REFS);
    EXPECT_EQ(imap_thread_args_parse(&bad.lexer, &bad.error), nullptr);
}

} // namespace
