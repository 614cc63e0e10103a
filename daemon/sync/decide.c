/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The decisions of pull and push. */
#include "daemon/sync/decide.h"

#include <string.h>

/* ---- push ------------------------------------------------------------------------------------ */

/* A message while it is decided about. */
typedef struct {
    const CachePlacement *placements;
    guint count;
    const SyncSituation *situation;
    GArray *actions;
} Message;

static gboolean is_pushed(const Message *message, const CachePlacement *placement)
{
    return message->situation->pushed(placement->folder, message->situation->data);
}

static gboolean is_upstream(const Message *message, const CachePlacement *placement, SyncMask *mask)
{
    return message->situation->upstream(placement->folder, mask, message->situation->data);
}

static gboolean decide_is_blocked(const Message *message, const CachePlacement *placement,
                                  SyncActionKind kind)
{
    return message->situation->blocked(placement, kind, message->situation->data);
}

/* Alive and not upstream, where it should be. */
static gboolean is_missing(const Message *message, const CachePlacement *placement)
{
    return placement->alive && placement->base != CACHE_BASE_PRESENT &&
           is_pushed(message, placement);
}

/* Whether a COPY or MOVE can be made from it. */
static gboolean is_source(const Message *message, const CachePlacement *placement)
{
    SyncMask mask;

    return placement->base == CACHE_BASE_PRESENT &&
           !decide_is_blocked(message, placement, SYNC_COPY) &&
           is_upstream(message, placement, &mask);
}

static guint count_missing(const Message *message)
{
    guint missing = 0;

    for (guint i = 0; i < message->count; i++)
        missing += is_missing(message, &message->placements[i]);
    return missing;
}

/* The dead placement that `target` came from, else any dead one, else any at all. */
static const CachePlacement *find_source(const Message *message, const CachePlacement *target)
{
    const CachePlacement *dead = NULL, *any = NULL;

    for (guint i = 0; i < message->count; i++) {
        const CachePlacement *source = &message->placements[i];
        if (!is_source(message, source))
            continue;
        if (!source->alive && source->folder == target->from_folder &&
            source->uid == target->from_uid)
            return source;
        if (!source->alive && !dead)
            dead = source;
        any = source;
    }
    return dead ? dead : any;
}

/* Whether some placement may yet turn out to be a source, so that nothing should be appended. */
static gboolean may_get_source(const Message *message)
{
    for (guint i = 0; i < message->count; i++)
        if (message->placements[i].base != CACHE_BASE_NONE ||
            decide_is_blocked(message, &message->placements[i], SYNC_COPY))
            return TRUE;
    return FALSE;
}

static void add_action(const Message *message, SyncActionKind kind, const CachePlacement *placement,
                       const CachePlacement *source)
{
    SyncAction action = {.kind = kind,
                         .folder = placement->folder,
                         .uid = placement->uid,
                         .message = placement->message,
                         .base_uid = source ? source->base_uid : placement->base_uid};

    if (source) {
        action.source_folder = source->folder;
        action.source_uid = source->uid;
    }
    g_array_append_val(message->actions, action);
}

/* In set-like stores: the placement of the same folder that stands for the message upstream. */
static const CachePlacement *find_twin(const Message *message, const CachePlacement *placement)
{
    for (guint i = 0; message->situation->set_like && i < message->count; i++) {
        const CachePlacement *twin = &message->placements[i];
        if (twin->folder == placement->folder && twin->base != CACHE_BASE_NONE)
            return twin;
    }
    return NULL;
}

/* One live placement that upstream doesn't have. */
static void decide_place(const Message *message, const CachePlacement *placement, guint missing)
{
    SyncMask mask;

    if (placement->base != CACHE_BASE_NONE || decide_is_blocked(message, placement, SYNC_APPEND) ||
        !is_upstream(message, placement, &mask))
        return;
    const CachePlacement *twin = find_twin(message, placement);
    if (twin) {
        if (twin->base == CACHE_BASE_PRESENT && !decide_is_blocked(message, twin, SYNC_COPY))
            add_action(message, SYNC_IDENTIFY, placement, twin);
        return;
    }
    const CachePlacement *source = find_source(message, placement);
    if (source) {
        /* The last one missing may take a dead source with it. Within one folder a move makes no
         * sense to some servers. */
        gboolean move = missing == 1 && !source->alive && message->situation->can_move &&
                        source->folder != placement->folder;
        add_action(message, move ? SYNC_MOVE : SYNC_COPY, placement, source);
    } else if (message->situation->has_bytes) {
        if (!may_get_source(message))
            add_action(message, SYNC_APPEND, placement, NULL);
    } else if (!may_get_source(message)) {
        add_action(message, SYNC_LOST, placement, NULL);
    }
}

