/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Accepting messages. Parts are compressed by the thread that brings them. A message of more than
 * 1 MiB is stored in several transactions first, its number in `staging`, so that nobody waits for
 * all of it and none of it is held in memory; the last transaction makes it an entry.
 */
#include "cache/queue/private.h"

#include <errno.h>
#include <unistd.h>

#define SLICE (4 * QUEUE_PART_SIZE)

typedef struct {
    guint number;
    gsize length;
    GBytes *data; /* as queue_part_pack() gives it */
} Part;

typedef struct {
    QueueEntry *entry;
    gint64 id;
    GArray *parts; /* Part: what this transaction stores */
    gboolean staged;
} Addition;

static void part_clear(gpointer data)
{
    g_bytes_unref(((Part *)data)->data);
}

/* Cuts `bytes` into parts, numbered from `number`; an empty message has one too. */
static void cut(GArray *parts, GBytes *bytes, guint number)
{
    gsize size = g_bytes_get_size(bytes), at = 0;
    do {
        gsize length = MIN(size - at, QUEUE_PART_SIZE);
        g_autoptr(GBytes) raw = g_bytes_new_from_bytes(bytes, at, length);
        Part part = {number++, length, queue_part_pack(raw)};
        g_array_append_val(parts, part);
        at += length;
    } while (at < size);
}

/* ---- within a transaction -------------------------------------------------------------------- */

static gboolean insert_parts(Db *db, gint64 id, GArray *parts, GError **error)
{
    for (guint i = 0; i < parts->len; i++) {
        Part *part = &g_array_index(parts, Part, i);
        if (!db_run(db, error, "INSERT INTO part VALUES (?1, ?2, ?3)",
                    DB_INT(queue_part_id(id, part->number)), DB_INT(part->length),
                    DB_BYTES(part->data)))
            return FALSE;
    }
    return TRUE;
}

/* The key of `meta` that a ticket is remembered under. */
static char *ticket_key(const char *ticket)
{
    return g_strconcat("ticket/", ticket, NULL);
}

static gboolean remember_ticket(Db *db, const QueueEntry *entry, GError **error)
{
    g_autofree char *key = entry->ticket ? ticket_key(entry->ticket) : NULL;

    return !key || db_run(db, error, "INSERT INTO meta VALUES (?1, '')", DB_TEXT(key));
}

static gboolean accept_work(Queue *queue, Db *db, gpointer data, GError **error)
{
    Addition *add = data;
    queue_note_due(queue, add->entry->account);
    return queue_entry_insert(db, add->id, add->entry, error) &&
           insert_parts(db, add->id, add->parts, error) && remember_ticket(db, add->entry, error) &&
           (!add->staged ||
            db_run(db, error, "DELETE FROM staging WHERE entry = ?1", DB_INT(add->id)));
}

static gboolean stage_work(Queue *queue, Db *db, gpointer data, GError **error)
{
    Addition *add = data;
    return db_run(db, error, "INSERT OR IGNORE INTO staging VALUES (?1)", DB_INT(add->id)) &&
           insert_parts(db, add->id, add->parts, error);
}

static gboolean unstage_work(Queue *queue, Db *db, gpointer data, GError **error)
{
    Addition *add = data;
    return db_run(db, error, "DELETE FROM part WHERE id BETWEEN ?1 AND ?2",
                  DB_INT(queue_part_id(add->id, 0)),
                  DB_INT(queue_part_id(add->id, QUEUE_PARTS_MAX))) &&
           db_run(db, error, "DELETE FROM staging WHERE entry = ?1", DB_INT(add->id));
}

/* ---- a message ------------------------------------------------------------------------------- */

/* Up to SLICE bytes of `body` or of the file; NULL on failure. */
static GBytes *read_slice(GBytes *body, int fd, guint64 offset, gsize length, GError **error)
{
    if (body)
        return g_bytes_new_from_bytes(body, offset, length);
    g_autofree guint8 *buffer = g_malloc(length);
    for (gsize at = 0; at < length;) {
        ssize_t n = pread(fd, buffer + at, length - at, (off_t)(offset + at));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            g_set_error(error, CACHE_ERROR, CACHE_ERROR_FAILED,
                        "The message could not be read back: %s",
                        n < 0 ? g_strerror(errno) : "its file is too short");
            return NULL;
        }
        at += n;
    }
    return g_bytes_new_take(g_steal_pointer(&buffer), length);
}

static gboolean store(Queue *queue, Addition *add, GBytes *body, int fd, GError **error)
{
    guint64 size = add->entry->size, at = 0;

    do {
        gsize length = MIN(size - at, SLICE);
        g_autoptr(GBytes) slice = read_slice(body, fd, at, length, error);
        if (!slice)
            return FALSE;
        g_array_set_size(add->parts, 0);
        cut(add->parts, slice, at / QUEUE_PART_SIZE);
        at += length;
        if (at < size) {
            add->staged = TRUE;
            if (!queue_commit(queue, stage_work, add, error))
                return FALSE;
        }
    } while (at < size);
    return queue_commit(queue, accept_work, add, error);
}

static gboolean addition_check(const QueueEntry *entry, GBytes *body, int fd, GError **error)
{
    if (!entry->account || !entry->sender || entry->recipients->len == 0 || !body == (fd < 0) ||
        (body && g_bytes_get_size(body) != entry->size)) {
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID,
                    "A message needs an account, a sender, a recipient and its bytes");
        return FALSE;
    }
    if (entry->size <= (guint64)QUEUE_PART_SIZE * QUEUE_PARTS_MAX)
        return TRUE;
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID, "The message is too large for the queue");
    return FALSE;
}

gboolean queue_add(Queue *queue, QueueEntry *entry, GBytes *body, int body_fd, GError **error)
{
    if (!addition_check(entry, body, body_fd, error))
        return FALSE;

    pthread_mutex_lock(&queue->lock);
    Addition add = {.entry = entry, .id = ++queue->last_id};
    pthread_mutex_unlock(&queue->lock);
    add.parts = g_array_new(FALSE, FALSE, sizeof(Part));
    g_array_set_clear_func(add.parts, part_clear);

    gboolean ok = store(queue, &add, body, body_fd, error);
    if (ok)
        entry->id = add.id;
    else if (add.staged)
        queue_commit(queue, unstage_work, &add, NULL); /* else when the queue is opened again */
    g_array_unref(add.parts);
    return ok;
}

/* ---- tickets --------------------------------------------------------------------------------- */

static gboolean find_ticket(Db *db, const char *ticket, gboolean *has, GError **error)
{
    g_autofree char *key = ticket_key(ticket);
    g_auto(DbQuery) query = db_query(db, "SELECT 1 FROM meta WHERE key = ?1", DB_TEXT(key));

    *has = db_next(&query);
    return db_done(&query, error);
}

gboolean queue_has_ticket(Queue *queue, const char *ticket, gboolean *has, GError **error)
{
    Db *db = queue_reader(queue, error);

    if (!db)
        return FALSE;
    gboolean ok = find_ticket(db, ticket, has, error);
    queue_reader_done(queue);
    return ok;
}

static gboolean forget_work(Queue *queue, Db *db, gpointer data, GError **error)
{
    return db_run(db, error, "DELETE FROM meta WHERE key = ?1", DB_TEXT((const char *)data));
}

gboolean queue_forget_ticket(Queue *queue, const char *ticket, GError **error)
{
    g_autofree char *key = ticket_key(ticket);

    return queue_commit(queue, forget_work, key, error);
}
