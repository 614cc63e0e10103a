/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A database that is built beside the one in use, and takes its place when it is whole. It has
 * three names on its way: mail.db.rebuilding while it is built; mail.db.rebuilt from the moment it
 * is whole and on the disk, which is what decides; and mail.db. Whatever ends the process in
 * between, beside_place() goes on from there; before that moment the original is as it was.
 */
#include "cache/private.h"
#include "cache/repair.h"

#include <glib/gstdio.h>
#include <sys/stat.h>

static const char *const SUFFIXES[] = {"",         "-wal",        "-shm",
                                       "-journal", ".generation", ".generation.new"};

gboolean beside_begin(const char *dir, GError **error)
{
    g_autofree char *mark = g_build_filename(dir, CACHE_DAMAGE_MARK, NULL);
    g_autofree char *path = g_build_filename(dir, BESIDE_NAME, NULL);

    if (!file_replace(mark, "")) {
        file_replace_failed(mark, error);
        return FALSE;
    }
    beside_drop(dir);
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return TRUE;
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_FAILED, "%s can't be removed", path);
    return FALSE;
}

void beside_drop(const char *dir)
{
    for (guint i = 0; i < G_N_ELEMENTS(SUFFIXES); i++) {
        g_autofree char *name = g_strconcat(BESIDE_NAME, SUFFIXES[i], NULL);
        g_autofree char *path = g_build_filename(dir, name, NULL);
        g_unlink(path);
    }
}

gboolean beside_is_whole(const char *dir, GError **error)
{
    g_autofree char *from = g_build_filename(dir, BESIDE_NAME, NULL);
    g_autofree char *wal = g_build_filename(dir, BESIDE_NAME "-wal", NULL);
    g_autofree char *to = g_build_filename(dir, BESIDE_WHOLE, NULL);
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
static gboolean set_aside(const char *dir, const char *aside, GError **error)
{
    g_autofree char *path = g_build_filename(dir, "mail.db", NULL);
    g_autofree char *wal = g_strconcat(path, "-wal", NULL);
    g_autofree char *shm = g_strconcat(path, "-shm", NULL);
    g_autofree char *aside_wal = g_strconcat(aside, "-wal", NULL);

    g_unlink(shm);
    return file_rename(wal, aside_wal, FALSE, error) && file_rename(path, aside, FALSE, error) &&
           file_sync(dir, error);
}

gboolean beside_place(const char *dir, gboolean *placed, GError **error)
{
    g_autofree char *whole = g_build_filename(dir, BESIDE_WHOLE, NULL);
    g_autofree char *path = g_build_filename(dir, "mail.db", NULL);
    g_autofree char *mark = g_build_filename(dir, CACHE_DAMAGE_MARK, NULL);
    g_autofree char *generation = g_strconcat(path, ".generation", NULL);
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
    if (!set_aside(dir, aside, error))
        return FALSE;
    g_unlink(generation);
    g_unlink(mark);
    beside_drop(dir);
    return file_rename(whole, path, TRUE, error) && file_sync(dir, error);
}
