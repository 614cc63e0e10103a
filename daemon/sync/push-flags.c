/* SPDX-License-Identifier: GPL-3.0-or-later */
/* STORE: the same difference of many messages in one command. */
#include "daemon/sync/push-private.h"

#include "daemon/sync/doubt.h"
#include "daemon/sync/sets.h"

#include <string.h>

#define BATCH 500

/* A batch while the server answers; its answers are written as they come. */
typedef struct {
    Push *push;
    const SyncAction *actions;
    guint count;
    GHashTable *by_uid;   /* base UID -> its action's index and one more */
    GHashTable *answered; /* base UIDs whose answer shows what was asked for */
    gboolean asking;      /* the command is over */
    GArray *answers;      /* Answer: not written yet */
} Store;

typedef struct {
    guint action;
    CacheFlags flags;
} Answer;

/* Writes one answer; *late: it changes the view, which this transaction isn't safe enough for. */
static gboolean write_answer(Store *store, CacheTxn *txn, const Answer *answer, gboolean safe,
                             gboolean *late, GError **error)
{
    const SyncAction *action = &store->actions[answer->action];
    SyncMask mask = sync_mask(push_folder(store->push, action->folder));
    SyncKeywords keywords = sync_keywords(txn);
    CachePlacement row;
    gboolean changed;

    *late = FALSE;
    if (!cache_placement_get(txn, action->folder, action->uid, &row, NULL) ||
        row.base != CACHE_BASE_PRESENT || row.base_uid != action->base_uid)
        return TRUE;
    CacheFlags view = row.flags;
    const SyncTold told = {answer->flags, action->add, action->remove};
    /* Before the command is over an answer that doesn't show it is older news. */
    gboolean shown = push_is_shown(txn, action, answer->flags);
    gboolean dropped = store->asking && !shown;
    if (!sync_stored_base(row.base_flags, &told, &keywords, &row.base_flags, error) ||
        !sync_decide_flags(&row, answer->flags, mask, &keywords, &changed, error))
        return FALSE;
    g_autoptr(GArray) others = g_array_new(FALSE, FALSE, sizeof(CachePlacement));
    gboolean seen = FALSE;
    if (sync_is_set_like(store->push->context) &&
        !sync_share_flags(txn, &row, &told, others, &seen, error))
        return FALSE;
    *late = !safe && (!cache_flags_equal(view, row.flags) || dropped || seen);
    if (*late)
        return TRUE;
    for (guint i = 0; i < others->len; i++)
        if (!cache_placement_put(txn, &g_array_index(others, CachePlacement, i), error))
            return FALSE;
    if (dropped && !push_note_dropped(store->push, txn, action, answer->flags, error))
        return FALSE;
    if (shown)
        g_hash_table_add(store->answered, GUINT_TO_POINTER(action->base_uid));
    return cache_placement_put(txn, &row, error);
}

/* One transaction over the answers; those that need a safer one are left in the array. A base that
 * a power cut takes back is stored once more, which does no harm. */
static gboolean write_answers(Store *store, gboolean safe, GError **error)
{
    g_autoptr(CacheTxn) txn =
        cache_begin(store->push->context->cache, safe ? CACHE_WRITE_FULL : CACHE_WRITE, error);
    guint left = 0;

    for (guint i = 0; txn && i < store->answers->len; i++) {
        Answer answer = g_array_index(store->answers, Answer, i);
        gboolean late;
        if (!write_answer(store, txn, &answer, safe, &late, error))
            return FALSE;
        if (late)
            g_array_index(store->answers, Answer, left++) = answer;
    }
    if (!txn || !cache_commit(g_steal_pointer(&txn), error))
        return FALSE;
    g_array_set_size(store->answers, left);
    return TRUE;
}

static gboolean flush_answers(Store *store, GError **error)
{
    return (store->answers->len == 0 || write_answers(store, FALSE, error)) &&
           (store->answers->len == 0 || write_answers(store, TRUE, error));
}

