/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Each account goes through stopped → starting → running → stopping in step with what the
 * configuration wants; settle() takes the next step whenever something that it depends on has
 * changed: the configuration, the end of a start or stop, the end of the last job.
 */
#include "daemon/account/accounts.h"

#include "cache/repair.h"
#include "daemon/net/thread.h"

#include <gio/gio.h>
#include <glib-unix.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Reports from threads are collected for this long before anyone is told, in ms. */
#define REPORT_DELAY 100
/* And the cache's changes before it is counted again. */
#define REFRESH_DELAY 500

typedef struct {
    AccountState state;
    double progress;
    char *message;
} Report;

typedef struct {
    guint64 round;
    AccountSynced done;
    gpointer data;
} Waiter;

typedef struct {
    Account public;
    gint refs; /* atomic: sources and tasks on their way */

    ConfigAccount *wanted;  /* NULL: not in the configuration any more */
    ConfigAccount *current; /* what `work` runs as */
    AccountWork *work;
    gboolean busy; /* starting, stopping or purging */
    gboolean purge;
    char *failure; /* why starting failed */
    guint jobs;    /* tasks that use `work` */

    NetCancel *stopping; /* wakes what waits for a round */
    GArray *waiters;     /* Waiter */
    gboolean waiting;    /* a job waits for a round */
    gboolean damaged;    /* the cache: it is to be made anew, which starting does */

    guint changed_watch, refresh_timer;
    gboolean refreshing;

    pthread_mutex_t lock; /* over what follows */
    Report sync, relay;
    gboolean notice; /* a source of the main loop is on its way */
} Full;

struct Accounts {
    char *data_dir;
    Secrets *secrets;
    Queue *queue;
    Sessions *sessions;
    Listeners *listeners;
    AccountsObserver observer;
    GPtrArray *all; /* Full */
    gboolean forced_offline, network;
    GArray *settled; /* Settled: who waits for everything to have been changed over */

    pthread_mutex_t lock; /* over `running` */
    GPtrArray *running;   /* AccountWork that clients can log in to */
};

typedef struct {
    AccountsDone done;
    gpointer data;
} Settled;

static void settle(Full *account);

/* ---- life ---------------------------------------------------------------------------------- */

static Full *full_ref(Full *account)
{
    g_atomic_int_inc(&account->refs);
    return account;
}

static void full_unref(gpointer data)
{
    Full *account = data;

    if (!g_atomic_int_dec_and_test(&account->refs))
        return;
    AccountStatus *status = &account->public.status;
    g_free(status->error);
    g_free(status->incoming_error);
    g_free(status->outgoing_error);
    g_strfreev(status->local_passwords);
    g_clear_pointer(&account->public.config, config_account_unref);
    g_clear_pointer(&account->wanted, config_account_unref);
    g_clear_pointer(&account->current, config_account_unref);
    g_clear_pointer(&account->stopping, net_cancel_unref);
    g_array_unref(account->waiters);
    g_free(account->failure);
    g_free(account->sync.message);
    g_free(account->relay.message);
    pthread_mutex_destroy(&account->lock);
    g_free(account);
}

static Full *full_new(Accounts *accounts, ConfigAccount *config)
{
    Full *account = g_new0(Full, 1);

    account->refs = 1;
    account->public.accounts = accounts;
    account->public.config = config_account_ref(config);
    account->public.status.local_passwords = g_new0(char *, 1);
    account->waiters = g_array_new(FALSE, FALSE, sizeof(Waiter));
    account->relay.state = ACCOUNT_IDLE;
    pthread_mutex_init(&account->lock, NULL);
    return account;
}

Accounts *accounts_new(const char *data_dir, Secrets *secrets, Queue *queue)
{
    Accounts *accounts = g_new0(Accounts, 1);

    accounts->data_dir = g_strdup(data_dir);
    accounts->secrets = secrets;
    accounts->queue = queue;
    accounts->all = g_ptr_array_new();
    accounts->running = g_ptr_array_new();
    accounts->settled = g_array_new(FALSE, FALSE, sizeof(Settled));
    pthread_mutex_init(&accounts->lock, NULL);
    return accounts;
}

