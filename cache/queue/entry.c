/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading the queue: entries, their numbers, and their bytes. */
#include "cache/queue/private.h"

/* ---- entries --------------------------------------------------------------------------------- */

QueueEntry *queue_get(Queue *queue, gint64 id, GError **error)
{
    Db *db = queue_reader(queue, error);
    if (!db)
        return NULL;
    QueueEntry *entry = queue_entry_load(db, id, error);
    queue_reader_done(queue);
    return entry;
}

/* ---- lists ----------------------------------------------------------------------------------- */

/* With an account, SQLite walks entry_state; without, the table. */
static const char LIST_ALL[] =
    "SELECT " QUEUE_ENTRY_COLUMNS "FROM entry WHERE ?2 < 0 OR state = ?2 ORDER BY id DESC"
    " LIMIT ?3 OFFSET ?4";
static const char LIST_ACCOUNT[] =
    "SELECT " QUEUE_ENTRY_COLUMNS "FROM entry WHERE account = ?1 AND (?2 < 0 OR state = ?2)"
    " ORDER BY id DESC LIMIT ?3 OFFSET ?4";

static gboolean list(Db *db, const char *account, int state, guint64 offset, guint limit,
                     GPtrArray *entries, GError **error)
{
    g_auto(DbQuery) query = db_query(db, account ? LIST_ACCOUNT : LIST_ALL, DB_TEXT(account),
                                     DB_INT(state), DB_INT(limit), DB_INT(offset));
    while (db_next(&query)) {
        QueueEntry *entry = queue_row_read(&query);
        g_ptr_array_add(entries, entry);
        if (!queue_row_recipients(db, entry, error))
            return FALSE;
    }
    return db_done(&query, error);
}

GPtrArray *queue_list(Queue *queue, const char *account, int state, guint64 offset, guint limit,
                      GError **error)
{
    g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func((GDestroyNotify)queue_entry_free);

    Db *db = queue_reader(queue, error);
    gboolean ok = db && list(db, account, state, offset, limit, entries, error);
    if (db)
        queue_reader_done(queue);
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
    Db *db = queue_reader(queue, error);
    gboolean ok = db && count(db, account, counts, error);
    if (db)
        queue_reader_done(queue);
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
    Db *db = queue_reader(queue, error);
    gboolean ok = db && next_due(db, account, due, error);
    if (db)
        queue_reader_done(queue);
    return ok;
}

/* ---- copies in the Sent folder --------------------------------------------------------------- */

static gboolean next_filing(Db *db, const char *account, gint64 *due, GError **error)
{
    g_auto(DbQuery) query =
        db_query(db, "SELECT min(filing_due) FROM entry WHERE account = ?1 AND filing = 1",
                 DB_TEXT(account));
    *due = G_MAXINT64;
    if (db_next(&query) && sqlite3_column_type(query.statement, 0) != SQLITE_NULL)
        *due = db_int(&query, 0);
    return db_done(&query, error);
}

gboolean queue_next_filing(Queue *queue, const char *account, gint64 *due, GError **error)
{
    Db *db = queue_reader(queue, error);
    gboolean ok = db && next_filing(db, account, due, error);
    if (db)
        queue_reader_done(queue);
    return ok;
}

static const char LIST_DUE[] = "SELECT " QUEUE_ENTRY_COLUMNS
                               "FROM entry WHERE account = ?1 AND filing = 1 AND filing_due <= ?3"
                               " ORDER BY filing_due, id LIMIT ?2";
static const char LIST_DONE[] =
    "SELECT " QUEUE_ENTRY_COLUMNS "FROM entry WHERE account = ?1 AND filing = 2"
    " ORDER BY id DESC LIMIT ?2";

static gboolean list_filing(Db *db, const char *account, const gint64 *now, guint limit,
                            GPtrArray *entries, GError **error)
{
    g_auto(DbQuery) query =
        now ? db_query(db, LIST_DUE, DB_TEXT(account), DB_INT(limit), DB_INT(*now))
            : db_query(db, LIST_DONE, DB_TEXT(account), DB_INT(limit));

    while (db_next(&query))
        g_ptr_array_add(entries, queue_row_read(&query));
    return db_done(&query, error);
}

GPtrArray *queue_list_filing(Queue *queue, const char *account, QueueFiling filing, gint64 now,
                             guint limit, GError **error)
{
    g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func((GDestroyNotify)queue_entry_free);
    Db *db = queue_reader(queue, error);
    gboolean ok = db && list_filing(db, account, filing == QUEUE_FILING_DUE ? &now : NULL, limit,
                                    entries, error);

    if (db)
        queue_reader_done(queue);
    return ok ? g_steal_pointer(&entries) : NULL;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

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
        if (!queue_part_unpack(out, sqlite3_column_blob(query.statement, 1),
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

    Db *db = queue_reader(queue, error);
    gboolean ok = db && read_parts(db, id, first, last, out, error);
    if (db)
        queue_reader_done(queue);

    g_autoptr(GBytes) bytes = g_byte_array_free_to_bytes(out);
    if (!ok)
        return NULL;
    gsize there = g_bytes_get_size(bytes);
    skip = MIN(skip, there);
    return g_bytes_new_from_bytes(bytes, skip, MIN(length, there - skip));
}
