/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages: rows of the table `message`, which placements share. */
#include "cache/private.h"

#include <openssl/evp.h>
#include <string.h>

static const char SQL_INSERT[] = "INSERT INTO message (remote_id) VALUES (?)";
static const char SQL_BY_REMOTE_ID[] = "SELECT id FROM message WHERE remote_id = ?";
static const char SQL_REMOTE_ID[] = "SELECT remote_id FROM message WHERE id = ?";
static const char SQL_FORGET_REMOTE_IDS[] =
    "UPDATE message SET remote_id = NULL WHERE remote_id IS NOT NULL";
static const char SQL_SET_REMOTE_ID[] = "UPDATE message SET remote_id = ?2 WHERE id = ?1";
static const char SQL_SET_HASH[] = "UPDATE message SET message_id = ?2 WHERE id = ?1";
static const char SQL_BY_MESSAGE_ID[] = "SELECT id FROM message WHERE message_id = ? ORDER BY id";
static const char SQL_STATE[] =
    "SELECT m.state, c.size FROM message m LEFT JOIN content c ON c.id = m.content AND m.state = 2"
    " WHERE m.id = ?";
static const char SQL_IS_PLACED[] = "SELECT 1 FROM placement WHERE message = ?";
static const char SQL_CONTENT[] = "SELECT content FROM message WHERE id = ?";
static const char SQL_FORGET_NAMELESS[] = "DELETE FROM message_nameless WHERE message = ?";
static const char SQL_FORGET_THREAD[] = "DELETE FROM message_thread WHERE message = ?";
static const char SQL_DELETE[] = "DELETE FROM message WHERE id = ?";
static const char SQL_DELETE_RENDERED[] = "DELETE FROM rendered WHERE message = ?";

gint64 cache_message_new(CacheTxn *txn, const char *remote_id, GError **error)
{
    if (!txn_writes(txn, FALSE, error) || !db_run(txn->db, error, SQL_INSERT, DB_TEXT(remote_id)))
        return 0;
    return sqlite3_last_insert_rowid(txn->db->handle);
}

gint64 cache_message_by_remote_id(CacheTxn *txn, const char *remote_id, GError **error)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_BY_REMOTE_ID, DB_TEXT(remote_id));
    gint64 message = db_next(&query) ? db_int(&query, 0) : 0;

    return db_done(&query, error) ? message : 0;
}

char *cache_message_remote_id(CacheTxn *txn, gint64 message)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_REMOTE_ID, DB_INT(message));
    return db_next(&query) ? g_strdup(db_column_text(&query, 0)) : NULL;
}

gboolean cache_message_forget_remote_ids(CacheTxn *txn, GError **error)
{
    return txn_writes(txn, FALSE, error) && db_run(txn->db, error, SQL_FORGET_REMOTE_IDS);
}

gboolean cache_message_set_remote_id(CacheTxn *txn, gint64 message, const char *remote_id,
                                     GError **error)
{
    return txn_writes(txn, FALSE, error) &&
           db_run(txn->db, error, SQL_SET_REMOTE_ID, DB_INT(message), DB_TEXT(remote_id));
}

gint64 message_id_hash(const char *message_id)
{
    guchar digest[EVP_MAX_MD_SIZE];
    gint64 hash;

    EVP_Digest(message_id, strlen(message_id), digest, NULL, EVP_sha256(), NULL);
    memcpy(&hash, digest, sizeof hash);
    return GINT64_FROM_BE(hash);
}

gboolean message_set_hash(CacheTxn *txn, gint64 message, gint64 hash, GError **error)
{
    return db_run(txn->db, error, SQL_SET_HASH, DB_INT(message), DB_INT(hash));
}

GArray *cache_message_by_message_id(CacheTxn *txn, const char *message_id, GError **error)
{
    g_autoptr(GArray) messages = g_array_new(FALSE, FALSE, sizeof(gint64));
    g_auto(DbQuery) query =
        db_query(txn->db, SQL_BY_MESSAGE_ID, DB_INT(message_id_hash(message_id)));

    while (db_next(&query)) {
        gint64 message = db_int(&query, 0);
        g_array_append_val(messages, message);
    }
    return db_done(&query, error) ? g_steal_pointer(&messages) : NULL;
}

gboolean message_state(CacheTxn *txn, gint64 message, int *state, guint64 *size, GError **error)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_STATE, DB_INT(message));

    if (db_next(&query)) {
        *state = (int)db_int(&query, 0);
        if (*state == CACHE_CONTENT_FULL)
            *size = (guint64)db_int(&query, 1);
        return TRUE;
    }
    if (db_done(&query, error))
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND, "There is no such message");
    return FALSE;
}

static gboolean is_placed(CacheTxn *txn, gint64 message)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_IS_PLACED, DB_INT(message));
    return db_next(&query);
}

static gint64 content_of(CacheTxn *txn, gint64 message)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_CONTENT, DB_INT(message));
    return db_next(&query) ? db_int(&query, 0) : 0;
}

gboolean message_collect(CacheTxn *txn, gint64 message, GError **error)
{
    if (is_placed(txn, message))
        return TRUE;
    gint64 content = content_of(txn, message);
    return (!content || (content_release(txn, content, error) && text_gone(txn, message, error))) &&
           db_run(txn->db, error, SQL_FORGET_NAMELESS, DB_INT(message)) &&
           db_run(txn->db, error, SQL_FORGET_THREAD, DB_INT(message)) &&
           db_run(txn->db, error, SQL_DELETE_RENDERED, DB_INT(message)) &&
           db_run(txn->db, error, SQL_DELETE, DB_INT(message));
}
