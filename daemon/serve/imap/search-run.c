/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Running a search program: first by what placements say, then by stored dates, then by the
 * segments of text (cache/search.h), the small ones first; what is undecided after that isn't in a
 * segment, and is decided by its header and its body. Many short transactions, and never more than
 * one segment, one message and a few megabytes of candidates in memory.
 */
#include "daemon/index/text.h"
#include "daemon/serve/imap/enable.h"
#include "daemon/serve/imap/need.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/search-match.h"
#include "daemon/serve/imap/search.h"
#include "daemon/serve/imap/view.h"

#include <pthread.h>
#include <string.h>

/* Rows of placements, and of renderings, that a transaction covers. */
#define SCAN_ROWS     5000
#define RENDERED_ROWS 1000

/* What undecided messages may take in memory; then the search goes on with the next UIDs. */
#define CANDIDATE_BYTES (4 * 1024 * 1024)

/* Threads that look through text at once, and the undecided messages that are worth more than one.
 */
#define THREADS_MAX   4
#define THREADS_WORTH 500

/* A message that isn't decided yet. */
typedef struct {
    gint64 message;
    guint64 modseq;
    guint32 uid;
    gboolean given_up; /* it isn't here and can't be had */
    ImapMatchWord words[];
} Candidate;

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
    ImapNeed need;
    GArray *hits;           /* Hit */
    GByteArray *candidates; /* Candidate, each `stride` bytes */
    guint count;            /* of them */
    gsize stride;
    guint cursor;                   /* in a pass by UID: the candidate it has come to */
    GArray *missing_uids, *missing; /* guint32, gint64: not here */
    GString *text;
    CacheContentState state; /* what this pass looks at */
    gboolean last_try;
    GError *error;
} Search;

static gboolean is_stopped(Search *search)
{
    if (!net_cancel_triggered(net_stream_cancel(search->session->stream)))
        return FALSE;
    g_set_error_literal(&search->error, NET_ERROR, NET_ERROR_CANCELLED, "Postern is stopping");
    return TRUE;
}

/* ---- candidates ------------------------------------------------------------------------------ */

static Candidate *candidate_at(const Search *search, guint index)
{
    return (Candidate *)(void *)(search->candidates->data + index * search->stride);
}

static void note_hit(Search *search, const Candidate *candidate)
{
    Hit hit = {.uid = candidate->uid, .modseq = candidate->modseq};
    if (search->found->scores)
        hit.score = (guint8)imap_match_score(search->match, candidate->words);
    g_array_append_val(search->hits, hit);
}

static void add_candidate(Search *search, const Candidate *candidate)
{
    g_byte_array_append(search->candidates, (const guint8 *)candidate, (guint)search->stride);
    search->count++;
}

/* Notes those that are hits by what is known now, and keeps those that are still undecided. */
static void settle(Search *search)
{
    guint kept = 0;
    for (guint i = 0; i < search->count; i++) {
        Candidate *candidate = candidate_at(search, i);
        ImapMatchMessage message = {.words = candidate->words};
        ImapMatchResult result = imap_match(search->match, &message);
        if (result == IMAP_MATCH_YES)
            note_hit(search, candidate);
        else if (result == IMAP_MATCH_UNKNOWN && !candidate->given_up)
            memmove(candidate_at(search, kept++), candidate, search->stride);
    }
    search->count = kept;
    g_byte_array_set_size(search->candidates, (guint)(kept * search->stride));
}

static int by_uid(const void *a, const void *b)
{
    guint32 first = ((const Candidate *)a)->uid, second = ((const Candidate *)b)->uid;
    return (first > second) - (first < second);
}

static int by_message(const void *a, const void *b)
{
    gint64 first = ((const Candidate *)a)->message, second = ((const Candidate *)b)->message;
    return (first > second) - (first < second);
}

