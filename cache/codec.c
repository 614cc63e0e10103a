/* SPDX-License-Identifier: GPL-3.0-or-later */
/* zstd contexts, lent out. */
#include "cache/codec.h"

#include <pthread.h>
#include <string.h>
#include <zstd.h>

static const int LEVELS[] = {[CODEC_SMALL] = 1, [CODEC_QUICK] = -1};

/* Contexts that are kept while nobody uses them; those that expand are small. */
#define KEEP_COMPRESS 2
#define KEEP_EXPAND   4

struct Codecs {
    pthread_mutex_t lock;
    ZSTD_CCtx *compress[KEEP_COMPRESS];
    ZSTD_DCtx *expand[KEEP_EXPAND];
    guint n_compress, n_expand;
};

Codecs *codecs_new(void)
{
    Codecs *codecs = g_new0(Codecs, 1);
    pthread_mutex_init(&codecs->lock, NULL);
    return codecs;
}

void codecs_free(Codecs *codecs)
{
    if (!codecs)
        return;
    while (codecs->n_compress)
        ZSTD_freeCCtx(codecs->compress[--codecs->n_compress]);
    while (codecs->n_expand)
        ZSTD_freeDCtx(codecs->expand[--codecs->n_expand]);
    pthread_mutex_destroy(&codecs->lock);
    g_free(codecs);
}

static ZSTD_CCtx *compress_take(Codecs *codecs)
{
    ZSTD_CCtx *context = NULL;

    pthread_mutex_lock(&codecs->lock);
    if (codecs->n_compress)
        context = codecs->compress[--codecs->n_compress];
    pthread_mutex_unlock(&codecs->lock);
    if (!context)
        context = ZSTD_createCCtx();
    g_assert(context);
    return context;
}

static void compress_return(Codecs *codecs, ZSTD_CCtx *context)
{
    pthread_mutex_lock(&codecs->lock);
    if (codecs->n_compress < KEEP_COMPRESS) {
        codecs->compress[codecs->n_compress++] = context;
        context = NULL;
    }
    pthread_mutex_unlock(&codecs->lock);
    ZSTD_freeCCtx(context);
}

static ZSTD_DCtx *expand_take(Codecs *codecs)
{
    ZSTD_DCtx *context = NULL;

    pthread_mutex_lock(&codecs->lock);
    if (codecs->n_expand)
        context = codecs->expand[--codecs->n_expand];
    pthread_mutex_unlock(&codecs->lock);
    if (!context)
        context = ZSTD_createDCtx();
    g_assert(context);
    return context;
}

static void expand_return(Codecs *codecs, ZSTD_DCtx *context)
{
    pthread_mutex_lock(&codecs->lock);
    if (codecs->n_expand < KEEP_EXPAND) {
        codecs->expand[codecs->n_expand++] = context;
        context = NULL;
    }
    pthread_mutex_unlock(&codecs->lock);
    ZSTD_freeDCtx(context);
}

GBytes *codec_compress(Codecs *codecs, CodecHow how, const void *data, gsize length)
{
    gsize bound = ZSTD_compressBound(length);
    guint8 *out = g_malloc(bound);
    ZSTD_CCtx *context = compress_take(codecs);
    gsize size = ZSTD_compressCCtx(context, out, bound, data, length, LEVELS[how]);

    compress_return(codecs, context);
    g_assert(!ZSTD_isError(size)); /* can't be: the room is what zstd asked for */
    return g_bytes_new_take(g_realloc(out, MAX(size, 1)), size);
}

gboolean codec_expand(Codecs *codecs, const void *data, gsize length, gsize limit, GByteArray *out)
{
    unsigned long long size = ZSTD_getFrameContentSize(data, length);
    guint before = out->len;

    if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR || size > limit)
        return FALSE;
    g_byte_array_set_size(out, before + (guint)size);
    ZSTD_DCtx *context = expand_take(codecs);
    gsize got = ZSTD_decompressDCtx(context, out->data + before, size, data, length);
    expand_return(codecs, context);
    return got == size;
}
