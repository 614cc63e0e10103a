/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Import of org.postern.Postern1.Account: reads the stream that Export writes (records.h).
 *
 * Exactly once, however often it is repeated: a message is there already if the folder has one of the
 * same octets that no other message of this stream stands for. So nothing has to be remembered of an
 * import, and one that was broken off anywhere goes on where it was.
 */
#include "daemon/bus/mail.h"
#include "daemon/bus/private.h"
#include "daemon/bus/records.h"

#include "cache/change.h"
#include "cache/message.h"
#include "daemon/index/render.h"
#include "daemon/net/stream.h"
#include "daemon/proto/imap/flags.h"
#include "daemon/proto/imap/lexer.h"
#include "daemon/proto/imap/mailbox-name.h"
#include "daemon/proto/mime/header.h"
#include "daemon/serve/imap/intern.h"
#include "daemon/web/json.h"

#include <string.h>
#include <time.h>

#define LINE_MAX_OCTETS (64 * 1024)
#define BUFFER          (256 * 1024)
#define FLAGS_MAX       200

/* Messages of one transaction. */
#define BATCH_MESSAGES 50
#define BATCH_BYTES    (8 * 1024 * 1024)

/* A folder that messages go to, and what is in it that nothing of the stream stands for yet. */
typedef struct {
    gint64 id;
    GHashTable *digests;  /* GBytes → count, GUINT_TO_POINTER */
    GHashTable *bodiless; /* UIDs (guint32) that stand for a message of the stream already */
} Target;

/* A message that is to be stored with the next transaction. */
typedef struct {
    Target *target;
    CacheContentWriter *writer;
    CacheRendered rendered;
    ImapFlags *flags;
    ImapDateTime date;
} Letter;

typedef struct {
    AccountWork *work;
    const BusAsk *ask;
    char delimiter;      /* of the names in the stream; 0: the account's */
    GHashTable *targets; /* name in the stream → Target */
    GPtrArray *batch;    /* Letter */
    gsize batch_bytes;
    guint messages, known, refused;
    gboolean broken; /* storing has failed: what isn't stored isn't tried again */
    char *buffer;    /* what has been read and not used: from `start` up to `end` */
    gsize start, end;
} Import;

static void target_free(Target *target)
{
    g_hash_table_unref(target->digests);
    g_hash_table_unref(target->bodiless);
    g_free(target);
}

static void letter_free(Letter *letter)
{
    g_clear_pointer(&letter->writer, cache_content_writer_free);
    g_clear_pointer(&letter->flags, imap_flags_free);
    cache_rendered_clear(&letter->rendered);
    g_free(letter);
}

static gboolean refuse(GError **error, const char *why)
{
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_INVALID_ARGUMENT,
                "the stream can't be imported: %s", why);
    return FALSE;
}

/* ---- reading the stream ------------------------------------------------------------------------ */

/* More into the buffer. FALSE without an error: it has ended. */
static gboolean import_fill(Import *import, GError **error)
{
    if (import->start == import->end)
        import->start = import->end = 0;
    if (import->end == BUFFER) {
        memmove(import->buffer, import->buffer + import->start, import->end - import->start);
        import->end -= import->start;
        import->start = 0;
    }
    gssize n = record_read(import->ask->fd, import->work->stopping, import->buffer + import->end,
                           BUFFER - import->end, error);
    import->end += (gsize)MAX(n, 0);
    return n > 0;
}

/* The next line without its end. NULL without an error: there is none. */
static GBytes *read_line(Import *import, GError **error)
{
    GError *failure = NULL;

    for (;;) {
        gsize length = import->end - import->start;
        const char *from = import->buffer + import->start;
        const char *end = length ? memchr(from, '\n', length) : NULL;
        if (end) {
            import->start += (gsize)(end - from) + 1;
            return g_bytes_new(from, (gsize)(end - from));
        }
        if (length > LINE_MAX_OCTETS) {
            refuse(error, "a line is too long");
            return NULL;
        }
        if (import_fill(import, &failure))
            continue;
        if (failure)
            g_propagate_error(error, failure);
        else if (length)
            refuse(error, "it ends within a line");
        return NULL;
    }
}

