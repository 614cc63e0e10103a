/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Searching segments of text, the way many messages are searched at once. */
#include "daemon/serve/imap/search-segments.h"

#include <pthread.h>
#include <string.h>

/* Threads that look through text at once, and the undecided messages that are worth more than one.
 */
#define THREADS_MAX   4
#define THREADS_WORTH 500

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
static const char *find_needle(const char *from, const char *limit, const ImapMatchTerm *term,
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

/* ---- segments -------------------------------------------------------------------------------- */

/* What one thread does. */
typedef struct {
    ImapSession *session;
    const ImapCandidates *candidates;
    const GArray *terms; /* ImapMatchTerm */
    CacheTextQuery query;
    GError *error;
    pthread_t thread;
} Pass;

/* A term looked for in a segment. */
typedef struct {
    const ImapCandidates *candidates;
    const CacheTextSegment *segment;
    const ImapMatchTerm *term;
    const char *rare; /* a byte of it, or NULL */
} Look;

static void note_found(const Look *look, guint index, gboolean found)
{
    if (found && !look->term->certain)
        return;
    gint64 message = look->segment->messages[index];
    for (guint i = look->segment->wanted[index]; i < look->candidates->count; i++) {
        ImapCandidate *candidate = imap_candidate(look->candidates, i);
        if (candidate->message != message)
            return;
        imap_match_note(candidate->words, look->term->key, found);
    }
}

/* Looks for the term in the texts of messages `first` up to `end`, as in one text. */
static void look_in(const Look *look, guint first, guint end)
{
    const CacheTextSegment *segment = look->segment;
    const char *from = segment->text + segment->starts[first];
    const char *limit = segment->text + segment->starts[end];
    const char *hit;
    while (first < end && (hit = find_needle(from, limit, look->term, look->rare))) {
        guint32 at = (guint32)(hit - segment->text);
        for (; first < end && segment->starts[first + 1] <= at; first++)
            note_found(look, first, FALSE);
        if (first == end)
            return;
        gboolean within = at + look->term->length <= segment->starts[first + 1];
        if (within)
            note_found(look, first++, TRUE);
        from = within ? segment->text + segment->starts[first] : hit + 1;
    }
    for (; first < end; first++)
        note_found(look, first, FALSE);
}

static void look_everywhere(const Look *look)
{
    guint count = look->segment->count, none = look->candidates->count;
    for (guint i = 0; i < count; i++) {
        guint first = i;
        while (i < count && look->segment->wanted[i] != none)
            i++;
        if (i > first)
            look_in(look, first, i);
    }
}

static void judge_segment(const CacheTextSegment *segment, gpointer data)
{
    Pass *pass = data;
    for (guint i = 0; i < pass->terms->len; i++) {
        const ImapMatchTerm *term = &g_array_index(pass->terms, ImapMatchTerm, i);
        Look look = {pass->candidates, segment, term, rare_byte(term)};
        look_everywhere(&look);
    }
}

/* ---- threads --------------------------------------------------------------------------------- */

static void *scan_share(void *data)
{
    Pass *pass = data;
    NetCancel *cancel = net_stream_cancel(pass->session->stream);
    gint64 position = 0;
    while (!pass->error && position != G_MAXINT64 && !net_cancel_triggered(cancel)) {
        g_autoptr(CacheTxn) txn =
            cache_begin(pass->session->account->cache, CACHE_READ, &pass->error);
        if (txn)
            cache_text_scan(txn, &pass->query, &position, judge_segment, pass, &pass->error);
    }
    return NULL;
}

/* gint64: of each candidate. */
static GArray *messages_of(const ImapCandidates *candidates)
{
    GArray *messages = g_array_sized_new(FALSE, FALSE, sizeof(gint64), candidates->count);
    for (guint i = 0; i < candidates->count; i++)
        g_array_append_val(messages, imap_candidate(candidates, i)->message);
    return messages;
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

static void run_passes(Pass *passes, guint count)
{
    guint started = 1;
    while (started < count &&
           pthread_create(&passes[started].thread, NULL, scan_share, &passes[started]) == 0)
        started++;
    scan_share(&passes[0]);
    for (guint i = started; i < count; i++)
        scan_share(&passes[i]); /* no more threads are to be had */
    for (guint i = 1; i < started; i++)
        pthread_join(passes[i].thread, NULL);
}

gboolean imap_search_segments(ImapSession *session, const ImapMatch *match, CacheText kind,
                              ImapCandidates *candidates, GError **error)
{
    const GArray *terms = imap_match_terms(match, kind);
    if (!terms->len || !candidates->count)
        return TRUE;
    Pass passes[THREADS_MAX];
    guint count = candidates->count < THREADS_WORTH ? 1 : MIN(g_get_num_processors(), THREADS_MAX);
    g_autoptr(GArray) messages = messages_of(candidates);
    g_autoptr(GArray) needles = needles_of(terms);
    g_autoptr(GError) first_error = NULL;
    for (guint i = 0; i < count; i++)
        passes[i] = (Pass){
            .session = session,
            .candidates = candidates,
            .terms = terms,
            .query = {kind,
                      {i, count},
                      (const gint64 *)(void *)messages->data,
                      messages->len,
                      (const CacheTextNeedle *)(void *)needles->data,
                      needles->len},
        };
    run_passes(passes, count);
    for (guint i = 0; i < count; i++) {
        if (!first_error)
            first_error = g_steal_pointer(&passes[i].error);
        g_clear_error(&passes[i].error);
    }
    if (!first_error)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&first_error));
    return FALSE;
}
