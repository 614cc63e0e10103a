/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What others say, cleaned: by itself, and in what reads servers' lines. */
#include <gtest/gtest.h>
#include <random>
#include <string>

extern "C" {
#include "daemon/proto/imap/quote.h"
#include "daemon/proto/pop3/answer.h"
#include "daemon/proto/smtp/reply.h"
#include "daemon/words/words.h"
}

static std::string take(char *text)
{
    std::string taken = text;
    g_free(text);
    return taken;
}

/* Valid, and nothing harmful but, where `lines`, line ends. */
static void expect_clean(const std::string &text, bool lines)
{
    ASSERT_TRUE(g_utf8_validate(text.data(), (gssize)text.size(), nullptr)) << text;
    for (const char *at = text.c_str(); *at; at = g_utf8_next_char(at)) {
        const gunichar c = g_utf8_get_char(at);
        ASSERT_TRUE(!words_is_harmful(c) || (lines && c == '\n')) << std::hex << c;
    }
}

TEST(Words, WhatIsHarmfulIsWhatSteersTerminalsAndTurnsText)
{
    for (gunichar c = 0; c < 0x110000; c++) {
        const GUnicodeType type = g_unichar_type(c);
        const bool expected = type == G_UNICODE_CONTROL || type == G_UNICODE_LINE_SEPARATOR ||
                              type == G_UNICODE_PARAGRAPH_SEPARATOR || c == 0x61c || c == 0x200e ||
                              c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
                              (c >= 0x2066 && c <= 0x206f) || (c >= 0xfff9 && c <= 0xfffb) ||
                              (c >= 0xe0000 && c <= 0xe007f);
        ASSERT_EQ(words_is_harmful(c), expected) << std::hex << c;
    }
}

/* Octets of all kinds, most of them from what matters. */
static std::string random_octets(std::mt19937 &random)
{
    static const std::string pieces[] = {
        "a",  " ",    "\r\n",         "\x1b[2J",  "\xc2\x9b", "\xe2\x80\xae", "\xe2\x80\xa8",
        "\t", "\xff", "\xf3\xa0\x81", "\xd8\x9c", "é",        "日本",         "\xed\xa0\x80"};
    std::string text;
    for (unsigned count = random() % 400; count > 0; count--)
        text += random() % 4 ? pieces[random() % std::size(pieces)]
                             : std::string(1, (char)(random() % 255 + 1));
    return text;
}

TEST(Words, WhateverComesWhatIsShownIsCleanAndBounded)
{
    std::mt19937 random(7);

    for (int round = 0; round < 3000; round++) {
        const std::string text = random_octets(random);
        const std::string line = take(words_line(text.c_str(), -1)),
                          whole = take(words_text(text.c_str()));
        expect_clean(line, false);
        expect_clean(whole, true);
        ASSERT_LE(line.size(), WORDS_LINE_MAX + 8u);
        ASSERT_LE(whole.size(), WORDS_TEXT_MAX + 8u);
    }
    const std::string large(10000000, '\xff');
    EXPECT_LE(take(words_line(large.c_str(), -1)).size(), WORDS_LINE_MAX + 8u);
    EXPECT_LE(take(words_text(large.c_str())).size(), WORDS_TEXT_MAX + 8u);
}

TEST(Words, WhatIsCleanStaysAsItIs)
{
    for (const char *text :
         {"", "Mailbox is full", "Postfach voll: 5 €", "שלום", "नमस्ते", "👩\u200d🚀", "a\u00a0b"}) {
        EXPECT_EQ(take(words_line(text, -1)), text);
        EXPECT_EQ(take(words_text(text)), text);
        EXPECT_EQ(take(words_uncut(text, strlen(text))), text);
    }
    EXPECT_EQ(take(words_text("one\ntwo")), "one\ntwo");
    EXPECT_EQ(take(words_line(" one\r\ntwo ", -1)), "one  two");
    /* A challenge of a mechanism is a machine's to read. */
    const std::string challenge(60000, 'A');
    EXPECT_EQ(take(words_uncut(challenge.c_str(), challenge.size())), challenge);
}

TEST(Words, ServersLinesAreCleanInEachProtocol)
{
    std::mt19937 random(9);

    for (int round = 0; round < 2000; round++) {
        std::string text = random_octets(random);
        for (char &c : text)
            c = c == '\r' || c == '\n' ? ' ' : c;
        SmtpReply reply = {};
        const std::string smtp = "550-" + text, last = "550 " + text;
        for (int i = 0; i < 20; i++)
            ASSERT_EQ(smtp_reply_add(&reply, smtp.c_str(), smtp.size()), SMTP_REPLY_MORE);
        ASSERT_EQ(smtp_reply_add(&reply, last.c_str(), last.size()), SMTP_REPLY_DONE);
        const std::string said = take(smtp_reply_text(&reply));
        expect_clean(said, false);
        ASSERT_LE(said.size(), WORDS_LINE_MAX + 8u);
        smtp_reply_clear(&reply);
        Pop3Status status = {};
        const std::string pop3 = "-ERR " + text;
        if (pop3_status_parse(pop3.c_str(), pop3.size(), &status))
            expect_clean(status.text, false);
        pop3_status_clear(&status);
        g_autoptr(GString) imap = g_string_new(nullptr);
        imap_quote_append_text(imap, text.c_str(), TRUE);
        expect_clean(imap->str, false);
    }
}
