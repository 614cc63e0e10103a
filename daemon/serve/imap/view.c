/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The selected mailbox as the client knows it. */
#include "daemon/serve/imap/view.h"

#include "cache/vanished.h"

#include "daemon/proto/imap/flags.h"
#include "daemon/serve/imap/recent.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/rights.h"
#include "daemon/serve/imap/urlauth.h"

/* ---- opening --------------------------------------------------------------------------------- */

void imap_view_start_clear(ImapViewStart *start)
{
    g_clear_pointer(&start->folder, cache_folder_free);
    g_clear_pointer(&start->keywords, g_strfreev);
    g_clear_pointer(&start->changed, g_array_unref);
    g_clear_pointer(&start->expunged, g_array_unref);
}

static gboolean know_keyword(ImapView *view, const char *name)
{
    g_autofree char *folded = g_ascii_strdown(name, -1);
    if (g_hash_table_contains(view->known, folded))
        return FALSE;
    g_hash_table_add(view->known, g_steal_pointer(&folded));
    g_ptr_array_add(view->keywords, g_strdup(name));
    return TRUE;
}

static gboolean read_since(CacheTxn *txn, const ImapSelectArgs *qresync, ImapViewStart *start,
                           GError **error)
{
    if (!qresync || qresync->uidvalidity != start->folder->uidvalidity)
        return TRUE;
    return cache_changes(txn, start->folder->id, qresync->modseq, &start->changed, &start->expunged,
                         error);
}

static gboolean read_start(ImapSession *session, ImapView *view, const char *name,
                           const ImapSelectArgs *qresync, ImapViewStart *start, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_READ, error);
    if (!txn)
        return FALSE;
    start->folder = imap_rights_find(session, txn, name, error);
    if (!start->folder)
        return FALSE;
    if (!start->folder->selectable) {
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND,
                    "\"%s\" holds mailboxes, but no mail", name);
        return FALSE;
    }
    start->keywords = cache_folder_keywords(txn, start->folder->id, error);
    if (!start->keywords)
        return FALSE;
    view->url_resets = imap_urlauth_resets(txn, start->folder->id);
    start->untold = cache_vanished_untold(txn, start->folder->id);
    view->uids = cache_uids(txn, start->folder->id, error);
    return view->uids && cache_first_unseen(txn, start->folder->id, &start->first_unseen, error) &&
           read_since(txn, qresync, start, error);
}

gboolean imap_view_note_told(ImapSession *session, gint64 folder, guint64 modseq)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_WRITE_FULL, &error);

    if (txn && cache_vanished_tell(txn, folder, modseq, &error) &&
        cache_commit(g_steal_pointer(&txn), &error))
        return TRUE;
    g_message("imap: can't note that a client knows what is gone: %s", error->message);
    return FALSE;
}

/* SELECT tells what is there now, whether or not that can be noted. */
static void note_selected(ImapSession *session, const ImapView *view)
{
    if (!imap_view_note_told(session, view->folder, view->modseq))
        cache_vanished_owe(session->account->cache, view->folder, view->modseq);
}

static void fill_view(ImapView *view, const ImapViewStart *start)
{
    const CacheFolder *folder = start->folder;
    view->folder = folder->id;
    view->name = g_strdup(folder->name);
    view->uidvalidity = folder->uidvalidity;
    view->rights = cache_folder_rights(folder);
    view->modseq = view->expunge_modseq = view->known_modseq = folder->highestmodseq;
    view->uidnext = folder->uidnext;
    view->last_uid = view->uids->len ? imap_view_uid(view, view->uids->len - 1) : 0;
    for (char **keyword = start->keywords; *keyword; keyword++)
        know_keyword(view, *keyword);
}

ImapView *imap_view_open(ImapSession *session, const char *name, gboolean read_only,
                         const ImapSelectArgs *qresync, ImapViewStart *start, GError **error)
{
    g_autoptr(ImapView) view = g_new0(ImapView, 1);
    view->read_only = read_only;
    view->recent = imap_set_new();
    view->keywords = g_ptr_array_new_with_free_func(g_free);
    view->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    view->set_texts = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    view->made = imap_set_new();
    view->own = g_array_new(FALSE, FALSE, sizeof(CacheChange));
    if (!read_start(session, view, name, qresync, start, error))
        return NULL;
    fill_view(view, start);
    if (start->untold)
        note_selected(session, view);
    view->watch = cache_watch_view(session->account->cache, view->folder, session->wake_fd);
    return imap_recent_claim(session, view, start->folder->recent_uid, start->folder->uidnext,
                             error)
               ? g_steal_pointer(&view)
               : NULL;
}

