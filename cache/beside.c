/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A database that is built beside the one in use, and takes its place when it is whole. It has
 * three names on its way: PATH.rebuilding while it is built; PATH.rebuilt from the moment it is
 * whole and on the disk, which is what decides; and PATH. Whatever ends the process in between,
 * beside_place() goes on from there; before that moment the original is as it was.
 */
#include "cache/private.h"
#include "cache/repair.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

gboolean beside_begin(const char *path, const char *mark, GError **error)
{
    g_autofree char *beside = g_strconcat(path, BESIDE_BUILT, NULL);

    if (!file_replace(mark, "")) {
        file_replace_failed(mark, error);
        return FALSE;
    }
    beside_drop(path);
    if (!g_file_test(beside, G_FILE_TEST_EXISTS))
        return TRUE;
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_FAILED, "%s can't be removed", beside);
    return FALSE;
}

void beside_drop(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};

    for (guint i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        g_autofree char *name = g_strconcat(path, BESIDE_BUILT, suffixes[i], NULL);
        g_unlink(name);
    }
}

gboolean beside_end_wal(Db *db, GError **error)
{
    g_auto(DbQuery) query = db_query(db, "PRAGMA wal_checkpoint(TRUNCATE)");

    while (db_next(&query))
        ;
    return db_done(&query, error);
}

gboolean beside_is_whole(const char *path, GError **error)
{
    g_autofree char *from = g_strconcat(path, BESIDE_BUILT, NULL);
    g_autofree char *wal = g_strconcat(from, "-wal", NULL);
    g_autofree char *to = g_strconcat(path, BESIDE_WHOLE, NULL);
    g_autofree char *dir = g_path_get_dirname(path);
    GStatBuf info;

    if (g_stat(wal, &info) == 0 && info.st_size > 0) {
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_FULL,
                    "%s can't grow. Nothing was changed; free some space on that disk.", from);
        return FALSE;
    }
    return file_sync(from, error) && file_rename(from, to, TRUE, error) && file_sync(dir, error);
}

/* The database in use gets another name, with its WAL; the WAL first: a database without its WAL is
 * an older one, a WAL without its database nothing. */
static gboolean set_aside(const char *path, const char *aside, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_autofree char *wal = g_strconcat(path, "-wal", NULL);
    g_autofree char *shm = g_strconcat(path, "-shm", NULL);
    g_autofree char *aside_wal = g_strconcat(aside, "-wal", NULL);

    g_unlink(shm);
    return file_rename(wal, aside_wal, FALSE, error) && file_rename(path, aside, FALSE, error) &&
           file_sync(dir, error);
}

gboolean beside_place(const char *path, const char *mark, gboolean *placed, GError **error)
{
    g_autofree char *whole = g_strconcat(path, BESIDE_WHOLE, NULL);
    g_autofree char *generation = g_strconcat(path, ".generation", NULL);
    g_autofree char *dir = g_path_get_dirname(path);
    GStatBuf info;

    gboolean there = g_stat(whole, &info) == 0;
    if (placed)
        *placed = there;
    if (!there)
        return TRUE;
    /* The time at which it was whole: the same name, however often this is begun. */
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(info.st_mtime);
    g_autofree char *text = g_date_time_format(time, "%Y%m%dT%H%M%S");
    g_autofree char *aside = g_strconcat(path, CACHE_ASIDE, text, NULL);
    if (!set_aside(path, aside, error))
        return FALSE;
    g_unlink(generation);
    g_unlink(mark);
    beside_drop(path);
    return file_rename(whole, path, TRUE, error) && file_sync(dir, error);
}

char *beside_find_aside(const char *path)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_autofree char *base = g_path_get_basename(path);
    g_autofree char *prefix = g_strconcat(base, CACHE_ASIDE, NULL);
    g_autofree char *newest = NULL;
    g_autoptr(GDir) listing = g_dir_open(dir, 0, NULL);

    for (const char *name; listing && (name = g_dir_read_name(listing));)
        /* Not its -wal or -shm. */
        if (g_str_has_prefix(name, prefix) && !strchr(name + strlen(prefix), '-') &&
            g_strcmp0(name, newest) > 0) {
            g_free(newest);
            newest = g_strdup(name);
        }
    return newest ? g_build_filename(dir, newest, NULL) : NULL;
}
