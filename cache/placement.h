/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Placements: a message in one folder under one local UID, for life. The row-level interface,
 * mostly for sync; clients' commands use change.h. A local UID is never reused.
 *
 * View: alive, flags. Base: not there, there under a UID not known yet, or there under base_uid,
 * and its base flags. cache_placement_put() keeps everything derived in step: mod-sequence,
 * expunged UIDs, the folder's counts, pending work, change notices.
 */
#pragma once

#include "cache/flags.h"

typedef enum {
    CACHE_BASE_NONE,    /* upstream doesn't have it (in this folder) */
    CACHE_BASE_UNKNOWN, /* upstream has it, under a UID not learnt yet */
    CACHE_BASE_PRESENT, /* upstream has it under base_uid */
} CacheBase;

typedef struct {
    gint64 folder;
    guint32 uid; /* local; 0 in cache_placement_put(): give it the folder's next one */
    gint64 message;

    gboolean alive;
    CacheFlags flags;
    gint64 date;    /* INTERNALDATE, Unix seconds */
    gint16 zone;    /* its zone, minutes east of UTC */
    guint64 size;   /* RFC822.SIZE: a hint of upstream's until the content is here, then exact */
    gint64 saved;   /* SAVEDATE (RFC 8514), Unix seconds */
    guint64 modseq; /* given by the cache */
    gint64 from_folder; /* where it was moved from (a dead placement), or 0 */
    guint32 from_uid;

    CacheBase base;
    guint32 base_uid;
    CacheFlags base_flags;
} CachePlacement;

/* Messages of a folder. */
typedef struct {
    gint64 folder;
    const guint32 *uids; /* local; borrowed */
    gsize count;
} CacheSelection;

/* Reads one; FALSE with NOT_FOUND where there is none. By local UID, and by base UID. */
gboolean cache_placement_get(CacheTxn *txn, gint64 folder, guint32 uid, CachePlacement *placement,
                             GError **error);
gboolean cache_placement_by_base(CacheTxn *txn, gint64 folder, guint32 base_uid,
                                 CachePlacement *placement, GError **error);

/*
 * Writes a row as given (insert or replace by folder and uid; uid 0 takes the next UID and stores
 * it in *placement). Where the view changed (new and alive, died, flags, came back) a new
 * mod-sequence is given; a death is remembered as an expunged UID. All changes of one transaction
 * share one mod-sequence. The size is kept once the content is here. Needs CACHE_WRITE_FULL where
 * the row is new or the view changes. EXISTS where another row of the folder has that base UID;
 * INVALID for a new row under a UID that was used before.
 */
gboolean cache_placement_put(CacheTxn *txn, CachePlacement *placement, GError **error);

/* Forgets a row that is dead, has no base and is in no open attempt, else INVALID (its expunged UID
 * stays remembered). A message whose last row goes is forgotten with its content. */
gboolean cache_placement_remove(CacheTxn *txn, gint64 folder, guint32 uid, GError **error);

/* Called for each row; `placement` is valid during the call; FALSE ends the iteration (not an
 * error). It may write; rows come as they were up to 256 rows earlier. */
typedef gboolean (*CachePlacementFunc)(const CachePlacement *placement, gpointer data);

/* Rows of a folder (dead ones too) with first <= uid <= last, by local UID. */
gboolean cache_placement_each(CacheTxn *txn, gint64 folder, guint32 first, guint32 last,
                              CachePlacementFunc func, gpointer data, GError **error);

/* Rows of a folder that have a base UID in the range, by base UID. */
gboolean cache_placement_each_base(CacheTxn *txn, gint64 folder, guint32 first, guint32 last,
                                   CachePlacementFunc func, gpointer data, GError **error);

/* The rows of a folder with the highest base UIDs, these first: at most `count`. CachePlacement; the
 * caller frees. */
GArray *cache_placement_newest(CacheTxn *txn, gint64 folder, guint count, GError **error);

/* Rows of a folder (0: of all that are pushed) whose view and base differ, found through an index,
 * not by a scan. */
gboolean cache_placement_each_pending(CacheTxn *txn, gint64 folder, CachePlacementFunc func,
                                      gpointer data, GError **error);

/* Every row of one message, in whatever folder. */
gboolean cache_placement_each_of(CacheTxn *txn, gint64 message, CachePlacementFunc func,
                                 gpointer data, GError **error);

/* ---- for sessions -------------------------------------------------------------------------- */

/* The local UIDs of the live messages, ascending, guint32. The caller frees the array. */
GArray *cache_uids(CacheTxn *txn, gint64 folder, GError **error);

/* The first live message without \Seen; 0: there is none, or it would take long to find. */
gboolean cache_first_unseen(CacheTxn *txn, gint64 folder, guint32 *uid, GError **error);

typedef struct {
    guint32 uid;
    CacheFlags flags;
    guint64 modseq;
} CacheChange;

/*
 * What happened in the view after `modseq`: live messages that are new or changed (CacheChange, by
 * UID), and expunged UIDs (guint32, ascending). Either pointer may be NULL. `modseq` below the
 * folder's modseq_floor: every UID below UIDNEXT that is not alive is reported as expunged.
 */
gboolean cache_changes(CacheTxn *txn, gint64 folder, guint64 modseq, GArray **changed,
                       GArray **expunged, GError **error);
