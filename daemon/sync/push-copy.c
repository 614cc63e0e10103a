/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * COPY and MOVE: an attempt is on the disk before the command goes out; COPYUID ends it, or else
 * the pull of the target that follows.
 */
#include "daemon/sync/push-private.h"

#include "cache/set-like.h"
#include "daemon/sync/doubt.h"
#include "daemon/sync/expire.h"
#include "daemon/sync/sets.h"

#define BATCH 500

typedef struct {
    Push *push;
    const SyncAction *actions;
    guint count;
    guint32 *sources; /* base UIDs, per action; 0: passed over */
    gint64 attempt;
    gboolean move;
} Copy;

/* One source can't be copied twice by one command: the second waits for the next pass. */
static guint drop_doubles(Copy *copy, ImapSet *set)
{
    guint left = 0;

    for (guint i = 0; i < copy->count; i++) {
        if (copy->sources[i] && imap_set_contains(set, copy->sources[i])) {
            copy->sources[i] = 0;
            copy->push->more = TRUE;
            push_touch(copy->push, copy->actions[i].folder);
        }
        imap_set_add(set, copy->sources[i]);
        left += copy->sources[i] != 0;
    }
    return left;
}

static gboolean open_copy_attempt(Copy *copy, GError **error)
{
    const CacheFolder *target = push_folder(copy->push, copy->actions[0].folder);
    g_autoptr(GArray) items = g_array_new(FALSE, FALSE, sizeof(CacheAttemptItem));
    CacheAttempt attempt = {.kind = copy->move ? CACHE_ATTEMPT_MOVE : CACHE_ATTEMPT_COPY,
                            .source = copy->actions[0].source_folder,
                            .target = target->id,
                            .uidvalidity = target->base_uidvalidity,
                            .uidnext = target->base_uidnext,
                            .started = copy->push->now,
                            .items = items};

    for (guint i = 0; i < copy->count; i++) {
        CacheAttemptItem item = {copy->actions[i].folder, copy->actions[i].uid};
        if (copy->sources[i])
            g_array_append_val(items, item);
    }
    g_autoptr(CacheTxn) txn = cache_begin(copy->push->context->cache, CACHE_WRITE_FULL, error);
    if (!txn || !cache_attempt_open(txn, &attempt, error) ||
        !cache_commit(g_steal_pointer(&txn), error))
        return FALSE;
    copy->attempt = attempt.id;
    copy->push->attempt = (PushAttempt){items->len, g_array_index(items, CacheAttemptItem, 0).uid};
    return TRUE;
}

static gboolean close_copy_attempt(Copy *copy, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(copy->push->context->cache, CACHE_WRITE_FULL, error);

    return txn && cache_attempt_close(txn, copy->attempt, error) &&
           cache_commit(g_steal_pointer(&txn), error);
}

/* ---- answers ------------------------------------------------------------------------------- */

/* The moved message's old place: upstream it is empty now. A server that lags may show it there
 * again. */
static gboolean empty_source(Copy *copy, CacheTxn *txn, CachePlacement *source, GError **error)
{
    if (!copy->move)
        return TRUE;
    sync_base_count_add(copy->push->context, source->folder, -1);
    if (!source->alive)
        return sync_keep_deleted(txn, source,
                                 push_folder(copy->push, source->folder)->base_uidvalidity,
                                 copy->push->now, error);
    source->base = CACHE_BASE_NONE;
    source->base_uid = 0;
    return cache_placement_put(txn, source, error);
}

static CacheRole copy_role_of(const Push *push, gint64 folder)
{
    const CacheFolder *row = push_folder(push, folder);

    return row ? row->role : CACHE_ROLE_NONE;
}

/* To trash or spam, or back from there: a set-like store takes the message out of its other
 * folders, or puts it among all mail again. Among those that are flagged it is flagged. */
static gboolean touch_others(Copy *copy, CacheTxn *txn, const CachePlacement *target,
                             GError **error)
{
    Push *push = copy->push;
    CacheRole from = copy_role_of(push, copy->actions[0].source_folder);
    CacheRole to = copy_role_of(push, target->folder);

    if (!sync_is_set_like(push->context))
        return TRUE;
    if (to == CACHE_ROLE_FLAGGED)
        push_touch(push, target->folder);
    if (!cache_role_excludes_labels(from) && !cache_role_excludes_labels(to))
        return TRUE;
    g_autoptr(GArray) folders = cache_message_folders(txn, target->message, error);
    for (guint i = 0; folders && i < folders->len; i++)
        push_touch(push, g_array_index(folders, gint64, i));
    push_touch_role(push, CACHE_ROLE_ALL);
    return folders != NULL;
}

