/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What upstream calls messages, where it has names for them (EMAILID, X-GM-MSGID) and threads; two
 * that turn out to have one name are one message.
 */
#include "cache/private.h"
#include "cache/set-like.h"

static const char SQL_THREAD[] = "SELECT thread FROM message_thread WHERE message = ?";
static const char SQL_SET_THREAD[] =
    "INSERT OR REPLACE INTO message_thread (message, thread) VALUES (?, ?)";
static const char SQL_OF_THREAD[] = "SELECT message FROM message_thread WHERE thread = ?";
static const char SQL_NAMED[] = "DELETE FROM message_nameless WHERE message = ?";
static const char SQL_NAMELESS[] =
    "SELECT n.message, p.folder, p.base_uid FROM message_nameless n"
    " CROSS JOIN placement p INDEXED BY placement_message ON p.message = n.message"
    " WHERE p.base = 2 GROUP BY n.message ORDER BY p.folder, p.base_uid LIMIT ?";

/* ---- threads ------------------------------------------------------------------------------- */

guint64 cache_message_thread(CacheTxn *txn, gint64 message)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_THREAD, DB_INT(message));
    return db_next(&query) ? (guint64)db_int(&query, 0) : 0;
}

gboolean cache_message_set_thread(CacheTxn *txn, gint64 message, guint64 thread, GError **error)
{
    return txn_writes(txn, FALSE, error) &&
           db_run(txn->db, error, SQL_SET_THREAD, DB_INT(message), DB_INT(thread));
}

GArray *cache_thread_messages(CacheTxn *txn, guint64 thread, GError **error)
{
    g_autoptr(GArray) messages = g_array_new(FALSE, FALSE, sizeof(gint64));
    g_auto(DbQuery) query = db_query(txn->db, SQL_OF_THREAD, DB_INT(thread));

    while (db_next(&query)) {
        gint64 message = db_int(&query, 0);
        g_array_append_val(messages, message);
    }
    return db_done(&query, error) ? g_steal_pointer(&messages) : NULL;
}

/* ---- names --------------------------------------------------------------------------------- */

GArray *cache_messages_nameless(CacheTxn *txn, guint limit, GError **error)
{
    g_autoptr(GArray) messages = g_array_new(FALSE, FALSE, sizeof(CacheNameless));
    g_auto(DbQuery) query = db_query(txn->db, SQL_NAMELESS, DB_INT(limit));

    while (db_next(&query)) {
        CacheNameless nameless = {db_int(&query, 0), db_int(&query, 1), (guint32)db_int(&query, 2)};
        g_array_append_val(messages, nameless);
    }
    return db_done(&query, error) ? g_steal_pointer(&messages) : NULL;
}

static gboolean collect(const CachePlacement *row, gpointer data)
{
    g_array_append_val((GArray *)data, *row);
    return TRUE;
}

/* A live row, rather one that is upstream; NULL: there is none. */
static const CachePlacement *find_live_name(const GArray *rows)
{
    const CachePlacement *found = NULL;

    for (guint i = 0; i < rows->len; i++) {
        const CachePlacement *row = &g_array_index(rows, CachePlacement, i);
        if (row->alive && (!found || row->base != CACHE_BASE_NONE))
            found = row;
    }
    return found;
}

/* The flags of what was two messages: the one's, and what was changed of the other's. */
static gboolean join_flags(CacheTxn *txn, const GArray *one, const GArray *other, CacheFlags *flags,
                           GError **error)
{
    const CachePlacement *row = find_live_name(one), *changed = find_live_name(other);

    *flags = row ? row->flags : changed ? changed->flags : (CacheFlags){0};
    if (!row || !changed)
        return TRUE;
    FlagChange change = {changed->base == CACHE_BASE_NONE ? (CacheFlags){0} : changed->base_flags,
                         changed->flags};
    return label_change_flags(txn, &change, flags, error);
}

static gboolean put_all(CacheTxn *txn, GArray *rows, gint64 message, CacheFlags flags,
                        GError **error)
{
    for (guint i = 0; i < rows->len; i++) {
        CachePlacement *row = &g_array_index(rows, CachePlacement, i);
        guint32 deleted = row->flags.system & CACHE_DELETED;
        row->message = message;
        row->flags = flags;
        row->flags.system = (flags.system & ~(guint32)CACHE_DELETED) | deleted;
        if (!cache_placement_put(txn, row, error))
            return FALSE;
    }
    return TRUE;
}

/* Two messages turn out to be one. */
static gboolean join(CacheTxn *txn, gint64 younger, gint64 older, GError **error)
{
    g_autoptr(GArray) from = g_array_new(FALSE, FALSE, sizeof(CachePlacement));
    g_autoptr(GArray) to = g_array_new(FALSE, FALSE, sizeof(CachePlacement));
    CacheFlags flags;

    return cache_placement_each_of(txn, younger, collect, from, error) &&
           cache_placement_each_of(txn, older, collect, to, error) &&
           join_flags(txn, from, to, &flags, error) && put_all(txn, from, older, flags, error) &&
           put_all(txn, to, older, flags, error) && message_collect(txn, younger, error);
}

gboolean cache_message_name(CacheTxn *txn, gint64 message, const char *remote_id, guint64 thread,
                            GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (!txn_writes(txn, TRUE, error))
        return FALSE;
    gint64 other = cache_message_by_remote_id(txn, remote_id, &failure);
    if (failure) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    gint64 stays = other && other < message ? other : message;
    if (other && other != message && !join(txn, MAX(other, message), stays, error))
        return FALSE;
    return cache_message_set_remote_id(txn, stays, remote_id, error) &&
           cache_message_set_thread(txn, stays, thread, error) &&
           db_run(txn->db, error, SQL_NAMED, DB_INT(stays));
}

gboolean cache_message_unname(CacheTxn *txn, gint64 message, GError **error)
{
    return cache_message_set_remote_id(txn, message, NULL, error) &&
           set_like_nameless(txn, message, error);
}
