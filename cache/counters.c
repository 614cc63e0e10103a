/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The counters of folders while a write transaction changes them. */
#include "cache/private.h"

static const char SQL_GET[] = "SELECT pushed, uidnext, highestmodseq, alive, unseen, deleted, "
                              "missing, size, rights, headless,"
                              " failing"
                              " FROM folder WHERE id = ?";
static const char SQL_SET[] =
    "UPDATE folder SET uidnext = ?2, highestmodseq = ?3, alive = ?4, unseen = ?5, deleted = ?6,"
    " missing = ?7, size = ?8, headless = ?9 WHERE id = ?1";

static FolderCounters *find_loaded(CacheTxn *txn, gint64 id)
{
    for (guint i = txn->folders ? txn->folders->len : 0; i > 0; i--) {
        FolderCounters *folder = &g_array_index(txn->folders, FolderCounters, i - 1);
        if (folder->id == id)
            return folder;
    }
    return NULL;
}

static gboolean load_folder_counters(CacheTxn *txn, FolderCounters *folder, GError **error)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_GET, DB_INT(folder->id));

    folder->loaded = db_next(&query);
    if (!folder->loaded) {
        if (db_done(&query, error))
            g_set_error(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND,
                        "There is no folder number %" G_GINT64_FORMAT, folder->id);
        return FALSE;
    }
    folder->pushed = db_int(&query, 0) != 0;
    folder->uidnext = db_int(&query, 1);
    folder->highestmodseq = db_int(&query, 2);
    folder->alive = db_int(&query, 3);
    folder->unseen = db_int(&query, 4);
    folder->deleted = db_int(&query, 5);
    folder->missing = db_int(&query, 6);
    folder->size = db_int(&query, 7);
    folder->headless = db_int(&query, 9);
    folder->failing = db_int(&query, 10);
    folder->rights = cache_folder_rights(&(CacheFolder){.rights = (guint32)db_int(&query, 8)});
    return TRUE;
}

FolderCounters *counters_of(CacheTxn *txn, gint64 id, GError **error)
{
    FolderCounters *folder = find_loaded(txn, id);

    if (!folder) {
        FolderCounters fresh = {.id = id};
        g_array_append_val(txn->folders, fresh);
        folder = &g_array_index(txn->folders, FolderCounters, txn->folders->len - 1);
    }
    return folder->loaded || load_folder_counters(txn, folder, error) ? folder : NULL;
}

guint32 counters_rights(CacheTxn *txn, gint64 id)
{
    const FolderCounters *folder = counters_of(txn, id, NULL);
    return folder ? folder->rights : CACHE_RIGHTS_ALL;
}

gboolean counters_flush(CacheTxn *txn, GError **error)
{
    for (guint i = 0; txn->folders && i < txn->folders->len; i++) {
        FolderCounters *folder = &g_array_index(txn->folders, FolderCounters, i);
        if (!folder->dirty)
            continue;
        folder->dirty = FALSE;
        if (!db_run(txn->db, error, SQL_SET, DB_INT(folder->id), DB_INT(folder->uidnext),
                    DB_INT(folder->highestmodseq), DB_INT(folder->alive), DB_INT(folder->unseen),
                    DB_INT(folder->deleted), DB_INT(folder->missing), DB_INT(folder->size),
                    DB_INT(folder->headless)))
            return FALSE;
    }
    return TRUE;
}

void counters_forget(CacheTxn *txn, gint64 id)
{
    FolderCounters *folder = find_loaded(txn, id);
    if (folder)
        folder->loaded = folder->dirty = FALSE;
}
