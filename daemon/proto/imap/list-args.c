/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The arguments of LIST and LSUB.
 */
#include "daemon/proto/imap/list-args.h"

static const struct {
    const char *name;
    guint bit;
    guint returns; /* what selecting by it also returns (RFC 5258, 3.1; RFC 6154, 2) */
} selections[] = {
    {"SUBSCRIBED", IMAP_LIST_SUBSCRIBED, IMAP_LIST_RETURN_SUBSCRIBED},
    {"REMOTE", IMAP_LIST_REMOTE},
    {"RECURSIVEMATCH", IMAP_LIST_RECURSIVEMATCH},
    {"SPECIAL-USE", IMAP_LIST_SPECIAL_USE, IMAP_LIST_RETURN_SPECIAL_USE},
};

static gboolean read_list_status(ImapLexer *lexer, ImapListArgs *args, GError **error);
static gboolean read_metadata(ImapLexer *lexer, ImapListArgs *args, GError **error);

static const struct {
    const char *name;
    guint bit;
    gboolean (*read)(ImapLexer *lexer, ImapListArgs *args, GError **error);
} returns[] = {
    {"SUBSCRIBED", IMAP_LIST_RETURN_SUBSCRIBED},
    {"CHILDREN", IMAP_LIST_RETURN_CHILDREN},
    {"SPECIAL-USE", IMAP_LIST_RETURN_SPECIAL_USE},
    {"MYRIGHTS", IMAP_LIST_RETURN_MYRIGHTS},
    {"STATUS", IMAP_LIST_RETURN_STATUS, read_list_status},
    {"METADATA", IMAP_LIST_RETURN_METADATA, read_metadata},
};

void imap_list_args_free(ImapListArgs *args)
{
    if (args == NULL)
        return;
    g_free(args->reference);
    g_ptr_array_unref(args->patterns);
    g_clear_pointer(&args->metadata, g_ptr_array_unref);
    g_free(args);
}

static ImapListArgs *list_args_new(void)
{
    ImapListArgs *args = g_new0(ImapListArgs, 1);

    args->patterns = g_ptr_array_new_with_free_func(g_free);
    return args;
}

/* " (MESSAGES UNSEEN)" behind STATUS (RFC 5819). */
static gboolean read_list_status(ImapLexer *lexer, ImapListArgs *args, GError **error)
{
    return imap_lexer_space(lexer, error) && imap_status_items_read(lexer, &args->status, error);
}

static gboolean read_list_entry(ImapLexer *lexer, gpointer data, GError **error)
{
    char *entry = imap_lexer_astring(lexer, "a METADATA entry", error);

    if (entry == NULL)
        return FALSE;
    g_ptr_array_add(data, entry);
    return TRUE;
}

/* " (/shared/comment)" behind METADATA (RFC 9590); a single entry may do without parentheses. */
static gboolean read_metadata(ImapLexer *lexer, ImapListArgs *args, GError **error)
{
    if (!imap_lexer_space(lexer, error))
        return FALSE;
    if (args->metadata == NULL)
        args->metadata = g_ptr_array_new_with_free_func(g_free);
    if (imap_lexer_peek(lexer) == '(')
        return imap_lexer_list(lexer, "METADATA entries", FALSE, read_list_entry, args->metadata,
                               error);
    return read_list_entry(lexer, args->metadata, error);
}

static gboolean read_selection(ImapLexer *lexer, gpointer data, GError **error)
{
    ImapListArgs *args = data;

    for (gsize i = 0; i < G_N_ELEMENTS(selections); i++) {
        if (!imap_lexer_take_word(lexer, selections[i].name))
            continue;
        args->select |= selections[i].bit;
        args->returns |= selections[i].returns;
        return TRUE;
    }
    return imap_lexer_fail(lexer, "SUBSCRIBED, REMOTE, RECURSIVEMATCH or SPECIAL-USE", error);
}

static gboolean read_list_return(ImapLexer *lexer, gpointer data, GError **error)
{
    ImapListArgs *args = data;

    for (gsize i = 0; i < G_N_ELEMENTS(returns); i++) {
        if (!imap_lexer_take_word(lexer, returns[i].name))
            continue;
        args->returns |= returns[i].bit;
        return returns[i].read == NULL || returns[i].read(lexer, args, error);
    }
    return imap_lexer_fail(lexer, "SUBSCRIBED, CHILDREN, SPECIAL-USE, MYRIGHTS, STATUS or METADATA",
                           error);
}

/* "(SUBSCRIBED RECURSIVEMATCH) ", if it is there. */
static gboolean read_selections(ImapLexer *lexer, ImapListArgs *args, GError **error)
{
    guint needed = IMAP_LIST_SUBSCRIBED | IMAP_LIST_SPECIAL_USE;

    if (imap_lexer_peek(lexer) != '(')
        return TRUE;
    args->extended = TRUE;
    if (!imap_lexer_list(lexer, "selection options", TRUE, read_selection, args, error) ||
        !imap_lexer_space(lexer, error))
        return FALSE;
    if ((args->select & IMAP_LIST_RECURSIVEMATCH) == 0 || (args->select & needed) != 0)
        return TRUE;
    g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_SYNTAX,
                        "RECURSIVEMATCH needs an option to match, such as SUBSCRIBED (RFC 5258)");
    return FALSE;
}

static gboolean read_pattern(ImapLexer *lexer, gpointer data, GError **error)
{
    char *pattern = imap_lexer_list_mailbox(lexer, error);

    if (pattern == NULL)
        return FALSE;
    g_ptr_array_add(data, pattern);
    return TRUE;
}

static gboolean read_patterns(ImapLexer *lexer, ImapListArgs *args, GError **error)
{
    if (imap_lexer_peek(lexer) != '(')
        return read_pattern(lexer, args->patterns, error);
    args->extended = TRUE;
    return imap_lexer_list(lexer, "mailbox patterns", FALSE, read_pattern, args->patterns, error);
}

/* " RETURN (...)", if it is there. */
static gboolean read_returns(ImapLexer *lexer, ImapListArgs *args, GError **error)
{
    if (!imap_lexer_more(lexer))
        return TRUE;
    args->extended = TRUE;
    if (!imap_lexer_take_word(lexer, "RETURN"))
        return imap_lexer_fail(lexer, "RETURN or the end of the command", error);
    return imap_lexer_space(lexer, error) &&
           imap_lexer_list(lexer, "return options", TRUE, read_list_return, args, error);
}

/* The reference and a space. */
static gboolean read_reference(ImapLexer *lexer, ImapListArgs *args, GError **error)
{
    args->reference = imap_lexer_mailbox(lexer, error);
    return args->reference != NULL && imap_lexer_space(lexer, error);
}

ImapListArgs *imap_list_args_parse(ImapLexer *lexer, GError **error)
{
    g_autoptr(ImapListArgs) args = list_args_new();

    if (!imap_lexer_space(lexer, error) || !read_selections(lexer, args, error) ||
        !read_reference(lexer, args, error) || !read_patterns(lexer, args, error) ||
        !read_returns(lexer, args, error) || !imap_lexer_end(lexer, error))
        return NULL;
    return g_steal_pointer(&args);
}

ImapListArgs *imap_lsub_args_parse(ImapLexer *lexer, GError **error)
{
    g_autoptr(ImapListArgs) args = list_args_new();

    if (!imap_lexer_space(lexer, error) || !read_reference(lexer, args, error) ||
        !read_pattern(lexer, args->patterns, error) || !imap_lexer_end(lexer, error))
        return NULL;
    return g_steal_pointer(&args);
}
