/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which message is which: a sent one and its copies are those with the same Message-ID and the same
 * body. Header fields may differ: providers add some, clients keep Bcc in theirs. Line ends and empty
 * lines at the end don't count.
 */
#pragma once

#include "cache/cache.h"
#include "cache/queue/queue.h"

typedef struct {
    char *message_id; /* as CacheRendered has it; NULL: none, so nothing can be its copy */
    char *digest;     /* of the body */
} RelayIdentity;

void relay_identity_clear(RelayIdentity *identity);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RelayIdentity, relay_identity_clear)

/* Of a message in the queue. */
gboolean relay_identity_read(Queue *queue, const QueueEntry *entry, RelayIdentity *identity,
                             GError **error);

/* The digest of the body of a message in the cache; NULL without error: its body isn't here. */
char *relay_identity_digest(CacheTxn *txn, gint64 message, GError **error);
