/* SPDX-License-Identifier: GPL-3.0-or-later */
/* "$". */
#include "daemon/serve/imap/saved.h"

#include "daemon/serve/imap/esearch.h"
#include "daemon/serve/imap/view.h"

static int compare_uids(const void *a, const void *b)
{
    guint32 first = *(const guint32 *)a, second = *(const guint32 *)b;
    return (first > second) - (first < second);
}

void imap_saved_set(ImapSession *session, const ImapSearchReturn *ret, const GArray *uids)
{
    g_autoptr(GArray) told = imap_esearch_told(ret, uids);
    g_array_sort(told, compare_uids);
    ImapView *view = session->view;
    g_clear_pointer(&view->saved, imap_set_free);
    view->saved = imap_set_new();
    imap_set_add_all(view->saved, told);
}

void imap_saved_after(ImapSession *session, gboolean saves)
{
    if (saves && session->view && session->status == IMAP_NO)
        g_clear_pointer(&session->view->saved, imap_set_free);
}
