/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The commands that only answer: NOOP, CHECK, LOGOUT, NAMESPACE (RFC 2342), ID (RFC 2971). */
#include "cache/folder.h"
#include "daemon/proto/imap/quote.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/reply.h"

#define ID_FIELDS_MAX 30

/* The news come with the dispatcher's report. */
void imap_cmd_noop(ImapSession *session, ImapLexer *lexer)
{
    imap_reply_end(session, lexer);
}

/* Every change is on the disk before it is answered: there is nothing to check-point. */
void imap_cmd_check(ImapSession *session, ImapLexer *lexer)
{
    imap_reply_end(session, lexer);
}

void imap_cmd_logout(ImapSession *session, ImapLexer *lexer)
{
    if (!imap_reply_end(session, lexer))
        return;
    imap_untagged(session, "BYE", NULL, "Goodbye.");
    session->ended = TRUE;
}

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

/* What clients say of themselves is checked for its grammar, and forgotten. */
static gboolean skip_id_value(ImapLexer *lexer, gpointer data, GError **error)
{
    guint *words = data;
    g_autofree char *word = NULL;
    if (++*words > 2 * ID_FIELDS_MAX)
        return imap_lexer_fail(lexer, "at most 30 fields", error);
    if (*words % 2)
        return (word = imap_lexer_string(lexer, "a field", error)) != NULL;
    return imap_lexer_nstring(lexer, &word, "a value or NIL", error);
}

void imap_cmd_id(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    guint words = 0;
    gboolean ok = imap_lexer_space(lexer, &error);
    if (ok && !imap_lexer_take_word(lexer, "NIL"))
        ok = imap_lexer_list(lexer, "a list of fields", TRUE, skip_id_value, &words, &error);
    if (!ok || !imap_lexer_end(lexer, &error)) {
        imap_reply_error(session, error);
        return;
    }
    if (words % 2) {
        imap_reply(session, IMAP_BAD, NULL, "The last field has no value");
        return;
    }
    g_string_append(session->out,
                    "* ID (\"name\" \"Postern\" \"version\" \"" POSTERN_VERSION "\")\r\n");
}
