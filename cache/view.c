/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What sessions ask about a folder as a whole: what has changed since. */
#include "cache/private.h"

static const char SQL_BOUNDS[] =
    "SELECT uidnext, highestmodseq, modseq_floor FROM folder WHERE id = ?";
static const char SQL_CHANGED[] =
    "SELECT uid, system, keywords, modseq FROM placement INDEXED BY placement_modseq"
    " WHERE folder = ? AND modseq > ? AND alive";
static const char SQL_CHANGED_SCAN[] = "SELECT uid, system, keywords, modseq FROM placement"
                                       " WHERE folder = ? AND alive AND modseq > ? ORDER BY uid";
static const char SQL_EXPUNGED[] = "SELECT uid FROM tombstone WHERE folder = ? AND modseq > ?";

typedef struct {
    guint32 uidnext;
    guint64 highestmodseq, floor;
} Bounds;

static gboolean read_bounds(CacheTxn *txn, gint64 folder, Bounds *bounds, GError **error)
{
    if (!counters_flush(txn, error))
        return FALSE;
    g_auto(DbQuery) query = db_query(txn->db, SQL_BOUNDS, DB_INT(folder));
    if (!db_next(&query)) {
        if (db_done(&query, error))
            g_set_error(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND, "The folder is gone");
        return FALSE;
    }
    *bounds = (Bounds){(guint32)db_int(&query, 0), (guint64)db_int(&query, 1),
                       (guint64)db_int(&query, 2)};
    return TRUE;
}

static int compare_uids(gconstpointer a, gconstpointer b)
{
    guint32 x = *(const guint32 *)a, y = *(const guint32 *)b;
    return (x > y) - (x < y);
}

static int compare_changes(gconstpointer a, gconstpointer b)
{
    guint32 x = ((const CacheChange *)a)->uid, y = ((const CacheChange *)b)->uid;
    return (x > y) - (x < y);
}

/* Every UID from 1 to `uidnext` that is not in `uids`, which is sorted. */
static GArray *complement(const GArray *uids, guint32 uidnext)
{
    guint total = uidnext - 1;
    GArray *others = g_array_sized_new(FALSE, FALSE, sizeof(guint32), total - uids->len);
    guint next = 0;

    for (guint32 uid = 1; uid < uidnext; uid++) {
        if (next < uids->len && g_array_index(uids, guint32, next) == uid)
            next++;
        else
            g_array_append_val(others, uid);
    }
    return others;
}

static GArray *read_tombstones(CacheTxn *txn, gint64 folder, guint64 modseq, GError **error)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_EXPUNGED, DB_INT(folder), DB_INT(modseq));
    GArray *uids = uids_read(&query, 16, error);

    if (uids)
        g_array_sort(uids, compare_uids);
    return uids;
}

static GArray *read_changed(CacheTxn *txn, gint64 folder, guint64 modseq, const Bounds *bounds,
                            GError **error)
{
    g_autoptr(GArray) changed = g_array_new(FALSE, FALSE, sizeof(CacheChange));
    /* The index pays off while few rows can have changed. */
    gboolean scan = bounds->highestmodseq > modseq && modseq == 0;
    g_auto(DbQuery) query = db_query(txn->db, scan ? SQL_CHANGED_SCAN : SQL_CHANGED, DB_INT(folder),
                                     DB_INT(MIN(modseq, G_MAXINT64)));

    while (db_next(&query)) {
        CacheChange change = {(guint32)db_int(&query, 0),
                              {(guint32)db_int(&query, 1), (guint32)db_int(&query, 2)},
                              (guint64)db_int(&query, 3)};
        g_array_append_val(changed, change);
    }
    if (!db_done(&query, error))
        return NULL;
    if (!scan)
        g_array_sort(changed, compare_changes);
    return g_steal_pointer(&changed);
}

static GArray *read_expunged(CacheTxn *txn, gint64 folder, guint64 modseq, const Bounds *bounds,
                             GError **error)
{
    if (modseq >= bounds->floor)
        return read_tombstones(txn, folder, MIN(modseq, G_MAXINT64), error);
    g_autoptr(GArray) live = cache_uids(txn, folder, error);
    return live ? complement(live, bounds->uidnext) : NULL;
}

gboolean cache_changes(CacheTxn *txn, gint64 folder, guint64 modseq, GArray **changed,
                       GArray **expunged, GError **error)
{
    Bounds bounds;
    g_autoptr(GArray) live = NULL, gone = NULL;

    if (!read_bounds(txn, folder, &bounds, error))
        return FALSE;
    if (changed && !(live = read_changed(txn, folder, modseq, &bounds, error)))
        return FALSE;
    if (expunged && !(gone = read_expunged(txn, folder, modseq, &bounds, error)))
        return FALSE;
    if (changed)
        *changed = g_steal_pointer(&live);
    if (expunged)
        *expunged = g_steal_pointer(&gone);
    return TRUE;
}
