/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SEARCH (RFC 3501, 6.4.4), with RETURN (ESEARCH, RFC 4731; SEARCHRES, RFC 5182; PARTIAL, RFC 9394)
 * and MODSEQ (RFC 7162, 3.1.5).
 */
#include "daemon/serve/imap/search.h"

#include "daemon/proto/imap/quote.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/view.h"

static guint32 number_of(ImapSession *session, guint32 uid)
{
    return session->uid ? uid : imap_view_number(session->view, uid);
}

static guint64 highest(const GArray *modseqs)
{
    guint64 modseq = 0;
    for (guint i = 0; i < modseqs->len; i++)
        modseq = MAX(modseq, g_array_index(modseqs, guint64, i));
    return modseq;
}

static void answer_search(ImapSession *session, const ImapFound *found)
{
    GString *out = session->out;
    g_string_append(out, "* SEARCH");
    for (guint i = 0; i < found->uids->len; i++) {
        imap_out_literal(out, " ");
        imap_out_number(out, number_of(session, g_array_index(found->uids, guint32, i)));
    }
    if (found->modseqs && found->modseqs->len)
        g_string_append_printf(out, " (MODSEQ %" G_GUINT64_FORMAT ")", highest(found->modseqs));
    g_string_append(out, "\r\n");
}

/* ---- ESEARCH --------------------------------------------------------------------------------- */

/* The mod-sequence of what was asked for: of all, or just of the first and the last (RFC 7162,
 * 3.1.5). */
static guint64 esearch_modseq(const ImapSearchReturn *ret, const ImapFound *found)
{
    const guint ends = IMAP_RETURN_MIN | IMAP_RETURN_MAX;
    guint asked = ret->options & ~IMAP_RETURN_SAVE;
    guint64 first = g_array_index(found->modseqs, guint64, 0);
    guint64 last = g_array_index(found->modseqs, guint64, found->modseqs->len - 1);
    if (asked == IMAP_RETURN_MIN)
        return first;
    if (asked == IMAP_RETURN_MAX)
        return last;
    return asked == ends ? MAX(first, last) : highest(found->modseqs);
}

static ImapSet *numbers_of(ImapSession *session, const GArray *uids)
{
    ImapSet *set = imap_set_new();
    for (guint i = 0; i < uids->len; i++)
        imap_set_add(set, number_of(session, g_array_index(uids, guint32, i)));
    return set;
}

/* RFC 9394, 3.1: which part of the result it is, and its messages or NIL. */
static void append_partial(const ImapPartial *partial, const ImapSet *numbers, GString *out)
{
    guint32 count = imap_set_count(numbers);
    guint32 first = MIN(partial->first, count + 1), last = MIN(partial->last, count);
    const char *sign = partial->from_end ? "-" : "";
    if (partial->from_end) {
        guint32 from = count - last + 1;
        last = count - first + 1;
        first = from;
    }
    g_autoptr(ImapSet) slice = imap_set_slice(numbers, first, last);
    g_string_append_printf(out, " PARTIAL (%s%u:%s%u ", sign, partial->first, sign, partial->last);
    if (imap_set_is_empty(slice))
        g_string_append(out, "NIL");
    imap_set_format(slice, out);
    g_string_append_c(out, ')');
}

static void answer_esearch(ImapSession *session, const ImapSearchReturn *ret,
                           const ImapFound *found)
{
    GString *out = session->out;
    g_autoptr(ImapSet) numbers = numbers_of(session, found->uids);
    g_string_append(out, "* ESEARCH (TAG ");
    imap_quote_append_quoted(out, session->command->tag, strlen(session->command->tag));
    g_string_append(out, session->uid ? ") UID" : ")");
    if (found->uids->len) {
        if (ret->options & IMAP_RETURN_MIN)
            g_string_append_printf(out, " MIN %u", imap_set_min(numbers));
        if (ret->options & IMAP_RETURN_MAX)
            g_string_append_printf(out, " MAX %u", imap_set_max(numbers));
        if (ret->options & IMAP_RETURN_ALL) {
            g_string_append(out, " ALL ");
            imap_set_format(numbers, out);
        }
    }
    if (ret->options & IMAP_RETURN_COUNT)
        g_string_append_printf(out, " COUNT %u", found->uids->len);
    if (ret->options & IMAP_RETURN_PARTIAL)
        append_partial(&ret->partial, numbers, out);
    if (found->modseqs && found->modseqs->len)
        g_string_append_printf(out, " MODSEQ %" G_GUINT64_FORMAT, esearch_modseq(ret, found));
    g_string_append(out, "\r\n");
}

/* ---- $ --------------------------------------------------------------------------------------- */

/* RFC 5182, 2.1: with MIN or MAX alone, just those are saved. */
void imap_search_save(ImapSession *session, const ImapSearchReturn *ret, const ImapFound *found)
{
    const guint others = IMAP_RETURN_ALL | IMAP_RETURN_COUNT | IMAP_RETURN_PARTIAL;
    const guint ends = IMAP_RETURN_MIN | IMAP_RETURN_MAX;
    ImapView *view = session->view;
    g_clear_pointer(&view->saved, imap_set_free);
    view->saved = imap_set_new();
    guint count = found->uids->len;
    for (guint i = 0; i < count; i++) {
        gboolean wanted = (ret->options & others) || !(ret->options & ends) ||
                          (i == 0 && (ret->options & IMAP_RETURN_MIN)) ||
                          (i == count - 1 && (ret->options & IMAP_RETURN_MAX));
        if (wanted)
            imap_set_add(view->saved, g_array_index(found->uids, guint32, i));
    }
}

static void forget_saved(ImapSession *session)
{
    g_clear_pointer(&session->view->saved, imap_set_free);
}

/* ---- the command ----------------------------------------------------------------------------- */

static gboolean offered(ImapSession *session, const ImapSearchArgs *args)
{
    const guint options = IMAP_RETURN_RELEVANCY | IMAP_RETURN_CONTEXT | IMAP_RETURN_UPDATE;
    if (!(args->ret.options & options) && !args->scopes)
        return TRUE;
    imap_reply(session, IMAP_BAD, NULL, "One of these options isn't offered here");
    return FALSE;
}

static void answer(ImapSession *session, const ImapSearchArgs *args, const ImapFound *found)
{
    imap_found_tell_unsearched(session, found);
    ImapSearchReturn ret = args->ret;
    if (!ret.given && imap_session_rev2(session)) /* RFC 9051, 6.4.4: as RETURN (ALL) */
        ret = (ImapSearchReturn){.given = TRUE, .options = IMAP_RETURN_ALL};
    if (!ret.given) {
        answer_search(session, found);
        return;
    }
    if (ret.options & IMAP_RETURN_SAVE)
        imap_search_save(session, &ret, found);
    if (ret.options != IMAP_RETURN_SAVE)
        answer_esearch(session, &ret, found);
}

void imap_cmd_search(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_auto(ImapFound) found = {0};
    g_autoptr(ImapSearchArgs) args = imap_search_args_parse(lexer, &error);
    if (!args) {
        imap_reply_error(session, error);
        return;
    }
    if (!offered(session, args))
        return;
    if (imap_search_run(session, args->key, &found))
        answer(session, args, &found);
    else if ((args->ret.options & IMAP_RETURN_SAVE) && session->status == IMAP_NO)
        forget_saved(session); /* RFC 5182, 2.1 */
}
