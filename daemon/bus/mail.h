/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What Search, Export (mail.c) and Import (import.c) share. */
#pragma once

#include "daemon/account/account.h"

/* AccountJob of Import; `data` is the BusAsk. */
gpointer bus_import_job(AccountWork *work, gpointer data, GError **error);
