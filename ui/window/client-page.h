/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The page on which a mail program is chosen, and that with what to type into it. */
#pragma once

#include "dbus/postern-dbus.h"

#include <adwaita.h>

/* Opens it over the page that `from` is in. A local password is made when a program is chosen, not before. */
void client_page_open(GtkWidget *from, PosternAccount *account, PosternManager *manager);