/* `octets` NULL: passes over them. */
static gboolean read_octets(Import *import, char *octets, guint64 size, GError **error)
{
    GError *failure = NULL;

    while (size > 0) {
        gsize ready = (gsize)MIN(size, import->end - import->start);
        if (octets)
            memcpy(octets, import->buffer + import->start, ready);
        octets = octets ? octets + ready : NULL;
        import->start += ready;
        size -= ready;
        if (size == 0 || import_fill(import, &failure))
            continue;
        if (failure)
            g_propagate_error(error, failure);
        return failure ? FALSE : refuse(error, "it ends within a message");
    }
    return TRUE;
}

/* ---- folders ----------------------------------------------------------------------------------- */

static void count_digest(const guint8 *digest, gpointer data)
{
    GHashTable *digests = data;
    GBytes *key = g_bytes_new(digest, CACHE_DIGEST);
    guint count = GPOINTER_TO_UINT(g_hash_table_lookup(digests, key));

    g_hash_table_replace(digests, key, GUINT_TO_POINTER(count + 1));
}

/* The name as the account spells it: with its own delimiter between levels. */
static char *account_name(const Import *import, CacheTxn *txn, const char *name)
{
    g_autoptr(CacheFolder) inbox = cache_folder_find(txn, "INBOX", NULL);
    char *own = g_strdup(name);

    for (char *at = own; import->delimiter && inbox && inbox->delimiter && *at; at++)
        if (*at == import->delimiter)
            *at = inbox->delimiter;
    imap_name_fold_inbox(own, inbox ? inbox->delimiter : '\0');
    return own;
}

static CacheFolder *find_or_make(CacheTxn *txn, const char *name, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(CacheFolder) folder = cache_folder_find(txn, name, &failure);
    gint64 id = folder ? folder->id : 0;

    if (!folder && !g_error_matches(failure, CACHE_ERROR, CACHE_ERROR_NOT_FOUND)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return NULL;
    }
    if (!folder && !imap_name_check_new(name, error))
        return NULL;
    if (!folder || !folder->selectable)
        id = cache_folder_create(txn, name, folder ? folder->role : CACHE_ROLE_NONE, error);
    return id ? cache_folder_get(txn, id, error) : NULL;
}

static Target *open_target(Import *import, const char *name, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(import->work->cache, CACHE_WRITE_FULL, error);
    g_autofree char *own = txn ? account_name(import, txn, name) : NULL;
    g_autoptr(CacheFolder) folder = own ? find_or_make(txn, own, error) : NULL;

    if (!folder) {
        g_prefix_error(error, "%s: ", name);
        return NULL;
    }
    if (!(cache_folder_rights(folder) & CACHE_RIGHT_INSERT)) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_FAILED,
                    "the provider doesn't let you put mail into %s; choose another with --folder",
                    folder->name);
        return NULL;
    }
    if (!cache_commit(g_steal_pointer(&txn), error))
        return NULL;
    Target *target = g_new0(Target, 1);
    target->id = folder->id;
    target->digests =
        g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
    target->bodiless = g_hash_table_new(NULL, NULL);
    txn = cache_begin(import->work->cache, CACHE_READ, error);
    if (txn && cache_content_digests(txn, folder->id, count_digest, target->digests, error))
        return target;
    target_free(target);
    return NULL;
}

static Target *find_target(Import *import, const char *name, GError **error)
{
    Target *target = g_hash_table_lookup(import->targets, name);

    if (target)
        return target;
    target = open_target(import, name, error);
    if (target)
        g_hash_table_insert(import->targets, g_strdup(name), target);
    return target;
}

/* ---- what is there already --------------------------------------------------------------------- */

