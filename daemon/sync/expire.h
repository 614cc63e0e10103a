/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What has vanished upstream leaves the view at once, but its content and unsent differences are
 * kept for a week, in case it returns (returned.h): cache/vanished.h has the list.
 */
#pragma once

#include "cache/placement.h"
#include "cache/vanished.h"

/* What vanished is kept for so long. */
#define SYNC_VANISHED_SECONDS (7 * 24 * 60 * 60)

/* `row`, last seen upstream in the epoch `uidvalidity`, leaves base and view (and is written), and
 * may go a week after `now` (Unix seconds). */
gboolean sync_keep_vanished(CacheTxn *txn, CachePlacement *row, guint32 uidvalidity, gint64 now,
                            GError **error);

/* What was taken away upstream, as its answer says, in case it is there again: a replica that lags says so
 * of what it doesn't show. Only for a day, since its content takes room that the user may want. */
gboolean sync_keep_deleted(CacheTxn *txn, CachePlacement *row, guint32 uidvalidity, gint64 now,
                           GError **error);

/* When that was (Unix seconds). */
gint64 sync_deleted_at(const CacheVanished *vanished);

/* `row`, deleted here and still upstream, is in the view again: under a new UID, since the old one was
 * seen to go, and without \\Deleted. The base moves over before the old row goes, whose message
 * might go with it. */
gboolean sync_bring_back(CacheTxn *txn, CachePlacement *row, GError **error);

/* Forgets the rows whose time has come. */
gboolean sync_purge_vanished(Cache *cache, gint64 now, GError **error);
