/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NOTIFY (RFC 5465). What the client was told last is kept as a picture: the mailboxes with their
 * counts, the subscriptions, the annotations. Whenever the cache says that something has changed,
 * the picture is made anew, and the differences are told.
 */
#include "daemon/serve/imap/notify.h"

#include "cache/annotation.h"
#include "daemon/proto/imap/quote.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/fetch.h"
#include "daemon/serve/imap/list.h"
#include "daemon/serve/imap/mailboxes.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/scopes.h"
#include "daemon/serve/imap/status.h"
#include "daemon/serve/imap/view.h"

#include <unistd.h>

typedef struct {
    ImapMailboxes *mailboxes;
    GHashTable *by_id;       /* gint64 -> ImapMailbox, borrowed */
    GHashTable *annotations; /* "id entry" -> GBytes */
} Picture;

struct ImapNotify {
    ImapNotifyArgs *args;
    CacheWatch *watch;
    Picture *picture;
};

/* ---- pictures -------------------------------------------------------------------------------- */

static void picture_free(Picture *picture)
{
    g_hash_table_unref(picture->by_id);
    g_hash_table_unref(picture->annotations);
    g_clear_pointer(&picture->mailboxes, imap_mailboxes_free);
    g_free(picture);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Picture, picture_free)

static gboolean add_annotations(Picture *picture, CacheTxn *txn, gint64 folder, GError **error)
{
    g_autoptr(GPtrArray) list = cache_annotations(txn, folder, error);
    for (guint i = 0; list && i < list->len; i++) {
        const CacheAnnotation *annotation = list->pdata[i];
        g_hash_table_insert(picture->annotations,
                            g_strdup_printf("%" G_GINT64_FORMAT " %s", folder, annotation->entry),
                            g_bytes_ref(annotation->value));
    }
    return list != NULL;
}

static Picture *picture_take(ImapSession *session, CacheTxn *txn, GError **error)
{
    g_autoptr(Picture) picture = g_new0(Picture, 1);
    picture->by_id = g_hash_table_new(g_int64_hash, g_int64_equal);
    picture->annotations =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
    picture->mailboxes = imap_mailboxes_read(txn, error);
    if (!picture->mailboxes || !add_annotations(picture, txn, CACHE_ANNOTATION_ACCOUNT, error))
        return NULL;
    for (guint i = 0; i < picture->mailboxes->sorted->len; i++) {
        ImapMailbox *mailbox = picture->mailboxes->sorted->pdata[i];
        if (!mailbox->folder)
            continue;
        g_hash_table_insert(picture->by_id, &mailbox->folder->id, mailbox);
        if (!add_annotations(picture, txn, mailbox->folder->id, error))
            return NULL;
    }
    return g_steal_pointer(&picture);
}

/* ---- what is wanted -------------------------------------------------------------------------- */

static guint events_of(const ImapNotifyArgs *args, const ImapMailbox *mailbox)
{
    guint events = 0;
    for (guint i = 0; i < args->groups->len; i++) {
        const ImapNotifyGroup *group = args->groups->pdata[i];
        if (imap_scope_holds(group->scope, mailbox))
            events |= group->events;
    }
    return events;
}

static guint all_events(const ImapNotifyArgs *args)
{
    guint events = 0;
    for (guint i = 0; i < args->groups->len; i++)
        events |= ((const ImapNotifyGroup *)args->groups->pdata[i])->events;
    return events;
}

guint imap_notify_selected_events(const ImapSession *session)
{
    if (!session->notify)
        return IMAP_EVENTS_MESSAGE;
    const ImapNotifyGroup *group = imap_notify_args_selected(session->notify->args);
    return group ? group->events : 0;
}

const ImapFetchArgs *imap_notify_items(const ImapSession *session)
{
    const ImapNotifyGroup *group =
        session->notify ? imap_notify_args_selected(session->notify->args) : NULL;
    return group ? group->items : NULL;
}

/* ---- mailboxes ------------------------------------------------------------------------------- */

typedef struct {
    ImapSession *session;
    CacheTxn *txn;
    const ImapNotifyArgs *args;
    const Picture *before, *now;
} Comparison;

