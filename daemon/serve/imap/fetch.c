/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * FETCH (RFC 3501, 6.4.5; RFC 7162, 3.1.4 and 3.2.6), in slices: a read transaction fills the
 * output buffer, ends, and then the client gets it. What isn't here is asked for a slice at a time.
 *
 * Slices are of different moments, and need not be of one: each response says what a message has
 * then, and which messages and numbers there are is the view's, which stays. Whatever changes
 * meanwhile, in messages told already or not, is told by the report after the command, which begins
 * where the last one ended; and since a mod-sequence beyond that was told, HIGHESTMODSEQ says how
 * far the client has really heard of all (RFC 7162, 6; imap_news_conclude()).
 */
#include "daemon/serve/imap/fetch.h"
#include "cache/change.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/demand.h"
#include "daemon/serve/imap/enable.h"
#include "daemon/serve/imap/extract.h"
#include "daemon/serve/imap/fetch-fields.h"
#include "daemon/serve/imap/fetch-items.h"
#include "daemon/serve/imap/labels.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/rights.h"
#include "daemon/serve/imap/view.h"

#include <string.h>

/* So many bodies are fetched before the client gets the first of them. */
#define NEED_BATCH 50

typedef struct {
    ImapFetchRun run;
    ImapFetchFields fields;
    gboolean lists;                 /* the slice is answered from them */
    const guint32 *uids;            /* of the slice; */
    guint count, at;                /* those before `at` are done */
    guint index;                    /* in the view, of the last row */
    gboolean stopped;               /* the transaction has read enough */
    gboolean last_try;              /* missing ones have been asked for */
    guint rows;                     /* messages that were there, in all slices */
    GArray *missing_uids, *missing; /* guint32, gint64: of the slice */
    guint64 missing_size;           /* of the last of them */
    GArray *marked;                 /* CacheChange: of the slice, what has just become \Seen */
    guint unavailable;
    GError *item_error;
    ImapDemand demand;
} Fetch;

/* ---- one message ----------------------------------------------------------------------------- */

static const CacheChange *change_of(const Fetch *fetch, guint32 uid)
{
    for (guint i = 0; i < fetch->marked->len; i++)
        if (g_array_index(fetch->marked, CacheChange, i).uid == uid)
            return &g_array_index(fetch->marked, CacheChange, i);
    return NULL;
}

static gboolean fetch_is_asked_for(const ImapFetchRun *run, ImapFetchKind kind)
{
    return (run->args->kinds & (1u << kind)) != 0;
}

/* RFC 3501, 6.4.5: a message that becomes \Seen by this has its new flags in the same answer, and
 * whatever else a change is told with. */
static void append_change(ImapFetchRun *run, const CacheFetchRow *row)
{
    ImapSession *session = run->session;
    GString *out = session->out;
    if (!fetch_is_asked_for(run, IMAP_FETCH_UID) && imap_view_changes_have_uids(session))
        g_string_append_printf(out, "UID %u ", row->placement->uid);
    if (!fetch_is_asked_for(run, IMAP_FETCH_MODSEQ) &&
        (session->enabled & IMAP_ENABLED_CONDSTORE)) {
        g_string_append_printf(out, "MODSEQ (%" G_GUINT64_FORMAT ") ", row->placement->modseq);
        imap_view_note_modseq(session->view, row->placement->modseq);
    }
    if (!fetch_is_asked_for(run, IMAP_FETCH_FLAGS)) {
        imap_out_literal(out, "FLAGS ");
        imap_view_append_flags(session, row->placement->uid, run->flags);
        imap_out_literal(out, " ");
    }
}

