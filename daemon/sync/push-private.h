/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of push share. */
#pragma once

#include "daemon/sync/push.h"

typedef struct {
    SyncContext *context;
    GHashTable *folders; /* number -> CacheFolder, as they were when the pass began */
    GHashTable *blocked; /* PlaceKind: what is not to be touched */
    GArray *actions;     /* SyncAction: what this pass does */
    gint64 now;
    guint budget; /* refused batches that may still be split to find the culprit */
    gboolean more;
} Push;

const CacheFolder *push_folder(const Push *push, gint64 id);

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

/* Runs a batch; a refused one is split until what can't be done is found, which becomes a problem.
 */
gboolean push_run(Push *push, PushBatch batch, const SyncAction *actions, guint count,
                  GError **error);

/* The problem's operation for a kind of action. */
const char *push_operation(SyncActionKind kind);

/* Records a problem with the server's words about a placement, or (uid 0) a folder. */
gboolean push_add_problem(Push *push, const char *operation, gint64 folder, guint32 uid,
                          const ImapReply *reply, GError **error);

/* What went well this time is no problem any more. */
gboolean push_clear_problems(Push *push, const SyncAction *actions, guint count, GError **error);

/* Problems with what is no more to be done (undone, deleted, or done by someone else) end. */
gboolean push_drop_moot(Push *push, GError **error);

/* Whether a folder of the view is none upstream, and is to become one. */
gboolean push_is_uncreated(const CacheFolder *row);

/* Whether what the server refuses it would refuse to all others too. */
gboolean push_is_general(const ImapReply *reply);

/* Commands of these many octets and messages at most. */
#define PUSH_LINE     8000
#define PUSH_MESSAGES 5000

/* The parts, each taking the actions of its kind from push->actions. */
gboolean push_flags(Push *push, GError **error);
gboolean push_appends(Push *push, GError **error);
gboolean push_copies(Push *push, SyncActionKind kind, GError **error); /* COPY or MOVE */
gboolean push_expunges(Push *push, GError **error);
gboolean push_new_folders(Push *push, GError **error);
gboolean push_old_folders(Push *push, GError **error);
gboolean push_subscriptions(Push *push, GError **error);

/* Calls `run` for each run of actions of `kind` that share folder, source and flags. */
gboolean push_each_batch(Push *push, SyncActionKind kind, PushBatch batch, GError **error);
