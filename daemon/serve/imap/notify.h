/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NOTIFY (RFC 5465): what the client wants to hear of, at any time, about the selected mailbox and
 * all others.
 */
#pragma once

#include "daemon/proto/imap/notify-args.h"
#include "daemon/serve/imap/session.h"

typedef struct ImapPicture ImapPicture;

struct ImapNotify {
    ImapNotifyArgs *args;
    CacheWatch *watch;
    ImapPicture *picture; /* what the client knows */
};

void imap_notify_free(ImapNotify *notify);

/* Tells what has happened since the last time. `between`: no command runs. No cache transaction may
 * be open. */
void imap_notify_report(ImapSession *session, gboolean between);

/* Waits for the client's next command and tells what happens meanwhile. Does nothing without
 * NOTIFY. */
void imap_notify_wait(ImapSession *session);
