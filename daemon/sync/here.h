/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Content over sync's own connection: for folders that have another UIDVALIDITY on each, so that a
 * fetcher's connection never shows the messages that the base knows.
 */
#pragma once

#include "daemon/sync/context.h"

/* Fetches what prefetch wants of such folders, which were just pulled. FALSE: the connection or the
 * cache failed. */
gboolean sync_fetch_here(SyncContext *context, GError **error);
