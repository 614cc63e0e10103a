/* SPDX-License-Identifier: GPL-3.0-or-later */
/* IMAP strings. See quote.h. */
#include "daemon/proto/mime/quote.h"

#include "daemon/proto/mime/arena.h"

#include <string.h>

/* More quotes and backslashes than this, and a literal is shorter than escaping them. */
#define MAX_ESCAPES 4

/* Longer text for people isn't quoted: clients read quoted strings as part of a line. Dovecot
 * doesn't either. */
#define MAX_QUOTED 8000

static void append_literal(GString *out, const char *text, gsize length)
{
    char size[32];
    int digits = g_snprintf(size, sizeof(size), "{%" G_GSIZE_FORMAT "}\r\n", length);

    g_string_append_len(out, size, digits);
    g_string_append_len(out, text, (gssize)length);
}

/* What is left of text is 7-bit, without line ends and NULs. */
static void append_quoted(GString *out, const char *text, gsize length, guint escapes)
{
    g_string_append_c(out, '"');
    if (escapes == 0)
        g_string_append_len(out, text, (gssize)length);
    else
        for (gsize i = 0; i < length; i++) {
            if (text[i] == '"' || text[i] == '\\')
                g_string_append_c(out, '\\');
            g_string_append_c(out, text[i]);
        }
    g_string_append_c(out, '"');
}

static void append_string(GString *out, const char *text, gsize length)
{
    guint escapes = 0;
    gboolean literal = FALSE;

    for (gsize i = 0; i < length && !literal; i++) {
        char c = text[i];

        if (c == '"' || c == '\\')
            literal = ++escapes > MAX_ESCAPES;
        else
            literal = c == '\r' || c == '\n' || (guint8)c >= 0x80;
    }
    if (literal)
        append_literal(out, text, length);
    else
        append_quoted(out, text, length, escapes);
}

void mime_quote_nstring(GString *out, const char *text)
{
    if (text == NULL)
        g_string_append(out, "NIL");
    else
        append_string(out, text, strlen(text));
}

/* The value in one line. */
static GString *unfold(const char *value, gsize length)
{
    GString *line = g_string_sized_new(length + 16);

    for (gsize i = 0; i < length; i++) {
        char c = value[i];
        char next = i + 1 < length ? value[i + 1] : ' ';

        if (c == '\0')
            g_string_append(line, MIME_REPLACEMENT);
        else if (c != '\r' && c != '\n')
            g_string_append_c(line, c);
        else if (next != ' ' && next != '\t' && next != '\r' && next != '\n')
            g_string_append_c(line, ' ');
    }
    return line;
}

static gboolean is_one_line(const char *value, gsize length)
{
    for (gsize i = 0; i < length; i++)
        if (value[i] == '\0' || value[i] == '\r' || value[i] == '\n')
            return FALSE;
    return TRUE;
}

void mime_quote_unfolded(GString *out, const char *value, gsize length)
{
    if (value == NULL) {
        g_string_append(out, "NIL");
    } else if (is_one_line(value, length)) {
        append_string(out, value, length);
    } else {
        g_autoptr(GString) line = unfold(value, length);

        append_string(out, line->str, line->len);
    }
}

static gboolean is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Whether text can be quoted as it is. */
static gboolean is_plain(const char *text, gsize length)
{
    gboolean after_space = TRUE;

    if (length > MAX_QUOTED)
        return FALSE;
    for (gsize i = 0; i < length; i++) {
        char c = text[i];

        if (c == ' ' && after_space)
            return FALSE;
        if (c == '"' || c == '\\' || c == '\0' || c == '\t' || c == '\r' || c == '\n' ||
            (guint8)c >= 0x80)
            return FALSE;
        after_space = c == ' ';
    }
    return length == 0 || !after_space;
}

static GString *squeeze(const char *text, gsize length)
{
    GString *squeezed = g_string_sized_new(length + 1);

    for (gsize i = 0; i < length; i++)
        if (text[i] == '\0')
            g_string_append(squeezed, MIME_REPLACEMENT);
        else if (!is_space(text[i]))
            g_string_append_c(squeezed, text[i]);
        else if (squeezed->len > 0 && squeezed->str[squeezed->len - 1] != ' ')
            g_string_append_c(squeezed, ' ');
    if (squeezed->len > 0 && squeezed->str[squeezed->len - 1] == ' ')
        g_string_truncate(squeezed, squeezed->len - 1);
    return squeezed;
}

void mime_quote_for_people(GString *out, const char *text, gsize length)
{
    if (is_plain(text, length)) {
        append_quoted(out, text, length, 0);
        return;
    }

    g_autoptr(GString) squeezed = squeeze(text, length);

    if (squeezed->len == 0)
        g_string_append(out, "\"\"");
    else
        append_literal(out, squeezed->str, squeezed->len);
}
