/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writing a message out. */
#include "cache/export.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "cache/error.h"

/* What a pipe takes without blocking once it is writable (PIPE_BUF), and how long to wait for that:
 * who asked for it can't be stopped meanwhile. */
#define WRITE_PIECE   4096
#define WRITE_SECONDS 10

gboolean export_write(int fd, const char *data, gsize length, GError **error)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};

    while (length > 0) {
        gssize n = poll(&ready, 1, WRITE_SECONDS * 1000) == 1
                       ? write(fd, data, MIN(length, WRITE_PIECE))
                       : (errno = ETIMEDOUT, -1);
        if (n < 0 && errno != EINTR && errno != EAGAIN) {
            g_set_error(error, CACHE_ERROR, errno == ENOSPC ? CACHE_ERROR_FULL : CACHE_ERROR_FAILED,
                        "The message can't be written: %s.", g_strerror(errno));
            return FALSE;
        }
        data += MAX(n, 0);
        length -= (gsize)MAX(n, 0);
    }
    return TRUE;
}
