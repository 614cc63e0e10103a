/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What sync has found out about its own work and a restart shouldn't have to find out again: what is
 * in doubt, refused or has broken connections, by keys of sync's own (daemon/sync/notes.h). No mail
 * depends on it: a repaired cache is without.
 */
#pragma once

#include "cache/txn.h"

/* Notes `value` under `key`, as of `since` (Unix seconds); 0: forgets it. Needs a write transaction. */
gboolean cache_note_set(CacheTxn *txn, const char *key, gint64 value, gint64 since, GError **error);

/* What was noted under `key`; 0: nothing. */
gint64 cache_note_get(CacheTxn *txn, const char *key);

/* All notes: char * -> gint64 *. The caller unrefs. */
GHashTable *cache_note_list(CacheTxn *txn, GError **error);

/* Forgets what was noted before `since`. */
gboolean cache_note_purge(CacheTxn *txn, gint64 since, GError **error);
