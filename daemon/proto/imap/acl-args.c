/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The arguments of the commands of RFC 4314. */
#include "daemon/proto/imap/acl-args.h"

#include "daemon/proto/imap/error.h"
#include "daemon/proto/imap/rights.h"

static gboolean syntax(GError **error, const char *text)
{
    g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_SYNTAX, text);
    return FALSE;
}

static gboolean has_control(const char *text)
{
    for (; *text; text = g_utf8_next_char(text))
        if (g_unichar_iscntrl(g_utf8_get_char(text)))
            return TRUE;
    return FALSE;
}

/* Nobody but the owner has rights here, so no identifier is compared with any other: what SASLprep
 * (RFC 4314, 3) would map to the same text doesn't matter. */
static gboolean read_identifier(ImapLexer *lexer, GError **error)
{
    g_autofree char *identifier = NULL;

    if (!imap_lexer_space(lexer, error) ||
        !(identifier = imap_lexer_astring(lexer, "an identifier", error)))
        return FALSE;
    if (*identifier != 0 && g_utf8_validate(identifier, -1, NULL) && !has_control(identifier))
        return TRUE;
    return syntax(error, "That can't be anybody's identifier");
}

static gboolean read_rights(ImapLexer *lexer, GError **error)
{
    g_autofree char *rights = NULL;
    char wrong;

    if (!imap_lexer_space(lexer, error) || !(rights = imap_lexer_astring(lexer, "rights", error)))
        return FALSE;
    if (imap_rights_valid(rights + (*rights == '+' || *rights == '-'), &wrong))
        return TRUE;
    if (g_ascii_isupper(wrong))
        return syntax(error, "Uppercase rights are not allowed");
    return syntax(error, "One of these rights is not supported");
}

char *imap_acl_args_parse(ImapLexer *lexer, ImapAclShape shape, GError **error)
{
    g_autofree char *mailbox = NULL;

    if (!imap_lexer_space(lexer, error) || !(mailbox = imap_lexer_mailbox(lexer, error)) ||
        (shape >= IMAP_ACL_IDENTIFIER && !read_identifier(lexer, error)) ||
        (shape >= IMAP_ACL_IDENTIFIER_AND_RIGHTS && !read_rights(lexer, error)) ||
        !imap_lexer_end(lexer, error))
        return NULL;
    return g_steal_pointer(&mailbox);
}
