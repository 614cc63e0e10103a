/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Getting a connection to the provider, and what to do when there is none to be had. */
#include <string.h>

#include "daemon/relay/outcome.h"
#include "daemon/relay/private.h"
#include "daemon/upstream/connect.h"

#define REFUSED_AGAIN 3600 /* seconds until a refused password is tried again */

/* Which state an error is. */
static AccountState state_for(const GError *error)
{
    if (g_error_matches(error, SMTP_CLIENT_ERROR, SMTP_CLIENT_ERROR_AUTH) ||
        g_error_matches(error, ACCOUNT_ERROR_DOMAIN, ACCOUNT_SECRET_MISSING))
        return ACCOUNT_AUTH_REQUIRED;
    if (g_error_matches(error, ACCOUNT_ERROR_DOMAIN, ACCOUNT_SECRET_LOCKED))
        return ACCOUNT_LOCKED;
    if (g_error_matches(error, NET_ERROR, NET_ERROR_TLS) ||
        g_error_matches(error, NET_ERROR, NET_ERROR_CERTIFICATE) ||
        (error->domain == SMTP_CLIENT_ERROR && error->code != SMTP_CLIENT_ERROR_UNAVAILABLE))
        return ACCOUNT_ERROR;
    return ACCOUNT_OFFLINE;
}

static void note_failure(Relay *relay, const GError *error)
{
    g_autoptr(GError) failure = NULL;
    gint64 now = relay_now(relay);

    /* We are going offline, which is reported by who does it; or the network has changed. */
    if (g_error_matches(error, NET_ERROR, NET_ERROR_CANCELLED) ||
        g_error_matches(error, NET_ERROR, NET_ERROR_STALE))
        return;
    double delay = relay_connection_backoff(++relay->failures, g_random_double());
    if (g_error_matches(error, SMTP_CLIENT_ERROR, SMTP_CLIENT_ERROR_AUTH))
        delay = REFUSED_AGAIN;
    relay->failed_at = relay_clock(relay);
    relay->not_before = relay->failed_at + (gint64)(delay * 1000);
    relay_report(relay, state_for(error), error->message);
    if (!queue_note_unreachable(relay->queue, relay->access.settings->id, now, error->message,
                                &failure))
        g_message("relay: %s", failure->message);
}

static SmtpClient *dial(Relay *relay, const char *secret, GError **error)
{
    pthread_mutex_lock(&relay->lock);
    g_autoptr(NetCancel) cancel = net_cancel_ref(relay->cancel);
    pthread_mutex_unlock(&relay->lock);
    SmtpClientOptions options = upstream_smtp_options(&relay->access, secret, cancel);
    options.login.lacking = &relay->lacking;
    options.hello = &relay->hello;
    options.timeouts = relay->timeouts;
    return smtp_client_connect(&options, error);
}

/* A refused password is not shown to the provider again and again: accounts get locked that way. */
static gboolean is_refused(Relay *relay, const char *secret)
{
    return g_strcmp0(relay->refused_secret, secret) == 0 &&
           relay_clock(relay) - relay->failed_at < REFUSED_AGAIN * 1000;
}

/* After a refusal of `secret`: another one, where there is one to be had; else NULL. */
static char *another_secret(Relay *relay, const char *secret, GError **error)
{
    const AccountAccess *access = &relay->access;

    if (!access->refused)
        return NULL;
    access->refused(access->settings, secret, access->password_data);
    char *another = access->password(access->settings, TRUE, access->password_data, error);
    if (another && strcmp(another, secret) != 0)
        return another;
    account_password_free(another);
    return NULL;
}

/* Dials; a token that is refused is asked for anew once. */
static SmtpClient *dial_with(Relay *relay, const char *secret, GError **error)
{
    g_autoptr(GError) failure = NULL, none = NULL;
    SmtpClient *client = dial(relay, secret, &failure);

    if (!client && g_error_matches(failure, SMTP_CLIENT_ERROR, SMTP_CLIENT_ERROR_AUTH)) {
        char *another = another_secret(relay, secret, &none);
        if (another || none)
            g_clear_error(&failure);
        if (another)
            client = dial(relay, another, &failure);
        account_password_free(another);
    }
    if (none || failure)
        g_propagate_error(error, none ? g_steal_pointer(&none) : g_steal_pointer(&failure));
    return client;
}

static gboolean connect_with(Relay *relay, const char *secret)
{
    g_autoptr(GError) error = NULL;

    if (is_refused(relay, secret)) {
        relay->not_before = relay->failed_at + REFUSED_AGAIN * 1000;
        relay_report(relay, ACCOUNT_AUTH_REQUIRED, relay->refused_text);
        return FALSE;
    }
    relay_report(relay, ACCOUNT_CONNECTING, NULL);
    relay->client = dial_with(relay, secret, &error);
    g_clear_pointer(&relay->refused_secret, account_password_free);
    if (relay->client) {
        relay->failures = 0;
        return TRUE;
    }
    if (g_error_matches(error, SMTP_CLIENT_ERROR, SMTP_CLIENT_ERROR_AUTH)) {
        relay->refused_secret = g_strdup(secret);
        g_free(relay->refused_text);
        relay->refused_text = g_strdup(error->message);
    }
    note_failure(relay, error);
    return FALSE;
}

gboolean relay_connect(Relay *relay)
{
    g_autoptr(GError) error = NULL;

    char *secret =
        relay->access.password(relay->access.settings, TRUE, relay->access.password_data, &error);
    if (!secret) {
        note_failure(relay, error);
        return FALSE;
    }
    gboolean ok = connect_with(relay, secret);
    account_password_free(secret);
    return ok;
}
