/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Attempts whose answer was lost, or didn't say a UID: the messages that arrived since they went
 * out are compared with what was sent, and matched one to one. What isn't found when all the
 * folders an attempt names have been pulled did not happen.
 */
#pragma once

#include "daemon/sync/pull.h"

/* Reads the open attempts for the pulls that follow. */
gboolean sync_load_attempts(SyncContext *context, GError **error);

/* New messages of the folder from this UID on may be ours; 0: none may. */
guint32 sync_first_effect(SyncContext *context, const CacheFolder *folder);

/* Finds ours among `candidates` (SyncServerMessage of the selected folder) and gives them their base;
 * marks them matched. */
gboolean sync_match_effects(SyncContext *context, gint64 folder, GArray *candidates,
                            GError **error);

/* Ends the attempts whose folders have all been pulled: what isn't found by then, and is older than
 * SYNC_ATTEMPT_SECONDS, did not happen. */
#define SYNC_ATTEMPT_SECONDS        150
#define SYNC_ATTEMPT_UNSEEN_SECONDS 900
#define SYNC_ATTEMPT_ASIDE_SECONDS  (24 * 60 * 60)
gboolean sync_close_attempts(SyncContext *context, GError **error);

/* The digest of a message's bytes, line ends aside, here and in the selected folder. The caller frees
 * it; NULL (there: without error): it isn't here, or not there any more. */
char *sync_digest_here(SyncContext *context, gint64 message);
gboolean sync_digest_there(SyncContext *context, guint32 uid, char **digest, GError **error);
