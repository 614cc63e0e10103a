/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The daemon over D-Bus, as it comes and goes: each of its lives gets proxies of its own, so that
 * nothing is shown or asked that is of an earlier one. No widgets here.
 */
#pragma once

#include "dbus/postern-dbus.h"

#include <gio/gio.h>

typedef struct Follower Follower;

typedef struct {
    /* It is there, and its objects are known. Both are borrowed until `went`. */
    void (*came)(PosternManager *manager, GDBusObjectManager *objects, gpointer data);
    /* It isn't there (any more); what `came` has brought is of no use. */
    void (*went)(gpointer data);
    gpointer data;
} FollowerEvents;

/* Has the daemon started where the bus can do that, and follows it; events come from the main loop. */
Follower *follower_new(GDBusConnection *connection, const FollowerEvents *events);

/* Without a last event. */
void follower_free(Follower *follower);
