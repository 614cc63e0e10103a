/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Flags that both sides may change, merged bit by bit: what the user changed here is kept, in
 * everything else the server is right. Pure: keyword sets are numbers (cache/flags.h), and the two
 * operations on them come in as functions, so that a test needs no database.
 */
#pragma once

#include "cache/flags.h"

/* Operations on keyword sets; G_MAXUINT32: failed, with `error` set. */
typedef struct {
    guint32 (*unite)(guint32 a, guint32 b, gpointer data, GError **error);
    guint32 (*subtract)(guint32 a, guint32 b, gpointer data, GError **error);
    gpointer data;
} SyncKeywords;

/* Flags as the server tells of them; what was added and removed where it is the answer to that. */
typedef struct {
    CacheFlags server, add, remove;
} SyncTold;

/* What a folder upstream keeps. Outside of it flags are local: never sent, never taken away. */
typedef struct {
    guint32 system;
    gboolean keywords;
} SyncMask;

/*
 * The view after the server's flags turned out to be `server`. FALSE: a keyword operation failed (so of the others below).
 * Without local differences within the mask the result there is the server's.
 */
gboolean sync_merge(CacheFlags view, CacheFlags base, CacheFlags server, SyncMask mask,
                    const SyncKeywords *keywords, CacheFlags *merged, GError **error);

/* What push has to add and to remove upstream; both empty where nothing differs within the mask. */
gboolean sync_difference(CacheFlags view, CacheFlags base, SyncMask mask,
                         const SyncKeywords *keywords, CacheFlags *add, CacheFlags *remove,
                         GError **error);

/* The base that leaves just the differences within the mask: elsewhere it follows the view. */
CacheFlags sync_masked_base(CacheFlags view, CacheFlags base, SyncMask mask);

/*
 * The base after a STORE, as far as the server's answer shows it done.
 * Merging with it keeps what the user changed back while the command was under way.
 */
gboolean sync_stored_base(CacheFlags base, const SyncTold *told, const SyncKeywords *keywords,
                          CacheFlags *stored, GError **error);
