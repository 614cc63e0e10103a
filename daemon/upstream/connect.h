/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From an account to a connection that is logged in at its IMAP or POP3 server.
 */
#pragma once

#include "daemon/config/settings.h"
#include "daemon/upstream/imap.h"
#include "daemon/upstream/pop3.h"
#include "daemon/upstream/smtp.h"

/*
 * Gets the password, connects and logs in. Of the connections that share a gate one does so at a
 * time, and none with a password that was refused. Fails as the password does
 * (ACCOUNT_ERROR_DOMAIN), as imap_client_connect() does, or with NET_ERROR_CANCELLED.
 */
ImapClient *upstream_connect_imap(const AccountAccess *access, NetCancel *cancel, GError **error);

/* The same for a maildrop; fails as pop3_client_connect() does. */
Pop3Client *upstream_connect_pop3(const AccountAccess *access, NetCancel *cancel, GError **error);

/*
 * How the account's outgoing server is connected to and logged in at with `secret`, for
 * smtp_client_connect(). All is borrowed of `access`, `secret` and `cancel`; what is kept from one
 * connection to the next, and the timeouts, are the caller's to fill in.
 */
SmtpClientOptions upstream_smtp_options(const AccountAccess *access, const char *secret,
                                        NetCancel *cancel);

/* Whether a server of any protocol refuses user or password; or offers no TLS, or no login that could be
 * used, so that nothing was sent. */
gboolean upstream_is_refusal(const GError *error);
gboolean upstream_is_insecure(const GError *error);
