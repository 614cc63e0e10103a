/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opening and closing; transactions and the connections they run on. */
#include "cache/private.h"

#include "cache/codec.h"
#include "cache/floor.h"
#include "cache/repair.h"
#include "cache/schema.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reader connections that stay open, and that may be open at once: each holds up to 1 MiB. */
#define READERS_KEPT 4
#define READERS_MAX  16

/* Pages in the WAL that start a checkpoint, and how many more start the next while readers keep it
 * from finishing. */
#define CHECKPOINT_PAGES 2000
#define CHECKPOINT_AGAIN 1000

/* Expunged UIDs of a folder: more than the first number are cut down to the second. */
#define EXPUNGED_MAX  200000
#define EXPUNGED_KEPT 100000

/* Without the static of G_DEFINE_QUARK, which threads would share unguarded. */
GQuark cache_error_quark(void)
{
    return g_quark_from_static_string("cache-error");
}

static const char SQL_META_GET[] = "SELECT value FROM meta WHERE key = ?";
static const char SQL_META_SET[] =
    "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2";
static const char SQL_META_UNSET[] = "DELETE FROM meta WHERE key = ?";
static const char SQL_UIDVALIDITY_MAX[] =
    "SELECT max(coalesce((SELECT max(uidvalidity) FROM folder), 0),"
    " coalesce((SELECT max(uidvalidity) FROM retired), 0))";
static const char SQL_MANY_EXPUNGED[] =
    "SELECT folder, (SELECT modseq FROM tombstone o WHERE o.folder = t.folder"
    "   ORDER BY modseq DESC LIMIT 1 OFFSET ?2)"
    " FROM tombstone t GROUP BY folder HAVING count(*) > ?1";
static const char SQL_RAISE_FLOOR[] = "UPDATE folder SET modseq_floor = ?2 WHERE id = ?1";
static const char SQL_FORGET_EXPUNGED[] =
    "DELETE FROM tombstone WHERE folder = ?1 AND modseq <= ?2";
static const char SQL_UNFINISHED[] = "SELECT id FROM content WHERE refs = 0";
static const char SQL_UNFINISHED_PARTS[] = "DELETE FROM content_part WHERE id >= ? AND id < ?";
static const char SQL_UNFINISHED_DROP[] = "DELETE FROM content WHERE id = ? AND refs = 0";
static const char SQL_BEGIN[] = "BEGIN";
static const char SQL_BEGIN_IMMEDIATE[] = "BEGIN IMMEDIATE";
static const char SQL_COMMIT[] = "COMMIT";
static const char SQL_ROLLBACK[] = "ROLLBACK";

/* ---- the writer's lock -------------------------------------------------------------------- */

static void ticket_lock(TicketLock *lock)
{
    pthread_mutex_lock(&lock->mutex);
    guint64 ticket = lock->next++;
    while (lock->serving != ticket)
        pthread_cond_wait(&lock->turn, &lock->mutex);
    pthread_mutex_unlock(&lock->mutex);
}

static void ticket_unlock(TicketLock *lock)
{
    pthread_mutex_lock(&lock->mutex);
    lock->serving++;
    pthread_cond_broadcast(&lock->turn);
    pthread_mutex_unlock(&lock->mutex);
}

/* ---- opening ------------------------------------------------------------------------------ */

static gboolean make_dir(const char *dir, GError **error)
{
    if (g_mkdir_with_parents(dir, 0700) == 0)
        return TRUE;
    int failure = errno;
    g_set_error(error, CACHE_ERROR, failure == ENOSPC ? CACHE_ERROR_FULL : CACHE_ERROR_FAILED,
                "The directory %s can't be made (%s)", dir, g_strerror(failure));
    return FALSE;
}

static char *meta_get(Db *db, const char *key)
{
    g_auto(DbQuery) query = db_query(db, SQL_META_GET, DB_TEXT(key));
    return db_next(&query) ? g_strdup(db_column_text(&query, 0)) : NULL;
}

static gboolean load_identity(Cache *cache, const char *identity, GError **error)
{
    cache->identity = meta_get(cache->writer, "identity");
    if (cache->identity)
        return TRUE;
    cache->identity = g_strdup(identity);
    return db_run(cache->writer, error, SQL_META_SET, DB_TEXT("identity"), DB_TEXT(identity));
}

static gboolean load_counters(Cache *cache, GError **error)
{
    g_autofree char *modseq = meta_get(cache->writer, "modseq");
    g_auto(DbQuery) query = db_query(cache->writer, SQL_UIDVALIDITY_MAX);

    cache->modseq = modseq ? g_ascii_strtoull(modseq, NULL, 10) : 0;
    if (db_next(&query))
        floor_raise(cache->floor, (guint32)db_int(&query, 0));
    return db_done(&query, error);
}

