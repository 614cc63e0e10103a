/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a pass of push knows: what may not be touched, what was changed, what was refused between two
 * folders, and what has broken connections. It is read and written by all parts; nothing is sent
 * here.
 */
#include "daemon/sync/push-private.h"

#include "daemon/sync/notes.h"
#include "daemon/sync/recognise.h"

/* Connections that one pass may cost; more, and it isn't about single batches. */
#define MAX_BREAKS 24

const char *push_operation(SyncActionKind kind)
{
    switch (kind) {
    case SYNC_APPEND:
        return "append";
    case SYNC_COPY:
        return "copy";
    case SYNC_MOVE:
        return "move";
    case SYNC_EXPUNGE:
        return "expunge";
    default:
        return "flags";
    }
}

const CacheFolder *push_folder(const Push *push, gint64 id)
{
    return g_hash_table_lookup(push->folders, &id);
}

void push_touch(Push *push, gint64 folder)
{
    g_hash_table_add(push->context->touched, g_memdup2(&folder, sizeof folder));
}

void push_touch_role(Push *push, CacheRole role)
{
    GHashTableIter iter;
    gpointer row;

    g_hash_table_iter_init(&iter, push->folders);
    while (g_hash_table_iter_next(&iter, NULL, &row))
        if (((const CacheFolder *)row)->role == role)
            push_touch(push, ((const CacheFolder *)row)->id);
}

/* A mere level of names upstream can become a folder; one that was a folder until just now is
 * decided about first (folders.c). */
gboolean push_is_uncreated(const CacheFolder *row)
{
    if (!row->name || !row->pushed || (!row->selectable && row->exists == 0))
        return FALSE;
    return !row->base_name || (!row->base_selectable && row->base_uidvalidity == 0 &&
                               g_str_equal(row->name, row->base_name));
}

/* ---- what is blocked -------------------------------------------------------------------------- */

/* A placement (uid 0: all of a folder) and what may not be done to it. */
typedef struct {
    gint64 folder;
    guint32 uid;
    SyncActionKind kind;
} PlaceKind;

static guint place_hash(gconstpointer key)
{
    const PlaceKind *place = key;

    return (guint)place->folder * 2654435761u ^ place->uid * 40503u ^ (guint)place->kind;
}

static gboolean place_equal(gconstpointer a, gconstpointer b)
{
    const PlaceKind *x = a, *y = b;

    return x->folder == y->folder && x->uid == y->uid && x->kind == y->kind;
}

GHashTable *push_blocked_new(void)
{
    return g_hash_table_new_full(place_hash, place_equal, g_free, NULL);
}

void push_block(Push *push, gint64 folder, guint32 uid, SyncActionKind kind)
{
    PlaceKind place = {folder, uid, kind};

    g_hash_table_add(push->blocked, g_memdup2(&place, sizeof place));
}

gboolean push_blocks(const Push *push, gint64 folder, guint32 uid, SyncActionKind kind)
{
    PlaceKind place = {folder, uid, kind};

    return g_hash_table_contains(push->blocked, &place);
}

/* ---- what doesn't end a pass ------------------------------------------------------------------ */

/* The first reason is as good as any. */
void push_list_again(Push *push, const GError *again)
{
    if (!push->again)
        push->again = g_error_copy(again);
}

gboolean push_repeats(Push *push, const GError *again)
{
    g_autoptr(GError) first = NULL;

    if (sync_repeats(push->context, again, &first))
        return TRUE;
    push_list_again(push, first);
    return FALSE;
}

gboolean push_survives(Push *push, const GError *failure, GError **error)
{
    if (++push->breaks <= MAX_BREAKS)
        return sync_survives(push->context, failure, error);
    g_propagate_error(error, g_error_copy(failure));
    return FALSE;
}

