/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Logging in by way of trial, one login name after the other.
 */
#include "daemon/discover/probe.h"

#include "daemon/upstream/imap.h"
#include "daemon/upstream/pop3.h"
#include "daemon/upstream/smtp.h"

#include <gio/gio.h>
#include <string.h>

/* Some servers let one in and then serve nothing ("User is authenticated but not connected", where
 * IMAP is switched off for the mailbox), so something is asked for. */
static gboolean try_imap(const UpstreamLogin *login, GError **error)
{
    g_autoptr(ImapClient) client = imap_client_connect(login, error);

    return client && imap_client_run(client, NULL, error, "LIST \"\" \"\"");
}

static gboolean try_smtp(const UpstreamLogin *login, GError **error)
{
    SmtpClientOptions options = {
        .login = *login,
        .timeouts = {.connect = login->timeout, .command = login->timeout},
    };
    SmtpClient *client = smtp_client_connect(&options, error);

    if (!client)
        return FALSE;
    smtp_client_close(client);
    return TRUE;
}

/* The maildrop is opened and left as it is: only one can have it open at a time. */
static gboolean try_pop3(const UpstreamLogin *login, GError **error)
{
    g_autoptr(Pop3Client) client = pop3_client_connect(login, error);

    if (client)
        pop3_client_quit(client, NULL);
    return client != NULL;
}

static char *try_users(const ProbeServer *server, gboolean (*try)(const UpstreamLogin *, GError **),
                       GError **error)
{
    UpstreamLogin login = server->login;
    g_autoptr(GError) failure = NULL;

    for (char *const *user = server->users; *user; user++) {
        g_autoptr(GError) refusal = NULL;
        login.user = *user;
        if (try(&login, &refusal))
            return g_strdup(*user);
        gboolean refused = g_error_matches(refusal, IMAP_CLIENT_ERROR, IMAP_CLIENT_ERROR_AUTH) ||
                           g_error_matches(refusal, POP3_CLIENT_ERROR, POP3_CLIENT_ERROR_AUTH) ||
                           g_error_matches(refusal, SMTP_CLIENT_ERROR, SMTP_CLIENT_ERROR_AUTH);
        if (!failure || !refused) {
            g_clear_error(&failure);
            failure = g_steal_pointer(&refusal);
        }
        if (!refused)
            break;
    }
    if (!failure)
        g_set_error(&failure, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "there is no user name");
    g_propagate_error(error, g_steal_pointer(&failure));
    return NULL;
}

char *probe_incoming(const ProbeServer *server, GError **error)
{
    gboolean pop3 = strcmp(server->login.endpoint->protocol, "pop3") == 0;
    return try_users(server, pop3 ? try_pop3 : try_imap, error);
}

char *probe_outgoing(const ProbeServer *server, GError **error)
{
    return try_users(server, try_smtp, error);
}
