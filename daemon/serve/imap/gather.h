/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading headers and dates of many messages, for SORT and THREAD. */
#pragma once

#include "cache/content.h"
#include "daemon/serve/imap/session.h"

/*
 * Calls `func` for each live message of the selected mailbox among `uids` (guint32, ascending),
 * with `what` (CacheFetchWhat) at hand; a header that isn't here is asked for first, and NULL where
 * it can't be had. The order may differ from that of `uids`. FALSE: the answer is set.
 */
gboolean imap_gather(ImapSession *session, const GArray *uids, guint what, CacheFetchFunc func,
                     gpointer data);
