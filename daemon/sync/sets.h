/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Set-like stores (Gmail's X-GM-EXT-1): a message has one name (X-GM-MSGID) in all its folders, is
 * in each of them once, and its flags, but for \Deleted, are the same in all.
 */
#pragma once

#include "cache/label.h"
#include "daemon/sync/context.h"

static inline gboolean sync_is_set_like(const SyncContext *context)
{
    return imap_client_has(context->imap, IMAP_CAP_GMAIL) != 0;
}

/* Writes down what kind of store it is: meta "set-like", and meta "gmail" for clients' sessions. */
gboolean sync_learn_store(SyncContext *context, GError **error);

/* Asks for the names and threads of messages that have none here: appended ones, and all of a cache
 * from before they were kept. Selects folders. */
gboolean sync_name_messages(SyncContext *context, GError **error);

/*
 * An arrival whose message is known (`arrival->message`): takes over what the user has changed of
 * its flags elsewhere, or, where the view has the message in this folder already, becomes that row.
 */
gboolean sync_arrive_in_set(CacheTxn *txn, const CacheFolder *folder, CachePlacement *arrival,
                            GError **error);

/*
 * What is told of `row` is told of the message's other placements, too, and what has become of its
 * view is their view: appends the rows (CachePlacement) that this changes to `rows`, to be put;
 * *seen: in the view.
 */
gboolean sync_share_flags(CacheTxn *txn, const CachePlacement *row, const SyncTold *told,
                          GArray *rows, gboolean *seen, GError **error);

/*
 * `row`, which had no base, turns out to be upstream under `uid`. Where another row of the folder
 * stands for that already (a copy to where the message is, an append of what is there), it takes
 * that row's place if it is dead, and else leaves the view. Writes the row.
 */
gboolean sync_place_in_set(SyncContext *context, CacheTxn *txn, CachePlacement *row, guint32 uid,
                           CacheFlags flags, GError **error);