/* Takes one of the messages with these octets, if there is one left. */
static gboolean take_same(Target *target, const char *octets, gsize size)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    guint8 digest[CACHE_DIGEST];
    gsize length = sizeof digest;

    g_checksum_update(checksum, (const guchar *)octets, (gssize)size);
    g_checksum_get_digest(checksum, digest, &length);
    g_autoptr(GBytes) key = g_bytes_new_static(digest, sizeof digest);
    guint count = GPOINTER_TO_UINT(g_hash_table_lookup(target->digests, key));
    if (count == 0)
        return FALSE;
    g_hash_table_replace(target->digests, g_bytes_new(digest, sizeof digest),
                         GUINT_TO_POINTER(count - 1));
    return TRUE;
}

typedef struct {
    CacheTxn *txn;
    Target *target;
    guint64 size;
    gboolean found;
} Likeness;

static gboolean compare_placement(const CachePlacement *placement, gpointer data)
{
    Likeness *likeness = data;
    gpointer uid = GUINT_TO_POINTER(placement->uid);

    if (placement->folder != likeness->target->id || !placement->alive ||
        placement->size != likeness->size ||
        cache_content_state(likeness->txn, placement->message) == CACHE_CONTENT_FULL ||
        !g_hash_table_add(likeness->target->bodiless, uid))
        return TRUE;
    likeness->found = TRUE;
    return FALSE;
}

/* Of what isn't here but its header, Message-ID and size have to do. */
static gboolean take_bodiless(Import *import, Target *target, const char *octets, gsize size)
{
    g_autofree char *id = render_message_id(octets, mime_header_length(octets, size));
    g_autoptr(CacheTxn) txn = id ? cache_begin(import->work->cache, CACHE_READ, NULL) : NULL;
    g_autoptr(GArray) messages = txn ? cache_message_by_message_id(txn, id, NULL) : NULL;
    Likeness likeness = {txn, target, size, FALSE};

    for (guint i = 0; messages && i < messages->len && !likeness.found; i++)
        cache_placement_each_of(txn, g_array_index(messages, gint64, i), compare_placement,
                                &likeness, NULL);
    return likeness.found;
}

/* ---- storing ----------------------------------------------------------------------------------- */

static gboolean append_letter(CacheTxn *txn, Letter *letter, GError **error)
{
    CacheFlags flags;

    return imap_intern_flags(txn, letter->flags, &flags, error) &&
           cache_append(txn, letter->target->id, letter->writer, &letter->rendered,
                        (CacheAppend){flags, letter->date.time, (gint16)letter->date.zone},
                        error) != 0;
}

static gboolean store_batch(Import *import, GError **error)
{
    g_autoptr(CacheTxn) txn = NULL;

    if (!import->batch->len)
        return TRUE;
    import->broken = TRUE;
    txn = cache_begin(import->work->cache, CACHE_WRITE_FULL, error);
    if (!txn)
        return FALSE;
    for (guint i = 0; i < import->batch->len; i++)
        if (!append_letter(txn, import->batch->pdata[i], error))
            return FALSE;
    if (!cache_commit(g_steal_pointer(&txn), error))
        return FALSE;
    import->broken = FALSE;
    import->messages += import->batch->len;
    import->batch_bytes = 0;
    g_ptr_array_set_size(import->batch, 0);
    return TRUE;
}

static ImapDateTime read_date(JsonObject *record)
{
    ImapDateTime date = {web_json_number(record, "Date", G_MININT64),
                         (gint32)CLAMP(web_json_number(record, "Zone", 0), -1440, 1440)};

    if (date.time == G_MININT64)
        date = (ImapDateTime){time(NULL), 0};
    return date;
}

