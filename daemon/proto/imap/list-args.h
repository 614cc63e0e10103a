/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The arguments of LIST and LSUB: RFC 3501 6.3.8, LIST-EXTENDED (5258), LIST-STATUS (5819),
 * SPECIAL-USE (6154), LIST-MYRIGHTS (8440), LIST-METADATA (9590), CHILDREN (3348).
 */
#pragma once

#include "daemon/proto/imap/status-args.h"

G_BEGIN_DECLS

typedef enum {
    IMAP_LIST_SUBSCRIBED = 1,
    IMAP_LIST_REMOTE = 2,
    IMAP_LIST_RECURSIVEMATCH = 4, /* never alone or with REMOTE alone (RFC 5258, 3.1) */
    IMAP_LIST_SPECIAL_USE = 8,
} ImapListSelect;

typedef enum {
    IMAP_LIST_RETURN_SUBSCRIBED = 1, /* also set by the selection option (RFC 5258, 3.1) */
    IMAP_LIST_RETURN_CHILDREN = 2,
    IMAP_LIST_RETURN_SPECIAL_USE = 4, /* likewise */
    IMAP_LIST_RETURN_MYRIGHTS = 8,
    IMAP_LIST_RETURN_STATUS = 16,
    IMAP_LIST_RETURN_METADATA = 32,
} ImapListReturn;

typedef struct {
    gboolean extended;   /* selection options, return options or a list of patterns were there */
    guint select;        /* ImapListSelect bits */
    char *reference;     /* decoded, may be "" */
    GPtrArray *patterns; /* char *, decoded, at least one; "" alone asks for the delimiter */
    guint returns;       /* ImapListReturn bits */
    guint status;        /* ImapStatusItem bits */
    GPtrArray *metadata; /* char *: entry names; or NULL */
} ImapListArgs;

ImapListArgs *imap_list_args_parse(ImapLexer *lexer, GError **error);
/* Only a reference and a pattern; fills the same structure. */
ImapListArgs *imap_lsub_args_parse(ImapLexer *lexer, GError **error);
void imap_list_args_free(ImapListArgs *args);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapListArgs, imap_list_args_free)

G_END_DECLS
