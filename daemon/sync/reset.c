/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rematch after a UIDVALIDITY reset. */
#include "daemon/sync/reset.h"

#include "cache/message.h"

#include "daemon/sync/aside.h"
#include "daemon/sync/attempts.h"
#include "daemon/sync/doubt.h"
#include "daemon/sync/expire.h"
#include "daemon/sync/returned.h"
#include "daemon/sync/sets.h"

typedef struct {
    SyncContext *context;
    const CacheFolder *folder;
    GArray *rows;          /* CachePlacement: what had a base UID */
    GArray *messages;      /* SyncServerMessage: what is there now */
    GArray *old, *arrived; /* SyncCandidate of these */
    GPtrArray *strings;    /* what the candidates' keys borrow */
    gboolean flagless;     /* not all flags were told */
} Reset;

static void reset_clear(Reset *reset)
{
    g_clear_pointer(&reset->rows, g_array_unref);
    g_clear_pointer(&reset->messages, g_array_unref);
    g_clear_pointer(&reset->old, g_array_unref);
    g_clear_pointer(&reset->arrived, g_array_unref);
    g_clear_pointer(&reset->strings, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reset, reset_clear)

static const char *keep_reset_string(Reset *reset, char *string)
{
    if (string)
        g_ptr_array_add(reset->strings, string);
    return string;
}

static gboolean collect_reset_row(const CachePlacement *placement, gpointer data)
{
    g_array_append_val(((Reset *)data)->rows, *placement);
    return TRUE;
}

static gboolean collect_reset_old(Reset *reset, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(reset->context->cache, CACHE_READ, error);

    if (!txn || !cache_placement_each_base(txn, reset->folder->id, 1, G_MAXUINT32,
                                           collect_reset_row, reset, error))
        return FALSE;
    for (guint i = 0; i < reset->rows->len; i++) {
        const CachePlacement *row = &g_array_index(reset->rows, CachePlacement, i);
        SyncCandidate candidate = {.uid = row->base_uid, .index = (gint)i, .dead = !row->alive};
        candidate.key.message_id =
            keep_reset_string(reset, sync_message_id(txn, row->message, &candidate.key.known));
        if (sync_is_set_like(reset->context))
            candidate.key.remote_id =
                keep_reset_string(reset, cache_message_remote_id(txn, row->message));
        candidate.key.size = sync_size_to_compare(reset->context, row->size);
        candidate.key.date = row->date;
        g_array_append_val(reset->old, candidate);
    }
    return TRUE;
}

static gboolean collect_reset_new(Reset *reset, GError **error)
{
    g_autoptr(ImapSet) uids = imap_set_new();

    if (!sync_fetch_whole(reset->context, reset->messages, uids, error))
        return FALSE;
    g_autoptr(GHashTable) ids = sync_fetch_message_ids(reset->context, uids, error);
    if (!ids)
        return FALSE;
    for (guint i = 0; i < reset->messages->len; i++) {
        SyncServerMessage *message = &g_array_index(reset->messages, SyncServerMessage, i);
        const char *id = g_hash_table_lookup(ids, GUINT_TO_POINTER(message->uid));
        SyncCandidate candidate = {.uid = message->uid, .index = (gint)i};
        candidate.key.known = id != NULL;
        candidate.key.message_id = id && *id ? keep_reset_string(reset, g_strdup(id)) : NULL;
        if (sync_is_set_like(reset->context))
            candidate.key.remote_id = message->remote_id;
        candidate.key.size = sync_size_to_compare(reset->context, message->size);
        candidate.key.date = message->date;
        message->message_id = g_strdup(candidate.key.message_id);
        message->unconfirmed = TRUE;
        reset->flagless |= message->flagless;
        g_array_append_val(reset->arrived, candidate);
    }
    return TRUE;
}

/* A match of another size has other bytes: only the flags follow, the body is fetched, and under a
 * UID of its own. */
static gboolean note_resized(Reset *reset, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(reset->context->cache, CACHE_READ, error);

    for (guint i = 0; txn && i < reset->old->len; i++) {
        SyncCandidate *candidate = &g_array_index(reset->old, SyncCandidate, i);
        if (candidate->match < 0 || !candidate->resized)
            continue;
        const CachePlacement *row = &g_array_index(reset->rows, CachePlacement, candidate->index);
        SyncServerMessage *message =
            &g_array_index(reset->messages, SyncServerMessage, candidate->match);
        if (sync_may_have_size(reset->context, txn, row->message, row->size, message->size))
            continue;
        message->follows = row->alive;
        message->was_view = row->flags;
        message->was_base = row->base_flags;
        candidate->match = -1;
    }
    return txn != NULL;
}

/* ---- the swap -------------------------------------------------------------------------------- */

/* First nothing has a base UID, so that the new ones can't meet the old ones. */
static gboolean take_away_uids(Reset *reset, CacheTxn *txn, GError **error)
{
    for (guint i = 0; i < reset->rows->len; i++) {
        CachePlacement *row = &g_array_index(reset->rows, CachePlacement, i);
        /* Read again: a client may have changed it meanwhile. */
        if (!cache_placement_get(txn, row->folder, row->uid, row, error))
            return FALSE;
        row->base = CACHE_BASE_UNKNOWN;
        row->base_uid = 0;
        if (!cache_placement_put(txn, row, error))
            return FALSE;
    }
    return TRUE;
}

/* The names of the epoch before mean nothing now, but in set-like stores, where they are for life. */
static gboolean take_remote_id(Reset *reset, CacheTxn *txn, gint64 message, const char *remote_id,
                               GError **error)
{
    return sync_is_set_like(reset->context) ||
           cache_message_set_remote_id(txn, message, remote_id, error);
}

static gboolean write_lost(Reset *reset, CacheTxn *txn, CachePlacement *row, guint32 was_uid,
                           GError **error)
{
    row->base_uid = was_uid;
    return take_remote_id(reset, txn, row->message, NULL, error) &&
           sync_keep_vanished(txn, row, reset->folder->base_uidvalidity, sync_time(reset->context),
                              error);
}

static gboolean write_matched(Reset *reset, CacheTxn *txn, CachePlacement *row,
                              SyncServerMessage *message, GError **error)
{
    gboolean changed;

    row->base = CACHE_BASE_PRESENT;
    row->base_uid = message->uid;
    message->matched = TRUE;
    return take_remote_id(reset, txn, row->message, message->remote_id, error) &&
           (message->flagless ||
            (sync_settle_doubt(reset->context, txn, row, message->flags, error) &&
             sync_follow_flags(txn, row, message->flags, sync_mask(reset->folder), &changed,
                               error))) &&
           cache_placement_put(txn, row, error);
}

static gboolean give_uids(Reset *reset, CacheTxn *txn, GError **error)
{
    for (guint i = 0; i < reset->old->len; i++) {
        const SyncCandidate *candidate = &g_array_index(reset->old, SyncCandidate, i);
        CachePlacement *row = &g_array_index(reset->rows, CachePlacement, candidate->index);
        SyncServerMessage *messages = &g_array_index(reset->messages, SyncServerMessage, 0);

        if (!(candidate->match < 0
                  ? write_lost(reset, txn, row, candidate->uid, error)
                  : write_matched(reset, txn, row, &messages[candidate->match], error)))
            return FALSE;
    }
    return TRUE;
}

static gboolean swap(Reset *reset, GError **error)
{
    const ImapSelected *state = &reset->context->state;
    const SyncMask mask = sync_mask_shown(reset->context, reset->folder);
    g_autoptr(CacheTxn) txn = cache_begin(reset->context->cache, CACHE_WRITE_FULL, error);
    g_autoptr(CacheFolder) row = txn ? cache_folder_get(txn, reset->folder->id, error) : NULL;

    if (!row || !take_away_uids(reset, txn, error) || !give_uids(reset, txn, error))
        return FALSE;
    row->base_uidvalidity = state->uidvalidity;
    row->base_uidnext = state->uidnext;
    row->base_highestmodseq = 0;
    row->flag_mask = mask.system;
    row->keyword_mask = mask.keywords;
    return cache_folder_update(txn, row, error) && cache_commit(g_steal_pointer(&txn), error);
}

static guint count_lost(const Reset *reset)
{
    guint lost = 0;

    for (guint i = 0; i < reset->old->len; i++)
        lost += g_array_index(reset->old, SyncCandidate, i).match < 0;
    return lost;
}

/* What matches nothing is new, or the effect of an attempt. */
static gboolean add_rest(Reset *reset, GError **error)
{
    g_autoptr(GArray) rest = sync_server_messages_new();

    for (guint i = 0; i < reset->messages->len; i++) {
        SyncServerMessage *message = &g_array_index(reset->messages, SyncServerMessage, i);
        if (message->matched)
            continue;
        g_array_append_val(rest, *message);
        message->remote_id = message->message_id = NULL;
    }
    if (sync_first_effect(reset->context, reset->folder) &&
        !sync_match_effects(reset->context, reset->folder->id, rest, error))
        return FALSE;
    return sync_match_returned(reset->context, reset->folder->id, rest, error) &&
           sync_add_arrivals(reset->context, reset->folder->id, rest, error);
}

gboolean sync_reset_folder(SyncContext *context, const CacheFolder *folder,
                           SyncResetOutcome *outcome, gboolean *flagless, GError **error)
{
    g_auto(Reset) reset = {.context = context, .folder = folder};
    reset.rows = g_array_new(FALSE, FALSE, sizeof(CachePlacement));
    reset.messages = sync_server_messages_new();
    reset.old = g_array_new(FALSE, FALSE, sizeof(SyncCandidate));
    reset.arrived = g_array_new(FALSE, FALSE, sizeof(SyncCandidate));
    reset.strings = g_ptr_array_new_with_free_func(g_free);
    if (!collect_reset_old(&reset, error) || !collect_reset_new(&reset, error))
        return FALSE;
    if (reset.messages->len < imap_client_exists(context->imap) &&
        !sync_is_unsure(context, folder->id)) {
        *outcome = SYNC_RESET_UNTOLD;
        return TRUE;
    }
    sync_match(reset.old, reset.arrived);
    if (!note_resized(&reset, error))
        return FALSE;
    const SyncLoss loss = {folder->id, folder->base_name, count_lost(&reset), reset.old->len};
    gboolean believed;
    if (!sync_believes(context, &loss, &believed, error))
        return FALSE;
    *outcome = believed ? SYNC_RESET_DONE : SYNC_RESET_LOSING;
    if (!believed)
        return TRUE;
    g_hash_table_remove(context->base_counts, &folder->id);
    *flagless = reset.flagless;
    return swap(&reset, error) && add_rest(&reset, error);
}
