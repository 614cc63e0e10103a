/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reconciling the list of folders. First each listed name finds its row: by name, if that still is
 * the same folder (MAILBOXID, UIDVALIDITY); else by identity, which makes a rename; what is left is
 * new, gone, or renumbered (renamed.c looks for new names, folders-write.c writes).
 */
#include "daemon/sync/folders.h"

#include "cache/problem.h"
#include "daemon/config/choice.h"

#include "daemon/sync/aside.h"
#include "daemon/sync/here.h"
#include "daemon/sync/join.h"
#include "daemon/sync/pull.h"
#include "daemon/sync/recognise.h"
#include "daemon/sync/reconcile.h"
#include "daemon/sync/returned.h"
#include "daemon/sync/roles.h"
#include <string.h>

static void reconcile_clear(SyncReconcile *reconcile)
{
    g_clear_pointer(&reconcile->listing, sync_listing_free);
    g_clear_pointer(&reconcile->rows, g_ptr_array_unref);
    g_clear_pointer(&reconcile->listed_of, g_hash_table_unref);
    g_clear_pointer(&reconcile->kept, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SyncReconcile, reconcile_clear)

/* ---- whether a listed name is a folder we know --------------------------------------------- */

/* Another object id, or other numbers, under the same name: another folder may have taken it. */
static gboolean is_other(const CacheFolder *row, const SyncListed *listed)
{
    if (row->remote_id && listed->mailboxid)
        return !g_str_equal(row->remote_id, listed->mailboxid);
    return listed->has_status && row->base_uidvalidity != 0 && listed->uidvalidity != 0 &&
           row->base_uidvalidity != listed->uidvalidity;
}

static void assign_by_name(SyncReconcile *reconcile)
{
    for (guint i = 0; i < reconcile->rows->len; i++) {
        CacheFolder *row = reconcile->rows->pdata[i];
        SyncListed *listed =
            row->base_name ? sync_listing_find(reconcile->listing, row->base_name) : NULL;
        if (listed && (!is_other(row, listed) || g_str_equal(row->base_name, "INBOX")))
            sync_assign(reconcile, row, listed);
    }
}

/* View name -> CacheFolder. */
static GHashTable *index_view(const SyncReconcile *reconcile)
{
    GHashTable *index = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < reconcile->rows->len; i++) {
        CacheFolder *row = reconcile->rows->pdata[i];
        if (row->name)
            g_hash_table_insert(index, row->name, row);
    }
    return index;
}

/* By object id, or by name, unless there is another one of that name here, which nobody has sent yet. */
static SyncListed *find_returned(GHashTable *by_id, GHashTable *by_wire, GHashTable *view,
                                 const CacheFolder *row)
{
    SyncListed *listed = row->remote_id ? g_hash_table_lookup(by_id, row->remote_id) : NULL;

    if (listed && listed->row == 0)
        return listed;
    listed = g_hash_table_lookup(by_wire, row->wire_name);
    const CacheFolder *other = listed ? g_hash_table_lookup(view, listed->name) : NULL;
    return !listed || listed->row != 0 || (other && other != row && !other->base_name) ? NULL
                                                                                       : listed;
}

/* Folders that had gone and are there again: with their rows they get back their UIDs. */
static void assign_returned(SyncReconcile *reconcile)
{
    GPtrArray *all = reconcile->listing->folders;
    g_autoptr(GHashTable) view = index_view(reconcile);
    g_autoptr(GHashTable) by_id = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) by_wire = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = all->len; i > 0; i--) {
        SyncListed *listed = all->pdata[i - 1];
        if (listed->row != 0 || !sync_listed_selectable(listed))
            continue;
        g_hash_table_insert(by_wire, listed->wire, listed);
        if (listed->mailboxid)
            g_hash_table_insert(by_id, listed->mailboxid, listed);
    }
    for (guint i = reconcile->rows->len; i > 0; i--) { /* the last that had the name */
        CacheFolder *row = reconcile->rows->pdata[i - 1];
        SyncListed *listed =
            sync_folder_is_away(row) ? find_returned(by_id, by_wire, view, row) : NULL;
        if (listed)
            sync_assign(reconcile, row, listed);
    }
}

