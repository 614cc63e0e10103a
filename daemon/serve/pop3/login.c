/* SPDX-License-Identifier: GPL-3.0-or-later */
/* USER and PASS (RFC 1939), AUTH (RFC 5034), STLS (RFC 2595). APOP would need passwords that can be
 * read back. */
#include <string.h>

#include "daemon/serve/exchange.h"
#include "daemon/serve/line.h"
#include "daemon/serve/pop3/session.h"

static gboolean enter(Pop3 *session, ServeAccount *account, GError **error)
{
    g_autoptr(GError) failure = NULL;

    session->maildrop = maildrop_open(account, &failure);
    if (session->maildrop) {
        serve_end_login(session->stream);
        return pop3_ok(session, error, "welcome");
    }
    gboolean never_seen = g_error_matches(failure, CACHE_ERROR, CACHE_ERROR_NOT_FOUND) &&
                          !account->settings->pop3_folder;
    return pop3_err(session, error, "[SYS/TEMP]", "%s",
                    never_seen ? "the account was not synchronized yet; try again in a minute"
                               : failure->message);
}

/* `failure`: what SERVE_LOGIN_UNAVAILABLE or SERVE_LOGIN_BROKEN came with. */
static gboolean conclude(Pop3 *session, ServeLoginResult result, ServeAccount *account,
                         GError *failure, GError **error)
{
    switch (result) {
    case SERVE_LOGIN_OK:
        return enter(session, account, error);
    case SERVE_LOGIN_FAILED:
        return pop3_err(session, error, "[AUTH]",
                        "wrong login or local password; posternctl client shows the login and "
                        "makes passwords");
    case SERVE_LOGIN_UNAVAILABLE:
        return pop3_err(session, error, "[SYS/TEMP]", "%s", failure->message);
    case SERVE_LOGIN_UNAUTHORIZED:
        return pop3_err(session, error, "[AUTH]", "nobody may act for others here");
    case SERVE_LOGIN_CANCELLED:
        return pop3_err(session, error, NULL, "cancelled");
    case SERVE_LOGIN_GARBLED:
        return pop3_err(session, error, NULL, "that is no base64, or too long");
    case SERVE_LOGIN_NO_MECHANISM:
        return pop3_err(session, error, NULL, "no such mechanism here");
    default:
        g_propagate_error(error, g_error_copy(failure));
        return FALSE;
    }
}

gboolean pop3_user(Pop3 *session, const char *arguments, GError **error)
{
    if (!*arguments)
        return pop3_err(session, error, NULL, "USER wants a name");
    g_free(session->user);
    session->user = g_strdup(arguments);
    return pop3_ok(session, error, "and the password?");
}

gboolean pop3_pass(Pop3 *session, const char *arguments, GError **error)
{
    g_autoptr(ServeAccount) account = NULL;
    g_autoptr(GError) failure = NULL;
    g_autofree char *user = g_steal_pointer(&session->user);

    if (!user)
        return pop3_err(session, error, NULL, "USER comes before PASS");
    if (session->preauth)
        return pop3_ok(session, error, "welcome");
    ServeLoginResult result =
        serve_login_password(session->stream, session->daemon, user, arguments, &account, &failure);
    return conclude(session, result, account, failure, error);
}

/* Without arguments it lists the mechanisms, as some clients expect. */
static gboolean list_mechanisms(Pop3 *session, GError **error)
{
    g_autofree char *names = g_strdup(serve_sasl_mechanisms(session->stream));

    g_strdelimit(names, " ", '\n');
    g_auto(GStrv) each = g_strsplit(names, "\n", -1);
    g_autofree char *lines = g_strjoinv("\r\n", each);
    return net_stream_printf(session->stream, error, "+OK mechanisms:\r\n%s\r\n.\r\n", lines);
}

gboolean pop3_auth(Pop3 *session, const char *arguments, GError **error)
{
    g_autoptr(ServeAccount) account = NULL;
    g_autoptr(GError) failure = NULL;
    g_auto(ServeAuth) auth = {g_strsplit(arguments, " ", 2)};
    char **words = auth.words;

    if (!*arguments)
        return list_mechanisms(session, error);
    if (session->preauth)
        return pop3_ok(session, error, "welcome");
    ServeLoginResult result =
        serve_login(session->stream, session->daemon, words[0], words[1], "+ ", &account, &failure);
    return conclude(session, result, account, failure, error);
}

gboolean pop3_stls(Pop3 *session, const char *arguments, GError **error)
{
    if (!session->daemon->tls || net_stream_is_tls(session->stream))
        return pop3_err(session, error, NULL, "STLS is not offered now");
    g_clear_pointer(&session->user, g_free);
    return pop3_ok(session, error, "go ahead") &&
           net_stream_accept_tls(session->stream, session->daemon->tls, "pop3", error);
}
