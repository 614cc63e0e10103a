/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Set-like stores. */
#include "daemon/sync/sets.h"

#include "cache/message.h"
#include "cache/set-like.h"

#include "daemon/sync/expire.h"

/* Messages that are asked for their names in one round. */
#define NAMES 20000
/* So many are written in one transaction. */
#define BATCH 500

/* ---- what kind of store it is -------------------------------------------------------------- */

gboolean sync_learn_store(SyncContext *context, GError **error)
{
    gboolean gmail = sync_is_set_like(context);
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_READ, error);
    g_autofree char *known = txn ? cache_meta_get(txn, "gmail") : NULL;

    if (!txn || (known && *known == '1') == gmail)
        return txn != NULL;
    g_clear_pointer(&txn, cache_end);
    txn = cache_begin(context->cache, CACHE_WRITE_FULL, error);
    return txn && cache_meta_set(txn, "gmail", gmail ? "1" : NULL, error) &&
           cache_set_set_like(txn, gmail, error) && cache_commit(g_steal_pointer(&txn), error);
}

/* ---- names --------------------------------------------------------------------------------- */

typedef struct {
    guint32 uid;
    guint64 name, thread;
} Name;

static gboolean note_name(const ImapResponse *response, gpointer data, GError **error)
{
    const guint needed = IMAP_GOT_UID | IMAP_GOT_GM_MSGID;
    ImapFetchData fetch;

    if (!response->name || !g_str_equal(response->name, "FETCH"))
        return TRUE;
    if (!imap_fetch_data_parse(response, &fetch, error))
        return FALSE;
    Name name = {fetch.uid, fetch.gm_msgid, fetch.gm_thrid};
    if ((fetch.got & needed) == needed)
        g_array_append_val((GArray *)data, name);
    return TRUE;
}

static gboolean write_names(SyncContext *context, gint64 folder, const GArray *names,
                            GError **error)
{
    for (guint i = 0; i < names->len;) {
        g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_WRITE_FULL, error);
        guint end = MIN(i + BATCH, names->len);

        if (!txn)
            return FALSE;
        for (; i < end; i++) {
            const Name *name = &g_array_index(names, Name, i);
            g_autofree char *id = imap_gm_msgid_format(name->name);
            CachePlacement row;
            if (cache_placement_by_base(txn, folder, name->uid, &row, NULL) &&
                !cache_message_name(txn, row.message, id, name->thread, error))
                return FALSE;
        }
        if (!cache_commit(g_steal_pointer(&txn), error))
            return FALSE;
    }
    return TRUE;
}

/* Messages from `from` up to `to` are of one folder. One that isn't as it was, or can't be
 * selected now, waits for the next round. */
static gboolean name_folder(SyncContext *context, const GArray *nameless, guint from, guint to,
                            GError **error)
{
    gint64 folder = g_array_index(nameless, CacheNameless, from).folder;
    g_autoptr(ImapSet) uids = imap_set_new();
    g_autoptr(GArray) names = g_array_new(FALSE, FALSE, sizeof(Name));
    g_autoptr(GError) reason = NULL;

    for (guint i = from; i < to; i++)
        imap_set_add(uids, g_array_index(nameless, CacheNameless, i).base_uid);
    if (sync_select_epoch(context, folder, &reason) &&
        sync_fetch_each(context, uids, "UID X-GM-MSGID X-GM-THRID", note_name, names, &reason))
        return write_names(context, folder, names, error);
    if (g_error_matches(reason, IMAP_CLIENT_ERROR, IMAP_CLIENT_ERROR_REFUSED) ||
        g_error_matches(reason, SYNC_ERROR, SYNC_ERROR_AGAIN))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}

gboolean sync_name_messages(SyncContext *context, GError **error)
{
    g_autoptr(CacheTxn) txn = NULL;
    g_autoptr(GArray) nameless = NULL;

    if (!sync_is_set_like(context))
        return TRUE;
    txn = cache_begin(context->cache, CACHE_READ, error);
    nameless = txn ? cache_messages_nameless(txn, NAMES, error) : NULL;
    g_clear_pointer(&txn, cache_end);
    for (guint from = 0, to; nameless && from < nameless->len; from = to) {
        gint64 folder = g_array_index(nameless, CacheNameless, from).folder;
        for (to = from; to < nameless->len; to++)
            if (g_array_index(nameless, CacheNameless, to).folder != folder)
                break;
        if (!name_folder(context, nameless, from, to, error))
            return FALSE;
    }
    return nameless != NULL;
}

/* ---- flags --------------------------------------------------------------------------------- */

static gboolean collect_set_row(const CachePlacement *row, gpointer data)
{
    g_array_append_val((GArray *)data, *row);
    return TRUE;
}

static GArray *rows_of(CacheTxn *txn, gint64 message, GError **error)
{
    g_autoptr(GArray) rows = g_array_new(FALSE, FALSE, sizeof(CachePlacement));

    return cache_placement_each_of(txn, message, collect_set_row, rows, error)
               ? g_steal_pointer(&rows)
               : NULL;
}

static CacheFlags without_deleted(CacheFlags flags)
{
    flags.system &= ~(guint32)CACHE_DELETED;
    return flags;
}

/* `flags`, but \Deleted as in `own`. */
static CacheFlags with_own_deleted(CacheFlags flags, CacheFlags own)
{
    flags = without_deleted(flags);
    flags.system |= own.system & CACHE_DELETED;
    return flags;
}

