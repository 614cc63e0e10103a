/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What had vanished and is there again: a replica that had lagged, storage that was away, a backup
 * that was put in place, a deletion that was undone. It gets back its content, its flags and what
 * was still to be sent, and its local UID, unless a client may have been told that it is gone: then
 * a new one, since a client looks for what is new above the UIDs that it knows (RFC 3501, 2.3.1.1;
 * RFC 4549, 4.3.1).
 *
 * The same UID in the same epoch with the same date, and no other size or Message-ID, is the same
 * message. Under another UID Message-ID, date and size decide, unless the message is elsewhere, too,
 * of which this may be a new copy; and what was deleted or moved here
 * before it vanished is left alone: someone has put it there anew. (Unless a copy of it here has no
 * body yet: then it is what that copy is made from.) Nobody has, where it was said to be deleted in an
 * epoch that ended before the folder was read again: then it was never gone, and is to be deleted still; or
 * where most of the folder returns with it, and was gone by then.
 */
#pragma once

#include "daemon/sync/attributes.h"

/* Whether a message of that date has vanished from the folder. */
gboolean sync_may_have_returned(CacheTxn *txn, gint64 folder, gint64 date);

/* Looks for what vanished among the new `messages` (SyncServerMessage) of the selected folder, and
 * writes its local UID into `returns`; those that are matched already are passed over. */
gboolean sync_match_returned(SyncContext *context, gint64 folder, GArray *messages, GError **error);

/* Messages of a folder have been deleted, as the provider says: they aren't known to be gone until the
 * folder is read in the same epoch. Within `txn`, a write transaction. */
gboolean sync_note_deletions(SyncContext *context, CacheTxn *txn, gint64 folder, GError **error);
gboolean sync_end_deletions(SyncContext *context, CacheTxn *txn, gint64 folder, GError **error);

/* Whether the folder hasn't been read since. */
gboolean sync_has_deletions(const SyncContext *context, gint64 folder);
