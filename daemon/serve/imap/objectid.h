/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Object identifiers (RFC 8474): of mailboxes and messages, from the numbers that the cache never
 * reuses.
 */
#pragma once

#include "cache/folder.h"

/* With another UIDVALIDITY it is another mailbox (RFC 8474, 4): deleted where there are some below
 * it, and made again, it is still the same folder of the cache. */
void imap_mailbox_id_format(const CacheFolder *folder, GString *out);
void imap_email_id_format(gint64 message, GString *out);
/* The message that EMAILID names; 0: none. */
gint64 imap_email_id_parse(const char *id);
