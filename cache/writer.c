/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Taking a message's bytes in: cut into the header block and parts of the body, digested and
 * compressed as they come, held in memory or, when that grows, in an unfinished content.
 */
#include "cache/private.h"

#include "cache/codec.h"

#include <openssl/evp.h>
#include <string.h>

/* Compressed bytes that are held in memory; beyond it they go to the database. */
#define HELD_MAX   (1024 * 1024)
#define DIGEST_LEN 32

static const char SQL_NEW_UNFINISHED[] =
    "INSERT INTO content (size, header_size, refs) VALUES (0, 0, 0)";
static const char SQL_INSERT[] = "INSERT INTO content (digest_key, digest, size, header_size, refs)"
                                 " VALUES (?, ?, ?, ?, 1)";
static const char SQL_COMPLETE[] = "UPDATE content SET digest_key = ?2, digest = ?3, size = ?4,"
                                   " header_size = ?5, refs = 1 WHERE id = ?1";
static const char SQL_PART[] = "INSERT OR REPLACE INTO content_part (id, data) VALUES (?, ?)";
static const char SQL_SAME[] =
    "SELECT id FROM content WHERE digest_key = ?1 AND digest = ?2 AND size = ?3";
static const char SQL_SHARE[] = "UPDATE content SET refs = refs + 1 WHERE id = ?";
static const char SQL_MESSAGE[] = "SELECT state, content FROM message WHERE id = ?";
static const char SQL_SET_MESSAGE[] =
    "UPDATE message SET content = ?2, state = ?3, message_id = ?4 WHERE id = ?1";
static const char SQL_RENDERED[] =
    "INSERT OR REPLACE INTO rendered (message, sent, sent_zone, envelope, bodystructure, structure)"
    " VALUES (?, ?, ?, ?, ?, ?)";
static const char SQL_PLACEMENTS[] =
    "SELECT " PLACEMENT_COLUMNS " FROM placement WHERE message = ?";
static const char SQL_SET_PLACEMENT[] =
    "UPDATE placement SET size = ?3, state = ?4 WHERE folder = ?1 AND uid = ?2";

struct CacheContentWriter {
    Cache *cache;
    EVP_MD_CTX *digest;
    GByteArray *raw;   /* of the part that is being filled */
    GPtrArray *parts;  /* GBytes: compressed, not in the database yet */
    gsize held;        /* bytes in these */
    guint staged;      /* parts that are */
    gint64 unfinished; /* the content they are in; 0: none */
    guint64 size, header_size;
    gboolean in_body;
    guint64 line;     /* in the header: bytes of this line so far */
    gboolean line_cr; /* the last of them is CR */
    gboolean ended, used;
    guint8 sha256[DIGEST_LEN];
};

CacheContentWriter *cache_content_writer_new(Cache *cache)
{
    CacheContentWriter *writer = g_new0(CacheContentWriter, 1);

    writer->cache = cache;
    writer->digest = EVP_MD_CTX_new();
    EVP_DigestInit_ex(writer->digest, EVP_sha256(), NULL);
    writer->raw = g_byte_array_new();
    writer->parts = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    return writer;
}

void cache_content_writer_free(CacheContentWriter *writer)
{
    if (!writer)
        return;
    if (writer->unfinished && !writer->used)
        cache_discard_content(writer->cache, writer->unfinished);
    EVP_MD_CTX_free(writer->digest);
    g_byte_array_unref(writer->raw);
    g_ptr_array_unref(writer->parts);
    g_free(writer);
}

/* ---- parts -------------------------------------------------------------------------------- */

static gboolean write_parts(CacheContentWriter *writer, CacheTxn *txn, gint64 content,
                            GError **error)
{
    for (guint i = 0; i < writer->parts->len; i++)
        if (!db_run(txn->db, error, SQL_PART, DB_INT(content_part_id(content, writer->staged + i)),
                    DB_BYTES(writer->parts->pdata[i])))
            return FALSE;
    return TRUE;
}

