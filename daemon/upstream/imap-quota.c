/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asking for the quota of INBOX. */
#include "daemon/upstream/imap-quota.h"

#include <string.h>

#define ROOTS_MAX     20
#define RESOURCES_MAX 20

/* A name that can stand in the text. */
static gboolean quota_is_plain(const char *name)
{
    return name && strlen(name) <= 1000 && !strpbrk(name, "\t\r\n") &&
           g_utf8_validate(name, -1, NULL);
}

/* "STORAGE 10 512": no resource's name is anything but an atom. */
static gboolean append_resource(const ImapNode **node, GString *out)
{
    const ImapNode *name = *node;
    const ImapNode *usage = imap_node_next(name);
    const ImapNode *limit = usage ? imap_node_next(usage) : NULL;

    if (name->kind != IMAP_NODE_ATOM || !limit || usage->kind != IMAP_NODE_NUMBER ||
        limit->kind != IMAP_NODE_NUMBER)
        return FALSE;
    g_autofree char *upper = g_ascii_strup(name->text, (gssize)name->length);
    g_string_append_printf(out, "\t%s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, upper,
                           usage->number, limit->number);
    *node = imap_node_next(limit);
    return TRUE;
}

/* "root" (STORAGE 10 512 MESSAGE 3 100); one that can't be read is left out. */
static void append_root(const ImapNode *args, GString *out)
{
    g_autofree char *name = args ? imap_node_dup(args, TRUE) : NULL;
    const ImapNode *list = args ? imap_node_next(args) : NULL;

    if (!quota_is_plain(name) || !list || list->kind != IMAP_NODE_LIST)
        return;
    g_autoptr(GString) line = g_string_new(name);
    const ImapNode *node = imap_node_first(list);
    for (guint i = 0; node; i++)
        if (i == RESOURCES_MAX || !append_resource(&node, line))
            return;
    g_string_append_printf(out, "%s\n", line->str);
}

typedef struct {
    GString *text;
    guint roots;
} Answers;

static gboolean quota_note(const ImapResponse *response, gpointer data, GError **error)
{
    Answers *answers = data;

    if (g_strcmp0(response->name, "QUOTA") == 0 && answers->roots++ < ROOTS_MAX)
        append_root(response->args, answers->text);
    return TRUE;
}

char *imap_client_quota(ImapClient *client, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    Answers answers = {.text = text};
    g_auto(ImapReply) reply = {0};

    if (!imap_client_run_with(client, quota_note, &answers, &reply, error, "GETQUOTAROOT INBOX"))
        return NULL;
    return g_strdup(reply.cond == IMAP_COND_OK ? text->str : "");
}
