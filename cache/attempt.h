/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Attempts: operations sent upstream whose outcome isn't known yet, recorded durably before they go
 * out. They belong to sync.
 */
#pragma once

#include "cache/placement.h"

typedef enum {
    CACHE_ATTEMPT_APPEND,
    CACHE_ATTEMPT_COPY,
    CACHE_ATTEMPT_MOVE,
    CACHE_ATTEMPT_CREATE,
    CACHE_ATTEMPT_RENAME,
    CACHE_ATTEMPT_DELETE,
} CacheAttemptKind;

typedef struct {
    gint64 folder; /* placement this item is about: the new one, in the target folder */
    guint32 uid;
} CacheAttemptItem;

typedef struct {
    gint64 id;
    CacheAttemptKind kind;
    gint64 source;       /* folder number; 0 for APPEND and folder operations */
    gint64 target;       /* folder number */
    guint32 uidvalidity; /* the target's, when it was sent */
    guint32 uidnext;     /* the target's, when it was sent */
    char *name;          /* folder operations: the new or temporary name; else NULL */
    gint64 started;      /* Unix seconds */
    GArray *items;       /* CacheAttemptItem */
} CacheAttempt;

void cache_attempt_free(CacheAttempt *attempt);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CacheAttempt, cache_attempt_free)

/* Records it; sets attempt->id. Needs CACHE_WRITE_FULL, and a commit before the command goes out.
 */
gboolean cache_attempt_open(CacheTxn *txn, CacheAttempt *attempt, GError **error);

/* Ends it. A folder that was deleted in the meantime and was kept for it alone goes. */
gboolean cache_attempt_close(CacheTxn *txn, gint64 id, GError **error);

/* Open attempts, oldest first: CacheAttempt. */
GPtrArray *cache_attempt_list(CacheTxn *txn, GError **error);
