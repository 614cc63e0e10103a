/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Carrying over what can be read of a damaged database. Each table is read as far as it goes;
 * placements, which matter most, from both ends, so that a bad page costs what is on it only.
 * Numbers of folders, messages and keyword sets are other ones in the new database; local UIDs
 * stay.
 */
#include "cache/repair.h"

#include "cache/annotation.h"
#include "cache/attempt.h"
#include "cache/codec.h"
#include "cache/floor.h"
#include "cache/private.h"
#include "cache/problem.h"
#include "cache/schema.h"
#include "cache/subscription.h"
#include "cache/vanished.h"

#include <string.h>

#define BATCH      500
#define DIGEST_LEN 32
/* Between the last mod-sequence that could be read and the first new one: some may not have been
 * readable, and none may be given twice. */
#define MODSEQ_GAP 1000000

#define SELECT "SELECT " PLACEMENT_COLUMNS " FROM placement WHERE folder = ?1"

static const char SQL_KEYWORDS[] = "SELECT id, names FROM keyword_set";
static const char SQL_FORWARD[] = SELECT " AND uid > ?2 ORDER BY uid LIMIT ?3";
static const char SQL_BACKWARD[] = SELECT " AND uid > ?2 ORDER BY uid DESC";
static const char SQL_MESSAGE[] =
    "SELECT remote_id, message_id, content, state FROM message WHERE id = ?";
static const char SQL_CONTENT[] = "SELECT digest, size, header_size FROM content WHERE id = ?";
static const char SQL_PARTS[] =
    "SELECT data FROM content_part WHERE id >= ? AND id < ? ORDER BY id";
static const char SQL_RENDERED[] = "SELECT sent, sent_zone, envelope, bodystructure, structure"
                                   " FROM rendered WHERE message = ?";
static const char SQL_ANNOTATIONS[] = "SELECT folder, entry, value FROM annotation";
static const char SQL_SUBSCRIPTIONS[] = "SELECT name, view, base FROM subscription";
static const char SQL_ATTEMPTS[] =
    "SELECT id, kind, source, target, uidvalidity, uidnext, name, started FROM attempt ORDER BY id";
static const char SQL_ITEMS[] =
    "SELECT folder, uid FROM attempt_item WHERE attempt = ? ORDER BY position";
static const char SQL_ATTEMPTED[] = "SELECT 1 FROM attempt_item WHERE folder = ? AND uid = ?";
/* The first schema that has these tables. */
#define VANISHED_VERSION 12
#define MAILDROP_VERSION 13
static const char SQL_IS_VANISHED[] = "SELECT 1 FROM vanished WHERE folder = ? AND uid = ?";
static const char SQL_VANISHED[] =
    "SELECT folder, uid, uidvalidity, base_uid, alive, told, since FROM vanished";
/* With whether it is in INBOX still. */
static const char SQL_MAILDROP[] =
    "SELECT " MAILDROP_COLUMNS ", EXISTS (SELECT 1 FROM folder, placement p WHERE name = 'INBOX'"
    " AND p.folder = folder.id AND p.uid = maildrop.uid) FROM maildrop";
static const char SQL_PROBLEMS[] = "SELECT operation, folder, uid, text, since, retry FROM problem";
static const char SQL_RETIRED[] = "SELECT name, uidvalidity FROM retired";
static const char SQL_META[] = "SELECT value FROM meta WHERE key = ?";

typedef struct {
    Db *from;
    int version; /* of its schema */
    Cache *to;
    const CacheProgress *progress;
    guint64 expected, done; /* placements */
    CacheSalvage *result;
    gboolean renew;      /* all folders get new UIDVALIDITYs */
    GError *failure;     /* why it can't go on, though what it reads may be sound */
    GHashTable *folders; /* old number → new one, as for the others; gint64 */
    GHashTable *messages;
    GHashTable *contents; /* old numbers of messages that have theirs */
    GHashTable *keywords;
} Salvage;

/* ---- numbers ------------------------------------------------------------------------------ */

