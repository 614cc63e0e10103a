/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which arrivals are the effect of our own commands. */
#include "daemon/sync/attempts.h"

#include "daemon/sync/aside.h"

#include "cache/message.h"
#include "cache/vanished.h"

#include "daemon/sync/expire.h"
#include "daemon/sync/sets.h"
#include <openssl/evp.h>
#include <string.h>

gboolean sync_load_attempts(SyncContext *context, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_READ, error);
    g_autoptr(GPtrArray) attempts = txn ? cache_attempt_list(txn, error) : NULL;

    if (!attempts)
        return FALSE;
    g_ptr_array_unref(context->attempts);
    context->attempts = g_steal_pointer(&attempts);
    return TRUE;
}

static gboolean is_about_messages(const CacheAttempt *attempt)
{
    return attempt->kind == CACHE_ATTEMPT_APPEND || attempt->kind == CACHE_ATTEMPT_COPY ||
           attempt->kind == CACHE_ATTEMPT_MOVE;
}

guint32 sync_first_effect(SyncContext *context, const CacheFolder *folder)
{
    guint32 from = 0;

    for (guint i = 0; i < context->attempts->len; i++) {
        const CacheAttempt *attempt = context->attempts->pdata[i];
        if (attempt->target != folder->id || !is_about_messages(attempt))
            continue;
        guint32 first = attempt->uidvalidity == folder->base_uidvalidity ? attempt->uidnext : 1;
        from = from ? MIN(from, MAX(first, 1)) : MAX(first, 1);
    }
    return from;
}

/* ---- comparing bytes ------------------------------------------------------------------------- */

static void loose_update(EVP_MD_CTX *md, const char *data, gsize length)
{
    const char *end = data + length;

    while (data < end) {
        const char *cr = memchr(data, '\r', (gsize)(end - data));
        gsize run = (gsize)((cr ? cr : end) - data);
        EVP_DigestUpdate(md, data, run);
        data += run + (cr != NULL);
    }
}

static char *loose_finish(EVP_MD_CTX *md)
{
    guint8 digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;

    EVP_DigestFinal_ex(md, digest, &length);
    EVP_MD_CTX_free(md);
    return g_base64_encode(digest, length);
}

static EVP_MD_CTX *loose_start(void)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();

    EVP_DigestInit_ex(md, EVP_sha256(), NULL);
    return md;
}

char *sync_digest_here(SyncContext *context, gint64 message)
{
    const gsize piece = 1024 * 1024;
    EVP_MD_CTX *md = loose_start();

    for (guint64 offset = 0;; offset += piece) {
        g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_READ, NULL);
        g_autoptr(GBytes) bytes =
            txn ? cache_content_read(txn, message, offset, piece, NULL) : NULL;
        if (!bytes) {
            EVP_MD_CTX_free(md);
            return NULL;
        }
        gsize length;
        const char *data = g_bytes_get_data(bytes, &length);
        loose_update(md, data, length);
        if (length < piece)
            return loose_finish(md);
    }
}

static gboolean note_digest(const ImapResponse *response, gpointer data, GError **error)
{
    char **digest = data;
    ImapFetchData fetch;
    g_autoptr(GBytes) body = NULL;

    if (!response->name || !g_str_equal(response->name, "FETCH"))
        return TRUE;
    if (!imap_fetch_data_parse(response, &fetch, error))
        return FALSE;
    if (!imap_fetch_data_section(&fetch, "", &body) || !body)
        return TRUE;
    gsize length;
    const char *octets = g_bytes_get_data(body, &length);
    EVP_MD_CTX *md = loose_start();
    loose_update(md, octets, length);
    g_free(*digest);
    *digest = loose_finish(md);
    return TRUE;
}

gboolean sync_digest_there(SyncContext *context, guint32 uid, char **digest, GError **error)
{
    *digest = NULL;
    return imap_client_run_with(context->imap, note_digest, digest, NULL, error,
                                "UID FETCH %u (UID BODY.PEEK[])", uid);
}

/* ---- matching -------------------------------------------------------------------------------- */

/* What was sent and what came, while they are compared. */
typedef struct {
    SyncContext *context;
    gint64 folder;
    GArray *placements; /* CachePlacement, of items without base */
    GArray *appended;   /* gboolean, per placement: its bytes were sent, not copied upstream */
    GArray *items;      /* SyncCandidate */
    GArray *candidates; /* SyncServerMessage */
    GArray *arrivals;   /* SyncCandidate */
    GPtrArray *strings; /* what the candidates' keys borrow */
} Effects;

