/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of the bus share. bus.c stands above the others, call.c below.
 */
#pragma once

#include "cache/folder.h"
#include "daemon/bus/bus.h"
#include "daemon/config/edit.h"
#include "daemon/discover/table.h"
#include "daemon/oauth/signin.h"
#include "dbus/postern-dbus.h"

#include <pthread.h>

struct Bus {
    Daemon *daemon;
    GDBusConnection *connection; /* NULL: there is no session bus */
    guint owner;
    void (*lost)(gpointer data);
    gpointer lost_data;
    gint64 last_call;

    PosternManager *manager;
    GDBusObjectManagerServer *objects;
    GHashTable *accounts; /* Account → PosternAccount, those that are exported */

    guint queue_subtree;
    int queue_fd; /* eventfd: the queue has changed */
    QueueWatch *queue_watch;
    guint queue_source, queue_timer;
    gboolean queue_busy;
    GHashTable *queue_seen; /* N → what its readers were last told: GVariant a{sv} */
    GQueue queue_order;     /* N, oldest first */

    GHashTable *notices;         /* account's ID → of notice.c */
    guint goa_watch;             /* of online.c */
    GHashTable *sign_ins;        /* handle → of signin.c */
    GCancellable *stop;          /* as cancel, for GLib's calls */
    NetCancel *cancel;           /* ends what worker threads wait for, when the bus goes */
    pthread_mutex_t config_lock; /* one edit of the file at a time */
    guint tasks;                 /* worker threads that use the bus */
    gint streams;                /* jobs that write mail to somebody or read it; of mail.c */
};

/* ---- call.c ---- */

/* Notes that somebody is using the bus: for the beginning of each method. */
void bus_touch(Bus *bus);

/* Runs `func` in a worker thread, then `done` in the main loop; both get `data` (func as its task
 * data). The bus waits for them before it goes. */
void bus_run(Bus *bus, GTaskThreadFunc func, GAsyncReadyCallback done, gpointer data);
/* To be called by every `done`. */
void bus_ran(Bus *bus);

/* The proxy that `options` names, or NULL; the caller frees. FALSE: it isn't one. */
gboolean bus_proxy_of(GVariant *options, char **proxy, GError **error);

/* Answers with the error's name and sentence as interface.md has them. */
void bus_return_error(GDBusMethodInvocation *invocation, const GError *error);
void bus_return(GDBusMethodInvocation *invocation, PosternError code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* The words of Account.State. */
const char *bus_state_name(AccountState state);

/* The words of ListFolders' Role. */
const char *bus_role_name(CacheRole role);

/* The account that a D-Bus object is of, and the bus it is on. */
Account *bus_account_of(PosternAccount *object);
Bus *bus_of(PosternAccount *object);

/* A call that an account's work answers. */
typedef struct {
    GDBusMethodInvocation *invocation;
    gboolean refresh; /* the counts are read again: what it changes isn't told otherwise */
    gint64 id;        /* for the job, as the next two */
    char *name;
    int fd;                    /* closed in the end; -1: none */
    GVariant *words, *options; /* of the job, or NULL; given back in the end */
    gint *running;             /* counts jobs that stream (mail.c); or NULL */
    char **local_passwords;    /* where the job has changed them: the names as they are now */
} BusAsk;

/* Runs `job` (its data is a copy of `question`), and answers with the variant that it gives, which
 * may be NULL: nothing to say. */
void bus_ask(PosternAccount *object, AccountJob job, const BusAsk *question);

/* ---- manager.c ---- */
void bus_manager_export(Bus *bus);
void bus_manager_unexport(Bus *bus);
/* Listeners, problems, online, anything else of the Manager but its sessions. */
void bus_manager_update(Bus *bus);
void bus_manager_update_sessions(Bus *bus);

/* ---- account.c ---- */
void bus_account_export(Bus *bus, Account *account);
void bus_account_update(Bus *bus, Account *account);
void bus_account_unexport(Bus *bus, Account *account);

/* ---- pending.c ---- */
/* Connects the methods about what upstream has refused. */
void bus_pending_connect(PosternAccount *object);

/* ---- mail.c ---- */
/* Connects Search, Export and Import. */
void bus_mail_connect(PosternAccount *object);

/* ---- providers.c ---- */
/* What is known of providers, or NULL; the caller frees. */
DiscoverTable *bus_providers_table(const Bus *bus);
/* What is known of where one signs in: a group [oauth2 NAME], or an issuer's URL. */
OauthServer *bus_providers_server(const Bus *bus, const char *name, GError **error);

/* ---- discover.c ---- */
/* Connects Discover and Probe. */
void bus_discover_connect(Bus *bus);

/* ---- signin.c ---- */
void bus_signin_init(Bus *bus);
/* Ends everybody who waits for a sign-in. */
void bus_signin_stop(Bus *bus);
void bus_signin_clear(Bus *bus);
/* Connects the Manager's methods, and Account.Authorize. */
void bus_signin_connect(Bus *bus);
void bus_signin_connect_account(PosternAccount *object);
/* A finished sign-in by its handle; the caller frees. */
OauthSignIn *bus_signin_done(Bus *bus, const char *name, GError **error);

/* ---- notice.c ---- */
void bus_notice_init(Bus *bus);
/* The account has changed: whether somebody has to sign in is told, once, or what was told is taken back. */
void bus_notice_update(Bus *bus, const Account *account);
/* The account goes. */
void bus_notice_forget(Bus *bus, const Account *account);
/* Takes back all that was told. */
void bus_notice_clear(Bus *bus);

/* ---- online.c ---- */
/* Connects ListOnlineAccounts, and watches whom GNOME isn't let in for. */
void bus_online_connect(Bus *bus);
void bus_online_clear(Bus *bus);

/* ---- queue.c ---- */
void bus_queue_export(Bus *bus);
void bus_queue_unexport(Bus *bus);
/* ListQueue(). */
void bus_queue_list(Bus *bus, GDBusMethodInvocation *invocation, GVariant *filter, guint64 offset,
                    guint limit);

/* ---- settings.c ---- */

/*
 * Changes the configuration in a worker thread and reloads it: `settings` (a{sv}) for account `id`,
 * which is new (`create`) or has to exist; the secret is stored before anything is written. `done`
 * is called in the main loop after the reload, with the error or NULL.
 */
typedef struct {
    const char *password;    /* of the provider; empty or NULL: none */
    const OauthGrant *grant; /* of a sign-in; or NULL */
} BusSecret;
typedef void (*BusChanged)(Bus *bus, const char *id, const GError *error, gpointer data);
void bus_settings_change(Bus *bus, const char *id, gboolean create, GVariant *settings,
                         const BusSecret *secret, BusChanged done, gpointer data);
