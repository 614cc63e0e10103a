/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who may read what an IMAP URL names (URLAUTH, RFC 4467). */
#pragma once

#include "cache/cache.h"
#include "daemon/proto/imap/url.h"
#include "daemon/serve/imap/session.h"

#define IMAP_URLAUTH_MECHANISM "INTERNAL"

/* How often the folder's key was reset. Sessions that have it selected are told of each time. */
guint64 imap_urlauth_resets(CacheTxn *txn, gint64 folder);

/*
 * The account that an authorized URL (`text`, parsed as `url`) gives this session access to; a
 * reference. NULL and CACHE_ERROR_NOT_FOUND: the URL is none, has expired, isn't for this session,
 * or isn't genuine.
 */
ServeAccount *imap_urlauth_verify(ImapSession *session, const ImapUrl *url, const char *text,
                                  GError **error);
