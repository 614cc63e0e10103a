/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which UIDs of a folder are live, and which of these unseen, as bits beside the placements they
 * follow from: a session needs them all when it selects the folder, and reading a million rows for
 * that takes half a second, reading their bits a few milliseconds. A row has the bits of 4,096
 * UIDs; ranges without live UIDs have none. Whether they are complete shows in their number, which
 * the folder's counters know.
 */
#include "cache/private.h"

#include <string.h>

#define CHUNK_BITS  12
#define CHUNK_WORDS ((1 << CHUNK_BITS) / 64)
#define CHUNK_BYTES (CHUNK_WORDS * 8)

/* What a transaction holds before it writes it: the bits of a million UIDs. */
#define CHUNKS_MAX 256

typedef guint64 Bits[CHUNK_WORDS]; /* little-endian, as they are stored */

struct UidChunk {
    gint64 id;
    gboolean changed;
    Bits alive, unseen;
};

static const char SQL_GET[] = "SELECT alive, unseen FROM uid_bits WHERE id = ?";
static const char SQL_SET[] = "REPLACE INTO uid_bits (id, alive, unseen) VALUES (?, ?, ?)";
static const char SQL_DROP[] = "DELETE FROM uid_bits WHERE id = ?";
static const char SQL_CLEAR[] = "DELETE FROM uid_bits WHERE id >= ? AND id < ?";
static const char SQL_ALIVE[] = "SELECT id, alive FROM uid_bits WHERE id >= ? AND id < ?";
static const char SQL_UNSEEN[] = "SELECT id, unseen FROM uid_bits WHERE id >= ? AND id < ?";
static const char SQL_ROWS[] = "SELECT uid FROM placement WHERE folder = ? AND alive ORDER BY uid";
static const char SQL_ROW_FLAGS[] =
    "SELECT uid, system FROM placement WHERE folder = ? AND alive ORDER BY uid";
static const char SQL_COUNTERS[] = "SELECT alive, unseen FROM folder WHERE id = ?";
static const char SQL_FOLDERS[] = "SELECT id, alive, unseen FROM folder";

static gint64 chunk_id(gint64 folder, guint32 uid)
{
    return folder << (32 - CHUNK_BITS) | uid >> CHUNK_BITS;
}

/* The UID of a chunk's first bit. */
static guint32 chunk_base(gint64 id)
{
    return (guint32)(id << CHUNK_BITS);
}

/* None where it isn't what was written: their number tells. */
static void read_bits(DbQuery *query, int column, Bits bits)
{
    const void *data = sqlite3_column_blob(query->statement, column);

    if (sqlite3_column_bytes(query->statement, column) == CHUNK_BYTES)
        memcpy(bits, data, CHUNK_BYTES);
    else
        memset(bits, 0, CHUNK_BYTES);
}

static guint count_uid_bits(const Bits bits)
{
    guint count = 0;
    for (guint i = 0; i < CHUNK_WORDS; i++)
        count += (guint)__builtin_popcountll(bits[i]);
    return count;
}

/* ---- writing ------------------------------------------------------------------------------ */

static gboolean write_chunk(CacheTxn *txn, const struct UidChunk *chunk, GError **error)
{
    static const Bits none;

    if (!chunk->changed)
        return TRUE;
    if (memcmp(chunk->alive, none, CHUNK_BYTES) == 0)
        return db_run(txn->db, error, SQL_DROP, DB_INT(chunk->id));
    return db_run(txn->db, error, SQL_SET, DB_INT(chunk->id), DB_BLOB(chunk->alive, CHUNK_BYTES),
                  DB_BLOB(chunk->unseen, CHUNK_BYTES));
}

gboolean uids_flush(CacheTxn *txn, GError **error)
{
    for (guint i = 0; txn->uid_chunks && i < txn->uid_chunks->len; i++) {
        struct UidChunk *chunk = &g_array_index(txn->uid_chunks, struct UidChunk, i);
        if (!write_chunk(txn, chunk, error))
            return FALSE;
        chunk->changed = FALSE;
    }
    return TRUE;
}

