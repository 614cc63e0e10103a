/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Segments of text: a row of text_segment says whose texts they are, rows of text_data hold them, a
 * row for each kind, and rows of text_filter tell what isn't in them. text_due lists the messages
 * whose texts are in none yet.
 */
#include "cache/search.h"

#include "cache/codec.h"
#include "cache/filter.h"
#include "cache/private.h"

#include <string.h>

/* Messages in a segment. A search costs a few microseconds for each segment, and up to so many
 * messages are searched without one: that is dearer for bodies. */
static const guint SEGMENT_MESSAGES[] = {
    [CACHE_TEXT_OF_HEADERS] = 128, [CACHE_TEXT_OF_BODIES] = 64};

/* Texts of a kind that fill a segment, whatever their number. */
#define SEGMENT_BYTES (1024 * 1024)

/* What a segment may expand to: an almost full one takes one more. */
#define EXPANDED_MAX (CACHE_TEXT_MAX + 2 * SEGMENT_BYTES)

/* A slice of a scan: so many segments looked at, so many bytes read. */
#define SCAN_SEGMENTS 512
#define SCAN_BYTES    (8 * 1024 * 1024)

/* A step of compaction looks at so many segments; it begins when so many messages are gone, and
 * these are a third of those that aren't. */
#define COMPACT_SEGMENTS 16
#define COMPACT_MIN      256

static const char SQL_SEGMENTS[] = "SELECT id, messages FROM text_segment WHERE part = ? AND id > ?"
                                   " ORDER BY id";
static const char SQL_DATA[] = "SELECT data FROM text_data WHERE id = ?";
static const char SQL_FILTER[] = "SELECT bits FROM text_filter WHERE id = ?";
static const char SQL_NEXT_ID[] =
    "SELECT coalesce(max(id), 0) + 1 FROM text_segment WHERE part = ?";
static const char SQL_ADD_SEGMENT[] =
    "INSERT INTO text_segment (part, id, messages) VALUES (?, ?, ?)";
static const char SQL_ADD_DATA[] = "INSERT INTO text_data (id, data) VALUES (?, ?)";
static const char SQL_ADD_FILTER[] = "INSERT INTO text_filter (id, bits) VALUES (?, ?)";
static const char SQL_DROP_SEGMENT[] = "DELETE FROM text_segment WHERE part = ? AND id = ?";
static const char SQL_DROP_DATA[] = "DELETE FROM text_data WHERE id = ?";
static const char SQL_DROP_FILTER[] = "DELETE FROM text_filter WHERE id = ?";
static const char SQL_DUE[] =
    "SELECT message FROM text_due WHERE part = ? ORDER BY message DESC LIMIT ?";
static const char SQL_ADD_DUE[] = "INSERT OR IGNORE INTO text_due (part, message) VALUES (?, ?)";
static const char SQL_DROP_DUE[] = "DELETE FROM text_due WHERE part = ? AND message = ?";
static const char SQL_GONE[] = "SELECT gone FROM text_gone";
static const char SQL_ADD_GONE[] = "UPDATE text_gone SET gone = gone + 1";
static const char SQL_FORGET_GONE[] = "UPDATE text_gone SET gone = 0";
static const char SQL_ALIVE[] = "SELECT coalesce(sum(alive), 0) FROM folder";
static const char SQL_STATE[] = "SELECT state FROM message WHERE id = ?";

static CacheTextPart part_of(CacheText kind)
{
    return kind == CACHE_TEXT_BODY ? CACHE_TEXT_OF_BODIES : CACHE_TEXT_OF_HEADERS;
}

G_STATIC_ASSERT(CACHE_TEXT_KINDS <= 32);

static gint64 data_id(gint64 segment, CacheText kind)
{
    return segment << 5 | kind;
}

/* The other texts are hardly larger than their filters would be. */
static gboolean has_filter(CacheText kind)
{
    return kind == CACHE_TEXT_HEADER || kind == CACHE_TEXT_BODY;
}

static CacheContentState state_for(CacheTextPart part)
{
    return part == CACHE_TEXT_OF_BODIES ? CACHE_CONTENT_FULL : CACHE_CONTENT_HEADER;
}

