/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any charset to UTF-8, with GMime's names of charsets and iconv. See charset.h. */
#include "daemon/proto/mime/charset.h"

#include "daemon/proto/mime/arena.h"

#include <errno.h>
#include <gmime/gmime.h>
#include <pthread.h>
#include <string.h>

static pthread_once_t gmime_once = PTHREAD_ONCE_INIT;

void mime_charset_init_gmime(void)
{
    pthread_once(&gmime_once, g_mime_init);
}

/* Longer names are nobody's. */
#define NAME_MAX_LENGTH 64

struct MimeConverter {
    char *charset;
    iconv_t converter; /* -1: nobody knows the charset */
};

static const iconv_t no_converter = (iconv_t)-1;

/* What text is in that doesn't say; always among those that can be opened. */
static const char last_resort[] = "windows-1252";

static iconv_t find_converter(MimeCharsets *charsets, const char *charset)
{
    for (guint i = 0; i < charsets->count; i++)
        if (g_ascii_strcasecmp(charsets->converters[i].charset, charset) == 0)
            return charsets->converters[i].converter;
    if ((charsets->count >= MIME_CHARSETS_MAX && charset != last_resort) ||
        strlen(charset) > NAME_MAX_LENGTH)
        return no_converter;
    mime_charset_init_gmime();
    if (charsets->converters == NULL)
        charsets->converters = g_new(MimeConverter, MIME_CHARSETS_MAX + 1);

    MimeConverter *opened = &charsets->converters[charsets->count++];

    opened->charset = g_strdup(charset);
    opened->converter = g_mime_iconv_open("UTF-8", charset);
    return opened->converter;
}

void mime_charsets_clear(MimeCharsets *charsets)
{
    for (guint i = 0; i < charsets->count; i++) {
        if (charsets->converters[i].converter != no_converter)
            g_mime_iconv_close(charsets->converters[i].converter);
        g_free(charsets->converters[i].charset);
    }
    g_clear_pointer(&charsets->converters, g_free);
    charsets->count = 0;
}

static gboolean is_one_of(const char *charset, const char *const *names)
{
    for (; *names != NULL; names++)
        if (g_ascii_strcasecmp(charset, *names) == 0)
            return TRUE;
    return FALSE;
}

static gboolean says_nothing(const char *charset)
{
    static const char *const names[] = {"",        "us-ascii",     "ascii",     "ansi_x3.4-1968",
                                        "unknown", "unknown-8bit", "x-unknown", NULL};

    return charset == NULL || is_one_of(charset, names);
}

static gboolean says_utf8(const char *charset)
{
    static const char *const names[] = {"utf-8", "utf8", "unicode-1-1-utf-8", NULL};

    return charset != NULL && is_one_of(charset, names);
}

/* Whether text is UTF-8, but for an incomplete last character: text that was cut somewhere. *valid
 * is how much of it is complete. */
static gboolean is_utf8(const char *text, gsize length, gsize *valid)
{
    const char *end;

    if (!g_utf8_validate_len(text, length, &end) &&
        g_utf8_get_char_validated(end, text + length - end) != (gunichar)-2)
        return FALSE;
    *valid = (gsize)(end - text);
    return TRUE;
}

/* Appends text converted to UTF-8; what can't be becomes U+FFFD, a byte at a time. */
static void append_converted(iconv_t converter, const char *text, gsize length, MimeStop *stop,
                             GString *out)
{
    char buffer[4096];
    char *from = (char *)text;
    gsize before = length;

    iconv(converter, NULL, NULL, NULL, NULL);
    while (length > 0 && !mime_stop_after(stop, before - length)) {
        char *to = buffer;
        gsize room = sizeof(buffer);

        before = length;
        gsize result = iconv(converter, &from, &length, &to, &room);

        g_string_append_len(out, buffer, to - buffer);
        if (result != (gsize)-1 || errno == E2BIG || length == 0)
            continue;
        g_string_append(out, MIME_REPLACEMENT);
        from++;
        length--;
        iconv(converter, NULL, NULL, NULL, NULL);
    }
}

static void clear_nuls(char *text, gsize length)
{
    for (gsize i = 0; i < length; i++)
        if (text[i] == '\0')
            text[i] = ' ';
}

void mime_charset_append_utf8(MimeCharsets *charsets, const char *text, gsize length,
                              const char *charset, GString *out)
{
    g_autofree char *without_nuls = NULL;
    gboolean named = !says_nothing(charset) && !says_utf8(charset);
    gsize before = out->len, valid = 0;
    iconv_t converter = named ? find_converter(charsets, charset) : no_converter;

    if (length == 0)
        return;
    if (converter == no_converter) {
        if (memchr(text, '\0', length) != NULL) {
            text = without_nuls = g_memdup2(text, length);
            clear_nuls(without_nuls, length);
        }
        if (is_utf8(text, length, &valid) && (!named || valid == length)) {
            g_string_append_len(out, text, (gssize)valid);
            return;
        }
        if (says_utf8(charset)) {
            g_autofree char *repaired = g_utf8_make_valid(text, (gssize)length);

            g_string_append(out, repaired);
            return;
        }
        converter = find_converter(charsets, last_resort);
    }
    append_converted(converter, text, length, charsets->stop, out);
    /* NULs can come out of UTF-16 and the like. */
    clear_nuls(out->str + before, out->len - before);
}
