/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Object identifiers (RFC 8474): of mailboxes and messages, from the numbers that the cache never
 * reuses.
 */
#pragma once

#include <glib.h>

void imap_mailbox_id_format(gint64 folder, GString *out);
void imap_email_id_format(gint64 message, GString *out);
/* The message that EMAILID names; 0: none. */
gint64 imap_email_id_parse(const char *id);
