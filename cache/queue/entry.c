/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Queue entries: plain data, and reading them and their bytes back. */
#include "cache/queue/private.h"

#include <zstd.h>

QueueRecipient *queue_recipient_new(const char *address)
{
    QueueRecipient *recipient = g_new0(QueueRecipient, 1);
    recipient->address = g_strdup(address);
    return recipient;
}

void queue_recipient_free(QueueRecipient *recipient)
{
    if (!recipient)
        return;
    g_free(recipient->address);
    g_free(recipient->notify);
    g_free(recipient->orcpt);
    g_free(recipient->reply);
    g_free(recipient);
}

QueueEntry *queue_entry_new(void)
{
    QueueEntry *entry = g_new0(QueueEntry, 1);
    entry->recipients = g_ptr_array_new_with_free_func((GDestroyNotify)queue_recipient_free);
    return entry;
}

void queue_entry_free(QueueEntry *entry)
{
    if (!entry)
        return;
    g_free(entry->account);
    g_free(entry->sender);
    g_ptr_array_unref(entry->recipients);
    g_free(entry->ret);
    g_free(entry->envid);
    g_free(entry->subject);
    g_free(entry->last_error);
    g_free(entry);
}

/* ---- rows ------------------------------------------------------------------------------------ */

#define ENTRY_COLUMNS                                                                              \
    "id, account, sender, ret, envid, eightbit, smtputf8, size, subject, submitted, state,"        \
    " attempts, next_attempt, send_at, last_error, refusals "

static QueueEntry *read_entry(DbQuery *query)
{
    QueueEntry *entry = queue_entry_new();
    entry->id = db_int(query, 0);
    entry->account = g_strdup(db_column_text(query, 1));
    entry->sender = g_strdup(db_column_text(query, 2));
    entry->ret = g_strdup(db_column_text(query, 3));
    entry->envid = g_strdup(db_column_text(query, 4));
    entry->eightbit = db_int(query, 5) != 0;
    entry->smtputf8 = db_int(query, 6) != 0;
    entry->size = db_int(query, 7);
    entry->subject = g_strdup(db_column_text(query, 8));
    entry->submitted = db_int(query, 9);
    entry->state = db_int(query, 10);
    entry->attempts = db_int(query, 11);
    entry->next_attempt = db_int(query, 12);
    entry->send_at = db_int(query, 13);
    entry->last_error = g_strdup(db_column_text(query, 14));
    entry->refusals = db_int(query, 15);
    return entry;
}

static gboolean read_recipients(Db *db, QueueEntry *entry, GError **error)
{
    g_auto(DbQuery) query = db_query(db,
                                     "SELECT address, notify, orcpt, state, reply FROM recipient"
                                     " WHERE entry = ?1 ORDER BY position",
                                     DB_INT(entry->id));
    while (db_next(&query)) {
        QueueRecipient *recipient = queue_recipient_new(db_column_text(&query, 0));
        recipient->notify = g_strdup(db_column_text(&query, 1));
        recipient->orcpt = g_strdup(db_column_text(&query, 2));
        recipient->state = db_int(&query, 3);
        recipient->reply = g_strdup(db_column_text(&query, 4));
        g_ptr_array_add(entry->recipients, recipient);
    }
    return db_done(&query, error);
}

QueueEntry *queue_entry_load(Db *db, gint64 id, GError **error)
{
    g_auto(DbQuery) query =
        db_query(db, "SELECT " ENTRY_COLUMNS "FROM entry WHERE id = ?1", DB_INT(id));
    if (!db_next(&query)) {
        if (db_done(&query, error))
            g_set_error(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND,
                        "There is no message %" G_GINT64_FORMAT " in the queue", id);
        return NULL;
    }
    g_autoptr(QueueEntry) entry = read_entry(&query);
    return read_recipients(db, entry, error) ? g_steal_pointer(&entry) : NULL;
}

QueueEntry *queue_get(Queue *queue, gint64 id, GError **error)
{
    pthread_mutex_lock(&queue->reader_lock);
    QueueEntry *entry = queue_entry_load(queue->reader, id, error);
    pthread_mutex_unlock(&queue->reader_lock);
    return entry;
}

/* ---- lists ----------------------------------------------------------------------------------- */

/* With an account, SQLite walks entry_state; without, the table. */
static const char LIST_ALL[] =
    "SELECT " ENTRY_COLUMNS "FROM entry WHERE ?2 < 0 OR state = ?2 ORDER BY id DESC"
    " LIMIT ?3 OFFSET ?4";
static const char LIST_ACCOUNT[] =
    "SELECT " ENTRY_COLUMNS "FROM entry WHERE account = ?1 AND (?2 < 0 OR state = ?2)"
    " ORDER BY id DESC LIMIT ?3 OFFSET ?4";

