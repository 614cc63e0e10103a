/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Looking up what a client has asked for with NOTIFY. */
#include "daemon/serve/imap/notify-events.h"

#include "daemon/serve/imap/scopes.h"

guint imap_notify_events_of(const ImapNotifyArgs *args, const ImapMailbox *mailbox)
{
    guint events = 0;
    for (guint i = 0; i < args->groups->len; i++) {
        const ImapNotifyGroup *group = args->groups->pdata[i];
        if (imap_scope_covers(group->scope, mailbox))
            events |= group->events;
    }
    return events;
}

guint imap_notify_all_events(const ImapNotifyArgs *args)
{
    guint events = 0;
    for (guint i = 0; i < args->groups->len; i++)
        events |= ((const ImapNotifyGroup *)args->groups->pdata[i])->events;
    return events;
}

static const ImapNotifyGroup *selected_group(const ImapNotify *notify)
{
    return notify ? imap_notify_args_selected(notify->args) : NULL;
}

guint imap_notify_selected_events(const ImapNotify *notify)
{
    const ImapNotifyGroup *group = selected_group(notify);
    if (!notify)
        return IMAP_EVENTS_MESSAGE;
    return group ? group->events : 0;
}

const ImapFetchArgs *imap_notify_selected_items(const ImapNotify *notify)
{
    const ImapNotifyGroup *group = selected_group(notify);
    return group ? group->items : NULL;
}

gboolean imap_notify_delays_expunges(const ImapNotify *notify)
{
    const ImapNotifyGroup *group = selected_group(notify);
    return group && group->scope->kind == IMAP_SCOPE_SELECTED_DELAYED;
}
