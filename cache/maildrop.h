/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is known of the messages of a POP3 maildrop: which have come, under what name and looks the
 * server has them, and what has become of them there. What has come once is remembered for good, so
 * that it never comes again, wherever clients have put it since.
 */
#pragma once

#include "cache/txn.h"

#define CACHE_DROP_DIGEST 32 /* octets: SHA-256 */

typedef enum {
    CACHE_DROP_ASIDE,   /* the server doesn't give it: tried again (problem "read", `id` its UID) */
    CACHE_DROP_HERE,    /* it has come */
    CACHE_DROP_DELETED, /* it had come, and the server has said that it is deleted there */
} CacheDropState;

typedef struct {
    gint64 id;  /* ascending as they came, never reused; 0: new */
    char *uidl; /* the server's name for it; NULL: none that says anything */
    gboolean known_digest;
    guint8 digest[CACHE_DROP_DIGEST]; /* of its header and first lines */
    guint64 size;                     /* as the server lists it */
    CacheDropState state;
    gboolean listed; /* it was in the last listing */
    gint64 since;    /* Unix seconds: when it came, or was first seen */
    gint64 changed;  /* the same: when `state` or `listed` changed */
    guint32 uid;     /* the local UID in INBOX that it came under; 0: it hasn't */
} CacheDrop;

void cache_drop_free(CacheDrop *drop);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CacheDrop, cache_drop_free)

/* All of them by `id`: CacheDrop, freed with the array. */
GPtrArray *cache_drop_list(CacheTxn *txn, GError **error);

/* Writes one as given; a new one gets its id. What came with it belongs into the same transaction. */
gboolean cache_drop_put(CacheTxn *txn, CacheDrop *drop, GError **error);

/* Forgets one. */
gboolean cache_drop_remove(CacheTxn *txn, gint64 id, GError **error);
