/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tables of mail.db and their migrations. */
#include "cache/schema.h"

#include "cache/private.h"

#include <string.h>

/*
 * What a difference between view and base is (see placement.h): alive here and not there, there and
 * not alive here, or alive in both with other flags. The partial index over it is push's list of
 * work; queries repeat the expression word for word, or SQLite would not use the index.
 */
static const char VERSION_1[] =
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"

    "CREATE TABLE folder ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  name TEXT, delimiter INTEGER NOT NULL, role INTEGER NOT NULL, selectable INTEGER NOT NULL,"
    "  pushed INTEGER NOT NULL, uidvalidity INTEGER NOT NULL, uidnext INTEGER NOT NULL,"
    "  recent_uid INTEGER NOT NULL, highestmodseq INTEGER NOT NULL, modseq_floor INTEGER NOT NULL,"
    "  alive INTEGER NOT NULL DEFAULT 0, unseen INTEGER NOT NULL DEFAULT 0,"
    "  deleted INTEGER NOT NULL DEFAULT 0, missing INTEGER NOT NULL DEFAULT 0,"
    "  size INTEGER NOT NULL DEFAULT 0,"
    "  base_name TEXT, wire_name TEXT, remote_id TEXT, base_selectable INTEGER NOT NULL,"
    "  base_uidvalidity INTEGER NOT NULL, base_uidnext INTEGER NOT NULL,"
    "  base_highestmodseq INTEGER NOT NULL, flag_mask INTEGER NOT NULL,"
    "  keyword_mask INTEGER NOT NULL, synced INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX folder_name ON folder (name) WHERE name IS NOT NULL;"
    "CREATE UNIQUE INDEX folder_base_name ON folder (base_name) WHERE base_name IS NOT NULL;"

    /* The last UIDVALIDITY each name was shown with by folders that have left it. */
    "CREATE TABLE retired (name TEXT PRIMARY KEY, uidvalidity INTEGER NOT NULL) WITHOUT ROWID;"

    "CREATE TABLE subscription ("
    "  name TEXT PRIMARY KEY, view INTEGER NOT NULL, base INTEGER NOT NULL) WITHOUT ROWID;"

    "CREATE TABLE keyword_set (id INTEGER PRIMARY KEY, names TEXT NOT NULL);"

    /* content is NULL in state 0 (nothing here); message_id is a hash. */
    "CREATE TABLE message ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, remote_id TEXT, message_id INTEGER,"
    "  content INTEGER, state INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX message_remote_id ON message (remote_id) WHERE remote_id IS NOT NULL;"
    "CREATE INDEX message_message_id ON message (message_id) WHERE message_id IS NOT NULL;"

    /* Kept narrow: scans of a large folder cost what its rows weigh. base_uid has no affinity, so
     * that a POP3 UIDL can stand there as text. state is the message's. */
    "CREATE TABLE placement ("
    "  folder INTEGER NOT NULL, uid INTEGER NOT NULL, alive INTEGER NOT NULL,"
    "  system INTEGER NOT NULL, keywords INTEGER NOT NULL, modseq INTEGER NOT NULL,"
    "  message INTEGER NOT NULL, state INTEGER NOT NULL, size INTEGER NOT NULL,"
    "  date INTEGER NOT NULL, zone INTEGER NOT NULL, saved INTEGER NOT NULL,"
    "  from_folder INTEGER NOT NULL, from_uid INTEGER NOT NULL,"
    "  base INTEGER NOT NULL, base_uid, base_system INTEGER NOT NULL,"
    "  base_keywords INTEGER NOT NULL, PRIMARY KEY (folder, uid)) WITHOUT ROWID;"
    "CREATE UNIQUE INDEX placement_base ON placement (folder, base_uid)"
    "  WHERE base_uid IS NOT NULL;"
    "CREATE INDEX placement_pending ON placement (folder, uid)"
    "  WHERE alive <> (base <> 0) OR (alive AND (system <> base_system"
    "    OR keywords <> base_keywords));"
    "CREATE INDEX placement_modseq ON placement (folder, modseq) WHERE alive;"
    "CREATE INDEX placement_message ON placement (message);"
    "CREATE INDEX placement_wanted ON placement (folder, state, date) WHERE alive AND state <> 2;"
    "CREATE INDEX placement_keywords ON placement (folder, keywords)"
    "  WHERE alive AND keywords <> 0;"

    "CREATE TABLE tombstone ("
    "  folder INTEGER NOT NULL, modseq INTEGER NOT NULL, uid INTEGER NOT NULL,"
    "  PRIMARY KEY (folder, modseq, uid)) WITHOUT ROWID;"

    "CREATE TABLE attempt ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, source INTEGER NOT NULL,"
    "  target INTEGER NOT NULL, uidvalidity INTEGER NOT NULL, uidnext INTEGER NOT NULL,"
    "  name TEXT, started INTEGER NOT NULL);"
    "CREATE TABLE attempt_item ("
    "  folder INTEGER NOT NULL, uid INTEGER NOT NULL, attempt INTEGER NOT NULL,"
    "  position INTEGER NOT NULL, PRIMARY KEY (folder, uid, attempt)) WITHOUT ROWID;"
    "CREATE INDEX attempt_item_attempt ON attempt_item (attempt, position);"

    "CREATE TABLE problem ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, operation TEXT NOT NULL, folder INTEGER NOT NULL,"
    "  uid INTEGER NOT NULL, text TEXT NOT NULL, since INTEGER NOT NULL, retry INTEGER NOT NULL,"
    "  UNIQUE (operation, folder, uid));"

    "CREATE TABLE rendered ("
    "  message INTEGER PRIMARY KEY, sent INTEGER, sent_zone INTEGER NOT NULL, envelope BLOB,"
    "  bodystructure BLOB, structure BLOB);"

    /* digest is NULL while only the header is here; refs 0: unfinished. digest_key is the digest's
     * first 8 bytes: a narrow index, since each new digest lands in a page of its own. */
    "CREATE TABLE content ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, digest_key INTEGER, digest BLOB,"
    "  size INTEGER NOT NULL, header_size INTEGER NOT NULL, refs INTEGER NOT NULL);"
    "CREATE INDEX content_digest ON content (digest_key) WHERE digest_key IS NOT NULL;"
    "CREATE INDEX content_unfinished ON content (id) WHERE refs = 0;"

    /* id is content << 20 | part: one look-up instead of a second index. */
    "CREATE TABLE content_part (id INTEGER PRIMARY KEY, data BLOB NOT NULL);";

