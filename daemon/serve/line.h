/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How sessions read their commands, and how they tell who wants to speak something else. */
#pragma once

#include "daemon/serve/serve.h"

/* Nobody is logged in: the time for it runs from now on, unless it runs already. It counts whatever
 * the client says. */
void serve_await_login(NetStream *stream, const ServeDaemon *daemon);
/* Somebody is. */
void serve_end_login(NetStream *stream);

/*
 * The next line, at most `limit` bytes without its end, waiting `timeout` seconds at most: what was
 * answered before goes out first, and buffers are given back meanwhile. Borrowed until the next
 * call on the stream. NULL and NET_ERROR: TOO_LONG where the line is longer (it was read to its end
 * and is forgotten, so that the session can go on), TLS where serve_check_plain() says so.
 */
const char *serve_read_line(NetStream *stream, gsize limit, guint timeout, gsize *length,
                            GError **error);

/*
 * Waits for a byte, and looks whether it begins a line: FALSE with NET_ERROR_TLS for a TLS
 * handshake in the clear, which has no line ends to wait for.
 */
gboolean serve_check_plain(NetStream *stream, GError **error);

/*
 * Whether `line` begins with a method of HTTP, which no command of SMTP and POP3 does. A browser can be made to send one to any port, with
 * a body that is up to whoever wrote the page: the session has to end before it is read.
 */
gboolean serve_is_http(const char *line);
