/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SORT (RFC 5256), by display names (RFC 5957) and relevancy (RFC 6203), with RETURN (ESORT, RFC
 * 5267). */
#include "daemon/serve/imap/sort.h"

#include "daemon/proto/mime/address.h"
#include "daemon/proto/mime/header.h"
#include "daemon/proto/mime/subject.h"
#include "daemon/proto/mime/text.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/context.h"
#include "daemon/serve/imap/esearch.h"
#include "daemon/serve/imap/gather.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/search.h"
#include "daemon/serve/imap/view.h"

#define SORT_KEYS_MAX 10

typedef union {
    gint64 number;
    const char *text;
} Value;

typedef struct {
    guint32 uid;
    Value values[]; /* one for each key */
} Item;

typedef struct SortRun SortRun;

typedef struct {
    Value (*value)(SortRun *run, const CacheFetchRow *row, const char *field);
    gboolean text;
    guint what; /* CacheFetchWhat */
    const char *field;
} SortKind;

struct SortRun {
    const ImapSortKey *keys;
    const SortKind *kinds[SORT_KEYS_MAX];
    guint n_keys;
    const ImapFound *found;
    GPtrArray *items; /* Item */
    GStringChunk *texts;
};

/* ---- keys ------------------------------------------------------------------------------------ */

static Value number_value(gint64 number)
{
    return (Value){.number = number};
}

static Value text_value(SortRun *run, char *text)
{
    Value value = {.text = g_string_chunk_insert_const(run->texts, text)};
    g_free(text);
    return value;
}

static Value sort_arrival(SortRun *run, const CacheFetchRow *row, const char *field)
{
    return number_value(row->placement->date);
}

static Value sort_size(SortRun *run, const CacheFetchRow *row, const char *field)
{
    return number_value((gint64)row->placement->size);
}

/* RFC 5256, 2.2: without a Date field it is the INTERNALDATE. */
static Value sort_date(SortRun *run, const CacheFetchRow *row, const char *field)
{
    return number_value(row->sent == G_MININT64 ? row->placement->date : row->sent);
}

