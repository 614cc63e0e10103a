/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The daemon on the session bus: who owns the name, which objects there are, and when their
 * properties change. The objects' methods are in bus-manager.c, bus-account.c and bus-queue.c.
 */
#pragma once

#include "daemon/daemon.h"
#include "dbus/error.h"

/* Connects to the session bus and takes the name; without a bus the daemon runs all the same, and
 * the log says so. `lost` is called when the bus goes away with the name (the session has ended).
 */
Bus *bus_new(Daemon *daemon, void (*lost)(gpointer data), gpointer data);
void bus_free(Bus *bus);

/* Sessions came or went. */
void bus_sessions_changed(Bus *bus);
/* Listeners, problems, online, anything else of the Manager. */
void bus_daemon_changed(Bus *bus);

/* When somebody last called a method, in g_get_monotonic_time()'s microseconds. */
gint64 bus_last_call(Bus *bus);
