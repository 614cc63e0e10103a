/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The messages of a search that aren't decided yet, with what is known of them. */
#pragma once

#include "daemon/serve/imap/search-match.h"

typedef struct {
    gint64 message;
    guint64 modseq;
    guint32 uid;
    gboolean given_up; /* it isn't here and can't be had */
    ImapMatchWord words[];
} ImapCandidate;

typedef struct {
    GByteArray *bytes;
    gsize stride; /* bytes of each */
    guint count;
} ImapCandidates;

/* None yet, with room for what `match` knows of each. */
void imap_candidates_init(ImapCandidates *candidates, const ImapMatch *match);
void imap_candidates_clear(ImapCandidates *candidates);

static inline ImapCandidate *imap_candidate(const ImapCandidates *candidates, guint index)
{
    return (ImapCandidate *)(void *)(candidates->bytes->data + index * candidates->stride);
}

void imap_candidates_add(ImapCandidates *candidates, const ImapCandidate *candidate);

/* Keeps the first `count`; 0: none. */
void imap_candidates_truncate(ImapCandidates *candidates, guint count);

/* By ascending message, or UID. */
void imap_candidates_sort_by_message(ImapCandidates *candidates);
void imap_candidates_sort_by_uid(ImapCandidates *candidates);
