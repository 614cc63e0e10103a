/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which capabilities a session has now (RFC 3501, 7.2.1), and what ENABLE knows of them. */
#pragma once

#include "daemon/serve/imap/session.h"

/* Appends the names of the capabilities, separated by spaces, and puts in force what they add to
 * the grammar: from now on the client may use it. */
void imap_capability_announce(ImapSession *session, GString *out);
