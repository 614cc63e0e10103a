/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The arguments of STORE and UID STORE.
 */
#include "daemon/proto/imap/store-args.h"

#include <string.h>

#include "daemon/proto/imap/mailbox-name.h"

void imap_store_args_free(ImapStoreArgs *args)
{
    if (args == NULL)
        return;
    imap_sequence_set_free(args->set);
    imap_flags_free(args->flags);
    g_clear_pointer(&args->labels, g_ptr_array_unref);
    g_free(args);
}

/* "(UNCHANGEDSINCE 12) ", if it is there (RFC 7162, 3.1.3). */
static gboolean read_store_modifiers(ImapLexer *lexer, ImapStoreArgs *args, GError **error)
{
    if (!imap_lexer_take(lexer, '('))
        return TRUE;
    if (!imap_lexer_take_word(lexer, "UNCHANGEDSINCE"))
        return imap_lexer_fail(lexer, "UNCHANGEDSINCE", error);
    args->unchanged_since = TRUE;
    return imap_lexer_space(lexer, error) && imap_lexer_number64(lexer, &args->modseq, error) &&
           imap_lexer_expect(lexer, ')', error) && imap_lexer_space(lexer, error);
}

static gboolean read_label(ImapLexer *lexer, gpointer data, GError **error)
{
    char *label = imap_lexer_label(lexer, error);

    if (label == NULL)
        return FALSE;
    g_ptr_array_add(data, label);
    return TRUE;
}

static gboolean read_labels(ImapLexer *lexer, ImapStoreArgs *args, GError **error)
{
    args->labels = g_ptr_array_new_with_free_func(g_free);
    if (imap_lexer_peek(lexer) == '(')
        return imap_lexer_list(lexer, "labels", TRUE, read_label, args->labels, error);
    return read_label(lexer, args->labels, error);
}

/* "+FLAGS.SILENT": what to do, and with what. */
static gboolean read_action(ImapLexer *lexer, ImapStoreArgs *args, GError **error)
{
    g_autofree char *word = imap_lexer_word(lexer, "FLAGS, +FLAGS or -FLAGS", error);
    const char *name = word;

    if (word == NULL || !imap_lexer_space(lexer, error))
        return FALSE;
    if (*name == '+' || *name == '-')
        args->mode = *name++ == '+' ? IMAP_STORE_ADD : IMAP_STORE_REMOVE;
    args->silent = g_str_has_suffix(name, ".SILENT");
    if (args->silent)
        word[strlen(word) - strlen(".SILENT")] = '\0';
    if (g_str_equal(name, "FLAGS")) {
        args->flags = imap_lexer_flags(lexer, TRUE, error);
        return args->flags != NULL;
    }
    if (g_str_equal(name, "X-GM-LABELS") && (lexer->mode & IMAP_MODE_GMAIL) != 0)
        return read_labels(lexer, args, error);
    g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_SYNTAX,
                        "expected FLAGS, +FLAGS or -FLAGS, maybe with .SILENT");
    return FALSE;
}

ImapStoreArgs *imap_store_args_parse(ImapLexer *lexer, GError **error)
{
    g_autoptr(ImapStoreArgs) args = g_new0(ImapStoreArgs, 1);

    if (!imap_lexer_space(lexer, error) ||
        (args->set = imap_lexer_sequence_set(lexer, TRUE, error)) == NULL ||
        !imap_lexer_space(lexer, error) || !read_store_modifiers(lexer, args, error) ||
        !read_action(lexer, args, error) || !imap_lexer_end(lexer, error))
        return NULL;
    return g_steal_pointer(&args);
}