static guint8 score_of(const ImapFound *found, guint32 uid)
{
    guint low = 0, high = found->uids->len;
    while (low < high) {
        guint middle = low + (high - low) / 2;
        if (g_array_index(found->uids, guint32, middle) < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return g_array_index(found->scores, guint8, low);
}

/* RFC 6203, 6: the highest first. */
static Value sort_relevancy(SortRun *run, const CacheFetchRow *row, const char *field)
{
    return number_value(-score_of(run->found, row->placement->uid));
}

static gboolean find_field(const CacheFetchRow *row, const char *name, MimeField *field)
{
    return row->header && mime_header_find(row->header, row->header_length, name, field);
}

static Value sort_subject(SortRun *run, const CacheFetchRow *row, const char *name)
{
    MimeField field;
    if (!find_field(row, name, &field))
        return (Value){.text = ""};
    return text_value(run, mime_subject_base(field.value, field.value_length, NULL));
}

static Value sort_mailbox(SortRun *run, const CacheFetchRow *row, const char *name)
{
    MimeField field;
    g_auto(MimeArena) arena = {0};
    if (!find_field(row, name, &field))
        return (Value){.text = ""};
    const MimeAddress *first = mime_address_parse(&arena, field.value, field.value_length);
    g_autofree char *text = g_utf8_make_valid(mime_address_sort_key(first), -1);
    return text_value(run, mime_text_collate(text));
}

static Value sort_display(SortRun *run, const CacheFetchRow *row, const char *name)
{
    MimeField field;
    g_auto(MimeArena) arena = {0};
    if (!find_field(row, name, &field))
        return (Value){.text = ""};
    const MimeAddress *first = mime_address_parse(&arena, field.value, field.value_length);
    if (!first)
        return (Value){.text = ""};
    g_autofree char *text = mime_address_display(first);
    return text_value(run, mime_text_collate(text));
}

static const SortKind kinds[] = {
    [IMAP_SORT_ARRIVAL] = {sort_arrival},
    [IMAP_SORT_CC] = {sort_mailbox, TRUE, CACHE_FETCH_HEADER, "Cc"},
    [IMAP_SORT_DATE] = {sort_date, FALSE, CACHE_FETCH_SENT},
    [IMAP_SORT_DISPLAYFROM] = {sort_display, TRUE, CACHE_FETCH_HEADER, "From"},
    [IMAP_SORT_DISPLAYTO] = {sort_display, TRUE, CACHE_FETCH_HEADER, "To"},
    [IMAP_SORT_FROM] = {sort_mailbox, TRUE, CACHE_FETCH_HEADER, "From"},
    [IMAP_SORT_RELEVANCY] = {sort_relevancy},
    [IMAP_SORT_SIZE] = {sort_size},
    [IMAP_SORT_SUBJECT] = {sort_subject, TRUE, CACHE_FETCH_HEADER, "Subject"},
    [IMAP_SORT_TO] = {sort_mailbox, TRUE, CACHE_FETCH_HEADER, "To"},
};

/* ---- sorting --------------------------------------------------------------------------------- */

static gboolean add_item(const CacheFetchRow *row, gpointer data)
{
    SortRun *run = data;
    Item *item = g_malloc(sizeof(Item) + run->n_keys * sizeof(Value));
    item->uid = row->placement->uid;
    for (guint i = 0; i < run->n_keys; i++)
        item->values[i] = run->kinds[i]->value(run, row, run->kinds[i]->field);
    g_ptr_array_add(run->items, item);
    return TRUE;
}

static int compare_items(const void *a, const void *b, gpointer data)
{
    const Item *first = *(Item *const *)a, *second = *(Item *const *)b;
    const SortRun *run = data;
    for (guint i = 0; i < run->n_keys; i++) {
        Value x = first->values[i], y = second->values[i];
        int order = run->kinds[i]->text ? strcmp(x.text, y.text)
                                        : (x.number > y.number) - (x.number < y.number);
        if (order)
            return run->keys[i].reverse ? -order : order;
    }
    return (first->uid > second->uid) - (first->uid < second->uid);
}

static gboolean prepare(ImapSession *session, const GArray *keys, SortRun *run, guint *what)
{
    run->keys = (const ImapSortKey *)(void *)keys->data;
    run->n_keys = keys->len;
    if (run->n_keys > SORT_KEYS_MAX) {
        imap_reply(session, IMAP_BAD, "LIMIT", "That are too many keys to sort by");
        return FALSE;
    }
    for (guint i = 0; i < run->n_keys; i++) {
        run->kinds[i] = &kinds[run->keys[i].kind];
        *what |= run->kinds[i]->what;
    }
    return TRUE;
}

/* ---- answers --------------------------------------------------------------------------------- */

/* What the client counts in, in the order sorted. */
static GArray *sorted_numbers(ImapSession *session, const SortRun *run)
{
    GArray *numbers = g_array_sized_new(FALSE, FALSE, sizeof(guint32), run->items->len);
    for (guint i = 0; i < run->items->len; i++) {
        guint32 uid = ((const Item *)run->items->pdata[i])->uid;
        guint32 number = session->uid ? uid : imap_view_number(session->view, uid);
        g_array_append_val(numbers, number);
    }
    return numbers;
}

static GArray *sorted_scores(const SortRun *run)
{
    GArray *scores = g_array_new(FALSE, FALSE, sizeof(guint8));
    for (guint i = 0; i < run->items->len; i++) {
        guint8 score = score_of(run->found, ((const Item *)run->items->pdata[i])->uid);
        g_array_append_val(scores, score);
    }
    return scores;
}

static void answer_sort(ImapSession *session, const GArray *numbers)
{
    g_string_append(session->out, "* SORT");
    for (guint i = 0; i < numbers->len; i++) {
        imap_out_literal(session->out, " ");
        imap_out_number(session->out, g_array_index(numbers, guint32, i));
    }
    g_string_append(session->out, "\r\n");
}

static void answer_esort(ImapSession *session, const ImapSearchReturn *ret, const GArray *numbers,
                         const GArray *scores)
{
    const ImapEsearch esearch = {
        .tag = session->command->tag,
        .uid = session->uid,
        .ret = ret,
        .numbers = numbers,
        .scores = scores,
    };
    imap_esearch_answer(session, &esearch);
}

static void answer(ImapSession *session, const ImapSortArgs *args, const ImapFound *found,
                   const SortRun *run)
{
    g_autoptr(GArray) numbers = sorted_numbers(session, run);
    g_autoptr(GArray) scores = found->scores ? sorted_scores(run) : NULL;
    imap_found_tell_unsearched(session, found);
    if (args->ret.options & IMAP_RETURN_SAVE)
        imap_search_save(session, &args->ret, found);
    if (!args->ret.given)
        answer_sort(session, numbers);
    else if (args->ret.options != IMAP_RETURN_SAVE)
        answer_esort(session, &args->ret, numbers, scores);
}

static gboolean asks_for_scores(const ImapSortArgs *args)
{
    gboolean asks = args->ret.options & IMAP_RETURN_RELEVANCY;
    for (guint i = 0; i < args->keys->len; i++)
        asks |= g_array_index(args->keys, ImapSortKey, i).kind == IMAP_SORT_RELEVANCY;
    return asks;
}

/* Sorts what was found. FALSE: the answer is set. */
static gboolean sort_found(ImapSession *session, SortRun *run, guint what, const ImapFound *found)
{
    run->found = found;
    run->items = g_ptr_array_new_with_free_func(g_free);
    run->texts = g_string_chunk_new(65536);
    if (!imap_gather(session, found->uids, what, add_item, run))
        return FALSE;
    g_ptr_array_sort_with_data(run->items, compare_items, run);
    return TRUE;
}

static void run_clear(SortRun *run)
{
    g_clear_pointer(&run->items, g_ptr_array_unref);
    g_clear_pointer(&run->texts, g_string_chunk_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SortRun, run_clear)

/* In the order sorted. */
static GArray *sorted_uids(const SortRun *run)
{
    GArray *uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    for (guint i = 0; i < run->items->len; i++)
        g_array_append_val(uids, ((const Item *)run->items->pdata[i])->uid);
    return uids;
}

GArray *imap_sort_uids(ImapSession *session, const GArray *keys, const ImapSet *uids)
{
    g_auto(SortRun) run = {0};
    g_auto(ImapFound) found = {.uids = g_array_new(FALSE, FALSE, sizeof(guint32))};
    guint what = 0;
    ImapSetIter iter;
    guint32 uid;
    imap_set_iter_init(&iter, uids);
    while (imap_set_iter_next(&iter, &uid))
        g_array_append_val(found.uids, uid);
    if (!prepare(session, keys, &run, &what) || !sort_found(session, &run, what, &found))
        return NULL;
    return sorted_uids(&run);
}

static void sort_messages(ImapSession *session, ImapSortArgs *args)
{
    g_auto(ImapFound) found = {0};
    g_auto(SortRun) run = {0};
    guint what = 0;
    if (!imap_context_allowed(session, &args->ret) || !prepare(session, args->keys, &run, &what) ||
        !imap_search_run(session, args->key, &found))
        return;
    if ((asks_for_scores(args) && !imap_found_scored(session, &found)) ||
        !sort_found(session, &run, what, &found))
        return;
    answer(session, args, &found, &run);
    if (args->ret.options & IMAP_RETURN_UPDATE) {
        g_autoptr(GArray) uids = sorted_uids(&run);
        imap_context_add(session, g_steal_pointer(&args->key), g_array_ref(args->keys),
                         g_steal_pointer(&args->ret.items), uids);
    }
}

void imap_cmd_sort(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ImapSortArgs) args = imap_sort_args_parse(lexer, &error);
    if (args)
        sort_messages(session, args);
    else
        imap_reply_error(session, error);
}
