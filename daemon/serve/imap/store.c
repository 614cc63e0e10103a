/* SPDX-License-Identifier: GPL-3.0-or-later */
/* STORE (RFC 3501, 6.4.6), conditional too (RFC 7162, 3.1.3). */
#include "daemon/serve/imap/store.h"

#include "cache/change.h"
#include "cache/folder.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/enable.h"
#include "daemon/serve/imap/intern.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/rights.h"
#include "daemon/serve/imap/view.h"

typedef struct {
    ImapSession *session;
    const ImapStoreArgs *args;
    GArray *uids;
    CacheFlags flags;
    GArray *unheard;  /* CacheChange: what others have changed since the last report */
    GArray *done;     /* CacheChange */
    GArray *modified; /* guint32 */
    guint touched;    /* how many were there */
} StoreRun;

const CacheFlagsMode imap_store_modes[] = {
    [IMAP_STORE_REPLACE] = CACHE_FLAGS_SET,
    [IMAP_STORE_ADD] = CACHE_FLAGS_ADD,
    [IMAP_STORE_REMOVE] = CACHE_FLAGS_REMOVE,
};

/* All or none, in one transaction: a NO leaves nothing behind. */
static gboolean store_all(StoreRun *run, GError **error)
{
    const ImapStoreArgs *args = run->args;
    const ImapView *view = run->session->view;
    CacheFlags flags;
    g_autoptr(CacheTxn) txn = cache_begin(run->session->account->cache, CACHE_WRITE_FULL, error);
    const CacheSelection messages = {view->folder, (const guint32 *)(void *)run->uids->data,
                                     run->uids->len};
    if (!txn || !imap_intern_flags(txn, args->flags, &flags, error) ||
        !cache_changes(txn, view->folder, view->modseq, &run->unheard, NULL, error))
        return FALSE;
    const CacheStore store = {imap_store_modes[args->mode], flags,
                              args->unchanged_since ? args->modseq : G_MAXUINT64};
    if (!cache_store(txn, messages, store, run->done, run->modified, error))
        return FALSE;
    run->touched = run->done->len + run->modified->len;
    return cache_commit(g_steal_pointer(&txn), error);
}

/* A silent STORE doesn't tell what others have done to the same message: then the report does. */
static void note_store_own(const StoreRun *run)
{
    for (guint i = 0, at = 0; i < run->done->len; i++) {
        const CacheChange *change = &g_array_index(run->done, CacheChange, i);
        while (at < run->unheard->len &&
               g_array_index(run->unheard, CacheChange, at).uid < change->uid)
            at++;
        gboolean unheard = at < run->unheard->len &&
                           g_array_index(run->unheard, CacheChange, at).uid == change->uid;
        if (!run->args->silent || !unheard)
            imap_view_own(run->session->view, change, 1);
    }
}

/* RFC 7162, 3.1.3: with CONDSTORE even a silent STORE tells the new mod-sequences. */
static gboolean tell_stored(StoreRun *run)
{
    ImapSession *session = run->session;
    gboolean tell = !run->args->silent || (session->enabled & IMAP_ENABLED_CONDSTORE);
    note_store_own(run);
    for (guint i = 0; tell && i < run->done->len; i++) {
        imap_view_append_change(session, &g_array_index(run->done, CacheChange, i),
                                !run->args->silent);
        if (session->out->len > IMAP_SLICE_BYTES && !imap_session_send(session))
            return FALSE;
    }
    g_array_set_size(run->done, 0);
    return TRUE;
}

static gboolean collect_known(const CacheFetchRow *row, gpointer data)
{
    StoreRun *run = data;
    const CachePlacement *placement = row->placement;
    CacheChange change = {
        .uid = placement->uid, .modseq = placement->modseq, .flags = placement->flags};
    if (change.modseq <= run->session->view->modseq)
        g_array_append_val(run->done, change);
    return TRUE;
}

/*
 * RFC 7162, 3.1.3: the client is told why a conditional STORE has failed, so that it needn't ask.
 * What has changed since the last report comes with the next one anyway; other changes are older,
 * and NOOP would never tell them.
 */
