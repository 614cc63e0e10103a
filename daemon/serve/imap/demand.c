/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages that aren't here yet. */
#include "daemon/serve/imap/demand.h"

void imap_demand_clear(ImapDemand *demand)
{
    g_clear_error(&demand->error);
}

/* One that is gone upstream says nothing about the others. */
static void note_failure(ImapDemand *demand, GError *error)
{
    demand->offline = !g_error_matches(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND);
    if (demand->error)
        g_error_free(error);
    else
        demand->error = error;
}

void imap_demand(ImapSession *session, ImapDemand *demand, const gint64 *messages, guint count,
                 CacheContentState state)
{
    GError *error = NULL;
    if (demand->offline || !imap_session_flush(session))
        return;
    if (!fetch_content(session->account->bodies, messages, count, state,
                       net_stream_cancel(session->stream), &error))
        note_failure(demand, error);
}

GBytes *imap_demand_extract(ImapSession *session, ImapDemand *demand, gint64 message,
                            const FetchExtract *extract)
{
    GError *error = NULL;
    if (demand->offline || !imap_session_flush(session))
        return NULL;
    GBytes *octets = fetch_extract(session->account->bodies, message, extract,
                                   net_stream_cancel(session->stream), &error);
    if (!octets)
        note_failure(demand, error);
    return octets;
}
