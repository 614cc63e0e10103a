/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SELECT and EXAMINE (RFC 3501, 6.3.1), with CONDSTORE and QRESYNC (RFC 7162, 3.1.8 and 3.2.5),
 * and what ends them: CLOSE and UNSELECT.
 */
#include "daemon/proto/imap/select-args.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/enable.h"
#include "daemon/serve/imap/expunge.h"
#include "daemon/serve/imap/list.h"
#include "daemon/serve/imap/objectid.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/rights.h"
#include "daemon/serve/imap/urlauth.h"
#include "daemon/serve/imap/view.h"

/* RFC 9051, 6.3.2: with accurate attributes, and what the client called it ("inbox"). */
static void tell_list(ImapSession *session, CacheFolder *folder, const char *called)
{
    const ImapMailbox alone = {
        .name = folder->name, .delimiter = folder->delimiter, .folder = folder};
    const ImapMailbox *mailbox = NULL;
    g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_READ, NULL);
    g_autoptr(ImapMailboxes) mailboxes = txn ? imap_mailboxes_read(txn, NULL) : NULL;
    if (mailboxes)
        mailbox = g_hash_table_lookup(mailboxes->by_name, folder->name);
    imap_list_tell(session, mailbox ? mailbox : &alone,
                   strcmp(called, folder->name) != 0 ? called : NULL);
}

static void tell_mailbox(ImapSession *session, const ImapViewStart *start, const char *called)
{
    const CacheFolder *folder = start->folder;
    const ImapView *view = session->view;
    GString *out = session->out;
    imap_view_tell_flags(session);
    imap_view_tell_count(session);
    if (imap_session_rev2(session))
        tell_list(session, start->folder, called);
    else if (start->first_unseen && !imap_session_uidonly(session))
        g_string_append_printf(out, "* OK [UNSEEN %u] First unseen\r\n",
                               imap_view_number(view, start->first_unseen));
    g_string_append_printf(out,
                           "* OK [UIDVALIDITY %u] UIDs are valid\r\n"
                           "* OK [UIDNEXT %u] The next UID\r\n"
                           "* OK [HIGHESTMODSEQ %" G_GUINT64_FORMAT "] The highest so far\r\n",
                           folder->uidvalidity, folder->uidnext, MAX(view->modseq, 1));
    /* RFC 4467, 6 */
    g_string_append(out, "* OK [URLMECH " IMAP_URLAUTH_MECHANISM "] URLs can be authorized\r\n");
    g_string_append(out, "* OK [MAILBOXID (");
    imap_mailbox_id_format(folder, out);
    g_string_append(out, ")] The mailbox's id\r\n");
}

/* ---- QRESYNC --------------------------------------------------------------------------------- */

/*
 * seq-match-data (RFC 7162, 3.2.5.2): pairs of number and UID that held when the client was last
 * told. Up to the last pair that still holds, nothing can have been expunged.
 */
static guint32 matched_up_to(const ImapView *view, const ImapSelectArgs *args)
{
    ImapSequenceIter numbers, uids;
    guint32 number, uid, matched = 0;
    if (!args->match_seqs || !args->match_uids)
        return 0;
    imap_sequence_iter_init(&numbers, args->match_seqs);
    imap_sequence_iter_init(&uids, args->match_uids);
    while (imap_sequence_iter_next(&numbers, &number) && imap_sequence_iter_next(&uids, &uid)) {
        if (imap_view_number(view, uid) != number)
            break;
        matched = uid;
    }
    return matched;
}

