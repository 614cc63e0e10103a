/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Comparing the newest messages' Message-IDs. */
#include "daemon/sync/recognise.h"

#include "daemon/sync/attributes.h"

/* So many of the newest messages are looked at. */
#define NEWEST 10

/* In place of a connection's number. */
#define UNRECOGNISED GUINT_TO_POINTER(G_MAXUINT)

/* Those of `rows` whose Message-IDs aren't `ids`: both are known, and differ. */
static gboolean is_any_other(SyncContext *context, const GArray *rows, GHashTable *ids,
                             gboolean *other, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_READ, error);
    gboolean known;

    for (guint i = 0; txn && i < rows->len && !*other; i++) {
        const CachePlacement *row = &g_array_index(rows, CachePlacement, i);
        const char *there = g_hash_table_lookup(ids, GUINT_TO_POINTER(row->base_uid));
        g_autofree char *here = sync_message_id(txn, row->message, &known);
        *other = here && there && *there && !g_str_equal(here, there);
    }
    return txn != NULL;
}

static gboolean compare_newest(SyncContext *context, gint64 folder, gboolean *other, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_READ, error);
    g_autoptr(GArray) rows = txn ? cache_placement_newest(txn, folder, NEWEST, error) : NULL;
    g_autoptr(ImapSet) uids = imap_set_new();

    g_clear_pointer(&txn, cache_end);
    if (!rows)
        return FALSE;
    for (guint i = 0; i < rows->len; i++)
        imap_set_add(uids, g_array_index(rows, CachePlacement, i).base_uid);
    if (rows->len == 0)
        return TRUE;
    g_autoptr(GHashTable) ids = sync_fetch_message_ids(context, uids, error);
    return ids && is_any_other(context, rows, ids, other, error);
}

gboolean sync_recognise(SyncContext *context, const CacheFolder *folder, gboolean *other,
                        GError **error)
{
    gpointer connection = GUINT_TO_POINTER(context->connection);

    *other = FALSE;
    if (!folder->synced || imap_client_exists(context->imap) == 0 ||
        g_hash_table_lookup(context->recognised, &folder->id) == connection)
        return TRUE;
    if (!compare_newest(context, folder->id, other, error))
        return FALSE;
    g_hash_table_replace(context->recognised, g_memdup2(&folder->id, sizeof folder->id),
                         *other ? UNRECOGNISED : connection);
    return TRUE;
}

gboolean sync_is_unrecognised(const SyncContext *context, gint64 folder)
{
    return g_hash_table_lookup(context->recognised, &folder) == UNRECOGNISED;
}
