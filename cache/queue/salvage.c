/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A damaged queue made anew: what can be read of it is carried over, entry by entry, from both
 * ends, so that a bad page costs what is on it only. An entry whose bytes or recipients can't be
 * read is kept as failed, and says so: nothing that was accepted goes without a word.
 */
#include "cache/private.h"
#include "cache/queue/private.h"

static const char LOST_TEXT[] =
    "The queue was damaged, and this message can't be read any more: it was not sent (completely). "
    "Send it again from where it was written.";

static const char FORWARD[] = "SELECT id FROM entry WHERE id > ?1 ORDER BY id";
static const char BACKWARD[] = "SELECT id FROM entry WHERE id > ?1 ORDER BY id DESC";
static const char PARTS[] =
    "SELECT id, length, data FROM part WHERE id BETWEEN ?1 AND ?2 ORDER BY id";

typedef struct {
    Db *from, *to;
    GHashTable *seen; /* gint64: numbers of entries, */
    gint64 highest;   /* and the highest of them */
    guint carried, lost;
    GError *failure; /* there is no room to go on */
} Salvage;

/* What can't be read is passed over; but reading needs some room, too. */
static gboolean is_sound(Salvage *salvage, DbQuery *query)
{
    g_autoptr(GError) error = NULL;

    if (db_done(query, &error))
        return TRUE;
    if (g_error_matches(error, CACHE_ERROR, CACHE_ERROR_FULL) && !salvage->failure)
        salvage->failure = g_steal_pointer(&error);
    return FALSE;
}

static gboolean is_intact(const void *data, gsize stored, gint64 length)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    return length >= 0 && length <= QUEUE_PART_SIZE &&
           queue_part_unpack(out, data, stored, (gsize)length, NULL);
}

/* Whether all of the message is there; *written: what could be read of it was written. */
static gboolean carry_parts(Salvage *salvage, const QueueEntry *entry, gboolean *written,
                            GError **error)
{
    guint64 size = 0;
    g_auto(DbQuery) query = db_query(salvage->from, PARTS, DB_INT(queue_part_id(entry->id, 0)),
                                     DB_INT(queue_part_id(entry->id, QUEUE_PARTS_MAX)));

    *written = TRUE;
    while (*written && db_next(&query)) {
        const void *data = sqlite3_column_blob(query.statement, 2);
        gsize stored = (gsize)sqlite3_column_bytes(query.statement, 2);
        gint64 length = db_int(&query, 1);
        if (!is_intact(data, stored, length))
            return FALSE;
        *written = db_run(salvage->to, error, "INSERT OR IGNORE INTO part VALUES (?1, ?2, ?3)",
                          DB_INT(db_int(&query, 0)), DB_INT(length), DB_BLOB(data, stored));
        size += (guint64)length;
    }
    return is_sound(salvage, &query) && size == entry->size;
}

/* In the transaction that is open. */
static gboolean carry_entry(Salvage *salvage, gint64 id, GError **error)
{
    g_autoptr(GError) unread = NULL;
    g_autoptr(QueueEntry) entry = queue_entry_load(salvage->from, id, &unread);
    gboolean written;

    salvage->highest = MAX(salvage->highest, id);
    if (!entry || !entry->account || !entry->sender) {
        salvage->lost++;
        return TRUE;
    }
    gboolean whole = carry_parts(salvage, entry, &written, error) && entry->recipients->len > 0;
    if (!written)
        return FALSE;
    if (!whole && entry->state != QUEUE_SENT) {
        entry->state = QUEUE_FAILED;
        g_free(entry->last_error);
        entry->last_error = g_strdup(LOST_TEXT);
        salvage->lost++;
    }
    salvage->carried++;
    return queue_entry_insert(salvage->to, id, entry, error);
}

