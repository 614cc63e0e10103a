/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Filters over text. */
#include "cache/filter.h"

#include <string.h>

/* Bits, at most and at least; powers of two. */
#define BITS_MAX (1u << 20)
#define BITS_MIN (1u << 9)

#define PIECE 3

/* Where a piece stands in the largest filter; in a smaller one, at the remainder. */
static guint32 filter_place_of(const char *text)
{
    const guint8 *bytes = (const guint8 *)text;
    guint32 piece = (guint32)bytes[0] << 16 | (guint32)bytes[1] << 8 | bytes[2];
    return piece * 0x9e3779b1u >> 12;
}

static guint count_filter_bits(const guint64 *words, guint count)
{
    guint set = 0;
    for (guint i = 0; i < count; i++)
        set += (guint)__builtin_popcountll(words[i]);
    return set;
}

/* Halves the filter for as long as fewer than a quarter of its bits are set: a needle of ten bytes
 * is then still taken for present once in a hundred times at the most. */
static guint fold(guint64 *words)
{
    guint bits = BITS_MAX;
    while (bits > BITS_MIN && count_filter_bits(words, bits / 64) < bits / 8) {
        bits /= 2;
        for (guint i = 0; i < bits / 64; i++)
            words[i] |= words[bits / 64 + i];
    }
    return bits;
}

GBytes *filter_new(const char *text, gsize length)
{
    guint64 *words = g_new0(guint64, BITS_MAX / 64);

    for (gsize i = 0; i + PIECE <= length; i++) {
        guint32 place = filter_place_of(text + i);
        words[place / 64] |= G_GUINT64_CONSTANT(1) << place % 64;
    }
    guint bits = fold(words);
    for (guint i = 0; i < bits / 64; i++)
        words[i] = GUINT64_TO_LE(words[i]);
    return g_bytes_new_take(g_realloc(words, bits / 8), bits / 8);
}

gboolean filter_may_contain(const void *filter, gsize size, const char *needle, gsize length)
{
    const guint8 *bytes = filter;

    if (size < BITS_MIN / 8 || size > BITS_MAX / 8 || (size & (size - 1)))
        return TRUE;
    for (gsize i = 0; i + PIECE <= length; i++) {
        guint32 place = filter_place_of(needle + i) & (guint32)(size * 8 - 1);
        if (!(bytes[place / 8] >> place % 8 & 1))
            return FALSE;
    }
    return TRUE;
}