/* Text for searching (search.h). part: of headers (0) or bodies (1); text_data.id is segment << 5 |
 * kind; text_gone: how many messages have gone since segments were last compacted. */
static const char VERSION_2[] =
    "CREATE TABLE text_segment ("
    "  part INTEGER NOT NULL, id INTEGER NOT NULL, messages BLOB NOT NULL,"
    "  PRIMARY KEY (part, id)) WITHOUT ROWID;"
    "CREATE TABLE text_data (id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE text_due ("
    "  part INTEGER NOT NULL, message INTEGER NOT NULL,"
    "  PRIMARY KEY (part, message)) WITHOUT ROWID;"
    "CREATE TABLE text_gone (gone INTEGER NOT NULL);"
    "INSERT INTO text_gone VALUES (0);"
    "INSERT INTO text_due SELECT 0, id FROM message WHERE state >= 1;"
    "INSERT INTO text_due SELECT 1, id FROM message WHERE state >= 2;";

/* Values that clients attach to folders (annotation.h); folder 0 is the account. */
static const char VERSION_3[] =
    "CREATE TABLE IF NOT EXISTS annotation ("
    "  folder INTEGER NOT NULL, entry TEXT NOT NULL, value BLOB NOT NULL,"
    "  PRIMARY KEY (folder, entry)) WITHOUT ROWID;"
    "CREATE TRIGGER IF NOT EXISTS annotation_gone AFTER DELETE ON folder"
    "  BEGIN DELETE FROM annotation WHERE folder = old.id; END;";

/* Filters of texts (filter.h), by the id of their text_data. Segments from before there were any
 * are written anew by VERSION_7. */
static const char VERSION_4[] =
    "CREATE TABLE IF NOT EXISTS text_filter (id INTEGER PRIMARY KEY, bits BLOB NOT NULL);";

/* Which UIDs are live and unseen, as bits (uids.c, which also fills it the first time). id is
 * folder << 20 | UID >> 12. */
static const char VERSION_5[] =
    "CREATE TABLE IF NOT EXISTS uid_bits ("
    "  id INTEGER PRIMARY KEY, alive BLOB NOT NULL, unseen BLOB NOT NULL);";

