/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The page with all outgoing mail that isn't sent yet. */
#pragma once

#include "dbus/postern-dbus.h"

#include <adwaita.h>

/* Opens it over the page that `from` is in. */
void outgoing_page_open(GtkWidget *from, PosternManager *manager);
