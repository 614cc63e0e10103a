/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Makes a local password and shows what to type into a mail client.
 */
#pragma once

#include "dbus/postern-dbus.h"

#include <gtk/gtk.h>

void client_dialog_show(GtkWidget *parent, PosternAccount *account, PosternManager *manager);
