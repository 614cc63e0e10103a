/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asks for an account's servers and login name, and the password that goes there. */
#pragma once

#include "dbus/postern-dbus.h"

#include <gtk/gtk.h>

void server_dialog_show(GtkWidget *parent, PosternAccount *account);
