/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the provider lets the user do in a folder, as bits: one for each letter of RFC 4314, 2.1.
 * They are learnt by sync, kept with the folder, and hold offline too. Where nothing is known, and
 * in folders that exist here only, everything is allowed.
 */
#pragma once

#include "cache/flags.h"

enum {
    CACHE_RIGHT_LOOKUP = 1 << 0,     /* l: it is listed */
    CACHE_RIGHT_READ = 1 << 1,       /* r: it can be selected */
    CACHE_RIGHT_SEEN = 1 << 2,       /* s: \Seen is kept */
    CACHE_RIGHT_WRITE = 1 << 3,      /* w: the other flags are, but for \Deleted */
    CACHE_RIGHT_INSERT = 1 << 4,     /* i: messages are taken */
    CACHE_RIGHT_POST = 1 << 5,       /* p: it has an address to send to */
    CACHE_RIGHT_CREATE = 1 << 6,     /* k: folders can be made below it */
    CACHE_RIGHT_REMOVE = 1 << 7,     /* x: it can be deleted and renamed */
    CACHE_RIGHT_DELETE = 1 << 8,     /* t: \Deleted is kept */
    CACHE_RIGHT_EXPUNGE = 1 << 9,    /* e: messages can be expunged */
    CACHE_RIGHT_ADMINISTER = 1 << 10 /* a: rights can be given to others */
};

#define CACHE_RIGHTS_ALL   0x7ffu
#define CACHE_RIGHTS_FLAGS ((guint32)(CACHE_RIGHT_SEEN | CACHE_RIGHT_WRITE | CACHE_RIGHT_DELETE))

/* Where they are known from: the provider's MYRIGHTS, or what its SELECT looked like. */
#define CACHE_RIGHTS_TOLD  (1u << 30)
#define CACHE_RIGHTS_SHOWN (1u << 29)
#define CACHE_RIGHTS_KNOWN (CACHE_RIGHTS_TOLD | CACHE_RIGHTS_SHOWN)

/* The system flags that can be set and cleared with `rights` (RFC 4314, 4). */
guint32 cache_rights_system_flags(guint32 rights);

/* `flags` without those that can't be set. */
static inline CacheFlags cache_rights_limit(guint32 rights, CacheFlags flags)
{
    return (CacheFlags){flags.system & cache_rights_system_flags(rights),
                        rights & CACHE_RIGHT_WRITE ? flags.keywords : 0};
}
