/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Attempts whose answer was lost, or didn't say a UID: the messages that arrived since they went
 * out are compared with what was sent, and adopted one to one. What isn't found when all the
 * folders an attempt names have been pulled did not happen.
 */
#pragma once

#include "daemon/sync/pull.h"

/* Reads the open attempts for the pulls that follow. */
gboolean sync_load_attempts(SyncContext *context, GError **error);

/* New messages of the folder from this UID on may be ours; 0: none may. */
guint32 sync_hold_from(SyncContext *context, const CacheFolder *folder);

/* Finds ours among `held` (SyncServerMessage of the selected folder) and gives them their base;
 * marks them adopted. */
gboolean sync_adopt(SyncContext *context, gint64 folder, GArray *held, GError **error);

/* Ends the attempts whose folders have all been pulled. */
gboolean sync_close_attempts(SyncContext *context, GError **error);
