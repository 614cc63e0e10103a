/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SORT (RFC 5256), by display names (RFC 5957) and relevancy (RFC 6203), with RETURN (ESORT, RFC
 * 5267). */
#include "daemon/serve/imap/sort.h"

#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/context.h"
#include "daemon/serve/imap/esearch.h"
#include "daemon/serve/imap/keys.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/search.h"
#include "daemon/serve/imap/view.h"

#include <string.h>

#define SORT_KEYS_MAX 10

/* Values are compared by their order, and those of texts, which is their beginning, then by the
 * text: it is rarely looked at. */
typedef struct {
    guint64 order;
    const char *text;
} Value;

typedef struct {
    guint32 uid;
    Value values[]; /* one for each key */
} Item;

typedef enum { BY_ARRIVAL, BY_SIZE, BY_RELEVANCY, BY_SENT, BY_TEXT } SortBy;

typedef struct {
    SortBy by;
    CacheText text; /* BY_SENT, BY_TEXT */
} SortKind;

typedef struct {
    const ImapSortKey *keys;
    const SortKind *kinds[SORT_KEYS_MAX];
    guint n_keys;
    CacheText texts[SORT_KEYS_MAX]; /* those that are read, in the order of the keys */
    guint n_texts;
    const ImapFound *found;
    ImapKeys read;
    GArray *items; /* Item, each `stride` bytes */
    gsize stride;
} SortRun;

/* ---- keys ------------------------------------------------------------------------------------ */

static const SortKind kinds[] = {
    [IMAP_SORT_ARRIVAL] = {BY_ARRIVAL},
    [IMAP_SORT_CC] = {BY_TEXT, CACHE_TEXT_SORT_CC},
    [IMAP_SORT_DATE] = {BY_SENT, CACHE_TEXT_SORT_DATE},
    [IMAP_SORT_DISPLAYFROM] = {BY_TEXT, CACHE_TEXT_SORT_DISPLAYFROM},
    [IMAP_SORT_DISPLAYTO] = {BY_TEXT, CACHE_TEXT_SORT_DISPLAYTO},
    [IMAP_SORT_FROM] = {BY_TEXT, CACHE_TEXT_SORT_FROM},
    [IMAP_SORT_RELEVANCY] = {BY_RELEVANCY},
    [IMAP_SORT_SIZE] = {BY_SIZE},
    [IMAP_SORT_SUBJECT] = {BY_TEXT, CACHE_TEXT_SORT_SUBJECT},
    [IMAP_SORT_TO] = {BY_TEXT, CACHE_TEXT_SORT_TO},
};

static guint8 score_of(const ImapFound *found, guint32 uid)
{
    return g_array_index(found->scores, guint8, imap_found_index(found, uid));
}

static Value number_value(gint64 number)
{
    return (Value){(guint64)number ^ G_GUINT64_CONSTANT(1) << 63, ""};
}

static Value text_value(const char *text)
{
    Value value = {0, text};
    for (guint i = 0, end = FALSE; i < sizeof value.order; i++) {
        end = end || !text[i];
        value.order = value.order << 8 | (end ? 0 : (guchar)text[i]);
    }
    return value;
}

/* `text` is the next of the row's texts that are read. */
static Value value_of(const SortRun *run, const SortKind *kind, const ImapKeyRow *row,
                      const char *text)
{
    switch (kind->by) {
    case BY_ARRIVAL:
        return number_value(row->date);
    case BY_SIZE:
        return number_value((gint64)row->size);
    case BY_RELEVANCY: /* the highest first (RFC 6203, 6) */
        return number_value(-score_of(run->found, row->uid));
    case BY_SENT: /* without a Date field it is the INTERNALDATE (RFC 5256, 2.2) */
        return number_value(*text ? g_ascii_strtoll(text, NULL, 10) : row->date);
    case BY_TEXT:
        break;
    }
    return text_value(text);
}

static gboolean needs_text(const SortKind *kind)
{
    return kind->by == BY_SENT || kind->by == BY_TEXT;
}

/* ---- sorting --------------------------------------------------------------------------------- */

static const Item *item_at(const SortRun *run, guint index)
{
    return (const Item *)(const void *)(run->items->data + index * run->stride);
}

static void add_items(SortRun *run)
{
    for (guint i = 0; i < run->read.rows->len; i++) {
        const ImapKeyRow *row = &g_array_index(run->read.rows, ImapKeyRow, i);
        g_array_set_size(run->items, i + 1);
        Item *item = (Item *)item_at(run, i);
        item->uid = row->uid;
        for (guint k = 0, text = 0; k < run->n_keys; k++)
            item->values[k] =
                value_of(run, run->kinds[k], row,
                         needs_text(run->kinds[k]) ? imap_keys_text(&run->read, i, text++) : NULL);
    }
}