static const ImapMailbox *parent_of(const Picture *picture, const ImapMailbox *mailbox)
{
    const char *end = mailbox->delimiter ? strrchr(mailbox->name, mailbox->delimiter) : NULL;
    g_autofree char *name = end ? g_strndup(mailbox->name, (gsize)(end - mailbox->name)) : NULL;
    return name ? g_hash_table_lookup(picture->mailboxes->by_name, name) : NULL;
}

static void tell_nonexistent(const Comparison *comparison, const ImapMailbox *before)
{
    const ImapMailbox gone = {.name = before->name, .delimiter = before->delimiter};
    imap_list_tell(comparison->session, &gone, NULL);
}

/* RFC 5465, 5.4: the parent has got its first child, or lost its last, be it a mailbox or not. One
 * that has come or gone itself is told anyway. */
static void tell_parent(const Comparison *comparison, const ImapMailbox *mailbox)
{
    const ImapMailbox *before = parent_of(comparison->before, mailbox);
    const ImapMailbox *now = parent_of(comparison->now, mailbox);
    const ImapMailbox *one = now ? now : before;
    gboolean same = before && now && before->has_children == now->has_children;
    gboolean told = (!before || !now) && one && one->folder && one->folder->selectable;
    if (!one || same || told)
        return;
    if (now)
        imap_list_tell(comparison->session, now, NULL);
    else
        tell_nonexistent(comparison, before);
}

/* Whether the mailbox above it was renamed as well, so that it only went along. */
static gboolean went_along(const Comparison *comparison, const ImapMailbox *before,
                           const ImapMailbox *now)
{
    const ImapMailbox *old = parent_of(comparison->before, before);
    const ImapMailbox *current = parent_of(comparison->now, now);
    if (!old || !current)
        return FALSE;
    gboolean same = old->folder && current->folder && old->folder->id == current->folder->id;
    return same && !g_str_equal(old->name, current->name) &&
           g_str_equal(before->name + strlen(old->name), now->name + strlen(current->name));
}

static void tell_name(const Comparison *comparison, const ImapMailbox *before,
                      const ImapMailbox *now)
{
    if (!before) {
        imap_list_tell(comparison->session, now, NULL);
        tell_parent(comparison, now);
    } else if (!g_str_equal(before->name, now->name) && !went_along(comparison, before, now)) {
        imap_list_tell(comparison->session, now, before->name);
    } else if (before->folder->selectable != now->folder->selectable) {
        /* Deleted with mailboxes below it, or made again. */
        imap_list_tell(comparison->session, now, NULL);
    }
}

static guint condstore_items(ImapSession *session)
{
    return session->enabled & IMAP_ENABLED_CONDSTORE ? IMAP_STATUS_HIGHESTMODSEQ : 0;
}

/* RFC 5465, 5.1 to 5.3: of a mailbox that isn't selected. */
static guint status_items(ImapSession *session, guint events, const CacheFolder *before,
                          const CacheFolder *now)
{
    guint items = 0;
    if (before->highestmodseq == now->highestmodseq && before->uidvalidity == now->uidvalidity)
        return 0;
    if ((events & IMAP_EVENT_MESSAGE_NEW) &&
        (before->exists != now->exists || before->uidnext != now->uidnext))
        items |= IMAP_STATUS_UIDNEXT | IMAP_STATUS_MESSAGES | condstore_items(session);
    if (!(events & IMAP_EVENT_FLAG_CHANGE))
        return items;
    if (condstore_items(session) || before->uidvalidity != now->uidvalidity)
        items |= IMAP_STATUS_UIDVALIDITY | condstore_items(session);
    if (before->unseen != now->unseen)
        items |= IMAP_STATUS_UNSEEN;
    return items;
}

static void tell_messages(const Comparison *comparison, guint events, const ImapMailbox *before,
                          const ImapMailbox *now)
{
    ImapSession *session = comparison->session;
    gboolean selected = session->view && session->view->folder == now->folder->id;
    if (!before || selected || !now->folder->selectable)
        return;
    guint items = status_items(session, events, before->folder, now->folder);
    if (items)
        imap_status_format(session, comparison->txn, now->folder, items);
}

