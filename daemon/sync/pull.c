/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pulling one folder: what changed by QRESYNC, else by CONDSTORE, else by comparing all flags; then
 * what is new. A UIDVALIDITY that changed is in reset.c.
 */
#include "daemon/sync/pull.h"

#include "cache/message.h"
#include "cache/vanished.h"

#include "daemon/sync/aside.h"
#include "daemon/sync/attempts.h"
#include "daemon/sync/doubt.h"
#include "daemon/sync/here.h"
#include "daemon/sync/join.h"
#include "daemon/sync/left-out.h"
#include "daemon/sync/notes.h"
#include "daemon/sync/recognise.h"
#include "daemon/sync/reset.h"
#include "daemon/sync/returned.h"
#include "daemon/sync/sets.h"

/* Rows written in one transaction: 15 ms or so, which others wait for, and one fsync. */
#define BATCH 1500

/* So many messages of a folder are set aside one by one; more, and it is the folder. */
#define MAX_ASIDE 20

/* When a folder that doesn't add up is looked at again. */
#define UNSURE_SECONDS 30

typedef struct {
    guint32 uid;
    CacheFlags flags;
} ServerFlags;

typedef struct {
    SyncContext *context;
    CacheFolder *folder;
    GArray *changes;      /* ServerFlags: of messages that may be in the base */
    ImapSet *vanished;    /* UIDs that the server says are gone */
    ImapSet *unknown;     /* UIDs that the server has and the base doesn't */
    guint32 top;          /* the highest UID that the server has told of */
    guint lost;           /* rows found vanished */
    GArray *candidates;   /* SyncServerMessage: new ones that may be ours, see attempts.h, */
    guint32 effects_from; /* as arrivals from this UID on are; 0: none; */
    gboolean returns;     /* or may have been here before, see returned.h */
    ImapSet *told;        /* UIDs whose flags were told in this comparison */
    ImapSet *flagless;    /* UIDs of which something was told, and no flags that can be read */
    ImapSet *silent;      /* UIDs that are there and whose flags can't be had */
    char *words;          /* of a refusal, or NULL */
    gboolean unsure;      /* what the server says doesn't add up: nothing is believed to be gone */
    gboolean compares;    /* all is to be compared, or was */
    gboolean differed;    /* and the server's flags were others than the base's */
    gboolean untold;      /* flags of what is numbered anew can't be read */
    gboolean losing;      /* most of it seems to be gone, which isn't believed yet */
    guint connection;     /* the pull began on */
    guint64 unread;       /* responses passed over before it began */
} Pull;

