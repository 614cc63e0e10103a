/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Notifications in the account's INBOX of what could not be sent. */
#pragma once

#include "cache/queue/queue.h"

typedef struct {
    Queue *queue;
    Cache *cache;
    const char *host; /* the provider's server for outgoing mail */
} RelayCopy;

/* A RelayTold; `data` is a RelayCopy. A notification (bounce.h) in INBOX, unless there is one for this
 * attempt, or nobody wants one. FALSE as long as there is no INBOX. */
gboolean relay_copy_bounce(const QueueEntry *entry, gpointer data, GError **error);
