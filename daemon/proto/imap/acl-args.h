/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The arguments of the commands of RFC 4314: MYRIGHTS, GETACL, LISTRIGHTS, DELETEACL, SETACL. */
#pragma once

#include "daemon/proto/imap/lexer.h"

G_BEGIN_DECLS

/* What follows the mailbox name. */
typedef enum {
    IMAP_ACL_NOTHING,
    IMAP_ACL_IDENTIFIER,
    IMAP_ACL_IDENTIFIER_AND_RIGHTS,
} ImapAclShape;

/*
 * Gives the mailbox; the rest is only checked: an identifier must be one after SASLprep (RFC 4314,
 * 3), the rights of SETACL must be known (3.1).
 */
char *imap_acl_args_parse(ImapLexer *lexer, ImapAclShape shape, GError **error);

G_END_DECLS