static void pull_clear(Pull *pull)
{
    g_clear_pointer(&pull->folder, cache_folder_free);
    g_clear_pointer(&pull->changes, g_array_unref);
    g_clear_pointer(&pull->candidates, g_array_unref);
    g_clear_pointer(&pull->vanished, imap_set_free);
    g_clear_pointer(&pull->unknown, imap_set_free);
    g_clear_pointer(&pull->told, imap_set_free);
    g_clear_pointer(&pull->flagless, imap_set_free);
    g_clear_pointer(&pull->silent, imap_set_free);
    g_clear_pointer(&pull->words, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pull, pull_clear)

/* ---- what the server says -------------------------------------------------------------------- */

static gboolean note_change(const ImapResponse *response, gpointer data, GError **error)
{
    Pull *pull = data;
    ImapFetchData fetch;

    if (!response->name)
        return TRUE;
    if (g_str_equal(response->name, "VANISHED")) {
        gboolean earlier;
        g_autoptr(ImapSet) gone = imap_vanished_parse(response, &earlier, error);
        if (gone)
            imap_set_add_set(pull->vanished, gone);
        return gone != NULL;
    }
    if (!g_str_equal(response->name, "FETCH"))
        return TRUE;
    if (!imap_fetch_data_parse(response, &fetch, error))
        return FALSE;
    if (!(fetch.got & IMAP_GOT_UID) || fetch.uid == 0)
        return TRUE;
    pull->top = MAX(pull->top, fetch.uid);
    if (!(fetch.got & IMAP_GOT_FLAGS)) {
        imap_set_add(pull->flagless, fetch.uid);
        return TRUE;
    }
    imap_set_add(pull->told, fetch.uid);
    ServerFlags change = {.uid = fetch.uid};
    if (!sync_flags_of(pull->context, &fetch, &change.flags, error))
        return FALSE;
    g_array_append_val(pull->changes, change);
    return TRUE;
}

/* A refusal doesn't take away what came before it: pull->words say why. */
static gboolean run_noting_flags(Pull *pull, const char *command, GError **error)
{
    g_auto(ImapReply) reply = {0};

    if (!imap_client_run_with(pull->context->imap, note_change, pull, &reply, error, "%s", command))
        return FALSE;
    if (reply.cond != IMAP_COND_OK) {
        g_free(pull->words);
        pull->words = g_strdup(reply.text);
    }
    return TRUE;
}

/* ---- flags ----------------------------------------------------------------------------------- */

/* In set-like stores they are the message's, wherever it is. */
static gboolean share_flags(SyncContext *context, CacheTxn *txn, const CachePlacement *placement,
                            CacheFlags server, GError **error)
{
    g_autoptr(GArray) rows = g_array_new(FALSE, FALSE, sizeof(CachePlacement));
    const SyncTold told = {.server = server};
    gboolean seen;

    if (!sync_is_set_like(context))
        return TRUE;
    if (!sync_share_flags(txn, placement, &told, rows, &seen, error))
        return FALSE;
    for (guint i = 0; i < rows->len; i++)
        if (!cache_placement_put(txn, &g_array_index(rows, CachePlacement, i), error))
            return FALSE;
    return TRUE;
}

/* What the server shows of a message that the base has. */
static gboolean follow_shown(SyncContext *context, CacheTxn *txn, const CacheFolder *folder,
                             CachePlacement *row, CacheFlags server, GError **error)
{
    const CacheFlags base = row->base_flags;
    gboolean changed;

    if (!sync_settle_doubt(context, txn, row, server, error))
        return FALSE;
    const gboolean settled = !cache_flags_equal(base, row->base_flags);
    return sync_follow_flags(txn, row, server, sync_mask(folder), &changed, error) &&
           ((!changed && !settled) || cache_placement_put(txn, row, error));
}

static gboolean apply_flags(Pull *pull, CacheTxn *txn, const ServerFlags *change, GError **error)
{
    CachePlacement placement;

    if (!cache_placement_by_base(txn, pull->folder->id, change->uid, &placement, NULL)) {
        imap_set_add(pull->unknown, change->uid);
        return TRUE;
    }
    return follow_shown(pull->context, txn, pull->folder, &placement, change->flags, error) &&
           share_flags(pull->context, txn, &placement, change->flags, error);
}

static gboolean apply_changes(Pull *pull, GError **error)
{
    for (guint i = 0; i < pull->changes->len;) {
        g_autoptr(CacheTxn) txn = cache_begin(pull->context->cache, CACHE_WRITE_FULL, error);
        guint end = MIN(i + BATCH, pull->changes->len);

        if (!txn)
            return FALSE;
        for (; i < end; i++)
            if (!apply_flags(pull, txn, &g_array_index(pull->changes, ServerFlags, i), error))
                return FALSE;
        if (!cache_commit(g_steal_pointer(&txn), error))
            return FALSE;
    }
    return TRUE;
}

/* ---- the full comparison --------------------------------------------------------------------- */

static gint compare_uids(gconstpointer a, gconstpointer b)
{
    guint32 x = ((const ServerFlags *)a)->uid, y = ((const ServerFlags *)b)->uid;

    return x < y ? -1 : x > y;
}

typedef struct {
    Pull *pull;
    GArray *all;     /* what the server has, by UID */
    GArray *changed; /* of it, what differs from the base */
    guint next;
} Comparison;

static void add_unknown_below(Comparison *comparison, guint32 uid)
{
    GArray *all = comparison->all;

    while (comparison->next < all->len &&
           g_array_index(all, ServerFlags, comparison->next).uid < uid)
        imap_set_add(comparison->pull->unknown,
                     g_array_index(all, ServerFlags, comparison->next++).uid);
}

static gboolean differs(CacheFlags base, CacheFlags server, SyncMask mask)
{
    return ((base.system ^ server.system) & mask.system) ||
           (mask.keywords && base.keywords != server.keywords);
}

static gboolean compare_row(const CachePlacement *placement, gpointer data)
{
    Comparison *comparison = data;
    GArray *all = comparison->all;

    add_unknown_below(comparison, placement->base_uid);
    if (comparison->next >= all->len ||
        g_array_index(all, ServerFlags, comparison->next).uid != placement->base_uid) {
        if (!comparison->pull->unsure &&
            !imap_set_contains(comparison->pull->told, placement->base_uid) &&
            !imap_set_contains(comparison->pull->silent, placement->base_uid))
            imap_set_add(comparison->pull->vanished, placement->base_uid);
        return TRUE;
    }
    ServerFlags server = g_array_index(all, ServerFlags, comparison->next++);
    /* The server may say the same UID twice. */
    while (comparison->next < all->len &&
           g_array_index(all, ServerFlags, comparison->next).uid == server.uid)
        server = g_array_index(all, ServerFlags, comparison->next++);
    if (differs(placement->base_flags, server.flags, sync_mask(comparison->pull->folder)))
        g_array_append_val(comparison->changed, server);
    return TRUE;
}

static gboolean compare_all(Pull *pull, GError **error)
{
    g_autoptr(GArray) changed = g_array_new(FALSE, FALSE, sizeof(ServerFlags));
    Comparison comparison = {pull, pull->changes, changed, 0};

    g_array_sort(pull->changes, compare_uids);
    g_autoptr(CacheTxn) txn = cache_begin(pull->context->cache, CACHE_READ, error);
    if (!txn || !cache_placement_each_base(txn, pull->folder->id, 1, G_MAXUINT32, compare_row,
                                           &comparison, error))
        return FALSE;
    add_unknown_below(&comparison, G_MAXUINT32);
    g_array_set_size(pull->changes, 0);
    g_array_append_vals(pull->changes, changed->data, changed->len);
    pull->differed = changed->len > 0;
    return TRUE;
}

/* All UIDs of the folder. A server that doesn't search leaves everything unsure. */
static gboolean search_all(Pull *pull, ImapSet **all, GError **error)
{
    g_autoptr(GError) reason = NULL;

    *all = imap_client_search(pull->context->imap, "ALL", NULL, &reason);
    if (*all)
        return TRUE;
    if (!g_error_matches(reason, IMAP_CLIENT_ERROR, IMAP_CLIENT_ERROR_REFUSED)) {
        g_propagate_error(error, g_steal_pointer(&reason));
        return FALSE;
    }
    pull->unsure = TRUE;
    if (!pull->words)
        pull->words = g_strdup(reason->message);
    *all = imap_set_new();
    return TRUE;
}

/* Fewer answers than messages: those that are missing are asked for by themselves. What the server
 * counts and doesn't name isn't known to be gone. */
static gboolean complete_told(Pull *pull, GError **error)
{
    g_autoptr(ImapSet) all = NULL;

    if (imap_set_count(pull->told) >= imap_client_exists(pull->context->imap))
        return TRUE;
    if (!search_all(pull, &all, error))
        return FALSE;
    g_auto(SyncAsk) ask = {.context = pull->context,
                           .items = "UID FLAGS",
                           .handler = note_change,
                           .data = pull,
                           .told = imap_set_copy(pull->told)};
    g_autoptr(ImapSet) rest = imap_set_subtract(all, pull->told);
    if (!imap_set_is_empty(rest) && !sync_ask(&ask, rest, error))
        return FALSE;
    g_autoptr(ImapSet) flagless = imap_set_subtract(rest, pull->told);
    imap_set_add_set(pull->silent, flagless); /* unanswered, or answered without flags */
    if (ask.words && !pull->words)
        pull->words = g_steal_pointer(&ask.words);
    imap_set_add_set(all, pull->told);
    pull->unsure |= imap_set_count(all) < imap_client_exists(pull->context->imap);
    return TRUE;
}

/*
 * What servers call changed may lack something: a replica that was behind, a modseq that wasn't given. So
 * a folder that has changed is compared as a whole once more, some time after: rarely where that is
 * much. One that doesn't seem to change is compared at times as well, not all in the same hour.
 */
static gint64 compare_seconds(const CacheFolder *folder, gboolean changed)
{
    const gint64 hour = 60 * 60, day = 24 * hour, spread = folder->id % 24 * hour;

    if (folder->exists <= 2000)
        return changed ? hour : day + spread;
    if (folder->exists <= 50000)
        return changed ? day : 7 * day + spread;
    return changed ? 7 * day : 28 * day + spread;
}

/* The note "compared": when (Unix seconds), and whether the folder has changed since. */
#define CHANGED_SINCE 1

static char *compared_key(gint64 folder)
{
    return sync_note_key("compared", folder, 0);
}

/* The note "still": at which HIGHESTMODSEQ the folder was seen to change without another one. */
static char *still_key(gint64 folder)
{
    return sync_note_key("still", folder, 0);
}

gboolean sync_is_to_compare(const SyncContext *context, const CacheFolder *folder)
{
    g_autofree char *key = compared_key(folder->id), *still = still_key(folder->id);
    const gint64 note = sync_note(context, key);

    return sync_note(context, still) ||
           (note && sync_time(context) >=
                        (note >> 1) + compare_seconds(folder, (note & CHANGED_SINCE) != 0));
}

/*
 * Whether the server has shown that its HIGHESTMODSEQ says nothing: it is the same as before, and there
 * are new messages (RFC 7162, 3.1.1), or flags are others though nothing has changed by it since all
 * were compared.
 */
static gboolean has_stood_still(const Pull *pull)
{
    const ImapSelected *state = &pull->context->state;
    const CacheFolder *folder = pull->folder;
    g_autofree char *key = compared_key(folder->id);
    const gint64 note = sync_note(pull->context, key);

    if (!folder->synced || !state->highestmodseq ||
        state->highestmodseq != folder->base_highestmodseq)
        return FALSE;
    return (pull->top >= folder->base_uidnext && pull->top < state->uidnext) ||
           (pull->differed && note && !(note & CHANGED_SINCE));
}

/* While it stands still all is compared each time, and once more when it moves. */
static gboolean note_still(Pull *pull, GError **error)
{
    const gint64 modseq = (gint64)pull->context->state.highestmodseq;
    g_autofree char *key = still_key(pull->folder->id);
    const gint64 note = sync_note(pull->context, key);

    if (note)
        return !pull->compares || note == modseq ||
               sync_set_note(pull->context, NULL, key, 0, error);
    return !has_stood_still(pull) || sync_set_note(pull->context, NULL, key, modseq, error);
}

/* All UIDs and flags are fetched and compared with the base. */
static gboolean pull_by_comparison(Pull *pull, GError **error)
{
    guint known;

    pull->compares = TRUE;
    if (!sync_base_count(pull->context, pull->folder->id, &known, error))
        return FALSE;
    if (known == 0) {
        imap_set_add_range(pull->unknown, 1, G_MAXUINT32);
        return TRUE;
    }
    g_array_set_size(pull->changes, 0);
    imap_set_free(pull->told);
    pull->told = imap_set_new();
    if (imap_client_exists(pull->context->imap) > 0 &&
        (!run_noting_flags(pull, "UID FETCH 1:* (UID FLAGS)", error) ||
         !complete_told(pull, error)))
        return FALSE;
    return compare_all(pull, error);
}

/* ---- what is gone ---------------------------------------------------------------------------- */

static gboolean note_vanished(const CachePlacement *placement, gpointer data)
{
    Pull *pull = data;
    SyncVanished vanished = {placement->folder, placement->uid, placement->base_uid};

    g_array_append_val(pull->context->vanished, vanished);
    pull->lost++;
    return TRUE;
}

/* What the server calls vanished, as far as the base has it, waits for the round's end. */
static gboolean collect_vanished(Pull *pull, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(pull->context->cache, CACHE_READ, error);
    guint n_ranges, before;

    if (!txn)
        return FALSE;
    const ImapRange *ranges = imap_set_ranges(pull->vanished, &n_ranges);
    for (guint i = 0; i < n_ranges; i++)
        if (!cache_placement_each_base(txn, pull->folder->id, ranges[i].first, ranges[i].last,
                                       note_vanished, pull, error))
            return FALSE;
    g_clear_pointer(&txn, cache_end);
    if (!sync_base_count(pull->context, pull->folder->id, &before, error))
        return FALSE;
    const SyncLoss loss = {pull->folder->id, pull->folder->base_name, pull->lost, before};
    gboolean believed;
    if (!sync_believes(pull->context, &loss, &believed, error))
        return FALSE;
    if (!believed) {
        g_array_set_size(pull->context->vanished, pull->context->vanished->len - pull->lost);
        pull->lost = 0;
        pull->losing = TRUE;
    }
    return TRUE;
}

/* ---- what is new ----------------------------------------------------------------------------- */

static guint64 size_here(CacheTxn *txn, gint64 message)
{
    return cache_content_state(txn, message) == CACHE_CONTENT_FULL
               ? cache_content_size(txn, message, NULL)
               : 0;
}

/* Whether the message that the arrival's remote id names is it. Of a new epoch the id says nothing
 * by itself. */
static gboolean is_same_message(const SyncContext *context, CacheTxn *txn, gint64 known,
                                const SyncServerMessage *message)
{
    gboolean seen;

    if (!sync_may_have_size(context, txn, known, size_here(txn, known), message->size))
        return FALSE;
    if (!message->unconfirmed)
        return TRUE;
    g_autofree char *id = sync_message_id(txn, known, &seen);
    return id && message->message_id && g_str_equal(id, message->message_id);
}

/* The message of an arrival: known by its remote id, or new. FALSE: failed. */
static gboolean find_message(SyncContext *context, CacheTxn *txn, const CacheFolder *folder,
                             const SyncServerMessage *message, CachePlacement *placement,
                             GError **error)
{
    gboolean set_like = sync_is_set_like(context) && message->remote_id;

    if (message->remote_id)
        placement->message = cache_message_by_remote_id(txn, message->remote_id, NULL);
    gboolean named = placement->message != 0;
    gboolean known =
        named && (set_like || is_same_message(context, txn, placement->message, message));
    if (!known)
        placement->message = cache_message_new(txn, named ? NULL : message->remote_id, error);
    if (placement->message == 0)
        return FALSE;
    if (set_like && message->thread &&
        (!known || cache_message_thread(txn, placement->message) != message->thread) &&
        !cache_message_set_thread(txn, placement->message, message->thread, error))
        return FALSE;
    return !set_like || !known || sync_arrive_in_set(txn, folder, placement, error);
}

/* Other bytes under the name of a message that was here: what the user changed of its flags stays
 * changed. */
static gboolean follow_old_flags(CacheTxn *txn, const CacheFolder *folder,
                                 const SyncServerMessage *message, CachePlacement *placement,
                                 GError **error)
{
    SyncKeywords keywords = sync_keywords(txn);

    return !message->follows || sync_merge(message->was_view, message->was_base, message->flags,
                                           sync_mask(folder), &keywords, &placement->flags, error);
}

/* What it becomes: `row`, which had vanished, under the same UID if no client knows that it was gone,
 * else under a new one. */
static CachePlacement pull_revive(const CachePlacement *row, const CacheVanished *vanished,
                                  const SyncServerMessage *message)
{
    CachePlacement back = *row;

    back.alive = vanished->alive;
    back.base = CACHE_BASE_PRESENT;
    back.base_uid = message->uid;
    if (vanished->told && vanished->alive)
        back.uid = 0;
    return back;
}

/* Gives what had vanished its place again; *returned: FALSE where that isn't kept any more. */
static gboolean put_returned(SyncContext *context, CacheTxn *txn, const CacheFolder *folder,
                             const SyncServerMessage *message, CachePlacement *placement,
                             gboolean *returned, GError **error)
{
    CacheVanished vanished;
    CachePlacement row;
    gboolean changed;

    if (!cache_vanished_get(txn, folder->id, message->returns, &vanished) ||
        !cache_placement_get(txn, folder->id, message->returns, &row, NULL))
        return TRUE;
    *returned = TRUE;
    g_hash_table_add(context->returned, g_memdup2(&row.message, sizeof row.message));
    CachePlacement back = pull_revive(&row, &vanished, message);
    if (!message->flagless &&
        !sync_follow_flags(txn, &back, message->flags, sync_mask(folder), &changed, error))
        return FALSE;
    if (sync_is_set_like(context)) {
        placement->message = row.message;
        if (!sync_arrive_in_set(txn, folder, placement, error))
            return FALSE;
        if (placement->uid) /* the view has it already */
            return cache_placement_put(txn, placement, error) &&
                   cache_placement_remove(txn, row.folder, row.uid, error);
        back.flags = placement->flags;
    }
    *placement = back;
    return cache_placement_put(txn, placement, error) &&
           (placement->uid == row.uid || cache_placement_remove(txn, row.folder, row.uid, error));
}

static gboolean add_arrival(SyncContext *context, CacheTxn *txn, const CacheFolder *folder,
                            const SyncServerMessage *message, GError **error)
{
    CachePlacement placement;

    if (cache_placement_by_base(txn, folder->id, message->uid, &placement, NULL))
        return message->flagless ||
               follow_shown(context, txn, folder, &placement, message->flags, error);
    placement = (CachePlacement){.folder = folder->id,
                                 .alive = TRUE,
                                 .flags = message->flags,
                                 .date = message->date,
                                 .zone = message->zone,
                                 .size = message->size,
                                 .saved = sync_time(context),
                                 .base = CACHE_BASE_PRESENT,
                                 .base_uid = message->uid,
                                 .base_flags = message->flags};
    gboolean returned = FALSE;
    if (message->returns &&
        !put_returned(context, txn, folder, message, &placement, &returned, error))
        return FALSE;
    if (!returned && (!follow_old_flags(txn, folder, message, &placement, error) ||
                      !find_message(context, txn, folder, message, &placement, error) ||
                      !cache_placement_put(txn, &placement, error)))
        return FALSE;
    if (!share_flags(context, txn, &placement, message->flags, error))
        return FALSE;
    sync_base_count_add(context, folder->id, 1);
    context->arrived = TRUE;
    if (context->track_arrivals && !returned) {
        SyncArrival arrival = {.folder = folder->id,
                               .uid = placement.uid,
                               .base_uid = message->uid,
                               .size = message->size,
                               .date = message->date};
        g_array_append_val(context->arrivals, arrival);
    }
    return TRUE;
}

static gint compare_messages(gconstpointer a, gconstpointer b)
{
    guint32 x = ((const SyncServerMessage *)a)->uid, y = ((const SyncServerMessage *)b)->uid;

    return x < y ? -1 : x > y;
}

gboolean sync_add_arrivals(SyncContext *context, gint64 folder, GArray *messages, GError **error)
{
    guint known;

    if (!sync_base_count(context, folder, &known, error))
        return FALSE;
    g_array_sort(messages, compare_messages);
    for (guint i = 0; i < messages->len;) {
        g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_WRITE_FULL, error);
        g_autoptr(CacheFolder) row = txn ? cache_folder_get(txn, folder, error) : NULL;
        guint end = MIN(i + BATCH, messages->len);

        if (!row)
            return FALSE;
        for (; i < end; i++) {
            const SyncServerMessage *message = &g_array_index(messages, SyncServerMessage, i);
            if (!message->matched && !add_arrival(context, txn, row, message, error))
                return FALSE;
        }
        if (!cache_commit(g_steal_pointer(&txn), error))
            return FALSE;
    }
    return TRUE;
}

