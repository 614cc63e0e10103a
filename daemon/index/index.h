/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The thread that puts the text of an account's messages into the cache's segments
 * (cache/search.h). It sleeps until content arrives, runs behind everything else, and is never
 * waited for: searches read what isn't in a segment yet from the messages themselves.
 */
#pragma once

#include "cache/search.h"
#include "daemon/net/cancel.h"

typedef struct Indexer Indexer;

/* Starts the thread; `cache` outlives it. `account` is in the thread's name. */
Indexer *indexer_new(Cache *cache, const char *account);
/* Stops and joins it, within milliseconds. */
void indexer_free(Indexer *indexer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Indexer, indexer_free)

/* What the thread does: writes one segment, if there is enough for one (*worked), else compacts, if
 * there is need for it. Nothing is written once `cancel` is triggered. */
gboolean index_step(Cache *cache, NetCancel *cancel, gboolean *worked, GError **error);