static void begin_row(Fetch *fetch, const CacheFetchRow *row)
{
    ImapFetchRun *run = &fetch->run;
    GString *out = run->session->out;
    guint32 uid = row->placement->uid;
    while (imap_view_uid(run->session->view, fetch->index) < uid)
        fetch->index++;
    run->flags = row->placement->flags;
    run->change = change_of(fetch, uid);
    if (run->change || fetch_is_asked_for(run, IMAP_FETCH_FLAGS))
        imap_view_learn(run->session, run->flags.keywords);
    run->row_start = out->len;
    run->sent_some = FALSE;
    imap_view_begin_fetch(run->session, fetch->index + 1, uid);
    run->open = TRUE;
    run->open_uid = uid;
    run->next_plan = 0;
    if (run->change)
        append_change(run, row);
}

static void end_row(ImapFetchRun *run)
{
    imap_out_literal(run->session->out, ")\r\n");
    run->open = FALSE;
    if (run->change)
        imap_view_own(run->session->view, run->change, 1);
}

/* FALSE: a stream or an error is in the way. */
static gboolean emit_plans(ImapFetchRun *run, const CacheFetchRow *row)
{
    while (run->next_plan < run->plans->len) {
        const ImapFetchPlan *plan = &g_array_index(run->plans, ImapFetchPlan, run->next_plan);
        gsize skip = run->next_plan == 0; /* the space of the first one */
        imap_out_bytes(run->session->out, plan->name->str + skip, plan->name->len - skip);
        run->next_plan++;
        if (plan->extract)
            imap_extract_emit(run, plan);
        else if (!plan->handler->emit(run, plan, row))
            return FALSE;
    }
    end_row(run);
    return TRUE;
}

static void note_row_missing(Fetch *fetch, const CacheFetchRow *row)
{
    g_array_append_val(fetch->missing_uids, row->placement->uid);
    g_array_append_val(fetch->missing, row->placement->message);
    fetch->missing_size = row->placement->size;
}

/* An item that can't be had of this message (an unknown encoding): the others go on, and the answer
 * tells. */
static gboolean undo_row(Fetch *fetch)
{
    ImapFetchRun *run = &fetch->run;
    if (!run->error || run->sent_some)
        return FALSE;
    g_string_truncate(run->session->out, run->row_start);
    run->open = FALSE;
    imap_fetch_stream_clear(run);
    if (fetch->item_error)
        g_clear_error(&run->error);
    else
        fetch->item_error = g_steal_pointer(&run->error);
    return TRUE;
}

static gboolean is_row_here(const ImapFetchRun *run, const CacheFetchRow *row)
{
    if (run->extracts)
        return row->state >= imap_extract_needs_beside(run);
    return row->state >= run->needs &&
           (!(run->what & CACHE_FETCH_BODYSTRUCTURE) || row->bodystructure);
}

static gboolean emit_row(const CacheFetchRow *read, gpointer data)
{
    Fetch *fetch = data;
    ImapFetchRun *run = &fetch->run;
    CacheFetchRow listed;
    const CacheFetchRow *row = read;
    if (fetch->lists) {
        listed = *read;
        row = &listed;
        listed.header = imap_fetch_fields_get(&fetch->fields, read->placement->uid);
        listed.header_length = strlen(listed.header);
    }
    while (fetch->uids[fetch->at] < row->placement->uid)
        fetch->at++;
    /* What was begun has been expunged in the middle of it. */
    if (run->open && run->open_uid != row->placement->uid)
        end_row(run);
    if (!run->open && !fetch->last_try)
        fetch->rows++;
    if (!run->open && !is_row_here(run, row)) {
        note_row_missing(fetch, row);
        return TRUE;
    }
    if (!run->open)
        begin_row(fetch, row);
    if (emit_plans(run, row) || undo_row(fetch))
        fetch->at++;
    run->sent_some |= run->open;
    fetch->stopped = run->open || run->session->out->len >= IMAP_SLICE_BYTES;
    return !fetch->stopped;
}

/* ---- a slice --------------------------------------------------------------------------------- */

