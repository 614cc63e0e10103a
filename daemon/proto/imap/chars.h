/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The character classes of the IMAP grammar (RFC 3501, 9).
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

enum {
    IMAP_CHAR_ATOM = 1,    /* ATOM-CHAR */
    IMAP_CHAR_ASTRING = 2, /* ASTRING-CHAR: and "]" */
    IMAP_CHAR_LIST = 4,    /* list-char: and "]", "%", "*" */
    IMAP_CHAR_TAG = 8,     /* ASTRING-CHAR without "+" */
};

extern const guint8 imap_char_classes[256];

static inline gboolean imap_is_char(char c, guint8 classes)
{
    return (imap_char_classes[(guchar)c] & classes) != 0;
}

static inline gboolean imap_is_atom_char(char c)
{
    return imap_is_char(c, IMAP_CHAR_ATOM);
}

static inline gboolean imap_is_ascii(const char *text, gsize length)
{
    for (gsize i = 0; i < length; i++)
        if ((guchar)text[i] > 0x7f)
            return FALSE;
    return TRUE;
}

G_END_DECLS