static void map_add(GHashTable *map, gint64 old, gint64 fresh)
{
    g_hash_table_insert(map, g_memdup2(&old, sizeof old), g_memdup2(&fresh, sizeof fresh));
}

/* 0: not known */
static gint64 map_get(GHashTable *map, gint64 old)
{
    const gint64 *fresh = g_hash_table_lookup(map, &old);
    return fresh ? *fresh : 0;
}

static GHashTable *map_new(void)
{
    return g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
}

/* What can't be read is passed over, and remembered as missing. */
static gboolean sound(Salvage *salvage, DbQuery *query)
{
    g_autoptr(GError) error = NULL;

    if (db_done(query, &error))
        return TRUE;
    salvage->result->whole = FALSE;
    /* Reading needs some room, too. */
    if (g_error_matches(error, CACHE_ERROR, CACHE_ERROR_FULL) && !salvage->failure)
        salvage->failure = g_steal_pointer(&error);
    return FALSE;
}

static gboolean goes_on(Salvage *salvage, GError **error)
{
    double share = salvage->expected ? (double)salvage->done / (double)salvage->expected : 0;

    if (salvage->failure)
        g_propagate_error(error, g_error_copy(salvage->failure));
    return !salvage->failure &&
           progress_tell(salvage->progress, "making the mail cache anew", MIN(share, 1), error);
}

/* ---- contents ----------------------------------------------------------------------------- */

/* A message on its way: how it was, and, where upstream doesn't have it, its bytes. */
typedef struct {
    char *remote_id;
    gint64 hash; /* of its Message-ID; 0: none */
    gint64 content;
    int state;
    CacheContentWriter *writer;
    CacheRendered rendered;
} Message;

static void message_clear(Message *message)
{
    g_free(message->remote_id);
    cache_content_writer_free(message->writer);
    cache_rendered_clear(&message->rendered);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Message, message_clear)

static gboolean read_salvage_message(Salvage *salvage, gint64 id, Message *message)
{
    g_auto(DbQuery) query = db_query(salvage->from, SQL_MESSAGE, DB_INT(id));

    message->state = -1;
    if (db_next(&query)) {
        message->remote_id = g_strdup(db_column_text(&query, 0));
        message->hash = db_int(&query, 1);
        message->content = db_int(&query, 2);
        message->state = (int)db_int(&query, 3);
    }
    return sound(salvage, &query) && message->state >= 0;
}

static GBytes *column_bytes(DbQuery *query, int column)
{
    const void *data = sqlite3_column_blob(query->statement, column);
    int length = sqlite3_column_bytes(query->statement, column);
    return sqlite3_column_type(query->statement, column) == SQLITE_NULL
               ? NULL
               : g_bytes_new(data, (gsize)length);
}

static void read_rendered(Salvage *salvage, gint64 id, CacheRendered *rendered)
{
    g_auto(DbQuery) query = db_query(salvage->from, SQL_RENDERED, DB_INT(id));

    rendered->sent = G_MININT64;
    if (db_next(&query)) {
        if (sqlite3_column_type(query.statement, 0) != SQLITE_NULL)
            rendered->sent = db_int(&query, 0);
        rendered->sent_zone = (gint16)db_int(&query, 1);
        rendered->envelope = column_bytes(&query, 2);
        rendered->bodystructure = column_bytes(&query, 3);
        rendered->structure = column_bytes(&query, 4);
    }
    sound(salvage, &query);
}

/* Takes the parts in anew; FALSE where they can't all be read. `error` is about the new cache. */
static gboolean copy_parts(Salvage *salvage, gint64 content, CacheContentWriter *writer,
                           GError **error)
{
    g_autoptr(GByteArray) piece = g_byte_array_new();
    g_auto(DbQuery) query = db_query(salvage->from, SQL_PARTS, DB_INT(content_part_id(content, 0)),
                                     DB_INT(content_part_id(content + 1, 0)));

    while (db_next(&query)) {
        g_byte_array_set_size(piece, 0);
        if (!codec_expand(salvage->to->codecs, sqlite3_column_blob(query.statement, 0),
                          (gsize)sqlite3_column_bytes(query.statement, 0), CONTENT_PART_SIZE,
                          piece) ||
            !cache_content_writer_add(writer, piece->data, piece->len, error))
            return FALSE;
    }
    cache_content_writer_end(writer);
    return sound(salvage, &query);
}

