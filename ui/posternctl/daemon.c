/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The daemon, over D-Bus.
 */
#include "ui/posternctl/ctl.h"

#include <gio/gunixfdlist.h>
#include <string.h>
#include <unistd.h>

#define START_SECONDS 10

/* ---- reaching it --------------------------------------------------------------------------- */

typedef struct {
    GMainLoop *loop;
    gboolean there;
} Arrival;

static void on_appeared(GDBusConnection *connection, const char *name, const char *owner,
                        gpointer data)
{
    Arrival *arrival = data;
    arrival->there = TRUE;
    g_main_loop_quit(arrival->loop);
}

static gboolean on_given_up(gpointer data)
{
    Arrival *arrival = data;
    g_main_loop_quit(arrival->loop);
    return G_SOURCE_REMOVE;
}

static gboolean wait_for_name(Ctl *ctl)
{
    Arrival arrival = {.loop = g_main_loop_new(NULL, FALSE)};
    guint watch = g_bus_watch_name_on_connection(
        ctl->connection, POSTERN_BUS_NAME,
        ctl->no_start ? G_BUS_NAME_WATCHER_FLAGS_NONE : G_BUS_NAME_WATCHER_FLAGS_AUTO_START,
        on_appeared, NULL, &arrival, NULL);
    guint timer = g_timeout_add_seconds(START_SECONDS, on_given_up, &arrival);

    g_main_loop_run(arrival.loop);
    if (arrival.there)
        g_source_remove(timer);
    g_bus_unwatch_name(watch);
    g_main_loop_unref(arrival.loop);
    return arrival.there;
}

gboolean ctl_daemon(Ctl *ctl, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (ctl->connection)
        return TRUE;
    ctl->connection = g_bus_get_sync(G_BUS_TYPE_SESSION, NULL, &failure);
    if (!ctl->connection) {
        g_set_error(error, CTL_ERROR, CTL_ERROR_NO_DAEMON,
                    "there is no session bus to reach posternd by (%s)", failure->message);
        return FALSE;
    }
    g_dbus_connection_set_exit_on_close(ctl->connection, FALSE);
    if (wait_for_name(ctl))
        return TRUE;
    g_clear_object(&ctl->connection);
    g_set_error(error, CTL_ERROR, CTL_ERROR_NO_DAEMON,
                "posternd is not running; start it with 'systemctl --user start postern' or "
                "'posternd'");
    return FALSE;
}

gboolean ctl_enable_at_login(Ctl *ctl, GError **error)
{
    const char *const units[] = {CTL_UNIT, NULL};
    g_autoptr(GVariant) answer = g_dbus_connection_call_sync(
        ctl->connection, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
        "org.freedesktop.systemd1.Manager", "EnableUnitFiles",
        g_variant_new("(^asbb)", units, FALSE, FALSE), NULL, G_DBUS_CALL_FLAGS_NONE, 5000, NULL,
        error);
    return answer != NULL;
}

GVariant *ctl_call(Ctl *ctl, const char *path, const char *interface, const char *method,
                   GVariant *parameters, GError **error)
{
    g_autoptr(GVariant) owned = parameters ? g_variant_ref_sink(parameters) : NULL;
    g_autoptr(GError) failure = NULL;

    if (!ctl_daemon(ctl, error))
        return NULL;
    GVariant *answer =
        g_dbus_connection_call_sync(ctl->connection, POSTERN_BUS_NAME, path, interface, method,
                                    owned, NULL, G_DBUS_CALL_FLAGS_NONE, G_MAXINT, NULL, &failure);
    if (answer)
        return answer;
    if (g_error_matches(failure, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY) ||
        g_error_matches(failure, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN))
        g_set_error(error, CTL_ERROR, CTL_ERROR_NO_DAEMON, "posternd ended before it answered");
    else
        g_propagate_error(error, g_steal_pointer(&failure));
    return NULL;
}

gboolean ctl_call_stdout(Ctl *ctl, const char *path, const char *interface, const char *method,
                         GVariant *parameters, GError **error)
{
    g_autoptr(GVariant) owned = g_variant_ref_sink(parameters);
    g_autoptr(GUnixFDList) files = g_unix_fd_list_new();

    if (!ctl_daemon(ctl, error) || g_unix_fd_list_append(files, STDOUT_FILENO, error) < 0)
        return FALSE;
    g_autoptr(GVariant) answer = g_dbus_connection_call_with_unix_fd_list_sync(
        ctl->connection, POSTERN_BUS_NAME, path, interface, method, owned, NULL,
        G_DBUS_CALL_FLAGS_NO_AUTO_START, G_MAXINT, files, NULL, NULL, error);
    return answer != NULL;
}

