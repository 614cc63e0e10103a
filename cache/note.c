/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Notes: rows of the table `note`. */
#include "cache/note.h"

#include "cache/private.h"

static const char SQL_SET[] = "INSERT INTO note (key, value, since) VALUES (?1, ?2, ?3)"
                              " ON CONFLICT (key) DO UPDATE SET value = ?2, since = ?3";
static const char SQL_UNSET[] = "DELETE FROM note WHERE key = ?";
static const char SQL_GET[] = "SELECT value FROM note WHERE key = ?";
static const char SQL_LIST[] = "SELECT key, value FROM note";
static const char SQL_PURGE[] = "DELETE FROM note WHERE since < ?";

gboolean cache_note_set(CacheTxn *txn, const char *key, gint64 value, gint64 since, GError **error)
{
    if (!txn_writes(txn, FALSE, error))
        return FALSE;
    return value ? db_run(txn->db, error, SQL_SET, DB_TEXT(key), DB_INT(value), DB_INT(since))
                 : db_run(txn->db, error, SQL_UNSET, DB_TEXT(key));
}

gint64 cache_note_get(CacheTxn *txn, const char *key)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_GET, DB_TEXT(key));
    gint64 value = db_next(&query) ? db_int(&query, 0) : 0;

    db_done(&query, NULL);
    return value;
}

GHashTable *cache_note_list(CacheTxn *txn, GError **error)
{
    g_autoptr(GHashTable) notes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_auto(DbQuery) query = db_query(txn->db, SQL_LIST);

    while (db_next(&query)) {
        gint64 value = db_int(&query, 1);
        g_hash_table_insert(notes, g_strdup(db_column_text(&query, 0)),
                            g_memdup2(&value, sizeof value));
    }
    return db_done(&query, error) ? g_steal_pointer(&notes) : NULL;
}

gboolean cache_note_purge(CacheTxn *txn, gint64 since, GError **error)
{
    return txn_writes(txn, FALSE, error) && db_run(txn->db, error, SQL_PURGE, DB_INT(since));
}
