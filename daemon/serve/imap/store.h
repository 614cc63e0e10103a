/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What STORE of flags and STORE of labels share. */
#pragma once

#include "cache/change.h"
#include "daemon/proto/imap/store-args.h"
#include "daemon/serve/imap/session.h"

/* STORE X-GM-LABELS of `uids` (guint32, ascending). */
void imap_store_labels(ImapSession *session, const ImapStoreArgs *args, const GArray *uids);

/* By ImapStoreMode. */
extern const CacheFlagsMode imap_store_modes[];

/* The tagged answer, unless it is plain OK: `named` messages were named and `touched` of these were
 * there; UNCHANGEDSINCE left those in `modified`, UIDs (guint32), alone. */
void imap_store_reply(ImapSession *session, guint named, guint touched, const GArray *modified);
