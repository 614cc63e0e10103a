/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Keywords of the provider's messages that aren't kept here: too long, too many on one message, or of
 * too many different sets. They are left out, all else goes on; and that they are is said as a problem
 * ("keywords") of their folder, until the folder was compared as a whole and has none.
 */
#pragma once

#include "daemon/sync/context.h"

/* Some are left out in the folder that is, or is being, selected; why: what follows on "Keywords are left out here: ". */
gboolean sync_leave_out(SyncContext *context, const char *why, GError **error);

/* Whether that was so when the folder was last read, as far as is known since the start. */
gboolean sync_has_left_out(const SyncContext *context, gint64 folder);

/* Before and after the folder is read; compared: as a whole. */
void sync_begin_left_out(SyncContext *context, gint64 folder);
gboolean sync_end_left_out(SyncContext *context, gint64 folder, gboolean compared, GError **error);
