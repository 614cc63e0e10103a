/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading command lines. */
#include "daemon/serve/line.h"

const char *serve_read_line(NetStream *stream, gsize limit, guint timeout, gsize *length,
                            GError **error)
{
    net_stream_set_timeout(stream, timeout);
    if (!net_stream_pending(stream)) {
        int ready = net_stream_wait(stream, -1, (int)timeout * 1000, error);
        if (ready == NET_TIMED_OUT)
            g_set_error(error, NET_ERROR, NET_ERROR_TIMEOUT, "%s: silent for %u seconds",
                        net_stream_name(stream), timeout);
        if (ready < 0 || ready == NET_TIMED_OUT)
            return NULL;
    }
    return net_stream_read_line(stream, limit, length, error);
}
