/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Beginning and ending transactions: what was collected on the way is written, and told. */
#include "cache/private.h"

static const char SQL_UNFINISHED_PARTS[] = "DELETE FROM content_part WHERE id >= ? AND id < ?";
static const char SQL_UNFINISHED_DROP[] = "DELETE FROM content WHERE id = ? AND refs = 0";
static const char SQL_BEGIN[] = "BEGIN";
static const char SQL_BEGIN_IMMEDIATE[] = "BEGIN IMMEDIATE";
static const char SQL_COMMIT[] = "COMMIT";
static const char SQL_ROLLBACK[] = "ROLLBACK";

static gboolean set_synchronous(Db *db, int level, GError **error)
{
    if (db->synchronous == level)
        return TRUE;
    if (!db_exec(db, level == 2 ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
                 error))
        return FALSE;
    db->synchronous = level;
    return TRUE;
}

/* One content that nobody finished, if there is one; bounded, so that no one waits for it long. */
static gboolean drop_discarded(CacheTxn *txn, GError **error)
{
    Cache *cache = txn->cache;
    gint64 content = 0;

    pthread_mutex_lock(&cache->pool_lock);
    if (cache->discarded->len) {
        content = g_array_index(cache->discarded, gint64, cache->discarded->len - 1);
        g_array_set_size(cache->discarded, cache->discarded->len - 1);
    }
    pthread_mutex_unlock(&cache->pool_lock);
    if (!content)
        return TRUE;
    return db_run(txn->db, error, SQL_UNFINISHED_PARTS, DB_INT(content_part_id(content, 0)),
                  DB_INT(content_part_id(content + 1, 0))) &&
           db_run(txn->db, error, SQL_UNFINISHED_DROP, DB_INT(content));
}

static CacheTxn *begin_read(CacheTxn *txn, GError **error)
{
    txn->db = reader_take(txn->cache, error);
    if (txn->db && db_run(txn->db, error, SQL_BEGIN))
        return txn;
    if (txn->db)
        reader_return(txn->cache, txn->db);
    g_free(txn);
    return NULL;
}

CacheTxn *cache_begin(Cache *cache, CacheMode mode, GError **error)
{
    CacheTxn *txn = g_new0(CacheTxn, 1);

    txn->cache = cache;
    txn->mode = mode;
    if (mode == CACHE_READ)
        return begin_read(txn, error);

    ticket_lock(&cache->writer_lock);
    txn->db = cache->writer;
    db_forget_failure(txn->db);
    txn->folders = g_array_new(FALSE, TRUE, sizeof(FolderCounters));
    txn->keywords = g_array_new(FALSE, FALSE, sizeof(guint32));
    txn->adopted = g_array_new(FALSE, FALSE, sizeof(gint64));
    if (set_synchronous(txn->db, mode == CACHE_WRITE_FULL ? 2 : 1, error) &&
        db_run(txn->db, error, SQL_BEGIN_IMMEDIATE) && drop_discarded(txn, error) &&
        vanished_pay(txn, error))
        return txn;
    cache_end(txn);
    return NULL;
}

static void txn_free(CacheTxn *txn)
{
    if (txn->folders)
        g_array_unref(txn->folders);
    if (txn->keywords)
        g_array_unref(txn->keywords);
    if (txn->adopted)
        g_array_unref(txn->adopted);
    if (txn->uid_chunks)
        g_array_unref(txn->uid_chunks);
    g_free(txn);
}

static void discard(Cache *cache, const gint64 *contents, guint count)
{
    pthread_mutex_lock(&cache->pool_lock);
    g_array_append_vals(cache->discarded, contents, count);
    pthread_mutex_unlock(&cache->pool_lock);
}

void cache_discard_content(Cache *cache, gint64 content)
{
    discard(cache, &content, 1);
}

void cache_end(CacheTxn *txn)
{
    if (!txn)
        return;
    /* SQLite may have rolled back by itself, as it does on a full disk. */
    if (!sqlite3_get_autocommit(txn->db->handle))
        db_run(txn->db, NULL, SQL_ROLLBACK);
    if (txn->mode == CACHE_READ) {
        reader_return(txn->cache, txn->db);
    } else {
        keywords_rolled_back(txn);
        vanished_paid(txn, FALSE);
        discard(txn->cache, (const gint64 *)txn->adopted->data, txn->adopted->len);
        cache_note_damage(txn->cache, txn->db);
        ticket_unlock(&txn->cache->writer_lock);
    }
    txn_free(txn);
}

static gboolean save_modseq(CacheTxn *txn, GError **error)
{
    char text[24];

    if (!txn->modseq)
        return TRUE;
    g_snprintf(text, sizeof text, "%" G_GUINT64_FORMAT, txn->modseq);
    return meta_set(txn->db, "modseq", text, error);
}

/* Something failed on the way, and the caller went on all the same. */
static gboolean refuse_failed(CacheTxn *txn, GError **error)
{
    if (db_sound(txn->db, error))
        return TRUE;
    g_prefix_error(error, "Nothing was changed, since part of the change failed: ");
    return FALSE;
}

gboolean cache_commit(CacheTxn *txn, GError **error)
{
    Cache *cache = txn->cache;

    if (txn->mode == CACHE_READ) {
        cache_end(txn);
        return TRUE;
    }
    if (!refuse_failed(txn, error) || !counters_flush(txn, error) || !uids_flush(txn, error) ||
        !save_modseq(txn, error) || !db_run(txn->db, error, SQL_COMMIT)) {
        cache_end(txn);
        return FALSE;
    }
    if (txn->modseq)
        cache->modseq = txn->modseq;
    vanished_paid(txn, TRUE);
    ticket_unlock(&cache->writer_lock);
    watches_notify(txn);
    txn_free(txn);
    cache_checkpoint(cache);
    return TRUE;
}
