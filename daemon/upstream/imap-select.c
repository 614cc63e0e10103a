/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A selected folder: SELECT with what QRESYNC adds to it, and IDLE. */
#include "daemon/upstream/imap-private.h"

#include "daemon/proto/imap/flags.h"
#include <string.h>

/* Servers may drop an idling client after 30 minutes (RFC 2177). */
#define IDLE_SECONDS (29 * 60)

void imap_selected_clear(ImapSelected *selected)
{
    g_clear_pointer(&selected->mailboxid, g_free);
    memset(selected, 0, sizeof *selected);
}

static void note_permanent(ImapSelected *selected, const ImapResponse *response)
{
    g_autoptr(ImapFlags) flags =
        response->code_args ? imap_flags_from_node(response->code_args, NULL) : NULL;

    if (!flags)
        return;
    selected->permanent = flags->system;
    selected->keywords = flags->any;
    selected->told_flags = TRUE;
}

/* 0, as if it had not been said, for what can't be one. */
static guint32 in_32_bits(guint64 number)
{
    return number <= G_MAXUINT32 ? (guint32)number : 0;
}

void imap_client_note_selected(ImapClient *client, const ImapResponse *response)
{
    ImapSelected *selected = client->selecting;
    guint64 number = 0;

    if (response->name && g_str_equal(response->name, "EXISTS") && response->has_number)
        selected->told_exists = TRUE;
    if (!response->code)
        return;
    if (g_str_equal(response->code, "PERMANENTFLAGS"))
        note_permanent(selected, response);
    else if (g_str_equal(response->code, "READ-ONLY"))
        selected->read_only = TRUE;
    else if (g_str_equal(response->code, "NOMODSEQ"))
        selected->highestmodseq = 0;
    else if (g_str_equal(response->code, "MAILBOXID")) {
        g_free(selected->mailboxid);
        selected->mailboxid = imap_code_mailboxid(response);
    } else if (!imap_code_number(response, &number))
        return;
    else if (g_str_equal(response->code, "UIDVALIDITY"))
        selected->uidvalidity = in_32_bits(number);
    else if (g_str_equal(response->code, "UIDNEXT"))
        selected->uidnext = in_32_bits(number);
    else if (g_str_equal(response->code, "HIGHESTMODSEQ"))
        selected->highestmodseq = number;
}

gboolean imap_client_select(ImapClient *client, const ImapSelect *what, ImapSelected *selected,
                            GError **error)
{
    ImapClientCommand *command =
        imap_client_command(client, what->read_only ? "EXAMINE" : "SELECT");

    memset(selected, 0, sizeof *selected);
    selected->permanent = IMAP_FLAGS_ALL;
    selected->keywords = TRUE;
    client->exists = 0;
    imap_client_command_mailbox(command, what->name);
    if (imap_client_has(client, IMAP_CAP_QRESYNC) && what->uidvalidity && what->modseq)
        imap_client_command_printf(command, " (QRESYNC (%u %" G_GUINT64_FORMAT "))",
                                   what->uidvalidity, what->modseq);
    else if (imap_client_has(client, IMAP_CAP_CONDSTORE))
        imap_client_command_text(command, " (CONDSTORE)");

    client->selecting = selected;
    gboolean ok = imap_client_run_command(client, command, what->handler, what->data, NULL, error);
    client->selecting = NULL;
    if (selected->read_only && !selected->told_flags) {
        selected->permanent = 0;
        selected->keywords = FALSE;
    }
    /* Servers say it unasked, too: then what isn't to be used would be asked for by it. */
    if (quirks_have(&client->quirks, QUIRK_NO_CONDSTORE))
        selected->highestmodseq = 0;
    if (!ok)
        imap_selected_clear(selected);
    return ok;
}

void imap_client_set_exists(ImapClient *client, guint32 exists)
{
    client->exists = exists;
}

guint32 imap_client_exists(const ImapClient *client)
{
    return client->exists;
}

/* ---- IDLE ------------------------------------------------------------------------------------ */

/* One wait, and what the server says in it; *woken ends the idling. */
static gboolean idle_once(ImapClient *client, int wake_fd, gint64 until, gboolean *done,
                          GError **error)
{
    gint64 left = until - g_get_monotonic_time();

    if (left <= 0) {
        *done = TRUE;
        return TRUE;
    }
    int happened =
        net_stream_pending(client->stream)
            ? NET_READABLE
            : net_stream_wait(client->stream, wake_fd, (int)MIN(left / 1000 + 1, G_MAXINT), error);
    if (happened < 0)
        return FALSE;
    if (happened & (NET_WOKEN | NET_TIMED_OUT))
        *done = TRUE;
    if (happened & NET_READABLE) {
        *done = TRUE;
        do {
            if (!imap_client_read(client, error))
                return FALSE;
        } while (net_stream_pending(client->stream));
    }
    return TRUE;
}

static gboolean idle_until(ImapClient *client, int wake_fd, gint64 until, GError **error)
{
    gboolean done = FALSE;

    while (!done)
        if (!idle_once(client, wake_fd, until, &done, error))
            return FALSE;
    return TRUE;
}

gboolean imap_client_idle(ImapClient *client, int wake_fd, guint seconds, ImapHandler handler,
                          gpointer data, GError **error)
{
    gint64 until = g_get_monotonic_time() + (gint64)MIN(seconds, IDLE_SECONDS) * G_USEC_PER_SEC;
    gboolean answered;

    if (!imap_client_has(client, IMAP_CAP_IDLE))
        return idle_until(client, wake_fd, until, error) &&
               imap_client_run_with(client, handler, data, NULL, error, "NOOP");

    guint number =
        imap_client_send_with(client, imap_client_command(client, "IDLE"), handler, data, error);
    if (number == 0 || !imap_client_await_continuation(client, number, &answered, error))
        return FALSE;
    if (!answered && (!idle_until(client, wake_fd, until, error) ||
                      !net_stream_puts(client->stream, "DONE\r\n", error)))
        return FALSE;
    return imap_client_finish(client, number, NULL, error);
}
