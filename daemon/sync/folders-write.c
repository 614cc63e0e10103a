/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writing what the list of folders has shown. What changed is put in an order in which every name is
 * free when a folder takes it, children before parents (should it be broken off, the parent's name
 * still tells where the rest is), and written in slices. Only the bases are ours.
 */
#include "daemon/sync/reconcile.h"

#include "cache/subscription.h"
#include "daemon/sync/join.h"

#include <string.h>

/* Rows that change names among themselves are written at once, up to so many. */
#define CIRCLE_MAX (4 * SYNC_FOLDER_SLICE)

/* ---- a row as it is to be -------------------------------------------------------------------- */

static void set_string(char **to, const char *from)
{
    g_free(*to);
    *to = g_strdup(from);
}

/* What a client may make a folder for (RFC 6154, 3). A use that the provider doesn't know of stays,
 * unless another folder has it there. */
static CacheRole folder_role_of(const SyncReconcile *reconcile, const CacheFolder *row,
                                const SyncListed *listed)
{
    const guint given = 1u << CACHE_ROLE_ARCHIVE | 1u << CACHE_ROLE_DRAFTS | 1u << CACHE_ROLE_JUNK |
                        1u << CACHE_ROLE_SENT | 1u << CACHE_ROLE_TRASH;

    if (listed->role != CACHE_ROLE_NONE || !(given & 1u << row->role))
        return listed->role;
    return reconcile->listing->roles & 1u << row->role ? CACHE_ROLE_NONE : row->role;
}

/* Deleted here while there are folders below it, which push hasn't brought upstream yet: a mere
 * level of names in the view, a folder in the base. */
static gboolean is_deleted_level(const CacheFolder *row)
{
    return row->base_name && row->base_selectable && !row->selectable && row->exists == 0;
}

/* Whether the view's name is upstream's: one that has stepped aside remembers it (step_aside()). */
static gboolean name_follows(const CacheFolder *row)
{
    if (!row->name)
        return sync_folder_is_away(row) && row->selectable;
    return cache_folder_steps_aside(row) ? row->base_name[0] == CACHE_FOLDER_ASIDE
                                         : g_strcmp0(row->name, row->base_name) == 0;
}

/* The row as the listing has it; the view's name, and whether it is a folder at all, follow where
 * the user hasn't changed them. */
static void folder_follow(const SyncReconcile *reconcile, CacheFolder *row,
                          const SyncListed *listed)
{
    gboolean agreed = row->selectable == row->base_selectable;

    if (name_follows(row))
        set_string(&row->name, listed->name);
    set_string(&row->base_name, listed->name);
    set_string(&row->wire_name, listed->wire);
    if (listed->mailboxid)
        set_string(&row->remote_id, listed->mailboxid);
    row->delimiter = listed->delimiter;
    row->role = folder_role_of(reconcile, row, listed);
    row->base_selectable = sync_listed_selectable(listed);
    if (listed->rights)
        row->rights = listed->rights;
    if (agreed)
        row->selectable = row->base_selectable;
    row->selectable |= row->exists > 0;
}

static gboolean unchanged(const SyncReconcile *reconcile, const CacheFolder *row,
                          const SyncListed *listed)
{
    return g_strcmp0(row->base_name, listed->name) == 0 &&
           g_strcmp0(row->wire_name, listed->wire) == 0 &&
           (!listed->mailboxid || g_strcmp0(row->remote_id, listed->mailboxid) == 0) &&
           (!listed->rights || row->rights == listed->rights) &&
           row->delimiter == listed->delimiter &&
           row->role == folder_role_of(reconcile, row, listed) &&
           row->base_selectable == sync_listed_selectable(listed) &&
           (row->selectable || !row->base_selectable || is_deleted_level(row));
}

/* ---- the order ------------------------------------------------------------------------------- */

typedef struct {
    CacheFolder *row;   /* as it was read */
    SyncListed *listed; /* NULL: it steps aside, because another one has its name now */
    gboolean glued;     /* to the step before: both are one change */
} Step;

