/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A damaged cache made anew: what existed only in it is carried over into a database beside it. */
#include "cache/private.h"
#include "cache/repair.h"

#include <unistd.h>

/* What was lost is remembered in the new cache. */
#define LOST_KEY "salvage-lost"

static gboolean note_lost(Cache *cache, guint lost, GError **error)
{
    g_autofree char *text = g_strdup_printf("%u", lost);
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_WRITE_FULL, error);

    return txn && cache_meta_set(txn, LOST_KEY, text, error) &&
           cache_commit(g_steal_pointer(&txn), error);
}

guint cache_rebuilt_lost(CacheTxn *txn)
{
    g_autofree char *text = cache_meta_get(txn, LOST_KEY);
    return text ? (guint)g_ascii_strtoull(text, NULL, 10) : 0;
}

static gboolean build(const char *dir, const char *path, const CacheProgress *progress,
                      CacheSalvage *result, GError **error)
{
    g_autoptr(Cache) cache = cache_open_beside(dir, error);

    if (!cache || !cache_salvage(cache, path, progress, result, error) ||
        !note_lost(cache, result->lost, error) || !beside_end_wal(cache->writer, error))
        return FALSE;
    g_clear_pointer(&cache, cache_close);
    return beside_is_whole(path, error);
}

static gboolean rebuild(const char *dir, const CacheProgress *progress, CacheSalvage *result,
                        GError **error)
{
    g_autofree char *path = g_build_filename(dir, "mail.db", NULL);
    g_autofree char *mark = g_build_filename(dir, CACHE_DAMAGE_MARK, NULL);
    gboolean placed;

    if (!beside_place(path, mark, &placed, error))
        return FALSE;
    if (placed) /* it had come that far when it was interrupted */
        return TRUE;
    if (beside_begin(path, mark, error) && build(dir, path, progress, result, error))
        return beside_place(path, mark, NULL, error);
    beside_drop(path);
    return FALSE;
}

char *cache_rebuilt_from(const char *dir)
{
    g_autofree char *path = g_build_filename(dir, "mail.db", NULL);
    return beside_find_aside(path);
}

gboolean cache_rebuild(const char *dir, const CacheProgress *progress, CacheSalvage *result,
                       GError **error)
{
    g_autofree char *lock_path = g_build_filename(dir, "lock", NULL);
    int lock = lock_take(lock_path, dir, error);

    *result = (CacheSalvage){.whole = TRUE};
    if (lock < 0)
        return FALSE;
    gboolean done = rebuild(dir, progress, result, error);
    close(lock);
    return done;
}