static gboolean emit_rows(Fetch *fetch)
{
    ImapFetchRun *run = &fetch->run;
    guint what = fetch->lists ? run->what & ~(guint)CACHE_FETCH_HEADER : run->what;
    fetch->stopped = FALSE;
    if (!cache_fetch(run->txn,
                     (CacheSelection){run->session->view->folder, fetch->uids + fetch->at,
                                      fetch->count - fetch->at},
                     what, emit_row, fetch, run->error ? NULL : &run->error) ||
        run->error)
        return FALSE;
    if (fetch->stopped)
        return TRUE;
    fetch->at = fetch->count; /* whatever wasn't read is gone */
    if (run->open)
        end_row(run);
    return TRUE;
}

/* One transaction's worth. */
static gboolean fetch_step(Fetch *fetch)
{
    ImapFetchRun *run = &fetch->run;
    g_autoptr(CacheTxn) txn = cache_begin(run->session->account->cache, CACHE_READ, &run->error);
    run->txn = txn;
    if (txn && (run->stream.left ? imap_fetch_pump(run) : emit_rows(fetch)))
        return TRUE;
    if (run->open) {
        /* A literal that was announced can't be taken back. */
        g_warning("imap: a session ends in the middle of a message: %s", run->error->message);
        run->session->ended = run->session->broken = TRUE;
    }
    return FALSE;
}

static gboolean collect_unseen(const CacheFetchRow *row, gpointer data)
{
    const Fetch *fetch = ((gpointer *)data)[0];
    GArray *unseen = ((gpointer *)data)[1];
    if (is_row_here(&fetch->run, row) && !(row->placement->flags.system & CACHE_SEEN))
        g_array_append_val(unseen, row->placement->uid);
    return TRUE;
}

/* Those of the slice that are about to be told, and aren't \Seen. */
static GArray *find_unseen(Fetch *fetch, GError **error)
{
    ImapFetchRun *run = &fetch->run;
    g_autoptr(GArray) unseen = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(CacheTxn) txn = cache_begin(run->session->account->cache, CACHE_READ, error);
    guint what = run->what & CACHE_FETCH_BODYSTRUCTURE;
    gpointer data[] = {fetch, unseen};
    if (!txn ||
        !cache_fetch(txn, (CacheSelection){run->session->view->folder, fetch->uids, fetch->count},
                     what ? what : CACHE_FETCH_FLAGS, collect_unseen, data, error))
        return NULL;
    return g_steal_pointer(&unseen);
}

/* Before they are told, so that their answers can have the new flags. Where the disk is too full to
 * mark them, they are read all the same. */
static void mark_seen(Fetch *fetch)
{
    g_autoptr(GError) error = NULL;
    ImapFetchRun *run = &fetch->run;
    g_array_set_size(fetch->marked, 0);
    if (!run->sets_seen)
        return;
    g_autoptr(GArray) unseen = find_unseen(fetch, &error);
    if (unseen && !unseen->len)
        return;
    g_autoptr(CacheTxn) txn =
        unseen ? cache_begin(run->session->account->cache, CACHE_WRITE_FULL, &error) : NULL;
    if (txn &&
        cache_store(txn,
                    (CacheSelection){run->session->view->folder,
                                     (const guint32 *)(void *)unseen->data, unseen->len},
                    (CacheStore){CACHE_FLAGS_ADD, {.system = CACHE_SEEN}, G_MAXUINT64},
                    fetch->marked, NULL, &error) &&
        cache_commit(g_steal_pointer(&txn), &error))
        return;
    g_warning("imap: can't mark messages as seen: %s", error->message);
    g_array_set_size(fetch->marked, 0);
}

static gboolean fetch_slice(Fetch *fetch, const guint32 *uids, guint count, gboolean last_try)
{
    fetch->uids = uids;
    fetch->count = count;
    fetch->at = 0;
    fetch->last_try = last_try;
    mark_seen(fetch);
    fetch->lists = !last_try && imap_fetch_fields_cover(&fetch->fields, uids, count);
    fetch->index = imap_view_lower_bound(fetch->run.session->view, uids[0]);
    while (fetch->at < fetch->count)
        if (!fetch_step(fetch) || !imap_session_send(fetch->run.session))
            return FALSE;
    return TRUE;
}

