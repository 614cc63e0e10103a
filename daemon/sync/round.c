/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The order of things in a round. */
#include "daemon/sync/round.h"

#include "cache/message.h"
#include "daemon/sync/aside.h"
#include "daemon/sync/attempts.h"
#include "daemon/sync/doubt.h"
#include "daemon/sync/expire.h"
#include "daemon/sync/folders.h"
#include "daemon/sync/here.h"
#include "daemon/sync/notes.h"
#include "daemon/sync/pull.h"
#include "daemon/sync/push.h"
#include "daemon/sync/sets.h"
#include "daemon/sync/vanished.h"
#include "daemon/upstream/imap-namespace.h"
#include "daemon/upstream/imap-quota.h"

/* Push, pull what it changed, push what that made possible: so often at most. */
#define MAX_PUSHES 8

static gboolean begin(SyncContext *context, GError **error)
{
    g_autoptr(CacheTxn) txn = NULL;
    g_autoptr(GPtrArray) folders = NULL;

    sync_context_reset(context);
    txn = cache_begin(context->cache, CACHE_READ, error);
    folders = txn ? cache_folder_list(txn, error) : NULL;
    if (!folders)
        return FALSE;
    context->track_arrivals = FALSE;
    context->look_again = 0;
    for (guint i = 0; i < folders->len; i++)
        if (((CacheFolder *)folders->pdata[i])->synced)
            context->track_arrivals = TRUE;
    g_clear_pointer(&txn, cache_end);
    return sync_learn_store(context, error) && sync_load_attempts(context, error) &&
           sync_load_aside(context, error);
}

static void wake_bodies(SyncContext *context)
{
    if (context->arrived)
        fetch_bodies_wake(context->bodies, FALSE);
    context->arrived = FALSE;
}

/* Undoes what a pull that failed has learnt and not written. */
static gboolean try_pull(SyncContext *context, gint64 folder, GError **error)
{
    guint vanished = context->vanished->len;
    gboolean ok = sync_pull_folder(context, folder, error);

    /* Else what arrived may have moved here, with a body that needn't come again. */
    if (!context->track_arrivals)
        wake_bodies(context);
    if (ok)
        return TRUE;
    g_array_set_size(context->vanished, vanished);
    g_hash_table_remove(context->base_counts, &folder);
    return FALSE;
}

/* A folder that can't be read is set aside, and doesn't keep the others from it: when it is
 * refused, when it breaks the connection twice, and when reading the list again didn't help. */
static gboolean pull_one(SyncContext *context, gint64 folder, GError **error)
{
    for (guint tries = 0;; tries++) {
        g_autoptr(GError) reason = NULL;

        if (try_pull(context, folder, &reason))
            return TRUE;
        if (g_error_matches(reason, CACHE_ERROR, CACHE_ERROR_NOT_FOUND))
            return TRUE;
        if (g_error_matches(reason, SYNC_ERROR, SYNC_ERROR_AGAIN)) {
            if (!sync_repeats(context, reason, error))
                return FALSE;
        } else if (!g_error_matches(reason, IMAP_CLIENT_ERROR, IMAP_CLIENT_ERROR_REFUSED)) {
            if (!sync_survives(context, reason, error))
                return FALSE;
            if (tries == 0)
                continue;
        }
        return sync_set_aside(context, folder, 0, reason->message, error);
    }
}

/* When a folder is pulled: those that were set aside may break the connection, and what is numbered
 * anew on each needs the one that lasts, for its bodies. */
enum { FIRST, LAST, LAST_OF_ALL, NOT_NOW };

static guint8 turn_of(const SyncContext *context, gint64 folder)
{
    return sync_renumbers(context, folder)      ? LAST_OF_ALL
           : sync_was_aside(context, folder, 0) ? LAST
                                                : FIRST;
}

static gboolean pull_each(SyncContext *context, const gint64 *folders, guint count, GError **error)
{
    g_autofree guint8 *turns = g_new0(guint8, MAX(count, 1));

    for (guint i = 0; i < count; i++)
        turns[i] = sync_is_aside(context, folders[i], 0) ? NOT_NOW : turn_of(context, folders[i]);
    for (guint8 turn = 0; turn < NOT_NOW; turn++)
        for (guint i = 0; i < count; i++)
            if (turns[i] == turn && !pull_one(context, folders[i], error))
                return FALSE;
    return TRUE;
}

