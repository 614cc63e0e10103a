/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Searches that are kept up to date (RFC 5267, 4.3), and CANCELUPDATE. */
#include "daemon/serve/imap/context.h"

#include "daemon/proto/imap/quote.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/esearch.h"
#include "daemon/serve/imap/fetch.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/search-match.h"
#include "daemon/serve/imap/search.h"
#include "daemon/serve/imap/sort-order.h"
#include "daemon/serve/imap/view.h"

#define CONTEXTS_MAX 20

struct ImapContext {
    char *tag;
    gboolean uid;
    gboolean with_last; /* whether a message is the last one matters: "UID 5:*" */
    gboolean several;   /* of ESEARCH, whose answers name the mailbox (RFC 7377, 2.1) */
    ImapSearchKey *key;
    ImapSet *members;     /* UIDs */
    GArray *keys;         /* ImapSortKey; NULL: in the order of the mailbox */
    GArray *order;        /* guint32: the members in that order; NULL: likewise */
    ImapFetchArgs *items; /* to be fetched of new messages that it finds, or NULL */
};

static void context_free(ImapContext *context)
{
    g_free(context->tag);
    imap_search_key_free(context->key);
    imap_set_free(context->members);
    imap_fetch_args_free(context->items);
    g_clear_pointer(&context->keys, g_array_unref);
    g_clear_pointer(&context->order, g_array_unref);
    g_free(context);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapContext, context_free)

static ImapSet *set_of(const GArray *uids)
{
    ImapSet *set = imap_set_new();
    imap_set_add_all(set, uids);
    return set;
}

static guint contexts_of(const ImapView *view)
{
    return view->contexts ? view->contexts->len : 0;
}

static gboolean find_context(const ImapView *view, const char *tag, guint *index)
{
    for (*index = 0; *index < contexts_of(view); (*index)++)
        if (g_str_equal(((const ImapContext *)view->contexts->pdata[*index])->tag, tag))
            return TRUE;
    return FALSE;
}

/* ---- beginning ------------------------------------------------------------------------------- */

gboolean imap_context_allowed(ImapSession *session, const ImapSearchReturn *ret)
{
    guint index;
    if (ret->items && !imap_fetch_items_offered(session, ret->items))
        return FALSE;
    if (!(ret->options & IMAP_RETURN_UPDATE) || !session->view ||
        !find_context(session->view, session->command->tag, &index))
        return TRUE;
    imap_reply(session, IMAP_BAD, NULL, "That tag is in use by a search that is kept up to date");
    return FALSE;
}

static void add_child(ImapSearchKey *key, ImapSearchKey *child)
{
    key->children = g_ptr_array_new_with_free_func((GDestroyNotify)imap_search_key_free);
    g_ptr_array_add(key->children, child);
}

/* Nothing is met: NOT ALL. */
static void freeze_empty(ImapSearchKey *key)
{
    ImapSearchKey *all = g_new0(ImapSearchKey, 1);
    all->kind = IMAP_SEARCH_ALL;
    key->kind = IMAP_SEARCH_NOT;
    add_child(key, all);
}

/* RFC 5466, 3.1: the filter's program is inserted as it is now. */
static void insert_filter(ImapSession *session, ImapSearchKey *key)
{
    ImapSearchKey *program = imap_match_filter(session, key->text);
    if (!program)
        return;
    key->kind = IMAP_SEARCH_AND;
    add_child(key, program);
}

/* Sequence numbers and "$" mean the messages that they mean now, in filters too. */
static void freeze(ImapSession *session, ImapSearchKey *key, guint filters)
{
    if (key->kind == IMAP_SEARCH_FILTER && filters++ < IMAP_FILTERS_DEEP_MAX)
        insert_filter(session, key);
    for (guint i = 0; key->children && i < key->children->len; i++)
        freeze(session, key->children->pdata[i], filters);
    if (!key->set || (key->kind == IMAP_SEARCH_UID && !key->set->saved))
        return;
    g_autoptr(GArray) uids = imap_view_resolve(session, key->set, FALSE, FALSE);
    g_autoptr(ImapSet) set = set_of(uids);
    g_autoptr(GString) text = g_string_new(NULL);
    imap_set_format(set, text);
    g_clear_pointer(&key->set, imap_sequence_set_free);
    if (text->len == 0) {
        freeze_empty(key);
        return;
    }
    key->kind = IMAP_SEARCH_UID;
    key->set = imap_sequence_set_parse(text->str, text->len, G_MAXUINT, FALSE, NULL);
}

