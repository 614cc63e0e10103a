/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ID (RFC 2971). */
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/reply.h"

#define ID_FIELDS_MAX 30

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
