/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The status window: accounts, outgoing mail, problems, and the offline switch, live over D-Bus.
 */
#pragma once

#include <adwaita.h>

#define POSTERN_TYPE_WINDOW (postern_window_get_type())
G_DECLARE_FINAL_TYPE(PosternWindow, postern_window, POSTERN, WINDOW, AdwApplicationWindow)

GtkWidget *postern_window_new(GtkApplication *application);
