/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Expunging messages with \Deleted, for EXPUNGE, UID EXPUNGE and CLOSE. */
#pragma once

#include "daemon/serve/imap/session.h"

/*
 * Expunges those of `uids` (guint32) that have \Deleted, of the selected mailbox. *modseq becomes
 * the mailbox's highest mod-sequence afterwards, 0 where nothing had to go. The client is told by
 * the next report.
 */
gboolean imap_expunge_deleted(ImapSession *session, const GArray *uids, guint64 *modseq,
                              GError **error);