void accounts_free(Accounts *accounts)
{
    g_assert(accounts->all->len == 0);
    g_ptr_array_unref(accounts->all);
    g_ptr_array_unref(accounts->running);
    g_array_unref(accounts->settled);
    pthread_mutex_destroy(&accounts->lock);
    g_free(accounts->data_dir);
    g_free(accounts);
}

void accounts_observe(Accounts *accounts, const AccountsObserver *observer)
{
    accounts->observer = *observer;
}

void accounts_connect(Accounts *accounts, Sessions *sessions, Listeners *listeners)
{
    accounts->sessions = sessions;
    accounts->listeners = listeners;
}

Account *accounts_get(Accounts *accounts, const char *id)
{
    for (guint i = 0; i < accounts->all->len; i++) {
        Full *account = g_ptr_array_index(accounts->all, i);
        if (strcmp(account->public.config->id, id) == 0)
            return &account->public;
    }
    return NULL;
}

GPtrArray *accounts_list(Accounts *accounts)
{
    return accounts->all; /* Full begins with Account */
}

/* ---- how an account is --------------------------------------------------------------------- */

/* States that a person has to do something about come before what the other part is busy with. */
static gboolean needs_attention(AccountState state)
{
    return state == ACCOUNT_LOCKED || state == ACCOUNT_AUTH_REQUIRED || state == ACCOUNT_ERROR;
}

static void combine(Full *account)
{
    AccountStatus *status = &account->public.status;
    const Report *sync = &account->sync, *relay = &account->relay;
    gboolean relay_first = needs_attention(relay->state) && !needs_attention(sync->state);

    status->incoming = sync->state;
    status->outgoing = relay->state;
    status->incoming_error = g_strdup(sync->message);
    status->outgoing_error = g_strdup(relay->message);
    status->progress = sync->progress;
    status->state = relay_first ? relay->state : sync->state;
    status->error = g_strdup(relay_first || !sync->message ? relay->message : sync->message);
}

static void update_status(Full *account)
{
    AccountStatus *status = &account->public.status;
    const ConfigAccount *config = account->public.config;

    g_clear_pointer(&status->error, g_free);
    g_clear_pointer(&status->incoming_error, g_free);
    g_clear_pointer(&status->outgoing_error, g_free);
    status->progress = 0;
    status->state = ACCOUNT_CONNECTING;
    if (config->error || account->failure) {
        status->state = ACCOUNT_ERROR;
        status->error = g_strdup(config->error ? config->error : account->failure);
    } else if (!config->settings->enabled) {
        status->state = ACCOUNT_DISABLED;
    } else if (account->work && !account->busy) {
        pthread_mutex_lock(&account->lock);
        combine(account);
        pthread_mutex_unlock(&account->lock);
        return;
    }
    status->incoming = status->outgoing = status->state;
}

static void tell_changed(Full *account)
{
    const AccountsObserver *observer = &account->public.accounts->observer;

    if (!account->wanted)
        return;
    update_status(account);
    if (observer->changed)
        observer->changed(&account->public, observer->data);
}

static gboolean on_notice(gpointer data)
{
    Full *account = data;

    pthread_mutex_lock(&account->lock);
    account->notice = FALSE;
    pthread_mutex_unlock(&account->lock);
    tell_changed(account);
    /* A round's end moves LastSync and what is pending, which are read with the counts. A short
     * round begins and ends within one notice, so that what the state was before says nothing. */
    if (account->public.status.incoming == ACCOUNT_IDLE)
        account_refresh(&account->public);
    return G_SOURCE_REMOVE;
}

static void take_report(Full *account, Report *report, AccountState state, double progress,
                        const char *message)
{
    pthread_mutex_lock(&account->lock);
    report->state = state;
    report->progress = CLAMP(progress, 0, 1);
    g_free(report->message);
    report->message = message && *message ? g_utf8_make_valid(message, -1) : NULL;
    if (!account->notice) {
        account->notice = TRUE;
        g_timeout_add_full(G_PRIORITY_DEFAULT, REPORT_DELAY, on_notice, full_ref(account),
                           full_unref);
    }
    pthread_mutex_unlock(&account->lock);
}

static void report_sync(AccountState state, double progress, const char *message, gpointer data)
{
    Full *account = data;
    take_report(account, &account->sync, state, progress, message);
}

