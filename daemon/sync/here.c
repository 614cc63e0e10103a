/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Folders that have another UIDVALIDITY on each connection, and their content. */
#include "daemon/sync/here.h"

#include "cache/content.h"
#include "cache/problem.h"
#include "daemon/config/choice.h"
#include "daemon/fetch/fetcher.h"
#include "daemon/sync/notes.h"
#include <string.h>

/* Messages of one command. */
#define PIECE 100

/* Connections in a row with another UIDVALIDITY each: then the next will have another, too; and then it
 * is said. */
#define EXPECTED 2
#define SAID     3

/* So long after the last of them it isn't said any more. */
#define SAID_SECONDS (60 * 60)

/* ---- which they are ------------------------------------------------------------------------ */

typedef struct {
    guint connection;
    guint32 uidvalidity;
} Epoch;

/* The note "renumbers": how often in a row, and when last. */
static char *renumbers_key(gint64 folder)
{
    return sync_note_key("renumbers", folder, 0);
}

static guint times_of(gint64 note)
{
    return (guint)(note & 3);
}

gboolean sync_renumbers(const SyncContext *context, gint64 folder)
{
    g_autofree char *key = renumbers_key(folder);

    return times_of(sync_note(context, key)) >= EXPECTED;
}

gboolean sync_may_renumber(const SyncContext *context, gint64 folder)
{
    g_autofree char *key = renumbers_key(folder);
    const Epoch *known = g_hash_table_lookup(context->epochs, &folder);

    return sync_note(context, key) && !(known && known->connection == context->connection);
}

static gboolean say_renumbers(SyncContext *context, CacheTxn *txn, const CacheFolder *folder,
                              GError **error)
{
    g_autofree char *text = g_strdup_printf(
        "The provider numbers %s anew on each connection: all of it is compared each time, and its "
        "messages are fetched one connection after the other.",
        folder->base_name);
    const CacheProblem problem = {.operation = (char *)"renumbers",
                                  .folder = folder->id,
                                  .text = text,
                                  .since = sync_time(context)};

    return cache_problem_set(txn, &problem, error) != 0;
}

static gboolean unsay_renumbers(CacheTxn *txn, gint64 folder, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(CacheProblem) said = cache_problem_find(txn, "renumbers", folder, 0, &failure);

    if (failure) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    return !said || cache_problem_clear(txn, said->id, error);
}

static gboolean write_times(SyncContext *context, const CacheFolder *folder, guint times,
                            GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_WRITE, error);
    g_autofree char *key = renumbers_key(folder->id);

    if (!txn)
        return FALSE;
    if (!sync_set_note(context, txn, key, times ? sync_time(context) << 2 | times : 0, error))
        return FALSE;
    if (times == SAID ? !say_renumbers(context, txn, folder, error)
                      : !unsay_renumbers(txn, folder->id, error))
        return FALSE;
    return cache_commit(g_steal_pointer(&txn), error);
}

gboolean sync_note_epoch(SyncContext *context, const CacheFolder *folder, GError **error)
{
    const Epoch now = {context->connection, context->state.uidvalidity};
    const Epoch *known = g_hash_table_lookup(context->epochs, &folder->id);
    const Epoch before = known ? *known : (Epoch){0, folder->base_uidvalidity};
    g_autofree char *key = renumbers_key(folder->id);
    const guint times = times_of(sync_note(context, key));

    g_hash_table_replace(context->epochs, g_memdup2(&folder->id, sizeof folder->id),
                         g_memdup2(&now, sizeof now));
    if (before.uidvalidity == 0 || before.connection == now.connection)
        return TRUE;
    if (before.uidvalidity == now.uidvalidity)
        return times == 0 || write_times(context, folder, 0, error);
    return write_times(context, folder, MIN(times + 1, SAID), error);
}

/* The folder of a note; 0: it is about something else, or was renumbered just now. */
static gint64 renumbered_long_ago(const SyncContext *context, const char *key, gint64 note)
{
    static const char prefix[] = "renumbers ";

    return g_str_has_prefix(key, prefix) && (note >> 2) < sync_time(context) - SAID_SECONDS
               ? g_ascii_strtoll(key + strlen(prefix), NULL, 10)
               : 0;
}

