/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What can go wrong with a cache, and with the queue. */
#pragma once

#include <errno.h>
#include <glib.h>

#define CACHE_ERROR (cache_error_quark())
GQuark cache_error_quark(void);

typedef enum {
    CACHE_ERROR_FAILED, /* anything SQLite reports that none of the others names */
    /* The disk is full, or a quota or limit on the size of files is reached, whether that shows
     * when a file is opened, read, written or synced: nothing was changed. */
    CACHE_ERROR_FULL,
    CACHE_ERROR_CORRUPT,   /* the database is damaged */
    CACHE_ERROR_NEWER,     /* made by a newer Postern: its schema version is not known here */
    CACHE_ERROR_LOCKED,    /* another process has it open; the message names its pid */
    CACHE_ERROR_NOT_FOUND, /* no such folder, message, or content not here */
    CACHE_ERROR_EXISTS,    /* a folder of that name is there already */
    CACHE_ERROR_INVALID,   /* a name or value that can't be (names too long, INBOX deleted, ...) */
    CACHE_ERROR_CHILDREN,  /* a folder that only has others below it can't be deleted before them */
    CACHE_ERROR_TOO_BIG,   /* a value that no database can hold; what it is of can't be stored */
    CACHE_ERROR_CANCELLED, /* someone asked for that: nothing was changed */
} CacheError;

/* Whether a system call that set `code` (errno) failed for want of room on the disk. */
static inline gboolean cache_errno_is_full(int code)
{
    return code == ENOSPC || code == EDQUOT || code == EFBIG;
}