static gboolean load_chunk(CacheTxn *txn, struct UidChunk *chunk, GError **error)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_GET, DB_INT(chunk->id));

    if (db_next(&query)) {
        read_bits(&query, 0, chunk->alive);
        read_bits(&query, 1, chunk->unseen);
    }
    return db_done(&query, error);
}

static struct UidChunk *get_chunk(CacheTxn *txn, gint64 id, GError **error)
{
    if (!txn->uid_chunks)
        txn->uid_chunks = g_array_new(FALSE, FALSE, sizeof(struct UidChunk));
    for (guint i = txn->uid_chunks->len; i > 0; i--) {
        struct UidChunk *chunk = &g_array_index(txn->uid_chunks, struct UidChunk, i - 1);
        if (chunk->id == id)
            return chunk;
    }
    struct UidChunk fresh = {.id = id};
    if (!load_chunk(txn, &fresh, error))
        return NULL;
    if (txn->uid_chunks->len >= CHUNKS_MAX) {
        if (!uids_flush(txn, error))
            return NULL;
        g_array_set_size(txn->uid_chunks, 0);
    }
    g_array_append_val(txn->uid_chunks, fresh);
    return &g_array_index(txn->uid_chunks, struct UidChunk, txn->uid_chunks->len - 1);
}

static void set_bit(Bits bits, guint32 uid, gboolean set)
{
    guint32 bit = uid & ((1 << CHUNK_BITS) - 1);
    guint64 mask = GUINT64_TO_LE(G_GUINT64_CONSTANT(1) << (bit & 63));

    if (set)
        bits[bit / 64] |= mask;
    else
        bits[bit / 64] &= ~mask;
}

gboolean uids_note(CacheTxn *txn, gint64 folder, guint32 uid, gboolean alive, gboolean seen,
                   GError **error)
{
    struct UidChunk *chunk = get_chunk(txn, chunk_id(folder, uid), error);

    if (!chunk)
        return FALSE;
    set_bit(chunk->alive, uid, alive);
    set_bit(chunk->unseen, uid, alive && !seen);
    chunk->changed = TRUE;
    return TRUE;
}

gboolean uids_clear(CacheTxn *txn, gint64 folder, GError **error)
{
    /* What other folders' chunks hold is kept. */
    if (!uids_flush(txn, error))
        return FALSE;
    if (txn->uid_chunks)
        g_array_set_size(txn->uid_chunks, 0);
    return db_run(txn->db, error, SQL_CLEAR, DB_INT(chunk_id(folder, 0)),
                  DB_INT(chunk_id(folder + 1, 0)));
}

/* ---- reading ------------------------------------------------------------------------------ */

/* Appends the UIDs of the bits that are set; there is room for `count` of them. */
static void append_uids(GArray *uids, guint32 base, const Bits bits, guint count)
{
    guint at = uids->len;

    g_array_set_size(uids, at + count);
    guint32 *out = &g_array_index(uids, guint32, at);
    for (guint i = 0; i < CHUNK_WORDS; i++, base += 64)
        for (guint64 left = GUINT64_FROM_LE(bits[i]); left; left &= left - 1)
            *out++ = base + (guint32)__builtin_ctzll(left);
}

/* NULL without error where the bits aren't those of `expected` messages. */
static GArray *uids_of_bits(CacheTxn *txn, gint64 folder, guint expected, GError **error)
{
    g_autoptr(GArray) uids = g_array_sized_new(FALSE, FALSE, sizeof(guint32), expected);
    g_auto(DbQuery) query =
        db_query(txn->db, SQL_ALIVE, DB_INT(chunk_id(folder, 0)), DB_INT(chunk_id(folder + 1, 0)));
    Bits bits;

    while (db_next(&query)) {
        read_bits(&query, 1, bits);
        guint count = count_uid_bits(bits);
        if (count > expected - uids->len)
            return NULL;
        append_uids(uids, chunk_base(db_int(&query, 0)), bits, count);
    }
    return db_done(&query, error) && uids->len == expected ? g_steal_pointer(&uids) : NULL;
}

GArray *uids_read(DbQuery *query, guint expected, GError **error)
{
    g_autoptr(GArray) uids = g_array_sized_new(FALSE, FALSE, sizeof(guint32), expected);

    while (db_next(query)) {
        guint32 uid = (guint32)db_int(query, 0);
        g_array_append_val(uids, uid);
    }
    return db_done(query, error) ? g_steal_pointer(&uids) : NULL;
}

