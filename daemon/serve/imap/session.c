/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A session's life: greeting, reading commands, running them, goodbye. */
#include "daemon/serve/imap/session.h"

#include "daemon/serve/imap/append.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/notify.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/view.h"

#include <sys/eventfd.h>
#include <unistd.h>

/* RFC 3501, 5.4: at least 30 minutes. */
#define AUTOLOGOUT_SECONDS (30 * 60)
#define LOGIN_SECONDS      (3 * 60)

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

static gint64 login_deadline(const ServeDaemon *daemon)
{
    guint seconds = daemon->login_seconds ? daemon->login_seconds : LOGIN_SECONDS;
    return g_get_monotonic_time() + seconds * (gint64)G_USEC_PER_SEC;
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

/* Before login what counts is the time since the connection, not since the last octet. */
static gboolean within_deadline(ImapSession *session, GError **error)
{
    if (session->account)
        return TRUE;
    gint64 left = (session->login_deadline - g_get_monotonic_time()) / G_USEC_PER_SEC;
    if (left <= 0) {
        g_set_error_literal(error, NET_ERROR, NET_ERROR_TIMEOUT, "No login in time");
        return FALSE;
    }
    net_stream_set_timeout(session->stream, (guint)left + 1);
    return TRUE;
}

/* NULL: TOO_LONG with the session going on, or the session has ended. */
static const char *read_line(ImapSession *session, gsize limit, gsize *length)
{
    g_autoptr(GError) error = NULL;
    const char *line = NULL;
    if (within_deadline(session, &error))
        line = net_stream_read_line(session->stream, limit, length, &error);
    if (!line && !g_error_matches(error, NET_ERROR, NET_ERROR_TOO_LONG))
        imap_session_fail(session, error);
    return line;
}

const char *imap_session_read_line(ImapSession *session, gsize limit)
{
    if (!imap_session_flush(session))
        return NULL;
    const char *line = read_line(session, limit, NULL);
    if (!line)
        session->ended = TRUE;
    return line;
}

static gboolean discard_literal(ImapSession *session, guint64 size)
{
    char buffer[4096];
    g_autoptr(GError) error = NULL;
    while (size > 0) {
        gsize part = MIN(size, sizeof buffer);
        if (!net_stream_read_exact(session->stream, buffer, part, &error)) {
            imap_session_fail(session, error);
            return FALSE;
        }
        size -= part;
    }
    return TRUE;
}

static gboolean invite(ImapSession *session, const ImapLiteral *literal)
{
    if (!literal->sync)
        return TRUE;
    g_string_append(session->out, "+ OK\r\n");
    return imap_session_flush(session);
}

static gboolean keep_literal(ImapSession *session, const ImapLiteral *literal)
{
    g_autoptr(GError) error = NULL;
    if (!invite(session, literal))
        return FALSE;
    gsize size = (gsize)literal->size;
    g_autofree char *octets = g_malloc(size + 1);
    if (size && !net_stream_read_exact(session->stream, octets, size, &error)) {
        imap_session_fail(session, error);
        return FALSE;
    }
    g_autoptr(GBytes) bytes = g_bytes_new_take(g_steal_pointer(&octets), size);
    imap_assembler_literal_data(session->assembler, bytes);
    return TRUE;
}

static gboolean take_message(ImapSession *session, ImapFeed *feed)
{
    *feed = imap_append_take(session);
    if (session->ended)
        return FALSE;
    return *feed != IMAP_FEED_DISCARD ||
           discard_literal(session, imap_assembler_literal(session->assembler)->size);
}

/* Reads up to the end of a command. FALSE: the session has ended. */
static gboolean assemble(ImapSession *session, ImapFeed *feed)
{
    for (;;) {
        gsize length;
        const char *line = read_line(session, session->limits->line, &length);
        if (!line && session->ended)
            return FALSE;
        if (!line) {
            *feed = IMAP_FEED_DISCARD; /* the line is gone, and its tag with it */
            return TRUE;
        }
        *feed = imap_assembler_line(session->assembler, line, length);
        const ImapLiteral *literal = imap_assembler_literal(session->assembler);
        if (*feed == IMAP_FEED_LITERAL) {
            if (!keep_literal(session, literal))
                return FALSE;
        } else if (*feed == IMAP_FEED_DISCARD) {
            if (!discard_literal(session, literal->size))
                return FALSE;
        } else if (*feed == IMAP_FEED_MESSAGE) {
            if (!take_message(session, feed))
                return FALSE;
            if (*feed == IMAP_FEED_REFUSED)
                return TRUE;
        } else {
            return TRUE;
        }
    }
}

static void answer_bad(ImapSession *session)
{
    const ImapBad *bad = imap_assembler_error(session->assembler);
    if (!bad->tag) {
        imap_untagged(session, "BAD", bad->code, bad->reason);
        return;
    }
    /* RFC 7889, 4 (RFC 4469, 2): there is nothing wrong with a command but the size of its message.
     */
    g_string_append_printf(session->out, "%s %s ", bad->tag, bad->code ? "NO" : "BAD");
    if (bad->code)
        g_string_append_printf(session->out, "[%s] ", bad->code);
    g_string_append(session->out, bad->reason);
    g_string_append(session->out, "\r\n");
}

/* The tagged answer was set when the message was refused. */
static void answer_refused(ImapSession *session)
{
    session->command = imap_assembler_command(session->assembler);
    session->uid = session->command->uid;
    imap_reply_send(session);
    session->command = NULL;
}

static void read_and_run(ImapSession *session)
{
    ImapFeed feed;
    imap_notify_wait(session);
    if (session->ended || !assemble(session, &feed))
        return;
    if (feed == IMAP_FEED_COMPLETE)
        imap_command_run(session);
    else if (feed == IMAP_FEED_BAD)
        answer_bad(session);
    else if (feed == IMAP_FEED_REFUSED)
        answer_refused(session);
    else
        imap_untagged(session, "BAD", "TOOBIG", "The line is too long");
    imap_append_clear(session);
    imap_assembler_reset(session->assembler);
    imap_session_send(session);
    /* Pipelined commands share a packet for their answers. */
    if (!session->broken && !net_stream_pending(session->stream))
        imap_session_flush(session);
}

/* ---- life ------------------------------------------------------------------------------------ */

void imap_session_login(ImapSession *session, ServeAccount *account)
{
    session->account = account;
    session->limits = &imap_limits_default;
    imap_assembler_set_limits(session->assembler, session->limits);
    net_stream_set_timeout(session->stream, idle_seconds(session));
}

void imap_session_logout(ImapSession *session)
{
    g_clear_pointer(&session->view, imap_view_free);
    g_clear_pointer(&session->notify, imap_notify_free);
    g_clear_pointer(&session->account, serve_account_unref);
    session->enabled = session->mode = 0;
    imap_assembler_set_mode(session->assembler, 0);
    session->limits = &imap_limits_login;
    imap_assembler_set_limits(session->assembler, session->limits);
    session->login_deadline = login_deadline(session->daemon);
}

static void greet(ImapSession *session)
{
    g_autoptr(GString) code = g_string_new("CAPABILITY ");
    imap_capability_format(session, code);
    imap_untagged(session, session->account ? "PREAUTH" : "OK", code->str, "Postern is ready.");
    imap_session_flush(session);
}

void serve_imap(NetStream *stream, const ServeDaemon *daemon, ServeAccount *preauth)
{
    ImapSession session = {
        .stream = stream,
        .daemon = daemon,
        .limits = &imap_limits_login,
        .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .login_deadline = login_deadline(daemon),
        .out = g_string_new(NULL),
        .code = g_string_new(NULL),
        .text = g_string_new(NULL),
    };
    session.assembler = imap_assembler_new(session.limits, G_MAXUINT64);
    if (preauth)
        imap_session_login(&session, serve_account_ref(preauth));
    if (session.wake_fd < 0)
        imap_untagged(&session, "BYE", "UNAVAILABLE", "Postern has too many files open");
    else
        greet(&session);
    while (!session.ended && session.wake_fd >= 0)
        read_and_run(&session);
    if (!session.broken)
        imap_session_flush(&session);
    net_stream_close(stream);

    imap_append_clear(&session);
    g_clear_pointer(&session.view, imap_view_free);
    g_clear_pointer(&session.notify, imap_notify_free);
    imap_assembler_free(session.assembler);
    if (session.wake_fd >= 0)
        close(session.wake_fd);
    if (session.account)
        serve_account_unref(session.account);
    g_string_free(session.out, TRUE);
    g_string_free(session.code, TRUE);
    g_string_free(session.text, TRUE);
}
