/* SPDX-License-Identifier: GPL-3.0-or-later */
/* LIST responses that nobody sent a LIST for (RFC 5465, 5.4). */
#pragma once

#include "daemon/serve/imap/mailboxes.h"
#include "daemon/serve/imap/session.h"

/* "* LIST (...) "/" name", with the name it had before where `old_name` isn't NULL. A mailbox
 * without a folder is \NonExistent, one that can't be read \NoAccess. */
void imap_list_tell(ImapSession *session, const ImapMailbox *mailbox, const char *old_name);
