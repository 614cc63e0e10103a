/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Running a search program: first by what placements say, then by stored dates, then by the
 * segments of text (cache/search.h), the small ones first; what is undecided after that isn't in a
 * segment, and is decided by its header and its body.
 *
 * Whatever can change of a message (flags, mod-sequences, whether it is there) is read in one
 * transaction, so that the answer is of one moment: a mod-sequence that is told (RFC 7162, 3.1.5)
 * has no change below it that isn't. It is some tens of milliseconds long, and over before anything
 * else is looked at, so that it doesn't keep the WAL from starting over. Texts never change, and are
 * read in many short ones; a message that was expunged before its text was read isn't found, as if
 * it had gone before the search. In memory are one segment, one message, and some octets for each
 * message that isn't decided.
 */
#include "daemon/index/text.h"
#include "daemon/serve/imap/demand.h"
#include "daemon/serve/imap/enable.h"
#include "daemon/serve/imap/esearch.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/search-segments.h"
#include "daemon/serve/imap/search.h"
#include "daemon/serve/imap/view.h"

#include <string.h>

/* Placements that are read between two looks at whether anybody waits; and rows of renderings that
 * a transaction covers. */
#define SCAN_ROWS     5000
#define RENDERED_ROWS 1000

/* What undecided messages may take in memory: a million with 380 keys that ask for text. */
#define CANDIDATE_BYTES (128 * 1024 * 1024)

typedef struct {
    guint64 modseq;
    guint32 uid;
    guint8 score;
} Hit;

typedef struct {
    ImapSession *session;
    ImapMatch *match;
    guint needs;
    ImapFound *found;
    CacheTxn *txn;
    ImapDemand demand;
    GArray *hits; /* Hit */
    ImapCandidates candidates;
    guint scanned;                  /* placements so far */
    guint cursor;                   /* in a pass by UID: the candidate it has come to */
    GArray *missing_uids, *missing; /* guint32, gint64: not here */
    GString *text;
    CacheContentState state; /* what this pass looks at */
    gboolean last_try;
    GError *error;
} Search;

static gboolean is_pointless(gpointer data)
{
    return imap_session_is_pointless(data);
}

static gboolean is_stopped(Search *search)
{
    if (!imap_session_is_pointless(search->session))
        return FALSE;
    g_set_error_literal(&search->error, NET_ERROR, NET_ERROR_CANCELLED, "Nobody waits for it");
    return TRUE;
}

/* ---- candidates ------------------------------------------------------------------------------ */

static void note_hit(Search *search, const ImapCandidate *candidate)
{
    Hit hit = {.uid = candidate->uid, .modseq = candidate->modseq};
    if (search->found->scores)
        hit.score = (guint8)imap_match_score(search->match, candidate->words);
    g_array_append_val(search->hits, hit);
}

/* Notes those that are hits by what is known now, and keeps those that are still undecided. */
static void note_decided(Search *search)
{
    ImapCandidates *candidates = &search->candidates;
    guint kept = 0;
    for (guint i = 0; i < candidates->count; i++) {
        ImapCandidate *candidate = imap_candidate(candidates, i);
        ImapMatchMessage message = {.words = candidate->words};
        ImapMatchResult result = imap_match(search->match, &message);
        if (result == IMAP_MATCH_YES)
            note_hit(search, candidate);
        else if (result == IMAP_MATCH_UNKNOWN && !candidate->given_up)
            memmove(imap_candidate(candidates, kept++), candidate, candidates->stride);
    }
    imap_candidates_truncate(candidates, kept);
}

/* The candidate with that UID, which is not below that of the call before; NULL: there is none. */
static ImapCandidate *candidate_with(Search *search, guint32 uid)
{
    for (; search->cursor < search->candidates.count; search->cursor++) {
        ImapCandidate *candidate = imap_candidate(&search->candidates, search->cursor);
        if (candidate->uid >= uid)
            return candidate->uid == uid ? candidate : NULL;
    }
    return NULL;
}

/* UIDs (guint32) of candidates from index `first`, up to `count`. */
static GArray *candidate_uids(const Search *search, guint first, guint count)
{
    GArray *uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    for (guint i = first; i < search->candidates.count && i - first < count; i++)
        g_array_append_val(uids, imap_candidate(&search->candidates, i)->uid);
    return uids;
}

/* ---- passes over rows ------------------------------------------------------------------------ */