static gboolean note_flags(const ImapResponse *response, gpointer data, GError **error)
{
    Store *store = data;
    ImapFetchData fetch;
    Answer answer;

    if (!response->name || !g_str_equal(response->name, "FETCH"))
        return TRUE;
    if (!imap_fetch_data_parse(response, &fetch, error))
        return FALSE;
    if (!(fetch.got & IMAP_GOT_UID) || !(fetch.got & IMAP_GOT_FLAGS))
        return TRUE;
    guint index = GPOINTER_TO_UINT(g_hash_table_lookup(store->by_uid, GUINT_TO_POINTER(fetch.uid)));
    if (index == 0)
        return TRUE;
    answer.action = index - 1;
    if (!sync_flags_of(store->push->context, &fetch, &answer.flags, error))
        return FALSE;
    g_array_append_val(store->answers, answer);
    return store->answers->len < BATCH || flush_answers(store, error);
}

/* Takes so many of the names, separated by spaces, as a line has room for; at least one. */
static char *take_names(const char **names)
{
    gsize length = strlen(*names);
    const char *from = *names;

    for (gsize end = length; length > IMAP_CLIENT_FLAGS; length = end) {
        while (end > 0 && from[end - 1] != ' ')
            end--;
        if (end == 0) { /* one that is longer */
            length = strcspn(from, " ");
            break;
        }
        end--;
    }
    *names += length;
    *names += strspn(*names, " ");
    return g_strndup(from, length);
}

/* In as many commands as the names take; their numbers are added. */
static gboolean send_store(Store *store, const char *set, const char *mode, CacheFlags flags,
                           GArray *numbers, GError **error)
{
    SyncContext *context = store->push->context;
    g_autoptr(GString) names = g_string_new(NULL);
    const char *rest;

    sync_flags_format(context, flags, names);
    for (rest = names->str; *rest;) {
        g_autofree char *some = take_names(&rest);
        ImapClientCommand *command = imap_client_command(context->imap, "UID STORE");
        imap_client_command_printf(command, " %s %s (%s)", set, mode, some);
        guint number = imap_client_send_with(context->imap, command, note_flags, store, error);
        if (number == 0)
            return FALSE;
        g_array_append_val(numbers, number);
    }
    return TRUE;
}

static gboolean finish_store(Push *push, guint number, gboolean *refused, ImapReply *reply,
                             GError **error)
{
    g_auto(ImapReply) answer = {0};

    if (!imap_client_finish(push->context->imap, number, &answer, error))
        return FALSE;
    if (answer.cond == IMAP_COND_OK || *refused)
        return TRUE;
    *refused = TRUE;
    *reply = answer;
    answer = (ImapReply){0};
    return TRUE;
}

/* One line of UIDs: what is added and what is removed go out together. */
static gboolean store_set(Store *store, const char *set, gboolean *refused, ImapReply *reply,
                          GError **error)
{
    const SyncAction *what = store->actions;
    g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(guint));

    if (!send_store(store, set, "+FLAGS", what->add, numbers, error) ||
        !send_store(store, set, "-FLAGS", what->remove, numbers, error))
        return FALSE;
    for (guint i = 0; i < numbers->len; i++)
        if (!finish_store(store->push, g_array_index(numbers, guint, i), refused, reply, error))
            return FALSE;
    return TRUE;
}

/* Servers may leave out answers for what didn't change. Who doesn't answer then is gone: the
 * folder's next pull says so. */
static gboolean ask_flag_rest(Store *store, GError **error)
{
    g_autoptr(ImapSet) rest = imap_set_new();
    guint range = 0;

    if (!flush_answers(store, error))
        return FALSE;
    store->asking = TRUE;
    for (guint i = 0; i < store->count; i++)
        if (!g_hash_table_contains(store->answered, GUINT_TO_POINTER(store->actions[i].base_uid)))
            imap_set_add(rest, store->actions[i].base_uid);
    if (!imap_set_is_empty(rest))
        push_touch(store->push, store->actions[0].folder);
    for (;;) {
        g_autoptr(GString) set = g_string_new(NULL);
        if (!imap_set_format_some(rest, &range, IMAP_CLIENT_SET, set))
            return TRUE;
        if (!imap_client_run_with(store->push->context->imap, note_flags, store, NULL, error,
                                  "UID FETCH %s (UID FLAGS)", set->str))
            return FALSE;
    }
}

