/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Watches INBOX upstream: a thread with a connection of its own that idles and wakes sync. It reads
 * and writes nothing itself.
 */
#pragma once

#include "daemon/config/settings.h"

typedef struct SyncWatch SyncWatch;

/* `changed` is called from the thread when INBOX isn't as it was. Nothing connects before
 * sync_watch_allow(). */
SyncWatch *sync_watch_new(const AccountAccess *access, void (*changed)(gpointer data),
                          gpointer data);
/* Cancels and joins. */
void sync_watch_free(SyncWatch *watch);

/* Whether it may be connected: once a round went well, until one fails. FALSE disconnects. */
void sync_watch_allow(SyncWatch *watch, gboolean allowed);

/* Its connection has to prove that it still is one (net_cancel_doubt()), else another takes its place
 * at once; a back-off ends. */
void sync_watch_check(SyncWatch *watch, NetDoubt doubt);

/* Another connection takes the place of the one there is. */
void sync_watch_reconnect(SyncWatch *watch);
