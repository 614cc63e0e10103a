/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Encoded words (RFC 2047) in header fields. */
#pragma once

#include "daemon/proto/mime/charset.h"

G_BEGIN_DECLS

/* Appends an unfolded value, in valid UTF-8, with its encoded words decoded, wherever they stand.
 * What only looks like one is left as it is. The result is valid UTF-8 without NULs and line ends.
 */
void mime_words_decode(MimeCharsets *charsets, const char *value, gsize length, GString *out);

G_END_DECLS
