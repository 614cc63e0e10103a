/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fuzzes what the cache reads back from its database, which a disk may have damaged: compressed
 * parts, filters, segments of text, bits of UIDs. The first byte says which. Whatever the bytes
 * are, they are refused, or what comes out makes sense. Seeds: tests/fuzz/seeds/cache. */
#include "tests/fuzz/fuzz.h"

#include "cache/codec.h"
#include "cache/filter.h"
#include "cache/folder.h"
#include "cache/placement.h"
#include "cache/search.h"

#include <sqlite3.h>
#include <string.h>

#define LIMIT 100000

static struct {
    char *dir;
    Codecs *codecs;
    Cache *cache;
    sqlite3 *db; /* past the cache */
    gint64 folder;
} home;

/* ---- the cache ------------------------------------------------------------------------------- */

static void end(void)
{
    sqlite3_close(home.db);
    cache_close(home.cache);
    codecs_free(home.codecs);
    fuzz_remove_tree(home.dir);
    g_free(home.dir);
}

static void run(const char *sql)
{
    g_assert_cmpint(sqlite3_exec(home.db, sql, NULL, NULL, NULL), ==, SQLITE_OK);
}

static void begin(void)
{
    if (home.dir)
        return;
    home.dir = g_dir_make_tmp("postern-fuzz-XXXXXX", NULL);
    home.codecs = codecs_new();
    home.cache = cache_open(home.dir, NULL, NULL);
    g_assert_nonnull(home.cache);
    atexit(end);
    CacheTxn *txn = cache_begin(home.cache, CACHE_WRITE_FULL, NULL);
    home.folder = cache_folder_create(txn, "INBOX", CACHE_ROLE_INBOX, NULL);
    g_assert_true(home.folder && cache_commit(txn, NULL));
    g_autofree char *path = g_build_filename(home.dir, "mail.db", NULL);
    g_assert_cmpint(sqlite3_open(path, &home.db), ==, SQLITE_OK);
    run("PRAGMA synchronous = OFF");
}

/* A statement whose parameters are blobs. */
static void put(const char *sql, const char *first, gsize first_length, const void *second,
                gsize second_length)
{
    sqlite3_stmt *statement;
    g_assert_cmpint(sqlite3_prepare_v2(home.db, sql, -1, &statement, NULL), ==, SQLITE_OK);
    sqlite3_bind_blob(statement, 1, first, (int)first_length, SQLITE_STATIC);
    if (sqlite3_bind_parameter_count(statement) > 1)
        sqlite3_bind_blob(statement, 2, second, (int)second_length, SQLITE_STATIC);
    g_assert_cmpint(sqlite3_step(statement), ==, SQLITE_DONE);
    sqlite3_finalize(statement);
}

/* ---- the targets ----------------------------------------------------------------------------- */

static void fuzz_codec(const char *data, gsize length)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GByteArray) same = g_byte_array_new();
    g_autoptr(GBytes) packed = codec_compress(home.codecs, CODEC_QUICK, data, length);

    if (codec_expand(home.codecs, data, length, LIMIT, out))
        g_assert_cmpuint(out->len, <=, LIMIT);
    g_assert_true(codec_expand(home.codecs, g_bytes_get_data(packed, NULL),
                               g_bytes_get_size(packed), length, same));
    g_assert_cmpmem(same->data, same->len, data, length);
}

/* A text up to the first NUL, and bytes that are taken for a filter. */
static void fuzz_filter(const char *data, gsize length)
{
    gsize text = strnlen(data, length);
    gsize from = text / 3, size = text / 2;
    g_autoptr(GBytes) filter = filter_new(data, text);

    /* What is in the text is never missed. */
    g_assert_true(filter_may_contain(g_bytes_get_data(filter, NULL), g_bytes_get_size(filter),
                                     data + from, MIN(size, text - from)));
    filter_may_contain(data + text, length - text, data, text);
}

/* Reads all texts, so that those beyond the end are seen. */
static void look(const CacheTextSegment *segment, gpointer data)
{
    for (guint i = 0; i < segment->count; i++) {
        g_assert_cmpuint(segment->starts[i], <=, segment->starts[i + 1]);
        for (guint32 at = segment->starts[i]; at < segment->starts[i + 1]; at++)
            *(guint *)data += (guint8)segment->text[at];
    }
}

/* The length of the list of messages, that list, and the texts, which are compressed here: the
 * fuzzer wouldn't guess how. */
static void fuzz_segment(const char *data, gsize length)
{
    static const CacheTextNeedle needle = {"word", 4};
    static const gint64 wanted[] = {1, 2, 3, 3, 5, 8, 64, 65, 127, 300, 4000, G_MAXINT64};
    static const CacheTextQuery query = {CACHE_TEXT_SUBJECT,   {0, 1},  wanted,
                                         G_N_ELEMENTS(wanted), &needle, 1};
    gint64 position = 0;
    guint sum = 0;

    if (length < 1)
        return;
    gsize list = MIN((guint8)data[0], length - 1);
    g_autoptr(GBytes) packed =
        codec_compress(home.codecs, CODEC_QUICK, data + 1 + list, length - 1 - list);
    run("BEGIN");
    put("REPLACE INTO text_segment (part, id, messages) VALUES (0, 1, ?)", data + 1, list, NULL, 0);
    put("REPLACE INTO text_data (id, data) VALUES (1 << 5, ?)", g_bytes_get_data(packed, NULL),
        g_bytes_get_size(packed), NULL, 0);
    run("COMMIT");
    g_autoptr(CacheTxn) txn = cache_begin(home.cache, CACHE_READ, NULL);
    if (cache_text_scan(txn, &query, &position, look, &sum, NULL))
        g_assert_cmpint(position, ==, G_MAXINT64);
}

/* Which UIDs are alive, and which are unseen; of the right size, or (an odd number of bytes) as
 * they are. The folder is empty, so bits that say otherwise aren't believed. */
static void fuzz_uids(const char *data, gsize length)
{
    char bits[2][512] = {};
    gsize half = length / 2, size = length % 2 ? half : sizeof bits[0];
    guint32 first;
    g_autofree char *sql = g_strdup_printf(
        "REPLACE INTO uid_bits (id, alive, unseen) VALUES (%" G_GINT64_FORMAT " << 20, ?, ?)",
        home.folder);

    memcpy(bits[0], data, MIN(half, sizeof bits[0]));
    memcpy(bits[1], data + half, MIN(half, sizeof bits[1]));
    put(sql, bits[0], MIN(size, sizeof bits[0]), bits[1], MIN(size, sizeof bits[1]));
    g_autoptr(CacheTxn) txn = cache_begin(home.cache, CACHE_READ, NULL);
    g_autoptr(GArray) uids = cache_uids(txn, home.folder, NULL);
    g_assert_cmpuint(uids->len, ==, 0);
    g_assert_true(cache_first_unseen(txn, home.folder, &first, NULL));
    g_assert_cmpuint(first, ==, 0);
}

static void (*const targets[])(const char *data, gsize length) = {
    fuzz_codec,
    fuzz_filter,
    fuzz_segment,
    fuzz_uids,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    begin();
    targets[data[0] % G_N_ELEMENTS(targets)]((const char *)data + 1, size - 1);
    return 0;
}