/* A client looks into one large message: it needn't wait for all of it. */
static gboolean fetch_extracts(Fetch *fetch, guint32 uid, gint64 message)
{
    CacheContentState needs = imap_extract_needs_beside(&fetch->run);
    if (needs > CACHE_CONTENT_NONE)
        imap_demand(fetch->run.session, &fetch->demand, &message, 1, needs);
    fetch->run.extracts = imap_extract_get(&fetch->run, &fetch->demand, message);
    gboolean ok = fetch_slice(fetch, &uid, 1, TRUE);
    fetch->run.extracts = FALSE;
    imap_extract_clear(&fetch->run);
    return ok;
}

/* What wasn't here is fetched, and tried again. */
static gboolean fetch_missing(Fetch *fetch)
{
    g_autoptr(GArray) uids = g_steal_pointer(&fetch->missing_uids);
    g_autoptr(GArray) messages = g_steal_pointer(&fetch->missing);
    fetch->missing_uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    fetch->missing = g_array_new(FALSE, FALSE, sizeof(gint64));
    CacheContentState state =
        fetch->run.what & CACHE_FETCH_BODYSTRUCTURE ? CACHE_CONTENT_FULL : fetch->run.needs;
    gboolean extracts = uids->len == 1 && imap_extract_is_wanted(&fetch->run, fetch->missing_size);
    gboolean ok = !extracts || fetch_extracts(fetch, g_array_index(uids, guint32, 0),
                                              g_array_index(messages, gint64, 0));
    for (guint at = 0; ok && !extracts && at < uids->len; at += NEED_BATCH) {
        guint count = MIN(uids->len - at, NEED_BATCH);
        imap_demand(fetch->run.session, &fetch->demand, &g_array_index(messages, gint64, at), count,
                    state);
        ok = fetch_slice(fetch, &g_array_index(uids, guint32, at), count, TRUE);
    }
    fetch->unavailable += fetch->missing->len;
    g_array_set_size(fetch->missing_uids, 0);
    g_array_set_size(fetch->missing, 0);
    return ok;
}

static void reply_fetched(Fetch *fetch, guint wanted)
{
    ImapSession *session = fetch->run.session;
    if (fetch->run.error)
        imap_reply_error(session, fetch->run.error);
    else if (fetch->item_error)
        imap_reply_error(session, fetch->item_error);
    else if (fetch->unavailable)
        imap_reply_printf(
            session, IMAP_NO, "UNAVAILABLE", "%u messages aren't here: %s", fetch->unavailable,
            fetch->demand.error ? fetch->demand.error->message : "they can't be had now");
    else if (fetch->rows < wanted && !session->by_uid)
        imap_reply(session, IMAP_OK, "EXPUNGEISSUED", "Some of the messages are gone");
}

static void run_fetch(Fetch *fetch, const GArray *uids)
{
    for (guint at = 0; at < uids->len; at += IMAP_SLICE_MESSAGES) {
        guint count = MIN(uids->len - at, IMAP_SLICE_MESSAGES);
        if (!imap_fetch_fields_read(&fetch->fields, fetch->run.session, uids, at))
            return;
        gboolean ok = fetch_slice(fetch, &g_array_index(uids, guint32, at), count, FALSE) &&
                      fetch_missing(fetch);
        if (!ok)
            break;
    }
    reply_fetched(fetch, uids->len);
}

/* ---- which messages -------------------------------------------------------------------------- */

/* Both arrays ascend; `uids` keeps what is in `changed`. */
static void keep_changed(GArray *uids, const GArray *changed)
{
    guint kept = 0, at = 0;
    for (guint i = 0; i < uids->len; i++) {
        guint32 uid = g_array_index(uids, guint32, i);
        while (at < changed->len && g_array_index(changed, CacheChange, at).uid < uid)
            at++;
        if (at < changed->len && g_array_index(changed, CacheChange, at).uid == uid)
            g_array_index(uids, guint32, kept++) = uid;
    }
    g_array_set_size(uids, kept);
}

