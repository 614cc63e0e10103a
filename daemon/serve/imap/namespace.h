/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Below which names the provider has folders (RFC 2342), as sync has noted in meta "namespace". */
#pragma once

#include "cache/txn.h"

/* Whether a folder can have that name at the provider: INBOX, or one below a prefix. INVALID, with
 * the prefix in the words: it can't. */
gboolean imap_namespace_check(CacheTxn *txn, const char *name, GError **error);
