/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One outgoing message in the window.
 */
#pragma once

#include "dbus/postern-dbus.h"

#include <adwaita.h>

/* `entry` as ListQueue gives it. `failed` is called with a sentence where a button's action fails.
 */
typedef void (*QueueRowFailed)(const char *message, gpointer data);
GtkWidget *queue_row_new(GDBusConnection *connection, GVariant *entry, QueueRowFailed failed,
                         gpointer data);