static gboolean decide_store(const Message *message, const CachePlacement *placement,
                             GError **error)
{
    SyncMask mask;
    CacheFlags add, remove;

    if (cache_flags_equal(placement->flags, placement->base_flags) ||
        decide_is_blocked(message, placement, SYNC_STORE) || !is_pushed(message, placement) ||
        !is_upstream(message, placement, &mask))
        return TRUE;
    if (!sync_difference(placement->flags, placement->base_flags, mask,
                         message->situation->keywords, &add, &remove, error))
        return FALSE;
    gboolean nothing = !add.system && !remove.system && !add.keywords && !remove.keywords;
    add_action(message, nothing ? SYNC_REBASE : SYNC_STORE, placement, NULL);
    SyncAction *action = &g_array_index(message->actions, SyncAction, message->actions->len - 1);
    action->add = add;
    action->remove = remove;
    return TRUE;
}

/* Whether a placement that lives only here depends on what is upstream (a folder that is not
 * pushed, while the bytes aren't here). */
static gboolean keeps_upstream(const Message *message)
{
    if (message->situation->has_bytes)
        return FALSE;
    for (guint i = 0; i < message->count; i++)
        if (message->placements[i].alive && message->placements[i].base == CACHE_BASE_NONE)
            return TRUE;
    return FALSE;
}

gboolean sync_decide_push(const CachePlacement *placements, guint count,
                          const SyncSituation *situation, GArray *actions, GError **error)
{
    Message message = {placements, count, situation, actions};
    guint missing = count_missing(&message);
    gboolean expunge = missing == 0 && !keeps_upstream(&message);

    for (guint i = 0; i < count; i++) {
        const CachePlacement *placement = &placements[i];
        SyncMask mask;

        if (placement->alive && placement->base == CACHE_BASE_PRESENT) {
            if (!decide_store(&message, placement, error))
                return FALSE;
        } else if (is_missing(&message, placement)) {
            decide_place(&message, placement, missing);
        } else if (!placement->alive && placement->base == CACHE_BASE_PRESENT && expunge &&
                   is_pushed(&message, placement) &&
                   !decide_is_blocked(&message, placement, SYNC_EXPUNGE) &&
                   is_upstream(&message, placement, &mask)) {
            add_action(&message, SYNC_EXPUNGE, placement, NULL);
        }
    }
    return TRUE;
}

/* ---- pull ------------------------------------------------------------------------------------ */

gboolean sync_decide_flags(CachePlacement *placement, CacheFlags server, SyncMask mask,
                           const SyncKeywords *keywords, gboolean *changed, GError **error)
{
    CacheFlags merged;

    if (!sync_merge(placement->flags, placement->base_flags, server, mask, keywords, &merged,
                    error))
        return FALSE;
    CacheFlags base = sync_masked_base(merged, server, mask);
    *changed = !cache_flags_equal(merged, placement->flags) ||
               !cache_flags_equal(base, placement->base_flags);
    placement->flags = merged;
    placement->base_flags = base;
    return TRUE;
}

void sync_decide_vanished(CachePlacement *placement)
{
    placement->alive = FALSE;
    placement->base = CACHE_BASE_NONE;
    placement->base_uid = 0;
}

gboolean sync_decide_moved(CachePlacement *vanished, CachePlacement *arrival, SyncMask mask,
                           const SyncKeywords *keywords, GError **error)
{
    CacheFlags merged;

    if (!sync_merge(vanished->flags, vanished->base_flags, arrival->base_flags, mask, keywords,
                    &merged, error))
        return FALSE;
    arrival->message = vanished->message;
    arrival->flags = merged;
    arrival->alive = arrival->alive && vanished->alive;
    sync_decide_vanished(vanished);
    return TRUE;
}

/* ---- recognising messages -------------------------------------------------------------------- */

typedef char *(*KeyFunc)(const SyncKey *key);

static char *key_remote_id(const SyncKey *key)
{
    return key->remote_id ? g_strdup(key->remote_id) : NULL;
}

static char *key_exact(const SyncKey *key)
{
    return key->message_id ? g_strdup_printf("%" G_GINT64_FORMAT " %" G_GUINT64_FORMAT " %s",
                                             key->date, key->size, key->message_id)
                           : NULL;
}

static char *key_dated(const SyncKey *key)
{
    return key->message_id ? g_strdup_printf("%" G_GINT64_FORMAT " %s", key->date, key->message_id)
                           : NULL;
}

static char *key_bare(const SyncKey *key)
{
    return key->size == 0
               ? NULL
               : g_strdup_printf("%" G_GINT64_FORMAT " %" G_GUINT64_FORMAT, key->date, key->size);
}

static gint compare_uid(gconstpointer a, gconstpointer b)
{
    guint32 x = ((const SyncCandidate *)a)->uid, y = ((const SyncCandidate *)b)->uid;

    return x < y ? -1 : x > y;
}

