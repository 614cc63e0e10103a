/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Labels (X-GM-EXT-1), and what is found by Gmail's own search. */
#include "daemon/serve/imap/labels.h"

#include "cache/set-like.h"

#include "daemon/proto/imap/quote.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/view.h"

/* The first of a role is what is told; the others are understood, too. */
static const struct {
    const char *label;
    CacheRole role;
} system_labels[] = {
    {"\\Inbox", CACHE_ROLE_INBOX},     {"\\Sent", CACHE_ROLE_SENT},
    {"\\Draft", CACHE_ROLE_DRAFTS},    {"\\Drafts", CACHE_ROLE_DRAFTS},
    {"\\Starred", CACHE_ROLE_FLAGGED}, {"\\Important", CACHE_ROLE_IMPORTANT},
    {"\\Trash", CACHE_ROLE_TRASH},     {"\\Spam", CACHE_ROLE_JUNK},
    {"\\Junk", CACHE_ROLE_JUNK},
};

gboolean imap_labels_offered(ImapSession *session)
{
    g_autoptr(CacheTxn) txn =
        session->account ? cache_begin(session->account->cache, CACHE_READ, NULL) : NULL;
    g_autofree char *gmail = txn ? cache_meta_get(txn, "gmail") : NULL;
    return g_strcmp0(gmail, "1") == 0;
}

/* ---- telling --------------------------------------------------------------------------------- */

struct ImapLabels {
    gint64 selected;
    gboolean utf8;
    GHashTable *texts; /* folder -> its label; "": it is none */
};

ImapLabels *imap_labels_new(ImapSession *session)
{
    ImapLabels *labels = g_new0(ImapLabels, 1);
    labels->selected = session->view->folder;
    labels->utf8 = imap_session_utf8(session);
    labels->texts = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    return labels;
}

void imap_labels_free(ImapLabels *labels)
{
    g_hash_table_unref(labels->texts);
    g_free(labels);
}

static char *make_text(const ImapLabels *labels, CacheTxn *txn, gint64 id)
{
    g_autoptr(CacheFolder) folder = cache_folder_get(txn, id, NULL);
    if (id == labels->selected || !folder || !folder->name || !cache_folder_is_label(folder))
        return g_strdup("");
    for (gsize i = 0; i < G_N_ELEMENTS(system_labels); i++)
        if (system_labels[i].role == folder->role)
            return g_strdup(system_labels[i].label);
    GString *text = g_string_new(NULL);
    imap_quote_append_mailbox(text, folder->name, labels->utf8);
    return g_string_free(text, FALSE);
}

static const char *label_text(ImapLabels *labels, CacheTxn *txn, gint64 folder)
{
    char *text = g_hash_table_lookup(labels->texts, &folder);
    if (!text) {
        text = make_text(labels, txn, folder);
        g_hash_table_insert(labels->texts, g_memdup2(&folder, sizeof folder), text);
    }
    return text;
}

gboolean imap_labels_append(ImapLabels *labels, CacheTxn *txn, gint64 message, GString *out,
                            GError **error)
{
    g_autoptr(GArray) folders = cache_message_folders(txn, message, error);
    const char *separator = "(";
    if (!folders)
        return FALSE;
    for (guint i = 0; i < folders->len; i++) {
        const char *text = label_text(labels, txn, g_array_index(folders, gint64, i));
        if (!*text)
            continue;
        g_string_append(out, separator);
        g_string_append(out, text);
        separator = " ";
    }
    g_string_append(out, *separator == '(' ? "()" : ")");
    return TRUE;
}

/* ---- finding --------------------------------------------------------------------------------- */

static CacheFolder *find_folder(CacheTxn *txn, const char *label)
{
    for (gsize i = 0; i < G_N_ELEMENTS(system_labels); i++)
        if (g_ascii_strcasecmp(system_labels[i].label, label) == 0)
            return cache_folder_with_role(txn, system_labels[i].role);
    return cache_folder_find(txn, label, NULL);
}

gint64 imap_label_find(CacheTxn *txn, const char *label)
{
    g_autoptr(CacheFolder) folder = find_folder(txn, label);
    return folder ? folder->id : 0;
}

gint64 imap_label_make(CacheTxn *txn, const char *label, GError **error)
{
    g_autoptr(CacheFolder) folder = find_folder(txn, label);
    /* Of what is no label, spam and trash can be given by their names as such. */
    gboolean given = folder && (cache_folder_is_label(folder) || *label == '\\');
    if (given && folder->selectable)
        return folder->id;
    if (*label != '\\' && (!folder || given))
        return cache_folder_create(txn, label, CACHE_ROLE_NONE, error);
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID, "\"%s\" can't be given as a label", label);
    return 0;
}

/* ---- X-GM-RAW -------------------------------------------------------------------------------- */

/* What the provider has found and is in the view. */
static ImapSet *local_uids(ImapSession *session, const GArray *base_uids, GError **error)
{
    g_autoptr(ImapSet) uids = imap_set_new();
    g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_READ, error);
    for (guint i = 0; txn && i < base_uids->len; i++) {
        CachePlacement row;
        if (cache_placement_by_base(txn, session->view->folder,
                                    g_array_index(base_uids, guint32, i), &row, NULL) &&
            imap_view_number(session->view, row.uid))
            imap_set_add(uids, row.uid);
    }
    return txn ? g_steal_pointer(&uids) : NULL;
}

ImapSet *imap_gmail_search(ImapSession *session, const char *query)
{
    g_autoptr(GError) error = NULL;
    if (!imap_session_flush(session))
        return NULL;
    g_autoptr(GArray) found = fetch_search(session->account->bodies, session->view->folder, query,
                                           net_stream_cancel(session->stream), &error);
    if (!found) {
        imap_reply_printf(session, IMAP_NO, "UNAVAILABLE",
                          "X-GM-RAW is searched by the provider: %s", error->message);
        return NULL;
    }
    ImapSet *uids = local_uids(session, found, &error);
    if (!uids)
        imap_reply_error(session, error);
    return uids;
}
