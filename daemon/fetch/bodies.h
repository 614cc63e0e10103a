/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Fetching what messages consist of: in the background as the account's prefetch says, newest
 * first, and at once, ahead of everything else, when a session asks for a message that isn't here.
 * Fetchers write content, never the base.
 */
#pragma once

#include "cache/content.h"
#include "daemon/config/settings.h"

typedef struct SyncBodies SyncBodies;

/* Starts `fetchers` threads with connections of their own, which are opened when there is something
 * to fetch. */
SyncBodies *sync_bodies_new(AccountSettings *settings, Cache *cache, AccountPassword password,
                            gpointer password_data, NetTlsClient *tls, guint fetchers);
/* Cancels and joins. */
void sync_bodies_free(SyncBodies *bodies);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SyncBodies, sync_bodies_free)

/* Called by sync: whether upstream is to be used, and why not; there is something new to fetch. */
void sync_bodies_set_online(SyncBodies *bodies, gboolean online, const char *reason);
void sync_bodies_wake(SyncBodies *bodies);

/* For sync: `func` is called from the fetchers' threads when content has arrived, and when there is
 * nothing more to prefetch (`busy` FALSE). It must not call back. */
typedef void (*SyncBodiesListener)(gboolean busy, gpointer data);
void sync_bodies_set_listener(SyncBodies *bodies, SyncBodiesListener func, gpointer data);

/* Whether prefetch still has something to do that can be done now. */
gboolean sync_bodies_busy(SyncBodies *bodies);

/*
 * Blocks until the messages `messages[0..count)` have at least `state`, or says why they can't be
 * had: offline, gone upstream (CACHE_ERROR_NOT_FOUND), cancelled. No cache transaction may be open
 * in the calling thread. Asking for many at once is one batch upstream. The session shows
 * error->message in NO [UNAVAILABLE].
 */
gboolean sync_bodies_need(SyncBodies *bodies, const gint64 *messages, gsize count,
                          CacheContentState state, NetCancel *cancel, GError **error);

/* An extract of a message: what FETCH calls BODY[section]<offset.length>. */
typedef struct {
    char *section; /* what stands between the brackets */
    guint32 offset, length;
} SyncExtract;

/*
 * Asks the provider for an extract of a large message that isn't here, instead of waiting for all
 * of it; nothing of it is kept. Fewer octets than asked for: the section ends there. NULL: as
 * sync_bodies_need() fails, also where the whole message has come meanwhile.
 */
GBytes *sync_bodies_extract(SyncBodies *bodies, gint64 message, const SyncExtract *extract,
                            NetCancel *cancel, GError **error);

/*
 * Asks the provider to search a folder by words of its own (X-GM-RAW): the base UIDs (guint32) that
 * it finds. NULL: as sync_bodies_need() fails, or the provider refuses the words.
 */
GArray *sync_bodies_search(SyncBodies *bodies, gint64 folder, const char *query, NetCancel *cancel,
                           GError **error);
