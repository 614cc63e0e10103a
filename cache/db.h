/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One SQLite connection, private to cache/: statements prepared once and kept, values bound by
 * type, SQLite's errors said in words. Not for use by several threads at once.
 *
 *     g_auto(DbQuery) query = db_query(db, SQL_FIND, DB_TEXT(name));
 *     while (db_next(&query))
 *         ... sqlite3_column_int64(query.statement, 0) ...
 *     return db_done(&query, error);
 */
#pragma once

#include <glib.h>
#include <sqlite3.h>

typedef struct {
    int type; /* SQLITE_INTEGER, ... */
    gint64 integer;
    const void *data;
    gsize length;
} DbValue;

#define DB_INT(x)     ((DbValue){.type = SQLITE_INTEGER, .integer = (gint64)(x)})
#define DB_NULL       ((DbValue){.type = SQLITE_NULL})
#define DB_BLOB(p, n) db_blob((p), (n))
#define DB_BYTES(b)   db_bytes(b)
#define DB_TEXT(s)    db_text(s)

static inline DbValue db_blob(const void *data, gsize length)
{
    return (DbValue){data ? SQLITE_BLOB : SQLITE_NULL, 0, data, length};
}

static inline DbValue db_bytes(GBytes *bytes)
{
    if (!bytes)
        return DB_NULL;
    gsize length;
    const void *data = g_bytes_get_data(bytes, &length);
    return db_blob(data ? data : "", length);
}

static inline DbValue db_text(const char *text) /* NULL: SQL's NULL */
{
    return (DbValue){text ? SQLITE_TEXT : SQLITE_NULL, 0, text, 0};
}

typedef struct {
    const char *sql; /* by address: one constant is one statement */
    sqlite3_stmt *statement;
} DbSlot;

typedef struct {
    sqlite3 *handle;
    char *path;
    DbSlot *slots; /* open addressing */
    guint slots_size, slots_used;
    gboolean damaged; /* SQLite has found the file to be no sound database */
    GError *failure;  /* what went wrong first in the transaction: it can't be committed; or NULL */
    int synchronous;  /* 1 NORMAL, 2 FULL; 0: not set yet */
} Db;

typedef enum {
    DB_OPEN_WRITER,
    DB_OPEN_READER,
    DB_OPEN_DAMAGED, /* must be there; nothing is asked of it but to be read */
} DbOpen;

Db *db_open(const char *path, DbOpen how, GError **error);
void db_close(Db *db);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Db, db_close)

/* Statements that aren't worth keeping, or several at once. */
gboolean db_exec(Db *db, const char *sql, GError **error);

/* The first of several statements; *sql moves behind it. */
gboolean db_exec_next(Db *db, const char **sql, GError **error);

typedef struct {
    Db *db;
    const char *sql;
    sqlite3_stmt *statement;
    int code;
} DbQuery;

/* Starts a statement; a failure shows in db_next() and db_done(). Values are borrowed until the
 * query is cleared. */
#define db_query(db, sql, ...)                                                                     \
    db_query_values((db), (sql), (const DbValue[]){__VA_ARGS__},                                   \
                    sizeof((const DbValue[]){__VA_ARGS__}) / sizeof(DbValue))
DbQuery db_query_values(Db *db, const char *sql, const DbValue *values, gsize count);

/* TRUE with the next row. */
gboolean db_next(DbQuery *query);

/* Whether all went well so far. */
gboolean db_done(DbQuery *query, GError **error);

void db_query_clear(DbQuery *query);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DbQuery, db_query_clear)

/* Runs a statement that gives no rows. */
#define db_run(db, error, sql, ...)                                                                \
    db_run_values((db), (error), (sql), (const DbValue[]){__VA_ARGS__},                            \
                  sizeof((const DbValue[]){__VA_ARGS__}) / sizeof(DbValue))
gboolean db_run_values(Db *db, GError **error, const char *sql, const DbValue *values, gsize count);

/* Columns. Texts and blobs are borrowed until the next row. */
static inline gint64 db_int(DbQuery *query, int column)
{
    return sqlite3_column_int64(query->statement, column);
}
static inline const char *db_column_text(DbQuery *query, int column)
{
    return (const char *)sqlite3_column_text(query->statement, column);
}

/* The transaction can be committed, as far as is known (again, where another has begun). */
void db_forget_failure(Db *db);

/* Gives the reason why it can't, where there is one: FALSE. Else TRUE. */
gboolean db_sound(Db *db, GError **error);
