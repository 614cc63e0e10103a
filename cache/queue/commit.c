/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Group commit: changes that come at the same time share one transaction, and one wait for the
 * disk.
 */
#include "cache/private.h"
#include "cache/queue/private.h"

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

    guint due = queue->due->len;

    db_forget_failure(db);
    if (!db_exec(db, "BEGIN IMMEDIATE", error))
        return FALSE;
    for (QueueJob *job = jobs; job && !db->failure; job = job->next) {
        g_clear_error(&job->error);
        job->ok = job->work(queue, db, job->data, &job->error);
    }
    if (db_sound(db, error) && db_exec(db, "COMMIT", error))
        return TRUE;
    if (!sqlite3_get_autocommit(db->handle))
        db_exec(db, "ROLLBACK", NULL);
    g_ptr_array_set_size(queue->due, (int)due);
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

static void lead(Queue *queue) /* locked, and again when it returns */
{
    QueueJob *jobs = g_steal_pointer(&queue->first_job);

    queue->last_job = NULL;
    queue->leading = TRUE;
    pthread_mutex_unlock(&queue->lock);
    run_jobs(queue, jobs);
    queue_note_damage(queue, queue->writer);
    queue_watches_notify(queue, queue->due);
    g_ptr_array_set_size(queue->due, 0);
    pthread_mutex_lock(&queue->lock);
    queue->leading = FALSE;
    for (QueueJob *job = jobs, *next; job; job = next) {
        next = job->next; /* the job is its owner's once it is done */
        job->done = TRUE;
        pthread_cond_signal(&job->turn);
    }
    if (queue->first_job)
        pthread_cond_signal(&queue->first_job->turn);
}

void queue_note_damage(Queue *queue, const Db *db)
{
    if (db->damaged)
        file_replace(queue->mark, "");
}

void queue_note_due(Queue *queue, const char *account)
{
    g_ptr_array_add(queue->due, g_strdup(account));
}

gboolean queue_run(Queue *queue, QueueWork work, gpointer data, GError **error)
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
