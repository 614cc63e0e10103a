/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The account as an object, and how it is: what its parts report from their threads becomes one
 * status, told in the main loop. What it does is in phases.c and jobs.c.
 */
#include "daemon/account/private.h"

#include "daemon/words/words.h"

/* Reports from threads are collected for this long before anyone is told, in ms. */
#define REPORT_DELAY 100

/* ---- life ---------------------------------------------------------------------------------- */

Account *account_new(const AccountHost *host, ConfigAccount *config)
{
    Account *account = g_new0(Account, 1);

    account->refs = 1;
    account->host = host;
    account->config = config_account_ref(config);
    account->status.local_passwords = g_new0(char *, 1);
    account->status.troubles = g_new0(char *, 1);
    account->round_waiters = g_array_new(FALSE, FALSE, sizeof(AccountRoundWaiter));
    account->relay.state = ACCOUNT_IDLE;
    g_queue_init(&account->waiting_jobs);
    pthread_mutex_init(&account->lock, NULL);
    return account;
}

Account *account_ref(Account *account)
{
    g_atomic_int_inc(&account->refs);
    return account;
}

/* The strings of the last status. */
static void clear_errors(AccountStatus *status)
{
    g_clear_pointer(&status->error, g_free);
    g_clear_pointer(&status->incoming_error, g_free);
    g_clear_pointer(&status->outgoing_error, g_free);
    g_clear_pointer(&status->activity, g_free);
}

void account_unref(gpointer data)
{
    Account *account = data;

    if (!g_atomic_int_dec_and_test(&account->refs))
        return;
    clear_errors(&account->status);
    g_strfreev(account->status.local_passwords);
    g_strfreev(account->status.troubles);
    config_account_unref(account->config);
    g_clear_pointer(&account->opened_as, config_account_unref);
    g_clear_pointer(&account->stopping, net_cancel_unref);
    g_array_unref(account->round_waiters);
    g_free(account->failure);
    g_free(account->opening);
    g_free(account->sync.message);
    g_free(account->relay.message);
    pthread_mutex_destroy(&account->lock);
    g_free(account);
}

const ConfigAccount *account_config(const Account *account)
{
    return account->config;
}

/* ---- how it is ----------------------------------------------------------------------------- */

const AccountStatus *account_status(const Account *account)
{
    return &account->status;
}

const char *account_notice(const Account *account)
{
    return account->phase == PHASE_RUNNING ? account->work->notice : NULL;
}

AccountHabits *account_habits(const Account *account)
{
    const AccountSettings *settings = account->config->settings;

    if (account->phase == PHASE_RUNNING)
        return account_habits_ref(account->work->habits);
    return settings ? account_habits_new(settings) : NULL;
}

/* States that a person has to do something about come before what the other part is busy with. */
static gboolean needs_attention(AccountState state)
{
    return state == ACCOUNT_LOCKED || state == ACCOUNT_AUTH_REQUIRED || state == ACCOUNT_ERROR ||
           state == ACCOUNT_NO_SPACE;
}

/* How much of what should be here is: 1 only when nothing is missing. */
static double share_here(const AccountCounts *counts)
{
    guint64 all = MAX(counts->messages, counts->missing);

    return counts->missing ? (double)(all - counts->missing) / (double)all : 1;
}

/* There may be one for each of many folders. */
static char *join_troubles(char **troubles)
{
    g_autofree char *all = g_strjoinv("; ", troubles);

    return words_text(all);
}

/* Under the lock. */
static void combine_parts(Account *account)
{
    AccountStatus *status = &account->status;
    const AccountPart *sync = &account->sync, *relay = &account->relay;
    gboolean relay_first = needs_attention(relay->state) && !needs_attention(sync->state);

    status->incoming = sync->state;
    status->outgoing = relay->state;
    status->incoming_error = g_strdup(sync->message);
    status->outgoing_error = g_strdup(relay->message);
    status->progress = MIN(sync->progress, share_here(&status->counts));
    status->state = relay_first ? relay->state : sync->state;
    status->error = g_strdup(relay_first || !sync->message ? relay->message : sync->message);
    /* What can't be had is no reason for another state, and none to be silent. */
    if (!status->error && *status->troubles)
        status->error = join_troubles(status->troubles);
}

