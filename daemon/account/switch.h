/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An account whose mail came from a maildrop, and now is at an IMAP server. */
#pragma once

#include "cache/cache.h"
#include "daemon/config/settings.h"

/*
 * Makes the cache of a POP3 account one of the IMAP account that `settings` are now. Nothing of the
 * view changes. Its folders stay local (not `pushed`) until sync has found them and their messages at
 * the server (daemon/sync/join.h); of what the maildrop showed last it is noted that the server has it.
 * One transaction. FALSE: the mail is another user's (CACHE_ERROR_INVALID), or the cache can't be
 * written.
 */
gboolean account_switch_to_imap(Cache *cache, const AccountSettings *settings, GError **error);
