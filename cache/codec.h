/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Compression of content parts: contexts are expensive to make, so a few are kept and lent out.
 * Private to cache/; any thread.
 */
#pragma once

#include <glib.h>

typedef struct Codecs Codecs;

Codecs *codecs_new(void);
void codecs_free(Codecs *codecs);

typedef enum {
    CODEC_SMALL, /* half the size, as fast as a disk */
    CODEC_QUICK, /* a fifth larger than that, expands twice as fast: for what is read by thousands
                  */
} CodecHow;

/* `data` as one zstd frame; the caller frees it with g_bytes_unref(). */
GBytes *codec_compress(Codecs *codecs, CodecHow how, const void *data, gsize length);

/* What `data` expands to, up to `limit` bytes, appended to `out`; FALSE where it is not sound. */
gboolean codec_expand(Codecs *codecs, const void *data, gsize length, gsize limit, GByteArray *out);
