/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What sync remembers over restarts of its own work, one number by a key: flags in doubt (doubt.h),
 * flags that weren't kept (push-dropped.c), what has broken connections or is refused between two
 * folders (push-state.c), losses that aren't believed yet (aside.c), and when a folder was last compared
 * as a whole (pull.c). All of it is in memory as well; the cache (note.h) is read at first, and when
 * a round failed.
 */
#pragma once

#include "daemon/sync/context.h"

/* Reads what was noted before the program was last started, or before a round failed. */
gboolean sync_load_notes(SyncContext *context, GError **error);

/* What is in memory may have been undone in the cache: it is read again. */
void sync_doubt_notes(SyncContext *context);

/* The number noted under `key`; 0: none. */
gint64 sync_note(const SyncContext *context, const char *key);

/* Notes `value` under `key`; 0: forgets it. Within `txn`, a write transaction; NULL: in one of its own.
 * FALSE: it can't be written, and isn't noted. */
gboolean sync_set_note(SyncContext *context, CacheTxn *txn, const char *key, gint64 value,
                       GError **error);

/* Flags as a number that isn't 0, unless there are none. */
gint64 sync_note_of_flags(CacheFlags flags);
CacheFlags sync_note_flags(gint64 note);

/* The key of a placement's note: `what` is a word. The caller frees it. */
char *sync_note_key(const char *what, gint64 folder, guint32 uid);