static void update_status(Account *account)
{
    AccountStatus *status = &account->status;
    const ConfigAccount *config = account->config;

    clear_errors(status);
    status->progress = 0;
    if (config->error || account->failure) {
        status->state = ACCOUNT_ERROR;
        status->error = g_strdup(config->error ? config->error : account->failure);
    } else if (!config->settings->enabled) {
        status->state = ACCOUNT_DISABLED;
    } else if (account->phase == PHASE_RUNNING) {
        pthread_mutex_lock(&account->lock);
        combine_parts(account);
        pthread_mutex_unlock(&account->lock);
        return;
    } else {
        status->state = ACCOUNT_OPENING;
        pthread_mutex_lock(&account->lock);
        status->progress = account->opened;
        status->activity = g_strdup(account->opening);
        pthread_mutex_unlock(&account->lock);
    }
    status->incoming = status->outgoing = status->state;
}

void account_set_config(Account *account, ConfigAccount *config)
{
    if (!config || !config_account_equal(config, account->config))
        g_clear_pointer(&account->failure, g_free);
    account->configured = config != NULL;
    if (!config)
        return;
    config_account_ref(config);
    config_account_unref(account->config);
    account->config = config;
    update_status(account);
}

void account_tell_changed(Account *account)
{
    if (!account->configured)
        return;
    update_status(account);
    account->host->changed(account, account->host->data);
}

void account_set_local_passwords(Account *account, char **names)
{
    g_strfreev(account->status.local_passwords);
    account->status.local_passwords = names;
    account_tell_changed(account);
}

/* ---- reports ------------------------------------------------------------------------------- */

static gboolean on_notice(gpointer data)
{
    Account *account = data;

    pthread_mutex_lock(&account->lock);
    account->notice = FALSE;
    pthread_mutex_unlock(&account->lock);
    account_tell_changed(account);
    account->host->reported(account, account->host->data);
    return G_SOURCE_REMOVE;
}

/* Under the lock: the main loop is told soon. */
static void give_notice(Account *account)
{
    if (account->notice)
        return;
    account->notice = TRUE;
    g_timeout_add_full(G_PRIORITY_DEFAULT, REPORT_DELAY, on_notice, account_ref(account),
                       account_unref);
}

static void note_report(Account *account, AccountPart *part, AccountState state, double progress,
                        const char *message)
{
    pthread_mutex_lock(&account->lock);
    part->state = state;
    part->progress = CLAMP(progress, 0, 1);
    g_free(part->message);
    part->message = message && *message ? words_text(message) : NULL;
    give_notice(account);
    pthread_mutex_unlock(&account->lock);
}

void account_report_sync(AccountState state, double progress, const char *message, gpointer data)
{
    Account *account = data;
    note_report(account, &account->sync, state, progress, message);
}

void account_report_relay(AccountState state, double progress, const char *message, gpointer data)
{
    Account *account = data;
    note_report(account, &account->relay, state, progress, message);
}

void account_report_opening(const char *what, double share, gpointer data)
{
    Account *account = data;

    pthread_mutex_lock(&account->lock);
    if (g_strcmp0(account->opening, what) != 0) {
        g_message("%s: %s", account->opened_as->id, what);
        g_free(account->opening);
        account->opening = g_strdup(what);
    }
    account->opened = CLAMP(share, 0.001, 1);
    give_notice(account);
    pthread_mutex_unlock(&account->lock);
}

void account_reset_reports(Account *account)
{
    pthread_mutex_lock(&account->lock);
    account->opened = 0;
    g_clear_pointer(&account->opening, g_free);
    account->sync.state = ACCOUNT_CONNECTING;
    account->relay.state = ACCOUNT_IDLE;
    g_clear_pointer(&account->sync.message, g_free);
    g_clear_pointer(&account->relay.message, g_free);
    pthread_mutex_unlock(&account->lock);
}
