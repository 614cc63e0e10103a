/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reconciling the list of folders. First each listed name finds its row: by name, if that still is
 * the same folder (MAILBOXID, UIDVALIDITY); else by identity, which makes a rename; what is left is
 * new, gone, or renumbered. Then all rows are read again and written in one transaction: only the
 * bases are ours, and clients may have changed the view while the server was asked.
 */
#include "daemon/sync/folders.h"

#include "cache/subscription.h"
#include "daemon/config/choice.h"

#include "daemon/sync/aside.h"
#include "daemon/sync/here.h"
#include "daemon/sync/join.h"
#include "daemon/sync/listing.h"
#include "daemon/sync/pull.h"
#include "daemon/sync/recognise.h"
#include "daemon/sync/returned.h"
#include "daemon/sync/roles.h"
#include <string.h>

/* So many messages have to agree before another name is taken for the same folder. */
#define SAMPLE 8

typedef struct {
    SyncContext *context;
    SyncListing *listing;
    GPtrArray *rows;       /* CacheFolder */
    GHashTable *listed_of; /* CacheFolder -> SyncListed, borrowed */
    GHashTable *kept;      /* folders (gint64) of which it isn't believed that they are gone */
} Reconcile;

static void reconcile_clear(Reconcile *reconcile)
{
    g_clear_pointer(&reconcile->listing, sync_listing_free);
    g_clear_pointer(&reconcile->rows, g_ptr_array_unref);
    g_clear_pointer(&reconcile->listed_of, g_hash_table_unref);
    g_clear_pointer(&reconcile->kept, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reconcile, reconcile_clear)

static void assign(Reconcile *reconcile, CacheFolder *row, SyncListed *listed)
{
    listed->row = row->id;
    g_hash_table_insert(reconcile->listed_of, row, listed);
}

/* ---- whether a listed name is a folder we know --------------------------------------------- */

/* Another object id, or other numbers, under the same name: another folder may have taken it. */
static gboolean is_other(const CacheFolder *row, const SyncListed *listed)
{
    if (row->remote_id && listed->mailboxid)
        return !g_str_equal(row->remote_id, listed->mailboxid);
    return listed->has_status && row->base_uidvalidity != 0 && listed->uidvalidity != 0 &&
           row->base_uidvalidity != listed->uidvalidity;
}

static void assign_by_name(Reconcile *reconcile)
{
    for (guint i = 0; i < reconcile->rows->len; i++) {
        CacheFolder *row = reconcile->rows->pdata[i];
        SyncListed *listed =
            row->base_name ? sync_listing_find(reconcile->listing, row->base_name) : NULL;
        if (listed && (!is_other(row, listed) || g_str_equal(row->base_name, "INBOX")))
            assign(reconcile, row, listed);
    }
}

static gboolean add_to_sample(const CachePlacement *placement, gpointer data)
{
    GArray *rows = data;

    if (rows->len == SAMPLE)
        g_array_remove_index(rows, 0);
    g_array_append_val(rows, *placement);
    return TRUE;
}

static gboolean agree(GArray *messages, gpointer data, GError **error)
{
    GArray *sample = data;

    for (guint i = 0; i < messages->len; i++) {
        const SyncServerMessage *message = &g_array_index(messages, SyncServerMessage, i);
        for (guint k = 0; k < sample->len; k++) {
            CachePlacement *row = &g_array_index(sample, CachePlacement, k);
            if (row->base_uid != message->uid)
                continue;
            /* The date marks what agreed, and what didn't. */
            row->modseq = row->date == message->date ? 1 : 2;
        }
    }
    return TRUE;
}

/* Compares the newest messages we know with those of the listed folder. An empty folder has
 * nothing to lose by being taken for another. */
static gboolean has_same_content(Reconcile *reconcile, const CacheFolder *row,
                                 const SyncListed *listed, gboolean *same, GError **error)
{
    SyncContext *context = reconcile->context;
    g_autoptr(GArray) sample = g_array_new(FALSE, FALSE, sizeof(CachePlacement));
    const ImapSelect what = {.name = listed->name, .read_only = TRUE};
    g_autofree char *words = NULL;
    g_auto(ImapSelected) state = {0};
    g_autoptr(ImapSet) uids = imap_set_new();
    g_autoptr(GString) set = g_string_new(NULL);
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_READ, error);
    guint agreed = 0, differ = 0;

    if (!txn ||
        !cache_placement_each_base(txn, row->id, 1, G_MAXUINT32, add_to_sample, sample, error))
        return FALSE;
    g_clear_pointer(&txn, cache_end);
    *same = sample->len == 0;
    if (*same)
        return TRUE;
    for (guint i = 0; i < sample->len; i++) {
        g_array_index(sample, CachePlacement, i).modseq = 0;
        imap_set_add(uids, g_array_index(sample, CachePlacement, i).base_uid);
    }
    imap_set_format(uids, set);
    context->selected = 0;
    if (!imap_client_select(context->imap, &what, &state, error) ||
        !sync_fetch_attributes(context, set->str, agree, sample, &words, error))
        return FALSE;
    for (guint i = 0; i < sample->len; i++) {
        agreed += g_array_index(sample, CachePlacement, i).modseq == 1;
        differ += g_array_index(sample, CachePlacement, i).modseq == 2;
    }
    *same = agreed > 0 && differ == 0;
    return TRUE;
}

