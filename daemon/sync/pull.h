/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pull: what the server has becomes the base, and where the user changed nothing, the view. One
 * folder at a time; what vanished is decided at the end of the round (vanished.h).
 */
#pragma once

#include "daemon/sync/context.h"

/* A message as the server tells of it. */
typedef struct {
    guint32 uid;
    CacheFlags flags;
    gint64 date;
    gint16 zone;
    guint64 size;
    char *remote_id; /* or NULL */
    guint64 thread;  /* X-GM-THRID; 0: not told */
    gboolean matched;
} SyncServerMessage;

/* An array that frees what its members hold. */
GArray *sync_server_messages_new(void);

/* Pulls one folder that is upstream. REFUSED: it can't be selected now. */
gboolean sync_pull_folder(SyncContext *context, gint64 folder, GError **error);

/* Gives messages that the base doesn't have their places (all of them but those matched). */
gboolean sync_add_arrivals(SyncContext *context, gint64 folder, GArray *messages, GError **error);

/* Writes what the folder's base is after a complete pull. */
gboolean sync_write_complete(SyncContext *context, const SyncComplete *complete, GError **error);

/* Fetches flags, date and size (and object id) of `set` ("7:*"), in batches to `func`. */
typedef gboolean (*SyncArrivalFunc)(GArray *messages, gpointer data, GError **error);
gboolean sync_fetch_attributes(SyncContext *context, const char *set, SyncArrivalFunc func,
                               gpointer data, GError **error);
