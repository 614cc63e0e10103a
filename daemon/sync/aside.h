/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is set aside: folders that can't be read, and messages that the provider can't tell of. Each
 * is a problem ("read") with the provider's words and a back-off of its own, kept over restarts;
 * all else goes on. What can't be sent is in push-problem.c, bodies that can't be had are fetch's.
 */
#pragma once

#include "daemon/sync/context.h"

/* Reads what is set aside, for the round that begins. */
gboolean sync_load_aside(SyncContext *context, GError **error);

/* Whether it isn't to be read now: set aside, and not due yet. A person's asking makes it due. */
gboolean sync_is_aside(const SyncContext *context, gint64 folder, guint32 base_uid);

/* Whether a folder (`base_uid` 0) or a message of it is set aside, be it due. */
gboolean sync_was_aside(const SyncContext *context, gint64 folder, guint32 base_uid);

/* Whether push has to leave a folder alone: selecting it broke the connection, and it isn't due. A
 * person's asking changes nothing here: pull comes first, and has tried. */
gboolean sync_is_closed(const SyncContext *context, gint64 folder);

/* How many messages of a folder that the base doesn't have are set aside. */
gboolean sync_count_aside(const SyncContext *context, gint64 folder, guint *count, GError **error);

/* Whether a message of the folder from that UID on is set aside. */
gboolean sync_has_aside_from(const SyncContext *context, gint64 folder, guint32 base_uid);

/* Sets a folder (`base_uid` 0) or a message of it aside: a minute the first time, from then on as
 * long as it has lasted already, a day at most. */
gboolean sync_set_aside(SyncContext *context, gint64 folder, guint32 base_uid, const char *words,
                        GError **error);

/* It could be read (or isn't there any more): no problem any longer. */
gboolean sync_clear_aside(SyncContext *context, gint64 folder, guint32 base_uid, GError **error);

/* Whether a message of the folder that is set aside is due; takes those that aren't out of `uids`. */
gboolean sync_has_due(const SyncContext *context, gint64 folder);
void sync_subtract_aside(const SyncContext *context, gint64 folder, ImapSet *uids);

/* A loss of `lost` of `of` messages. */
typedef struct {
    gint64 folder;
    const char *name;
    guint lost, of;
} SyncLoss;

/*
 * Whether a loss is believed: more than half of many messages only once it has lasted for
 * SYNC_LOSS_SECONDS, restarts in between or not; until then the folder is set aside. Storage that is
 * away for a moment comes back. What was last seen more than an hour ago counts anew.
 */
#define SYNC_LOSS_SECONDS 180
#define SYNC_LOSS_LARGE   20
gboolean sync_believes(SyncContext *context, const SyncLoss *loss, gboolean *believed,
                       GError **error);

/* Whether a folder's numbers didn't add up when it was looked at before; that they don't now; that
 * they do, and what was lost is decided about. */
gboolean sync_is_unsure(const SyncContext *context, gint64 folder);
gboolean sync_note_unsure(SyncContext *context, gint64 folder, GError **error);
gboolean sync_end_losses(SyncContext *context, CacheTxn *txn, gint64 folder, GError **error);

/* Ends the problems of messages of `folder` that aren't `there`, or `known` by now; and of folders
 * that are gone. */
gboolean sync_clear_aside_known(SyncContext *context, gint64 folder, const ImapSet *there,
                                const ImapSet *known, GError **error);
gboolean sync_clear_aside_gone(SyncContext *context, GError **error);
