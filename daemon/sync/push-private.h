/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of push share. */
#pragma once

#include "cache/problem.h"
#include "daemon/sync/push.h"

/* The attempt that a batch has opened while it is run: what is in doubt if it breaks off. */
typedef struct {
    guint count; /* of its items */
    guint32 uid; /* of the first */
} PushAttempt;

typedef struct {
    SyncContext *context;
    GHashTable *folders; /* number -> CacheFolder, as they were when the pass began */
    GTree *by_base;      /* their base names (borrowed) -> CacheFolder: kept as it is */
    GHashTable *held;    /* placements some of whose flags aren't kept, see push-dropped.c */
    GHashTable *blocked; /* PlaceKind: what is not to be touched */
    GArray *actions;     /* SyncAction: what this pass does */
    gint64 now;
    guint splits; /* refused batches that may still be split to find the culprit */
    guint breaks; /* connections that were broken */
    PushAttempt attempt;
    GError *again; /* why the folders are to be listed again when the pass is over; or NULL */
    gboolean more;
} Push;

const CacheFolder *push_folder(const Push *push, gint64 id);

/* For push->blocked. */
GHashTable *push_blocked_new(void);

/* What may not be done to a placement (uid 0: to all of a folder) in this pass; whether it may not.
 */
void push_block(Push *push, gint64 folder, guint32 uid, SyncActionKind kind);
gboolean push_blocks(const Push *push, gint64 folder, guint32 uid, SyncActionKind kind);

/* The folder is to be pulled after this. */
void push_touch(Push *push, gint64 folder);

/* The folder with that role, too, where there is one. */
void push_touch_role(Push *push, CacheRole role);

/*
 * Sends one batch of actions of the same kind, folder and source. *refused: the server said NO or
 * BAD, which is in `reply`, and nothing happened.
 */
typedef gboolean (*PushBatch)(Push *push, const SyncAction *actions, guint count, gboolean *refused,
                              ImapReply *reply, GError **error);

/* Selects a folder whose messages are about to be changed: it must be in the epoch that the base is from,
 * and they have to be those that the base knows, else AGAIN. */
gboolean push_select(Push *push, gint64 folder, GError **error);

/* Whether another list of the folders didn't help with the same the last time, so that it is a
 * problem. FALSE: they are listed again after this pass. */
gboolean push_repeats(Push *push, const GError *again);

/* The folders are listed again after this pass. */
void push_list_again(Push *push, const GError *again);

/* Whether a command was answered, with "not now": nothing was done, and the connection is good. */
static inline gboolean push_is_put_off(const GError *failure)
{
    return g_error_matches(failure, IMAP_CLIENT_ERROR, IMAP_CLIENT_ERROR_UNAVAILABLE);
}

/* After a failure: whether it was the connection's, and push can go on, on a new one. */
gboolean push_survives(Push *push, const GError *failure, GError **error);

/*
 * Something whose outcome is in doubt has broken the connection; how often it has by now without
 * being done; 0: that can't be noted. A placement (uid 0: the folder itself).
 */
guint push_suspect(Push *push, const char *operation, gint64 folder, guint32 uid, GError **error);
gboolean push_is_suspect(const Push *push, const char *operation, gint64 folder, guint32 uid);
gboolean push_unsuspect(Push *push, const char *operation, gint64 folder, guint32 uid,
                        GError **error);

/* Whether copies and moves from that source to that target have been refused as a whole, and aren't
 * due. */
gboolean push_is_refused(const Push *push, const SyncAction *action);

/* What was refused went well: TRUE if it was between these two, or nobody knows between which. And
 * that it isn't refused any more. */
gboolean push_ends_refusal(const Push *push, const SyncAction *action);
gboolean push_unrefuse(Push *push, CacheTxn *txn, const SyncAction *action, GError **error);

/* How many messages may go in one command between the two folders of an action: fewer after one
 * that has broken the connection. */
guint push_batch_limit(const Push *push, const SyncAction *action);
gboolean push_limit_batch(Push *push, const SyncAction *action, guint limit, GError **error);

/* A whole batch between two folders was refused. */
gboolean push_note_refused(Push *push, const SyncAction *action, GError **error);

/* What was done needs no care any more. */
gboolean push_trust(Push *push, const SyncAction *actions, guint count, GError **error);

/* Whether an answer shows what was asked for. */
gboolean push_is_shown(CacheTxn *txn, const SyncAction *action, CacheFlags answer);

/* The server has said OK, and the answer to a question afterwards shows that it didn't keep all of
 * it: that becomes a problem of just these flags of the message. */
gboolean push_note_dropped(Push *push, CacheTxn *txn, const SyncAction *action, CacheFlags answer,
                           GError **error);
gboolean push_is_about_dropped(const CacheProblem *problem);

/* In this pass they are held: the problem with them isn't due; whether some of a placement are. */
void push_hold_dropped(Push *push, const CacheProblem *problem);
gboolean push_holds_dropped(const Push *push, gint64 folder, guint32 uid);

/* Takes what is held out of a STORE; *left: something is to be sent. Within a write transaction. */
gboolean push_leave_dropped(Push *push, CacheTxn *txn, SyncAction *action, gboolean *left,
                            GError **error);

/* The problem's operation for a kind of action. */
const char *push_operation(SyncActionKind kind);

/* Records a problem with the server's words about a placement, or (uid 0) a folder. */
gboolean push_add_problem(Push *push, const char *operation, gint64 folder, guint32 uid,
                          const ImapReply *reply, GError **error);

/* The same where it isn't refused, but breaks the connection. */
gboolean push_add_broken(Push *push, const char *operation, gint64 folder, guint32 uid,
                         const GError *failure, GError **error);

/* What went well this time is no problem any more. */
gboolean push_clear_problems(Push *push, const SyncAction *actions, guint count, GError **error);

/* Problems with what is no more to be done (undone, deleted, or done by someone else) end. */
gboolean push_drop_moot(Push *push, GError **error);

/* Whether a folder of the view is none upstream, and is to become one. */
gboolean push_is_uncreated(const CacheFolder *row);

/* Whether what the server refuses it would refuse to all others too. */
gboolean push_is_general(const ImapReply *reply);

/* Messages of a batch at most. */
#define PUSH_MESSAGES 5000

/* The parts, each taking the actions of its kind from push->actions. */
gboolean push_flags(Push *push, GError **error);
gboolean push_appends(Push *push, GError **error);
gboolean push_copies(Push *push, SyncActionKind kind, GError **error); /* COPY or MOVE */
gboolean push_expunges(Push *push, GError **error);
gboolean push_new_folders(Push *push, GError **error);
gboolean push_old_folders(Push *push, GError **error);
gboolean push_subscriptions(Push *push, GError **error);

/* The order in which actions make batches: by kind (not in the order of sending), folders, flags. */
gint push_compare_actions(gconstpointer a, gconstpointer b);

/* Runs `batch` for all actions of `kind` that share folder, source and flags. One that is refused is
 * split until what can't be done is found, which becomes a problem; so does one that breaks the
 * connection twice. FALSE: it isn't about single batches. */
gboolean push_each_batch(Push *push, SyncActionKind kind, PushBatch batch, GError **error);
