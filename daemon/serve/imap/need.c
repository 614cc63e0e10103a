/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages that aren't here yet. */
#include "daemon/serve/imap/need.h"

void imap_need_clear(ImapNeed *need)
{
    g_clear_error(&need->error);
}

void imap_need(ImapSession *session, ImapNeed *need, const gint64 *messages, guint count,
               CacheContentState state)
{
    g_autoptr(GError) error = NULL;
    if (need->offline || !imap_session_flush(session))
        return;
    if (sync_bodies_need(session->account->bodies, messages, count, state,
                         net_stream_cancel(session->stream), &error))
        return;
    /* One that is gone upstream says nothing about the others. */
    need->offline = !g_error_matches(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND);
    if (!need->error)
        need->error = g_steal_pointer(&error);
}
