/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From the flags of a command to those of the cache. */
#pragma once

#include "cache/flags.h"
#include "daemon/proto/imap/flags.h"

/* Needs a write transaction. `flags` NULL: none. */
gboolean imap_intern_flags(CacheTxn *txn, const ImapFlags *flags, CacheFlags *out, GError **error);
