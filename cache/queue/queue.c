/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The queue: opening and closing. */
#include "cache/private.h"
#include "cache/queue/private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* ---- opening and closing --------------------------------------------------------------------- */

static gboolean read_last_id(Queue *queue, GError **error)
{
    g_auto(DbQuery) query =
        db_query(queue->writer, "SELECT seq FROM sqlite_sequence WHERE name = 'entry'");
    if (db_next(&query))
        queue->last_id = db_int(&query, 0);
    return db_done(&query, error);
}

/* What db.h says of damage is about a cache; here nobody can give the mail again. */
static void reword(Queue *queue, GError **error)
{
    if (!error || !g_error_matches(*error, CACHE_ERROR, CACHE_ERROR_CORRUPT))
        return;
    g_clear_error(error);
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_CORRUPT,
                "%s is damaged. It may hold mail that was not sent yet: keep the file, and move it "
                "away to start with an empty queue.",
                queue->path);
}

Queue *queue_open(const char *path, GError **error)
{
    g_autoptr(Queue) queue = g_new0(Queue, 1);

    queue->path = g_strdup(path);
    queue->lock_fd = -1;
    queue->watches = g_ptr_array_new();
    queue->due = g_ptr_array_new_with_free_func(g_free);
    pthread_mutex_init(&queue->lock, NULL);
    pthread_mutex_init(&queue->watch_lock, NULL);
    pthread_mutex_init(&queue->reader_lock, NULL);
    g_autofree char *lock = g_strconcat(path, ".lock", NULL);
    queue->lock_fd = lock_take(lock, path, error);
    if (queue->lock_fd < 0)
        return NULL;
    queue->writer = db_open(path, DB_OPEN_WRITER, error);
    if (!queue->writer || !queue_schema_prepare(queue, error) || !read_last_id(queue, error)) {
        reword(queue, error);
        return NULL;
    }
    queue->reader = db_open(path, DB_OPEN_READER, error);
    return queue->reader ? g_steal_pointer(&queue) : NULL;
}

void queue_close(Queue *queue)
{
    if (!queue)
        return;
    if (queue->reader) /* it was opened as a whole */
        queue_move_on(queue);
    db_close(queue->reader);
    db_close(queue->writer);
    if (queue->lock_fd >= 0)
        close(queue->lock_fd);
    pthread_mutex_destroy(&queue->reader_lock);
    pthread_mutex_destroy(&queue->watch_lock);
    pthread_mutex_destroy(&queue->lock);
    g_ptr_array_unref(queue->watches);
    g_ptr_array_unref(queue->due);
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
