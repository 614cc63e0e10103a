/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Problems: rows of the table `problem`. */
#include "cache/problem.h"

#include "cache/private.h"

static const char SQL_SET[] =
    "INSERT INTO problem (operation, folder, uid, text, since, retry) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (operation, folder, uid) DO UPDATE SET text = excluded.text,"
    " since = excluded.since, retry = excluded.retry RETURNING id";
static const char SQL_CLEAR[] = "DELETE FROM problem WHERE id = ?";
static const char SQL_FORGET_NAME[] =
    "DELETE FROM problem WHERE folder = ? AND uid = 0 AND operation IN ('create', 'rename')";
static const char SQL_FORGET_FETCH[] =
    "DELETE FROM problem WHERE operation = 'fetch' AND folder = ? AND uid = ?";
static const char SQL_FORGET_FETCHES[] =
    "DELETE FROM problem WHERE operation = 'fetch' AND folder = ?";
static const char SQL_FIND[] = "SELECT id, operation, folder, uid, text, since, retry FROM problem"
                               " WHERE operation = ? AND folder = ? AND uid = ?";
static const char SQL_LIST[] =
    "SELECT id, operation, folder, uid, text, since, retry FROM problem ORDER BY id";

void cache_problem_free(CacheProblem *problem)
{
    if (!problem)
        return;
    g_free(problem->operation);
    g_free(problem->text);
    g_free(problem);
}

gint64 cache_problem_set(CacheTxn *txn, const CacheProblem *problem, GError **error)
{
    gint64 id = 0;

    if (!txn_writes(txn, FALSE, error))
        return 0;
    g_auto(DbQuery) query =
        db_query(txn->db, SQL_SET, DB_TEXT(problem->operation), DB_INT(problem->folder),
                 DB_INT(problem->uid), DB_TEXT(problem->text), DB_INT(problem->since),
                 DB_INT(problem->retry));
    while (db_next(&query))
        id = db_int(&query, 0);
    return db_done(&query, error) ? id : 0;
}

gboolean cache_problem_clear(CacheTxn *txn, gint64 id, GError **error)
{
    return txn_writes(txn, FALSE, error) && db_run(txn->db, error, SQL_CLEAR, DB_INT(id));
}

gboolean problem_forget_name(CacheTxn *txn, gint64 folder, GError **error)
{
    return db_run(txn->db, error, SQL_FORGET_NAME, DB_INT(folder));
}

gboolean problem_forget_fetch(CacheTxn *txn, gint64 folder, guint32 uid, GError **error)
{
    return db_run(txn->db, error, SQL_FORGET_FETCH, DB_INT(folder), DB_INT(uid));
}

gboolean problem_forget_fetches(CacheTxn *txn, gint64 folder, GError **error)
{
    return db_run(txn->db, error, SQL_FORGET_FETCHES, DB_INT(folder));
}

static CacheProblem *read_problem_row(DbQuery *query)
{
    CacheProblem *problem = g_new(CacheProblem, 1);

    *problem = (CacheProblem){
        db_int(query, 0),          g_strdup(db_column_text(query, 1)), db_int(query, 2),
        (guint32)db_int(query, 3), g_strdup(db_column_text(query, 4)), db_int(query, 5),
        db_int(query, 6)};
    return problem;
}

CacheProblem *cache_problem_find(CacheTxn *txn, const char *operation, gint64 folder, guint32 uid,
                                 GError **error)
{
    g_autoptr(CacheProblem) problem = NULL;
    g_auto(DbQuery) query =
        db_query(txn->db, SQL_FIND, DB_TEXT(operation), DB_INT(folder), DB_INT(uid));

    while (db_next(&query)) { /* once: they are unique */
        g_clear_pointer(&problem, cache_problem_free);
        problem = read_problem_row(&query);
    }
    return db_done(&query, error) ? g_steal_pointer(&problem) : NULL;
}

GPtrArray *cache_problem_list(CacheTxn *txn, GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)cache_problem_free);
    g_auto(DbQuery) query = db_query(txn->db, SQL_LIST);

    while (db_next(&query))
        g_ptr_array_add(list, read_problem_row(&query));
    return db_done(&query, error) ? g_steal_pointer(&list) : NULL;
}
