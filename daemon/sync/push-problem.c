/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Problems: what the server has refused. When they are tried again, and when they are over: because
 * it went well, or because nobody wants it any more.
 */
#include "daemon/sync/push-private.h"

#include "cache/content.h"
#include "cache/problem.h"

#include <string.h>

/* When a refused operation is tried again by itself. */
#define RETRY_SOON  600
#define RETRY_LATER 3600

/* The same for what breaks the connection: first, and at most; meanwhile as long as it has lasted.
 */
#define BROKEN_FIRST 60
#define BROKEN_MAX   (24 * 60 * 60)

gboolean push_is_general(const ImapReply *reply)
{
    static const char *const codes[] = {"NOPERM",       "OVERQUOTA", "UNAVAILABLE", "LIMIT",
                                        "INUSE",        "READ-ONLY", "NONEXISTENT", "SERVERBUG",
                                        "CONTACTADMIN", NULL};

    return reply->code && g_strv_contains(codes, reply->code);
}

/* When it makes sense to try again, of what has been refused `since`; 0: when someone asks for it.
 */
static gint64 retry_time(const Push *push, const ImapReply *reply, gint64 since)
{
    static const char *const soon[] = {"UNAVAILABLE", "LIMIT", "INUSE", "SERVERBUG", NULL};
    static const char *const never[] = {"CANNOT", "TOOBIG", "BADCHARSET", NULL};

    if (reply->cond == IMAP_COND_BYE)
        return push->now + CLAMP(push->now - since, BROKEN_FIRST, BROKEN_MAX);
    if (reply->code && g_strv_contains(soon, reply->code))
        return push->now + RETRY_SOON;
    if (reply->cond == IMAP_COND_BAD || (reply->code && g_strv_contains(never, reply->code)))
        return 0;
    return push->now + RETRY_LATER;
}

/* Since when it has been a problem already; else since now. */
static gint64 problem_since(const Push *push, CacheTxn *txn, const CacheProblem *problem)
{
    g_autoptr(CacheProblem) known =
        cache_problem_find(txn, problem->operation, problem->folder, problem->uid, NULL);

    return known ? known->since : push->now;
}

gboolean push_add_problem(Push *push, const char *operation, gint64 folder, guint32 uid,
                          const ImapReply *reply, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_WRITE_FULL, error);
    CacheProblem problem = {.operation = (char *)operation,
                            .folder = folder,
                            .uid = uid,
                            .text = *reply->text ? reply->text : (char *)"refused"};

    sync_forget_rights(push->context);
    if (!txn)
        return FALSE;
    problem.since = problem_since(push, txn, &problem);
    problem.retry = retry_time(push, reply, problem.since);
    return cache_problem_set(txn, &problem, error) != 0 &&
           cache_commit(g_steal_pointer(&txn), error);
}

gboolean push_add_broken(Push *push, const char *operation, gint64 folder, guint32 uid,
                         const GError *failure, GError **error)
{
    g_auto(ImapReply) reply = {.cond = IMAP_COND_BYE, .text = g_strdup(failure->message)};

    return push_add_problem(push, operation, folder, uid, &reply, error);
}

gboolean push_clear_problems(Push *push, const SyncAction *actions, guint count, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_READ, error);
    g_autoptr(GPtrArray) problems = txn ? cache_problem_list(txn, error) : NULL;
    const char *operation = push_operation(actions[0].kind);

    if (!problems || problems->len == 0)
        return problems != NULL;
    g_clear_pointer(&txn, cache_end);
    txn = cache_begin(push->context->cache, CACHE_WRITE_FULL, error);
    for (guint i = 0; txn && i < problems->len; i++) {
        const CacheProblem *problem = problems->pdata[i];
        if (problem->folder != actions[0].folder || !g_str_equal(problem->operation, operation))
            continue;
        gboolean over = problem->uid == 0 && push_ends_refusal(push, &actions[0]);
        if (over && !push_unrefuse(push, txn, &actions[0], error))
            return FALSE;
        for (guint k = 0; !over && k < count; k++)
            over = actions[k].uid == problem->uid;
        /* Held since just now: the server said OK, and didn't do it. */
        over = over && !push_blocks(push, problem->folder, problem->uid, actions[0].kind) &&
               !push_holds_dropped(push, problem->folder, problem->uid);
        if (over && !cache_problem_clear(txn, problem->id, error))
            return FALSE;
    }
    return txn && cache_commit(g_steal_pointer(&txn), error);
}