static gboolean place_copy(Copy *copy, CacheTxn *txn, const SyncAction *action, guint32 source_uid,
                           guint32 uid, GError **error)
{
    CachePlacement source, target;

    if (!cache_placement_get(txn, action->source_folder, action->source_uid, &source, error) ||
        !cache_placement_get(txn, action->folder, action->uid, &target, error))
        return FALSE;
    CacheFlags flags = source.base_flags;
    if (sync_is_set_like(copy->push->context))
        flags.system &= ~(guint32)CACHE_DELETED; /* that is of the one folder */
    if (!sync_place_in_set(copy->push->context, txn, &target, uid, flags, error) ||
        !touch_others(copy, txn, &target, error))
        return FALSE;
    if (!sync_doubt_flags(copy->push->context, txn, &target, flags, error))
        return FALSE;
    if (source.base != CACHE_BASE_PRESENT || source.base_uid != source_uid)
        return TRUE;
    return empty_source(copy, txn, &source, error);
}

/* COPYUID's pairs as a table from source to target: those of messages that were sent, whatever else
 * it names. */
static GHashTable *pairs_of(const Copy *copy, const ImapUidPlus *uids)
{
    g_autoptr(GHashTable) sent = g_hash_table_new(NULL, NULL);
    GHashTable *pairs = g_hash_table_new(NULL, NULL);
    ImapSequenceIter from, to;
    guint32 source, target;

    for (guint i = 0; i < copy->count; i++)
        g_hash_table_add(sent, GUINT_TO_POINTER(copy->sources[i]));
    imap_sequence_iter_init(&from, uids->source);
    imap_sequence_iter_init(&to, uids->target);
    while (imap_sequence_iter_next(&from, &source) && imap_sequence_iter_next(&to, &target))
        if (g_hash_table_contains(sent, GUINT_TO_POINTER(source)))
            g_hash_table_insert(pairs, GUINT_TO_POINTER(source), GUINT_TO_POINTER(target));
    return pairs;
}

/* Whether a UID of the answer is another message's already: then it says nothing. */
static gboolean names_known(Copy *copy, const ImapUidPlus *uids)
{
    g_autoptr(CacheTxn) txn = cache_begin(copy->push->context->cache, CACHE_READ, NULL);
    ImapSequenceIter iter;
    CachePlacement other;
    guint32 uid;

    imap_sequence_iter_init(&iter, uids->target);
    while (txn && imap_sequence_iter_next(&iter, &uid))
        if (cache_placement_by_base(txn, copy->actions[0].folder, uid, &other, NULL))
            return TRUE;
    return FALSE;
}

/* Whether the answer's UIDs are from the epoch that the base is from. */
static gboolean is_usable(Copy *copy, const ImapUidPlus *uids)
{
    const CacheFolder *target = push_folder(copy->push, copy->actions[0].folder);

    return uids && uids->source && uids->target && uids->uidvalidity == target->base_uidvalidity &&
           (sync_is_set_like(copy->push->context) || !names_known(copy, uids));
}

/* What COPYUID names is done; what it doesn't name wasn't there: the source is read again. */
static gboolean apply_uids(Copy *copy, const ImapUidPlus *uids, GError **error)
{
    g_autoptr(GHashTable) pairs = pairs_of(copy, uids);

    for (guint i = 0; i < copy->count;) {
        g_autoptr(CacheTxn) txn = cache_begin(copy->push->context->cache, CACHE_WRITE_FULL, error);
        guint end = MIN(i + BATCH, copy->count);

        if (!txn)
            return FALSE;
        for (; i < end; i++) {
            gpointer uid = g_hash_table_lookup(pairs, GUINT_TO_POINTER(copy->sources[i]));
            if (copy->sources[i] && !uid)
                push_touch(copy->push, copy->actions[i].source_folder);
            if (copy->sources[i] && uid &&
                !place_copy(copy, txn, &copy->actions[i], copy->sources[i], GPOINTER_TO_UINT(uid),
                            error))
                return FALSE;
        }
        /* The attempt ends with the last of its items. */
        if (i == copy->count && !cache_attempt_close(txn, copy->attempt, error))
            return FALSE;
        if (!cache_commit(g_steal_pointer(&txn), error))
            return FALSE;
    }
    return TRUE;
}

