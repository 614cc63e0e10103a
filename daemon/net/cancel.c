/* SPDX-License-Identifier: GPL-3.0-or-later */
/* NetCancel: an eventfd that is written to once and never read; and those to tell of a doubt. */
#include "daemon/net/cancel.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct NetCancel {
    atomic_int refs;
    int fd;
    pthread_mutex_t lock;
    GArray *watching; /* int: eventfds */
    NetDoubt doubt;
};

NetCancel *net_cancel_new(void)
{
    NetCancel *cancel = g_new0(NetCancel, 1);
    cancel->refs = 1;
    pthread_mutex_init(&cancel->lock, NULL);
    cancel->watching = g_array_new(FALSE, FALSE, sizeof(int));
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
    g_array_unref(cancel->watching);
    pthread_mutex_destroy(&cancel->lock);
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

/* ---- doubts ---------------------------------------------------------------------------------- */

void net_cancel_doubt(NetCancel *cancel, NetDoubt doubt)
{
    const guint64 one = 1;

    pthread_mutex_lock(&cancel->lock);
    cancel->doubt = doubt;
    for (guint i = 0; i < cancel->watching->len; i++)
        if (write(g_array_index(cancel->watching, int, i), &one, sizeof one) < 0)
            g_debug("Telling of a doubt: %s", g_strerror(errno));
    pthread_mutex_unlock(&cancel->lock);
}

void net_cancel_watch(NetCancel *cancel, int fd)
{
    pthread_mutex_lock(&cancel->lock);
    g_array_append_val(cancel->watching, fd);
    pthread_mutex_unlock(&cancel->lock);
}

void net_cancel_unwatch(NetCancel *cancel, int fd)
{
    pthread_mutex_lock(&cancel->lock);
    for (guint i = 0; i < cancel->watching->len; i++)
        if (g_array_index(cancel->watching, int, i) == fd) {
            g_array_remove_index_fast(cancel->watching, i);
            break;
        }
    pthread_mutex_unlock(&cancel->lock);
}

NetDoubt net_cancel_doubted(NetCancel *cancel)
{
    pthread_mutex_lock(&cancel->lock);
    NetDoubt doubt = cancel->doubt;
    pthread_mutex_unlock(&cancel->lock);
    return doubt;
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
