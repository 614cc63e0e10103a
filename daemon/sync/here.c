/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Content over sync's own connection. */
#include "daemon/sync/here.h"

#include "cache/content.h"
#include "daemon/fetch/fetcher.h"

/* Messages of one command. */
#define PIECE 100

static void note_arrived(gpointer data)
{
}

/* The next messages; NULL: there are none, or it failed. */
static FetchJob *next_job(SyncContext *context, const CacheFolder *folder, GError **error)
{
    const gint days = context->settings->prefetch_days;
    const CacheContentState state =
        days == ACCOUNT_PREFETCH_HEADERS ? CACHE_CONTENT_HEADER : CACHE_CONTENT_FULL;
    const gint64 since = days > 0 ? sync_time(context) - (gint64)days * 24 * 60 * 60 : G_MININT64;
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_READ, error);
    g_autoptr(GArray) wanted =
        txn ? cache_content_wanted(txn, folder->id, state, since, PIECE, error) : NULL;

    if (!wanted || wanted->len == 0)
        return NULL;
    FetchJob *job = fetch_job_new(folder->id, folder->base_uidvalidity, state);
    g_array_append_vals(job->items, wanted->data, wanted->len);
    return job;
}

/* Until nothing more comes. */
static gboolean fetch_here_all(SyncContext *context, Fetcher *fetcher, const CacheFolder *folder,
                               GError **error)
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

static gboolean fetch_folder(SyncContext *context, gint64 id, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_READ, error);
    g_autoptr(CacheFolder) folder = txn ? cache_folder_get(txn, id, NULL) : NULL;
    const AccountAccess access = {.settings = context->settings, .clock = context->clock};

    if (!txn)
        return FALSE;
    g_clear_pointer(&txn, cache_end);
    if (!folder || !folder->base_name)
        return TRUE;
    if (g_hash_table_add(context->suspects, g_strdup_printf("renumbers %" G_GINT64_FORMAT, id)))
        g_message("%s: the provider numbers %s anew on each connection, so its messages are "
                  "fetched over one",
                  context->settings->id, folder->base_name);
    g_autoptr(Fetcher) fetcher = fetcher_new(&access, context->cache, note_arrived, NULL);
    context->selected = 0;
    fetcher_lend(fetcher, context->imap);
    gboolean ok = fetch_here_all(context, fetcher, folder, error);
    fetcher_lend(fetcher, NULL);
    return ok;
}

gboolean sync_fetch_here(SyncContext *context, GError **error)
{
    gint64 folder;

    while ((folder = fetch_bodies_take_renumbered(context->bodies)) != 0) {
        g_autoptr(GError) failure = NULL;
        if (!fetch_folder(context, folder, &failure))
            return sync_survives(context, failure, error);
    }
    return TRUE;
}
