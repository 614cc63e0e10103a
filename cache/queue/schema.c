/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tables of queue.db, and what is put in order when it is opened. */
#include "cache/schema.h"
#include "cache/private.h"
#include "cache/queue/private.h"

/*
 * due is the later of next_attempt and send_at. tally holds how many entries there are in each
 * state, maintained by triggers: counting 100,000 rows at each change would show. staging names
 * entries whose parts are being stored and that aren't accepted yet.
 */
static const char VERSION_1[] =
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"

    "CREATE TABLE entry ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, sender TEXT NOT NULL,"
    "  ret TEXT, envid TEXT, eightbit INTEGER NOT NULL, smtputf8 INTEGER NOT NULL,"
    "  size INTEGER NOT NULL, subject TEXT, submitted INTEGER NOT NULL, state INTEGER NOT NULL,"
    "  attempts INTEGER NOT NULL, refusals INTEGER NOT NULL, next_attempt INTEGER NOT NULL,"
    "  send_at INTEGER NOT NULL, due INTEGER NOT NULL, finished INTEGER NOT NULL, last_error TEXT);"
    "CREATE INDEX entry_state ON entry (account, state);"
    "CREATE INDEX entry_due ON entry (account, due) WHERE state = 0;"
    "CREATE INDEX entry_finished ON entry (finished) WHERE state = 4;"

    "CREATE TABLE recipient ("
    "  entry INTEGER NOT NULL, position INTEGER NOT NULL, address TEXT NOT NULL, notify TEXT,"
    "  orcpt TEXT, state INTEGER NOT NULL, reply TEXT, PRIMARY KEY (entry, position))"
    "  WITHOUT ROWID;"

    "CREATE TABLE part (id INTEGER PRIMARY KEY, length INTEGER NOT NULL, data BLOB NOT NULL);"
    "CREATE TABLE staging (entry INTEGER PRIMARY KEY);"

    "CREATE TABLE tally (account TEXT NOT NULL, state INTEGER NOT NULL, n INTEGER NOT NULL,"
    "  PRIMARY KEY (account, state)) WITHOUT ROWID;"
    "CREATE TRIGGER entry_added AFTER INSERT ON entry BEGIN"
    "  INSERT INTO tally VALUES (new.account, new.state, 1)"
    "    ON CONFLICT DO UPDATE SET n = n + 1; END;"
    "CREATE TRIGGER entry_moved AFTER UPDATE OF state ON entry WHEN old.state <> new.state BEGIN"
    "  UPDATE tally SET n = n - 1 WHERE account = old.account AND state = old.state;"
    "  INSERT INTO tally VALUES (new.account, new.state, 1)"
    "    ON CONFLICT DO UPDATE SET n = n + 1; END;"
    "CREATE TRIGGER entry_gone AFTER DELETE ON entry BEGIN"
    "  UPDATE tally SET n = n - 1 WHERE account = old.account AND state = old.state; END";

/* The copy in the Sent folder (QueueFiling), and what is known of a message in doubt. */
static const char VERSION_2[] =
    "ALTER TABLE entry ADD COLUMN accepted INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE entry ADD COLUMN doubt INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE entry ADD COLUMN filing INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE entry ADD COLUMN filing_due INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE entry ADD COLUMN filed_uid INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE entry ADD COLUMN message_id TEXT;"
    "ALTER TABLE entry ADD COLUMN digest TEXT;"
    "CREATE INDEX entry_filing ON entry (account, filing_due) WHERE filing = 1;"
    "CREATE INDEX entry_filed ON entry (account) WHERE filing = 2";

static const CacheMigration MIGRATIONS[] = {
    {1, VERSION_1},
    {2, VERSION_2},
    {0},
};

/* ---- copies -------------------------------------------------------------------------------- */

static const char COPY_TEXT[] =
    "This queue is a copy that was restored or moved, so this message may have been sent from "
    "where it was copied. Release it to send it, or cancel it.";

typedef struct {
    char *then, *now;
    gboolean copied;
} Origin;

static void origin_clear(Origin *origin)
{
    g_free(origin->then);
    g_free(origin->now);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Origin, origin_clear)

