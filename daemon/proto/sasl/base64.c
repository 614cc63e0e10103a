/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Strict base64. */
#include "daemon/proto/sasl/base64.h"

#include <string.h>

guint8 *base64_decode_strict(const char *text, gsize *length)
{
    gsize size = strlen(text), letters = size;

    if (size % 4 != 0)
        return NULL;
    while (letters > 0 && size - letters < 2 && text[letters - 1] == '=')
        letters--;
    for (gsize i = 0; i < letters; i++)
        if (!g_ascii_isalnum(text[i]) && text[i] != '+' && text[i] != '/')
            return NULL;

    guint8 *bytes = g_malloc(size / 4 * 3 + 1);
    gint state = 0;
    guint save = 0;
    *length = g_base64_decode_step(text, size, bytes, &state, &save);
    bytes[*length] = 0;
    return bytes;
}
