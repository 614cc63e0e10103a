/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opening an account's cache, which is made anew where it is damaged. */
#pragma once

#include "cache/cache.h"

/*
 * As cache_open(). A damaged database, one that was found damaged while it was in use, and one that
 * a crash has left and that doesn't pass SQLite's check, is made anew (cache_rebuild()), with what
 * existed only here; syncing fills it again. `progress` (may be NULL) is told of all that takes
 * long. *notice: what the user should know about that (also later, as long as the old file is
 * there) or about a copy (cache_was_copied()), or NULL; the caller frees.
 */
Cache *rebuild_open(const char *dir, const CacheProgress *progress, char **notice, GError **error);
