/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Five states: where a line starts, within it, behind a CR, behind a dot at the start, and its CR. */
#include "daemon/proto/pop3/text.h"

#include <string.h>

static void put(GByteArray *out, const char *data, gsize length)
{
    g_byte_array_append(out, (const guint8 *)data, (guint)length);
}

/* What is left of a line from `at` on: how many octets need no look. */
static gsize run_of(const char *at, gsize length)
{
    const char *lf = memchr(at, '\n', length);
    gsize run = lf ? (gsize)(lf - at) : length;

    /* The CR before it, or one that may turn out to be. */
    return run > 0 && at[run - 1] == '\r' ? run - 1 : run;
}

/* One octet where it matters. */
static void step(Pop3Text *text, char c, GByteArray *out)
{
    switch (text->state) {
    case POP3_TEXT_DOT_CR:
        if (c == '\n') {
            text->done = TRUE;
            return;
        }
        put(out, "\r", 1);
        break;
    case POP3_TEXT_DOT:
        if (c == '\n') {
            text->done = TRUE;
            return;
        }
        if (c == '\r') {
            text->state = POP3_TEXT_DOT_CR;
            return;
        }
        break;
    case POP3_TEXT_CR:
        if (c != '\n')
            put(out, "\r", 1);
        break;
    case POP3_TEXT_START:
        if (c == '.') {
            text->state = POP3_TEXT_DOT;
            return;
        }
        break;
    case POP3_TEXT_INSIDE:
        break;
    }
    if (c == '\n')
        put(out, "\r\n", 2);
    else if (c != '\r')
        put(out, &c, 1);
    text->state = c == '\n' ? POP3_TEXT_START : c == '\r' ? POP3_TEXT_CR : POP3_TEXT_INSIDE;
}

gsize pop3_text_feed(Pop3Text *text, const char *data, gsize length, GByteArray *out)
{
    gsize at = 0;

    while (at < length && !text->done) {
        gsize run = text->state == POP3_TEXT_INSIDE ? run_of(data + at, length - at) : 0;

        put(out, data + at, run);
        at += run;
        if (at < length)
            step(text, data[at++], out);
    }
    return at;
}
