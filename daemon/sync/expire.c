/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The week after something has vanished. */
#include "daemon/sync/expire.h"

#include "cache/vanished.h"

#include "daemon/sync/decide.h"

/* What was deleted here is kept for so long. */
#define DELETED_SECONDS (24 * 60 * 60)

/* Rows forgotten in one transaction. */
#define BATCH 200

gboolean sync_keep_vanished(CacheTxn *txn, CachePlacement *row, guint32 uidvalidity, gint64 now,
                            GError **error)
{
    const CacheVanished vanished = {.folder = row->folder,
                                    .uid = row->uid,
                                    .uidvalidity = uidvalidity,
                                    .base_uid = row->base_uid,
                                    .alive = row->alive,
                                    .told = !row->alive, /* by who deleted it */
                                    .since = now};

    sync_decide_vanished(row);
    return cache_placement_put(txn, row, error) && cache_vanished_add(txn, &vanished, error);
}

gboolean sync_keep_deleted(CacheTxn *txn, CachePlacement *row, guint32 uidvalidity, gint64 now,
                           GError **error)
{
    return sync_keep_vanished(txn, row, uidvalidity,
                              now - (SYNC_VANISHED_SECONDS - DELETED_SECONDS), error);
}

gint64 sync_deleted_at(const CacheVanished *vanished)
{
    return vanished->since + (SYNC_VANISHED_SECONDS - DELETED_SECONDS);
}

gboolean sync_bring_back(CacheTxn *txn, CachePlacement *row, GError **error)
{
    CachePlacement back = *row;

    sync_decide_vanished(row);
    back.uid = 0;
    back.alive = TRUE;
    back.flags = back.base_flags;
    back.flags.system &= ~(guint32)CACHE_DELETED;
    return cache_placement_put(txn, row, error) && cache_placement_put(txn, &back, error) &&
           cache_placement_remove(txn, row->folder, row->uid, error);
}

/* What an open attempt names by now is no longer just kept; it goes with the attempt. */
static gboolean expire_forget(CacheTxn *txn, const CacheVanished *vanished, GError **error)
{
    g_autoptr(GError) needed = NULL;

    if (cache_placement_remove(txn, vanished->folder, vanished->uid, &needed))
        return TRUE;
    if (g_error_matches(needed, CACHE_ERROR, CACHE_ERROR_NOT_FOUND) ||
        g_error_matches(needed, CACHE_ERROR, CACHE_ERROR_INVALID))
        return cache_vanished_remove(txn, vanished->folder, vanished->uid, error);
    g_propagate_error(error, g_steal_pointer(&needed));
    return FALSE;
}

static gboolean purge_some(Cache *cache, gint64 before, guint *count, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, error);
    g_autoptr(GArray) old = txn ? cache_vanished_until(txn, before, BATCH, error) : NULL;

    g_clear_pointer(&txn, cache_end);
    *count = old ? old->len : 0;
    if (!*count)
        return old != NULL;
    txn = cache_begin(cache, CACHE_WRITE, error);
    for (guint i = 0; txn && i < old->len; i++)
        if (!expire_forget(txn, &g_array_index(old, CacheVanished, i), error))
            return FALSE;
    return txn && cache_commit(g_steal_pointer(&txn), error);
}

gboolean sync_purge_vanished(Cache *cache, gint64 now, GError **error)
{
    guint count;

    do {
        if (!purge_some(cache, now - SYNC_VANISHED_SECONDS, &count, error))
            return FALSE;
    } while (count == BATCH);
    return TRUE;
}
