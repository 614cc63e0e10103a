/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is asked of an account: jobs in worker threads, which keep it from stopping meanwhile;
 * counting; and rounds that somebody waits for.
 */
#include "daemon/account/private.h"

#include "cache/repair.h"
#include "daemon/net/thread.h"
#include "daemon/sync/context.h"

#include <gio/gio.h>
#include <glib-unix.h>
#include <sys/eventfd.h>

/* The cache's changes are collected for this long before it is counted again, in ms. */
#define REFRESH_DELAY 500

/* ---- jobs ---------------------------------------------------------------------------------- */

typedef struct {
    Account *account;
    AccountJob job;
    AccountJobDone done;
    gpointer data;
    gpointer result;
    GError *error;
} JobRun;

static void job_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    JobRun *run = data;

    net_thread_name("account", run->account->opened_as->id);
    run->result = run->job(run->account->work, run->data, &run->error);
    net_thread_unname();
    g_task_return_boolean(task, TRUE);
}

static void job_run_end(JobRun *run)
{
    run->done(run->account, run->result, run->error, run->data);
    g_clear_error(&run->error);
    account_unref(run->account);
    g_free(run);
}

static void job_done(GObject *source, GAsyncResult *result, gpointer data)
{
    JobRun *run = data;
    Account *account = account_ref(run->account);

    account->jobs--;
    job_run_end(run);
    account_next_step(account);
    account_unref(account);
}

static void start_job(JobRun *run)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, job_done, run);

    run->account->jobs++;
    g_task_set_task_data(task, run, NULL);
    g_task_run_in_thread(task, job_thread);
}

/* Whoever asks may do so again of the next daemon. */
static GError *ending(void)
{
    return g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CLOSED, "posternd is ending");
}

static GError *not_running(const Account *account)
{
    const char *why = account->status.error;

    return g_error_new(G_IO_ERROR, G_IO_ERROR_NOT_INITIALIZED, "the account %s is not running%s%s",
                       account->config->id, why ? ": " : "", why ? why : "");
}

static void fail_job(JobRun *run)
{
    run->error = run->account->host->closing ? ending() : not_running(run->account);
    job_run_end(run);
}

void account_run(Account *account, AccountJob job, AccountJobDone done, gpointer data)
{
    JobRun *run = g_new(JobRun, 1);

    *run = (JobRun){account_ref(account), job, done, data, NULL, NULL};
    if (account_is_right(account))
        start_job(run);
    else if (account_will_run(account))
        g_queue_push_tail(&account->waiting_jobs, run);
    else
        fail_job(run);
}

void account_run_waiting(Account *account)
{
    JobRun *run;

    while (account_is_right(account) && (run = g_queue_pop_head(&account->waiting_jobs)))
        start_job(run);
    while (!account_will_run(account) && (run = g_queue_pop_head(&account->waiting_jobs)))
        fail_job(run);
}

/* ---- counts -------------------------------------------------------------------------------- */

typedef struct {
    AccountCounts counts;
    char **troubles;
    char **names;
} Refreshed;

static gpointer refresh_job(AccountWork *work, gpointer data, GError **error)
{
    Refreshed *refreshed = g_new0(Refreshed, 1);

    refreshed->names = serve_verifiers_names(work->verifiers);
    if (account_work_counts(work, &refreshed->counts, &refreshed->troubles, error))
        return refreshed;
    g_strfreev(refreshed->names);
    g_free(refreshed);
    return NULL;
}

static void use_refreshed(Account *account, Refreshed *refreshed)
{
    account->status.counts = refreshed->counts;
    g_strfreev(account->status.troubles);
    account->status.troubles = refreshed->troubles;
    account_set_local_passwords(account, refreshed->names);
    g_free(refreshed);
}

static void refresh_done(Account *account, gpointer result, const GError *error, gpointer data)
{
    account->refreshing = FALSE;
    if (result)
        use_refreshed(account, result);
    else
        g_debug("%s: the counts can't be read: %s", account->config->id, error->message);
}

static gboolean on_refresh(gpointer data)
{
    Account *account = data;

    account->refresh_timer = 0;
    if (!account_is_right(account))
        return G_SOURCE_REMOVE;
    if (account->refreshing) {
        account_refresh(account);
        return G_SOURCE_REMOVE;
    }
    account->refreshing = TRUE;
    account_run(account, refresh_job, refresh_done, NULL);
    return G_SOURCE_REMOVE;
}