/* ---- what nobody wants any more ------------------------------------------------------------ */

static gboolean problem_is_unplaced(const CachePlacement *row)
{
    return row->alive && row->base != CACHE_BASE_PRESENT;
}

static gboolean has_base(const CachePlacement *row)
{
    return row->alive && row->base == CACHE_BASE_PRESENT;
}

static gboolean is_unexpunged(const CachePlacement *row)
{
    return !row->alive && row->base != CACHE_BASE_NONE;
}

static gboolean is_unstored(const CachePlacement *row)
{
    return row->alive && !cache_flags_equal(row->flags, row->base_flags);
}

static gboolean is_unnamed(const CacheFolder *row)
{
    return row->name && row->base_name && !g_str_equal(row->name, row->base_name);
}

static gboolean is_undeleted(const CacheFolder *row)
{
    return row->base_name && (!row->name || (!row->selectable && row->base_selectable));
}

static gboolean has_missing(const CacheFolder *row)
{
    return row->missing > 0;
}

static gboolean problem_is_upstream(const CacheFolder *row)
{
    return row->base_name != NULL;
}

/* The difference that each operation is to make go. */
static const struct {
    const char *operation;
    gboolean (*of_message)(const CachePlacement *row);
    gboolean (*of_folder)(const CacheFolder *row);
} differences[] = {{"append", problem_is_unplaced, NULL},  {"copy", problem_is_unplaced, NULL},
                   {"move", problem_is_unplaced, NULL},    {"expunge", is_unexpunged, NULL},
                   {"flags", is_unstored, NULL},           {"create", NULL, push_is_uncreated},
                   {"rename", NULL, is_unnamed},           {"delete", NULL, is_undeleted},
                   {"fetch", has_base, has_missing},       {"renumbers", NULL, problem_is_upstream},
                   {"keywords", NULL, problem_is_upstream}};

typedef struct {
    gboolean (*differs)(const CachePlacement *row);
    gboolean found;
} Search;

static gboolean find_one(const CachePlacement *row, gpointer data)
{
    Search *search = data;

    search->found = search->differs(row);
    return !search->found;
}

/* A program that was killed between keeping a message and noting that it has come. */
static gboolean has_come(CacheTxn *txn, const CacheProblem *problem, const CachePlacement *row)
{
    return g_str_equal(problem->operation, "fetch") &&
           cache_content_state(txn, row->message) == CACHE_CONTENT_FULL;
}

/* Whether what the problem is about is still to be done. */
static gboolean still_differs(CacheTxn *txn, const CacheProblem *problem, guint kind)
{
    g_autoptr(CacheFolder) folder = cache_folder_get(txn, problem->folder, NULL);
    Search search = {differences[kind].of_message, FALSE};
    CachePlacement row;

    if (!folder)
        return FALSE;
    if (problem->uid == 0 && differences[kind].of_folder)
        return differences[kind].of_folder(folder);
    if (problem->uid)
        return cache_placement_get(txn, problem->folder, problem->uid, &row, NULL) &&
               search.differs(&row) && !has_come(txn, problem, &row);
    return !cache_placement_each_pending(txn, problem->folder, find_one, &search, NULL) ||
           search.found;
}

static gboolean is_moot(CacheTxn *txn, const CacheProblem *problem)
{
    for (guint i = 0; i < G_N_ELEMENTS(differences); i++)
        if (problem->folder && g_str_equal(problem->operation, differences[i].operation))
            return !still_differs(txn, problem, i);
    return FALSE;
}

gboolean push_drop_moot(Push *push, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_READ, error);
    g_autoptr(GPtrArray) problems = txn ? cache_problem_list(txn, error) : NULL;
    gboolean any = FALSE;

    for (guint i = 0; problems && i < problems->len && !any; i++)
        any = is_moot(txn, problems->pdata[i]);
    if (!any)
        return problems != NULL;
    g_clear_pointer(&txn, cache_end);
    txn = cache_begin(push->context->cache, CACHE_WRITE_FULL, error);
    for (guint i = 0; txn && i < problems->len; i++) {
        const CacheProblem *problem = problems->pdata[i];
        if (is_moot(txn, problem) && !cache_problem_clear(txn, problem->id, error))
            return FALSE;
    }
    return txn && cache_commit(g_steal_pointer(&txn), error);
}
