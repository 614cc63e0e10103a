/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A message's flags: system flags as bits, keywords as the number of an interned *set* of keywords.
 * Sets are stored once in the database (keyword_set), never changed and never removed, so two
 * messages have the same keywords exactly when their set numbers are equal; 0 is the empty set.
 * Keyword names compare without regard to case (RFC 3501, 2.3.2); the first spelling is kept.
 */
#pragma once

#include "cache/cache.h"

enum {
    CACHE_ANSWERED = 1,
    CACHE_FLAGGED = 2,
    CACHE_DELETED = 4,
    CACHE_SEEN = 8,
    CACHE_DRAFT = 16,
};

typedef struct {
    guint32 system;   /* CACHE_ANSWERED | ... */
    guint32 keywords; /* a set's number */
} CacheFlags;

static inline gboolean cache_flags_equal(CacheFlags a, CacheFlags b)
{
    return a.system == b.system && a.keywords == b.keywords;
}

/*
 * The number of the set that holds exactly `names` (NULL-terminated; order and case don't matter;
 * NULL is the empty set), which is stored when it is new. Needs a write transaction.
 * G_MAXUINT32 and `error` on failure; INVALID: one isn't a keyword (1 to 255 octets, no controls, no
 * spaces), there are more than 1000, or it is new and there are 200,000 sets, or 64 MiB of them.
 */
guint32 cache_keywords_intern(CacheTxn *txn, const char *const *names, GError **error);

/*
 * The same for keywords that a provider tells: of new sets it may make half as many, so that clients'
 * own changes always find room. Beyond that a known set stands in that has some of them (or none),
 * and *all is FALSE.
 */
guint32 cache_keywords_told(CacheTxn *txn, const char *const *names, gboolean *all, GError **error);

/* The names in set `set`, sorted, NULL-terminated; borrowed for the life of the cache. Any thread.
 */
const char *const *cache_keywords_names(Cache *cache, guint32 set);

/* Whether set `set` holds keyword `name`. */
gboolean cache_keywords_contains(Cache *cache, guint32 set, const char *name);

/* Union of two sets, and `a` without the members of `b`, interned. Need a write transaction. INVALID:
 * there are a million sets. */
guint32 cache_keywords_union(CacheTxn *txn, guint32 a, guint32 b, GError **error);
guint32 cache_keywords_subtract(CacheTxn *txn, guint32 a, guint32 b, GError **error);

/* Every keyword that a live message of `folder` has; the caller frees with g_strfreev(). */
char **cache_folder_keywords(CacheTxn *txn, gint64 folder, GError **error);
