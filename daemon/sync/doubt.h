/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Flags that were stored without an answer: whether upstream has them isn't known. What the next
 * pull shows of them is our own doing, not someone else's change; so what the user has wanted last
 * stays, be it the opposite by now. Known for as long as the program runs.
 */
#pragma once

#include "daemon/sync/context.h"

/* A STORE of these for one placement went out. */
void sync_doubt_flags(SyncContext *context, CacheTxn *txn, const SyncAction *action);

/* Takes what `server` shows of flags in doubt into the row's base. */
gboolean sync_settle_doubt(SyncContext *context, CacheTxn *txn, CachePlacement *row,
                           CacheFlags server, GError **error);

/* The folders that were pulled in this round have told; a STORE that was answered. */
void sync_end_doubts(SyncContext *context);
void sync_end_doubt(SyncContext *context, const SyncAction *action);
