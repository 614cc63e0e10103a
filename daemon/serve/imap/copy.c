/* SPDX-License-Identifier: GPL-3.0-or-later */
/* COPY (RFC 3501, 6.4.7) and MOVE (RFC 6851), with COPYUID (RFC 4315). */
#include "cache/change.h"
#include "cache/folder.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/expunge.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/rights.h"
#include "daemon/serve/imap/uidplus.h"
#include "daemon/serve/imap/view.h"

#define COPY_SLICE 500

typedef struct {
    ImapSession *session;
    gint64 target;
    guint32 uidvalidity;
    gboolean readable; /* the target */
    gboolean move;
    guint64 modseq;    /* of the selected mailbox, as of the last slice */
    GArray *from, *to; /* guint32 */
    GArray *made;      /* guint32: those of `to` that weren't there before (set-like stores) */
} CopyRun;

static gboolean find_destination(CopyRun *run, const char *name, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(run->session->account->cache, CACHE_READ, error);
    g_autoptr(CacheFolder) folder = txn ? imap_rights_find(run->session, txn, name, error) : NULL;
    if (!folder)
        return FALSE;
    if (!folder->selectable) {
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND, "\"%s\" holds no mail yet", name);
        return FALSE;
    }
    run->target = folder->id;
    run->uidvalidity = folder->uidvalidity;
    run->readable = (cache_folder_rights(folder) & CACHE_RIGHT_READ) != 0;
    return TRUE;
}

static gboolean copy_slice(CopyRun *run, const guint32 *uids, guint count, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(run->session->account->cache, CACHE_WRITE_FULL, error);
    g_autoptr(CacheFolder) target = txn ? cache_folder_get(txn, run->target, error) : NULL;
    guint before = run->from->len;
    if (!target ||
        !cache_copy(txn, (CacheSelection){run->session->view->folder, uids, count}, run->target,
                    run->move, run->from, run->to, error) ||
        (run->move && !imap_expunge_modseq(run->session, txn, &run->modseq, error)) ||
        !cache_commit(g_steal_pointer(&txn), error)) {
        g_array_set_size(run->from, before);
        g_array_set_size(run->to, before);
        return FALSE;
    }
    for (guint i = before; i < run->to->len; i++)
        if (g_array_index(run->to, guint32, i) >= target->uidnext)
            g_array_append_val(run->made, g_array_index(run->to, guint32, i));
    return TRUE;
}

/* RFC 3501, 6.4.7: a COPY that fails leaves the destination as it was. */
static void undo_copy(CopyRun *run)
{
    g_autoptr(GError) error = NULL;
    for (guint at = 0; at < run->made->len; at += COPY_SLICE) {
        g_autoptr(CacheTxn) txn =
            cache_begin(run->session->account->cache, CACHE_WRITE_FULL, &error);
        if (!txn ||
            !cache_expunge(txn, run->target, &g_array_index(run->made, guint32, at),
                           MIN(run->made->len - at, COPY_SLICE), TRUE, NULL, &error) ||
            !cache_commit(g_steal_pointer(&txn), &error)) {
            g_warning("imap: a COPY that failed could not be undone: %s", error->message);
            return;
        }
    }
}

static void reply_copied(CopyRun *run, const char *text)
{
    ImapSession *session = run->session;
    imap_reply(session, IMAP_OK, NULL, text);
    if (run->move && run->from->len)
        imap_expunge_reply(session, run->modseq, text);
    if (!run->from->len || !run->readable) /* RFC 4315, 5 */
        return;
    g_autoptr(GString) code = g_string_new(NULL);
    g_string_printf(code, "COPYUID %u ", run->uidvalidity);
    imap_uidplus_format(run->from, code);
    g_string_append_c(code, ' ');
    imap_uidplus_format(run->to, code);
    if (run->move) /* RFC 6851, 4.3: before the expunges */
        imap_untagged(session, "OK", code->str, "Moved");
    else
        imap_reply(session, IMAP_OK, code->str, text);
}

static void run_copy(CopyRun *run, const GArray *uids)
{
    g_autoptr(GError) error = NULL;
    for (guint at = 0; at < uids->len; at += COPY_SLICE) {
        imap_progress(run->session, at, uids->len);
        if (copy_slice(run, &g_array_index(uids, guint32, at), MIN(uids->len - at, COPY_SLICE),
                       &error))
            continue;
        if (run->move)
            reply_copied(run, "");
        else
            undo_copy(run);
        imap_reply_error(run->session, error);
        return;
    }
    /* RFC 2180, 4.4: by number, all or nothing; of a MOVE, what is there has moved. */
    if (run->from->len < uids->len && !run->session->by_uid && !run->move) {
        undo_copy(run);
        imap_reply(run->session, IMAP_NO, "EXPUNGEISSUED", "Some of the messages are gone");
        return;
    }
    imap_view_made(run->session, run->target, run->made);
    reply_copied(run, run->move ? "Moved." : "Copied.");
}

static void copy_or_move(ImapSession *session, ImapLexer *lexer, gboolean move)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ImapSequenceSet) set = NULL;
    g_autofree char *name = NULL;
    CopyRun run = {.session = session, .move = move};
    if (!imap_lexer_space(lexer, &error) || !(set = imap_lexer_sequence_set(lexer, TRUE, &error)) ||
        !imap_lexer_space(lexer, &error) || !(name = imap_lexer_mailbox(lexer, &error)) ||
        !imap_lexer_end(lexer, &error)) {
        imap_reply_error(session, error);
        return;
    }
    g_autoptr(GArray) uids = imap_view_resolve(session, set, session->by_uid, TRUE);
    if (!uids)
        return;
    if (!find_destination(&run, name, &error)) {
        imap_reply_error(session, error);
        if (g_error_matches(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND))
            g_string_assign(session->code, "TRYCREATE");
        return;
    }
    g_autoptr(GArray) from = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(GArray) to = g_array_new(FALSE, FALSE, sizeof(guint32));
    run.from = from;
    run.to = to;
    g_autoptr(GArray) made = g_array_new(FALSE, FALSE, sizeof(guint32));
    run.made = made;
    run_copy(&run, uids);
}

void imap_cmd_copy(ImapSession *session, ImapLexer *lexer)
{
    copy_or_move(session, lexer, FALSE);
}

void imap_cmd_move(ImapSession *session, ImapLexer *lexer)
{
    copy_or_move(session, lexer, TRUE);
}
