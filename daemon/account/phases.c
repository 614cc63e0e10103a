/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An account's phases: stopped → opening → running → stopping, in step with what the configuration
 * wants; account_next_step() takes the next one whenever something that it depends on has changed:
 * the configuration, the end of opening or stopping, the end of the last job.
 */
#include "daemon/account/private.h"
#include "daemon/account/purge.h"

#include "daemon/net/thread.h"

#include <gio/gio.h>

/* Seconds that a message on its way to the provider may take before its account is restarted. */
#define FINISH_SENDING 60

static void enter(Account *account, AccountPhase phase)
{
    account->phase = phase;
    account_tell_changed(account);
    account->host->stepped(account, account->host->data);
}

/* Runs `func` in a worker thread under the account's name; `done` in the main loop afterwards gets
 * the account, whose reference it gives back. */
static void run_in_thread(Account *account, GTaskThreadFunc func, GAsyncReadyCallback done)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, done, account_ref(account));

    g_task_set_task_data(task, account, NULL);
    g_task_run_in_thread(task, func);
}

/* ---- opening ------------------------------------------------------------------------------- */

static gboolean is_opening_cancelled(gpointer data)
{
    return net_cancel_triggered(((Account *)data)->stopping);
}

/* What was there under that ID before is not to come back. */
static gboolean finish_purge(Account *account, GError **error)
{
    const AccountHost *host = account->host;
    const char *id = account->opened_as->id;

    if (!account_purge_is_left(host->data_dir, id) ||
        account_purge_finish(host->data_dir, id, host->queue, error))
        return TRUE;
    g_prefix_error(error, "what is left of a removed account of that name is still there: ");
    return FALSE;
}

static void open_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    Account *account = data;
    const AccountHost *host = account->host;
    const CacheProgress progress = {account_report_opening, is_opening_cancelled, account};
    AccountWorkContext context = {
        .data_dir = host->data_dir,
        .secrets = host->secrets,
        .tokens = host->tokens,
        .queue = host->queue,
        .sync_report = account_report_sync,
        .relay_report = account_report_relay,
        .report_data = account,
        .progress = &progress,
    };
    GError *error = NULL;

    net_thread_name("account", account->opened_as->id);
    AccountWork *work = finish_purge(account, &error)
                            ? account_work_start(&context, account->opened_as->settings, &error)
                            : NULL;
    net_thread_unname();
    if (work)
        g_task_return_pointer(task, work, NULL);
    else
        g_task_return_error(task, error);
}

static void opened(GObject *source, GAsyncResult *result, gpointer data)
{
    Account *account = data;
    const AccountHost *host = account->host;
    g_autoptr(GError) error = NULL;

    account->work = g_task_propagate_pointer(G_TASK(result), &error);
    if (account->work) {
        account->work->stopping = account->stopping;
        account_work_set_online(account->work, host->forced_offline, host->network);
        enter(account, PHASE_RUNNING);
    } else if (net_cancel_triggered(account->stopping)) {
        enter(account, PHASE_STOPPED);
    } else {
        account->failure = g_strdup(error->message);
        g_warning("%s: %s", account->opened_as->id, error->message);
        enter(account, PHASE_STOPPED);
    }
    account_next_step(account);
    account_unref(account);
}

static void begin_open(Account *account)
{
    account->damaged = FALSE;
    g_clear_pointer(&account->opened_as, config_account_unref);
    account->opened_as = config_account_ref(account->config);
    g_clear_pointer(&account->stopping, net_cancel_unref);
    account->stopping = net_cancel_new();
    account_reset_reports(account);
    enter(account, PHASE_OPENING);
    run_in_thread(account, open_thread, opened);
}

/* ---- stopping ------------------------------------------------------------------------------ */

static void stop_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    Account *account = data;

    net_thread_name("account", account->opened_as->id);
    if (account->work->relay && !account->host->closing)
        relay_finish(account->work->relay, FINISH_SENDING);
    sessions_end_account(account->host->sessions, account->work->serve);
    account_work_stop(account->work);
    net_thread_unname();
    g_task_return_boolean(task, TRUE);
}

static void stopped(GObject *source, GAsyncResult *result, gpointer data)
{
    Account *account = data;

    account->work = NULL;
    enter(account, PHASE_STOPPED);
    account_next_step(account);
    account_unref(account);
}

static void begin_stop(Account *account)
{
    /* Nobody finds it any more once this is told: then its sessions can be ended. */
    enter(account, PHASE_STOPPING);
    run_in_thread(account, stop_thread, stopped);
}

/* ---- purging ------------------------------------------------------------------------------- */

static void purge_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    Account *account = data;
    const AccountHost *host = account->host;
    const char *id = account->config->id;
    const AccountSettings *settings = account->config->settings;
    g_autoptr(GError) error = NULL;

    net_thread_name("account", id);
    if (settings && settings->oauth2_server)
        oauth_tokens_revoke(host->tokens, settings);
    if (!account_purge_finish(host->data_dir, id, host->queue, &error))
        g_warning("%s: not all of it could be removed; it is tried again at the next start: %s", id,
                  error->message);
    net_thread_unname();
    g_task_return_boolean(task, TRUE);
}

static void purged(GObject *source, GAsyncResult *result, gpointer data)
{
    Account *account = data;

    account->purge = FALSE;
    enter(account, PHASE_STOPPED);
    account_next_step(account);
    account_unref(account);
}

static void begin_purge(Account *account)
{
    enter(account, PHASE_PURGING);
    run_in_thread(account, purge_thread, purged);
}

void account_purge(Account *account)
{
    account->purge = TRUE;
}

/* ---- the next step ------------------------------------------------------------------------- */

gboolean account_will_run(const Account *account)
{
    return account->configured && account->config->settings && account->config->settings->enabled &&
           !account->failure;
}

gboolean account_is_right(const Account *account)
{
    return account->phase == PHASE_RUNNING && !account->damaged && account_will_run(account) &&
           config_account_equal(account->config, account->opened_as);
}

gboolean account_is_opening(const Account *account)
{
    return account->phase == PHASE_OPENING && account_will_run(account) &&
           config_account_equal(account->config, account->opened_as);
}

gboolean account_is_changing(const Account *account)
{
    if (account->phase == PHASE_RUNNING)
        return !account_is_right(account);
    if (account->phase == PHASE_STOPPED)
        return !account->configured || account_will_run(account);
    return !account_is_opening(account);
}

static void step_from_stopped(Account *account)
{
    if (account->jobs)
        return;
    if (account->purge)
        begin_purge(account);
    else if (account_will_run(account))
        begin_open(account);
    else if (!account->configured && !account->gone) {
        account->gone = TRUE;
        enter(account, PHASE_STOPPED);
    }
}

void account_next_step(Account *account)
{
    if (account->phase == PHASE_STOPPED) {
        step_from_stopped(account);
    } else if (account->phase == PHASE_RUNNING && !account_is_right(account)) {
        net_cancel_trigger(account->stopping);
        if (account->jobs == 0)
            begin_stop(account);
    } else if (account->phase == PHASE_OPENING && !account_is_opening(account)) {
        net_cancel_trigger(account->stopping);
    }
}