static gboolean tell_modified(StoreRun *run, GError **error)
{
    const GArray *uids = run->modified;
    if (!uids->len)
        return TRUE;
    g_autoptr(CacheTxn) txn = cache_begin(run->session->account->cache, CACHE_READ, error);
    if (!txn || !cache_fetch(txn,
                             (CacheSelection){run->session->view->folder,
                                              &g_array_index(uids, guint32, 0), uids->len},
                             0, collect_known, run, error))
        return FALSE;
    g_clear_pointer(&txn, cache_end);
    for (guint i = 0; i < run->done->len; i++) {
        imap_view_append_change(run->session, &g_array_index(run->done, CacheChange, i), TRUE);
        if (run->session->out->len > IMAP_SLICE_BYTES && !imap_session_send(run->session))
            return TRUE;
    }
    return TRUE;
}

static void reply_modified(ImapSession *session, const GArray *modified)
{
    g_autoptr(ImapSet) set = imap_set_new();
    g_autoptr(GString) code = g_string_new("MODIFIED ");
    for (guint i = 0; i < modified->len; i++) {
        guint32 uid = g_array_index(modified, guint32, i);
        imap_set_add(set, session->by_uid ? uid : imap_view_number(session->view, uid));
    }
    imap_set_format(set, code);
    imap_reply(session, IMAP_OK, code->str, "The others were changed by someone else");
}

void imap_store_reply(ImapSession *session, guint named, guint touched, const GArray *modified)
{
    if (modified->len)
        reply_modified(session, modified);
    else if (touched < named && !session->by_uid) /* RFC 2180, 4.2 */
        imap_reply(session, IMAP_NO, "EXPUNGEISSUED", "Some of the messages are gone");
}

static void run_store(StoreRun *run)
{
    g_autoptr(GError) error = NULL;
    gboolean stored = store_all(run, &error);
    if (stored && !tell_stored(run))
        return;
    if (stored && tell_modified(run, &error))
        imap_store_reply(run->session, run->uids->len, run->touched, run->modified);
    else
        imap_reply_error(run->session, error);
}

/* RFC 4314, 4: what may not be changed is passed over (which cache_store() sees to), unless nothing
 * that was named may be. */
static gboolean may_store(ImapSession *session, const ImapStoreArgs *args, GError **error)
{
    const ImapFlags *flags = args->flags;
    guint32 needs = 0;
    if (!flags) /* X-GM-LABELS: see store-labels.c */
        return TRUE;
    if (flags->system & CACHE_SEEN)
        needs |= CACHE_RIGHT_SEEN;
    if (flags->system & CACHE_DELETED)
        needs |= CACHE_RIGHT_DELETE;
    if (flags->keywords->len || (flags->system & ~(guint32)(CACHE_SEEN | CACHE_DELETED)))
        needs |= CACHE_RIGHT_WRITE;
    return imap_rights_selected(session, 0, needs ? needs : CACHE_RIGHTS_FLAGS, error);
}

void imap_cmd_store(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ImapStoreArgs) args = imap_store_args_parse(lexer, &error);
    if (!args) {
        imap_reply_error(session, error);
        return;
    }
    if (args->unchanged_since)
        imap_enable(session, IMAP_ENABLED_CONDSTORE);
    if (!may_store(session, args, &error)) {
        imap_reply_error(session, error);
        return;
    }
    g_autoptr(GArray) uids = imap_view_resolve(session, args->set, session->by_uid, TRUE);
    if (!uids)
        return;
    if (args->labels) {
        imap_store_labels(session, args, uids);
        return;
    }
    g_autoptr(GArray) done = g_array_new(FALSE, FALSE, sizeof(CacheChange));
    g_autoptr(GArray) modified = g_array_new(FALSE, FALSE, sizeof(guint32));
    StoreRun run = {
        .session = session, .args = args, .uids = uids, .done = done, .modified = modified};
    run_store(&run);
    g_clear_pointer(&run.unheard, g_array_unref);
}
