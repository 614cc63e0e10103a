/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a session asks the provider for at once, ahead of all that is fetched in the background.
 * Each call blocks until the answer is here, or says why it can't be had: offline, gone upstream
 * (CACHE_ERROR_NOT_FOUND), cancelled. No cache transaction may be open in the calling thread. The
 * session shows error->message in NO [UNAVAILABLE].
 *
 * Starting, stopping and prefetching are in bodies.h.
 */
#pragma once

#include "cache/content.h"
#include "daemon/net/cancel.h"

typedef struct FetchBodies FetchBodies;

/* Blocks until the messages `messages[0..count)` have at least `state`. Asking for many at once is
 * one batch upstream. */
gboolean fetch_content(FetchBodies *bodies, const gint64 *messages, gsize count,
                       CacheContentState state, NetCancel *cancel, GError **error);

/* An extract of a message: what FETCH calls BODY[section]<offset.length>. */
typedef struct {
    char *section; /* what stands between the brackets */
    guint32 offset, length;
} FetchExtract;

/*
 * Asks the provider for an extract of a large message that isn't here, instead of waiting for all
 * of it; nothing of it is kept. Fewer octets than asked for: the section ends there. NULL: as
 * above, also where the whole message has come meanwhile.
 */
GBytes *fetch_extract(FetchBodies *bodies, gint64 message, const FetchExtract *extract,
                      NetCancel *cancel, GError **error);

/*
 * Asks the provider to search a folder by words of its own (X-GM-RAW): the base UIDs (guint32) that
 * it finds. NULL: as above, or the provider refuses the words.
 */
GArray *fetch_search(FetchBodies *bodies, gint64 folder, const char *query, NetCancel *cancel,
                     GError **error);
