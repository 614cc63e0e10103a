/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which mailboxes are meant: filter-mailboxes of ESEARCH (RFC 7377) and NOTIFY (RFC 5465).
 */
#pragma once

#include "daemon/proto/imap/lexer.h"

G_BEGIN_DECLS

typedef enum {
    IMAP_SCOPE_SELECTED,
    IMAP_SCOPE_SELECTED_DELAYED,
    IMAP_SCOPE_INBOXES,
    IMAP_SCOPE_PERSONAL,
    IMAP_SCOPE_SUBSCRIBED,
    IMAP_SCOPE_SUBTREE,     /* names */
    IMAP_SCOPE_SUBTREE_ONE, /* names */
    IMAP_SCOPE_MAILBOXES,   /* names */
} ImapScopeKind;

typedef struct {
    ImapScopeKind kind;
    GPtrArray *names; /* char *, at least one; or NULL */
} ImapScope;

/* Reads one, such as: subtree ("INBOX" "Sent"). */
ImapScope *imap_scope_read(ImapLexer *lexer, GError **error);
void imap_scope_free(ImapScope *scope);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapScope, imap_scope_free)

G_END_DECLS
