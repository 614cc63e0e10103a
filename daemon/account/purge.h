/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Removing all that is kept of an account: cache, local passwords, outgoing mail, secrets. What a
 * kill or a full disk interrupts is finished later, at the next start or when the ID is used again:
 * marks beside the accounts' directories say what is to go.
 *
 *     purge/ID.asked   the account is about to leave the configuration; it counts once it has
 *     purge/ID         it has: all of it is to go
 */
#pragma once

#include "cache/queue/queue.h"

/* Before the account leaves the configuration. FALSE: nothing was changed; G_IO_ERROR_NO_SPACE where
 * the disk is full. */
gboolean account_purge_ask(const char *data_dir, const char *id, GError **error);

/* It has left the configuration. */
void account_purge_decide(const char *data_dir, const char *id);

/* It has not. */
void account_purge_take_back(const char *data_dir, const char *id);

/* The IDs of what was decided and isn't done yet; `is_configured` says what has become of those that
 * were asked for when posternd last ended. The caller frees. Before anything is asked for. */
typedef gboolean (*AccountIsConfigured)(const char *id, gconstpointer data);
char **account_purges_left(const char *data_dir, AccountIsConfigured is_configured,
                           gconstpointer data);

/* Whether something of the account is still to go. */
gboolean account_purge_is_left(const char *data_dir, const char *id);

/*
 * Removes it, and the mark last; may be called again and again. The floor under its UIDVALIDITYs
 * stays, so that clients never see an old number again when the ID comes back. FALSE: not all could
 * be removed, and the mark stays. Blocking; nothing may have the cache open. `queue` may be NULL:
 * then outgoing mail can't be removed.
 */
gboolean account_purge_finish(const char *data_dir, const char *id, Queue *queue, GError **error);
