/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Moved, or gone. */
#include "daemon/sync/vanished.h"

#include "cache/message.h"
#include "cache/vanished.h"

#include "daemon/sync/aside.h"
#include "daemon/sync/expire.h"
#include "daemon/sync/notes.h"
#include "daemon/sync/sets.h"

#include <stdio.h>

#define BATCH 200

typedef struct {
    SyncContext *context;
    GArray *old, *arrived; /* SyncCandidate: of context->vanished and ->arrivals, by index */
    GPtrArray *strings;    /* what the candidates' keys borrow */
} Resolution;

static void resolution_clear(Resolution *resolution)
{
    g_clear_pointer(&resolution->old, g_array_unref);
    g_clear_pointer(&resolution->arrived, g_array_unref);
    g_clear_pointer(&resolution->strings, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Resolution, resolution_clear)

static const char *keep_vanished_string(Resolution *resolution, char *string)
{
    if (string)
        g_ptr_array_add(resolution->strings, string);
    return string;
}

static gboolean collect_vanished_old(Resolution *resolution, GHashTable *dates, GError **error)
{
    SyncContext *context = resolution->context;
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_READ, error);

    if (!txn)
        return FALSE;
    for (guint i = 0; i < context->vanished->len; i++) {
        const SyncVanished *vanished = &g_array_index(context->vanished, SyncVanished, i);
        SyncCandidate candidate = {.uid = vanished->base_uid, .index = (gint)i};
        CachePlacement row;
        if (!cache_placement_get(txn, vanished->folder, vanished->uid, &row, NULL))
            continue;
        candidate.dead = !row.alive;
        candidate.key.message_id = keep_vanished_string(
            resolution, sync_message_id(txn, row.message, &candidate.key.known));
        candidate.key.remote_id =
            keep_vanished_string(resolution, cache_message_remote_id(txn, row.message));
        candidate.key.size = sync_size_to_compare(context, row.size);
        candidate.key.date = row.date;
        g_hash_table_add(dates, g_memdup2(&row.date, sizeof row.date));
        g_array_append_val(resolution->old, candidate);
    }
    return TRUE;
}

/* The UIDs of one folder's arrivals that have the date of something that vanished. */
static ImapSet *likely_arrivals(SyncContext *context, gint64 folder, GHashTable *dates)
{
    ImapSet *uids = imap_set_new();

    for (guint i = 0; i < context->arrivals->len; i++) {
        const SyncArrival *arrival = &g_array_index(context->arrivals, SyncArrival, i);
        if (arrival->folder == folder && g_hash_table_contains(dates, &arrival->date))
            imap_set_add(uids, arrival->base_uid);
    }
    return uids;
}

static void add_arrivals(Resolution *resolution, CacheTxn *txn, gint64 folder, GHashTable *ids)
{
    GArray *arrivals = resolution->context->arrivals;

    for (guint i = 0; i < arrivals->len; i++) {
        const SyncArrival *arrival = &g_array_index(arrivals, SyncArrival, i);
        SyncCandidate candidate = {.uid = arrival->base_uid, .index = (gint)i};
        CachePlacement row;
        if (arrival->folder != folder)
            continue;
        const char *id = g_hash_table_lookup(ids, GUINT_TO_POINTER(arrival->base_uid));
        if (!id || !cache_placement_get(txn, folder, arrival->uid, &row, NULL))
            continue;
        candidate.key.known = TRUE;
        candidate.key.message_id = *id ? keep_vanished_string(resolution, g_strdup(id)) : NULL;
        candidate.key.remote_id =
            keep_vanished_string(resolution, cache_message_remote_id(txn, row.message));
        candidate.key.size = sync_size_to_compare(resolution->context, arrival->size);
        candidate.key.date = arrival->date;
        g_array_append_val(resolution->arrived, candidate);
    }
}

static gboolean collect_folder(Resolution *resolution, gint64 folder, GHashTable *dates,
                               GError **error)
{
    SyncContext *context = resolution->context;
    g_autoptr(ImapSet) uids = likely_arrivals(context, folder, dates);
    g_autoptr(GHashTable) ids = NULL;

    if (imap_set_is_empty(uids))
        return TRUE;
    if (!sync_select_epoch(context, folder, error))
        return FALSE;
    ids = sync_fetch_message_ids(context, uids, error);
    if (!ids)
        return FALSE;
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_READ, error);
    if (txn)
        add_arrivals(resolution, txn, folder, ids);
    return txn != NULL;
}

