/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the provider doesn't give, and when it is asked for again. */
#include "daemon/fetch/aside.h"

#include "cache/problem.h"
#include <pthread.h>

#define WAIT_FIRST 60
#define WAIT_MAX   (24 * 60 * 60)
#define OLD        (60 * 60)

typedef struct {
    gint64 folder;
    guint32 uid;
} Key;

typedef struct {
    Key key;
    gint64 id, since, retry;
} Entry;

struct FetchAside {
    Cache *cache;
    AccountSettings *settings;
    NetClock *clock;
    pthread_mutex_t lock;
    GHashTable *entries; /* Key -> Entry, which it is in */
    gboolean all_due;    /* a person has asked */
    GHashTable *tried;   /* Key: what has been asked for since */
};

static guint key_hash(gconstpointer data)
{
    const Key *key = data;

    return (guint)key->folder * 2654435761u ^ key->uid;
}

static gboolean key_equal(gconstpointer a, gconstpointer b)
{
    const Key *x = a, *y = b;

    return x->folder == y->folder && x->uid == y->uid;
}

FetchAside *fetch_aside_new(Cache *cache, const AccountAccess *access)
{
    FetchAside *aside = g_new0(FetchAside, 1);

    aside->cache = cache;
    aside->settings = account_settings_ref(access->settings);
    aside->clock = net_clock_ref(access->clock);
    pthread_mutex_init(&aside->lock, NULL);
    aside->entries = g_hash_table_new_full(key_hash, key_equal, NULL, g_free);
    aside->tried = g_hash_table_new_full(key_hash, key_equal, g_free, NULL);
    return aside;
}

void fetch_aside_free(FetchAside *aside)
{
    g_hash_table_unref(aside->entries);
    g_hash_table_unref(aside->tried);
    pthread_mutex_destroy(&aside->lock);
    net_clock_unref(aside->clock);
    account_settings_unref(aside->settings);
    g_free(aside);
}

static void add_entry(FetchAside *aside, const CacheProblem *problem)
{
    Entry *entry = g_new(Entry, 1);

    *entry = (Entry){{problem->folder, problem->uid}, problem->id, problem->since, problem->retry};
    g_hash_table_replace(aside->entries, &entry->key, entry);
}

gboolean fetch_aside_load(FetchAside *aside, CacheTxn *txn)
{
    g_autoptr(GPtrArray) problems = cache_problem_list(txn, NULL);

    pthread_mutex_lock(&aside->lock);
    g_hash_table_remove_all(aside->entries);
    for (guint i = 0; problems && i < problems->len; i++) {
        const CacheProblem *problem = problems->pdata[i];
        if (g_str_equal(problem->operation, "fetch"))
            add_entry(aside, problem);
    }
    pthread_mutex_unlock(&aside->lock);
    return problems != NULL;
}

void fetch_aside_set_due(FetchAside *aside, gboolean everything)
{
    pthread_mutex_lock(&aside->lock);
    aside->all_due = everything;
    g_hash_table_remove_all(aside->tried);
    pthread_mutex_unlock(&aside->lock);
}

/* Under the lock. */
static const Entry *find(FetchAside *aside, gint64 folder, guint32 uid)
{
    const Key key = {folder, uid};

    return g_hash_table_lookup(aside->entries, &key);
}

gboolean fetch_aside_has(FetchAside *aside, gint64 folder, guint32 uid)
{
    pthread_mutex_lock(&aside->lock);
    gboolean found = find(aside, folder, uid) != NULL;
    pthread_mutex_unlock(&aside->lock);
    return found;
}

gboolean fetch_aside_waits(FetchAside *aside, gint64 folder, guint32 uid)
{
    pthread_mutex_lock(&aside->lock);
    const Entry *entry = find(aside, folder, uid);
    gboolean due = aside->all_due && entry && !g_hash_table_contains(aside->tried, &entry->key);
    gboolean waits = entry && !due && entry->retry > net_clock_seconds(aside->clock);
    pthread_mutex_unlock(&aside->lock);
    return waits;
}

gboolean fetch_aside_is_old(FetchAside *aside, gint64 folder, guint32 uid)
{
    pthread_mutex_lock(&aside->lock);
    const Entry *entry = find(aside, folder, uid);
    gboolean old = entry && entry->since <= net_clock_seconds(aside->clock) - OLD;
    pthread_mutex_unlock(&aside->lock);
    return old;
}

guint fetch_aside_size(FetchAside *aside)
{
    pthread_mutex_lock(&aside->lock);
    guint size = g_hash_table_size(aside->entries);
    pthread_mutex_unlock(&aside->lock);
    return size;
}

/* ---- writing ------------------------------------------------------------------------------- */

