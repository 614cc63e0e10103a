/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One account in the window: its state at a glance, its details when opened.
 */
#pragma once

#include "dbus/postern-dbus.h"

#include <adwaita.h>

#define ACCOUNT_TYPE_ROW (account_row_get_type())
G_DECLARE_FINAL_TYPE(AccountRow, account_row, ACCOUNT, ROW, AdwActionRow)

/* Follows `account` for as long as the row lives; `manager` names the listeners. */
GtkWidget *account_row_new(PosternAccount *account, PosternManager *manager);
