/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A round of sync over one connection: folders, pull, decisions, push, and pull of what push
 * changed. */
#pragma once

#include "daemon/sync/context.h"

typedef enum {
    SYNC_ROUND_PUSH,  /* something was changed here */
    SYNC_ROUND_INBOX, /* something happened in INBOX upstream */
    SYNC_ROUND_FULL,
} SyncRoundKind;

/* Runs over context->imap. Any error but CONFIRM and AGAIN is a reason to be shown. */
gboolean sync_round(SyncContext *context, SyncRoundKind kind, GError **error);
