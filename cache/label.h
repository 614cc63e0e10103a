/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is particular to set-like stores (meta "set-like" is "1"): a message is in a folder once,
 * its flags but \Deleted are the same in all of them, and the folders it is in are its labels.
 * Whenever a label comes or goes, the message's placements in the other folders get a new
 * mod-sequence, so that clients that look at these hear of it.
 */
#pragma once

#include "cache/change.h"
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

/* A message whose labels a client changed, or asked to change. */
typedef struct {
    guint32 uid; /* in the folder where it did */
    gint64 message;
    guint64 modseq;
    gboolean gone; /* from that folder */
} CacheLabelled;

/*
 * Adds, removes or sets labels: `labels` are numbers (gint64) of folders. Setting leaves alone
 * `folder` itself and what is no label. A label that is spam or trash moves the message there from
 * `folder`, and any label from `folder` where that is one of these. The rest is as in
 * cache_store(); `done` gets CacheLabelled.
 */
gboolean cache_label(CacheTxn *txn, gint64 folder, const guint32 *uids, gsize count,
                     CacheFlagsMode mode, const GArray *labels, guint64 unchanged_since,
                     GArray *done, GArray *modified, GError **error);

/* ---- names and threads --------------------------------------------------------------------- */

/* The thread that upstream says a message is of; 0: not known. */
guint64 cache_message_thread(CacheTxn *txn, gint64 message);
gboolean cache_message_set_thread(CacheTxn *txn, gint64 message, guint64 thread, GError **error);

/* The numbers (gint64) of the messages of a thread. */
GArray *cache_thread_messages(CacheTxn *txn, guint64 thread, GError **error);

/* A message whose remote id and thread aren't known, and where it is upstream. */
typedef struct {
    gint64 message;
    gint64 folder;
    guint32 base_uid;
} CacheNameless;

/* Up to `limit` of them, by folder, then base UID; CacheNameless. */
GArray *cache_messages_nameless(CacheTxn *txn, guint limit, GError **error);

/*
 * Now they are known. Where another message has that remote id they are one: the older takes over
 * the placements of the younger, which ends. Needs CACHE_WRITE_FULL.
 */
gboolean cache_message_name(CacheTxn *txn, gint64 message, const char *remote_id, guint64 thread,
                            GError **error);

/* It is sent to upstream anew, which will call it something else. */
gboolean cache_message_unname(CacheTxn *txn, gint64 message, GError **error);
