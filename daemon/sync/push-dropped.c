/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Flags that the provider takes with an OK and doesn't keep. Each is held for its message, as a
 * problem; the message's other flags are stored as ever. Which they are is kept as two notes.
 */
#include "daemon/sync/push-private.h"

#include "cache/problem.h"
#include "daemon/sync/notes.h"

#define WORDS "The provider doesn't keep this flag."

#define ADD    "not added"
#define REMOVE "not removed"

/* What is held of a message's difference. */
typedef struct {
    CacheFlags add, remove;
} Dropped;

static char *dropped_key_of(gint64 folder, guint32 uid)
{
    return g_strdup_printf("%" G_GINT64_FORMAT " %u", folder, uid);
}

static Dropped dropped_read(const Push *push, gint64 folder, guint32 uid)
{
    g_autofree char *add = sync_note_key(ADD, folder, uid);
    g_autofree char *remove = sync_note_key(REMOVE, folder, uid);

    return (Dropped){sync_note_flags(sync_note(push->context, add)),
                     sync_note_flags(sync_note(push->context, remove))};
}

static gboolean dropped_write(Push *push, CacheTxn *txn, gint64 folder, guint32 uid,
                              const Dropped *dropped, GError **error)
{
    g_autofree char *add = sync_note_key(ADD, folder, uid);
    g_autofree char *remove = sync_note_key(REMOVE, folder, uid);

    return sync_set_note(push->context, txn, add, sync_note_of_flags(dropped->add), error) &&
           sync_set_note(push->context, txn, remove, sync_note_of_flags(dropped->remove), error);
}

/* Of the set `a` what is in `b` as well. */
static guint32 intersect(CacheTxn *txn, guint32 a, guint32 b)
{
    guint32 rest = a ? cache_keywords_subtract(txn, a, b, NULL) : 0;

    return rest ? cache_keywords_subtract(txn, a, rest, NULL) : a;
}

static guint32 dropped_subtract(CacheTxn *txn, guint32 a, guint32 b)
{
    return a && b ? cache_keywords_subtract(txn, a, b, NULL) : a;
}

gboolean push_is_shown(CacheTxn *txn, const SyncAction *action, CacheFlags answer)
{
    return !(action->add.system & ~answer.system) && !(action->remove.system & answer.system) &&
           dropped_subtract(txn, action->add.keywords, answer.keywords) == 0 &&
           intersect(txn, action->remove.keywords, answer.keywords) == 0;
}

gboolean push_note_dropped(Push *push, CacheTxn *txn, const SyncAction *action, CacheFlags answer,
                           GError **error)
{
    Dropped dropped = dropped_read(push, action->folder, action->uid);
    CacheProblem problem = {.operation = (char *)"flags",
                            .folder = action->folder,
                            .uid = action->uid,
                            .text = (char *)WORDS,
                            .since = push->now};

    dropped.add.system |= action->add.system & ~answer.system;
    dropped.remove.system |= action->remove.system & answer.system;
    dropped.add.keywords =
        cache_keywords_union(txn, dropped.add.keywords,
                             dropped_subtract(txn, action->add.keywords, answer.keywords), error);
    dropped.remove.keywords =
        cache_keywords_union(txn, dropped.remove.keywords,
                             intersect(txn, action->remove.keywords, answer.keywords), error);
    if (dropped.add.keywords == G_MAXUINT32 || dropped.remove.keywords == G_MAXUINT32)
        return FALSE;
    if (!dropped_write(push, txn, action->folder, action->uid, &dropped, error))
        return FALSE;
    push_block(push, action->folder, action->uid, SYNC_STORE);
    return cache_problem_set(txn, &problem, error) != 0;
}

gboolean push_is_about_dropped(const CacheProblem *problem)
{
    return problem->uid != 0 && g_str_equal(problem->text, WORDS);
}

void push_hold_dropped(Push *push, const CacheProblem *problem)
{
    g_hash_table_add(push->held, dropped_key_of(problem->folder, problem->uid));
}

gboolean push_holds_dropped(const Push *push, gint64 folder, guint32 uid)
{
    g_autofree char *key = dropped_key_of(folder, uid);

    return g_hash_table_contains(push->held, key);
}

gboolean push_leave_dropped(Push *push, CacheTxn *txn, SyncAction *action, gboolean *left,
                            GError **error)
{
    const Dropped dropped = dropped_read(push, action->folder, action->uid);

    /* It is to be tried again, or nobody wants it any more. */
    *left = TRUE;
    if (!push_holds_dropped(push, action->folder, action->uid))
        return dropped_write(push, txn, action->folder, action->uid, &(const Dropped){0}, error);
    action->add.system &= ~dropped.add.system;
    action->remove.system &= ~dropped.remove.system;
    action->add.keywords = dropped_subtract(txn, action->add.keywords, dropped.add.keywords);
    action->remove.keywords =
        dropped_subtract(txn, action->remove.keywords, dropped.remove.keywords);
    *left = action->add.system || action->remove.system || action->add.keywords ||
            action->remove.keywords;
    return TRUE;
}
