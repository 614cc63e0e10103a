/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opening and closing, and what is put in order then. */
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

/* Expunged UIDs of a folder: more than the first number are cut down to the second. */
#define EXPUNGED_MAX  200000
#define EXPUNGED_KEPT 100000

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

/* ---- opening ------------------------------------------------------------------------------ */

static gboolean make_dir(const char *dir, GError **error)
{
    if (g_mkdir_with_parents(dir, 0700) == 0)
        return TRUE;
    int failure = errno;
    g_set_error(error, CACHE_ERROR,
                cache_errno_is_full(failure) ? CACHE_ERROR_FULL : CACHE_ERROR_FAILED,
                "The directory %s can't be made (%s)", dir, g_strerror(failure));
    return FALSE;
}

static gboolean load_cache_counters(Cache *cache, GError **error)
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

static Cache *cache_new(const char *dir, const char *name)
{
    Cache *cache = g_new0(Cache, 1);

    cache->dir = g_strdup(dir);
    cache->path = g_build_filename(dir, name, NULL);
    cache->lock_fd = -1;
    cache->watches = watches_new();
    cache->codecs = codecs_new();
    cache->idle = g_ptr_array_new();
    cache->discarded = g_array_new(FALSE, FALSE, sizeof(gint64));
    cache->owed = g_array_new(FALSE, FALSE, sizeof(VanishedTold));
    pthread_mutex_init(&cache->writer_lock.mutex, NULL);
    pthread_cond_init(&cache->writer_lock.turn, NULL);
    pthread_mutex_init(&cache->checkpoint_lock, NULL);
    pthread_mutex_init(&cache->pool_lock, NULL);
    pthread_cond_init(&cache->pool_returned, NULL);
    return cache;
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

static gboolean write_next_origin(Cache *cache, GError **error)
{
    g_autofree char *then = meta_get(cache->writer, "origin");
    g_autofree char *now = origin_next(cache->path, then, error);
    g_autoptr(CacheTxn) txn = now ? cache_begin(cache, CACHE_WRITE_FULL, error) : NULL;

    return txn && cache_meta_set(txn, "origin", now, error) &&
           cache_commit(g_steal_pointer(&txn), error) && origin_settle(cache->path, now, error);
}

/* From now on the state of before is an older one. That it couldn't be made so (the disk is full)
 * keeps nobody from the mail, and is said. */
static void move_on(Cache *cache)
{
    g_autoptr(GError) error = NULL;

    if (!write_next_origin(cache, &error))
        cache->unmoved = origin_unmoved(cache->path, error);
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

const char *cache_unmoved(Cache *cache)
{
    return cache->unmoved;
}

gboolean cache_was_copied(Cache *cache)
{
    return cache->copied;
}

static gboolean rebuild_each(CacheTxn *txn, const GArray *folders, ProgressStep *told,
                             GError **error)
{
    gboolean done = TRUE;

    progress_begin(txn->db, told);
    for (guint i = 0; i < folders->len && done; i++) {
        told->share = (double)i / folders->len;
        done = uids_rebuild(txn, g_array_index(folders, gint64, i), error);
    }
    progress_end(txn->db);
    return done;
}

/* Makes the bits of UIDs anew where they are missing. */
static gboolean rebuild_uids(Cache *cache, const CacheProgress *progress, GError **error)
{
    ProgressStep told = {progress, "updating the mail cache", 0};
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, error);
    g_autoptr(GArray) wrong = txn ? uids_wrong(txn, error) : NULL;

    g_clear_pointer(&txn, cache_end);
    if (!wrong || !wrong->len)
        return wrong != NULL;
    txn = cache_begin(cache, CACHE_WRITE, error);
    return txn && rebuild_each(txn, wrong, &told, error) &&
           cache_commit(g_steal_pointer(&txn), error);
}

/* Where that can't be done (a full disk), cache_uids() is slow, but right. FALSE: cancelled. */
static gboolean mend_uids(Cache *cache, const CacheProgress *progress, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (rebuild_uids(cache, progress, &failure))
        return TRUE;
    if (g_error_matches(failure, CACHE_ERROR, CACHE_ERROR_CANCELLED)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    g_message("%s: folders open slowly for now: %s", cache->path, failure->message);
    return TRUE;
}

/* `name` is the database's; the lock is held already. */
static Cache *open_database(const char *dir, const char *name, const CacheProgress *progress,
                            GError **error)
{
    g_autoptr(Cache) cache = cache_new(dir, name);

    cache->floor = floor_open(dir, error);
    cache->writer = cache->floor ? writer_open(cache, error) : NULL;
    if (!cache->writer || !schema_migrate(cache->writer, cache_migrations, progress, error))
        return NULL;
    cache->keywords = keywords_load(cache->writer, error);
    if (!cache->keywords || !load_cache_counters(cache, error) || !forget_expunged(cache, error) ||
        !find_unfinished(cache, error))
        return NULL;
    return g_steal_pointer(&cache);
}

Cache *cache_open(const char *dir, const CacheProgress *progress, GError **error)
{
    g_autofree char *lock_path = g_build_filename(dir, "lock", NULL);
    g_autofree char *path = g_build_filename(dir, "mail.db", NULL);
    g_autofree char *mark = g_build_filename(dir, CACHE_DAMAGE_MARK, NULL);
    g_autoptr(Cache) cache = NULL;

    if (!make_dir(dir, error))
        return NULL;
    int lock = lock_take(lock_path, dir, error);
    if (lock < 0)
        return NULL;
    if (beside_place(path, mark, NULL, error))
        cache = open_database(dir, "mail.db", progress, error);
    if (!cache) {
        close(lock);
        return NULL;
    }
    cache->lock_fd = lock;
    if (!mend_uids(cache, progress, error) || !notice_copy(cache, error))
        return NULL;
    cache->opened = TRUE;
    return g_steal_pointer(&cache);
}

Cache *cache_open_beside(const char *dir, GError **error)
{
    return open_database(dir, "mail.db" BESIDE_BUILT, NULL, error);
}

void cache_close(Cache *cache)
{
    if (!cache)
        return;
    g_clear_pointer(&cache->unmoved, g_free);
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
    g_array_unref(cache->owed);
    g_free(cache->unmoved);
    g_free(cache->path);
    g_free(cache->dir);
    g_free(cache);
}

gboolean cache_has_room(Cache *cache, GError **error)
{
    if (file_has_room(cache->path))
        return TRUE;
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_FULL,
                "The disk that holds %s is full: mail is not fetched until there is room on it",
                cache->dir);
    return FALSE;
}

guint64 cache_disk_size(Cache *cache)
{
    g_autofree char *wal = g_strconcat(cache->path, "-wal", NULL);
    struct stat status;
    guint64 size = stat(cache->path, &status) == 0 ? (guint64)status.st_size : 0;

    return size + (stat(wal, &status) == 0 ? (guint64)status.st_size : 0);
}
