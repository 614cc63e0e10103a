/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Checking rights. */
#include "daemon/serve/imap/rights.h"

#include "daemon/proto/imap/quote.h"
#include "daemon/proto/imap/rights.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/view.h"

GQuark imap_rights_error_quark(void)
{
    return g_quark_from_static_string("imap-rights-error");
}

static guint32 rights_of(const CacheFolder *folder)
{
    return cache_folder_rights(folder) & ~(guint32)CACHE_RIGHT_ADMINISTER;
}

/* What the first of the missing rights is for. */
static const char *purpose(guint32 missing)
{
    static const struct {
        guint32 right;
        const char *text;
    } purposes[] = {
        {CACHE_RIGHT_READ, "read"},
        {CACHE_RIGHT_INSERT, "put messages into"},
        {CACHE_RIGHT_CREATE, "make mailboxes below"},
        {CACHE_RIGHT_REMOVE, "delete or rename"},
        {CACHE_RIGHT_SEEN | CACHE_RIGHT_WRITE, "change these flags in"},
        {CACHE_RIGHT_DELETE | CACHE_RIGHT_EXPUNGE, "delete messages from"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(purposes); i++)
        if (missing & purposes[i].right)
            return purposes[i].text;
    return "use";
}

static void refuse_rights(const CacheFolder *folder, guint32 missing, GError **error)
{
    if (missing & CACHE_RIGHT_ADMINISTER)
        g_set_error(error, IMAP_RIGHTS_ERROR, IMAP_RIGHTS_ERROR_REFUSED,
                    "With whom \"%s\" is shared is decided at the provider, not through Postern",
                    folder->name);
    else
        g_set_error(error, IMAP_RIGHTS_ERROR, IMAP_RIGHTS_ERROR_REFUSED,
                    "The provider doesn't let you %s \"%s\"", purpose(missing), folder->name);
}

gboolean imap_rights_allow(const CacheFolder *folder, guint32 all, guint32 any, GError **error)
{
    guint32 rights = rights_of(folder);
    guint32 missing = all & ~rights;
    if (any && !(any & rights))
        missing |= any & ~(guint32)CACHE_RIGHT_ADMINISTER;
    if (!missing)
        return TRUE;
    if (rights & CACHE_RIGHT_LOOKUP)
        refuse_rights(folder, missing, error);
    else /* RFC 4314, 6: what can't be listed isn't there. */
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND, "There is no folder %s",
                    folder->name);
    return FALSE;
}

CacheFolder *imap_rights_find(ImapSession *session, CacheTxn *txn, const char *name, GError **error)
{
    g_autoptr(CacheFolder) folder = cache_folder_find(txn, name, error);
    if (!folder || !imap_rights_allow(folder, session->rule->named, session->rule->any, error))
        return NULL;
    return g_steal_pointer(&folder);
}

gboolean imap_rights_selected(ImapSession *session, guint32 all, guint32 any, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_READ, error);
    g_autoptr(CacheFolder) folder = txn ? cache_folder_get(txn, session->view->folder, NULL) : NULL;
    if (!txn)
        return FALSE;
    gboolean gone = !folder || !folder->name;
    return gone || imap_rights_allow(folder, all, any, error);
}

gboolean imap_rights_selected_has(ImapSession *session, guint32 right)
{
    g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_READ, NULL);
    g_autoptr(CacheFolder) folder = txn ? cache_folder_get(txn, session->view->folder, NULL) : NULL;
    return folder && (rights_of(folder) & right);
}

const char *imap_rights_code(const ImapView *view)
{
    /* Whether others see the flags isn't known here: who may set one may write. */
    const guint32 writing = CACHE_RIGHT_INSERT | CACHE_RIGHT_EXPUNGE | CACHE_RIGHTS_FLAGS;
    return view->read_only || !(view->rights & writing) ? "READ-ONLY" : "READ-WRITE";
}

void imap_rights_tell(ImapSession *session, const CacheFolder *folder)
{
    g_string_append(session->out, "* MYRIGHTS ");
    imap_quote_append_mailbox(session->out, folder->name, imap_session_utf8(session));
    g_string_append_c(session->out, ' ');
    imap_rights_format(rights_of(folder), session->out);
    g_string_append(session->out, "\r\n");
}
