/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Finding damage. */
#include "cache/repair.h"

#include "cache/private.h"

/* Not as a table-valued function: newer SQLites take its number for a table's name. */
static const char SQL_CHECK[] = "PRAGMA quick_check(20)";

static gboolean check(Db *db, GString *found, GError **error)
{
    g_auto(DbQuery) query = db_query(db, SQL_CHECK);

    while (db_next(&query)) {
        const char *line = db_column_text(&query, 0);
        if (g_strcmp0(line, "ok") != 0)
            g_string_append_printf(found, "%s%s", found->len ? "; " : "", line ? line : "?");
    }
    return db_done(&query, error);
}

gboolean cache_check(Cache *cache, const CacheProgress *progress, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, error);
    g_autoptr(GString) found = g_string_new(NULL);
    g_autoptr(GError) failure = NULL;
    ProgressStep step = {progress, "checking the mail cache", -1, TRUE};

    if (!txn)
        return FALSE;
    progress_begin(txn->db, &step);
    gboolean read = check(txn->db, found, &failure);
    progress_end(txn->db);
    /* What couldn't be read because it was cancelled is no damage. */
    if (!progress_tell(progress, step.what, step.share, error))
        return FALSE;
    if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    if (!read || !found->len)
        return read;
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_CORRUPT, "%s is damaged: %s", txn->db->path,
                found->str);
    return FALSE;
}
