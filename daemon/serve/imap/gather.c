/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading headers and dates of many messages. */
#include "daemon/serve/imap/gather.h"

#include "daemon/serve/imap/need.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/view.h"

typedef struct {
    ImapSession *session;
    guint what;
    CacheFetchFunc func;
    gpointer data;
    gboolean last_try;
    GArray *missing_uids, *missing; /* guint32, gint64 */
    ImapNeed need;
} Gather;

static gboolean take_row(const CacheFetchRow *row, gpointer data)
{
    Gather *gather = data;
    const guint rendered = CACHE_FETCH_HEADER | CACHE_FETCH_SENT;
    if (!(gather->what & rendered) || row->state >= CACHE_CONTENT_HEADER || gather->last_try)
        return gather->func(row, gather->data);
    g_array_append_val(gather->missing_uids, row->placement->uid);
    g_array_append_val(gather->missing, row->placement->message);
    return TRUE;
}

static gboolean read_rows(Gather *gather, const guint32 *uids, guint count, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(gather->session->account->cache, CACHE_READ, error);
    return txn && cache_fetch(txn, gather->session->view->folder, uids, count, gather->what,
                              take_row, gather, error);
}

static gboolean gather_slice(Gather *gather, const guint32 *uids, guint count, GError **error)
{
    gather->last_try = FALSE;
    g_array_set_size(gather->missing_uids, 0);
    g_array_set_size(gather->missing, 0);
    if (!read_rows(gather, uids, count, error))
        return FALSE;
    if (!gather->missing->len)
        return TRUE;
    imap_need(gather->session, &gather->need, &g_array_index(gather->missing, gint64, 0),
              gather->missing->len, CACHE_CONTENT_HEADER);
    gather->last_try = TRUE;
    return read_rows(gather, &g_array_index(gather->missing_uids, guint32, 0),
                     gather->missing_uids->len, error);
}

gboolean imap_gather(ImapSession *session, const GArray *uids, guint what, CacheFetchFunc func,
                     gpointer data)
{
    g_autoptr(GError) error = NULL;
    Gather gather = {
        .session = session,
        .what = what,
        .func = func,
        .data = data,
        .missing_uids = g_array_new(FALSE, FALSE, sizeof(guint32)),
        .missing = g_array_new(FALSE, FALSE, sizeof(gint64)),
    };
    for (guint at = 0; at < uids->len && !error; at += IMAP_SLICE_MESSAGES) {
        imap_progress(session, at, uids->len);
        gather_slice(&gather, &g_array_index(uids, guint32, at),
                     MIN(uids->len - at, IMAP_SLICE_MESSAGES), &error);
    }
    g_array_unref(gather.missing_uids);
    g_array_unref(gather.missing);
    imap_need_clear(&gather.need);
    if (error)
        imap_reply_error(session, error);
    return error == NULL;
}
