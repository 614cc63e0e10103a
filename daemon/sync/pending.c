/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Trying again, giving up, and taking a copy of what can't be given up. */
#include "daemon/sync/pending.h"

#include "cache/content.h"
#include "cache/export.h"
#include "cache/folder.h"
#include "cache/problem.h"
#include "cache/subscription.h"
#include "daemon/sync/decide.h"
#include "daemon/sync/expire.h"
#include <string.h>

static CacheProblem *find_problem(CacheTxn *txn, gint64 id, GError **error)
{
    g_autoptr(GPtrArray) problems = cache_problem_list(txn, error);

    for (guint i = 0; problems && i < problems->len; i++)
        if (((CacheProblem *)problems->pdata[i])->id == id)
            return g_ptr_array_steal_index(problems, i);
    if (problems)
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND,
                    "Nothing with number %" G_GINT64_FORMAT " is pending any more.", id);
    return NULL;
}

gboolean sync_retry_pending(Cache *cache, gint64 id, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_WRITE_FULL, error);
    g_autoptr(CacheProblem) problem = txn ? find_problem(txn, id, error) : NULL;

    if (!problem)
        return FALSE;
    problem->retry = 1;
    return cache_problem_set(txn, problem, error) != 0 &&
           cache_commit(g_steal_pointer(&txn), error);
}

/* ---- messages ------------------------------------------------------------------------------ */

static gboolean collect_pending_row(const CachePlacement *row, gpointer data)
{
    g_array_append_val((GArray *)data, *row);
    return TRUE;
}

/* An expunged message comes back: under a new UID, since the old one was seen to go. The base moves
 * over before the old row goes, whose message might go with it. */
static gboolean bring_back(CacheTxn *txn, CachePlacement *row, GError **error)
{
    CachePlacement back = *row;

    sync_decide_vanished(row);
    back.uid = 0;
    back.alive = TRUE;
    back.flags = back.base_flags;
    return cache_placement_put(txn, row, error) && cache_placement_put(txn, &back, error) &&
           cache_placement_remove(txn, row->folder, row->uid, error);
}

/* The \\Deleted that the expunge was to take along is there by now, and is taken back. */
static gboolean undo_expunge(CacheTxn *txn, CachePlacement *row, GError **error)
{
    row->base_flags.system |= CACHE_DELETED;
    return sync_bring_back(txn, row, error);
}

static gboolean only_here(GError **error)
{
    g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_INVALID,
                        "A message exists only here, so it isn't given up. 'posternctl pending ID "
                        "export N' saves a copy; to be rid of it, delete it in a mail program.");
    return FALSE;
}

/* What couldn't be put somewhere: it goes from there, and comes back where it was moved from. */
static gboolean undo_placing(CacheTxn *txn, CachePlacement *row, GError **error)
{
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(CachePlacement));
    CachePlacement *source = NULL;
    gboolean elsewhere = FALSE;

    if (!cache_placement_each_of(txn, row->message, collect_pending_row, all, error))
        return FALSE;
    for (guint i = 0; i < all->len; i++) {
        CachePlacement *other = &g_array_index(all, CachePlacement, i);
        if (other->base != CACHE_BASE_PRESENT)
            continue;
        elsewhere = TRUE;
        if (!other->alive &&
            (!source || (other->folder == row->from_folder && other->uid == row->from_uid)))
            source = other;
    }
    if (!elsewhere)
        return only_here(error);
    sync_decide_vanished(row);
    return cache_placement_put(txn, row, error) &&
           cache_placement_remove(txn, row->folder, row->uid, error) &&
           (!source || bring_back(txn, source, error));
}

static gboolean undo_flags(CacheTxn *txn, CachePlacement *row, GError **error)
{
    row->flags = row->base_flags;
    return cache_placement_put(txn, row, error);
}

static gboolean pending_is_unplaced(const CachePlacement *row)
{
    return row->alive && row->base == CACHE_BASE_NONE;
}

static gboolean is_dead(const CachePlacement *row)
{
    return !row->alive && row->base == CACHE_BASE_PRESENT;
}

static gboolean has_flags(const CachePlacement *row)
{
    return row->alive && row->base == CACHE_BASE_PRESENT &&
           !cache_flags_equal(row->flags, row->base_flags);
}

