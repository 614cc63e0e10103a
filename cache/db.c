/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Connections: opening, statements, errors. */
#include "cache/db.h"

#include "cache/private.h"

#include <errno.h>
#include <string.h>

/* ---- errors ------------------------------------------------------------------------------- */

static CacheError error_code(int extended)
{
    switch (extended) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
        return CACHE_ERROR_EXISTS;
    }
    switch (extended & 0xff) {
    case SQLITE_FULL:
        return CACHE_ERROR_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return CACHE_ERROR_CORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return CACHE_ERROR_LOCKED;
    case SQLITE_TOOBIG:
        return CACHE_ERROR_TOO_BIG;
    case SQLITE_INTERRUPT:
        return CACHE_ERROR_CANCELLED;
    default:
        return CACHE_ERROR_FAILED;
    }
}

/* SQLite says just once that a disk is full; elsewhere (a quota, a log that can't be opened or
 * synced) it names what it was doing, and the system why that failed. */
static gboolean is_about_files(int extended)
{
    switch (extended & 0xff) {
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return TRUE;
    default:
        return FALSE;
    }
}

/* What fails for want of room as a rule; SQLite doesn't always keep what the system said. */
static gboolean is_growing(int extended)
{
    return extended == SQLITE_IOERR_WRITE || extended == SQLITE_IOERR_SHMSIZE ||
           extended == SQLITE_IOERR_TRUNCATE;
}

/* Where a file couldn't be opened, SQLite has tried other ways before it gives up, and what the
 * system says in the end is about those: so whether there is room is found out. */
static CacheError kind_of(const Db *db, int code, int system)
{
    if (cache_errno_is_full(system) || (is_growing(code) && system != EIO && system != EROFS))
        return CACHE_ERROR_FULL;
    return is_about_files(code) && !file_has_room(db->path) ? CACHE_ERROR_FULL : error_code(code);
}

static GError *describe(Db *db, CacheError kind, const char *text, int system)
{
    switch (kind) {
    case CACHE_ERROR_FULL:
        return g_error_new(CACHE_ERROR, kind,
                           "%s can't grow (%s). Nothing was changed; free some space on that disk.",
                           db->path, system ? g_strerror(system) : text);
    case CACHE_ERROR_CORRUPT:
        return g_error_new(CACHE_ERROR, kind,
                           "%s is damaged (%s). Check the disk; when the file is moved away, "
                           "Postern fetches the mail again.",
                           db->path, text);
    case CACHE_ERROR_LOCKED:
        return g_error_new(CACHE_ERROR, kind,
                           "%s is in use by another program (%s). Close that program.", db->path,
                           text);
    case CACHE_ERROR_TOO_BIG:
        return g_error_new(CACHE_ERROR, kind, "%s can't hold something that large (%s)", db->path,
                           text);
    default:
        return g_error_new(CACHE_ERROR, kind, "%s: %s%s%s", db->path, text, system ? ": " : "",
                           system ? g_strerror(system) : "");
    }
}

/* The error, which the transaction remembers where it can't be committed any more. */
static GError *take_failure(Db *db, int code)
{
    const char *text = db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(code);
    int system = db->handle && is_about_files(code) ? sqlite3_system_errno(db->handle) : 0;
    CacheError kind = kind_of(db, code, system);
    GError *failure = describe(db, kind, text, system);

    /* A constraint undoes its own statement only; all else leaves the transaction in doubt. */
    if (kind != CACHE_ERROR_EXISTS && !db->failure)
        db->failure = g_error_copy(failure);
    if (kind == CACHE_ERROR_CORRUPT)
        db->damaged = TRUE;
    return failure;
}

/* The last error of the connection as a CACHE_ERROR that names the file and what helps; FALSE. */
static gboolean db_fail(Db *db, int code, GError **error)
{
    g_propagate_error(error, take_failure(db, code));
    return FALSE;
}

void db_forget_failure(Db *db)
{
    g_clear_error(&db->failure);
}

gboolean db_sound(Db *db, GError **error)
{
    if (db->failure)
        g_propagate_error(error, g_error_copy(db->failure));
    return !db->failure;
}

/* ---- opening and closing ------------------------------------------------------------------ */

/* Page caches are small, since there is one per connection; the kernel's is behind them. */
static const char *const SETUP[] = {
    /* Of a new file: most contents fit in a page, and half as many pages are written. */
    [DB_OPEN_WRITER] =
        "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
        "PRAGMA cache_size = -4096; PRAGMA journal_size_limit = 33554432;"
        "PRAGMA wal_autocheckpoint = 0; PRAGMA temp_store = MEMORY;"
        "PRAGMA cell_size_check = ON",
    [DB_OPEN_DAMAGED] = "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON",
    [DB_OPEN_READER] = ("PRAGMA cache_size = -1024; PRAGMA temp_store = MEMORY;"
                        "PRAGMA cell_size_check = ON"),
};

