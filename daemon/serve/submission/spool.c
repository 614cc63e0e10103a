/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Collecting a message. */
#include "daemon/serve/submission/spool.h"

#include <errno.h>
#include <unistd.h>

#include "daemon/proto/mime/header.h"
#include "daemon/proto/mime/text.h"

#define MEMORY_MAX  (1024 * 1024)
#define START_SIZE  (64 * 1024) /* what is kept in memory beside a file: where the header is */
#define SUBJECT_MAX 1000

Spool *spool_new(Queue *queue, guint64 limit, const char *domain)
{
    Spool *spool = g_new0(Spool, 1);
    spool->queue = queue;
    spool->limit = limit;
    spool->domain = g_strdup(domain);
    spool->memory = g_byte_array_new();
    spool->fd = -1;
    return spool;
}

void spool_free(Spool *spool)
{
    if (!spool)
        return;
    if (spool->fd >= 0)
        close(spool->fd);
    g_byte_array_unref(spool->memory);
    g_clear_error(&spool->error);
    g_free(spool->domain);
    g_free(spool);
}

gboolean spool_too_large(const Spool *spool)
{
    return spool->size > spool->limit;
}

static gboolean write_all(int fd, const guint8 *data, gsize length, GError **error)
{
    while (length > 0) {
        ssize_t n = write(fd, data, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int code = errno;
            g_set_error(error, CACHE_ERROR,
                        code == ENOSPC || code == EDQUOT || code == EFBIG ? CACHE_ERROR_FULL
                                                                          : CACHE_ERROR_FAILED,
                        "The message can't be stored: %s", g_strerror(code));
            return FALSE;
        }
        data += n;
        length -= (gsize)n;
    }
    return TRUE;
}

/* ---- what the header lacks ------------------------------------------------------------------- */

/* RFC 5322, 3.3, in English whatever the user's language is. */
static char *date_text(void)
{
    static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *time = g_date_time_format(now, "%H:%M:%S %z");

    return g_strdup_printf("%s, %d %s %d %s", days[g_date_time_get_day_of_week(now) - 1],
                           g_date_time_get_day_of_month(now),
                           months[g_date_time_get_month(now) - 1], g_date_time_get_year(now), time);
}

/* Whether a header is there to add to: what begins with anything but a field or the empty line is
 * left to the provider. */
static gboolean has_header(const char *start, gsize length)
{
    const char *position = start;
    MimeField field;

    switch (mime_field_next(&position, start + length, &field)) {
    case MIME_FIELD_MORE:
        return field.name_length > 0;
    case MIME_FIELD_BLANK:
        return TRUE;
    default:
        return FALSE;
    }
}

static gboolean lacks(const char *start, gsize length, const char *name)
{
    MimeField field;
    return !mime_header_find(start, length, name, &field);
}

/* Looks at the header while all of the message so far is in memory; `whole`: nothing follows. */
static void add_missing(Spool *spool, gboolean whole)
{
    const char *start = (const char *)spool->memory->data;
    gsize length = spool->memory->len;
    g_autoptr(GString) fields = g_string_new(NULL);

    if (spool->complete)
        return;
    spool->complete = TRUE;
    gboolean seen = whole || mime_header_length(start, length) < length;
    if (length == 0 || !seen || !has_header(start, length))
        return;
    if (lacks(start, length, "Date")) {
        g_autofree char *date = date_text();
        g_string_append_printf(fields, "Date: %s\r\n", date);
    }
    if (lacks(start, length, "Message-ID")) {
        g_autofree char *id = g_uuid_string_random();
        g_string_append_printf(fields, "Message-ID: <%s@%s>\r\n", id, spool->domain);
    }
    g_byte_array_prepend(spool->memory, (const guint8 *)fields->str, (guint)fields->len);
    spool->size += fields->len;
}

void spool_complete(Spool *spool)
{
    if (spool->fd < 0)
        add_missing(spool, TRUE);
}

/* Moves what is in memory to a file, but for its start. */
static gboolean spill(Spool *spool)
{
    add_missing(spool, FALSE);
    spool->fd = queue_temporary_file(spool->queue, &spool->error);
    if (spool->fd < 0 ||
        !write_all(spool->fd, spool->memory->data, spool->memory->len, &spool->error))
        return FALSE;
    GByteArray *start = g_byte_array_new();
    g_byte_array_append(start, spool->memory->data, MIN(spool->memory->len, START_SIZE));
    g_byte_array_unref(spool->memory);
    spool->memory = start;
    return TRUE;
}

void spool_add(Spool *spool, const guint8 *data, gsize length)
{
    spool->size += length;
    if (spool->error || spool_too_large(spool) || length == 0)
        return;
    if (spool->fd < 0 && spool->memory->len + length <= MEMORY_MAX) {
        g_byte_array_append(spool->memory, data, (guint)length);
        return;
    }
    if (spool->fd >= 0 || spill(spool))
        write_all(spool->fd, data, length, &spool->error);
}

char *spool_subject(const Spool *spool)
{
    MimeField field;
    const char *start = (const char *)spool->memory->data;
    gsize length = MIN(spool->memory->len, START_SIZE);

    if (length == 0 || !mime_header_find(start, length, "Subject", &field))
        return NULL;
    return mime_text_decode_header(field.value, MIN(field.value_length, SUBJECT_MAX));
}