static char *describe(CacheTxn *txn, gint64 id, guint32 uid, const char *words)
{
    g_autoptr(CacheFolder) folder = id ? cache_folder_get(txn, id, NULL) : NULL;
    CachePlacement row = {0};

    if (!folder || uid == 0)
        return g_strdup_printf(
            "The provider gives no messages of %s now: %s",
            folder ? folder->name ? folder->name : folder->base_name : "a folder", words);
    cache_placement_get(txn, id, uid, &row, NULL);
    g_autofree char *size = g_format_size(row.size);
    return g_strdup_printf("The message with UID %u of %s (%s) can't be fetched: %s", uid,
                           folder->name ? folder->name : folder->base_name, size, words);
}

/* Under the lock. */
static gboolean set_aside(FetchAside *aside, CacheTxn *txn, gint64 folder, guint32 uid,
                          const char *words, GError **error)
{
    const Entry *known = find(aside, folder, uid);
    gint64 now = net_clock_seconds(aside->clock);
    gint64 since = known ? known->since : now;
    g_autofree char *text = describe(txn, folder, uid, words);
    CacheProblem problem = {.operation = (char *)"fetch",
                            .folder = folder,
                            .uid = uid,
                            .text = text,
                            .since = since,
                            .retry = now + CLAMP(now - since, WAIT_FIRST, WAIT_MAX)};

    problem.id = cache_problem_set(txn, &problem, error);
    if (problem.id == 0)
        return FALSE;
    if (!known) /* not at each try */
        g_message("%s: %s", aside->settings->id, text);
    add_entry(aside, &problem);
    const Key key = {folder, uid};
    g_hash_table_add(aside->tried, g_memdup2(&key, sizeof key));
    return TRUE;
}

/* Under the lock. */
static gboolean end(FetchAside *aside, CacheTxn *txn, gint64 folder, guint32 uid, GError **error)
{
    const Key key = {folder, uid};
    const Entry *entry = find(aside, folder, uid);

    if (!entry)
        return TRUE;
    if (!cache_problem_clear(txn, entry->id, error))
        return FALSE;
    if (uid)
        g_message("%s: the message with UID %u could be fetched", aside->settings->id, uid);
    else
        g_message("%s: the provider gives the folder's messages again", aside->settings->id);
    g_hash_table_remove(aside->entries, &key);
    return TRUE;
}

/* Under the lock. */
static gboolean has_news(FetchAside *aside, const FetchOutcome *outcome, const char *general)
{
    if (general || outcome->refused->len > 0)
        return TRUE;
    return outcome->finished->len > 0 && g_hash_table_size(aside->entries) > 0;
}

static gboolean write_outcome(FetchAside *aside, CacheTxn *txn, const FetchOutcome *outcome,
                              const char *general, GError **error)
{
    for (guint i = 0; i < outcome->finished->len; i++) {
        const CacheWanted *item = &g_array_index(outcome->finished, CacheWanted, i);
        if (!end(aside, txn, item->folder, item->uid, error) ||
            (item->folder != outcome->closed && !end(aside, txn, item->folder, 0, error)))
            return FALSE;
    }
    /* Earlier versions knew of no folder. */
    if (outcome->finished->len > 0 && !end(aside, txn, 0, 0, error))
        return FALSE;
    for (guint i = 0; i < outcome->refused->len; i++) {
        const CacheWanted *item = &g_array_index(outcome->refused, CacheWanted, i);
        if (!set_aside(aside, txn, item->folder, item->uid, outcome->words, error))
            return FALSE;
    }
    return !general || set_aside(aside, txn, outcome->closed, 0, general, error);
}

/* After what was written was undone. Where even that fails, it is read before the next plan. */
static void load_again(FetchAside *aside)
{
    g_autoptr(CacheTxn) txn = cache_begin(aside->cache, CACHE_READ, NULL);

    if (txn)
        fetch_aside_load(aside, txn);
}

gboolean fetch_aside_write(FetchAside *aside, const FetchOutcome *outcome, const char *general,
                           GError **error)
{
    pthread_mutex_lock(&aside->lock);
    gboolean news = has_news(aside, outcome, general);
    pthread_mutex_unlock(&aside->lock);
    if (!news)
        return TRUE;
    g_autoptr(CacheTxn) txn = cache_begin(aside->cache, CACHE_WRITE_FULL, error);
    pthread_mutex_lock(&aside->lock);
    gboolean ok = txn && write_outcome(aside, txn, outcome, general, error) &&
                  cache_commit(g_steal_pointer(&txn), error);
    pthread_mutex_unlock(&aside->lock);
    g_clear_pointer(&txn, cache_end);
    if (!ok)
        load_again(aside);
    return ok;
}
