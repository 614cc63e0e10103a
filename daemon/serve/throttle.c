/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Failed logins slow a listener's next answer: a quarter of a second, then twice that each time, at
 * most five seconds. A minute without failures, or a success, makes all well again.
 */
#include <pthread.h>

#include "daemon/serve/login.h"

#define FIRST_DELAY 0.25 /* seconds */
#define MOST_DELAY  5.0
#define FORGET      60

struct ServeThrottle {
    pthread_mutex_t lock;
    guint failures;
    gint64 last; /* monotonic microseconds */
};

ServeThrottle *serve_throttle_new(void)
{
    ServeThrottle *throttle = g_new0(ServeThrottle, 1);
    pthread_mutex_init(&throttle->lock, NULL);
    return throttle;
}

void serve_throttle_free(ServeThrottle *throttle)
{
    if (!throttle)
        return;
    pthread_mutex_destroy(&throttle->lock);
    g_free(throttle);
}

static double count_failure(ServeThrottle *throttle)
{
    gint64 now = g_get_monotonic_time();
    double delay = 0;

    pthread_mutex_lock(&throttle->lock);
    if (now - throttle->last > FORGET * G_USEC_PER_SEC)
        throttle->failures = 0;
    if (throttle->failures > 0)
        delay = MIN(MOST_DELAY, FIRST_DELAY * (1u << MIN(throttle->failures - 1, 8)));
    throttle->failures++;
    throttle->last = now;
    pthread_mutex_unlock(&throttle->lock);
    return delay;
}

void serve_throttle_failed(ServeThrottle *throttle, NetStream *stream)
{
    double delay = throttle ? count_failure(throttle) : 0;
    if (delay > 0)
        net_cancel_sleep(net_stream_cancel(stream), delay);
}

void serve_throttle_succeeded(ServeThrottle *throttle)
{
    if (!throttle)
        return;
    pthread_mutex_lock(&throttle->lock);
    throttle->failures = 0;
    pthread_mutex_unlock(&throttle->lock);
}
