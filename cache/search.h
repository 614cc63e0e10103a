/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The text of messages for SEARCH: decoded and folded (proto/mime says how), in compressed segments
 * of many messages each, so that all of it can be looked through in a fraction of a second. There
 * is a stream of segments for each field that clients search often, one for whole headers, one for
 * bodies, and one for each thing that SORT and THREAD compare, and for the fields that clients
 * list; what isn't asked for isn't read.
 *
 * Segments are written behind the arrival of mail, by the account's indexer. So a message may not
 * be in one yet, and whoever searches has to look at its content instead: then the answer is exact
 * at any moment. Message numbers are never reused, so a segment that still has messages which are
 * gone is no harm; when many are, their segments are written anew.
 */
#pragma once

#include "cache/content.h"

typedef enum {
    CACHE_TEXT_SUBJECT,
    CACHE_TEXT_FROM,
    CACHE_TEXT_TO,
    CACHE_TEXT_CC,
    CACHE_TEXT_BCC,
    CACHE_TEXT_MESSAGE_ID,
    CACHE_TEXT_HEADER, /* all of it */
    CACHE_TEXT_BODY,
    /* What isn't searched but compared, or given (index/keys.h). */
    CACHE_TEXT_SORT_DATE,
    CACHE_TEXT_SORT_SUBJECT,
    CACHE_TEXT_SORT_FROM,
    CACHE_TEXT_SORT_TO,
    CACHE_TEXT_SORT_CC,
    CACHE_TEXT_SORT_DISPLAYFROM,
    CACHE_TEXT_SORT_DISPLAYTO,
    CACHE_TEXT_THREAD,
    CACHE_TEXT_FIELDS,
} CacheText;

enum { CACHE_TEXT_KINDS = CACHE_TEXT_FIELDS + 1 };

/* No text is longer, in bytes. */
#define CACHE_TEXT_MAX (64 * 1024 * 1024)

/* Segments hold either headers or bodies: headers are here before bodies are. */
typedef enum { CACHE_TEXT_OF_HEADERS, CACHE_TEXT_OF_BODIES } CacheTextPart;

/* ---- searching --------------------------------------------------------------------------- */

/* A segment's texts: that of messages[i] begins at starts[i] and ends at starts[i + 1]. Borrowed,
 * during the call. */
typedef struct {
    const gint64 *messages; /* ascending */
    const guint *wanted;    /* of each, its first place among those wanted, or their number */
    const guint32 *starts;
    guint count;
    const char *text;
} CacheTextSegment;

/* Folded text that is looked for. */
typedef struct {
    const char *text;
    gsize length; /* bytes */
} CacheTextNeedle;

/* Of the segments, every `count`-th, the `index`-th of them first: several threads can scan at
 * once, each its share. {0, 1} is all of them. */
typedef struct {
    guint index, count;
} CacheTextShare;

/* What a scan is for. */
typedef struct {
    CacheText kind;
    CacheTextShare share;
    const gint64 *messages; /* those wanted, ascending; one may stand there several times */
    guint n_messages;
    const CacheTextNeedle *needles; /* n_needles 0: all texts are wanted */
    guint n_needles;
    guint worth; /* segments with fewer of the messages are passed over */
} CacheTextQuery;

typedef void (*CacheTextFunc)(const CacheTextSegment *segment, gpointer data);

/*
 * Calls `func` for the next few segments after *position (0: from the first) that have a message
 * that is wanted, and moves *position; G_MAXINT64: there are no more. A segment that certainly has
 * none of the needles comes with empty texts. Bounded in time (some ten milliseconds), so that a
 * search is made of many short transactions. A message may come up twice or not at all when
 * segments are written meanwhile.
 */
gboolean cache_text_scan(CacheTxn *txn, const CacheTextQuery *query, gint64 *position,
                         CacheTextFunc func, gpointer data, GError **error);

/* ---- indexing ---------------------------------------------------------------------------- */

/* Writes to `event_fd` (see cache_watch_view()) after each commit that leaves texts to be indexed,
 * or messages whose texts aren't needed any more. */
CacheWatch *cache_watch_texts(Cache *cache, int event_fd);

/*
 * The messages (gint64, ascending) that make up the next segment of `part`; none while there are
 * too few of them for one. The newest first, so that their numbers lie close to each other.
 */
GArray *cache_text_due(CacheTxn *txn, CacheTextPart part, GError **error);

typedef struct CacheTextWriter CacheTextWriter;

/* Collects a segment. */
CacheTextWriter *cache_text_writer_new(Cache *cache, CacheTextPart part);
void cache_text_writer_free(CacheTextWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CacheTextWriter, cache_text_writer_free)

/* A message's texts, by CacheText, as far as they are of the writer's part; by ascending message.
 * FALSE: the segment is full now, even though the message went in. */
gboolean cache_text_writer_add(CacheTextWriter *writer, gint64 message, GString *const *texts);

/* Compresses, and makes filters; before the transaction begins. */
void cache_text_writer_end(CacheTextWriter *writer);

/* Stores the segment; its messages aren't due any more. */
gboolean cache_text_writer_store(CacheTextWriter *writer, CacheTxn *txn, GError **error);

/* Whether so many messages are gone that segments should be compacted. */
gboolean cache_text_stale(CacheTxn *txn);

/*
 * Takes those of the next few segments after *position (0: from the first) apart that are mostly of
 * messages that are gone: what is left of them is due again. G_MAXINT64: that was the last.
 */
gboolean cache_text_compact(CacheTxn *txn, gint64 *position, GError **error);
