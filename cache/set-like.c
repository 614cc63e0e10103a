/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Set-like stores: whether the account is one, and which folders a message is in. */
#include "cache/set-like.h"

#include "cache/private.h"

static const char SQL_SIBLINGS[] = "SELECT folder, uid FROM placement INDEXED BY placement_message"
                                   " WHERE message = ?1 AND folder <> ?2 AND alive";
static const char SQL_ROLE[] = "SELECT role FROM folder WHERE id = ?";
static const char SQL_TOUCH[] = "UPDATE placement SET modseq = ?3 WHERE folder = ?1 AND uid = ?2";
static const char SQL_FOLDERS[] =
    "SELECT DISTINCT folder FROM placement INDEXED BY placement_message"
    " WHERE message = ? AND alive ORDER BY folder";
static const char SQL_MESSAGES[] = "SELECT message FROM placement WHERE folder = ? AND alive";
static const char SQL_ALL_NAMELESS[] =
    "INSERT OR IGNORE INTO message_nameless SELECT id FROM message"
    " WHERE id NOT IN (SELECT message FROM message_thread)";
static const char SQL_NONE_NAMELESS[] = "DELETE FROM message_nameless";
static const char SQL_ADD_NAMELESS[] = "INSERT OR IGNORE INTO message_nameless VALUES (?)";

/* ---- whether it is one --------------------------------------------------------------------- */

gboolean cache_is_set_like(CacheTxn *txn)
{
    if (txn->set_like == TXN_SET_LIKE_UNKNOWN) {
        g_autofree char *setting = cache_meta_get(txn, "set-like");
        txn->set_like = g_strcmp0(setting, "1") == 0 ? TXN_SET_LIKE : TXN_NOT_SET_LIKE;
    }
    return txn->set_like == TXN_SET_LIKE;
}

gboolean cache_set_set_like(CacheTxn *txn, gboolean set_like, GError **error)
{
    return txn_writes(txn, FALSE, error) &&
           cache_meta_set(txn, "set-like", set_like ? "1" : NULL, error) &&
           db_run(txn->db, error, set_like ? SQL_ALL_NAMELESS : SQL_NONE_NAMELESS);
}

gboolean set_like_nameless(CacheTxn *txn, gint64 message, GError **error)
{
    return !cache_is_set_like(txn) || db_run(txn->db, error, SQL_ADD_NAMELESS, DB_INT(message));
}

/* ---- which folders are labels --------------------------------------------------------------- */

static gboolean is_label(CacheRole role)
{
    return role != CACHE_ROLE_ALL && !cache_role_excludes_labels(role);
}

gboolean cache_folder_is_label(const CacheFolder *folder)
{
    return is_label(folder->role);
}

CacheRole set_like_role(CacheTxn *txn, gint64 folder)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_ROLE, DB_INT(folder));
    return db_next(&query) ? (CacheRole)db_int(&query, 0) : CACHE_ROLE_NONE;
}

gboolean set_like_is_label(CacheTxn *txn, gint64 folder)
{
    return is_label(set_like_role(txn, folder));
}

/* ---- where a message is -------------------------------------------------------------------- */

static GArray *read_numbers(DbQuery *query, GError **error)
{
    g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(gint64));

    while (db_next(query)) {
        gint64 number = db_int(query, 0);
        g_array_append_val(numbers, number);
    }
    return db_done(query, error) ? g_steal_pointer(&numbers) : NULL;
}

GArray *cache_message_folders(CacheTxn *txn, gint64 message, GError **error)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_FOLDERS, DB_INT(message));
    return read_numbers(&query, error);
}

GArray *cache_folder_messages(CacheTxn *txn, gint64 folder, GError **error)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_MESSAGES, DB_INT(folder));
    return read_numbers(&query, error);
}

GArray *set_like_others(CacheTxn *txn, gint64 message, gint64 folder, GError **error)
{
    g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(MessagePlace));
    g_auto(DbQuery) query = db_query(txn->db, SQL_SIBLINGS, DB_INT(message), DB_INT(folder));

    while (db_next(&query)) {
        MessagePlace place = {db_int(&query, 0), (guint32)db_int(&query, 1)};
        g_array_append_val(places, place);
    }
    return db_done(&query, error) ? g_steal_pointer(&places) : NULL;
}

gboolean set_like_touch(CacheTxn *txn, gint64 message, gint64 folder, GError **error)
{
    if (!set_like_is_label(txn, folder))
        return TRUE;
    g_autoptr(GArray) places = set_like_others(txn, message, folder, error);

    for (guint i = 0; places && i < places->len; i++) {
        const MessagePlace *place = &g_array_index(places, MessagePlace, i);
        FolderCounters *other = counters_of(txn, place->folder, error);
        guint64 modseq = txn_modseq(txn);
        if (!other || !db_run(txn->db, error, SQL_TOUCH, DB_INT(place->folder), DB_INT(place->uid),
                              DB_INT(modseq)))
            return FALSE;
        other->highestmodseq = (gint64)modseq;
        other->dirty = other->view_changed = TRUE;
    }
    return places != NULL;
}

gboolean set_like_touch_all(CacheTxn *txn, gint64 folder, GError **error)
{
    if (!cache_is_set_like(txn))
        return TRUE;
    g_autoptr(GArray) messages = cache_folder_messages(txn, folder, error);
    for (guint i = 0; messages && i < messages->len; i++)
        if (!set_like_touch(txn, g_array_index(messages, gint64, i), folder, error))
            return FALSE;
    return messages != NULL;
}
