/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NetClock: CLOCK_BOOTTIME and the wall clock, plus an offset. Those who wait sit in one poll() over
 * their descriptors, a timer of the same clock (poll's own timeout stands still while the machine
 * is suspended), and an eventfd that is written to when the clock is put forward.
 */
#include "daemon/net/clock.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MAX_FDS 8

struct NetClock {
    gatomicrefcount refs;
    pthread_mutex_t lock;
    gint64 ahead;    /* seconds */
    GArray *waiting; /* int: an eventfd of each who waits */
};

NetClock *net_clock_new(void)
{
    NetClock *clock = g_new0(NetClock, 1);

    g_atomic_ref_count_init(&clock->refs);
    pthread_mutex_init(&clock->lock, NULL);
    clock->waiting = g_array_new(FALSE, FALSE, sizeof(int));
    return clock;
}

NetClock *net_clock_ref(NetClock *clock)
{
    if (clock)
        g_atomic_ref_count_inc(&clock->refs);
    return clock;
}

void net_clock_unref(NetClock *clock)
{
    if (!clock || !g_atomic_ref_count_dec(&clock->refs))
        return;
    g_array_unref(clock->waiting);
    pthread_mutex_destroy(&clock->lock);
    g_free(clock);
}

void net_clock_advance(NetClock *clock, gint64 seconds)
{
    const guint64 one = 1;

    pthread_mutex_lock(&clock->lock);
    clock->ahead += MAX(seconds, 0);
    for (guint i = 0; i < clock->waiting->len; i++)
        if (write(g_array_index(clock->waiting, int, i), &one, sizeof one) < 0)
            g_debug("Waking for a new time: %s", g_strerror(errno));
    pthread_mutex_unlock(&clock->lock);
}

static gint64 ahead_of_machine(NetClock *clock)
{
    if (!clock)
        return 0;
    pthread_mutex_lock(&clock->lock);
    gint64 ahead = clock->ahead;
    pthread_mutex_unlock(&clock->lock);
    return ahead;
}

gint64 net_clock_seconds(NetClock *clock)
{
    return g_get_real_time() / G_USEC_PER_SEC + ahead_of_machine(clock);
}

static gint64 machine_usec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (gint64)now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

gint64 net_clock_usec(NetClock *clock)
{
    return machine_usec() + ahead_of_machine(clock) * G_USEC_PER_SEC;
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void join(NetClock *clock, int fd)
{
    pthread_mutex_lock(&clock->lock);
    g_array_append_val(clock->waiting, fd);
    pthread_mutex_unlock(&clock->lock);
}

static void leave(NetClock *clock, int fd)
{
    pthread_mutex_lock(&clock->lock);
    for (guint i = 0; i < clock->waiting->len; i++)
        if (g_array_index(clock->waiting, int, i) == fd) {
            g_array_remove_index_fast(clock->waiting, i);
            break;
        }
    pthread_mutex_unlock(&clock->lock);
}

/* Sets the timer to what is left; gives the timeout for poll() beside it, which does alone where
 * there is no timer. */
static int set_timer(int timer, gint64 left)
{
    struct itimerspec when = {
        .it_value = {.tv_sec = left / G_USEC_PER_SEC, .tv_nsec = left % G_USEC_PER_SEC * 1000}};

    if (left <= 0)
        return 0;
    if (timer >= 0 && timerfd_settime(timer, 0, &when, NULL) == 0)
        return -1;
    return (int)MIN((left + 999) / 1000, G_MAXINT);
}

/* The number of the caller's descriptors that have something. */
static int count_ready(const struct pollfd *fds, guint count)
{
    int ready = 0;

    for (guint i = 0; i < count; i++)
        ready += fds[i].revents != 0;
    return ready;
}

/* The same with the two descriptors of our own behind the caller's: timer and news of the time. */
static int poll_until(NetClock *clock, struct pollfd *fds, guint count, gint64 until)
{
    struct pollfd *timer = &fds[count], *news = &fds[count + 1];
    guint64 drained;

    for (;;) {
        gint64 left = until >= 0 ? until - net_clock_usec(clock) : 1;
        if (poll(fds, count + 2, until >= 0 ? set_timer(timer->fd, left) : -1) < 0)
            return -1;
        int ready = count_ready(fds, count);
        if (ready > 0 || left <= 0)
            return ready;
        if (news->revents && read(news->fd, &drained, sizeof drained) < 0 && errno != EAGAIN)
            return -1;
    }
}

int net_clock_poll(NetClock *clock, struct pollfd *fds, guint count, gint64 until)
{
    struct pollfd all[MAX_FDS + 2];

    g_return_val_if_fail(count <= MAX_FDS, -1);
    memcpy(all, fds, count * sizeof *fds);
    all[count] = (struct pollfd){.fd = -1, .events = POLLIN};
    all[count + 1] = (struct pollfd){.fd = -1, .events = POLLIN};
    if (until >= 0)
        all[count].fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (clock) {
        all[count + 1].fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        join(clock, all[count + 1].fd);
    }
    int ready = poll_until(clock, all, count, until);
    int saved = errno;
    if (clock) {
        leave(clock, all[count + 1].fd);
        close(all[count + 1].fd);
    }
    if (all[count].fd >= 0)
        close(all[count].fd);
    memcpy(fds, all, count * sizeof *fds);
    errno = saved;
    return ready;
}

gboolean net_clock_sleep(NetClock *clock, NetCancel *cancel, double seconds)
{
    gint64 until = net_clock_usec(clock) + (gint64)(seconds * G_USEC_PER_SEC);
    struct pollfd fd = {.fd = net_cancel_fd(cancel), .events = POLLIN};
    int ready;

    while ((ready = net_clock_poll(clock, &fd, 1, until)) < 0 && errno == EINTR)
        ;
    return ready == 0;
}
