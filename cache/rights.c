/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which flags need which right. */
#include "cache/rights.h"

guint32 cache_rights_system_flags(guint32 rights)
{
    static const struct {
        guint32 right, flags;
    } needs[] = {
        {CACHE_RIGHT_SEEN, CACHE_SEEN},
        {CACHE_RIGHT_DELETE, CACHE_DELETED},
        {CACHE_RIGHT_WRITE, CACHE_ANSWERED | CACHE_FLAGGED | CACHE_DRAFT},
    };
    guint32 flags = 0;

    for (guint i = 0; i < G_N_ELEMENTS(needs); i++)
        if (rights & needs[i].right)
            flags |= needs[i].flags;
    return flags;
}