static void sort_candidates(Search *search, int (*compare)(const void *, const void *))
{
    for (guint i = 1; i < search->count; i++) {
        if (compare(candidate_at(search, i - 1), candidate_at(search, i)) <= 0)
            continue;
        qsort(search->candidates->data, search->count, search->stride, compare);
        return;
    }
}

/* The candidate with that UID, which is not below that of the call before; NULL: there is none. */
static Candidate *candidate_with(Search *search, guint32 uid)
{
    while (search->cursor < search->count && candidate_at(search, search->cursor)->uid < uid)
        search->cursor++;
    if (search->cursor == search->count || candidate_at(search, search->cursor)->uid != uid)
        return NULL;
    return candidate_at(search, search->cursor);
}

/* UIDs (guint32) of candidates from index `first`, up to `count`. */
static GArray *candidate_uids(const Search *search, guint first, guint count)
{
    GArray *uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    for (guint i = first; i < search->count && i - first < count; i++)
        g_array_append_val(uids, candidate_at(search, i)->uid);
    return uids;
}

/* ---- passes over rows ------------------------------------------------------------------------ */

static gboolean fetch_rows(Search *search, const guint32 *uids, guint count, guint what,
                           CacheFetchFunc func)
{
    g_autoptr(CacheTxn) txn =
        cache_begin(search->session->account->cache, CACHE_READ, &search->error);
    search->txn = txn;
    return txn &&
           cache_fetch(txn, search->session->view->folder, uids, count, what, func, search,
                       search->error ? NULL : &search->error) &&
           !search->error;
}

static gboolean judge_placement(const CacheFetchRow *row, gpointer data)
{
    Search *search = data;
    guint64 room[(sizeof(Candidate) + sizeof(ImapMatchWord)) / sizeof(guint64)] = {0};
    g_autofree guint64 *larger = search->stride > sizeof room ? g_malloc0(search->stride) : NULL;
    Candidate *candidate = (Candidate *)(larger ? larger : room);
    ImapMatchMessage message = {.words = candidate->words, .placement = row->placement};
    candidate->message = row->placement->message;
    candidate->modseq = row->placement->modseq;
    candidate->uid = row->placement->uid;
    ImapMatchResult result = imap_match(search->match, &message);
    if (result == IMAP_MATCH_YES)
        note_hit(search, candidate);
    else if (result == IMAP_MATCH_UNKNOWN)
        add_candidate(search, candidate);
    return TRUE;
}

/* Judges all of `uids`; leaves the undecided as candidates. */
static gboolean pass_placements(Search *search, const guint32 *uids, guint count)
{
    guint what = search->needs & IMAP_MATCH_PLACEMENT ? 0
                 : search->needs & IMAP_MATCH_FLAGS   ? CACHE_FETCH_FLAGS
                                                      : CACHE_FETCH_MESSAGE;
    for (guint at = 0; at < count; at += SCAN_ROWS)
        if (!fetch_rows(search, uids + at, MIN(SCAN_ROWS, count - at), what, judge_placement) ||
            is_stopped(search))
            return FALSE;
    return TRUE;
}

static gboolean judge_sent(const CacheFetchRow *row, gpointer data)
{
    Search *search = data;
    Candidate *candidate = candidate_with(search, row->placement->uid);
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
    for (guint at = 0; at < search->count; at += RENDERED_ROWS) {
        g_autoptr(GArray) uids = candidate_uids(search, at, RENDERED_ROWS);
        if (!fetch_rows(search, &g_array_index(uids, guint32, 0), uids->len, CACHE_FETCH_SENT,
                        judge_sent) ||
            is_stopped(search))
            return FALSE;
    }
    settle(search);
    return TRUE;
}

/* ---- looking for a word ---------------------------------------------------------------------- */

/* What is everywhere in texts; so are the first bytes of UTF-8 characters. */
static const char COMMON[] = " \n.,-:/abcdefghiklmnoprstuvwy0123456789";

/* memmem() looks at each byte for a word this short. */
#define SHORT_MAX 4

