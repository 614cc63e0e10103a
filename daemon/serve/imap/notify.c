/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NOTIFY (RFC 5465). What the client was told last is kept as a picture (notify-picture.h). Whenever
 * the cache says that something has changed, the picture is made anew, and the differences are told.
 */
#include "daemon/serve/imap/notify.h"

#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/fetch.h"
#include "daemon/serve/imap/list.h"
#include "daemon/serve/imap/news.h"
#include "daemon/serve/imap/notify-events.h"
#include "daemon/serve/imap/notify-picture.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/scopes.h"
#include "daemon/serve/imap/status.h"
#include "daemon/serve/imap/view.h"

#include <unistd.h>

/* ---- reporting ------------------------------------------------------------------------------- */

/* Everything but the selected mailbox's messages. */
static void report_others(ImapSession *session)
{
    ImapNotify *notify = session->notify;
    g_autoptr(GError) error = NULL;
    g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_READ, &error);
    g_autoptr(ImapPicture) now = txn ? imap_picture_read(txn, &error) : NULL;
    if (!now) {
        g_warning("imap: can't read what has changed: %s", error->message);
        return;
    }
    imap_picture_tell_changes(session, txn, notify->picture, now);
    imap_picture_free(notify->picture);
    notify->picture = g_steal_pointer(&now);
}

/* Whether the cache has said that something changed since this was last asked. */
static gboolean is_woken(ImapSession *session)
{
    guint64 notices;
    return read(session->wake_fd, &notices, sizeof notices) == sizeof notices;
}

static void report_selected(ImapSession *session)
{
    imap_news_report(session, !imap_notify_delays_expunges(session->notify));
    imap_news_conclude(session);
}

void imap_notify_report(ImapSession *session, gboolean between)
{
    if (!session->notify)
        return;
    if (between && session->view)
        report_selected(session);
    if (between || is_woken(session))
        report_others(session);
}

void imap_notify_wait(ImapSession *session)
{
    g_autoptr(GError) error = NULL;
    gint64 deadline = imap_session_idle_deadline(session);
    while (session->notify && !session->ended && !net_stream_pending(session->stream)) {
        int woken = imap_session_wait(session, deadline, &error);
        if (woken < 0)
            imap_session_fail(session, error);
        if (woken < 0 || (woken & NET_READABLE))
            return;
        session->by_uid = FALSE;
        imap_notify_report(session, TRUE);
        imap_session_flush(session);
    }
}

/* ---- the command ----------------------------------------------------------------------------- */

void imap_notify_free(ImapNotify *notify)
{
    g_clear_pointer(&notify->args, imap_notify_args_free);
    g_clear_pointer(&notify->watch, cache_unwatch);
    g_clear_pointer(&notify->picture, imap_picture_free);
    g_free(notify);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapNotify, imap_notify_free)

/* RFC 5465, 3.1: where a mailbox stands that will be told of. */
static void tell_status(ImapSession *session, CacheTxn *txn, const ImapNotify *notify)
{
    const ImapMailboxes *mailboxes = notify->picture->mailboxes;
    for (guint i = 0; i < mailboxes->sorted->len; i++) {
        const ImapMailbox *mailbox = mailboxes->sorted->pdata[i];
        guint events = imap_notify_events_of(notify->args, mailbox) & IMAP_EVENTS_MESSAGE;
        if (!events || (session->view && session->view->folder == mailbox->folder->id))
            continue;
        guint items = IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY;
        if (events & IMAP_EVENT_FLAG_CHANGE)
            items |= IMAP_STATUS_HIGHESTMODSEQ;
        imap_status_format(session, txn, mailbox->folder, items);
    }
}

static gboolean notify_is_asked_for(const ImapNotifyArgs *args, const ImapMailbox *mailbox)
{
    for (guint i = 0; i < args->groups->len; i++) {
        const ImapNotifyGroup *group = args->groups->pdata[i];
        if (group->events && imap_scope_names(group->scope, mailbox))
            return TRUE;
    }
    return FALSE;
}

/* RFC 5465, 3.1: "\NoAccess" for what is listed, but can't be watched, as it can't be read. */
static void tell_no_access(ImapSession *session, const ImapNotify *notify)
{
    const ImapMailboxes *mailboxes = notify->picture->mailboxes;
    for (guint i = 0; i < mailboxes->sorted->len; i++) {
        const ImapMailbox *mailbox = mailboxes->sorted->pdata[i];
        if (mailbox->folder && !(cache_folder_rights(mailbox->folder) & CACHE_RIGHT_READ) &&
            notify_is_asked_for(notify->args, mailbox))
            imap_list_tell(session, mailbox, NULL);
    }
}

static ImapNotify *begin_notify(ImapSession *session, ImapNotifyArgs *args, GError **error)
{
    g_autoptr(ImapNotify) notify = g_new0(ImapNotify, 1);
    notify->args = args;
    notify->watch = cache_watch_view(session->account->cache, 0, session->wake_fd);
    g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_READ, error);
    if (!txn || !(notify->picture = imap_picture_read(txn, error)))
        return NULL;
    tell_no_access(session, notify);
    if (args->status)
        tell_status(session, txn, notify);
    return g_steal_pointer(&notify);
}

/* The table of FETCH items has to have them. */
static gboolean are_events_offered(ImapSession *session, const ImapNotifyArgs *args)
{
    const ImapNotifyGroup *selected = imap_notify_args_selected(args);
    if (imap_notify_all_events(args) & IMAP_EVENT_UNKNOWN) {
        imap_reply(session, IMAP_NO, "BADEVENT (" IMAP_EVENT_NAMES ")", "There is no such event");
        return FALSE;
    }
    return !selected || !selected->items || imap_fetch_items_offered(session, selected->items);
}

void imap_cmd_notify(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ImapNotifyArgs) args = imap_notify_args_parse(lexer, &error);
    ImapNotify *notify = NULL;
    if (args && !are_events_offered(session, args))
        return;
    /* What has gathered up to here is told as was asked for until now. */
    if (args && session->view)
        imap_news_report(session, TRUE);
    if (args)
        notify = begin_notify(session, g_steal_pointer(&args), &error);
    if (!notify) {
        imap_reply_error(session, error);
        return;
    }
    g_clear_pointer(&session->notify, imap_notify_free);
    session->notify = notify;
}
