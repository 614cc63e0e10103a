/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The list of folders, pulled: new ones, ones that are gone, ones that were renamed upstream (known
 * by MAILBOXID, else by their content), roles and subscriptions.
 */
#pragma once

#include "daemon/sync/context.h"

/* Lists the provider's folders and writes what changed; appends to `pull` (gint64) the folders that
 * aren't as they were last pulled, INBOX first. What was in deleted folders is added to what
 * vanished. */
gboolean sync_pull_folders(SyncContext *context, GArray *pull, GError **error);

/* After sync_resolve_vanished(): folders that are gone upstream leave the view, unless something in them is
 * only here: these will be made again. */
gboolean sync_finish_gone_folders(SyncContext *context, GError **error);