/* As if UID FETCH known-uids (FLAGS) (CHANGEDSINCE modseq VANISHED) had been sent. */
static void tell_since(ImapSession *session, const ImapSelectArgs *args, const ImapViewStart *start)
{
    gboolean exact = args->modseq >= start->folder->modseq_floor;
    g_autoptr(ImapSet) gone = imap_set_new();
    g_autoptr(ImapSet) there =
        imap_set_new_range(1, exact ? 0 : matched_up_to(session->view, args));
    g_autoptr(ImapSet) known = args->known_uids ? imap_sequence_set_resolve(args->known_uids, 0)
                                                : imap_set_new_range(1, G_MAXUINT32);
    imap_set_add_all(gone, start->expunged);
    g_autoptr(ImapSet) possible = imap_set_subtract(known, there);
    g_autoptr(ImapSet) vanished = imap_set_intersect(gone, possible);
    imap_view_tell_vanished(session, vanished, TRUE);
    for (guint i = 0; i < start->changed->len; i++) {
        const CacheChange *change = &g_array_index(start->changed, CacheChange, i);
        if (imap_set_contains(known, change->uid))
            imap_view_append_change(session, change, TRUE);
        if (session->out->len > IMAP_SLICE_BYTES && !imap_session_send(session))
            return;
    }
}

/* ---- the commands ---------------------------------------------------------------------------- */

static void close_selected(ImapSession *session)
{
    if (!session->view)
        return;
    g_clear_pointer(&session->view, imap_view_free);
    imap_untagged(session, "OK", "CLOSED", "The mailbox before is closed");
}

/* The mailbox's name as the client wrote it. */
static char *read_called(const ImapLexer *lexer)
{
    ImapLexer ahead = *lexer;
    return imap_lexer_space(&ahead, NULL) ? imap_lexer_astring(&ahead, "", NULL) : NULL;
}

static void open_mailbox(ImapSession *session, ImapLexer *lexer, gboolean read_only)
{
    g_autoptr(GError) error = NULL;
    g_auto(ImapViewStart) start = {0};
    g_autofree char *called = read_called(lexer);
    g_autoptr(ImapSelectArgs) args = imap_select_args_parse(lexer, &error);
    if (!args) {
        imap_reply_error(session, error);
        return;
    }
    if (args->qresync && !(session->enabled & IMAP_ENABLED_QRESYNC)) {
        imap_reply(session, IMAP_BAD, NULL, "ENABLE QRESYNC first");
        return;
    }
    if (args->match_seqs && imap_session_uidonly(session)) {
        imap_reply(session, IMAP_BAD, "UIDREQUIRED", "With UIDONLY there are no message numbers");
        return;
    }
    close_selected(session);
    if (args->condstore || args->qresync)
        imap_enable(session, IMAP_ENABLED_CONDSTORE);
    session->view = imap_view_open(session, args->mailbox, read_only, args->qresync ? args : NULL,
                                   &start, &error);
    if (!session->view) {
        imap_reply_error(session, error);
        return;
    }
    tell_mailbox(session, &start, called);
    if (start.changed)
        tell_since(session, args, &start);
    imap_reply(session, IMAP_OK, imap_rights_code(session->view), "Opened.");
}

void imap_cmd_select(ImapSession *session, ImapLexer *lexer)
{
    open_mailbox(session, lexer, FALSE);
}

void imap_cmd_examine(ImapSession *session, ImapLexer *lexer)
{
    open_mailbox(session, lexer, TRUE);
}

void imap_cmd_unselect(ImapSession *session, ImapLexer *lexer)
{
    if (imap_reply_end(session, lexer))
        g_clear_pointer(&session->view, imap_view_free);
}

/* RFC 3501, 6.4.2: expunges without telling; RFC 7162, 3.2.8: no mod-sequence is told either, as
 * the client would take itself to be up to date. */
void imap_cmd_close(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    if (!imap_reply_end(session, lexer))
        return;
    gboolean expunges = !session->view->read_only &&
                        imap_rights_selected_has(session, CACHE_RIGHT_EXPUNGE); /* RFC 4314, 4 */
    if (expunges && !imap_expunge_deleted(session, session->view->uids, NULL, &error)) {
        imap_reply_error(session, error);
        return;
    }
    g_clear_pointer(&session->view, imap_view_free);
}