static gboolean read_search_rows(Search *search, const guint32 *uids, guint count, guint what,
                                 CacheFetchFunc func)
{
    g_autoptr(CacheTxn) txn =
        cache_begin(search->session->account->cache, CACHE_READ, &search->error);
    search->txn = txn;
    return txn &&
           cache_fetch(txn, (CacheSelection){search->session->view->folder, uids, count}, what,
                       func, search, search->error ? NULL : &search->error) &&
           !search->error;
}

static gboolean is_too_much(Search *search)
{
    if (search->candidates.count < CANDIDATE_BYTES / search->candidates.stride)
        return FALSE;
    g_set_error_literal(&search->error, CACHE_ERROR, CACHE_ERROR_TOO_BIG,
                        "These are too many words to look for in so many messages at once");
    return TRUE;
}

static gboolean judge_placement(const CacheFetchRow *row, gpointer data)
{
    Search *search = data;
    if (++search->scanned % SCAN_ROWS == 0 && (is_stopped(search) || is_too_much(search)))
        return FALSE;
    guint64 room[(sizeof(ImapCandidate) + sizeof(ImapMatchWord)) / sizeof(guint64)] = {0};
    gsize stride = search->candidates.stride;
    g_autofree guint64 *larger = stride > sizeof room ? g_malloc0(stride) : NULL;
    ImapCandidate *candidate = (ImapCandidate *)(larger ? larger : room);
    ImapMatchMessage message = {.words = candidate->words, .placement = row->placement};
    candidate->message = row->placement->message;
    candidate->modseq = row->placement->modseq;
    candidate->uid = row->placement->uid;
    ImapMatchResult result = imap_match(search->match, &message);
    if (result == IMAP_MATCH_YES)
        note_hit(search, candidate);
    else if (result == IMAP_MATCH_UNKNOWN)
        imap_candidates_add(&search->candidates, candidate);
    return TRUE;
}

/* Judges all of `uids`; leaves the undecided as candidates. */
static gboolean pass_placements(Search *search, const GArray *uids)
{
    guint what = search->needs & IMAP_MATCH_PLACEMENT ? 0
                 : search->needs & IMAP_MATCH_FLAGS   ? CACHE_FETCH_FLAGS
                                                      : CACHE_FETCH_MESSAGE;
    return !uids->len || read_search_rows(search, &g_array_index(uids, guint32, 0), uids->len, what,
                                          judge_placement);
}

static gboolean judge_sent(const CacheFetchRow *row, gpointer data)
{
    Search *search = data;
    ImapCandidate *candidate = candidate_with(search, row->placement->uid);
    if (!candidate || row->state < CACHE_CONTENT_HEADER)
        return TRUE;
    ImapMatchMessage message = {
        .words = candidate->words,
        .placement = row->placement,
        .rendered = TRUE,
        .sent = row->sent,
        .sent_zone = row->sent_zone,
    };
    imap_match(search->match, &message);
    return TRUE;
}

static gboolean pass_sent(Search *search)
{
    search->cursor = 0;
    for (guint at = 0; at < search->candidates.count; at += RENDERED_ROWS) {
        g_autoptr(GArray) uids = candidate_uids(search, at, RENDERED_ROWS);
        if (!read_search_rows(search, &g_array_index(uids, guint32, 0), uids->len, CACHE_FETCH_SENT,
                              judge_sent) ||
            is_stopped(search))
            return FALSE;
    }
    note_decided(search);
    return TRUE;
}

/* ---- segments of text ------------------------------------------------------------------------ */

static gboolean pass_segments(Search *search)
{
    imap_candidates_sort_by_message(&search->candidates);
    for (int kind = 0; kind < CACHE_TEXT_KINDS; kind++) {
        if (!imap_search_segments(search->session, search->match, (CacheText)kind,
                                  &search->candidates, &search->error) ||
            is_stopped(search))
            return FALSE;
        note_decided(search);
    }
    imap_candidates_sort_by_uid(&search->candidates);
    return TRUE;
}

/* ---- messages themselves --------------------------------------------------------------------- */

static void note_candidate_missing(Search *search, ImapCandidate *candidate)
{
    if (search->last_try) {
        search->found->unsearched++;
        candidate->given_up = TRUE;
        return;
    }
    g_array_append_val(search->missing_uids, candidate->uid);
    g_array_append_val(search->missing, candidate->message);
}

