/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages that may return: rows of the table `vanished`. */
#include "cache/vanished.h"

#include "cache/private.h"

#define COLUMNS "folder, uid, uidvalidity, base_uid, alive, told, since"

static const char SQL_ADD[] =
    "REPLACE INTO vanished (folder, uid, uidvalidity, base_uid, alive, told, since, date)"
    " SELECT folder, uid, ?3, ?4, ?5, ?6, ?7, date FROM placement"
    " WHERE folder = ?1 AND uid = ?2 AND NOT alive AND base = 0";
static const char SQL_GET[] = "SELECT " COLUMNS " FROM vanished WHERE folder = ? AND uid = ?";
static const char SQL_ANY[] = "SELECT 1 FROM vanished WHERE folder = ? LIMIT 1";
static const char SQL_OF_DATE[] = "SELECT " COLUMNS " FROM vanished INDEXED BY vanished_date"
                                  " WHERE folder = ? AND date = ? ORDER BY uid";
static const char SQL_UNTIL[] = "SELECT " COLUMNS " FROM vanished INDEXED BY vanished_since"
                                " WHERE since <= ? ORDER BY since LIMIT ?";
static const char SQL_REMOVE[] = "DELETE FROM vanished WHERE folder = ? AND uid = ?";
static const char SQL_UNTOLD[] = "SELECT 1 FROM vanished INDEXED BY vanished_untold"
                                 " WHERE folder = ? AND NOT told LIMIT 1";
static const char SQL_TELL[] =
    "UPDATE vanished SET told = 1 WHERE folder = ?1 AND NOT told AND ?2 >="
    " (SELECT modseq FROM placement p WHERE p.folder = ?1 AND p.uid = vanished.uid)";

gboolean cache_vanished_add(CacheTxn *txn, const CacheVanished *vanished, GError **error)
{
    return txn_writes(txn, FALSE, error) &&
           db_run(txn->db, error, SQL_ADD, DB_INT(vanished->folder), DB_INT(vanished->uid),
                  DB_INT(vanished->uidvalidity), DB_INT(vanished->base_uid),
                  DB_INT(vanished->alive != FALSE), DB_INT(vanished->told != FALSE),
                  DB_INT(vanished->since));
}

static gboolean finds(CacheTxn *txn, const char *sql, gint64 folder)
{
    g_auto(DbQuery) query = db_query(txn->db, sql, DB_INT(folder));
    return db_next(&query);
}

gboolean cache_vanished_any(CacheTxn *txn, gint64 folder)
{
    return finds(txn, SQL_ANY, folder);
}

gboolean cache_vanished_untold(CacheTxn *txn, gint64 folder)
{
    return finds(txn, SQL_UNTOLD, folder);
}

static void read_entry(DbQuery *query, CacheVanished *entry)
{
    *entry = (CacheVanished){.folder = db_int(query, 0),
                             .uid = (guint32)db_int(query, 1),
                             .uidvalidity = (guint32)db_int(query, 2),
                             .base_uid = (guint32)db_int(query, 3),
                             .alive = db_int(query, 4) != 0,
                             .told = db_int(query, 5) != 0,
                             .since = db_int(query, 6)};
}

gboolean cache_vanished_get(CacheTxn *txn, gint64 folder, guint32 uid, CacheVanished *vanished)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_GET, DB_INT(folder), DB_INT(uid));

    if (!db_next(&query))
        return FALSE;
    read_entry(&query, vanished);
    return TRUE;
}

static GArray *read_entries(CacheTxn *txn, const char *sql, gint64 first, gint64 second,
                            GError **error)
{
    g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(CacheVanished));
    g_auto(DbQuery) query = db_query(txn->db, sql, DB_INT(first), DB_INT(second));
    CacheVanished entry;

    while (db_next(&query)) {
        read_entry(&query, &entry);
        g_array_append_val(entries, entry);
    }
    return db_done(&query, error) ? g_steal_pointer(&entries) : NULL;
}

GArray *cache_vanished_of_date(CacheTxn *txn, gint64 folder, gint64 date, GError **error)
{
    return read_entries(txn, SQL_OF_DATE, folder, date, error);
}

GArray *cache_vanished_until(CacheTxn *txn, gint64 before, guint limit, GError **error)
{
    return read_entries(txn, SQL_UNTIL, before, limit, error);
}

gboolean cache_vanished_remove(CacheTxn *txn, gint64 folder, guint32 uid, GError **error)
{
    return txn_writes(txn, FALSE, error) &&
           db_run(txn->db, error, SQL_REMOVE, DB_INT(folder), DB_INT(uid));
}

gboolean cache_vanished_tell(CacheTxn *txn, gint64 folder, guint64 modseq, GError **error)
{
    return txn_writes(txn, FALSE, error) &&
           db_run(txn->db, error, SQL_TELL, DB_INT(folder), DB_INT(MIN(modseq, G_MAXINT64)));
}

/* ---- what couldn't be written -------------------------------------------------------------------- */

/* Mod-sequences only grow. */
void cache_vanished_owe(Cache *cache, gint64 folder, guint64 modseq)
{
    const VanishedTold told = {folder, modseq};
    guint i = 0;

    pthread_mutex_lock(&cache->pool_lock);
    while (i < cache->owed->len && g_array_index(cache->owed, VanishedTold, i).folder != folder)
        i++;
    if (i == cache->owed->len)
        g_array_append_val(cache->owed, told);
    VanishedTold *owed = &g_array_index(cache->owed, VanishedTold, i);
    owed->modseq = MAX(owed->modseq, modseq);
    pthread_mutex_unlock(&cache->pool_lock);
}

static GArray *take_owed(Cache *cache)
{
    GArray *owed = NULL;

    pthread_mutex_lock(&cache->pool_lock);
    if (cache->owed->len) {
        owed = cache->owed;
        cache->owed = g_array_new(FALSE, FALSE, sizeof(VanishedTold));
    }
    pthread_mutex_unlock(&cache->pool_lock);
    return owed;
}

gboolean vanished_pay(CacheTxn *txn, GError **error)
{
    txn->paid = take_owed(txn->cache);
    for (guint i = 0; txn->paid && i < txn->paid->len; i++) {
        const VanishedTold *told = &g_array_index(txn->paid, VanishedTold, i);
        if (!cache_vanished_tell(txn, told->folder, told->modseq, error))
            return FALSE;
    }
    return TRUE;
}

void vanished_paid(CacheTxn *txn, gboolean committed)
{
    for (guint i = 0; txn->paid && !committed && i < txn->paid->len; i++) {
        const VanishedTold *told = &g_array_index(txn->paid, VanishedTold, i);
        cache_vanished_owe(txn->cache, told->folder, told->modseq);
    }
    g_clear_pointer(&txn->paid, g_array_unref);
}
