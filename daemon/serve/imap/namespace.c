/* SPDX-License-Identifier: GPL-3.0-or-later */
/* NAMESPACE (RFC 2342). */
#include "cache/folder.h"
#include "daemon/proto/imap/quote.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/reply.h"

/* One personal name space, whose delimiter is that of INBOX. */
void imap_cmd_namespace(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    if (!imap_reply_end(session, lexer))
        return;
    g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_READ, &error);
    if (!txn) {
        imap_reply_error(session, error);
        return;
    }
    g_autoptr(CacheFolder) inbox = cache_folder_find(txn, "INBOX", NULL);
    char delimiter[2] = {inbox ? inbox->delimiter : '/', 0};
    g_string_append(session->out, "* NAMESPACE ((\"\" ");
    if (*delimiter)
        imap_quote_append_quoted(session->out, delimiter, 1);
    else
        g_string_append(session->out, "NIL");
    g_string_append(session->out, ")) NIL NIL\r\n");
}
