/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ESEARCH (MULTISEARCH, RFC 7377): a search in several mailboxes, none of which gets selected. Each
 * in turn stands in for the session's view while it is searched.
 */
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/context.h"
#include "daemon/serve/imap/enable.h"
#include "daemon/serve/imap/esearch.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/saved.h"
#include "daemon/serve/imap/scopes.h"
#include "daemon/serve/imap/search.h"
#include "daemon/serve/imap/view.h"

static gboolean has_scope(const ImapSearchArgs *args, ImapScopeKind kind)
{
    for (guint i = 0; args->scopes && i < args->scopes->len; i++)
        if (((const ImapScope *)args->scopes->pdata[i])->kind == kind)
            return TRUE;
    return FALSE;
}

static gboolean searches_selected(const ImapSearchArgs *args)
{
    return !args->scopes || has_scope(args, IMAP_SCOPE_SELECTED);
}

/* RFC 7377, 2.2 */
static gboolean is_scope_acceptable(ImapSession *session, const ImapSearchArgs *args)
{
    gboolean alone = !args->scopes || (args->scopes->len == 1 && searches_selected(args));
    const char *why = NULL;
    if (has_scope(args, IMAP_SCOPE_SELECTED_DELAYED))
        why = "selected-delayed is of NOTIFY only";
    else if (!session->view &&
             (searches_selected(args) || (args->ret.options & IMAP_RETURN_UPDATE)))
        why = "Select a mailbox first";
    else if ((args->ret.options & IMAP_RETURN_SAVE) && !alone)
        why = "SAVE is for the selected mailbox alone";
    if (why)
        imap_reply(session, IMAP_BAD, NULL, why);
    return why == NULL;
}

/* Whether it is the selected mailbox, and has to be searched as that: for UPDATE as well, however
 * it is named (RFC 7377, 2.2). */
static gboolean is_selected(const ImapSession *session, const ImapSearchArgs *args,
                            const ImapMailbox *mailbox)
{
    return session->view && mailbox->folder->id == session->view->folder &&
           (searches_selected(args) || (args->ret.options & IMAP_RETURN_UPDATE));
}

/* Names of the mailboxes to search but for the selected one, in order; and whether that is one of
 * them. NULL: the answer is set. */
static GPtrArray *choose_names(ImapSession *session, const ImapSearchArgs *args, gboolean *selected)
{
    *selected = searches_selected(args);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    if (!args->scopes)
        return g_steal_pointer(&names);
    g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_READ, &error);
    g_autoptr(ImapMailboxes) mailboxes = txn ? imap_mailboxes_read(txn, &error) : NULL;
    if (!mailboxes) {
        imap_reply_error(session, error);
        return NULL;
    }
    for (guint i = 0; i < mailboxes->sorted->len; i++) {
        const ImapMailbox *mailbox = mailboxes->sorted->pdata[i];
        gboolean covered = FALSE;
        for (guint k = 0; k < args->scopes->len && !covered; k++)
            covered = imap_scope_covers(args->scopes->pdata[k], mailbox);
        if (covered && is_selected(session, args, mailbox))
            *selected = TRUE;
        else if (covered)
            g_ptr_array_add(names, g_strdup(mailbox->name));
    }
    return g_steal_pointer(&names);
}

/* What came since the mailbox was opened isn't found, and nobody tells of it but the next search from
 * the mod-sequence that is told: so none beyond that moment is, though a message found may have one.
 * Of the selected mailbox EXISTS tells. */
static guint64 told_modseq(const ImapView *view, gboolean selected, const ImapSearchArgs *args,
                           const ImapFound *found)
{
    guint64 modseq = imap_found_modseq(found, &args->ret, found->uids);
    return selected ? modseq : MIN(modseq, view->modseq);
}