/* The numbers that can be read, after `after`, each once: damage shows rows twice. */
static gboolean read_numbers(Salvage *salvage, const char *sql, gint64 after, GArray *numbers)
{
    g_auto(DbQuery) query = db_query(salvage->from, sql, DB_INT(after));

    while (db_next(&query)) {
        gint64 id = db_int(&query, 0);
        if (id > 0 && g_hash_table_add(salvage->seen, g_memdup2(&id, sizeof id)))
            g_array_append_val(numbers, id);
    }
    return is_sound(salvage, &query);
}

static GArray *find_entries(Salvage *salvage)
{
    GArray *numbers = g_array_new(FALSE, FALSE, sizeof(gint64));

    if (!read_numbers(salvage, FORWARD, 0, numbers)) {
        gint64 last = numbers->len ? g_array_index(numbers, gint64, numbers->len - 1) : 0;
        read_numbers(salvage, BACKWARD, last, numbers);
    }
    return numbers;
}

static gboolean carry_entries(Salvage *salvage, GError **error)
{
    g_autoptr(GArray) numbers = find_entries(salvage);

    for (guint i = 0; i < numbers->len; i++)
        if (!carry_entry(salvage, g_array_index(numbers, gint64, i), error))
            return FALSE;
    if (salvage->failure)
        g_propagate_error(error, g_error_copy(salvage->failure));
    return !salvage->failure;
}

/* Numbers are never given twice: where the last one can't be read, by the time, which is above any.
 * */
static gboolean carry_last_number(Salvage *salvage, GError **error)
{
    gint64 last = g_get_real_time() / G_USEC_PER_SEC;

    if (salvage->from) {
        g_auto(DbQuery) query =
            db_query(salvage->from, "SELECT seq FROM sqlite_sequence WHERE name = 'entry'");
        if (db_next(&query) && db_int(&query, 0) >= salvage->highest)
            last = db_int(&query, 0);
        is_sound(salvage, &query);
    }
    last = MAX(last, salvage->highest);
    return db_run(salvage->to, error, "DELETE FROM sqlite_sequence WHERE name = 'entry'") &&
           db_run(salvage->to, error,
                  "INSERT INTO sqlite_sequence (name, seq) VALUES ('entry', ?1)", DB_INT(last));
}

static gboolean carry_all(Salvage *salvage, GError **error)
{
    return db_exec(salvage->to, "BEGIN IMMEDIATE", error) && carry_entries(salvage, error) &&
           carry_last_number(salvage, error) && db_sound(salvage->to, error) &&
           db_exec(salvage->to, "COMMIT", error) && beside_end_wal(salvage->to, error);
}

/* FALSE: there is no room for it. One that can't be opened has nothing to carry over. */
static gboolean open_damaged(Salvage *salvage, const char *path, GError **error)
{
    g_autoptr(GError) failure = NULL;

    salvage->from = db_open(path, DB_OPEN_DAMAGED, &failure);
    if (!g_error_matches(failure, CACHE_ERROR, CACHE_ERROR_FULL))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

static gboolean build(const char *path, GError **error)
{
    g_autofree char *beside = g_strconcat(path, BESIDE_BUILT, NULL);
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    Salvage salvage = {.seen = seen};
    gboolean done = open_damaged(&salvage, path, error);

    salvage.to = done ? db_open(beside, DB_OPEN_WRITER, error) : NULL;
    done = salvage.to && queue_schema_make(salvage.to, error) &&
           (salvage.from ? carry_all(&salvage, error)
                         : carry_last_number(&salvage, error) && beside_end_wal(salvage.to, error));
    db_close(salvage.from);
    db_close(salvage.to);
    g_clear_error(&salvage.failure);
    if (done)
        g_message("%s: carried over %u messages; %u can't be read", path, salvage.carried,
                  salvage.lost);
    return done && beside_is_whole(path, error);
}

gboolean queue_rebuild(const char *path, const char *mark, GError **error)
{
    if (beside_begin(path, mark, error) && build(path, error))
        return beside_place(path, mark, NULL, error);
    beside_drop(path);
    return FALSE;
}