/* Contents whose writer never finished, from before a crash. */
static gboolean find_unfinished(Cache *cache, GError **error)
{
    g_auto(DbQuery) query = db_query(cache->writer, SQL_UNFINISHED);
    while (db_next(&query)) {
        gint64 content = db_int(&query, 0);
        g_array_append_val(cache->discarded, content);
    }
    return db_done(&query, error);
}

static Cache *cache_new(const char *dir)
{
    Cache *cache = g_new0(Cache, 1);

    cache->dir = g_strdup(dir);
    cache->path = g_build_filename(dir, "mail.db", NULL);
    cache->lock_fd = -1;
    cache->watches = watches_new();
    cache->codecs = codecs_new();
    cache->idle = g_ptr_array_new();
    cache->discarded = g_array_new(FALSE, FALSE, sizeof(gint64));
    cache->checkpoint_next = CHECKPOINT_PAGES;
    pthread_mutex_init(&cache->writer_lock.mutex, NULL);
    pthread_cond_init(&cache->writer_lock.turn, NULL);
    pthread_mutex_init(&cache->checkpoint_lock, NULL);
    pthread_mutex_init(&cache->pool_lock, NULL);
    pthread_cond_init(&cache->pool_returned, NULL);
    return cache;
}

static int note_wal_pages(void *data, sqlite3 *handle, const char *name, int pages)
{
    Cache *cache = data;
    g_atomic_int_set(&cache->wal_pages, (guint)pages);
    return SQLITE_OK;
}

/* Expunged UIDs are remembered for clients that come back (RFC 7162), but not without end: finds
 * folders with too many, and what mod-sequence to forget to. */
static gboolean find_many_expunged(Cache *cache, GArray *found, GError **error)
{
    g_auto(DbQuery) query =
        db_query(cache->writer, SQL_MANY_EXPUNGED, DB_INT(EXPUNGED_MAX), DB_INT(EXPUNGED_KEPT));
    while (db_next(&query)) {
        gint64 pair[2] = {db_int(&query, 0), db_int(&query, 1)};
        g_array_append_vals(found, pair, 2);
    }
    return db_done(&query, error);
}

static gboolean forget_expunged(Cache *cache, GError **error)
{
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(gint64));

    if (!find_many_expunged(cache, found, error))
        return FALSE;
    for (guint i = 0; i < found->len; i += 2) {
        DbValue folder = DB_INT(g_array_index(found, gint64, i));
        DbValue floor = DB_INT(g_array_index(found, gint64, i + 1));
        /* In this order no crash between the two can hide what was forgotten. */
        if (!db_run(cache->writer, error, SQL_RAISE_FLOOR, folder, floor) ||
            !db_run(cache->writer, error, SQL_FORGET_EXPUNGED, folder, floor))
            return FALSE;
    }
    return TRUE;
}

/* From now on the state of before is an older one. That it couldn't be made so (the disk is full)
 * keeps nobody from the mail. */
static void move_on(Cache *cache)
{
    g_autofree char *then = meta_get(cache->writer, "origin");
    g_autofree char *now = origin_next(cache->path, then, NULL);
    g_autoptr(CacheTxn) txn = now ? cache_begin(cache, CACHE_WRITE_FULL, NULL) : NULL;

    if (txn && cache_meta_set(txn, "origin", now, NULL) &&
        cache_commit(g_steal_pointer(&txn), NULL))
        origin_settle(cache->path, now);
}

/*
 * A copy (restored from a backup, or moved to another machine) may be older than what clients have
 * seen: UIDs given since then would be given again for other messages, so all folders are
 * renumbered.
 */
static gboolean notice_copy(Cache *cache, GError **error)
{
    g_autofree char *then = meta_get(cache->writer, "origin");

    if (then && origin_is_same(cache->path, then)) {
        move_on(cache);
        return TRUE;
    }
    g_autofree char *now = origin_next(cache->path, NULL, error);
    g_autoptr(CacheTxn) txn = now ? cache_begin(cache, CACHE_WRITE_FULL, error) : NULL;
    if (!txn || (then && !folders_renew(txn, error)) ||
        !cache_meta_set(txn, "origin", now, error) || !cache_commit(g_steal_pointer(&txn), error))
        return FALSE;
    cache->copied = then != NULL;
    return TRUE;
}

gboolean cache_was_copied(Cache *cache)
{
    return cache->copied;
}

