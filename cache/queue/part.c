/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Parts of messages as they are stored: a zstd frame with a checksum, so that damage shows. */
#include "cache/queue/private.h"

#include <zstd.h>

#define LEVEL 1

static void *compress(const void *data, gsize length, gsize *size)
{
    gsize room = ZSTD_compressBound(length);
    g_autofree void *packed = g_malloc(room);
    ZSTD_CCtx *context = ZSTD_createCCtx();

    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, LEVEL);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    *size = ZSTD_compress2(context, packed, room, data, length);
    ZSTD_freeCCtx(context);
    return ZSTD_isError(*size) ? NULL : g_steal_pointer(&packed);
}

/* A frame of the part's own length would be taken for the part as it is. */
GBytes *queue_part_pack(GBytes *raw)
{
    gsize length, size;
    const void *data = g_bytes_get_data(raw, &length);
    g_autofree void *packed = compress(data, length, &size);

    return packed && size != length ? g_bytes_new_take(g_steal_pointer(&packed), size)
                                    : g_bytes_ref(raw);
}

gboolean queue_part_unpack(GByteArray *out, const void *data, gsize stored, gsize raw,
                           GError **error)
{
    if (stored == raw) {
        g_byte_array_append(out, data, (guint)stored);
        return TRUE;
    }
    guint start = out->len;
    g_byte_array_set_size(out, start + (guint)raw);
    if (ZSTD_decompress(out->data + start, raw, data, stored) == raw)
        return TRUE;
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_CORRUPT,
                "The queue's copy of a message is damaged. Check the disk.");
    return FALSE;
}
