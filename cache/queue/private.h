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
    char *mark; /* a file that says that the database was found damaged */
    int lock_fd;

    gint ready; /* atomic: the database is open */
    gint tried; /* atomic: someone has tried to open it */
    pthread_mutex_t open_lock;
    char *notice;  /* under it: what the user should know, or NULL */
    char *unmoved; /* under it: why an older state of it would not be noticed, or NULL */

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

/* The same while the database is being opened. */
gboolean queue_run(Queue *queue, QueueWork work, gpointer data, GError **error);

/* The connection for reading, until queue_reader_done(); NULL and `error`: it can't be had. */
Db *queue_reader(Queue *queue, GError **error);
void queue_reader_done(Queue *queue);

/* Where `db` has found damage: leaves word for the next opening. */
void queue_note_damage(Queue *queue, const Db *db);

/* For a QueueWork that leaves an entry of `account` waiting that wasn't, or at another time: wakes
 * those who watch its due entries when it is on the disk. */
void queue_note_due(Queue *queue, const char *account);

/* Wakes those who watch changes, and those who watch the due entries of the accounts in `due`. */
void queue_watches_notify(Queue *queue, GPtrArray *due);

/* Makes the damaged database at `path` anew, with what can be read of it; the original is set
 * aside. Whatever ends this on the way, the original is as it was, and marked by the file `mark`.
 * */
gboolean queue_rebuild(const char *path, const char *mark, GError **error);

/* The tables, as they are made for a new file. */
gboolean queue_schema_make(Db *db, GError **error);

/* What is being sent (of `account`; NULL: of all) isn't any more, and waits again. */
gboolean queue_recover_entries(Db *db, const char *account, GError **error);

/* Makes the file's schema what this version expects, and puts what a crash left in order. */
gboolean queue_schema_prepare(Queue *queue, GError **error);

/* From now on the state of before is an older one, which is noticed when it is put back. */
void queue_move_on(Queue *queue);

/* ---- rows ------------------------------------------------------------------------------------ */

/* What queue_row_read() takes, from the first column on. */
#define QUEUE_ENTRY_COLUMNS                                                                        \
    "id, account, sender, ret, envid, eightbit, smtputf8, size, subject, submitted, state,"        \
    " attempts, next_attempt, send_at, last_error, refusals, accepted, doubt, filing, filing_due," \
    " filed_uid, message_id, digest "
QueueEntry *queue_row_read(DbQuery *query);
/* Adds the entry's recipients to it. */
gboolean queue_row_recipients(Db *db, QueueEntry *entry, GError **error);

/* The entry with its recipients; NULL and NOT_FOUND where there is none. */
QueueEntry *queue_entry_load(Db *db, gint64 id, GError **error);

/* As it is to be stored; the caller frees. */
GBytes *queue_part_pack(GBytes *raw);

/* Appends what `data`, as stored, was: `raw` bytes; CORRUPT where it isn't that. */
gboolean queue_part_unpack(GByteArray *out, const void *data, gsize stored, gsize raw,
                           GError **error);

/* Writes the entry with its recipients under the number `id`. */
gboolean queue_entry_insert(Db *db, gint64 id, const QueueEntry *entry, GError **error);

/* Parts of a message: 256 KiB each but the last, numbered from 0, under (entry << 16 | number). */
#define QUEUE_PART_SIZE (256 * 1024)
#define QUEUE_PARTS_MAX 65535
static inline gint64 queue_part_id(gint64 entry, guint number)
{
    return (entry << 16) | number;
}
