/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which mailboxes a filter-mailboxes means. */
#include "daemon/serve/imap/scopes.h"

#include <string.h>

static gboolean is_named(const ImapMailbox *mailbox, const char *name)
{
    return g_str_equal(mailbox->name, name);
}

static gboolean scope_is_below(const ImapMailbox *mailbox, const char *name)
{
    gsize length = strlen(name);
    return is_named(mailbox, name) ||
           (g_str_has_prefix(mailbox->name, name) && mailbox->delimiter &&
            mailbox->name[length] == mailbox->delimiter);
}

static gboolean is_child(const ImapMailbox *mailbox, const char *name)
{
    return scope_is_below(mailbox, name) &&
           (is_named(mailbox, name) ||
            !strchr(mailbox->name + strlen(name) + 1, mailbox->delimiter));
}

static gboolean any_name(const ImapScope *scope, const ImapMailbox *mailbox,
                         gboolean (*covers)(const ImapMailbox *mailbox, const char *name))
{
    for (guint i = 0; i < scope->names->len; i++)
        if (covers(mailbox, scope->names->pdata[i]))
            return TRUE;
    return FALSE;
}

gboolean imap_scope_covers(const ImapScope *scope, const ImapMailbox *mailbox)
{
    return imap_scope_names(scope, mailbox) &&
           (cache_folder_rights(mailbox->folder) & CACHE_RIGHT_READ);
}

gboolean imap_scope_names(const ImapScope *scope, const ImapMailbox *mailbox)
{
    if (!mailbox->folder || !mailbox->folder->selectable)
        return FALSE;
    switch (scope->kind) {
    case IMAP_SCOPE_INBOXES: /* the provider may deliver anywhere: then it is the same (RFC
                                5465, 6.3) */
    case IMAP_SCOPE_PERSONAL:
        return TRUE;
    case IMAP_SCOPE_SUBSCRIBED:
        return mailbox->subscribed;
    case IMAP_SCOPE_SUBTREE:
        return any_name(scope, mailbox, scope_is_below);
    case IMAP_SCOPE_SUBTREE_ONE:
        return any_name(scope, mailbox, is_child);
    case IMAP_SCOPE_MAILBOXES:
        return any_name(scope, mailbox, is_named);
    default:
        return FALSE;
    }
}
