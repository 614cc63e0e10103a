/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The order of messages in the selected mailbox by keys of SORT (ImapSortKey), for SORT and for
 * searches that are kept up to date. */
#pragma once

#include "daemon/proto/imap/sort-args.h"
#include "daemon/serve/imap/search.h"

/* Whether it can be sorted by so many keys; if not, BAD is set. */
gboolean imap_sort_keys_fit(ImapSession *session, const GArray *keys);

/* The UIDs (guint32) of what was found, sorted; messages that are gone by now are left out. NULL: the
 * answer is set. No cache transaction may be open. */
GArray *imap_sort_found(ImapSession *session, const GArray *keys, const ImapFound *found);

/* The same with a set of UIDs, and keys without RELEVANCY. */
GArray *imap_sort_uids(ImapSession *session, const GArray *keys, const ImapSet *uids);