static gboolean digest_matches(Salvage *salvage, gint64 content, CacheContentWriter *writer)
{
    g_auto(DbQuery) query = db_query(salvage->from, SQL_CONTENT, DB_INT(content));

    return db_next(&query) && sqlite3_column_bytes(query.statement, 0) == DIGEST_LEN &&
           memcmp(sqlite3_column_blob(query.statement, 0), content_writer_digest(writer),
                  DIGEST_LEN) == 0;
}

/* message->writer is set where the bytes are what they were. */
static gboolean read_content(Salvage *salvage, gint64 id, Message *message, GError **error)
{
    g_autoptr(GError) failure = NULL;
    CacheContentWriter *writer = cache_content_writer_new(salvage->to);

    if (copy_parts(salvage, message->content, writer, &failure) &&
        digest_matches(salvage, message->content, writer)) {
        read_rendered(salvage, id, &message->rendered);
        message->writer = writer;
        return TRUE;
    }
    cache_content_writer_free(writer);
    if (!failure)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

/* ---- placements --------------------------------------------------------------------------- */

/* Rows that are written together; the bytes of their messages are taken in before. */
typedef struct {
    CachePlacement row;
    Message message;
} Carried;

/* Contents that a batch may hold in memory, of a MiB at most. */
#define BATCH_CONTENTS 16

typedef struct {
    Salvage *salvage;
    Carried carried[BATCH];
    guint count, contents;
} Batch;

static gboolean attempted(Salvage *salvage, const CachePlacement *row)
{
    g_auto(DbQuery) query =
        db_query(salvage->from, SQL_ATTEMPTED, DB_INT(row->folder), DB_INT(row->uid));
    return db_next(&query);
}

static gboolean has_vanished(Salvage *salvage, const CachePlacement *row)
{
    if (salvage->version < VANISHED_VERSION)
        return FALSE;
    g_auto(DbQuery) query =
        db_query(salvage->from, SQL_IS_VANISHED, DB_INT(row->folder), DB_INT(row->uid));
    return db_next(&query);
}

static gboolean write_content(Salvage *salvage, CacheTxn *txn, Message *message, gint64 fresh,
                              GError **error)
{
    if (!message->writer)
        return TRUE;
    salvage->result->contents++;
    return cache_content_writer_finish(message->writer, txn, fresh, &message->rendered, error);
}

/* The message's new number; it is made where this is the first of its placements. */
static gint64 write_message(Salvage *salvage, CacheTxn *txn, Carried *carried, GError **error)
{
    Message *message = &carried->message;
    gint64 fresh = map_get(salvage->messages, carried->row.message);

    if (fresh)
        return write_content(salvage, txn, message, fresh, error) ? fresh : 0;
    fresh = cache_message_new(txn, message->remote_id, error);
    if (!fresh || !set_like_nameless(txn, fresh, error) ||
        !write_content(salvage, txn, message, fresh, error) ||
        (message->hash && !message_set_hash(txn, fresh, message->hash, error)))
        return 0;
    map_add(salvage->messages, carried->row.message, fresh);
    return fresh;
}

/* Unless it is somewhere else, too. */
static gboolean drop_message(Salvage *salvage, CacheTxn *txn, gint64 old, gint64 fresh,
                             GError **error)
{
    int state;
    guint64 size;

    if (!message_collect(txn, fresh, error))
        return FALSE;
    if (!message_state(txn, fresh, &state, &size, NULL)) {
        g_hash_table_remove(salvage->messages, &old);
        g_hash_table_remove(salvage->contents, &old);
    }
    return TRUE;
}

static gboolean write_salvage_row(Salvage *salvage, CacheTxn *txn, Carried *carried, GError **error)
{
    g_autoptr(GError) failure = NULL;
    CachePlacement row = carried->row;

    row.message = write_message(salvage, txn, carried, error);
    row.folder = map_get(salvage->folders, row.folder);
    row.from_folder = map_get(salvage->folders, row.from_folder);
    row.flags.keywords = (guint32)map_get(salvage->keywords, row.flags.keywords);
    row.base_flags.keywords = (guint32)map_get(salvage->keywords, row.base_flags.keywords);
    if (!row.message)
        return FALSE;
    if (!cache_placement_put(txn, &row, &failure)) {
        if (txn->db->failure) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
        salvage->result->whole = FALSE; /* two rows that can't both be true */
        salvage->result->lost += row.alive && row.base == CACHE_BASE_NONE;
        return drop_message(salvage, txn, carried->row.message, row.message, error);
    }
    salvage->result->placements++;
    return TRUE;
}

static gboolean flush(Batch *batch, GError **error)
{
    g_autoptr(CacheTxn) txn =
        batch->count ? cache_begin(batch->salvage->to, CACHE_WRITE_FULL, error) : NULL;
    gboolean done = (txn || !batch->count) && goes_on(batch->salvage, error);

    for (guint i = 0; i < batch->count; i++) {
        done = done && write_salvage_row(batch->salvage, txn, &batch->carried[i], error);
        message_clear(&batch->carried[i].message);
    }
    batch->count = batch->contents = 0;
    return done && (!txn || cache_commit(g_steal_pointer(&txn), error));
}

/* Whether the row is to be carried over; what it takes with it is in `message`: the bytes, where
 * only they keep the message from being lost. */
static gboolean read_carried(Salvage *salvage, const CachePlacement *row, Message *message,
                             gboolean *wanted, GError **error)
{
    gboolean only_here = row->base != CACHE_BASE_PRESENT;

    *wanted = row->alive || row->base != CACHE_BASE_NONE || attempted(salvage, row) ||
              has_vanished(salvage, row);
    if (!*wanted || (map_get(salvage->messages, row->message) &&
                     (!only_here || map_get(salvage->contents, row->message))))
        return TRUE;
    gboolean known = read_salvage_message(salvage, row->message, message);
    gboolean full = message->state == CACHE_CONTENT_FULL;
    if (!only_here)
        return TRUE;
    if (full && !read_content(salvage, row->message, message, error))
        return FALSE;
    if (known && (message->writer || !full)) {
        if (message->writer)
            map_add(salvage->contents, row->message, TRUE);
        return TRUE;
    }
    *wanted = FALSE;
    salvage->result->lost += row->alive;
    salvage->result->whole = FALSE;
    return TRUE;
}

static gboolean carry(Batch *batch, const CachePlacement *row, GError **error)
{
    Carried *carried = &batch->carried[batch->count];
    gboolean wanted;

    batch->salvage->done++;
    *carried = (Carried){.row = *row};
    if (!read_carried(batch->salvage, row, &carried->message, &wanted, error) || !wanted) {
        message_clear(&carried->message);
        return !wanted;
    }
    batch->count++;
    batch->contents += carried->message.writer != NULL;
    return (batch->count < BATCH && batch->contents < BATCH_CONTENTS) || flush(batch, error);
}

static guint read_rows(Salvage *salvage, DbQuery *query, GArray *rows)
{
    CachePlacement row;

    while (db_next(query)) {
        placement_read(query, &row);
        g_array_append_val(rows, row);
    }
    sound(salvage, query);
    return rows->len;
}

/* By ascending UID, as far as that goes; *last is where. */
static gboolean carry_forward(Batch *batch, gint64 folder, guint32 *last, GError **error)
{
    g_autoptr(GArray) rows = g_array_new(FALSE, FALSE, sizeof(CachePlacement));
    guint count;

    do {
        g_array_set_size(rows, 0);
        g_auto(DbQuery) query = db_query(batch->salvage->from, SQL_FORWARD, DB_INT(folder),
                                         DB_INT(*last), DB_INT(BATCH));
        count = read_rows(batch->salvage, &query, rows);
        for (guint i = 0; i < count; i++) {
            *last = g_array_index(rows, CachePlacement, i).uid;
            if (!carry(batch, &g_array_index(rows, CachePlacement, i), error))
                return FALSE;
        }
    } while (count == BATCH);
    return TRUE;
}

/* What lies behind a bad page: from the end, as far as that goes. */
static gboolean carry_backward(Batch *batch, gint64 folder, guint32 after, GError **error)
{
    g_autoptr(GArray) rows = g_array_new(FALSE, FALSE, sizeof(CachePlacement));
    g_auto(DbQuery) query =
        db_query(batch->salvage->from, SQL_BACKWARD, DB_INT(folder), DB_INT(after));

    for (guint i = read_rows(batch->salvage, &query, rows); i > 0; i--)
        if (!carry(batch, &g_array_index(rows, CachePlacement, i - 1), error))
            return FALSE;
    return TRUE;
}

static gboolean carry_placements(Salvage *salvage, gint64 folder, gboolean *whole, GError **error)
{
    g_autofree Batch *batch = g_new0(Batch, 1);
    gboolean before = salvage->result->whole;
    guint32 last = 0;

    batch->salvage = salvage;
    salvage->result->whole = TRUE;
    gboolean done = carry_forward(batch, folder, &last, error) &&
                    (salvage->result->whole || carry_backward(batch, folder, last, error)) &&
                    flush(batch, error);
    for (guint i = 0; i < batch->count; i++)
        message_clear(&batch->carried[i].message);
    *whole = salvage->result->whole;
    salvage->result->whole &= before;
    return done;
}

/* ---- folders ------------------------------------------------------------------------------ */

/* Numbers are about the time at which they were given; damage makes up others. */
static gboolean is_plausible(guint32 uidvalidity)
{
    const gint64 ten_years = G_GINT64_CONSTANT(10) * 366 * 24 * 3600;
    return uidvalidity > 0 && uidvalidity < g_get_real_time() / G_USEC_PER_SEC + ten_years;
}

static gint64 carry_folder_row(Salvage *salvage, const CacheFolder *old, GError **error)
{
    CacheFolder row = *old;
    g_autoptr(CacheTxn) txn = cache_begin(salvage->to, CACHE_WRITE_FULL, error);

    row.base_uidnext = 0;
    row.base_highestmodseq = 0;
    row.synced = 0;
    gint64 fresh = txn ? folder_restore(txn, &row, is_plausible(row.uidvalidity), error) : 0;
    return fresh && cache_commit(g_steal_pointer(&txn), error) ? fresh : 0;
}

static gboolean carry_folder(Salvage *salvage, const CacheFolder *old, GError **error)
{
    gboolean whole;

    if (!carry_placements(salvage, old->id, &whole, error))
        return FALSE;
    g_autoptr(CacheTxn) txn = cache_begin(salvage->to, CACHE_WRITE_FULL, error);
    return txn &&
           folder_restored(txn, map_get(salvage->folders, old->id), old->uidnext, old->recent_uid,
                           !whole || salvage->renew, error) &&
           cache_commit(g_steal_pointer(&txn), error);
}

/* What a name was shown with; where that can't be read, all folders are renumbered. */
static gboolean carry_retired(Salvage *salvage, CacheTxn *txn, GError **error)
{
    g_auto(DbQuery) query = db_query(salvage->from, SQL_RETIRED);

    while (db_next(&query)) {
        const char *name = db_column_text(&query, 0);
        guint32 uidvalidity = (guint32)db_int(&query, 1);
        if (name && is_plausible(uidvalidity) && !folder_retire_name(txn, name, uidvalidity, error))
            return FALSE;
    }
    salvage->renew = !sound(salvage, &query);
    return TRUE;
}

static GPtrArray *read_folders(Salvage *salvage)
{
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)cache_folder_free);

    if (!folder_read_rows(salvage->from, salvage->version, list, NULL))
        salvage->result->whole = FALSE;
    for (guint i = 0; i < list->len; i++)
        salvage->expected += ((CacheFolder *)list->pdata[i])->exists;
    return list;
}

