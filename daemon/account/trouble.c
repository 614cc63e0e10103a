/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Made of the folders' counts and the words of the cache's problems. */
#include "daemon/account/trouble.h"

#include "cache/content.h"
#include "cache/problem.h"
#include "daemon/config/choice.h"
#include "daemon/words/words.h"

#include <string.h>

struct AccountTrouble {
    GHashTable *problems; /* folder's id → GPtrArray of its CacheProblem */
};

static void add_problem(GHashTable *problems, CacheProblem *problem)
{
    GPtrArray *of_folder = g_hash_table_lookup(problems, &problem->folder);

    if (!of_folder) {
        of_folder = g_ptr_array_new_with_free_func((GDestroyNotify)cache_problem_free);
        g_hash_table_insert(problems, g_memdup2(&problem->folder, sizeof problem->folder),
                            of_folder);
    }
    g_ptr_array_add(of_folder, problem);
}

AccountTrouble *account_trouble_read(CacheTxn *txn, GError **error)
{
    g_autoptr(GPtrArray) problems = cache_problem_list(txn, error);

    if (!problems)
        return NULL;
    AccountTrouble *trouble = g_new(AccountTrouble, 1);
    trouble->problems = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free,
                                              (GDestroyNotify)g_ptr_array_unref);
    g_ptr_array_set_free_func(problems, NULL);
    for (guint i = 0; i < problems->len; i++)
        add_problem(trouble->problems, g_ptr_array_index(problems, i));
    return trouble;
}

void account_trouble_free(AccountTrouble *trouble)
{
    if (!trouble)
        return;
    g_hash_table_unref(trouble->problems);
    g_free(trouble);
}

/* The server's words about the folder as a whole, or else about one of its messages; NULL: there is no
 * such problem. */
static const char *find_words(const AccountTrouble *trouble, gint64 folder, const char *operation,
                              gboolean whole)
{
    const GPtrArray *problems = g_hash_table_lookup(trouble->problems, &folder);

    for (guint i = 0; problems && i < problems->len; i++) {
        const CacheProblem *problem = g_ptr_array_index(problems, i);
        if ((problem->uid == 0) == whole && strcmp(problem->operation, operation) == 0)
            return problem->text && *problem->text ? problem->text : "no reason given";
    }
    return NULL;
}

static const char *words_about(const AccountTrouble *trouble, gint64 folder, const char *operation,
                               gboolean whole)
{
    const char *words = find_words(trouble, folder, operation, whole);

    return words ? words : "no reason given";
}

static void add_sentence(GString *text, const AccountTrouble *trouble, const CacheFolder *folder,
                         guint count, const char *operation, const char *what)
{
    const char *words = words_about(trouble, folder->id, operation, FALSE);

    if (count == 0)
        return;
    if (text->len)
        g_string_append(text, "; ");
    g_string_append_printf(text, "%u message%s of %s can't be %s: %s", count, count == 1 ? "" : "s",
                           folder->name ? folder->name : folder->base_name, what, words);
}

char *account_trouble_of(const AccountTrouble *trouble, const CacheFolder *folder)
{
    const char *closed = find_words(trouble, folder->id, "fetch", TRUE);
    const char *left_out = find_words(trouble, folder->id, "keywords", TRUE);
    GString *text = g_string_new(NULL);

    if (folder->unreadable)
        g_string_append_printf(text, "%s can't be read: %s",
                               folder->name ? folder->name : folder->base_name,
                               words_about(trouble, folder->id, "read", TRUE));
    add_sentence(text, trouble, folder, folder->unread, "read", "read");
    /* Of a folder that gives none, that problem is one of those that are counted. */
    if (closed)
        g_string_append_printf(text, "%s%s", text->len ? "; " : "", closed);
    add_sentence(text, trouble, folder, folder->failing - (closed && folder->failing ? 1 : 0),
                 "fetch", "fetched");
    if (left_out)
        g_string_append_printf(text, "%s%s: %s", text->len ? "; " : "",
                               folder->name ? folder->name : folder->base_name, left_out);
    if (text->len == 0) {
        g_string_free(text, TRUE);
        return NULL;
    }
    g_autofree char *raw = g_string_free(text, FALSE);
    return words_text(raw);
}

const char *account_trouble_of_list(const AccountTrouble *trouble)
{
    return find_words(trouble, 0, "list", TRUE);
}

gboolean account_trouble_missing(CacheTxn *txn, const CacheFolder *folder,
                                 const AccountSettings *settings, guint64 *missing, GError **error)
{
    const char *name = folder->base_name ? folder->base_name : "";
    gboolean headers = account_keeps_headers(settings, name);
    guint recent = 0;

    *missing = 0;
    if (account_leaves_out(settings, name))
        return TRUE;
    *missing = folder->unread;
    if (settings->prefetch_days == ACCOUNT_PREFETCH_ALL && !headers) {
        *missing += folder->missing;
        return TRUE;
    }
    if (settings->prefetch_days != ACCOUNT_PREFETCH_HEADERS && !headers) {
        gint64 since = g_get_real_time() / G_USEC_PER_SEC - (gint64)settings->prefetch_days * 86400;
        if (folder->missing &&
            !cache_content_wanted_count(txn, folder->id, CACHE_CONTENT_FULL, since, &recent, error))
            return FALSE;
    }
    *missing += MAX(recent, folder->headless);
    return TRUE;
}
