/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which of the listed names are folders that had other names: by MAILBOXID; by the name of what is
 * above them, when that was renamed; by their numbers. Where no object id says so, the folder is
 * opened to look whether its mail is the same: each a few times at most, however many there are.
 */
#include "daemon/sync/reconcile.h"

#include "daemon/sync/attributes.h"
#include <string.h>

/* So many messages have to agree before another name is taken for the same folder. */
#define SAMPLE 8

/* UIDs that a folder is asked for at once when several may be the same. */
#define MARKS 64

/* Listed folders that one is compared with, those with the nearest numbers; and how many of them are
 * opened, for all together. */
#define NEAREST       64
#define LOOKS_EACH    10
#define LOOKS_ALWAYS  64
#define LOOKS_NEAREST 8

/* What a message of a folder is known by. */
typedef struct {
    guint32 uid;
    gint64 date;
} Mark;

/* A row that isn't under its name any more. */
typedef struct {
    CacheFolder *row;
    GArray *sample; /* Mark: the newest of its messages */
} Lost;

/* Where what was below a name is now. */
typedef struct {
    char *now;
    gboolean ours; /* we have renamed it */
} Moved;

typedef struct {
    SyncReconcile *reconcile;
    GPtrArray *lost;   /* Lost, parents first */
    GHashTable *moved; /* char * -> Moved */
    GHashTable *pools; /* numbers, or numbers and leaf -> GPtrArray of SyncListed, the first last */
    GHashTable *by_epoch; /* UIDVALIDITY -> GPtrArray of SyncListed by UIDNEXT */
    guint looks;          /* so many folders may still be opened */
} Search;

static void lost_free(gpointer data)
{
    Lost *lost = data;

    g_array_unref(lost->sample);
    g_free(lost);
}

static void moved_free(gpointer data)
{
    Moved *moved = data;

    g_free(moved->now);
    g_free(moved);
}

static void search_clear(Search *search)
{
    g_clear_pointer(&search->lost, g_ptr_array_unref);
    g_clear_pointer(&search->moved, g_hash_table_unref);
    g_clear_pointer(&search->pools, g_hash_table_unref);
    g_clear_pointer(&search->by_epoch, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Search, search_clear)

/* ---- what may be what ------------------------------------------------------------------------ */

static gboolean is_free(const SyncListed *listed)
{
    return listed->row == 0 && !g_str_equal(listed->name, "INBOX");
}

/* Whether `listed` may be what `row` is now: object ids decide, else the numbers have to allow it. */
static gboolean may_be(const CacheFolder *row, const SyncListed *listed)
{
    if (!is_free(listed))
        return FALSE;
    if (row->remote_id && listed->mailboxid)
        return g_str_equal(row->remote_id, listed->mailboxid);
    return listed->has_status && sync_listed_selectable(listed) && row->base_uidvalidity != 0 &&
           row->base_uidvalidity == listed->uidvalidity && listed->uidnext >= row->base_uidnext;
}

/* The octets of a name that are above its last level; 0: it has one level. */
static gsize path_length(const char *name, char delimiter)
{
    const char *last = delimiter ? strrchr(name, delimiter) : NULL;

    return last ? (gsize)(last - name) : 0;
}

static void note_moved(Search *search, char *was, char *now, gboolean ours)
{
    Moved moved = {now, ours};

    if (g_hash_table_contains(search->moved, was)) {
        g_free(was);
        g_free(now);
        return;
    }
    g_hash_table_insert(search->moved, was, g_memdup2(&moved, sizeof moved));
}

/* What was below the folder, or beside it, has probably moved as it has. */
static void learn_moved(Search *search, const CacheFolder *row, const SyncListed *listed,
                        gboolean ours)
{
    gsize was = path_length(row->base_name, row->delimiter);
    gsize now = path_length(listed->name, listed->delimiter);

    note_moved(search, g_strdup(row->base_name), g_strdup(listed->name), ours);
    if (was && now && g_str_equal(row->base_name + was, listed->name + now))
        note_moved(search, g_strndup(row->base_name, was), g_strndup(listed->name, now), FALSE);
}

static void search_assign(Search *search, CacheFolder *row, SyncListed *listed, gboolean ours)
{
    sync_assign(search->reconcile, row, listed);
    learn_moved(search, row, listed, ours);
}

static gboolean is_assigned(const Search *search, const CacheFolder *row)
{
    return g_hash_table_contains(search->reconcile->listed_of, row);
}

/* ---- looking into folders -------------------------------------------------------------------- */

static gboolean note_marks(GArray *messages, gpointer data, GError **error)
{
    GHashTable *found = data;

    for (guint i = 0; i < messages->len; i++) {
        const SyncServerMessage *message = &g_array_index(messages, SyncServerMessage, i);
        g_hash_table_insert(found, GUINT_TO_POINTER(message->uid),
                            g_memdup2(&message->date, sizeof message->date));
    }
    return TRUE;
}

static GHashTable *marks_new(void)
{
    return g_hash_table_new_full(NULL, NULL, NULL, g_free);
}

/* Adds the dates of those of the UIDs that are in the folder to `found`: none where it can't be
 * opened, or too many were. */
static gboolean look(Search *search, const SyncListed *listed, const ImapSet *uids,
                     GHashTable *found, GError **error)
{
    SyncContext *context = search->reconcile->context;
    const ImapSelect what = {.name = listed->name, .read_only = TRUE};
    g_autoptr(GString) set = g_string_new(NULL);
    g_autofree char *words = NULL;
    g_auto(ImapSelected) state = {0};
    g_autoptr(GError) reason = NULL;

    if (search->looks == 0)
        return TRUE;
    search->looks--;
    context->selected = 0;
    if (!imap_client_select(context->imap, &what, &state, &reason)) {
        if (g_error_matches(reason, IMAP_CLIENT_ERROR, IMAP_CLIENT_ERROR_REFUSED))
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&reason));
        return FALSE;
    }
    imap_set_format(uids, set);
    return sync_fetch_attributes(context, set->str, note_marks, found, &words, error);
}

