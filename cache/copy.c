/* SPDX-License-Identifier: GPL-3.0-or-later */
/* COPY, MOVE and APPEND: what clients do that puts messages into folders. */
#include "cache/note.h"
#include "cache/private.h"
#include "cache/set-like.h"

static const char SQL_LIVE[] = "SELECT uid FROM placement INDEXED BY placement_message"
                               " WHERE message = ? AND folder = ? AND alive";

static gint64 now(void)
{
    return g_get_real_time() / G_USEC_PER_SEC;
}

static char *made_key(gint64 folder, guint32 uid)
{
    return g_strdup_printf("made %" G_GINT64_FORMAT " %u", folder, uid);
}

/*
 * Where a moved message came from, as upstream will see it: a stop on the way that upstream never
 * learnt of is left out, so that A→B→C becomes one MOVE.
 */
static void set_origin(CacheTxn *txn, const CachePlacement *source, CachePlacement *copy)
{
    if (source->base == CACHE_BASE_NONE && source->from_folder &&
        !placement_attempted(txn, source->folder, source->uid)) {
        copy->from_folder = source->from_folder;
        copy->from_uid = source->from_uid;
    } else {
        copy->from_folder = source->folder;
        copy->from_uid = source->uid;
    }
}

/* In set-like stores a message is in a folder once: the UID it has there; 0: none. */
static guint32 existing(CacheTxn *txn, const CachePlacement *source, gint64 target)
{
    if (!cache_is_set_like(txn))
        return 0;
    g_auto(DbQuery) query = db_query(txn->db, SQL_LIVE, DB_INT(source->message), DB_INT(target));
    return db_next(&query) ? (guint32)db_int(&query, 0) : 0;
}

gboolean copy_put(CacheTxn *txn, const CachePlacement *source, gint64 target, gboolean move,
                  guint32 *uid, GError **error)
{
    CachePlacement copy = {.folder = target,
                           .message = source->message,
                           .alive = TRUE,
                           .flags = cache_rights_limit(counters_rights(txn, target), source->flags),
                           .date = source->date,
                           .zone = source->zone,
                           .size = source->size,
                           .saved = now()};

    *uid = existing(txn, source, target);
    if (*uid)
        return TRUE;
    if (cache_is_set_like(txn))
        copy.flags.system &= ~(guint32)CACHE_DELETED; /* the only flag that isn't the message's */
    if (move)
        set_origin(txn, source, &copy);
    if (!cache_placement_put(txn, &copy, error))
        return FALSE;
    *uid = copy.uid;
    return TRUE;
}

/* A COPY or MOVE on its way through the messages. */
typedef struct {
    CacheTxn *txn;
    gint64 folder, target;
    gboolean move;
    GArray *from, *to;
} Copying;

static gboolean copy_one(const Copying *copying, guint32 uid, GError **error)
{
    g_autoptr(GError) failure = NULL;
    CachePlacement source;
    guint32 to;

    if (!cache_placement_get(copying->txn, copying->folder, uid, &source, &failure)) {
        if (g_error_matches(failure, CACHE_ERROR, CACHE_ERROR_NOT_FOUND))
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    if (!source.alive)
        return TRUE;
    if (!copy_put(copying->txn, &source, copying->target, copying->move, &to, error))
        return FALSE;
    /* Where it is there already under this very UID, moving it changes nothing. */
    gboolean stays = !copying->move || (copying->folder == copying->target && to == uid);
    if (!stays && !placement_kill(copying->txn, &source, error))
        return FALSE;
    g_array_append_val(copying->from, uid);
    g_array_append_val(copying->to, to);
    return TRUE;
}

gboolean cache_copy(CacheTxn *txn, CacheSelection messages, gint64 target, gboolean move,
                    GArray *from, GArray *to, GError **error)
{
    const Copying copying = {txn, messages.folder, target, move, from, to};

    if (!txn_writes(txn, TRUE, error) || !counters_of(txn, target, error))
        return FALSE;
    for (gsize i = 0; i < messages.count; i++)
        if (!copy_one(&copying, messages.uids[i], error))
            return FALSE;
    return TRUE;
}

/* What is put into Sent here is no sign of what the provider does (cache_made_here()). */
static gboolean note_made(CacheTxn *txn, const CachePlacement *placement, GError **error)
{
    g_autoptr(CacheFolder) folder = cache_folder_get(txn, placement->folder, error);
    g_autofree char *key = made_key(placement->folder, placement->uid);

    if (!folder)
        return FALSE;
    return folder->role != CACHE_ROLE_SENT || !folder->pushed ||
           cache_note_set(txn, key, 1, now(), error);
}

gboolean cache_made_here(CacheTxn *txn, gint64 folder, guint32 uid)
{
    g_autofree char *key = made_key(folder, uid);

    return cache_note_get(txn, key) != 0;
}

guint32 cache_append(CacheTxn *txn, gint64 folder, CacheContentWriter *writer,
                     const CacheRendered *rendered, CacheAppend append, GError **error)
{
    if (!txn_writes(txn, TRUE, error) || !counters_of(txn, folder, error))
        return 0;
    CachePlacement placement = {.folder = folder,
                                .message = cache_message_new(txn, NULL, error),
                                .alive = TRUE,
                                .flags =
                                    cache_rights_limit(counters_rights(txn, folder), append.flags),
                                .date = append.date,
                                .zone = append.zone,
                                .saved = now()};
    if (!placement.message || !set_like_nameless(txn, placement.message, error) ||
        !cache_content_writer_finish(writer, txn, placement.message, rendered, error) ||
        !cache_placement_put(txn, &placement, error) || !note_made(txn, &placement, error))
        return 0;
    return placement.uid;
}
