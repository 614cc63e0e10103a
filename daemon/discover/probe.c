/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Logging in by way of trial, one login name after the other.
 */
#include "daemon/discover/probe.h"

#include "daemon/upstream/connect.h"

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

/* ---- names and mechanisms ------------------------------------------------------------------ */

typedef gboolean (*Try)(const UpstreamLogin *login, GError **error);

/* One login. FALSE and `why`. */
static gboolean try_once(const UpstreamLogin *login, Try try, ProbeResult *result, GError **why)
{
    UpstreamLogin once = *login;
    UpstreamTried tried = {0};
    guint lacking = 0;

    once.tried = &tried;
    once.lacking = &lacking;
    gboolean in = try(&once, why);
    result->mechanism = tried.last;
    result->unexpected = tried.last && tried.last != tried.first;
    return in;
}

/* Whether the refusal may be SCRAM's alone. */
static gboolean may_be_scram(const UpstreamLogin *login, const ProbeResult *result)
{
    return !login->mechanisms && (result->mechanism & SASL_SCRAM & ~SASL_BOUND);
}

#define SHOWN (guint)(SASL_PLAIN | SASL_LOGIN)

/* A name that wasn't tried by the best mechanism got in: does it get in by that, too? */
static void try_the_best(UpstreamLogin *login, Try try, ProbeResult *result)
{
    g_autoptr(GError) why = NULL;
    ProbeResult best = {0};

    login->mechanisms = 0;
    result->unexpected = !try_once(login, try, &best, &why);
    if (!result->unexpected) {
        result->mechanism = best.mechanism;
        result->unexpected = best.unexpected;
    }
}

/* One name. `*shown`: SCRAM was refused, to a name before or now. */
static gboolean try_user(UpstreamLogin *login, Try try, gboolean *shown, ProbeResult *result,
                         GError **why)
{
    gboolean before = *shown;

    if (try_once(login, try, result, why)) {
        if (before)
            try_the_best(login, try, result);
        return TRUE;
    }
    if (!upstream_is_refusal(*why) || !may_be_scram(login, result))
        return FALSE;
    g_autoptr(GError) again = NULL;
    login->mechanisms = SHOWN;
    *shown = TRUE;
    /* Where none was used, a server on this machine has let in whoever comes. */
    if (try_once(login, try, result, &again) && result->mechanism) {
        result->unexpected = TRUE;
        g_clear_error(why);
        return TRUE;
    }
    if (again && !upstream_is_insecure(again)) {
        g_clear_error(why);
        g_propagate_error(why, g_steal_pointer(&again));
    } else { /* there is no such mechanism, which doesn't say more than the refusal did */
        login->mechanisms = 0;
        *shown = FALSE;
    }
    return FALSE;
}

static gboolean try_users(const ProbeServer *server, Try try, ProbeResult *result, GError **error)
{
    UpstreamLogin login = server->login;
    g_autoptr(GError) failure = NULL;
    gboolean shown = FALSE;

    *result = (ProbeResult){0};
    for (char *const *user = server->users; *user; user++) {
        g_autoptr(GError) why = NULL;
        login.user = *user;
        if (try_user(&login, try, &shown, result, &why)) {
            result->user = g_strdup(*user);
            return TRUE;
        }
        gboolean refused = upstream_is_refusal(why);
        if (!failure || !refused) {
            g_clear_error(&failure);
            failure = g_steal_pointer(&why);
        }
        if (!refused)
            break;
    }
    if (!failure)
        g_set_error(&failure, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "there is no user name");
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

gboolean probe_incoming(const ProbeServer *server, ProbeResult *result, GError **error)
{
    gboolean pop3 = strcmp(server->login.endpoint->protocol, "pop3") == 0;
    return try_users(server, pop3 ? try_pop3 : try_imap, result, error);
}

gboolean probe_outgoing(const ProbeServer *server, ProbeResult *result, GError **error)
{
    return try_users(server, try_smtp, result, error);
}
