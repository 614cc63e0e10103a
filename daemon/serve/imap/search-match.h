/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether a message meets a SEARCH program. A program is compiled once: sets become UIDs, words are
 * folded. A message is first judged by what is cheap to have of it; what can't be decided then is
 * judged again with what the segments of text say, or with its header and body. What each key said
 * of the message is remembered from one time to the next.
 */
#pragma once

#include "cache/search.h"
#include "daemon/proto/imap/search-args.h"
#include "daemon/serve/imap/session.h"

typedef struct ImapMatch ImapMatch;

typedef enum { IMAP_MATCH_NO, IMAP_MATCH_YES, IMAP_MATCH_UNKNOWN } ImapMatchResult;

/* What a program may ask for. */
typedef enum {
    IMAP_MATCH_FLAGS = 1,      /* of the placement just flags, message and mod-sequence, */
    IMAP_MATCH_PLACEMENT = 32, /* or all of it */
    IMAP_MATCH_SENT = 2,
    IMAP_MATCH_HEADER = 4,
    IMAP_MATCH_BODY = 8,
    IMAP_MATCH_MODSEQ = 16, /* it has a MODSEQ key: the answer holds one, too */
    IMAP_MATCH_FUZZY = 64,  /* it has a FUZZY key: those found have a score */
} ImapMatchNeeds;

/* What 64 keys said of a message: bits of those that have been asked, and of those it meets. */
typedef struct {
    guint64 known, met;
} ImapMatchWord;

/* What is at hand of a message. */
typedef struct {
    ImapMatchWord *words;            /* imap_match_words() of them, zero at first */
    const CachePlacement *placement; /* NULL: it has been at hand before */
    gboolean rendered;               /* `sent` counts */
    gint64 sent;                     /* G_MININT64: no Date field */
    gint16 sent_zone;
    const char *header; /* or NULL */
    gsize header_length;
    const GString *body; /* folded, or NULL */
} ImapMatchMessage;

/* NULL: the program asks for something that isn't offered; the answer is set. `now` in Unix
 * seconds. */
ImapMatch *imap_match_new(ImapSession *session, const ImapSearchKey *key, gint64 now);
void imap_match_free(ImapMatch *match);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapMatch, imap_match_free)

guint imap_match_needs(const ImapMatch *match);

/* How many ImapMatchWords a message takes. */
guint imap_match_words(const ImapMatch *match);

/* What to look for in the segments of one kind of text. */
typedef struct {
    const char *needle; /* folded; empty: that there is text at all */
    gsize length;
    gboolean certain; /* FALSE: without it the key isn't met; with it, the header has to be read */
    guint key;        /* the bit */
} ImapMatchTerm;

/* ImapMatchTerm; borrowed. */
const GArray *imap_match_terms(const ImapMatch *match, CacheText kind);

/* May be called by several threads at once. */
static inline void imap_match_note(ImapMatchWord *words, guint key, gboolean met)
{
    guint64 bit = G_GUINT64_CONSTANT(1) << key % 64;
    __atomic_fetch_or(&words[key / 64].known, bit, __ATOMIC_RELAXED);
    __atomic_fetch_or(&words[key / 64].met, met ? bit : 0, __ATOMIC_RELAXED);
}

/* The UIDs (guint32) that alone can match, as far as the program's sets say. */
GArray *imap_match_candidates(const ImapMatch *match);

/* Filters within filters (RFC 5466, 3.1: at least 3); more are a loop. */
#define IMAP_FILTERS_DEEP_MAX 10

/* The program of a stored filter (RFC 5466, 3.1), in which there may be filters again; free with
 * imap_search_key_free. NULL: there is none. */
ImapSearchKey *imap_match_filter(ImapSession *session, const char *name);

/* How well a message that was found meets what stands in FUZZY, from 1 to 100 (RFC 6203, 4). */
guint imap_match_score(const ImapMatch *match, const ImapMatchWord *words);

/* UNKNOWN: only with more at hand. With header and body it never is. */
ImapMatchResult imap_match(ImapMatch *match, const ImapMatchMessage *message);
