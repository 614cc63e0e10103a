/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Mailbox names: between the wire and UTF-8, INBOX, and LIST patterns.
 *
 * Inside Postern a name is UTF-8. On the wire of an IMAP4rev1 session it is modified UTF-7
 * (RFC 3501, 5.1.3). Not every name that a server shows is valid there, yet it must come back octet
 * for octet. So octets that are not part of a valid encoding are carried as the private code points
 * U+F701 to U+F7FF (U+F700 + octet):
 *
 * - an octet above 126 and control characters;
 * - the "&" of a run that is not the one canonical encoding: bad or unpadded base64, a lone
 *   surrogate, printable ASCII that needed no encoding, no closing "-", two adjacent runs, or a run
 *   that encodes a control character or one of the code points U+F701 to U+F7FF itself. The letters
 *   of such a run stay as they are.
 *
 * Every octet string has exactly one such name, it is valid UTF-8 without control characters, and
 * imap_name_to_wire(imap_name_from_wire(x)) == x always. Since the escapes are local, the hierarchy
 * stays: the parent of a broken name is the name of its parent.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The name of these octets; never fails. Octets must not include NUL. INBOX is not folded. */
char *imap_name_from_wire(const char *wire, gsize length);
/* The octets of a name (valid UTF-8). */
char *imap_name_to_wire(const char *name);

/* Strict: NULL and IMAP_ERROR_SYNTAX when the octets are not canonical modified UTF-7. */
char *imap_name_decode(const char *wire, gsize length, GError **error);

/*
 * Whether this may be the name of a new mailbox: valid UTF-8, not empty, no control characters, no
 * escaped octets, at most 1000 octets on the wire. Otherwise IMAP_ERROR_SYNTAX with a sentence.
 */
gboolean imap_name_check_new(const char *name, GError **error);

/* Whether this is INBOX, in any case (ASCII). */
gboolean imap_name_is_inbox(const char *name);
/*
 * "inbox" to "INBOX", in place; with a delimiter other than 0 also the first level of "inbox/x".
 */
void imap_name_fold_inbox(char *name, char delimiter);

/*
 * Whether a LIST pattern matches a name: "*" is anything, "%" anything but the delimiter (0: there
 * is no hierarchy). Pattern and name are both UTF-8 names as above (patterns go through
 * imap_name_from_wire(), too). Where the name is INBOX or below it, those five letters match in
 * any case. Time is bounded by the square of the name's length, and the pattern's.
 */
gboolean imap_name_matches(const char *pattern, const char *name, char delimiter);

/* Takes wildcards out of a pattern that mean nothing beside their neighbours, so that it is at most
 * twice as long as what it asks for. Gives how many octets stand for themselves: it matches no name
 * that is shorter. */
gsize imap_name_pattern_simplify(char *pattern);

G_END_DECLS
