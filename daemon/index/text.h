/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What of a message is the text of each kind that SEARCH looks through. Whoever searches a message
 * that isn't indexed yet takes it from here too, so that both answer alike. What `stop` (or NULL: never)
 * has ended is of no use. */
#pragma once

#include "cache/search.h"
#include "daemon/proto/mime/stop.h"

/* The header field that a kind is about; NULL for HEADER and BODY. */
const char *index_text_field(CacheText kind);

/* The kind that is about a field (in any case); CACHE_TEXT_HEADER where it has none of its own. */
CacheText index_text_kind(const char *field);

/* The values of all fields called `field`, folded, a line each; FALSE: there is none. Of From, To, Cc
 * and Bcc also the names and addresses as the envelope has them (RFC 3501, 6.4.4), a line each, where
 * they aren't written so. */
gboolean index_text_values(const char *header, gsize length, const char *field, MimeStop *stop,
                           GString *out);

/* A whole header block, folded, a line "name: value" for each field. */
void index_text_header(const char *header, gsize length, MimeStop *stop, GString *out);

/* A whole message's body, folded: its parts, and messages within it with their headers. */
void index_text_body(const char *message, gsize length, MimeStop *stop, GString *out);