gboolean sync_end_renumbering(SyncContext *context, GError **error)
{
    g_autoptr(GArray) over = g_array_new(FALSE, FALSE, sizeof(gint64));
    GHashTableIter iter;
    gpointer key, note;

    g_hash_table_iter_init(&iter, context->notes);
    while (g_hash_table_iter_next(&iter, &key, &note)) {
        gint64 folder = renumbered_long_ago(context, key, *(const gint64 *)note);
        if (folder)
            g_array_append_val(over, folder);
    }
    for (guint i = 0; i < over->len; i++) {
        const CacheFolder folder = {.id = g_array_index(over, gint64, i)};
        if (!write_times(context, &folder, 0, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- their content ------------------------------------------------------------------------- */

static void note_arrived(gpointer data)
{
}

/* Up to PIECE messages of which prefetch wants something: their content, or just their headers. NULL:
 * there are none, or it failed. */
static FetchJob *wanted_of(SyncContext *context, CacheTxn *txn, const CacheFolder *folder,
                           GError **error)
{
    const AccountSettings *settings = context->settings;
    const gint days = settings->prefetch_days;
    const gint64 since = days > 0 ? sync_time(context) - (gint64)days * 24 * 60 * 60 : G_MININT64;
    const gboolean headers =
        days == ACCOUNT_PREFETCH_HEADERS || account_keeps_headers(settings, folder->base_name);

    for (CacheContentState state = headers ? CACHE_CONTENT_HEADER : CACHE_CONTENT_FULL;;
         state = CACHE_CONTENT_HEADER) {
        g_autoptr(GArray) wanted = cache_content_wanted(
            txn, folder->id, state, state == CACHE_CONTENT_FULL ? since : G_MININT64, PIECE, error);
        if (!wanted)
            return NULL;
        if (wanted->len > 0) {
            FetchJob *job = fetch_job_new(folder->id, folder->base_uidvalidity, state);
            g_array_append_vals(job->items, wanted->data, wanted->len);
            return job;
        }
        if (state == CACHE_CONTENT_HEADER)
            return NULL;
    }
}

/* The same for a folder that may be gone, or isn't to be here. */
static FetchJob *next_job(SyncContext *context, gint64 id, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_READ, error);
    g_autoptr(CacheFolder) folder = txn ? cache_folder_get(txn, id, NULL) : NULL;

    return folder && folder->base_name && folder->missing > 0 &&
                   !account_leaves_out(context->settings, folder->base_name)
               ? wanted_of(context, txn, folder, error)
               : NULL;
}

static gboolean is_any_wanted(SyncContext *context, gint64 folder, gboolean *wanted, GError **error)
{
    g_autoptr(GError) reason = NULL;
    g_autoptr(FetchJob) job = next_job(context, folder, &reason);

    *wanted = job != NULL;
    if (!reason)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}

/* Folders that were renumbered again and again, and those that the fetchers have found so. */
static GHashTable *renumbering(SyncContext *context)
{
    GHashTable *found = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    GHashTableIter iter;
    gpointer folder;
    gint64 taken;

    while ((taken = fetch_bodies_take_renumbered(context->bodies)) != 0)
        g_hash_table_add(found, g_memdup2(&taken, sizeof taken));
    g_hash_table_iter_init(&iter, context->epochs);
    while (g_hash_table_iter_next(&iter, &folder, NULL))
        if (sync_renumbers(context, *(const gint64 *)folder))
            g_hash_table_add(found, g_memdup2(folder, sizeof(gint64)));
    return found;
}

GArray *sync_wanted_here(SyncContext *context, GError **error)
{
    g_autoptr(GHashTable) folders = renumbering(context);
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(gint64));
    GHashTableIter iter;
    gpointer folder;

    g_hash_table_iter_init(&iter, folders);
    while (g_hash_table_iter_next(&iter, &folder, NULL)) {
        gboolean wanted;
        if (!is_any_wanted(context, *(const gint64 *)folder, &wanted, error))
            return NULL;
        if (wanted)
            g_array_append_vals(found, folder, 1);
    }
    return g_steal_pointer(&found);
}

gboolean sync_is_numbered_here(const SyncContext *context, gint64 folder)
{
    const Epoch *known = g_hash_table_lookup(context->epochs, &folder);

    return known && known->connection == context->connection;
}

/* Until nothing more comes. */
static gboolean fetch_all(SyncContext *context, Fetcher *fetcher, gint64 folder, GError **error)
{
    gboolean ok = TRUE;

    for (guint came = 1; ok && came > 0;) {
        g_autoptr(GError) reason = NULL;
        FetchOutcome outcome;
        FetchJob *job = next_job(context, folder, &reason);
        if (reason) {
            g_propagate_error(error, g_steal_pointer(&reason));
            return FALSE;
        }
        if (!job)
            return TRUE;
        fetch_outcome_init(&outcome);
        ok = fetcher_start(fetcher, job, &outcome, error) &&
             fetcher_finish(fetcher, &outcome, error);
        /* What is refused, or other numbers here as well, is for the fetchers to set aside. */
        came = outcome.refused->len || outcome.renumbered ? 0 : outcome.finished->len;
        fetch_outcome_clear(&outcome);
    }
    return ok;
}

gboolean sync_fetch_here(SyncContext *context, gint64 folder, GError **error)
{
    const AccountAccess access = {.settings = context->settings, .clock = context->clock};
    g_autoptr(Fetcher) fetcher = fetcher_new(&access, context->cache, note_arrived, NULL);
    g_autoptr(GError) failure = NULL;

    context->selected = 0;
    fetcher_lend(fetcher, context->imap);
    gboolean ok = fetch_all(context, fetcher, folder, &failure);
    fetcher_lend(fetcher, NULL);
    return ok || sync_survives(context, failure, error);
}
