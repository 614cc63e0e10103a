/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The text of a multi-line POP3 answer (RFC 1939, 3), as it comes: dots are taken out, line ends
 * become CRLF, and the end is found, be it ".CRLF" or, as some servers have it, ".LF".
 */
#pragma once

#include <glib.h>

/* Zeroed: before the first octet. */
typedef struct {
    enum { POP3_TEXT_START, POP3_TEXT_INSIDE, POP3_TEXT_CR, POP3_TEXT_DOT, POP3_TEXT_DOT_CR } state;
    gboolean done; /* the line with the dot alone has come */
} Pop3Text;

/* Takes octets of the answer, and appends what they are to `out`. Gives how many were taken: all of
 * them, or as far as the end of the text. */
gsize pop3_text_feed(Pop3Text *text, const char *data, gsize length, GByteArray *out);
