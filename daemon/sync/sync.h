/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Keeps one account's cache and its provider equal: pull, push, folders, prefetch. One thread
 * syncs, one idles, a few fetch bodies (bodies.h). Only the sync thread writes bases.
 */
#pragma once

#include "daemon/fetch/bodies.h"

typedef struct Sync Sync;

/* Starts the threads. `report` is called from them, whenever the account's state, progress or last
 * error changes. */
Sync *sync_new(const AccountAccess *access, Cache *cache, FetchBodies *bodies, AccountReport report,
               gpointer report_data);

/* Cancels everything and joins; what was pending stays recorded in the cache. */
void sync_free(Sync *sync);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Sync, sync_free)

/* The user's offline switch, and what the system says of the network: FALSE closes upstream
 * connections at once. */
void sync_set_online(Sync *sync, gboolean online);

/* The network isn't what it was, though there is one: connections that don't answer any more are
 * replaced at once, and a back-off ends. */
void sync_check(Sync *sync);

/* The machine has slept: all connections are replaced at once. */
void sync_reconnect(Sync *sync);

/* Starts a round now (also ends a back-off); returns at once. Gives the number that
 * sync_wait_round() takes. */
guint64 sync_now(Sync *sync);

/* Blocks until the round with that number has ended, and all bodies have come that come; FALSE with
 * the reason where it failed, or where something isn't here that upstream doesn't give. */
gboolean sync_wait_round(Sync *sync, guint64 round, NetCancel *cancel, GError **error);

/* Unix seconds of the last complete round; 0: never. Any thread. */
gint64 sync_last(Sync *sync);

/* Unix seconds when that round began: what was upstream then is here. 0: none since the start. Any
 * thread. */
gint64 sync_seen(Sync *sync);