/*
 * Whatever is given out anew lies above all that could be read, whatever becomes of this database:
 * the floor is on the disk before there is anything to show.
 */
static gboolean raise_floor(Salvage *salvage, GPtrArray *folders, GError **error)
{
    guint32 highest = 0;

    for (guint i = 0; i < folders->len; i++) {
        guint32 uidvalidity = ((CacheFolder *)folders->pdata[i])->uidvalidity;
        highest = is_plausible(uidvalidity) ? MAX(highest, uidvalidity) : highest;
    }
    return !highest || floor_reserve(salvage->to->floor, highest, error);
}

/* Placements name folders they came from: all folders are made before the first placement. */
static gboolean carry_folders(Salvage *salvage, GError **error)
{
    g_autoptr(GPtrArray) list = read_folders(salvage);

    if (!raise_floor(salvage, list, error))
        return FALSE;
    for (guint i = 0; i < list->len; i++) {
        const CacheFolder *old = list->pdata[i];
        gint64 fresh = carry_folder_row(salvage, old, error);
        if (!fresh)
            return FALSE;
        map_add(salvage->folders, old->id, fresh);
        salvage->result->folders++;
    }
    for (guint i = 0; i < list->len; i++)
        if (!carry_folder(salvage, list->pdata[i], error))
            return FALSE;
    return goes_on(salvage, error);
}

