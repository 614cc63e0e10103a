/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From the flags of a command to those of the cache. */
#include "daemon/serve/imap/intern.h"

#include <string.h>

gboolean imap_intern_flags(CacheTxn *txn, const ImapFlags *flags, CacheFlags *out, GError **error)
{
    *out = (CacheFlags){0};
    if (!flags)
        return TRUE;
    out->system = flags->system;
    if (!flags->keywords->len)
        return TRUE;
    g_autofree const char **names = g_new0(const char *, flags->keywords->len + 1);
    memcpy(names, flags->keywords->pdata, flags->keywords->len * sizeof *names);
    out->keywords = cache_keywords_intern(txn, names, error);
    return out->keywords != G_MAXUINT32;
}
