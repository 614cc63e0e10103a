/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The arguments of STATUS and its items.
 */
#include "daemon/proto/imap/status-args.h"

#include <string.h>

/* The n-th name is bit n. */
static const char *const item_names[] = {
    "MESSAGES", "RECENT",        "UIDNEXT",   "UIDVALIDITY", "UNSEEN",          "DELETED",
    "SIZE",     "HIGHESTMODSEQ", "MAILBOXID", "APPENDLIMIT", "DELETED-STORAGE",
};

guint imap_status_item_from_name(const char *name, gsize length)
{
    for (guint i = 0; i < G_N_ELEMENTS(item_names); i++)
        if (length == strlen(item_names[i]) &&
            g_ascii_strncasecmp(name, item_names[i], length) == 0)
            return 1u << i;
    return 0;
}

const char *imap_status_item_name(guint bit)
{
    for (guint i = 0; i < G_N_ELEMENTS(item_names); i++)
        if (bit == 1u << i)
            return item_names[i];
    return NULL;
}

static gboolean read_item(ImapLexer *lexer, gpointer data, GError **error)
{
    g_autofree char *name = imap_lexer_atom(lexer, "a STATUS item", error);
    guint *items = data, bit;

    if (name == NULL)
        return FALSE;
    bit = imap_status_item_from_name(name, strlen(name));
    *items |= bit;
    if (bit != 0)
        return TRUE;
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_SYNTAX, "STATUS has no item %.40s", name);
    return FALSE;
}

gboolean imap_status_items_read(ImapLexer *lexer, guint *items, GError **error)
{
    *items = 0;
    return imap_lexer_list(lexer, "STATUS items in parentheses", FALSE, read_item, items, error);
}

void imap_status_args_free(ImapStatusArgs *args)
{
    if (args == NULL)
        return;
    g_free(args->mailbox);
    g_free(args);
}

ImapStatusArgs *imap_status_args_parse(ImapLexer *lexer, GError **error)
{
    g_autoptr(ImapStatusArgs) args = g_new0(ImapStatusArgs, 1);

    if (!imap_lexer_space(lexer, error) ||
        (args->mailbox = imap_lexer_mailbox(lexer, error)) == NULL ||
        !imap_lexer_space(lexer, error) || !imap_status_items_read(lexer, &args->items, error) ||
        !imap_lexer_end(lexer, error))
        return NULL;
    return g_steal_pointer(&args);
}
