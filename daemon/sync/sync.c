/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The sync thread of an account: connects, runs rounds when there is a reason, reports how it goes,
 * and waits; after failures longer each time. What watches INBOX is in watch.c.
 */
#include "daemon/sync/sync.h"

#include "cache/problem.h"
#include "daemon/config/habits.h"
#include "daemon/net/clock.h"
#include "daemon/net/thread.h"
#include "daemon/sync/maildrop.h"
#include "daemon/sync/round.h"
#include "daemon/sync/watch.h"
#include "daemon/upstream/connect.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Folders other than INBOX are asked after this many seconds; more rarely when nothing happens. */
#define POLL_SECONDS       300
#define POLL_QUIET_SECONDS 900
#define QUIET_ROUNDS       12

/* Changes that come one after the other go out together. */
#define GATHER_MS 50

#define BACKOFF_FIRST  1
#define BACKOFF_MAX    300
#define BACKOFF_AUTH   3600
#define BACKOFF_LOCKED 60
/* A full disk is looked at more often: nobody is bothered by that. */
#define BACKOFF_NO_SPACE 30

/* Progress is told so often at most. */
#define TELL_USEC (200 * 1000)

/* A connection that nothing was heard on for PROBE_AFTER_USEC is asked whether it still is one, and
 * has PROBE_SECONDS to answer: a dead one costs no more than connecting. */
#define PROBE_AFTER_USEC (5 * G_USEC_PER_SEC)
#define PROBE_SECONDS    5

/* Rounds that end in asking again, one after the other. */
#define MAX_AGAIN 5

struct Sync {
    AccountAccess access;
    Cache *cache;
    FetchBodies *bodies;
    AccountReport report;
    gpointer report_data;

    SyncContext *context; /* the thread's */
    gint64 heard;         /* when the connection was last of use; the thread's */
    NetCancel *connected; /* of the time online that the connection is from; the thread's */
    NetCancel *round;     /* of the round that is under way; borrowed */
    SyncWatch *watch;
    CacheWatch *pending_watch;
    int wake_fd;    /* something below changed */
    int pending_fd; /* clients have changed something */
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* a round ended, or bodies came */
    gboolean stop;
    gboolean online;
    NetCancel *cancel; /* of the present time online */
    guint64 requested; /* rounds asked for */
    guint64 completed; /* of these, those that have ended */
    gboolean inbox_changed;
    gboolean doubted;   /* the network isn't what it was */
    char *failure;      /* of the last round, or NULL */
    gint64 last;        /* when the last full round ended, */
    gint64 seen;        /* and when it began */
    gint64 told;        /* when progress was last looked at (monotonic) */
    AccountState phase; /* IDLE: rounds are fine */
    gboolean fetching;  /* prefetch has something to do */
    double share;       /* of what a maildrop has that is to come in this round */
    char *no_space;     /* why what it fetches can't be kept: the disk is full; or NULL */
    char *message;
    AccountState reported;
    double reported_progress;
    char *reported_message;
};

static void lock(Sync *sync)
{
    pthread_mutex_lock(&sync->lock);
}

static void unlock(Sync *sync)
{
    pthread_mutex_unlock(&sync->lock);
}

static void wake(Sync *sync)
{
    guint64 one = 1;

    if (write(sync->wake_fd, &one, sizeof one) < 0)
        g_debug("Waking sync: %s", g_strerror(errno));
}

static void drain(int fd)
{
    guint64 count;

    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        g_debug("Reading a wake-up: %s", g_strerror(errno));
}

/* ---- reports ------------------------------------------------------------------------------- */

/* How much of what is wanted is here, 0 to 1. */
static double progress(Sync *sync)
{
    g_autoptr(CacheTxn) txn = NULL;
    guint64 full, all;

    if (sync->access.settings->kind == ACCOUNT_POP3)
        return sync->share;
    txn = cache_begin(sync->cache, CACHE_READ, NULL);
    if (!txn || !cache_content_counts(txn, &full, &all, NULL) || all == 0)
        return 0;
    return (double)full / (double)all;
}

