/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Below which names the provider has folders (RFC 2342). */
#pragma once

#include "daemon/upstream/imap.h"

/*
 * Asks for the name spaces. Gives them as text: a line for each, "personal", "others" or "shared",
 * and behind tabs the delimiter (or nothing) and the prefix in UTF-8. Empty where the server
 * refuses. NULL and `error`: the connection failed.
 */
char *imap_client_namespaces(ImapClient *client, GError **error);
