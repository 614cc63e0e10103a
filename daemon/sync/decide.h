/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What pull and push decide, as pure functions: from what is in the cache (a message's placements,
 * view and base) and what the server was seen to have, to what is to be done. No sockets, no
 * database: a test runs a million of them.
 *
 * What returns a gboolean fails (FALSE, with `error` set) only where a keyword operation does.
 *
 * The order that push keeps follows from these decisions: a message is expunged nowhere while a
 * live placement of it has no base, and its source is moved away only by the last of its copies.
 */
#pragma once

#include "cache/placement.h"
#include "daemon/sync/merge.h"

/* ---- push ------------------------------------------------------------------------------------ */

typedef enum {
    SYNC_APPEND,   /* send the message to `folder` */
    SYNC_COPY,     /* from the source */
    SYNC_STORE,    /* `add` and `remove` */
    SYNC_MOVE,     /* from the source, which is dead */
    SYNC_EXPUNGE,  /* take it away upstream */
    SYNC_IDENTIFY, /* upstream has it in the folder, as the source: set-like stores */
    SYNC_REBASE,   /* nothing to send: upstream doesn't keep what differs; the base follows */
    SYNC_LOST,     /* alive only here, and its bytes aren't here either: it can't be sent */
} SyncActionKind;

typedef struct {
    SyncActionKind kind;
    gint64 folder; /* the placement it is about; of COPY and MOVE the new one */
    guint32 uid;
    gint64 message;
    gint64 source_folder; /* COPY and MOVE: a placement with a base UID */
    guint32 source_uid;
    guint32 base_uid;       /* STORE and EXPUNGE: of the placement; COPY and MOVE: of the source */
    CacheFlags add, remove; /* STORE */
} SyncAction;

/* What push knows beside the placements. */
typedef struct {
    gboolean can_move;  /* the server has MOVE */
    gboolean set_like;  /* a message is in a folder once */
    gboolean has_bytes; /* the message's content is full */
    /* Whether the folder's differences are sent at all; whether it is upstream now, with `mask`. */
    gboolean (*pushed)(gint64 folder, gpointer data);
    gboolean (*upstream)(gint64 folder, SyncMask *mask, gpointer data);
    /* Whether the placement is to be left alone now: under an open attempt, refused, too fresh. It
     * is asked about APPEND (for anything that would bring it upstream), STORE, EXPUNGE, and COPY
     * (as a source). */
    gboolean (*blocked)(const CachePlacement *placement, SyncActionKind kind, gpointer data);
    gpointer data;
    const SyncKeywords *keywords;
} SyncSituation;

/* Appends to `actions` (SyncAction) what is to be done now about one message, of which
 * `placements` are all there are. */
gboolean sync_decide_push(const CachePlacement *placements, guint count,
                          const SyncSituation *situation, GArray *actions, GError **error);

/* ---- pull ------------------------------------------------------------------------------------ */

/* The server has it with these flags: writes base and view of `placement`; *changed where either
 * did. */
gboolean sync_decide_flags(CachePlacement *placement, CacheFlags server, SyncMask mask,
                           const SyncKeywords *keywords, gboolean *changed, GError **error);

/* The server doesn't have it any more, nor anything that it became: it leaves base and view. */
void sync_decide_vanished(CachePlacement *placement);

/*
 * What vanished arrived elsewhere as `arrival` (a live placement that pull has just made):
 * `arrival` takes over message, unsent flags and whether it is to live; `vanished` is left without
 * base and dead, as what was moved.
 */
gboolean sync_decide_moved(CachePlacement *vanished, CachePlacement *arrival, SyncMask mask,
                           const SyncKeywords *keywords, GError **error);

/* ---- recognising messages -------------------------------------------------------------------- */

/* What tells one message from another; strings are borrowed. */
typedef struct {
    const char *remote_id;  /* EMAILID or X-GM-MSGID, or NULL */
    const char *message_id; /* or NULL: it has none, or it isn't known */
    gboolean known;         /* its header has been seen, so a NULL message_id means none */
    guint64 size;           /* RFC822.SIZE; 0: not known */
    gint64 date;            /* INTERNALDATE */
} SyncKey;

typedef struct {
    SyncKey key;
    guint32 uid;      /* orders duplicates */
    gboolean dead;    /* gone in the view: of too many duplicates it is the one that is missing */
    gint index;       /* the caller's */
    gint match;       /* out: the other side's `index`, -1: none */
    gboolean resized; /* out: matched, and yet of another size, so other bytes */
} SyncCandidate;

/*
 * Matches two lists one to one (rematch after a UIDVALIDITY reset; moves): by remote id, else by
 * Message-ID, size and date, then by Message-ID and date, and where no Message-ID is known by size
 * and date, if there is just one on either side; other duplicates in the order of their UIDs. Sorts
 * both lists by UID.
 */
void sync_match(GArray *was, GArray *now); /* SyncCandidate */