/* What the provider allows in a folder (rights.h); 0: not known yet. */
static const char VERSION_6[] = "ALTER TABLE folder ADD COLUMN rights INTEGER NOT NULL DEFAULT 0;";

/* Segments from before there was anything for SORT, THREAD and FETCH in them are written anew. Row by
 * row: a DELETE without WHERE is one instruction of SQLite's, which nothing can stop. */
static const char VERSION_7[] =
    "DELETE FROM text_segment WHERE TRUE; DELETE FROM text_data WHERE TRUE;"
    "DELETE FROM text_filter WHERE TRUE;"
    "INSERT OR IGNORE INTO text_due SELECT 0, id FROM message WHERE state >= 1;"
    "INSERT OR IGNORE INTO text_due SELECT 1, id FROM message WHERE state >= 2;";

/* What set-like stores know of messages (label.h): which thread each is of, and those of which that
 * is still to be learnt. */
static const char VERSION_8[] =
    "CREATE TABLE IF NOT EXISTS message_thread ("
    "  message INTEGER PRIMARY KEY, thread INTEGER NOT NULL);"
    "CREATE INDEX IF NOT EXISTS message_thread_thread ON message_thread (thread);"
    "CREATE TABLE IF NOT EXISTS message_nameless (message INTEGER PRIMARY KEY);";

/* Texts were folded to composed characters before: they are written anew, too. */
#define VERSION_9 VERSION_7

/* And most of HTML's named characters weren't known. */
#define VERSION_10 VERSION_7

/* Per folder: messages of which not even the header is here, and what upstream couldn't give
 * (problem.h): kept in step by what writes placements, and by triggers. */
static const char VERSION_11[] =
    "ALTER TABLE folder ADD COLUMN headless INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE folder ADD COLUMN failing INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE folder ADD COLUMN unread INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE folder ADD COLUMN unreadable INTEGER NOT NULL DEFAULT 0;"
    "UPDATE folder SET headless = (SELECT count(*) FROM placement WHERE placement.folder = "
    "folder.id"
    "  AND alive AND state <> 2 AND state = 0);"
    "UPDATE folder SET"
    "  failing = (SELECT count(*) FROM problem p WHERE p.folder = folder.id"
    "    AND p.operation = 'fetch'),"
    "  unread = (SELECT count(*) FROM problem p WHERE p.folder = folder.id"
    "    AND p.operation = 'read' AND p.uid > 0),"
    "  unreadable = (SELECT count(*) FROM problem p WHERE p.folder = folder.id"
    "    AND p.operation = 'read' AND p.uid = 0);"
    "CREATE TRIGGER problem_added AFTER INSERT ON problem WHEN new.operation IN ('fetch', 'read')"
    "  BEGIN UPDATE folder SET failing = failing + (new.operation = 'fetch'),"
    "    unread = unread + (new.operation = 'read' AND new.uid > 0),"
    "    unreadable = unreadable + (new.operation = 'read' AND new.uid = 0)"
    "    WHERE id = new.folder; END;"
    "CREATE TRIGGER problem_gone AFTER DELETE ON problem WHEN old.operation IN ('fetch', 'read')"
    "  BEGIN UPDATE folder SET failing = failing - (old.operation = 'fetch'),"
    "    unread = unread - (old.operation = 'read' AND old.uid > 0),"
    "    unreadable = unreadable - (old.operation = 'read' AND old.uid = 0)"
    "    WHERE id = old.folder; END;";

/* What has vanished upstream and may return (vanished.h); before, a list in meta. Of what is kept from
 * then it isn't known what clients have been told. */
static const char VERSION_12[] =
    "CREATE TABLE vanished ("
    "  folder INTEGER NOT NULL, uid INTEGER NOT NULL, uidvalidity INTEGER NOT NULL,"
    "  base_uid INTEGER NOT NULL, alive INTEGER NOT NULL, told INTEGER NOT NULL,"
    "  since INTEGER NOT NULL, date INTEGER NOT NULL, PRIMARY KEY (folder, uid)) WITHOUT ROWID;"
    "CREATE INDEX vanished_date ON vanished (folder, date);"
    "CREATE INDEX vanished_since ON vanished (since);"
    "CREATE INDEX vanished_untold ON vanished (folder) WHERE NOT told;"
    "INSERT INTO vanished SELECT folder, uid, 0, 0, 1, 1, strftime('%s', 'now'), date"
    "  FROM placement p WHERE NOT alive AND base = 0 AND NOT EXISTS"
    "  (SELECT 1 FROM attempt_item i WHERE i.folder = p.folder AND i.uid = p.uid);"
    "DELETE FROM meta WHERE key GLOB 'vanished.*';"
    "CREATE TRIGGER vanished_gone AFTER DELETE ON placement"
    "  BEGIN DELETE FROM vanished WHERE folder = old.folder AND uid = old.uid; END;";