/* A byte of a short word that is rare in texts: memchr() finds it ten times as fast as memmem() the
 * word. NULL: it has none. */
static const char *rare_byte(const ImapMatchTerm *term)
{
    for (gsize i = 0; i < term->length && term->length <= SHORT_MAX; i++)
        if ((guchar)term->needle[i] < 0xc0 && !strchr(COMMON, term->needle[i]))
            return term->needle + i;
    return NULL;
}

/* Like memmem(); `rare` is the term's rare byte, or NULL. */
static const char *find(const char *from, const char *limit, const ImapMatchTerm *term,
                        const char *rare)
{
    gsize length = term->length, before = rare ? (gsize)(rare - term->needle) : 0;
    if (!rare)
        return memmem(from, (gsize)(limit - from), term->needle, length);
    while ((gsize)(limit - from) >= length) {
        const char *hit = memchr(from + before, *rare, (gsize)(limit - from) - (length - 1));
        if (!hit || memcmp(hit - before, term->needle, length) == 0)
            return hit ? hit - before : NULL;
        from = hit - before + 1;
    }
    return NULL;
}

/* ---- segments of text ------------------------------------------------------------------------ */

/* The first candidate, from index `from` on, whose message is not below `message`. */
static guint lower_bound(const Search *search, guint from, gint64 message)
{
    guint end = search->count;
    if (from < end && candidate_at(search, from)->message >= message)
        return from;
    while (from < end) {
        guint middle = from + (end - from) / 2;
        if (candidate_at(search, middle)->message < message)
            from = middle + 1;
        else
            end = middle;
    }
    return from;
}

static gboolean is_segment_wanted(const gint64 *messages, guint count, gpointer data)
{
    Search *search = data;
    guint at = 0;
    for (guint i = 0; i < count; i++) {
        at = lower_bound(search, at, messages[i]);
        if (at == search->count)
            return FALSE;
        if (candidate_at(search, at)->message == messages[i])
            return TRUE;
        while (i + 1 < count && messages[i + 1] < candidate_at(search, at)->message)
            i++;
    }
    return FALSE;
}

typedef struct {
    Search *search;
    const CacheTextSegment *segment;
    const guint *owners; /* of each message, its first candidate, or `count` of them */
    const ImapMatchTerm *term;
    const char *rare; /* a byte of it, or NULL */
} Look;

static void note(const Look *look, guint index, gboolean found)
{
    if (found && !look->term->certain)
        return;
    gint64 message = look->segment->messages[index];
    for (guint i = look->owners[index];
         i < look->search->count && candidate_at(look->search, i)->message == message; i++)
        imap_match_note(candidate_at(look->search, i)->words, look->term->key, found);
}

/* Looks for the term in the texts of messages `first` up to `end`, as in one text. */
static void look_in(const Look *look, guint first, guint end)
{
    const CacheTextSegment *segment = look->segment;
    const char *from = segment->text + segment->starts[first];
    const char *limit = segment->text + segment->starts[end];
    const char *hit;
    while (first < end && (hit = find(from, limit, look->term, look->rare))) {
        guint32 at = (guint32)(hit - segment->text);
        for (; first < end && segment->starts[first + 1] <= at; first++)
            note(look, first, FALSE);
        if (first == end)
            return;
        gboolean within = at + look->term->length <= segment->starts[first + 1];
        if (within)
            note(look, first++, TRUE);
        from = within ? segment->text + segment->starts[first] : hit + 1;
    }
    for (; first < end; first++)
        note(look, first, FALSE);
}

static void look_everywhere(const Look *look)
{
    guint count = look->segment->count, none = look->search->count;
    for (guint i = 0; i < count; i++) {
        guint first = i;
        while (i < count && look->owners[i] != none)
            i++;
        if (i > first)
            look_in(look, first, i);
    }
}

