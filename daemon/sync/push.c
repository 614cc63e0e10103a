/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One pass of push: what is pending is decided about, sorted into batches, and sent in order. */
#include "daemon/sync/push-private.h"

#include "cache/problem.h"
#include "daemon/sync/sets.h"
#include "daemon/sync/vanished.h"

#include <string.h>

/* Pending rows that are decided about in one transaction: keyword sets may have to be written. */
#define SLICE 500

/* Batches that may be split in one pass to find what exactly the server refuses. */
#define SPLITS 40

/* Drafts are saved every few seconds while they are written; only what has rested is sent. */
#define DRAFT_REST 30

/* ---- what is blocked -------------------------------------------------------------------------- */

/* What a problem with a message is in the way of, and one with a whole folder: there a copy may be
 * refused because of where it comes from, so it isn't in the way of others (push_is_refused()). */
static const struct {
    const char *operation;
    SyncActionKind kind, whole;
} operations[] = {
    {"append", SYNC_APPEND, SYNC_APPEND},    {"copy", SYNC_APPEND, SYNC_COPY},
    {"move", SYNC_APPEND, SYNC_MOVE},        {"flags", SYNC_STORE, SYNC_STORE},
    {"expunge", SYNC_EXPUNGE, SYNC_EXPUNGE},
};

static gboolean block_problems(Push *push, CacheTxn *txn, GError **error)
{
    g_autoptr(GPtrArray) problems = cache_problem_list(txn, error);

    for (guint i = 0; problems && i < problems->len; i++) {
        const CacheProblem *problem = problems->pdata[i];
        gboolean due = problem->retry != 0 && problem->retry <= push->now;
        if (!due && push_is_about_dropped(problem)) {
            push_hold_dropped(push, problem);
            continue;
        }
        for (guint k = 0; !due && k < G_N_ELEMENTS(operations); k++)
            if (g_str_equal(problem->operation, operations[k].operation))
                push_block(push, problem->folder, problem->uid,
                           problem->uid ? operations[k].kind : operations[k].whole);
        if (problem->retry > push->now &&
            (!push->context->not_before || problem->retry < push->context->not_before))
            push->context->not_before = problem->retry;
    }
    return problems != NULL;
}

static gboolean block_attempts(Push *push, CacheTxn *txn, GError **error)
{
    static const SyncActionKind kinds[] = {SYNC_APPEND, SYNC_STORE, SYNC_EXPUNGE, SYNC_COPY};
    g_autoptr(GPtrArray) attempts = cache_attempt_list(txn, error);

    for (guint i = 0; attempts && i < attempts->len; i++) {
        const CacheAttempt *attempt = attempts->pdata[i];
        for (guint k = 0; k < attempt->items->len; k++) {
            const CacheAttemptItem *item = &g_array_index(attempt->items, CacheAttemptItem, k);
            for (guint n = 0; n < G_N_ELEMENTS(kinds); n++)
                push_block(push, item->folder, item->uid, kinds[n]);
        }
    }
    return attempts != NULL;
}

static void block_expunge(gint64 folder, guint32 uid, gpointer push)
{
    push_block(push, folder, uid, SYNC_EXPUNGE);
}

/* ---- the situation ------------------------------------------------------------------------- */

static gboolean folder_is_pushed(gint64 folder, gpointer data)
{
    const CacheFolder *row = push_folder(data, folder);

    return row && row->pushed;
}

static gboolean folder_is_upstream(gint64 folder, SyncMask *mask, gpointer data)
{
    const CacheFolder *row = push_folder(data, folder);

    if (!row || !row->base_name || !row->base_selectable || cache_folder_steps_aside(row) ||
        (row->base_uidvalidity == 0 && !sync_is_unreadable(row)))
        return FALSE;
    *mask = sync_mask(row);
    return TRUE;
}

static gboolean is_fresh_draft(Push *push, const CachePlacement *placement)
{
    const CacheFolder *row = push_folder(push, placement->folder);
    gint64 due = placement->saved + DRAFT_REST;

    if (!row || row->role != CACHE_ROLE_DRAFTS || due <= push->now || placement->saved > push->now)
        return FALSE;
    if (!push->context->not_before || due < push->context->not_before)
        push->context->not_before = due;
    return TRUE;
}

static gboolean push_is_blocked(const CachePlacement *placement, SyncActionKind kind, gpointer data)
{
    Push *push = data;

    if (push_blocks(push, placement->folder, placement->uid, kind) ||
        (kind != SYNC_COPY && push_blocks(push, placement->folder, 0, kind)))
        return TRUE;
    return kind == SYNC_APPEND && is_fresh_draft(push, placement);
}

/* ---- deciding ------------------------------------------------------------------------------ */

static gboolean collect_pending(const CachePlacement *placement, gpointer data)
{
    g_array_append_val((GArray *)data, *placement);
    return TRUE;
}

