/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a person decides about an operation that upstream has refused (cache/attempt.h's problems):
 * to have it tried again, or to give it up, which takes the server's version.
 */
#pragma once

#include "cache/attempt.h"

/* It is tried again at the next push (see sync_now()). NOT_FOUND: there is no such problem. */
gboolean sync_retry_pending(Cache *cache, gint64 problem, GError **error);

/*
 * The view becomes what the server has: flags as there, expunged messages come back (under new
 * local UIDs), what couldn't be copied or moved stays where it was, folders get their old names.
 * INVALID: a message or folder exists only here; it is never discarded by this.
 */
gboolean sync_give_up_pending(Cache *cache, gint64 problem, GError **error);

/* Writes the message that the problem is about to `fd`, which somebody has to be reading from.
 * INVALID: it is about a folder, or more than one message. */
gboolean sync_export_pending(Cache *cache, gint64 problem, int fd, GError **error);