typedef struct {
    SyncReconcile *reconcile;
    GHashTable *holders; /* base name -> CacheFolder */
    GHashTable *begun;   /* rows whose step is ordered, or being ordered (value: on which way) */
    GArray *steps;       /* Step */
} Order;

static void add_step(Order *order, CacheFolder *row, SyncListed *listed, gboolean glued)
{
    Step step = {row, listed, glued};

    g_array_append_val(order->steps, step);
}

/* The other row that has the name which the row gets; NULL: it is free. */
static CacheFolder *holder_of(const Order *order, const CacheFolder *row)
{
    const SyncListed *listed = g_hash_table_lookup(order->reconcile->listed_of, row);
    CacheFolder *holder = listed ? g_hash_table_lookup(order->holders, listed->name) : NULL;

    return holder == row ? NULL : holder;
}

/* The row, after whoever has its name, after whoever has that one's, and so on. */
static void order_row(Order *order, CacheFolder *row, guint number)
{
    g_autoptr(GPtrArray) way = g_ptr_array_new();
    gpointer way_of = GUINT_TO_POINTER(number);
    gboolean glued = FALSE;
    CacheFolder *at = row;

    for (; at && !g_hash_table_contains(order->begun, at); at = holder_of(order, at)) {
        if (!g_hash_table_contains(order->reconcile->listed_of, at))
            break;
        g_hash_table_insert(order->begun, at, way_of);
        g_ptr_array_add(way, at);
    }
    /* In a circle one has to step aside first; so has one that stays where it isn't any more. */
    gboolean circle = at && g_hash_table_lookup(order->begun, at) == way_of;
    if (way->len > 0 && at && (circle || !g_hash_table_contains(order->begun, at))) {
        g_hash_table_insert(order->begun, at, way_of);
        add_step(order, at, NULL, FALSE);
        glued = TRUE;
    }
    for (guint i = way->len; i > 0; i--) {
        CacheFolder *next = way->pdata[i - 1];
        add_step(order, next, g_hash_table_lookup(order->reconcile->listed_of, next), glued);
        glued = glued && circle;
    }
}

/* Longer names before shorter ones. */
static gint compare_depth(gconstpointer a, gconstpointer b)
{
    const CacheFolder *x = *(CacheFolder *const *)a, *y = *(CacheFolder *const *)b;
    gsize m = strlen(x->base_name ? x->base_name : ""),
          n = strlen(y->base_name ? y->base_name : "");

    return m > n ? -1 : m < n ? 1 : x->id < y->id ? -1 : x->id > y->id;
}

static GArray *order_changes(SyncReconcile *reconcile)
{
    g_autoptr(GPtrArray) changed = g_ptr_array_new();
    g_autoptr(GHashTable) holders = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) begun = g_hash_table_new(NULL, NULL);
    Order order = {reconcile, holders, begun, g_array_new(FALSE, FALSE, sizeof(Step))};

    for (guint i = 0; i < reconcile->rows->len; i++) {
        CacheFolder *row = reconcile->rows->pdata[i];
        const SyncListed *listed = g_hash_table_lookup(reconcile->listed_of, row);
        if (row->base_name)
            g_hash_table_insert(holders, row->base_name, row);
        if (listed && !unchanged(reconcile, row, listed))
            g_ptr_array_add(changed, row);
    }
    g_ptr_array_sort(changed, compare_depth);
    for (guint i = 0; i < changed->len; i++)
        order_row(&order, changed->pdata[i], i + 1);
    return order.steps;
}

/* ---- writing rows ---------------------------------------------------------------------------- */

/* A name in the view that belongs to another folder: made here and there at once. */
static gboolean name_is_taken(CacheTxn *txn, const CacheFolder *row)
{
    g_autoptr(CacheFolder) other = row->name ? cache_folder_find(txn, row->name, NULL) : NULL;

    return other && other->id != row->id;
}

static void find_free_name(CacheTxn *txn, CacheFolder *row, const char *name)
{
    for (guint n = 2; name_is_taken(txn, row) && n < 1000; n++) {
        g_free(row->name);
        row->name = g_strdup_printf("%s (%u)", name, n);
    }
}