static GArray *uids_of_rows(CacheTxn *txn, gint64 folder, guint expected, GError **error)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_ROWS, DB_INT(folder));

    return uids_read(&query, expected, error);
}

static gboolean read_counters(CacheTxn *txn, gint64 folder, guint *alive, guint *unseen,
                              GError **error)
{
    if (!counters_flush(txn, error) || !uids_flush(txn, error))
        return FALSE;
    g_auto(DbQuery) query = db_query(txn->db, SQL_COUNTERS, DB_INT(folder));
    if (!db_next(&query)) {
        if (db_done(&query, error))
            g_set_error(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND, "The folder is gone");
        return FALSE;
    }
    *alive = (guint)db_int(&query, 0);
    *unseen = (guint)db_int(&query, 1);
    return TRUE;
}

GArray *cache_uids(CacheTxn *txn, gint64 folder, GError **error)
{
    g_autoptr(GError) failure = NULL;
    guint alive, unseen;

    if (!read_counters(txn, folder, &alive, &unseen, error))
        return NULL;
    GArray *uids = uids_of_bits(txn, folder, alive, &failure);
    if (uids)
        return uids;
    if (!failure)
        return uids_of_rows(txn, folder, alive, error);
    g_propagate_error(error, g_steal_pointer(&failure));
    return NULL;
}

static guint32 first_uid(guint32 base, const Bits bits)
{
    guint i = 0;
    while (!bits[i])
        i++;
    return base + i * 64 + (guint32)__builtin_ctzll(GUINT64_FROM_LE(bits[i]));
}

/* How many are unseen by their bits, and the first of these. */
static gboolean read_unseen(CacheTxn *txn, gint64 folder, guint *count, guint32 *first,
                            GError **error)
{
    g_auto(DbQuery) query =
        db_query(txn->db, SQL_UNSEEN, DB_INT(chunk_id(folder, 0)), DB_INT(chunk_id(folder + 1, 0)));
    Bits bits;

    *count = 0;
    while (db_next(&query)) {
        read_bits(&query, 1, bits);
        guint found = count_uid_bits(bits);
        if (found && !*count)
            *first = first_uid(chunk_base(db_int(&query, 0)), bits);
        *count += found;
    }
    return db_done(&query, error);
}

gboolean cache_first_unseen(CacheTxn *txn, gint64 folder, guint32 *uid, GError **error)
{
    guint alive, unseen, count;

    *uid = 0;
    if (!read_counters(txn, folder, &alive, &unseen, error) ||
        !read_unseen(txn, folder, &count, uid, error))
        return FALSE;
    if (count != unseen)
        *uid = 0;
    return TRUE;
}

/* ---- mending ------------------------------------------------------------------------------ */

GArray *uids_wrong(CacheTxn *txn, GError **error)
{
    g_autoptr(GArray) wrong = g_array_new(FALSE, FALSE, sizeof(gint64));
    g_auto(DbQuery) query = db_query(txn->db, SQL_FOLDERS);

    while (db_next(&query)) {
        gint64 folder = db_int(&query, 0);
        g_autoptr(GArray) uids = uids_of_bits(txn, folder, (guint)db_int(&query, 1), NULL);
        guint unseen;
        guint32 first;
        if (!read_unseen(txn, folder, &unseen, &first, error))
            return NULL;
        if (!uids || unseen != db_int(&query, 2))
            g_array_append_val(wrong, folder);
    }
    return db_done(&query, error) ? g_steal_pointer(&wrong) : NULL;
}

gboolean uids_rebuild(CacheTxn *txn, gint64 folder, GError **error)
{
    if (!uids_clear(txn, folder, error))
        return FALSE;
    g_auto(DbQuery) query = db_query(txn->db, SQL_ROW_FLAGS, DB_INT(folder));
    while (db_next(&query))
        if (!uids_note(txn, folder, (guint32)db_int(&query, 0), TRUE,
                       (db_int(&query, 1) & CACHE_SEEN) != 0, error))
            return FALSE;
    return db_done(&query, error);
}
