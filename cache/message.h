/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages: what placements share. Their bytes are content.h's. */
#pragma once

#include "cache/txn.h"

/* A new message without content; `remote_id` is EMAILID or X-GM-MSGID, or NULL. Its number; 0 on
 * failure. */
gint64 cache_message_new(CacheTxn *txn, const char *remote_id, GError **error);

/* The message with that remote id; 0 without error where there is none. */
gint64 cache_message_by_remote_id(CacheTxn *txn, const char *remote_id, GError **error);

/* Its remote id, or NULL; the caller frees it. */
char *cache_message_remote_id(CacheTxn *txn, gint64 message);

/* Sets it, once it is learnt (NULL: none). */
gboolean cache_message_set_remote_id(CacheTxn *txn, gint64 message, const char *remote_id,
                                     GError **error);

/* No message has one any more: those of another server would mean other messages. */
gboolean cache_message_forget_remote_ids(CacheTxn *txn, GError **error);

/* Numbers (gint64) of the messages with that Message-ID header (as in CacheRendered), for
 * rematching. */
GArray *cache_message_by_message_id(CacheTxn *txn, const char *message_id, GError **error);

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
