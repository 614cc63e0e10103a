/* SPDX-License-Identifier: GPL-3.0-or-later */
/* UIDPLUS (RFC 4315). */
#include "daemon/serve/imap/uidplus.h"

void imap_uidplus_format(const GArray *uids, GString *out)
{
    for (guint i = 0; i < uids->len;) {
        guint32 first = g_array_index(uids, guint32, i), last = first;
        const char *separator = i ? "," : "";
        for (i++; i < uids->len && g_array_index(uids, guint32, i) == last + 1; i++)
            last++;
        if (first == last)
            g_string_append_printf(out, "%s%u", separator, first);
        else
            g_string_append_printf(out, "%s%u:%u", separator, first, last);
    }
}
