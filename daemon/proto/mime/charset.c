/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any charset to UTF-8, with GMime's names of charsets and iconv. See charset.h. */
#include "daemon/proto/mime/charset.h"

#include "daemon/proto/mime/arena.h"

#include <errno.h>
#include <gmime/gmime.h>
#include <pthread.h>
#include <string.h>

static pthread_once_t gmime_once = PTHREAD_ONCE_INIT;

void mime_charset_need_gmime(void)
{
    pthread_once(&gmime_once, g_mime_init);
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
static void append_converted(iconv_t converter, const char *text, gsize length, GString *out)
{
    char buffer[4096];
    char *from = (char *)text;

    while (length > 0) {
        char *to = buffer;
        gsize room = sizeof(buffer);
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

void mime_charset_append_utf8(const char *text, gsize length, const char *charset, GString *out)
{
    g_autofree char *without_nuls = NULL;
    gsize before = out->len, valid = 0;
    iconv_t converter = (iconv_t)-1;

    if (length == 0)
        return;
    mime_charset_need_gmime();
    if (!says_nothing(charset) && !says_utf8(charset)) {
        converter = g_mime_iconv_open("UTF-8", charset);
    } else {
        if (memchr(text, '\0', length) != NULL) {
            text = without_nuls = g_memdup2(text, length);
            clear_nuls(without_nuls, length);
        }
        if (is_utf8(text, length, &valid)) {
            g_string_append_len(out, text, (gssize)valid);
            return;
        }
        if (says_utf8(charset)) {
            g_autofree char *repaired = g_utf8_make_valid(text, (gssize)length);

            g_string_append(out, repaired);
            return;
        }
    }
    if (converter == (iconv_t)-1)
        converter = g_mime_iconv_open("UTF-8", "windows-1252");
    append_converted(converter, text, length, out);
    g_mime_iconv_close(converter);
    /* NULs can come out of UTF-16 and the like. */
    clear_nuls(out->str + before, out->len - before);
}
