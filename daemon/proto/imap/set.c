/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sets of message numbers as arrays of ranges.
 *
 * An ImapSet is sorted, disjoint and without neighbours (1:2,3:4 is 1:4), except that ranges added
 * out of order wait at the end, until settle() sorts them in at the next read. So building a set in
 * any order costs one sort, and building it in order costs nothing.
 */
#include "daemon/proto/imap/set.h"

#include "daemon/proto/imap/error.h"

struct ImapSet {
    GArray *ranges; /* ImapRange */
    gboolean unsorted;
};

static ImapRange *range_at(const ImapSet *set, guint i)
{
    return &g_array_index(set->ranges, ImapRange, i);
}

ImapSet *imap_set_new(void)
{
    ImapSet *set = g_new0(ImapSet, 1);

    set->ranges = g_array_new(FALSE, FALSE, sizeof(ImapRange));
    return set;
}

ImapSet *imap_set_new_range(guint32 first, guint32 last)
{
    ImapSet *set = imap_set_new();

    if (first > 0 && first <= last)
        imap_set_add_range(set, first, last);
    return set;
}

ImapSet *imap_set_copy(const ImapSet *set)
{
    ImapSet *copy = g_new0(ImapSet, 1);

    copy->ranges = g_array_copy(set->ranges);
    copy->unsorted = set->unsorted;
    return copy;
}

void imap_set_free(ImapSet *set)
{
    if (set == NULL)
        return;
    g_array_unref(set->ranges);
    g_free(set);
}

static int compare_ranges(gconstpointer a, gconstpointer b)
{
    const ImapRange *x = a, *y = b;

    return x->first < y->first ? -1 : x->first > y->first;
}

/* Whether b may be joined to a, given a->first <= b->first. */
static gboolean touches(const ImapRange *a, const ImapRange *b)
{
    return b->first <= a->last || b->first - a->last == 1;
}

/* Reading sorts: the set's value doesn't change, so this is fine for a const set. */
static void settle(const ImapSet *set)
{
    ImapSet *mutable = (ImapSet *)set;
    guint kept = 0;

    if (!set->unsorted)
        return;
    g_array_sort(set->ranges, compare_ranges);
    for (guint i = 1; i < set->ranges->len; i++) {
        ImapRange *last = range_at(set, kept), *next = range_at(set, i);

        if (touches(last, next))
            last->last = MAX(last->last, next->last);
        else
            *range_at(set, ++kept) = *next;
    }
    g_array_set_size(set->ranges, kept + 1);
    mutable->unsorted = FALSE;
}

void imap_set_add_range(ImapSet *set, guint32 first, guint32 last)
{
    ImapRange range = {MIN(first, last), MAX(first, last)};

    range.first = MAX(range.first, 1);
    if (range.last == 0)
        return;
    if (set->ranges->len > 0) {
        ImapRange *end = range_at(set, set->ranges->len - 1);

        if (range.first >= end->first && touches(end, &range)) {
            end->last = MAX(end->last, range.last);
            return;
        }
        if (range.first < end->first)
            set->unsorted = TRUE;
    }
    g_array_append_val(set->ranges, range);
}

void imap_set_add(ImapSet *set, guint32 number)
{
    imap_set_add_range(set, number, number);
}

void imap_set_add_set(ImapSet *set, const ImapSet *other)
{
    settle(other);
    for (guint i = 0; i < other->ranges->len; i++)
        imap_set_add_range(set, range_at(other, i)->first, range_at(other, i)->last);
}

