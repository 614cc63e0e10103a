/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Contexts (RFC 5267, 4.3): searches of the selected mailbox whose results the client is kept up to
 * date about, with RETURN (UPDATE). They belong to the view, and end with it.
 */
#pragma once

#include "daemon/proto/imap/sort-args.h"
#include "daemon/serve/imap/session.h"

typedef struct ImapContext ImapContext;

/* Whether the running command may have these return options: with UPDATE its tag mustn't be one of
 * a context. FALSE: BAD is set. */
gboolean imap_context_allowed(ImapSession *session, const ImapSearchReturn *ret);

/*
 * The running command's search becomes a context; takes over `key` and, for a sorted one, `keys`
 * (ImapSortKey), and `items` (RFC 5465, 7; or NULL). `uids` is what it found, in its order. Where
 * that isn't possible, says so with NOUPDATE.
 */
void imap_context_add(ImapSession *session, ImapSearchKey *key, GArray *keys, ImapFetchArgs *items,
                      const GArray *uids);

/* Says with NOUPDATE that a search, the one with `tag`, isn't or won't be kept up to date (RFC
 * 5267, 4.3.1). */
void imap_context_refuse(ImapSession *session, const char *tag, const char *why);

/* Tells the contexts' REMOVEFROM for messages that are about to be told as expunged; they are still
 * in the view. */
void imap_contexts_expunged(ImapSession *session, const GArray *uids);

/* Tells what new and changed messages (CacheChange, by UID; or NULL) add to the contexts, or take
 * away, and what becoming or ceasing to be the last one does. They have been told, as have been
 * expunges; those above `last_known` are new. No cache transaction may be open. */
void imap_contexts_changed(ImapSession *session, const GArray *changes, guint32 last_known);
