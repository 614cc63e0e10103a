/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The page with an account's folders. */
#pragma once

#include "dbus/postern-dbus.h"

#include <adwaita.h>

/* Opens it over the page that `from` is in. */
void folders_page_open(GtkWidget *from, PosternAccount *account);
