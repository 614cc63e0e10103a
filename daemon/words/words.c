/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text of others, cleaned. See words.h. */
#include "daemon/words/words.h"

#include <string.h>

static const struct {
    gunichar first, last;
} harmful[] = {{0x061c, 0x061c}, {0x200e, 0x200f}, {0x2028, 0x202e},
               {0x2066, 0x206f}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f}};

gboolean words_is_harmful(gunichar c)
{
    if (g_unichar_iscntrl(c))
        return TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(harmful); i++) {
        if (c >= harmful[i].first && c <= harmful[i].last)
            return TRUE;
    }
    return FALSE;
}

/* No more is looked at than can be kept: whoever says it, says how long it is. */
static char *clean(const char *text, gsize length, gsize most, gboolean lines)
{
    const gboolean cut = length > most;
    g_autofree char *valid = g_utf8_make_valid(text, (gssize)MIN(length, most));
    GString *out = g_string_sized_new(strlen(valid));

    for (const char *at = valid; *at && out->len < most; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        g_string_append_unichar(out, words_is_harmful(c) && !(lines && c == '\n') ? ' ' : c);
    }
    if (cut)
        g_string_append(out, "…");
    return g_strstrip(g_string_free(out, FALSE));
}

char *words_line(const char *text, gssize length)
{
    return clean(text, length < 0 ? strlen(text) : (gsize)length, WORDS_LINE_MAX, FALSE);
}

char *words_uncut(const char *text, gsize length)
{
    return clean(text, length, length * 3, FALSE);
}

char *words_text(const char *text)
{
    return clean(text, strlen(text), WORDS_TEXT_MAX, TRUE);
}