static void report_relay(AccountState state, double progress, const char *message, gpointer data)
{
    Full *account = data;
    take_report(account, &account->relay, state, progress, message);
}

/* ---- jobs ---------------------------------------------------------------------------------- */

typedef struct {
    Full *account;
    AccountJob job;
    AccountJobDone done;
    gpointer data;
    gpointer result;
    GError *error;
} JobRun;

static void job_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    JobRun *run = data;

    net_thread_name("account", run->account->current->id);
    run->result = run->job(run->account->work, run->data, &run->error);
    net_thread_unname();
    g_task_return_boolean(task, TRUE);
}

static void job_done(GObject *source, GAsyncResult *result, gpointer data)
{
    JobRun *run = data;
    Full *account = run->account;

    account->jobs--;
    run->done(&account->public, run->result, run->error, run->data);
    g_clear_error(&run->error);
    g_free(run);
    settle(account);
    full_unref(account);
}

static gboolean wants_to_run(const ConfigAccount *config)
{
    return config && config->settings && config->settings->enabled;
}

/* Whether `work` is what the configuration wants. */
static gboolean is_right(const Full *account)
{
    return account->work && !account->damaged && wants_to_run(account->wanted) &&
           config_account_equal(account->wanted, account->current);
}

void account_run(Account *public, AccountJob job, AccountJobDone done, gpointer data)
{
    Full *account = (Full *)public;

    if (account->busy || !is_right(account)) {
        g_autoptr(GError) error =
            g_error_new(G_IO_ERROR, G_IO_ERROR_NOT_INITIALIZED, "the account %s is not running%s%s",
                        public->config->id, public->status.error ? ": " : "",
                        public->status.error ? public->status.error : "");
        done(public, NULL, error, data);
        return;
    }
    JobRun *run = g_new0(JobRun, 1);
    run->account = full_ref(account);
    run->job = job;
    run->done = done;
    run->data = data;
    account->jobs++;
    g_autoptr(GTask) task = g_task_new(NULL, NULL, job_done, run);
    g_task_set_task_data(task, run, NULL);
    g_task_run_in_thread(task, job_thread);
}

/* ---- counts -------------------------------------------------------------------------------- */

typedef struct {
    AccountCounts counts;
    char **names;
} Refreshed;

static gpointer refresh_job(AccountWork *work, gpointer data, GError **error)
{
    Refreshed *refreshed = g_new0(Refreshed, 1);

    refreshed->names = serve_verifiers_names(work->verifiers);
    if (account_work_counts(work, &refreshed->counts, error))
        return refreshed;
    g_strfreev(refreshed->names);
    g_free(refreshed);
    return NULL;
}

static void take_refreshed(Account *public, Refreshed *refreshed)
{
    public->status.counts = refreshed->counts;
    g_strfreev(public->status.local_passwords);
    public->status.local_passwords = refreshed->names;
    g_free(refreshed);
    tell_changed((Full *)public);
}

static void refresh_done(Account *public, gpointer result, const GError *error, gpointer data)
{
    ((Full *)public)->refreshing = FALSE;
    if (result)
        take_refreshed(public, result);
    else
        g_debug("%s: the counts can't be read: %s", public->config->id, error->message);
}

static gboolean on_refresh(gpointer data)
{
    Full *account = data;

    account->refresh_timer = 0;
    if (!account->work || account->busy)
        return G_SOURCE_REMOVE;
    if (account->refreshing) {
        account_refresh(&account->public);
        return G_SOURCE_REMOVE;
    }
    account->refreshing = TRUE;
    account_run(&account->public, refresh_job, refresh_done, NULL);
    return G_SOURCE_REMOVE;
}

void account_refresh(Account *public)
{
    Full *account = (Full *)public;
    if (!account->refresh_timer)
        account->refresh_timer = g_timeout_add(REFRESH_DELAY, on_refresh, account);
}

void account_set_local_passwords(Account *public, char **names)
{
    g_strfreev(public->status.local_passwords);
    public->status.local_passwords = names;
    tell_changed((Full *)public);
}

static gboolean on_cache_changed(gint fd, GIOCondition condition, gpointer data)
{
    Full *account = data;
    eventfd_t count;

    eventfd_read(fd, &count);
    account_refresh(&account->public);
    if (cache_is_damaged(account->work->cache) && !account->damaged) {
        account->damaged = TRUE;
        settle(account);
    }
    return G_SOURCE_CONTINUE;
}

