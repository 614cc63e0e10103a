/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How far something long has come (a migration, a check, a cache made anew), and whether it is to
 * go on.
 */
#pragma once

#include <glib.h>

typedef struct {
    /* `what` is done, for people ("updating the cache"); `share` of it, from 0 to 1, or below 0
     * where that isn't known. Called several times a second by the thread that does it. May be
     * NULL. */
    void (*told)(const char *what, double share, gpointer data);
    /* TRUE: it ends soon, with CACHE_ERROR_CANCELLED and nothing changed. May be NULL. */
    gboolean (*cancelled)(gpointer data);
    gpointer data;
} CacheProgress;
