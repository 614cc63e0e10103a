/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a transaction may do, and the mod-sequence it gives. */
#include "cache/private.h"

gboolean txn_writes(CacheTxn *txn, gboolean full, GError **error)
{
    if (txn->mode == CACHE_WRITE_FULL || (txn->mode == CACHE_WRITE && !full))
        return TRUE;
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID, "%s: this change needs a %s transaction",
                txn->db->path, full ? "CACHE_WRITE_FULL" : "CACHE_WRITE");
    return FALSE;
}

guint64 txn_modseq(CacheTxn *txn)
{
    if (!txn->modseq)
        txn->modseq = txn->cache->modseq + 1;
    return txn->modseq;
}