static gboolean is_candidate(const Pull *pull, CacheTxn *txn, const SyncServerMessage *message)
{
    CachePlacement known;

    return ((pull->effects_from && message->uid >= pull->effects_from) ||
            (pull->returns && sync_may_have_returned(txn, pull->folder->id, message->date))) &&
           !cache_placement_by_base(txn, pull->folder->id, message->uid, &known, NULL);
}

/* Moves what may be the effect of an attempt of ours, or have been here before, and isn't known yet,
 * from `messages` to `candidates`. */
static gboolean set_apart(Pull *pull, GArray *messages, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(pull->context->cache, CACHE_READ, error);

    if (!txn)
        return FALSE;
    for (guint i = 0; i < messages->len;) {
        SyncServerMessage *message = &g_array_index(messages, SyncServerMessage, i);
        if (!is_candidate(pull, txn, message)) {
            i++;
            continue;
        }
        g_array_append_val(pull->candidates, *message);
        message->remote_id = message->message_id = NULL;
        g_array_remove_index_fast(messages, i);
    }
    return TRUE;
}

static gboolean note_arrivals(GArray *messages, gpointer data, GError **error)
{
    Pull *pull = data;

    for (guint i = 0; i < messages->len; i++)
        pull->top = MAX(pull->top, g_array_index(messages, SyncServerMessage, i).uid);
    if ((pull->effects_from || pull->returns) && !set_apart(pull, messages, error))
        return FALSE;
    return sync_add_arrivals(pull->context, pull->folder->id, messages, error);
}

