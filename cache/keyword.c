/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sets of keywords: all of them in memory, each with its number, and in the database as soon as a
 * row refers to it. Numbers are given once per process, so that a number from a transaction that
 * was rolled back still means the same set.
 */
#include "cache/private.h"

#include <string.h>

/* A server that makes up keywords without end must not fill the memory. */
#define SETS_MAX     100000
#define KEYWORDS_MAX 1000
#define LENGTH_MAX   255

typedef struct {
    char **names; /* sorted */
    gboolean stored;
} KeywordSet;

struct Keywords {
    pthread_mutex_t lock;
    GPtrArray *sets;       /* KeywordSet by number; 0 is the empty one */
    GHashTable *by_key;    /* folded names, joined → number */
    GHashTable *spellings; /* folded name → as first seen */
};

static const char SQL_LOAD[] = "SELECT id, names FROM keyword_set ORDER BY id";
static const char SQL_STORE[] = "INSERT OR IGNORE INTO keyword_set (id, names) VALUES (?, ?)";
static const char SQL_IN_FOLDER[] =
    "SELECT min(keywords) FROM placement"
    " WHERE folder = ? AND keywords > ? AND alive AND keywords <> 0";

static void set_free(gpointer data)
{
    KeywordSet *set = data;
    if (set)
        g_strfreev(set->names);
    g_free(set);
}

void keywords_free(Keywords *keywords)
{
    if (!keywords)
        return;
    pthread_mutex_destroy(&keywords->lock);
    g_ptr_array_unref(keywords->sets);
    g_hash_table_unref(keywords->by_key);
    g_hash_table_unref(keywords->spellings);
    g_free(keywords);
}

/* ---- the sets in memory (under the lock) -------------------------------------------------- */

static int compare_names(gconstpointer a, gconstpointer b)
{
    return g_ascii_strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names, sorted, each once, as first spelled; borrowed from `spellings`. */
static GPtrArray *canonical(Keywords *keywords, const char *const *names)
{
    GPtrArray *sorted = g_ptr_array_new();

    for (; names && *names; names++) {
        g_autofree char *folded = g_ascii_strdown(*names, -1);
        const char *spelling = g_hash_table_lookup(keywords->spellings, folded);
        if (!spelling) {
            spelling = g_strdup(*names);
            g_hash_table_insert(keywords->spellings, g_steal_pointer(&folded), (char *)spelling);
        }
        g_ptr_array_add(sorted, (char *)spelling);
    }
    g_ptr_array_sort(sorted, compare_names);
    for (guint i = sorted->len; i > 1; i--)
        if (sorted->pdata[i - 1] == sorted->pdata[i - 2])
            g_ptr_array_remove_index(sorted, i - 1);
    g_ptr_array_add(sorted, NULL);
    return sorted;
}

static void set_at(Keywords *keywords, guint number, char **names, gboolean stored)
{
    KeywordSet *set = g_new(KeywordSet, 1);

    *set = (KeywordSet){names, stored};
    if (number >= keywords->sets->len)
        g_ptr_array_set_size(keywords->sets, (int)number + 1);
    set_free(keywords->sets->pdata[number]);
    keywords->sets->pdata[number] = set;
}

/* G_MAXUINT32: it is new, and there are too many. */
static guint32 number_of(Keywords *keywords, GPtrArray *sorted)
{
    g_autofree char *joined = g_strjoinv(" ", (char **)sorted->pdata);
    g_autofree char *key = g_ascii_strdown(joined, -1);
    gpointer number;

    if (g_hash_table_lookup_extended(keywords->by_key, key, NULL, &number))
        return GPOINTER_TO_UINT(number);
    if (keywords->sets->len >= SETS_MAX)
        return G_MAXUINT32;
    guint32 new_number = keywords->sets->len;
    set_at(keywords, new_number, g_strdupv((char **)sorted->pdata), FALSE);
    g_hash_table_insert(keywords->by_key, g_steal_pointer(&key), GUINT_TO_POINTER(new_number));
    return new_number;
}

static KeywordSet *set_get(Keywords *keywords, guint32 number)
{
    KeywordSet *set = number < keywords->sets->len ? keywords->sets->pdata[number] : NULL;
    return set ? set : keywords->sets->pdata[0];
}

Keywords *keywords_load(Db *db, GError **error)
{
    Keywords *keywords = g_new0(Keywords, 1);

    pthread_mutex_init(&keywords->lock, NULL);
    keywords->sets = g_ptr_array_new_with_free_func(set_free);
    keywords->by_key = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    keywords->spellings = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    set_at(keywords, 0, g_new0(char *, 1), TRUE);
    g_hash_table_insert(keywords->by_key, g_strdup(""), GUINT_TO_POINTER(0));

    g_auto(DbQuery) query = db_query(db, SQL_LOAD);
    while (db_next(&query)) {
        guint32 number = (guint32)db_int(&query, 0);
        g_auto(GStrv) names = g_strsplit(db_column_text(&query, 1), " ", -1);
        g_autoptr(GPtrArray) sorted = canonical(keywords, (const char *const *)names);
        g_autofree char *joined = g_strjoinv(" ", (char **)sorted->pdata);
        set_at(keywords, number, g_strdupv((char **)sorted->pdata), TRUE);
        g_hash_table_insert(keywords->by_key, g_ascii_strdown(joined, -1),
                            GUINT_TO_POINTER(number));
    }
    if (db_done(&query, error))
        return keywords;
    keywords_free(keywords);
    return NULL;
}

/* ---- the sets in the database ------------------------------------------------------------- */

gboolean keywords_keep(CacheTxn *txn, guint32 number, GError **error)
{
    Keywords *keywords = txn->cache->keywords;

    if (!number)
        return TRUE;
    pthread_mutex_lock(&keywords->lock);
    KeywordSet *set = set_get(keywords, number);
    g_autofree char *joined = set->stored ? NULL : g_strjoinv(" ", set->names);
    set->stored = TRUE; /* only writers look, one at a time */
    pthread_mutex_unlock(&keywords->lock);
    if (!joined)
        return TRUE;
    g_array_append_val(txn->keywords, number);
    return db_run(txn->db, error, SQL_STORE, DB_INT(number), DB_TEXT(joined));
}

void keywords_rolled_back(CacheTxn *txn)
{
    Keywords *keywords = txn->cache->keywords;

    pthread_mutex_lock(&keywords->lock);
    for (guint i = 0; i < txn->keywords->len; i++)
        set_get(keywords, g_array_index(txn->keywords, guint32, i))->stored = FALSE;
    pthread_mutex_unlock(&keywords->lock);
}

/* ---- the interface ------------------------------------------------------------------------ */

static gboolean valid(const char *name)
{
    gsize length = strlen(name);

    for (const char *c = name; *c; c++)
        if ((guchar)*c <= ' ' || *c == 0x7f)
            return FALSE;
    return length > 0 && length <= LENGTH_MAX;
}

static gboolean check_names(const char *const *names, GError **error)
{
    for (gsize i = 0; names && names[i]; i++) {
        if (i < KEYWORDS_MAX && valid(names[i]))
            continue;
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID,
                    i < KEYWORDS_MAX ? "A keyword is empty, too long or has spaces in it"
                                     : "There are too many keywords on one message");
        return FALSE;
    }
    return TRUE;
}