/* Made by us, with an answer that said so, and not listed under the name that was asked for. */
static gboolean is_unseen(SyncReconcile *reconcile, const CacheFolder *row)
{
    return row->base_name && row->base_selectable && row->base_uidvalidity == 0 && row->pushed &&
           !g_hash_table_contains(reconcile->listed_of, row);
}

/* A folder that nobody has known, with nothing in it. */
static gboolean is_new_and_empty(GHashTable *view, const SyncListed *listed)
{
    return listed->row == 0 && sync_listed_selectable(listed) && listed->has_status &&
           listed->messages == 0 && !g_str_equal(listed->name, "INBOX") &&
           !g_hash_table_contains(view, listed->name);
}

/* The name but for what servers change: composed letters, case. */
static char *fold_name(const char *name)
{
    g_autofree char *composed = g_utf8_normalize(name, -1, G_NORMALIZE_ALL_COMPOSE);

    return g_utf8_casefold(composed ? composed : name, -1);
}

/* Levels that a server may put above a name. */
#define PREFIX_LEVELS 3

/* The new and empty folders (SyncListed), and by their folded names, also without a prefix. */
typedef struct {
    GPtrArray *all;
    GHashTable *by_name; /* char * -> SyncListed, the first that has it */
} Made;

static void add_made(Made *made, SyncListed *listed)
{
    g_autofree char *name = fold_name(listed->name);
    const char *at = name;

    g_ptr_array_add(made->all, listed);
    for (guint level = 0; level <= PREFIX_LEVELS; level++) {
        if (!g_hash_table_contains(made->by_name, at))
            g_hash_table_insert(made->by_name, g_strdup(at), listed);
        const char *end = listed->delimiter ? strchr(at, listed->delimiter) : NULL;
        if (!end)
            return;
        at = end + 1;
    }
}

static SyncListed *find_like(const Made *made, const CacheFolder *row)
{
    g_autofree char *name = fold_name(row->base_name);
    SyncListed *listed = g_hash_table_lookup(made->by_name, name);

    return listed && listed->row == 0 ? listed : NULL;
}

static void assign_from(SyncReconcile *reconcile, const Made *made, guint unseen)
{
    for (guint i = 0; i < reconcile->rows->len; i++) {
        CacheFolder *row = reconcile->rows->pdata[i];
        if (!is_unseen(reconcile, row))
            continue;
        SyncListed *listed = find_like(made, row);
        if (!listed && unseen == 1 && made->all->len == 1)
            listed = made->all->pdata[0];
        if (listed)
            sync_assign(reconcile, row, listed);
    }
}

/* Some servers make a folder of another name than they were asked for. Where one of a name like that
 * came, it is that; else where exactly one folder was made, and exactly one new and empty one came.
 */
static void assign_made(SyncReconcile *reconcile)
{
    GPtrArray *listing = reconcile->listing->folders;
    guint unseen = 0;

    for (guint i = 0; i < reconcile->rows->len; i++)
        unseen += is_unseen(reconcile, reconcile->rows->pdata[i]);
    if (unseen == 0)
        return;
    g_autoptr(GHashTable) view = index_view(reconcile);
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    g_autoptr(GHashTable) by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Made made = {all, by_name};

    for (guint i = 0; i < listing->len; i++)
        if (is_new_and_empty(view, listing->pdata[i]))
            add_made(&made, listing->pdata[i]);
    assign_from(reconcile, &made, unseen);
}