/* RFC 7162, 3.2.6: those of the named UIDs that are gone since. What has gone since the last report
 * has still a number in the view: it is told once, by the next report, and so is nothing of what
 * came and went meanwhile. */
static void tell_vanished(ImapSession *session, const ImapFetchArgs *args, const GArray *expunged)
{
    const ImapView *view = session->view;
    g_autoptr(ImapSet) gone = imap_set_new();
    for (guint i = 0; i < expunged->len; i++) {
        guint32 uid = g_array_index(expunged, guint32, i);
        if (uid < view->uidnext && !imap_view_number(view, uid))
            imap_set_add(gone, uid);
    }
    g_autoptr(ImapSet) named = imap_sequence_set_resolve(args->set, G_MAXUINT32);
    g_autoptr(ImapSet) vanished = imap_set_intersect(gone, named);
    imap_view_tell_vanished(session, vanished, TRUE);
}

/* CHANGEDSINCE: what changed is found through the mod-sequences, not by reading the mailbox. */
static gboolean apply_changed_since(ImapSession *session, const ImapFetchArgs *args, GArray *uids,
                                    GError **error)
{
    g_autoptr(GArray) changed = NULL;
    g_autoptr(GArray) expunged = NULL;
    g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_READ, error);
    if (!txn || !cache_changes(txn, session->view->folder, args->modseq, &changed,
                               args->vanished ? &expunged : NULL, error))
        return FALSE;
    g_clear_pointer(&txn, cache_end);
    keep_changed(uids, changed);
    if (expunged)
        tell_vanished(session, args, expunged);
    return TRUE;
}

/* PARTIAL (RFC 9394, 3.3): a window onto the named messages, from the first or from the last. */
static void apply_partial(const ImapPartial *partial, GArray *uids)
{
    guint first = MIN(partial->first - 1, uids->len), end = MIN(partial->last, uids->len);
    if (partial->from_end) {
        guint from = uids->len - end;
        end = uids->len - first;
        first = from;
    }
    g_array_set_size(uids, end);
    if (first)
        g_array_remove_range(uids, 0, first);
}

static GArray *choose_uids(ImapSession *session, const ImapFetchArgs *args)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) uids = imap_view_resolve(session, args->set, session->by_uid, TRUE);
    if (!uids)
        return NULL;
    if (args->partial.given)
        apply_partial(&args->partial, uids);
    if (args->changed_since && !apply_changed_since(session, args, uids, &error)) {
        imap_reply_error(session, error);
        return NULL;
    }
    return g_steal_pointer(&uids);
}

/* ---- the command ----------------------------------------------------------------------------- */

static void plan_clear(ImapFetchPlan *plan)
{
    g_string_free(plan->name, TRUE);
    g_clear_pointer(&plan->fields, mime_field_set_free);
    g_clear_pointer(&plan->extract, g_bytes_unref);
}

static gboolean make_plans(ImapFetchRun *run)
{
    gboolean flags_only = TRUE;
    run->plans = g_array_new(FALSE, FALSE, sizeof(ImapFetchPlan));
    g_array_set_clear_func(run->plans, (GDestroyNotify)plan_clear);
    for (guint i = 0; i < run->args->items->len; i++) {
        const ImapFetchItem *item = &g_array_index(run->args->items, ImapFetchItem, i);
        ImapFetchPlan plan = {item, imap_fetch_handler(item, &run->what, &run->needs)};
        if (!plan.handler) {
            imap_reply(run->session, IMAP_BAD, NULL, "One of these items isn't offered here");
            return FALSE;
        }
        flags_only &= plan.handler->what == CACHE_FETCH_FLAGS;
        plan.name = g_string_new(" ");
        imap_fetch_item_format(item, plan.name);
        g_string_append_c(plan.name, ' ');
        if (item->kind == IMAP_FETCH_BODY_SECTION && item->section.fields)
            plan.fields = mime_field_set_new((const char *const *)item->section.fields);
        run->sets_seen |= item->sets_seen && !run->session->view->read_only;
        g_array_append_val(run->plans, plan);
    }
    run->sets_seen = run->sets_seen &&
                     imap_rights_selected_has(run->session, CACHE_RIGHT_SEEN); /* RFC 4314, 4 */
    if (!flags_only)
        run->what &= ~(guint)CACHE_FETCH_FLAGS;
    return TRUE;
}