/* ---- the small tables --------------------------------------------------------------------- */

static gboolean carry_keywords(Salvage *salvage, CacheTxn *txn, GError **error)
{
    g_auto(DbQuery) query = db_query(salvage->from, SQL_KEYWORDS);

    while (db_next(&query)) {
        const char *text = db_column_text(&query, 1);
        g_auto(GStrv) names = g_strsplit(text ? text : "", " ", -1);
        guint32 set = cache_keywords_intern(txn, (const char *const *)names, NULL);
        if (set != G_MAXUINT32)
            map_add(salvage->keywords, db_int(&query, 0), set);
    }
    sound(salvage, &query);
    return TRUE;
}

static gboolean carry_subscriptions(Salvage *salvage, CacheTxn *txn, GError **error)
{
    g_auto(DbQuery) query = db_query(salvage->from, SQL_SUBSCRIPTIONS);

    while (db_next(&query)) {
        const char *name = db_column_text(&query, 0);
        if (name && (!cache_subscribe(txn, name, db_int(&query, 1) != 0, error) ||
                     !cache_subscribe_base(txn, name, db_int(&query, 2) != 0, error)))
            return FALSE;
    }
    sound(salvage, &query);
    return TRUE;
}

static gboolean carry_annotations(Salvage *salvage, CacheTxn *txn, GError **error)
{
    g_auto(DbQuery) query = db_query(salvage->from, SQL_ANNOTATIONS);

    while (db_next(&query)) {
        gint64 old = db_int(&query, 0);
        gint64 folder = old == CACHE_ANNOTATION_ACCOUNT ? old : map_get(salvage->folders, old);
        const char *entry = db_column_text(&query, 1);
        g_autoptr(GBytes) value = g_bytes_new(sqlite3_column_blob(query.statement, 2),
                                              (gsize)sqlite3_column_bytes(query.statement, 2));
        if (entry && (folder || old == CACHE_ANNOTATION_ACCOUNT) &&
            !cache_annotation_set(txn, folder, entry, value, error))
            return FALSE;
    }
    sound(salvage, &query);
    return TRUE;
}