/* What one thread does of a pass. */
typedef struct {
    Search *search;
    CacheText kind;
    CacheTextShare share;
    const GArray *terms; /* ImapMatchTerm */
    GArray *needles;     /* CacheTextNeedle: the same */
    GArray *owners;      /* guint */
    GError *error;
    pthread_t thread;
} SegmentPass;

static gboolean pass_wants(const gint64 *messages, guint count, gpointer data)
{
    return is_segment_wanted(messages, count, ((SegmentPass *)data)->search);
}

static void judge_segment(const CacheTextSegment *segment, gpointer data)
{
    SegmentPass *pass = data;
    Search *search = pass->search;
    guint at = 0;
    g_array_set_size(pass->owners, segment->count);
    for (guint i = 0; i < segment->count; i++) {
        at = lower_bound(search, at, segment->messages[i]);
        gboolean there =
            at < search->count && candidate_at(search, at)->message == segment->messages[i];
        g_array_index(pass->owners, guint, i) = there ? at : search->count;
    }
    for (guint i = 0; i < pass->terms->len; i++) {
        const ImapMatchTerm *term = &g_array_index(pass->terms, ImapMatchTerm, i);
        Look look = {search, segment, &g_array_index(pass->owners, guint, 0), term,
                     rare_byte(term)};
        look_everywhere(&look);
    }
}

static GArray *needles_of(const GArray *terms)
{
    GArray *needles = g_array_new(FALSE, FALSE, sizeof(CacheTextNeedle));
    for (guint i = 0; i < terms->len; i++) {
        const ImapMatchTerm *term = &g_array_index(terms, ImapMatchTerm, i);
        CacheTextNeedle needle = {term->needle, term->length};
        g_array_append_val(needles, needle);
    }
    return needles;
}

static void *scan_share(void *data)
{
    SegmentPass *pass = data;
    ImapSession *session = pass->search->session;
    gint64 position = 0;
    while (!pass->error && position != G_MAXINT64 &&
           !net_cancel_triggered(net_stream_cancel(session->stream))) {
        g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_READ, &pass->error);
        if (txn)
            cache_text_scan(
                txn, pass->kind, pass->share, (const CacheTextNeedle *)(void *)pass->needles->data,
                pass->needles->len, &position, pass_wants, judge_segment, pass, &pass->error);
    }
    return NULL;
}

/* Expanding text takes time, so a search through much of it is made by several threads. */
static guint pass_threads(const Search *search)
{
    return search->count < THREADS_WORTH ? 1 : MIN(g_get_num_processors(), THREADS_MAX);
}

static gboolean pass_kind(Search *search, CacheText kind)
{
    const GArray *terms = imap_match_terms(search->match, kind);
    SegmentPass passes[THREADS_MAX];
    guint count = pass_threads(search), started = 1;
    if (!terms->len || !search->count)
        return TRUE;
    g_autoptr(GArray) needles = needles_of(terms);
    for (guint i = 0; i < count; i++)
        passes[i] = (SegmentPass){.search = search,
                                  .kind = kind,
                                  .share = {i, count},
                                  .terms = terms,
                                  .needles = needles,
                                  .owners = g_array_new(FALSE, FALSE, sizeof(guint))};
    while (started < count &&
           pthread_create(&passes[started].thread, NULL, scan_share, &passes[started]) == 0)
        started++;
    scan_share(&passes[0]);
    for (guint i = started; i < count; i++)
        scan_share(&passes[i]); /* no more threads are to be had */
    for (guint i = 0; i < count; i++) {
        if (i > 0 && i < started)
            pthread_join(passes[i].thread, NULL);
        if (passes[i].error && !search->error)
            search->error = g_steal_pointer(&passes[i].error);
        g_clear_error(&passes[i].error);
        g_array_unref(passes[i].owners);
    }
    settle(search);
    return !search->error && !is_stopped(search);
}

