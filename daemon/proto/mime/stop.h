/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How work on a mail learns that it is to end: whoever asked for it may have left, or Postern may be
 * stopping. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Filled in by who asks for the work, with the last two zero. */
typedef struct {
    gboolean (*stopped)(gpointer data); /* from the thread that works */
    gpointer data;
    gsize bytes;  /* looked at since it was last called */
    gboolean now; /* it has said TRUE; it isn't called any more */
} MimeStop;

/* `stopped` is called after this many bytes. */
#define MIME_STOP_BYTES 65536

/* Called when `bytes` more have been looked at. Whether to stop. `stop` NULL: never. */
static inline gboolean mime_stop_after(MimeStop *stop, gsize bytes)
{
    if (stop == NULL || stop->now)
        return stop != NULL;
    stop->bytes += bytes;
    if (stop->bytes < MIME_STOP_BYTES)
        return FALSE;
    stop->bytes = 0;
    stop->now = stop->stopped(stop->data);
    return stop->now;
}

G_END_DECLS
