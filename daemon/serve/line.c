/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading command lines, and telling what speaks another protocol. */
#include "daemon/serve/line.h"

#include <string.h>

#define TLS_HANDSHAKE                                                                              \
    22 /* the type of the record that a TLS connection begins with (RFC 8446, 5.1) */

#define LOGIN_SECONDS (3 * 60)

void serve_await_login(NetStream *stream, const ServeDaemon *daemon)
{
    guint seconds = daemon->login_seconds ? daemon->login_seconds : LOGIN_SECONDS;

    if (!net_stream_deadline(stream))
        net_stream_set_deadline(stream, g_get_monotonic_time() + seconds * (gint64)G_USEC_PER_SEC);
}

void serve_end_login(NetStream *stream)
{
    net_stream_set_deadline(stream, 0);
}

static const char *const HTTP_METHODS[] = {"GET ",     "POST ",   "PUT ",   "HEAD ",  "CONNECT ",
                                           "OPTIONS ", "DELETE ", "PATCH ", "TRACE ", "PRI "};

gboolean serve_is_http(const char *line)
{
    for (gsize i = 0; i < G_N_ELEMENTS(HTTP_METHODS); i++)
        if (g_ascii_strncasecmp(line, HTTP_METHODS[i], strlen(HTTP_METHODS[i])) == 0)
            return TRUE;
    return FALSE;
}

gboolean serve_check_plain(NetStream *stream, GError **error)
{
    gsize length;
    const char *start = net_stream_peek(stream, &length, error);

    if (!start)
        return FALSE;
    if (*start != TLS_HANDSHAKE || net_stream_is_tls(stream))
        return TRUE;
    g_set_error(error, NET_ERROR, NET_ERROR_TLS, "%s begins TLS where it has to be asked for",
                net_stream_name(stream));
    return FALSE;
}

/* Waits for a line to begin. */
static gboolean await_line(NetStream *stream, guint timeout, GError **error)
{
    if (net_stream_pending(stream))
        return TRUE;
    int ready = net_stream_wait(stream, -1, (int)timeout * 1000, error);
    if (ready == NET_TIMED_OUT)
        g_set_error(error, NET_ERROR, NET_ERROR_TIMEOUT, "%s: silent for %u seconds",
                    net_stream_name(stream), timeout);
    return ready >= 0 && ready != NET_TIMED_OUT;
}

const char *serve_read_line(NetStream *stream, gsize limit, guint timeout, gsize *length,
                            GError **error)
{
    g_autoptr(GError) failure = NULL;

    net_stream_set_timeout(stream, timeout);
    if (!await_line(stream, timeout, error) || !serve_check_plain(stream, error))
        return NULL;
    const char *line = net_stream_read_line(stream, limit, length, &failure);
    if (line)
        return line;
    if (!g_error_matches(failure, NET_ERROR, NET_ERROR_TOO_LONG) ||
        net_stream_skip_line(stream, error))
        g_propagate_error(error, g_steal_pointer(&failure));
    return NULL;
}