/* The index of the first range that ends at number or above; the number of ranges if none does. */
static guint find(const ImapSet *set, guint32 number)
{
    guint low = 0, high;

    settle(set);
    high = set->ranges->len;
    while (low < high) {
        guint middle = low + (high - low) / 2;

        if (range_at(set, middle)->last < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

gboolean imap_set_contains(const ImapSet *set, guint32 number)
{
    guint i = find(set, number);

    return number > 0 && i < set->ranges->len && range_at(set, i)->first <= number;
}

void imap_set_add_all(ImapSet *set, const GArray *numbers)
{
    for (guint i = 0; i < numbers->len; i++)
        imap_set_add(set, g_array_index(numbers, guint32, i));
}

void imap_set_remove(ImapSet *set, guint32 number)
{
    guint i = find(set, number);
    ImapRange *range, rest;

    if (!imap_set_contains(set, number))
        return;
    range = range_at(set, i);
    if (range->first == range->last) {
        g_array_remove_index(set->ranges, i);
    } else if (range->first == number) {
        range->first++;
    } else if (range->last == number) {
        range->last--;
    } else {
        rest = (ImapRange){number + 1, range->last};
        range->last = number - 1;
        g_array_insert_val(set->ranges, i + 1, rest);
    }
}

gboolean imap_set_is_empty(const ImapSet *set)
{
    return set->ranges->len == 0;
}

gboolean imap_set_equal(const ImapSet *a, const ImapSet *b)
{
    settle(a);
    settle(b);
    return a->ranges->len == b->ranges->len &&
           (a->ranges->len == 0 ||
            memcmp(a->ranges->data, b->ranges->data, a->ranges->len * sizeof(ImapRange)) == 0);
}

guint32 imap_set_count(const ImapSet *set)
{
    guint32 count = 0;

    settle(set);
    for (guint i = 0; i < set->ranges->len; i++)
        count += range_at(set, i)->last - range_at(set, i)->first + 1;
    return count;
}

guint32 imap_set_max(const ImapSet *set)
{
    settle(set);
    return set->ranges->len > 0 ? range_at(set, set->ranges->len - 1)->last : 0;
}

ImapSet *imap_set_intersect(const ImapSet *a, const ImapSet *b)
{
    ImapSet *result = imap_set_new();
    guint i = 0, j = 0;

    settle(a);
    settle(b);
    while (i < a->ranges->len && j < b->ranges->len) {
        const ImapRange *x = range_at(a, i), *y = range_at(b, j);
        guint32 first = MAX(x->first, y->first), last = MIN(x->last, y->last);

        if (first <= last)
            imap_set_add_range(result, first, last);
        if (x->last < y->last)
            i++;
        else
            j++;
    }
    return result;
}

ImapSet *imap_set_subtract(const ImapSet *a, const ImapSet *b)
{
    ImapSet *result = imap_set_new();
    guint j = 0;

    settle(a);
    settle(b);
    for (guint i = 0; i < a->ranges->len; i++) {
        guint64 first = range_at(a, i)->first, last = range_at(a, i)->last;

        while (j < b->ranges->len && range_at(b, j)->last < first)
            j++;
        for (guint k = j; k < b->ranges->len && range_at(b, k)->first <= last; k++) {
            if (range_at(b, k)->first > first)
                imap_set_add_range(result, first, range_at(b, k)->first - 1);
            first = (guint64)range_at(b, k)->last + 1;
            j = k;
        }
        if (first <= last)
            imap_set_add_range(result, first, last);
    }
    return result;
}

const ImapRange *imap_set_ranges(const ImapSet *set, guint *n_ranges)
{
    settle(set);
    *n_ranges = set->ranges->len;
    return (const ImapRange *)(gpointer)set->ranges->data;
}

void imap_set_iter_init(ImapSetIter *iter, const ImapSet *set)
{
    guint n;

    iter->range = imap_set_ranges(set, &n);
    iter->end = iter->range + n;
    iter->next = n > 0 ? iter->range->first : 0;
}

gboolean imap_set_iter_next(ImapSetIter *iter, guint32 *number)
{
    if (iter->range == iter->end)
        return FALSE;
    *number = iter->next;
    if (iter->next < iter->range->last)
        iter->next++;
    else if (++iter->range < iter->end)
        iter->next = iter->range->first;
    return TRUE;
}

/* Appends a number in decimal; 0 stands for "*". Hand-made: large sets are written often. */
static void append_number(GString *out, guint32 number)
{
    char digits[10];
    guint n = sizeof digits;

    if (number == 0) {
        g_string_append_c(out, '*');
        return;
    }
    for (; number > 0; number /= 10)
        digits[--n] = '0' + number % 10;
    g_string_append_len(out, digits + n, sizeof digits - n);
}

static void append_range(GString *out, const ImapRange *range)
{
    append_number(out, range->first);
    if (range->last != range->first) {
        g_string_append_c(out, ':');
        append_number(out, range->last);
    }
}

gboolean imap_set_format_some(const ImapSet *set, guint *range, gsize max_octets, GString *out)
{
    gsize start = out->len;

    settle(set);
    if (*range >= set->ranges->len)
        return FALSE;
    /* A range and its comma take at most 22 octets. */
    do {
        if (out->len > start)
            g_string_append_c(out, ',');
        append_range(out, range_at(set, (*range)++));
    } while (*range < set->ranges->len && out->len - start + 22 <= max_octets);
    return TRUE;
}

void imap_set_format(const ImapSet *set, GString *out)
{
    guint range = 0;

    imap_set_format_some(set, &range, G_MAXSIZE, out);
}

/* One number or "*" (0). NULL unless there is one; "*" only where star. */
static const char *parse_number(const char *p, const char *end, gboolean star, guint32 *number)
{
    guint64 value = 0;

    if (star && p < end && *p == '*') {
        *number = 0;
        return p + 1;
    }
    if (p == end || *p < '1' || *p > '9')
        return NULL;
    for (; p < end && g_ascii_isdigit(*p); p++) {
        value = value * 10 + (*p - '0');
        if (value > G_MAXUINT32)
            return NULL;
    }
    *number = value;
    return p;
}

static const char *parse_range(const char *p, const char *end, gboolean star, ImapRange *range)
{
    p = parse_number(p, end, star, &range->first);
    if (p == NULL)
        return NULL;
    range->last = range->first;
    if (p < end && *p == ':')
        p = parse_number(p + 1, end, star, &range->last);
    return p;
}

typedef void (*RangeTaker)(gpointer data, const ImapRange *range);

/* Calls take for each range of "1:3,5". */
static gboolean parse_ranges(const char *text, gsize length, gboolean star, guint max_ranges,
                             RangeTaker take, gpointer data, GError **error)
{
    const char *p = text, *end = text + length;
    ImapRange range;

    for (guint n = 0;; n++, p++) {
        if (n == max_ranges) {
            g_set_error(error, IMAP_ERROR, IMAP_ERROR_LIMIT,
                        "the message set has more than %u ranges", max_ranges);
            return FALSE;
        }
        p = parse_range(p, end, star, &range);
        if (p == NULL || (p < end && *p != ',')) {
            g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_SYNTAX,
                                "a message set must look like 1:3,5 with numbers from 1 to "
                                "4294967295");
            return FALSE;
        }
        take(data, &range);
        if (p == end)
            return TRUE;
    }
}

static void take_member(gpointer data, const ImapRange *range)
{
    imap_set_add_range(data, range->first, range->last);
}

ImapSet *imap_set_parse(const char *text, gsize length, guint max_ranges, GError **error)
{
    g_autoptr(ImapSet) set = imap_set_new();

    if (!parse_ranges(text, length, FALSE, max_ranges, take_member, set, error))
        return NULL;
    return g_steal_pointer(&set);
}

static void take_range(gpointer data, const ImapRange *range)
{
    g_array_append_vals(data, range, 1);
}

ImapSequenceSet *imap_sequence_set_parse(const char *text, gsize length, guint max_ranges,
                                         gboolean allow_saved, GError **error)
{
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(ImapRange));
    ImapSequenceSet *set;
    gboolean saved = allow_saved && length == 1 && text[0] == '$';

    if (!saved && !parse_ranges(text, length, TRUE, max_ranges, take_range, ranges, error))
        return NULL;
    set = g_new0(ImapSequenceSet, 1);
    set->saved = saved;
    set->n_ranges = ranges->len;
    set->ranges = g_memdup2(ranges->data, ranges->len * sizeof(ImapRange));
    return set;
}

void imap_sequence_set_free(ImapSequenceSet *set)
{
    if (set == NULL)
        return;
    g_free(set->ranges);
    g_free(set);
}

void imap_sequence_set_format(const ImapSequenceSet *set, GString *out)
{
    if (set->saved)
        g_string_append_c(out, '$');
    for (guint i = 0; i < set->n_ranges; i++) {
        if (i > 0)
            g_string_append_c(out, ',');
        append_range(out, &set->ranges[i]);
    }
}

ImapSet *imap_sequence_set_resolve(const ImapSequenceSet *set, guint32 star)
{
    ImapSet *result = imap_set_new();

    for (guint i = 0; i < set->n_ranges; i++) {
        ImapRange range = set->ranges[i];

        if (star == 0 && (range.first == 0 || range.last == 0))
            continue;
        imap_set_add_range(result, range.first > 0 ? range.first : star,
                           range.last > 0 ? range.last : star);
    }
    return result;
}

void imap_sequence_iter_init(ImapSequenceIter *iter, const ImapSequenceSet *set)
{
    *iter = (ImapSequenceIter){.set = set};
}

gboolean imap_sequence_iter_next(ImapSequenceIter *iter, guint32 *number)
{
    const ImapRange *range;

    if (iter->range >= iter->set->n_ranges)
        return FALSE;
    range = &iter->set->ranges[iter->range];
    if (range->first == 0 || range->last == 0)
        return FALSE;
    if (iter->next == 0)
        iter->next = MIN(range->first, range->last);
    *number = iter->next++;
    if (*number == MAX(range->first, range->last)) {
        iter->range++;
        iter->next = 0;
    }
    return TRUE;
}
