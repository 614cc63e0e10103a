/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Folders that were here only and now belong to an IMAP server, after an account's switch from POP3
 * (daemon/account/switch.h). They aren't `pushed`, so that nothing is sent, until they and their
 * messages have been looked for at the server: what is there already isn't sent, fetched or doubled.
 */
#pragma once

#include "daemon/sync/attributes.h"
#include "daemon/sync/listing.h"

/* Whether it is one of these: nothing of it is sent yet. */
static inline gboolean sync_is_to_join(const CacheFolder *folder)
{
    return !folder->pushed;
}

/*
 * Gives the folders that were here before (`rows`: CacheFolder) the names that the server would have
 * for them: its prefix and delimiter, and of the folders for sent mail, drafts and so on those that
 * it has for that. Once, as meta "adopt-names" asks for; *changed: rows are other ones now.
 */
gboolean sync_adopt_names(SyncContext *context, const SyncListing *listing, const GPtrArray *rows,
                          gboolean *changed, GError **error);

/*
 * The selected folder is one of these: its messages are matched with the server's by their bytes, one
 * to one, and from then on the folder is one like all others. What was set of flags here stays; what
 * isn't there is sent by push. Gives the server's messages (SyncServerMessage; freed by the caller), of
 * which those not `matched` are to arrive. *told FALSE: the server leaves messages out, and nothing was
 * done; not the second time. NULL: failed.
 */
GArray *sync_join_folder(SyncContext *context, const CacheFolder *folder, gboolean *told,
                         GError **error);