static void free_folder(gpointer folder)
{
    cache_folder_free(folder);
}

static gboolean push_load(Push *push, GArray *pending, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_READ, error);
    g_autoptr(GPtrArray) folders = txn ? cache_folder_list(txn, error) : NULL;

    if (!folders)
        return FALSE;
    push->folders = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_folder);
    push->by_base = g_tree_new((GCompareFunc)strcmp);
    g_ptr_array_set_free_func(folders, NULL);
    for (guint i = 0; i < folders->len; i++) {
        CacheFolder *row = folders->pdata[i];
        g_hash_table_insert(push->folders, &row->id, row);
        if (row->base_name)
            g_tree_insert(push->by_base, row->base_name, row);
    }
    push->context->not_before = 0;
    sync_each_unsettled(push->context, block_expunge, push);
    return block_problems(push, txn, error) && block_attempts(push, txn, error) &&
           cache_placement_each_pending(txn, 0, collect_pending, pending, error);
}

/* Whether the row can be decided about alone: only its flags differ. */
static gboolean differs_in_flags(const CachePlacement *row)
{
    return row->alive && row->base == CACHE_BASE_PRESENT;
}

static gboolean decide_flags(Push *push, CacheTxn *txn, const CachePlacement *row,
                             const SyncSituation *situation, GError **error)
{
    guint before = push->actions->len;

    if (!sync_decide_push(row, 1, situation, push->actions, error))
        return FALSE;
    for (guint i = before; i < push->actions->len; i++) {
        SyncAction *action = &g_array_index(push->actions, SyncAction, i);
        gboolean left = TRUE;
        if (action->kind == SYNC_STORE && !push_leave_dropped(push, txn, action, &left, error))
            return FALSE;
        if (!left)
            g_array_remove_index(push->actions, i--);
    }
    return TRUE;
}

static gboolean decide_one(Push *push, CacheTxn *txn, const CachePlacement *row, GHashTable *seen,
                           GError **error)
{
    SyncKeywords keywords = sync_keywords(txn);
    SyncSituation situation = {.can_move = sync_has(push->context, IMAP_CAP_MOVE),
                               .set_like = sync_is_set_like(push->context),
                               .pushed = folder_is_pushed,
                               .upstream = folder_is_upstream,
                               .blocked = push_is_blocked,
                               .data = push,
                               .keywords = &keywords};
    g_autoptr(GArray) all = NULL;

    if (differs_in_flags(row))
        return decide_flags(push, txn, row, &situation, error);
    if (!g_hash_table_add(seen, g_memdup2(&row->message, sizeof row->message)))
        return TRUE;
    all = g_array_new(FALSE, FALSE, sizeof(CachePlacement));
    if (!cache_placement_each_of(txn, row->message, collect_pending, all, error))
        return FALSE;
    /* Those whose flags alone differ are decided about on their own. */
    guint before = push->actions->len;
    situation.has_bytes = cache_content_state(txn, row->message) == CACHE_CONTENT_FULL;
    if (!sync_decide_push(&g_array_index(all, CachePlacement, 0), all->len, &situation,
                          push->actions, error))
        return FALSE;
    for (guint i = before; i < push->actions->len;) {
        const SyncAction *action = &g_array_index(push->actions, SyncAction, i);
        if (action->kind == SYNC_STORE || action->kind == SYNC_REBASE ||
            push_is_refused(push, action))
            g_array_remove_index(push->actions, i);
        else
            i++;
    }
    return TRUE;
}

static gboolean decide_all(Push *push, GArray *pending, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);

    for (guint i = 0; i < pending->len;) {
        g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_WRITE, error);
        guint end = MIN(i + SLICE, pending->len);

        if (!txn)
            return FALSE;
        for (; i < end; i++)
            if (!decide_one(push, txn, &g_array_index(pending, CachePlacement, i), seen, error))
                return FALSE;
        if (!cache_commit(g_steal_pointer(&txn), error))
            return FALSE;
    }
    return TRUE;
}

/* ---- set-like stores ----------------------------------------------------------------------- */

static gboolean has_shared_flags(CacheFlags flags)
{
    return (flags.system & ~(guint32)CACHE_DELETED) != 0 || flags.keywords != 0;
}

static void drop_shared_flags(CacheFlags *flags)
{
    flags->system &= CACHE_DELETED;
    flags->keywords = 0;
}

/* Flags are the message's, so they are sent once, for the first of its placements; the answer is
 * written to all of them. What differs even then is for the next pass. */
