/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Replies and capabilities. */
#include "daemon/proto/smtp/reply.h"

#include "daemon/proto/sasl/mechanism.h"
#include "daemon/words/words.h"

#include <string.h>

void smtp_reply_clear(SmtpReply *reply)
{
    g_clear_pointer(&reply->lines, g_ptr_array_unref);
    reply->code = 0;
}

SmtpReplyStatus smtp_reply_add(SmtpReply *reply, const char *line, gsize length)
{
    if (length < 3 || line[0] < '2' || line[0] > '5' || !g_ascii_isdigit(line[1]) ||
        !g_ascii_isdigit(line[2]) || (length > 3 && line[3] != ' ' && line[3] != '-'))
        return SMTP_REPLY_BAD;
    guint code = (guint)((line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0'));
    if (!reply->lines)
        reply->lines = g_ptr_array_new_with_free_func(g_free);
    else if (code != reply->code || reply->lines->len >= SMTP_REPLY_LINES_MAX)
        return SMTP_REPLY_BAD;
    reply->code = code;
    gsize skip = MIN(length, 4);
    g_ptr_array_add(reply->lines, words_uncut(line + skip, length - skip));
    return length > 3 && line[3] == '-' ? SMTP_REPLY_MORE : SMTP_REPLY_DONE;
}

/* The length of an enhanced status code (RFC 2034) with the space behind it, or 0. */
static gsize enhanced_length(const char *text)
{
    gsize length = strspn(text, "0123456789.");
    if (length < 5 || text[1] != '.' || (text[length] && text[length] != ' '))
        return 0;
    return text[length] ? length + 1 : length;
}

/* An enhanced code is repeated on each line; once is enough. */
char *smtp_reply_text(const SmtpReply *reply)
{
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_printf(text, "%u", reply->code);
    for (guint i = 0; reply->lines && i < reply->lines->len && text->len <= WORDS_LINE_MAX; i++) {
        const char *line = g_ptr_array_index(reply->lines, i);
        line += i > 0 ? enhanced_length(line) : 0;
        if (*line)
            g_string_append_printf(text, " %s", line);
    }
    return words_line(text->str, (gssize)text->len);
}

/* ---- EHLO ------------------------------------------------------------------------------------ */

typedef struct {
    const char *name;
    SmtpCapability capability;
} Keyword;

static const Keyword KEYWORDS[] = {
    {"PIPELINING", SMTP_PIPELINING}, {"8BITMIME", SMTP_8BITMIME},
    {"SMTPUTF8", SMTP_SMTPUTF8},     {"DSN", SMTP_DSN},
    {"STARTTLS", SMTP_STARTTLS},     {"SIZE", SMTP_SIZE},
};

/* The capability that `word` stands for; 0: none that matters here. */
static guint look_up(const char *word)
{
    for (gsize i = 0; i < G_N_ELEMENTS(KEYWORDS); i++)
        if (g_ascii_strcasecmp(word, KEYWORDS[i].name) == 0)
            return KEYWORDS[i].capability;
    return 0;
}

static void read_keyword(const char *line, SmtpEhlo *ehlo)
{
    /* "AUTH=PLAIN" is how the oldest servers say it. */
    g_auto(GStrv) words = g_strsplit_set(line, " =", -1);

    if (!words[0])
        return;
    guint keyword = look_up(words[0]);
    ehlo->capabilities |= keyword;
    if (keyword == SMTP_SIZE && words[1])
        ehlo->size = g_ascii_strtoull(words[1], NULL, 10);
    if (g_ascii_strcasecmp(words[0], "AUTH") != 0)
        return;
    for (char **word = words + 1; *word; word++)
        ehlo->mechanisms |= sasl_mechanism_of(*word);
}

SmtpEhlo smtp_ehlo_read(const SmtpReply *reply)
{
    SmtpEhlo ehlo = {0};

    for (guint i = 1; reply->lines && i < reply->lines->len; i++)
        read_keyword(g_ptr_array_index(reply->lines, i), &ehlo);
    return ehlo;
}
