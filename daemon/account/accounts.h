/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The accounts of the configuration: starts, connects and stops each one's work, and knows how each
 * one is. Everything here belongs to the main thread but where a comment says otherwise; whatever
 * blocks runs in worker threads.
 */
#pragma once

#include "daemon/account/work.h"
#include "daemon/config/config.h"
#include "daemon/serve/listeners.h"

typedef struct Accounts Accounts;

/* How an account is. */
typedef struct {
    AccountState state; /* of all its parts together */
    double progress;
    char *error; /* of all its parts together; NULL: none */
    AccountState incoming, outgoing;
    char *incoming_error, *outgoing_error;
    AccountCounts counts;
    char **local_passwords; /* names */
} AccountStatus;

typedef struct {
    Accounts *accounts;
    ConfigAccount *config; /* as the configuration has it now */
    AccountStatus status;
    gpointer bus; /* the D-Bus object's */
} Account;

/* Told in the main loop; bursts of changes are one call. */
typedef struct {
    void (*added)(Account *account, gpointer data);
    void (*changed)(Account *account, gpointer data);
    void (*removed)(Account *account, gpointer data);
    gpointer data;
} AccountsObserver;

/* `queue` may be NULL: nothing can be sent. */
Accounts *accounts_new(const char *data_dir, Secrets *secrets, Queue *queue);
/* Every account must be stopped (accounts_apply() with NULL) before. */
void accounts_free(Accounts *accounts);

void accounts_observe(Accounts *accounts, const AccountsObserver *observer);
void accounts_connect(Accounts *accounts, Sessions *sessions, Listeners *listeners);

/*
 * Makes the running accounts those of `config`: starts, restarts and stops what differs. NULL:
 * stops all. `done` (may be NULL) is called when everything has been changed over.
 */
typedef void (*AccountsDone)(gpointer data);
void accounts_apply(Accounts *accounts, const Config *config, AccountsDone done, gpointer data);

void accounts_set_online(Accounts *accounts, gboolean forced_offline, gboolean network);

/* Account of the configuration by ID, or NULL; borrowed. */
Account *accounts_get(Accounts *accounts, const char *id);
/* All of them: Account, borrowed. */
GPtrArray *accounts_list(Accounts *accounts);

/* What the user should know about their caches: a sentence for each, added to `problems`. */
void accounts_problems(Accounts *accounts, GPtrArray *problems);

/* The account whose ID or address is `login`, running: a reference, or NULL. Any thread. */
ServeAccount *accounts_find_login(Accounts *accounts, const char *login);

/* Marks an account whose group has just left the configuration: when it has stopped, its cache,
 * queued mail and passwords go too. Call before accounts_apply(). */
void account_purge(Account *account);

/* Starts a round (or the account, where that had failed). `done` (may be NULL: not waited for) gets
 * NULL or why the round failed. */
typedef void (*AccountSynced)(const GError *error, gpointer data);
void account_sync(Account *account, AccountSynced done, gpointer data);

/*
 * Runs `job` in a worker thread while the account's work is kept from stopping, then `done` in the
 * main loop with its result. An account that does not run fails with
 * G_IO_ERROR_NOT_INITIALIZED at once.
 */
typedef gpointer (*AccountJob)(AccountWork *work, gpointer data, GError **error);
typedef void (*AccountJobDone)(Account *account, gpointer result, const GError *error,
                               gpointer data);
void account_run(Account *account, AccountJob job, AccountJobDone done, gpointer data);

/* Reads the counts and names again soon. */
void account_refresh(Account *account);
/* Tells at once that these are the names of the local passwords now; takes them over. */
void account_set_local_passwords(Account *account, char **names);
