/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tables of mail.db, and the steps from each version of them to the next. Private to cache/. */
#pragma once

#include "cache/db.h"
#include "cache/progress.h"

/* One step: brings a database of version `version - 1` to `version`. */
typedef struct {
    int version;
    const char *sql;
} CacheMigration;

/* The steps that make mail.db what this version of Postern expects; ends with version 0. */
extern const CacheMigration cache_migrations[];

/*
 * Runs what is missing of `steps`, each in a transaction of its own; where one fails, or is
 * cancelled, the database stays at the version before. `progress` may be NULL. CACHE_ERROR_NEWER
 * where the database is past the last step.
 */
gboolean schema_migrate(Db *db, const CacheMigration *steps, const CacheProgress *progress,
                        GError **error);

/* The version of the database; 0: it is empty. */
gboolean schema_version(Db *db, int *version, GError **error);