/* The attempt's items that are there again. */
static GArray *read_salvage_items(Salvage *salvage, CacheTxn *txn, gint64 attempt)
{
    GArray *items = g_array_new(FALSE, TRUE, sizeof(CacheAttemptItem));
    g_auto(DbQuery) query = db_query(salvage->from, SQL_ITEMS, DB_INT(attempt));

    while (db_next(&query)) {
        CachePlacement row;
        CacheAttemptItem item = {map_get(salvage->folders, db_int(&query, 0)),
                                 (guint32)db_int(&query, 1)};
        if (cache_placement_get(txn, item.folder, item.uid, &row, NULL))
            g_array_append_val(items, item);
    }
    sound(salvage, &query);
    return items;
}

static gboolean carry_attempts(Salvage *salvage, CacheTxn *txn, GError **error)
{
    g_auto(DbQuery) query = db_query(salvage->from, SQL_ATTEMPTS);

    while (db_next(&query)) {
        CacheAttempt attempt = {.kind = (CacheAttemptKind)db_int(&query, 1),
                                .source = map_get(salvage->folders, db_int(&query, 2)),
                                .target = map_get(salvage->folders, db_int(&query, 3)),
                                .uidvalidity = (guint32)db_int(&query, 4),
                                .uidnext = (guint32)db_int(&query, 5),
                                .name = (char *)db_column_text(&query, 6),
                                .started = db_int(&query, 7)};
        g_autoptr(GArray) items = read_salvage_items(salvage, txn, db_int(&query, 0));
        attempt.items = items;
        if (!cache_attempt_open(txn, &attempt, error))
            return FALSE;
    }
    sound(salvage, &query);
    return TRUE;
}

