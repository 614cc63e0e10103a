/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Transactions: all that is read and written of a cache is within one. Any number of threads may
 * have one each; there is one writer at a time, and a small pool of connections for readers,
 * borrowed for the length of the transaction. Never hold one while waiting for the network, a
 * client, or another transaction.
 */
#pragma once

#include "cache/error.h"

typedef struct Cache Cache;
typedef struct CacheTxn CacheTxn;

typedef enum {
    CACHE_READ,  /* a snapshot; never waits for the writer */
    CACHE_WRITE, /* durable against a crash of the process, not against a power cut: for bodies,
                    renderings and whatever the provider can give again */
    CACHE_WRITE_FULL, /* on the disk when cache_commit() returns: whatever assigns local UIDs or
                         mod-sequences, or exists only here */
} CacheMode;

/* Begins a transaction; waits for the writer's lock where `mode` writes. NULL and `error` on
 * failure. */
CacheTxn *cache_begin(Cache *cache, CacheMode mode, GError **error);

/*
 * Commits and frees `txn` (also on failure, when nothing was changed), then wakes the watchers of
 * the folders it changed. For CACHE_READ: the same as cache_end().
 */
gboolean cache_commit(CacheTxn *txn, GError **error);

/* Ends a read transaction; rolls a write transaction back. Frees `txn`. NULL is fine. */
void cache_end(CacheTxn *txn);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CacheTxn, cache_end)

/* Free-form values that must survive restarts (upstream's state, resumption points). */
char *cache_meta_get(CacheTxn *txn, const char *key);
gboolean cache_meta_set(CacheTxn *txn, const char *key, const char *value, GError **error);
