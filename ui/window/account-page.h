/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The page of one account: what it does, what is wrong, and all that can be set. */
#pragma once

#include "dbus/postern-dbus.h"

#include <adwaita.h>

/* Opens it over the page that `from` is in. Follows `account` as long as it is seen; `manager` names the
 * listeners. */
void account_page_open(GtkWidget *from, PosternAccount *account, PosternManager *manager);
