/* SPDX-License-Identifier: GPL-3.0-or-later */
/* \Recent: claiming it, counting it. */
#include "daemon/serve/imap/recent.h"

static void add_recent(ImapView *view, guint32 first, guint32 next)
{
    if (first < next)
        imap_set_add_range(view->recent, MAX(first, 1), next - 1);
}

/* Others may have been claiming meanwhile: what is left is in the folder's row. */
static gboolean claim_in_cache(ImapSession *session, ImapView *view, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_WRITE_FULL, error);
    guint32 first;
    if (!txn)
        return FALSE;
    g_autoptr(CacheFolder) folder = cache_folder_get(txn, view->folder, error);
    if (!folder || !cache_folder_take_recent(txn, view->folder, &first, error) ||
        !cache_commit(g_steal_pointer(&txn), error))
        return FALSE;
    add_recent(view, first, folder->uidnext);
    return TRUE;
}

gboolean imap_recent_claim(ImapSession *session, ImapView *view, guint32 first, guint32 next,
                           GError **error)
{
    g_autoptr(GError) failure = NULL;
    if (first >= next || (!view->read_only && claim_in_cache(session, view, &failure)))
        return TRUE;
    if (failure && !g_error_matches(failure, CACHE_ERROR, CACHE_ERROR_FULL)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    add_recent(view, first, next);
    return TRUE;
}
