/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which mailboxes a filter-mailboxes means (RFC 5465, 6; RFC 7377, 2.2). */
#pragma once

#include "daemon/proto/imap/scope.h"
#include "daemon/serve/imap/mailboxes.h"

/* Whether the scope names the mailbox, which exists and can be selected. Not for SELECTED and
 * SELECTED-DELAYED, which are the session's to know. */
gboolean imap_scope_names(const ImapScope *scope, const ImapMailbox *mailbox);
/* Whether it may be read besides (RFC 5465, 3.1; RFC 7377, 2.2). */
gboolean imap_scope_covers(const ImapScope *scope, const ImapMailbox *mailbox);