GVariant *ctl_manager(Ctl *ctl, const char *method, GVariant *parameters, GError **error)
{
    return ctl_call(ctl, POSTERN_PATH, POSTERN_MANAGER_INTERFACE, method, parameters, error);
}

/* ---- properties ---------------------------------------------------------------------------- */

GVariant *ctl_manager_properties(Ctl *ctl, GError **error)
{
    g_autoptr(GVariant) answer =
        ctl_call(ctl, POSTERN_PATH, "org.freedesktop.DBus.Properties", "GetAll",
                 g_variant_new("(s)", POSTERN_MANAGER_INTERFACE), error);
    return answer ? g_variant_get_child_value(answer, 0) : NULL;
}

static int compare_ids(gconstpointer a, gconstpointer b)
{
    return strcmp(ctl_string(*(GVariant *const *)a, "Id"), ctl_string(*(GVariant *const *)b, "Id"));
}

GPtrArray *ctl_accounts(Ctl *ctl, GError **error)
{
    g_autoptr(GVariant) answer = ctl_call(ctl, POSTERN_PATH, "org.freedesktop.DBus.ObjectManager",
                                          "GetManagedObjects", NULL, error);
    g_autoptr(GVariantIter) objects = NULL;
    GVariant *interfaces;

    if (!answer)
        return NULL;
    GPtrArray *accounts = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);
    g_variant_get(answer, "(a{oa{sa{sv}}})", &objects);
    while (g_variant_iter_loop(objects, "{&o@a{sa{sv}}}", NULL, &interfaces)) {
        GVariant *account =
            g_variant_lookup_value(interfaces, POSTERN_ACCOUNT_INTERFACE, G_VARIANT_TYPE_VARDICT);
        if (account)
            g_ptr_array_add(accounts, account);
    }
    g_ptr_array_sort(accounts, compare_ids);
    return accounts;
}

GVariant *ctl_account(Ctl *ctl, const char *id, GError **error)
{
    g_autoptr(GPtrArray) accounts = ctl_accounts(ctl, error);

    for (guint i = 0; accounts && i < accounts->len; i++) {
        GVariant *account = g_ptr_array_index(accounts, i);
        if (strcmp(ctl_string(account, "Id"), id) == 0)
            return g_variant_ref(account);
    }
    if (accounts)
        ctl_fail(error, "there is no account %s; 'posternctl account list' shows them", id);
    return NULL;
}

GVariant *ctl_account_call(Ctl *ctl, const char *id, const char *method, GVariant *parameters,
                           GError **error)
{
    g_autoptr(GVariant) owned = parameters ? g_variant_ref_sink(parameters) : NULL;
    g_autoptr(GVariant) account = ctl_account(ctl, id, error);
    g_autofree char *path = postern_account_path(id);

    return account ? ctl_call(ctl, path, POSTERN_ACCOUNT_INTERFACE, method, owned, error) : NULL;
}

const char *ctl_string(GVariant *dict, const char *key)
{
    const char *text = "";
    g_variant_lookup(dict, key, "&s", &text);
    return text;
}

gint64 ctl_number(GVariant *dict, const char *key)
{
    g_autoptr(GVariant) value = g_variant_lookup_value(dict, key, NULL);

    if (!value)
        return 0;
    switch (g_variant_classify(value)) {
    case G_VARIANT_CLASS_INT64:
        return g_variant_get_int64(value);
    case G_VARIANT_CLASS_UINT64:
        return (gint64)g_variant_get_uint64(value);
    case G_VARIANT_CLASS_UINT32:
        return g_variant_get_uint32(value);
    case G_VARIANT_CLASS_UINT16:
        return g_variant_get_uint16(value);
    default:
        return 0;
    }
}

gboolean ctl_bool(GVariant *dict, const char *key)
{
    gboolean value = FALSE;
    g_variant_lookup(dict, key, "b", &value);
    return value;
}

GVariant *ctl_child(GVariant *dict, const char *key)
{
    return g_variant_lookup_value(dict, key, NULL);
}