static void effects_clear(Effects *effects)
{
    g_clear_pointer(&effects->placements, g_array_unref);
    g_clear_pointer(&effects->appended, g_array_unref);
    g_clear_pointer(&effects->items, g_array_unref);
    g_clear_pointer(&effects->arrivals, g_array_unref);
    g_clear_pointer(&effects->strings, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Effects, effects_clear)

static const char *keep_key(Effects *effects, char *string)
{
    if (string)
        g_ptr_array_add(effects->strings, string);
    return string;
}

static void add_item(Effects *effects, CacheTxn *txn, const CacheAttempt *attempt, guint32 uid)
{
    CachePlacement placement;
    CacheVanished vanished;
    gboolean appended = attempt->kind == CACHE_ATTEMPT_APPEND;

    if (!cache_placement_get(txn, effects->folder, uid, &placement, NULL) ||
        placement.base == CACHE_BASE_PRESENT)
        return;
    /* It was found, and has vanished since: what comes now returns, and isn't to be deleted. */
    if (cache_vanished_get(txn, effects->folder, uid, &vanished) && vanished.alive)
        return;
    SyncCandidate item = {.uid = effects->items->len, .index = (gint)effects->items->len};
    item.key.message_id =
        keep_key(effects, sync_message_id(txn, placement.message, &item.key.known));
    item.key.size = placement.size;
    item.key.date = placement.date;
    if (!appended)
        item.key.remote_id = keep_key(effects, cache_message_remote_id(txn, placement.message));
    g_array_append_val(effects->items, item);
    g_array_append_val(effects->placements, placement);
    g_array_append_val(effects->appended, appended);
}

static gboolean collect_items(Effects *effects, GError **error)
{
    SyncContext *context = effects->context;
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_READ, error);

    if (!txn)
        return FALSE;
    for (guint i = 0; i < context->attempts->len; i++) {
        const CacheAttempt *attempt = context->attempts->pdata[i];
        if (attempt->target != effects->folder || !is_about_messages(attempt))
            continue;
        for (guint k = 0; k < attempt->items->len; k++)
            add_item(effects, txn, attempt, g_array_index(attempt->items, CacheAttemptItem, k).uid);
    }
    return TRUE;
}

static gboolean collect_attempt_candidates(Effects *effects, GError **error)
{
    g_autoptr(ImapSet) uids = imap_set_new();

    for (guint i = 0; i < effects->candidates->len; i++)
        imap_set_add(uids, g_array_index(effects->candidates, SyncServerMessage, i).uid);
    g_autoptr(GHashTable) ids = sync_fetch_message_ids(effects->context, uids, error);
    if (!ids)
        return FALSE;
    for (guint i = 0; i < effects->candidates->len; i++) {
        const SyncServerMessage *message =
            &g_array_index(effects->candidates, SyncServerMessage, i);
        const char *id = g_hash_table_lookup(ids, GUINT_TO_POINTER(message->uid));
        SyncCandidate arrival = {.uid = message->uid, .index = (gint)i};
        arrival.key.known = id != NULL;
        arrival.key.message_id = id && *id ? keep_key(effects, g_strdup(id)) : NULL;
        arrival.key.remote_id = message->remote_id;
        arrival.key.size = message->size;
        arrival.key.date = message->date;
        g_array_append_val(effects->arrivals, arrival);
    }
    return TRUE;
}

/* Whether item and arrival have the same bytes; *same stays FALSE where ours aren't here. */
static gboolean same_bytes(Effects *effects, const SyncCandidate *item,
                           const SyncCandidate *arrival, gboolean *same, GError **error)
{
    const CachePlacement *placement =
        &g_array_index(effects->placements, CachePlacement, item->index);
    g_autofree char *ours = sync_digest_here(effects->context, placement->message);
    g_autofree char *theirs = NULL;

    *same = FALSE;
    if (!ours)
        return TRUE;
    if (!sync_digest_there(effects->context, arrival->uid, &theirs, error))
        return FALSE;
    *same = g_strcmp0(ours, theirs) == 0;
    return TRUE;
}

static SyncCandidate *by_index(GArray *candidates, gint index)
{
    for (guint i = 0; i < candidates->len; i++)
        if (g_array_index(candidates, SyncCandidate, i).index == index)
            return &g_array_index(candidates, SyncCandidate, i);
    return NULL;
}

/* What was appended and matched without a Message-ID, or with another size, has to be the same to the
 * byte. */
static gboolean verify_matches(Effects *effects, GError **error)
{
    for (guint i = 0; i < effects->items->len; i++) {
        SyncCandidate *item = &g_array_index(effects->items, SyncCandidate, i);
        gboolean same;

        if (item->match < 0 || (item->key.message_id && !item->resized) ||
            !g_array_index(effects->appended, gboolean, item->index))
            continue;
        SyncCandidate *arrival = by_index(effects->arrivals, item->match);
        if (!same_bytes(effects, item, arrival, &same, error))
            return FALSE;
        if (!same)
            item->match = arrival->match = -1;
    }
    return TRUE;
}

