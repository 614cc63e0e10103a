/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Recognising what had vanished. */
#include "daemon/sync/returned.h"

#include "cache/content.h"
#include "cache/message.h"
#include "cache/vanished.h"

#include "daemon/sync/expire.h"
#include "daemon/sync/notes.h"
#include "daemon/sync/sets.h"

/* ---- deletions that nobody has seen ------------------------------------------------------------ */

/* The note "deletions": since when (Unix seconds). */
static char *deletions_key(gint64 folder)
{
    return sync_note_key("deletions", folder, 0);
}

gboolean sync_has_deletions(const SyncContext *context, gint64 folder)
{
    g_autofree char *key = deletions_key(folder);

    return sync_note(context, key) != 0;
}

gboolean sync_note_deletions(SyncContext *context, CacheTxn *txn, gint64 folder, GError **error)
{
    g_autofree char *key = deletions_key(folder);

    return sync_note(context, key) || sync_set_note(context, txn, key, sync_time(context), error);
}

gboolean sync_end_deletions(SyncContext *context, CacheTxn *txn, gint64 folder, GError **error)
{
    g_autofree char *key = deletions_key(folder);

    return sync_set_note(context, txn, key, 0, error);
}

/* When it was deleted, or had vanished. */
static gint64 gone_since(const SyncContext *context, const CacheVanished *entry)
{
    const gint64 deleted = sync_deleted_at(entry);

    return deleted <= sync_time(context) ? deleted : entry->since;
}

/* Whether it was deleted in the epoch before, in which the folder wasn't read after that. */
static gboolean is_unseen(const SyncContext *context, const CacheVanished *entry)
{
    g_autofree char *key = deletions_key(entry->folder);
    const gint64 since = sync_note(context, key);

    return since && !entry->alive && entry->uidvalidity != context->state.uidvalidity &&
           gone_since(context, entry) >= since;
}

/* ---- what may have returned -------------------------------------------------------------------- */

typedef struct {
    SyncContext *context;
    gint64 folder;
    GArray *messages;      /* SyncServerMessage */
    GHashTable *entries;   /* local UID -> CacheVanished: what may be meant */
    GHashTable *ids;       /* UID -> Message-ID, of those that may be it */
    GArray *old, *arrived; /* SyncCandidate of both */
    GPtrArray *strings;    /* what the candidates' keys borrow */
    gint64 away;           /* most of the folder returns, and was gone since then; 0: it doesn't */
} Return;

