/* SPDX-License-Identifier: GPL-3.0-or-later */
/* AUTH (RFC 4954) and STARTTLS (RFC 3207). */
#include "daemon/serve/exchange.h"
#include "daemon/serve/line.h"
#include "daemon/serve/submission/session.h"

gboolean submission_auth(Submission *session, const char *arguments, GError **error)
{
    g_auto(ServeAuth) auth = {g_strsplit(arguments, " ", 2)};
    char **words = auth.words;
    g_autoptr(GError) failure = NULL;

    if (session->account)
        return submission_reply(session, error, 503, "5.5.1", "You are logged in already");
    if (!words[0] || !*words[0])
        return submission_reply(session, error, 501, "5.5.4", "AUTH wants a mechanism");
    switch (serve_login(session->stream, session->daemon, words[0], words[1], "334 ",
                        &session->account, &failure)) {
    case SERVE_LOGIN_OK:
        session->authenticated = TRUE;
        serve_end_login(session->stream);
        return submission_reply(session, error, 235, "2.7.0", "Welcome");
    case SERVE_LOGIN_FAILED:
        return submission_reply(session, error, 535, "5.7.8",
                                "Wrong login or local password; posternctl client shows the login "
                                "and makes passwords");
    case SERVE_LOGIN_UNAVAILABLE:
        return submission_reply(session, error, 454, "4.7.0", "%s", failure->message);
    case SERVE_LOGIN_UNAUTHORIZED:
        return submission_reply(session, error, 535, "5.7.8", "Nobody may act for others here");
    case SERVE_LOGIN_CANCELLED:
        return submission_reply(session, error, 501, "5.7.0", "Cancelled");
    case SERVE_LOGIN_GARBLED: /* RFC 4954, 4 */
        return submission_reply(session, error, 501, "5.5.2", "That is no base64, or too long");
    case SERVE_LOGIN_NO_MECHANISM:
        return submission_reply(session, error, 504, "5.5.4", "No such mechanism here");
    default:
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
}

/* What came behind the command in the clear makes the handshake fail. Afterwards nothing that was
 * said before counts (RFC 3207, 4.2): so it is refused after a login, but not on a socket of the
 * account's own, where the login was not said. */
gboolean submission_starttls(Submission *session, const char *arguments, GError **error)
{
    if (session->authenticated)
        return submission_reply(session, error, 503, "5.5.1", "STARTTLS comes before AUTH");
    if (!session->daemon->tls || net_stream_is_tls(session->stream))
        return submission_reply(session, error, 503, "5.5.1", "STARTTLS is not offered now");
    if (!submission_reply(session, error, 220, "2.0.0", "Go ahead") ||
        !net_stream_accept_tls(session->stream, session->daemon->tls, "smtp", error))
        return FALSE;
    submission_reset(session);
    session->greeted = FALSE;
    return TRUE;
}
