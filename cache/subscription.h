/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Subscriptions, view and base. */
#pragma once

#include "cache/txn.h"

/* Subscriptions are by name, and may name folders that don't exist (RFC 3501, 6.3.6). */
typedef struct {
    char *name;
    gboolean view, base;
} CacheSubscription;
gboolean cache_subscribe(CacheTxn *txn, const char *name, gboolean subscribed, GError **error);
gboolean cache_subscribe_base(CacheTxn *txn, const char *name, gboolean subscribed, GError **error);
GPtrArray *cache_subscriptions(CacheTxn *txn, GError **error); /* CacheSubscription, all, by name */
