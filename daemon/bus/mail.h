/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What Search, Export (mail.c) and Import (import.c) share. */
#pragma once

#include "daemon/account/account.h"

/* The folders with these names, or whose names match these patterns (* and ?); none: all that hold
 * mail. CacheFolder, INBOX first. NULL: one names no folder (POSTERN_ERROR_NOT_FOUND), or the cache can't be
 * read. */
GPtrArray *bus_mail_folders(Cache *cache, const char *const *patterns, GError **error);

/* AccountJob of Import; `data` is the BusAsk. */
gpointer bus_import_job(AccountWork *work, gpointer data, GError **error);
