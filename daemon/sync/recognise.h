/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether a folder's messages are those that the base knows. A server that was set up from a backup and
 * has gone on since has numbers that look right, and gives UIDs to other messages that it had given
 * before: the newest of what is known here. They are looked at once on each connection, by pull
 * before it believes anything, and by push before it changes anything.
 */
#pragma once

#include "daemon/sync/context.h"

/* Looks at the folder, which is selected. *other: some are other messages, so it is another epoch. */
gboolean sync_recognise(SyncContext *context, const CacheFolder *folder, gboolean *other,
                        GError **error);

/* Whether others were found, and it wasn't read since: its numbers don't show it. */
gboolean sync_is_unrecognised(const SyncContext *context, gint64 folder);
