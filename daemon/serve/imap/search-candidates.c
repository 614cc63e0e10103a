/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Candidates of a search. */
#include "daemon/serve/imap/search-candidates.h"

#include <stdlib.h>

void imap_candidates_init(ImapCandidates *candidates, const ImapMatch *match)
{
    *candidates = (ImapCandidates){
        .bytes = g_byte_array_new(),
        .stride = sizeof(ImapCandidate) + imap_match_words(match) * sizeof(ImapMatchWord),
    };
}

void imap_candidates_clear(ImapCandidates *candidates)
{
    g_byte_array_unref(candidates->bytes);
}

void imap_candidates_add(ImapCandidates *candidates, const ImapCandidate *candidate)
{
    g_byte_array_append(candidates->bytes, (const guint8 *)candidate, (guint)candidates->stride);
    candidates->count++;
}

void imap_candidates_truncate(ImapCandidates *candidates, guint count)
{
    candidates->count = count;
    g_byte_array_set_size(candidates->bytes, (guint)(count * candidates->stride));
}

static int by_uid(const void *a, const void *b)
{
    guint32 first = ((const ImapCandidate *)a)->uid, second = ((const ImapCandidate *)b)->uid;
    return (first > second) - (first < second);
}

static int compare_messages(const void *a, const void *b)
{
    gint64 first = ((const ImapCandidate *)a)->message;
    gint64 second = ((const ImapCandidate *)b)->message;
    return (first > second) - (first < second);
}

/* They mostly are in order. */
static void sort(ImapCandidates *candidates, int (*compare)(const void *, const void *))
{
    for (guint i = 1; i < candidates->count; i++) {
        if (compare(imap_candidate(candidates, i - 1), imap_candidate(candidates, i)) <= 0)
            continue;
        qsort(candidates->bytes->data, candidates->count, candidates->stride, compare);
        return;
    }
}

void imap_candidates_sort_by_message(ImapCandidates *candidates)
{
    sort(candidates, compare_messages);
}

void imap_candidates_sort_by_uid(ImapCandidates *candidates)
{
    sort(candidates, by_uid);
}