static gboolean carry_vanished(Salvage *salvage, CacheTxn *txn, GError **error)
{
    if (salvage->version < VANISHED_VERSION)
        return TRUE;
    g_auto(DbQuery) query = db_query(salvage->from, SQL_VANISHED);
    while (db_next(&query)) {
        const CacheVanished entry = {.folder = map_get(salvage->folders, db_int(&query, 0)),
                                     .uid = (guint32)db_int(&query, 1),
                                     .uidvalidity = (guint32)db_int(&query, 2),
                                     .base_uid = (guint32)db_int(&query, 3),
                                     .alive = db_int(&query, 4) != 0,
                                     .told = db_int(&query, 5) != 0,
                                     .since = db_int(&query, 6)};
        if (entry.folder && !cache_vanished_add(txn, &entry, error))
            return FALSE;
    }
    sound(salvage, &query);
    return TRUE;
}

/* What had come and can't be carried over is to come again; what clients have put elsewhere, or
 * deleted, is not. */
static gboolean is_lost_from_inbox(CacheTxn *txn, gint64 inbox, const CacheDrop *drop,
                                   gboolean was_there)
{
    CachePlacement row;
    return was_there && !cache_placement_get(txn, inbox, drop->uid, &row, NULL);
}

static gboolean carry_maildrop(Salvage *salvage, CacheTxn *txn, GError **error)
{
    g_autoptr(CacheFolder) inbox = cache_folder_find(txn, "INBOX", NULL);

    if (salvage->version < MAILDROP_VERSION || !inbox)
        return TRUE;
    g_auto(DbQuery) query = db_query_values(salvage->from, SQL_MAILDROP, NULL, 0);
    while (db_next(&query)) {
        g_autoptr(CacheDrop) drop = maildrop_read(&query);
        gboolean was_there = db_int(&query, MAILDROP_COLUMN_COUNT) != 0;
        if (!is_lost_from_inbox(txn, inbox->id, drop, was_there) &&
            !cache_drop_put(txn, drop, error))
            return FALSE;
    }
    sound(salvage, &query);
    return TRUE;
}

static gboolean carry_problems(Salvage *salvage, CacheTxn *txn, GError **error)
{
    g_auto(DbQuery) query = db_query(salvage->from, SQL_PROBLEMS);

    while (db_next(&query)) {
        CacheProblem problem = {.operation = (char *)db_column_text(&query, 0),
                                .folder = map_get(salvage->folders, db_int(&query, 1)),
                                .uid = (guint32)db_int(&query, 2),
                                .text = (char *)db_column_text(&query, 3),
                                .since = db_int(&query, 4),
                                .retry = db_int(&query, 5)};
        if (problem.operation && problem.text && !cache_problem_set(txn, &problem, error))
            return FALSE;
    }
    sound(salvage, &query);
    return TRUE;
}