void imap_view_free(ImapView *view)
{
    g_clear_pointer(&view->watch, cache_unwatch);
    g_clear_pointer(&view->uids, g_array_unref);
    g_clear_pointer(&view->own, g_array_unref);
    g_clear_pointer(&view->contexts, g_ptr_array_unref);
    g_clear_pointer(&view->keywords, g_ptr_array_unref);
    g_clear_pointer(&view->known, g_hash_table_unref);
    g_clear_pointer(&view->set_texts, g_hash_table_unref);
    g_clear_pointer(&view->recent, imap_set_free);
    g_clear_pointer(&view->made, imap_set_free);
    g_clear_pointer(&view->saved, imap_set_free);
    g_free(view->name);
    g_free(view);
}

/* ---- numbers --------------------------------------------------------------------------------- */

guint imap_view_lower_bound(const ImapView *view, guint32 uid)
{
    guint low = 0, high = view->uids->len;
    while (low < high) {
        guint middle = low + (high - low) / 2;
        if (imap_view_uid(view, middle) < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

guint32 imap_view_number(const ImapView *view, guint32 uid)
{
    guint index = imap_view_lower_bound(view, uid);
    return index < view->uids->len && imap_view_uid(view, index) == uid ? index + 1 : 0;
}

static void add_indexes(const ImapView *view, GArray *uids, guint first, guint end)
{
    if (first < end)
        g_array_append_vals(uids, &g_array_index(view->uids, guint32, first), end - first);
}

static GArray *uids_of_uid_set(const ImapView *view, const ImapSet *set)
{
    GArray *uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    guint count;
    const ImapRange *ranges = imap_set_ranges(set, &count);
    for (guint i = 0; i < count; i++) {
        guint end = ranges[i].last == G_MAXUINT32 ? view->uids->len
                                                  : imap_view_lower_bound(view, ranges[i].last + 1);
        add_indexes(view, uids, imap_view_lower_bound(view, ranges[i].first), end);
    }
    return uids;
}

/* Numbers beyond the last message are passed over. */
static GArray *uids_of_numbers(const ImapView *view, const ImapSet *set)
{
    GArray *uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    guint count;
    const ImapRange *ranges = imap_set_ranges(set, &count);
    for (guint i = 0; i < count; i++)
        add_indexes(view, uids, ranges[i].first - 1, MIN(ranges[i].last, view->uids->len));
    return uids;
}

GArray *imap_view_resolve(ImapSession *session, const ImapSequenceSet *set, gboolean uid,
                          gboolean strict)
{
    const ImapView *view = session->view;
    guint32 messages = view->uids->len;
    if (set->saved) {
        if (view->saved)
            return uids_of_uid_set(view, view->saved);
        return g_array_new(FALSE, FALSE, sizeof(guint32));
    }
    guint32 star = !uid ? messages : messages ? imap_view_uid(view, messages - 1) : 0;
    g_autoptr(ImapSet) resolved = imap_sequence_set_resolve(set, star);
    if (uid)
        return uids_of_uid_set(view, resolved);
    /* RFC 3501, 9, seq-number: a number beyond the last message is an error; "*" in an empty
     * mailbox is one too. */
    if (strict && (imap_set_max(resolved) > messages || messages == 0)) {
        imap_reply_printf(session, IMAP_BAD, NULL, "There are only %u messages", messages);
        return NULL;
    }
    return uids_of_numbers(view, resolved);
}

/* ---- flags ----------------------------------------------------------------------------------- */

void imap_view_tell_flags(ImapSession *session)
{
    ImapView *view = session->view;
    GString *out = session->out;
    g_string_append(out, "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft");
    for (guint i = 0; i < view->keywords->len; i++)
        g_string_append_printf(out, " %s", (char *)view->keywords->pdata[i]);
    g_string_append(out, ")\r\n* OK [PERMANENTFLAGS (");
    gsize start = out->len;
    guint32 rights = view->read_only ? 0 : view->rights;
    imap_flags_format(cache_rights_system_flags(rights), FALSE, NULL, out);
    if (rights & CACHE_RIGHT_WRITE) {
        for (guint i = 0; i < view->keywords->len; i++)
            g_string_append_printf(out, " %s", (char *)view->keywords->pdata[i]);
        g_string_append(out, " \\*");
    }
    const char *text = view->read_only    ? "Opened for reading only"
                       : out->len > start ? "Flags are kept"
                                          : "The provider lets you change none";
    g_string_append_printf(out, ")] %s\r\n", text);
}

void imap_view_learn(ImapSession *session, guint32 keyword_set)
{
    ImapView *view = session->view;
    gpointer key = GUINT_TO_POINTER(keyword_set);
    if (keyword_set == 0 || g_hash_table_contains(view->set_texts, key))
        return;
    gboolean new_name = FALSE;
    g_autoptr(GString) text = g_string_new(NULL);
    const char *const *names = cache_keywords_names(session->account->cache, keyword_set);
    for (; names && *names; names++) {
        g_string_append_printf(text, " %s", *names);
        new_name |= know_keyword(view, *names);
    }
    g_hash_table_insert(view->set_texts, key, g_strdup(text->str));
    if (new_name)
        imap_view_tell_flags(session);
}

void imap_view_append_flags(ImapSession *session, guint32 uid, CacheFlags flags)
{
    static const struct {
        guint32 bit;
        const char *text;
    } names[] = {
        {CACHE_ANSWERED, " \\Answered"}, {CACHE_FLAGGED, " \\Flagged"},
        {CACHE_DELETED, " \\Deleted"},   {CACHE_SEEN, " \\Seen"},
        {CACHE_DRAFT, " \\Draft"},
    };
    GString *out = session->out;
    gsize start = out->len;
    for (gsize i = 0; flags.system && i < G_N_ELEMENTS(names); i++)
        if (flags.system & names[i].bit)
            imap_out_bytes(out, names[i].text, strlen(names[i].text));
    if (imap_set_contains(session->view->recent, uid) && !imap_session_rev2(session))
        imap_out_literal(out, " \\Recent");
    if (flags.keywords) {
        const char *text =
            g_hash_table_lookup(session->view->set_texts, GUINT_TO_POINTER(flags.keywords));
        imap_out_bytes(out, text, strlen(text));
    }
    /* Each comes with a space before it; the first one's becomes the parenthesis. */
    if (out->len == start)
        imap_out_literal(out, "(");
    else
        out->str[start] = '(';
    imap_out_literal(out, ")");
}

void imap_view_begin_fetch(ImapSession *session, guint32 number, guint32 uid)
{
    gboolean uidonly = imap_session_uidonly(session);
    imap_out_literal(session->out, "* ");
    imap_out_number(session->out, uidonly ? uid : number);
    if (uidonly)
        imap_out_literal(session->out, " UIDFETCH (");
    else
        imap_out_literal(session->out, " FETCH (");
}

/* RFC 7162, 3.2.4: from the first command on that enables CONDSTORE; RFC 9051, 7.5.2: always. */
gboolean imap_view_changes_have_uids(const ImapSession *session)
{
    const guint needing = IMAP_ENABLED_CONDSTORE | IMAP_ENABLED_QRESYNC | IMAP_ENABLED_REV2;
    if (imap_session_uidonly(session))
        return FALSE; /* it is in the number's place */
    return session->by_uid || session->notify || (session->enabled & needing);
}

void imap_view_append_change(ImapSession *session, const CacheChange *change, gboolean with_flags)
{
    guint32 number = imap_view_number(session->view, change->uid);
    if (!number)
        return;
    if (with_flags)
        imap_view_learn(session, change->flags.keywords);
    GString *out = session->out;
    imap_view_begin_fetch(session, number, change->uid);
    if (imap_view_changes_have_uids(session)) {
        imap_out_literal(out, "UID ");
        imap_out_number(out, change->uid);
        imap_out_literal(out, " ");
    }
    if (session->enabled & IMAP_ENABLED_CONDSTORE) {
        imap_out_literal(out, "MODSEQ (");
        imap_out_number(out, change->modseq);
        imap_out_literal(out, ") ");
        imap_view_note_modseq(session->view, change->modseq);
    }
    if (with_flags) {
        imap_out_literal(out, "FLAGS ");
        imap_view_append_flags(session, change->uid, change->flags);
    } else if (out->str[out->len - 1] == ' ') {
        g_string_truncate(out, out->len - 1);
    }
    imap_out_literal(out, ")\r\n");
}

/* ---- messages that came, went, or are its own ------------------------------------------------- */

static guint count_recent(const ImapView *view)
{
    guint count;
    guint32 recent = 0;
    const ImapRange *ranges = imap_set_ranges(view->recent, &count);
    for (guint i = 0; i < count; i++)
        recent += imap_view_lower_bound(view, ranges[i].last + 1) -
                  imap_view_lower_bound(view, ranges[i].first);
    return recent;
}

void imap_view_tell_count(ImapSession *session)
{
    const ImapView *view = session->view;
    g_string_append_printf(session->out, "* %u EXISTS\r\n", view->uids->len);
    if (!imap_session_rev2(session)) /* RFC 9051, E: there is no \Recent */
        g_string_append_printf(session->out, "* %u RECENT\r\n", count_recent(view));
}

void imap_view_tell_vanished(ImapSession *session, const ImapSet *uids, gboolean earlier)
{
    guint range = 0;
    for (;;) {
        gsize start = session->out->len;
        g_string_append(session->out, earlier ? "* VANISHED (EARLIER) " : "* VANISHED ");
        if (!imap_set_format_some(uids, &range, 8000, session->out)) {
            g_string_truncate(session->out, start);
            return;
        }
        g_string_append(session->out, "\r\n");
    }
}

void imap_view_own(ImapView *view, const CacheChange *changes, guint count)
{
    if (count)
        g_array_append_vals(view->own, changes, count);
}

void imap_view_made(ImapSession *session, gint64 folder, const GArray *uids)
{
    ImapView *view = session->view;
    if (view && view->folder == folder)
        imap_set_add_all(view->made, uids);
}
