/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages that upstream doesn't have any more: their rows (dead, without base) stay for some days
 * with content, flags and what was still to be sent, in case they return. What is kept here is what
 * the row alone doesn't know: since when, as what it was known upstream, and whether clients have
 * been told that it is gone. An entry ends by itself when its row comes back to life, is sent anew,
 * or goes.
 */
#pragma once

#include "cache/txn.h"

typedef struct {
    gint64 folder;
    guint32 uid;         /* local */
    guint32 uidvalidity; /* of upstream's epoch that it was last seen in; 0: not known */
    guint32 base_uid;    /* its UID in that epoch; 0: not known */
    gboolean alive;      /* it was in the view; FALSE: a client had deleted or moved it before */
    gboolean told;       /* a client may know that it is gone: its UID can't come back */
    gint64 since;        /* Unix seconds */
} CacheVanished;

/* Notes that the row `vanished->folder`, `->uid` has vanished; nothing where it isn't dead and
 * without base. Needs a write transaction. */
gboolean cache_vanished_add(CacheTxn *txn, const CacheVanished *vanished, GError **error);

/* Reads one; FALSE without error where there is none. */
gboolean cache_vanished_get(CacheTxn *txn, gint64 folder, guint32 uid, CacheVanished *vanished);

/* Whether anything of the folder has vanished and may return. */
gboolean cache_vanished_any(CacheTxn *txn, gint64 folder);

/* Those of a folder whose internal date is `date`, by UID: CacheVanished. The caller frees. */
GArray *cache_vanished_of_date(CacheTxn *txn, gint64 folder, gint64 date, GError **error);

/* At most `limit` that have vanished at `before` or earlier. The caller frees. */
GArray *cache_vanished_until(CacheTxn *txn, gint64 before, guint limit, GError **error);

/* Forgets the entry, not the row. */
gboolean cache_vanished_remove(CacheTxn *txn, gint64 folder, guint32 uid, GError **error);

/* Whether something of the folder has vanished that no client has been told of yet. */
gboolean cache_vanished_untold(CacheTxn *txn, gint64 folder);

/*
 * A client is about to be told what is in the folder as of `modseq`: what had vanished by then gets
 * another UID, should it return. RFC 3501, 2.3.1.1: what a client takes for new has a higher UID
 * than all it has seen.
 */
gboolean cache_vanished_tell(CacheTxn *txn, gint64 folder, guint64 modseq, GError **error);

/* A client was told, and that can't be written now (the disk is full): it is with the next change that
 * can be, before anything may return. Any thread, outside of transactions. */
void cache_vanished_owe(Cache *cache, gint64 folder, guint64 modseq);
