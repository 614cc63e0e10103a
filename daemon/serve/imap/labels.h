/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Gmail's extension (X-GM-EXT-1) for accounts whose provider has it: a message's labels are the
 * folders it is in but for the selected one; all mail, spam and trash are no labels. Some folders
 * have names as labels: "\Inbox", "\Sent".
 */
#pragma once

#include "cache/label.h"
#include "daemon/serve/imap/session.h"

/* Whether the account's provider has it, as last seen. */
gboolean imap_labels_offered(ImapSession *session);

/* Texts of labels, remembered while a command runs. */
typedef struct ImapLabels ImapLabels;
ImapLabels *imap_labels_new(ImapSession *session);
void imap_labels_free(ImapLabels *labels);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapLabels, imap_labels_free)

/* Appends `(\Inbox foo "Muy Importante")`. */
gboolean imap_labels_append(ImapLabels *labels, CacheTxn *txn, gint64 message, GString *out,
                            GError **error);

/* The folder that a label names; 0: there is none. */
gint64 imap_label_find(CacheTxn *txn, const char *label);

/* The folder that a label is given by, made where it isn't there; 0 and `error`: it can't be given.
 */
gint64 imap_label_make(CacheTxn *txn, const char *label, GError **error);

/*
 * X-GM-RAW: what the provider finds in the selected folder, as UIDs. Blocks; no cache transaction
 * may be open. NULL: the tagged answer is set.
 */
ImapSet *imap_gmail_search(ImapSession *session, const char *query);
