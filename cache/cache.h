/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The cache of one account: a SQLite database (mail.db, WAL) that keeps two versions of every fact
 * that clients and the provider can both change: the *view*, as clients see it, and the *base*, as
 * the provider was last seen to have it. A difference between the two is the pending work.
 *
 * Opening, closing, transactions, errors and change notices live here; folder.h, flags.h,
 * placement.h, content.h, change.h and attempt.h are what can be done inside a transaction.
 *
 * Threads: a Cache may be used by any number of threads at once. There is one writer connection
 * behind a lock, and a small pool of reader connections, borrowed for the length of a transaction.
 * Never hold a transaction while waiting for the network, a client, or another transaction.
 */
#pragma once

#include <glib.h>

#define CACHE_ERROR (cache_error_quark())
GQuark cache_error_quark(void);

typedef enum {
    CACHE_ERROR_FAILED, /* anything SQLite reports that none of the others names */
    CACHE_ERROR_FULL, /* disk full (also quota, or no more room for the WAL): nothing was changed */
    CACHE_ERROR_CORRUPT,   /* the database is damaged */
    CACHE_ERROR_NEWER,     /* made by a newer Postern: its schema version is not known here */
    CACHE_ERROR_LOCKED,    /* another process has it open; the message names its pid */
    CACHE_ERROR_NOT_FOUND, /* no such folder, message, or content not here */
    CACHE_ERROR_EXISTS,    /* a folder of that name is there already */
    CACHE_ERROR_INVALID,   /* a name or value that can't be (names too long, INBOX deleted, ...) */
    CACHE_ERROR_CHILDREN,  /* a folder that only has others below it can't be deleted before them */
} CacheError;

typedef struct Cache Cache;
typedef struct CacheTxn CacheTxn;

/*
 * Opens (creates, migrates) DIR/mail.db; DIR is created with mode 0700. `identity` says which
 * mailbox at which provider this is ("imap:user@host:port"); it is recorded at creation, and
 * cache_identity() gives what was recorded. The floor under local UIDVALIDITYs lives beside the
 * database in DIR/uidvalidity, so that a rebuilt database starts above every value ever shown.
 * A database left by a newer version is refused (CACHE_ERROR_NEWER), a damaged one reported
 * (CACHE_ERROR_CORRUPT). NULL with `error` set on failure.
 */
Cache *cache_open(const char *dir, const char *identity, GError **error);

/* Whether it was found to be a copy when it was opened this time, restored (also over the same
 * file) or moved: all its folders have new UIDVALIDITYs then. */
gboolean cache_was_copied(Cache *cache);

/* Ends everything; no transaction may be open. Checkpoints the WAL. */
void cache_close(Cache *cache);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Cache, cache_close)

/* The identity recorded when the database was made; borrowed for the life of the cache. */
const char *cache_identity(Cache *cache);

/*
 * Gives back what connections and compression keep for speed, some MiB; for when nothing happens.
 * Transactions may be open.
 */
void cache_release_memory(Cache *cache);

/* Bytes on the disk: the database and its WAL. */
guint64 cache_disk_size(Cache *cache);

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

/* The cache a transaction belongs to. */
Cache *cache_txn_cache(CacheTxn *txn);

/* Free-form values that must survive restarts (upstream's state, resumption points). */
char *cache_meta_get(CacheTxn *txn, const char *key);
gboolean cache_meta_set(CacheTxn *txn, const char *key, const char *value, GError **error);

/* ---- change notices ---------------------------------------------------------------------- */

typedef struct CacheWatch CacheWatch;

/*
 * After each commit that changes the *view* of folder `folder` (0: of any folder, and of the folder
 * list), 1 is written to `event_fd` (an eventfd owned by the caller, which outlives the watch).
 */
CacheWatch *cache_watch_view(Cache *cache, gint64 folder, int event_fd);

/* The same for commits that leave new work for push: a view that differs from its base. */
CacheWatch *cache_watch_pending(Cache *cache, int event_fd);

void cache_unwatch(CacheWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CacheWatch, cache_unwatch)