Cache *cache_open(const char *dir, const char *identity, GError **error)
{
    g_autoptr(Cache) cache = cache_new(dir);

    if (!make_dir(dir, error))
        return NULL;
    g_autofree char *lock = g_build_filename(dir, "lock", NULL);
    cache->lock_fd = lock_take(lock, dir, error);
    if (cache->lock_fd < 0)
        return NULL;
    cache->floor = floor_open(dir, error);
    if (!cache->floor)
        return NULL;
    cache->writer = db_open(cache->path, DB_OPEN_WRITER, error);
    if (!cache->writer || !schema_migrate(cache->writer, cache_migrations, error))
        return NULL;
    sqlite3_wal_hook(cache->writer->handle, note_wal_pages, cache);
    cache->keywords = keywords_load(cache->writer, error);
    if (!cache->keywords || !load_identity(cache, identity, error) ||
        !load_counters(cache, error) || !forget_expunged(cache, error) ||
        !find_unfinished(cache, error) || !notice_copy(cache, error))
        return NULL;
    uids_repair(cache);
    cache->opened = TRUE;
    return g_steal_pointer(&cache);
}

void cache_close(Cache *cache)
{
    if (!cache)
        return;
    if (cache->opened && !g_atomic_int_get(&cache->damaged))
        move_on(cache);
    for (guint i = 0; i < cache->idle->len; i++)
        db_close(g_ptr_array_index(cache->idle, i));
    db_close(cache->checkpointer);
    db_close(cache->writer); /* the last connection: checkpoints, and the WAL goes */
    keywords_free(cache->keywords);
    watches_free(cache->watches);
    codecs_free(cache->codecs);
    floor_free(cache->floor);
    if (cache->lock_fd >= 0)
        close(cache->lock_fd);
    g_ptr_array_unref(cache->idle);
    g_array_unref(cache->discarded);
    pthread_mutex_destroy(&cache->writer_lock.mutex);
    pthread_cond_destroy(&cache->writer_lock.turn);
    pthread_mutex_destroy(&cache->checkpoint_lock);
    pthread_mutex_destroy(&cache->pool_lock);
    pthread_cond_destroy(&cache->pool_returned);
    g_free(cache->identity);
    g_free(cache->path);
    g_free(cache->dir);
    g_free(cache);
}

const char *cache_identity(Cache *cache)
{
    return cache->identity;
}

guint64 cache_disk_size(Cache *cache)
{
    g_autofree char *wal = g_strconcat(cache->path, "-wal", NULL);
    struct stat status;
    guint64 size = stat(cache->path, &status) == 0 ? (guint64)status.st_size : 0;

    return size + (stat(wal, &status) == 0 ? (guint64)status.st_size : 0);
}

/* ---- checkpoints -------------------------------------------------------------------------- */

static int checkpoint_passive(Db *db)
{
    int left = 0, done = 0;
    sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, &left, &done);
    return left - done;
}

/*
 * Moves the WAL into the database. Most of that work (and its fsyncs) is done beside the writers,
 * on a connection of its own; the rest under their lock, so that the WAL starts over even though
 * they never rest.
 */
static void checkpoint(Cache *cache)
{
    guint pages = (guint)g_atomic_int_get(&cache->wal_pages);

    if (pages < CHECKPOINT_PAGES || pthread_mutex_trylock(&cache->checkpoint_lock) != 0)
        return;
    if (pages < cache->checkpoint_next)
        cache->checkpoint_next = CHECKPOINT_PAGES; /* it has started over since */
    if (pages >= cache->checkpoint_next) {
        if (!cache->checkpointer)
            cache->checkpointer = db_open(cache->path, DB_OPEN_WRITER, NULL);
        if (cache->checkpointer) {
            checkpoint_passive(cache->checkpointer);
            ticket_lock(&cache->writer_lock);
            int left = checkpoint_passive(cache->writer);
            ticket_unlock(&cache->writer_lock);
            cache->checkpoint_next = left ? pages + CHECKPOINT_AGAIN : CHECKPOINT_PAGES;
        }
    }
    pthread_mutex_unlock(&cache->checkpoint_lock);
}

/* ---- readers ------------------------------------------------------------------------------ */

static Db *reader_take(Cache *cache, GError **error)
{
    Db *db = NULL;

    pthread_mutex_lock(&cache->pool_lock);
    while (!cache->idle->len && cache->readers == READERS_MAX)
        pthread_cond_wait(&cache->pool_returned, &cache->pool_lock);
    if (cache->idle->len)
        db = g_ptr_array_steal_index(cache->idle, cache->idle->len - 1);
    else
        cache->readers++;
    pthread_mutex_unlock(&cache->pool_lock);
    if (db)
        return db;

    db = db_open(cache->path, DB_OPEN_READER, error);
    if (!db) {
        pthread_mutex_lock(&cache->pool_lock);
        cache->readers--;
        pthread_cond_signal(&cache->pool_returned);
        pthread_mutex_unlock(&cache->pool_lock);
    }
    return db;
}

