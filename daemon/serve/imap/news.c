/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bringing the client's view up to date: what has changed is read, and told in the right order. */
#include "daemon/serve/imap/news.h"

#include "cache/vanished.h"

#include "daemon/serve/imap/context.h"
#include "daemon/serve/imap/fetch.h"
#include "daemon/serve/imap/notify-events.h"
#include "daemon/serve/imap/recent.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/urlauth.h"
#include "daemon/serve/imap/view.h"

typedef struct {
    GArray *changed;             /* CacheChange, or NULL */
    GArray *expunged;            /* guint32, or NULL */
    guint32 recent_uid, uidnext; /* UIDs from the first up to the second are nobody's \Recent yet */
    guint64 modseq;
    guint32 rights;
    guint64 url_resets;
    gboolean folder_gone;
    gboolean untold; /* sync found something vanished that no client knows of */
} News;

static void news_clear(News *news)
{
    g_clear_pointer(&news->changed, g_array_unref);
    g_clear_pointer(&news->expunged, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(News, news_clear)

/* All in one transaction; without `messages` nothing of them. */
static gboolean read_news(ImapSession *session, gboolean messages, News *news, GError **error)
{
    ImapView *view = session->view;
    g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_READ, error);
    if (!txn)
        return FALSE;
    g_autoptr(CacheFolder) folder = cache_folder_get(txn, view->folder, error);
    if (!folder && g_error_matches(*error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND)) {
        g_clear_error(error);
        news->folder_gone = TRUE;
        return TRUE;
    }
    if (!folder)
        return FALSE;
    news->url_resets = imap_urlauth_resets(txn, view->folder);
    news->rights = cache_folder_rights(folder);
    if (!messages)
        return TRUE;
    news->modseq = folder->highestmodseq;
    news->recent_uid = folder->recent_uid;
    news->uidnext = folder->uidnext;
    if (news->modseq > view->modseq &&
        !cache_changes(txn, view->folder, view->modseq, &news->changed, NULL, error))
        return FALSE;
    news->untold = cache_vanished_untold(txn, view->folder);
    return news->modseq <= view->expunge_modseq ||
           cache_changes(txn, view->folder, view->expunge_modseq, NULL, &news->expunged, error);
}

static void tell_expunge_numbers(ImapSession *session, const ImapSet *numbers)
{
    guint count;
    const ImapRange *ranges = imap_set_ranges(numbers, &count);
    /* From the last to the first, so that no number moves before it is told. */
    for (guint i = count; i-- > 0;)
        for (guint32 number = ranges[i].last; number >= ranges[i].first; number--) {
            imap_out_literal(session->out, "* ");
            imap_out_number(session->out, number);
            imap_out_literal(session->out, " EXPUNGE\r\n");
        }
}

/* Takes `expunged` out of the view in one pass over both. */
static void tell_expunged(ImapSession *session, const GArray *expunged)
{
    ImapView *view = session->view;
    g_autoptr(ImapSet) numbers = imap_set_new();
    g_autoptr(ImapSet) uids = imap_set_new();
    guint kept = 0, gone = 0;
    for (guint i = 0; i < view->uids->len; i++) {
        guint32 uid = imap_view_uid(view, i);
        while (gone < expunged->len && g_array_index(expunged, guint32, gone) < uid)
            gone++;
        if (gone < expunged->len && g_array_index(expunged, guint32, gone) == uid) {
            imap_set_add(numbers, i + 1);
            imap_set_add(uids, uid);
        } else {
            g_array_index(view->uids, guint32, kept++) = uid;
        }
    }
    g_array_set_size(view->uids, kept);
    if (view->saved) {
        ImapSet *left = imap_set_subtract(view->saved, uids);
        imap_set_free(view->saved);
        view->saved = left;
    }
    if (session->enabled & (IMAP_ENABLED_QRESYNC | IMAP_ENABLED_UIDONLY))
        imap_view_tell_vanished(session, uids, FALSE);
    else
        tell_expunge_numbers(session, numbers);
}

static gboolean told_already(const ImapView *view, guint *at, const CacheChange *change)
{
    while (*at < view->own->len && g_array_index(view->own, CacheChange, *at).uid < change->uid)
        (*at)++;
    if (*at >= view->own->len)
        return FALSE;
    const CacheChange *own = &g_array_index(view->own, CacheChange, *at);
    return own->uid == change->uid && own->modseq == change->modseq;
}

/* Messages that sync brought back under a UID below the last one stay unseen until the next SELECT:
 * they would shift sequence numbers. A client that asks for what happened since (QRESYNC) has to
 * hear of them then. */
static guint add_new(ImapView *view, const GArray *changed)
{
    guint before = view->uids->len;
    guint32 last_known = view->last_uid;
    for (guint i = 0; i < changed->len; i++) {
        guint32 uid = g_array_index(changed, CacheChange, i).uid;
        if (uid <= last_known) {
            view->gap |= imap_view_number(view, uid) == 0;
            continue;
        }
        g_array_append_val(view->uids, uid);
        view->last_uid = uid;
    }
    return view->uids->len - before;
}

static void tell_new(ImapSession *session, const News *news)
{
    if (add_new(session->view, news->changed))
        imap_view_tell_count(session);
}

static int compare_changes(const void *a, const void *b)
{
    guint32 first = ((const CacheChange *)a)->uid, second = ((const CacheChange *)b)->uid;
    return (first > second) - (first < second);
}

/* Large news go out in slices. No transaction is open here. */
static void tell_changed(ImapSession *session, const GArray *changed, guint32 last_known)
{
    guint own = 0;
    g_array_sort(session->view->own, compare_changes);
    for (guint i = 0; i < changed->len; i++) {
        const CacheChange *change = &g_array_index(changed, CacheChange, i);
        if (change->uid > last_known || told_already(session->view, &own, change))
            continue;
        imap_view_append_change(session, change, TRUE);
        if (session->out->len > IMAP_SLICE_BYTES && !imap_session_send(session))
            return;
    }
}

/* RFC 5465, 5.2: what NOTIFY wants to have fetched of new messages. */
static void tell_new_items(ImapSession *session, const GArray *changed, guint32 last_known)
{
    const ImapFetchArgs *items = imap_notify_selected_items(session->notify);
    g_autoptr(GArray) uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    for (guint i = 0; items && i < changed->len; i++) {
        guint32 uid = g_array_index(changed, CacheChange, i).uid;
        if (uid > last_known && !imap_set_contains(session->view->made, uid))
            g_array_append_val(uids, uid);
    }
    if (uids->len)
        imap_fetch_tell(session, items, uids);
}

/* RFC 4314, 5.1.1 */
static void note_rights(ImapSession *session, guint32 rights)
{
    ImapView *view = session->view;
    gboolean others = ((view->rights ^ rights) & CACHE_RIGHTS_FLAGS) != 0;
    view->rights = rights;
    if (others && !view->read_only)
        imap_view_tell_flags(session);
}

/* Whether expunges of messages in the view wait. */
static gboolean is_any_expunge_held(const ImapView *view, const GArray *expunged)
{
    for (guint i = 0; expunged && i < expunged->len; i++)
        if (imap_view_number(view, g_array_index(expunged, guint32, i)))
            return TRUE;
    return FALSE;
}

/* How far the view has got with these news. */
static void note_progress(ImapView *view, gboolean expunges, const News *news)
{
    view->modseq = MAX(view->modseq, news->modseq);
    view->uidnext = MAX(view->uidnext, news->uidnext);
    if (expunges || !is_any_expunge_held(view, news->expunged))
        view->expunge_modseq = view->modseq;
    if (!view->gap && view->expunge_modseq == view->modseq)
        view->known_modseq = view->modseq;
    g_array_set_size(view->own, 0);
    imap_set_free(view->made);
    view->made = imap_set_new();
}

static void tell_expunges(ImapSession *session, News *news)
{
    if (news->folder_gone)
        news->expunged = g_array_copy(session->view->uids);
    if (news->expunged && news->expunged->len) {
        imap_contexts_expunged(session, news->expunged);
        tell_expunged(session, news->expunged);
    }
}

/* Without FlagChange (RFC 5465, 5.3) the client isn't told of flags. */
static void tell_flag_changes(ImapSession *session, guint events, const GArray *changed,
                              guint32 last_known)
{
    if (events & IMAP_EVENT_FLAG_CHANGE)
        tell_changed(session, changed, last_known);
    else
        session->view->gap |=
            changed->len && g_array_index(changed, CacheChange, 0).uid <= last_known;
}

static void tell_messages(ImapSession *session, gboolean expunges, guint events, News *news)
{
    ImapView *view = session->view;
    guint32 last_known = view->last_uid;
    if (!news->folder_gone)
        note_rights(session, news->rights);
    if (expunges)
        tell_expunges(session, news);
    if (news->changed) {
        tell_new(session, news);
        tell_flag_changes(session, events, news->changed, last_known);
    }
    if (news->changed || (expunges && news->expunged))
        imap_contexts_changed(session, news->changed, last_known);
    if (news->changed)
        tell_new_items(session, news->changed, last_known);
    note_progress(view, expunges, news);
}

/* RFC 4467, 6: another session said RESETKEY. */
static void tell_new_key(ImapSession *session, const News *news)
{
    if (news->url_resets > session->view->url_resets) {
        session->view->url_resets = news->url_resets;
        imap_untagged(session, "OK", "URLMECH " IMAP_URLAUTH_MECHANISM,
                      "The mailbox has a new key");
    }
}

/* Before it is told, since telling writes nothing. */
static void claim_recent(ImapSession *session, const News *news)
{
    const GArray *changed = news->changed;
    g_autoptr(GError) error = NULL;
    gboolean is_new =
        changed && changed->len &&
        g_array_index(changed, CacheChange, changed->len - 1).uid > session->view->last_uid;
    if (is_new &&
        !imap_recent_claim(session, session->view, news->recent_uid, news->uidnext, &error))
        g_debug("imap: can't mark what is recent: %s", error->message);
}

void imap_news_report(ImapSession *session, gboolean expunges)
{
    g_autoptr(GError) error = NULL;
    g_auto(News) news = {0};
    guint events = imap_notify_selected_events(session->notify);
    /* RFC 5465, 5: without them nor anything else of messages */
    gboolean messages = (events & IMAP_EVENT_MESSAGE_NEW) != 0;
    if (!read_news(session, messages, &news, &error)) {
        g_warning("imap: can't read what is new in a mailbox: %s", error->message);
        return;
    }
    tell_new_key(session, &news);
    if (messages) {
        claim_recent(session, &news);
        /* What can't be noted (the disk is full) isn't told yet: it would return under a UID that the
         * client doesn't look for any more. */
        expunges = expunges && (!news.untold ||
                                imap_view_note_told(session, session->view->folder, news.modseq));
        tell_messages(session, expunges, events, &news);
    }
}

/* ---- mod-sequences --------------------------------------------------------------------------- */

void imap_news_conclude(ImapSession *session)
{
    ImapView *view = session->view;
    guint64 expunged = session->expunged_modseq;
    session->expunged_modseq = 0;
    if (!view || !(session->enabled & IMAP_ENABLED_CONDSTORE))
        return;
    g_autofree char *code =
        g_strdup_printf("HIGHESTMODSEQ %" G_GUINT64_FORMAT, MAX(view->known_modseq, 1));
    if (expunged && session->status == IMAP_OK && view->known_modseq >= expunged)
        g_string_assign(session->code, code);
    else if (view->told_modseq > view->known_modseq)
        imap_untagged(session, "OK", code, "There is more to be told");
    view->told_modseq = 0;
}