/* ---- starting and stopping ----------------------------------------------------------------- */

static void publish(Accounts *accounts, AccountWork *work)
{
    pthread_mutex_lock(&accounts->lock);
    g_ptr_array_add(accounts->running, work);
    pthread_mutex_unlock(&accounts->lock);
}

static void unpublish(Accounts *accounts, AccountWork *work)
{
    pthread_mutex_lock(&accounts->lock);
    g_ptr_array_remove(accounts->running, work);
    pthread_mutex_unlock(&accounts->lock);
}

static void start_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    Full *account = data;
    Accounts *accounts = account->public.accounts;
    AccountWorkContext context = {
        .data_dir = accounts->data_dir,
        .secrets = accounts->secrets,
        .queue = accounts->queue,
        .sync_report = report_sync,
        .relay_report = report_relay,
        .report_data = account,
    };
    GError *error = NULL;

    net_thread_name("account", account->current->id);
    AccountWork *work = account_work_start(&context, account->current->settings, &error);
    net_thread_unname();
    if (work)
        g_task_return_pointer(task, work, NULL);
    else
        g_task_return_error(task, error);
}

static void started(GObject *source, GAsyncResult *result, gpointer data)
{
    Full *account = data;
    Accounts *accounts = account->public.accounts;
    g_autoptr(GError) error = NULL;
    AccountWork *work = g_task_propagate_pointer(G_TASK(result), &error);

    account->busy = FALSE;
    account->work = work;
    if (work) {
        account_work_set_online(work, accounts->forced_offline, accounts->network);
        publish(accounts, work);
        listeners_add_account(accounts->listeners, work->serve);
        account->changed_watch =
            g_unix_fd_add(work->changed_fd, G_IO_IN, on_cache_changed, account);
        account_refresh(&account->public);
    } else {
        account->failure = g_strdup(error->message);
        g_warning("%s: %s", account->current->id, error->message);
    }
    tell_changed(account);
    settle(account);
    full_unref(account);
}

static void begin_start(Full *account)
{
    account->busy = TRUE;
    account->damaged = FALSE;
    g_clear_pointer(&account->current, config_account_unref);
    account->current = config_account_ref(account->wanted);
    g_clear_pointer(&account->stopping, net_cancel_unref);
    account->stopping = net_cancel_new();

    pthread_mutex_lock(&account->lock);
    account->sync.state = ACCOUNT_CONNECTING;
    account->relay.state = ACCOUNT_IDLE;
    g_clear_pointer(&account->sync.message, g_free);
    g_clear_pointer(&account->relay.message, g_free);
    pthread_mutex_unlock(&account->lock);

    g_autoptr(GTask) task = g_task_new(NULL, NULL, started, full_ref(account));
    g_task_set_task_data(task, account, NULL);
    g_task_run_in_thread(task, start_thread);
}

static void stop_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    Full *account = data;

    net_thread_name("account", account->current->id);
    sessions_end_account(account->public.accounts->sessions, account->work->serve);
    account_work_stop(account->work);
    net_thread_unname();
    g_task_return_boolean(task, TRUE);
}

static void stopped(GObject *source, GAsyncResult *result, gpointer data)
{
    Full *account = data;

    account->busy = FALSE;
    account->work = NULL;
    tell_changed(account);
    settle(account);
    full_unref(account);
}

static void begin_stop(Full *account)
{
    Accounts *accounts = account->public.accounts;

    account->busy = TRUE;
    unpublish(accounts, account->work);
    listeners_remove_account(accounts->listeners, account->current->id);
    g_clear_handle_id(&account->changed_watch, g_source_remove);
    g_clear_handle_id(&account->refresh_timer, g_source_remove);

    g_autoptr(GTask) task = g_task_new(NULL, NULL, stopped, full_ref(account));
    g_task_set_task_data(task, account, NULL);
    g_task_run_in_thread(task, stop_thread);
}

/* ---- leaving ------------------------------------------------------------------------------- */

