/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Expunging messages with \Deleted, for EXPUNGE, UID EXPUNGE and CLOSE, and what MOVE says as they
 * do. */
#pragma once

#include "cache/cache.h"
#include "daemon/serve/imap/session.h"

/*
 * Expunges those of `uids` (guint32) that have \Deleted, of the selected mailbox. *modseq, unless
 * it is NULL, becomes the mailbox's highest mod-sequence afterwards, 0 where nothing had to go. The
 * client is told by the next report.
 */
gboolean imap_expunge_deleted(ImapSession *session, const GArray *uids, guint64 *modseq,
                              GError **error);

/* The selected mailbox's highest mod-sequence, as of the transaction. */
gboolean imap_expunge_modseq(ImapSession *session, CacheTxn *txn, guint64 *modseq, GError **error);

/* Sets the OK of what took messages away, up to that mod-sequence; the client will be told how far it
 * knows everything after that, where it is to know (RFC 7162, 3.2.7; RFC 6851, 4.4). */
void imap_expunge_reply(ImapSession *session, guint64 modseq, const char *text);
