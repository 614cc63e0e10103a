/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The loop of a session: greets the client, reads one command after the other, runs each by its
 * rule in the table of commands, and tells the news after it. What a session is, and how it reads
 * and writes, is in session.c; what a command does is in the command's own file.
 */
#include "daemon/serve/imap/append.h"
#include "daemon/serve/imap/capability.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/news.h"
#include "daemon/serve/imap/notify.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/rights.h"
#include "daemon/serve/imap/view.h"
#include "daemon/serve/line.h"

#include <sys/eventfd.h>
#include <unistd.h>

#define MISTAKES_MAX 3 /* before login */

/* ---- running a command ------------------------------------------------------------------------ */

static gboolean state_allowed(ImapSession *session, const ImapCommandRule *rule)
{
    if (rule->states & imap_session_state(session))
        return TRUE;
    const char *why = session->account ? "Log out first: you are logged in" : "Log in first";
    if (session->account && rule->states == IMAP_STATE_SELECTED)
        why = "Select a mailbox first";
    imap_reply(session, IMAP_BAD, NULL, why);
    return FALSE;
}

static gboolean selected_allows(ImapSession *session, guint32 rights)
{
    g_autoptr(GError) error = NULL;
    if (imap_rights_selected(session, rights, 0, &error))
        return TRUE;
    imap_reply_error(session, error);
    return FALSE;
}

static gboolean is_allowed(ImapSession *session, const ImapCommandRule *rule)
{
    if (!state_allowed(session, rule))
        return FALSE;
    if (session->by_uid && !(rule->flags & IMAP_ALLOWS_UID)) {
        imap_reply_printf(session, IMAP_BAD, NULL, "There is no UID %s", rule->name);
        return FALSE;
    }
    if ((rule->flags & IMAP_BY_NUMBER) && !session->by_uid && imap_session_uidonly(session)) {
        imap_reply_printf(session, IMAP_BAD, "UIDREQUIRED",
                          "With UIDONLY there are no message numbers: say UID %s", rule->name);
        return FALSE;
    }
    if ((rule->flags & IMAP_CHANGES) && session->view->read_only) {
        imap_reply(session, IMAP_NO, "CANNOT", "The mailbox is open for reading only (EXAMINE)");
        return FALSE;
    }
    return !rule->selected || selected_allows(session, rule->selected);
}

/* RFC 3501, 7.4.1, and RFC 7162, 3.2.10.2: where the client counts by sequence numbers, they stay;
 * so they do in a UID SEARCH for some. */
static void report_news(ImapSession *session, const ImapCommandRule *rule)
{
    if (!session->view || (rule->flags & IMAP_NO_NEWS))
        return;
    gboolean by_uid = session->by_uid && !session->numbered;
    imap_news_report(session, !(rule->flags & IMAP_KEEPS_NUMBERS) || by_uid);
}

/* Finds the rule of the command that has arrived, or whose first message is about to. FALSE: it may
 * not run, and the tagged answer says why. */
static gboolean find_rule(ImapSession *session)
{
    const ImapCommand *command = imap_assembler_command(session->assembler);
    session->by_uid = command->uid;
    session->rule = imap_command_find(command->name);
    if (session->rule)
        return is_allowed(session, session->rule);
    imap_reply(session, IMAP_BAD, NULL, "There is no such command");
    return FALSE;
}

/* A password stands in what it was made of. */
static gboolean is_login(const ImapCommandRule *rule)
{
    return rule && (rule->run == imap_cmd_login || rule->run == imap_cmd_authenticate);
}

/* Everything between the command's last octet and its tagged answer's. */
static void run_command(ImapSession *session)
{
    session->command = imap_assembler_command(session->assembler);
    session->numbered = FALSE;
    session->expunged_modseq = 0;
    imap_reply(session, IMAP_OK, NULL, "");
    imap_progress_begin(session);
    if (find_rule(session)) {
        ImapLexer lexer;
        imap_session_lexer(session, &lexer);
        session->rule->run(session, &lexer);
        report_news(session, session->rule);
        imap_notify_report(session, FALSE);
        imap_news_conclude(session);
    }
    if (!session->answered)
        imap_reply_send(session);
    session->answered = FALSE;
    session->command = NULL;
    if (is_login(session->rule))
        imap_assembler_wipe(session->assembler);
}

/* ---- reading a command ------------------------------------------------------------------------ */

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

static gboolean read_literal(ImapSession *session, const ImapLiteral *literal)
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

