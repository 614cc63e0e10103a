/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Running one batch of push: what it means that it is refused, that it breaks the connection, or
 * that its folder isn't as it was listed. Whatever it is, it holds up only what depends on it: the
 * other batches are run in the same pass.
 */
#include "daemon/sync/aside.h"
#include "daemon/sync/push-private.h"

typedef enum {
    BATCH_DONE,
    BATCH_REFUSED,
    BATCH_LATER, /* in doubt, or waiting for another list of the folders */
} Outcome;

typedef struct {
    Push *push;
    PushBatch batch;
    const SyncAction *actions;
    guint count;
    guint tries; /* how often it may still be run */
    Outcome outcome;
    ImapReply reply; /* why it is refused */
} Run;

static void run_clear(Run *run)
{
    imap_reply_clear(&run->reply);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Run, run_clear)

/* The folder that is selected for a batch. */
static gint64 folder_of(const SyncAction *action)
{
    return action->source_folder ? action->source_folder : action->folder;
}

static void batch_refuse(Run *run, ImapCond condition, const char *code, const char *words)
{
    imap_reply_clear(&run->reply);
    run->reply = (ImapReply){.cond = condition, .code = g_strdup(code), .text = g_strdup(words)};
    run->outcome = BATCH_REFUSED;
}

/* Its folder broke the connection when it was selected: pull comes back to it. */
static void refuse_closed(Run *run)
{
    const CacheFolder *folder = push_folder(run->push, folder_of(&run->actions[0]));
    g_autofree char *words = g_strdup_printf("%s can't be opened at the provider.",
                                             folder ? folder->base_name : "The folder");

    batch_refuse(run, IMAP_COND_BYE, "UNAVAILABLE", words);
}

/* ---- failures --------------------------------------------------------------------------------- */

/* Another list of the folders may help: this time the batch is only passed over. */
static void note_again(Run *run, const GError *failure)
{
    run->tries = 0;
    if (push_repeats(run->push, failure))
        batch_refuse(run, IMAP_COND_NO, "INUSE", failure->message);
}

/* A folder that can't be selected may just have been deleted or renamed, which another list shows;
 * or nobody may read it. */
static void note_refused(Run *run, gboolean selected, const GError *failure)
{
    gint64 id = folder_of(&run->actions[0]);
    const CacheFolder *folder = push_folder(run->push, id);
    g_autofree char *suspicion = g_strdup_printf("folder %" G_GINT64_FORMAT " is closed", id);
    g_autoptr(GError) again = NULL;

    run->tries = 0;
    if (selected || (folder && sync_is_unreadable(folder))) {
        batch_refuse(run, IMAP_COND_NO, selected ? NULL : "NOPERM", failure->message);
    } else if (!sync_confirm(run->push->context, suspicion, &again)) {
        push_list_again(run->push, again);
    } else {
        sync_clear_suspicion(run->push->context, suspicion);
        batch_refuse(run, IMAP_COND_BYE, "NOPERM", failure->message);
    }
}

/* A COPY or MOVE whose answer didn't come: its attempt stays open until a pull has looked for the
 * effect. What wasn't done then is sent in halves; a single message that breaks the connection
 * again is a problem. */
static gboolean note_doubt(Run *run, const GError *failure, GError **error)
{
    const SyncAction *action = &run->actions[0];
    const char *operation = push_operation(action->kind);
    const PushAttempt *attempt = &run->push->attempt;

    run->tries = 0;
    run->push->more = TRUE;
    push_touch(run->push, action->folder);
    push_touch(run->push, action->source_folder);
    if (attempt->count > 1)
        return push_limit_batch(run->push, action, attempt->count / 2, error);
    guint times = push_suspect(run->push, operation, action->folder, attempt->uid, error);
    return times == 1 || (times > 1 && push_add_broken(run->push, operation, action->folder,
                                                       attempt->uid, failure, error));
}

/* The connection broke: once may be chance. */
static gboolean note_batch_broken(Run *run, gboolean selected, const GError *failure,
                                  GError **error)
{
    if (!push_survives(run->push, failure, error))
        return FALSE;
    if (run->push->attempt.count > 0)
        return note_doubt(run, failure, error);
    if (--run->tries > 0)
        return TRUE;
    if (selected) {
        batch_refuse(run, IMAP_COND_BYE, NULL, failure->message);
        return TRUE;
    }
    refuse_closed(run);
    return sync_set_aside(run->push->context, folder_of(&run->actions[0]), 0, failure->message,
                          error);
}

