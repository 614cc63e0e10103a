/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * MYRIGHTS and the commands that administer access (RFC 4314). Sharing a mailbox is done at the
 * provider: here nobody has the right "a", so the latter have nothing to do but to say so.
 */
#include "daemon/proto/imap/acl-args.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/rights.h"

/* The mailbox that the arguments name. NULL: the answer is set. */
static CacheFolder *find_mailbox(ImapSession *session, ImapLexer *lexer, ImapAclShape shape)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = imap_acl_args_parse(lexer, shape, &error);
    g_autoptr(CacheTxn) txn =
        name ? cache_begin(session->account->cache, CACHE_READ, &error) : NULL;
    CacheFolder *folder = txn ? imap_rights_find(session, txn, name, &error) : NULL;
    if (!folder)
        imap_reply_error(session, error);
    return folder;
}

void imap_cmd_myrights(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(CacheFolder) folder = find_mailbox(session, lexer, IMAP_ACL_NOTHING);
    if (folder)
        imap_rights_tell(session, folder);
}

/* The table of commands asks for a right that is never there. */
static void refuse_administration(ImapSession *session, ImapLexer *lexer, ImapAclShape shape)
{
    cache_folder_free(find_mailbox(session, lexer, shape));
}

void imap_cmd_getacl(ImapSession *session, ImapLexer *lexer)
{
    refuse_administration(session, lexer, IMAP_ACL_NOTHING);
}

void imap_cmd_listrights(ImapSession *session, ImapLexer *lexer)
{
    refuse_administration(session, lexer, IMAP_ACL_IDENTIFIER);
}

void imap_cmd_deleteacl(ImapSession *session, ImapLexer *lexer)
{
    refuse_administration(session, lexer, IMAP_ACL_IDENTIFIER);
}

void imap_cmd_setacl(ImapSession *session, ImapLexer *lexer)
{
    refuse_administration(session, lexer, IMAP_ACL_IDENTIFIER_AND_RIGHTS);
}