static void compare_mailbox(const Comparison *comparison, const ImapMailbox *now)
{
    const ImapMailbox *before = g_hash_table_lookup(comparison->before->by_id, &now->folder->id);
    guint events = events_of(comparison->args, now);
    /* Renamed, deleted or unsubscribed, it may have left the scope that it was in. */
    guint either = events | (before ? events_of(comparison->args, before) : 0);
    if (either & IMAP_EVENT_MAILBOX_NAME)
        tell_name(comparison, before, now);
    if (before && before->subscribed != now->subscribed && (either & IMAP_EVENT_SUBSCRIPTION))
        imap_list_tell(comparison->session, now, NULL);
    tell_messages(comparison, events, before, now);
}

static void tell_gone(const Comparison *comparison, const ImapMailbox *before)
{
    if (!(events_of(comparison->args, before) & IMAP_EVENT_MAILBOX_NAME))
        return;
    tell_nonexistent(comparison, before);
    tell_parent(comparison, before);
}

static void compare_mailboxes(const Comparison *comparison)
{
    GPtrArray *before = comparison->before->mailboxes->sorted;
    GPtrArray *now = comparison->now->mailboxes->sorted;
    for (guint i = 0; i < before->len; i++) {
        const ImapMailbox *mailbox = before->pdata[i];
        if (mailbox->folder && !g_hash_table_contains(comparison->now->by_id, &mailbox->folder->id))
            tell_gone(comparison, mailbox);
    }
    for (guint i = 0; i < now->len; i++) {
        const ImapMailbox *mailbox = now->pdata[i];
        if (mailbox->folder)
            compare_mailbox(comparison, mailbox);
    }
}

/* ---- annotations ----------------------------------------------------------------------------- */

static gboolean wants_annotations(const Comparison *comparison, const ImapMailbox *mailbox)
{
    return mailbox ? (events_of(comparison->args, mailbox) & IMAP_EVENT_MAILBOX_METADATA) != 0
                   : (all_events(comparison->args) & IMAP_EVENT_SERVER_METADATA) != 0;
}

/* Entries of `a` that aren't in `b`, or aren't so there; twice there is no harm in telling of one,
 * but `changed` holds each once. */
static void collect(GHashTable *a, GHashTable *b, GHashTable *changed)
{
    GHashTableIter iter;
    gpointer key, value;
    g_hash_table_iter_init(&iter, a);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        GBytes *other = g_hash_table_lookup(b, key);
        if (!other || !g_bytes_equal(other, value))
            g_hash_table_add(changed, key);
    }
}

/* "* METADATA INBOX /shared/comment" (RFC 5464, 4.4.2). */
static void tell_annotation(const Comparison *comparison, const char *key)
{
    char *entry;
    gint64 id = g_ascii_strtoll(key, &entry, 10);
    const ImapMailbox *mailbox = id ? g_hash_table_lookup(comparison->now->by_id, &id) : NULL;
    if ((id && !mailbox) || !wants_annotations(comparison, mailbox))
        return;
    GString *out = comparison->session->out;
    g_string_append(out, "* METADATA ");
    imap_quote_append_mailbox(out, mailbox ? mailbox->name : "",
                              imap_session_utf8(comparison->session));
    g_string_append_c(out, ' ');
    imap_quote_append_astring(out, entry + 1, strlen(entry + 1), FALSE);
    g_string_append(out, "\r\n");
}

static void compare_annotations(const Comparison *comparison)
{
    g_autoptr(GHashTable) changed = g_hash_table_new(g_str_hash, g_str_equal);
    GHashTableIter iter;
    gpointer key;
    collect(comparison->before->annotations, comparison->now->annotations, changed);
    collect(comparison->now->annotations, comparison->before->annotations, changed);
    g_hash_table_iter_init(&iter, changed);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        tell_annotation(comparison, key);
}

/* ---- reporting ------------------------------------------------------------------------------- */

