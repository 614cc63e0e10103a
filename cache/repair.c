/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Finding damage, and setting a damaged database aside. */
#include "cache/repair.h"

#include "cache/private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <unistd.h>

static const char SQL_CHECK[] = "PRAGMA quick_check(20)";

gboolean cache_check(Cache *cache, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, error);
    g_autoptr(GString) found = g_string_new(NULL);

    if (!txn)
        return FALSE;
    g_auto(DbQuery) query = db_query(txn->db, SQL_CHECK);
    while (db_next(&query)) {
        const char *line = db_column_text(&query, 0);
        if (g_strcmp0(line, "ok") != 0)
            g_string_append_printf(found, "%s%s", found->len ? "; " : "", line ? line : "?");
    }
    if (!db_done(&query, error))
        return FALSE;
    if (!found->len)
        return TRUE;
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_CORRUPT, "%s is damaged: %s", txn->db->path,
                found->str);
    return FALSE;
}

static gboolean rename_one(const char *from, const char *to, gboolean must, GError **error)
{
    if (g_rename(from, to) == 0 || (!must && errno == ENOENT))
        return TRUE;
    int failure = errno;
    g_set_error(error, CACHE_ERROR, failure == ENOENT ? CACHE_ERROR_NOT_FOUND : CACHE_ERROR_FAILED,
                "%s can't be renamed to %s (%s)", from, to, g_strerror(failure));
    return FALSE;
}

/* The WAL first: a database without its WAL is an older one, a WAL without its database nothing. */
static gboolean rename_all(const char *from, const char *to, GError **error)
{
    g_autofree char *from_wal = g_strconcat(from, "-wal", NULL);
    g_autofree char *to_wal = g_strconcat(to, "-wal", NULL);
    g_autofree char *shm = g_strconcat(from, "-shm", NULL);

    g_unlink(shm);
    return rename_one(from_wal, to_wal, FALSE, error) && rename_one(from, to, TRUE, error);
}

char *cache_set_aside(const char *dir, GError **error)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *time = g_date_time_format(now, "%Y%m%dT%H%M%S");
    g_autofree char *from = g_build_filename(dir, "mail.db", NULL);
    g_autofree char *to = g_strconcat(from, ".damaged-", time, NULL);
    g_autofree char *lock_path = g_build_filename(dir, "lock", NULL);
    int lock = lock_take(lock_path, dir, error);

    if (lock < 0)
        return NULL;
    gboolean done = rename_all(from, to, error);
    close(lock);
    return done ? g_steal_pointer(&to) : NULL;
}
