/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading contents, and letting them go. */
#include "cache/private.h"

#include "cache/codec.h"

#include <string.h>

static const char SQL_STATE[] = "SELECT state FROM message WHERE id = ?";
static const char SQL_OF_MESSAGE[] =
    "SELECT m.state, c.id, c.size, c.header_size FROM message m JOIN content c ON c.id = m.content"
    " WHERE m.id = ?";
static const char SQL_HEADER_SIZE[] = "SELECT header_size FROM content WHERE id = ?";
static const char SQL_PART[] = "SELECT data FROM content_part WHERE id = ?";
static const char SQL_RELEASE[] = "UPDATE content SET refs = refs - 1 WHERE id = ?";
static const char SQL_REFS[] = "SELECT refs FROM content WHERE id = ?";
static const char SQL_DELETE_PARTS[] = "DELETE FROM content_part WHERE id >= ? AND id < ?";
static const char SQL_DELETE[] = "DELETE FROM content WHERE id = ?";
static const char SQL_DIGESTS[] =
    "SELECT c.digest FROM placement p JOIN message m ON m.id = p.message"
    " JOIN content c ON c.id = m.content WHERE p.folder = ? AND p.alive AND m.state = 2";
static const char SQL_COUNTS[] = "SELECT coalesce(sum(alive - missing), 0), coalesce(sum(alive), 0)"
                                 " FROM folder WHERE name IS NOT NULL";

void cache_rendered_clear(CacheRendered *rendered)
{
    g_clear_pointer(&rendered->envelope, g_bytes_unref);
    g_clear_pointer(&rendered->bodystructure, g_bytes_unref);
    g_clear_pointer(&rendered->structure, g_bytes_unref);
    g_clear_pointer(&rendered->message_id, g_free);
}

CacheContentState cache_content_state(CacheTxn *txn, gint64 message)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_STATE, DB_INT(message));
    return db_next(&query) ? (CacheContentState)db_int(&query, 0) : CACHE_CONTENT_NONE;
}

/* ---- reading ------------------------------------------------------------------------------ */

typedef struct {
    gint64 id;
    guint64 size, header_size;
    guint header_parts;
} Content;

/* The message's content; NOT_FOUND where less than `state` of it is here. */
static gboolean content_find(CacheTxn *txn, gint64 message, CacheContentState state,
                             Content *content, GError **error)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_OF_MESSAGE, DB_INT(message));

    if (db_next(&query) && db_int(&query, 0) >= (gint64)state) {
        content->id = db_int(&query, 1);
        content->size = (guint64)db_int(&query, 2);
        content->header_size = (guint64)db_int(&query, 3);
        content->header_parts = content_header_parts(content->header_size);
        return TRUE;
    }
    if (db_done(&query, error))
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND,
                    "The message's content has not been fetched yet");
    return FALSE;
}

static gboolean content_damaged(CacheTxn *txn, GError **error)
{
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_CORRUPT,
                "%s is damaged (a message's content can't be decompressed). Check the disk; when "
                "the file is moved away, Postern fetches the mail again.",
                txn->db->path);
    return FALSE;
}

/* Appends one part, whose size is `size`, to `out`. */
static gboolean content_expand(CacheTxn *txn, gint64 part, gsize size, GByteArray *out,
                               GError **error)
{
    guint before = out->len;
    g_auto(DbQuery) query = db_query(txn->db, SQL_PART, DB_INT(part));

    if (!db_next(&query))
        return db_done(&query, error) && content_damaged(txn, error);
    const void *data = sqlite3_column_blob(query.statement, 0);
    gsize length = (gsize)sqlite3_column_bytes(query.statement, 0);
    return (codec_expand(txn->cache->codecs, data, length, size, out) &&
            out->len - before == size) ||
           content_damaged(txn, error);
}

/* Where in the content a part lies. */
typedef struct {
    guint part;
    guint64 start, end;
} Span;

static Span span_at(const Content *content, guint64 offset)
{
    gboolean header = offset < content->header_size;
    guint64 origin = header ? 0 : content->header_size;
    guint64 limit = header ? content->header_size : content->size;
    guint64 index = (offset - origin) / CONTENT_PART_SIZE;
    guint64 start = origin + index * CONTENT_PART_SIZE;

    return (Span){(guint)index + (header ? 0 : content->header_parts), start,
                  MIN(start + CONTENT_PART_SIZE, limit)};
}