static gboolean fetch_new(Pull *pull, const char *set, GError **error)
{
    return sync_fetch_attributes(pull->context, set, note_arrivals, pull, &pull->words, error);
}

static gboolean fetch_unknown(Pull *pull, GError **error)
{
    guint range = 0;

    for (;;) {
        g_autoptr(GString) set = g_string_new(NULL);
        if (!imap_set_format_some(pull->unknown, &range, IMAP_CLIENT_SET, set))
            return TRUE;
        if (!fetch_new(pull, set->str, error))
            return FALSE;
    }
}

static gboolean pull_arrivals(Pull *pull, GError **error)
{
    SyncContext *context = pull->context;
    guint32 from = MAX(pull->folder->base_uidnext, 1);

    if (imap_client_exists(context->imap) == 0)
        return TRUE;
    /* Everything: "1:*" rather than the whole range of numbers. */
    if (imap_set_contains(pull->unknown, 1) && imap_set_contains(pull->unknown, G_MAXUINT32))
        return fetch_new(pull, "1:*", error);
    if (context->state.uidnext == 0 || context->state.uidnext > from) {
        g_autofree char *set = g_strdup_printf("%u:*", from);
        g_autoptr(ImapSet) covered = imap_set_new_range(from, G_MAXUINT32);
        ImapSet *rest = imap_set_subtract(pull->unknown, covered);
        imap_set_free(pull->unknown);
        pull->unknown = rest;
        if (!fetch_new(pull, set, error))
            return FALSE;
    }
    return fetch_unknown(pull, error);
}