static void store_once(Push *push)
{
    g_autoptr(GHashTable) stored = g_hash_table_new(g_int64_hash, g_int64_equal);
    GArray *actions = push->actions;
    guint kept = 0;

    for (guint i = 0; i < actions->len; i++) {
        SyncAction action = g_array_index(actions, SyncAction, i);
        gboolean shared = action.kind == SYNC_STORE &&
                          (has_shared_flags(action.add) || has_shared_flags(action.remove));
        if (shared && g_hash_table_contains(stored, &action.message)) {
            drop_shared_flags(&action.add);
            drop_shared_flags(&action.remove);
            if (!action.add.system && !action.remove.system)
                continue;
            shared = FALSE;
        }
        SyncAction *place = &g_array_index(actions, SyncAction, kept++);
        *place = action;
        if (shared)
            g_hash_table_add(stored, &place->message);
    }
    g_array_set_size(actions, kept);
}

static gboolean push_identify(Push *push, CacheTxn *txn, const SyncAction *action, GError **error)
{
    CachePlacement row, twin;

    /* A client may have changed the row meanwhile. */
    if (!cache_placement_get(txn, action->folder, action->uid, &row, NULL) || !row.alive ||
        row.base != CACHE_BASE_NONE ||
        !cache_placement_get(txn, action->source_folder, action->source_uid, &twin, NULL) ||
        twin.base != CACHE_BASE_PRESENT || twin.base_uid != action->base_uid)
        return TRUE;
    return sync_place_in_set(push->context, txn, &row, twin.base_uid, twin.base_flags, error);
}

/* Taken out of a folder and put in again before upstream heard of it: it just stays there. */
static gboolean identify_all(Push *push, GError **error)
{
    g_autoptr(CacheTxn) txn = NULL;

    for (guint i = 0; i < push->actions->len; i++) {
        const SyncAction *action = &g_array_index(push->actions, SyncAction, i);
        if (action->kind != SYNC_IDENTIFY)
            continue;
        if (!txn)
            txn = cache_begin(push->context->cache, CACHE_WRITE_FULL, error);
        if (!txn || !push_identify(push, txn, action, error))
            return FALSE;
    }
    return !txn || cache_commit(g_steal_pointer(&txn), error);
}

/* ---- the pass ------------------------------------------------------------------------------ */

/* A copy of which only the header is here, and whose original is gone upstream: it can't be sent, and
 * isn't dropped either. Should the original return (returned.h), it is copied then. */
static gboolean report_lost(Push *push, const SyncAction *action, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_READ, error);
    const CacheFolder *folder = push_folder(push, action->folder);
    CachePlacement row;

    if (!txn)
        return FALSE;
    if (!cache_placement_get(txn, action->folder, action->uid, &row, NULL) ||
        row.base != CACHE_BASE_NONE)
        return TRUE;
    g_clear_pointer(&txn, cache_end);
    const char *operation = row.from_folder ? "move" : "copy";
    const ImapReply reply = {
        .cond = IMAP_COND_NO,
        .text = g_strdup_printf("It was deleted at the provider before it was put into %s there, "
                                "and its body was never fetched: only its header is here",
                                folder && folder->name ? folder->name : "a folder")};
    gboolean added = push_add_problem(push, operation, action->folder, action->uid, &reply, error);
    g_free(reply.text);
    return added;
}

static gboolean report_all_lost(Push *push, GError **error)
{
    for (guint i = 0; i < push->actions->len; i++) {
        const SyncAction *action = &g_array_index(push->actions, SyncAction, i);
        if (action->kind == SYNC_LOST && !report_lost(push, action, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean run_pass(Push *push, GError **error)
{
    g_autoptr(GArray) pending = g_array_new(FALSE, FALSE, sizeof(CachePlacement));

    if (!push_drop_moot(push, error) || !push_load(push, pending, error) ||
        !push_new_folders(push, error) || !decide_all(push, pending, error))
        return FALSE;
    push->more |= push->actions->len > 0;
    if (sync_is_set_like(push->context))
        store_once(push);
    g_array_sort(push->actions, push_compare_actions);
    return identify_all(push, error) && push_copies(push, SYNC_COPY, error) &&
           push_appends(push, error) && push_flags(push, error) &&
           push_copies(push, SYNC_MOVE, error) && push_expunges(push, error) &&
           report_all_lost(push, error) && push_old_folders(push, error) &&
           push_subscriptions(push, error);
}

gboolean sync_push(SyncContext *context, gboolean *more, GError **error)
{
    Push push = {.context = context, .now = sync_time(context), .splits = SPLITS};

    push.blocked = push_blocked_new();
    push.held = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    push.actions = g_array_new(FALSE, FALSE, sizeof(SyncAction));
    gboolean ok = run_pass(&push, error);
    /* All else was done: now another list of the folders may help. */
    if (ok && push.again) {
        g_propagate_error(error, g_steal_pointer(&push.again));
        ok = FALSE;
    }
    g_clear_error(&push.again);
    *more = push.more;
    g_clear_pointer(&push.by_base, g_tree_unref);
    g_clear_pointer(&push.folders, g_hash_table_unref);
    g_hash_table_unref(push.blocked);
    g_hash_table_unref(push.held);
    g_array_unref(push.actions);
    return ok;
}