/* Gives up its name, which is another folder's now, for one that can't be any folder's. */
static gboolean step_aside(CacheTxn *txn, CacheFolder *row, GError **error)
{
    g_autofree char *old = g_steal_pointer(&row->base_name);
    gboolean follows = g_strcmp0(row->name, old) == 0;

    row->base_name = g_strdup_printf(
        "%c%" G_GINT64_FORMAT, follows ? CACHE_FOLDER_ASIDE : CACHE_FOLDER_ASIDE_RENAMED, row->id);
    if (follows) {
        g_free(row->name);
        row->name = g_strdup_printf("%s (2)", old);
        find_free_name(txn, row, old);
    }
    return cache_folder_update(txn, row, error);
}

static gboolean write_row(const SyncReconcile *reconcile, CacheTxn *txn, CacheFolder *row,
                          const SyncListed *listed, GError **error)
{
    if (unchanged(reconcile, row, listed))
        return TRUE;
    folder_follow(reconcile, row, listed);
    find_free_name(txn, row, listed->name);
    return cache_folder_update(txn, row, error);
}

static gboolean write_step(const SyncReconcile *reconcile, CacheTxn *txn, const Step *step,
                           GError **error)
{
    g_autoptr(CacheFolder) row = cache_folder_get(txn, step->row->id, error);

    if (!row)
        return FALSE;
    return step->listed ? write_row(reconcile, txn, row, step->listed, error)
                        : step_aside(txn, row, error);
}

/* What a client has made under that name since the folders were read is it. */
static gboolean add_row(const SyncReconcile *reconcile, CacheTxn *txn, SyncListed *listed,
                        GError **error)
{
    g_autoptr(CacheFolder) here = cache_folder_find(txn, listed->name, NULL);
    CacheFolder row = {.name = listed->name,
                       .delimiter = listed->delimiter,
                       .role = listed->role,
                       .selectable = sync_listed_selectable(listed),
                       .pushed = TRUE,
                       .base_name = listed->name,
                       .wire_name = listed->wire,
                       .remote_id = listed->mailboxid,
                       .rights = listed->rights,
                       .base_selectable = sync_listed_selectable(listed)};

    if (here && !here->base_name) {
        listed->row = here->id;
        return write_row(reconcile, txn, here, listed, error);
    }
    listed->row = cache_folder_add(txn, &row, error);
    return listed->row != 0;
}

/* ---- slices ---------------------------------------------------------------------------------- */

/* A transaction that is ended after so many rows, for the next to begin another. */
typedef struct {
    Cache *cache;
    CacheTxn *txn; /* NULL: none is open */
    guint rows;
} Slice;

static gboolean slice_end(Slice *slice, GError **error)
{
    slice->rows = 0;
    return !slice->txn || cache_commit(g_steal_pointer(&slice->txn), error);
}

/* There is a transaction for another row; `glued`: rather the one there is. */
static gboolean slice_next(Slice *slice, gboolean glued, GError **error)
{
    guint most = glued ? CIRCLE_MAX : SYNC_FOLDER_SLICE;

    if (slice->rows >= most && !slice_end(slice, error))
        return FALSE;
    if (!slice->txn)
        slice->txn = cache_begin(slice->cache, CACHE_WRITE_FULL, error);
    slice->rows++;
    return slice->txn != NULL;
}

static void slice_clear(Slice *slice)
{
    g_clear_pointer(&slice->txn, cache_end);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Slice, slice_clear)

static gboolean write_changes(SyncReconcile *reconcile, GError **error)
{
    g_autoptr(GArray) steps = order_changes(reconcile);
    g_auto(Slice) slice = {.cache = reconcile->context->cache};

    for (guint i = 0; i < steps->len; i++) {
        const Step *step = &g_array_index(steps, Step, i);
        if (!slice_next(&slice, step->glued, error) ||
            !write_step(reconcile, slice.txn, step, error))
            return FALSE;
    }
    return slice_end(&slice, error);
}

