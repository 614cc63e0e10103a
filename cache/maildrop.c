/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows of the table `maildrop`. */
#include "cache/maildrop.h"

#include "cache/private.h"

#include <string.h>

static const char SQL_LIST[] = "SELECT " MAILDROP_COLUMNS " FROM maildrop ORDER BY id";
static const char SQL_PUT[] = "REPLACE INTO maildrop (id, uidl, digest, size, state, listed, since,"
                              " changed, uid)"
                              " VALUES (nullif(?, 0), ?, ?, ?, ?, ?, ?, ?, ?)";
static const char SQL_REMOVE[] = "DELETE FROM maildrop WHERE id = ?";

void cache_drop_free(CacheDrop *drop)
{
    if (!drop)
        return;
    g_free(drop->uidl);
    g_free(drop);
}

CacheDrop *maildrop_read(DbQuery *query)
{
    CacheDrop *drop = g_new0(CacheDrop, 1);

    drop->id = db_int(query, 0);
    drop->uidl = g_strdup(db_column_text(query, 1));
    drop->known_digest = sqlite3_column_bytes(query->statement, 2) == CACHE_DROP_DIGEST;
    if (drop->known_digest)
        memcpy(drop->digest, sqlite3_column_blob(query->statement, 2), CACHE_DROP_DIGEST);
    drop->size = (guint64)db_int(query, 3);
    drop->state = (CacheDropState)db_int(query, 4);
    drop->listed = db_int(query, 5) != 0;
    drop->since = db_int(query, 6);
    drop->changed = db_int(query, 7);
    drop->uid = (guint32)db_int(query, 8);
    return drop;
}

GPtrArray *cache_drop_list(CacheTxn *txn, GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)cache_drop_free);
    g_auto(DbQuery) query = db_query_values(txn->db, SQL_LIST, NULL, 0);

    while (db_next(&query))
        g_ptr_array_add(list, maildrop_read(&query));
    return db_done(&query, error) ? g_steal_pointer(&list) : NULL;
}

gboolean cache_drop_put(CacheTxn *txn, CacheDrop *drop, GError **error)
{
    const DbValue digest = db_blob(drop->known_digest ? drop->digest : NULL, CACHE_DROP_DIGEST);

    if (!txn_writes(txn, FALSE, error))
        return FALSE;
    if (!db_run(txn->db, error, SQL_PUT, DB_INT(drop->id), DB_TEXT(drop->uidl), digest,
                DB_INT(drop->size), DB_INT(drop->state), DB_INT(drop->listed != FALSE),
                DB_INT(drop->since), DB_INT(drop->changed), DB_INT(drop->uid)))
        return FALSE;
    drop->id = sqlite3_last_insert_rowid(txn->db->handle);
    return TRUE;
}

gboolean cache_drop_remove(CacheTxn *txn, gint64 id, GError **error)
{
    return txn_writes(txn, FALSE, error) && db_run(txn->db, error, SQL_REMOVE, DB_INT(id));
}