/* Whether `row`, which isn't under its name any more, now is `listed`. */
static gboolean is_renamed(Reconcile *reconcile, const CacheFolder *row, const SyncListed *listed,
                           gboolean *renamed, GError **error)
{
    *renamed = FALSE;
    if (row->remote_id && listed->mailboxid) {
        *renamed = g_str_equal(row->remote_id, listed->mailboxid);
        return TRUE;
    }
    if (!listed->has_status || !sync_listed_selectable(listed) || row->base_uidvalidity == 0 ||
        row->base_uidvalidity != listed->uidvalidity || listed->uidnext < row->base_uidnext)
        return TRUE;
    return has_same_content(reconcile, row, listed, renamed, error);
}

static gboolean find_renamed(Reconcile *reconcile, CacheFolder *row, GError **error)
{
    GPtrArray *all = reconcile->listing->folders;

    for (guint i = 0; i < all->len; i++) {
        SyncListed *listed = all->pdata[i];
        gboolean renamed;
        if (listed->row != 0 || g_str_equal(listed->name, "INBOX"))
            continue;
        if (!is_renamed(reconcile, row, listed, &renamed, error))
            return FALSE;
        if (renamed) {
            assign(reconcile, row, listed);
            return TRUE;
        }
    }
    return TRUE;
}

static gboolean assign_renamed(Reconcile *reconcile, GError **error)
{
    for (guint i = 0; i < reconcile->rows->len; i++) {
        CacheFolder *row = reconcile->rows->pdata[i];
        if (row->base_name && !g_hash_table_contains(reconcile->listed_of, row) &&
            !find_renamed(reconcile, row, error))
            return FALSE;
    }
    return TRUE;
}

/* It has gone from upstream, but what was in it may return. */
static gboolean is_away(const CacheFolder *row)
{
    return !row->base_name && row->wire_name && row->pushed;
}

/* Unless there is another one of that name here, which nobody has sent yet. */
static gboolean is_awaited(Reconcile *reconcile, const CacheFolder *row, const SyncListed *listed)
{
    if (listed->row != 0 || !sync_listed_selectable(listed))
        return FALSE;
    if (row->remote_id && listed->mailboxid && g_str_equal(row->remote_id, listed->mailboxid))
        return TRUE;
    if (!g_str_equal(row->wire_name, listed->wire))
        return FALSE;
    for (guint i = 0; i < reconcile->rows->len; i++) {
        const CacheFolder *other = reconcile->rows->pdata[i];
        if (other != row && !other->base_name && g_strcmp0(other->name, listed->name) == 0)
            return FALSE;
    }
    return TRUE;
}

/* Folders that had gone and are there again: with their rows they get back their UIDs. */
static void assign_returned(Reconcile *reconcile)
{
    GPtrArray *all = reconcile->listing->folders;

    for (guint i = reconcile->rows->len; i > 0; i--) { /* the last that had the name */
        CacheFolder *row = reconcile->rows->pdata[i - 1];
        for (guint k = 0; is_away(row) && k < all->len; k++) {
            if (!is_awaited(reconcile, row, all->pdata[k]))
                continue;
            assign(reconcile, row, all->pdata[k]);
            break;
        }
    }
}

/* Made by us, with an answer that said so, and not listed under the name that was asked for. */
static gboolean is_unseen(Reconcile *reconcile, const CacheFolder *row)
{
    return row->base_name && row->base_selectable && row->base_uidvalidity == 0 && row->pushed &&
           !g_hash_table_contains(reconcile->listed_of, row);
}

