/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The cache's and the queue's errors. */
#include "cache/error.h"

/* Without the static of G_DEFINE_QUARK, which threads would share unguarded. */
GQuark cache_error_quark(void)
{
    return g_quark_from_static_string("cache-error");
}
