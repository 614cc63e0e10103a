/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writing strings.
 */
#include "daemon/proto/imap/quote.h"

#include <string.h>

#include "daemon/proto/imap/chars.h"
#include "daemon/proto/imap/mailbox-name.h"
#include "daemon/words/words.h"

#define QUOTED_MAX 1000

ImapForm imap_form(const char *text, gsize length, gboolean utf8)
{
    ImapForm form = IMAP_FORM_ATOM;
    gboolean eight_bit = FALSE;

    if (memchr(text, '\0', length) != NULL)
        return IMAP_FORM_BINARY;
    if (length > QUOTED_MAX)
        return IMAP_FORM_LITERAL;
    for (gsize i = 0; i < length; i++) {
        if (text[i] == '\r' || text[i] == '\n')
            return IMAP_FORM_LITERAL;
        eight_bit |= (guchar)text[i] > 0x7f;
        if (!imap_is_atom_char(text[i]))
            form = IMAP_FORM_QUOTED;
    }
    if (eight_bit && (!utf8 || !g_utf8_validate(text, length, NULL)))
        return IMAP_FORM_LITERAL;
    if (length == 0 || (length == 3 && g_ascii_strncasecmp(text, "NIL", 3) == 0))
        return IMAP_FORM_QUOTED;
    return form;
}

void imap_quote_append_quoted(GString *out, const char *text, gsize length)
{
    g_string_append_c(out, '"');
    for (gsize i = 0; i < length; i++) {
        if (text[i] == '"' || text[i] == '\\')
            g_string_append_c(out, '\\');
        g_string_append_c(out, text[i]);
    }
    g_string_append_c(out, '"');
}

static void append_quote_form(GString *out, ImapForm form, const char *text, gsize length)
{
    switch (form) {
    case IMAP_FORM_ATOM:
        g_string_append_len(out, text, length);
        break;
    case IMAP_FORM_QUOTED:
        imap_quote_append_quoted(out, text, length);
        break;
    default:
        g_string_append_printf(out, "%s{%" G_GSIZE_FORMAT "}\r\n",
                               form == IMAP_FORM_BINARY ? "~" : "", length);
        g_string_append_len(out, text, length);
    }
}

void imap_quote_append_string(GString *out, const char *text, gsize length, gboolean utf8)
{
    append_quote_form(out, MAX(imap_form(text, length, utf8), IMAP_FORM_QUOTED), text, length);
}

void imap_quote_append_astring(GString *out, const char *text, gsize length, gboolean utf8)
{
    append_quote_form(out, imap_form(text, length, utf8), text, length);
}

void imap_quote_append_mailbox(GString *out, const char *name, gboolean utf8)
{
    g_autofree char *wire = utf8 ? g_strdup(name) : imap_name_to_wire(name);

    imap_quote_append_astring(out, wire, strlen(wire), utf8);
}

/* One character for people: nothing that could end the line or confuse a terminal. */
static void append_visible(GString *out, gunichar c, gboolean utf8)
{
    if (c < 0x20 || c == 0x7f)
        g_string_append_c(out, ' ');
    else if (c < 0x80 || (utf8 && !words_is_harmful(c)))
        g_string_append_unichar(out, c);
    else
        g_string_append_c(out, '?');
}

void imap_quote_append_text(GString *out, const char *text, gboolean utf8)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    for (const char *p = valid; *p != '\0'; p = g_utf8_next_char(p))
        append_visible(out, g_utf8_get_char(p), utf8);
}