/* Everything but the selected mailbox's messages. */
static void report_others(ImapSession *session)
{
    ImapNotify *notify = session->notify;
    g_autoptr(GError) error = NULL;
    g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_READ, &error);
    g_autoptr(Picture) now = txn ? picture_take(session, txn, &error) : NULL;
    if (!now) {
        g_warning("imap: can't read what has changed: %s", error->message);
        return;
    }
    const Comparison comparison = {session, txn, notify->args, notify->picture, now};
    compare_mailboxes(&comparison);
    compare_annotations(&comparison);
    picture_free(notify->picture);
    notify->picture = g_steal_pointer(&now);
}

/* SELECTED-DELAYED: expunges wait for a command that allows them (RFC 5465, 6.1.2). */
static gboolean delays(const ImapSession *session)
{
    const ImapNotifyGroup *group = imap_notify_args_selected(session->notify->args);
    return group && group->scope->kind == IMAP_SCOPE_SELECTED_DELAYED;
}

/* Whether the cache has said that something changed since this was last asked. */
static gboolean is_woken(ImapSession *session)
{
    guint64 notices;
    return read(session->wake_fd, &notices, sizeof notices) == sizeof notices;
}

void imap_notify_report(ImapSession *session, gboolean between)
{
    if (!session->notify)
        return;
    if (between && session->view)
        imap_view_report(session, !delays(session));
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
        session->uid = FALSE;
        imap_notify_report(session, TRUE);
        imap_session_flush(session);
    }
}

/* ---- the command ----------------------------------------------------------------------------- */

void imap_notify_free(ImapNotify *notify)
{
    g_clear_pointer(&notify->args, imap_notify_args_free);
    g_clear_pointer(&notify->watch, cache_unwatch);
    g_clear_pointer(&notify->picture, picture_free);
    g_free(notify);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapNotify, imap_notify_free)

/* RFC 5465, 3.1: where a mailbox stands that will be told of. */
static void tell_start(ImapSession *session, CacheTxn *txn, const ImapNotify *notify)
{
    const ImapMailboxes *mailboxes = notify->picture->mailboxes;
    for (guint i = 0; i < mailboxes->sorted->len; i++) {
        const ImapMailbox *mailbox = mailboxes->sorted->pdata[i];
        guint events = events_of(notify->args, mailbox) & IMAP_EVENTS_MESSAGE;
        if (!events || (session->view && session->view->folder == mailbox->folder->id))
            continue;
        guint items = IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY;
        if (events & IMAP_EVENT_FLAG_CHANGE)
            items |= IMAP_STATUS_HIGHESTMODSEQ;
        imap_status_format(session, txn, mailbox->folder, items);
    }
}

static gboolean is_asked_for(const ImapNotifyArgs *args, const ImapMailbox *mailbox)
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
            is_asked_for(notify->args, mailbox))
            imap_list_tell(session, mailbox, NULL);
    }
}

static ImapNotify *begin(ImapSession *session, ImapNotifyArgs *args, GError **error)
{
    g_autoptr(ImapNotify) notify = g_new0(ImapNotify, 1);
    notify->args = args;
    notify->watch = cache_watch_view(session->account->cache, 0, session->wake_fd);
    g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_READ, error);
    if (!txn || !(notify->picture = picture_take(session, txn, error)))
        return NULL;
    tell_no_access(session, notify);
    if (args->status)
        tell_start(session, txn, notify);
    return g_steal_pointer(&notify);
}

/* The table of FETCH items has to have them. */
static gboolean acceptable(ImapSession *session, const ImapNotifyArgs *args)
{
    const ImapNotifyGroup *selected = imap_notify_args_selected(args);
    if (all_events(args) & IMAP_EVENT_UNKNOWN) {
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
    if (args && !acceptable(session, args))
        return;
    /* What has gathered up to here is told as was asked for until now. */
    if (args && session->view)
        imap_view_report(session, TRUE);
    if (args)
        notify = begin(session, g_steal_pointer(&args), &error);
    if (!notify) {
        imap_reply_error(session, error);
        return;
    }
    g_clear_pointer(&session->notify, imap_notify_free);
    session->notify = notify;
}