static gboolean is_known_here(const ImapSearchKey *key, gpointer data)
{
    return key->kind != IMAP_SEARCH_X_GM_RAW;
}

static gboolean is_without_star(const ImapSearchKey *key, gpointer data)
{
    for (guint i = 0; key->set && i < key->set->n_ranges; i++)
        if (!key->set->ranges[i].first || !key->set->ranges[i].last)
            return FALSE;
    return TRUE;
}

/* How relevant a message is depends on all the others. */
static gboolean can_be_sorted_in(const GArray *keys)
{
    for (guint i = 0; keys && i < keys->len; i++)
        if (g_array_index(keys, ImapSortKey, i).kind == IMAP_SORT_RELEVANCY)
            return FALSE;
    return TRUE;
}

void imap_context_refuse(ImapSession *session, const char *tag, const char *why)
{
    g_autoptr(GString) code = g_string_new("NOUPDATE ");
    imap_quote_append_quoted(code, tag, strlen(tag));
    imap_untagged(session, "NO", code->str, why);
}

void imap_context_add(ImapSession *session, ImapSearchKey *key, GArray *keys, ImapFetchArgs *items,
                      const GArray *uids)
{
    g_autoptr(ImapContext) context = g_new0(ImapContext, 1);
    context->tag = g_strdup(session->command->tag);
    context->several = g_str_equal(session->command->name, "ESEARCH");
    context->uid = session->by_uid || context->several;
    context->key = key;
    context->keys = keys;
    context->items = items;
    context->members = set_of(uids);
    context->order = keys ? g_array_copy((GArray *)uids) : NULL;
    if (contexts_of(session->view) >= CONTEXTS_MAX) {
        imap_context_refuse(session, context->tag, "Too many contexts");
        return;
    }
    if (!can_be_sorted_in(keys)) {
        imap_context_refuse(session, context->tag, "Relevancy isn't kept up to date");
        return;
    }
    freeze(session, key, 0);
    if (!imap_search_key_walk(key, is_known_here, NULL)) {
        imap_context_refuse(session, context->tag, "What the provider finds isn't kept up to date");
        return;
    }
    context->with_last = !imap_search_key_walk(key, is_without_star, NULL);
    if (!session->view->contexts)
        session->view->contexts = g_ptr_array_new_with_free_func((GDestroyNotify)context_free);
    g_ptr_array_add(session->view->contexts, g_steal_pointer(&context));
}

/* ---- telling --------------------------------------------------------------------------------- */

/* With UIDONLY there are no numbers any more, whatever it began with (RFC 9586, 3). */
static gboolean tells_uids(ImapSession *session, const ImapContext *context)
{
    return context->uid || imap_session_uidonly(session);
}

static guint32 told_number(ImapSession *session, const ImapContext *context, guint32 uid)
{
    return tells_uids(session, context) ? uid : imap_view_number(session->view, uid);
}

static void begin_esearch(ImapSession *session, const ImapContext *context)
{
    const ImapEsearch esearch = {
        .tag = context->tag,
        .uid = tells_uids(session, context),
        .mailbox = context->several ? session->view->name : NULL,
        .uidvalidity = session->view->uidvalidity,
    };
    imap_esearch_begin(session, &esearch);
}

