/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Encoded words. See words.h. The bytes of words that follow each other in one charset are
 * converted together: many mailers split a text between the bytes of a character. Each word's
 * base64 is decoded on its own, though, since each may end with padding, which GMime 3.2 takes for
 * the end of them all.
 */
#include "daemon/proto/mime/words.h"

#include "daemon/proto/mime/decode.h"

#include <string.h>

typedef struct {
    const char *charset; /* up to charset_end */
    const char *charset_end;
    char encoding; /* 'b' or 'q' */
    const char *text;
    const char *text_end;
    const char *end;
} Word;

/* Words whose bytes aren't converted yet. */
typedef struct {
    MimeCharsets *charsets;
    char *charset; /* NULL: there are none */
    GString *bytes;
    GString *out;
} Pending;

/* "=?charset*language?encoding?text?=" (RFC 2047, 2; RFC 2231, 5). White space in the text is let
 * through: mailers forget to encode it. */
static gboolean parse_word(const char *text, const char *end, Word *word)
{
    if (end - text < 2 || text[0] != '=' || text[1] != '?')
        return FALSE;
    word->charset = text + 2;

    const char *mark = memchr(word->charset, '?', (gsize)(end - word->charset));

    if (mark == NULL || mark == word->charset || end - mark < 3 || mark[2] != '?')
        return FALSE;

    const char *language = memchr(word->charset, '*', (gsize)(mark - word->charset));

    word->charset_end = language != NULL ? language : mark;
    word->encoding = g_ascii_tolower(mark[1]);
    word->text = mark + 3;
    word->text_end = memchr(word->text, '?', (gsize)(end - word->text));
    if ((word->encoding != 'b' && word->encoding != 'q') || word->text_end == NULL ||
        end - word->text_end < 2 || word->text_end[1] != '=')
        return FALSE;
    word->end = word->text_end + 2;
    return TRUE;
}

/* RFC 2047, 4.2 */
static void decode_q(const char *text, const char *end, GString *out)
{
    while (text < end) {
        if (*text == '=' && end - text >= 3 && g_ascii_isxdigit(text[1]) &&
            g_ascii_isxdigit(text[2])) {
            g_string_append_c(
                out, (char)(g_ascii_xdigit_value(text[1]) * 16 + g_ascii_xdigit_value(text[2])));
            text += 3;
            continue;
        }
        g_string_append_c(out, *text == '_' ? ' ' : *text);
        text++;
    }
}

static void flush(Pending *pending)
{
    if (pending->charset == NULL)
        return;

    gsize before = pending->out->len;

    mime_charset_append_utf8(pending->charsets, pending->bytes->str, pending->bytes->len,
                             pending->charset, pending->out);
    g_strdelimit(pending->out->str + before, "\r\n", ' ');
    g_clear_pointer(&pending->charset, g_free);
    g_string_truncate(pending->bytes, 0);
}

static void add_word(Pending *pending, const Word *word)
{
    g_autofree char *charset = g_strndup(word->charset, (gsize)(word->charset_end - word->charset));

    if (pending->charset != NULL && g_ascii_strcasecmp(pending->charset, charset) != 0)
        flush(pending);
    if (pending->charset == NULL)
        pending->charset = g_steal_pointer(&charset);
    if (word->encoding == 'q')
        decode_q(word->text, word->text_end, pending->bytes);
    else
        mime_decode(word->text, (gsize)(word->text_end - word->text), MIME_ENCODING_BASE64,
                    G_MAXSIZE, pending->bytes, NULL);
}

/* Whether another word follows, white space aside: between words it isn't shown (RFC 2047, 6.2). */
static gboolean find_next(const char *text, const char *end, Word *word)
{
    while (text < end && (*text == ' ' || *text == '\t'))
        text++;
    return parse_word(text, end, word);
}

void mime_words_decode(MimeCharsets *charsets, const char *value, gsize length, GString *out)
{
    const char *end = value + length;
    g_autoptr(GString) bytes = g_string_new(NULL);
    Pending pending = {charsets, NULL, bytes, out};
    Word word;

    while (value < end) {
        const char *start = memmem(value, (gsize)(end - value), "=?", 2);

        if (start == NULL)
            start = end;
        g_string_append_len(out, value, start - value);
        value = start;
        if (!parse_word(value, end, &word)) {
            g_string_append_len(out, value, MIN(2, end - value));
            value += MIN(2, end - value);
            continue;
        }
        do {
            add_word(&pending, &word);
            value = word.end;
        } while (find_next(value, end, &word));
        flush(&pending);
    }
}