static gboolean collect_vanished_new(Resolution *resolution, GHashTable *dates, GError **error)
{
    g_autoptr(GHashTable) folders = g_hash_table_new(g_int64_hash, g_int64_equal);
    GArray *arrivals = resolution->context->arrivals;

    for (guint i = 0; i < arrivals->len; i++)
        g_hash_table_add(folders, &g_array_index(arrivals, SyncArrival, i).folder);
    GHashTableIter iter;
    gpointer folder;
    g_hash_table_iter_init(&iter, folders);
    while (g_hash_table_iter_next(&iter, &folder, NULL))
        if (!collect_folder(resolution, *(gint64 *)folder, dates, error))
            return FALSE;
    return TRUE;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* It arrived with other bytes (without its attachment, say): it is a message of its own, whose flags
 * follow. */
static gboolean write_resized(CacheTxn *txn, const CachePlacement *row, const SyncArrival *arrival,
                              GError **error)
{
    g_autoptr(CacheFolder) folder = cache_folder_get(txn, arrival->folder, error);
    SyncKeywords keywords = sync_keywords(txn);
    CachePlacement target;

    if (!folder || !cache_placement_get(txn, arrival->folder, arrival->uid, &target, error))
        return FALSE;
    return !row->alive || (sync_merge(row->flags, row->base_flags, target.base_flags,
                                      sync_mask(folder), &keywords, &target.flags, error) &&
                           cache_placement_put(txn, &target, error));
}

static gboolean write_moved(CacheTxn *txn, CachePlacement *row, const SyncArrival *arrival,
                            GError **error)
{
    g_autoptr(CacheFolder) folder = cache_folder_get(txn, arrival->folder, error);
    SyncKeywords keywords = sync_keywords(txn);
    CachePlacement target;

    if (!folder || !cache_placement_get(txn, arrival->folder, arrival->uid, &target, error))
        return FALSE;
    return sync_decide_moved(row, &target, sync_mask(folder), &keywords, error) &&
           cache_placement_put(txn, row, error) && cache_placement_put(txn, &target, error) &&
           cache_placement_remove(txn, row->folder, row->uid, error);
}

static gboolean write_one(Resolution *resolution, CacheTxn *txn, const SyncVanished *vanished,
                          gint match, guint32 uidvalidity, GError **error)
{
    SyncContext *context = resolution->context;
    CachePlacement row;

    if (!cache_placement_get(txn, vanished->folder, vanished->uid, &row, NULL) ||
        row.base != CACHE_BASE_PRESENT || row.base_uid != vanished->base_uid)
        return TRUE;
    sync_base_count_add(context, vanished->folder, -1);
    if (match < 0)
        return sync_keep_vanished(txn, &row, uidvalidity, sync_time(context), error);
    const SyncArrival *arrival = &g_array_index(context->arrivals, SyncArrival, match);
    if (sync_may_have_size(context, txn, row.message, row.size, arrival->size))
        return write_moved(txn, &row, arrival, error);
    return write_resized(txn, &row, arrival, error) &&
           sync_keep_vanished(txn, &row, uidvalidity, sync_time(context), error);
}

/* Rows [from, to) of what vanished, all of one folder. */
static gboolean write_slice(Resolution *resolution, const gint *matches, guint from, guint to,
                            GError **error)
{
    GArray *all = resolution->context->vanished;
    g_autoptr(CacheTxn) txn = cache_begin(resolution->context->cache, CACHE_WRITE_FULL, error);
    gint64 id = g_array_index(all, SyncVanished, from).folder;
    g_autoptr(CacheFolder) folder = txn ? cache_folder_get(txn, id, NULL) : NULL;

    if (!txn)
        return FALSE;
    for (guint i = from; i < to; i++)
        if (!write_one(resolution, txn, &g_array_index(all, SyncVanished, i), matches[i],
                       folder ? folder->base_uidvalidity : 0, error))
            return FALSE;
    return cache_commit(g_steal_pointer(&txn), error);
}

static gboolean write_slices(Resolution *resolution, GError **error)
{
    GArray *all = resolution->context->vanished;
    g_autofree gint *matches = g_new(gint, MAX(all->len, 1));

    for (guint i = 0; i < all->len; i++)
        matches[i] = -1;
    for (guint i = 0; i < resolution->old->len; i++) {
        const SyncCandidate *candidate = &g_array_index(resolution->old, SyncCandidate, i);
        matches[candidate->index] = candidate->match;
    }
    for (guint from = 0, to; from < all->len; from = to) {
        gint64 folder = g_array_index(all, SyncVanished, from).folder;
        for (to = from; to < all->len && to - from < BATCH; to++)
            if (g_array_index(all, SyncVanished, to).folder != folder)
                break;
        if (!write_slice(resolution, matches, from, to, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- what has returned ----------------------------------------------------------------------- */

/* What was moved away from here returns, and is gone from where it was moved to, as after a backup was
 * put in place: then that is all there is, and isn't taken away. Where it was moved to can't be read now,
 * nobody knows; a note says so, and push leaves it where it is meanwhile. */
#define UNSETTLED "unsettled"

/* Where a message is. */
typedef struct {
    SyncContext *context;
    CacheTxn *txn;
    CachePlacement original; /* what was deleted or moved here, and is there again; */
    gboolean returned;       /* there is one */
    gboolean alive, lost;    /* it is somewhere, or has gone from where it was, */
    gboolean unread;         /* as far as is known: that can't be read now */
} Whereabouts;

static gboolean was_read(const SyncContext *context, const CacheVanished *vanished)
{
    return g_hash_table_contains(context->pulled, &vanished->folder) &&
           !sync_was_aside(context, vanished->folder, vanished->base_uid);
}

static gboolean note_whereabouts(const CachePlacement *row, gpointer data)
{
    Whereabouts *where = data;
    CacheVanished vanished;

    where->alive |= row->alive;
    if (cache_vanished_get(where->txn, row->folder, row->uid, &vanished) && vanished.alive) {
        where->lost = TRUE;
        where->unread |= !was_read(where->context, &vanished);
    }
    if (!row->alive && row->base == CACHE_BASE_PRESENT) {
        where->original = *row;
        where->returned = TRUE;
    }
    return TRUE;
}

static gboolean settle(SyncContext *context, CacheTxn *txn, gint64 message, GError **error)
{
    Whereabouts where = {.context = context, .txn = txn};

    if (!cache_placement_each_of(txn, message, note_whereabouts, &where, error))
        return FALSE;
    if (!where.returned)
        return TRUE;
    g_autofree char *key = sync_note_key(UNSETTLED, where.original.folder, where.original.uid);
    const gboolean waits = where.lost && where.unread && !where.alive;
    /* What was unsettled for so long that nobody knows of the other any more stays, too. */
    const gboolean stays = !where.alive && !waits && (where.lost || sync_note(context, key));
    return sync_set_note(context, txn, key, waits, error) &&
           (!stays || sync_bring_back(txn, &where.original, error));
}

/* The rows (CachePlacement, folder and UID) that were left unsettled. */
static GArray *unsettled_rows(const SyncContext *context)
{
    GArray *rows = g_array_new(FALSE, FALSE, sizeof(CachePlacement));
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, context->notes);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        CachePlacement row = {0};
        if (sscanf(key, UNSETTLED " %" G_GINT64_FORMAT " %u", &row.folder, &row.uid) == 2)
            g_array_append_val(rows, row);
    }
    return rows;
}

void sync_each_unsettled(const SyncContext *context,
                         void (*func)(gint64 folder, guint32 uid, gpointer data), gpointer data)
{
    g_autoptr(GArray) rows = unsettled_rows(context);

    for (guint i = 0; i < rows->len; i++) {
        const CachePlacement *row = &g_array_index(rows, CachePlacement, i);
        func(row->folder, row->uid, data);
    }
}

/* What was left unsettled, once more; where it isn't there any more, that is over. */
static gboolean settle_rest(SyncContext *context, CacheTxn *txn, GError **error)
{
    g_autoptr(GArray) rows = unsettled_rows(context);

    for (guint i = 0; i < rows->len; i++) {
        CachePlacement row = g_array_index(rows, CachePlacement, i);
        g_autofree char *key = sync_note_key(UNSETTLED, row.folder, row.uid);
        const gboolean there = cache_placement_get(txn, row.folder, row.uid, &row, NULL) &&
                               !row.alive && row.base == CACHE_BASE_PRESENT;
        if (!(there ? settle(context, txn, row.message, error)
                    : sync_set_note(context, txn, key, 0, error)))
            return FALSE;
    }
    return TRUE;
}

static gboolean settle_returned(SyncContext *context, GError **error)
{
    GHashTableIter iter;
    gpointer message;

    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_WRITE_FULL, error);
    if (!txn || !settle_rest(context, txn, error))
        return FALSE;
    g_hash_table_iter_init(&iter, context->returned);
    while (g_hash_table_iter_next(&iter, &message, NULL))
        if (!settle(context, txn, *(const gint64 *)message, error))
            return FALSE;
    return cache_commit(g_steal_pointer(&txn), error);
}

/* Whether there is anything to settle: a transaction that writes nothing still waits for others. */
static gboolean is_any_unsettled(const SyncContext *context)
{
    g_autoptr(GArray) rows = unsettled_rows(context);

    return rows->len > 0 || g_hash_table_size(context->returned) > 0;
}

gboolean sync_resolve_vanished(SyncContext *context, GError **error)
{
    g_auto(Resolution) resolution = {.context = context};
    g_autoptr(GHashTable) dates = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);

    resolution.old = g_array_new(FALSE, FALSE, sizeof(SyncCandidate));
    resolution.arrived = g_array_new(FALSE, FALSE, sizeof(SyncCandidate));
    resolution.strings = g_ptr_array_new_with_free_func(g_free);
    if (context->vanished->len > 0) {
        /* In set-like stores a message that left a folder is the same in others by its name: what
         * is to be known of it is known there, and it may well be back in this one. */
        if (!sync_is_set_like(context) && (!collect_vanished_old(&resolution, dates, error) ||
                                           !collect_vanished_new(&resolution, dates, error)))
            return FALSE;
        sync_match(resolution.old, resolution.arrived);
        if (!write_slices(&resolution, error))
            return FALSE;
    }
    if (is_any_unsettled(context) && !settle_returned(context, error))
        return FALSE;
    for (guint i = 0; i < context->complete->len; i++)
        if (!sync_write_complete(context, &g_array_index(context->complete, SyncComplete, i),
                                 error))
            return FALSE;
    g_array_set_size(context->vanished, 0);
    g_array_set_size(context->arrivals, 0);
    g_array_set_size(context->complete, 0);
    return TRUE;
}
