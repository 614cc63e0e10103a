/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The error domain of the IMAP grammar.
 */
#include "daemon/proto/imap/error.h"

/* Without the static of G_DEFINE_QUARK, which threads would share unguarded. */
GQuark imap_error_quark(void)
{
    return g_quark_from_static_string("imap-error");
}