static gboolean segment_damaged(CacheTxn *txn, GError **error)
{
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_CORRUPT,
                "%s is damaged (text for searching can't be decompressed). Check the disk; when "
                "the file is moved away, Postern fetches the mail again.",
                txn->db->path);
    return FALSE;
}

/* One number of a query; 0 where there is no row. */
static gint64 read_number(CacheTxn *txn, const char *sql, gsize count, const DbValue *values)
{
    g_auto(DbQuery) query = db_query_values(txn->db, sql, values, count);
    return db_next(&query) ? db_int(&query, 0) : 0;
}

/* ---- the messages of a segment: differences, 7 bits a byte, the lowest first ----------------- */

static GBytes *pack_messages(const GArray *messages)
{
    GByteArray *out = g_byte_array_new();
    gint64 last = 0;

    for (guint i = 0; i < messages->len; i++) {
        guint64 step = (guint64)(g_array_index(messages, gint64, i) - last);
        last = g_array_index(messages, gint64, i);
        do {
            guint8 byte = (step & 0x7f) | (step > 0x7f ? 0x80 : 0);
            g_byte_array_append(out, &byte, 1);
            step >>= 7;
        } while (step);
    }
    return g_byte_array_free_to_bytes(out);
}

/* The next difference, from *at on; FALSE: that was the last. */
static inline gboolean next_step(const guint8 **at, const guint8 *end, gint64 *step)
{
    guint64 bits = 0;

    for (guint shift = 0; *at < end; shift += 7) {
        guint8 byte = *(*at)++;
        bits |= (guint64)(byte & 0x7f) << shift;
        if (!(byte & 0x80) || shift >= 56) {
            *step = (gint64)bits;
            return TRUE;
        }
    }
    return FALSE;
}

static void unpack_messages(const guint8 *data, gsize length, GArray *messages)
{
    const guint8 *at = data, *end = data + length;
    gint64 step, last = 0;

    g_array_set_size(messages, 0);
    while (next_step(&at, end, &step)) {
        last = (gint64)((guint64)last + (guint64)step);
        g_array_append_val(messages, last);
    }
}

/* Whether there is one from `from` to `to`, as far as the first and the last tell. */
static gboolean may_overlap(const guint8 *data, gsize length, gint64 from, gint64 to)
{
    const guint8 *at = data, *end = data + length;
    gint64 first, step, last;

    if (!next_step(&at, end, &first) || first > to)
        return FALSE;
    last = first;
    while (last < from && next_step(&at, end, &step))
        last = (gint64)((guint64)last + (guint64)step);
    return last >= from;
}

static void read_messages(DbQuery *query, int column, GArray *messages)
{
    const guint8 *data = sqlite3_column_blob(query->statement, column);
    unpack_messages(data, (gsize)sqlite3_column_bytes(query->statement, column), messages);
}

/* ---- searching --------------------------------------------------------------------------- */

typedef struct {
    CacheTxn *txn;
    const CacheTextQuery *query;
    GArray *messages; /* gint64 */
    GArray *wanted;   /* guint: of each message, as in CacheTextSegment */
    GByteArray *data; /* how many bytes each text has, 32 bits each, and the texts */
    GArray *starts;   /* guint32 */
} Scan;

/* The first message wanted, from place `from` on, that is not below `message`. */
static guint lower_bound(const CacheTextQuery *query, guint from, gint64 message)
{
    guint end = query->n_messages;

    if (from < end && query->messages[from] >= message)
        return from;
    while (from < end) {
        guint middle = from + (end - from) / 2;
        if (query->messages[middle] < message)
            from = middle + 1;
        else
            end = middle;
    }
    return from;
}

