/* SPDX-License-Identifier: GPL-3.0-or-later */
/* IMAP's BODYSTRUCTURE and BODY (RFC 3501, 7.4.2), as Dovecot renders them. */
#pragma once

#include "daemon/proto/mime/structure.h"

G_BEGIN_DECLS

#define MIME_BODYSTRUCTURE_MAX (8 * 1024 * 1024)

/* Appends the BODYSTRUCTURE of the message that structure was parsed from, with its parentheses.
 * The message is needed for the ENVELOPEs of messages within it. Once there are
 * MIME_BODYSTRUCTURE_MAX bytes, the rest is said in as few words as the grammar allows: nobody reads
 * it, and it could be many times as long as the message. */
void mime_bodystructure_render(const MimeStructure *structure, const char *message, GString *out);
/* The same of one part of it. */
void mime_bodystructure_render_part(const MimePart *root, const char *message, GString *out);

/* Appends the BODY that belongs to a BODYSTRUCTURE (both with parentheses): the same without the
 * extension data. FALSE, with nothing appended, when the text isn't a BODYSTRUCTURE or is nested
 * deeper than max_depth parentheses. */
gboolean mime_body_from_bodystructure(const char *bodystructure, gsize length, guint max_depth,
                                      GString *out);

G_END_DECLS
