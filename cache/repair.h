/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * When a cache is damaged (CACHE_ERROR_CORRUPT, or cache_check() says so): close it, set its
 * database aside, open a new one, salvage into it what existed only here, and sync.
 */
#pragma once

#include "cache/cache.h"

/* A file of this name in DIR says that the database was found damaged while it was in use. */
#define CACHE_DAMAGE_MARK "damaged"

/* Whether SQLite has found damage since the cache was opened. Everyone who watches anything was
 * woken when it did. Any thread. */
gboolean cache_is_damaged(Cache *cache);

/* Reads the whole database through SQLite's quick check (about a second a GB); CORRUPT with what is
 * wrong. Doesn't keep anyone waiting. */
gboolean cache_check(Cache *cache, GError **error);

/*
 * Renames DIR/mail.db, with its WAL, to DIR/mail.db.damaged-YYYYMMDDTHHMMSS, and gives that path;
 * the caller frees it. The cache must be closed: LOCKED where a process has it open. NOT_FOUND
 * where there is no database.
 */
char *cache_set_aside(const char *dir, GError **error);

typedef struct {
    guint folders;
    guint placements;
    guint contents; /* messages that upstream doesn't have, with all their bytes */
    guint lost;     /* messages that upstream doesn't have and whose bytes can't be read */
    gboolean whole; /* nothing was in the way while reading */
} CacheSalvage;

/*
 * Carries over into `cache`, which must be new (no folders yet: INVALID), what can be read of the
 * database at `path`: folders with their UIDVALIDITY, placements with their local UIDs, bases and
 * unsent differences, subscriptions, attempts and problems, and the contents of messages that
 * upstream doesn't have, where they still have their digest. A folder that could be read in part
 * only gets a new UIDVALIDITY. Other contents, and how far syncing had come, are not carried over.
 */
gboolean cache_salvage(Cache *cache, const char *path, CacheSalvage *result, GError **error);
