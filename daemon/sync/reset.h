/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A folder whose UIDs mean something else than they did (UIDVALIDITY changed, or UIDNEXT went
 * backwards): its messages are recognised again, local UIDs stay.
 */
#pragma once

#include "daemon/sync/pull.h"

/*
 * Rematches the selected folder; base UIDs, flags and UIDVALIDITY are swapped in one transaction.
 * Nothing is done where the server leaves messages out (UNTOLD, once), or most seem to be lost and
 * that isn't believed yet (LOSING). *flagless: not all flags were told; those are what they were.
 */
typedef enum {
    SYNC_RESET_DONE,
    SYNC_RESET_UNTOLD,
    SYNC_RESET_LOSING,
} SyncResetOutcome;
gboolean sync_reset_folder(SyncContext *context, const CacheFolder *folder,
                           SyncResetOutcome *outcome, gboolean *flagless, GError **error);