static gboolean conclude(SyncContext *context, GError **error)
{
    if (!sync_resolve_vanished(context, error) || !sync_close_attempts(context, error) ||
        !sync_finish_gone_folders(context, error))
        return FALSE;
    g_hash_table_remove_all(context->returned);
    if (!sync_end_doubts(context, error))
        return FALSE;
    wake_bodies(context);
    return TRUE;
}

/* No UIDVALIDITY: it matches none that a server may have. */
static gboolean forget_epochs(CacheTxn *txn, GError **error)
{
    g_autoptr(GPtrArray) folders = cache_folder_list(txn, error);

    for (guint i = 0; folders && i < folders->len; i++) {
        CacheFolder *row = folders->pdata[i];
        if (row->base_uidvalidity == 0)
            continue;
        row->base_uidvalidity = G_MAXUINT32;
        row->base_highestmodseq = 0;
        g_clear_pointer(&row->remote_id, g_free);
        if (!cache_folder_update(txn, row, error))
            return FALSE;
    }
    return folders && cache_message_forget_remote_ids(txn, error);
}

/* Another host or user: numbers may be the same and mean other messages, so all are matched
 * again. */
static gboolean check_identity(SyncContext *context, GError **error)
{
    const NetEndpoint *endpoint = context->settings->incoming;
    g_autofree char *identity = g_strdup_printf("%s@%s", context->settings->user, endpoint->host);
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_READ, error);
    g_autofree char *known = txn ? cache_meta_get(txn, "upstream") : NULL;

    if (!txn || g_strcmp0(known, identity) == 0)
        return txn != NULL;
    g_clear_pointer(&txn, cache_end);
    txn = cache_begin(context->cache, CACHE_WRITE_FULL, error);
    return txn && (!known || forget_epochs(txn, error)) &&
           cache_meta_set(txn, "upstream", identity, error) &&
           cache_commit(g_steal_pointer(&txn), error);
}

/* What clients are told is what the provider said last. */
static gboolean write_meta(SyncContext *context, const char *key, const char *text, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_READ, error);
    g_autofree char *known = txn ? cache_meta_get(txn, key) : NULL;

    if (!txn || g_strcmp0(known ? known : "", text) == 0)
        return txn != NULL;
    g_clear_pointer(&txn, cache_end);
    txn = cache_begin(context->cache, CACHE_WRITE, error);
    return txn && cache_meta_set(txn, key, *text ? text : NULL, error) &&
           cache_commit(g_steal_pointer(&txn), error);
}

/* What isn't needed and breaks the connection isn't asked for again. */
static gboolean pull_meta(SyncContext *context, const char *key,
                          char *(*ask)(ImapClient *client, GError **error), GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (g_hash_table_contains(context->suspects, key))
        return TRUE;
    g_autofree char *text = ask(context->imap, &failure);
    if (text)
        return write_meta(context, key, text, error);
    g_hash_table_add(context->suspects, g_strdup(key));
    return sync_survives(context, failure, error);
}

/* Meta "quota", as imap_client_quota() gives it. */
static gboolean pull_quota(SyncContext *context, GError **error)
{
    return sync_has(context, IMAP_CAP_QUOTA) ? pull_meta(context, "quota", imap_client_quota, error)
                                             : write_meta(context, "quota", "", error);
}

/* Meta "namespace", as imap_client_namespaces() gives it; once on a connection. */
static gboolean pull_namespaces(SyncContext *context, GError **error)
{
    if (context->namespaces_asked == context->connection)
        return TRUE;
    gboolean ok = sync_has(context, IMAP_CAP_NAMESPACE)
                      ? pull_meta(context, "namespace", imap_client_namespaces, error)
                      : write_meta(context, "namespace", "", error);
    context->namespaces_asked = context->connection;
    return ok;
}

