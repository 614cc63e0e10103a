/* SPDX-License-Identifier: GPL-3.0-or-later */
/* IMAP's ENVELOPE (RFC 3501, 7.4.2), as Dovecot renders it. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Appends the ENVELOPE of a message, with its parentheses. header is the message's header block;
 * what follows its blank line isn't looked at. Encoded words are left as they are; 8-bit text comes
 * as a literal. Several fields of one kind: addresses are joined, of the others the last counts.
 *
 * The result is bounded, however long the header: fields that end beyond the first MiB aren't
 * looked at, and of each kind of addresses there are MIME_ADDRESSES_MAX at most. */
void mime_envelope_render(const char *header, gsize length, GString *out);

G_END_DECLS
