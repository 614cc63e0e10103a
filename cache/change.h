/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What clients do to messages, each written to the view in one transaction (CACHE_WRITE_FULL),
 * online and offline alike. Large changes are sliced by the caller, between messages, so that no
 * one waits long for the writer: at most a few hundred UIDs a transaction.
 */
#pragma once

#include "cache/content.h"

typedef enum { CACHE_FLAGS_SET, CACHE_FLAGS_ADD, CACHE_FLAGS_REMOVE } CacheFlagsMode;

typedef struct {
    CacheFlagsMode mode;
    CacheFlags flags;
    guint64 unchanged_since; /* G_MAXUINT64: no condition */
} CacheStore;

/*
 * STORE (RFC 3501, 6.4.6; RFC 7162, 3.1.3). UIDs that are gone are passed over. Messages whose
 * modseq is above `unchanged_since` are left alone and appended to `modified` (guint32). Each
 * message that was changed, or asked to change, is appended to `done` (CacheChange; its new flags
 * and modseq). Flags that the folder's rights (rights.h) don't let be changed stay as they are, in
 * every mode.
 */
gboolean cache_store(CacheTxn *txn, CacheSelection messages, CacheStore store, GArray *done,
                     GArray *modified, GError **error);

/* Expunges `uids`; those without \Deleted only where `force`. Appends what went to `gone` (guint32)
 * where not NULL. */
gboolean cache_expunge(CacheTxn *txn, gint64 folder, const guint32 *uids, gsize count,
                       gboolean force, GArray *gone, GError **error);

/*
 * COPY and MOVE (RFC 3501, 6.4.7; RFC 6851): appends pairs of source and destination UID to `from`
 * and `to` (guint32, for COPYUID). A copy has the source's date, content, and those of its flags
 * that the target's rights let be set. Moving within one folder gives a new UID. In an account
 * whose meta "set-like" is "1" a message is in a folder once: copying to where it is gives the UID
 * it has there.
 */
gboolean cache_copy(CacheTxn *txn, CacheSelection messages, gint64 target, gboolean move,
                    GArray *from, GArray *to, GError **error);

typedef struct {
    CacheFlags flags;
    gint64 date; /* INTERNALDATE, Unix seconds */
    gint16 zone; /* its zone, minutes east of UTC */
} CacheAppend;

/* APPEND: a new message in `folder` with the writer's content, and those of its flags that the
 * folder's rights let be set; its UID, or 0 and `error`. */
guint32 cache_append(CacheTxn *txn, gint64 folder, CacheContentWriter *writer,
                     const CacheRendered *rendered, CacheAppend append, GError **error);

/* Whether a message of the Sent folder was put there by cache_append(), that is, not by the provider
 * or a client of the provider's; remembered for weeks. */
gboolean cache_made_here(CacheTxn *txn, gint64 folder, guint32 uid);
