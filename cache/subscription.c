/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Subscriptions: rows of the table `subscription`, by name. */
#include "cache/subscription.h"

#include "cache/private.h"

static const char SQL_SET_VIEW[] =
    "INSERT INTO subscription (name, view, base) VALUES (?1, ?2, 0) ON CONFLICT (name)"
    " DO UPDATE SET view = ?2 WHERE view <> ?2";
static const char SQL_SET_BASE[] =
    "INSERT INTO subscription (name, view, base) VALUES (?1, 0, ?2) ON CONFLICT (name)"
    " DO UPDATE SET base = ?2 WHERE base <> ?2";
static const char SQL_TIDY[] = "DELETE FROM subscription WHERE name = ? AND view = 0 AND base = 0";
static const char SQL_FIND[] = "SELECT view, base FROM subscription WHERE name = ?";
static const char SQL_LIST[] = "SELECT name, view, base FROM subscription ORDER BY name";

static gboolean set(CacheTxn *txn, const char *sql, const char *name, gboolean subscribed,
                    GError **error)
{
    if (g_ascii_strcasecmp(name, "INBOX") == 0)
        name = "INBOX";
    return db_run(txn->db, error, sql, DB_TEXT(name), DB_INT(subscribed != FALSE)) &&
           db_run(txn->db, error, SQL_TIDY, DB_TEXT(name));
}

gboolean cache_subscribe(CacheTxn *txn, const char *name, gboolean subscribed, GError **error)
{
    if (!txn_writes(txn, TRUE, error) || !set(txn, SQL_SET_VIEW, name, subscribed, error))
        return FALSE;
    txn->list_changed = txn->pending = TRUE;
    return TRUE;
}

gboolean cache_subscribe_base(CacheTxn *txn, const char *name, gboolean subscribed, GError **error)
{
    return txn_writes(txn, FALSE, error) && set(txn, SQL_SET_BASE, name, subscribed, error);
}

void cache_subscription_find(CacheTxn *txn, const char *name, gboolean *view, gboolean *base)
{
    if (g_ascii_strcasecmp(name, "INBOX") == 0)
        name = "INBOX";
    g_auto(DbQuery) query = db_query(txn->db, SQL_FIND, DB_TEXT(name));
    gboolean known = db_next(&query);
    *view = known && db_int(&query, 0);
    *base = known && db_int(&query, 1);
}

static void subscription_free(gpointer data)
{
    CacheSubscription *subscription = data;
    g_free(subscription->name);
    g_free(subscription);
}

GPtrArray *cache_subscriptions(CacheTxn *txn, GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(subscription_free);
    g_auto(DbQuery) query = db_query(txn->db, SQL_LIST);

    while (db_next(&query)) {
        CacheSubscription *subscription = g_new(CacheSubscription, 1);
        *subscription = (CacheSubscription){g_strdup(db_column_text(&query, 0)),
                                            db_int(&query, 1) != 0, db_int(&query, 2) != 0};
        g_ptr_array_add(list, subscription);
    }
    return db_done(&query, error) ? g_steal_pointer(&list) : NULL;
}