static gboolean note_failure(Run *run, const GError *failure, GError **error)
{
    gboolean selected = run->push->context->selected == folder_of(&run->actions[0]);

    if (g_error_matches(failure, SYNC_ERROR, SYNC_ERROR_AGAIN))
        note_again(run, failure);
    else if (g_error_matches(failure, IMAP_CLIENT_ERROR, IMAP_CLIENT_ERROR_REFUSED))
        note_refused(run, selected, failure);
    else
        return note_batch_broken(run, selected, failure, error);
    return TRUE;
}

/* ---- one batch -------------------------------------------------------------------------------- */

static gboolean run_batch(Run *run, GError **error)
{
    run->outcome = BATCH_LATER;
    while (run->tries > 0) {
        g_autoptr(GError) failure = NULL;
        gboolean refused = FALSE;

        if (sync_is_closed(run->push->context, folder_of(&run->actions[0]))) {
            refuse_closed(run);
            return TRUE;
        }
        imap_reply_clear(&run->reply);
        run->push->attempt = (PushAttempt){0};
        if (run->batch(run->push, run->actions, run->count, &refused, &run->reply, &failure)) {
            run->outcome = refused ? BATCH_REFUSED : BATCH_DONE;
            return TRUE;
        }
        if (!note_failure(run, failure, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean run_all(Run *run, GError **error)
{
    Push *push = run->push;

    if (!run_batch(run, error))
        return FALSE;
    if (run->outcome == BATCH_LATER)
        return TRUE;
    if (run->outcome == BATCH_DONE)
        return push_trust(push, run->actions, run->count, error) &&
               push_clear_problems(push, run->actions, run->count, error);
    if (run->count > 1 && push->splits > 0 && !push_is_general(&run->reply)) {
        guint half = run->count / 2;
        /* The parts of one that has broken the connection get no second chance each. */
        guint tries = run->reply.cond == IMAP_COND_BYE ? 1 : 2;
        g_auto(Run) first = {push, run->batch, run->actions, half, tries, BATCH_LATER, {0}};
        g_auto(Run) rest = {push,        run->batch, run->actions + half, run->count - half, tries,
                            BATCH_LATER, {0}};
        push->splits--;
        return run_all(&first, error) && run_all(&rest, error);
    }
    if (run->count > 1 && !push_note_refused(push, &run->actions[0], error))
        return FALSE;
    return push_add_problem(push, push_operation(run->actions[0].kind), run->actions[0].folder,
                            run->count == 1 ? run->actions[0].uid : 0, &run->reply, error);
}

/*
 * Runs a batch; a refused one is split until what can't be done is found, which becomes a problem.
 * So is one that breaks the connection twice. Only what goes wrong with the network, the cache or
 * all of push is FALSE.
 */
static gboolean run(Push *push, PushBatch batch, const SyncAction *actions, guint count,
                    GError **error)
{
    g_auto(Run) all = {push, batch, actions, count, 2, BATCH_LATER, {0}};

    return run_all(&all, error);
}

/* ---- all batches of a kind ---------------------------------------------------------------------- */

static gint compare_numbers(gint64 a, gint64 b)
{
    return a < b ? -1 : a > b;
}

/* Kinds in the order of their numbers, which isn't the order of sending; then what makes a batch.
 */
static gint compare_batches(gconstpointer a, gconstpointer b)
{
    const SyncAction *x = a, *y = b;
    const gint64 keys[][2] = {
        {x->kind, y->kind},
        {x->folder, y->folder},
        {x->source_folder, y->source_folder},
        {x->add.system, y->add.system},
        {x->add.keywords, y->add.keywords},
        {x->remove.system, y->remove.system},
        {x->remove.keywords, y->remove.keywords},
    };

    for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
        if (keys[i][0] != keys[i][1])
            return compare_numbers(keys[i][0], keys[i][1]);
    return 0;
}

gint push_compare_actions(gconstpointer a, gconstpointer b)
{
    gint order = compare_batches(a, b);

    return order ? order
                 : compare_numbers(((const SyncAction *)a)->uid, ((const SyncAction *)b)->uid);
}

gboolean push_each_batch(Push *push, SyncActionKind kind, PushBatch batch, GError **error)
{
    GArray *actions = push->actions;

    for (guint from = 0, to; from < actions->len; from = to) {
        const SyncAction *first = &g_array_index(actions, SyncAction, from);
        for (to = from + 1; to < actions->len && to - from < PUSH_MESSAGES; to++)
            if (compare_batches(first, &g_array_index(actions, SyncAction, to)) != 0)
                break;
        if (first->kind == kind && !run(push, batch, first, to - from, error))
            return FALSE;
    }
    return TRUE;
}
