/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The name on the session bus, the object manager, and errors as they are answered.
 */
#include "daemon/bus/private.h"

#include "daemon/net/thread.h"

#include <gio/gio.h>

/* ---- errors -------------------------------------------------------------------------------- */

static PosternError cache_code(int code)
{
    switch (code) {
    case CACHE_ERROR_FULL:
        return POSTERN_ERROR_NO_SPACE;
    case CACHE_ERROR_NOT_FOUND:
        return POSTERN_ERROR_NOT_FOUND;
    case CACHE_ERROR_EXISTS:
        return POSTERN_ERROR_EXISTS;
    case CACHE_ERROR_INVALID:
    case CACHE_ERROR_CHILDREN:
        return POSTERN_ERROR_INVALID_ARGUMENT;
    default:
        return POSTERN_ERROR_FAILED;
    }
}

static PosternError code_of(const GError *error)
{
    if (error->domain == POSTERN_ERROR)
        return (PosternError)error->code;
    if (error->domain == CACHE_ERROR)
        return cache_code(error->code);
    if (error->domain == ACCOUNT_ERROR_DOMAIN)
        return error->code == ACCOUNT_SECRET_LOCKED ? POSTERN_ERROR_LOCKED
                                                    : POSTERN_ERROR_AUTH_REQUIRED;
    if (error->domain == NET_ERROR)
        return error->code == NET_ERROR_CERTIFICATE ? POSTERN_ERROR_FAILED : POSTERN_ERROR_OFFLINE;
    if (error->domain == G_KEY_FILE_ERROR)
        return POSTERN_ERROR_INVALID_ARGUMENT;
    return POSTERN_ERROR_FAILED;
}

void bus_return_error(GDBusMethodInvocation *invocation, const GError *error)
{
    g_dbus_method_invocation_return_error_literal(invocation, POSTERN_ERROR, (int)code_of(error),
                                                  error->message);
}

void bus_return(GDBusMethodInvocation *invocation, PosternError code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_dbus_method_invocation_return_error_valist(invocation, POSTERN_ERROR, (int)code, format,
                                                 args);
    va_end(args);
}

const char *bus_state_name(AccountState state)
{
    static const char *const names[] = {
        [ACCOUNT_DISABLED] = "disabled",
        [ACCOUNT_OFFLINE] = "offline",
        [ACCOUNT_CONNECTING] = "connecting",
        [ACCOUNT_SYNCING] = "syncing",
        [ACCOUNT_IDLE] = "idle",
        [ACCOUNT_LOCKED] = "locked",
        [ACCOUNT_AUTH_REQUIRED] = "auth-required",
        [ACCOUNT_ERROR] = "error",
    };
    return names[state];
}

void bus_touch(Bus *bus)
{
    bus->last_call = g_get_monotonic_time();
}

gint64 bus_last_call(Bus *bus)
{
    return bus->last_call;
}

/* ---- worker threads ------------------------------------------------------------------------ */

typedef struct {
    GTaskThreadFunc func;
    gpointer data;
} BusTask;

static void task_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const BusTask *run = data;

    net_thread_name("bus", NULL);
    run->func(task, source, run->data, cancellable);
    net_thread_unname();
}

void bus_run(Bus *bus, GTaskThreadFunc func, GAsyncReadyCallback done, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, done, data);
    BusTask *run = g_new(BusTask, 1);

    *run = (BusTask){func, data};
    bus->tasks++;
    g_task_set_task_data(task, run, g_free);
    g_task_run_in_thread(task, task_thread);
}

void bus_ran(Bus *bus)
{
    bus->tasks--;
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

static void connect_to_bus(Bus *bus)
{
    AccountsObserver observer = {bus_account_added, bus_account_changed, bus_account_removed, bus};

    bus->objects = g_dbus_object_manager_server_new(POSTERN_PATH);
    bus_manager_export(bus);
    bus_queue_export(bus);
    g_dbus_object_manager_server_set_connection(bus->objects, bus->connection);
    accounts_observe(bus->daemon->accounts, &observer);
    bus->owner = g_bus_own_name_on_connection(bus->connection, POSTERN_BUS_NAME,
                                              G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE, on_name_acquired,
                                              on_name_lost, bus, NULL);
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
    connect_to_bus(bus);
    return bus;
}

void bus_free(Bus *bus)
{
    static const AccountsObserver nobody = {0};

    net_cancel_trigger(bus->cancel);
    while (bus->tasks)
        g_main_context_iteration(NULL, TRUE);
    accounts_observe(bus->daemon->accounts, &nobody);
    if (bus->connection) {
        g_bus_unown_name(bus->owner);
        bus_queue_unexport(bus);
        bus_manager_unexport(bus);
        g_object_unref(bus->objects);
        g_dbus_connection_flush_sync(bus->connection, NULL, NULL);
        g_object_unref(bus->connection);
    }
    pthread_mutex_destroy(&bus->config_lock);
    net_cancel_unref(bus->cancel);
    g_free(bus);
}
