/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Notes, in memory and in the cache. */
#include "daemon/sync/notes.h"

#include "cache/note.h"

/* What nothing has come of in so long is about nothing any more. */
#define KEEP_SECONDS (60 * 24 * 60 * 60)

gboolean sync_load_notes(SyncContext *context, GError **error)
{
    if (context->notes_loaded)
        return TRUE;
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_WRITE, error);
    GHashTable *notes = txn && cache_note_purge(txn, sync_time(context) - KEEP_SECONDS, error)
                            ? cache_note_list(txn, error)
                            : NULL;
    if (!notes)
        return FALSE;
    g_hash_table_unref(context->notes);
    context->notes = notes;
    context->notes_loaded = TRUE;
    return cache_commit(g_steal_pointer(&txn), error);
}

gint64 sync_note(const SyncContext *context, const char *key)
{
    const gint64 *value = g_hash_table_lookup(context->notes, key);

    return value ? *value : 0;
}

static gboolean write_note(SyncContext *context, const char *key, gint64 value, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_WRITE, error);

    return txn && cache_note_set(txn, key, value, sync_time(context), error) &&
           cache_commit(g_steal_pointer(&txn), error);
}

gboolean sync_set_note(SyncContext *context, CacheTxn *txn, const char *key, gint64 value,
                       GError **error)
{
    if (sync_note(context, key) == value)
        return TRUE;
    if (txn ? !cache_note_set(txn, key, value, sync_time(context), error)
            : !write_note(context, key, value, error))
        return FALSE;
    if (value)
        g_hash_table_insert(context->notes, g_strdup(key), g_memdup2(&value, sizeof value));
    else
        g_hash_table_remove(context->notes, key);
    return TRUE;
}

void sync_doubt_notes(SyncContext *context)
{
    context->notes_loaded = FALSE;
}

gint64 sync_note_of_flags(CacheFlags flags)
{
    return (gint64)flags.keywords << 32 | (gint64)flags.system;
}

CacheFlags sync_note_flags(gint64 note)
{
    return (CacheFlags){.system = (guint32)note, .keywords = (guint32)(note >> 32)};
}

char *sync_note_key(const char *what, gint64 folder, guint32 uid)
{
    return g_strdup_printf("%s %" G_GINT64_FORMAT " %u", what, folder, uid);
}
