/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Flags that were stored without an answer. */
#include "daemon/sync/doubt.h"

#include "cache/flags.h"

/* Either value of these may be there. */
typedef struct {
    gint64 folder;
    CacheFlags flags;
} Doubt;

static char *doubt_key_of(gint64 folder, guint32 uid)
{
    return g_strdup_printf("%" G_GINT64_FORMAT " %u", folder, uid);
}

static void add_keywords(CacheTxn *txn, CacheFlags *flags, guint32 keywords)
{
    guint32 all = cache_keywords_union(txn, flags->keywords, keywords, NULL);

    if (all != G_MAXUINT32) /* else there are too many of them */
        flags->keywords = all;
}

void sync_doubt_flags(SyncContext *context, CacheTxn *txn, const SyncAction *action)
{
    char *key = doubt_key_of(action->folder, action->uid);
    const Doubt *known = g_hash_table_lookup(context->doubts, key);
    Doubt doubt = known ? *known : (Doubt){.folder = action->folder};

    doubt.flags.system |= action->add.system | action->remove.system;
    add_keywords(txn, &doubt.flags, action->add.keywords);
    add_keywords(txn, &doubt.flags, action->remove.keywords);
    g_hash_table_insert(context->doubts, key, g_memdup2(&doubt, sizeof doubt));
}

gboolean sync_settle_doubt(SyncContext *context, CacheTxn *txn, CachePlacement *row,
                           CacheFlags server, GError **error)
{
    if (g_hash_table_size(context->doubts) == 0)
        return TRUE;
    g_autofree char *key = doubt_key_of(row->folder, row->uid);
    const Doubt *doubt = g_hash_table_lookup(context->doubts, key);
    if (!doubt)
        return TRUE;
    const CacheFlags in = doubt->flags;
    row->base_flags.system = (row->base_flags.system & ~in.system) | (server.system & in.system);
    /* Of the base what isn't in doubt, and of what is what the server has. */
    guint32 sure = cache_keywords_subtract(txn, row->base_flags.keywords, in.keywords, error);
    guint32 others = cache_keywords_subtract(txn, server.keywords, in.keywords, error);
    guint32 there = others == G_MAXUINT32
                        ? others
                        : cache_keywords_subtract(txn, server.keywords, others, error);
    if (sure == G_MAXUINT32 || there == G_MAXUINT32)
        return FALSE;
    row->base_flags.keywords = cache_keywords_union(txn, sure, there, error);
    return row->base_flags.keywords != G_MAXUINT32;
}

static gboolean doubt_was_pulled(gpointer key, gpointer value, gpointer data)
{
    return g_hash_table_contains(((SyncContext *)data)->pulled, &((Doubt *)value)->folder);
}

void sync_end_doubts(SyncContext *context)
{
    g_hash_table_foreach_remove(context->doubts, doubt_was_pulled, context);
}

void sync_end_doubt(SyncContext *context, const SyncAction *action)
{
    if (g_hash_table_size(context->doubts) == 0)
        return;
    g_autofree char *key = doubt_key_of(action->folder, action->uid);
    g_hash_table_remove(context->doubts, key);
}