static void purge_queue(Queue *queue, const char *id)
{
    for (;;) {
        g_autoptr(GPtrArray) entries = queue_list(queue, id, -1, 0, 100, NULL);
        guint cancelled = 0;
        for (guint i = 0; entries && i < entries->len; i++) {
            const QueueEntry *entry = g_ptr_array_index(entries, i);
            if (entry->state != QUEUE_SENT && queue_cancel(queue, entry->id, NULL))
                cancelled++;
        }
        if (cancelled == 0)
            return;
    }
}

static void purge_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    Full *account = data;
    Accounts *accounts = account->public.accounts;
    const char *id = account->public.config->id;

    net_thread_name("account", id);
    account_data_purge(accounts->data_dir, id);
    if (accounts->queue)
        purge_queue(accounts->queue, id);
    secrets_forget(id);
    net_thread_unname();
    g_task_return_boolean(task, TRUE);
}

static void purged(GObject *source, GAsyncResult *result, gpointer data)
{
    Full *account = data;

    account->busy = FALSE;
    account->purge = FALSE;
    settle(account);
    full_unref(account);
}

static void begin_purge(Full *account)
{
    account->busy = TRUE;
    g_autoptr(GTask) task = g_task_new(NULL, NULL, purged, full_ref(account));
    g_task_set_task_data(task, account, NULL);
    g_task_run_in_thread(task, purge_thread);
}

void account_purge(Account *public)
{
    ((Full *)public)->purge = TRUE;
}

static void leave(Full *account)
{
    Accounts *accounts = account->public.accounts;
    g_ptr_array_remove(accounts->all, account);
    full_unref(account);
}

void accounts_problems(Accounts *accounts, GPtrArray *problems)
{
    for (guint i = 0; i < accounts->all->len; i++) {
        const Full *account = g_ptr_array_index(accounts->all, i);
        if (account->work && !account->busy && account->work->notice)
            g_ptr_array_add(problems,
                            g_strdup_printf("%s: %s", account->current->id, account->work->notice));
    }
}

/* ---- the next step ------------------------------------------------------------------------- */

static gboolean is_settled(const Full *account)
{
    if (account->busy || !account->wanted)
        return FALSE;
    if (wants_to_run(account->wanted))
        return account->failure || is_right(account);
    return !account->work;
}

static void tell_settled(Accounts *accounts)
{
    for (guint i = 0; i < accounts->all->len; i++) {
        if (!is_settled(g_ptr_array_index(accounts->all, i)))
            return;
    }
    while (accounts->settled->len) {
        Settled settled = g_array_index(accounts->settled, Settled, 0);
        g_array_remove_index(accounts->settled, 0);
        settled.done(settled.data);
    }
}

static void settle(Full *account)
{
    Accounts *accounts = account->public.accounts;

    if (account->busy)
        return;
    if (account->work && !is_right(account)) {
        net_cancel_trigger(account->stopping);
        if (account->jobs == 0)
            begin_stop(account);
        return;
    }
    if (!account->work && account->purge && account->jobs == 0) {
        begin_purge(account);
        return;
    }
    if (!account->work && wants_to_run(account->wanted) && !account->failure) {
        begin_start(account);
        return;
    }
    if (!account->work && !account->wanted && account->jobs == 0)
        leave(account);
    tell_settled(accounts);
}

/* ---- the configuration --------------------------------------------------------------------- */

/* NULL: it is to leave. */
static void want(Full *account, ConfigAccount *config)
{
    const AccountsObserver *observer = &account->public.accounts->observer;
    gboolean known = account->wanted != NULL;

    if (!config || !config_account_equal(config, account->public.config))
        g_clear_pointer(&account->failure, g_free);
    if (!config && known && observer->removed)
        observer->removed(&account->public, observer->data);
    g_clear_pointer(&account->wanted, config_account_unref);
    if (!config)
        return;
    account->wanted = config_account_ref(config);
    config_account_unref(account->public.config);
    account->public.config = config_account_ref(config);
    update_status(account);
    if (!known && observer->added)
        observer->added(&account->public, observer->data);
    tell_changed(account);
}