gboolean push_select(Push *push, gint64 id, GError **error)
{
    const CacheFolder *folder = push_folder(push, id);
    gboolean other;

    if (!sync_select_epoch(push->context, id, error))
        return FALSE;
    if (!folder)
        return TRUE;
    if (!sync_recognise(push->context, folder, &other, error))
        return FALSE;
    if (other)
        g_set_error(error, SYNC_ERROR, SYNC_ERROR_AGAIN,
                    "%s has other messages than when it was last read", folder->base_name);
    return !other;
}

/* ---- what has broken connections --------------------------------------------------------------- */

static char *suspect_key(const char *operation, gint64 folder, guint32 uid)
{
    g_autofree char *what = g_strdup_printf("broken %s", operation);

    return sync_note_key(what, folder, uid);
}

guint push_suspect(Push *push, const char *operation, gint64 folder, guint32 uid, GError **error)
{
    g_autofree char *key = suspect_key(operation, folder, uid);
    gint64 times = sync_note(push->context, key) + 1;

    return sync_set_note(push->context, NULL, key, times, error) ? (guint)times : 0;
}

gboolean push_is_suspect(const Push *push, const char *operation, gint64 folder, guint32 uid)
{
    g_autofree char *key = suspect_key(operation, folder, uid);

    return sync_note(push->context, key) != 0;
}

gboolean push_unsuspect(Push *push, const char *operation, gint64 folder, guint32 uid,
                        GError **error)
{
    g_autofree char *key = suspect_key(operation, folder, uid);

    return sync_set_note(push->context, NULL, key, 0, error);
}

/* ---- between two folders ----------------------------------------------------------------------- */

/* Commands between two folders that are sent in parts ("limit"), or refused as a whole ("refused"). */
static char *batch_key(const char *what, const SyncAction *action)
{
    return g_strdup_printf("%s %s %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, what,
                           push_operation(action->kind), action->source_folder, action->folder);
}

static gboolean is_between_folders(const SyncAction *action)
{
    return action->kind == SYNC_COPY || action->kind == SYNC_MOVE;
}

gboolean push_is_refused(const Push *push, const SyncAction *action)
{
    g_autofree char *key = batch_key("refused", action);

    return is_between_folders(action) && push_blocks(push, action->folder, 0, action->kind) &&
           sync_note(push->context, key);
}

/* Whether it is known between which folders something is refused. */
static gboolean is_any_refused(const Push *push)
{
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, push->context->notes);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        if (g_str_has_prefix(key, "refused "))
            return TRUE;
    return FALSE;
}

gboolean push_ends_refusal(const Push *push, const SyncAction *action)
{
    g_autofree char *key = batch_key("refused", action);

    return !is_between_folders(action) || !is_any_refused(push) || sync_note(push->context, key);
}

gboolean push_unrefuse(Push *push, CacheTxn *txn, const SyncAction *action, GError **error)
{
    g_autofree char *key = batch_key("refused", action);

    return sync_set_note(push->context, txn, key, 0, error);
}

guint push_batch_limit(const Push *push, const SyncAction *action)
{
    g_autofree char *key = batch_key("limit", action);
    const gint64 limit = sync_note(push->context, key);

    return limit ? (guint)limit : PUSH_MESSAGES;
}

gboolean push_limit_batch(Push *push, const SyncAction *action, guint limit, GError **error)
{
    g_autofree char *key = batch_key("limit", action);

    return sync_set_note(push->context, NULL, key, limit, error);
}

gboolean push_note_refused(Push *push, const SyncAction *action, GError **error)
{
    g_autofree char *key = batch_key("refused", action);

    return !is_between_folders(action) || sync_set_note(push->context, NULL, key, 1, error);
}

gboolean push_trust(Push *push, const SyncAction *actions, guint count, GError **error)
{
    const char *operation = push_operation(actions[0].kind);
    g_autofree char *key = batch_key("limit", &actions[0]);

    if (g_hash_table_size(push->context->notes) == 0)
        return TRUE;
    if (!sync_set_note(push->context, NULL, key, 0, error))
        return FALSE;
    for (guint i = 0; i < count; i++)
        if (!push_unsuspect(push, operation, actions[i].folder, actions[i].uid, error))
            return FALSE;
    return TRUE;
}
