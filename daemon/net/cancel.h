/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How a blocked thread is woken: an eventfd that sits in its poll() beside the socket. A NetCancel
 * is triggered once and stays so; everything blocked on a stream that was given it fails with
 * NET_ERROR_CANCELLED.
 *
 * It can also be doubted, any number of times: what was dialed with it has to prove that there still
 * is someone at the other end (see net_cancel_doubt()).
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

typedef enum {
    NET_DOUBT_NONE,
    NET_DOUBT_ASKED,   /* somebody waits for what may be stuck: 25 s for a sign of life */
    NET_DOUBT_CHANGED, /* the network isn't what it was: 5 s, and connecting begins anew */
} NetDoubt;

/*
 * Whoever waits for an answer on a connection that was dialed with this has to hear something in the
 * seconds that stand above, else it fails with NET_ERROR_STALE; who waits next is told as well. One
 * that works goes on as if nothing had been. Any thread.
 */
void net_cancel_doubt(NetCancel *cancel, NetDoubt doubt);

/* `fd` (an eventfd) is written to at each doubt from now on, until it is unwatched. */
void net_cancel_watch(NetCancel *cancel, int fd);
void net_cancel_unwatch(NetCancel *cancel, int fd);

/* The last doubt. */
NetDoubt net_cancel_doubted(NetCancel *cancel);

/* Sleeps for `seconds` or until triggered; FALSE when it was triggered. */
gboolean net_cancel_sleep(NetCancel *cancel, double seconds);
