/* SPDX-License-Identifier: GPL-3.0-or-later */
/* NAMESPACE (RFC 2342): what the provider says; else one name space, without a prefix. */
#include "daemon/serve/imap/namespace.h"

#include "cache/folder.h"
#include "daemon/proto/imap/mailbox-name.h"
#include "daemon/proto/imap/quote.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/session.h"

#include <string.h>

/* A line of meta "namespace" (daemon/upstream/imap-namespace.h): kind, delimiter, prefix. */
typedef struct {
    char *kind, *delimiter, *prefix;
} Space;

/* Splits `line`, which is written to. */
static gboolean read_space(char *line, Space *space)
{
    char *first = strchr(line, '\t');
    char *second = first ? strchr(first + 1, '\t') : NULL;

    if (!second)
        return FALSE;
    *first = *second = 0;
    *space = (Space){line, first + 1, second + 1};
    return TRUE;
}

/* The lines; none where the provider hasn't said. */
static char **read_lines(CacheTxn *txn)
{
    g_autofree char *text = cache_meta_get(txn, "namespace");
    return g_strsplit(text ? text : "", "\n", -1);
}

/* "INBOX." allows INBOX as well as what is below it. */
static gboolean namespace_is_below(const char *name, const Space *space)
{
    return g_str_has_prefix(name, space->prefix);
}

gboolean imap_namespace_check(CacheTxn *txn, const char *name, GError **error)
{
    g_auto(GStrv) lines = read_lines(txn);
    g_autofree char *where = NULL;
    for (guint i = 0; lines[i]; i++) {
        Space space;
        if (!read_space(lines[i], &space))
            continue;
        if (namespace_is_below(name, &space))
            return TRUE;
        if (!where && g_str_equal(space.kind, "personal"))
            where = g_strdup(space.prefix);
    }
    if (!where || imap_name_is_inbox(name))
        return TRUE;
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID,
                "The provider has folders only below \"%s\": \"%s%s\" can be made", where, where,
                name);
    return FALSE;
}

static void append_space(ImapSession *session, const char *prefix, const char *delimiter)
{
    const gboolean utf8 = imap_session_utf8(session);
    g_autofree char *wire = utf8 ? g_strdup(prefix) : imap_name_to_wire(prefix);
    g_string_append_c(session->out, '(');
    imap_quote_append_string(session->out, wire, strlen(wire), utf8);
    g_string_append_c(session->out, ' ');
    if (*delimiter)
        imap_quote_append_quoted(session->out, delimiter, 1);
    else
        g_string_append(session->out, "NIL");
    g_string_append_c(session->out, ')');
}

/* All of a kind in parentheses, or NIL. */
static void append_kind(ImapSession *session, CacheTxn *txn, const char *kind)
{
    g_auto(GStrv) lines = read_lines(txn);
    gboolean any = FALSE;
    for (guint i = 0; lines[i]; i++) {
        Space space;
        if (!read_space(lines[i], &space) || !g_str_equal(space.kind, kind))
            continue;
        if (!any)
            g_string_append_c(session->out, '(');
        any = TRUE;
        append_space(session, space.prefix, space.delimiter);
    }
    g_string_append(session->out, any ? ")" : "NIL");
}

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
    g_auto(GStrv) lines = read_lines(txn);
    const char delimiter[] = {inbox ? inbox->delimiter : '/', 0};
    g_string_append(session->out, "* NAMESPACE ");
    if (g_str_has_prefix(lines[0] ? lines[0] : "", "personal\t")) {
        append_kind(session, txn, "personal");
    } else {
        g_string_append_c(session->out, '(');
        append_space(session, "", delimiter);
        g_string_append_c(session->out, ')');
    }
    g_string_append_c(session->out, ' ');
    append_kind(session, txn, "others");
    g_string_append_c(session->out, ' ');
    append_kind(session, txn, "shared");
    g_string_append(session->out, "\r\n");
}
