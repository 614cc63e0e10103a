/* SPDX-License-Identifier: GPL-3.0-or-later */
/* FETCH responses that nobody sent a FETCH for (RFC 5465, 5.2 and 7). */
#pragma once

#include "daemon/proto/imap/fetch-args.h"
#include "daemon/serve/imap/session.h"

/* Whether these items can be fetched; else BAD is set. */
gboolean imap_fetch_items_offered(ImapSession *session, const ImapFetchArgs *items);

/* Tells the items of messages (guint32, ascending) in the selected mailbox, as far as they can be
 * had; nothing is marked as seen. No cache transaction may be open. */
void imap_fetch_tell(ImapSession *session, const ImapFetchArgs *items, const GArray *uids);
