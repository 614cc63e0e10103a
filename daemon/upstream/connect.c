/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One login at a time, and no second one with what was refused; a token is asked for anew once. */
#include "daemon/upstream/connect.h"

#include "daemon/config/gate.h"

#include <string.h>

#define TIMEOUT 60 /* seconds */

/* Dials and logs in: a client of its protocol, or NULL. */
typedef gpointer (*Connect)(const UpstreamLogin *login, GError **error);

static gpointer connect_imap(const UpstreamLogin *login, GError **error)
{
    return imap_client_connect(login, error);
}

static gpointer connect_pop3(const UpstreamLogin *login, GError **error)
{
    return pop3_client_connect(login, error);
}

static UpstreamLogin login_of(const AccountAccess *access, const char *secret, NetCancel *cancel)
{
    const AccountSettings *settings = access->settings;

    return (UpstreamLogin){
        .endpoint = settings->incoming,
        .tls = access->tls,
        .user = settings->user,
        .secret = secret,
        .oauth2 = settings->oauth2,
        .mechanisms = settings->mechanisms,
        .lacking = access->gate ? account_gate_lacking(access->gate) : NULL,
        .habits = access->habits,
        .timeout = TIMEOUT,
        .cancel = cancel,
    };
}

static gboolean is_any(const GError *error, int imap, int pop3, int smtp)
{
    return g_error_matches(error, IMAP_CLIENT_ERROR, imap) ||
           g_error_matches(error, POP3_CLIENT_ERROR, pop3) ||
           g_error_matches(error, SMTP_CLIENT_ERROR, smtp);
}

gboolean upstream_is_refusal(const GError *error)
{
    return is_any(error, IMAP_CLIENT_ERROR_AUTH, POP3_CLIENT_ERROR_AUTH, SMTP_CLIENT_ERROR_AUTH);
}

gboolean upstream_is_insecure(const GError *error)
{
    return is_any(error, IMAP_CLIENT_ERROR_SECURITY, POP3_CLIENT_ERROR_SECURITY,
                  SMTP_CLIENT_ERROR_SECURITY);
}

static gpointer connection_log_in(const AccountAccess *access, Connect connect, const char *secret,
                                  NetCancel *cancel, GError **error)
{
    g_autoptr(GError) why = NULL;

    if (access->gate && !account_gate_check(access->gate, secret, error))
        return NULL;
    const UpstreamLogin login = login_of(access, secret, cancel);
    gpointer client = connect(&login, &why);
    if (client)
        return client;
    if (access->gate && upstream_is_refusal(why))
        account_gate_note_refusal(access->gate, secret, why);
    g_propagate_error(error, g_steal_pointer(&why));
    return NULL;
}

static char *get_secret(const AccountAccess *access, GError **error)
{
    return access->password(access->settings, FALSE, access->password_data, error);
}

/* After a refusal of `secret`: once more, where there is another token to be had. */
static gpointer log_in_anew(const AccountAccess *access, Connect connect, const char *secret,
                            NetCancel *cancel, GError **error)
{
    g_autoptr(GError) failure = NULL;

    access->refused(access->settings, secret, access->password_data);
    char *another = get_secret(access, &failure);
    if (another && strcmp(another, secret) != 0) {
        g_clear_error(error);
        gpointer client = connection_log_in(access, connect, another, cancel, error);
        account_password_free(another);
        return client;
    }
    account_password_free(another);
    if (failure) {
        g_clear_error(error);
        g_propagate_error(error, g_steal_pointer(&failure));
    }
    return NULL;
}

static gpointer connect_with(const AccountAccess *access, Connect connect, const char *secret,
                             NetCancel *cancel, GError **error)
{
    g_autoptr(GError) failure = NULL;
    gpointer client = connection_log_in(access, connect, secret, cancel, &failure);

    if (!client && access->refused && upstream_is_refusal(failure))
        client = log_in_anew(access, connect, secret, cancel, &failure);
    if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    return client;
}

static gpointer connect_by(const AccountAccess *access, Connect connect, NetCancel *cancel,
                           GError **error)
{
    if (access->gate && !account_gate_enter(access->gate, cancel, error))
        return NULL;
    char *secret = get_secret(access, error);
    gpointer client = secret ? connect_with(access, connect, secret, cancel, error) : NULL;
    account_password_free(secret);
    if (access->gate)
        account_gate_leave(access->gate);
    return client;
}

ImapClient *upstream_connect_imap(const AccountAccess *access, NetCancel *cancel, GError **error)
{
    return connect_by(access, connect_imap, cancel, error);
}

Pop3Client *upstream_connect_pop3(const AccountAccess *access, NetCancel *cancel, GError **error)
{
    return connect_by(access, connect_pop3, cancel, error);
}

SmtpClientOptions upstream_smtp_options(const AccountAccess *access, const char *secret,
                                        NetCancel *cancel)
{
    const AccountSettings *settings = access->settings;
    const char *domain = settings->address ? strrchr(settings->address, '@') : NULL;

    return (SmtpClientOptions){
        .login = {.endpoint = settings->outgoing,
                  .tls = access->tls,
                  .user = settings->outgoing_user,
                  .secret = secret,
                  .oauth2 = settings->oauth2,
                  .mechanisms = settings->outgoing_mechanisms,
                  .cancel = cancel},
        .domain = domain ? domain + 1 : NULL,
    };
}
