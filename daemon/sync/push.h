/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Push: the differences between view and base go to the server, in batches, in the order that keeps
 * every message somewhere at any moment; the base is set from the server's answers.
 */
#pragma once

#include "daemon/sync/context.h"

/*
 * Sends what is pending; what must be read again is in context->touched. *more: something is left
 * that these folders' pulls may make possible. AGAIN: folders aren't as they were listed.
 */
gboolean sync_push(SyncContext *context, gboolean *more, GError **error);
