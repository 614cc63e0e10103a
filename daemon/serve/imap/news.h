/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * News of the selected mailbox: what other sessions and sync have done to it since the client was
 * last told. This is the one place where messages enter and leave the view after it was opened.
 */
#pragma once

#include "daemon/serve/imap/session.h"

/* Tells what happened since the last time: expunges (if `expunges` allows it), new messages, changed
 * flags, and what these do to searches that are kept up to date. No cache transaction may be
 * open. */
void imap_news_report(ImapSession *session, gboolean expunges);
