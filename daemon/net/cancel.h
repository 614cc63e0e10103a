/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How a blocked thread is woken: an eventfd that sits in its poll() beside the socket. A NetCancel
 * is triggered once and stays so; everything blocked on a stream that was given it fails with
 * NET_ERROR_CANCELLED.
 */
#pragma once

#include <glib.h>

typedef struct NetCancel NetCancel;

NetCancel *net_cancel_new(void);
NetCancel *net_cancel_ref(NetCancel *cancel);
void net_cancel_unref(NetCancel *cancel);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetCancel, net_cancel_unref)

/* Any thread; also async-signal-safe. */
void net_cancel_trigger(NetCancel *cancel);
gboolean net_cancel_triggered(NetCancel *cancel);

/* Readable once triggered; for a poll() of one's own. */
int net_cancel_fd(NetCancel *cancel);

/* Sleeps for `seconds` or until triggered; FALSE when it was triggered. */
gboolean net_cancel_sleep(NetCancel *cancel, double seconds);
