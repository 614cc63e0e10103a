/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Change notices: who wants to know of commits is woken by an eventfd. */
#pragma once

#include "cache/txn.h"

typedef struct CacheWatch CacheWatch;

/*
 * After each commit that changes the *view* of folder `folder` (0: of any folder, and of the folder
 * list), 1 is written to `event_fd` (an eventfd owned by the caller, which outlives the watch).
 */
CacheWatch *cache_watch_view(Cache *cache, gint64 folder, int event_fd);

/* The same for commits that leave new work for push: a view that differs from its base. */
CacheWatch *cache_watch_pending(Cache *cache, int event_fd);

void cache_unwatch(CacheWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CacheWatch, cache_unwatch)