static int compare_items(const void *a, const void *b, gpointer data)
{
    const Item *first = a, *second = b;
    const SortRun *run = data;
    for (guint i = 0; i < run->n_keys; i++) {
        const Value *x = &first->values[i], *y = &second->values[i];
        int order =
            x->order != y->order ? (x->order < y->order ? -1 : 1) : strcmp(x->text, y->text);
        if (order)
            return run->keys[i].reverse ? -order : order;
    }
    return (first->uid > second->uid) - (first->uid < second->uid);
}

static gboolean prepare(ImapSession *session, const GArray *keys, SortRun *run)
{
    run->keys = (const ImapSortKey *)(void *)keys->data;
    run->n_keys = keys->len;
    if (run->n_keys > SORT_KEYS_MAX) {
        imap_reply(session, IMAP_BAD, "LIMIT", "That are too many keys to sort by");
        return FALSE;
    }
    for (guint i = 0; i < run->n_keys; i++) {
        run->kinds[i] = &kinds[run->keys[i].kind];
        if (needs_text(run->kinds[i]))
            run->texts[run->n_texts++] = run->kinds[i]->text;
    }
    return TRUE;
}

/* Sorts what was found. FALSE: the answer is set. */
static gboolean sort_found(ImapSession *session, SortRun *run, const ImapFound *found)
{
    run->found = found;
    run->stride = sizeof(Item) + run->n_keys * sizeof(Value);
    run->items = g_array_new(FALSE, FALSE, (guint)run->stride);
    if (!imap_keys_read(session, found->uids, run->texts, run->n_texts, &run->read))
        return FALSE;
    add_items(run);
    g_array_sort_with_data(run->items, compare_items, run);
    return TRUE;
}

static void run_clear(SortRun *run)
{
    g_clear_pointer(&run->items, g_array_unref);
    imap_keys_clear(&run->read);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SortRun, run_clear)

/* In the order sorted. */
static GArray *sorted_uids(const SortRun *run)
{
    GArray *uids = g_array_sized_new(FALSE, FALSE, sizeof(guint32), run->read.rows->len);
    for (guint i = 0; i < run->read.rows->len; i++)
        g_array_append_val(uids, item_at(run, i)->uid);
    return uids;
}

/* ---- answers --------------------------------------------------------------------------------- */

/* What the client counts in. */
static GArray *numbers_of(ImapSession *session, const GArray *uids)
{
    GArray *numbers = g_array_sized_new(FALSE, FALSE, sizeof(guint32), uids->len);
    for (guint i = 0; i < uids->len; i++) {
        guint32 uid = g_array_index(uids, guint32, i);
        guint32 number = session->uid ? uid : imap_view_number(session->view, uid);
        g_array_append_val(numbers, number);
    }
    return numbers;
}

static GArray *scores_of(const ImapFound *found, const GArray *uids)
{
    GArray *scores = g_array_new(FALSE, FALSE, sizeof(guint8));
    for (guint i = 0; i < uids->len; i++) {
        guint8 score = score_of(found, g_array_index(uids, guint32, i));
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

static void answer(ImapSession *session, const ImapSortArgs *args, const ImapFound *found,
                   const GArray *uids)
{
    g_autoptr(GArray) numbers = numbers_of(session, uids);
    g_autoptr(GArray) scores = found->scores ? scores_of(found, uids) : NULL;
    const ImapEsearch esearch = {
        .tag = session->command->tag,
        .uid = session->uid,
        .ret = &args->ret,
        .numbers = numbers,
        .scores = scores,
        .modseq = imap_found_modseq(found, &args->ret, uids),
    };
    imap_found_tell_unsearched(session, found);
    if (args->ret.options & IMAP_RETURN_SAVE)
        imap_search_save(session, &args->ret, uids);
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

GArray *imap_sort_uids(ImapSession *session, const GArray *keys, const ImapSet *uids)
{
    g_auto(SortRun) run = {0};
    g_auto(ImapFound) found = {.uids = g_array_new(FALSE, FALSE, sizeof(guint32))};
    ImapSetIter iter;
    guint32 uid;
    imap_set_iter_init(&iter, uids);
    while (imap_set_iter_next(&iter, &uid))
        g_array_append_val(found.uids, uid);
    if (!prepare(session, keys, &run) || !sort_found(session, &run, &found))
        return NULL;
    return sorted_uids(&run);
}

static void sort_messages(ImapSession *session, ImapSortArgs *args)
{
    g_auto(ImapFound) found = {0};
    g_auto(SortRun) run = {0};
    if (!imap_context_allowed(session, &args->ret) || !prepare(session, args->keys, &run) ||
        !imap_search_run(session, args->key, &found))
        return;
    if ((asks_for_scores(args) && !imap_found_scored(session, &found)) ||
        !sort_found(session, &run, &found))
        return;
    g_autoptr(GArray) uids = sorted_uids(&run);
    answer(session, args, &found, uids);
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
    imap_search_done(session, args ? (args->ret.options & IMAP_RETURN_SAVE) != 0
                                   : imap_search_saves(&start));
}
