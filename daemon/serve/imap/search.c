/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SEARCH (RFC 3501, 6.4.4), with RETURN (ESEARCH, RFC 4731; SEARCHRES, RFC 5182; PARTIAL, RFC
 * 9394; RELEVANCY, RFC 6203) and MODSEQ (RFC 7162, 3.1.5).
 */
#include "daemon/serve/imap/search.h"

#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/context.h"
#include "daemon/serve/imap/esearch.h"
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

static void answer_esearch(ImapSession *session, const ImapSearchReturn *ret,
                           const ImapFound *found)
{
    g_autoptr(GArray) numbers = g_array_sized_new(FALSE, FALSE, sizeof(guint32), found->uids->len);
    for (guint i = 0; i < found->uids->len; i++) {
        guint32 number = number_of(session, g_array_index(found->uids, guint32, i));
        g_array_append_val(numbers, number);
    }
    const ImapEsearch esearch = {
        .tag = session->command->tag,
        .uid = session->uid,
        .ret = ret,
        .numbers = numbers,
        .scores = found->scores,
        .modseq = found->modseqs && numbers->len ? esearch_modseq(ret, found) : 0,
    };
    imap_esearch_answer(session, &esearch);
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

/* ---- FILTER ---------------------------------------------------------------------------------- */

static gboolean is_other_than_filter(const ImapSearchKey *key, gpointer data)
{
    return key->kind != IMAP_SEARCH_FILTER;
}

/* RFC 5466, 3.1: a filter is UTF-8, and so is a program with one in it. */
static gboolean filters_fit(ImapSession *session, const ImapSearchArgs *args)
{
    if (!args->charset || g_ascii_strcasecmp(args->charset, "UTF-8") == 0 ||
        g_ascii_strcasecmp(args->charset, "US-ASCII") == 0 ||
        imap_search_key_walk(args->key, is_other_than_filter, NULL))
        return TRUE;
    imap_reply(session, IMAP_BAD, "BADCHARSET (UTF-8 US-ASCII)", "FILTER is always UTF-8");
    return FALSE;
}

/* ---- the command ----------------------------------------------------------------------------- */

static void answer(ImapSession *session, const ImapSearchArgs *args, const ImapFound *found)
{
    if ((args->ret.options & IMAP_RETURN_RELEVANCY) && !imap_found_scored(session, found))
        return;
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

/* What can't be read for its charset alone saves its result nonetheless, which is nothing. */
static void refuse(ImapSession *session, ImapLexer *lexer, const GError *error)
{
    ImapSearchReturn ret = {FALSE};
    imap_reply_error(session, error);
    if (g_error_matches(error, IMAP_ERROR, IMAP_ERROR_CHARSET) &&
        imap_search_return_read(lexer, &ret, NULL) && (ret.options & IMAP_RETURN_SAVE))
        forget_saved(session); /* RFC 5182, 2.1 */
    imap_fetch_args_free(ret.items);
}

void imap_cmd_search(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_auto(ImapFound) found = {0};
    ImapLexer start = *lexer;
    g_autoptr(ImapSearchArgs) args = imap_search_args_parse(lexer, &error);
    if (!args) {
        refuse(session, &start, error);
        return;
    }
    if (!imap_context_allowed(session, &args->ret) || !filters_fit(session, args))
        return;
    if (imap_search_run(session, args->key, &found)) {
        answer(session, args, &found);
        if (args->ret.options & IMAP_RETURN_UPDATE)
            imap_context_add(session, g_steal_pointer(&args->key), NULL,
                             g_steal_pointer(&args->ret.items), found.uids);
    } else if ((args->ret.options & IMAP_RETURN_SAVE) && session->status == IMAP_NO)
        forget_saved(session); /* RFC 5182, 2.1 */
}
