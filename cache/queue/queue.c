/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The queue: opening and closing, group commit, watches. */
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
    queue->watches = g_array_new(FALSE, FALSE, sizeof(int));
    pthread_mutex_init(&queue->lock, NULL);
    pthread_mutex_init(&queue->reader_lock, NULL);
    g_autofree char *lock = g_strconcat(path, ".lock", NULL);
    queue->lock_fd = lock_take(lock, path, error);
    if (queue->lock_fd < 0)
        return NULL;
    /* Made here for its mode, which SQLite's other files then have too. */
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
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
    pthread_mutex_destroy(&queue->lock);
    g_array_unref(queue->watches);
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
                    code == ENOSPC || code == EDQUOT ? CACHE_ERROR_FULL : CACHE_ERROR_FAILED,
                    "No file can be made in %s: %s", directory, g_strerror(code));
    return fd;
}

/* ---- group commit ---------------------------------------------------------------------------- */

struct QueueJob {
    QueueWork work;
    gpointer data;
    gboolean ok, done;
    GError *error;
    pthread_cond_t turn; /* done, or to lead */
    QueueJob *next;
};

/* All jobs in one transaction; FALSE: it was rolled back, and *error says why. A job that refused
 * has its own error and doesn't count. */
static gboolean run_together(Queue *queue, QueueJob *jobs, GError **error)
{
    Db *db = queue->writer;

    db->failed = FALSE;
    if (!db_exec(db, "BEGIN IMMEDIATE", error))
        return FALSE;
    for (QueueJob *job = jobs; job && !db->failed; job = job->next) {
        g_clear_error(&job->error);
        job->ok = job->work(queue, db, job->data, &job->error);
        if (db->failed && !job->next && job == jobs)
            g_propagate_error(error, g_steal_pointer(&job->error));
    }
    if (!db->failed && db_exec(db, "COMMIT", error))
        return TRUE;
    if (!sqlite3_get_autocommit(db->handle))
        db_exec(db, "ROLLBACK", NULL);
    return FALSE;
}

/* When a shared transaction fails, each tries alone: one message too large for a full disk is no
 * reason to refuse the others. */
static void run_jobs(Queue *queue, QueueJob *jobs)
{
    if (jobs->next && run_together(queue, jobs, NULL))
        return;
    for (QueueJob *job = jobs, *next; job; job = next) {
        g_autoptr(GError) error = NULL;
        next = g_steal_pointer(&job->next);
        if (!run_together(queue, job, &error)) {
            job->ok = FALSE;
            g_clear_error(&job->error);
            job->error = g_steal_pointer(&error);
        }
        job->next = next;
    }
}

static void wake_watchers(Queue *queue) /* locked */
{
    for (guint i = 0; i < queue->watches->len; i++) {
        guint64 one = 1;
        if (write(g_array_index(queue->watches, int, i), &one, sizeof one) < 0)
            g_debug("queue: a watcher is full"); /* then it is awake already */
    }
}

static void lead(Queue *queue) /* locked, and again when it returns */
{
    QueueJob *jobs = g_steal_pointer(&queue->first_job);

    queue->last_job = NULL;
    queue->leading = TRUE;
    pthread_mutex_unlock(&queue->lock);
    run_jobs(queue, jobs);
    pthread_mutex_lock(&queue->lock);
    queue->leading = FALSE;
    for (QueueJob *job = jobs, *next; job; job = next) {
        next = job->next; /* the job is its owner's once it is done */
        job->done = TRUE;
        pthread_cond_signal(&job->turn);
    }
    if (queue->first_job)
        pthread_cond_signal(&queue->first_job->turn);
    wake_watchers(queue);
}

gboolean queue_commit(Queue *queue, QueueWork work, gpointer data, GError **error)
{
    QueueJob job = {.work = work, .data = data};

    pthread_cond_init(&job.turn, NULL);
    pthread_mutex_lock(&queue->lock);
    if (queue->last_job)
        queue->last_job->next = &job;
    else
        queue->first_job = &job;
    queue->last_job = &job;
    while (!job.done) {
        if (queue->leading)
            pthread_cond_wait(&job.turn, &queue->lock);
        else
            lead(queue);
    }
    pthread_mutex_unlock(&queue->lock);
    pthread_cond_destroy(&job.turn);
    if (!job.ok)
        g_propagate_error(error, job.error);
    return job.ok;
}

/* ---- watches --------------------------------------------------------------------------------- */

void queue_watch(Queue *queue, int event_fd)
{
    pthread_mutex_lock(&queue->lock);
    g_array_append_val(queue->watches, event_fd);
    pthread_mutex_unlock(&queue->lock);
}

void queue_unwatch(Queue *queue, int event_fd)
{
    pthread_mutex_lock(&queue->lock);
    for (guint i = queue->watches->len; i-- > 0;)
        if (g_array_index(queue->watches, int, i) == event_fd)
            g_array_remove_index_fast(queue->watches, i);
    pthread_mutex_unlock(&queue->lock);
}