/* ---- one folder ------------------------------------------------------------------------------ */

/* The rights as they were told, or as SELECT shows them. */
static guint32 rights_now(Pull *pull)
{
    SyncContext *context = pull->context;

    return (pull->folder->rights & CACHE_RIGHTS_TOLD) && sync_has(context, IMAP_CAP_ACL)
               ? pull->folder->rights
               : sync_shown_rights(context);
}

static gboolean write_state(Pull *pull, GError **error)
{
    SyncContext *context = pull->context;
    const SyncMask mask = sync_mask_shown(context, pull->folder);
    g_autoptr(CacheTxn) txn = NULL;
    g_autoptr(CacheFolder) row = NULL;

    gboolean same_flags =
        pull->folder->flag_mask == mask.system && pull->folder->keyword_mask == mask.keywords;
    if (!same_flags && pull->folder->synced)
        sync_forget_rights(context);
    if (same_flags && pull->folder->base_uidvalidity == context->state.uidvalidity &&
        pull->folder->rights == rights_now(pull))
        return TRUE;
    txn = cache_begin(context->cache, CACHE_WRITE_FULL, error);
    row = txn ? cache_folder_get(txn, pull->folder->id, error) : NULL;
    if (!row)
        return FALSE;
    row->base_uidvalidity = context->state.uidvalidity;
    row->flag_mask = mask.system;
    row->keyword_mask = mask.keywords;
    row->rights = rights_now(pull);
    if (!cache_folder_update(txn, row, error) || !cache_commit(g_steal_pointer(&txn), error))
        return FALSE;
    pull->folder->base_uidvalidity = row->base_uidvalidity;
    pull->folder->flag_mask = row->flag_mask;
    pull->folder->keyword_mask = row->keyword_mask;
    return TRUE;
}