static gboolean write_new(SyncReconcile *reconcile, GError **error)
{
    GPtrArray *all = reconcile->listing->folders;
    g_auto(Slice) slice = {.cache = reconcile->context->cache};

    for (guint i = 0; i < all->len; i++) {
        SyncListed *listed = all->pdata[i];
        if (listed->row == 0 &&
            (!slice_next(&slice, FALSE, error) || !add_row(reconcile, slice.txn, listed, error)))
            return FALSE;
    }
    return slice_end(&slice, error);
}

/* It was here only until now, and isn't at the server: push makes it there. */
static gboolean is_to_be_made(const SyncReconcile *reconcile, const CacheFolder *row)
{
    return row->name && !row->base_name && sync_is_to_join(row) &&
           !g_hash_table_contains(reconcile->listed_of, row) && !reconcile->listing->incomplete;
}

static gboolean write_made(SyncReconcile *reconcile, GError **error)
{
    g_auto(Slice) slice = {.cache = reconcile->context->cache};

    for (guint i = 0; i < reconcile->rows->len; i++) {
        const CacheFolder *known = reconcile->rows->pdata[i];
        if (!is_to_be_made(reconcile, known))
            continue;
        if (!slice_next(&slice, FALSE, error))
            return FALSE;
        g_autoptr(CacheFolder) row = cache_folder_get(slice.txn, known->id, error);
        if (!row)
            return FALSE;
        row->pushed = TRUE;
        if (!cache_folder_update(slice.txn, row, error))
            return FALSE;
    }
    return slice_end(&slice, error);
}

/* ---- subscriptions --------------------------------------------------------------------------- */

/* The view follows where the user hasn't changed it. */
static gboolean write_subscription(CacheTxn *txn, const char *name, gboolean server, GError **error)
{
    gboolean view, base;

    cache_subscription_find(txn, name, &view, &base);
    return base == server || (cache_subscribe_base(txn, name, server, error) &&
                              (view != base || cache_subscribe(txn, name, server, error)));
}

/* The names (char *, borrowed) whose subscription is another one upstream than the base says, and
 * whether they are subscribed there. */
static GHashTable *find_resubscribed(SyncReconcile *reconcile, const GPtrArray *known)
{
    GPtrArray *names = reconcile->listing->subscriptions;
    GHashTable *changed = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) server = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < names->len; i++) {
        g_hash_table_add(server, names->pdata[i]);
        g_hash_table_insert(changed, names->pdata[i], GINT_TO_POINTER(TRUE));
    }
    for (guint i = 0; i < known->len; i++) {
        const CacheSubscription *row = known->pdata[i];
        if (row->base && g_hash_table_contains(server, row->name))
            g_hash_table_remove(changed, row->name);
        else if (row->base)
            g_hash_table_insert(changed, row->name, GINT_TO_POINTER(FALSE));
    }
    return changed;
}

static gboolean write_subscriptions(SyncReconcile *reconcile, GError **error)
{
    Cache *cache = reconcile->context->cache;
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, error);
    g_autoptr(GPtrArray) known = txn ? cache_subscriptions(txn, error) : NULL;
    g_auto(Slice) slice = {.cache = cache};
    GHashTableIter iter;
    gpointer name, server;

    g_clear_pointer(&txn, cache_end);
    if (!known)
        return FALSE;
    g_autoptr(GHashTable) changed = find_resubscribed(reconcile, known);
    g_hash_table_iter_init(&iter, changed);
    while (g_hash_table_iter_next(&iter, &name, &server))
        if (!slice_next(&slice, FALSE, error) ||
            !write_subscription(slice.txn, name, GPOINTER_TO_INT(server), error))
            return FALSE;
    return slice_end(&slice, error);
}

gboolean sync_write_folders(SyncReconcile *reconcile, GError **error)
{
    return write_changes(reconcile, error) && write_made(reconcile, error) &&
           write_new(reconcile, error) &&
           (!reconcile->listing->subscriptions || write_subscriptions(reconcile, error));
}
