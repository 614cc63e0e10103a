/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The end of a round: what vanished somewhere either arrived elsewhere, and then it was moved, or
 * it is gone.
 */
#pragma once

#include "daemon/sync/pull.h"

/* Decides what vanished in this round, all folders having been pulled, and completes their pulls.
 */
gboolean sync_resolve_vanished(SyncContext *context, GError **error);

/* Calls `func` with each message that was deleted or moved here and is there again, while nobody knows
 * whether it still is where it was moved to: it isn't to be taken away. */
void sync_each_unsettled(const SyncContext *context,
                         void (*func)(gint64 folder, guint32 uid, gpointer data), gpointer data);
