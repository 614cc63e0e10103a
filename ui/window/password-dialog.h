/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Asks for a provider's password.
 */
#pragma once

#include "dbus/postern-dbus.h"

#include <gtk/gtk.h>

void password_dialog_show(GtkWidget *parent, PosternAccount *account);
