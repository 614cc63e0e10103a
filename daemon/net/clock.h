/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The time for everything that waits by minutes, hours and days: back-offs, polls, confirmations.
 * It is the machine's, with suspended time counted; in tests one that can be put forward, so that
 * days pass in milliseconds. Whoever builds what waits gives it a clock.
 *
 * Timeouts of sockets are not here: they go by the machine's time always (stream.h).
 */
#pragma once

#include "daemon/net/cancel.h"
#include <poll.h>

typedef struct NetClock NetClock;

/* A clock that shows what the machine's show, plus what it was put forward. Everywhere else NULL
 * stands for the machine's own, which nobody can put forward. */
NetClock *net_clock_new(void);
NetClock *net_clock_ref(NetClock *clock); /* NULL gives NULL */
void net_clock_unref(NetClock *clock);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetClock, net_clock_unref)

/* Puts it forward by `seconds`; everybody who waits by it looks at it again. Any thread. */
void net_clock_advance(NetClock *clock, gint64 seconds);

/* Unix time in seconds. */
gint64 net_clock_seconds(NetClock *clock);

/* Microseconds since the machine was started, those included in which it was suspended. It never
 * goes back. */
gint64 net_clock_usec(NetClock *clock);

/*
 * poll() until the clock shows `until` (as net_clock_usec(); -1: for ever) or one of the `count`
 * descriptors has what is asked of it; at most 8. How many have, 0 when it is time, -1 with errno.
 */
int net_clock_poll(NetClock *clock, struct pollfd *fds, guint count, gint64 until);

/* Sleeps for `seconds` or until `cancel` is triggered; FALSE when it was triggered. */
gboolean net_clock_sleep(NetClock *clock, NetCancel *cancel, double seconds);
