/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The cache of one account: a SQLite database (mail.db, WAL) that keeps two versions of every fact
 * that clients and the provider can both change: the *view*, as clients see it, and the *base*, as
 * the provider was last seen to have it. A difference between the two is the pending work.
 *
 * Opening and closing live here, transactions in txn.h, change notices in watch.h. What can be done
 * within a transaction has a header for each subject: folder.h, subscription.h, annotation.h,
 * placement.h, message.h, content.h, flags.h, rights.h; change.h is what clients do, attempt.h and
 * problem.h are what sync remembers, set-like.h and label.h are for stores like Gmail's, search.h
 * is for the text. repair.h is for a cache that is damaged.
 *
 * A Cache may be used by any number of threads at once.
 */
#pragma once

#include "cache/progress.h"
#include "cache/txn.h"
#include "cache/watch.h"

/*
 * Opens (creates, migrates) DIR/mail.db; DIR is created with mode 0700. The floor under local
 * UIDVALIDITYs lives beside the database in DIR/uidvalidity, so that a rebuilt database starts
 * above every value ever shown. A database left by a newer version is refused (CACHE_ERROR_NEWER),
 * a damaged one reported (CACHE_ERROR_CORRUPT). Migrations tell `progress` (may be NULL); CANCELLED
 * leaves the database at the version it had come to. NULL with `error` set on failure.
 */
Cache *cache_open(const char *dir, const CacheProgress *progress, GError **error);

/* Whether it was found to be a copy when it was opened this time, restored (also over the same
 * file) or moved: all its folders have new UIDVALIDITYs then. */
gboolean cache_was_copied(Cache *cache);

/* A sentence for people where a copy could not be told from it (the disk was full when it was opened,
 * or a file beside it can't be written), else NULL. Borrowed for the life of the cache. */
const char *cache_unmoved(Cache *cache);

/* Ends everything; no transaction may be open. Checkpoints the WAL. */
void cache_close(Cache *cache);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Cache, cache_close)

/* The identity recorded when the database was made; borrowed for the life of the cache. */

/* Whether the disk has room for a little more; else FALSE and FULL, with a sentence for people. */
gboolean cache_has_room(Cache *cache, GError **error);

/* Bytes on the disk: the database and its WAL. */
guint64 cache_disk_size(Cache *cache);
