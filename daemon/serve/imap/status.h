/* SPDX-License-Identifier: GPL-3.0-or-later */
/* STATUS lines, for STATUS and for LIST ... RETURN (STATUS) (RFC 5819). */
#pragma once

#include "cache/folder.h"
#include "daemon/proto/imap/status-args.h"
#include "daemon/serve/imap/session.h"

/* Whether all these items are offered; else the answer is BAD. */
gboolean imap_status_offered(ImapSession *session, guint items);

/* Appends "* STATUS name (...)". */
void imap_status_format(ImapSession *session, CacheTxn *txn, const CacheFolder *folder,
                        guint items);
