/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sorting messages of the selected mailbox, for SORT and for contexts. */
#pragma once

#include "daemon/proto/imap/sort-args.h"
#include "daemon/serve/imap/session.h"

/* The messages (guint32 UIDs) in the order of `keys` (ImapSortKey, without RELEVANCY). NULL: it
 * can't be told now. No cache transaction may be open. */
GArray *imap_sort_uids(ImapSession *session, const GArray *keys, const ImapSet *uids);
