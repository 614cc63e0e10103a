/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the relay's thread and the others know of each other: reports, being woken, being stopped. */
#include <poll.h>
#include <unistd.h>

#include "daemon/net/clock.h"
#include "daemon/relay/private.h"

gint64 relay_clock(Relay *relay)
{
    return net_clock_usec(relay->access.clock) / 1000;
}

gint64 relay_now(Relay *relay)
{
    return net_clock_seconds(relay->access.clock);
}

void relay_report(Relay *relay, AccountState state, const char *message)
{
    if (state == relay->reported && g_strcmp0(message, relay->reported_text) == 0)
        return;
    char *text = g_strdup(message);
    g_free(relay->reported_text);
    relay->reported_text = text;
    relay->reported = state;
    relay->report(state, state == ACCOUNT_IDLE ? 1 : 0, text, relay->report_data);
}

void relay_sleep(Relay *relay, gint64 ms)
{
    int sent_fd = relay->filing ? relay_filing_fd(relay->filing) : -1;
    struct pollfd fds[] = {{.fd = relay->wake_fd, .events = POLLIN},
                           {.fd = sent_fd, .events = POLLIN}};
    gint64 until = ms == G_MAXINT64 ? -1 : net_clock_usec(relay->access.clock) + ms * 1000;
    guint64 count;

    if (net_clock_poll(relay->access.clock, fds, sent_fd < 0 ? 1 : 2, until) > 0 &&
        read(relay->wake_fd, &count, sizeof count) > 0)
        relay->woken = TRUE;
}

gboolean relay_is_stopping(Relay *relay)
{
    pthread_mutex_lock(&relay->lock);
    gboolean stopping = relay->stopping;
    pthread_mutex_unlock(&relay->lock);
    return stopping;
}