static gboolean agrees(const GArray *sample, GHashTable *found)
{
    guint agreed = 0;

    for (guint i = 0; i < sample->len; i++) {
        const Mark *mark = &g_array_index(sample, Mark, i);
        const gint64 *date = g_hash_table_lookup(found, GUINT_TO_POINTER(mark->uid));
        if (date && *date != mark->date)
            return FALSE;
        agreed += date != NULL;
    }
    return agreed > 0;
}

static void add_uids(ImapSet *uids, const GArray *sample)
{
    for (guint i = 0; i < sample->len; i++)
        imap_set_add(uids, g_array_index(sample, Mark, i).uid);
}

/* Whether the newest messages that we know are in the listed folder. */
static gboolean has_same_mail(Search *search, const Lost *lost, const SyncListed *listed,
                              gboolean *same, GError **error)
{
    g_autoptr(GHashTable) found = marks_new();
    g_autoptr(ImapSet) uids = imap_set_new();

    add_uids(uids, lost->sample);
    if (!look(search, listed, uids, found, error))
        return FALSE;
    *same = agrees(lost->sample, found);
    return TRUE;
}

/* ---- by what is above ------------------------------------------------------------------------ */

static SyncListed *find_hinted(Search *search, const CacheFolder *row, gboolean *ours)
{
    gsize length = path_length(row->base_name, row->delimiter);
    g_autofree char *above = g_strndup(row->base_name, length);
    const Moved *moved = length ? g_hash_table_lookup(search->moved, above) : NULL;

    if (!moved)
        return NULL;
    g_autofree char *name = g_strconcat(moved->now, row->base_name + length, NULL);
    SyncListed *listed = sync_listing_find(search->reconcile->listing, name);
    *ours = moved->ours;
    return listed && is_free(listed) ? listed : NULL;
}

/* An empty folder has nothing to lose by being taken for another; what we have renamed is below its
 * parent unless its numbers say that it is another one. */
static gboolean assign_hinted(Search *search, const Lost *lost, GError **error)
{
    gboolean ours = FALSE, same = FALSE;
    CacheFolder *row = lost->row;
    SyncListed *listed = find_hinted(search, row, &ours);

    if (!listed || (row->base_uidvalidity != 0 && !may_be(row, listed)))
        return TRUE;
    if (lost->sample->len > 0 && !ours && !has_same_mail(search, lost, listed, &same, error))
        return FALSE;
    if (same || ours || lost->sample->len == 0)
        search_assign(search, row, listed, ours);
    return TRUE;
}

