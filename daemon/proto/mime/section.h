/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From the section of a FETCH (BODY[1.2.HEADER], BINARY[1]) to the bytes of a message. */
#pragma once

#include "daemon/proto/imap/section.h"
#include "daemon/proto/mime/structure.h"

G_BEGIN_DECLS

/* The part that part numbers lead to (RFC 3501, 6.4.5), or NULL. No numbers: the message itself. */
const MimePart *mime_section_part(const MimeStructure *structure, const ImapSection *section);

/* Where the section's bytes are in the message. For HEADER.FIELDS and HEADER.FIELDS.NOT that is the
 * header block to give to mime_header_filter. FALSE, with an empty range, when the message has no
 * such section; Dovecot answers "" then. */
gboolean mime_section_find(const MimeStructure *structure, const ImapSection *section,
                           gsize *offset, gsize *length);

/* The transfer encoding of the section's bytes: the message itself, and what isn't there, has none.
 */
MimeEncoding mime_section_encoding(const MimeStructure *structure, const ImapSection *section);

/* Appends what BINARY[section] gives: the section's bytes without their transfer encoding, at most
 * limit of them; nothing when there is no such section. Of a multipart or message nothing is
 * decoded but itself. FALSE with MIME_DECODE_ERROR_UNKNOWN_ENCODING when the encoding isn't known.
 */
gboolean mime_section_decode(const MimeStructure *structure, const char *message,
                             const ImapSection *section, gsize limit, GString *out, GError **error);

G_END_DECLS
