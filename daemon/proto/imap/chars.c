/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The character classes of the IMAP grammar.
 */
#include "daemon/proto/imap/chars.h"

/*
 * Sixteen characters a row. 15: ATOM-CHAR. 14: "]", in astrings but not in atoms. 4: the wildcards
 * of LIST. 7: "+", not in tags. 0: space, controls, 8-bit octets, ( ) { " and backslash.
 */
const guint8 imap_char_classes[256] = {
    [0x20] = 0, 15, 0,  15, 15, 4,  15, 15, 0,  0,  4,  7,  15, 15, 15, 15, 15, 15, 15, 15,
    15,         15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15,         15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    0,          14, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15,         15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 0,  15, 15, 15, 0,
};
