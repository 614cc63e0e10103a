/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Content over sync's own connection: for folders that have another UIDVALIDITY on each, so that a
 * fetcher's connection never shows the messages that the base knows.
 */
#pragma once

#include "daemon/sync/context.h"

/* Such folders (gint64) of which prefetch wants something. NULL: the cache failed. */
GArray *sync_wanted_here(SyncContext *context, GError **error);

/* Whether the base of a folder has the numbers of this connection. */
gboolean sync_is_numbered_here(const SyncContext *context, gint64 folder);

/* Fetches what prefetch wants of a folder, which is numbered here. FALSE: the connection or the cache
 * failed. */
gboolean sync_fetch_here(SyncContext *context, gint64 folder, GError **error);

/* A folder has been selected for a pull: notes whether it has another UIDVALIDITY than on the connection
 * before. Three in a row are a problem ("renumbers"). */
gboolean sync_note_epoch(SyncContext *context, const CacheFolder *folder, GError **error);

/* Whether it will have another on the next connection, as far as is known. */
gboolean sync_renumbers(const SyncContext *context, gint64 folder);

/* Whether a folder that was renumbered is to be looked at on this connection. */
gboolean sync_may_renumber(const SyncContext *context, gint64 folder);

/* What hasn't happened for an hour is no problem any more. */
gboolean sync_end_renumbering(SyncContext *context, GError **error);