/* Finds the segment's messages among those wanted; FALSE: none is there, or too few. */
static gboolean find_wanted(Scan *scan)
{
    const CacheTextQuery *query = scan->query;
    guint at = 0, count = 0;

    g_array_set_size(scan->wanted, scan->messages->len);
    for (guint i = 0; i < scan->messages->len; i++) {
        gint64 message = g_array_index(scan->messages, gint64, i);
        at = lower_bound(query, at, message);
        gboolean is_wanted = at < query->n_messages && query->messages[at] == message;
        g_array_index(scan->wanted, guint, i) = is_wanted ? at : query->n_messages;
        count += is_wanted;
    }
    return count >= MAX(query->worth, 1);
}

static gboolean segment_expand(Scan *scan, gint64 segment, GError **error)
{
    g_auto(DbQuery) query =
        db_query(scan->txn->db, SQL_DATA, DB_INT(data_id(segment, scan->query->kind)));

    if (!db_next(&query))
        return db_done(&query, error) && segment_damaged(scan->txn, error);
    const void *data = sqlite3_column_blob(query.statement, 0);
    gsize length = (gsize)sqlite3_column_bytes(query.statement, 0);
    g_byte_array_set_size(scan->data, 0);
    return codec_expand(scan->txn->cache->codecs, data, length, EXPANDED_MAX, scan->data) ||
           segment_damaged(scan->txn, error);
}

/* Where each text starts; whether that agrees with what is there. */
static gboolean find_starts(Scan *scan)
{
    guint count = scan->messages->len;
    guint64 start = 0;

    if (scan->data->len < count * sizeof(guint32))
        return FALSE;
    g_array_set_size(scan->starts, count + 1);
    for (guint i = 0; i < count; i++) {
        guint32 length;
        memcpy(&length, scan->data->data + i * sizeof length, sizeof length);
        g_array_index(scan->starts, guint32, i) = (guint32)start;
        start += GUINT32_FROM_LE(length);
        if (start > EXPANDED_MAX)
            return FALSE;
    }
    g_array_index(scan->starts, guint32, count) = (guint32)start;
    return start == scan->data->len - count * sizeof(guint32);
}

/* FALSE: the segment's filter rules out all needles. */
static gboolean may_contain(Scan *scan, gint64 id)
{
    if (!has_filter(scan->query->kind) || !scan->query->n_needles)
        return TRUE;
    g_auto(DbQuery) query =
        db_query(scan->txn->db, SQL_FILTER, DB_INT(data_id(id, scan->query->kind)));
    if (!db_next(&query))
        return TRUE;
    const void *bits = sqlite3_column_blob(query.statement, 0);
    gsize size = (gsize)sqlite3_column_bytes(query.statement, 0);
    for (guint i = 0; i < scan->query->n_needles; i++) {
        const CacheTextNeedle *needle = &scan->query->needles[i];
        if (filter_may_contain(bits, size, needle->text, needle->length))
            return TRUE;
    }
    return FALSE;
}

/* As if no message had any text. */
static void empty_texts(Scan *scan)
{
    gsize count = scan->messages->len;

    g_byte_array_set_size(scan->data, (guint)(count * sizeof(guint32)));
    memset(scan->data->data, 0, scan->data->len);
    g_array_set_size(scan->starts, 0);
    g_array_set_size(scan->starts, (guint)count + 1);
}

static gboolean read_texts(Scan *scan, gint64 id, GError **error)
{
    if (!may_contain(scan, id)) {
        empty_texts(scan);
        return TRUE;
    }
    return segment_expand(scan, id, error) &&
           (find_starts(scan) || segment_damaged(scan->txn, error));
}

static gboolean scan_segment(Scan *scan, gint64 id, CacheTextFunc func, gpointer data,
                             GError **error)
{
    if (!read_texts(scan, id, error))
        return FALSE;
    CacheTextSegment segment = {
        .messages = (const gint64 *)(const void *)scan->messages->data,
        .wanted = (const guint *)(const void *)scan->wanted->data,
        .starts = (const guint32 *)(const void *)scan->starts->data,
        .count = scan->messages->len,
        .text = (const char *)scan->data->data + scan->messages->len * sizeof(guint32),
    };
    func(&segment, data);
    return TRUE;
}

