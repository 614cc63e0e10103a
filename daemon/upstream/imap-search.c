/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Searching the selected folder: with ESEARCH (RFC 4731), which tells a hundred thousand UIDs in a line, where the
 * server has it. */
#include "daemon/upstream/imap-private.h"

#include "daemon/proto/imap/response-data.h"

#include <string.h>

/* Numbers that aren't said to be UIDs aren't taken for some (RFC 4731, 3.1). */
static gboolean check_kind(const ImapResponse *response, const ImapSearchData *search,
                           GError **error)
{
    if (search->uid || g_str_equal(response->name, "SEARCH"))
        return TRUE;
    g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_SYNTAX,
                        "a search for UIDs that found something else");
    return FALSE;
}

/* Either answer to either question: servers mix them up. */
static gboolean note_found(const ImapResponse *response, gpointer data, GError **error)
{
    static const char *const names[] = {"SEARCH", "ESEARCH", NULL};
    ImapSet *found = data;

    if (!response->name || !g_strv_contains(names, response->name))
        return TRUE;
    g_autoptr(ImapSearchData) search = imap_search_data_parse(response, error);
    if (!search || !check_kind(response, search, error))
        return FALSE;
    imap_set_add_set(found, search->all);
    return TRUE;
}

static ImapSet *run_search(ImapClient *client, const char *keys, const char *string,
                           ImapReply *reply, GError **error)
{
    g_autoptr(ImapSet) found = imap_set_new();
    ImapClientCommand *command = imap_client_command(client, "UID SEARCH");

    if (imap_client_has(client, IMAP_CAP_ESEARCH))
        imap_client_command_text(command, " RETURN (ALL)");
    imap_client_command_printf(command, " %s", keys);
    if (string)
        imap_client_command_string(command, string, strlen(string));
    return imap_client_run_command(client, command, note_found, found, reply, error)
               ? g_steal_pointer(&found)
               : NULL;
}

ImapSet *imap_client_search(ImapClient *client, const char *keys, const char *string,
                            GError **error)
{
    g_auto(ImapReply) reply = {0};
    g_autoptr(ImapSet) found = run_search(client, keys, string, &reply, error);

    if (!found)
        return NULL;
    if (reply.cond == IMAP_COND_BAD && imap_client_has(client, IMAP_CAP_ESEARCH)) {
        imap_client_lacks(client, IMAP_CAP_ESEARCH);
        return imap_client_search(client, keys, string, error);
    }
    if (reply.cond == IMAP_COND_OK)
        return g_steal_pointer(&found);
    imap_reply_to_error(&reply, error);
    return NULL;
}