/* RFC 7377, 2.1: a mailbox without a match isn't told of. */
static void answer_mailbox(ImapSession *session, const ImapSearchArgs *args, gboolean selected,
                           const ImapFound *found)
{
    const ImapEsearch esearch = {
        .tag = session->command->tag,
        .uid = TRUE,
        .ret = &args->ret,
        .numbers = found->uids,
        .scores = found->scores,
        .modseq = told_modseq(session->view, selected, args, found),
        .mailbox = session->view->name,
        .uidvalidity = session->view->uidvalidity,
    };
    imap_found_tell_unsearched(session, found);
    if (args->ret.options & IMAP_RETURN_SAVE)
        imap_saved_set(session, &args->ret, found->uids);
    if (found->uids->len && args->ret.options != IMAP_RETURN_SAVE)
        imap_esearch_answer(session, &esearch);
}

/* FALSE: the tagged answer is set. */
static gboolean search_view(ImapSession *session, const ImapSearchArgs *args, gboolean selected,
                            ImapFound *found)
{
    if (!imap_search_run(session, args->key, found))
        return FALSE;
    if ((args->ret.options & IMAP_RETURN_RELEVANCY) && !imap_found_scored(session, found))
        return FALSE;
    answer_mailbox(session, args, selected, found);
    return TRUE;
}

static gboolean search_mailbox(ImapSession *session, const char *name, const ImapSearchArgs *args)
{
    g_autoptr(GError) error = NULL;
    g_auto(ImapViewStart) start = {0};
    g_auto(ImapFound) found = {0};
    ImapView *selected = session->view;
    g_autoptr(ImapView) view = imap_view_open(session, name, TRUE, NULL, &start, &error);
    if (!view) /* deleted a moment ago */
        return TRUE;
    session->view = view;
    gboolean ok = search_view(session, args, FALSE, &found);
    session->view = selected;
    return ok;
}

/* The last one: with UPDATE (RFC 5267) it keeps the search program. */
static void search_selected(ImapSession *session, ImapSearchArgs *args)
{
    g_auto(ImapFound) found = {0};
    if (search_view(session, args, TRUE, &found) && (args->ret.options & IMAP_RETURN_UPDATE))
        imap_context_add(session, g_steal_pointer(&args->key), NULL,
                         g_steal_pointer(&args->ret.items), found.uids);
}

static gboolean is_other_than_modseq(const ImapSearchKey *key, gpointer data)
{
    return key->kind != IMAP_SEARCH_MODSEQ;
}

static void search_all(ImapSession *session, ImapSearchArgs *args, const GPtrArray *names,
                       gboolean selected)
{
    /* What enabling CONDSTORE tells is of the selected mailbox (RFC 7162, 3.1.5). */
    if (!imap_search_key_walk(args->key, is_other_than_modseq, NULL))
        imap_enable(session, IMAP_ENABLED_CONDSTORE);
    for (guint i = 0; i < names->len && !session->ended; i++)
        if (!search_mailbox(session, names->pdata[i], args) || !imap_session_send(session))
            return;
    if (selected)
        search_selected(session, args);
    else if (args->ret.options & IMAP_RETURN_UPDATE)
        imap_context_refuse(session, session->command->tag, "The selected mailbox isn't searched");
}

void imap_cmd_esearch(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    ImapLexer start = *lexer;
    g_autoptr(ImapSearchArgs) args = imap_search_args_parse(lexer, &error);
    if (!args) {
        imap_reply_error(session, error);
        imap_saved_after(session, imap_search_saves(&start));
        return;
    }
    if (!args->ret.given)
        args->ret = (ImapSearchReturn){.given = TRUE, .options = IMAP_RETURN_ALL};
    gboolean selected;
    g_autoptr(GPtrArray) names =
        is_scope_acceptable(session, args) ? choose_names(session, args, &selected) : NULL;
    if (names && imap_context_allowed(session, &args->ret))
        search_all(session, args, names, selected);
    imap_saved_after(session, args->ret.options & IMAP_RETURN_SAVE);
}