/* What we were creating or renaming when the answer was lost. */
static void assign_attempted(SyncReconcile *reconcile)
{
    GPtrArray *attempts = reconcile->context->attempts;
    g_autoptr(GHashTable) by_id = g_hash_table_new(g_int64_hash, g_int64_equal);

    for (guint i = 0; attempts->len > 0 && i < reconcile->rows->len; i++) {
        CacheFolder *row = reconcile->rows->pdata[i];
        g_hash_table_insert(by_id, &row->id, row);
    }
    for (guint i = 0; i < attempts->len; i++) {
        const CacheAttempt *attempt = attempts->pdata[i];
        gboolean renamed = attempt->kind == CACHE_ATTEMPT_RENAME;
        SyncListed *listed = renamed || attempt->kind == CACHE_ATTEMPT_CREATE
                                 ? sync_listing_find(reconcile->listing, attempt->name)
                                 : NULL;
        CacheFolder *row = g_hash_table_lookup(by_id, &attempt->target);
        if (row && listed && listed->row == 0 && renamed == (row->base_name != NULL) &&
            !g_hash_table_contains(reconcile->listed_of, row))
            sync_assign(reconcile, row, listed);
    }
}

/* Their outcome is known now. */
static gboolean close_attempts(SyncReconcile *reconcile, GError **error)
{
    GPtrArray *attempts = reconcile->context->attempts;
    g_autoptr(CacheTxn) txn = NULL;

    for (guint i = 0; i < attempts->len; i++) {
        const CacheAttempt *attempt = attempts->pdata[i];
        if (attempt->kind != CACHE_ATTEMPT_RENAME && attempt->kind != CACHE_ATTEMPT_CREATE)
            continue;
        if (!txn)
            txn = cache_begin(reconcile->context->cache, CACHE_WRITE_FULL, error);
        if (!txn || !cache_attempt_close(txn, attempt->id, error))
            return FALSE;
        if ((i + 1) % SYNC_FOLDER_SLICE == 0 && !cache_commit(g_steal_pointer(&txn), error))
            return FALSE;
    }
    return !txn || cache_commit(g_steal_pointer(&txn), error);
}

/* Under its own name after all, with other numbers: a reset. Made on both sides, and not known
 * upstream: joined. */
static void assign_rest(SyncReconcile *reconcile, gboolean known)
{
    for (guint i = 0; i < reconcile->rows->len; i++) {
        CacheFolder *row = reconcile->rows->pdata[i];
        const char *name = known ? row->base_name : row->base_name ? NULL : row->name;
        SyncListed *listed = name ? sync_listing_find(reconcile->listing, name) : NULL;
        if (listed && listed->row == 0 && !g_hash_table_contains(reconcile->listed_of, row))
            sync_assign(reconcile, row, listed);
    }
}

/* ---- what is gone -------------------------------------------------------------------------- */

/* Not listed any more, or just as a level of names above others: RFC 3501, 6.3.4. */
static gboolean folder_is_gone(SyncReconcile *reconcile, const CacheFolder *row)
{
    const SyncListed *listed = g_hash_table_lookup(reconcile->listed_of, row);

    if (!row->base_name || g_str_equal(row->base_name, "INBOX") ||
        g_hash_table_contains(reconcile->kept, &row->id) ||
        strlen(row->base_name) > CACHE_FOLDER_NAME)
        return FALSE;
    if (!listed)
        return !reconcile->listing->incomplete;
    return !sync_listed_selectable(listed) && row->base_uidvalidity != 0;
}

static char *suspicion_of(gint64 folder)
{
    return g_strdup_printf("folder %" G_GINT64_FORMAT " is gone", folder);
}

/* A folder that holds many messages isn't gone at once: what lists may be away for a moment. */
static gboolean believe_gone(SyncReconcile *reconcile, const CacheFolder *row, GError **error)
{
    SyncLoss loss = {.folder = row->id, .name = row->base_name};
    gboolean believed;

    if (!sync_base_count(reconcile->context, row->id, &loss.lost, error))
        return FALSE;
    loss.of = loss.lost;
    if (!sync_believes(reconcile->context, &loss, &believed, error))
        return FALSE;
    if (!believed)
        g_hash_table_add(reconcile->kept, g_memdup2(&row->id, sizeof row->id));
    return TRUE;
}

