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

/*
 * To be called after the report, before a tagged answer and wherever the client is told something
 * outside of a command. It takes the highest mod-sequence of the FETCH responses for what it knows
 * everything up to (RFC 7162, 6). Where it doesn't, since expunges wait or NOTIFY leaves something
 * out, says with HIGHESTMODSEQ how far it does (3.2). What took messages away tells that in its OK
 * (3.2.7; RFC 6851, 4.4).
 */
void imap_news_conclude(ImapSession *session);
