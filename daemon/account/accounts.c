/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The accounts all together: follows the configuration, and what each account tells of itself.
 */
#include "daemon/account/accounts.h"

#include "daemon/account/logins.h"
#include "daemon/account/owner.h"
#include "daemon/account/private.h"
#include "daemon/account/purge.h"
#include "daemon/words/words.h"

#include <string.h>

struct Accounts {
    char *data_dir;
    AccountHost host;
    AccountsObserver observer;
    GPtrArray *all; /* Account */
    Logins *logins;
    GArray *pending; /* Pending: who waits for everything to have been changed over */
    guint patience_timer;
    gboolean applied; /* a configuration, for the first time */
};

/* Who asked for a change waits for what is being opened for this long at most, in ms: caches that are
 * large, or to be mended, take longer than anyone wants to wait. */
#define PATIENCE 2000

typedef struct {
    AccountsDone done;
    gpointer data;
    gint64 until; /* monotonic */
} Pending;

/* ---- who waits ----------------------------------------------------------------------------- */

static gboolean any(const Accounts *accounts, gboolean (*is)(const Account *account))
{
    for (guint i = 0; i < accounts->all->len; i++) {
        if (is(g_ptr_array_index(accounts->all, i)))
            return TRUE;
    }
    return FALSE;
}

static void tell_settled(Accounts *accounts)
{
    gboolean opening = any(accounts, account_is_opening);

    if (any(accounts, account_is_changing))
        return;
    for (guint i = accounts->pending->len; i > 0; i--) {
        Pending pending = g_array_index(accounts->pending, Pending, i - 1);
        if (opening && g_get_monotonic_time() < pending.until)
            continue;
        g_array_remove_index(accounts->pending, i - 1);
        pending.done(pending.data);
    }
}

static gboolean on_patience_over(gpointer data)
{
    Accounts *accounts = data;

    accounts->patience_timer = 0;
    tell_settled(accounts);
    return G_SOURCE_REMOVE;
}

static void add_pending(Accounts *accounts, AccountsDone done, gpointer data)
{
    Pending pending = {done, data, g_get_monotonic_time() + PATIENCE * 1000};

    g_array_append_val(accounts->pending, pending);
    g_clear_handle_id(&accounts->patience_timer, g_source_remove);
    accounts->patience_timer = g_timeout_add(PATIENCE + 1, on_patience_over, accounts);
}

/* ---- logging in ---------------------------------------------------------------------------- */

/* Why nobody can log in to an account now. */
static GError *why_not(const Account *account)
{
    const char *id = account->config->id, *why = account->status.error;

    if (account_will_run(account))
        return g_error_new(SERVE_ERROR, SERVE_ERROR_OPENING, "the account %s is still being opened",
                           id);
    if (!why)
        why = account->configured ? "it is switched off" : "it is being removed";
    /* One line of any protocol. */
    g_autofree char *valid = words_line(why, (gssize)strnlen(why, 300));
    return g_error_new(SERVE_ERROR, SERVE_ERROR_UNAVAILABLE, "the account %s is not running: %s",
                       id, valid);
}

static const char *address_of(const ConfigAccount *config)
{
    return config->settings ? config->settings->address : NULL;
}

static Login *login_of(const Account *account)
{
    gboolean runs = account->phase == PHASE_RUNNING;
    const ConfigAccount *config = runs ? account->opened_as : account->config;
    Login *login = login_new(config->id, address_of(config), runs ? account->work->serve : NULL);

    if (!runs)
        login->why = why_not(account);
    return login;
}

static void update_logins(Accounts *accounts)
{
    GPtrArray *all = g_ptr_array_new_with_free_func(login_free);

    for (guint i = 0; i < accounts->all->len; i++) {
        const Account *account = g_ptr_array_index(accounts->all, i);
        if (account->configured || account->phase == PHASE_RUNNING)
            g_ptr_array_add(all, login_of(account));
    }
    logins_set(accounts->logins, all);
    sessions_accounts_changed(accounts->host.sessions);
}

ServeAccount *accounts_find_login(Accounts *accounts, const char *login, GError **error)
{
    return logins_find(accounts->logins, login, error);
}

/* ---- what accounts tell -------------------------------------------------------------------- */

static void changed(Account *account, gpointer data)
{
    const AccountsObserver *observer = &((Accounts *)data)->observer;

    if (observer->changed)
        observer->changed(account, observer->data);
}

/* A round's end moves LastSync and what is pending, which are read with the counts. A short round
 * begins and ends within one report, so that what the state was before says nothing. */
static void reported(Account *account, gpointer data)
{
    if (account->status.incoming == ACCOUNT_IDLE)
        account_refresh(account);
}

static void stepped(Account *account, gpointer data)
{
    Accounts *accounts = data;

    update_logins(accounts);
    if (account->phase == PHASE_RUNNING)
        account_watch_cache(account);
    else if (account->phase == PHASE_STOPPING)
        account_unwatch_cache(account);
    account_run_waiting(account);
    if (account->gone) {
        g_ptr_array_remove(accounts->all, account);
        account_unref(account);
    }
    tell_settled(accounts);
}

/* ---- life ---------------------------------------------------------------------------------- */

Accounts *accounts_new(const char *data_dir, Secrets *secrets, OauthTokens *tokens, Queue *queue)
{
    Accounts *accounts = g_new0(Accounts, 1);

    accounts->data_dir = g_strdup(data_dir);
    accounts->host = (AccountHost){.data_dir = accounts->data_dir,
                                   .secrets = secrets,
                                   .tokens = tokens,
                                   .queue = queue,
                                   .changed = changed,
                                   .reported = reported,
                                   .stepped = stepped,
                                   .data = accounts};
    accounts->all = g_ptr_array_new();
    accounts->logins = logins_new();
    accounts->pending = g_array_new(FALSE, FALSE, sizeof(Pending));
    return accounts;
}