gboolean sync_write_complete(SyncContext *context, const SyncComplete *complete, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_WRITE, error);
    g_autoptr(CacheFolder) row = txn ? cache_folder_get(txn, complete->folder, NULL) : NULL;

    if (!txn)
        return FALSE;
    if (!row || row->base_uidvalidity != complete->uidvalidity)
        return TRUE;
    /* What isn't kept may have been a disorder: whether it still is there only all of it tells. */
    const gint64 rest = sync_has_left_out(context, row->id) ? CHANGED_SINCE : 0;
    const gboolean changed = rest || row->base_highestmodseq != complete->highestmodseq;
    row->base_uidnext = complete->uidnext;
    row->base_highestmodseq = complete->highestmodseq;
    row->synced = sync_time(context);
    g_autofree char *key = compared_key(row->id);
    const gint64 note = complete->compared ? 0 : sync_note(context, key);
    if ((!note || changed) &&
        !sync_set_note(context, txn, key, note ? note | CHANGED_SINCE : row->synced << 1 | rest,
                       error))
        return FALSE;
    return sync_end_losses(context, txn, row->id, error) &&
           sync_end_deletions(context, txn, row->id, error) &&
           cache_folder_update(txn, row, error) && cache_commit(g_steal_pointer(&txn), error);
}

/* The server counts messages and doesn't tell of them, or the other way round. That may be a moment's
 * disorder; the second time it is said. */
static gboolean note_unsure(Pull *pull, GError **error)
{
    SyncContext *context = pull->context;
    gint64 folder = pull->folder->id;
    gboolean again = sync_is_unsure(context, folder);

    if (!sync_note_unsure(context, folder, error))
        return FALSE;
    if (!again && !pull->words) {
        sync_look_again(context, sync_time(context) + UNSURE_SECONDS);
        return TRUE;
    }
    g_autofree char *words = g_strdup_printf(
        "The provider says that %s has %u messages, and doesn't tell of all of them%s%s",
        pull->folder->base_name, imap_client_exists(context->imap), pull->words ? ": " : ".",
        pull->words ? pull->words : "");
    return sync_set_aside(context, folder, 0, words, error);
}

/* The folder's marks advance with its last transaction; where something vanished, that is at the
 * end of the round, so that a crash before it finds the same again. */
static gboolean complete_pull(Pull *pull, GError **error)
{
    SyncContext *context = pull->context;
    SyncComplete complete = {.folder = pull->folder->id,
                             .uidvalidity = context->state.uidvalidity,
                             .uidnext = context->state.uidnext,
                             .highestmodseq = context->state.highestmodseq,
                             .compared = pull->compares};

    if (pull->unsure)
        return note_unsure(pull, error);
    if (pull->losing)
        return TRUE;
    g_hash_table_add(context->pulled, g_memdup2(&pull->folder->id, sizeof(gint64)));
    if (!note_still(pull, error) || !sync_clear_aside(context, complete.folder, 0, error) ||
        !sync_end_left_out(context, complete.folder, pull->compares, error))
        return FALSE;
    /* What the first SELECT said is what was pulled up to; not what a later one says. Nor is all
     * pulled where a response couldn't be read. */
    if (context->connection != pull->connection || !imap_set_is_empty(pull->silent) ||
        pull->untold || imap_client_unread(context->imap) != pull->unread) {
        complete.uidnext = pull->folder->base_uidnext;
        complete.highestmodseq = 0;
    }
    /* Not all servers say what comes next. */
    if (complete.uidnext == 0)
        complete.uidnext = MAX(pull->folder->base_uidnext, pull->top + 1);
    if (pull->lost == 0)
        return sync_write_complete(context, &complete, error);
    g_array_append_val(context->complete, complete);
    return TRUE;
}

/* After what changed is known: does the number of messages add up? CONDSTORE alone doesn't tell of
 * expunges, and some servers leave messages out. */
static gboolean check_count(Pull *pull, gboolean *adds_up, GError **error)
{
    SyncContext *context = pull->context;
    guint count, aside;

    if (!sync_base_count(context, pull->folder->id, &count, error))
        return FALSE;
    if (!sync_count_aside(context, pull->folder->id, &aside, error))
        return FALSE;
    *adds_up = (guint64)count + pull->candidates->len + aside ==
               (guint64)imap_client_exists(context->imap) + pull->lost;
    return TRUE;
}

static gboolean note_pull_known(const CachePlacement *placement, gpointer data)
{
    imap_set_add(data, placement->base_uid);
    return TRUE;
}

