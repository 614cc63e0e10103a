/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Named values that clients attach to folders and to the account. They are kept here only: nothing
 * of them is sent anywhere. A folder's values go with the folder.
 */
#pragma once

#include "cache/cache.h"

/* The "folder" of values that belong to the account as a whole. */
#define CACHE_ANNOTATION_ACCOUNT 0

typedef struct {
    char *entry;
    GBytes *value;
} CacheAnnotation;

/* All values of a folder that clients see, CacheAnnotation, by entry; freed with the array. Entries
 * whose names don't begin with a slash are Postern's own, and aren't among them. */
GPtrArray *cache_annotations(CacheTxn *txn, gint64 folder, GError **error);

/* Sets a value; NULL removes it. Needs CACHE_WRITE_FULL. Wakes those who watch the list of
 * folders, or this folder. */
gboolean cache_annotation_set(CacheTxn *txn, gint64 folder, const char *entry, GBytes *value,
                              GError **error);

/* Removes an entry from the account and all folders. Needs CACHE_WRITE_FULL. */
gboolean cache_annotation_remove_all(CacheTxn *txn, const char *entry, GError **error);

/* The value of one entry; NULL: there is none. */
GBytes *cache_annotation_get(CacheTxn *txn, gint64 folder, const char *entry);
