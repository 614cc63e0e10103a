/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writing strings: which of atom, quoted string and literal a value needs, and the octets.
 *
 * The functions that append write whole literals in line ("{3}\r\nabc"), which is right for a
 * server. A client that has to wait for "+" uses the writer in client-command.h.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum {
    IMAP_FORM_ATOM,    /* can stand as it is, as an astring */
    IMAP_FORM_QUOTED,  /* in quotes, with " and \ escaped */
    IMAP_FORM_LITERAL, /* holds CR, LF, or 8-bit octets that may not be quoted, or is long */
    IMAP_FORM_BINARY,  /* holds NUL: only a literal8 can carry it */
} ImapForm;

/*
 * The shortest form for these octets. With utf8, well-formed UTF-8 may be quoted (RFC 6855, RFC
 * 9051). "NIL" and the empty string are never atoms. Longer than 1000 octets is a literal.
 */
ImapForm imap_form(const char *text, gsize length, gboolean utf8);

/* Appends "text" in quotes; the caller knows from imap_form() that it can be quoted. */
void imap_quote_append_quoted(GString *out, const char *text, gsize length);
/* Appends a quoted string or a literal (string). */
void imap_quote_append_string(GString *out, const char *text, gsize length, gboolean utf8);
/* Appends an atom, a quoted string or a literal (astring). */
void imap_quote_append_astring(GString *out, const char *text, gsize length, gboolean utf8);

/*
 * Appends a mailbox name as a server or client writes it: modified UTF-7, or UTF-8 where that has
 * been agreed upon. The name is as mailbox-name.h has it.
 */
void imap_quote_append_mailbox(GString *out, const char *name, gboolean utf8);

/*
 * Makes text safe for the human-readable end of a response: CR, LF, NUL become spaces, invalid
 * UTF-8 and (unless utf8) every octet above 126 become "?".
 */
void imap_quote_append_text(GString *out, const char *text, gboolean utf8);

G_END_DECLS