/* What isn't here because upstream doesn't give it; NULL: nothing. */
static char *describe_missing(Cache *cache)
{
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, NULL);
    g_autoptr(GPtrArray) problems = txn ? cache_problem_list(txn, NULL) : NULL;
    const CacheProblem *first = NULL;
    guint more = 0;

    for (guint i = 0; problems && i < problems->len; i++) {
        const CacheProblem *problem = problems->pdata[i];
        if (!g_str_equal(problem->operation, "read") && !g_str_equal(problem->operation, "fetch"))
            continue;
        more += first != NULL;
        first = first ? first : problem;
    }
    if (!first)
        return NULL;
    return more ? g_strdup_printf("%s (and %u more: 'posternctl pending' lists them)", first->text,
                                  more)
                : g_strdup(first->text);
}

/* Whether upstream doesn't give something that should be here. */
static gboolean is_something_missing(Sync *sync)
{
    g_autofree char *missing = describe_missing(sync->cache);

    return missing != NULL;
}

/* Under the lock: tells the daemon, where there is something new to tell. */
static void report(Sync *sync)
{
    AccountState state = sync->phase;
    double part = 1;

    const char *message = sync->message;

    if (state == ACCOUNT_IDLE && sync->fetching)
        state = ACCOUNT_SYNCING;
    if (sync->no_space && (state == ACCOUNT_IDLE || state == ACCOUNT_SYNCING)) {
        state = ACCOUNT_NO_SPACE;
        message = sync->no_space;
    }
    if (state == ACCOUNT_SYNCING || state == ACCOUNT_NO_SPACE || is_something_missing(sync))
        part = MIN(progress(sync), state == ACCOUNT_SYNCING ? 1 : 0.99);
    gboolean moved = ABS(part - sync->reported_progress) >= 0.005;
    if (state == sync->reported && !moved && g_strcmp0(message, sync->reported_message) == 0)
        return;
    sync->reported = state;
    sync->reported_progress = part;
    g_free(sync->reported_message);
    sync->reported_message = g_strdup(message);
    if (sync->report)
        sync->report(state, part, message, sync->report_data);
}

static void set_phase(Sync *sync, AccountState phase, const char *message)
{
    lock(sync);
    sync->phase = phase;
    g_free(sync->message);
    sync->message = g_strdup(message);
    report(sync);
    unlock(sync);
}

/* The last error stays until a round went well. */
static void set_busy(Sync *sync, AccountState phase)
{
    lock(sync);
    sync->phase = phase;
    report(sync);
    unlock(sync);
}

/* From the fetchers. */
static void bodies_changed(gboolean busy, const char *no_space, gpointer data)
{
    Sync *sync = data;
    gint64 now = g_get_monotonic_time();

    lock(sync);
    gboolean space_changed = g_strcmp0(no_space, sync->no_space) != 0;
    if (space_changed) {
        /* One line when it begins and one when it ends. */
        if (!no_space != !sync->no_space)
            g_message("%s: %s", sync->access.settings->id,
                      no_space ? no_space : "There is room on the disk again");
        g_free(sync->no_space);
        sync->no_space = g_strdup(no_space);
    }
    /* Counting costs more than a batch of small messages. */
    if (space_changed || busy != sync->fetching || now - sync->told > TELL_USEC) {
        sync->fetching = busy;
        sync->told = now;
        report(sync);
    }
    pthread_cond_broadcast(&sync->changed);
    unlock(sync);
}

/* From a round with a maildrop. */
static void fetched_more(double share, gpointer data)
{
    Sync *sync = data;
    gint64 now = g_get_monotonic_time();

    lock(sync);
    sync->share = share;
    if (now - sync->told > TELL_USEC) {
        sync->told = now;
        report(sync);
    }
    unlock(sync);
}

/* From the thread that watches INBOX. */
static void inbox_changed(gpointer data)
{
    Sync *sync = data;

    lock(sync);
    sync->inbox_changed = TRUE;
    unlock(sync);
    wake(sync);
}

