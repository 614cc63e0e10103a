/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SEARCH on behalf of somebody who is no IMAP client (the bus): by the same code, so that the answers
 * are the same.
 */
#pragma once

#include "cache/folder.h"
#include "daemon/proto/imap/search-args.h"
#include "daemon/serve/serve.h"

/* What is found in a folder: UIDs (guint32, ascending). FALSE ends the search. */
typedef gboolean (*ImapFindFunc)(const CacheFolder *folder, const GArray *uids, gpointer data,
                                 GError **error);

typedef struct {
    const ImapSearchKey *key;
    const GPtrArray *folders; /* CacheFolder, in the order to search */
    ImapFindFunc found;
    gpointer data;
} ImapFind;

/*
 * Searches the folders, one after the other. Ends (NET_ERROR_CANCELLED) when `stream` is cancelled, or
 * nobody is at its other end; nothing is read from it or written to it. *unsearched (may be NULL)
 * counts the messages that would have had to be here and can't be had. Blocking; no cache
 * transaction may be open.
 */
gboolean imap_find(ServeAccount *account, NetStream *stream, const ImapFind *find,
                   guint *unsearched, GError **error);
