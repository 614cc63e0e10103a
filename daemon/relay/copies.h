/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the Sent folder holds of a sent message. */
#pragma once

#include "cache/placement.h"
#include "daemon/relay/identity.h"

typedef enum {
    RELAY_COPY_OTHER,     /* only looks like it: another body under the same Message-ID */
    RELAY_COPY_UNKNOWN,   /* its body isn't here (yet) */
    RELAY_COPY_REWRITTEN, /* the provider has made another message of it, and says of which */
    RELAY_COPY_SAME,
} RelayCopyKind;

typedef struct {
    CachePlacement placement;
    RelayCopyKind kind;
    gboolean made_here; /* by a client of ours, or by Postern */
} RelayCopyFound;

/* Message-IDs (char *) that the newest messages of the folder had before the provider gave them others
 * (X-Microsoft-Original-Message-ID), with their local UIDs. The caller unrefs. */
GHashTable *relay_copies_renamed(CacheTxn *txn, gint64 sent, GError **error);

/* How many live messages of the folder have that Message-ID, or had it. */
guint relay_copies_count(CacheTxn *txn, gint64 sent, const char *message_id, GHashTable *renamed);

/*
 * The live messages of the folder that have the Message-ID, by UID; RelayCopyFound. `renamed`, as
 * above, may be NULL. Without a Message-ID there are none.
 */
GArray *relay_copies_find(CacheTxn *txn, gint64 sent, const RelayIdentity *identity,
                          GHashTable *renamed, GError **error);