static gboolean store_all(Store *store, gboolean *refused, ImapReply *reply, GError **error)
{
    g_autoptr(ImapSet) set = imap_set_new();
    guint range = 0;

    for (guint i = 0; i < store->count; i++) {
        imap_set_add(set, store->actions[i].base_uid);
        g_hash_table_insert(store->by_uid, GUINT_TO_POINTER(store->actions[i].base_uid),
                            GUINT_TO_POINTER(i + 1));
    }
    while (!*refused) {
        g_autoptr(GString) text = g_string_new(NULL);
        if (!imap_set_format_some(set, &range, IMAP_CLIENT_SET, text))
            break;
        if (!store_set(store, text->str, refused, reply, error))
            return FALSE;
    }
    return (*refused || ask_flag_rest(store, error)) && flush_answers(store, error);
}

/* Until it is answered it isn't known whether it was done, be it that the program ends meanwhile. */
static gboolean note_doubts(Store *store, GError **error)
{
    SyncContext *context = store->push->context;
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_WRITE, error);

    for (guint i = 0; txn && i < store->count; i++)
        if (!sync_doubt_store(context, txn, &store->actions[i], error))
            return FALSE;
    return txn && cache_commit(g_steal_pointer(&txn), error);
}

static gboolean end_doubts(Store *store, GError **error)
{
    SyncContext *context = store->push->context;
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_WRITE, error);

    for (guint i = 0; txn && i < store->count; i++)
        if (!sync_end_doubt(context, txn, &store->actions[i], error))
            return FALSE;
    return txn && cache_commit(g_steal_pointer(&txn), error);
}

static gboolean run_store(Push *push, const SyncAction *actions, guint count, gboolean *refused,
                          ImapReply *reply, GError **error)
{
    Store batch = {.push = push, .actions = actions, .count = count};

    if (!push_select(push, actions[0].folder, error))
        return FALSE;
    if (sync_is_set_like(push->context) &&
        ((actions[0].add.system | actions[0].remove.system) & CACHE_FLAGGED))
        push_touch_role(push, CACHE_ROLE_FLAGGED); /* they are what is in there */
    batch.by_uid = g_hash_table_new(NULL, NULL);
    batch.answered = g_hash_table_new(NULL, NULL);
    batch.answers = g_array_new(FALSE, FALSE, sizeof(Answer));
    gboolean ok = note_doubts(&batch, error) && store_all(&batch, refused, reply, error) &&
                  end_doubts(&batch, error);
    g_hash_table_unref(batch.by_uid);
    g_hash_table_unref(batch.answered);
    g_array_unref(batch.answers);
    return ok;
}

/* Nothing to send: the base follows where the server keeps nothing anyway. */
static gboolean run_rebase(Push *push, const SyncAction *actions, guint count, gboolean *refused,
                           ImapReply *reply, GError **error)
{
    SyncMask mask = sync_mask(push_folder(push, actions[0].folder));
    g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_WRITE_FULL, error);

    for (guint i = 0; txn && i < count; i++) {
        CachePlacement row;
        if (!cache_placement_get(txn, actions[i].folder, actions[i].uid, &row, NULL))
            continue;
        row.base_flags = sync_masked_base(row.flags, row.base_flags, mask);
        if (!cache_placement_put(txn, &row, error))
            return FALSE;
    }
    return txn && cache_commit(g_steal_pointer(&txn), error);
}

gboolean push_flags(Push *push, GError **error)
{
    return push_each_batch(push, SYNC_REBASE, run_rebase, error) &&
           push_each_batch(push, SYNC_STORE, run_store, error);
}
