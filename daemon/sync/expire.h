/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What has vanished upstream leaves the view at once, but its content and unsent differences are
 * kept for some days: these are the rows that still wait for their end.
 */
#pragma once

#include "cache/placement.h"
#include "daemon/proto/imap/set.h"

/* Notes that these rows (dead, without base) may go a week after `now` (Unix seconds). */
gboolean sync_remember_vanished(CacheTxn *txn, gint64 folder, const ImapSet *uids, gint64 now,
                                GError **error);

/* Forgets the rows whose time has come. */
gboolean sync_purge_vanished(Cache *cache, gint64 now, GError **error);
