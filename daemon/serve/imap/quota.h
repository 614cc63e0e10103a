/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Quotas (RFC 9208), as sync last saw them upstream. */
#pragma once

#include "daemon/serve/imap/session.h"

/* Whether the provider told of any quota, and of one with this resource (NULL: any). */
gboolean imap_quota_known(ImapSession *session, const char *resource);
