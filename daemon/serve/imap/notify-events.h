/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a client has asked for with NOTIFY (RFC 5465): which events (ImapEvent bits) of which mailbox.
 */
#pragma once

#include "daemon/serve/imap/mailboxes.h"
#include "daemon/serve/imap/notify.h"

/* Of a mailbox that isn't selected. */
guint imap_notify_events_of(const ImapNotifyArgs *args, const ImapMailbox *mailbox);
/* Of any mailbox, and of the server. */
guint imap_notify_all_events(const ImapNotifyArgs *args);

/* Of messages in the selected mailbox: all, unless NOTIFY said otherwise. `notify` may be NULL. */
guint imap_notify_selected_events(const ImapNotify *notify);
/* What is to be fetched of new messages there; NULL: nothing. */
const ImapFetchArgs *imap_notify_selected_items(const ImapNotify *notify);
/* SELECTED-DELAYED: expunges there wait for a command that allows them (RFC 5465, 6.1.2). */
gboolean imap_notify_delays_expunges(const ImapNotify *notify);
