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

Spool *spool_new(Queue *queue, guint64 limit)
{
    Spool *spool = g_new0(Spool, 1);
    spool->queue = queue;
    spool->limit = limit;
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

/* Moves what is in memory to a file, but for its start. */
static gboolean spill(Spool *spool)
{
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
