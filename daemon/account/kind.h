/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which kind of account a cache belongs to: one of an IMAP server, of a maildrop, or of none. */
#pragma once

#include "cache/cache.h"
#include "daemon/config/settings.h"

/*
 * Makes a new cache one of the settings' kind. Without an IMAP server all folders live here only, so
 * the usual ones are made, once: clients may delete them afterwards. That of a POP3 account becomes
 * one of an IMAP account (switch.h). FALSE where it is one of another kind (CACHE_ERROR_INVALID: what
 * is in it would be lost or sent), or can't be used.
 */
gboolean kind_prepare(Cache *cache, const AccountSettings *settings, GError **error);
