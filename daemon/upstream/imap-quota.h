/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the provider says of quotas (RFC 9208; RFC 2087 before it). */
#pragma once

#include "daemon/upstream/imap.h"

/*
 * Asks for the quota roots of INBOX. Gives them as text: a line for each, its name and then, behind
 * tabs, "RESOURCE USAGE LIMIT" for each resource. Empty where the server doesn't say, or has none.
 * NULL and `error`: the connection failed.
 */
char *imap_client_quota(ImapClient *client, GError **error);
