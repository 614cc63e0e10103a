/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages that aren't here yet. */
#include "daemon/serve/imap/need.h"

void imap_need_clear(ImapNeed *need)
{
    g_clear_error(&need->error);
}

/* One that is gone upstream says nothing about the others. */
static void note_failure(ImapNeed *need, GError *error)
{
    need->offline = !g_error_matches(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND);
    if (need->error)
        g_error_free(error);
    else
        need->error = error;
}

void imap_need(ImapSession *session, ImapNeed *need, const gint64 *messages, guint count,
               CacheContentState state)
{
    GError *error = NULL;
    if (need->offline || !imap_session_flush(session))
        return;
    if (!fetch_content(session->account->bodies, messages, count, state,
                       net_stream_cancel(session->stream), &error))
        note_failure(need, error);
}

GBytes *imap_need_extract(ImapSession *session, ImapNeed *need, gint64 message,
                          const FetchExtract *extract)
{
    GError *error = NULL;
    if (need->offline || !imap_session_flush(session))
        return NULL;
    GBytes *octets = fetch_extract(session->account->bodies, message, extract,
                                   net_stream_cancel(session->stream), &error);
    if (!octets)
        note_failure(need, error);
    return octets;
}
