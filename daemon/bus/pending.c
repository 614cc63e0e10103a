/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The methods of org.postern.Postern1.Account about what upstream has refused.
 */
#include "daemon/bus/private.h"

#include "cache/attempt.h"
#include "cache/folder.h"
#include "cache/problem.h"
#include "daemon/sync/pending.h"
#include "daemon/sync/sync.h"
#include "daemon/words/words.h"

#include <gio/gunixfdlist.h>

/* Problems come and go without any change that the cache would tell of. */
static void pending_ask(PosternAccount *object, GDBusMethodInvocation *invocation, AccountJob job,
                        gint64 id, int fd)
{
    bus_ask(object, job, &(BusAsk){.invocation = invocation, .refresh = TRUE, .id = id, .fd = fd});
}

/* ---- ListPending --------------------------------------------------------------------------- */

static void describe_problem(GVariantBuilder *builder, CacheTxn *txn, const CacheProblem *problem)
{
    g_autoptr(CacheFolder) folder = cache_folder_get(txn, problem->folder, NULL);
    g_autofree char *text = words_text(problem->text ? problem->text : "");
    const char *name = folder && folder->name ? folder->name : folder ? folder->base_name : NULL;
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "Id", "x", problem->id);
    g_variant_dict_insert(&dict, "Operation", "s", problem->operation);
    g_variant_dict_insert(&dict, "Folder", "s", name ? name : "");
    g_variant_dict_insert(&dict, "Uid", "u", problem->uid);
    g_variant_dict_insert(&dict, "Error", "s", text);
    g_variant_dict_insert(&dict, "Since", "x", problem->since);
    g_variant_dict_insert(&dict, "Retry", "x", problem->retry);
    g_variant_builder_add_value(builder, g_variant_dict_end(&dict));
}

static gpointer list_job(AccountWork *work, gpointer data, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(work->cache, CACHE_READ, error);
    g_autoptr(GPtrArray) problems = txn ? cache_problem_list(txn, error) : NULL;
    GVariantBuilder builder;

    if (!problems)
        return NULL;
    g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < problems->len; i++)
        describe_problem(&builder, txn, g_ptr_array_index(problems, i));
    return g_variant_ref_sink(g_variant_new("(aa{sv})", &builder));
}

static gboolean on_list(PosternAccount *object, GDBusMethodInvocation *invocation, gpointer data)
{
    pending_ask(object, invocation, list_job, 0, -1);
    return TRUE;
}

/* ---- deciding about one -------------------------------------------------------------------- */

static gpointer retry_job(AccountWork *work, gpointer data, GError **error)
{
    const BusAsk *call = data;

    if (sync_retry_pending(work->cache, call->id, error))
        sync_now(work->sync);
    return NULL;
}

static gboolean on_retry(PosternAccount *object, GDBusMethodInvocation *invocation, gint64 id,
                         gpointer data)
{
    pending_ask(object, invocation, retry_job, id, -1);
    return TRUE;
}

static gpointer give_up_job(AccountWork *work, gpointer data, GError **error)
{
    const BusAsk *call = data;

    /* What comes back into the view may have changed upstream meanwhile. */
    if (sync_give_up_pending(work->cache, call->id, error))
        sync_now(work->sync);
    return NULL;
}

static gboolean on_give_up(PosternAccount *object, GDBusMethodInvocation *invocation, gint64 id,
                           gpointer data)
{
    pending_ask(object, invocation, give_up_job, id, -1);
    return TRUE;
}

static gpointer export_job(AccountWork *work, gpointer data, GError **error)
{
    const BusAsk *call = data;

    sync_export_pending(work->cache, call->id, call->fd, error);
    return NULL;
}

static gboolean on_export(PosternAccount *object, GDBusMethodInvocation *invocation,
                          GUnixFDList *files, gint64 id, GVariant *file, gpointer data)
{
    g_autoptr(GError) error = NULL;
    int fd = files ? g_unix_fd_list_get(files, g_variant_get_handle(file), &error) : -1;

    if (fd < 0)
        bus_return(invocation, POSTERN_ERROR_INVALID_ARGUMENT, "no file was passed along");
    else
        pending_ask(object, invocation, export_job, id, fd);
    return TRUE;
}

void bus_pending_connect(PosternAccount *object)
{
    g_signal_connect(object, "handle-list-pending", G_CALLBACK(on_list), NULL);
    g_signal_connect(object, "handle-retry-pending", G_CALLBACK(on_retry), NULL);
    g_signal_connect(object, "handle-give-up-pending", G_CALLBACK(on_give_up), NULL);
    g_signal_connect(object, "handle-export-pending", G_CALLBACK(on_export), NULL);
}
