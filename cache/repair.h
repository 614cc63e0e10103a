/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * When a cache is damaged (CACHE_ERROR_CORRUPT, or cache_check() says so): close it, rebuild it,
 * open it, and sync.
 */
#pragma once

#include "cache/cache.h"

/* A file of this name in DIR says that the database was found damaged while it was in use, or is
 * being made anew. */
#define CACHE_DAMAGE_MARK "damaged"

/* What a database that was set aside is called: mail.db, this, and a time (YYYYMMDDTHHMMSS). */
#define CACHE_ASIDE ".damaged-"

/* Whether SQLite has found damage since the cache was opened. Everyone who watches anything was
 * woken when it did. Any thread. */
gboolean cache_is_damaged(Cache *cache);

/* Reads the whole database through SQLite's quick check (about a second a GB); CORRUPT with what is
 * wrong. Doesn't keep anyone waiting. `progress` may be NULL. */
gboolean cache_check(Cache *cache, const CacheProgress *progress, GError **error);

typedef struct {
    guint folders;
    guint placements;
    guint contents; /* messages that upstream doesn't have, with all their bytes */
    guint lost;     /* messages that upstream doesn't have and whose bytes can't be read */
    gboolean whole; /* nothing was in the way while reading */
} CacheSalvage;

/*
 * Makes the closed cache in DIR anew: a database is built beside the damaged one, what existed only
 * there is carried over, and when that is whole and on the disk it takes its place; the original
 * stays as mail.db.damaged-TIME. Whatever ends this on the way (a crash, a full disk: FULL,
 * `progress`: CANCELLED), the original is as it was, and the next call begins again, or puts in
 * place what was whole already. LOCKED where a process has it open.
 */
gboolean cache_rebuild(const char *dir, const CacheProgress *progress, CacheSalvage *result,
                       GError **error);

/* The newest damaged database that was set aside and is still there; NULL: none. The caller frees.
 * */
char *cache_rebuilt_from(const char *dir);

/* The `lost` of the rebuild that made this cache; 0 also where it wasn't made by one. */
guint cache_rebuilt_lost(CacheTxn *txn);

/*
 * Carries over into `cache`, which must be new (no folders yet: INVALID), what can be read of the
 * database at `path`, which isn't changed: folders with their UIDVALIDITY, placements with their
 * local UIDs, bases and unsent differences, subscriptions, attempts and problems, and the contents
 * of messages that upstream doesn't have (at some place where they are here), where they still have
 * their digest. A folder that could be read in part only gets a new UIDVALIDITY. Other contents,
 * and how far syncing had come, are not carried over. FALSE where `cache` can't be written: what
 * can't be read is no error.
 */
gboolean cache_salvage(Cache *cache, const char *path, const CacheProgress *progress,
                       CacheSalvage *result, GError **error);
