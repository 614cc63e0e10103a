/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SORT (RFC 5256), by display names (RFC 5957), with RETURN (ESORT, RFC 5267). */
#include "daemon/proto/imap/sort-args.h"

#include "daemon/proto/imap/quote.h"
#include "daemon/proto/mime/address.h"
#include "daemon/proto/mime/header.h"
#include "daemon/proto/mime/subject.h"
#include "daemon/proto/mime/text.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/gather.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/search.h"
#include "daemon/serve/imap/uidplus.h"
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
    [IMAP_SORT_RELEVANCY] = {NULL},
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

static gboolean prepare(ImapSession *session, const ImapSortArgs *args, SortRun *run, guint *what)
{
    const guint options = IMAP_RETURN_RELEVANCY | IMAP_RETURN_CONTEXT | IMAP_RETURN_UPDATE;
    run->keys = (const ImapSortKey *)(void *)args->keys->data;
    run->n_keys = args->keys->len;
    if (run->n_keys > SORT_KEYS_MAX || (args->ret.options & options)) {
        imap_reply(session, IMAP_BAD, NULL, "That isn't offered here");
        return FALSE;
    }
    for (guint i = 0; i < run->n_keys; i++) {
        run->kinds[i] = &kinds[run->keys[i].kind];
        *what |= run->kinds[i]->what;
        if (!run->kinds[i]->value) {
            imap_reply(session, IMAP_BAD, NULL, "Sorting by RELEVANCY isn't offered here");
            return FALSE;
        }
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

static void answer_sort(ImapSession *session, const GArray *numbers)
{
    g_string_append(session->out, "* SORT");
    for (guint i = 0; i < numbers->len; i++) {
        imap_out_literal(session->out, " ");
        imap_out_number(session->out, g_array_index(numbers, guint32, i));
    }
    g_string_append(session->out, "\r\n");
}

static void append_partial(const ImapPartial *partial, const GArray *numbers, GString *out)
{
    const char *sign = partial->from_end ? "-" : "";
    guint first = MIN(partial->first - 1, numbers->len), end = MIN(partial->last, numbers->len);
    if (partial->from_end) {
        guint from = numbers->len - end;
        end = numbers->len - first;
        first = from;
    }
    g_string_append_printf(out, " PARTIAL (%s%u:%s%u ", sign, partial->first, sign, partial->last);
    g_autoptr(GArray) window = g_array_new(FALSE, FALSE, sizeof(guint32));
    if (first < end)
        g_array_append_vals(window, &g_array_index(numbers, guint32, first), end - first);
    else
        g_string_append(out, "NIL");
    imap_uidplus_format(window, out);
    g_string_append_c(out, ')');
}

/* RFC 5267, 3: MIN and MAX are the first and the last in the order sorted. */
static void answer_esort(ImapSession *session, const ImapSearchReturn *ret, const GArray *numbers)
{
    GString *out = session->out;
    g_string_append(out, "* ESEARCH (TAG ");
    imap_quote_append_quoted(out, session->command->tag, strlen(session->command->tag));
    g_string_append(out, session->uid ? ") UID" : ")");
    if (numbers->len && (ret->options & IMAP_RETURN_MIN))
        g_string_append_printf(out, " MIN %u", g_array_index(numbers, guint32, 0));
    if (numbers->len && (ret->options & IMAP_RETURN_MAX))
        g_string_append_printf(out, " MAX %u", g_array_index(numbers, guint32, numbers->len - 1));
    if (numbers->len && (ret->options & IMAP_RETURN_ALL)) {
        g_string_append(out, " ALL ");
        imap_uidplus_format(numbers, out);
    }
    if (ret->options & IMAP_RETURN_COUNT)
        g_string_append_printf(out, " COUNT %u", numbers->len);
    if (ret->options & IMAP_RETURN_PARTIAL)
        append_partial(&ret->partial, numbers, out);
    g_string_append(out, "\r\n");
}

static void answer(ImapSession *session, const ImapSortArgs *args, const ImapFound *found,
                   const SortRun *run)
{
    g_autoptr(GArray) numbers = sorted_numbers(session, run);
    imap_found_tell_unsearched(session, found);
    if (args->ret.options & IMAP_RETURN_SAVE)
        imap_search_save(session, &args->ret, found);
    if (!args->ret.given)
        answer_sort(session, numbers);
    else if (args->ret.options != IMAP_RETURN_SAVE)
        answer_esort(session, &args->ret, numbers);
}

static void sort_messages(ImapSession *session, const ImapSortArgs *args)
{
    g_auto(ImapFound) found = {0};
    guint what = 0;
    SortRun run = {0};
    if (!prepare(session, args, &run, &what) || !imap_search_run(session, args->key, &found))
        return;
    run.items = g_ptr_array_new_with_free_func(g_free);
    run.texts = g_string_chunk_new(65536);
    if (imap_gather(session, found.uids, what, add_item, &run)) {
        g_ptr_array_sort_with_data(run.items, compare_items, &run);
        answer(session, args, &found, &run);
    }
    g_ptr_array_unref(run.items);
    g_string_chunk_free(run.texts);
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
