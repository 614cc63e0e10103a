/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Fetching what messages consist of: in the background as the account's prefetch says, newest
 * first, and ahead of everything else what sessions ask for (fetch.h). Only content is written,
 * never the base.
 *
 * A message that the provider doesn't give, or that breaks the connection, is set aside: a problem
 * ("fetch", with its folder and local UID) with a back-off of its own, kept over restarts; all
 * others come. If it gives none of a folder, that is one problem (UID 0), and one message is the
 * probe; other folders are found out about by themselves.
 */
#pragma once

#include "daemon/config/settings.h"
#include "daemon/fetch/fetch.h"

/* Starts one thread for requests and (at 0 that one does both, at an IMAP server) `fetchers` threads with connections of their own, which are opened when there is something
 * to fetch. */
FetchBodies *fetch_bodies_new(const AccountAccess *access, Cache *cache, guint fetchers);
/* Nothing is fetched any more: who waits for something hears so at once, and so does who asks for
 * something later. */
void fetch_bodies_stop(FetchBodies *bodies);
/* Stops, and joins. */
void fetch_bodies_free(FetchBodies *bodies);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FetchBodies, fetch_bodies_free)

/* Whether upstream is to be used, and why not. */
void fetch_bodies_set_online(FetchBodies *bodies, gboolean online, const char *reason);

/* Its connections have to prove that they still are some (net_cancel_doubt()); what was asked over one
 * that doesn't is asked again over another. */
void fetch_bodies_check(FetchBodies *bodies, NetDoubt doubt);

/* The same, for all connections, without waiting for a proof. */
void fetch_bodies_reconnect(FetchBodies *bodies);

/* Looks again for what is to be fetched: what is new, and what was set aside and is due; with
 * `everything` all that was set aside (a person asks for it). */
void fetch_bodies_wake(FetchBodies *bodies, gboolean everything);

/* `func` is called from the fetchers' threads when content has arrived, and when there is
 * nothing more to prefetch (`busy` FALSE). `no_space`: why what was fetched couldn't be kept, for the
 * disk is full, else NULL; borrowed. It must not call back. */
typedef void (*FetchListener)(gboolean busy, const char *no_space, gpointer data);
void fetch_bodies_set_listener(FetchBodies *bodies, FetchListener func, gpointer data);

/* Whether prefetch still has something to do that can be done now. */
gboolean fetch_bodies_busy(FetchBodies *bodies);

/* A folder for which two connections have shown another UIDVALIDITY than the base has, since it was
 * last given; 0: none. After a renumbering the next round mends that; where each connection has its
 * own, nothing of it ever comes from here. */
gint64 fetch_bodies_take_renumbered(FetchBodies *bodies);
