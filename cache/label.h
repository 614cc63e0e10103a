/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Labels: which folders a message of a set-like store (set-like.h) is in, as clients change it. */
#pragma once

#include "cache/change.h"

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