Db *db_open(const char *path, DbOpen how, GError **error)
{
    g_autoptr(Db) db = g_new0(Db, 1);
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;

    flags |=
        how == DB_OPEN_WRITER ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    db->path = g_strdup(path);
    if (how == DB_OPEN_WRITER && !file_make(path, error))
        return NULL;
    progress_init();
    int code = sqlite3_open_v2(path, &db->handle, flags, NULL);
    if (code != SQLITE_OK) {
        db_fail(db, code, error);
        return NULL;
    }
    sqlite3_busy_timeout(db->handle, 10000);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_LOOKASIDE, NULL, 128, 100);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (!db_exec(db, SETUP[how], error))
        return NULL;
    db_forget_failure(db);
    return g_steal_pointer(&db);
}

void db_close(Db *db)
{
    if (!db)
        return;
    for (guint i = 0; i < db->slots_size; i++)
        sqlite3_finalize(db->slots[i].statement);
    sqlite3_close(db->handle);
    g_clear_error(&db->failure);
    g_free(db->slots);
    g_free(db->path);
    g_free(db);
}

gboolean db_exec(Db *db, const char *sql, GError **error)
{
    int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK || db_fail(db, code, error);
}

gboolean db_exec_next(Db *db, const char **sql, GError **error)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db->handle, *sql, -1, &statement, sql);

    while (statement && sqlite3_step(statement) == SQLITE_ROW)
        ;
    if (code == SQLITE_OK)
        code = sqlite3_finalize(statement);
    return code == SQLITE_OK || db_fail(db, code, error);
}

/* ---- statements --------------------------------------------------------------------------- */

static DbSlot *slot_find(DbSlot *slots, guint size, const char *sql)
{
    guint i = (guint)(((guintptr)sql * 0x9e3779b97f4a7c15u) >> 32) & (size - 1);
    while (slots[i].sql && slots[i].sql != sql)
        i = (i + 1) & (size - 1);
    return &slots[i];
}

static void slots_grow(Db *db)
{
    guint size = db->slots_size ? db->slots_size * 2 : 64;
    DbSlot *slots = g_new0(DbSlot, size);

    for (guint i = 0; i < db->slots_size; i++)
        if (db->slots[i].sql)
            *slot_find(slots, size, db->slots[i].sql) = db->slots[i];
    g_free(db->slots);
    db->slots = slots;
    db->slots_size = size;
}

static DbSlot *slot_for(Db *db, const char *sql)
{
    if (db->slots_used * 2 >= db->slots_size)
        slots_grow(db);
    DbSlot *slot = slot_find(db->slots, db->slots_size, sql);
    if (!slot->sql) {
        slot->sql = sql;
        db->slots_used++;
    }
    return slot;
}

static int bind(sqlite3_stmt *statement, int index, const DbValue *value)
{
    switch (value->type) {
    case SQLITE_INTEGER:
        return sqlite3_bind_int64(statement, index, value->integer);
    case SQLITE_TEXT:
        return sqlite3_bind_text(statement, index, value->data, -1, SQLITE_STATIC);
    case SQLITE_BLOB:
        return sqlite3_bind_blob64(statement, index, value->data, value->length, SQLITE_STATIC);
    default:
        return sqlite3_bind_null(statement, index);
    }
}

DbQuery db_query_values(Db *db, const char *sql, const DbValue *values, gsize count)
{
    DbQuery query = {.db = db, .sql = sql, .code = SQLITE_OK};
    DbSlot *slot = slot_for(db, sql);

    /* Taken out while it runs, so that the same statement may run within its own iteration. */
    query.statement = g_steal_pointer(&slot->statement);
    if (!query.statement)
        query.code = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                        &query.statement, NULL);
    for (gsize i = 0; i < count && query.code == SQLITE_OK; i++)
        query.code = bind(query.statement, (int)i + 1, &values[i]);
    return query;
}

gboolean db_next(DbQuery *query)
{
    if (query->code != SQLITE_OK && query->code != SQLITE_ROW)
        return FALSE;
    query->code = sqlite3_step(query->statement);
    return query->code == SQLITE_ROW;
}

gboolean db_done(DbQuery *query, GError **error)
{
    if (query->code == SQLITE_OK || query->code == SQLITE_ROW || query->code == SQLITE_DONE)
        return TRUE;
    return db_fail(query->db, query->code, error);
}

void db_query_clear(DbQuery *query)
{
    /* Also where nobody asked db_done(): what wasn't found must not be taken for absent. */
    if (query->code != SQLITE_OK && query->code != SQLITE_ROW && query->code != SQLITE_DONE &&
        (query->code & 0xff) != SQLITE_CONSTRAINT)
        db_fail(query->db, query->code, NULL);
    if (!query->statement)
        return;
    sqlite3_reset(query->statement);
    DbSlot *slot = slot_for(query->db, query->sql);
    if (slot->statement)
        sqlite3_finalize(query->statement);
    else
        slot->statement = query->statement;
    query->statement = NULL;
}

gboolean db_run_values(Db *db, GError **error, const char *sql, const DbValue *values, gsize count)
{
    g_auto(DbQuery) query = db_query_values(db, sql, values, count);
    while (db_next(&query))
        ;
    return db_done(&query, error);
}
