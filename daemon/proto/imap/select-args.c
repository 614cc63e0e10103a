/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The arguments of SELECT and EXAMINE.
 */
#include "daemon/proto/imap/select-args.h"

void imap_select_args_free(ImapSelectArgs *args)
{
    if (args == NULL)
        return;
    g_free(args->mailbox);
    imap_sequence_set_free(args->known_uids);
    imap_sequence_set_free(args->match_seqs);
    imap_sequence_set_free(args->match_uids);
    g_free(args);
}

/* "(1,2 10,20)": which sequence numbers had which UIDs. */
static gboolean read_match(ImapLexer *lexer, ImapSelectArgs *args, GError **error)
{
    return imap_lexer_expect(lexer, '(', error) &&
           (args->match_seqs = imap_lexer_uid_set(lexer, error)) != NULL &&
           imap_lexer_space(lexer, error) &&
           (args->match_uids = imap_lexer_uid_set(lexer, error)) != NULL &&
           imap_lexer_expect(lexer, ')', error);
}

/* What may follow the mod-sequence: the known UIDs, the match data, or both. */
static gboolean read_known(ImapLexer *lexer, ImapSelectArgs *args, GError **error)
{
    if (!imap_lexer_take(lexer, ' '))
        return TRUE;
    if (imap_lexer_peek(lexer) != '(') {
        args->known_uids = imap_lexer_uid_set(lexer, error);
        if (args->known_uids == NULL)
            return FALSE;
        if (!imap_lexer_take(lexer, ' '))
            return TRUE;
    }
    return read_match(lexer, args, error);
}

/* " (67890007 90060115194045000 41:211,214:541)" (RFC 7162, 3.2.5). */
static gboolean read_qresync(ImapLexer *lexer, ImapSelectArgs *args, GError **error)
{
    if (args->qresync) {
        g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_SYNTAX, "QRESYNC stands there twice");
        return FALSE;
    }
    args->qresync = TRUE;
    return imap_lexer_space(lexer, error) && imap_lexer_expect(lexer, '(', error) &&
           imap_lexer_nz_number(lexer, &args->uidvalidity, error) &&
           imap_lexer_space(lexer, error) && imap_lexer_number64(lexer, &args->modseq, error) &&
           read_known(lexer, args, error) && imap_lexer_expect(lexer, ')', error);
}

static gboolean read_select_parameter(ImapLexer *lexer, gpointer data, GError **error)
{
    ImapSelectArgs *args = data;

    if (imap_lexer_take_word(lexer, "CONDSTORE"))
        return args->condstore = TRUE;
    if (imap_lexer_take_word(lexer, "QRESYNC"))
        return read_qresync(lexer, args, error);
    return imap_lexer_fail(lexer, "CONDSTORE or QRESYNC", error);
}

ImapSelectArgs *imap_select_args_parse(ImapLexer *lexer, GError **error)
{
    g_autoptr(ImapSelectArgs) args = g_new0(ImapSelectArgs, 1);

    if (!imap_lexer_space(lexer, error) ||
        (args->mailbox = imap_lexer_mailbox(lexer, error)) == NULL)
        return NULL;
    if (imap_lexer_more(lexer) &&
        !imap_lexer_list(lexer, "SELECT parameters", FALSE, read_select_parameter, args, error))
        return NULL;
    return imap_lexer_end(lexer, error) ? g_steal_pointer(&args) : NULL;
}
