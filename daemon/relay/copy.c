/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Notifications in INBOX. */
#include "daemon/relay/copy.h"

#include "daemon/relay/bounce.h"

#include "cache/change.h"
#include "cache/folder.h"
#include "cache/message.h"
#include "daemon/index/render.h"
#include "daemon/proto/mime/header.h"

#define START_SIZE (256 * 1024) /* of a message: where its header is */

/* ---- what is there already ------------------------------------------------------------------- */

typedef struct {
    gint64 folder;
    gboolean found;
} Search;

static gboolean look_at(const CachePlacement *placement, gpointer data)
{
    Search *search = data;
    search->found |= placement->alive && placement->folder == search->folder;
    return !search->found;
}

/* FALSE: the cache can't be read. */
static gboolean is_kept(CacheTxn *txn, gint64 folder, const char *message_id, gboolean *kept,
                        GError **error)
{
    Search search = {.folder = folder};
    g_autoptr(GArray) messages =
        message_id ? cache_message_by_message_id(txn, message_id, error) : NULL;

    if (message_id && !messages)
        return FALSE;
    for (guint i = 0; messages && i < messages->len && !search.found; i++)
        if (!cache_placement_each_of(txn, g_array_index(messages, gint64, i), look_at, &search,
                                     error))
            return FALSE;
    *kept = search.found;
    return TRUE;
}

/* INBOX where the message is missing; 0: it is there. */
static gboolean find_place(Cache *cache, const char *message_id, gint64 *folder, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, error);
    g_autoptr(CacheFolder) place = NULL;
    gboolean kept;

    if (txn)
        place = cache_folder_find(txn, "INBOX", NULL);
    if (txn && !place)
        g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND, "the account has no INBOX");
    if (!place || !is_kept(txn, place->id, message_id, &kept, error))
        return FALSE;
    *folder = kept ? 0 : place->id;
    return TRUE;
}

/* ---- appending ------------------------------------------------------------------------------- */

static gboolean append(Cache *cache, gint64 folder, CacheContentWriter *writer,
                       const CacheRendered *rendered, GError **error)
{
    const CacheFlags unread = {0, 0};
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    gint16 zone = (gint16)(g_date_time_get_utc_offset(now) / G_TIME_SPAN_MINUTE);
    CacheTxn *txn = cache_begin(cache, CACHE_WRITE_FULL, error);

    if (!txn)
        return FALSE;
    if (cache_append(txn, folder, writer, rendered,
                     (CacheAppend){unread, g_date_time_to_unix(now), zone}, error))
        return cache_commit(txn, error);
    cache_end(txn);
    return FALSE;
}

static gboolean keep(Cache *cache, GBytes *message, GError **error)
{
    gsize length;
    const char *text = g_bytes_get_data(message, &length);
    g_autofree char *message_id = render_message_id(text, mime_header_length(text, length));
    gint64 folder;

    if (!find_place(cache, message_id, &folder, error))
        return FALSE;
    if (folder == 0)
        return TRUE;
    g_autoptr(CacheContentWriter) writer = cache_content_writer_new(cache);
    if (!cache_content_writer_add(writer, text, length, error))
        return FALSE;
    cache_content_writer_end(writer);
    CacheRendered rendered = {0};
    render_message(text, length, TRUE, &rendered);
    gboolean ok = append(cache, folder, writer, &rendered, error);
    cache_rendered_clear(&rendered);
    return ok;
}

gboolean relay_copy_bounce(const QueueEntry *entry, gpointer data, GError **error)
{
    RelayCopy *copy = data;

    if (!relay_bounce_is_wanted(entry))
        return TRUE;
    g_autoptr(GBytes) start = queue_read(copy->queue, entry->id, 0, START_SIZE, error);
    if (!start)
        return FALSE;
    gsize length;
    const char *text = g_bytes_get_data(start, &length);
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    GString *bounce = relay_bounce_write(entry, text, text ? mime_header_length(text, length) : 0,
                                         copy->host, now);
    g_autoptr(GBytes) message = g_string_free_to_bytes(bounce);
    return keep(copy->cache, message, error);
}
