/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A round with a POP3 maildrop: what has come there comes into INBOX, once; and what is to go there
 * goes, once it is here for good. Everything else of the account lives here only.
 *
 * In this order, so that it can be cut at any moment: messages are written with what is known of
 * them, in one transaction each few; DELE is said for what is in the cache and was seen to be that
 * message in this session; that it is deleted is believed when QUIT is answered +OK (RFC 1939, 6).
 */
#pragma once

#include "daemon/sync/context.h"
#include "daemon/upstream/pop3.h"

/* Runs a round over a connection that has just logged in, and ends it with QUIT. */
gboolean sync_maildrop(SyncContext *context, Pop3Client *client, GError **error);
