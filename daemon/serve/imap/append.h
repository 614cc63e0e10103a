/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages that arrive with an APPEND: each goes into a content writer while the command is
 * still coming in; the command itself, once complete, puts them into the folder.
 */
#pragma once

#include "daemon/serve/imap/session.h"

/*
 * The assembler has announced a message of a command that the session may run: reads its octets
 * from the stream, or has the assembler refuse it (the tagged answer is then set). What the
 * assembler says next; IMAP_FEED_MESSAGE: go on with the next line. The session may have ended
 * afterwards.
 */
ImapFeed imap_append_receive(ImapSession *session);

/* Drops what a command left behind. */
void imap_append_clear(ImapSession *session);
