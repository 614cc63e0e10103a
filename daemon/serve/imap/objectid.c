/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Object identifiers (RFC 8474). */
#include "daemon/serve/imap/objectid.h"

void imap_mailbox_id_format(const CacheFolder *folder, GString *out)
{
    g_string_append_printf(out, "F%" G_GINT64_FORMAT "-%u", folder->id, folder->uidvalidity);
}

void imap_email_id_format(gint64 message, GString *out)
{
    g_string_append_printf(out, "M%" G_GINT64_FORMAT, message);
}

gint64 imap_email_id_parse(const char *id)
{
    guint64 number;
    if (id[0] != 'M' || !g_ascii_string_to_unsigned(id + 1, 10, 1, G_MAXINT64, &number, NULL))
        return 0;
    return (gint64)number;
}
