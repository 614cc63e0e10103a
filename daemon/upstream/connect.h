/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From an account to a connection that is logged in at its IMAP or POP3 server.
 */
#pragma once

#include "daemon/config/settings.h"
#include "daemon/upstream/imap.h"
#include "daemon/upstream/pop3.h"

/*
 * Gets the password, connects and logs in. Of the connections that share a gate one does so at a
 * time, and none with a password that was refused. Fails as the password does
 * (ACCOUNT_ERROR_DOMAIN), as imap_client_connect() does, or with NET_ERROR_CANCELLED.
 */
ImapClient *upstream_connect_imap(const AccountAccess *access, NetCancel *cancel, GError **error);

/* The same for a maildrop; fails as pop3_client_connect() does. */
Pop3Client *upstream_connect_pop3(const AccountAccess *access, NetCancel *cancel, GError **error);
