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
#include "daemon/serve/imap/saved.h"
#include "daemon/serve/imap/view.h"

static guint32 found_number(ImapSession *session, guint32 uid)
{
    return session->by_uid ? uid : imap_view_number(session->view, uid);
}

static void answer_search(ImapSession *session, const ImapSearchReturn *ret, const ImapFound *found)
{
    GString *out = session->out;
    guint64 modseq = imap_found_modseq(found, ret, found->uids);
    g_string_append(out, "* SEARCH");
    for (guint i = 0; i < found->uids->len; i++) {
        imap_out_literal(out, " ");
        imap_out_number(out, found_number(session, g_array_index(found->uids, guint32, i)));
    }
    if (modseq)
        g_string_append_printf(out, " (MODSEQ %" G_GUINT64_FORMAT ")", modseq);
    g_string_append(out, "\r\n");
}

/* ---- ESEARCH --------------------------------------------------------------------------------- */

static void answer_esearch(ImapSession *session, const ImapSearchReturn *ret,
                           const ImapFound *found)
{
    g_autoptr(GArray) numbers = g_array_sized_new(FALSE, FALSE, sizeof(guint32), found->uids->len);
    for (guint i = 0; i < found->uids->len; i++) {
        guint32 number = found_number(session, g_array_index(found->uids, guint32, i));
        g_array_append_val(numbers, number);
    }
    const ImapEsearch esearch = {
        .tag = session->command->tag,
        .uid = session->by_uid,
        .ret = ret,
        .numbers = numbers,
        .scores = found->scores,
        .modseq = imap_found_modseq(found, ret, found->uids),
    };
    imap_esearch_answer(session, &esearch);
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

static void answer_found(ImapSession *session, const ImapSearchArgs *args, const ImapFound *found)
{
    if ((args->ret.options & IMAP_RETURN_RELEVANCY) && !imap_found_scored(session, found))
        return;
    imap_found_tell_unsearched(session, found);
    ImapSearchReturn ret = args->ret;
    if (!ret.given && imap_session_rev2(session)) /* RFC 9051, 6.4.4: as RETURN (ALL) */
        ret = (ImapSearchReturn){.given = TRUE, .options = IMAP_RETURN_ALL};
    if (!ret.given) {
        answer_search(session, &ret, found);
        return;
    }
    if (ret.options & IMAP_RETURN_SAVE)
        imap_saved_set(session, &ret, found->uids);
    if (ret.options != IMAP_RETURN_SAVE)
        answer_esearch(session, &ret, found);
}

void imap_cmd_search(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_auto(ImapFound) found = {0};
    ImapLexer start = *lexer;
    g_autoptr(ImapSearchArgs) args = imap_search_args_parse(lexer, &error);
    if (!args) {
        imap_reply_error(session, error);
        imap_saved_after(session, imap_search_saves(&start));
        return;
    }
    if (!imap_context_allowed(session, &args->ret) || !filters_fit(session, args))
        return;
    if (imap_search_run(session, args->key, &found)) {
        answer_found(session, args, &found);
        if (args->ret.options & IMAP_RETURN_UPDATE)
            imap_context_add(session, g_steal_pointer(&args->key), NULL,
                             g_steal_pointer(&args->ret.items), found.uids);
    }
    imap_saved_after(session, args->ret.options & IMAP_RETURN_SAVE);
}