static gboolean list(Db *db, const char *account, int state, guint64 offset, guint limit,
                     GPtrArray *entries, GError **error)
{
    g_auto(DbQuery) query = db_query(db, account ? LIST_ACCOUNT : LIST_ALL, DB_TEXT(account),
                                     DB_INT(state), DB_INT(limit), DB_INT(offset));
    while (db_next(&query)) {
        QueueEntry *entry = read_entry(&query);
        g_ptr_array_add(entries, entry);
        if (!read_recipients(db, entry, error))
            return FALSE;
    }
    return db_done(&query, error);
}

GPtrArray *queue_list(Queue *queue, const char *account, int state, guint64 offset, guint limit,
                      GError **error)
{
    g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func((GDestroyNotify)queue_entry_free);

    pthread_mutex_lock(&queue->reader_lock);
    gboolean ok = list(queue->reader, account, state, offset, limit, entries, error);
    pthread_mutex_unlock(&queue->reader_lock);
    return ok ? g_steal_pointer(&entries) : NULL;
}

static gboolean count(Db *db, const char *account, guint64 counts[5], GError **error)
{
    g_auto(DbQuery) query = db_query(
        db, "SELECT state, n FROM tally WHERE ?1 IS NULL OR account = ?1", DB_TEXT(account));
    while (db_next(&query)) {
        gint64 state = db_int(&query, 0);
        if (state >= QUEUE_WAITING && state <= QUEUE_SENT)
            counts[state] += db_int(&query, 1);
    }
    return db_done(&query, error);
}

gboolean queue_counts(Queue *queue, const char *account, guint64 counts[5], GError **error)
{
    for (int i = 0; i < 5; i++)
        counts[i] = 0;
    pthread_mutex_lock(&queue->reader_lock);
    gboolean ok = count(queue->reader, account, counts, error);
    pthread_mutex_unlock(&queue->reader_lock);
    return ok;
}

static gboolean next_due(Db *db, const char *account, gint64 *due, GError **error)
{
    g_auto(DbQuery) query = db_query(
        db, "SELECT min(due) FROM entry WHERE account = ?1 AND state = 0", DB_TEXT(account));
    *due = G_MAXINT64;
    if (db_next(&query) && sqlite3_column_type(query.statement, 0) != SQLITE_NULL)
        *due = db_int(&query, 0);
    return db_done(&query, error);
}

gboolean queue_next_due(Queue *queue, const char *account, gint64 *due, GError **error)
{
    pthread_mutex_lock(&queue->reader_lock);
    gboolean ok = next_due(queue->reader, account, due, error);
    pthread_mutex_unlock(&queue->reader_lock);
    return ok;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

/* A part as stored: compressed where that made it smaller. `raw` is its length before. */
static gboolean unpack(GByteArray *out, const void *data, gsize stored, gsize raw, GError **error)
{
    if (stored == raw) {
        g_byte_array_append(out, data, stored);
        return TRUE;
    }
    guint start = out->len;
    g_byte_array_set_size(out, start + raw);
    if (ZSTD_decompress(out->data + start, raw, data, stored) == raw)
        return TRUE;
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_CORRUPT,
                "The queue's copy of a message is damaged. Check the disk.");
    return FALSE;
}

static gboolean read_parts(Db *db, gint64 id, guint first, guint last, GByteArray *out,
                           GError **error)
{
    g_auto(DbQuery) query =
        db_query(db, "SELECT length, data FROM part WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
                 DB_INT(queue_part_id(id, first)), DB_INT(queue_part_id(id, last)));
    gboolean found = FALSE;

    while (db_next(&query)) {
        gint64 raw = db_int(&query, 0);
        found = TRUE;
        if (raw < 0 || raw > QUEUE_PART_SIZE)
            raw = 0; /* fails below */
        if (!unpack(out, sqlite3_column_blob(query.statement, 1),
                    sqlite3_column_bytes(query.statement, 1), raw, error))
            return FALSE;
    }
    if (db_done(&query, error) && !found && first == 0)
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND,
                    "The bytes of message %" G_GINT64_FORMAT " are not in the queue any more", id);
    return db_done(&query, NULL) && (found || first > 0);
}

GBytes *queue_read(Queue *queue, gint64 id, guint64 offset, gsize length, GError **error)
{
    guint first = MIN(offset / QUEUE_PART_SIZE, QUEUE_PARTS_MAX);
    guint last = MIN((offset + MAX(length, 1) - 1) / QUEUE_PART_SIZE, QUEUE_PARTS_MAX);
    gsize skip = offset - (guint64)first * QUEUE_PART_SIZE;
    GByteArray *out = g_byte_array_new();

    pthread_mutex_lock(&queue->reader_lock);
    gboolean ok = read_parts(queue->reader, id, first, last, out, error);
    pthread_mutex_unlock(&queue->reader_lock);

    g_autoptr(GBytes) bytes = g_byte_array_free_to_bytes(out);
    if (!ok)
        return NULL;
    gsize there = g_bytes_get_size(bytes);
    skip = MIN(skip, there);
    return g_bytes_new_from_bytes(bytes, skip, MIN(length, there - skip));
}