void account_refresh(Account *account)
{
    if (!account->refresh_timer && account->phase == PHASE_RUNNING)
        account->refresh_timer = g_timeout_add(REFRESH_DELAY, on_refresh, account);
}

static gboolean on_cache_changed(gint fd, GIOCondition condition, gpointer data)
{
    Account *account = data;
    eventfd_t count;

    eventfd_read(fd, &count);
    account_refresh(account);
    if (cache_is_damaged(account->work->cache) && !account->damaged) {
        account->damaged = TRUE;
        account_next_step(account);
    }
    return G_SOURCE_CONTINUE;
}

void account_watch_cache(Account *account)
{
    account->changed_watch =
        g_unix_fd_add(account->work->changed_fd, G_IO_IN, on_cache_changed, account);
    account_refresh(account);
}

void account_unwatch_cache(Account *account)
{
    g_clear_handle_id(&account->changed_watch, g_source_remove);
    g_clear_handle_id(&account->refresh_timer, g_source_remove);
}

/* ---- rounds -------------------------------------------------------------------------------- */

static void wait_for_round(Account *account);

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

/* Who waits for a round wants to know that it brought all there is. */
static GError *incomplete(const Account *account, const GError *error)
{
    char **troubles = account->status.troubles;

    /* SYNC_ERROR: the round went well, but for what is missing. */
    if (!*troubles || (error && error->domain != SYNC_ERROR))
        return NULL;
    g_autofree char *text = g_strjoinv("; ", troubles);
    return g_error_new(G_IO_ERROR, G_IO_ERROR_PARTIAL_INPUT, "%s", text);
}

/* The account stops before the round has ended: the round that they wait for is that of its next life. */
static void wait_anew(Account *account, const AccountRoundWaiter *waiter)
{
    g_autoptr(GError) error = account->host->closing ? ending() : NULL;

    if (error)
        waiter->done(error, waiter->data);
    else
        account_sync(account, waiter->done, waiter->data);
}

static void wait_done(Account *account, gpointer result, const GError *error, gpointer data)
{
    RoundWait *wait = data;
    gboolean stopped = net_cancel_triggered(wait->stopping);

    account->awaiting_round = FALSE;
    if (result)
        use_refreshed(account, result);
    g_autoptr(GError) partial = incomplete(account, error);
    for (guint i = account->round_waiters->len; i > 0; i--) {
        AccountRoundWaiter waiter =
            g_array_index(account->round_waiters, AccountRoundWaiter, i - 1);
        if (waiter.round > wait->round)
            continue;
        g_array_remove_index(account->round_waiters, i - 1);
        if (stopped)
            wait_anew(account, &waiter);
        else
            waiter.done(partial ? partial : error, waiter.data);
    }
    net_cancel_unref(wait->stopping);
    g_free(wait);
    wait_for_round(account);
}

/* One job waits for all who wait. */
static void wait_for_round(Account *account)
{
    const GArray *waiters = account->round_waiters;

    if (account->awaiting_round || waiters->len == 0)
        return;
    RoundWait *wait = g_new0(RoundWait, 1);
    for (guint i = 0; i < waiters->len; i++)
        wait->round = MAX(wait->round, g_array_index(waiters, AccountRoundWaiter, i).round);
    wait->stopping = net_cancel_ref(account->stopping);
    account->awaiting_round = TRUE;
    account_run(account, wait_job, wait_done, wait);
}

/* Whoever asks for a round, and the round that it became. */
typedef struct {
    AccountSynced done;
    gpointer data;
    guint64 round;
} RoundCall;

static gpointer start_round_job(AccountWork *work, gpointer data, GError **error)
{
    RoundCall *call = data;

    account_gate_forget(work->gate);
    call->round = sync_now(work->sync);
    if (work->relay)
        relay_wake(work->relay);
    return NULL;
}

static void round_started(Account *account, gpointer result, const GError *error, gpointer data)
{
    g_autofree RoundCall *call = data;
    AccountRoundWaiter waiter = {call->round, call->done, call->data};

    if (error && call->done)
        call->done(error, call->data);
    if (error || !call->done)
        return;
    g_array_append_val(account->round_waiters, waiter);
    wait_for_round(account);
}

void account_sync(Account *account, AccountSynced done, gpointer data)
{
    RoundCall *call = g_new0(RoundCall, 1);

    *call = (RoundCall){done, data, 0};
    account_ref(account);
    if (account->phase == PHASE_STOPPED && account->failure) {
        g_clear_pointer(&account->failure, g_free);
        account_next_step(account);
    }
    account_run(account, start_round_job, round_started, call);
    account_unref(account);
}
