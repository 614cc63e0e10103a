/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which folder is for sent mail, drafts, trash, junk, the archive: as the user says, else the provider
 * (SPECIAL-USE, RFC 6154), else, where that names no use at all, by what the folders are called.
 */
#pragma once

#include "daemon/config/settings.h"
#include "daemon/sync/listing.h"

/* Sets the role of each of the listing's folders, and which there are. `rows` are the account's CacheFolders: of two names that
 * fit a role equally, the one that has it already keeps it. */
void sync_give_roles(SyncListing *listing, const AccountSettings *settings, const GPtrArray *rows);
