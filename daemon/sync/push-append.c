/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * APPEND: a few messages at a time, pipelined where the server takes literals without being asked;
 * one attempt for all of them is on the disk before the first goes out.
 */
#include "daemon/sync/push-private.h"

#include "cache/message.h"
#include "daemon/sync/doubt.h"
#include "daemon/sync/sets.h"

/* Messages and bytes under way. */
#define PIPELINE       20
#define PIPELINE_BYTES (4 * 1024 * 1024)

typedef struct {
    Push *push;
    const SyncAction *action;
    guint64 size;
    guint number;     /* of the command; 0: not sent */
    CacheFlags flags; /* as sent */
    gboolean answered;
    gboolean resolved; /* its base is known, or it was refused */
} Append;

static GBytes *read_piece(guint64 offset, gsize length, gpointer data, GError **error)
{
    const Append *append = data;
    g_autoptr(CacheTxn) txn = cache_begin(append->push->context->cache, CACHE_READ, error);

    return txn ? cache_content_read(txn, append->action->message, offset, length, error) : NULL;
}

static gboolean open_append_attempt(Push *push, Append *appends, guint count, gint64 *id,
                                    GError **error)
{
    const CacheFolder *target = push_folder(push, appends[0].action->folder);
    g_autoptr(GArray) items = g_array_new(FALSE, FALSE, sizeof(CacheAttemptItem));
    CacheAttempt attempt = {.kind = CACHE_ATTEMPT_APPEND,
                            .target = target->id,
                            .uidvalidity = target->base_uidvalidity,
                            .uidnext = target->base_uidnext,
                            .started = push->now,
                            .items = items};

    for (guint i = 0; i < count; i++) {
        CacheAttemptItem item = {appends[i].action->folder, appends[i].action->uid};
        g_array_append_val(items, item);
    }
    g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_WRITE_FULL, error);
    if (!txn || !cache_attempt_open(txn, &attempt, error) ||
        !cache_commit(g_steal_pointer(&txn), error))
        return FALSE;
    *id = attempt.id;
    return TRUE;
}

/* Sends one. A refusal before its bytes were asked for is found when it is finished. */
static gboolean send_append(Append *append, const CachePlacement *row, GError **error)
{
    SyncContext *context = append->push->context;
    const CacheFolder *folder = push_folder(append->push, append->action->folder);
    ImapClientCommand *command = imap_client_command(context->imap, "APPEND");
    ImapDateTime date = {row->date, row->zone};
    g_autoptr(GString) text = g_string_new(" (");

    append->flags = (CacheFlags){row->flags.system & folder->flag_mask,
                                 folder->keyword_mask ? row->flags.keywords : 0};
    imap_client_command_mailbox(command, folder->base_name);
    sync_flags_format(context, append->flags, text);
    if (text->len > IMAP_CLIENT_FLAGS) { /* the others follow by STORE */
        append->flags.keywords = 0;
        g_string_assign(text, " (");
        sync_flags_format(context, append->flags, text);
    }
    g_string_append(text, ") ");
    imap_date_time_format(&date, text);
    imap_client_command_text(command, text->str);
    append->number =
        imap_client_send_literal(context->imap, command, append->size, read_piece, append, error);
    return append->number != 0;
}

/* Without UIDPLUS: it is there, under a UID that the next pull finds. */
static gboolean place_unknown(CacheTxn *txn, CachePlacement *row, CacheFlags flags, GError **error)
{
    row->base = CACHE_BASE_UNKNOWN;
    row->base_uid = 0;
    row->base_flags = flags;
    return cache_placement_put(txn, row, error);
}

/* Set-like stores give it a name, which is asked for before the folder of all mail is read. */
static gboolean unname(Push *push, CacheTxn *txn, const CachePlacement *row, GError **error)
{
    if (!sync_is_set_like(push->context))
        return TRUE;
    push_touch(push, row->folder);
    push_touch_role(push, CACHE_ROLE_ALL);
    return cache_message_unname(txn, row->message, error);
}

/* A UID that is another message's already isn't this one's, whatever the server says. */
static gboolean has_other_row(CacheTxn *txn, const CachePlacement *row, guint32 uid)
{
    CachePlacement other;

    return cache_placement_by_base(txn, row->folder, uid, &other, NULL) && other.uid != row->uid;
}

static gboolean place_appended(Append *append, const ImapReply *reply, GError **error)
{
    Push *push = append->push;
    const CacheFolder *folder = push_folder(push, append->action->folder);
    ImapSequenceIter iter;
    guint32 uid = 0;
    CachePlacement row;

    if (reply->uids && reply->uids->target &&
        reply->uids->uidvalidity == folder->base_uidvalidity) {
        imap_sequence_iter_init(&iter, reply->uids->target);
        if (!imap_sequence_iter_next(&iter, &uid))
            uid = 0;
    }
    g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_WRITE_FULL, error);
    if (!txn || !cache_placement_get(txn, append->action->folder, append->action->uid, &row, error))
        return FALSE;
    if (uid && !sync_is_set_like(push->context) && has_other_row(txn, &row, uid))
        uid = 0;
    if (!sync_doubt_flags(push->context, txn, &row, append->flags, error) ||
        !unname(push, txn, &row, error) ||
        !(uid ? sync_place_in_set(push->context, txn, &row, uid, append->flags, error)
              : place_unknown(txn, &row, append->flags, error)) ||
        !cache_commit(g_steal_pointer(&txn), error))
        return FALSE;
    append->resolved = uid != 0;
    return TRUE;
}

