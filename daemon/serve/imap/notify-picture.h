/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a client with NOTIFY (RFC 5465) was told last, as a picture: the mailboxes with their counts,
 * the subscriptions, the annotations. Messages of the selected mailbox aren't in it (news.h).
 */
#pragma once

#include "daemon/serve/imap/mailboxes.h"
#include "daemon/serve/imap/session.h"

typedef struct ImapPicture {
    ImapMailboxes *mailboxes;
    GHashTable *by_id;       /* gint64 -> ImapMailbox, borrowed */
    GHashTable *annotations; /* "id entry" -> GBytes */
} ImapPicture;

/* As of the transaction. NULL and `error` on failure. */
ImapPicture *imap_picture_read(CacheTxn *txn, GError **error);
void imap_picture_free(ImapPicture *picture);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapPicture, imap_picture_free)

/* Tells what is different in `now`, as far as the client has asked for it; `txn` is that of `now`. */
void imap_picture_tell_changes(ImapSession *session, CacheTxn *txn, const ImapPicture *before,
                               const ImapPicture *now);
