/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The arguments of GETMETADATA and SETMETADATA (RFC 5464).
 */
#pragma once

#include "daemon/proto/imap/lexer.h"

G_BEGIN_DECLS

typedef struct {
    char *mailbox;      /* "": the server */
    GPtrArray *entries; /* char *, as written; all are sound */
    guint64 max_size;   /* MAXSIZE; G_MAXUINT64: none was given */
    guint depth;        /* DEPTH; G_MAXUINT: infinity */
} ImapGetMetadataArgs;

typedef struct {
    char *mailbox;
    GPtrArray *entries; /* char *, as written, and for each */
    GPtrArray *values;  /* GBytes, or NULL: NIL */
} ImapSetMetadataArgs;

ImapGetMetadataArgs *imap_getmetadata_args_parse(ImapLexer *lexer, GError **error);
void imap_getmetadata_args_free(ImapGetMetadataArgs *args);
ImapSetMetadataArgs *imap_setmetadata_args_parse(ImapLexer *lexer, GError **error);
void imap_setmetadata_args_free(ImapSetMetadataArgs *args);

/* Whether it can be an entry's name (RFC 5464, 3.2): else IMAP_ERROR_SYNTAX. */
gboolean imap_metadata_entry_check(const char *entry, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapGetMetadataArgs, imap_getmetadata_args_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapSetMetadataArgs, imap_setmetadata_args_free)

G_END_DECLS
