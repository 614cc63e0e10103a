/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sets of message numbers: UIDs or sequence numbers.
 *
 * ImapSet is the set itself: sorted, disjoint ranges, never "*". ImapSequenceSet is what stood in a
 * command or a response, in the order written, with "*" and "$" still open (RFC 3501 sequence-set,
 * RFC 5182); imap_sequence_set_resolve() makes the one into the other once "*" is known.
 *
 * Memory is 8 octets a range. Everything is at most linear in the number of ranges, look-ups are
 * logarithmic. Members may be added in any order: ranges out of order are sorted in at the next
 * read, so a set that is still being added to must not be read by another thread.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct {
    guint32 first, last; /* both included; first <= last; first > 0 */
} ImapRange;

typedef struct ImapSet ImapSet;

/* An empty set. */
ImapSet *imap_set_new(void);
/* The set {first..last}; empty when first is 0 or above last. */
ImapSet *imap_set_new_range(guint32 first, guint32 last);
ImapSet *imap_set_copy(const ImapSet *set);
void imap_set_free(ImapSet *set);

/* 0 is not a message number and is ignored. The order of first and last doesn't matter. */
void imap_set_add(ImapSet *set, guint32 number);
void imap_set_add_range(ImapSet *set, guint32 first, guint32 last);
void imap_set_add_set(ImapSet *set, const ImapSet *other);
/* All of an array of guint32. */
void imap_set_add_all(ImapSet *set, const GArray *numbers);
void imap_set_remove(ImapSet *set, guint32 number);

gboolean imap_set_contains(const ImapSet *set, guint32 number);
gboolean imap_set_is_empty(const ImapSet *set);
gboolean imap_set_equal(const ImapSet *a, const ImapSet *b);
/* The number of members. */
guint32 imap_set_count(const ImapSet *set);
/* The largest member; 0 for an empty set. */
guint32 imap_set_max(const ImapSet *set);

/* New sets; the arguments stay as they are. */
ImapSet *imap_set_intersect(const ImapSet *a, const ImapSet *b);
ImapSet *imap_set_subtract(const ImapSet *a, const ImapSet *b);

/* The ranges in ascending order; borrowed until the set changes. */
const ImapRange *imap_set_ranges(const ImapSet *set, guint *n_ranges);

/*
 * Walks the members in ascending order:
 *     ImapSetIter iter;
 *     guint32 uid;
 *     imap_set_iter_init(&iter, set);
 *     while (imap_set_iter_next(&iter, &uid))
 */
typedef struct {
    const ImapRange *range, *end;
    guint32 next;
} ImapSetIter;

void imap_set_iter_init(ImapSetIter *iter, const ImapSet *set);
gboolean imap_set_iter_next(ImapSetIter *iter, guint32 *number);

/* Appends the compact form, "1:3,5,9:12". An empty set appends nothing. */
void imap_set_format(const ImapSet *set, GString *out);
/*
 * For commands whose lines must not grow without bound (RFC 7162, 4: 8192 octets): appends ranges
 * from *range on until about max_octets are written, at least one; *range becomes the first range
 * not written. FALSE when there was none left, and nothing is appended.
 */
gboolean imap_set_format_some(const ImapSet *set, guint *range, gsize max_octets, GString *out);

/*
 * A set from text without "*" and "$", such as a server's uid-set ("VANISHED
 * 41,43:116") or what we stored ourselves. NULL and IMAP_ERROR_SYNTAX, or IMAP_ERROR_LIMIT for more
 * than max_ranges ranges. Order and overlaps don't matter.
 */
ImapSet *imap_set_parse(const char *text, gsize length, guint max_ranges, GError **error);

/* As written. In a range 0 stands for "*". */
typedef struct {
    gboolean saved; /* "$", the saved search result; then there are no ranges */
    guint n_ranges;
    ImapRange *ranges; /* as written: "4:2" is {4, 2} */
} ImapSequenceSet;

/* A sequence-set with "*", and "$" where allow_saved. Errors as in imap_set_parse(). */
ImapSequenceSet *imap_sequence_set_parse(const char *text, gsize length, guint max_ranges,
                                         gboolean allow_saved, GError **error);
void imap_sequence_set_free(ImapSequenceSet *set);
/* Appends it as it was written. */
void imap_sequence_set_format(const ImapSequenceSet *set, GString *out);

/*
 * "*" becomes star, the largest number in use. Star 0 (an empty mailbox) gives the ranges without
 * "*" only: "5:*" then names nothing (RFC 3501, 6.4.8 for UIDs; for sequence numbers the
 * caller looks for larger ones). $ must have been replaced by the caller: it resolves to the empty set.
 */
ImapSet *imap_sequence_set_resolve(const ImapSequenceSet *set, guint32 star);

/*
 * Walks the numbers of a set in the order written, for the pairs of COPYUID (RFC 4315) and of
 * QRESYNC's seq-match-data. "4:2" walks 2, 3, 4 (RFC 3501, 9: the order in a range doesn't matter).
 * Stops at "*".
 */
typedef struct {
    const ImapSequenceSet *set;
    guint range;
    guint64 next;
} ImapSequenceIter;

void imap_sequence_iter_init(ImapSequenceIter *iter, const ImapSequenceSet *set);
gboolean imap_sequence_iter_next(ImapSequenceIter *iter, guint32 *number);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapSet, imap_set_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapSequenceSet, imap_sequence_set_free)

G_END_DECLS
