/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sets of keywords: all of them in memory, each with its number, and in the database as soon as a
 * row refers to it. Numbers are given once per process, so that a number from a transaction that
 * was rolled back still means the same set.
 */
#include "cache/private.h"

#include <string.h>

/* Whoever makes up keywords without end must not fill the memory, nor use up what others need: a
 * provider comes to its end first, then clients; what the changes of both become goes on for long. */
typedef struct {
    guint sets;   /* in all */
    gsize octets; /* of their names, in all */
    guint names;  /* of one set */
} Limits;

static const Limits of_providers = {100000, 32 * 1024 * 1024, 1000};
static const Limits of_clients = {200000, 64 * 1024 * 1024, 1000};
static const Limits of_merges = {1000000, 256 * 1024 * 1024, 4000};

#define LENGTH_MAX 255

/* Keywords of a set too many that are tried one by one. */
#define TRIED_MAX 32

typedef struct {
    char **names; /* sorted */
    gboolean stored;
} KeywordSet;

struct Keywords {
    pthread_mutex_t lock;
    GPtrArray *sets;       /* KeywordSet by number; 0 is the empty one */
    GHashTable *by_key;    /* folded names, joined → number */
    GHashTable *spellings; /* folded name → as first seen in one of them */
    gsize octets;          /* of all names in all sets */
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

/* As it was first spelled; NULL: in no set yet. */
static const char *spelling_of(const Keywords *keywords, const char *name)
{
    g_autofree char *folded = g_ascii_strdown(name, -1);

    return g_hash_table_lookup(keywords->spellings, folded);
}

/* The names, sorted, each once, as first spelled; borrowed from `spellings` or from `names`. */
static GPtrArray *canonical(const Keywords *keywords, const char *const *names)
{
    GPtrArray *sorted = g_ptr_array_new();
    guint count = 0;

    for (; names && *names; names++) {
        const char *spelling = spelling_of(keywords, *names);
        g_ptr_array_add(sorted, (char *)(spelling ? spelling : *names));
    }
    g_ptr_array_sort(sorted, compare_names);
    for (guint i = 0; i < sorted->len; i++)
        if (i == 0 || compare_names(&sorted->pdata[i], &sorted->pdata[count - 1]) != 0)
            sorted->pdata[count++] = sorted->pdata[i];
    g_ptr_array_set_size(sorted, (int)count);
    g_ptr_array_add(sorted, NULL);
    return sorted;
}

static void set_at(Keywords *keywords, guint number, GPtrArray *sorted, gboolean stored)
{
    KeywordSet *set = g_new(KeywordSet, 1);

    *set = (KeywordSet){g_strdupv((char **)sorted->pdata), stored};
    for (char **name = set->names; *name; name++) {
        keywords->octets += strlen(*name) + 1;
        if (!spelling_of(keywords, *name))
            g_hash_table_insert(keywords->spellings, g_ascii_strdown(*name, -1), g_strdup(*name));
    }
    if (number >= keywords->sets->len)
        g_ptr_array_set_size(keywords->sets, (int)number + 1);
    set_free(keywords->sets->pdata[number]);
    keywords->sets->pdata[number] = set;
}

static char *key_of(GPtrArray *sorted)
{
    g_autofree char *joined = g_strjoinv(" ", (char **)sorted->pdata);

    return g_ascii_strdown(joined, -1);
}

static gboolean find_number(Keywords *keywords, GPtrArray *sorted, guint32 *number)
{
    g_autofree char *key = key_of(sorted);
    gpointer known;

    if (!g_hash_table_lookup_extended(keywords->by_key, key, NULL, &known))
        return FALSE;
    *number = GPOINTER_TO_UINT(known);
    return TRUE;
}

/* G_MAXUINT32: it is new, and there are too many. */
static guint32 number_of(Keywords *keywords, GPtrArray *sorted, const Limits *limits)
{
    guint32 number;

    if (find_number(keywords, sorted, &number))
        return number;
    if (keywords->sets->len >= limits->sets || keywords->octets >= limits->octets)
        return G_MAXUINT32;
    number = keywords->sets->len;
    set_at(keywords, number, sorted, FALSE);
    g_hash_table_insert(keywords->by_key, key_of(sorted), GUINT_TO_POINTER(number));
    return number;
}

/* Of a set that is new, one that isn't: of all the names that are known together, or of those that,
 * one after the other, make one. */
static guint32 known_part(Keywords *keywords, GPtrArray *sorted)
{
    g_autoptr(GPtrArray) part = g_ptr_array_new();
    g_autoptr(GPtrArray) known = g_ptr_array_new();
    guint32 number = 0;

    for (guint i = 0; i + 1 < sorted->len; i++)
        if (spelling_of(keywords, sorted->pdata[i]))
            g_ptr_array_add(known, sorted->pdata[i]);
    g_ptr_array_add(known, NULL);
    if (find_number(keywords, known, &number))
        return number;
    g_ptr_array_add(part, NULL);
    for (guint i = 0; i + 1 < known->len && i < TRIED_MAX; i++) {
        g_ptr_array_insert(part, (int)part->len - 1, known->pdata[i]);
        if (!find_number(keywords, part, &number))
            g_ptr_array_remove_index(part, part->len - 2);
    }
    return number;
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
    g_autoptr(GPtrArray) none = canonical(keywords, NULL);
    set_at(keywords, 0, none, TRUE);
    g_hash_table_insert(keywords->by_key, g_strdup(""), GUINT_TO_POINTER(0));

    g_auto(DbQuery) query = db_query(db, SQL_LOAD);
    while (db_next(&query)) {
        guint32 number = (guint32)db_int(&query, 0);
        g_auto(GStrv) names = g_strsplit(db_column_text(&query, 1), " ", -1);
        g_autoptr(GPtrArray) sorted = canonical(keywords, (const char *const *)names);
        set_at(keywords, number, sorted, TRUE);
        g_hash_table_insert(keywords->by_key, key_of(sorted), GUINT_TO_POINTER(number));
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

static gboolean check_names(const char *const *names, const Limits *limits, GError **error)
{
    for (gsize i = 0; names && names[i]; i++) {
        if (i < limits->names && valid(names[i]))
            continue;
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID,
                    i < limits->names ? "A keyword is empty, too long or has spaces in it"
                                      : "There are too many keywords on one message");
        return FALSE;
    }
    return TRUE;
}

/* all: NULL, or told whether they are: then a part of them will do. */
static guint32 intern_within(CacheTxn *txn, const char *const *names, const Limits *limits,
                             gboolean *all, GError **error)
{
    Keywords *keywords = txn->cache->keywords;

    if (!names || !*names)
        return 0;
    if (!txn_writes(txn, FALSE, error) || !check_names(names, limits, error))
        return G_MAXUINT32;
    pthread_mutex_lock(&keywords->lock);
    g_autoptr(GPtrArray) sorted = canonical(keywords, names);
    guint32 number = number_of(keywords, sorted, limits);
    if (number == G_MAXUINT32 && all) {
        *all = FALSE;
        number = known_part(keywords, sorted);
    }
    pthread_mutex_unlock(&keywords->lock);
    if (number == G_MAXUINT32)
        g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_INVALID,
                            "There are too many different sets of keywords");
    return number == G_MAXUINT32 || keywords_keep(txn, number, error) ? number : G_MAXUINT32;
}

guint32 cache_keywords_intern(CacheTxn *txn, const char *const *names, GError **error)
{
    return intern_within(txn, names, &of_clients, NULL, error);
}

guint32 cache_keywords_told(CacheTxn *txn, const char *const *names, gboolean *all, GError **error)
{
    *all = TRUE;
    return intern_within(txn, names, &of_providers, all, error);
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

/* Of two sorted lists: all, or (cut) those of `a` that aren't in `b`. NULL-terminated, borrowed. */
static GPtrArray *walk_both(const char *const *a, const char *const *b, gboolean cut)
{
    GPtrArray *names = g_ptr_array_new();

    while (*a || (*b && !cut)) {
        int order = !*a ? 1 : !*b ? -1 : g_ascii_strcasecmp(*a, *b);
        if (order < 0 || (order == 0 && !cut))
            g_ptr_array_add(names, (char *)*a);
        else if (order > 0 && !cut)
            g_ptr_array_add(names, (char *)*b);
        a += order <= 0;
        b += order >= 0;
    }
    g_ptr_array_add(names, NULL);
    return names;
}

static guint32 union_within(CacheTxn *txn, guint32 a, guint32 b, const Limits *limits,
                            GError **error)
{
    if (a == b || !b)
        return a;
    if (!a)
        return b;
    g_autoptr(GPtrArray) names =
        walk_both(cache_keywords_names(txn->cache, a), cache_keywords_names(txn->cache, b), FALSE);
    return intern_within(txn, (const char *const *)names->pdata, limits, NULL, error);
}

guint32 keywords_add(CacheTxn *txn, guint32 a, guint32 b, GError **error)
{
    return union_within(txn, a, b, &of_clients, error);
}

guint32 cache_keywords_union(CacheTxn *txn, guint32 a, guint32 b, GError **error)
{
    return union_within(txn, a, b, &of_merges, error);
}

guint32 cache_keywords_subtract(CacheTxn *txn, guint32 a, guint32 b, GError **error)
{
    if (!a || !b)
        return a;
    g_autoptr(GPtrArray) names =
        walk_both(cache_keywords_names(txn->cache, a), cache_keywords_names(txn->cache, b), TRUE);
    return intern_within(txn, (const char *const *)names->pdata, &of_merges, NULL, error);
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