/* UIDs that the base has, or is about to have. */
static ImapSet *known_uids(Pull *pull, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(pull->context->cache, CACHE_READ, error);
    g_autoptr(ImapSet) known = imap_set_new();

    if (!txn || !cache_placement_each_base(txn, pull->folder->id, 1, G_MAXUINT32, note_pull_known,
                                           known, error))
        return NULL;
    for (guint i = 0; i < pull->candidates->len; i++)
        imap_set_add(known, g_array_index(pull->candidates, SyncServerMessage, i).uid);
    return g_steal_pointer(&known);
}

static gboolean set_message_aside(Pull *pull, guint32 uid, const char *why, GError **error)
{
    g_autofree char *words =
        g_strdup_printf("The provider doesn't tell of the message with UID %u of %s%s%s", uid,
                        pull->folder->base_name, why ? ": " : ".", why ? why : "");

    return sync_set_aside(pull->context, pull->folder->id, uid, words, error);
}

/* Messages that are there and that nothing was told of: asked for by themselves; those of which even
 * then nothing is told are set aside. */
static gboolean fetch_missing(Pull *pull, const ImapSet *missing, GError **error)
{
    g_autoptr(ImapSet) untold = NULL;
    g_autofree char *why = NULL;
    ImapSetIter iter;
    guint32 uid;

    if (!sync_ask_attributes(pull->context, missing, note_arrivals, pull, &untold, &why, error))
        return FALSE;
    /* Not some of its messages: the folder can't be read. */
    guint count = imap_set_count(untold);
    if (count > MAX_ASIDE || (count > 1 && count == imap_client_exists(pull->context->imap))) {
        pull->unsure = TRUE;
        if (!pull->words)
            pull->words = g_steal_pointer(&why);
        return TRUE;
    }
    imap_set_iter_init(&iter, missing);
    while (imap_set_iter_next(&iter, &uid))
        if (!(imap_set_contains(untold, uid)
                  ? set_message_aside(pull, uid, why ? why : pull->words, error)
                  : sync_clear_aside(pull->context, pull->folder->id, uid, error)))
            return FALSE;
    return TRUE;
}

/* Messages that are there and whose flags can't be had; many, and it is the folder. */
static gboolean set_silent_aside(Pull *pull, GError **error)
{
    ImapSetIter iter;
    guint32 uid;

    if (imap_set_count(pull->silent) > MAX_ASIDE) {
        pull->unsure = TRUE;
        return TRUE;
    }
    imap_set_iter_init(&iter, pull->silent);
    while (imap_set_iter_next(&iter, &uid))
        if (!set_message_aside(pull, uid, pull->words, error))
            return FALSE;
    return TRUE;
}

/* Every message that the server counts is in the base, about to be, or set aside; else it isn't
 * believed that anything is gone. */
static gboolean account_for_all(Pull *pull, GError **error)
{
    SyncContext *context = pull->context;
    gint64 folder = pull->folder->id;
    gboolean adds_up;

    if (!set_silent_aside(pull, error) || !check_count(pull, &adds_up, error))
        return FALSE;
    if (pull->losing || (adds_up && !sync_has_due(context, folder)))
        return TRUE;
    g_autoptr(ImapSet) all = NULL;
    g_autoptr(ImapSet) known = known_uids(pull, error);
    if (!known || !search_all(pull, &all, error))
        return FALSE;
    g_autoptr(ImapSet) rest = imap_set_subtract(all, known);
    g_autoptr(ImapSet) told = imap_set_subtract(known, pull->silent);
    sync_subtract_aside(context, folder, rest);
    if ((!imap_set_is_empty(rest) && !fetch_missing(pull, rest, error)) ||
        !sync_clear_aside_known(context, folder, all, told, error) ||
        !check_count(pull, &adds_up, error))
        return FALSE;
    pull->unsure |= !adds_up;
    return TRUE;
}

static gboolean pull_by_modseq(Pull *pull, gboolean qresync, GError **error)
{
    g_autofree char *command =
        g_strdup_printf("UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE %" G_GUINT64_FORMAT ")",
                        pull->folder->base_highestmodseq);

    return qresync || pull->context->state.highestmodseq == pull->folder->base_highestmodseq ||
           imap_client_exists(pull->context->imap) == 0 || run_noting_flags(pull, command, error);
}

static gboolean pull_rest(Pull *pull, GError **error)
{
    return apply_changes(pull, error) && pull_arrivals(pull, error) &&
           collect_vanished(pull, error);
}

/* Forgets what was found out but for what is written already; all that vanished is found again. */
static void begin_again(Pull *pull)
{
    g_array_set_size(pull->context->vanished, pull->context->vanished->len - pull->lost);
    pull->lost = 0;
    pull->losing = FALSE;
    imap_set_free(pull->unknown);
    pull->unknown = imap_set_new();
    imap_set_free(pull->vanished);
    pull->vanished = imap_set_new();
    g_array_set_size(pull->candidates, 0);
    g_hash_table_remove(pull->context->base_counts, &pull->folder->id);
}

/* Whether the flags of a message that has changed can't be read: then all are asked for, and what even then
 * isn't told is set aside. They may have come in an answer of their own. */
static gboolean is_any_flagless(const Pull *pull)
{
    g_autoptr(ImapSet) rest = imap_set_subtract(pull->flagless, pull->told);

    return !imap_set_is_empty(rest);
}