static gboolean are_modifiers_allowed(ImapSession *session, const ImapFetchArgs *args)
{
    if (args->vanished && !(session->enabled & IMAP_ENABLED_QRESYNC)) {
        imap_reply(session, IMAP_BAD, NULL, "ENABLE QRESYNC first");
        return FALSE;
    }
    if (args->changed_since || (args->kinds & (1u << IMAP_FETCH_MODSEQ)))
        imap_enable(session, IMAP_ENABLED_CONDSTORE);
    return TRUE;
}

static void fetch_clear(Fetch *fetch)
{
    imap_fetch_fields_clear(&fetch->fields);
    g_array_unref(fetch->run.plans);
    imap_fetch_stream_clear(&fetch->run);
    g_string_free(fetch->run.scratch, TRUE);
    g_clear_pointer(&fetch->run.labels, imap_labels_free);
    g_array_unref(fetch->missing_uids);
    g_array_unref(fetch->missing);
    g_array_unref(fetch->marked);
    g_clear_error(&fetch->run.error);
    g_clear_error(&fetch->item_error);
    imap_demand_clear(&fetch->demand);
}

static void fetch_messages(ImapSession *session, const ImapFetchArgs *args)
{
    Fetch fetch = {
        .run = {.session = session, .args = args, .scratch = g_string_new(NULL)},
        .missing_uids = g_array_new(FALSE, FALSE, sizeof(guint32)),
        .missing = g_array_new(FALSE, FALSE, sizeof(gint64)),
        .marked = g_array_new(FALSE, FALSE, sizeof(CacheChange)),
    };
    g_autoptr(GArray) uids = NULL;
    if (make_plans(&fetch.run) && (uids = choose_uids(session, args))) {
        imap_fetch_fields_init(&fetch.fields, &fetch.run, uids->len);
        run_fetch(&fetch, uids);
    }
    fetch_clear(&fetch);
}

/* ---- of itself ------------------------------------------------------------------------------- */

gboolean imap_fetch_items_offered(ImapSession *session, const ImapFetchArgs *items)
{
    guint what = 0;
    CacheContentState needs = CACHE_CONTENT_NONE;
    for (guint i = 0; i < items->items->len; i++)
        if (!imap_fetch_handler(&g_array_index(items->items, ImapFetchItem, i), &what, &needs)) {
            imap_reply(session, IMAP_BAD, NULL, "One of these items isn't offered here");
            return FALSE;
        }
    return TRUE;
}

void imap_fetch_tell(ImapSession *session, const ImapFetchArgs *items, const GArray *uids)
{
    Fetch fetch = {
        .run = {.session = session, .args = items, .scratch = g_string_new(NULL)},
        .missing_uids = g_array_new(FALSE, FALSE, sizeof(guint32)),
        .missing = g_array_new(FALSE, FALSE, sizeof(gint64)),
        .marked = g_array_new(FALSE, FALSE, sizeof(CacheChange)),
    };
    gboolean ok = make_plans(&fetch.run);
    fetch.run.sets_seen = FALSE;
    for (guint at = 0; ok && at < uids->len; at += IMAP_SLICE_MESSAGES)
        ok = fetch_slice(&fetch, &g_array_index(uids, guint32, at),
                         MIN(uids->len - at, IMAP_SLICE_MESSAGES), FALSE) &&
             fetch_missing(&fetch);
    fetch_clear(&fetch);
}

/* ---- FETCH ----------------------------------------------------------------------------------- */

void imap_cmd_fetch(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ImapFetchArgs) args = imap_fetch_args_parse(lexer, &error);
    if (!args)
        imap_reply_error(session, error);
    else if (are_modifiers_allowed(session, args))
        fetch_messages(session, args);
}