static gboolean finish_append(Append *append, GError **error)
{
    Push *push = append->push;
    g_autoptr(GError) failure = NULL;
    g_auto(ImapReply) reply = {0};

    if (!imap_client_finish(push->context->imap, append->number, &reply, &failure)) {
        /* "Not now" is an answer, after which there is no other: nothing was stored. */
        append->answered = append->resolved = push_is_put_off(failure);
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    append->answered = TRUE;
    if (reply.cond == IMAP_COND_OK)
        return place_appended(append, &reply, error) &&
               push_unsuspect(push, "append", append->action->folder, append->action->uid, error);
    append->resolved = TRUE;
    if (!push_unsuspect(push, "append", append->action->folder, append->action->uid, error))
        return FALSE;
    if (reply.code && g_str_equal(reply.code, "TRYCREATE")) {
        g_autoptr(GError) again =
            g_error_new(SYNC_ERROR, SYNC_ERROR_AGAIN, "%s isn't there any more",
                        push_folder(push, append->action->folder)->base_name);
        if (!push_repeats(push, again))
            return TRUE;
    }
    return push_add_problem(push, "append", append->action->folder, append->action->uid, &reply,
                            error);
}

static gboolean end_append_attempt(Push *push, gint64 id, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_WRITE_FULL, error);

    return txn && cache_attempt_close(txn, id, error) && cache_commit(g_steal_pointer(&txn), error);
}

/* Over when each is either placed or refused; else the next pull decides. */
static gboolean close_append_attempt(Push *push, gint64 id, const Append *appends, guint count,
                                     GError **error)
{
    for (guint i = 0; i < count; i++)
        if (!appends[i].resolved) {
            push_touch(push, appends[i].action->folder);
            return TRUE;
        }
    return end_append_attempt(push, id, error);
}

static gboolean send_all(Push *push, Append *appends, guint count, GError **error)
{
    for (guint i = 0; i < count; i++) {
        const SyncAction *action = appends[i].action;
        g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_READ, error);
        CachePlacement row;

        if (!txn || !cache_placement_get(txn, action->folder, action->uid, &row, error))
            return FALSE;
        g_clear_pointer(&txn, cache_end);
        if (!send_append(&appends[i], &row, error))
            return FALSE;
    }
    for (guint i = 0; i < count; i++)
        if (!finish_append(&appends[i], error))
            return FALSE;
    return TRUE;
}

/* All went out, and the others are answered as well. */
static gboolean note_append_put_off(Push *push, gint64 attempt, Append *appends, guint count,
                                    GError **error)
{
    for (guint i = 0; i < count; i++) {
        g_autoptr(GError) failure = NULL;
        if (!appends[i].answered && !finish_append(&appends[i], &failure) &&
            !push_is_put_off(failure))
            break;
    }
    return close_append_attempt(push, attempt, appends, count, error);
}

/* The connection broke: what wasn't answered before that stays in doubt, and the first of it may be
 * why. The second time it is a problem; the others go on. */
static gboolean note_append_broken(Push *push, Append *appends, guint count, const GError *failure,
                                   GError **error)
{
    gint64 folder = appends[0].action->folder;
    guint first = 0;

    while (first + 1 < count && appends[first].number != 0 &&
           (appends[first].answered || finish_append(&appends[first], NULL)))
        first++;
    if (!push_survives(push, failure, error))
        return FALSE;
    push->more = TRUE;
    push_touch(push, folder);
    guint32 uid = appends[first].action->uid;
    guint times = push_suspect(push, "append", folder, uid, error);
    return times == 1 ||
           (times > 1 && push_add_broken(push, "append", folder, uid, failure, error));
}

static gboolean append_some(Push *push, Append *appends, guint count, GError **error)
{
    g_autoptr(GError) failure = NULL;
    gint64 attempt;

    if (!open_append_attempt(push, appends, count, &attempt, error))
        return FALSE;
    if (send_all(push, appends, count, &failure))
        return close_append_attempt(push, attempt, appends, count, error);
    /* Not even the first went out whole: nothing was stored. */
    if (appends[0].number == 0 && !end_append_attempt(push, attempt, error))
        return FALSE;
    if (!push_is_put_off(failure))
        return note_append_broken(push, appends, count, failure, error);
    if (note_append_put_off(push, attempt, appends, count, error))
        g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

/* Whether it is still to be sent; sets its size. A client may have taken it away meanwhile. */
static gboolean is_unsent(Push *push, Append *append)
{
    g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_READ, NULL);
    CachePlacement row;

    if (!txn ||
        !cache_placement_get(txn, append->action->folder, append->action->uid, &row, NULL) ||
        !row.alive || row.base != CACHE_BASE_NONE)
        return FALSE;
    append->size = cache_content_size(txn, append->action->message, NULL);
    return append->size > 0;
}

gboolean push_appends(Push *push, GError **error)
{
    GArray *actions = push->actions;
    guint i = 0;

    while (i < actions->len) {
        Append appends[PIPELINE];
        guint64 bytes = 0;
        guint count = 0;

        for (gboolean alone = FALSE;
             !alone && i < actions->len && count < PIPELINE && bytes < PIPELINE_BYTES; i++) {
            const SyncAction *action = &g_array_index(actions, SyncAction, i);
            if (action->kind != SYNC_APPEND)
                continue;
            /* What may break the connection takes no others with it. */
            alone = push_is_suspect(push, "append", action->folder, action->uid);
            if (count > 0 && (alone || action->folder != appends[0].action->folder))
                break;
            appends[count] = (Append){.push = push, .action = action};
            if (!is_unsent(push, &appends[count]))
                continue;
            bytes += appends[count++].size;
        }
        if (count > 0 && !append_some(push, appends, count, error))
            return FALSE;
    }
    return TRUE;
}
