/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whose a cache is that stayed when its account left the configuration. Under the same ID another
 * account may come: what wasn't sent yet isn't for its server, and its mail isn't in that cache.
 *
 *     accounts/ID/left         user and server of the account that has left
 *     accounts/ID.left-TIME    the cache of one that was followed by another
 */
#pragma once

#include "daemon/config/settings.h"

/* The account leaves the configuration; its cache stays. Best effort: what can't be noted is logged. */
void account_owner_leaves(const char *data_dir, const AccountSettings *settings);

/*
 * An account with these settings is about to use the cache of its ID. The cache of another one that
 * has left is put aside, where nothing of it is sent to anyone, but for the floor under its
 * UIDVALIDITYs; that is logged. Its own goes on. FALSE: it could not be put aside. Blocking; nothing
 * may have the cache open.
 */
gboolean account_owner_enters(const char *data_dir, const AccountSettings *settings,
                              GError **error);
