/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writing text from mail as IMAP strings (RFC 3501, 4.3): quoted where that is possible and short,
 * else as a literal, choosing as Dovecot does. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* text is NUL-terminated; NULL gives NIL. */
void mime_quote_nstring(GString *out, const char *text);

/* For a field's value: NULs become U+FFFD, folds go (a space stays between what they separated).
 * NULL gives NIL. */
void mime_quote_unfolded(GString *out, const char *value, gsize length);

/* For text that people read: white space is made single spaces and trimmed, and anything unusual
 * makes it a literal. */
void mime_quote_for_people(GString *out, const char *text, gsize length);

G_END_DECLS
