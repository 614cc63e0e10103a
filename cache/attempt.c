/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Attempts: rows of the tables `attempt` and `attempt_item`. */
#include "cache/attempt.h"

#include "cache/private.h"

static const char SQL_INSERT[] =
    "INSERT INTO attempt (kind, source, target, uidvalidity, uidnext, name, started)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)";
static const char SQL_INSERT_ITEM[] =
    "INSERT INTO attempt_item (folder, uid, attempt, position) VALUES (?, ?, ?, ?)";
static const char SQL_DELETE[] = "DELETE FROM attempt WHERE id = ?";
static const char SQL_FOLDERS[] = "SELECT source, target FROM attempt WHERE id = ?";
static const char SQL_DELETE_ITEMS[] = "DELETE FROM attempt_item WHERE attempt = ?";
static const char SQL_LIST[] = "SELECT id, kind, source, target, uidvalidity, uidnext, name,"
                               " started FROM attempt ORDER BY id";
static const char SQL_ITEMS[] =
    "SELECT folder, uid FROM attempt_item WHERE attempt = ? ORDER BY position";

void cache_attempt_free(CacheAttempt *attempt)
{
    if (!attempt)
        return;
    g_clear_pointer(&attempt->items, g_array_unref);
    g_free(attempt->name);
    g_free(attempt);
}

static gboolean add_item(CacheTxn *txn, gint64 attempt, const CacheAttemptItem *item,
                         guint position, GError **error)
{
    CachePlacement placement;

    /* What a client has taken back in the meantime must not go out. */
    return cache_placement_get(txn, item->folder, item->uid, &placement, error) &&
           db_run(txn->db, error, SQL_INSERT_ITEM, DB_INT(item->folder), DB_INT(item->uid),
                  DB_INT(attempt), DB_INT(position));
}

gboolean cache_attempt_open(CacheTxn *txn, CacheAttempt *attempt, GError **error)
{
    if (!txn_writes(txn, TRUE, error) ||
        !db_run(txn->db, error, SQL_INSERT, DB_INT(attempt->kind), DB_INT(attempt->source),
                DB_INT(attempt->target), DB_INT(attempt->uidvalidity), DB_INT(attempt->uidnext),
                DB_TEXT(attempt->name), DB_INT(attempt->started)))
        return FALSE;
    attempt->id = sqlite3_last_insert_rowid(txn->db->handle);
    for (guint i = 0; attempt->items && i < attempt->items->len; i++)
        if (!add_item(txn, attempt->id, &g_array_index(attempt->items, CacheAttemptItem, i), i,
                      error)) {
            cache_attempt_close(txn, attempt->id, NULL);
            return FALSE;
        }
    return TRUE;
}

gboolean cache_attempt_close(CacheTxn *txn, gint64 id, GError **error)
{
    gint64 source = 0, target = 0;

    if (!txn_writes(txn, FALSE, error))
        return FALSE;
    {
        g_auto(DbQuery) query = db_query(txn->db, SQL_FOLDERS, DB_INT(id));
        if (db_next(&query)) {
            source = db_int(&query, 0);
            target = db_int(&query, 1);
        }
    }
    return db_run(txn->db, error, SQL_DELETE_ITEMS, DB_INT(id)) &&
           db_run(txn->db, error, SQL_DELETE, DB_INT(id)) &&
           folder_drop_if_nameless(txn, source, error) &&
           folder_drop_if_nameless(txn, target, error);
}

static GArray *read_attempt_items(CacheTxn *txn, gint64 attempt, GError **error)
{
    g_autoptr(GArray) items = g_array_new(FALSE, TRUE, sizeof(CacheAttemptItem));
    g_auto(DbQuery) query = db_query(txn->db, SQL_ITEMS, DB_INT(attempt));

    while (db_next(&query)) {
        CacheAttemptItem item = {db_int(&query, 0), (guint32)db_int(&query, 1)};
        g_array_append_val(items, item);
    }
    return db_done(&query, error) ? g_steal_pointer(&items) : NULL;
}

static CacheAttempt *read_attempt(CacheTxn *txn, DbQuery *query, GError **error)
{
    g_autoptr(CacheAttempt) attempt = g_new0(CacheAttempt, 1);

    attempt->id = db_int(query, 0);
    attempt->kind = (CacheAttemptKind)db_int(query, 1);
    attempt->source = db_int(query, 2);
    attempt->target = db_int(query, 3);
    attempt->uidvalidity = (guint32)db_int(query, 4);
    attempt->uidnext = (guint32)db_int(query, 5);
    attempt->name = g_strdup(db_column_text(query, 6));
    attempt->started = db_int(query, 7);
    attempt->items = read_attempt_items(txn, attempt->id, error);
    return attempt->items ? g_steal_pointer(&attempt) : NULL;
}

GPtrArray *cache_attempt_list(CacheTxn *txn, GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)cache_attempt_free);
    g_auto(DbQuery) query = db_query(txn->db, SQL_LIST);

    while (db_next(&query)) {
        CacheAttempt *attempt = read_attempt(txn, &query, error);
        if (!attempt)
            return NULL;
        g_ptr_array_add(list, attempt);
    }
    return db_done(&query, error) ? g_steal_pointer(&list) : NULL;
}
