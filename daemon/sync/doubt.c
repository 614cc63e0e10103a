/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Flags of which only the next pull shows what has become of them: notes "doubt". */
#include "daemon/sync/doubt.h"

#include "daemon/sync/notes.h"

#include <string.h>

#define DOUBT "doubt"

static void add_keywords(CacheTxn *txn, CacheFlags *flags, guint32 keywords)
{
    guint32 all = cache_keywords_union(txn, flags->keywords, keywords, NULL);

    if (all != G_MAXUINT32) /* else there are too many of them */
        flags->keywords = all;
}

gboolean sync_doubt_flags(SyncContext *context, CacheTxn *txn, const CachePlacement *row,
                          CacheFlags flags, GError **error)
{
    g_autofree char *key = sync_note_key(DOUBT, row->folder, row->uid);
    CacheFlags doubt = sync_note_flags(sync_note(context, key));

    doubt.system |= flags.system;
    add_keywords(txn, &doubt, flags.keywords);
    return sync_set_note(context, txn, key, sync_note_of_flags(doubt), error);
}

gboolean sync_doubt_store(SyncContext *context, CacheTxn *txn, const SyncAction *action,
                          GError **error)
{
    const CachePlacement row = {.folder = action->folder, .uid = action->uid};

    return sync_doubt_flags(context, txn, &row, action->add, error) &&
           sync_doubt_flags(context, txn, &row, action->remove, error);
}

gboolean sync_settle_doubt(SyncContext *context, CacheTxn *txn, CachePlacement *row,
                           CacheFlags server, GError **error)
{
    g_autofree char *key = sync_note_key(DOUBT, row->folder, row->uid);
    const gint64 doubt = sync_note(context, key);

    if (!doubt)
        return TRUE;
    const CacheFlags in = sync_note_flags(doubt);
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

/* The folder of a note about a doubt; 0: it is about something else. */
static gint64 doubted_folder(const char *key)
{
    return g_str_has_prefix(key, DOUBT " ") ? g_ascii_strtoll(key + strlen(DOUBT " "), NULL, 10)
                                            : 0;
}

gboolean sync_end_doubts(SyncContext *context, GError **error)
{
    g_autoptr(GPtrArray) over = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, context->notes);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        gint64 folder = doubted_folder(key);
        if (folder && g_hash_table_contains(context->pulled, &folder))
            g_ptr_array_add(over, g_strdup(key));
    }
    if (over->len == 0)
        return TRUE;
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_WRITE, error);
    for (guint i = 0; txn && i < over->len; i++)
        if (!sync_set_note(context, txn, over->pdata[i], 0, error))
            return FALSE;
    return txn && cache_commit(g_steal_pointer(&txn), error);
}

gboolean sync_end_doubt(SyncContext *context, CacheTxn *txn, const SyncAction *action,
                        GError **error)
{
    g_autofree char *key = sync_note_key(DOUBT, action->folder, action->uid);

    return sync_set_note(context, txn, key, 0, error);
}