static char *read_meta(Salvage *salvage, const char *key)
{
    g_auto(DbQuery) query = db_query(salvage->from, SQL_META, DB_TEXT(key));
    char *value = db_next(&query) ? g_strdup(db_column_text(&query, 0)) : NULL;

    sound(salvage, &query);
    return value;
}

/* How the account is, not how far syncing had come. */
static gboolean carry_meta(Salvage *salvage, CacheTxn *txn, GError **error)
{
    const char *const keys[] = {"set-like", "gmail",    "new-folders",
                                "kind",     "maildrop", "adopt-names"};

    for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_autofree char *value = read_meta(salvage, keys[i]);
        if (value && !cache_meta_set(txn, keys[i], value, error))
            return FALSE;
    }
    g_autofree char *modseq = read_meta(salvage, "modseq");
    txn->modseq = (modseq ? g_ascii_strtoull(modseq, NULL, 10) : 0) + MODSEQ_GAP;
    return TRUE;
}

/* ---- all of it ---------------------------------------------------------------------------- */

typedef gboolean (*CarryFunc)(Salvage *salvage, CacheTxn *txn, GError **error);

static gboolean carry_each(Salvage *salvage, const CarryFunc *funcs, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(salvage->to, CACHE_WRITE_FULL, error);

    for (; txn && *funcs; funcs++)
        if (!(*funcs)(salvage, txn, error))
            return FALSE;
    return txn && cache_commit(g_steal_pointer(&txn), error);
}

static gboolean is_new(Cache *cache, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, error);
    g_autoptr(GPtrArray) folders = txn ? cache_folder_list(txn, error) : NULL;

    if (folders && folders->len)
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID,
                    "%s has folders already; only a new cache can take over another's",
                    cache->path);
    return folders && !folders->len;
}

/* FALSE without error: it can't be opened, so there is nothing to be had. */
static gboolean open_damaged(Salvage *salvage, const char *path, gboolean *opened, GError **error)
{
    g_autoptr(GError) failure = NULL;

    salvage->from = db_open(path, DB_OPEN_DAMAGED, &failure);
    *opened = salvage->from && schema_version(salvage->from, &salvage->version, &failure);
    if (!*opened)
        salvage->result->whole = FALSE;
    if (!g_error_matches(failure, CACHE_ERROR, CACHE_ERROR_FULL) &&
        !g_error_matches(failure, CACHE_ERROR, CACHE_ERROR_LOCKED))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

static gboolean carry_all(Salvage *salvage, GError **error)
{
    static const CarryFunc before[] = {carry_meta, carry_keywords, carry_retired, NULL};
    static const CarryFunc after[] = {carry_subscriptions,
                                      carry_annotations,
                                      carry_attempts,
                                      carry_vanished,
                                      carry_maildrop,
                                      carry_problems,
                                      NULL};

    return carry_each(salvage, before, error) && carry_folders(salvage, error) &&
           carry_each(salvage, after, error) && goes_on(salvage, error);
}

gboolean cache_salvage(Cache *cache, const char *path, const CacheProgress *progress,
                       CacheSalvage *result, GError **error)
{
    g_autoptr(GHashTable) folders = map_new(), messages = map_new(), keywords = map_new();
    g_autoptr(GHashTable) contents = map_new();
    Salvage salvage = {.to = cache,
                       .progress = progress,
                       .result = result,
                       .folders = folders,
                       .messages = messages,
                       .contents = contents,
                       .keywords = keywords};
    gboolean opened = FALSE;

    *result = (CacheSalvage){.whole = TRUE};
    gboolean done = is_new(cache, error) && open_damaged(&salvage, path, &opened, error) &&
                    (!opened || carry_all(&salvage, error));
    db_close(salvage.from);
    g_clear_error(&salvage.failure);
    return done;
}
