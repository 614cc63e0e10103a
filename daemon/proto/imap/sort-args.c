/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The arguments of SORT and THREAD.
 */
#include "daemon/proto/imap/sort-args.h"

static const struct {
    const char *name;
    ImapSortKind kind;
} sort_names[] = {
    {"ARRIVAL", IMAP_SORT_ARRIVAL},     {"CC", IMAP_SORT_CC},
    {"DATE", IMAP_SORT_DATE},           {"DISPLAYFROM", IMAP_SORT_DISPLAYFROM},
    {"DISPLAYTO", IMAP_SORT_DISPLAYTO}, {"FROM", IMAP_SORT_FROM},
    {"RELEVANCY", IMAP_SORT_RELEVANCY}, {"SIZE", IMAP_SORT_SIZE},
    {"SUBJECT", IMAP_SORT_SUBJECT},     {"TO", IMAP_SORT_TO},
};

static const struct {
    const char *name;
    ImapThreadAlgorithm algorithm;
} algorithms[] = {
    {"ORDEREDSUBJECT", IMAP_THREAD_ORDEREDSUBJECT},
    {"REFERENCES", IMAP_THREAD_REFERENCES},
    {"REFS", IMAP_THREAD_REFS},
};

void imap_sort_args_free(ImapSortArgs *args)
{
    if (args == NULL)
        return;
    g_array_unref(args->keys);
    imap_fetch_args_free(args->ret.items);
    imap_search_key_free(args->key);
    g_free(args);
}

void imap_thread_args_free(ImapThreadArgs *args)
{
    if (args == NULL)
        return;
    imap_search_key_free(args->key);
    g_free(args);
}

/* "SUBJECT" or "REVERSE DATE" */
static gboolean read_sort_key(ImapLexer *lexer, gpointer data, GError **error)
{
    ImapSortKey key = {.reverse = imap_lexer_take_word(lexer, "REVERSE")};

    if (key.reverse && !imap_lexer_space(lexer, error))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(sort_names); i++) {
        if (!imap_lexer_take_word(lexer, sort_names[i].name))
            continue;
        key.kind = sort_names[i].kind;
        g_array_append_vals(data, &key, 1);
        return TRUE;
    }
    return imap_lexer_fail(lexer,
                           "ARRIVAL, CC, DATE, DISPLAYFROM, DISPLAYTO, FROM, RELEVANCY, SIZE, "
                           "SUBJECT or TO",
                           error);
}

/* " UTF-8 " and the search program, which ends the command. */
static ImapSearchKey *read_charset_and_program(ImapLexer *lexer, GError **error)
{
    g_autofree char *charset = NULL;

    if (!imap_lexer_space(lexer, error))
        return NULL;
    charset = imap_lexer_astring(lexer, "a charset", error);
    if (charset == NULL || !imap_lexer_space(lexer, error))
        return NULL;
    return imap_search_program_read(lexer, charset, error);
}

ImapSortArgs *imap_sort_args_parse(ImapLexer *lexer, GError **error)
{
    g_autoptr(ImapSortArgs) args = g_new0(ImapSortArgs, 1);

    args->keys = g_array_new(FALSE, FALSE, sizeof(ImapSortKey));
    if (!imap_search_return_read(lexer, &args->ret, error) || !imap_lexer_space(lexer, error) ||
        !imap_lexer_list(lexer, "sort keys in parentheses", FALSE, read_sort_key, args->keys,
                         error))
        return NULL;
    args->key = read_charset_and_program(lexer, error);
    return args->key != NULL ? g_steal_pointer(&args) : NULL;
}

static gboolean read_algorithm(ImapLexer *lexer, ImapThreadAlgorithm *algorithm, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(algorithms); i++) {
        if (!imap_lexer_take_word(lexer, algorithms[i].name))
            continue;
        *algorithm = algorithms[i].algorithm;
        return TRUE;
    }
    return imap_lexer_fail(lexer, "ORDEREDSUBJECT, REFERENCES or REFS", error);
}

ImapThreadArgs *imap_thread_args_parse(ImapLexer *lexer, GError **error)
{
    g_autoptr(ImapThreadArgs) args = g_new0(ImapThreadArgs, 1);

    if (!imap_lexer_space(lexer, error) || !read_algorithm(lexer, &args->algorithm, error))
        return NULL;
    args->key = read_charset_and_program(lexer, error);
    return args->key != NULL ? g_steal_pointer(&args) : NULL;
}
