/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A cache that is made anew, and what is kept of the damaged one. See rebuild.h. */
#include "daemon/account/rebuild.h"

#include "cache/repair.h"

#include <glib/gstdio.h>

static gboolean is_marked(const char *dir)
{
    g_autofree char *mark = g_build_filename(dir, CACHE_DAMAGE_MARK, NULL);
    return g_file_test(mark, G_FILE_TEST_EXISTS);
}

/* A database that was closed in order has no WAL. */
static gboolean was_crashed(const char *dir)
{
    g_autofree char *wal = g_build_filename(dir, "mail.db-wal", NULL);
    GStatBuf info;

    return g_stat(wal, &info) == 0 && info.st_size > 0;
}

/* Opens it; CORRUPT also where a look at all of it says so. */
static Cache *open_checked(const char *dir, const CacheProgress *progress, GError **error)
{
    gboolean check = was_crashed(dir);
    g_autoptr(Cache) cache = cache_open(dir, progress, error);

    if (!cache || (check && !cache_check(cache, progress, error)))
        return NULL;
    return g_steal_pointer(&cache);
}

static Cache *rebuild(const char *dir, const CacheProgress *progress, GError **error)
{
    CacheSalvage result;

    if (!cache_rebuild(dir, progress, &result, error))
        return NULL;
    g_message("%s: carried over %u folders and %u messages that exist only here; %u are lost%s",
              dir, result.folders, result.contents, result.lost,
              result.whole ? "" : ", and some of the rest couldn't be read");
    return cache_open(dir, progress, error);
}

static char *describe(Cache *cache, const char *dir)
{
    g_autofree char *aside = cache_rebuilt_from(dir);
    g_autoptr(CacheTxn) txn = aside ? cache_begin(cache, CACHE_READ, NULL) : NULL;

    if (!aside && cache_was_copied(cache))
        return g_strdup(
            "The cache is a copy that was restored or moved, so mail clients will read all "
            "folders anew, under new numbers.");
    if (!aside)
        return g_strdup(cache_unmoved(cache));
    return g_strdup_printf(
        "The cache was damaged and has been made anew; mail comes again from the "
        "provider, what existed only here was carried over (%u messages could "
        "not be read). Check the disk, and delete %s when nothing is missing.",
        txn ? cache_rebuilt_lost(txn) : 0, aside);
}

Cache *rebuild_open(const char *dir, const CacheProgress *progress, char **notice, GError **error)
{
    g_autoptr(GError) reason = NULL;
    Cache *cache = is_marked(dir) ? NULL : open_checked(dir, progress, &reason);

    *notice = NULL;
    if (!cache && (!reason || g_error_matches(reason, CACHE_ERROR, CACHE_ERROR_CORRUPT))) {
        g_warning("%s: %s; making it anew", dir, reason ? reason->message : "it was found damaged");
        cache = rebuild(dir, progress, error);
    } else if (!cache) {
        g_propagate_error(error, g_steal_pointer(&reason));
    }
    if (cache)
        *notice = describe(cache, dir);
    return cache;
}