static gboolean attempt_may_be_same(const SyncCandidate *item, const SyncCandidate *arrival)
{
    guint64 small = MIN(item->key.size, arrival->key.size);
    guint64 large = MAX(item->key.size, arrival->key.size);

    return arrival->match < 0 && arrival->key.known && item->key.known &&
           g_strcmp0(item->key.message_id, arrival->key.message_id) == 0 && large / 2 <= small;
}

/* Servers that don't keep the date we sent: the bytes decide. */
static gboolean match_by_bytes(Effects *effects, GError **error)
{
    for (guint i = 0; i < effects->items->len; i++) {
        SyncCandidate *item = &g_array_index(effects->items, SyncCandidate, i);
        for (guint k = 0; k < effects->arrivals->len && item->match < 0; k++) {
            SyncCandidate *arrival = &g_array_index(effects->arrivals, SyncCandidate, k);
            gboolean same;
            if (!attempt_may_be_same(item, arrival))
                continue;
            if (!same_bytes(effects, item, arrival, &same, error))
                return FALSE;
            if (same) {
                item->match = arrival->index;
                arrival->match = item->index;
            }
        }
    }
    return TRUE;
}

static gboolean write_effects(Effects *effects, GError **error)
{
    SyncContext *context = effects->context;
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_WRITE_FULL, error);
    guint matched = 0;

    if (!txn)
        return FALSE;
    for (guint i = 0; i < effects->items->len; i++) {
        const SyncCandidate *item = &g_array_index(effects->items, SyncCandidate, i);
        CachePlacement placement;
        if (item->match < 0)
            continue;
        guint32 uid = g_array_index(effects->placements, CachePlacement, item->index).uid;
        SyncServerMessage *message =
            &g_array_index(effects->candidates, SyncServerMessage, item->match);
        /* Read again: a client may have changed it meanwhile. */
        if (!cache_placement_get(txn, effects->folder, uid, &placement, error))
            return FALSE;
        placement.base = CACHE_BASE_PRESENT;
        placement.base_uid = message->uid;
        placement.base_flags = message->flags;
        if (!cache_placement_put(txn, &placement, error) ||
            (sync_is_set_like(context) && message->remote_id &&
             !cache_message_name(txn, placement.message, message->remote_id, message->thread,
                                 error)))
            return FALSE;
        message->matched = TRUE;
        matched++;
    }
    if (!cache_commit(g_steal_pointer(&txn), error))
        return FALSE;
    sync_base_count_add(context, effects->folder, (int)matched);
    return TRUE;
}

gboolean sync_match_effects(SyncContext *context, gint64 folder, GArray *candidates, GError **error)
{
    g_auto(Effects) effects = {.context = context, .folder = folder, .candidates = candidates};

    effects.placements = g_array_new(FALSE, FALSE, sizeof(CachePlacement));
    effects.appended = g_array_new(FALSE, FALSE, sizeof(gboolean));
    effects.items = g_array_new(FALSE, FALSE, sizeof(SyncCandidate));
    effects.arrivals = g_array_new(FALSE, FALSE, sizeof(SyncCandidate));
    effects.strings = g_ptr_array_new_with_free_func(g_free);
    if (!collect_items(&effects, error))
        return FALSE;
    if (effects.items->len == 0)
        return TRUE;
    if (!collect_attempt_candidates(&effects, error))
        return FALSE;
    sync_match(effects.items, effects.arrivals);
    return verify_matches(&effects, error) && match_by_bytes(&effects, error) &&
           write_effects(&effects, error);
}

/* ---- the end of attempts --------------------------------------------------------------------- */

static gboolean attempt_was_pulled(SyncContext *context, CacheTxn *txn, gint64 folder)
{
    g_autoptr(CacheFolder) row = NULL;

    if (folder == 0 || g_hash_table_contains(context->pulled, &folder))
        return TRUE;
    row = cache_folder_get(txn, folder, NULL);
    /* What can't be read can't be pulled: what was answered with OK is there, and all that will be
     * seen of it is that it isn't here any more; in doubt it is sent once more. */
    return !row || !row->base_name || sync_is_unreadable(row) ||
           (!row->base_selectable && row->base_uidvalidity == 0);
}

