/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which mailboxes are meant.
 */
#include "daemon/proto/imap/scope.h"

static const struct {
    const char *name;
    ImapScopeKind kind;
    gboolean names;
} scopes[] = {
    {"SELECTED", IMAP_SCOPE_SELECTED, FALSE},
    {"SELECTED-DELAYED", IMAP_SCOPE_SELECTED_DELAYED, FALSE},
    {"INBOXES", IMAP_SCOPE_INBOXES, FALSE},
    {"PERSONAL", IMAP_SCOPE_PERSONAL, FALSE},
    {"SUBSCRIBED", IMAP_SCOPE_SUBSCRIBED, FALSE},
    {"SUBTREE", IMAP_SCOPE_SUBTREE, TRUE},
    {"SUBTREE-ONE", IMAP_SCOPE_SUBTREE_ONE, TRUE},
    {"MAILBOXES", IMAP_SCOPE_MAILBOXES, TRUE},
};

void imap_scope_free(ImapScope *scope)
{
    if (scope == NULL)
        return;
    g_clear_pointer(&scope->names, g_ptr_array_unref);
    g_free(scope);
}

static gboolean read_scope_name(ImapLexer *lexer, gpointer data, GError **error)
{
    char *name = imap_lexer_mailbox(lexer, error);

    if (name == NULL)
        return FALSE;
    g_ptr_array_add(data, name);
    return TRUE;
}

/* " INBOX" or " (INBOX Sent)" */
static gboolean read_names(ImapLexer *lexer, ImapScope *scope, GError **error)
{
    scope->names = g_ptr_array_new_with_free_func(g_free);
    if (!imap_lexer_space(lexer, error))
        return FALSE;
    if (imap_lexer_peek(lexer) != '(')
        return read_scope_name(lexer, scope->names, error);
    return imap_lexer_list(lexer, "mailbox names", FALSE, read_scope_name, scope->names, error);
}

ImapScope *imap_scope_read(ImapLexer *lexer, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(scopes); i++) {
        g_autoptr(ImapScope) scope = NULL;

        if (!imap_lexer_take_word(lexer, scopes[i].name))
            continue;
        scope = g_new0(ImapScope, 1);
        scope->kind = scopes[i].kind;
        if (scopes[i].names && !read_names(lexer, scope, error))
            return NULL;
        return g_steal_pointer(&scope);
    }
    imap_lexer_fail(lexer, "SELECTED, INBOXES, PERSONAL, SUBSCRIBED, SUBTREE or MAILBOXES", error);
    return NULL;
}
