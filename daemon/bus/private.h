/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files bus*.c share.
 */
#pragma once

#include "daemon/bus/bus.h"
#include "daemon/config/edit.h"
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

    guint queue_subtree;
    int queue_fd; /* eventfd: the queue has changed */
    QueueWatch *queue_watch;
    guint queue_source, queue_timer;
    gboolean queue_busy;
    GHashTable *queue_seen; /* N → what its readers were last told: GVariant a{sv} */
    GQueue queue_order;     /* N, oldest first */

    NetCancel *cancel;           /* ends what worker threads wait for, when the bus goes */
    pthread_mutex_t config_lock; /* one edit of the file at a time */
    guint tasks;                 /* worker threads that use the bus */
};

/* Notes that somebody is using the bus. */
void bus_touch(Bus *bus);

/* Runs `func` in a worker thread, then `done` in the main loop; both get `data` (func as its task
 * data). The bus waits for them before it goes. */
void bus_run(Bus *bus, GTaskThreadFunc func, GAsyncReadyCallback done, gpointer data);
/* To be called by every `done`. */
void bus_ran(Bus *bus);

/* Answers with the error's name and sentence as interface.md has them. */
void bus_return_error(GDBusMethodInvocation *invocation, const GError *error);
void bus_return(GDBusMethodInvocation *invocation, PosternError code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* The words of Account.State. */
const char *bus_state_name(AccountState state);

/* ---- bus-manager.c ---- */
void bus_manager_export(Bus *bus);
void bus_manager_unexport(Bus *bus);

/* ---- bus-account.c ---- */
void bus_account_added(Account *account, gpointer bus);
void bus_account_changed(Account *account, gpointer bus);
void bus_account_removed(Account *account, gpointer bus);

/* The account that a D-Bus object is of; a call to it has been noted by bus_touch() already, or is
 * to be. */
Account *bus_account_of(PosternAccount *object);

/* ---- bus-pending.c ---- */
/* Connects the methods about what upstream has refused. */
void bus_pending_connect(PosternAccount *object);

/* ---- bus-discover.c ---- */
/* Connects Discover and Probe. */
void bus_discover_connect(Bus *bus);

/* ---- bus-queue.c ---- */
void bus_queue_export(Bus *bus);
void bus_queue_unexport(Bus *bus);
/* ListQueue(). */
void bus_queue_list(Bus *bus, GDBusMethodInvocation *invocation, GVariant *filter, guint64 offset,
                    guint limit);

/* ---- bus-settings.c ---- */

/*
 * Changes the configuration in a worker thread and reloads it: `settings` (a{sv}) for account `id`,
 * which is new (`create`) or has to exist; `password` is stored before anything is written. `done`
 * is called in the main loop after the reload, with the error or NULL.
 */
typedef void (*BusChanged)(Bus *bus, const char *id, const GError *error, gpointer data);
void bus_settings_change(Bus *bus, const char *id, gboolean create, GVariant *settings,
                         const char *password, BusChanged done, gpointer data);

/* The part that decides, without the bus: applies `settings` to the account's group in `edit`.
 * `current` is the account as it is, NULL for a new one. */
gboolean bus_settings_apply(ConfigEdit *edit, const char *id, const ConfigAccount *current,
                            GVariant *settings, gboolean have_password, GError **error);
