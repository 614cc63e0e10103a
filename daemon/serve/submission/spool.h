/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where a message is collected: in memory up to 1 MiB, then in an unnamed file. */
#pragma once

#include "cache/queue/queue.h"

typedef struct {
    Queue *queue;
    guint64 limit;      /* of what is kept */
    guint64 size;       /* bytes so far, beyond the limit too */
    GByteArray *memory; /* everything, or, once there is a file, the message's start */
    int fd;             /* -1: none */
    GError *error;      /* why it can't be kept; what follows is dropped */
} Spool;

Spool *spool_new(Queue *queue, guint64 limit);
void spool_free(Spool *spool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Spool, spool_free)

/* Never fails: a failure is kept until the message has ended. */
void spool_add(Spool *spool, const guint8 *data, gsize length);

gboolean spool_too_large(const Spool *spool);

/* The decoded Subject, where the message's start has one; else NULL. The caller frees. */
char *spool_subject(const Spool *spool);