static gboolean read_origin(Db *db, Origin *origin, GError **error)
{
    g_auto(DbQuery) query = db_query(db, "SELECT value FROM meta WHERE key = 'origin'");

    if (db_next(&query))
        origin->then = g_strdup(db_column_text(&query, 0));
    return db_done(&query, error);
}

static gboolean write_origin(Queue *queue, Db *db, gpointer data, GError **error)
{
    const Origin *origin = data;

    if (origin->copied) {
        g_message("%s is a copy; what waits in it is held", queue->path);
        if (!db_run(db, error, "UPDATE entry SET state = ?1, last_error = ?2 WHERE state IN (0, 1)",
                    DB_INT(QUEUE_HELD), DB_TEXT(COPY_TEXT)))
            return FALSE;
    }
    return db_run(db, error, "INSERT OR REPLACE INTO meta VALUES ('origin', ?1)",
                  DB_TEXT(origin->now));
}

static gboolean write_next_origin(Queue *queue, GError **error)
{
    g_auto(Origin) origin = {0};

    if (!read_origin(queue->writer, &origin, error))
        return FALSE;
    origin.now = origin_next(queue->path, origin.then, error);
    return origin.now && queue_run(queue, write_origin, &origin, error) &&
           origin_settle(queue->path, origin.now, error);
}

void queue_move_on(Queue *queue)
{
    g_autoptr(GError) error = NULL;

    g_clear_pointer(&queue->unmoved, g_free);
    if (!write_next_origin(queue, &error))
        queue->unmoved = origin_unmoved(queue->path, error);
}

static gboolean check_origin(Queue *queue, GError **error)
{
    g_auto(Origin) origin = {0};

    if (!read_origin(queue->writer, &origin, error))
        return FALSE;
    if (origin.then && origin_is_same(queue->path, origin.then)) {
        queue_move_on(queue);
        return TRUE;
    }
    origin.copied = origin.then != NULL;
    origin.now = origin_next(queue->path, NULL, error);
    return origin.now && queue_run(queue, write_origin, &origin, error);
}

/* ---- crashes ------------------------------------------------------------------------------- */

static const char UNKNOWN_TEXT[] =
    "Postern was stopped while the provider was taking this message. It may have been sent; it "
    "goes again unless it is cancelled.";

gboolean queue_recover_entries(Db *db, const char *account, GError **error)
{
    return db_run(
               db, error,
               "UPDATE entry SET last_error = ?1 WHERE state = ?2 AND (?4 IS NULL OR account = ?4)"
               " AND EXISTS"
               " (SELECT 1 FROM recipient WHERE entry = entry.id AND recipient.state = ?3)",
               DB_TEXT(UNKNOWN_TEXT), DB_INT(QUEUE_SENDING), DB_INT(QUEUE_RECIPIENT_UNKNOWN),
               DB_TEXT(account)) &&
           db_run(db, error,
                  "UPDATE entry SET state = ?1 WHERE state = ?2 AND (?3 IS NULL OR account = ?3)",
                  DB_INT(QUEUE_WAITING), DB_INT(QUEUE_SENDING), DB_TEXT(account));
}

/* A range of part ids per leftover, so that the parts of others aren't looked at. */
static gboolean recover(Queue *queue, Db *db, gpointer data, GError **error)
{
    return queue_recover_entries(db, NULL, error) &&
           db_run(db, error,
                  "DELETE FROM part WHERE id IN (SELECT part.id FROM staging CROSS JOIN part"
                  " ON part.id BETWEEN staging.entry << 16 AND (staging.entry << 16) + 65535)") &&
           db_run(db, error, "DELETE FROM staging");
}

gboolean queue_schema_make(Db *db, GError **error)
{
    /* Has to stand before the first table; sent bodies' room can then be given back. */
    return db_exec(db,
                   "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA synchronous = FULL;"
                   "PRAGMA wal_autocheckpoint = 1000",
                   error) &&
           schema_migrate(db, MIGRATIONS, NULL, error);
}

gboolean queue_schema_prepare(Queue *queue, GError **error)
{
    if (!queue_schema_make(queue->writer, error))
        return FALSE;
    return queue_run(queue, recover, NULL, error) && check_origin(queue, error);
}
