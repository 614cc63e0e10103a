/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What bodies and headers are to be fetched next. */
#include "cache/private.h"

/* In each folder the messages that lack content are in an index, by what they have and date. */
static const char SQL_WANTED[] =
    "SELECT message, folder, base_uid, uid, date, state FROM placement INDEXED BY placement_wanted"
    " WHERE folder = ?1 AND state = ?2 AND date >= ?3 AND alive AND state <> 2 AND base = 2"
    " ORDER BY date DESC LIMIT ?4";
static const char SQL_COUNT[] =
    "SELECT count(*) FROM placement INDEXED BY placement_wanted"
    " WHERE folder = ?1 AND state < ?2 AND date >= ?3 AND alive AND state <> 2";
static const char SQL_FOLDERS[] =
    "SELECT id FROM folder WHERE name IS NOT NULL AND missing > 0 ORDER BY id";

static gboolean append_wanted(CacheTxn *txn, gint64 folder, int state, gint64 since, guint limit,
                              GArray *wanted, GError **error)
{
    g_auto(DbQuery) query =
        db_query(txn->db, SQL_WANTED, DB_INT(folder), DB_INT(state), DB_INT(since), DB_INT(limit));

    while (db_next(&query)) {
        CacheWanted row = {.message = db_int(&query, 0),
                           .folder = db_int(&query, 1),
                           .base_uid = (guint32)db_int(&query, 2),
                           .uid = (guint32)db_int(&query, 3),
                           .date = db_int(&query, 4),
                           .state = (CacheContentState)db_int(&query, 5)};
        g_array_append_val(wanted, row);
    }
    return db_done(&query, error);
}

static int newest_first(gconstpointer a, gconstpointer b)
{
    const CacheWanted *x = a, *y = b;

    if (x->date != y->date)
        return x->date < y->date ? 1 : -1;
    return (x->uid < y->uid) - (x->uid > y->uid);
}

static GArray *wanted_in(CacheTxn *txn, gint64 folder, CacheContentState less_than, gint64 since,
                         guint limit, GError **error)
{
    g_autoptr(GArray) wanted = g_array_new(FALSE, FALSE, sizeof(CacheWanted));

    for (int state = 0; state < (int)less_than; state++)
        if (!append_wanted(txn, folder, state, since, limit, wanted, error))
            return NULL;
    g_array_sort(wanted, newest_first);
    g_array_set_size(wanted, MIN(wanted->len, limit));
    return g_steal_pointer(&wanted);
}

/* The folder whose newest wanted message is the newest of all; 0: nothing is wanted. */
static gint64 newest_folder(CacheTxn *txn, CacheContentState less_than, gint64 since,
                            GError **error)
{
    gint64 best = 0, best_date = G_MININT64;

    if (!counters_flush(txn, error))
        return 0;
    g_auto(DbQuery) query = db_query(txn->db, SQL_FOLDERS);
    while (db_next(&query)) {
        gint64 folder = db_int(&query, 0);
        g_autoptr(GArray) first = wanted_in(txn, folder, less_than, since, 1, error);
        if (!first)
            return 0;
        if (first->len && g_array_index(first, CacheWanted, 0).date > best_date) {
            best_date = g_array_index(first, CacheWanted, 0).date;
            best = folder;
        }
    }
    return db_done(&query, error) ? best : 0;
}

GArray *cache_content_wanted(CacheTxn *txn, gint64 folder, CacheContentState wanted, gint64 since,
                             guint limit, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (!folder)
        folder = newest_folder(txn, wanted, since, &failure);
    if (failure) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return NULL;
    }
    if (!folder)
        return g_array_new(FALSE, FALSE, sizeof(CacheWanted));
    return wanted_in(txn, folder, wanted, since, limit, error);
}

gboolean cache_content_wanted_count(CacheTxn *txn, gint64 folder, CacheContentState wanted,
                                    gint64 since, guint *count, GError **error)
{
    g_auto(DbQuery) query =
        db_query(txn->db, SQL_COUNT, DB_INT(folder), DB_INT(wanted), DB_INT(since));

    *count = db_next(&query) ? (guint)db_int(&query, 0) : 0;
    return db_done(&query, error);
}
