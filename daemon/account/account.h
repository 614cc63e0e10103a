/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One account of the configuration: how it is, and what can be asked of it. Opening its cache,
 * running it and closing it again is account.c's own business: it follows what the configuration
 * says. Everything here belongs to the main thread but where a comment says otherwise; whatever
 * blocks runs in worker threads.
 */
#pragma once

#include "daemon/account/work.h"
#include "daemon/config/config.h"
#include "daemon/serve/listeners.h"

typedef struct Account Account;

/* How an account is. */
typedef struct {
    AccountState state; /* of all its parts together */
    double progress;
    char *error; /* of all its parts together; NULL: none */
    AccountState incoming, outgoing;
    char *incoming_error, *outgoing_error;
    char *
        activity; /* what keeps it busy while it opens ("updating the mail cache"); NULL: nothing */
    AccountCounts counts;
    char **troubles;        /* what can't be had from upstream: a sentence for each folder */
    char **local_passwords; /* names */
} AccountStatus;

const AccountStatus *account_status(const Account *account);

/* As the configuration has it now, or had it last; borrowed. */
const ConfigAccount *account_config(const Account *account);

/* What the user should know about its cache, or NULL; borrowed. */
const char *account_notice(const Account *account);

/* What is known of its provider; NULL: it can't be used. The caller unrefs. */
AccountHabits *account_habits(const Account *account);

/*
 * Starts a round (or the account, where that had failed). `done` (may be NULL: not waited for) gets
 * NULL or why the round failed. An account that is being opened is waited for.
 */
typedef void (*AccountSynced)(const GError *error, gpointer data);
void account_sync(Account *account, AccountSynced done, gpointer data);

/*
 * Runs `job` in a worker thread while the account's work is kept from stopping, then `done` in the
 * main loop with its result. An account that is being opened, or restarted, is waited for; one that
 * can't run fails at once with G_IO_ERROR_NOT_INITIALIZED and the reason.
 */
typedef gpointer (*AccountJob)(AccountWork *work, gpointer data, GError **error);
typedef void (*AccountJobDone)(Account *account, gpointer result, const GError *error,
                               gpointer data);
void account_run(Account *account, AccountJob job, AccountJobDone done, gpointer data);

/* Reads the counts and names again soon. */
void account_refresh(Account *account);

/* Tells at once that these are the names of the local passwords now; takes them over. */
void account_set_local_passwords(Account *account, char **names);

/* Marks an account whose group has just left the configuration: when it has stopped, its cache,
 * queued mail and passwords go too. Call before accounts_apply(). */
void account_purge(Account *account);
