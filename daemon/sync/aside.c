/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is set aside, and for how long. */
#include "daemon/sync/aside.h"

#include "cache/problem.h"
#include "daemon/sync/notes.h"

#define WAIT_FIRST 60
#define WAIT_MAX   (24 * 60 * 60)

/* A problem as the round knows it. */
typedef struct {
    gint64 folder;
    guint32 base_uid;
    gint64 id, since, retry;
} Aside;

static Aside *find_aside(const SyncContext *context, gint64 folder, guint32 base_uid)
{
    for (guint i = 0; i < context->aside->len; i++) {
        Aside *aside = &g_array_index(context->aside, Aside, i);
        if (aside->folder == folder && aside->base_uid == base_uid)
            return aside;
    }
    return NULL;
}

gboolean sync_load_aside(SyncContext *context, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_READ, error);
    g_autoptr(GPtrArray) problems = txn ? cache_problem_list(txn, error) : NULL;

    g_array_unref(context->aside);
    context->aside = g_array_new(FALSE, FALSE, sizeof(Aside));
    for (guint i = 0; problems && i < problems->len; i++) {
        const CacheProblem *problem = problems->pdata[i];
        Aside aside = {problem->folder, problem->uid, problem->id, problem->since, problem->retry};
        if (g_str_equal(problem->operation, "read"))
            g_array_append_val(context->aside, aside);
    }
    return problems != NULL;
}

gboolean sync_is_aside(const SyncContext *context, gint64 folder, guint32 base_uid)
{
    const Aside *aside = find_aside(context, folder, base_uid);

    return aside && !context->asked && aside->retry > sync_time(context);
}

gboolean sync_was_aside(const SyncContext *context, gint64 folder, guint32 base_uid)
{
    return find_aside(context, folder, base_uid) != NULL;
}

gboolean sync_is_closed(const SyncContext *context, gint64 folder)
{
    const Aside *aside = find_aside(context, folder, 0);

    return aside && aside->retry > sync_time(context) &&
           g_hash_table_contains(context->closed, &folder);
}

gboolean sync_count_aside(const SyncContext *context, gint64 folder, guint *count, GError **error)
{
    g_autoptr(CacheTxn) txn = NULL;
    CachePlacement row;

    *count = 0;
    for (guint i = 0; i < context->aside->len; i++) {
        const Aside *aside = &g_array_index(context->aside, Aside, i);
        if (aside->folder != folder || aside->base_uid == 0)
            continue;
        if (!txn)
            txn = cache_begin(context->cache, CACHE_READ, error);
        if (!txn)
            return FALSE;
        *count += !cache_placement_by_base(txn, folder, aside->base_uid, &row, NULL);
    }
    return TRUE;
}

gboolean sync_has_aside_from(const SyncContext *context, gint64 folder, guint32 base_uid)
{
    for (guint i = 0; i < context->aside->len; i++) {
        const Aside *aside = &g_array_index(context->aside, Aside, i);
        if (aside->folder == folder && aside->base_uid != 0 && aside->base_uid >= base_uid)
            return TRUE;
    }
    return FALSE;
}

gboolean sync_has_due(const SyncContext *context, gint64 folder)
{
    for (guint i = 0; i < context->aside->len; i++) {
        const Aside *aside = &g_array_index(context->aside, Aside, i);
        if (aside->folder == folder && aside->base_uid != 0 &&
            !sync_is_aside(context, folder, aside->base_uid))
            return TRUE;
    }
    return FALSE;
}

void sync_subtract_aside(const SyncContext *context, gint64 folder, ImapSet *uids)
{
    for (guint i = 0; i < context->aside->len; i++) {
        const Aside *aside = &g_array_index(context->aside, Aside, i);
        if (aside->folder == folder && aside->base_uid != 0 &&
            sync_is_aside(context, folder, aside->base_uid))
            imap_set_remove(uids, aside->base_uid);
    }
}

/* ---- writing ------------------------------------------------------------------------------- */

static gboolean write_aside(SyncContext *context, Aside *aside, const char *words, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_WRITE_FULL, error);
    CacheProblem problem = {.operation = (char *)"read",
                            .folder = aside->folder,
                            .uid = aside->base_uid,
                            .text = (char *)words,
                            .since = aside->since,
                            .retry = aside->retry};

    aside->id = txn ? cache_problem_set(txn, &problem, error) : 0;
    return aside->id != 0 && cache_commit(g_steal_pointer(&txn), error);
}

static gboolean put_aside(SyncContext *context, Aside aside, const char *words, GError **error)
{
    Aside *known = find_aside(context, aside.folder, aside.base_uid);

    if (known)
        aside.since = known->since;
    else /* not at each try */
        g_message("%s: %s", context->settings->id, words);
    if (!write_aside(context, &aside, words, error))
        return FALSE;
    if (known)
        *known = aside;
    else
        g_array_append_val(context->aside, aside);
    return TRUE;
}

gboolean sync_set_aside(SyncContext *context, gint64 folder, guint32 base_uid, const char *words,
                        GError **error)
{
    const Aside *known = find_aside(context, folder, base_uid);
    gint64 now = sync_time(context);
    gint64 since = known ? known->since : now;
    Aside aside = {folder, base_uid, 0, since, now + CLAMP(now - since, WAIT_FIRST, WAIT_MAX)};

    return put_aside(context, aside, words, error);
}

/* As sync_set_aside(), until a certain moment (Unix seconds). */
static gboolean set_aside_until(SyncContext *context, gint64 folder, const char *words,
                                gint64 until, GError **error)
{
    Aside aside = {folder, 0, 0, sync_time(context), until};

    return put_aside(context, aside, words, error);
}