static gboolean pull_everything(SyncContext *context, GError **error)
{
    g_autoptr(GArray) pull = g_array_new(FALSE, FALSE, sizeof(gint64));

    if (!begin(context, error) || !check_identity(context, error) ||
        !pull_namespaces(context, error) || !sync_pull_folders(context, pull, error) ||
        !sync_name_messages(context, error))
        return FALSE;
    if (!pull_each(context, &g_array_index(pull, gint64, 0), pull->len, error))
        return FALSE;
    g_hash_table_remove_all(context->touched);
    return conclude(context, error) && sync_clear_aside_gone(context, error) &&
           sync_end_renumbering(context, error) && pull_quota(context, error) &&
           sync_purge_vanished(context->cache, sync_time(context), error);
}

/* Whether some of what vanished was alive here: it may have been moved. */
static gboolean may_have_moved(SyncContext *context)
{
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_READ, NULL);
    CachePlacement row;

    for (guint i = 0; txn && i < context->vanished->len; i++) {
        const SyncVanished *vanished = &g_array_index(context->vanished, SyncVanished, i);
        if (cache_placement_get(txn, vanished->folder, vanished->uid, &row, NULL) && row.alive)
            return TRUE;
    }
    return FALSE;
}

/* Pulls some folders alone, unless what they show can be decided only over all of them. */
static gboolean pull_some(SyncContext *context, const gint64 *folders, guint count, GError **error)
{
    if (!begin(context, error) || !sync_name_messages(context, error))
        return FALSE;
    if (!pull_each(context, folders, count, error))
        return FALSE;
    /* What returns may do so elsewhere, too, and what it was moved to may be gone. */
    return may_have_moved(context) || g_hash_table_size(context->returned) > 0
               ? pull_everything(context, error)
               : conclude(context, error);
}

static gboolean pull_touched(SyncContext *context, GError **error)
{
    g_autoptr(GArray) folders = g_array_new(FALSE, FALSE, sizeof(gint64));
    GHashTableIter iter;
    gpointer folder;

    g_hash_table_iter_init(&iter, context->touched);
    while (g_hash_table_iter_next(&iter, &folder, NULL))
        g_array_append_vals(folders, folder, 1);
    g_hash_table_remove_all(context->touched);
    return folders->len == 0 ||
           pull_some(context, &g_array_index(folders, gint64, 0), folders->len, error);
}

static gboolean pull_inbox(SyncContext *context, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_READ, error);
    g_autoptr(CacheFolder) inbox = txn ? cache_folder_find_base(txn, "INBOX", NULL) : NULL;

    g_clear_pointer(&txn, cache_end);
    return inbox && inbox->synced ? pull_some(context, &inbox->id, 1, error)
                                  : pull_everything(context, error);
}

/* The content of what is numbered anew on each connection comes over this one, under its numbers: where
 * the connection has broken since the folder was pulled, it is pulled once more. */
static gboolean fetch_here(SyncContext *context, GError **error)
{
    g_autoptr(GArray) folders = sync_wanted_here(context, error);

    for (guint i = 0; folders && i < folders->len; i++) {
        const gint64 folder = g_array_index(folders, gint64, i);
        if (sync_is_aside(context, folder, 0))
            continue;
        if (!sync_is_numbered_here(context, folder) && !pull_some(context, &folder, 1, error))
            return FALSE;
        if (sync_is_numbered_here(context, folder) && !sync_fetch_here(context, folder, error))
            return FALSE;
    }
    return folders != NULL;
}

static gboolean push(SyncContext *context, GError **error)
{
    gboolean more = TRUE;

    for (guint i = 0; more && i < MAX_PUSHES; i++)
        if (!sync_push(context, &more, error) || !pull_touched(context, error))
            return FALSE;
    return TRUE;
}

static gboolean run_round_parts(SyncContext *context, SyncRoundKind kind, GError **error)
{
    if (!sync_load_notes(context, error))
        return FALSE;
    if (kind == SYNC_ROUND_FULL &&
        (!pull_everything(context, error) || !fetch_here(context, error)))
        return FALSE;
    if (kind == SYNC_ROUND_INBOX && !pull_inbox(context, error))
        return FALSE;
    return push(context, error);
}

gboolean sync_round(SyncContext *context, SyncRoundKind kind, GError **error)
{
    gboolean ok = run_round_parts(context, kind, error);

    if (!ok)
        sync_doubt_notes(context);
    return ok;
}