/* ---- connecting ---------------------------------------------------------------------------- */

static gboolean connect_upstream(Sync *sync, NetCancel *cancel, GError **error)
{
    SyncContext *context = sync->context;

    context->imap = upstream_connect_imap(&sync->access, cancel, error);
    context->selected = 0;
    context->connection++;
    if (context->imap)
        sync->connected = net_cancel_ref(cancel);
    return context->imap != NULL;
}

static void disconnect_upstream(Sync *sync)
{
    g_clear_pointer(&sync->context->imap, imap_client_close);
    g_clear_pointer(&sync->connected, net_cancel_unref);
    /* What was counted may not have been committed. */
    g_hash_table_remove_all(sync->context->base_counts);
    sync_forget_rights(sync->context);
    sync->context->selected = 0;
}

/* For the round that is under way. */

static gboolean reconnect(gpointer data, GError **error)
{
    Sync *sync = data;

    disconnect_upstream(sync);
    return connect_upstream(sync, sync->round, error);
}

/* ---- failures ------------------------------------------------------------------------------ */

/* What a failure means for the account, and for how long to wait at least. */
static AccountState classify(const GError *error, guint *seconds)
{
    *seconds = 0;
    if (error->domain == ACCOUNT_ERROR_DOMAIN) {
        gboolean locked = error->code == ACCOUNT_SECRET_LOCKED;
        *seconds = locked ? BACKOFF_LOCKED : BACKOFF_AUTH;
        return locked ? ACCOUNT_LOCKED : ACCOUNT_AUTH_REQUIRED;
    }
    if (g_error_matches(error, CACHE_ERROR, CACHE_ERROR_FULL))
        return ACCOUNT_NO_SPACE;
    if (error->domain == NET_ERROR)
        return error->code == NET_ERROR_TLS || error->code == NET_ERROR_CERTIFICATE ||
                       error->code == NET_ERROR_TOO_LONG
                   ? ACCOUNT_ERROR
                   : ACCOUNT_OFFLINE;
    if (g_error_matches(error, IMAP_CLIENT_ERROR, IMAP_CLIENT_ERROR_AUTH) ||
        g_error_matches(error, POP3_CLIENT_ERROR, POP3_CLIENT_ERROR_AUTH)) {
        *seconds = BACKOFF_AUTH;
        return ACCOUNT_AUTH_REQUIRED;
    }
    if (g_error_matches(error, POP3_CLIENT_ERROR, POP3_CLIENT_ERROR_UNAVAILABLE))
        return ACCOUNT_OFFLINE;
    if (error->domain == IMAP_CLIENT_ERROR &&
        (error->code == IMAP_CLIENT_ERROR_UNAVAILABLE || error->code == IMAP_CLIENT_ERROR_CLOSED))
        return ACCOUNT_OFFLINE;
    return ACCOUNT_ERROR;
}

/* With jitter, so that many clients of one provider don't come back together. */
static guint back_off(guint *backoff, guint least)
{
    *backoff = CLAMP(*backoff * 2, BACKOFF_FIRST, BACKOFF_MAX);
    guint seconds = MAX(*backoff, least);
    return seconds < 4 ? seconds : seconds - (guint)g_random_int_range(0, (gint32)(seconds / 4));
}

/* ---- rounds -------------------------------------------------------------------------------- */

static gboolean is_again(const GError *error)
{
    return g_error_matches(error, SYNC_ERROR, SYNC_ERROR_AGAIN) ||
           g_error_matches(error, SYNC_ERROR, SYNC_ERROR_CONFIRM);
}

/* Since the round began the network has changed, or somebody waits: that has nothing to do with it. */
static gboolean was_doubted(const GError *error)
{
    return g_error_matches(error, NET_ERROR, NET_ERROR_STALE);
}

static gboolean is_stale(const GError *error)
{
    return (error->domain == NET_ERROR &&
            (error->code == NET_ERROR_CLOSED || error->code == NET_ERROR_IO ||
             error->code == NET_ERROR_TIMEOUT)) ||
           g_error_matches(error, IMAP_CLIENT_ERROR, IMAP_CLIENT_ERROR_CLOSED);
}