/* A message of APPEND or REPLACE: the command is looked up before its first one is read. */
static gboolean receive_message(ImapSession *session, ImapFeed *feed)
{
    if (session->append || find_rule(session))
        *feed = imap_append_receive(session);
    else
        *feed = imap_assembler_refuse(session->assembler);
    if (session->ended)
        return FALSE;
    return *feed != IMAP_FEED_DISCARD ||
           discard_literal(session, imap_assembler_literal(session->assembler)->size);
}

/* A browser can be made to send what it likes to any port, behind a line like this one. */
static gboolean is_foreign(ImapSession *session, const char *line)
{
    if (!serve_is_http(line) || imap_assembler_has_begun(session->assembler))
        return FALSE;
    g_auto(GStrv) words = g_strsplit(line, " ", 3);
    g_autofree char *name = g_ascii_strup(words[1], -1);
    if (imap_command_find(name) || g_str_equal(name, "UID"))
        return FALSE; /* "GET" is a tag as well */
    session->ended = session->broken = TRUE;
    return TRUE;
}

/* Reads up to the end of a command. FALSE: the session has ended. */
static gboolean assemble(ImapSession *session, ImapFeed *feed)
{
    for (;;) {
        gsize length;
        const char *line = imap_session_read_line(session, session->limits->line, &length);
        if (!line || is_foreign(session, line))
            return FALSE;
        *feed = imap_assembler_line(session->assembler, line, length);
        const ImapLiteral *literal = imap_assembler_literal(session->assembler);
        if (*feed == IMAP_FEED_LITERAL) {
            if (!read_literal(session, literal))
                return FALSE;
        } else if (*feed == IMAP_FEED_DISCARD) {
            if (!discard_literal(session, literal->size))
                return FALSE;
        } else if (*feed == IMAP_FEED_MESSAGE) {
            if (!receive_message(session, feed))
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
    session->status = IMAP_BAD;
    if (!bad->tag) {
        imap_untagged(session, "BAD", bad->code, bad->reason);
        return;
    }
    g_string_append_printf(session->out, "%s %s ", bad->tag, bad->refused ? "NO" : "BAD");
    if (bad->code)
        g_string_append_printf(session->out, "[%s] ", bad->code);
    g_string_append(session->out, bad->reason);
    g_string_append(session->out, "\r\n");
}

/* The tagged answer was set when the message was refused. */
static void answer_refused(ImapSession *session)
{
    session->command = imap_assembler_command(session->assembler);
    session->by_uid = session->command->uid;
    imap_reply_send(session);
    session->command = NULL;
}

/* Who hasn't logged in and says what no client does is told so three times. */
static void count_mistakes(ImapSession *session)
{
    gboolean trying = session->rule && session->rule->run == imap_cmd_authenticate;
    if (session->account || session->ended || session->status != IMAP_BAD || trying ||
        ++session->mistakes < MISTAKES_MAX)
        return;
    imap_untagged(session, "BYE", NULL, "Too many mistakes");
    session->ended = TRUE;
}

static void read_and_run(ImapSession *session)
{
    ImapFeed feed;
    session->rule = NULL;
    imap_notify_wait(session);
    if (session->ended || !assemble(session, &feed))
        return;
    if (feed == IMAP_FEED_COMPLETE)
        run_command(session);
    else if (feed == IMAP_FEED_BAD)
        answer_bad(session);
    else
        answer_refused(session);
    count_mistakes(session);
    imap_append_clear(session);
    imap_assembler_reset(session->assembler);
    imap_session_send(session);
    /* Pipelined commands share a packet for their answers. */
    if (!session->broken && !net_stream_pending(session->stream))
        imap_session_flush(session);
}

/* ---- from greeting to goodbye ----------------------------------------------------------------- */

static void greet(ImapSession *session)
{
    g_autoptr(GString) code = g_string_new("CAPABILITY ");
    imap_capability_announce(session, code);
    imap_untagged(session, session->account ? "PREAUTH" : "OK", code->str, "Postern is ready.");
    imap_session_flush(session);
}

void serve_imap(NetStream *stream, const ServeDaemon *daemon, ServeAccount *preauth)
{
    ImapSession session = {
        .stream = stream,
        .daemon = daemon,
        .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .out = g_string_new(NULL),
        .code = g_string_new(NULL),
        .text = g_string_new(NULL),
    };
    session.assembler = imap_assembler_new(&imap_limits_login, G_MAXUINT64);
    imap_session_await_login(&session);
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
