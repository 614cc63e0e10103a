/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Taking messages away upstream. With UIDPLUS only what is meant can go; without it EXPUNGE takes
 * everything marked \Deleted, so it is sent only where that is all ours, and never are others'
 * marks cleared to make it so.
 */
#include "daemon/sync/attributes.h"
#include "daemon/sync/expire.h"
#include "daemon/sync/push-private.h"
#include "daemon/sync/returned.h"
#include "daemon/sync/sets.h"

#define BATCH 500

static gboolean run_expunge(Push *push, const char *command, const char *set, const char *rest,
                            gboolean *refused, ImapReply *reply, GError **error)
{
    g_auto(ImapReply) answer = {0};

    if (*refused)
        return TRUE;
    if (!imap_client_run(push->context->imap, &answer, error, "%s%s%s", command, set, rest))
        return FALSE;
    if (answer.cond != IMAP_COND_OK) {
        *refused = TRUE;
        *reply = answer;
        answer = (ImapReply){0};
    }
    return TRUE;
}

static void expunge_refuse(ImapReply *reply, gboolean *refused, guint others)
{
    *refused = TRUE;
    reply->cond = IMAP_COND_NO;
    reply->code = g_strdup("INUSE");
    reply->text = g_strdup_printf("The provider can only expunge all messages marked as deleted "
                                  "at once, and %u others are marked.",
                                  others);
}

/* Some servers say OK in a folder where nothing may be expunged. */
static void refuse_silent(ImapReply *reply, gboolean *refused)
{
    *refused = TRUE;
    reply->cond = IMAP_COND_NO;
    reply->text = g_strdup("The provider says that it has expunged the message, and still has it.");
}

/* EXPUNGE without UIDPLUS, where nothing else would go with it. */
static gboolean expunge_all(Push *push, const ImapSet *ours, gboolean *refused, ImapReply *reply,
                            GError **error)
{
    g_autoptr(ImapSet) marked = imap_client_search(push->context->imap, "DELETED", NULL, error);
    g_autoptr(ImapSet) others = marked ? imap_set_subtract(marked, ours) : NULL;

    if (!marked)
        return FALSE;
    if (!imap_set_is_empty(others)) {
        expunge_refuse(reply, refused, imap_set_count(others));
        return TRUE;
    }
    return imap_set_is_empty(marked) || run_expunge(push, "EXPUNGE", "", "", refused, reply, error);
}

/* What is gone upstream now goes here too. But a server that lags says OK to what it doesn't show, and
 * shows it again later: so it is remembered as what was deleted here. */
static gboolean expunge_forget(Push *push, const SyncAction *actions, guint count,
                               const ImapSet *left, GError **error)
{
    const guint32 epoch = push_folder(push, actions[0].folder)->base_uidvalidity;

    for (guint i = 0; i < count;) {
        g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_WRITE_FULL, error);
        guint end = MIN(i + BATCH, count);

        if (!txn || !sync_note_deletions(push->context, txn, actions[0].folder, error))
            return FALSE;
        for (; i < end; i++) {
            CachePlacement row;
            if (imap_set_contains(left, actions[i].base_uid) ||
                !cache_placement_get(txn, actions[i].folder, actions[i].uid, &row, NULL) ||
                row.base != CACHE_BASE_PRESENT || row.base_uid != actions[i].base_uid)
                continue;
            sync_base_count_add(push->context, row.folder, -1);
            if (!sync_keep_deleted(txn, &row, epoch, push->now, error))
                return FALSE;
        }
        if (!cache_commit(g_steal_pointer(&txn), error))
            return FALSE;
    }
    return TRUE;
}

static gboolean expunge_set(Push *push, const char *text, const ImapSet *all, ImapSet *left,
                            gboolean *refused, ImapReply *reply, GError **error)
{
    gboolean uidplus = sync_has(push->context, IMAP_CAP_UIDPLUS);

    if (!run_expunge(push, "UID STORE ", text, " +FLAGS.SILENT (\\Deleted)", refused, reply, error))
        return FALSE;
    if (!*refused && !(uidplus ? run_expunge(push, "UID EXPUNGE ", text, "", refused, reply, error)
                               : expunge_all(push, all, refused, reply, error)))
        return FALSE;
    g_autofree char *query = g_strdup_printf("UID %s", text);
    g_autoptr(ImapSet) found = imap_client_search(push->context->imap, query, NULL, error);
    if (found)
        imap_set_add_set(left, found);
    return found != NULL;
}

static gboolean expunge_batch(Push *push, const SyncAction *actions, guint count, gboolean *refused,
                              ImapReply *reply, GError **error)
{
    const CacheFolder *folder = push_folder(push, actions[0].folder);
    g_autoptr(ImapSet) set = imap_set_new();
    g_autoptr(ImapSet) left = imap_set_new();
    guint range = 0;

    /* It goes as a whole, see push_old_folders(). */
    if (!folder->name)
        return TRUE;
    if (!push_select(push, folder->id, error))
        return FALSE;
    for (guint i = 0; i < count; i++)
        imap_set_add(set, actions[i].base_uid);
    while (!*refused) {
        g_autoptr(GString) text = g_string_new(NULL);
        if (!imap_set_format_some(set, &range, IMAP_CLIENT_SET, text))
            break;
        if (!expunge_set(push, text->str, set, left, refused, reply, error))
            return FALSE;
    }
    /* What is left of a refused batch wasn't asked about. */
    if (*refused)
        imap_set_add_set(left, set);
    else if (!imap_set_is_empty(left))
        refuse_silent(reply, refused);
    /* There flags are the message's, and this was one. */
    if (sync_is_set_like(push->context) && folder->role == CACHE_ROLE_FLAGGED)
        push_touch_role(push, CACHE_ROLE_ALL);
    return expunge_forget(push, actions, count, left, error);
}

gboolean push_expunges(Push *push, GError **error)
{
    return push_each_batch(push, SYNC_EXPUNGE, expunge_batch, error);
}