static gboolean read_text(Search *search, const CachePlacement *placement)
{
    g_autoptr(GBytes) bytes =
        cache_content_read(search->txn, placement->message, 0, placement->size, &search->error);
    if (!bytes)
        return FALSE;
    gsize length;
    const char *message = g_bytes_get_data(bytes, &length);
    MimeStop stop = {.stopped = is_pointless, .data = search->session};
    index_text_body(message ? message : "", length, &stop, search->text);
    return !is_stopped(search);
}

static gboolean judge_content(const CacheFetchRow *row, gpointer data)
{
    Search *search = data;
    ImapCandidate *candidate = candidate_with(search, row->placement->uid);
    if (!candidate)
        return TRUE;
    ImapMatchMessage message = {
        .words = candidate->words,
        .placement = row->placement,
        .rendered = row->state >= CACHE_CONTENT_HEADER,
        .sent = row->sent,
        .sent_zone = row->sent_zone,
        .header = row->header,
        .header_length = row->header_length,
    };
    if (row->state < search->state) {
        note_candidate_missing(search, candidate);
        return TRUE;
    }
    if (search->state == CACHE_CONTENT_FULL) {
        if (!read_text(search, row->placement))
            return FALSE;
        message.body = search->text;
    }
    imap_match(search->match, &message);
    return TRUE;
}

static gboolean read_contents(Search *search, const GArray *uids)
{
    guint what = 0;
    if (search->needs & IMAP_MATCH_SENT)
        what |= CACHE_FETCH_SENT;
    if (search->needs & IMAP_MATCH_HEADER)
        what |= CACHE_FETCH_HEADER;
    return read_search_rows(search, &g_array_index(uids, guint32, 0), uids->len, what,
                            judge_content);
}

/* Looks at `uids` with `state` of each at hand, fetching what isn't. `cursor` is where they begin
 * among the candidates. */
static gboolean read_with(Search *search, const GArray *uids, guint cursor)
{
    search->last_try = FALSE;
    search->cursor = cursor;
    g_array_set_size(search->missing, 0);
    g_array_set_size(search->missing_uids, 0);
    if (!read_contents(search, uids))
        return FALSE;
    if (!search->missing->len)
        return TRUE;
    imap_demand(search->session, &search->demand, (const gint64 *)(void *)search->missing->data,
                search->missing->len, search->state);
    search->last_try = TRUE;
    search->cursor = cursor;
    return read_contents(search, search->missing_uids);
}

static gboolean pass_contents(Search *search, CacheContentState state)
{
    gboolean headers_matter = search->needs & (IMAP_MATCH_HEADER | IMAP_MATCH_SENT);
    if (state == CACHE_CONTENT_HEADER && !headers_matter)
        return TRUE;
    search->state = state;
    for (guint at = 0; at < search->candidates.count; at += IMAP_SLICE_MESSAGES) {
        g_autoptr(GArray) uids = candidate_uids(search, at, IMAP_SLICE_MESSAGES);
        if (!read_with(search, uids, at) || is_stopped(search))
            return FALSE;
        imap_progress(search->session, at + uids->len, search->candidates.count);
    }
    note_decided(search);
    return TRUE;
}

/* ---- the search ------------------------------------------------------------------------------ */

static int compare_hits(const void *a, const void *b)
{
    guint32 first = ((const Hit *)a)->uid, second = ((const Hit *)b)->uid;
    return (first > second) - (first < second);
}

static void keep_hits(Search *search)
{
    g_array_sort(search->hits, compare_hits);
    for (guint i = 0; i < search->hits->len; i++) {
        const Hit *hit = &g_array_index(search->hits, Hit, i);
        g_array_append_val(search->found->uids, hit->uid);
        if (search->found->modseqs)
            g_array_append_val(search->found->modseqs, hit->modseq);
        if (search->found->scores)
            g_array_append_val(search->found->scores, hit->score);
    }
}

static gboolean search_messages(Search *search, const GArray *uids)
{
    if (!pass_placements(search, uids) || (search->needs & IMAP_MATCH_SENT && !pass_sent(search)) ||
        !pass_segments(search) || !pass_contents(search, CACHE_CONTENT_HEADER) ||
        !pass_contents(search, CACHE_CONTENT_FULL))
        return FALSE;
    keep_hits(search);
    return TRUE;
}

/* Only sets and ALL: nothing has to be read. */
static void match_unread(Search *search, const GArray *uids)
{
    gsize words = imap_match_words(search->match);
    g_autofree ImapMatchWord *scratch = g_new(ImapMatchWord, words);
    for (guint i = 0; i < uids->len; i++) {
        CachePlacement placement = {.uid = g_array_index(uids, guint32, i)};
        ImapMatchMessage message = {.words = scratch, .placement = &placement};
        memset(scratch, 0, words * sizeof *scratch);
        if (imap_match(search->match, &message) == IMAP_MATCH_YES)
            g_array_append_val(search->found->uids, placement.uid);
    }
}