/* One new connection confirms all of them. What nothing was ever read of is no loss. */
static gboolean confirm_gone(SyncReconcile *reconcile, GError **error)
{
    gboolean confirmed = TRUE;

    for (guint i = 0; i < reconcile->rows->len; i++) {
        const CacheFolder *row = reconcile->rows->pdata[i];
        g_autofree char *suspicion = suspicion_of(row->id);
        if (folder_is_gone(reconcile, row) && !believe_gone(reconcile, row, error))
            return FALSE;
        if (!folder_is_gone(reconcile, row))
            sync_clear_suspicion(reconcile->context, suspicion);
        else if (row->base_uidvalidity != 0 &&
                 !sync_confirm(reconcile->context, suspicion, confirmed ? error : NULL))
            confirmed = FALSE;
    }
    return confirmed;
}

static gboolean vanish(const CachePlacement *placement, gpointer data)
{
    SyncContext *context = data;
    SyncVanished vanished = {placement->folder, placement->uid, placement->base_uid};

    g_array_append_val(context->vanished, vanished);
    return TRUE;
}

static gboolean collect_gone(SyncReconcile *reconcile, CacheTxn *txn, GError **error)
{
    SyncContext *context = reconcile->context;

    for (guint i = 0; i < reconcile->rows->len; i++) {
        const CacheFolder *row = reconcile->rows->pdata[i];
        if (!folder_is_gone(reconcile, row))
            continue;
        if (!cache_placement_each_base(txn, row->id, 1, G_MAXUINT32, vanish, context, error))
            return FALSE;
        g_array_append_val(context->gone, row->id);
    }
    return TRUE;
}

/* ---- writing ------------------------------------------------------------------------------- */

/* The rows as they are now. What was found out about them is about their bases, and stays. */
static gboolean read_again(SyncReconcile *reconcile, CacheTxn *txn, GError **error)
{
    g_autoptr(GPtrArray) rows = cache_folder_list(txn, error);
    g_autoptr(GHashTable) by_id = g_hash_table_new(g_int64_hash, g_int64_equal);

    if (!rows)
        return FALSE;
    for (guint i = 0; i < rows->len; i++)
        g_hash_table_insert(by_id, &((CacheFolder *)rows->pdata[i])->id, rows->pdata[i]);
    g_hash_table_remove_all(reconcile->listed_of);
    for (guint i = 0; i < reconcile->listing->folders->len; i++) {
        SyncListed *listed = reconcile->listing->folders->pdata[i];
        CacheFolder *row = g_hash_table_lookup(by_id, &listed->row);
        listed->row = 0;
        if (row)
            sync_assign(reconcile, row, listed);
    }
    g_ptr_array_unref(reconcile->rows);
    reconcile->rows = g_steal_pointer(&rows);
    return TRUE;
}

/* So many rows at once, since clients may have changed them while the server was asked. */
static gboolean look_again(SyncReconcile *reconcile, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(reconcile->context->cache, CACHE_READ, error);

    if (!txn || !read_again(reconcile, txn, error))
        return FALSE;
    assign_rest(reconcile, FALSE);
    return collect_gone(reconcile, txn, error);
}

/* What isn't here of the folders, or may not be; NULL: all are. */
static char *describe_left_out(const SyncListing *listing)
{
    guint count = listing->unkept;

    if (listing->refusal)
        return g_strdup_printf("The provider doesn't tell which folders there are: %s",
                               listing->refusal);
    if (count == 0)
        return NULL;
    return g_strdup_printf("%u folder%s of the provider ha%s a name that is longer than %d octets: "
                           "left out. Shorter names would bring them here.",
                           count, count == 1 ? "" : "s", count == 1 ? "s" : "ve",
                           CACHE_FOLDER_NAME);
}

/* That folders are left out is said as long as it is so. */
static gboolean say_left_out(SyncReconcile *reconcile, GError **error)
{
    SyncContext *context = reconcile->context;
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_READ, error);
    g_autoptr(GError) failure = NULL;
    g_autoptr(CacheProblem) known = txn ? cache_problem_find(txn, "list", 0, 0, &failure) : NULL;
    g_autofree char *text = describe_left_out(reconcile->listing);
    const CacheProblem problem = {
        .operation = (char *)"list", .text = text, .since = sync_time(context)};

    if (failure) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    if (!txn || (known ? text && g_str_equal(known->text, text) : !text))
        return txn != NULL;
    g_clear_pointer(&txn, cache_end);
    txn = cache_begin(context->cache, CACHE_WRITE_FULL, error);
    return txn &&
           (text ? cache_problem_set(txn, &problem, error) != 0
                 : cache_problem_clear(txn, known->id, error)) &&
           cache_commit(g_steal_pointer(&txn), error);
}