/* Appends bytes `offset` to `end` of the content, both within it. */
static gboolean read_range(CacheTxn *txn, const Content *content, guint64 offset, guint64 end,
                           GByteArray *out, GError **error)
{
    g_autoptr(GByteArray) piece = NULL;

    while (offset < end) {
        Span span = span_at(content, offset);
        gint64 id = content_part_id(content->id, span.part);
        gsize size = (gsize)(span.end - span.start);
        if (offset == span.start && span.end <= end) {
            if (!content_expand(txn, id, size, out, error))
                return FALSE;
        } else {
            if (!piece)
                piece = g_byte_array_new();
            g_byte_array_set_size(piece, 0);
            if (!content_expand(txn, id, size, piece, error))
                return FALSE;
            g_byte_array_append(out, piece->data + (offset - span.start),
                                (guint)(MIN(span.end, end) - offset));
        }
        offset = span.end;
    }
    return TRUE;
}

static GBytes *read_bytes(CacheTxn *txn, const Content *content, guint64 offset, guint64 end,
                          GError **error)
{
    if (end - offset > G_MAXINT32) {
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID,
                    "More than 2 GiB can't be read at once");
        return NULL;
    }
    g_autoptr(GByteArray) out = g_byte_array_sized_new((guint)(end - offset));
    if (!read_range(txn, content, offset, end, out, error))
        return NULL;
    return g_byte_array_free_to_bytes(g_steal_pointer(&out));
}

guint64 cache_content_size(CacheTxn *txn, gint64 message, GError **error)
{
    Content content;
    return content_find(txn, message, CACHE_CONTENT_FULL, &content, error) ? content.size : 0;
}

GBytes *cache_content_header(CacheTxn *txn, gint64 message, GError **error)
{
    Content content;

    if (!content_find(txn, message, CACHE_CONTENT_HEADER, &content, error))
        return NULL;
    return read_bytes(txn, &content, 0, content.header_size, error);
}

GBytes *cache_content_read(CacheTxn *txn, gint64 message, guint64 offset, gsize length,
                           GError **error)
{
    Content content;

    if (!content_find(txn, message, CACHE_CONTENT_FULL, &content, error))
        return NULL;
    offset = MIN(offset, content.size);
    return read_bytes(txn, &content, offset, offset + MIN(length, content.size - offset), error);
}

/* What follows a first part that is full. */
static gboolean expand_header_rest(CacheTxn *txn, gint64 id, GByteArray *out, GError **error)
{
    guint64 size = 0;
    {
        g_auto(DbQuery) query = db_query(txn->db, SQL_HEADER_SIZE, DB_INT(id));
        if (db_next(&query))
            size = (guint64)db_int(&query, 0);
        if (!db_done(&query, error))
            return FALSE;
    }
    Content content = {id, size, size, content_header_parts(size)};
    return read_range(txn, &content, CONTENT_PART_SIZE, size, out, error);
}

gboolean content_expand_header(CacheTxn *txn, gint64 id, const void *data, gsize length,
                               GByteArray *out, GError **error)
{
    guint before = out->len;

    if (!codec_expand(txn->cache->codecs, data, length, CONTENT_PART_SIZE, out))
        return content_damaged(txn, error);
    return out->len - before < CONTENT_PART_SIZE || expand_header_rest(txn, id, out, error);
}

/* ---- letting go --------------------------------------------------------------------------- */

static gint64 references(CacheTxn *txn, gint64 content)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_REFS, DB_INT(content));
    return db_next(&query) ? db_int(&query, 0) : -1;
}

gboolean content_release(CacheTxn *txn, gint64 content, GError **error)
{
    if (references(txn, content) > 1)
        return db_run(txn->db, error, SQL_RELEASE, DB_INT(content));
    return db_run(txn->db, error, SQL_DELETE_PARTS, DB_INT(content_part_id(content, 0)),
                  DB_INT(content_part_id(content + 1, 0))) &&
           db_run(txn->db, error, SQL_DELETE, DB_INT(content));
}

/* ---- progress ----------------------------------------------------------------------------- */

gboolean cache_content_digests(CacheTxn *txn, gint64 folder, CacheDigestFunc func, gpointer data,
                               GError **error)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_DIGESTS, DB_INT(folder));

    while (db_next(&query)) {
        const guint8 *digest = sqlite3_column_blob(query.statement, 0);
        if (sqlite3_column_bytes(query.statement, 0) == CACHE_DIGEST)
            func(digest, data);
    }
    return db_done(&query, error);
}

gboolean cache_content_counts(CacheTxn *txn, guint64 *full, guint64 *all, GError **error)
{
    if (!counters_flush(txn, error))
        return FALSE;
    g_auto(DbQuery) query = db_query(txn->db, SQL_COUNTS);
    if (db_next(&query)) {
        *full = (guint64)db_int(&query, 0);
        *all = (guint64)db_int(&query, 1);
    }
    return db_done(&query, error);
}