/* What else is connected goes as well: it is connected again when a round went well. */
static void disconnect_others(Sync *sync, const char *why)
{
    if (sync->watch)
        sync_watch_allow(sync->watch, FALSE);
    fetch_bodies_set_online(sync->bodies, FALSE, why);
}

/* Whether the connection of earlier rounds can be used. */
static gboolean is_alive(Sync *sync)
{
    g_autoptr(GError) error = NULL;

    if (net_clock_usec(sync->access.clock) - sync->heard < PROBE_AFTER_USEC)
        return TRUE;
    if (imap_client_probe(sync->context->imap, PROBE_SECONDS, &error)) {
        sync->heard = net_clock_usec(sync->access.clock);
        return TRUE;
    }
    g_debug("%s: the connection has died: %s", sync->access.settings->id, error->message);
    return FALSE;
}

static gboolean round_once(Sync *sync, SyncRoundKind kind, NetCancel *cancel, GError **error)
{
    /* Offline and online again, perhaps unnoticed: connections don't outlive that. */
    if (sync->connected != cancel)
        disconnect_upstream(sync);
    if (sync->context->imap && !is_alive(sync)) {
        disconnect_upstream(sync);
        disconnect_others(sync, "the connection has died");
        kind = SYNC_ROUND_FULL;
    }
    if (!sync->context->imap) {
        set_busy(sync, ACCOUNT_CONNECTING);
        if (!connect_upstream(sync, cancel, error))
            return FALSE;
    }
    fetch_bodies_set_online(sync->bodies, TRUE, NULL);
    set_busy(sync, ACCOUNT_SYNCING);
    sync->round = cancel;
    gboolean ok = sync_round(sync->context, kind, error);
    sync->heard = net_clock_usec(sync->access.clock);
    return ok;
}

/* A round; again, on a new connection, where it asks for that or an old connection had died. */
static gboolean run_imap_round(Sync *sync, SyncRoundKind kind, NetCancel *cancel, GError **error)
{
    for (guint again = 0;; again++) {
        g_autoptr(GError) reason = NULL;
        gboolean stale = sync->context->imap != NULL && again == 0;

        if (round_once(sync, kind, cancel, &reason))
            return TRUE;
        disconnect_upstream(sync);
        gboolean retry = is_again(reason) || was_doubted(reason) || (stale && is_stale(reason));
        if (!retry || again >= MAX_AGAIN || net_cancel_triggered(cancel)) {
            g_propagate_error(error, g_steal_pointer(&reason));
            return FALSE;
        }
        g_debug("%s: %s", sync->access.settings->id, reason->message);
        kind = SYNC_ROUND_FULL;
    }
}

/* A maildrop is open for as short as can be: others can't get in meanwhile. */
static gboolean run_pop3_round(Sync *sync, NetCancel *cancel, GError **error)
{
    set_busy(sync, ACCOUNT_CONNECTING);
    g_autoptr(Pop3Client) client = upstream_connect_pop3(&sync->access, cancel, error);
    if (!client)
        return FALSE;
    sync->context->login_delay = pop3_client_capabilities(client)->login_delay;
    set_busy(sync, ACCOUNT_SYNCING);
    return sync_maildrop(sync->context, client, error);
}

static gboolean run_round_by_kind(Sync *sync, SyncRoundKind kind, NetCancel *cancel, GError **error)
{
    switch (sync->access.settings->kind) {
    case ACCOUNT_LOCAL: /* what is nowhere else is always in step */
        return TRUE;
    case ACCOUNT_POP3:
        return kind == SYNC_ROUND_PUSH || run_pop3_round(sync, cancel, error);
    default:
        return run_imap_round(sync, kind, cancel, error);
    }
}

static gboolean run_round(Sync *sync, SyncRoundKind kind, NetCancel *cancel, GError **error)
{
    return run_round_by_kind(sync, kind, cancel, error) && cache_has_room(sync->cache, error);
}