static gboolean assign_all_hinted(Search *search, GError **error)
{
    for (guint i = 0; i < search->lost->len; i++) {
        const Lost *lost = search->lost->pdata[i];
        if (!is_assigned(search, lost->row) && !assign_hinted(search, lost, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- by numbers ------------------------------------------------------------------------------ */

static char *numbers_key(guint32 uidvalidity, guint32 uidnext, const char *leaf)
{
    return g_strdup_printf("%u %u %s", uidvalidity, uidnext, leaf);
}

static void add_to_pool(Search *search, char *key, SyncListed *listed)
{
    GPtrArray *pool = g_hash_table_lookup(search->pools, key);

    if (!pool) {
        pool = g_ptr_array_new();
        g_hash_table_insert(search->pools, g_strdup(key), pool);
    }
    g_ptr_array_add(pool, listed);
    g_free(key);
}

static const char *leaf_of(const char *name, char delimiter)
{
    gsize length = path_length(name, delimiter);

    return length ? name + length + 1 : name;
}

static gint compare_uidnext(gconstpointer a, gconstpointer b)
{
    const SyncListed *x = *(SyncListed *const *)a, *y = *(SyncListed *const *)b;

    return x->uidnext < y->uidnext ? -1 : x->uidnext > y->uidnext;
}

static void index_free(Search *search)
{
    GPtrArray *all = search->reconcile->listing->folders;
    GHashTableIter iter;
    gpointer same;

    for (guint i = all->len; i > 0; i--) {
        SyncListed *listed = all->pdata[i - 1];
        if (!is_free(listed) || !listed->has_status || !sync_listed_selectable(listed))
            continue;
        const char *leaf = leaf_of(listed->name, listed->delimiter);
        add_to_pool(search, numbers_key(listed->uidvalidity, listed->uidnext, ""), listed);
        add_to_pool(search, numbers_key(listed->uidvalidity, listed->uidnext, leaf), listed);
        gpointer epoch = GUINT_TO_POINTER(listed->uidvalidity);
        if (!(same = g_hash_table_lookup(search->by_epoch, epoch)))
            g_hash_table_insert(search->by_epoch, epoch, same = g_ptr_array_new());
        g_ptr_array_add(same, listed);
    }
    g_hash_table_iter_init(&iter, search->by_epoch);
    while (g_hash_table_iter_next(&iter, NULL, &same))
        g_ptr_array_sort(same, compare_uidnext);
}

/* The first of the pool that may be the row; the others of it have been taken. */
static SyncListed *take_from_pool(Search *search, const CacheFolder *row, const char *leaf)
{
    g_autofree char *key = numbers_key(row->base_uidvalidity, row->base_uidnext, leaf);
    GPtrArray *pool = g_hash_table_lookup(search->pools, key);

    while (pool && pool->len > 0) {
        SyncListed *listed = pool->pdata[pool->len - 1];
        if (may_be(row, listed))
            return listed;
        if (listed->row == 0)
            return NULL; /* object ids speak against it */
        g_ptr_array_set_size(pool, (int)pool->len - 1);
    }
    return NULL;
}

/* Those with at least its UIDNEXT begin here. */
static guint first_with(const GPtrArray *same, guint32 uidnext)
{
    guint from = 0, to = same->len;

    while (from < to) {
        guint middle = from + (to - from) / 2;
        if (((SyncListed *)same->pdata[middle])->uidnext < uidnext)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* Mail has come into it since it was read: of those with the next numbers. */
static gboolean assign_nearest(Search *search, const Lost *lost, GError **error)
{
    CacheFolder *row = lost->row;
    const GPtrArray *same =
        g_hash_table_lookup(search->by_epoch, GUINT_TO_POINTER(row->base_uidvalidity));
    guint from = same ? first_with(same, row->base_uidnext) : 0, looks = 0;

    for (guint i = from; same && i < same->len && i - from < NEAREST && looks < LOOKS_NEAREST;
         i++) {
        SyncListed *listed = same->pdata[i];
        gboolean found = lost->sample->len == 0;
        if (!may_be(row, listed) || (!found && listed->messages == 0))
            continue;
        if (!found && !has_same_mail(search, lost, listed, &found, error))
            return FALSE;
        looks++;
        if (!found)
            continue;
        search_assign(search, row, listed, FALSE);
        return TRUE;
    }
    return TRUE;
}

/* ---- several with the same numbers ----------------------------------------------------------- */

/* A folder that was opened, and what of the marks was there. */
typedef struct {
    SyncListed *listed;
    GHashTable *found;
} Seen;

static void seen_free(gpointer data)
{
    Seen *seen = data;

    g_hash_table_unref(seen->found);
    g_free(seen);
}

static guint mark_hash(gconstpointer key)
{
    const Mark *mark = key;

    return mark->uid * 2654435761u ^ (guint)mark->date;
}

static gboolean mark_equal(gconstpointer a, gconstpointer b)
{
    const Mark *x = a, *y = b;

    return x->uid == y->uid && x->date == y->date;
}

static void add_seen(GHashTable *by_mark, Seen *seen)
{
    GHashTableIter iter;
    gpointer uid, date;

    g_hash_table_iter_init(&iter, seen->found);
    while (g_hash_table_iter_next(&iter, &uid, &date)) {
        Mark mark = {GPOINTER_TO_UINT(uid), *(gint64 *)date};
        GPtrArray *with = g_hash_table_lookup(by_mark, &mark);
        if (!with) {
            with = g_ptr_array_new();
            g_hash_table_insert(by_mark, g_memdup2(&mark, sizeof mark), with);
        }
        g_ptr_array_add(with, seen);
    }
}

/* Those that have the message which the fewest have. */
static GPtrArray *fewest_with(GHashTable *by_mark, const GArray *sample)
{
    GPtrArray *fewest = NULL;

    for (guint i = 0; i < sample->len; i++) {
        GPtrArray *with = g_hash_table_lookup(by_mark, &g_array_index(sample, Mark, i));
        if (with && (!fewest || with->len < fewest->len))
            fewest = with;
    }
    return fewest;
}

static void assign_seen(Search *search, GHashTable *by_mark, const Lost *lost)
{
    GPtrArray *with = fewest_with(by_mark, lost->sample);

    for (guint i = 0; with && i < with->len && i < NEAREST;) {
        const Seen *seen = with->pdata[i];
        if (seen->listed->row != 0) {
            g_ptr_array_remove_index_fast(with, i);
            continue;
        }
        i++;
        if (!may_be(lost->row, seen->listed) || !agrees(lost->sample, seen->found))
            continue;
        search_assign(search, lost->row, seen->listed, FALSE);
        return;
    }
}

/* The newest of all that are asked for. */
static ImapSet *marks_of(const GPtrArray *group)
{
    ImapSet *uids = imap_set_new();

    for (guint i = 0; i < group->len && imap_set_count(uids) < MARKS; i++)
        add_uids(uids, ((Lost *)group->pdata[i])->sample);
    return uids;
}

/* Rows with mail whose numbers are the same, and the listed folders that have these numbers: each is
 * opened once. */
static gboolean assign_group(Search *search, const char *key, const GPtrArray *group,
                             GError **error)
{
    const GPtrArray *pool = g_hash_table_lookup(search->pools, key);
    g_autoptr(ImapSet) uids = marks_of(group);
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(seen_free);
    g_autoptr(GHashTable) by_mark =
        g_hash_table_new_full(mark_hash, mark_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
    guint most = LOOKS_ALWAYS + LOOKS_EACH * group->len;

    for (guint i = pool ? pool->len : 0; i > 0 && all->len < most; i--) {
        SyncListed *listed = pool->pdata[i - 1];
        if (!is_free(listed) || listed->messages == 0)
            continue;
        Seen *seen = g_new(Seen, 1);
        *seen = (Seen){listed, marks_new()};
        g_ptr_array_add(all, seen);
        if (!look(search, listed, uids, seen->found, error))
            return FALSE;
        add_seen(by_mark, seen);
    }
    for (guint i = 0; i < group->len; i++)
        assign_seen(search, by_mark, group->pdata[i]);
    return TRUE;
}

static gboolean assign_groups(Search *search, GError **error)
{
    g_autoptr(GHashTable) groups =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
    GHashTableIter iter;
    gpointer key, group;

    for (guint i = 0; i < search->lost->len; i++) {
        Lost *lost = search->lost->pdata[i];
        if (lost->sample->len == 0 || lost->row->base_uidvalidity == 0 ||
            is_assigned(search, lost->row))
            continue;
        char *numbers = numbers_key(lost->row->base_uidvalidity, lost->row->base_uidnext, "");
        if (!(group = g_hash_table_lookup(groups, numbers)))
            g_hash_table_insert(groups, g_strdup(numbers), group = g_ptr_array_new());
        g_ptr_array_add(group, lost);
        g_free(numbers);
    }
    g_hash_table_iter_init(&iter, groups);
    while (g_hash_table_iter_next(&iter, &key, &group))
        if (!assign_group(search, key, group, error))
            return FALSE;
    return TRUE;
}

/* ---- the search ------------------------------------------------------------------------------ */

static void assign_by_id(Search *search)
{
    GPtrArray *all = search->reconcile->listing->folders;
    g_autoptr(GHashTable) by_id = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = all->len; i > 0; i--) {
        SyncListed *listed = all->pdata[i - 1];
        if (listed->mailboxid && is_free(listed))
            g_hash_table_insert(by_id, listed->mailboxid, listed);
    }
    for (guint i = 0; i < search->lost->len; i++) {
        CacheFolder *row = ((Lost *)search->lost->pdata[i])->row;
        SyncListed *listed = row->remote_id ? g_hash_table_lookup(by_id, row->remote_id) : NULL;
        if (listed && is_free(listed))
            search_assign(search, row, listed, FALSE);
    }
}

static gboolean add_to_sample(const CachePlacement *placement, gpointer data)
{
    GArray *sample = data;
    Mark mark = {placement->base_uid, placement->date};

    if (sample->len == SAMPLE)
        g_array_remove_index(sample, 0);
    g_array_append_val(sample, mark);
    return TRUE;
}

static gboolean read_samples(Search *search, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(search->reconcile->context->cache, CACHE_READ, error);

    for (guint i = 0; txn && i < search->lost->len; i++) {
        Lost *lost = search->lost->pdata[i];
        if (!is_assigned(search, lost->row) &&
            !cache_placement_each_base(txn, lost->row->id, 1, G_MAXUINT32, add_to_sample,
                                       lost->sample, error))
            return FALSE;
    }
    return txn != NULL;
}

static gint compare_depth(gconstpointer a, gconstpointer b)
{
    const CacheFolder *x = (*(Lost *const *)a)->row, *y = (*(Lost *const *)b)->row;
    gsize m = strlen(x->base_name), n = strlen(y->base_name);

    return m < n ? -1 : m > n ? 1 : strcmp(x->base_name, y->base_name);
}

static void collect_lost(Search *search)
{
    SyncReconcile *reconcile = search->reconcile;

    for (guint i = 0; i < reconcile->rows->len; i++) {
        CacheFolder *row = reconcile->rows->pdata[i];
        const SyncListed *listed = g_hash_table_lookup(reconcile->listed_of, row);
        if (listed && row->base_name && !g_str_equal(listed->name, row->base_name))
            learn_moved(search, row, listed, TRUE);
        if (listed || !row->base_name)
            continue;
        Lost *lost = g_new(Lost, 1);
        *lost = (Lost){row, g_array_new(FALSE, FALSE, sizeof(Mark))};
        g_ptr_array_add(search->lost, lost);
    }
    g_ptr_array_sort(search->lost, compare_depth);
}

/* What is empty takes what is left: rather what is called the same. */
static gboolean assign_others(Search *search, GError **error)
{
    for (guint i = 0; i < search->lost->len; i++) {
        const Lost *lost = search->lost->pdata[i];
        CacheFolder *row = lost->row;
        if (is_assigned(search, row) || row->base_uidvalidity == 0)
            continue;
        SyncListed *listed = NULL;
        if (lost->sample->len == 0 &&
            !(listed = take_from_pool(search, row, leaf_of(row->base_name, row->delimiter))))
            listed = take_from_pool(search, row, "");
        if (listed)
            search_assign(search, row, listed, FALSE);
        else if (!assign_nearest(search, lost, error))
            return FALSE;
    }
    return TRUE;
}

gboolean sync_assign_renamed(SyncReconcile *reconcile, GError **error)
{
    g_auto(Search) search = {.reconcile = reconcile};

    search.lost = g_ptr_array_new_with_free_func(lost_free);
    search.moved = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, moved_free);
    search.pools =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
    search.by_epoch = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_ptr_array_unref);
    collect_lost(&search);
    if (search.lost->len == 0)
        return TRUE;
    search.looks = LOOKS_ALWAYS + LOOKS_EACH * search.lost->len;
    assign_by_id(&search);
    if (!read_samples(&search, error) || !assign_all_hinted(&search, error))
        return FALSE;
    index_free(&search);
    /* What was found by its mail tells where its siblings are. */
    return assign_groups(&search, error) && assign_all_hinted(&search, error) &&
           assign_others(&search, error);
}
