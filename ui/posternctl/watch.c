/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl watch: what happens, as it happens, until Ctrl-C. A daemon that ends is waited for.
 */
#include "ui/posternctl/ctl.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    Ctl *ctl;
    GMainLoop *loop;
    gboolean there, ended; /* it is there; it has ended at least once */
} Watch;

static void print_event(Watch *watch, const char *path, const char *what, GVariant *changed)
{
    if (watch->ctl->json) {
        GVariantDict dict;
        g_variant_dict_init(&dict, NULL);
        g_variant_dict_insert(&dict, "Time", "x", g_get_real_time() / G_USEC_PER_SEC);
        g_variant_dict_insert(&dict, "Path", "s", path);
        g_variant_dict_insert(&dict, "Event", "s", what);
        if (changed)
            g_variant_dict_insert_value(&dict, "Changed", changed);
        ctl_print_json(g_variant_dict_end(&dict), TRUE);
        return;
    }
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *time = g_date_time_format(now, "%H:%M:%S");
    g_autofree char *values = changed ? ctl_value("Changed", changed) : g_strdup(what);
    g_autofree char *safe = ctl_escape(values);
    const char *name = strcmp(path, POSTERN_PATH) == 0 ? "postern" : strrchr(path, '/') + 1;
    printf("%s %s: %s\n", time, name, g_strdelimit(safe, "\n", ' '));
    fflush(stdout);
}

static void on_signal(GDBusConnection *connection, const char *sender, const char *path,
                      const char *interface, const char *signal, GVariant *parameters,
                      gpointer data)
{
    g_autoptr(GVariant) second = NULL;

    if (strcmp(signal, "PropertiesChanged") == 0) {
        second = g_variant_get_child_value(parameters, 1);
        if (g_variant_n_children(second))
            print_event(data, path, "changed", second);
    } else if (strcmp(signal, "InterfacesAdded") == 0 || strcmp(signal, "InterfacesRemoved") == 0) {
        const char *object;
        g_variant_get_child(parameters, 0, "&o", &object);
        print_event(data, object, signal[10] == 'A' ? "added" : "removed", NULL);
    } else if (strcmp(signal, "QueueChanged") == 0) {
        print_event(data, POSTERN_QUEUE_PATH, "changed", NULL);
    }
}

static void on_watch_vanished(GDBusConnection *connection, const char *name, gpointer data)
{
    Watch *watch = data;

    if (watch->there)
        print_event(watch, POSTERN_PATH, "ended", NULL);
    watch->there = FALSE;
    watch->ended = TRUE;
}

/* How the accounts are now: of what changed while nobody was there nothing is told. */
static void print_accounts(Watch *watch)
{
    g_autoptr(GPtrArray) accounts = ctl_accounts(watch->ctl, NULL);

    for (guint i = 0; accounts && i < accounts->len; i++) {
        GVariant *account = g_ptr_array_index(accounts, i);
        g_autofree char *path = postern_account_path(ctl_string(account, "Id"));
        print_event(watch, path, "changed", account);
    }
}

static void on_watch_appeared(GDBusConnection *connection, const char *name, const char *owner,
                              gpointer data)
{
    Watch *watch = data;

    watch->there = TRUE;
    if (!watch->ended)
        return;
    print_event(watch, POSTERN_PATH, "started", NULL);
    print_accounts(watch);
}

/* Without a bus there is no daemon to wait for. */
static void on_bus_closed(GDBusConnection *connection, gboolean vanished, GError *error,
                          gpointer data)
{
    Watch *watch = data;
    g_main_loop_quit(watch->loop);
}

gboolean cmd_watch(Ctl *ctl, int argc, char **argv, GError **error)
{
    Watch watch = {.ctl = ctl};

    if (!ctl_parse(ctl, &(CtlUsage){NULL, 0, 0}, &argc, &argv, error) || !ctl_daemon(ctl, error))
        return FALSE;
    watch.loop = g_main_loop_new(NULL, FALSE);
    guint signals =
        g_dbus_connection_signal_subscribe(ctl->connection, POSTERN_BUS_NAME, NULL, NULL, NULL,
                                           NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal, &watch, NULL);
    guint name = g_bus_watch_name_on_connection(ctl->connection, POSTERN_BUS_NAME,
                                                G_BUS_NAME_WATCHER_FLAGS_NONE, on_watch_appeared,
                                                on_watch_vanished, &watch, NULL);
    g_signal_connect(ctl->connection, "closed", G_CALLBACK(on_bus_closed), &watch);
    g_main_loop_run(watch.loop);
    g_signal_handlers_disconnect_by_data(ctl->connection, &watch);
    g_bus_unwatch_name(name);
    g_dbus_connection_signal_unsubscribe(ctl->connection, signals);
    g_main_loop_unref(watch.loop);
    g_set_error(error, CTL_ERROR, CTL_ERROR_NO_DAEMON, "the session bus has ended");
    return FALSE;
}
