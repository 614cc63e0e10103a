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

typedef struct {
    ImapSession *session;
    gint64 target;
    guint32 uidvalidity;
    gboolean readable; /* the target */
    gboolean move;
    guint64 modseq;    /* of the selected mailbox, afterwards */
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

/* RFC 2180, 4.4: a COPY by number is of all of them; of a MOVE, what is there has moved. */
static gboolean copy_is_complete(const CopyRun *run, guint named)
{
    return run->from->len == named || run->session->by_uid || run->move;
}

/* RFC 3501, 6.4.7: a COPY that fails leaves the destination as it was. So all is one transaction; it
 * isn't committed where it would be incomplete. */
static gboolean copy_all(CopyRun *run, const GArray *uids, GError **error)
{
    const CacheSelection messages = {run->session->view->folder,
                                     (const guint32 *)(void *)uids->data, uids->len};
    g_autoptr(CacheTxn) txn = cache_begin(run->session->account->cache, CACHE_WRITE_FULL, error);
    g_autoptr(CacheFolder) target = txn ? cache_folder_get(txn, run->target, error) : NULL;
    if (!target || !cache_copy(txn, messages, run->target, run->move, run->from, run->to, error) ||
        (run->move && !imap_expunge_modseq(run->session, txn, &run->modseq, error)))
        return FALSE;
    for (guint i = 0; i < run->to->len; i++)
        if (g_array_index(run->to, guint32, i) >= target->uidnext)
            g_array_append_val(run->made, g_array_index(run->to, guint32, i));
    return !copy_is_complete(run, uids->len) || cache_commit(g_steal_pointer(&txn), error);
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
    if (!copy_all(run, uids, &error)) {
        imap_reply_error(run->session, error);
        return;
    }
    if (!copy_is_complete(run, uids->len)) {
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
