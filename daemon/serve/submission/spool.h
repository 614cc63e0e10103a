/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where a message is collected: in memory up to 1 MiB, then in an unnamed file. A Date and a
 * Message-ID that it lacks are put in front of it (RFC 6409, 8.1 and 8.2); nothing else is changed.
 */
#pragma once

#include "cache/queue/queue.h"

typedef struct {
    Queue *queue;
    guint64 limit;      /* of what is kept */
    char *domain;       /* for a Message-ID */
    gboolean complete;  /* what its header lacks was added */
    guint64 size;       /* bytes so far, beyond the limit too */
    GByteArray *memory; /* everything, or, once there is a file, the message's start */
    int fd;             /* -1: none */
    GError *error;      /* why it can't be kept; what follows is dropped */
} Spool;

Spool *spool_new(Queue *queue, guint64 limit, const char *domain);
void spool_free(Spool *spool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Spool, spool_free)

/* Never fails: a failure is kept until the message has ended. */
void spool_add(Spool *spool, const guint8 *data, gsize length);

/* The message has ended: adds what its header lacks. A failure is in spool->error. */
void spool_complete(Spool *spool);

gboolean spool_too_large(const Spool *spool);

/* The decoded Subject, where the message's start has one; else NULL. The caller frees. */
char *spool_subject(const Spool *spool);