/* "* ESEARCH (TAG "B01") UID ADDTO (0 32768:32769)": the client keeps the mailbox's order. */
static void tell_set(ImapSession *session, const ImapContext *context, const char *item,
                     const ImapSet *uids)
{
    g_autoptr(ImapSet) numbers = imap_set_new();
    ImapSetIter iter;
    guint32 uid;
    imap_set_iter_init(&iter, uids);
    while (imap_set_iter_next(&iter, &uid))
        imap_set_add(numbers, told_number(session, context, uid));
    if (imap_set_is_empty(numbers))
        return;
    begin_esearch(session, context);
    g_string_append_printf(session->out, " %s (0 ", item);
    imap_set_format(numbers, session->out);
    g_string_append(session->out, ")\r\n");
}

/* Pairs of position and message, each told as if the ones before had been done. */
static void tell_pairs(ImapSession *session, const ImapContext *context, const char *item,
                       const GString *pairs)
{
    if (!pairs->len)
        return;
    begin_esearch(session, context);
    g_string_append_printf(session->out, " %s (%s)\r\n", item, pairs->str);
}

static void append_pair(ImapSession *session, const ImapContext *context, guint index,
                        GString *pairs)
{
    guint32 uid = g_array_index(context->order, guint32, index);
    g_string_append_printf(pairs, "%s%u %u", pairs->len ? " " : "", index + 1,
                           told_number(session, context, uid));
}

static void remove_from_order(ImapSession *session, ImapContext *context, const ImapSet *gone)
{
    g_autoptr(GString) pairs = g_string_new(NULL);
    guint kept = 0;
    for (guint i = 0; i < context->order->len; i++) {
        guint32 uid = g_array_index(context->order, guint32, i);
        g_array_index(context->order, guint32, kept) = uid;
        if (imap_set_contains(gone, uid))
            append_pair(session, context, kept, pairs);
        else
            kept++;
    }
    g_array_set_size(context->order, kept);
    tell_pairs(session, context, "REMOVEFROM", pairs);
}

static void remove_members(ImapSession *session, ImapContext *context, const ImapSet *gone)
{
    if (imap_set_is_empty(gone))
        return;
    ImapSet *left = imap_set_subtract(context->members, gone);
    imap_set_free(context->members);
    context->members = left;
    if (context->order)
        remove_from_order(session, context, gone);
    else
        tell_set(session, context, "REMOVEFROM", gone);
}

/* In ascending order of their new places, so that each is right when it is told. */
static gboolean add_to_order(ImapSession *session, ImapContext *context, const ImapSet *added)
{
    g_autoptr(GString) pairs = g_string_new(NULL);
    GArray *order = imap_sort_uids(session, context->keys, context->members);
    if (!order)
        return FALSE;
    g_array_unref(context->order);
    context->order = order;
    for (guint i = 0; i < order->len; i++)
        if (imap_set_contains(added, g_array_index(order, guint32, i)))
            append_pair(session, context, i, pairs);
    tell_pairs(session, context, "ADDTO", pairs);
    return TRUE;
}

static gboolean add_members(ImapSession *session, ImapContext *context, const ImapSet *added)
{
    if (imap_set_is_empty(added))
        return TRUE;
    imap_set_add_set(context->members, added);
    if (context->order)
        return add_to_order(session, context, added);
    tell_set(session, context, "ADDTO", added);
    return TRUE;
}

/* RFC 5465, 7: not of messages that came to be found by a change of flags. */
static void tell_found_items(ImapSession *session, const ImapContext *context, const ImapSet *added,
                             guint32 last_known)
{
    g_autoptr(GArray) uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    ImapSetIter iter;
    guint32 uid;
    imap_set_iter_init(&iter, added);
    while (context->items && imap_set_iter_next(&iter, &uid))
        if (uid > last_known && !imap_set_contains(session->view->made, uid))
            g_array_append_val(uids, uid);
    if (uids->len)
        imap_fetch_tell(session, context->items, uids);
}

/* ---- news ------------------------------------------------------------------------------------ */