static void round_succeeded(Sync *sync)
{
    gboolean busy = fetch_bodies_busy(sync->bodies);
    g_autofree char *alert =
        sync->context->imap ? imap_client_take_alert(sync->context->imap) : NULL;

    if (alert)
        g_message("%s: the provider says: %s", sync->access.settings->id, alert);
    lock(sync);
    sync->fetching = busy;
    g_clear_pointer(&sync->failure, g_free);
    unlock(sync);
    set_phase(sync, ACCOUNT_IDLE, NULL);
    if (sync->watch)
        sync_watch_allow(sync->watch, TRUE);
}

/* Gives the seconds to wait. */
static guint round_failed(Sync *sync, const GError *error, guint *backoff)
{
    guint least;
    AccountState state = classify(error, &least);

    least = MAX(least, sync->context->login_delay);
    disconnect_others(sync, error->message);
    lock(sync);
    gboolean same = g_strcmp0(sync->message, error->message) == 0;
    g_free(sync->failure);
    sync->failure = g_strdup(error->message);
    unlock(sync);
    set_phase(sync, state, error->message);
    if (!same)
        g_log(G_LOG_DOMAIN, state == ACCOUNT_OFFLINE ? G_LOG_LEVEL_MESSAGE : G_LOG_LEVEL_WARNING,
              "%s: %s", sync->access.settings->id, error->message);
    if (state == ACCOUNT_NO_SPACE)
        *backoff = MIN(*backoff, BACKOFF_NO_SPACE / 2);
    return back_off(backoff, least);
}

/* ---- the thread ---------------------------------------------------------------------------- */

typedef struct {
    gboolean stop, online;
    gboolean asked, inbox, pending, timer;
    gboolean doubt; /* whether the connection is still one */
    guint64 requested;
    NetCancel *cancel; /* a reference */
    gint64 began;      /* Unix seconds */
} Reasons;

static gboolean is_reason(const Reasons *reasons)
{
    return reasons->asked || reasons->inbox || reasons->pending || reasons->timer || reasons->doubt;
}

static void read_reasons(Sync *sync, Reasons *reasons)
{
    lock(sync);
    reasons->stop = sync->stop;
    reasons->online = sync->online;
    reasons->asked = sync->requested > sync->completed;
    reasons->requested = sync->requested;
    reasons->inbox |= sync->inbox_changed;
    reasons->doubt |= sync->doubted;
    sync->inbox_changed = sync->doubted = FALSE;
    if (reasons->cancel != sync->cancel) {
        /* Online since another moment, be it that this thread didn't notice the time between. */
        reasons->timer = TRUE;
        net_cancel_unref(reasons->cancel);
        reasons->cancel = net_cancel_ref(sync->cancel);
    }
    unlock(sync);
}

/* Waits for a reason, at most until `until` (of the clock). While failing, only time and a request
 * count. */
static void await_reason(Sync *sync, Reasons *reasons, gint64 until, gboolean failing)
{
    struct pollfd fds[] = {{.fd = sync->wake_fd, .events = POLLIN},
                           {.fd = failing ? -1 : sync->pending_fd, .events = POLLIN}};

    *reasons = (Reasons){.cancel = reasons->cancel};
    for (;;) {
        read_reasons(sync, reasons);
        if (reasons->stop || !reasons->online ||
            (is_reason(reasons) &&
             (!failing || reasons->asked || reasons->timer || reasons->doubt)))
            return;
        if (net_clock_usec(sync->access.clock) >= until) {
            reasons->timer = TRUE;
            return;
        }
        if (net_clock_poll(sync->access.clock, fds, G_N_ELEMENTS(fds), until) <= 0)
            continue;
        if (fds[0].revents)
            drain(sync->wake_fd);
        if (fds[1].revents) {
            g_usleep(GATHER_MS * 1000);
            drain(sync->pending_fd);
            reasons->pending = TRUE;
        }
    }
}

