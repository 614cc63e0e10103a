/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the provider lets the user do in a mailbox (RFC 4314): refused at once, instead of becoming
 * a problem when it is pushed. Which command needs what is in the table of commands; the flags that
 * may not be set are left out by the cache (change.h). As it is the provider who shares mailboxes,
 * nobody has the right to administer them here.
 */
#pragma once

#include "cache/folder.h"
#include "daemon/serve/imap/session.h"

#define IMAP_RIGHTS_ERROR (imap_rights_error_quark())
GQuark imap_rights_error_quark(void);
enum { IMAP_RIGHTS_ERROR_REFUSED }; /* NO [NOPERM] */

/* Whether all of `all`, and one of `any` unless that is 0, are allowed in the folder. If not, the
 * error is REFUSED, or, where the user mustn't know of the folder, CACHE_ERROR_NOT_FOUND. */
gboolean imap_rights_allow(const CacheFolder *folder, guint32 all, guint32 any, GError **error);

/* The mailbox that the running command names, if the user may do with it what the command does:
 * `named` and `any` in the table of commands. NULL and `error` otherwise. */
CacheFolder *imap_rights_find(ImapSession *session, CacheTxn *txn, const char *name,
                              GError **error);

/* Whether the selected mailbox allows all of `all`, and one of `any` unless that is 0, now. One
 * that is gone has nothing to refuse. */
gboolean imap_rights_selected(ImapSession *session, guint32 all, guint32 any, GError **error);

/* Whether the selected mailbox allows one thing now, for what is left out quietly otherwise. */
gboolean imap_rights_selected_has(ImapSession *session, guint32 right);

/* READ-ONLY or READ-WRITE (RFC 4314, 5.2). */
const char *imap_rights_code(const ImapView *view);

/* "* MYRIGHTS name rights" */
void imap_rights_tell(ImapSession *session, const CacheFolder *folder);
