/* SPDX-License-Identifier: GPL-3.0-or-later */
/* NetCancel: an eventfd that is written to once and never read. */
#include "daemon/net/cancel.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct NetCancel {
    atomic_int refs;
    int fd;
};

NetCancel *net_cancel_new(void)
{
    NetCancel *cancel = g_new(NetCancel, 1);
    cancel->refs = 1;
    cancel->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (cancel->fd < 0)
        g_error("eventfd: %s (raise the limit on open files)", g_strerror(errno));
    return cancel;
}

NetCancel *net_cancel_ref(NetCancel *cancel)
{
    cancel->refs++;
    return cancel;
}

void net_cancel_unref(NetCancel *cancel)
{
    if (cancel == NULL || --cancel->refs > 0)
        return;
    close(cancel->fd);
    g_free(cancel);
}

void net_cancel_trigger(NetCancel *cancel)
{
    guint64 one = 1;
    /* It can only fail when the counter is full, and then it is triggered already. */
    ssize_t ignored = write(cancel->fd, &one, sizeof one);
    (void)ignored;
}

gboolean net_cancel_triggered(NetCancel *cancel)
{
    struct pollfd fd = {.fd = cancel->fd, .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

int net_cancel_fd(NetCancel *cancel)
{
    return cancel->fd;
}

gboolean net_cancel_sleep(NetCancel *cancel, double seconds)
{
    gint64 end = g_get_monotonic_time() + (gint64)(seconds * G_USEC_PER_SEC);
    struct pollfd fd = {.fd = cancel->fd, .events = POLLIN};
    for (;;) {
        gint64 left = end - g_get_monotonic_time();
        if (left <= 0)
            return !net_cancel_triggered(cancel);
        if (poll(&fd, 1, (int)MIN((left + 999) / 1000, G_MAXINT)) > 0)
            return FALSE;
    }
}