static gboolean is_doubt_alone(const Reasons *reasons)
{
    return reasons->doubt && !reasons->asked && !reasons->inbox && !reasons->pending &&
           !reasons->timer;
}

static SyncRoundKind kind_of(const Reasons *reasons, gboolean failed)
{
    if (reasons->asked || reasons->timer || reasons->doubt || failed)
        return SYNC_ROUND_FULL;
    return reasons->inbox ? SYNC_ROUND_INBOX : SYNC_ROUND_PUSH;
}

static void round_ended(Sync *sync, const Reasons *reasons, gboolean ok, gboolean full)
{
    guint64 requested = reasons->requested;

    lock(sync);
    if (full || !ok)
        sync->completed = MAX(sync->completed, requested);
    if (ok && full) {
        sync->last = net_clock_seconds(sync->access.clock);
        sync->seen = reasons->began;
    }
    pthread_cond_broadcast(&sync->changed);
    unlock(sync);
}

static gint64 from_now(Sync *sync, gint64 seconds)
{
    return net_clock_usec(sync->access.clock) + MAX(seconds, 1) * G_USEC_PER_SEC;
}

/* When to come back by ourselves: the next poll, or something that was held back. */
static gint64 next_time(Sync *sync, guint quiet)
{
    gint64 seconds = quiet > QUIET_ROUNDS ? POLL_QUIET_SECONDS : POLL_SECONDS;
    gint64 due = sync->context->not_before, again = sync->context->look_again;

    if (sync->access.settings->kind == ACCOUNT_LOCAL)
        return from_now(sync, G_MAXINT32);
    due = !due ? again : again ? MIN(due, again) : due;
    if (due) {
        gint64 left = due - net_clock_seconds(sync->access.clock);
        seconds = MIN(seconds, MAX(left, 1));
    }
    return from_now(sync, MAX(seconds, sync->context->login_delay));
}

/* Whether upstream isn't to be used: by whom is the daemon's to say. */
static void go_offline(Sync *sync)
{
    disconnect_upstream(sync);
    disconnect_others(sync, "Postern is offline");
    set_phase(sync, ACCOUNT_OFFLINE, NULL);
}

static void fail_waiting(Sync *sync, guint64 requested)
{
    lock(sync);
    if (sync->requested > sync->completed) {
        g_free(sync->failure);
        sync->failure = g_strdup("Postern is offline");
        sync->completed = MAX(sync->completed, requested);
        pthread_cond_broadcast(&sync->changed);
    }
    unlock(sync);
}

/* While upstream isn't to be used: everything closed, nothing done, until something changes. */
static void sit_out(Sync *sync, guint64 requested)
{
    struct pollfd fd = {.fd = sync->wake_fd, .events = POLLIN};

    go_offline(sync);
    fail_waiting(sync, requested);
    if (poll(&fd, 1, -1) > 0)
        drain(sync->wake_fd);
}

static void *sync_thread(void *data)
{
    Sync *sync = data;
    Reasons reasons = {0};
    gboolean failing = FALSE;
    guint backoff = 0, quiet = 0;
    gint64 until = net_clock_usec(sync->access.clock);

    net_thread_name("sync", sync->access.settings->id);
    for (;;) {
        g_autoptr(GError) error = NULL;

        await_reason(sync, &reasons, until, failing);
        if (reasons.stop)
            break;
        if (!reasons.online) {
            sit_out(sync, reasons.requested);
            failing = FALSE;
            backoff = 0;
            until = net_clock_usec(sync->access.clock);
            continue;
        }
        if (reasons.asked || reasons.doubt)
            sync->heard = 0;
        if (is_doubt_alone(&reasons) && sync->context->imap && is_alive(sync))
            continue;
        sync->context->asked = reasons.asked;
        if (reasons.asked)
            sync_forget_rights(sync->context);
        reasons.began = net_clock_seconds(sync->access.clock);
        SyncRoundKind kind = kind_of(&reasons, failing);
        gboolean ok = run_round(sync, kind, reasons.cancel, &error);
        failing = !ok && !net_cancel_triggered(reasons.cancel);
        if (ok) {
            backoff = 0;
            g_hash_table_remove_all(sync->context->repeats);
            if (reasons.asked || kind == SYNC_ROUND_FULL)
                fetch_bodies_wake(sync->bodies, reasons.asked);
            quiet = reasons.timer ? quiet + 1 : 0;
            round_succeeded(sync);
            until = next_time(sync, quiet);
        } else if (failing) {
            until = from_now(sync, round_failed(sync, error, &backoff));
        } else {
            /* Offline and online again before this thread noticed: there is a round to be made up
             * for. */
            until = net_clock_usec(sync->access.clock);
        }
        round_ended(sync, &reasons, ok, kind == SYNC_ROUND_FULL);
    }
    disconnect_upstream(sync);
    net_cancel_unref(reasons.cancel);
    return NULL;
}

