/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sorting messages: what is compared, and how. */
#include "daemon/serve/imap/sort-order.h"

#include "daemon/serve/imap/keys.h"
#include "daemon/serve/imap/reply.h"

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
        return number_value(-imap_found_score(run->found, row->uid));
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

static void choose_kinds(SortRun *run, const GArray *keys)
{
    run->keys = (const ImapSortKey *)(void *)keys->data;
    run->n_keys = keys->len;
    for (guint i = 0; i < run->n_keys; i++) {
        run->kinds[i] = &kinds[run->keys[i].kind];
        if (needs_text(run->kinds[i]))
            run->texts[run->n_texts++] = run->kinds[i]->text;
    }
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

gboolean imap_sort_keys_fit(ImapSession *session, const GArray *keys)
{
    if (keys->len <= SORT_KEYS_MAX)
        return TRUE;
    imap_reply(session, IMAP_BAD, "LIMIT", "That are too many keys to sort by");
    return FALSE;
}

GArray *imap_sort_found(ImapSession *session, const GArray *keys, const ImapFound *found)
{
    g_auto(SortRun) run = {.found = found};
    choose_kinds(&run, keys);
    run.stride = sizeof(Item) + run.n_keys * sizeof(Value);
    run.items = g_array_new(FALSE, FALSE, (guint)run.stride);
    if (!imap_keys_read(session, found->uids, run.texts, run.n_texts, &run.read))
        return NULL;
    add_items(&run);
    g_array_sort_with_data(run.items, compare_items, &run);
    return sorted_uids(&run);
}

GArray *imap_sort_uids(ImapSession *session, const GArray *keys, const ImapSet *uids)
{
    g_auto(ImapFound) found = {.uids = g_array_new(FALSE, FALSE, sizeof(guint32))};
    ImapSetIter iter;
    guint32 uid;
    imap_set_iter_init(&iter, uids);
    while (imap_set_iter_next(&iter, &uid))
        g_array_append_val(found.uids, uid);
    return imap_sort_found(session, keys, &found);
}