static gboolean pull_selected(Pull *pull, gboolean qresync, GError **error)
{
    gboolean by_modseq = pull->folder->synced && pull->folder->base_highestmodseq &&
                         pull->context->state.highestmodseq && !pull->compares;
    gboolean adds_up = TRUE;

    if (!(by_modseq ? pull_by_modseq(pull, qresync, error) : pull_by_comparison(pull, error)) ||
        !pull_rest(pull, error))
        return FALSE;
    if (by_modseq && !pull->losing && !check_count(pull, &adds_up, error))
        return FALSE;
    if (!adds_up || (by_modseq && (pull->words || is_any_flagless(pull)))) {
        begin_again(pull);
        if (!pull_by_comparison(pull, error) || !pull_rest(pull, error))
            return FALSE;
    }
    return account_for_all(pull, error);
}

/* Not all servers say how many messages there are; that isn't none. */
static gboolean count_untold(SyncContext *context, GError **error)
{
    if (context->state.told_exists)
        return TRUE;
    g_autoptr(ImapSet) all = imap_client_search(context->imap, "ALL", NULL, error);
    if (all)
        imap_client_set_exists(context->imap, imap_set_count(all));
    return all != NULL;
}

static gboolean select_for_pull(Pull *pull, gboolean *qresync, GError **error)
{
    SyncContext *context = pull->context;

    pull->compares = sync_is_to_compare(context, pull->folder);
    *qresync = sync_has(context, IMAP_CAP_QRESYNC) && pull->folder->synced &&
               pull->folder->base_highestmodseq > 0 && !pull->compares;
    gboolean ok =
        sync_select_since(context, pull->folder, *qresync ? pull->folder->base_highestmodseq : 0,
                          note_change, pull, error);
    if (ok && context->state.uidvalidity == 0) {
        g_set_error(error, IMAP_CLIENT_ERROR, IMAP_CLIENT_ERROR_REFUSED,
                    "the server gives %s no lasting UIDs, so it can't be kept here",
                    pull->folder->base_name);
        return FALSE;
    }
    return ok && count_untold(context, error);
}

/* Another epoch: another UIDVALIDITY, or numbers that go backwards, as after a backup was put in
 * place. */
static gboolean is_reset(const Pull *pull)
{
    const ImapSelected *state = &pull->context->state;

    return pull->folder->base_uidvalidity != 0 &&
           (state->uidvalidity != pull->folder->base_uidvalidity ||
            (state->uidnext != 0 && state->uidnext < pull->folder->base_uidnext) ||
            (state->highestmodseq != 0 && state->highestmodseq < pull->folder->base_highestmodseq));
}

static gboolean is_other_folder(const Pull *pull, GError **error)
{
    const char *id = pull->context->state.mailboxid;

    if (!id || !pull->folder->remote_id || g_str_equal(id, pull->folder->remote_id))
        return FALSE;
    g_set_error(error, SYNC_ERROR, SYNC_ERROR_AGAIN, "%s is another folder than before",
                pull->folder->base_name);
    return TRUE;
}

static gboolean match_candidates(Pull *pull, GError **error)
{
    return pull->candidates->len == 0 ||
           (sync_match_effects(pull->context, pull->folder->id, pull->candidates, error) &&
            sync_match_returned(pull->context, pull->folder->id, pull->candidates, error) &&
            sync_add_arrivals(pull->context, pull->folder->id, pull->candidates, error));
}

static gboolean pull_reset(Pull *pull, GError **error)
{
    SyncResetOutcome outcome;

    if (!sync_reset_folder(pull->context, pull->folder, &outcome, &pull->untold, error))
        return FALSE;
    if (outcome == SYNC_RESET_UNTOLD)
        return note_unsure(pull, error);
    if (outcome == SYNC_RESET_LOSING)
        return TRUE;
    pull->folder->base_uidvalidity = pull->context->state.uidvalidity;
    return account_for_all(pull, error) && complete_pull(pull, error);
}

/* It was here only until now. */
static gboolean pull_join(Pull *pull, GError **error)
{
    SyncContext *context = pull->context;
    gboolean told;

    if (!write_state(pull, error))
        return FALSE;
    g_autoptr(GArray) messages = sync_join_folder(context, pull->folder, &told, error);
    if (!messages)
        return FALSE;
    if (!told)
        return note_unsure(pull, error);
    return sync_add_arrivals(context, pull->folder->id, messages, error) &&
           account_for_all(pull, error) && complete_pull(pull, error);
}

gboolean sync_pull_folder(SyncContext *context, gint64 id, GError **error)
{
    g_auto(Pull) pull = {.context = context};
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_READ, error);
    gboolean qresync, other;

    pull.folder = txn ? cache_folder_get(txn, id, error) : NULL;
    pull.returns = txn && cache_vanished_any(txn, id);
    g_clear_pointer(&txn, cache_end);
    if (!pull.folder)
        return FALSE;
    pull.changes = g_array_new(FALSE, FALSE, sizeof(ServerFlags));
    pull.vanished = imap_set_new();
    pull.unknown = imap_set_new();
    pull.candidates = sync_server_messages_new();
    pull.told = imap_set_new();
    pull.flagless = imap_set_new();
    pull.silent = imap_set_new();
    pull.connection = context->connection;
    pull.unread = imap_client_unread(context->imap);
    sync_begin_left_out(context, id);
    if (!select_for_pull(&pull, &qresync, error) || is_other_folder(&pull, error) ||
        !sync_note_epoch(context, pull.folder, error))
        return FALSE;
    if (sync_is_to_join(pull.folder))
        return pull_join(&pull, error);
    other = is_reset(&pull);
    if (!other && !sync_recognise(context, pull.folder, &other, error))
        return FALSE;
    if (other)
        return pull_reset(&pull, error);
    pull.effects_from = sync_first_effect(context, pull.folder);
    return write_state(&pull, error) && pull_selected(&pull, qresync, error) &&
           match_candidates(&pull, error) && complete_pull(&pull, error);
}
