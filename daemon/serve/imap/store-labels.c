/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * STORE X-GM-LABELS (X-GM-EXT-1): giving a label is a copy into its folder, taking it away expunges
 * the message there. A label that there isn't is made.
 */
#include "daemon/serve/imap/store.h"

#include "cache/set-like.h"

#include "daemon/serve/imap/labels.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/rights.h"
#include "daemon/serve/imap/view.h"

typedef struct {
    ImapSession *session;
    const ImapStoreArgs *args;
    const GArray *uids;
    ImapLabels *texts;
    GArray *folders;  /* gint64: of the labels */
    GArray *done;     /* CacheLabelled */
    GArray *modified; /* guint32 */
} LabelRun;

/* What a COPY into the label's folder, and an EXPUNGE there, would need. */
static gboolean is_label_allowed(CacheTxn *txn, gint64 id, ImapStoreMode mode, GError **error)
{
    const guint32 taking = CACHE_RIGHT_DELETE | CACHE_RIGHT_EXPUNGE;
    g_autoptr(CacheFolder) folder = cache_folder_get(txn, id, error);
    guint32 needs = mode == IMAP_STORE_REMOVE ? taking : (guint32)CACHE_RIGHT_INSERT;
    return folder && imap_rights_allow(folder, needs, 0, error);
}

/* A message is taken out of spam and trash by giving it a label, or by moving it. */
static gboolean find_label_to_remove(CacheTxn *txn, const char *label, gint64 *id, GError **error)
{
    *id = imap_label_find(txn, label);
    g_autoptr(CacheFolder) folder = *id ? cache_folder_get(txn, *id, error) : NULL;
    if (!*id || (folder && cache_folder_is_label(folder)))
        return TRUE;
    if (folder)
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID, "\"%s\" can't be taken away", label);
    return FALSE;
}

static gboolean find_labels(LabelRun *run, CacheTxn *txn, GError **error)
{
    const GPtrArray *labels = run->args->labels;
    for (guint i = 0; i < labels->len; i++) {
        gint64 folder;
        if (run->args->mode == IMAP_STORE_REMOVE) {
            if (!find_label_to_remove(txn, labels->pdata[i], &folder, error))
                return FALSE;
        } else {
            folder = imap_label_make(txn, labels->pdata[i], error);
            if (!folder)
                return FALSE;
        }
        if (folder && !is_label_allowed(txn, folder, run->args->mode, error))
            return FALSE;
        if (folder)
            g_array_append_val(run->folders, folder);
    }
    return TRUE;
}

/* "* 1 FETCH (X-GM-LABELS (\Inbox foo))"; RFC 7162, 3.1.3: with CONDSTORE its mod-sequence, even of
 * a silent one. */
static gboolean tell_labelled(LabelRun *run, CacheTxn *txn, const CacheLabelled *labelled,
                              GError **error)
{
    ImapSession *session = run->session;
    GString *out = session->out;
    gboolean condstore = (session->enabled & IMAP_ENABLED_CONDSTORE) != 0;
    const char *separator = "";
    if (run->args->silent && !condstore)
        return TRUE;
    imap_view_begin_fetch(session, imap_view_number(session->view, labelled->uid), labelled->uid);
    if (session->by_uid && !imap_session_uidonly(session)) {
        g_string_append_printf(out, "UID %u", labelled->uid);
        separator = " ";
    }
    if (condstore) {
        g_string_append_printf(out, "%sMODSEQ (%" G_GUINT64_FORMAT ")", separator,
                               labelled->modseq);
        imap_view_note_modseq(session->view, labelled->modseq);
        separator = " ";
    }
    if (!run->args->silent) {
        g_string_append_printf(out, "%sX-GM-LABELS ", separator);
        if (!imap_labels_append(run->texts, txn, labelled->message, out, error))
            return FALSE;
    }
    g_string_append(out, ")\r\n");
    return TRUE;
}

static gboolean tell_all_labelled(LabelRun *run, CacheTxn *txn, GError **error)
{
    for (guint i = 0; i < run->done->len; i++)
        if (!tell_labelled(run, txn, &g_array_index(run->done, CacheLabelled, i), error))
            return FALSE;
    return TRUE;
}

static void note_label_own(LabelRun *run)
{
    for (guint i = 0; i < run->done->len; i++) {
        const CacheLabelled *labelled = &g_array_index(run->done, CacheLabelled, i);
        CacheChange change = {.uid = labelled->uid, .modseq = labelled->modseq};
        if (!labelled->gone)
            imap_view_own(run->session->view, &change, 1);
    }
}

/* All or none, in one transaction. What is told is told when it has been done. */
static gboolean label_all(LabelRun *run, GError **error)
{
    ImapSession *session = run->session;
    gsize before = session->out->len;
    g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_WRITE_FULL, error);
    const CacheSelection messages = {session->view->folder,
                                     (const guint32 *)(void *)run->uids->data, run->uids->len};
    const CacheLabelChange change = {imap_store_modes[run->args->mode], run->folders,
                                     run->args->unchanged_since ? run->args->modseq : G_MAXUINT64};
    if (!txn || !find_labels(run, txn, error) ||
        !cache_label(txn, messages, change, run->done, run->modified, error) ||
        !tell_all_labelled(run, txn, error) || !cache_commit(g_steal_pointer(&txn), error)) {
        g_string_truncate(session->out, before);
        return FALSE;
    }
    note_label_own(run);
    return TRUE;
}

static void run_labels(LabelRun *run)
{
    g_autoptr(GError) error = NULL;
    if (label_all(run, &error))
        imap_store_reply(run->session, run->uids->len, run->done->len + run->modified->len,
                         run->modified);
    else
        imap_reply_error(run->session, error);
}

void imap_store_labels(ImapSession *session, const ImapStoreArgs *args, const GArray *uids)
{
    g_autoptr(ImapLabels) texts = imap_labels_new(session);
    g_autoptr(GArray) folders = g_array_new(FALSE, FALSE, sizeof(gint64));
    g_autoptr(GArray) done = g_array_new(FALSE, FALSE, sizeof(CacheLabelled));
    g_autoptr(GArray) modified = g_array_new(FALSE, FALSE, sizeof(guint32));
    LabelRun run = {.session = session,
                    .args = args,
                    .uids = uids,
                    .texts = texts,
                    .folders = folders,
                    .done = done,
                    .modified = modified};
    run_labels(&run);
}
