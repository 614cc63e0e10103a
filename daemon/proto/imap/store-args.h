/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The arguments of STORE and UID STORE: RFC 3501 6.4.6, UNCHANGEDSINCE (RFC 7162), X-GM-LABELS.
 */
#pragma once

#include "daemon/proto/imap/lexer.h"

G_BEGIN_DECLS

typedef enum {
    IMAP_STORE_REPLACE, /* FLAGS */
    IMAP_STORE_ADD,     /* +FLAGS */
    IMAP_STORE_REMOVE,  /* -FLAGS */
} ImapStoreMode;

typedef struct {
    ImapSequenceSet *set;
    gboolean unchanged_since; /* was given; then modseq may be 0 */
    guint64 modseq;
    ImapStoreMode mode;
    gboolean silent;
    ImapFlags *flags;  /* NULL for X-GM-LABELS */
    GPtrArray *labels; /* char *: X-GM-LABELS (in that mode), decoded as mailbox names; else NULL */
} ImapStoreArgs;

/* IMAP_ERROR_FLAG for a flag that can't be set. */
ImapStoreArgs *imap_store_args_parse(ImapLexer *lexer, GError **error);
void imap_store_args_free(ImapStoreArgs *args);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapStoreArgs, imap_store_args_free)

G_END_DECLS
