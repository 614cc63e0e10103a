/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SORT (RFC 5256), by display names (RFC 5957) and relevancy (RFC 6203), with RETURN (ESORT, RFC
 * 5267). */
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/context.h"
#include "daemon/serve/imap/esearch.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/saved.h"
#include "daemon/serve/imap/sort-order.h"
#include "daemon/serve/imap/view.h"

/* What the client counts in. */
static GArray *numbers_of(ImapSession *session, const GArray *uids)
{
    GArray *numbers = g_array_sized_new(FALSE, FALSE, sizeof(guint32), uids->len);
    for (guint i = 0; i < uids->len; i++) {
        guint32 uid = g_array_index(uids, guint32, i);
        guint32 number = session->by_uid ? uid : imap_view_number(session->view, uid);
        g_array_append_val(numbers, number);
    }
    return numbers;
}

static GArray *scores_of(const ImapFound *found, const GArray *uids)
{
    GArray *scores = g_array_new(FALSE, FALSE, sizeof(guint8));
    for (guint i = 0; i < uids->len; i++) {
        guint8 score = imap_found_score(found, g_array_index(uids, guint32, i));
        g_array_append_val(scores, score);
    }
    return scores;
}

/* The mod-sequence is of RFC 7162, 3.1.9. */
static void answer_sort(ImapSession *session, const GArray *numbers, guint64 modseq)
{
    g_string_append(session->out, "* SORT");
    for (guint i = 0; i < numbers->len; i++) {
        imap_out_literal(session->out, " ");
        imap_out_number(session->out, g_array_index(numbers, guint32, i));
    }
    if (modseq)
        g_string_append_printf(session->out, " (MODSEQ %" G_GUINT64_FORMAT ")", modseq);
    g_string_append(session->out, "\r\n");
}

static void answer_sorted(ImapSession *session, const ImapSortArgs *args, const ImapFound *found,
                          const GArray *uids)
{
    g_autoptr(GArray) numbers = numbers_of(session, uids);
    g_autoptr(GArray) scores = found->scores ? scores_of(found, uids) : NULL;
    const ImapEsearch esearch = {
        .tag = session->command->tag,
        .uid = session->by_uid,
        .ret = &args->ret,
        .numbers = numbers,
        .scores = scores,
        .modseq = imap_found_modseq(found, &args->ret, uids),
    };
    imap_found_tell_unsearched(session, found);
    if (args->ret.options & IMAP_RETURN_SAVE)
        imap_saved_set(session, &args->ret, uids);
    if (!args->ret.given)
        answer_sort(session, numbers, esearch.modseq);
    else if (args->ret.options != IMAP_RETURN_SAVE)
        imap_esearch_answer(session, &esearch);
}

static gboolean asks_for_scores(const ImapSortArgs *args)
{
    gboolean asks = args->ret.options & IMAP_RETURN_RELEVANCY;
    for (guint i = 0; i < args->keys->len; i++)
        asks |= g_array_index(args->keys, ImapSortKey, i).kind == IMAP_SORT_RELEVANCY;
    return asks;
}

static void sort_messages(ImapSession *session, ImapSortArgs *args)
{
    g_auto(ImapFound) found = {0};
    if (!imap_context_allowed(session, &args->ret) || !imap_sort_keys_fit(session, args->keys) ||
        !imap_search_run(session, args->key, &found) ||
        (asks_for_scores(args) && !imap_found_scored(session, &found)))
        return;
    g_autoptr(GArray) uids = imap_sort_found(session, args->keys, &found);
    if (!uids)
        return;
    answer_sorted(session, args, &found, uids);
    if (args->ret.options & IMAP_RETURN_UPDATE)
        imap_context_add(session, g_steal_pointer(&args->key), g_array_ref(args->keys),
                         g_steal_pointer(&args->ret.items), uids);
}

void imap_cmd_sort(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    ImapLexer start = *lexer;
    g_autoptr(ImapSortArgs) args = imap_sort_args_parse(lexer, &error);
    if (args)
        sort_messages(session, args);
    else
        imap_reply_error(session, error);
    imap_saved_after(session, args ? (args->ret.options & IMAP_RETURN_SAVE) != 0
                                   : imap_search_saves(&start));
}