/* Most segments aren't, where few messages are wanted. */
static gboolean is_near(const Scan *scan, DbQuery *query)
{
    const CacheTextQuery *wanted = scan->query;

    return wanted->n_messages > 0 &&
           may_overlap(sqlite3_column_blob(query->statement, 1),
                       (gsize)sqlite3_column_bytes(query->statement, 1), wanted->messages[0],
                       wanted->messages[wanted->n_messages - 1]);
}

static gboolean scan_slice(Scan *scan, gint64 *position, CacheTextFunc func, gpointer data,
                           GError **error)
{
    const CacheTextShare *share = &scan->query->share;
    guint segments = 0;
    gsize bytes = 0;
    g_auto(DbQuery) query = db_query(scan->txn->db, SQL_SEGMENTS,
                                     DB_INT(part_of(scan->query->kind)), DB_INT(*position));

    while (segments++ < SCAN_SEGMENTS && bytes < SCAN_BYTES) {
        if (!db_next(&query)) {
            *position = G_MAXINT64;
            return db_done(&query, error);
        }
        *position = db_int(&query, 0);
        if (*position % share->count != share->index)
            continue;
        if (!is_near(scan, &query))
            continue;
        read_messages(&query, 1, scan->messages);
        if (!find_wanted(scan))
            continue;
        if (!scan_segment(scan, *position, func, data, error))
            return FALSE;
        bytes += scan->data->len;
    }
    return TRUE;
}

gboolean cache_text_scan(CacheTxn *txn, const CacheTextQuery *query, gint64 *position,
                         CacheTextFunc func, gpointer data, GError **error)
{
    g_autoptr(GArray) messages = g_array_new(FALSE, FALSE, sizeof(gint64));
    g_autoptr(GArray) wanted = g_array_new(FALSE, FALSE, sizeof(guint));
    g_autoptr(GArray) starts = g_array_new(FALSE, TRUE, sizeof(guint32));
    g_autoptr(GByteArray) expanded = g_byte_array_new();
    Scan scan = {txn, query, messages, wanted, expanded, starts};

    return scan_slice(&scan, position, func, data, error);
}

/* ---- what is to be indexed --------------------------------------------------------------- */

gboolean text_arrived(CacheTxn *txn, gint64 message, int old_state, int state, GError **error)
{
    for (int part = CACHE_TEXT_OF_HEADERS; part <= CACHE_TEXT_OF_BODIES; part++) {
        int needed = state_for(part);
        if (old_state < needed && state >= needed &&
            !db_run(txn->db, error, SQL_ADD_DUE, DB_INT(part), DB_INT(message)))
            return FALSE;
    }
    txn->texts = TRUE;
    return TRUE;
}

gboolean text_gone(CacheTxn *txn, gint64 message, GError **error)
{
    txn->texts = TRUE;
    return db_run(txn->db, error, SQL_DROP_DUE, DB_INT(CACHE_TEXT_OF_HEADERS), DB_INT(message)) &&
           db_run(txn->db, error, SQL_DROP_DUE, DB_INT(CACHE_TEXT_OF_BODIES), DB_INT(message)) &&
           db_run(txn->db, error, SQL_ADD_GONE);
}

GArray *cache_text_due(CacheTxn *txn, CacheTextPart part, GError **error)
{
    g_autoptr(GArray) due = g_array_new(FALSE, FALSE, sizeof(gint64));
    g_autoptr(GArray) ascending = g_array_new(FALSE, FALSE, sizeof(gint64));
    guint count = SEGMENT_MESSAGES[part];
    g_auto(DbQuery) query = db_query(txn->db, SQL_DUE, DB_INT(part), DB_INT(count));

    while (db_next(&query)) {
        gint64 message = db_int(&query, 0);
        g_array_append_val(due, message);
    }
    if (!db_done(&query, error))
        return NULL;
    for (guint i = due->len; i-- > 0 && due->len == count;)
        g_array_append_val(ascending, g_array_index(due, gint64, i));
    return g_steal_pointer(&ascending);
}

/* ---- writing a segment ------------------------------------------------------------------- */

