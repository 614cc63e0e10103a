/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The name on the session bus, the object manager, and what is watched. What all methods share is
 * in call.c.
 */
#include "daemon/bus/private.h"

#include <gio/gio.h>

gint64 bus_last_call(Bus *bus)
{
    return bus->last_call;
}

/* ---- what is watched ------------------------------------------------------------------------- */

static void on_account_added(Account *account, gpointer data)
{
    bus_account_export(data, account);
    bus_notice_update(data, account);
}

static void on_account_changed(Account *account, gpointer data)
{
    bus_account_update(data, account);
    bus_notice_update(data, account);
    /* What is to be known about an account's cache is among the daemon's problems. */
    bus_manager_update(data);
}

static void on_account_removed(Account *account, gpointer data)
{
    bus_account_unexport(data, account);
    bus_notice_forget(data, account);
}

static void on_daemon_changed(gpointer data)
{
    bus_manager_update(data);
}

static void on_sessions_changed(gpointer data)
{
    bus_manager_update_sessions(data);
}

static void watch(Bus *bus)
{
    const DaemonObserver daemon = {on_daemon_changed, on_sessions_changed, bus};
    const AccountsObserver accounts = {on_account_added, on_account_changed, on_account_removed,
                                       bus};

    daemon_observe(bus->daemon, &daemon);
    accounts_observe(bus->daemon->accounts, &accounts);
}

static void unwatch(Bus *bus)
{
    static const DaemonObserver no_daemon = {0};
    static const AccountsObserver no_accounts = {0};

    daemon_observe(bus->daemon, &no_daemon);
    accounts_observe(bus->daemon->accounts, &no_accounts);
}

/* ---- the name ------------------------------------------------------------------------------ */

static void on_name_lost(GDBusConnection *connection, const char *name, gpointer data)
{
    Bus *bus = data;

    if (connection && !g_dbus_connection_is_closed(connection)) {
        g_warning("Another posternd has the name %s on this session bus: this one can't be "
                  "controlled",
                  name);
        return;
    }
    g_message("The session bus is gone");
    bus->lost(bus->lost_data);
}

static void on_name_acquired(GDBusConnection *connection, const char *name, gpointer data)
{
    g_debug("Controlled over the session bus as %s", name);
}

void bus_own_name(Bus *bus)
{
    if (!bus->connection)
        return;
    bus->owner = g_bus_own_name_on_connection(bus->connection, POSTERN_BUS_NAME,
                                              G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE, on_name_acquired,
                                              on_name_lost, bus, NULL);
}

static void export(Bus *bus)
{
    bus->accounts = g_hash_table_new_full(NULL, NULL, NULL, g_object_unref);
    bus->objects = g_dbus_object_manager_server_new(POSTERN_PATH);
    bus_manager_export(bus);
    bus_queue_export(bus);
    bus_online_connect(bus);
    g_dbus_object_manager_server_set_connection(bus->objects, bus->connection);
    watch(bus);
}

static void unexport(Bus *bus)
{
    unwatch(bus);
    bus_online_clear(bus);
    if (bus->owner)
        g_bus_unown_name(bus->owner);
    bus_queue_unexport(bus);
    bus_manager_unexport(bus);
    g_object_unref(bus->objects);
    g_hash_table_unref(bus->accounts);
    g_dbus_connection_flush_sync(bus->connection, NULL, NULL);
    g_object_unref(bus->connection);
}

Bus *bus_new(Daemon *daemon, void (*lost)(gpointer data), gpointer data)
{
    Bus *bus = g_new0(Bus, 1);
    g_autoptr(GError) error = NULL;

    bus->daemon = daemon;
    bus->lost = lost;
    bus->lost_data = data;
    bus->queue_fd = -1;
    bus->cancel = net_cancel_new();
    bus_signin_init(bus);
    bus_notice_init(bus);
    pthread_mutex_init(&bus->config_lock, NULL);
    bus_touch(bus);
    bus->connection = g_bus_get_sync(G_BUS_TYPE_SESSION, NULL, &error);
    if (!bus->connection) {
        g_message("There is no session bus, so posternctl and the window can't reach this daemon: "
                  "%s",
                  error->message);
        return bus;
    }
    g_dbus_connection_set_exit_on_close(bus->connection, FALSE);
    export(bus);
    return bus;
}

void bus_free(Bus *bus)
{
    net_cancel_trigger(bus->cancel);
    bus_signin_stop(bus);
    while (bus->tasks)
        g_main_context_iteration(NULL, TRUE);
    bus_notice_clear(bus);
    if (bus->connection)
        unexport(bus);
    pthread_mutex_destroy(&bus->config_lock);
    net_cancel_unref(bus->cancel);
    bus_signin_clear(bus);
    g_free(bus);
}
