/* SPDX-License-Identifier: GPL-3.0-or-later */
/* NOOP and CHECK (RFC 3501, 6.1.2 and 6.4.1): the client wants to hear the news. */
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/reply.h"

/* The loop tells the news after it. */
void imap_cmd_noop(ImapSession *session, ImapLexer *lexer)
{
    imap_reply_end(session, lexer);
}

/* Every change is on the disk before it is answered: there is nothing to check-point. */
void imap_cmd_check(ImapSession *session, ImapLexer *lexer)
{
    imap_reply_end(session, lexer);
}