/* Ends those that `is_over`. */
static gboolean clear(SyncContext *context,
                      gboolean (*is_over)(CacheTxn *txn, const Aside *aside, gconstpointer data),
                      gconstpointer data, GError **error)
{
    g_autoptr(CacheTxn) txn = NULL;

    for (guint i = context->aside->len; i > 0; i--) {
        const Aside *aside = &g_array_index(context->aside, Aside, i - 1);
        if (!txn)
            txn = cache_begin(context->cache, CACHE_WRITE_FULL, error);
        if (!txn)
            return FALSE;
        if (!is_over(txn, aside, data))
            continue;
        if (!cache_problem_clear(txn, aside->id, error))
            return FALSE;
        g_autoptr(CacheFolder) folder = cache_folder_get(txn, aside->folder, NULL);
        g_message("%s: %s%s can be read again", context->settings->id,
                  aside->base_uid ? "a message of " : "",
                  folder && folder->base_name ? folder->base_name
                  : folder && folder->name    ? folder->name
                                              : "a folder that is gone");
        g_array_remove_index(context->aside, i - 1);
    }
    return !txn || cache_commit(g_steal_pointer(&txn), error);
}

typedef struct {
    gint64 folder;
    guint32 base_uid;
    const ImapSet *there, *known;
} Which;

static gboolean is_that(CacheTxn *txn, const Aside *aside, gconstpointer data)
{
    const Which *which = data;

    return aside->folder == which->folder && aside->base_uid == which->base_uid;
}

static gboolean is_not_missing(CacheTxn *txn, const Aside *aside, gconstpointer data)
{
    const Which *which = data;

    return aside->folder == which->folder && aside->base_uid != 0 &&
           (!imap_set_contains(which->there, aside->base_uid) ||
            imap_set_contains(which->known, aside->base_uid));
}

static gboolean is_of_gone_folder(CacheTxn *txn, const Aside *aside, gconstpointer data)
{
    g_autoptr(CacheFolder) folder = cache_folder_get(txn, aside->folder, NULL);

    return !folder || !folder->base_name;
}

gboolean sync_clear_aside(SyncContext *context, gint64 folder, guint32 base_uid, GError **error)
{
    const Which which = {.folder = folder, .base_uid = base_uid};

    return !find_aside(context, folder, base_uid) || clear(context, is_that, &which, error);
}

gboolean sync_clear_aside_known(SyncContext *context, gint64 folder, const ImapSet *there,
                                const ImapSet *known, GError **error)
{
    const Which which = {folder, 0, there, known};

    return context->aside->len == 0 || clear(context, is_not_missing, &which, error);
}

gboolean sync_clear_aside_gone(SyncContext *context, GError **error)
{
    return context->aside->len == 0 || clear(context, is_of_gone_folder, NULL, error);
}

/* ---- losses -------------------------------------------------------------------------------- */

/* Noted with what is seen of them: since when, and the last time. */
#define LOSING "losing"
#define SEEN   "losing-seen"
#define UNSURE "unsure"

/* A look that is longer ago than this, as before a sleep or another start, says nothing about the time
 * since. Nor does one in the future, of a clock that was wrong. */
#define LOOK_SECONDS (60 * 60)

/* When a note about a folder was made; 0: never, or too long ago. */
static gint64 looked(const SyncContext *context, const char *what, gint64 folder)
{
    g_autofree char *key = sync_note_key(what, folder, 0);
    const gint64 then = sync_note(context, key);
    const gint64 now = sync_time(context);

    return then <= now && now - then <= LOOK_SECONDS ? then : 0;
}

static gboolean note_look(SyncContext *context, CacheTxn *txn, const char *what, gint64 folder,
                          gint64 when, GError **error)
{
    g_autofree char *key = sync_note_key(what, folder, 0);

    return sync_set_note(context, txn, key, when, error);
}

gboolean sync_is_unsure(const SyncContext *context, gint64 folder)
{
    return looked(context, UNSURE, folder) != 0;
}

gboolean sync_note_unsure(SyncContext *context, gint64 folder, GError **error)
{
    return note_look(context, NULL, UNSURE, folder, sync_time(context), error);
}

gboolean sync_end_losses(SyncContext *context, CacheTxn *txn, gint64 folder, GError **error)
{
    return note_look(context, txn, LOSING, folder, 0, error) &&
           note_look(context, txn, SEEN, folder, 0, error) &&
           note_look(context, txn, UNSURE, folder, 0, error);
}

/* Since when it has been so whenever it was looked at. */
static gint64 losing_since(const SyncContext *context, gint64 folder)
{
    g_autofree char *key = sync_note_key(LOSING, folder, 0);

    return looked(context, SEEN, folder) ? sync_note(context, key) : sync_time(context);
}

static gboolean note_losing(SyncContext *context, gint64 folder, gint64 since, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_WRITE, error);

    return txn && note_look(context, txn, LOSING, folder, since, error) &&
           note_look(context, txn, SEEN, folder, sync_time(context), error) &&
           cache_commit(g_steal_pointer(&txn), error);
}

gboolean sync_believes(SyncContext *context, const SyncLoss *loss, gboolean *believed,
                       GError **error)
{
    const gint64 since = losing_since(context, loss->folder);

    *believed = loss->lost < SYNC_LOSS_LARGE || loss->lost <= loss->of / 2 ||
                sync_time(context) - since >= SYNC_LOSS_SECONDS;
    if (*believed)
        return TRUE;
    g_autofree char *words = g_strdup_printf("%s seems to have lost %u of %u messages at the "
                                             "provider. That is believed when it is so for "
                                             "a few minutes.",
                                             loss->name, loss->lost, loss->of);
    return note_losing(context, loss->folder, since, error) &&
           set_aside_until(context, loss->folder, words, since + SYNC_LOSS_SECONDS, error);
}
