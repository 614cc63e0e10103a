/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The relay's thread: when to connect, send, wait. */
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "daemon/net/thread.h"
#include "daemon/relay/outcome.h"
#include "daemon/relay/private.h"

#define LINGER      10000 /* ms that a connection is kept for the next message */
#define SPACING     2000  /* ms between attempts to connect, however often we are woken */
#define QUEUE_AGAIN 60000 /* ms until a queue that can't be written is tried again */
#define LOOK_AGAIN                                                                                 \
    60000 /* ms after which the wall clock is looked at again: it may have been set */
#define FOR_EVER    G_MAXINT64
#define LAST_ANSWER 5 /* seconds that relay_free() waits for the answer to a final dot */

static void poke(int fd)
{
    guint64 one = 1;
    if (write(fd, &one, sizeof one) < 0)
        g_debug("relay: awake already");
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void hang_up(Relay *relay, gboolean politely)
{
    if (politely)
        smtp_client_close(relay->client);
    else
        smtp_client_free(relay->client);
    relay->client = NULL;
    relay->linger = 0;
}

/* Nothing is due: ms until something is, or until the connection has been idle for long enough. */
static gint64 idle(Relay *relay, gint64 due, gint64 now)
{
    gint64 wait = due == G_MAXINT64 ? FOR_EVER : MIN((due - now) * 1000, LOOK_AGAIN);
    gint64 clock = relay_clock(relay);

    relay_report(relay, ACCOUNT_IDLE, NULL);
    if (!relay->client)
        return wait;
    if (relay->linger == 0)
        relay->linger = clock + LINGER;
    if (relay->linger > clock)
        return MIN(wait, relay->linger - clock);
    hang_up(relay, TRUE);
    return wait;
}

/* Something is due: sends one message, or says how many ms to wait before connecting. */
static gint64 work(Relay *relay)
{
    if (!relay->client || !smtp_client_is_good(relay->client)) {
        hang_up(relay, FALSE);
        gint64 early = relay->not_before - relay_clock(relay);
        if (early > 0)
            return early;
        if (!relay_connect(relay))
            return relay->not_before - relay_clock(relay);
    }
    gboolean ok = relay_send_next(relay);
    relay->linger = relay_clock(relay) + LINGER;
    return ok ? 0 : QUEUE_AGAIN;
}

/* What is to be done now; gives ms to wait before looking again. */
static gint64 step(Relay *relay, gboolean online)
{
    g_autoptr(GError) error = NULL;
    gint64 now = relay_now(relay), due;

    if (!online || !relay->access.settings->outgoing) {
        hang_up(relay, FALSE);
        relay_report(relay, online ? ACCOUNT_IDLE : ACCOUNT_OFFLINE, NULL);
        return FOR_EVER;
    }
    if (!queue_mend_times(relay->queue, relay->access.settings->id, now + RELAY_BACKOFF_MAX,
                          &error) ||
        !queue_next_due(relay->queue, relay->access.settings->id, &due, &error)) {
        relay_report(relay, ACCOUNT_ERROR, error->message);
        return QUEUE_AGAIN;
    }
    return due > now ? idle(relay, due, now) : work(relay);
}

/* Takes what others have set since the last time; FALSE: stop. Being woken ends a back-off, but
 * nobody is served by two attempts in a second. */
static gboolean look(Relay *relay, gboolean *online)
{
    pthread_mutex_lock(&relay->lock);
    gboolean go = !relay->stopping && !relay->finishing;
    *online = relay->online;
    gboolean revived = relay->revived;
    relay->revived = FALSE;
    pthread_mutex_unlock(&relay->lock);
    if (relay->woken)
        relay->not_before = MIN(relay->not_before, relay->failed_at + SPACING);
    if (revived)
        relay->not_before = relay->failures = 0;
    relay->woken = FALSE;
    return go;
}

/* Before this thread begins to send, and after it has, nobody does. */
static void recover(Relay *relay)
{
    g_autoptr(GError) error = NULL;

    if (!queue_recover(relay->queue, relay->access.settings->id, &error))
        g_message("relay: %s", error->message);
}

static void *relay_thread(void *data)
{
    Relay *relay = data;
    gboolean online;

    net_thread_name("relay", relay->access.settings->id);
    recover(relay);
    while (look(relay, &online)) {
        gint64 wait = step(relay, online);
        gint64 filing =
            relay->filing ? relay_filing_work(relay->filing, relay_now(relay)) : FOR_EVER;
        if (filing != FOR_EVER)
            wait = MIN(wait, MIN(filing * 1000, LOOK_AGAIN));
        if (wait > 0)
            relay_sleep(relay, wait);
    }
    recover(relay);
    hang_up(relay, TRUE);
    return NULL;
}

/* ---- from outside ---------------------------------------------------------------------------- */

Relay *relay_new(const RelayOptions *options)
{
    Relay *relay = g_new0(Relay, 1);

    relay->access = account_access_copy(&options->access);
    relay->queue = options->queue;
    relay->report = options->report;
    relay->report_data = options->report_data;
    relay->filing = options->filing;
    relay->failed = options->failed;
    relay->failed_data = options->failed_data;
    relay->reported = ACCOUNT_DISABLED;
    relay->cancel = net_cancel_new();
    relay->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    relay->timeouts = options->timeouts;
    relay->watch = queue_watch_due(relay->queue, relay->access.settings->id, relay->wake_fd);
    pthread_mutex_init(&relay->lock, NULL);
    pthread_cond_init(&relay->changed, NULL);
    if (relay->wake_fd < 0 || pthread_create(&relay->thread, NULL, relay_thread, relay) != 0)
        g_error("relay: out of files or threads");
    return relay;
}

/* Cuts the connection, unless a message's end has gone out: nobody could know what became of it. */
static void interrupt(Relay *relay) /* locked */
{
    if (!relay->committing)
        net_cancel_trigger(relay->cancel);
    poke(relay->wake_fd);
}

/* Waits for *busy to be over; in the machine's time, since it is people who wait. */
static void wait_while(Relay *relay, const gboolean *busy, guint seconds) /* locked */
{
    struct timespec end;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += seconds;
    while (*busy && pthread_cond_timedwait(&relay->changed, &relay->lock, &end) == 0)
        ;
}

void relay_finish(Relay *relay, guint seconds)
{
    pthread_mutex_lock(&relay->lock);
    relay->finishing = TRUE;
    if (!relay->sending)
        interrupt(relay);
    wait_while(relay, &relay->sending, seconds);
    pthread_mutex_unlock(&relay->lock);
}

void relay_free(Relay *relay)
{
    if (!relay)
        return;
    pthread_mutex_lock(&relay->lock);
    relay->stopping = TRUE;
    interrupt(relay);
    wait_while(relay, &relay->committing, LAST_ANSWER);
    net_cancel_trigger(relay->cancel);
    pthread_mutex_unlock(&relay->lock);
    pthread_join(relay->thread, NULL);

    queue_unwatch(relay->watch);
    close(relay->wake_fd);
    pthread_cond_destroy(&relay->changed);
    pthread_mutex_destroy(&relay->lock);
    net_cancel_unref(relay->cancel);
    account_password_free(relay->refused_secret);
    g_free(relay->refused_text);
    g_free(relay->reported_text);
    account_access_clear(&relay->access);
    g_free(relay);
}

void relay_set_online(Relay *relay, gboolean online)
{
    pthread_mutex_lock(&relay->lock);
    if (!online && relay->online) {
        relay->online = FALSE;
        interrupt(relay);
    } else if (online) {
        if (net_cancel_triggered(relay->cancel)) {
            net_cancel_unref(relay->cancel);
            relay->cancel = net_cancel_new();
        }
        relay->online = relay->revived = TRUE;
        poke(relay->wake_fd);
    }
    pthread_mutex_unlock(&relay->lock);
}

void relay_check(Relay *relay)
{
    pthread_mutex_lock(&relay->lock);
    net_cancel_doubt(relay->cancel, NET_DOUBT_CHANGED);
    pthread_mutex_unlock(&relay->lock);
    poke(relay->wake_fd);
}

void relay_wake(Relay *relay)
{
    poke(relay->wake_fd);
}
