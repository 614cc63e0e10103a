/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tree of mailbox names, as LIST and LSUB see it: folders, subscriptions, and the levels above
 * both.
 */
#pragma once

#include "cache/folder.h"

typedef struct {
    char *name;
    char delimiter;
    CacheFolder *folder; /* NULL: there is no folder of that name */
    gboolean implied;    /* some folder is below it */
    gboolean subscribed;
    gboolean has_children; /* folders below it */

    /* of the running LIST */
    gboolean selected;     /* meets the selection options */
    gboolean matched;      /* a pattern matches */
    gboolean child_below;  /* a selected one is below it */
    gboolean child_hidden; /* a selected one that no pattern matches is */
} ImapMailbox;

typedef struct {
    GPtrArray *sorted; /* ImapMailbox, by name; owns them */
    GHashTable *by_name;
    char delimiter; /* INBOX's */
} ImapMailboxes;

/* Reads everything in `txn`. NULL and `error` on failure. */
ImapMailboxes *imap_mailboxes_read(CacheTxn *txn, GError **error);
void imap_mailboxes_free(ImapMailboxes *mailboxes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapMailboxes, imap_mailboxes_free)

/* "\\Sent" (RFC 6154, RFC 8457), or NULL. */
const char *imap_role_name(CacheRole role);

/* Calls `mark` for each level above `mailbox`. */
void imap_mailboxes_above(ImapMailboxes *mailboxes, const ImapMailbox *mailbox,
                          void (*mark)(ImapMailbox *above, const ImapMailbox *mailbox));