void accounts_apply(Accounts *accounts, const Config *config, AccountsDone done, gpointer data)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(full_unref);

    for (guint i = 0; config && i < config->accounts->len; i++) {
        ConfigAccount *wanted = g_ptr_array_index(config->accounts, i);
        Full *account = (Full *)accounts_get(accounts, wanted->id);
        if (!account)
            g_ptr_array_add(accounts->all, account = full_new(accounts, wanted));
        want(account, wanted);
    }
    for (guint i = 0; i < accounts->all->len; i++) {
        Full *account = g_ptr_array_index(accounts->all, i);
        if (!config || !config_find(config, account->public.config->id))
            want(account, NULL);
        g_ptr_array_add(all, full_ref(account));
    }
    if (done) {
        Settled settled = {done, data};
        g_array_append_val(accounts->settled, settled);
    }
    for (guint i = 0; i < all->len; i++)
        settle(g_ptr_array_index(all, i));
    tell_settled(accounts);
}

void accounts_set_online(Accounts *accounts, gboolean forced_offline, gboolean network)
{
    accounts->forced_offline = forced_offline;
    accounts->network = network;
    for (guint i = 0; i < accounts->all->len; i++) {
        Full *account = g_ptr_array_index(accounts->all, i);
        if (account->work && !account->busy)
            account_work_set_online(account->work, forced_offline, network);
    }
}

/* ---- for sessions -------------------------------------------------------------------------- */

ServeAccount *accounts_find_login(Accounts *accounts, const char *login)
{
    ServeAccount *by_address = NULL, *found = NULL;

    pthread_mutex_lock(&accounts->lock);
    for (guint i = 0; i < accounts->running->len && !found; i++) {
        AccountWork *work = g_ptr_array_index(accounts->running, i);
        if (strcmp(work->settings->id, login) == 0)
            found = work->serve;
        else if (!by_address && g_ascii_strcasecmp(work->settings->address, login) == 0)
            by_address = work->serve;
    }
    if (!found)
        found = by_address;
    if (found)
        serve_account_ref(found);
    pthread_mutex_unlock(&accounts->lock);
    return found;
}

/* ---- rounds -------------------------------------------------------------------------------- */

static void wait_for_round(Full *account);

typedef struct {
    guint64 round;
    NetCancel *stopping;
} RoundWait;

static gpointer wait_job(AccountWork *work, gpointer data, GError **error)
{
    RoundWait *wait = data;
    sync_wait_round(work->sync, wait->round, wait->stopping, error);
    /* Who waited for a round finds what it brought. */
    return refresh_job(work, NULL, NULL);
}

static void wait_done(Account *public, gpointer result, const GError *error, gpointer data)
{
    Full *account = (Full *)public;
    RoundWait *wait = data;

    account->waiting = FALSE;
    if (result)
        take_refreshed(public, result);
    for (guint i = account->waiters->len; i > 0; i--) {
        Waiter waiter = g_array_index(account->waiters, Waiter, i - 1);
        if (waiter.round > wait->round)
            continue;
        g_array_remove_index(account->waiters, i - 1);
        waiter.done(error, waiter.data);
    }
    net_cancel_unref(wait->stopping);
    g_free(wait);
    wait_for_round(account);
}

/* One job waits for all who wait. */
static void wait_for_round(Full *account)
{
    if (account->waiting || account->waiters->len == 0)
        return;
    RoundWait *wait = g_new0(RoundWait, 1);
    for (guint i = 0; i < account->waiters->len; i++)
        wait->round = MAX(wait->round, g_array_index(account->waiters, Waiter, i).round);
    wait->stopping = net_cancel_ref(account->stopping);
    account->waiting = TRUE;
    account_run(&account->public, wait_job, wait_done, wait);
}

void account_sync(Account *public, AccountSynced done, gpointer data)
{
    Full *account = (Full *)public;

    if (!account->work && !account->busy && account->failure) {
        g_clear_pointer(&account->failure, g_free);
        settle(account);
    }
    if (!account->work || account->busy) {
        g_autoptr(GError) error =
            g_error_new(G_IO_ERROR, G_IO_ERROR_NOT_INITIALIZED, "the account %s is not running%s%s",
                        public->config->id, public->status.error ? ": " : "",
                        public->status.error ? public->status.error : "");
        if (done)
            done(error, data);
        return;
    }
    Waiter waiter = {sync_now(account->work->sync), done, data};
    if (account->work->relay)
        relay_wake(account->work->relay);
    if (!done)
        return;
    g_array_append_val(account->waiters, waiter);
    wait_for_round(account);
}