/* A folder that nobody has known, with nothing in it. */
static gboolean is_new_and_empty(Reconcile *reconcile, const SyncListed *listed)
{
    if (listed->row != 0 || !sync_listed_selectable(listed) || !listed->has_status ||
        listed->messages != 0 || g_str_equal(listed->name, "INBOX"))
        return FALSE;
    for (guint i = 0; i < reconcile->rows->len; i++)
        if (g_strcmp0(((CacheFolder *)reconcile->rows->pdata[i])->name, listed->name) == 0)
            return FALSE;
    return TRUE;
}

/* The name but for what servers change: composed letters, case, a prefix above it. */
static gboolean is_like(const char *asked, const SyncListed *listed)
{
    g_autofree char *a = g_utf8_normalize(asked, -1, G_NORMALIZE_ALL_COMPOSE);
    g_autofree char *b = g_utf8_normalize(listed->name, -1, G_NORMALIZE_ALL_COMPOSE);
    g_autofree char *x = g_utf8_casefold(a ? a : asked, -1);
    g_autofree char *y = g_utf8_casefold(b ? b : listed->name, -1);
    gsize m = strlen(x), n = strlen(y);

    return g_str_has_suffix(y, x) && (m == n || y[n - m - 1] == listed->delimiter);
}

static SyncListed *find_made(Reconcile *reconcile, const char *asked)
{
    GPtrArray *all = reconcile->listing->folders;
    SyncListed *only = NULL;
    guint count = 0;

    for (guint i = 0; i < all->len; i++) {
        if (!is_new_and_empty(reconcile, all->pdata[i]))
            continue;
        if (is_like(asked, all->pdata[i]))
            return all->pdata[i];
        only = all->pdata[i];
        count++;
    }
    return count == 1 ? only : NULL;
}

/* Some servers make a folder of another name than they were asked for. Where one of a name like that
 * came, it is that; else where exactly one folder was made, and exactly one new and empty one came.
 */
static void assign_made(Reconcile *reconcile)
{
    guint unseen = 0;

    for (guint i = 0; i < reconcile->rows->len; i++)
        unseen += is_unseen(reconcile, reconcile->rows->pdata[i]);
    for (guint i = 0; unseen > 0 && i < reconcile->rows->len; i++) {
        CacheFolder *row = reconcile->rows->pdata[i];
        SyncListed *listed =
            is_unseen(reconcile, row) ? find_made(reconcile, row->base_name) : NULL;
        if (listed && (unseen == 1 || is_like(row->base_name, listed)))
            assign(reconcile, row, listed);
    }
}

/* What we were creating or renaming when the answer was lost. */
static void assign_attempted(Reconcile *reconcile)
{
    GPtrArray *attempts = reconcile->context->attempts;

    for (guint i = 0; i < attempts->len; i++) {
        const CacheAttempt *attempt = attempts->pdata[i];
        gboolean renamed = attempt->kind == CACHE_ATTEMPT_RENAME;
        SyncListed *listed = renamed || attempt->kind == CACHE_ATTEMPT_CREATE
                                 ? sync_listing_find(reconcile->listing, attempt->name)
                                 : NULL;
        for (guint k = 0; listed && listed->row == 0 && k < reconcile->rows->len; k++) {
            CacheFolder *row = reconcile->rows->pdata[k];
            if (row->id == attempt->target && renamed == (row->base_name != NULL) &&
                !g_hash_table_contains(reconcile->listed_of, row))
                assign(reconcile, row, listed);
        }
    }
}

/* Their outcome is known now. */
static gboolean close_attempts(Reconcile *reconcile, GError **error)
{
    GPtrArray *attempts = reconcile->context->attempts;

    for (guint i = 0; i < attempts->len; i++) {
        const CacheAttempt *attempt = attempts->pdata[i];
        if (attempt->kind != CACHE_ATTEMPT_RENAME && attempt->kind != CACHE_ATTEMPT_CREATE)
            continue;
        g_autoptr(CacheTxn) txn = cache_begin(reconcile->context->cache, CACHE_WRITE_FULL, error);
        if (!txn || !cache_attempt_close(txn, attempt->id, error) ||
            !cache_commit(g_steal_pointer(&txn), error))
            return FALSE;
    }
    return TRUE;
}

/* Under its own name after all, with other numbers: a reset. Made on both sides, and not known
 * upstream: joined. */