static GArray *intersect(const GArray *candidates, const GArray *uids)
{
    GArray *both = g_array_new(FALSE, FALSE, sizeof(guint32));
    for (guint i = 0, k = 0; i < candidates->len && k < uids->len;) {
        guint32 first = g_array_index(candidates, guint32, i);
        guint32 second = g_array_index(uids, guint32, k);
        if (first == second)
            g_array_append_val(both, first);
        i += first <= second;
        k += second <= first;
    }
    return both;
}

gboolean imap_search_run(ImapSession *session, const ImapSearchKey *key, ImapFound *found)
{
    return imap_search_run_among(session, key, NULL, found);
}

gboolean imap_search_run_among(ImapSession *session, const ImapSearchKey *key, const GArray *uids,
                               ImapFound *found)
{
    found->uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(ImapMatch) match = imap_match_new(session, key, g_get_real_time() / G_USEC_PER_SEC);
    if (!match)
        return FALSE;
    g_autoptr(GArray) all = imap_match_candidates(match);
    g_autoptr(GArray) among = uids ? intersect(all, uids) : g_array_ref(all);
    Search search = {
        .session = session,
        .match = match,
        .needs = imap_match_needs(match),
        .found = found,
        .hits = g_array_new(FALSE, FALSE, sizeof(Hit)),
        .missing_uids = g_array_new(FALSE, FALSE, sizeof(guint32)),
        .missing = g_array_new(FALSE, FALSE, sizeof(gint64)),
        .text = g_string_new(NULL),
    };
    imap_candidates_init(&search.candidates, match);
    if (search.needs & IMAP_MATCH_MODSEQ) {
        imap_enable(session, IMAP_ENABLED_CONDSTORE); /* RFC 7162, 3.1.5 */
        found->modseqs = g_array_new(FALSE, FALSE, sizeof(guint64));
    }
    if (search.needs & IMAP_MATCH_FUZZY)
        found->scores = g_array_new(FALSE, FALSE, sizeof(guint8));
    gboolean ok = TRUE;
    if (search.needs)
        ok = search_messages(&search, among);
    else
        match_unread(&search, among);
    if (!ok)
        imap_reply_error(session, search.error);
    g_array_unref(search.hits);
    imap_candidates_clear(&search.candidates);
    g_array_unref(search.missing_uids);
    g_array_unref(search.missing);
    g_string_free(search.text, TRUE);
    g_clear_error(&search.error);
    imap_demand_clear(&search.demand);
    return ok;
}

void imap_found_clear(ImapFound *found)
{
    g_clear_pointer(&found->uids, g_array_unref);
    g_clear_pointer(&found->modseqs, g_array_unref);
    g_clear_pointer(&found->scores, g_array_unref);
}

static guint found_index(const ImapFound *found, guint32 uid)
{
    guint low = 0, high = found->uids->len;
    while (low < high) {
        guint middle = low + (high - low) / 2;
        if (g_array_index(found->uids, guint32, middle) < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

guint8 imap_found_score(const ImapFound *found, guint32 uid)
{
    return g_array_index(found->scores, guint8, found_index(found, uid));
}

guint64 imap_found_modseq(const ImapFound *found, const ImapSearchReturn *ret, const GArray *uids)
{
    guint64 modseq = 0;
    if (!found->modseqs)
        return 0;
    g_autoptr(GArray) told = imap_esearch_told(ret, uids);
    for (guint i = 0; i < told->len; i++) {
        guint index = found_index(found, g_array_index(told, guint32, i));
        modseq = MAX(modseq, g_array_index(found->modseqs, guint64, index));
    }
    return modseq;
}

gboolean imap_found_scored(ImapSession *session, const ImapFound *found)
{
    if (!found->scores)
        imap_reply(session, IMAP_BAD, NULL, "RELEVANCY needs FUZZY in the search (RFC 6203)");
    return found->scores != NULL;
}

void imap_found_tell_unsearched(ImapSession *session, const ImapFound *found)
{
    if (!found->unsearched)
        return;
    g_autofree char *text = g_strdup_printf(
        "%u messages that aren't here and can't be had now were not searched", found->unsearched);
    imap_untagged(session, "NO", "UNAVAILABLE", text);
}