/* Two different Message-IDs, or object ids, are two different messages. */
static gboolean contradict(const SyncKey *a, const SyncKey *b)
{
    if (a->remote_id && b->remote_id)
        return !g_str_equal(a->remote_id, b->remote_id);
    return a->known && b->known && g_strcmp0(a->message_id, b->message_id) != 0;
}

static void free_queue(gpointer queue)
{
    g_queue_free(queue);
}

static SyncCandidate *take_first_agreeing(GQueue *queue, const SyncKey *key)
{
    for (GList *link = queue ? queue->head : NULL; link; link = link->next) {
        SyncCandidate *candidate = link->data;
        if (contradict(&candidate->key, key))
            continue;
        g_queue_delete_link(queue, link);
        return candidate;
    }
    return NULL;
}

static void count_key(GHashTable *counts, const char *key)
{
    guint count = GPOINTER_TO_UINT(g_hash_table_lookup(counts, key));

    g_hash_table_insert(counts, g_strdup(key), GUINT_TO_POINTER(count + 1));
}

/* The candidates without a match by their keys, each list in the order of UIDs. */
static GHashTable *index_by(GArray *candidates, KeyFunc key_of)
{
    GHashTable *index = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_queue);

    for (guint i = 0; i < candidates->len; i++) {
        SyncCandidate *candidate = &g_array_index(candidates, SyncCandidate, i);
        char *key = candidate->match < 0 ? key_of(&candidate->key) : NULL;
        if (!key)
            continue;
        GQueue *queue = g_hash_table_lookup(index, key);
        if (!queue) {
            queue = g_queue_new();
            g_hash_table_insert(index, key, queue);
        } else {
            g_free(key);
        }
        g_queue_push_tail(queue, candidate);
    }
    return index;
}

/* One pass over what was; the dead of a key of which there are too few now only with `scarce`. */
static void match_pass(GArray *was, GHashTable *index, GHashTable *counts, KeyFunc key_of,
                       gboolean scarce)
{
    for (guint i = 0; i < was->len; i++) {
        SyncCandidate *candidate = &g_array_index(was, SyncCandidate, i);
        g_autofree char *key = candidate->match < 0 ? key_of(&candidate->key) : NULL;
        GQueue *queue = key ? g_hash_table_lookup(index, key) : NULL;
        if (!queue ||
            (candidate->dead && !scarce &&
             g_queue_get_length(queue) < GPOINTER_TO_UINT(g_hash_table_lookup(counts, key))))
            continue;
        SyncCandidate *found = take_first_agreeing(queue, &candidate->key);
        /* One fewer on both sides. */
        g_hash_table_insert(
            counts, g_strdup(key),
            GUINT_TO_POINTER(GPOINTER_TO_UINT(g_hash_table_lookup(counts, key)) - 1));
        if (found) {
            found->match = candidate->index;
            candidate->match = found->index;
            candidate->resized = found->resized =
                found->key.size && candidate->key.size && found->key.size != candidate->key.size;
        }
    }
}

/* Messages of the same second and size are told apart by nothing: none of them is matched. */
static void drop_ambiguous(GHashTable *index, GHashTable *counts)
{
    GHashTableIter iter;
    gpointer key, queue;

    g_hash_table_iter_init(&iter, index);
    while (g_hash_table_iter_next(&iter, &key, &queue))
        if (g_queue_get_length(queue) > 1 || GPOINTER_TO_UINT(g_hash_table_lookup(counts, key)) > 1)
            g_hash_table_iter_remove(&iter);
}

static void match_by(GArray *was, GArray *now, KeyFunc key_of)
{
    g_autoptr(GHashTable) index = index_by(now, key_of);
    g_autoptr(GHashTable) counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < was->len; i++) {
        const SyncCandidate *candidate = &g_array_index(was, SyncCandidate, i);
        g_autofree char *key = candidate->match < 0 ? key_of(&candidate->key) : NULL;
        if (key)
            count_key(counts, key);
    }
    if (key_of == key_bare)
        drop_ambiguous(index, counts);
    match_pass(was, index, counts, key_of, FALSE);
    match_pass(was, index, counts, key_of, TRUE);
}

static void clear_match(SyncCandidate *candidate)
{
    candidate->match = -1;
    candidate->resized = FALSE;
}

void sync_match(GArray *was, GArray *now)
{
    static const KeyFunc keys[] = {key_remote_id, key_exact, key_dated, key_bare};

    g_array_sort(was, compare_uid);
    g_array_sort(now, compare_uid);
    for (guint i = 0; i < was->len; i++)
        clear_match(&g_array_index(was, SyncCandidate, i));
    for (guint i = 0; i < now->len; i++)
        clear_match(&g_array_index(now, SyncCandidate, i));
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
        match_by(was, now, keys[i]);
}