/* Moves what is held into the database, as a content that no message has yet. */
static gboolean stage(CacheContentWriter *writer, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(writer->cache, CACHE_WRITE, error);
    gint64 content = writer->unfinished;

    if (!txn)
        return FALSE;
    if (!content) {
        if (!db_run(txn->db, error, SQL_NEW_UNFINISHED))
            return FALSE;
        content = sqlite3_last_insert_rowid(txn->db->handle);
    }
    if (!write_parts(writer, txn, content, error) || !cache_commit(g_steal_pointer(&txn), error))
        return FALSE;
    writer->unfinished = content;
    writer->staged += writer->parts->len;
    writer->held = 0;
    g_ptr_array_set_size(writer->parts, 0);
    return TRUE;
}

static void end_part(CacheContentWriter *writer, CodecHow how)
{
    GBytes *part = codec_compress(writer->cache->codecs, how, writer->raw->data, writer->raw->len);

    writer->held += g_bytes_get_size(part);
    g_ptr_array_add(writer->parts, part);
    g_byte_array_set_size(writer->raw, 0);
}

static gboolean no_parts(const CacheContentWriter *writer)
{
    return writer->staged + writer->parts->len == 0;
}

/* How many of `data` still belong to the header block; notes where it ends. */
static gsize scan_header(CacheContentWriter *writer, const guint8 *data, gsize length)
{
    const guint8 *line = data, *end = data + length;

    while (line < end) {
        const guint8 *newline = memchr(line, '\n', (gsize)(end - line));
        gsize text = (gsize)((newline ? newline : end) - line);
        writer->line += text;
        writer->line_cr = text ? line[text - 1] == '\r' : writer->line_cr;
        if (!newline)
            break;
        if (writer->line == 0 || (writer->line == 1 && writer->line_cr)) {
            writer->in_body = TRUE;
            return (gsize)(newline + 1 - data);
        }
        writer->line = 0;
        line = newline + 1;
    }
    return length;
}

/* Fills parts with bytes that are all of the header, or all of the body. */
static gboolean writer_fill(CacheContentWriter *writer, const guint8 *data, gsize length,
                            GError **error)
{
    while (length > 0) {
        gsize take = MIN(length, CONTENT_PART_SIZE - writer->raw->len);
        g_byte_array_append(writer->raw, data, (guint)take);
        data += take;
        length -= take;
        if (writer->raw->len == CONTENT_PART_SIZE)
            end_part(writer, CODEC_SMALL);
        if (writer->held > HELD_MAX && !stage(writer, error))
            return FALSE;
    }
    return TRUE;
}

static void end_header(CacheContentWriter *writer)
{
    if (writer->raw->len || no_parts(writer))
        end_part(writer, CODEC_QUICK);
}

gboolean cache_content_writer_add(CacheContentWriter *writer, const void *data, gsize length,
                                  GError **error)
{
    const guint8 *bytes = data;

    EVP_DigestUpdate(writer->digest, data, length);
    writer->size += length;
    if (!writer->in_body) {
        gsize header = scan_header(writer, bytes, length);
        writer->header_size += header;
        if (!writer_fill(writer, bytes, header, error))
            return FALSE;
        if (writer->in_body)
            end_header(writer);
        bytes += header;
        length -= header;
    }
    return writer_fill(writer, bytes, length, error);
}

void cache_content_writer_end(CacheContentWriter *writer)
{
    if (writer->ended)
        return;
    writer->ended = TRUE;
    if (writer->raw->len || no_parts(writer))
        end_part(writer, writer->in_body ? CODEC_SMALL : CODEC_QUICK);
    EVP_DigestFinal_ex(writer->digest, writer->sha256, NULL);
}

const guint8 *content_writer_digest(CacheContentWriter *writer)
{
    return writer->sha256;
}

/* ---- making it a message's content --------------------------------------------------------- */

static gint64 digest_key(const CacheContentWriter *writer)
{
    gint64 key;
    memcpy(&key, writer->sha256, sizeof key);
    return GINT64_FROM_BE(key);
}

