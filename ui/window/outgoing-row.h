/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One outgoing message in the window.
 */
#pragma once

#include <adwaita.h>

/* `entry` as ListQueue gives it. What fails is told over the row. */
GtkWidget *outgoing_row_new(GDBusConnection *connection, GVariant *entry);
