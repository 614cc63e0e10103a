/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How POP3 and submission sessions read their commands. */
#pragma once

#include "daemon/net/stream.h"

/*
 * The next line, at most `limit` bytes without its end, waiting `timeout` seconds at most: what was
 * answered before goes out first, and buffers are given back meanwhile. Borrowed until the next
 * call on the stream. NULL and NET_ERROR (TOO_LONG: the session can go on).
 */
const char *serve_read_line(NetStream *stream, gsize limit, guint timeout, gsize *length,
                            GError **error);
