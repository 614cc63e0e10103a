/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Annotations of mailboxes and of the server (RFC 5464), also for LIST (RFC 9590). */
#pragma once

#include "cache/folder.h"
#include "daemon/serve/imap/session.h"

/* Where a filter's search program is kept (RFC 5466, 3.2), below /private and /shared. */
#define IMAP_METADATA_FILTERS "/filters/values/"

/* "* METADATA name (entry value ...)" with just these entries (char *), NIL for what isn't there.
 * Folder and name NULL: the server's. */
gboolean imap_metadata_format(ImapSession *session, CacheTxn *txn, const CacheFolder *folder,
                              const GPtrArray *entries, GError **error);
