/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The error domain of the IMAP grammar. Messages are sentences for whoever reads the BAD answer or
 * the log; they name what was expected, and quote what was found only where it is a keyword.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define IMAP_ERROR imap_error_quark()

GQuark imap_error_quark(void);

typedef enum {
    IMAP_ERROR_SYNTAX,  /* not IMAP: answer BAD (server side), give up the connection (client side)
                         */
    IMAP_ERROR_LIMIT,   /* IMAP, but larger than the limits allow: answer BAD or NO [LIMIT] */
    IMAP_ERROR_CHARSET, /* SEARCH, SORT, THREAD: answer NO [BADCHARSET (UTF-8 US-ASCII)] */
    IMAP_ERROR_FLAG,    /* an unknown flag that begins with a backslash: answer BAD */
} ImapError;

G_END_DECLS
