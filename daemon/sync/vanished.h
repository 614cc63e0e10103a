/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The end of a round: what vanished somewhere either arrived elsewhere, and then it was moved, or
 * it is gone.
 */
#pragma once

#include "daemon/sync/pull.h"

/* Decides what vanished in this round, all folders having been pulled, and completes their pulls.
 */
gboolean sync_resolve_vanished(SyncContext *context, GError **error);
