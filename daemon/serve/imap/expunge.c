/* SPDX-License-Identifier: GPL-3.0-or-later */
/* EXPUNGE (RFC 3501, 6.4.3) and UID EXPUNGE (RFC 4315, 2.1). */
#include "daemon/serve/imap/expunge.h"

#include "cache/change.h"
#include "cache/folder.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/view.h"

static gboolean collect_deleted(const CacheFetchRow *row, gpointer data)
{
    if (row->placement->flags.system & CACHE_DELETED)
        g_array_append_val((GArray *)data, row->placement->uid);
    return TRUE;
}

/* The maintained count saves looking where nothing is deleted. */
static GArray *find_deleted(ImapSession *session, const GArray *uids, GError **error)
{
    g_autoptr(GArray) deleted = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_READ, error);
    if (!txn)
        return NULL;
    g_autoptr(CacheFolder) folder = cache_folder_get(txn, session->view->folder, error);
    if (!folder)
        return NULL;
    if (folder->deleted && uids->len &&
        !cache_fetch(txn, (CacheSelection){folder->id, &g_array_index(uids, guint32, 0), uids->len},
                     0, collect_deleted, deleted, error))
        return NULL;
    return g_steal_pointer(&deleted);
}

gboolean imap_expunge_modseq(ImapSession *session, CacheTxn *txn, guint64 *modseq, GError **error)
{
    g_autoptr(CacheFolder) folder = cache_folder_get(txn, session->view->folder, error);
    if (folder)
        *modseq = folder->highestmodseq;
    return folder != NULL;
}

static gboolean expunge_all(ImapSession *session, const GArray *uids, guint64 *modseq,
                            GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_WRITE_FULL, error);
    return txn &&
           cache_expunge(txn, session->view->folder, (const guint32 *)(void *)uids->data, uids->len,
                         FALSE, NULL, error) &&
           (!modseq || imap_expunge_modseq(session, txn, modseq, error)) &&
           cache_commit(g_steal_pointer(&txn), error);
}

gboolean imap_expunge_deleted(ImapSession *session, const GArray *uids, guint64 *modseq,
                              GError **error)
{
    if (modseq)
        *modseq = 0;
    g_autoptr(GArray) deleted = find_deleted(session, uids, error);
    if (!deleted)
        return FALSE;
    return !deleted->len || expunge_all(session, deleted, modseq, error);
}

void imap_expunge_reply(ImapSession *session, guint64 modseq, const char *text)
{
    if (!modseq || !(session->enabled & IMAP_ENABLED_QRESYNC))
        return;
    imap_reply(session, IMAP_OK, NULL, text);
    session->expunged_modseq = modseq;
}

void imap_cmd_expunge(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ImapSequenceSet) set = NULL;
    g_autoptr(GArray) uids = NULL;
    guint64 modseq;
    if ((session->by_uid && (!imap_lexer_space(lexer, &error) ||
                             !(set = imap_lexer_sequence_set(lexer, TRUE, &error)))) ||
        !imap_lexer_end(lexer, &error)) {
        imap_reply_error(session, error);
        return;
    }
    uids = set ? imap_view_resolve(session, set, TRUE, TRUE) : g_array_ref(session->view->uids);
    if (imap_expunge_deleted(session, uids, &modseq, &error))
        imap_expunge_reply(session, modseq, "Expunged.");
    else
        imap_reply_error(session, error);
}
