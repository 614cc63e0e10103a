/* SPDX-License-Identifier: GPL-3.0-or-later */
/* IDLE (RFC 2177): news as they happen, until the client says DONE. */
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/news.h"
#include "daemon/serve/imap/notify.h"
#include "daemon/serve/imap/reply.h"

#define DONE_LINE_MAX 1024

static gboolean tell_news(ImapSession *session)
{
    if (session->view)
        imap_news_report(session, TRUE);
    imap_news_conclude(session);
    imap_notify_report(session, FALSE);
    return imap_session_flush(session);
}

/* TRUE: the client has something to say. Sleeps in one poll() over its socket and the view's
 * notices. RFC 2177: the client is to begin again at least every 29 minutes, whatever news come. */
static gboolean wait_for_client(ImapSession *session)
{
    g_autoptr(GError) error = NULL;
    gint64 deadline = imap_session_idle_deadline(session);
    for (;;) {
        if (net_stream_pending(session->stream))
            return TRUE;
        int woken = imap_session_wait(session, deadline, &error);
        if (woken < 0) {
            imap_session_fail(session, error);
            return FALSE;
        }
        if ((woken & NET_WOKEN) && !tell_news(session))
            return FALSE;
        if (woken & NET_READABLE)
            return TRUE;
    }
}

void imap_cmd_idle(ImapSession *session, ImapLexer *lexer)
{
    if (!imap_reply_end(session, lexer))
        return;
    g_string_append(session->out, "+ idling\r\n");
    /* What happened before the watch began to matter is told first. */
    if (!tell_news(session) || !wait_for_client(session))
        return;
    gsize length;
    const char *line = imap_session_read_line(session, DONE_LINE_MAX, &length);
    if (line && g_ascii_strcasecmp(line, "DONE") != 0)
        imap_reply(session, IMAP_BAD, NULL, "Expected DONE");
}
