/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pictures of what NOTIFY tells of, and how two of them differ. */
#include "daemon/serve/imap/notify-picture.h"

#include "cache/annotation.h"
#include "daemon/proto/imap/quote.h"
#include "daemon/serve/imap/list.h"
#include "daemon/serve/imap/notify-events.h"
#include "daemon/serve/imap/status.h"
#include "daemon/serve/imap/view.h"

void imap_picture_free(ImapPicture *picture)
{
    g_hash_table_unref(picture->by_id);
    g_hash_table_unref(picture->annotations);
    g_clear_pointer(&picture->mailboxes, imap_mailboxes_free);
    g_free(picture);
}
static gboolean add_annotations(ImapPicture *picture, CacheTxn *txn, gint64 folder, GError **error)
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

ImapPicture *imap_picture_read(CacheTxn *txn, GError **error)
{
    g_autoptr(ImapPicture) picture = g_new0(ImapPicture, 1);
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

/* ---- mailboxes ------------------------------------------------------------------------------- */

typedef struct {
    ImapSession *session;
    CacheTxn *txn;
    const ImapNotifyArgs *args;
    const ImapPicture *before, *now;
} Comparison;

static const ImapMailbox *parent_of(const ImapPicture *picture, const ImapMailbox *mailbox)
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

static void tell_name_change(const Comparison *comparison, const ImapMailbox *before,
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

static void tell_status_change(const Comparison *comparison, guint events,
                               const ImapMailbox *before, const ImapMailbox *now)
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
    guint events = imap_notify_events_of(comparison->args, now);
    /* Renamed, deleted or unsubscribed, it may have left the scope that it was in. */
    guint either = events | (before ? imap_notify_events_of(comparison->args, before) : 0);
    if (either & IMAP_EVENT_MAILBOX_NAME)
        tell_name_change(comparison, before, now);
    if (before && before->subscribed != now->subscribed && (either & IMAP_EVENT_SUBSCRIPTION))
        imap_list_tell(comparison->session, now, NULL);
    tell_status_change(comparison, events, before, now);
}

static void tell_gone(const Comparison *comparison, const ImapMailbox *before)
{
    if (!(imap_notify_events_of(comparison->args, before) & IMAP_EVENT_MAILBOX_NAME))
        return;
    tell_nonexistent(comparison, before);
    tell_parent(comparison, before);
}

static void compare_pictures(const Comparison *comparison)
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

static gboolean tells_annotations(const Comparison *comparison, const ImapMailbox *mailbox)
{
    return mailbox ? (imap_notify_events_of(comparison->args, mailbox) &
                      IMAP_EVENT_MAILBOX_METADATA) != 0
                   : (imap_notify_all_events(comparison->args) & IMAP_EVENT_SERVER_METADATA) != 0;
}

/* Entries of `a` that aren't in `b`, or aren't so there; twice there is no harm in telling of one,
 * but `changed` holds each once. */
static void collect_changed(GHashTable *a, GHashTable *b, GHashTable *changed)
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
    if ((id && !mailbox) || !tells_annotations(comparison, mailbox))
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
    collect_changed(comparison->before->annotations, comparison->now->annotations, changed);
    collect_changed(comparison->now->annotations, comparison->before->annotations, changed);
    g_hash_table_iter_init(&iter, changed);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        tell_annotation(comparison, key);
}

/* ---- all of it ------------------------------------------------------------------------------- */

void imap_picture_tell_changes(ImapSession *session, CacheTxn *txn, const ImapPicture *before,
                               const ImapPicture *now)
{
    const Comparison comparison = {session, txn, session->notify->args, before, now};
    compare_pictures(&comparison);
    compare_annotations(&comparison);
}
