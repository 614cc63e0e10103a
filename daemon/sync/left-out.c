/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Keywords that are left out, and that they are. See left-out.h. */
#include "daemon/sync/left-out.h"

#include "cache/problem.h"

#define OPERATION "keywords"

static gboolean say(SyncContext *context, gint64 folder, const char *why, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_WRITE, error);
    g_autofree char *text = g_strconcat("Keywords are left out here: ", why, NULL);
    const CacheProblem problem = {.operation = (char *)OPERATION,
                                  .folder = folder,
                                  .text = text,
                                  .since = sync_time(context)};

    if (!txn)
        return FALSE;
    g_autoptr(CacheProblem) said = cache_problem_find(txn, OPERATION, folder, 0, NULL);
    if (said)
        return TRUE;
    g_message("%s: %s", context->settings->id, text);
    return cache_problem_set(txn, &problem, error) != 0 &&
           cache_commit(g_steal_pointer(&txn), error);
}

gboolean sync_has_left_out(const SyncContext *context, gint64 folder)
{
    return g_hash_table_contains(context->left_out, &folder);
}

gboolean sync_leave_out(SyncContext *context, const char *why, GError **error)
{
    const gint64 folder = context->selecting;

    if (sync_has_left_out(context, folder))
        return TRUE;
    g_hash_table_add(context->left_out, g_memdup2(&folder, sizeof folder));
    return say(context, folder, why, error);
}

void sync_begin_left_out(SyncContext *context, gint64 folder)
{
    g_hash_table_remove(context->left_out, &folder);
}

gboolean sync_end_left_out(SyncContext *context, gint64 folder, gboolean compared, GError **error)
{
    g_autoptr(CacheTxn) txn = NULL;
    g_autoptr(GError) failure = NULL;

    if (!compared || sync_has_left_out(context, folder))
        return TRUE;
    txn = cache_begin(context->cache, CACHE_READ, error);
    if (!txn)
        return FALSE;
    g_autoptr(CacheProblem) said = cache_problem_find(txn, OPERATION, folder, 0, &failure);
    if (failure) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    if (!said)
        return TRUE;
    g_clear_pointer(&txn, cache_end);
    txn = cache_begin(context->cache, CACHE_WRITE, error);
    return txn && cache_problem_clear(txn, said->id, error) &&
           cache_commit(g_steal_pointer(&txn), error);
}
