/* SPDX-License-Identifier: GPL-3.0-or-later */
/* GETQUOTA and GETQUOTAROOT (RFC 9208). The provider's roots of INBOX stand for every mailbox. */
#include "daemon/serve/imap/quota.h"

#include "daemon/proto/imap/quote.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/reply.h"

/* Lines of "root\tRESOURCE USAGE LIMIT\t..." (daemon/upstream/imap-quota.h). */
static char **read_roots(ImapSession *session)
{
    g_autoptr(CacheTxn) txn =
        session->account ? cache_begin(session->account->cache, CACHE_READ, NULL) : NULL;
    g_autofree char *text = txn ? cache_meta_get(txn, "quota") : NULL;
    return g_strsplit(text ? text : "", "\n", -1);
}

gboolean imap_quota_known(ImapSession *session, const char *resource)
{
    g_auto(GStrv) roots = read_roots(session);
    g_autofree char *start = g_strdup_printf("\t%s ", resource ? resource : "");
    for (char **root = roots; *root; root++)
        if (**root && (!resource || strstr(*root, start)))
            return TRUE;
    return FALSE;
}

static void tell_root(ImapSession *session, const char *line)
{
    g_auto(GStrv) fields = g_strsplit(line, "\t", -1);
    g_autofree char *resources = g_strjoinv(" ", fields + 1);
    g_string_append(session->out, "* QUOTA ");
    imap_quote_append_astring(session->out, fields[0], strlen(fields[0]),
                              imap_session_utf8(session));
    g_string_append_printf(session->out, " (%s)\r\n", resources);
}

/* One astring and nothing else. NULL: the answer is set. */
static char *parse(ImapSession *session, ImapLexer *lexer, gboolean mailbox)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = NULL;
    if (imap_lexer_space(lexer, &error) &&
        (name = mailbox ? imap_lexer_mailbox(lexer, &error)
                        : imap_lexer_astring(lexer, "a quota root", &error)) &&
        imap_lexer_end(lexer, &error))
        return g_steal_pointer(&name);
    imap_reply_error(session, error);
    return NULL;
}

void imap_cmd_getquota(ImapSession *session, ImapLexer *lexer)
{
    g_autofree char *name = parse(session, lexer, FALSE);
    if (!name)
        return;
    g_auto(GStrv) roots = read_roots(session);
    gsize length = strlen(name);
    for (char **root = roots; *root; root++)
        if (**root && strncmp(*root, name, length) == 0 &&
            (!(*root)[length] || (*root)[length] == '\t')) {
            tell_root(session, *root);
            return;
        }
    imap_reply(session, IMAP_NO, "NONEXISTENT", "There is no such quota root");
}

void imap_cmd_getquotaroot(ImapSession *session, ImapLexer *lexer)
{
    g_autofree char *mailbox = parse(session, lexer, TRUE);
    if (!mailbox)
        return;
    g_auto(GStrv) roots = read_roots(session);
    g_string_append(session->out, "* QUOTAROOT ");
    imap_quote_append_mailbox(session->out, mailbox, imap_session_utf8(session));
    for (char **root = roots; *root; root++)
        if (**root) {
            g_string_append_c(session->out, ' ');
            imap_quote_append_astring(session->out, *root, strcspn(*root, "\t"),
                                      imap_session_utf8(session));
        }
    g_string_append(session->out, "\r\n");
    for (char **root = roots; *root; root++)
        if (**root)
            tell_root(session, *root);
}