/* Those that can't be flags are left out: other programs have words of their own. */
static ImapFlags *read_flags(JsonObject *record)
{
    ImapFlags *flags = imap_flags_new();
    JsonArray *names = web_json_array(record, "Flags");

    for (guint i = 0; names && i < MIN(json_array_get_length(names), FLAGS_MAX); i++) {
        JsonNode *node = json_array_get_element(names, i);
        const char *name = JSON_NODE_HOLDS_VALUE(node) ? json_node_get_string(node) : NULL;
        if (name)
            imap_flags_add(flags, name, strlen(name));
    }
    return flags;
}

static gboolean keep(Import *import, JsonObject *record, Target *target, const char *octets,
                     gsize size, GError **error)
{
    Letter *letter = g_new0(Letter, 1);

    g_ptr_array_add(import->batch, letter);
    letter->target = target;
    letter->date = read_date(record);
    letter->flags = read_flags(record);
    letter->writer = cache_content_writer_new(import->work->cache);
    if (!cache_content_writer_add(letter->writer, octets, size, error))
        return FALSE;
    cache_content_writer_end(letter->writer);
    render_message(octets, size, TRUE, &letter->rendered);
    import->batch_bytes += size;
    return (import->batch->len < BATCH_MESSAGES && import->batch_bytes < BATCH_BYTES) ||
           store_batch(import, error);
}

static gboolean take_message(Import *import, JsonObject *record, Target *target, guint64 size,
                             GError **error)
{
    g_autofree char *octets =
        size && size <= imap_limits_default.message ? g_try_malloc((gsize)size) : NULL;

    if (!read_octets(import, octets, size, error))
        return FALSE;
    if (!octets || memchr(octets, 0, (gsize)size)) {
        import->refused++;
        return TRUE;
    }
    if (take_same(target, octets, (gsize)size) ||
        take_bodiless(import, target, octets, (gsize)size)) {
        import->known++;
        return TRUE;
    }
    return keep(import, record, target, octets, (gsize)size, error);
}

/* A line of the stream and what belongs to it. */
static gboolean take_record(Import *import, GBytes *line, GError **error)
{
    g_autoptr(JsonObject) record = web_json_read(line, NULL);
    const char *name = record ? web_json_string(record, "Folder") : NULL;
    gint64 size = record ? web_json_number(record, "Size", -1) : -1;

    if (!name || !*name)
        return refuse(error, "a line isn't JSON with a Folder");
    Target *target = find_target(import, name, error);
    if (!target)
        return FALSE;
    /* A folder, or what Export says of a message that it hasn't got. */
    if (size < 0 || web_json_number(record, "Messages", -1) >= 0 ||
        web_json_boolean(record, "Missing") || web_json_boolean(record, "Known"))
        return TRUE;
    return take_message(import, record, target, (guint64)size, error);
}

static gboolean take_all(Import *import, GError **error)
{
    GError *failure = NULL;

    for (;;) {
        g_autoptr(GBytes) line = read_line(import, &failure);
        if (!line)
            break;
        if (!take_record(import, line, &failure))
            break;
    }
    /* What came whole stays, whatever came then. */
    if (failure) {
        if (!import->broken)
            store_batch(import, NULL);
        g_propagate_error(error, failure);
        return FALSE;
    }
    return store_batch(import, error);
}

gpointer bus_import_job(AccountWork *work, gpointer data, GError **error)
{
    const BusAsk *ask = data;
    const char *delimiter = "";
    Import import = {.work = work, .ask = ask};

    g_variant_lookup(ask->options, "Delimiter", "&s", &delimiter);
    import.delimiter = *delimiter;
    import.buffer = g_malloc(BUFFER);
    import.batch = g_ptr_array_new_with_free_func((GDestroyNotify)letter_free);
    import.targets =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)target_free);
    gboolean ok = take_all(&import, error);
    g_ptr_array_unref(import.batch);
    g_hash_table_unref(import.targets);
    g_free(import.buffer);
    if (!ok)
        return NULL;
    const RecordCount counts[] = {
        {"Messages", import.messages}, {"Known", import.known}, {"Refused", import.refused}};
    return record_summary(counts, G_N_ELEMENTS(counts));
}