struct CacheTextWriter {
    Cache *cache;
    CacheTextPart part;
    GArray *messages;                  /* gint64 */
    GArray *lengths[CACHE_TEXT_KINDS]; /* guint32, little-endian; of the part's kinds */
    GString *texts[CACHE_TEXT_KINDS];  /* one after the other */
    GBytes *packed[CACHE_TEXT_KINDS];  /* once ended */
    GBytes *filters[CACHE_TEXT_KINDS]; /* too */
};

CacheTextWriter *cache_text_writer_new(Cache *cache, CacheTextPart part)
{
    CacheTextWriter *writer = g_new0(CacheTextWriter, 1);

    writer->cache = cache;
    writer->part = part;
    writer->messages = g_array_new(FALSE, FALSE, sizeof(gint64));
    for (int kind = 0; kind < CACHE_TEXT_KINDS; kind++) {
        if (part_of(kind) != part)
            continue;
        writer->lengths[kind] = g_array_new(FALSE, FALSE, sizeof(guint32));
        writer->texts[kind] = g_string_new(NULL);
    }
    return writer;
}

void cache_text_writer_free(CacheTextWriter *writer)
{
    if (!writer)
        return;
    for (int kind = 0; kind < CACHE_TEXT_KINDS; kind++) {
        g_clear_pointer(&writer->lengths[kind], g_array_unref);
        if (writer->texts[kind])
            g_string_free(writer->texts[kind], TRUE);
        g_clear_pointer(&writer->packed[kind], g_bytes_unref);
        g_clear_pointer(&writer->filters[kind], g_bytes_unref);
    }
    g_array_unref(writer->messages);
    g_free(writer);
}

gboolean cache_text_writer_add(CacheTextWriter *writer, gint64 message, GString *const *texts)
{
    gboolean full = FALSE;

    g_array_append_val(writer->messages, message);
    for (int kind = 0; kind < CACHE_TEXT_KINDS; kind++) {
        if (!writer->texts[kind])
            continue;
        gsize length = MIN(texts[kind]->len, CACHE_TEXT_MAX);
        guint32 stored = GUINT32_TO_LE((guint32)length);
        g_array_append_val(writer->lengths[kind], stored);
        g_string_append_len(writer->texts[kind], texts[kind]->str, (gssize)length);
        full = full || writer->texts[kind]->len >= SEGMENT_BYTES;
    }
    return !full && writer->messages->len < SEGMENT_MESSAGES[writer->part];
}

void cache_text_writer_end(CacheTextWriter *writer)
{
    for (int kind = 0; kind < CACHE_TEXT_KINDS; kind++) {
        GString *texts = writer->texts[kind];
        if (!texts || writer->packed[kind])
            continue;
        if (has_filter((CacheText)kind))
            writer->filters[kind] = filter_new(texts->str, texts->len);
        g_string_prepend_len(texts, writer->lengths[kind]->data,
                             (gssize)(writer->lengths[kind]->len * sizeof(guint32)));
        writer->packed[kind] =
            codec_compress(writer->cache->codecs, CODEC_SMALL, texts->str, texts->len);
    }
}

static gboolean store_data(CacheTextWriter *writer, CacheTxn *txn, gint64 id, GError **error)
{
    for (int kind = 0; kind < CACHE_TEXT_KINDS; kind++) {
        DbValue row = DB_INT(data_id(id, kind));
        if ((writer->packed[kind] &&
             !db_run(txn->db, error, SQL_ADD_DATA, row, DB_BYTES(writer->packed[kind]))) ||
            (writer->filters[kind] &&
             !db_run(txn->db, error, SQL_ADD_FILTER, row, DB_BYTES(writer->filters[kind]))))
            return FALSE;
    }
    return TRUE;
}

gboolean cache_text_writer_store(CacheTextWriter *writer, CacheTxn *txn, GError **error)
{
    g_autoptr(GBytes) messages = pack_messages(writer->messages);

    cache_text_writer_end(writer);
    if (!txn_writes(txn, FALSE, error))
        return FALSE;
    gint64 id = read_number(txn, SQL_NEXT_ID, 1, &DB_INT(writer->part));
    if (!db_run(txn->db, error, SQL_ADD_SEGMENT, DB_INT(writer->part), DB_INT(id),
                DB_BYTES(messages)) ||
        !store_data(writer, txn, id, error))
        return FALSE;
    for (guint i = 0; i < writer->messages->len; i++)
        if (!db_run(txn->db, error, SQL_DROP_DUE, DB_INT(writer->part),
                    DB_INT(g_array_index(writer->messages, gint64, i))))
            return FALSE;
    return TRUE;
}