/* The content with the same bytes, with one reference more; 0: none. */
static gint64 share_same(CacheContentWriter *writer, CacheTxn *txn, GError **error)
{
    gint64 content = 0;
    {
        g_auto(DbQuery) query = db_query(txn->db, SQL_SAME, DB_INT(digest_key(writer)),
                                         DB_BLOB(writer->sha256, DIGEST_LEN), DB_INT(writer->size));
        if (db_next(&query))
            content = db_int(&query, 0);
        if (!db_done(&query, error))
            return 0;
    }
    return content && db_run(txn->db, error, SQL_SHARE, DB_INT(content)) ? content : 0;
}

/* A new content, or the one begun (`begun`: with its parts so far, or a header), completed. */
static gint64 complete(CacheContentWriter *writer, CacheTxn *txn, gint64 begun, GError **error)
{
    DbValue key = DB_INT(digest_key(writer)), digest = DB_BLOB(writer->sha256, DIGEST_LEN);

    if (begun) {
        if (!db_run(txn->db, error, SQL_COMPLETE, DB_INT(begun), key, digest, DB_INT(writer->size),
                    DB_INT(writer->header_size)))
            return 0;
    } else {
        if (!db_run(txn->db, error, SQL_INSERT, key, digest, DB_INT(writer->size),
                    DB_INT(writer->header_size)))
            return 0;
        begun = sqlite3_last_insert_rowid(txn->db->handle);
    }
    return write_parts(writer, txn, begun, error) ? begun : 0;
}

/* `header`: the content that has just the message's header; it becomes the whole, or goes. */
static gint64 find_or_make(CacheContentWriter *writer, CacheTxn *txn, gint64 header, GError **error)
{
    gint64 content = share_same(writer, txn, NULL);

    if (!db_sound(txn->db, error))
        return 0;
    if (!content && writer->unfinished) {
        g_array_append_val(txn->adopted, writer->unfinished);
        writer->used = TRUE;
        content = complete(writer, txn, writer->unfinished, error);
    } else if (!content) {
        return complete(writer, txn, header, error);
    }
    return content && (!header || content_release(txn, header, error)) ? content : 0;
}

static gboolean write_rendered(CacheTxn *txn, gint64 message, const CacheRendered *rendered,
                               GError **error)
{
    return db_run(txn->db, error, SQL_RENDERED, DB_INT(message),
                  rendered->sent == G_MININT64 ? DB_NULL : DB_INT(rendered->sent),
                  DB_INT(rendered->sent_zone), DB_BYTES(rendered->envelope),
                  DB_BYTES(rendered->bodystructure), DB_BYTES(rendered->structure));
}

/* The message's placements as they are; almost always one. */
static GArray *placements_of(CacheTxn *txn, gint64 message, GError **error)
{
    g_autoptr(GArray) rows = g_array_new(FALSE, FALSE, sizeof(CachePlacement));
    g_auto(DbQuery) query = db_query(txn->db, SQL_PLACEMENTS, DB_INT(message));

    while (db_next(&query)) {
        CachePlacement row;
        placement_read(&query, &row);
        g_array_append_val(rows, row);
    }
    return db_done(&query, error) ? g_steal_pointer(&rows) : NULL;
}

/* A message gets (more of) its content. */
typedef struct {
    gint64 message, content;
    int old_state, state;
    guint64 size; /* in state FULL */
} Arrival;

/* What the placements know of their message's content: its state, and its size when it is all
 * here. That changes no flags, so it takes no mod-sequence. */
static gboolean update_placements(CacheTxn *txn, const Arrival *arrival, GError **error)
{
    g_autoptr(GArray) rows = placements_of(txn, arrival->message, error);

    for (guint i = 0; rows && i < rows->len; i++) {
        CachePlacement *row = &g_array_index(rows, CachePlacement, i);
        FolderCounters *folder = counters_of(txn, row->folder, error);
        if (!folder)
            return FALSE;
        placement_count(folder, row, arrival->old_state, -1);
        row->size = arrival->state == CACHE_CONTENT_FULL ? arrival->size : row->size;
        placement_count(folder, row, arrival->state, 1);
        if (!db_run(txn->db, error, SQL_SET_PLACEMENT, DB_INT(row->folder), DB_INT(row->uid),
                    DB_INT(row->size), DB_INT(arrival->state)))
            return FALSE;
        if (folder->failing && arrival->state == CACHE_CONTENT_FULL &&
            !problem_forget_fetch(txn, row->folder, row->uid, error))
            return FALSE;
    }
    return rows != NULL;
}

