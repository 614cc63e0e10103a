/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What SORT and THREAD compare of a header, and the fields that clients list, as texts that are
 * kept beside those for searching. Whoever sorts a message that isn't indexed yet takes it from
 * here too, so that both agree. */
#pragma once

#include "cache/search.h"

/* Whether a kind is made here. */
gboolean index_is_key(CacheText kind);

/*
 * The text of `kind` for a header block; "" where the header has no such thing.
 * SORT_DATE: the Date field, in Unix seconds.
 * SORT_SUBJECT: the base subject (RFC 5256, 2.1). SORT_FROM, _TO, _CC: the first address's mailbox.
 * SORT_DISPLAYFROM, _DISPLAYTO: its display name (RFC 5957). These are to be compared byte by byte.
 * THREAD: lines, without a line end after the last: "R" for what is a reply or forward by its
 * subject; the Message-ID, if any; the ids of its references, a line each, the parent last. Ids are
 * without "<>" and quotes.
 * FIELDS: the fields that index_has_fields() knows, as they are, and a blank line, so that
 * HEADER.FIELDS of it is HEADER.FIELDS of the header; "" where there is a NUL in it, or where the
 * header is longer than a MiB.
 */
void index_key(CacheText kind, const char *header, gsize length, GString *out);

/* Whether all of `names` (NULL-terminated, in any case) are among the fields of FIELDS: those that
 * mail programs list messages by. */
gboolean index_has_fields(const char *const *names);