/* ---- compaction -------------------------------------------------------------------------- */

gboolean cache_text_stale(CacheTxn *txn)
{
    gint64 gone = read_number(txn, SQL_GONE, 0, NULL);
    return gone >= COMPACT_MIN && gone * 3 >= read_number(txn, SQL_ALIVE, 0, NULL);
}

/* Leaves those of `messages` whose text is still needed. */
static void keep_living(CacheTxn *txn, CacheTextPart part, GArray *messages)
{
    guint kept = 0;

    for (guint i = 0; i < messages->len; i++) {
        gint64 message = g_array_index(messages, gint64, i);
        if (read_number(txn, SQL_STATE, 1, &DB_INT(message)) >= (gint64)state_for(part))
            g_array_index(messages, gint64, kept++) = message;
    }
    g_array_set_size(messages, kept);
}

static gboolean take_apart(CacheTxn *txn, CacheTextPart part, gint64 id, const GArray *living,
                           GError **error)
{
    for (int kind = 0; kind < CACHE_TEXT_KINDS; kind++)
        if (part_of(kind) == part &&
            (!db_run(txn->db, error, SQL_DROP_DATA, DB_INT(data_id(id, kind))) ||
             !db_run(txn->db, error, SQL_DROP_FILTER, DB_INT(data_id(id, kind)))))
            return FALSE;
    for (guint i = 0; i < living->len; i++)
        if (!db_run(txn->db, error, SQL_ADD_DUE, DB_INT(part),
                    DB_INT(g_array_index(living, gint64, i))))
            return FALSE;
    txn->texts = TRUE;
    return db_run(txn->db, error, SQL_DROP_SEGMENT, DB_INT(part), DB_INT(id));
}

/* The next segment after `after`; 0: none. */
static gint64 next_segment(CacheTxn *txn, CacheTextPart part, gint64 after, GArray *messages)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_SEGMENTS, DB_INT(part), DB_INT(after));

    if (!db_next(&query))
        return 0;
    read_messages(&query, 1, messages);
    return db_int(&query, 0);
}

/* The segment that the message is in is taken apart. */
gboolean text_changed(CacheTxn *txn, gint64 message, GError **error)
{
    g_autoptr(GArray) messages = g_array_new(FALSE, FALSE, sizeof(gint64));
    gint64 id = 0;

    while ((id = next_segment(txn, CACHE_TEXT_OF_HEADERS, id, messages)))
        if (holds_number(messages, message))
            return take_apart(txn, CACHE_TEXT_OF_HEADERS, id, messages, error);
    return TRUE;
}

#define POSITION_PART 62

gboolean cache_text_compact(CacheTxn *txn, gint64 *position, GError **error)
{
    g_autoptr(GArray) messages = g_array_new(FALSE, FALSE, sizeof(gint64));
    CacheTextPart part = (CacheTextPart)(*position >> POSITION_PART);
    gint64 id = *position & ((G_GINT64_CONSTANT(1) << POSITION_PART) - 1);

    if (!txn_writes(txn, FALSE, error))
        return FALSE;
    for (guint i = 0; i < COMPACT_SEGMENTS; i++) {
        id = next_segment(txn, part, id, messages);
        guint count = messages->len;
        keep_living(txn, part, messages);
        if (id && messages->len * 2 <= count && !take_apart(txn, part, id, messages, error))
            return FALSE;
        if (!id && part == CACHE_TEXT_OF_BODIES) {
            *position = G_MAXINT64;
            return db_run(txn->db, error, SQL_FORGET_GONE);
        }
        part = id ? part : CACHE_TEXT_OF_BODIES;
        *position = (gint64)part << POSITION_PART | id;
    }
    return TRUE;
}