/* ---- from other threads -------------------------------------------------------------------- */

static void init_lock(Sync *sync)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&sync->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&sync->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* Where there may be two connections, one is sync's and one for what is asked for: INBOX is polled. */
static gboolean has_room_to_watch(const AccountAccess *access)
{
    Quirks quirks;

    account_habits_get(access->habits, &quirks);
    guint most = quirks.numbers[QUIRK_CONNECTIONS];
    return access->settings->kind == ACCOUNT_IMAP && (most == 0 || most > 2);
}

Sync *sync_new(const AccountAccess *access, Cache *cache, FetchBodies *bodies,
               AccountReport report_func, gpointer report_data)
{
    Sync *sync = g_new0(Sync, 1);

    sync->access = account_access_copy(access);
    sync->cache = cache;
    sync->bodies = bodies;
    sync->report = report_func;
    sync->report_data = report_data;
    init_lock(sync);
    sync->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    sync->pending_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    sync->cancel = net_cancel_new();
    sync->online = TRUE;
    sync->phase = sync->reported = ACCOUNT_CONNECTING;
    sync->context = sync_context_new(access, cache, bodies);
    sync->context->reconnect = reconnect;
    sync->context->reconnect_data = sync;
    sync->context->progressed = fetched_more;
    sync->context->progressed_data = sync;
    sync->pending_watch = cache_watch_pending(cache, sync->pending_fd);
    fetch_bodies_set_listener(bodies, bodies_changed, sync);
    if (has_room_to_watch(access))
        sync->watch = sync_watch_new(access, inbox_changed, sync);
    pthread_create(&sync->thread, NULL, sync_thread, sync);
    return sync;
}

void sync_free(Sync *sync)
{
    if (!sync)
        return;
    lock(sync);
    sync->stop = TRUE;
    net_cancel_trigger(sync->cancel);
    pthread_cond_broadcast(&sync->changed);
    unlock(sync);
    wake(sync);
    /* In this order: the thread tells the watch what it may, the watch only wakes the thread. */
    pthread_join(sync->thread, NULL);
    sync_watch_free(sync->watch);
    fetch_bodies_set_online(sync->bodies, FALSE, "Postern is stopping");
    fetch_bodies_set_listener(sync->bodies, NULL, NULL);
    cache_unwatch(sync->pending_watch);
    sync_context_free(sync->context);
    close(sync->wake_fd);
    close(sync->pending_fd);
    net_cancel_unref(sync->cancel);
    account_access_clear(&sync->access);
    pthread_cond_destroy(&sync->changed);
    pthread_mutex_destroy(&sync->lock);
    g_free(sync->failure);
    g_free(sync->message);
    g_free(sync->reported_message);
    g_free(sync->no_space);
    g_free(sync);
}

/* Under the lock: what is under way ends, and another time online begins. */
static void begin_anew(Sync *sync)
{
    net_cancel_trigger(sync->cancel);
    net_cancel_unref(sync->cancel);
    sync->cancel = net_cancel_new();
}

/* What else is connected connects again, without being told that there is nothing to be had. */
static void reconnect_others(Sync *sync)
{
    if (sync->watch)
        sync_watch_reconnect(sync->watch);
    fetch_bodies_reconnect(sync->bodies);
}

