/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the queue's files share: the connections, and how a change becomes durable.
 *
 * There is no committing thread of its own: whoever finds the writer free leads, that is, runs all
 * changes that are waiting in one transaction and commits them, while those who come meanwhile wait
 * for the next. One client alone so pays for no change of threads.
 */
#pragma once

#include "cache/db.h"
#include "cache/queue/queue.h"

#include <pthread.h>

typedef struct QueueJob QueueJob;

struct Queue {
    char *path;
    int lock_fd;

    pthread_mutex_t lock; /* jobs, leading and last_id */
    QueueJob *first_job, *last_job;
    gboolean leading;
    gint64 last_id;
    Db *writer;     /* the leader's, */
    GPtrArray *due; /* and this: accounts (char *) whose watches its transactions wake */

    pthread_mutex_t watch_lock;
    GPtrArray *watches; /* QueueWatch */

    pthread_mutex_t reader_lock;
    Db *reader;
};

/*
 * One change, run within a transaction that others may share. It may be run again when that
 * transaction fails, and must refuse (FALSE and `error`) before it has written anything.
 */
typedef gboolean (*QueueWork)(Queue *queue, Db *db, gpointer data, GError **error);

/* Runs `work` and returns when it is on the disk, or failed and left nothing. */
gboolean queue_commit(Queue *queue, QueueWork work, gpointer data, GError **error);

/* For a QueueWork that leaves an entry of `account` waiting that wasn't, or at another time: wakes
 * those who watch its due entries when it is on the disk. */
void queue_note_due(Queue *queue, const char *account);

/* Wakes those who watch changes, and those who watch the due entries of the accounts in `due`. */
void queue_watches_notify(Queue *queue, GPtrArray *due);

/* Makes the file's schema what this version expects, and puts what a crash left in order. */
gboolean queue_schema_prepare(Queue *queue, GError **error);

/* From now on the state of before is an older one, which is noticed when it is put back. */
void queue_move_on(Queue *queue);

/* ---- rows ------------------------------------------------------------------------------------ */

/* The entry with its recipients; NULL and NOT_FOUND where there is none. */
QueueEntry *queue_entry_load(Db *db, gint64 id, GError **error);

/* Parts of a message: 256 KiB each but the last, numbered from 0, under (entry << 16 | number). */
#define QUEUE_PART_SIZE (256 * 1024)
#define QUEUE_PARTS_MAX 65535
static inline gint64 queue_part_id(gint64 entry, guint number)
{
    return (entry << 16) | number;
}
