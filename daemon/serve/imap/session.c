/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What every part of a session stands on: its state, its deadlines, its lines in and out. */
#include "daemon/serve/imap/session.h"

#include "daemon/serve/line.h"

/* RFC 3501, 5.4: at least 30 minutes. */
#define AUTOLOGOUT_SECONDS (30 * 60)

ImapState imap_session_state(const ImapSession *session)
{
    if (!session->account)
        return IMAP_STATE_LOGIN;
    return session->view ? IMAP_STATE_SELECTED : IMAP_STATE_AUTHENTICATED;
}

void imap_session_lexer(ImapSession *session, ImapLexer *lexer)
{
    imap_lexer_init(lexer, session->command, session->limits, session->mode);
}

static guint idle_seconds(const ImapSession *session)
{
    guint seconds = session->daemon->idle_seconds;
    return seconds ? seconds : AUTOLOGOUT_SECONDS;
}

gint64 imap_session_idle_deadline(const ImapSession *session)
{
    return g_get_monotonic_time() + idle_seconds(session) * (gint64)G_USEC_PER_SEC;
}

int imap_session_wait(ImapSession *session, gint64 deadline, GError **error)
{
    gint64 left = (deadline - g_get_monotonic_time()) / 1000;
    int woken =
        net_stream_wait(session->stream, session->wake_fd, (int)CLAMP(left, 0, G_MAXINT), error);
    if (woken >= 0 && (woken & NET_TIMED_OUT)) {
        g_set_error_literal(error, NET_ERROR, NET_ERROR_TIMEOUT, "The client says nothing");
        return -1;
    }
    return woken;
}

/* ---- sending --------------------------------------------------------------------------------- */

gboolean imap_session_is_pointless(const ImapSession *session)
{
    return net_cancel_triggered(net_stream_cancel(session->stream)) || session->broken ||
           net_stream_is_gone(session->stream);
}

void imap_session_fail(ImapSession *session, const GError *error)
{
    session->ended = TRUE;
    if (session->broken)
        return;
    const char *bye = NULL;
    if (g_error_matches(error, NET_ERROR, NET_ERROR_TIMEOUT))
        bye = session->account ? "* BYE You were away for too long\r\n"
                               : "* BYE You took too long to log in\r\n";
    else if (g_error_matches(error, NET_ERROR, NET_ERROR_CANCELLED))
        bye = "* BYE Postern is stopping\r\n";
    /* Closing the stream sends it, cancelled or not. */
    if (bye)
        net_stream_puts(session->stream, bye, NULL);
    session->broken = TRUE;
}

/* A client that stops in the middle of reading can't be told anything in between. */
static gboolean write_failed(ImapSession *session)
{
    session->ended = TRUE;
    session->broken = TRUE;
    return FALSE;
}

gboolean imap_session_send(ImapSession *session)
{
    gboolean ok = !session->broken;
    if (ok && session->out->len &&
        !net_stream_write(session->stream, session->out->str, session->out->len, NULL))
        ok = write_failed(session);
    /* A large answer's buffer isn't kept while the client thinks. */
    if (session->out->allocated_len > 1024 * 1024) {
        g_string_free(session->out, TRUE);
        session->out = g_string_new(NULL);
    }
    g_string_truncate(session->out, 0);
    return ok;
}

gboolean imap_session_flush(ImapSession *session)
{
    if (!imap_session_send(session))
        return FALSE;
    return net_stream_flush(session->stream, NULL) || write_failed(session);
}

/* ---- reading --------------------------------------------------------------------------------- */

const char *imap_session_read_line(ImapSession *session, gsize limit, gsize *length)
{
    g_autoptr(GError) error = NULL;
    const char *line = NULL;
    if (serve_check_plain(session->stream, &error))
        line = net_stream_read_line_cut(session->stream, limit, length, &error);
    if (!line)
        imap_session_fail(session, error);
    return line;
}

/* ---- login ----------------------------------------------------------------------------------- */

void imap_session_await_login(ImapSession *session)
{
    session->limits = &imap_limits_login;
    imap_assembler_set_limits(session->assembler, session->limits);
    net_stream_set_timeout(session->stream, 0);
    serve_await_login(session->stream, session->daemon);
}

void imap_session_logout(ImapSession *session)
{
    const ServeDaemon *daemon = session->daemon;

    if (daemon->set_login)
        daemon->set_login(NULL, daemon->data);
    g_clear_pointer(&session->account, serve_account_unref);
}

void imap_session_login(ImapSession *session, ServeAccount *account)
{
    session->account = account;
    session->limits = &imap_limits_default;
    imap_assembler_set_limits(session->assembler, session->limits);
    serve_end_login(session->stream);
    net_stream_set_timeout(session->stream, idle_seconds(session));
}