/* ---- what is to be pulled ------------------------------------------------------------------ */

/* Whether the rights are as this provider tells them; else SELECT has to show them. */
static gboolean knows_rights(SyncContext *context, const CacheFolder *row)
{
    return (row->rights & CACHE_RIGHTS_SHOWN) ||
           ((row->rights & CACHE_RIGHTS_TOLD) && sync_has(context, IMAP_CAP_ACL));
}

/* Whether STATUS shows that nothing happened since the last complete pull. */
/* Nothing has happened to it since it was pulled, as far as its numbers tell; that it has another
 * number of messages, though its mod-sequence is the same, is seen at servers that leave some out. */
static gboolean is_as_pulled(SyncContext *context, const CacheFolder *row, const SyncListed *listed)
{
    guint count, aside;

    if (sync_is_to_compare(context, row) || sync_may_renumber(context, row->id) ||
        sync_is_unrecognised(context, row->id) || sync_was_aside(context, row->id, 0) ||
        sync_has_due(context, row->id) || sync_has_deletions(context, row->id) || !row->synced ||
        !knows_rights(context, row) || !listed->has_status ||
        row->base_uidvalidity != listed->uidvalidity || row->base_uidnext != listed->uidnext ||
        listed->highestmodseq == 0 || row->base_highestmodseq != listed->highestmodseq)
        return FALSE;
    return sync_base_count(context, row->id, &count, NULL) &&
           sync_count_aside(context, row->id, &aside, NULL) &&
           (guint64)count + aside == listed->messages;
}

/* A provider without ACL has said nothing of the sort. */
static gboolean listed_unreadable(SyncContext *context, const CacheFolder *row)
{
    return sync_is_unreadable(row) && sync_has(context, IMAP_CAP_ACL);
}

/* INBOX comes first, and last what holds the mail of all folders. */
static gboolean collect_pulls(SyncReconcile *reconcile, GArray *pull, GError **error)
{
    g_autoptr(GArray) last = g_array_new(FALSE, FALSE, sizeof(gint64));
    SyncContext *context = reconcile->context;
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_READ, error);

    for (guint i = 0; txn && i < reconcile->listing->folders->len; i++) {
        const SyncListed *listed = reconcile->listing->folders->pdata[i];
        g_autoptr(CacheFolder) row = cache_folder_get(txn, listed->row, NULL);
        if (!row || !sync_listed_selectable(listed) || listed_unreadable(context, row) ||
            account_leaves_out(context->settings, listed->name))
            continue;
        if (is_as_pulled(context, row, listed))
            g_hash_table_add(context->pulled, g_memdup2(&row->id, sizeof row->id));
        else if (row->role == CACHE_ROLE_INBOX)
            g_array_prepend_val(pull, row->id);
        else if (row->role == CACHE_ROLE_ALL)
            g_array_append_val(last, row->id);
        else
            g_array_append_val(pull, row->id);
    }
    g_array_append_vals(pull, last->data, last->len);
    return txn != NULL;
}

static gboolean read_rows(SyncReconcile *reconcile, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(reconcile->context->cache, CACHE_READ, error);

    g_clear_pointer(&reconcile->rows, g_ptr_array_unref);
    reconcile->rows = txn ? cache_folder_list(txn, error) : NULL;
    return reconcile->rows != NULL;
}

