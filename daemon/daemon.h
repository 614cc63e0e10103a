/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The running program: its parts, and what the user can ask of it as a whole. Main thread.
 */
#pragma once

#include "daemon/account/accounts.h"
#include "daemon/changes.h"
#include "daemon/serve/pickup.h"

#include <pthread.h>

/* Told in the main loop. */
typedef struct {
    void (*changed)(gpointer data);          /* online, listeners, problems */
    void (*sessions_changed)(gpointer data); /* clients came or went */
    gpointer data;
} DaemonObserver;

typedef struct {
    char *config_path, *data_dir, *run_dir;
    Config *config;     /* the one in force */
    char *config_error; /* why the file couldn't be read last time; or NULL */
    int lock_fd;        /* holds data_dir */
    Secrets *secrets;
    OauthTokens *tokens;
    Queue *queue;      /* NULL: it can't be used, see queue_error */
    char *queue_error; /* or NULL */
    NetTlsServer *tls; /* NULL: not needed yet, or tls_error */
    char *tls_error;   /* or NULL */
    Sessions *sessions;
    Listeners *listeners;
    Accounts *accounts;
    DaemonObserver observer;
    gboolean forced_offline; /* kept in data_dir */
    gboolean network;        /* what the system says */
    Changes *changes;
    guint purge_timer;
    pthread_t queue_thread; /* opens the queue, while `queue_opened` is there */
    GSource *queue_opened;  /* comes when it has tried */
    Pickup *pickup;         /* NULL: there is no queue */
    GFileMonitor *handed;   /* the folder it looks at */
    GSource *handed_told;   /* comes when what it says is another */
    gboolean stopping;
} Daemon;

/* Makes the directories, takes the lock and opens everything but accounts and bus. NULL: it can't
 * run at all, `error` says why. Missing paths (NULL) get their defaults. */
Daemon *daemon_new(const char *config_path, const char *data_dir, GError **error);
void daemon_free(Daemon *daemon);

void daemon_observe(Daemon *daemon, const DaemonObserver *observer);

/* Reads the configuration and changes the accounts and listeners over; `done` (may be NULL) is
 * called when that has happened. FALSE: the file can't be read, the old configuration stays. */
gboolean daemon_reload(Daemon *daemon, AccountsDone done, gpointer data, GError **error);

/* Closes the listeners, ends the sessions and stops all accounts, then calls `done`. */
void daemon_stop(Daemon *daemon, AccountsDone done, gpointer data);

void daemon_set_forced_offline(Daemon *daemon, gboolean offline);

/* What is wrong with the whole, as sentences; NULL-terminated, the caller frees. */
char **daemon_problems(const Daemon *daemon);
