/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Flags that were sent and not shown since: by a STORE without an answer, an APPEND or a COPY. Whether
 * upstream has them isn't known. What the next pull shows of them is our own doing, or what the
 * provider doesn't keep, not someone else's change; so what the user has wanted last stays, be it
 * the opposite by now. Kept over restarts.
 */
#pragma once

#include "daemon/sync/context.h"

/* These went out with a new message; a STORE for one placement is about to. */
gboolean sync_doubt_flags(SyncContext *context, CacheTxn *txn, const CachePlacement *row,
                          CacheFlags flags, GError **error);
gboolean sync_doubt_store(SyncContext *context, CacheTxn *txn, const SyncAction *action,
                          GError **error);

/* Takes what `server` shows of flags in doubt into the row's base. */
gboolean sync_settle_doubt(SyncContext *context, CacheTxn *txn, CachePlacement *row,
                           CacheFlags server, GError **error);

/* The folders that were pulled in this round have told; a STORE that was answered. */
gboolean sync_end_doubts(SyncContext *context, GError **error);
gboolean sync_end_doubt(SyncContext *context, CacheTxn *txn, const SyncAction *action,
                        GError **error);