/* What is known of a maildrop (maildrop.h). */
static const char VERSION_13[] =
    "CREATE TABLE maildrop ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, uidl TEXT, digest BLOB, size INTEGER NOT NULL,"
    "  state INTEGER NOT NULL, listed INTEGER NOT NULL, since INTEGER NOT NULL,"
    "  changed INTEGER NOT NULL, uid INTEGER NOT NULL);";

/* Addresses as the envelope has them, and links, alt and title of HTML, weren't in texts before. */
#define VERSION_14 VERSION_7

/* What sync knows of its own work (note.h). */
static const char VERSION_15[] =
    "CREATE TABLE note (key TEXT PRIMARY KEY, value INTEGER NOT NULL, since INTEGER NOT NULL)"
    " WITHOUT ROWID;";

const CacheMigration cache_migrations[] = {
    {1, VERSION_1},   {2, VERSION_2},   {3, VERSION_3},   {4, VERSION_4},
    {5, VERSION_5},   {6, VERSION_6},   {7, VERSION_7},   {8, VERSION_8},
    {9, VERSION_9},   {10, VERSION_10}, {11, VERSION_11}, {12, VERSION_12},
    {13, VERSION_13}, {14, VERSION_14}, {15, VERSION_15}, {0},
};

gboolean schema_version(Db *db, int *version, GError **error)
{
    g_auto(DbQuery) query = db_query(db, "PRAGMA user_version");
    *version = db_next(&query) ? (int)db_int(&query, 0) : 0;
    return db_done(&query, error);
}

/* Statement by statement; `told` tells how far it has come of the step, which is `part` of all. */
static gboolean run_statements(Db *db, const char *sql, double part, ProgressStep *told,
                               GError **error)
{
    const double begin = told->share, length = (double)strlen(sql);

    for (const char *at = sql; *at;) {
        told->share = begin + part * (double)(at - sql) / length;
        if (!progress_tell(told->progress, told->what, told->share, error) ||
            !db_exec_next(db, &at, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean run_step(Db *db, const CacheMigration *step, double part, ProgressStep *told,
                         GError **error)
{
    g_autofree char *end = g_strdup_printf("PRAGMA user_version = %d; COMMIT", step->version);

    if (db_exec(db, "BEGIN IMMEDIATE", error) && run_statements(db, step->sql, part, told, error) &&
        db_exec(db, end, error))
        return TRUE;
    if (!sqlite3_get_autocommit(db->handle))
        db_exec(db, "ROLLBACK", NULL);
    g_prefix_error(error, "Updating to version %d: ", step->version);
    return FALSE;
}

static int last_version(const CacheMigration *steps)
{
    int last = 0;
    for (const CacheMigration *step = steps; step->version; step++)
        last = step->version;
    return last;
}

static gboolean run_told(Db *db, const CacheMigration *step, double share, double part,
                         const CacheProgress *progress, GError **error)
{
    ProgressStep told = {progress, "updating the mail cache", share};

    progress_begin(db, &told);
    gboolean done = run_step(db, step, part, &told, error);
    progress_end(db);
    return done;
}

gboolean schema_migrate(Db *db, const CacheMigration *steps, const CacheProgress *progress,
                        GError **error)
{
    int version, last = last_version(steps);

    if (!schema_version(db, &version, error))
        return FALSE;
    if (version > last) {
        g_set_error(
            error, CACHE_ERROR, CACHE_ERROR_NEWER,
            "%s was made by a newer Postern (its version is %d, this program knows up to "
            "%d). Install that Postern again, or move the file away to fetch the mail anew.",
            db->path, version, last);
        return FALSE;
    }
    /* Making a new one takes no time worth telling. */
    const CacheProgress *told = version ? progress : NULL;
    const double part = 1.0 / MAX(last - version, 1);
    for (const CacheMigration *step = steps; step->version; step++)
        if (step->version > version &&
            !run_told(db, step, (step->version - 1 - version) * part, part, told, error))
            return FALSE;
    return TRUE;
}
