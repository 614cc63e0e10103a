/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The connections that transactions run on: one writer, whose turn is waited for in order; a small
 * pool of readers; and one that moves the WAL into the database beside them.
 */
#include "cache/private.h"

#include "cache/repair.h"

/* Reader connections that stay open, and that may be open at once: each holds up to 1 MiB. */
#define READERS_KEPT 4
#define READERS_MAX  16

/* Pages in the WAL that start a checkpoint, and how many more start the next while readers keep it
 * from finishing. */
#define CHECKPOINT_PAGES 2000
#define CHECKPOINT_AGAIN 1000

/* ---- the writer's lock -------------------------------------------------------------------- */

void ticket_lock(TicketLock *lock)
{
    pthread_mutex_lock(&lock->mutex);
    guint64 ticket = lock->next++;
    while (lock->serving != ticket)
        pthread_cond_wait(&lock->turn, &lock->mutex);
    pthread_mutex_unlock(&lock->mutex);
}

void ticket_unlock(TicketLock *lock)
{
    pthread_mutex_lock(&lock->mutex);
    lock->serving++;
    pthread_cond_broadcast(&lock->turn);
    pthread_mutex_unlock(&lock->mutex);
}

/* ---- the writer ---------------------------------------------------------------------------- */

static int note_wal_pages(void *data, sqlite3 *handle, const char *name, int pages)
{
    Cache *cache = data;
    g_atomic_int_set(&cache->wal_pages, (guint)pages);
    return SQLITE_OK;
}

Db *writer_open(Cache *cache, GError **error)
{
    Db *db = db_open(cache->path, DB_OPEN_WRITER, error);

    if (db)
        sqlite3_wal_hook(db->handle, note_wal_pages, cache);
    return db;
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
void cache_checkpoint(Cache *cache)
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

Db *reader_take(Cache *cache, GError **error)
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
void cache_note_damage(Cache *cache, const Db *db)
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

void reader_return(Cache *cache, Db *db)
{
    cache_note_damage(cache, db);
    pthread_mutex_lock(&cache->pool_lock);
    if (cache->idle->len < READERS_KEPT && !db->failure) {
        g_ptr_array_add(cache->idle, db);
        db = NULL;
    } else {
        cache->readers--;
    }
    pthread_cond_signal(&cache->pool_returned);
    pthread_mutex_unlock(&cache->pool_lock);
    db_close(db);
}
