/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The arguments of SELECT and EXAMINE: RFC 3501 6.3.1, CONDSTORE and QRESYNC (7162).
 */
#pragma once

#include "daemon/proto/imap/lexer.h"

G_BEGIN_DECLS

typedef struct {
    char *mailbox;
    gboolean condstore;
    gboolean qresync; /* then uidvalidity and modseq are set */
    guint32 uidvalidity;
    guint64 modseq;
    ImapSequenceSet *known_uids; /* or NULL: all */
    ImapSequenceSet
        *match_seqs; /* seq-match-data: pairs, walk both with ImapSequenceIter; or NULL */
    ImapSequenceSet *match_uids;
} ImapSelectArgs;

ImapSelectArgs *imap_select_args_parse(ImapLexer *lexer, GError **error);
void imap_select_args_free(ImapSelectArgs *args);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapSelectArgs, imap_select_args_free)

G_END_DECLS
