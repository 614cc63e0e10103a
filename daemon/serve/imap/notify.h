/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NOTIFY (RFC 5465): what the client wants to hear of, at any time, about the selected mailbox and
 * all others.
 */
#pragma once

#include "daemon/proto/imap/notify-args.h"
#include "daemon/serve/imap/session.h"

void imap_notify_free(ImapNotify *notify);

/* Events of messages that are told of the selected mailbox: all, unless NOTIFY said otherwise. */
guint imap_notify_selected_events(const ImapSession *session);

/* What is to be fetched of new messages in the selected mailbox, or NULL. */
const ImapFetchArgs *imap_notify_items(const ImapSession *session);

/* Tells what has happened since the last time. `between`: no command runs. No cache transaction may
 * be open. */
void imap_notify_report(ImapSession *session, gboolean between);

/* Waits for the client's next command and tells what happens meanwhile. Does nothing without
 * NOTIFY. */
void imap_notify_wait(ImapSession *session);
