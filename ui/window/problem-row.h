/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A row for a change that the provider has refused, with its words and what one can do about it. */
#pragma once

#include "dbus/postern-dbus.h"

#include <adwaita.h>

/* `problem` as ListPending lists it. */
GtkWidget *problem_row_new(PosternAccount *account, GVariant *problem);
