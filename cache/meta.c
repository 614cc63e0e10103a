/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values that must survive restarts: rows of the table `meta`. */
#include "cache/private.h"

static const char SQL_GET[] = "SELECT value FROM meta WHERE key = ?";
static const char SQL_SET[] =
    "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2";
static const char SQL_UNSET[] = "DELETE FROM meta WHERE key = ?";

char *meta_get(Db *db, const char *key)
{
    g_auto(DbQuery) query = db_query(db, SQL_GET, DB_TEXT(key));
    return db_next(&query) ? g_strdup(db_column_text(&query, 0)) : NULL;
}

gboolean meta_set(Db *db, const char *key, const char *value, GError **error)
{
    if (!value)
        return db_run(db, error, SQL_UNSET, DB_TEXT(key));
    return db_run(db, error, SQL_SET, DB_TEXT(key), DB_TEXT(value));
}

char *cache_meta_get(CacheTxn *txn, const char *key)
{
    return meta_get(txn->db, key);
}

gboolean cache_meta_set(CacheTxn *txn, const char *key, const char *value, GError **error)
{
    if (!txn_writes(txn, FALSE, error))
        return FALSE;
    txn->set_like = TXN_SET_LIKE_UNKNOWN;
    return meta_set(txn->db, key, value, error);
}
