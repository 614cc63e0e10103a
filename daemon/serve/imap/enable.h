/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Extensions that a client switches on, by ENABLE (RFC 5161) or by a command that implies it. */
#pragma once

#include "daemon/serve/imap/session.h"

/* Switches on ImapEnabled bits and what they imply, and tells what a client must know then. */
void imap_enable(ImapSession *session, guint bits);
