/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What SORT and THREAD compare of many messages (index/keys.h): from segments where they are in
 * one, from their headers where not. */
#pragma once

#include "cache/search.h"
#include "daemon/serve/imap/session.h"

typedef struct {
    gint64 message;
    gint64 date; /* INTERNALDATE, Unix seconds */
    guint64 size;
    guint32 uid;
} ImapKeyRow;

typedef struct {
    GArray *rows; /* ImapKeyRow, by ascending UID */
    guint n_kinds;
    GPtrArray *texts; /* char *: n_kinds for each row */
    GStringChunk *chunk;
} ImapKeys;

/*
 * Reads the live messages of the selected mailbox among `uids` (guint32, ascending), with their
 * texts of each of `kinds`; "" where a header can't be had. One that isn't here is asked for.
 * FALSE: the answer is set. The caller clears `keys` either way.
 */
gboolean imap_keys_read(ImapSession *session, const GArray *uids, const CacheText *kinds,
                        guint n_kinds, ImapKeys *keys);

/*
 * The same with texts of one kind, and NULL where it isn't in a segment, or in one with fewer than
 * `worth` of the messages; if these are few, the headers of those that are here are read.
 */
gboolean imap_keys_read_stored(ImapSession *session, const GArray *uids, CacheText kind,
                               guint worth, ImapKeys *keys);
void imap_keys_clear(ImapKeys *keys);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImapKeys, imap_keys_clear)

/* Of row `row`, the text of kinds[kind]; the caller may change it. */
static inline char *imap_keys_text(const ImapKeys *keys, guint row, guint kind)
{
    return keys->texts->pdata[row * keys->n_kinds + kind];
}