void sync_set_online(Sync *sync, gboolean online)
{
    lock(sync);
    gboolean changed = sync->online != online;
    sync->online = online;
    if (changed)
        begin_anew(sync);
    unlock(sync);
    /* The thread may not have noticed the time between. */
    if (changed && online)
        reconnect_others(sync);
    wake(sync);
}

/* Of everything that is connected, or about to be. */
static void doubt_connections(Sync *sync, NetDoubt doubt)
{
    lock(sync);
    net_cancel_doubt(sync->cancel, doubt);
    unlock(sync);
    if (sync->watch)
        sync_watch_check(sync->watch, doubt);
    fetch_bodies_check(sync->bodies, doubt);
}

void sync_check(Sync *sync)
{
    lock(sync);
    sync->doubted = TRUE;
    unlock(sync);
    doubt_connections(sync, NET_DOUBT_CHANGED);
    wake(sync);
}

void sync_reconnect(Sync *sync)
{
    lock(sync);
    begin_anew(sync);
    unlock(sync);
    reconnect_others(sync);
    wake(sync);
}

guint64 sync_now(Sync *sync)
{
    lock(sync);
    guint64 round = ++sync->requested;
    unlock(sync);
    doubt_connections(sync, NET_DOUBT_ASKED);
    wake(sync);
    return round;
}

/* Under the lock: a quarter of a second, or less when something changed. */
static void wait_a_little(Sync *sync)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += 250 * 1000 * 1000;
    if (until.tv_nsec >= 1000 * 1000 * 1000) {
        until.tv_nsec -= 1000 * 1000 * 1000;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&sync->changed, &sync->lock, &until);
}

/* Waits until `condition`; FALSE: cancelled or stopped. */
static gboolean wait_for(Sync *sync, gboolean (*condition)(Sync *sync, guint64 round),
                         guint64 round, NetCancel *cancel)
{
    gboolean stopped = FALSE;

    while (!stopped && !condition(sync, round)) {
        lock(sync);
        wait_a_little(sync);
        stopped = sync->stop || (cancel && net_cancel_triggered(cancel));
        unlock(sync);
    }
    return !stopped;
}

static gboolean round_has_ended(Sync *sync, guint64 round)
{
    lock(sync);
    gboolean ended = sync->completed >= round;
    unlock(sync);
    return ended;
}

static gboolean bodies_are_here(Sync *sync, guint64 round)
{
    return !fetch_bodies_busy(sync->bodies);
}

gboolean sync_wait_round(Sync *sync, guint64 round, NetCancel *cancel, GError **error)
{
    if (!wait_for(sync, round_has_ended, round, cancel)) {
        g_set_error_literal(error, NET_ERROR, NET_ERROR_CANCELLED, "Cancelled.");
        return FALSE;
    }
    lock(sync);
    gboolean ok = sync->failure == NULL;
    if (!ok && sync->phase == ACCOUNT_NO_SPACE)
        g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_FULL, sync->failure);
    else if (!ok)
        g_set_error_literal(error, NET_ERROR, NET_ERROR_IO, sync->failure);
    unlock(sync);
    if (ok && !wait_for(sync, bodies_are_here, round, cancel)) {
        g_set_error_literal(error, NET_ERROR, NET_ERROR_CANCELLED, "Cancelled.");
        return FALSE;
    }
    lock(sync);
    if (ok && sync->no_space) {
        g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_FULL, sync->no_space);
        ok = FALSE;
    }
    unlock(sync);
    g_autofree char *missing = ok ? describe_missing(sync->cache) : NULL;
    if (missing)
        g_set_error_literal(error, SYNC_ERROR, SYNC_ERROR_MISSING, missing);
    return ok && !missing;
}

gint64 sync_last(Sync *sync)
{
    lock(sync);
    gint64 last = sync->last;
    unlock(sync);
    return last;
}

gint64 sync_seen(Sync *sync)
{
    lock(sync);
    gint64 seen = sync->seen;
    unlock(sync);
    return seen;
}