static void assign_rest(Reconcile *reconcile, gboolean known)
{
    for (guint i = 0; i < reconcile->rows->len; i++) {
        CacheFolder *row = reconcile->rows->pdata[i];
        const char *name = known ? row->base_name : row->base_name ? NULL : row->name;
        SyncListed *listed = name ? sync_listing_find(reconcile->listing, name) : NULL;
        if (listed && listed->row == 0 && !g_hash_table_contains(reconcile->listed_of, row))
            assign(reconcile, row, listed);
    }
}

/* ---- what is gone -------------------------------------------------------------------------- */

/* Not listed any more, or just as a level of names above others: RFC 3501, 6.3.4. */
static gboolean folder_is_gone(Reconcile *reconcile, const CacheFolder *row)
{
    const SyncListed *listed = g_hash_table_lookup(reconcile->listed_of, row);

    if (!row->base_name || g_str_equal(row->base_name, "INBOX") ||
        g_hash_table_contains(reconcile->kept, &row->id))
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
static gboolean believe_gone(Reconcile *reconcile, const CacheFolder *row, GError **error)
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
static gboolean confirm_gone(Reconcile *reconcile, GError **error)
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

static gboolean collect_gone(Reconcile *reconcile, CacheTxn *txn, GError **error)
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

static void set_string(char **to, const char *from)
{
    g_free(*to);
    *to = g_strdup(from);
}

/* What a client may make a folder for (RFC 6154, 3). A use that the provider doesn't know of stays,
 * unless another folder has it there. */
static CacheRole folder_role_of(const Reconcile *reconcile, const CacheFolder *row,
                                const SyncListed *listed)
{
    const guint given = 1u << CACHE_ROLE_ARCHIVE | 1u << CACHE_ROLE_DRAFTS | 1u << CACHE_ROLE_JUNK |
                        1u << CACHE_ROLE_SENT | 1u << CACHE_ROLE_TRASH;
    const SyncListing *listing = reconcile->listing;
    CacheRole role = listed->role;

    if (role != CACHE_ROLE_NONE || !(given & 1u << row->role))
        return role;
    for (guint i = 0; i < listing->folders->len; i++)
        if (((SyncListed *)listing->folders->pdata[i])->role == row->role)
            return CACHE_ROLE_NONE;
    return row->role;
}

/* Deleted here while there are folders below it, which push hasn't brought upstream yet: a mere
 * level of names in the view, a folder in the base. */
static gboolean is_deleted_level(const CacheFolder *row)
{
    return row->base_name && row->base_selectable && !row->selectable && row->exists == 0;
}

/* The row as the listing has it; the view's name, and whether it is a folder at all, follow where
 * the user hasn't changed them. */
static void folder_follow(Reconcile *reconcile, CacheFolder *row, const SyncListed *listed)
{
    gboolean agreed = row->selectable == row->base_selectable;

    if (row->name ? g_strcmp0(row->name, row->base_name) == 0 : is_away(row) && row->selectable)
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

static gboolean unchanged(const CacheFolder *row, const SyncListed *listed, CacheRole role)
{
    return g_strcmp0(row->base_name, listed->name) == 0 &&
           g_strcmp0(row->wire_name, listed->wire) == 0 &&
           (!listed->mailboxid || g_strcmp0(row->remote_id, listed->mailboxid) == 0) &&
           (!listed->rights || row->rights == listed->rights) &&
           row->delimiter == listed->delimiter && row->role == role &&
           row->base_selectable == sync_listed_selectable(listed) &&
           (row->selectable || !row->base_selectable || is_deleted_level(row));
}

/* Names that change hands are given up first: they are unique. */
static gboolean give_up_names(Reconcile *reconcile, CacheTxn *txn, GError **error)
{
    for (guint i = 0; i < reconcile->rows->len; i++) {
        CacheFolder *row = reconcile->rows->pdata[i];
        const SyncListed *listed = g_hash_table_lookup(reconcile->listed_of, row);
        if (!listed || !row->base_name || g_str_equal(row->base_name, listed->name))
            continue;
        g_autoptr(CacheFolder) between = cache_folder_get(txn, row->id, error);
        if (!between)
            return FALSE;
        g_free(between->base_name);
        between->base_name = g_strdup_printf("\001%" G_GINT64_FORMAT, row->id);
        if (between->name && g_str_equal(between->name, row->base_name))
            set_string(&between->name, between->base_name);
        if (!cache_folder_update(txn, between, error))
            return FALSE;
    }
    return TRUE;
}

/* A name in the view that belongs to another folder: made here and there at once. */
static gboolean name_is_taken(CacheTxn *txn, const CacheFolder *row)
{
    g_autoptr(CacheFolder) other = row->name ? cache_folder_find(txn, row->name, NULL) : NULL;

    return other && other->id != row->id;
}

static gboolean write_row(Reconcile *reconcile, CacheTxn *txn, CacheFolder *row,
                          const SyncListed *listed, GError **error)
{
    CacheRole role = folder_role_of(reconcile, row, listed);

    if (unchanged(row, listed, role))
        return TRUE;
    folder_follow(reconcile, row, listed);
    for (guint n = 2; name_is_taken(txn, row) && n < 1000; n++) {
        g_free(row->name);
        row->name = g_strdup_printf("%s (%u)", listed->name, n);
    }
    return cache_folder_update(txn, row, error);
}

static gboolean add_row(Reconcile *reconcile, CacheTxn *txn, SyncListed *listed, GError **error)
{
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

    listed->row = cache_folder_add(txn, &row, error);
    return listed->row != 0;
}

/* It was here only until now, and isn't at the server: push makes it there. */
static gboolean is_to_be_made(const Reconcile *reconcile, const CacheFolder *row)
{
    return row->name && !row->base_name && sync_is_to_join(row) &&
           !g_hash_table_contains(reconcile->listed_of, row) && !reconcile->listing->incomplete;
}

static gboolean write_to_be_made(CacheTxn *txn, CacheFolder *row, GError **error)
{
    row->pushed = TRUE;
    return cache_folder_update(txn, row, error);
}

static gboolean write_rows(Reconcile *reconcile, CacheTxn *txn, GError **error)
{
    if (!give_up_names(reconcile, txn, error))
        return FALSE;
    for (guint i = 0; i < reconcile->rows->len; i++) {
        CacheFolder *row = reconcile->rows->pdata[i];
        const SyncListed *listed = g_hash_table_lookup(reconcile->listed_of, row);
        if (listed && !write_row(reconcile, txn, row, listed, error))
            return FALSE;
        if (is_to_be_made(reconcile, row) && !write_to_be_made(txn, row, error))
            return FALSE;
    }
    for (guint i = 0; i < reconcile->listing->folders->len; i++) {
        SyncListed *listed = reconcile->listing->folders->pdata[i];
        if (listed->row == 0 && !add_row(reconcile, txn, listed, error))
            return FALSE;
    }
    return TRUE;
}

/* The view follows where the user hasn't changed it. */
static gboolean write_subscription(CacheTxn *txn, const char *name, gboolean view, gboolean base,
                                   gboolean server, GError **error)
{
    return base == server || (cache_subscribe_base(txn, name, server, error) &&
                              (view != base || cache_subscribe(txn, name, server, error)));
}

static gboolean write_subscriptions(Reconcile *reconcile, CacheTxn *txn, GError **error)
{
    GPtrArray *names = reconcile->listing->subscriptions;
    g_autoptr(GPtrArray) known = names ? cache_subscriptions(txn, error) : NULL;
    g_autoptr(GHashTable) server = g_hash_table_new(g_str_hash, g_str_equal);

    if (!known)
        return names == NULL;
    for (guint i = 0; i < names->len; i++)
        g_hash_table_add(server, names->pdata[i]);
    for (guint i = 0; i < known->len; i++) {
        const CacheSubscription *row = known->pdata[i];
        gboolean there = g_hash_table_remove(server, row->name);
        if (!write_subscription(txn, row->name, row->view, row->base, there, error))
            return FALSE;
    }
    GHashTableIter iter;
    gpointer name;
    g_hash_table_iter_init(&iter, server);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        if (!write_subscription(txn, name, FALSE, FALSE, TRUE, error))
            return FALSE;
    return TRUE;
}

static gboolean subscriptions_differ(Reconcile *reconcile, CacheTxn *txn)
{
    g_autoptr(GPtrArray) known = cache_subscriptions(txn, NULL);
    g_autoptr(GHashTable) server = g_hash_table_new(g_str_hash, g_str_equal);
    guint base = 0;

    if (!reconcile->listing->subscriptions)
        return FALSE;
    for (guint i = 0; i < reconcile->listing->subscriptions->len; i++)
        g_hash_table_add(server, reconcile->listing->subscriptions->pdata[i]);
    for (guint i = 0; known && i < known->len; i++) {
        const CacheSubscription *row = known->pdata[i];
        base += row->base;
        if (row->base && !g_hash_table_contains(server, row->name))
            return TRUE;
    }
    return base != g_hash_table_size(server);
}

static gboolean something_changed(Reconcile *reconcile, CacheTxn *txn)
{
    for (guint i = 0; i < reconcile->listing->folders->len; i++)
        if (((SyncListed *)reconcile->listing->folders->pdata[i])->row == 0)
            return TRUE;
    for (guint i = 0; i < reconcile->rows->len; i++) {
        const CacheFolder *row = reconcile->rows->pdata[i];
        const SyncListed *listed = g_hash_table_lookup(reconcile->listed_of, row);
        if (listed ? !unchanged(row, listed, folder_role_of(reconcile, row, listed))
                   : is_to_be_made(reconcile, row))
            return TRUE;
    }
    return subscriptions_differ(reconcile, txn);
}

/* The rows as they are now. What was found out about them is about their bases, and stays. */
static gboolean read_again(Reconcile *reconcile, CacheTxn *txn, GError **error)
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
            assign(reconcile, row, listed);
    }
    g_ptr_array_unref(reconcile->rows);
    reconcile->rows = g_steal_pointer(&rows);
    return TRUE;
}

