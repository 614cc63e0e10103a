/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pull: what the server has becomes the base, and where the user changed nothing, the view. One
 * folder at a time; what vanished is decided at the end of the round (vanished.h).
 */
#pragma once

#include "daemon/sync/attributes.h"

/* Pulls one folder that is upstream. REFUSED: it can't be selected or read now. AGAIN: it isn't as it
 * was listed. What of it can't be read is set aside (aside.h). */
gboolean sync_pull_folder(SyncContext *context, gint64 folder, GError **error);

/* Whether a folder is to be pulled, and compared as a whole, though its numbers are what they were. */
gboolean sync_is_to_compare(const SyncContext *context, const CacheFolder *folder);

/* Gives messages that the base doesn't have their places (all of them but those matched). */
gboolean sync_add_arrivals(SyncContext *context, gint64 folder, GArray *messages, GError **error);

/* Writes what the folder's base is after a complete pull. */
gboolean sync_write_complete(SyncContext *context, const SyncComplete *complete, GError **error);