static gboolean set_message(CacheTxn *txn, const Arrival *arrival, const CacheRendered *rendered,
                            GError **error)
{
    DbValue id = rendered->message_id ? DB_INT(message_id_hash(rendered->message_id)) : DB_NULL;
    gint64 message = arrival->message;

    return db_run(txn->db, error, SQL_SET_MESSAGE, DB_INT(message), DB_INT(arrival->content),
                  DB_INT(arrival->state), id) &&
           write_rendered(txn, message, rendered, error) &&
           update_placements(txn, arrival, error) &&
           text_arrived(txn, message, arrival->old_state, arrival->state, error);
}

static gboolean read_writer_message(CacheTxn *txn, gint64 message, int *state, gint64 *content,
                                    GError **error)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_MESSAGE, DB_INT(message));

    if (db_next(&query)) {
        *state = (int)db_int(&query, 0);
        *content = db_int(&query, 1);
        return TRUE;
    }
    if (db_done(&query, error))
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND, "There is no such message");
    return FALSE;
}

/* Not every provider gives the same header twice: what was made of the first is made anew. */
static gboolean note_header(CacheTxn *txn, gint64 message, GBytes *before, GError **error)
{
    if (!before)
        return TRUE;
    g_autoptr(GBytes) header = cache_content_header(txn, message, error);
    return header && (g_bytes_equal(header, before) || text_changed(txn, message, error));
}

gboolean cache_content_writer_finish(CacheContentWriter *writer, CacheTxn *txn, gint64 message,
                                     const CacheRendered *rendered, GError **error)
{
    int state;
    gint64 header;

    cache_content_writer_end(writer);
    if (!txn_writes(txn, FALSE, error) ||
        !read_writer_message(txn, message, &state, &header, error))
        return FALSE;
    if (state == CACHE_CONTENT_FULL)
        return TRUE;
    g_autoptr(GBytes) before =
        state == CACHE_CONTENT_HEADER ? cache_content_header(txn, message, NULL) : NULL;
    gint64 content = find_or_make(writer, txn, header, error);
    Arrival arrival = {message, content, state, CACHE_CONTENT_FULL, writer->size};
    return content && set_message(txn, &arrival, rendered, error) &&
           note_header(txn, message, before, error);
}

/* ---- the header alone ---------------------------------------------------------------------- */

gboolean cache_content_set_header(CacheTxn *txn, gint64 message, GBytes *header,
                                  const CacheRendered *rendered, GError **error)
{
    gsize size;
    const guint8 *data = g_bytes_get_data(header, &size);
    int state;
    gint64 content;

    if (!txn_writes(txn, FALSE, error) ||
        !read_writer_message(txn, message, &state, &content, error))
        return FALSE;
    if (state != CACHE_CONTENT_NONE)
        return TRUE;
    if (!db_run(txn->db, error, SQL_INSERT, DB_NULL, DB_NULL, DB_INT(0), DB_INT(size)))
        return FALSE;
    content = sqlite3_last_insert_rowid(txn->db->handle);
    for (guint i = 0; i < content_header_parts(size); i++) {
        gsize offset = (gsize)i * CONTENT_PART_SIZE;
        g_autoptr(GBytes) part =
            codec_compress(txn->cache->codecs, CODEC_QUICK, data ? data + offset : NULL,
                           MIN(size - offset, CONTENT_PART_SIZE));
        if (!db_run(txn->db, error, SQL_PART, DB_INT(content_part_id(content, i)), DB_BYTES(part)))
            return FALSE;
    }
    Arrival arrival = {message, content, state, CACHE_CONTENT_HEADER, 0};
    return set_message(txn, &arrival, rendered, error);
}
