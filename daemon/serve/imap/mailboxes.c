/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tree of mailbox names. */
#include "daemon/serve/imap/mailboxes.h"

#include "cache/subscription.h"

#include "daemon/proto/imap/mailbox-name.h"

#include <string.h>

static void mailbox_free(ImapMailbox *mailbox)
{
    g_clear_pointer(&mailbox->folder, cache_folder_free);
    g_free(mailbox->name);
    g_free(mailbox);
}

void imap_mailboxes_free(ImapMailboxes *mailboxes)
{
    g_clear_pointer(&mailboxes->by_name, g_hash_table_unref);
    g_clear_pointer(&mailboxes->sorted, g_ptr_array_unref);
    g_free(mailboxes);
}

static ImapMailbox *mailbox_named(ImapMailboxes *mailboxes, const char *name, gsize length,
                                  char delimiter)
{
    g_autofree char *key = g_strndup(name, length);
    imap_name_fold_inbox(key, 0); /* also where it is above "Inbox/name", as upstream has it */
    ImapMailbox *mailbox = g_hash_table_lookup(mailboxes->by_name, key);
    if (mailbox)
        return mailbox;
    mailbox = g_new0(ImapMailbox, 1);
    mailbox->name = g_steal_pointer(&key);
    mailbox->delimiter = delimiter;
    g_ptr_array_add(mailboxes->sorted, mailbox);
    g_hash_table_insert(mailboxes->by_name, mailbox->name, mailbox);
    return mailbox;
}

void imap_mailboxes_above(ImapMailboxes *mailboxes, const ImapMailbox *mailbox,
                          void (*mark)(ImapMailbox *above, const ImapMailbox *mailbox))
{
    if (!mailbox->delimiter)
        return;
    const char *at = mailbox->name;
    while ((at = strchr(at, mailbox->delimiter))) {
        if (at > mailbox->name)
            mark(mailbox_named(mailboxes, mailbox->name, (gsize)(at - mailbox->name),
                               mailbox->delimiter),
                 mailbox);
        at++;
    }
}

static void mark_folder_below(ImapMailbox *above, const ImapMailbox *mailbox)
{
    above->implied |= mailbox->folder != NULL;
    above->has_children |= mailbox->folder != NULL;
}

static int compare_names(const void *a, const void *b)
{
    const ImapMailbox *first = *(ImapMailbox *const *)a, *second = *(ImapMailbox *const *)b;
    return strcmp(first->name, second->name);
}

static void add_folders(ImapMailboxes *mailboxes, GPtrArray *folders)
{
    mailboxes->delimiter = '/';
    for (guint i = 0; i < folders->len; i++) {
        CacheFolder *folder = folders->pdata[i];
        if (!folder->name || !(cache_folder_rights(folder) & CACHE_RIGHT_LOOKUP)) /* RFC 4314, 4 */
            continue;
        ImapMailbox *mailbox =
            mailbox_named(mailboxes, folder->name, strlen(folder->name), folder->delimiter);
        mailbox->folder = g_steal_pointer(&folders->pdata[i]);
        if (folder->role == CACHE_ROLE_INBOX)
            mailboxes->delimiter = folder->delimiter;
    }
}

static void add_subscriptions(ImapMailboxes *mailboxes, GPtrArray *subscriptions)
{
    for (guint i = 0; i < subscriptions->len; i++) {
        const CacheSubscription *subscription = subscriptions->pdata[i];
        if (subscription->view)
            mailbox_named(mailboxes, subscription->name, strlen(subscription->name),
                          mailboxes->delimiter)
                ->subscribed = TRUE;
    }
}

ImapMailboxes *imap_mailboxes_read(CacheTxn *txn, GError **error)
{
    g_autoptr(ImapMailboxes) mailboxes = g_new0(ImapMailboxes, 1);
    mailboxes->sorted = g_ptr_array_new_with_free_func((GDestroyNotify)mailbox_free);
    mailboxes->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) folders = cache_folder_list(txn, error);
    if (!folders)
        return NULL;
    g_autoptr(GPtrArray) subscriptions = cache_subscriptions(txn, error);
    if (!subscriptions)
        return NULL;
    add_folders(mailboxes, folders);
    add_subscriptions(mailboxes, subscriptions);
    /* The levels above are appended while this runs, and are above themselves. */
    guint named = mailboxes->sorted->len;
    for (guint i = 0; i < named; i++)
        imap_mailboxes_above(mailboxes, mailboxes->sorted->pdata[i], mark_folder_below);
    g_ptr_array_sort(mailboxes->sorted, compare_names);
    return g_steal_pointer(&mailboxes);
}

const char *imap_role_name(CacheRole role)
{
    static const char *const names[] = {
        [CACHE_ROLE_ALL] = "\\All",       [CACHE_ROLE_ARCHIVE] = "\\Archive",
        [CACHE_ROLE_DRAFTS] = "\\Drafts", [CACHE_ROLE_FLAGGED] = "\\Flagged",
        [CACHE_ROLE_JUNK] = "\\Junk",     [CACHE_ROLE_SENT] = "\\Sent",
        [CACHE_ROLE_TRASH] = "\\Trash",   [CACHE_ROLE_IMPORTANT] = "\\Important",
    };
    return role < G_N_ELEMENTS(names) ? names[role] : NULL;
}