static void return_clear(Return *ret)
{
    g_clear_pointer(&ret->entries, g_hash_table_unref);
    g_clear_pointer(&ret->ids, g_hash_table_unref);
    g_clear_pointer(&ret->old, g_array_unref);
    g_clear_pointer(&ret->arrived, g_array_unref);
    g_clear_pointer(&ret->strings, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Return, return_clear)

gboolean sync_may_have_returned(CacheTxn *txn, gint64 folder, gint64 date)
{
    g_autoptr(GArray) entries = cache_vanished_of_date(txn, folder, date, NULL);

    return entries && entries->len > 0;
}

static const char *keep_returned_string(Return *ret, char *string)
{
    if (string)
        g_ptr_array_add(ret->strings, string);
    return string;
}

/* What has vanished with the date of a message; `uids` are those messages. */
static gboolean collect_entries(Return *ret, ImapSet *uids, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(ret->context->cache, CACHE_READ, error);

    if (!txn)
        return FALSE;
    if (!cache_vanished_any(txn, ret->folder))
        return TRUE;
    for (guint i = 0; i < ret->messages->len; i++) {
        const SyncServerMessage *message = &g_array_index(ret->messages, SyncServerMessage, i);
        if (message->matched)
            continue;
        g_autoptr(GArray) found = cache_vanished_of_date(txn, ret->folder, message->date, error);
        if (!found)
            return FALSE;
        for (guint k = 0; k < found->len; k++) {
            const CacheVanished *entry = &g_array_index(found, CacheVanished, k);
            g_hash_table_replace(ret->entries, GUINT_TO_POINTER(entry->uid),
                                 g_memdup2(entry, sizeof *entry));
            imap_set_add(uids, message->uid);
        }
    }
    return TRUE;
}

static void add_returned_arrived(Return *ret, gint index)
{
    const SyncServerMessage *message = &g_array_index(ret->messages, SyncServerMessage, index);
    const char *id = g_hash_table_lookup(ret->ids, GUINT_TO_POINTER(message->uid));
    SyncCandidate candidate = {.uid = message->uid, .index = index, .match = -1};

    candidate.key.known = id != NULL;
    candidate.key.message_id = id && *id ? keep_returned_string(ret, g_strdup(id)) : NULL;
    candidate.key.size = sync_size_to_compare(ret->context, message->size);
    candidate.key.date = message->date;
    if (sync_is_set_like(ret->context))
        candidate.key.remote_id = message->remote_id;
    g_array_append_val(ret->arrived, candidate);
}

static gboolean note_unplaced(const CachePlacement *row, gpointer data)
{
    gboolean *found = data;

    *found = row->alive && row->base == CACHE_BASE_NONE;
    return !*found;
}

/* Whether it is alive somewhere only as a header, since it was moved or copied before it vanished: what
 * returns is all that this can be made whole with. */
static gboolean is_needed(CacheTxn *txn, gint64 message)
{
    gboolean found = FALSE;

    return cache_content_state(txn, message) != CACHE_CONTENT_FULL &&
           cache_placement_each_of(txn, message, note_unplaced, &found, NULL) && found;
}

/* Whether it isn't there anew, but again: what was deleted or moved here is still to go. */
static gboolean is_still_to_go(const Return *ret, const CacheVanished *entry)
{
    return !entry->alive && (is_unseen(ret->context, entry) ||
                             (ret->away && gone_since(ret->context, entry) >= ret->away));
}

static void add_old(Return *ret, CacheTxn *txn, const CacheVanished *entry)
{
    SyncCandidate candidate = {.uid = entry->base_uid, .index = (gint)entry->uid, .match = -1};
    CachePlacement row;

    if (!cache_placement_get(txn, entry->folder, entry->uid, &row, NULL))
        return;
    candidate.dead = !entry->alive && !is_still_to_go(ret, entry) && !is_needed(txn, row.message);
    candidate.key.message_id =
        keep_returned_string(ret, sync_message_id(txn, row.message, &candidate.key.known));
    candidate.key.size = sync_size_to_compare(ret->context, row.size);
    candidate.key.date = row.date;
    if (sync_is_set_like(ret->context))
        candidate.key.remote_id =
            keep_returned_string(ret, cache_message_remote_id(txn, row.message));
    g_array_append_val(ret->old, candidate);
}

static gboolean collect_returned_candidates(Return *ret, const ImapSet *uids, GError **error)
{
    GHashTableIter iter;
    gpointer entry;

    ret->ids = sync_fetch_message_ids(ret->context, uids, error);
    if (!ret->ids)
        return FALSE;
    for (guint i = 0; i < ret->messages->len; i++) {
        const SyncServerMessage *message = &g_array_index(ret->messages, SyncServerMessage, i);
        if (!message->matched && imap_set_contains(uids, message->uid))
            add_returned_arrived(ret, (gint)i);
    }
    g_autoptr(CacheTxn) txn = cache_begin(ret->context->cache, CACHE_READ, error);
    g_hash_table_iter_init(&iter, ret->entries);
    while (txn && g_hash_table_iter_next(&iter, NULL, &entry))
        add_old(ret, txn, entry);
    return txn != NULL;
}

static const CacheVanished *returned_entry_of(const Return *ret, const SyncCandidate *old)
{
    return g_hash_table_lookup(ret->entries, GUINT_TO_POINTER((guint)old->index));
}

/* Whether nothing that is known of both speaks against it. */
static gboolean returned_may_be_same(const Return *ret, CacheTxn *txn, const SyncCandidate *old,
                                     const SyncCandidate *arrived)
{
    CachePlacement row;

    return old->key.date == arrived->key.date &&
           (!old->key.known || !arrived->key.known ||
            g_strcmp0(old->key.message_id, arrived->key.message_id) == 0) &&
           cache_placement_get(txn, ret->folder, (guint32)old->index, &row, NULL) &&
           sync_may_have_size(ret->context, txn, row.message, row.size, arrived->key.size);
}

static void note_match(Return *ret, SyncCandidate *old, SyncCandidate *arrived)
{
    g_array_index(ret->messages, SyncServerMessage, arrived->index).returns = (guint32)old->index;
    old->match = arrived->index;
    arrived->match = old->index;
}

/* The same UID in the same epoch. */
static void match_same_uid(Return *ret, CacheTxn *txn)
{
    g_autoptr(GHashTable) by_uid = g_hash_table_new(NULL, NULL);

    for (guint i = 0; i < ret->arrived->len; i++) {
        SyncCandidate *arrived = &g_array_index(ret->arrived, SyncCandidate, i);
        g_hash_table_insert(by_uid, GUINT_TO_POINTER(arrived->uid), arrived);
    }
    for (guint i = 0; i < ret->old->len; i++) {
        SyncCandidate *old = &g_array_index(ret->old, SyncCandidate, i);
        SyncCandidate *arrived = g_hash_table_lookup(by_uid, GUINT_TO_POINTER(old->uid));
        if (arrived && arrived->match < 0 && old->uid != 0 &&
            returned_entry_of(ret, old)->uidvalidity == ret->context->state.uidvalidity &&
            returned_may_be_same(ret, txn, old, arrived))
            note_match(ret, old, arrived);
    }
}

/* Those of `all` that are not matched and tell what they are. */
static GArray *rest_of(const GArray *all)
{
    GArray *rest = g_array_new(FALSE, FALSE, sizeof(SyncCandidate));

    for (guint i = 0; i < all->len; i++) {
        SyncCandidate candidate = g_array_index(all, SyncCandidate, i);
        if (candidate.match >= 0 || candidate.dead ||
            (!candidate.key.message_id && !candidate.key.remote_id))
            continue;
        candidate.index = (gint)i;
        g_array_append_val(rest, candidate);
    }
    return rest;
}

static gboolean note_alive(const CachePlacement *row, gpointer data)
{
    gboolean *found = data;

    *found = row->alive && row->base == CACHE_BASE_PRESENT;
    return !*found;
}

/* Whether there is the same message elsewhere, and has been all the time: then what is there now is a
 * copy of that. */
static gboolean has_twin(const Return *ret, CacheTxn *txn, const SyncCandidate *arrived)
{
    const char *id = arrived->key.message_id;
    g_autoptr(GArray) messages = id ? cache_message_by_message_id(txn, id, NULL) : NULL;
    gboolean found = FALSE;

    for (guint i = 0; messages && i < messages->len && !found; i++) {
        const gint64 *message = &g_array_index(messages, gint64, i);
        if (!g_hash_table_contains(ret->context->returned, message))
            cache_placement_each_of(txn, *message, note_alive, &found, NULL);
    }
    return found;
}

/* Under another UID. */
static void match_by_name(Return *ret, CacheTxn *txn)
{
    g_autoptr(GArray) old = rest_of(ret->old), arrived = rest_of(ret->arrived);

    sync_match(old, arrived);
    for (guint i = 0; i < old->len; i++) {
        const SyncCandidate *found = &g_array_index(old, SyncCandidate, i);
        if (found->match < 0)
            continue;
        SyncCandidate *was = &g_array_index(ret->old, SyncCandidate, found->index);
        SyncCandidate *is = &g_array_index(ret->arrived, SyncCandidate, found->match);
        if (returned_may_be_same(ret, txn, was, is) &&
            (sync_is_set_like(ret->context) || is_still_to_go(ret, returned_entry_of(ret, was)) ||
             !has_twin(ret, txn, is)))
            note_match(ret, was, is);
    }
}

/* Where most of a folder is there again, under other UIDs, its storage was away or was put in place from
 * a backup: then what was deleted or moved here while it was away isn't there because of somebody. */
static void match_rest_of_whole(Return *ret, CacheTxn *txn)
{
    guint matched = 0;
    gint64 away = G_MAXINT64;

    for (guint i = 0; i < ret->old->len; i++) {
        const SyncCandidate *old = &g_array_index(ret->old, SyncCandidate, i);
        const CacheVanished *entry = returned_entry_of(ret, old);
        if (old->match < 0 || !entry->alive)
            continue;
        matched++;
        away = MIN(away, entry->since);
    }
    if (matched == 0 || (guint64)matched * 2 < imap_client_exists(ret->context->imap))
        return;
    ret->away = away;
    for (guint i = 0; i < ret->old->len; i++) {
        SyncCandidate *old = &g_array_index(ret->old, SyncCandidate, i);
        old->dead = old->dead && !is_still_to_go(ret, returned_entry_of(ret, old));
    }
    match_by_name(ret, txn);
}

/* Servers may tell of a message twice. What it is recognised as is for one of them: the last. */
static void pass_over_doubles(GArray *messages)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

    for (guint i = messages->len; i > 0; i--) {
        SyncServerMessage *message = &g_array_index(messages, SyncServerMessage, i - 1);
        if (!message->matched && !g_hash_table_add(seen, GUINT_TO_POINTER(message->uid)))
            message->matched = TRUE;
    }
}

gboolean sync_match_returned(SyncContext *context, gint64 folder, GArray *messages, GError **error)
{
    g_auto(Return) ret = {.context = context, .folder = folder, .messages = messages};
    g_autoptr(ImapSet) uids = imap_set_new();

    ret.entries = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    ret.old = g_array_new(FALSE, FALSE, sizeof(SyncCandidate));
    ret.arrived = g_array_new(FALSE, FALSE, sizeof(SyncCandidate));
    ret.strings = g_ptr_array_new_with_free_func(g_free);
    pass_over_doubles(messages);
    if (!collect_entries(&ret, uids, error))
        return FALSE;
    if (imap_set_is_empty(uids))
        return TRUE;
    if (!collect_returned_candidates(&ret, uids, error))
        return FALSE;
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_READ, error);
    if (!txn)
        return FALSE;
    match_same_uid(&ret, txn);
    match_by_name(&ret, txn);
    match_rest_of_whole(&ret, txn);
    return TRUE;
}
