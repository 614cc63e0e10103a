/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The text of a message as people read it: decoded, in UTF-8. For SEARCH (folded, so that comparing
 * bytes is comparing text), SORT, and previews.
 *
 * Folding is NFKD, full case folding, NFKD again, line by line: whatever i;unicode-casemap (RFC
 * 5051) takes for the same is the same, and "Straße" matches "STRASSE" besides. A composed accent
 * matches a combining one, so a letter is found in the same with an accent, but not the other way
 * round, and full-width letters match plain ones. What is searched for has to be folded with
 * mime_text_fold, too. White space stays as it is, but for line ends, which become "\n". More than
 * 30 marks on a letter, which no language has (UAX 15, 13), are put in order by thirties. */
#pragma once

#include "daemon/proto/mime/stop.h"
#include "daemon/proto/mime/structure.h"

G_BEGIN_DECLS

/* The folded form of UTF-8 text; invalid bytes become U+FFFD. Free with g_free. */
char *mime_text_fold(const char *text, gsize length);

/* A field's value unfolded and with its encoded words (RFC 2047) decoded, in valid UTF-8; 8-bit
 * text that isn't UTF-8 is taken for Windows-1252. Free with g_free. */
char *mime_text_decode_header(const char *value, gsize length);

/* What to compare, byte by byte, for i;unicode-casemap (RFC 5051). Free with g_free. */
char *mime_text_collate(const char *text);

/* The functions below append folded text, until out holds limit bytes: never a part of a character.
 * The work is in proportion to what they are given. When stop (which may be NULL) ends it, out is of
 * no use. */

/* A header block, a line "name: value" for each field. */
void mime_text_header(const char *header, gsize length, gsize limit, MimeStop *stop, GString *out);

/* The values of all fields called name, a line each. FALSE when there is none. */
gboolean mime_text_field(const char *header, gsize length, const char *name, gsize limit,
                         MimeStop *stop, GString *out);

/* The body: all text parts from their charsets, HTML without its tags, delivery reports, names of
 * attachments, and the same for messages within it, their headers included. The structure has to be
 * a parsed one. */
void mime_text_body(const MimeStructure *structure, const char *message, gsize limit,
                    MimeStop *stop, GString *out);

/* Gives length bytes of the message from offset on. NULL when they can't be had. */
typedef GBytes *(*MimeReadFunc)(gsize offset, gsize length, gpointer data);

/* The start of the message's text for people (RFC 8970): up to 200 characters, not folded, white
 * space made single spaces, quoted lines left out unless there is nothing else. "" when it has no
 * text. No more is read than the headers of the first text parts and the start of one. NULL when
 * read gave NULL. Free with g_free. */
char *mime_text_preview(const MimeStructure *structure, MimeReadFunc read, gpointer data);

G_END_DECLS
