/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the parts of reconciling the list of folders share: folders.c says the order, renamed.c finds
 * folders under other names, folders-write.c writes what was found out.
 */
#pragma once

#include "daemon/sync/listing.h"

typedef struct {
    SyncContext *context;
    SyncListing *listing;
    GPtrArray *rows;       /* CacheFolder */
    GHashTable *listed_of; /* CacheFolder -> SyncListed, borrowed */
    GHashTable *kept;      /* folders (gint64) of which it isn't believed that they are gone */
} SyncReconcile;

static inline void sync_assign(SyncReconcile *reconcile, CacheFolder *row, SyncListed *listed)
{
    listed->row = row->id;
    g_hash_table_insert(reconcile->listed_of, row, listed);
}

/* Assigns the rows that are listed under other names than they had. Those that have been assigned to
 * another name already were renamed by ourselves. */
gboolean sync_assign_renamed(SyncReconcile *reconcile, GError **error);

/* It has gone from upstream, but what was in it may return. */
static inline gboolean sync_folder_is_away(const CacheFolder *row)
{
    return !row->base_name && row->wire_name && row->pushed;
}

/*
 * Writes what was assigned, what is new, and the subscriptions: in short transactions, each of which
 * leaves a state that the next round goes on from, and none where nothing changed. Clients may have
 * changed the view since the rows were read: it is read again where it is written.
 */
gboolean sync_write_folders(SyncReconcile *reconcile, GError **error);

/* Rows of folders that one transaction writes, so that nobody waits long for the next. */
#define SYNC_FOLDER_SLICE 64