void imap_contexts_expunged(ImapSession *session, const GArray *uids)
{
    if (!contexts_of(session->view))
        return;
    g_autoptr(ImapSet) expunged = set_of(uids);
    for (guint i = 0; i < contexts_of(session->view); i++) {
        ImapContext *context = session->view->contexts->pdata[i];
        g_autoptr(ImapSet) gone = imap_set_intersect(context->members, expunged);
        remove_members(session, context, gone);
    }
}

/* FALSE: it can't be searched now. */
static gboolean update(ImapSession *session, ImapContext *context, const GArray *uids,
                       guint32 last_known)
{
    g_auto(ImapFound) found = {0};
    if (!imap_search_run_among(session, context->key, uids, &found))
        return FALSE;
    g_autoptr(ImapSet) changed = set_of(uids);
    g_autoptr(ImapSet) met = set_of(found.uids);
    g_autoptr(ImapSet) unmet = imap_set_subtract(changed, met);
    g_autoptr(ImapSet) gone = imap_set_intersect(unmet, context->members);
    g_autoptr(ImapSet) added = imap_set_subtract(met, context->members);
    remove_members(session, context, gone);
    if (!add_members(session, context, added))
        return FALSE;
    tell_found_items(session, context, added, last_known);
    return TRUE;
}

/* What goes wrong here is no part of the running command's answer. */
static gboolean update_aside(ImapSession *session, ImapContext *context, const GArray *uids,
                             guint32 last_known)
{
    ImapStatus status = session->status;
    g_autofree char *code = g_strdup(session->code->str);
    g_autofree char *text = g_strdup(session->text->str);
    gboolean ok = update(session, context, uids, last_known);
    imap_reply(session, status, code, text);
    return ok;
}

/* What the news may have changed for the context: the messages themselves, and the one that was the
 * last, or now is. `uids` are those that changed. */
static GArray *uids_to_search(ImapSession *session, const ImapContext *context, GArray *uids,
                              guint32 last_known)
{
    const ImapView *view = session->view;
    guint32 end = last_known < G_MAXUINT32 ? last_known + 1 : last_known;
    guint place = 0, old = imap_view_lower_bound(view, end);
    if (!context->with_last || !old)
        return g_array_ref(uids);
    guint32 last = imap_view_uid(view, old - 1);
    GArray *all = g_array_copy(uids);
    while (place < all->len && g_array_index(all, guint32, place) < last)
        place++;
    g_array_insert_val(all, place, last); /* twice does no harm */
    return all;
}

void imap_contexts_changed(ImapSession *session, const GArray *changes, guint32 last_known)
{
    GPtrArray *contexts = session->view->contexts;
    g_autoptr(GArray) uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    if (!contexts)
        return;
    for (guint i = 0; changes && contexts->len && i < changes->len; i++)
        g_array_append_val(uids, g_array_index(changes, CacheChange, i).uid);
    for (guint i = 0; i < contexts->len;) {
        ImapContext *context = contexts->pdata[i];
        g_autoptr(GArray) among = uids_to_search(session, context, uids, last_known);
        if (!among->len || update_aside(session, context, among, last_known)) {
            i++;
            continue;
        }
        imap_context_refuse(session, context->tag, "It can't be kept up to date any more");
        g_ptr_array_remove_index(contexts, i);
    }
}

/* ---- CANCELUPDATE ---------------------------------------------------------------------------- */

void imap_cmd_cancelupdate(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) tags = g_ptr_array_new_with_free_func(g_free);
    guint index;
    do {
        char *tag =
            imap_lexer_space(lexer, &error) ? imap_lexer_string(lexer, "a tag", &error) : NULL;
        if (!tag) {
            imap_reply_error(session, error);
            return;
        }
        g_ptr_array_add(tags, tag);
    } while (!imap_lexer_at_end(lexer));
    for (guint i = 0; i < tags->len; i++)
        if (find_context(session->view, tags->pdata[i], &index))
            g_ptr_array_remove_index(session->view->contexts, index);
        else
            imap_reply(session, IMAP_NO, NULL, "There is no such search");
}