/* Copied into a folder that can't be read: nothing but this answer will ever say so. */
static gboolean note_copied(Copy *copy, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(copy->push->context->cache, CACHE_WRITE_FULL, error);

    for (guint i = 0; txn && i < copy->count; i++) {
        CachePlacement target;
        if (!copy->sources[i])
            continue;
        if (!cache_placement_get(txn, copy->actions[i].folder, copy->actions[i].uid, &target,
                                 error))
            return FALSE;
        target.base = CACHE_BASE_UNKNOWN;
        if (!cache_placement_put(txn, &target, error))
            return FALSE;
    }
    return txn && cache_commit(g_steal_pointer(&txn), error);
}

static gboolean apply_reply(Copy *copy, const ImapReply *reply, gboolean *refused, GError **error)
{
    Push *push = copy->push;

    if (is_usable(copy, reply->uids)) {
        if (!apply_uids(copy, reply->uids, error))
            return FALSE;
    } else if (reply->cond == IMAP_COND_OK) {
        push_touch(push, copy->actions[0].folder);
        push_touch(push, copy->actions[0].source_folder);
        if (sync_is_unreadable(push_folder(push, copy->actions[0].folder)))
            return note_copied(copy, error);
    } else if (!close_copy_attempt(copy, error)) {
        return FALSE;
    }
    if (reply->code && g_str_equal(reply->code, "TRYCREATE")) {
        g_set_error(error, SYNC_ERROR, SYNC_ERROR_AGAIN, "%s isn't there any more",
                    push_folder(push, copy->actions[0].folder)->base_name);
        return FALSE;
    }
    *refused = reply->cond != IMAP_COND_OK;
    return TRUE;
}

static guint send_copy(Copy *copy, const char *set, GError **error)
{
    ImapClient *imap = copy->push->context->imap;
    ImapClientCommand *command = imap_client_command(imap, copy->move ? "UID MOVE" : "UID COPY");

    imap_client_command_printf(command, " %s", set);
    imap_client_command_mailbox(command,
                                push_folder(copy->push, copy->actions[0].folder)->base_name);
    return imap_client_send(imap, command, error);
}

/* ---- batches ------------------------------------------------------------------------------- */

/* In commands whose lines are not too long. */
static gboolean copy_some(Push *push, const SyncAction *actions, guint count, gboolean *refused,
                          ImapReply *reply, GError **error)
{
    g_autofree guint32 *sources = g_new(guint32, count);
    Copy copy = {push, actions, count, sources, 0, actions[0].kind == SYNC_MOVE};
    g_autoptr(ImapSet) set = imap_set_new();
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < count; i++)
        sources[i] = actions[i].base_uid;
    if (drop_doubles(&copy, set) == 0)
        return TRUE;
    imap_set_format(set, text);
    if (count > 1 && (text->len > IMAP_CLIENT_SET || count > push_batch_limit(push, &actions[0])))
        return copy_some(push, actions, count / 2, refused, reply, error) &&
               (*refused ||
                copy_some(push, actions + count / 2, count - count / 2, refused, reply, error));
    if (!open_copy_attempt(&copy, error))
        return FALSE;
    guint number = send_copy(&copy, text->str, error);
    g_autoptr(GError) failure = NULL;
    if (number == 0)
        return FALSE;
    if (!imap_client_finish(push->context->imap, number, reply, &failure)) {
        if (!push_is_put_off(failure) || close_copy_attempt(&copy, error))
            g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    push->attempt = (PushAttempt){0};
    gboolean ok = apply_reply(&copy, reply, refused, error);
    if (ok && !*refused)
        imap_reply_clear(reply);
    return ok;
}

static gboolean run_copy(Push *push, const SyncAction *actions, guint count, gboolean *refused,
                         ImapReply *reply, GError **error)
{
    return push_select(push, actions[0].source_folder, error) &&
           copy_some(push, actions, count, refused, reply, error);
}

gboolean push_copies(Push *push, SyncActionKind kind, GError **error)
{
    return push_each_batch(push, kind, run_copy, error);
}
