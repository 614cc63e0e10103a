/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What tells a person that mail could not be sent: a delivery status notification (RFC 3461, 3464),
 * as text. Where it goes is the caller's.
 */
#pragma once

#include "cache/queue/queue.h"

/* Whether somebody wants to hear of it: there is a sender, and a failed recipient whose NOTIFY
 * doesn't say otherwise (RFC 3461, 4.1). */
gboolean relay_bounce_is_wanted(const QueueEntry *entry);

/*
 * The notification about the recipients of `entry` that failed, to its sender. `header` is the
 * original's header block, which is returned (at most 64 KiB of it); `host` the provider's server;
 * `now` Unix seconds. Its Message-ID is the same for the same attempt. CRLF line ends; the caller
 * frees.
 */
GString *relay_bounce_write(const QueueEntry *entry, const char *header, gsize length,
                            const char *host, gint64 now);
