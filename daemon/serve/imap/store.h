/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What STORE of flags and STORE of labels share. */
#pragma once

#include "daemon/proto/imap/store-args.h"
#include "daemon/serve/imap/session.h"

/* STORE X-GM-LABELS of `uids` (guint32, ascending). */
void imap_store_labels(ImapSession *session, const ImapStoreArgs *args, const GArray *uids);

/* The tagged answer that names what UNCHANGEDSINCE left alone: `modified`, UIDs (guint32). */
void imap_store_reply_modified(ImapSession *session, const GArray *modified);