/* Noted once, beside the database too: a process that dies of it leaves word for the next. */
static void note_damage(Cache *cache, const Db *db)
{
    g_autofree char *mark = g_build_filename(cache->dir, CACHE_DAMAGE_MARK, NULL);

    if (!db->damaged || !g_atomic_int_compare_and_exchange(&cache->damaged, FALSE, TRUE))
        return;
    g_file_set_contents(mark, "", 0, NULL);
    watches_wake_all(cache->watches);
}

gboolean cache_is_damaged(Cache *cache)
{
    return g_atomic_int_get(&cache->damaged);
}

static void reader_return(Cache *cache, Db *db)
{
    note_damage(cache, db);
    pthread_mutex_lock(&cache->pool_lock);
    if (cache->idle->len < READERS_KEPT && !db->failed) {
        g_ptr_array_add(cache->idle, db);
        db = NULL;
    } else {
        cache->readers--;
    }
    pthread_cond_signal(&cache->pool_returned);
    pthread_mutex_unlock(&cache->pool_lock);
    db_close(db);
}

static void close_idle_readers(Cache *cache)
{
    pthread_mutex_lock(&cache->pool_lock);
    while (cache->idle->len) {
        db_close(g_ptr_array_steal_index_fast(cache->idle, cache->idle->len - 1));
        cache->readers--;
    }
    pthread_mutex_unlock(&cache->pool_lock);
}

void cache_release_memory(Cache *cache)
{
    close_idle_readers(cache);
    codecs_release(cache->codecs);
    if (pthread_mutex_trylock(&cache->checkpoint_lock) == 0) {
        g_clear_pointer(&cache->checkpointer, db_close);
        pthread_mutex_unlock(&cache->checkpoint_lock);
    }
    ticket_lock(&cache->writer_lock);
    sqlite3_db_release_memory(cache->writer->handle);
    ticket_unlock(&cache->writer_lock);
}

/* ---- transactions ------------------------------------------------------------------------- */

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
    txn->db->failed = FALSE;
    txn->folders = g_array_new(FALSE, TRUE, sizeof(TxnFolder));
    txn->keywords = g_array_new(FALSE, FALSE, sizeof(guint32));
    txn->adopted = g_array_new(FALSE, FALSE, sizeof(gint64));
    if (set_synchronous(txn->db, mode == CACHE_WRITE_FULL ? 2 : 1, error) &&
        db_run(txn->db, error, SQL_BEGIN_IMMEDIATE) && drop_discarded(txn, error))
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
        discard(txn->cache, (const gint64 *)txn->adopted->data, txn->adopted->len);
        note_damage(txn->cache, txn->db);
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
    return db_run(txn->db, error, SQL_META_SET, DB_TEXT("modseq"), DB_TEXT(text));
}

/* Something failed on the way, and the caller went on all the same. */
static gboolean refuse_failed(CacheTxn *txn, GError **error)
{
    if (!txn->db->failed)
        return TRUE;
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_FAILED,
                "%s: nothing was changed, since part of the change failed", txn->db->path);
    return FALSE;
}

gboolean cache_commit(CacheTxn *txn, GError **error)
{
    Cache *cache = txn->cache;

    if (txn->mode == CACHE_READ) {
        cache_end(txn);
        return TRUE;
    }
    if (!refuse_failed(txn, error) || !txn_flush_folders(txn, error) || !save_modseq(txn, error) ||
        !db_run(txn->db, error, SQL_COMMIT)) {
        cache_end(txn);
        return FALSE;
    }
    if (txn->modseq)
        cache->modseq = txn->modseq;
    ticket_unlock(&cache->writer_lock);
    watches_notify(txn);
    txn_free(txn);
    checkpoint(cache);
    return TRUE;
}

Cache *cache_txn_cache(CacheTxn *txn)
{
    return txn->cache;
}

gboolean txn_writes(CacheTxn *txn, gboolean full, GError **error)
{
    if (txn->mode == CACHE_WRITE_FULL || (txn->mode == CACHE_WRITE && !full))
        return TRUE;
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID, "%s: this change needs a %s transaction",
                txn->db->path, full ? "CACHE_WRITE_FULL" : "CACHE_WRITE");
    return FALSE;
}

guint64 txn_modseq(CacheTxn *txn)
{
    if (!txn->modseq)
        txn->modseq = txn->cache->modseq + 1;
    return txn->modseq;
}

/* ---- meta --------------------------------------------------------------------------------- */

char *cache_meta_get(CacheTxn *txn, const char *key)
{
    return meta_get(txn->db, key);
}

gboolean cache_meta_set(CacheTxn *txn, const char *key, const char *value, GError **error)
{
    if (!txn_writes(txn, FALSE, error))
        return FALSE;
    txn->set_like = TXN_SET_LIKE_UNKNOWN;
    if (!value)
        return db_run(txn->db, error, SQL_META_UNSET, DB_TEXT(key));
    return db_run(txn->db, error, SQL_META_SET, DB_TEXT(key), DB_TEXT(value));
}
