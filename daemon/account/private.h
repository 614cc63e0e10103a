/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files about one account share: account.c (the object, and how it is), phases.c (it is
 * opened, runs, stops), jobs.c (what is asked of it). They call downwards only, jobs → phases →
 * account; upwards goes what AccountHost names.
 */
#pragma once

#include "daemon/account/account.h"

#include <pthread.h>

/* What all accounts have in common, and what they tell. */
typedef struct {
    const char *data_dir;
    Secrets *secrets;
    OauthTokens *tokens;
    Queue *queue;
    Sessions *sessions;
    Listeners *listeners;
    gboolean forced_offline, network;
    gboolean closing; /* everything stops for good */

    void (*changed)(Account *account, gpointer data);  /* its status or configuration */
    void (*reported)(Account *account, gpointer data); /* one of its parts said how it is */
    void (*stepped)(Account *account, gpointer data);  /* it is in another phase */
    gpointer data;
} AccountHost;

typedef enum {
    PHASE_STOPPED, /* also where it couldn't be opened: `failure` */
    PHASE_OPENING,
    PHASE_RUNNING,
    PHASE_STOPPING,
    PHASE_PURGING,
} AccountPhase;

/* What one part (sync, relay) last said of itself. */
typedef struct {
    AccountState state;
    double progress;
    char *message;
} AccountPart;

/* Somebody who waits for a round to end. */
typedef struct {
    guint64 round;
    AccountSynced done;
    gpointer data;
} AccountRoundWaiter;

struct Account {
    gint refs; /* atomic: sources and tasks on their way */
    const AccountHost *host;
    ConfigAccount *config;
    gboolean configured; /* FALSE: it has left the configuration, and stops */
    gboolean gone;       /* it has left, and stopped */
    gboolean purge;

    AccountPhase phase;
    ConfigAccount *opened_as; /* what `work` runs as */
    AccountWork *work;        /* RUNNING and STOPPING */
    char *failure;            /* why opening failed */
    gboolean damaged;         /* the cache: it is to be made anew, which opening does */
    guint jobs;               /* tasks that use `work` */

    GQueue waiting_jobs;   /* of jobs.c: until it runs, or can't */
    NetCancel *stopping;   /* ends opening, and wakes what waits for a round */
    GArray *round_waiters; /* AccountRoundWaiter */
    gboolean awaiting_round;
    guint changed_watch, refresh_timer;
    gboolean refreshing;

    AccountStatus status;
    pthread_mutex_t lock; /* over what follows */
    AccountPart sync, relay;
    double opened;   /* how much of opening is done, from 0 to 1 */
    char *opening;   /* what it is busy with then; NULL: nothing that takes long */
    gboolean notice; /* a source of the main loop is on its way */
};

/* ---- account.c ---- */

/* `host` outlives it. */
Account *account_new(const AccountHost *host, ConfigAccount *config);
Account *account_ref(Account *account);
void account_unref(gpointer account);

/* What the configuration says of it now; NULL: nothing, it is to leave. account_next_step() makes
 * it true. */
void account_set_config(Account *account, ConfigAccount *config);

/* AccountReport; `data` is the account. */
void account_report_sync(AccountState state, double progress, const char *message, gpointer data);
void account_report_relay(AccountState state, double progress, const char *message, gpointer data);

/* CacheProgress.told(); `data` is the account. */
void account_report_opening(const char *what, double share, gpointer data);

/* Forgets what the parts said in an earlier life. */
void account_reset_reports(Account *account);

/* Makes the status what it is now, and tells it. */
void account_tell_changed(Account *account);

/* ---- phases.c ---- */

/* Opens, restarts, stops or purges, where the account isn't yet as the configuration wants it. May
 * end with the account `gone`. */
void account_next_step(Account *account);

/* Whether the configuration wants it to run, and nothing speaks against that. */
gboolean account_will_run(const Account *account);

/* Whether it runs as the configuration wants it. */
gboolean account_is_right(const Account *account);

/* Whether it is being opened as the configuration wants it. */
gboolean account_is_opening(const Account *account);

/* Whether anything else is still to be changed over. */
gboolean account_is_changing(const Account *account);

/* ---- jobs.c ---- */

/* Runs, or fails, the jobs that have waited for the account; after each step. */
void account_run_waiting(Account *account);

/* Counts again whenever the cache has changed; ends with account_unwatch_cache(). */
void account_watch_cache(Account *account);
void account_unwatch_cache(Account *account);
