/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values attached to folders: rows of the table `annotation`. */
#include "cache/annotation.h"

#include "cache/private.h"

static const char SQL_LIST[] =
    "SELECT entry, value FROM annotation WHERE folder = ? AND substr(entry, 1, 1) = '/' "
    "ORDER BY entry";
static const char SQL_GET[] = "SELECT value FROM annotation WHERE folder = ? AND entry = ?";
static const char SQL_SET[] =
    "INSERT OR REPLACE INTO annotation (folder, entry, value) VALUES (?, ?, ?)";
static const char SQL_REMOVE_ALL[] = "DELETE FROM annotation WHERE entry = ?";
static const char SQL_REMOVE[] = "DELETE FROM annotation WHERE folder = ? AND entry = ?";

static void annotation_free(gpointer data)
{
    CacheAnnotation *annotation = data;
    g_free(annotation->entry);
    g_bytes_unref(annotation->value);
    g_free(annotation);
}

static GBytes *read_value(DbQuery *query, int column)
{
    const void *octets = sqlite3_column_blob(query->statement, column);
    return g_bytes_new(octets, (gsize)sqlite3_column_bytes(query->statement, column));
}

GPtrArray *cache_annotations(CacheTxn *txn, gint64 folder, GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(annotation_free);
    g_auto(DbQuery) query = db_query(txn->db, SQL_LIST, DB_INT(folder));

    while (db_next(&query)) {
        CacheAnnotation *annotation = g_new(CacheAnnotation, 1);
        *annotation = (CacheAnnotation){g_strdup(db_column_text(&query, 0)), read_value(&query, 1)};
        g_ptr_array_add(list, annotation);
    }
    return db_done(&query, error) ? g_steal_pointer(&list) : NULL;
}

gboolean cache_annotation_set(CacheTxn *txn, gint64 folder, const char *entry, GBytes *value,
                              GError **error)
{
    if (!txn_writes(txn, TRUE, error))
        return FALSE;
    txn->list_changed = TRUE;
    if (folder != CACHE_ANNOTATION_ACCOUNT) {
        FolderCounters *changed = counters_of(txn, folder, error);
        if (!changed)
            return FALSE;
        changed->view_changed = TRUE;
    }
    if (!value)
        return db_run(txn->db, error, SQL_REMOVE, DB_INT(folder), DB_TEXT(entry));
    return db_run(txn->db, error, SQL_SET, DB_INT(folder), DB_TEXT(entry), DB_BYTES(value));
}

gboolean cache_annotation_remove_all(CacheTxn *txn, const char *entry, GError **error)
{
    if (!txn_writes(txn, TRUE, error))
        return FALSE;
    return db_run(txn->db, error, SQL_REMOVE_ALL, DB_TEXT(entry));
}

GBytes *cache_annotation_get(CacheTxn *txn, gint64 folder, const char *entry)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_GET, DB_INT(folder), DB_TEXT(entry));

    return db_next(&query) ? read_value(&query, 0) : NULL;
}
