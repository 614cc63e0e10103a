/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The daemon on the session bus: who owns the name, which objects there are, and when their
 * properties change. It watches the daemon and its accounts, which know nothing of it. The objects'
 * methods are in manager.c, account.c, pending.c and queue.c.
 */
#pragma once

#include "daemon/daemon.h"
#include "dbus/error.h"

typedef struct Bus Bus;

/* Connects to the session bus and puts the daemon's objects there; without a bus the daemon runs
 * all the same, and the log says so. `lost` is called when the bus goes away with the name (the
 * session has ended). */
Bus *bus_new(Daemon *daemon, void (*lost)(gpointer data), gpointer data);
void bus_free(Bus *bus);

/* Takes the name. Once daemon_reload() has made the accounts, so that whoever finds the name finds
 * all objects, and for good. */
void bus_own_name(Bus *bus);

/* When somebody last called a method, in g_get_monotonic_time()'s microseconds. */
gint64 bus_last_call(Bus *bus);