guint32 cache_keywords_intern(CacheTxn *txn, const char *const *names, GError **error)
{
    Keywords *keywords = txn->cache->keywords;

    if (!names || !*names)
        return 0;
    if (!txn_writes(txn, FALSE, error) || !check_names(names, error))
        return G_MAXUINT32;
    pthread_mutex_lock(&keywords->lock);
    g_autoptr(GPtrArray) sorted = canonical(keywords, names);
    guint32 number = number_of(keywords, sorted);
    pthread_mutex_unlock(&keywords->lock);
    if (number == G_MAXUINT32)
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID,
                    "There are too many different sets of keywords (%d)", SETS_MAX);
    return number == G_MAXUINT32 || keywords_keep(txn, number, error) ? number : G_MAXUINT32;
}

const char *const *cache_keywords_names(Cache *cache, guint32 set)
{
    pthread_mutex_lock(&cache->keywords->lock);
    char **names = set_get(cache->keywords, set)->names;
    pthread_mutex_unlock(&cache->keywords->lock);
    return (const char *const *)names;
}

gboolean cache_keywords_contains(Cache *cache, guint32 set, const char *name)
{
    const char *const *names = set ? cache_keywords_names(cache, set) : NULL;

    for (; names && *names; names++)
        if (g_ascii_strcasecmp(*names, name) == 0)
            return TRUE;
    return FALSE;
}

guint32 cache_keywords_union(CacheTxn *txn, guint32 a, guint32 b, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    if (a == b || !b)
        return a;
    if (!a)
        return b;
    for (const char *const *n = cache_keywords_names(txn->cache, a); *n; n++)
        g_ptr_array_add(names, (char *)*n);
    for (const char *const *n = cache_keywords_names(txn->cache, b); *n; n++)
        g_ptr_array_add(names, (char *)*n);
    g_ptr_array_add(names, NULL);
    return cache_keywords_intern(txn, (const char *const *)names->pdata, error);
}

guint32 cache_keywords_subtract(CacheTxn *txn, guint32 a, guint32 b, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    if (!a || !b)
        return a;
    for (const char *const *n = cache_keywords_names(txn->cache, a); *n; n++)
        if (!cache_keywords_contains(txn->cache, b, *n))
            g_ptr_array_add(names, (char *)*n);
    g_ptr_array_add(names, NULL);
    return cache_keywords_intern(txn, (const char *const *)names->pdata, error);
}

/* The next set above `after` that a live message has, from the index; 0: none. */
static guint32 next_in_folder(CacheTxn *txn, gint64 folder, guint32 after)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_IN_FOLDER, DB_INT(folder), DB_INT(after));
    return db_next(&query) ? (guint32)db_int(&query, 0) : 0;
}

char **cache_folder_keywords(CacheTxn *txn, gint64 folder, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (guint32 set = 0; (set = next_in_folder(txn, folder, set)) != 0;)
        for (const char *const *n = cache_keywords_names(txn->cache, set); *n; n++)
            if (g_hash_table_add(seen, (char *)*n))
                g_ptr_array_add(names, (char *)*n);
    g_ptr_array_sort(names, compare_names);
    g_ptr_array_add(names, NULL);
    return g_strdupv((char **)names->pdata);
}
