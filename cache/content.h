/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What messages consist of: their bytes exactly as upstream (or the client that appended them) gave
 * them, and what was rendered from these once. Bytes are kept in zstd-compressed parts, the header
 * block (through the empty line that ends it) as part 0, then the body in parts of at most 256 KiB,
 * so that a header or a piece of a large body is read alone. Messages with the same SHA-256 share
 * one content.
 */
#pragma once

#include "cache/placement.h"

typedef enum {
    CACHE_CONTENT_NONE,   /* nothing is here */
    CACHE_CONTENT_HEADER, /* the header block is here, and rendered ENVELOPE */
    CACHE_CONTENT_FULL,   /* everything is here */
} CacheContentState;

/* Rendered when the message (or its header) arrives, served as stored. */
typedef struct {
    GBytes *envelope;      /* ENVELOPE as IMAP sends it, with its parentheses */
    GBytes *bodystructure; /* BODYSTRUCTURE as IMAP sends it; NULL while only the header is here */
    GBytes *structure;     /* the part tree with offsets, serialized by proto/mime; NULL as above */
    char *message_id; /* the Message-ID header's value without brackets' surroundings, or NULL */
    gint64 sent;      /* the Date header, Unix seconds; G_MININT64: none */
    gint16 sent_zone; /* its zone, minutes east of UTC */
} CacheRendered;

void cache_rendered_clear(CacheRendered *rendered);

CacheContentState cache_content_state(CacheTxn *txn, gint64 message);

/* ---- writing ------------------------------------------------------------------------------- */

typedef struct CacheContentWriter CacheContentWriter;

/*
 * Takes a message's bytes in pieces of any size, compresses them as they come, and keeps the result
 * in memory up to 1 MiB, beyond that in unfinished parts in the database (NORMAL transactions of
 * its own, so no transaction may be open in the calling thread). Leftovers of a crash go when the
 * cache opens.
 */
CacheContentWriter *cache_content_writer_new(Cache *cache);
gboolean cache_content_writer_add(CacheContentWriter *writer, const void *data, gsize length,
                                  GError **error);

/* Nothing more will be added: compresses what is left. To be called before the transaction begins,
 * so that others don't wait for it. */
void cache_content_writer_end(CacheContentWriter *writer);

/*
 * Makes what was added the content of `message` within `txn`, together with `rendered`; sets the
 * size of its placements. Content of the same SHA-256 that is here already is shared. Spends no
 * time compressing after cache_content_writer_end(). A message that has its full content already
 * keeps it. `writer` is used up but not freed.
 */
gboolean cache_content_writer_finish(CacheContentWriter *writer, CacheTxn *txn, gint64 message,
                                     const CacheRendered *rendered, GError **error);
void cache_content_writer_free(CacheContentWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CacheContentWriter, cache_content_writer_free)

/* Stores a header block ahead of the rest (bodystructure and structure may be NULL). No-op where it
 * is here. */
gboolean cache_content_set_header(CacheTxn *txn, gint64 message, GBytes *header,
                                  const CacheRendered *rendered, GError **error);

/* ---- reading ------------------------------------------------------------------------------- */

/* The exact size in bytes once the content is full; 0 with NOT_FOUND before. */
guint64 cache_content_size(CacheTxn *txn, gint64 message, GError **error);

/* The header block; NULL with NOT_FOUND where it isn't here. */
GBytes *cache_content_header(CacheTxn *txn, gint64 message, GError **error);

/*
 * `length` bytes from `offset` of the message, fewer at its end; decompresses only the parts it
 * needs. NULL with NOT_FOUND where the content isn't full.
 */
GBytes *cache_content_read(CacheTxn *txn, gint64 message, guint64 offset, gsize length,
                           GError **error);

/* Called with the SHA-256 (CACHE_DIGEST octets; borrowed) of a message's octets. */
#define CACHE_DIGEST 32
typedef void (*CacheDigestFunc)(const guint8 *digest, gpointer data);

/* Those of the live messages of a folder whose content is full, in no order. */
gboolean cache_content_digests(CacheTxn *txn, gint64 folder, CacheDigestFunc func, gpointer data,
                               GError **error);

/* What cache_fetch() is to read beyond the placement. */
typedef enum {
    CACHE_FETCH_ENVELOPE = 1,
    CACHE_FETCH_BODYSTRUCTURE = 2,
    CACHE_FETCH_STRUCTURE = 4,
    CACHE_FETCH_HEADER = 8, /* decompressed */
    CACHE_FETCH_REMOTE_ID = 16,
    CACHE_FETCH_SENT = 32,
    /* Each of these alone: of the placement just folder, uid, alive and message are read, and no
       state; or size and date too; or flags, modseq and state instead. Otherwise all of the view,
       but nothing of the base and of where it came from. */
    CACHE_FETCH_MESSAGE = 64,
    CACHE_FETCH_NUMBERS = 128,
    CACHE_FETCH_FLAGS = 256,
} CacheFetchWhat;

/* One message's row; every pointer is borrowed and valid during the call only; NULL where not here.
 */
typedef struct {
    const CachePlacement *placement;
    CacheContentState state;
    const char *envelope;
    gsize envelope_length;
    const char *bodystructure;
    gsize bodystructure_length;
    const guint8 *structure;
    gsize structure_length;
    const char *header;
    gsize header_length;
    const char *remote_id;
    gint64 sent;
    gint16 sent_zone;
} CacheFetchRow;

typedef gboolean (*CacheFetchFunc)(const CacheFetchRow *row, gpointer data);

/*
 * Reads live messages by ascending local UID (those that are gone are passed over) and calls `func`
 * for each; FALSE from it ends the iteration. Reads runs of UIDs as ranges: one query for a
 * contiguous slice, so that 100,000 messages cost no more than a scan. `what`: CacheFetchWhat bits.
 */
gboolean cache_fetch(CacheTxn *txn, CacheSelection messages, guint what, CacheFetchFunc func,
                     gpointer data, GError **error);

/* ---- what is wanted ------------------------------------------------------------------------ */

typedef struct {
    gint64 message;
    gint64 folder;
    guint32 base_uid;
    guint32 uid;
    gint64 date;
    CacheContentState state;
} CacheWanted;

/*
 * Up to `limit` live placements with a base UID whose message has less than `wanted` (HEADER or
 * FULL), dated at or after `since` (Unix seconds), newest first, all of one folder: folder
 * `folder`, or 0: the folder with the newest. Found through an index. GArray of CacheWanted.
 */
GArray *cache_content_wanted(CacheTxn *txn, gint64 folder, CacheContentState wanted, gint64 since,
                             guint limit, GError **error);

/* How many of those there are in the folder; read from the index alone. */
gboolean cache_content_wanted_count(CacheTxn *txn, gint64 folder, CacheContentState wanted,
                                    gint64 since, guint *count, GError **error);

/* Live messages of the account with and without full content, for progress. */
gboolean cache_content_counts(CacheTxn *txn, guint64 *full, guint64 *all, GError **error);
