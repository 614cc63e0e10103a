/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What should be in an account's cache and isn't, folder by folder, and why: in numbers, and in
 * sentences for people.
 */
#pragma once

#include "cache/folder.h"
#include "daemon/config/settings.h"

/* What is wrong in the account, read once for all its folders. */
typedef struct AccountTrouble AccountTrouble;
AccountTrouble *account_trouble_read(CacheTxn *txn, GError **error);
void account_trouble_free(AccountTrouble *trouble);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AccountTrouble, account_trouble_free)

/* "3 messages of INBOX can't be fetched: …", why the folder can't be read, or that keywords are left out;
 * NULL: all is well. The caller frees. */
char *account_trouble_of(const AccountTrouble *trouble, const CacheFolder *folder);

/* What of the list of folders isn't kept; NULL: all of it is. Borrowed. */
const char *account_trouble_of_list(const AccountTrouble *trouble);

/* How many of the folder's messages aren't here though the account's prefetch wants them, those
 * included that couldn't even be listed. */
gboolean account_trouble_missing(CacheTxn *txn, const CacheFolder *folder,
                                 const AccountSettings *settings, guint64 *missing, GError **error);