/* The server said OK, and yet it isn't there: someone has taken it away again. */
static gboolean drop_unknown(SyncContext *context, CacheTxn *txn, const CacheAttempt *attempt,
                             GError **error)
{
    for (guint i = 0; i < attempt->items->len; i++) {
        const CacheAttemptItem *item = &g_array_index(attempt->items, CacheAttemptItem, i);
        CachePlacement placement;
        if (cache_placement_get(txn, item->folder, item->uid, &placement, NULL) &&
            placement.base == CACHE_BASE_UNKNOWN &&
            !sync_keep_vanished(txn, &placement, attempt->uidvalidity, sync_time(context), error))
            return FALSE;
    }
    return TRUE;
}

/* Whether all that was sent has been found. */
static gboolean attempt_is_complete(CacheTxn *txn, const CacheAttempt *attempt)
{
    for (guint i = 0; i < attempt->items->len; i++) {
        const CacheAttemptItem *item = &g_array_index(attempt->items, CacheAttemptItem, i);
        CachePlacement placement;
        if (cache_placement_get(txn, item->folder, item->uid, &placement, NULL) &&
            placement.base != CACHE_BASE_PRESENT)
            return FALSE;
    }
    return TRUE;
}

/* Whether something of it would be sent again. */
static gboolean is_any_unsent_yet(CacheTxn *txn, const CacheAttempt *attempt)
{
    for (guint i = 0; i < attempt->items->len; i++) {
        const CacheAttemptItem *item = &g_array_index(attempt->items, CacheAttemptItem, i);
        CachePlacement placement;
        if (cache_placement_get(txn, item->folder, item->uid, &placement, NULL) &&
            placement.alive && placement.base == CACHE_BASE_NONE)
            return TRUE;
    }
    return FALSE;
}

static gboolean count_seen(const CachePlacement *placement, gpointer data)
{
    ++*(guint *)data;
    return TRUE;
}

/* Whether the target has given UIDs since, to messages that it doesn't show: one may be the effect. */
static gboolean has_unseen(CacheTxn *txn, const CacheAttempt *attempt)
{
    g_autoptr(CacheFolder) target = cache_folder_get(txn, attempt->target, NULL);
    guint seen = 0;

    if (!target || target->base_uidvalidity != attempt->uidvalidity || attempt->uidnext == 0 ||
        target->base_uidnext <= attempt->uidnext)
        return FALSE;
    return cache_placement_each_base(txn, target->id, attempt->uidnext, G_MAXUINT32, count_seen,
                                     &seen, NULL) &&
           seen < target->base_uidnext - attempt->uidnext;
}

/*
 * Providers may store a message some time after the connection broke: until then what isn't found isn't
 * known not to be. Nor is it for longer where a message is there that isn't shown, or that the
 * provider doesn't tell of, which is said.
 */
static gint64 attempt_seconds(SyncContext *context, CacheTxn *txn, const CacheAttempt *attempt)
{
    if (!is_any_unsent_yet(txn, attempt))
        return SYNC_ATTEMPT_SECONDS;
    if (sync_has_aside_from(context, attempt->target, attempt->uidnext))
        return SYNC_ATTEMPT_ASIDE_SECONDS;
    return has_unseen(txn, attempt) ? SYNC_ATTEMPT_UNSEEN_SECONDS : SYNC_ATTEMPT_SECONDS;
}

/* A time in the future is of a clock that was wrong. */
static gboolean may_still_come(SyncContext *context, CacheTxn *txn, const CacheAttempt *attempt)
{
    const gint64 age = sync_time(context) - attempt->started;
    gint64 wait = SYNC_ATTEMPT_SECONDS;

    if (age >= wait)
        wait = attempt_seconds(context, txn, attempt);
    if (age < 0 || age >= wait)
        return FALSE;
    sync_look_again(context, attempt->started + wait);
    return TRUE;
}

gboolean sync_close_attempts(SyncContext *context, GError **error)
{
    g_autoptr(CacheTxn) txn = NULL;

    for (guint i = 0; i < context->attempts->len; i++) {
        const CacheAttempt *attempt = context->attempts->pdata[i];
        if (!is_about_messages(attempt))
            continue;
        if (!txn)
            txn = cache_begin(context->cache, CACHE_WRITE_FULL, error);
        if (!txn)
            return FALSE;
        if (!attempt_is_complete(txn, attempt) && may_still_come(context, txn, attempt))
            continue;
        if (!attempt_was_pulled(context, txn, attempt->target) ||
            !attempt_was_pulled(context, txn, attempt->source))
            continue;
        if (!drop_unknown(context, txn, attempt, error) ||
            !cache_attempt_close(txn, attempt->id, error))
            return FALSE;
    }
    return !txn || cache_commit(g_steal_pointer(&txn), error);
}
