/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is particular to set-like stores (meta "set-like" is "1"): a message is in a folder once,
 * its flags but \Deleted are the same in all of them, and the folders it is in are its labels.
 * Whenever a label comes or goes, the message's placements in the other folders get a new
 * mod-sequence, so that clients that look at these hear of it.
 */
#pragma once

#include "cache/folder.h"

gboolean cache_is_set_like(CacheTxn *txn);

/* Makes the account set-like, or not any more. What each message is called upstream has to be
 * learnt then, see cache_messages_nameless(). */
gboolean cache_set_set_like(CacheTxn *txn, gboolean set_like, GError **error);

/* Spam and trash: what is in one of them is in no other folder. */
static inline gboolean cache_role_excludes_labels(CacheRole role)
{
    return role == CACHE_ROLE_JUNK || role == CACHE_ROLE_TRASH;
}

/* Whether being in the folder is a label: not in that of all mail, in spam and in trash. */
gboolean cache_folder_is_label(const CacheFolder *folder);

/* The numbers (gint64, ascending) of the folders that a message is in. */
GArray *cache_message_folders(CacheTxn *txn, gint64 message, GError **error);

/* The numbers (gint64) of the messages that are in a folder. */
GArray *cache_folder_messages(CacheTxn *txn, gint64 folder, GError **error);