/* Does it to the problem's placement, or (uid 0) to all of the folder it applies to. */
static gboolean give_up_messages(
    CacheTxn *txn, const CacheProblem *problem, gboolean (*applies)(const CachePlacement *row),
    gboolean (*give_up)(CacheTxn *txn, CachePlacement *row, GError **error), GError **error)
{
    g_autoptr(GArray) rows = g_array_new(FALSE, FALSE, sizeof(CachePlacement));

    if (!cache_placement_each_pending(txn, problem->folder, collect_pending_row, rows, error))
        return FALSE;
    for (guint i = 0; i < rows->len; i++) {
        CachePlacement *row = &g_array_index(rows, CachePlacement, i);
        if ((problem->uid == 0 || problem->uid == row->uid) && applies(row) &&
            !give_up(txn, row, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean give_up_flags(CacheTxn *txn, const CacheProblem *problem, GError **error)
{
    return give_up_messages(txn, problem, has_flags, undo_flags, error);
}

static gboolean give_up_expunge(CacheTxn *txn, const CacheProblem *problem, GError **error)
{
    return give_up_messages(txn, problem, is_dead, undo_expunge, error);
}

static gboolean give_up_placing(CacheTxn *txn, const CacheProblem *problem, GError **error)
{
    return give_up_messages(txn, problem, pending_is_unplaced, undo_placing, error);
}

/* ---- folders ------------------------------------------------------------------------------- */

static gboolean give_up_create(CacheTxn *txn, const CacheProblem *problem, GError **error)
{
    g_autoptr(CacheFolder) row = cache_folder_get(txn, problem->folder, error);

    if (!row)
        return FALSE;
    if (row->exists > 0) {
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID,
                    "%s exists only here and is not empty. Move its messages away first.",
                    row->name);
        return FALSE;
    }
    return cache_folder_delete(txn, row->id, error);
}

static gboolean pending_is_gone(GError **error)
{
    g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND,
                        "The folder is gone at the provider by now.");
    return FALSE;
}

static gboolean give_up_delete(CacheTxn *txn, const CacheProblem *problem, GError **error)
{
    g_autoptr(CacheFolder) row = cache_folder_get(txn, problem->folder, error);

    if (!row)
        return FALSE;
    if (!row->base_name)
        return pending_is_gone(error);
    g_free(row->name);
    row->name = g_strdup(row->base_name);
    row->selectable = row->base_selectable;
    /* Its messages left the view with it; the next pull brings them back. */
    row->synced = 0;
    row->base_highestmodseq = 0;
    return cache_folder_update(txn, row, error) &&
           give_up_messages(txn, problem, is_dead, bring_back, error);
}

static gboolean give_up_rename(CacheTxn *txn, const CacheProblem *problem, GError **error)
{
    g_autoptr(CacheFolder) row = cache_folder_get(txn, problem->folder, error);

    if (!row)
        return FALSE;
    return row->base_name ? cache_folder_rename(txn, row->id, row->base_name, error)
                          : pending_is_gone(error);
}

static gboolean give_up_subscribe(CacheTxn *txn, const CacheProblem *problem, GError **error)
{
    g_autoptr(CacheFolder) row = cache_folder_get(txn, problem->folder, NULL);

    return !row || !row->name || cache_subscribe(txn, row->name, FALSE, error);
}

static const struct {
    const char *operation;
    gboolean (*give_up)(CacheTxn *txn, const CacheProblem *problem, GError **error);
} operations[] = {
    {"flags", give_up_flags},   {"expunge", give_up_expunge}, {"append", give_up_placing},
    {"copy", give_up_placing},  {"move", give_up_placing},    {"create", give_up_create},
    {"delete", give_up_delete}, {"rename", give_up_rename},   {"subscribe", give_up_subscribe},
};

gboolean sync_give_up_pending(Cache *cache, gint64 id, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_WRITE_FULL, error);
    g_autoptr(CacheProblem) problem = txn ? find_problem(txn, id, error) : NULL;

    if (!problem)
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(operations); i++)
        if (g_str_equal(problem->operation, operations[i].operation) &&
            !operations[i].give_up(txn, problem, error))
            return FALSE;
    return cache_problem_clear(txn, id, error) && cache_commit(g_steal_pointer(&txn), error);
}

/* ---- a copy -------------------------------------------------------------------------------- */

/* The message that the problem is about; 0: none, or not just one. */
static gint64 message_of(Cache *cache, gint64 id, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, error);
    g_autoptr(CacheProblem) problem = txn ? find_problem(txn, id, error) : NULL;
    CachePlacement row;

    if (!problem)
        return 0;
    if (problem->uid == 0) {
        g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_INVALID,
                            "That isn't about a single message.");
        return 0;
    }
    return cache_placement_get(txn, problem->folder, problem->uid, &row, error) ? row.message : 0;
}

gboolean sync_export_pending(Cache *cache, gint64 id, int fd, GError **error)
{
    gint64 message = message_of(cache, id, error);
    gsize length = EXPORT_PIECE;

    for (guint64 offset = 0; message && length == EXPORT_PIECE; offset += length) {
        g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, error);
        g_autoptr(GBytes) bytes =
            txn ? cache_content_read(txn, message, offset, EXPORT_PIECE, error) : NULL;
        if (!bytes)
            return FALSE;
        g_clear_pointer(&txn, cache_end);
        const char *data = g_bytes_get_data(bytes, &length);
        if (!export_write(fd, data, length, error))
            return FALSE;
    }
    return message != 0;
}
