/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The thread that idles. */
#include "daemon/sync/watch.h"

#include "daemon/net/thread.h"
#include "daemon/upstream/connect.h"
#include <pthread.h>

/* One IDLE; and how often INBOX is asked where there is no IDLE. */
#define IDLE_SECONDS 90
#define NOOP_SECONDS 90
/* An answer that takes longer isn't coming: with the above, a dead connection is noticed in two
 * minutes, also where something between here and the provider keeps it open. */
#define ANSWER_SECONDS 20

#define BACKOFF_FIRST 5
#define BACKOFF_MAX   900

struct SyncWatch {
    AccountAccess access;
    void (*changed)(gpointer data);
    gpointer data;

    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t woken;
    gboolean stop, allowed;
    gboolean resting;  /* in a back-off */
    NetCancel *cancel; /* of the present time allowed */
};

static gboolean note_news(const ImapResponse *response, gpointer data, GError **error)
{
    static const char *const news[] = {"EXISTS", "EXPUNGE", "FETCH", "VANISHED", NULL};
    gboolean *changed = data;

    if (response->name && g_strv_contains(news, response->name))
        *changed = TRUE;
    return TRUE;
}

static ImapClient *connect_inbox(SyncWatch *watch, NetCancel *cancel, GError **error)
{
    const ImapSelect inbox = {.name = "INBOX", .read_only = TRUE};
    g_auto(ImapSelected) state = {0};

    g_autoptr(ImapClient) client = upstream_connect_imap(&watch->access, cancel, error);
    if (!client || !imap_client_select(client, &inbox, &state, error))
        return NULL;
    imap_client_set_timeout(client, ANSWER_SECONDS);
    return g_steal_pointer(&client);
}

static guint seconds_to_idle(const ImapClient *client)
{
    return imap_client_has(client, IMAP_CAP_IDLE)
               ? quirks_idle_seconds(imap_client_quirks(client), IDLE_SECONDS)
               : NOOP_SECONDS;
}

/* Idles until the connection fails. What happened between the last round and now is found by the
 * round that is asked for at once. */
static gboolean idle(SyncWatch *watch, NetCancel *cancel, GError **error)
{
    g_autoptr(ImapClient) client = connect_inbox(watch, cancel, error);
    gboolean changed = TRUE;

    if (!client)
        return FALSE;
    guint seconds = seconds_to_idle(client);
    for (;;) {
        if (changed)
            watch->changed(watch->data);
        changed = FALSE;
        if (!imap_client_idle(client, -1, seconds, note_news, &changed, error))
            return FALSE;
    }
}

/* Under the lock: sleeps for `seconds`, unless it is no more allowed. */
static void sleep_seconds(SyncWatch *watch, NetCancel *cancel, guint seconds)
{
    watch->resting = TRUE;
    pthread_mutex_unlock(&watch->lock);
    net_clock_sleep(watch->access.clock, cancel, seconds);
    pthread_mutex_lock(&watch->lock);
    watch->resting = FALSE;
}

static void *watch_thread(void *data)
{
    SyncWatch *watch = data;
    guint backoff = 0;

    net_thread_name("idle", watch->access.settings->id);
    pthread_mutex_lock(&watch->lock);
    while (!watch->stop) {
        g_autoptr(GError) error = NULL;
        if (!watch->allowed) {
            backoff = 0;
            pthread_cond_wait(&watch->woken, &watch->lock);
            continue;
        }
        g_autoptr(NetCancel) cancel = net_cancel_ref(watch->cancel);
        pthread_mutex_unlock(&watch->lock);
        gint64 start = g_get_monotonic_time();
        idle(watch, cancel, &error);
        /* A connection that held for a while was a good one. */
        if (g_get_monotonic_time() - start > 60 * G_USEC_PER_SEC)
            backoff = 0;
        pthread_mutex_lock(&watch->lock);
        if (watch->stop || net_cancel_triggered(cancel) ||
            g_error_matches(error, NET_ERROR, NET_ERROR_STALE))
            continue;
        g_debug("%s: watching INBOX: %s", watch->access.settings->id, error->message);
        /* Whether upstream is gone, or just this connection, a round finds out. */
        pthread_mutex_unlock(&watch->lock);
        watch->changed(watch->data);
        pthread_mutex_lock(&watch->lock);
        backoff = CLAMP(backoff * 2, BACKOFF_FIRST, BACKOFF_MAX);
        sleep_seconds(watch, cancel, backoff);
    }
    pthread_mutex_unlock(&watch->lock);
    return NULL;
}

SyncWatch *sync_watch_new(const AccountAccess *access, void (*changed)(gpointer data),
                          gpointer data)
{
    SyncWatch *watch = g_new0(SyncWatch, 1);

    watch->access = account_access_copy(access);
    watch->changed = changed;
    watch->data = data;
    pthread_mutex_init(&watch->lock, NULL);
    pthread_cond_init(&watch->woken, NULL);
    watch->cancel = net_cancel_new();
    pthread_create(&watch->thread, NULL, watch_thread, watch);
    return watch;
}

/* Under the lock. */
static void begin_anew(SyncWatch *watch)
{
    net_cancel_trigger(watch->cancel);
    net_cancel_unref(watch->cancel);
    watch->cancel = net_cancel_new();
}

void sync_watch_allow(SyncWatch *watch, gboolean allowed)
{
    pthread_mutex_lock(&watch->lock);
    if (watch->allowed != allowed) {
        watch->allowed = allowed;
        begin_anew(watch);
        pthread_cond_broadcast(&watch->woken);
    }
    pthread_mutex_unlock(&watch->lock);
}

void sync_watch_check(SyncWatch *watch, NetDoubt doubt)
{
    pthread_mutex_lock(&watch->lock);
    if (watch->resting)
        begin_anew(watch);
    else
        net_cancel_doubt(watch->cancel, doubt);
    pthread_mutex_unlock(&watch->lock);
}

void sync_watch_reconnect(SyncWatch *watch)
{
    pthread_mutex_lock(&watch->lock);
    begin_anew(watch);
    pthread_mutex_unlock(&watch->lock);
}

void sync_watch_free(SyncWatch *watch)
{
    if (!watch)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->stop = TRUE;
    net_cancel_trigger(watch->cancel);
    pthread_cond_broadcast(&watch->woken);
    pthread_mutex_unlock(&watch->lock);
    pthread_join(watch->thread, NULL);
    net_cancel_unref(watch->cancel);
    account_access_clear(&watch->access);
    pthread_cond_destroy(&watch->woken);
    pthread_mutex_destroy(&watch->lock);
    g_free(watch);
}