static gboolean pass_segments(Search *search)
{
    sort_candidates(search, by_message);
    for (int kind = 0; kind < CACHE_TEXT_KINDS; kind++)
        if (!pass_kind(search, (CacheText)kind))
            return FALSE;
    sort_candidates(search, by_uid);
    return TRUE;
}

/* ---- messages themselves --------------------------------------------------------------------- */

static void note_missing(Search *search, Candidate *candidate)
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
    index_text_body(message ? message : "", length, search->text);
    return TRUE;
}

static gboolean judge_content(const CacheFetchRow *row, gpointer data)
{
    Search *search = data;
    Candidate *candidate = candidate_with(search, row->placement->uid);
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
        note_missing(search, candidate);
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
    return fetch_rows(search, &g_array_index(uids, guint32, 0), uids->len, what, judge_content);
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
    imap_need(search->session, &search->need, (const gint64 *)(void *)search->missing->data,
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
    for (guint at = 0; at < search->count; at += IMAP_SLICE_MESSAGES) {
        g_autoptr(GArray) uids = candidate_uids(search, at, IMAP_SLICE_MESSAGES);
        if (!read_with(search, uids, at) || is_stopped(search))
            return FALSE;
        imap_progress(search->session, at + uids->len, search->count);
    }
    settle(search);
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
    g_array_set_size(search->hits, 0);
}

static gboolean run_slice(Search *search, const guint32 *uids, guint count)
{
    g_byte_array_set_size(search->candidates, 0);
    search->count = 0;
    if (!pass_placements(search, uids, count) ||
        (search->needs & IMAP_MATCH_SENT && !pass_sent(search)) || !pass_segments(search) ||
        !pass_contents(search, CACHE_CONTENT_HEADER) || !pass_contents(search, CACHE_CONTENT_FULL))
        return FALSE;
    keep_hits(search);
    return TRUE;
}

static gboolean run_slices(Search *search, const GArray *uids)
{
    guint slice = (guint)(CANDIDATE_BYTES / search->stride);
    for (guint at = 0; at < uids->len; at += slice)
        if (!run_slice(search, &g_array_index(uids, guint32, at), MIN(slice, uids->len - at)))
            return FALSE;
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
    g_autoptr(GArray) candidates = uids ? intersect(all, uids) : g_array_ref(all);
    Search search = {
        .session = session,
        .match = match,
        .needs = imap_match_needs(match),
        .found = found,
        .hits = g_array_new(FALSE, FALSE, sizeof(Hit)),
        .candidates = g_byte_array_new(),
        .stride = sizeof(Candidate) + imap_match_words(match) * sizeof(ImapMatchWord),
        .missing_uids = g_array_new(FALSE, FALSE, sizeof(guint32)),
        .missing = g_array_new(FALSE, FALSE, sizeof(gint64)),
        .text = g_string_new(NULL),
    };
    if (search.needs & IMAP_MATCH_MODSEQ) {
        imap_enable(session, IMAP_ENABLED_CONDSTORE); /* RFC 7162, 3.1.5 */
        found->modseqs = g_array_new(FALSE, FALSE, sizeof(guint64));
    }
    if (search.needs & IMAP_MATCH_FUZZY)
        found->scores = g_array_new(FALSE, FALSE, sizeof(guint8));
    gboolean ok = TRUE;
    if (search.needs)
        ok = run_slices(&search, candidates);
    else
        match_unread(&search, candidates);
    if (!ok)
        imap_reply_error(session, search.error);
    g_array_unref(search.hits);
    g_byte_array_unref(search.candidates);
    g_array_unref(search.missing_uids);
    g_array_unref(search.missing);
    g_string_free(search.text, TRUE);
    g_clear_error(&search.error);
    imap_need_clear(&search.need);
    return ok;
}

void imap_found_clear(ImapFound *found)
{
    g_clear_pointer(&found->uids, g_array_unref);
    g_clear_pointer(&found->modseqs, g_array_unref);
    g_clear_pointer(&found->scores, g_array_unref);
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
