/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The outgoing mail that isn't sent yet, listed: what was refused first, for that needs somebody. No
 * widgets here.
 */
#pragma once

#include "dbus/postern-dbus.h"

#include <gio/gio.h>

/* How many there are, sent ones left out; from the properties, so nothing is asked. */
guint64 outgoing_count(PosternManager *manager);

/* `entries` are GVariants as ListQueue gives them, borrowed. NULL: it can't be listed, for the daemon has
 * gone or the cancellable was cancelled; `data` isn't looked at, so it may be of no use any more. */
typedef void (*OutgoingListed)(GPtrArray *entries, gpointer data);

/* Lists at most `limit` of them, and calls listed() once. */
void outgoing_list(PosternManager *manager, guint limit, GCancellable *cancellable,
                   OutgoingListed listed, gpointer data);