/* The base becomes the server's. The view becomes that of the row whose flags these are: it is the
 * same in all of them, also where the message isn't upstream yet. */
static gboolean share_with(CacheTxn *txn, const CachePlacement *from, CachePlacement *row,
                           const SyncTold *told, GError **error)
{
    g_autoptr(CacheFolder) folder = cache_folder_get(txn, row->folder, error);
    SyncKeywords keywords = sync_keywords(txn);
    gboolean changed;

    if (!folder)
        return FALSE;
    const SyncTold here = {with_own_deleted(told->server, row->base_flags),
                           without_deleted(told->add), without_deleted(told->remove)};
    if (row->base == CACHE_BASE_PRESENT &&
        (!sync_stored_base(row->base_flags, &here, &keywords, &row->base_flags, error) ||
         !sync_decide_flags(row, here.server, sync_mask(folder), &keywords, &changed, error)))
        return FALSE;
    row->flags = with_own_deleted(from->flags, row->flags);
    if (row->base == CACHE_BASE_PRESENT)
        row->base_flags = sync_masked_base(row->flags, row->base_flags, sync_mask(folder));
    return TRUE;
}

gboolean sync_share_flags(CacheTxn *txn, const CachePlacement *row, const SyncTold *told,
                          GArray *rows, gboolean *seen, GError **error)
{
    g_autoptr(GArray) all = rows_of(txn, row->message, error);

    *seen = FALSE;
    for (guint i = 0; all && i < all->len; i++) {
        CachePlacement *other = &g_array_index(all, CachePlacement, i);
        CacheFlags view = other->flags, base = other->base_flags;
        if (other->folder == row->folder || (!other->alive && other->base != CACHE_BASE_PRESENT))
            continue;
        if (!share_with(txn, row, other, told, error))
            return FALSE;
        gboolean changed = !cache_flags_equal(view, other->flags);
        *seen |= other->alive && changed;
        if (changed || !cache_flags_equal(base, other->base_flags))
            g_array_append_val(rows, *other);
    }
    return all != NULL;
}

/* ---- arrivals ------------------------------------------------------------------------------ */

/* The view has it here, and upstream it is here now, too. */
static gboolean merge_arrival(CacheTxn *txn, const CacheFolder *folder, const CachePlacement *row,
                              CachePlacement *arrival, GError **error)
{
    SyncKeywords keywords = sync_keywords(txn);
    CachePlacement merged = *row;
    gboolean changed;

    merged.base = CACHE_BASE_PRESENT;
    merged.base_uid = arrival->base_uid;
    if (!sync_decide_flags(&merged, arrival->base_flags, sync_mask(folder), &keywords, &changed,
                           error))
        return FALSE;
    *arrival = merged;
    return TRUE;
}

gboolean sync_arrive_in_set(CacheTxn *txn, const CacheFolder *folder, CachePlacement *arrival,
                            GError **error)
{
    g_autoptr(GArray) rows = rows_of(txn, arrival->message, error);
    SyncKeywords keywords = sync_keywords(txn);
    const CachePlacement *known = NULL;
    CacheFlags merged;

    for (guint i = 0; rows && i < rows->len; i++) {
        const CachePlacement *row = &g_array_index(rows, CachePlacement, i);
        if (row->alive && row->folder == folder->id && row->base != CACHE_BASE_PRESENT)
            return merge_arrival(txn, folder, row, arrival, error);
        if (row->base == CACHE_BASE_PRESENT && (!known || row->alive))
            known = row;
    }
    if (!rows || !known)
        return rows != NULL;
    if (!sync_merge(without_deleted(known->flags), without_deleted(known->base_flags),
                    arrival->base_flags, sync_mask(folder), &keywords, &merged, error))
        return FALSE;
    arrival->flags = merged;
    return TRUE;
}

/* ---- once in a folder ---------------------------------------------------------------------- */

static gboolean remove_from_view(SyncContext *context, CacheTxn *txn, CachePlacement *row,
                                 GError **error)
{
    return sync_keep_vanished(txn, row, 0, sync_time(context), error);
}

/* What was appended is a message that was there: under its name. */
static gboolean join_messages(CacheTxn *txn, CachePlacement *row, const CachePlacement *other,
                              GError **error)
{
    if (row->message == other->message)
        return TRUE;
    g_autofree char *id = cache_message_remote_id(txn, other->message);
    guint64 thread = cache_message_thread(txn, other->message);
    return !id || (cache_message_name(txn, row->message, id, thread, error) &&
                   cache_placement_get(txn, row->folder, row->uid, row, error));
}

gboolean sync_place_in_set(SyncContext *context, CacheTxn *txn, CachePlacement *row, guint32 uid,
                           CacheFlags flags, GError **error)
{
    CachePlacement other;
    gboolean known = sync_is_set_like(context) &&
                     cache_placement_by_base(txn, row->folder, uid, &other, NULL) &&
                     other.uid != row->uid;

    if (known && !join_messages(txn, row, &other, error))
        return FALSE;
    if (known && other.alive)
        return remove_from_view(context, txn, row, error);
    if (known) {
        flags = other.base_flags;
        if (!remove_from_view(context, txn, &other, error))
            return FALSE;
    } else {
        sync_base_count_add(context, row->folder, 1);
    }
    row->base = CACHE_BASE_PRESENT;
    row->base_uid = uid;
    row->base_flags = flags;
    return cache_placement_put(txn, row, error);
}
