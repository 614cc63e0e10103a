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

typedef struct {
    CacheFlagsMode mode;
    const GArray *labels;    /* numbers (gint64) of folders */
    guint64 unchanged_since; /* as in CacheStore */
} CacheLabelChange;

/*
 * Adds, removes or sets labels. Setting leaves alone the folder where the messages are looked at,
 * and what is no label. A label that is spam or trash moves the message there from that folder, and
 * any label from that folder where it is one of these. The rest is as in cache_store(); `done` gets
 * CacheLabelled.
 */
gboolean cache_label(CacheTxn *txn, CacheSelection messages, CacheLabelChange change, GArray *done,
                     GArray *modified, GError **error);