gboolean sync_pull_folders(SyncContext *context, GArray *pull, GError **error)
{
    g_auto(SyncReconcile) reconcile = {.context = context};
    gboolean renamed;

    reconcile.listing = sync_listing_fetch(context, error);
    if (!reconcile.listing)
        return FALSE;
    reconcile.listed_of = g_hash_table_new(NULL, NULL);
    reconcile.kept = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    if (!read_rows(&reconcile, error))
        return FALSE;
    sync_give_roles(reconcile.listing, context->settings, reconcile.rows);
    if (!sync_adopt_names(context, reconcile.listing, reconcile.rows, &renamed, error) ||
        (renamed && !read_rows(&reconcile, error)))
        return FALSE;
    assign_by_name(&reconcile);
    assign_attempted(&reconcile);
    if (!sync_assign_renamed(&reconcile, error))
        return FALSE;
    assign_returned(&reconcile);
    assign_rest(&reconcile, TRUE);
    assign_made(&reconcile);
    return confirm_gone(&reconcile, error) && look_again(&reconcile, error) &&
           sync_write_folders(&reconcile, error) && close_attempts(&reconcile, error) &&
           say_left_out(&reconcile, error) && collect_pulls(&reconcile, pull, error);
}

/* ---- the end of folders that are gone ------------------------------------------------------ */

/* wire_name and remote_id stay, so that it is known should it return (sync_folder_is_away()). One that was deleted
 * here keeps its numbers, by which push sees whether it still is as it was, and isn't selectable. */
static gboolean finish_gone(CacheTxn *txn, gint64 id, GError **error)
{
    g_autoptr(CacheFolder) row = cache_folder_get(txn, id, NULL);

    if (!row)
        return TRUE;
    g_clear_pointer(&row->base_name, g_free);
    if (row->name)
        row->base_uidvalidity = row->base_uidnext = 0;
    else
        row->selectable = FALSE;
    row->base_highestmodseq = 0;
    row->base_selectable = FALSE;
    row->synced = 0;
    row->rights = 0;
    /* What is left alive was put here and isn't upstream: push makes the folder again. */
    if (row->exists == 0) {
        if (cache_folder_has_children(txn, row))
            row->selectable = FALSE;
        else
            g_clear_pointer(&row->name, g_free);
    }
    return cache_folder_update(txn, row, error);
}

/* Longer names before shorter ones. */
static gint compare_depth(gconstpointer a, gconstpointer b)
{
    const CacheFolder *x = *(CacheFolder *const *)a, *y = *(CacheFolder *const *)b;
    gsize m = strlen(x->name ? x->name : ""), n = strlen(y->name ? y->name : "");

    return m > n ? -1 : m < n ? 1 : x->id < y->id ? -1 : x->id > y->id;
}

/* Children before parents: a folder is only a name in a tree while others stand below it. */
static gboolean sort_gone(SyncContext *context, GPtrArray *rows, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_READ, error);

    for (guint i = 0; txn && i < context->gone->len; i++) {
        CacheFolder *row = cache_folder_get(txn, g_array_index(context->gone, gint64, i), NULL);
        if (row)
            g_ptr_array_add(rows, row);
    }
    g_ptr_array_sort(rows, compare_depth);
    return txn != NULL;
}

static gboolean finish_slice(SyncContext *context, CacheFolder **rows, guint count, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_WRITE_FULL, error);

    for (guint i = 0; txn && i < count; i++)
        if (!finish_gone(txn, rows[i]->id, error))
            return FALSE;
    return txn && cache_commit(g_steal_pointer(&txn), error);
}

gboolean sync_finish_gone_folders(SyncContext *context, GError **error)
{
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)cache_folder_free);

    if (context->gone->len == 0)
        return TRUE;
    if (!sort_gone(context, rows, error))
        return FALSE;
    for (guint i = 0; i < rows->len; i += SYNC_FOLDER_SLICE)
        if (!finish_slice(context, (CacheFolder **)rows->pdata + i,
                          MIN(rows->len - i, SYNC_FOLDER_SLICE), error))
            return FALSE;
    for (guint i = 0; i < context->gone->len; i++) {
        g_autofree char *suspicion = suspicion_of(g_array_index(context->gone, gint64, i));
        sync_clear_suspicion(context, suspicion);
    }
    g_array_set_size(context->gone, 0);
    return TRUE;
}