static gboolean write_folder_listing(Reconcile *reconcile, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(reconcile->context->cache, CACHE_WRITE_FULL, error);

    if (!txn || !read_again(reconcile, txn, error))
        return FALSE;
    assign_rest(reconcile, FALSE);
    if (!collect_gone(reconcile, txn, error))
        return FALSE;
    if (!something_changed(reconcile, txn))
        return TRUE;
    return write_rows(reconcile, txn, error) && write_subscriptions(reconcile, txn, error) &&
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
static gboolean collect_pulls(Reconcile *reconcile, GArray *pull, GError **error)
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

static gboolean read_rows(Reconcile *reconcile, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(reconcile->context->cache, CACHE_READ, error);

    g_clear_pointer(&reconcile->rows, g_ptr_array_unref);
    reconcile->rows = txn ? cache_folder_list(txn, error) : NULL;
    return reconcile->rows != NULL;
}

gboolean sync_pull_folders(SyncContext *context, GArray *pull, GError **error)
{
    g_auto(Reconcile) reconcile = {.context = context};
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
    if (!assign_renamed(&reconcile, error))
        return FALSE;
    assign_returned(&reconcile);
    assign_rest(&reconcile, TRUE);
    assign_made(&reconcile);
    return confirm_gone(&reconcile, error) && write_folder_listing(&reconcile, error) &&
           close_attempts(&reconcile, error) && collect_pulls(&reconcile, pull, error);
}

/* ---- the end of folders that are gone ------------------------------------------------------ */

/* A folder is only a name in a tree while others stand below it. */
static gboolean has_children(CacheTxn *txn, const CacheFolder *row)
{
    g_autoptr(GPtrArray) all = row->name && row->delimiter ? cache_folder_list(txn, NULL) : NULL;
    g_autofree char *prefix = g_strdup_printf("%s%c", row->name ? row->name : "", row->delimiter);

    for (guint i = 0; all && i < all->len; i++) {
        const CacheFolder *other = all->pdata[i];
        if (other->name && g_str_has_prefix(other->name, prefix))
            return TRUE;
    }
    return FALSE;
}

/* wire_name and remote_id stay, so that it is known should it return (is_away()). One that was deleted
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
        if (has_children(txn, row))
            row->selectable = FALSE;
        else
            g_clear_pointer(&row->name, g_free);
    }
    return cache_folder_update(txn, row, error);
}

gboolean sync_finish_gone_folders(SyncContext *context, GError **error)
{
    g_autoptr(CacheTxn) txn = NULL;

    if (context->gone->len == 0)
        return TRUE;
    txn = cache_begin(context->cache, CACHE_WRITE_FULL, error);
    if (!txn)
        return FALSE;
    for (guint i = 0; i < context->gone->len; i++) {
        gint64 id = g_array_index(context->gone, gint64, i);
        g_autofree char *suspicion = suspicion_of(id);
        if (!finish_gone(txn, id, error))
            return FALSE;
        sync_clear_suspicion(context, suspicion);
    }
    g_array_set_size(context->gone, 0);
    return cache_commit(g_steal_pointer(&txn), error);
}
