/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asking for the name spaces. */
#include "daemon/upstream/imap-namespace.h"

#include "daemon/proto/imap/response-data.h"

#include <string.h>

#define SPACES_MAX 20

/* A prefix that can stand in the text. */
static gboolean namespace_is_plain(const char *prefix)
{
    return prefix && strlen(prefix) <= 1000 && !strpbrk(prefix, "\t\r\n") &&
           g_utf8_validate(prefix, -1, NULL);
}

static void append_spaces(const char *kind, const GPtrArray *spaces, GString *out)
{
    for (guint i = 0; i < MIN(spaces->len, SPACES_MAX); i++) {
        const ImapNamespace *space = spaces->pdata[i];
        const char delimiter[] = {space->delimiter, '\0'};
        if (namespace_is_plain(space->prefix))
            g_string_append_printf(out, "%s\t%s\t%s\n", kind, delimiter, space->prefix);
    }
}

static gboolean namespace_note(const ImapResponse *response, gpointer data, GError **error)
{
    GString *text = data;

    if (g_strcmp0(response->name, "NAMESPACE") != 0)
        return TRUE;
    g_autoptr(ImapNamespaceData) answer = imap_namespace_data_parse(response, FALSE, NULL);
    if (!answer)
        return TRUE;
    g_string_truncate(text, 0);
    append_spaces("personal", answer->personal, text);
    append_spaces("others", answer->others, text);
    append_spaces("shared", answer->shared, text);
    return TRUE;
}

char *imap_client_namespaces(ImapClient *client, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_auto(ImapReply) reply = {0};

    if (!imap_client_run_with(client, namespace_note, text, &reply, error, "NAMESPACE"))
        return NULL;
    return g_strdup(reply.cond == IMAP_COND_OK ? text->str : "");
}
