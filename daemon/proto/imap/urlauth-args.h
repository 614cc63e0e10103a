/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The arguments of GENURLAUTH, RESETKEY and URLFETCH (RFC 4467; URLFETCH's parameters, RFC 5524).
 */
#pragma once

#include "daemon/proto/imap/lexer.h"

G_BEGIN_DECLS

/* URL, mechanism, URL, mechanism, ...: strings, as they were written. */
GPtrArray *imap_genurlauth_args_parse(ImapLexer *lexer, GError **error);

/* *mailbox is the caller's; NULL: all of them. Which mechanisms' keys doesn't matter: there is but
 * one. */
gboolean imap_resetkey_args_parse(ImapLexer *lexer, char **mailbox, GError **error);

typedef enum {
    IMAP_URLFETCH_BODY = 1,
    IMAP_URLFETCH_BINARY = 2, /* never together with BODY */
    IMAP_URLFETCH_STRUCTURE = 4,
} ImapUrlfetchParameter;

typedef struct {
    char *url;
    guint parameters; /* ImapUrlfetchParameter bits; 0: the simple form */
} ImapUrlfetch;

/* ImapUrlfetch, at least one. */
GArray *imap_urlfetch_args_parse(ImapLexer *lexer, GError **error);

G_END_DECLS
