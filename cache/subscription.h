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
/* What is known of a name's subscription; FALSE for what isn't. */
void cache_subscription_find(CacheTxn *txn, const char *name, gboolean *view, gboolean *base);

GPtrArray *cache_subscriptions(CacheTxn *txn, GError **error); /* CacheSubscription, all, by name */