void accounts_free(Accounts *accounts)
{
    g_assert(accounts->all->len == 0);
    g_clear_handle_id(&accounts->patience_timer, g_source_remove);
    g_ptr_array_unref(accounts->all);
    g_array_unref(accounts->pending);
    logins_free(accounts->logins);
    g_free(accounts->data_dir);
    g_free(accounts);
}

void accounts_observe(Accounts *accounts, const AccountsObserver *observer)
{
    accounts->observer = *observer;
}

void accounts_connect(Accounts *accounts, Sessions *sessions, Listeners *listeners)
{
    accounts->host.sessions = sessions;
    accounts->host.listeners = listeners;
}

Account *accounts_get(Accounts *accounts, const char *id)
{
    for (guint i = 0; i < accounts->all->len; i++) {
        Account *account = g_ptr_array_index(accounts->all, i);
        if (strcmp(account->config->id, id) == 0)
            return account;
    }
    return NULL;
}

GPtrArray *accounts_list(Accounts *accounts)
{
    return accounts->all;
}

void accounts_problems(Accounts *accounts, GPtrArray *problems)
{
    for (guint i = 0; i < accounts->all->len; i++) {
        const Account *account = g_ptr_array_index(accounts->all, i);
        const char *notice = account_notice(account);
        if (notice)
            g_ptr_array_add(problems, g_strdup_printf("%s: %s", account->opened_as->id, notice));
    }
}

/* ---- the configuration --------------------------------------------------------------------- */

/* Sockets are there for whom the configuration enables: who connects early waits. */
static void update_sockets(Accounts *accounts)
{
    g_autoptr(GPtrArray) ids = g_ptr_array_new();

    for (guint i = 0; i < accounts->all->len; i++) {
        const Account *account = g_ptr_array_index(accounts->all, i);
        const AccountSettings *settings = account->config->settings;
        if (account->configured && settings && settings->enabled)
            g_ptr_array_add(ids, account->config->id);
    }
    g_ptr_array_add(ids, NULL);
    listeners_set_accounts(accounts->host.listeners, (const char *const *)ids->pdata);
}

/* NULL: it is to leave. */
static void configure(Accounts *accounts, Account *account, ConfigAccount *config)
{
    const AccountsObserver *observer = &accounts->observer;
    gboolean known = account->configured;

    if (!config && known && observer->removed)
        observer->removed(account, observer->data);
    if (!config && known && !accounts->host.closing && account->config->settings)
        account_owner_leaves(accounts->data_dir, account->config->settings);
    account_set_config(account, config);
    if (config && !known && observer->added)
        observer->added(account, observer->data);
    account_tell_changed(account);
}

static gboolean is_configured(const char *id, gconstpointer data)
{
    return config_find(data, id) != NULL;
}

/* What is left of accounts that were removed when posternd last ended. Those whose ID is in use again
 * see to it themselves. */
static void add_purges(Accounts *accounts, const Config *config)
{
    g_auto(GStrv) ids = account_purges_left(accounts->data_dir, is_configured, config);

    for (guint i = 0; ids[i]; i++) {
        if (config_find(config, ids[i]))
            continue;
        ConfigAccount *stub = config_account_new(ids[i]);
        Account *account = account_new(&accounts->host, stub);
        config_account_unref(stub);
        account_purge(account);
        g_ptr_array_add(accounts->all, account);
    }
}

void accounts_apply(Accounts *accounts, const Config *config, AccountsDone done, gpointer data)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(account_unref);

    accounts->host.closing = config == NULL;
    if (config && !accounts->applied) {
        accounts->applied = TRUE;
        add_purges(accounts, config);
    }
    for (guint i = 0; config && i < config->accounts->len; i++) {
        ConfigAccount *wanted = g_ptr_array_index(config->accounts, i);
        Account *account = accounts_get(accounts, wanted->id);
        if (!account)
            g_ptr_array_add(accounts->all, account = account_new(&accounts->host, wanted));
        configure(accounts, account, wanted);
    }
    for (guint i = 0; i < accounts->all->len; i++) {
        Account *account = g_ptr_array_index(accounts->all, i);
        if (!config || !config_find(config, account->config->id))
            configure(accounts, account, NULL);
        g_ptr_array_add(all, account_ref(account));
    }
    if (done)
        add_pending(accounts, done, data);
    update_logins(accounts);
    update_sockets(accounts);
    for (guint i = 0; i < all->len; i++) {
        account_next_step(g_ptr_array_index(all, i));
        account_run_waiting(g_ptr_array_index(all, i));
    }
    tell_settled(accounts);
}

void accounts_set_online(Accounts *accounts, gboolean forced_offline, gboolean network)
{
    accounts->host.forced_offline = forced_offline;
    accounts->host.network = network;
    for (guint i = 0; i < accounts->all->len; i++) {
        const Account *account = g_ptr_array_index(accounts->all, i);
        if (account->phase == PHASE_RUNNING)
            account_work_set_online(account->work, forced_offline, network);
    }
}

static void each_running(Accounts *accounts, void (*func)(AccountWork *work))
{
    for (guint i = 0; i < accounts->all->len; i++) {
        const Account *account = g_ptr_array_index(accounts->all, i);
        if (account->phase == PHASE_RUNNING)
            func(account->work);
    }
}

void accounts_check_connections(Accounts *accounts)
{
    each_running(accounts, account_work_check_connections);
}

void accounts_reconnect(Accounts *accounts)
{
    each_running(accounts, account_work_reconnect);
}
