/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The queue: opening and closing. A disk that is full when it is to be opened is no reason to do
 * without it: whoever uses the queue next tries again. A damaged one is made anew beside the old
 * one, which is kept.
 */
#include "cache/private.h"
#include "cache/queue/private.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

/* ---- the database ---------------------------------------------------------------------------- */

static gboolean read_last_id(Queue *queue, GError **error)
{
    g_auto(DbQuery) query =
        db_query(queue->writer, "SELECT seq FROM sqlite_sequence WHERE name = 'entry'");
    if (db_next(&query))
        queue->last_id = db_int(&query, 0);
    return db_done(&query, error);
}

static void close_database(Queue *queue)
{
    g_clear_pointer(&queue->reader, db_close);
    g_clear_pointer(&queue->writer, db_close);
}

static gboolean queue_check(Db *db, GError **error)
{
    g_autofree char *found = NULL;
    {
        g_auto(DbQuery) query = db_query(db, "PRAGMA quick_check(1)");
        if (db_next(&query) && g_strcmp0(db_column_text(&query, 0), "ok") != 0)
            found = g_strdup(db_column_text(&query, 0));
        if (!db_done(&query, error))
            return FALSE;
    }
    if (found)
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_CORRUPT, "%s is damaged: %s", db->path, found);
    return !found;
}

/* A database that was closed in order has no WAL; one that was found damaged has a mark. */
static gboolean is_suspect(Queue *queue)
{
    g_autofree char *wal = g_strconcat(queue->path, "-wal", NULL);
    GStatBuf info;

    return g_file_test(queue->mark, G_FILE_TEST_EXISTS) ||
           (g_stat(wal, &info) == 0 && info.st_size > 0);
}

static gboolean open_database(Queue *queue, GError **error)
{
    gboolean suspect = is_suspect(queue);

    queue->writer = db_open(queue->path, DB_OPEN_WRITER, error);
    if (queue->writer && (!suspect || queue_check(queue->writer, error)) &&
        queue_schema_prepare(queue, error) && read_last_id(queue, error))
        queue->reader = db_open(queue->path, DB_OPEN_READER, error);
    if (!queue->reader)
        close_database(queue);
    return queue->reader != NULL;
}

static void describe(Queue *queue)
{
    g_autofree char *aside = beside_find_aside(queue->path);

    g_clear_pointer(&queue->notice, g_free);
    if (aside)
        queue->notice = g_strdup_printf(
            "The queue of outgoing mail was damaged and has been made anew with what could be read "
            "of it. Check the disk, and delete %s when nothing is missing.",
            aside);
    else
        queue->notice = g_strdup(queue->unmoved);
}

/* What was made anew is opened like any other. */
static gboolean open_or_rebuild(Queue *queue, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (!beside_place(queue->path, queue->mark, NULL, error))
        return FALSE;
    if (open_database(queue, &failure))
        return TRUE;
    if (!g_error_matches(failure, CACHE_ERROR, CACHE_ERROR_CORRUPT)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    g_warning("%s; making it anew", failure->message);
    return queue_rebuild(queue->path, queue->mark, error) && open_database(queue, error);
}

static gboolean make_ready(Queue *queue, GError **error)
{
    if (!open_or_rebuild(queue, error))
        return FALSE;
    describe(queue);
    g_atomic_int_set(&queue->ready, TRUE);
    return TRUE;
}

gboolean queue_ready(Queue *queue, GError **error)
{
    if (g_atomic_int_get(&queue->ready))
        return TRUE;
    pthread_mutex_lock(&queue->open_lock);
    gboolean ready = g_atomic_int_get(&queue->ready) || make_ready(queue, error);
    g_atomic_int_set(&queue->tried, TRUE);
    pthread_mutex_unlock(&queue->open_lock);
    return ready;
}

gboolean queue_commit(Queue *queue, QueueWork work, gpointer data, GError **error)
{
    return queue_ready(queue, error) && queue_run(queue, work, data, error);
}

Db *queue_reader(Queue *queue, GError **error)
{
    if (!queue_ready(queue, error))
        return NULL;
    pthread_mutex_lock(&queue->reader_lock);
    return queue->reader;
}

void queue_reader_done(Queue *queue)
{
    queue_note_damage(queue, queue->reader);
    pthread_mutex_unlock(&queue->reader_lock);
}

char *queue_notice(Queue *queue)
{
    g_autoptr(GError) error = NULL;

    if (!g_atomic_int_get(&queue->tried))
        return NULL;
    if (!queue_ready(queue, &error))
        return g_strdup_printf("nothing can be sent: the queue %s can't be used: %s", queue->path,
                               error->message);
    pthread_mutex_lock(&queue->open_lock);
    char *notice = g_strdup(queue->notice);
    pthread_mutex_unlock(&queue->open_lock);
    return notice;
}

/* ---- opening and closing --------------------------------------------------------------------- */

static Queue *queue_new(const char *path)
{
    Queue *queue = g_new0(Queue, 1);

    queue->path = g_strdup(path);
    queue->mark = g_strconcat(path, ".damaged", NULL);
    queue->lock_fd = -1;
    queue->watches = g_ptr_array_new();
    queue->due = g_ptr_array_new_with_free_func(g_free);
    pthread_mutex_init(&queue->lock, NULL);
    pthread_mutex_init(&queue->open_lock, NULL);
    pthread_mutex_init(&queue->watch_lock, NULL);
    pthread_mutex_init(&queue->reader_lock, NULL);
    return queue;
}

Queue *queue_open_later(const char *path, GError **error)
{
    g_autofree char *lock = g_strconcat(path, ".lock", NULL);
    g_autoptr(Queue) queue = queue_new(path);

    queue->lock_fd = lock_take(lock, path, error);
    return queue->lock_fd < 0 ? NULL : g_steal_pointer(&queue);
}

Queue *queue_open(const char *path, GError **error)
{
    g_autoptr(Queue) queue = queue_open_later(path, error);
    g_autoptr(GError) failure = NULL;

    if (!queue)
        return NULL;
    if (!queue_ready(queue, &failure) && !g_error_matches(failure, CACHE_ERROR, CACHE_ERROR_FULL)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return NULL;
    }
    if (failure)
        g_warning("%s", failure->message);
    return g_steal_pointer(&queue);
}

void queue_close(Queue *queue)
{
    if (!queue)
        return;
    if (g_atomic_int_get(&queue->ready))
        queue_move_on(queue);
    close_database(queue);
    if (queue->lock_fd >= 0)
        close(queue->lock_fd);
    pthread_mutex_destroy(&queue->reader_lock);
    pthread_mutex_destroy(&queue->watch_lock);
    pthread_mutex_destroy(&queue->open_lock);
    pthread_mutex_destroy(&queue->lock);
    g_ptr_array_unref(queue->watches);
    g_ptr_array_unref(queue->due);
    g_free(queue->notice);
    g_free(queue->unmoved);
    g_free(queue->mark);
    g_free(queue->path);
    g_free(queue);
}

int queue_temporary_file(Queue *queue, GError **error)
{
    g_autofree char *directory = g_path_get_dirname(queue->path);
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
        g_autofree char *name = g_build_filename(directory, "message-XXXXXX", NULL);
        fd = g_mkstemp_full(name, O_RDWR | O_CLOEXEC, 0600);
        if (fd >= 0)
            unlink(name);
    }
    int code = errno;
    if (fd < 0)
        g_set_error(error, CACHE_ERROR,
                    cache_errno_is_full(code) ? CACHE_ERROR_FULL : CACHE_ERROR_FAILED,
                    "No file can be made in %s: %s", directory, g_strerror(code));
    return fd;
}
