/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl sync: a round of one account or all, with a bar while it waits.
 */
#include "ui/posternctl/ctl.h"

#include <stdio.h>
#include <string.h>

/* A daemon that ends meanwhile may be on its way back: it is waited for as long as one that is just
 * starting is. */
#define RETURN_SECONDS 10

typedef struct {
    Ctl *ctl;
    const char *only; /* the account's ID; NULL: all */
    GMainLoop *loop;
    GHashTable *states;   /* path → State */
    GHashTable *progress; /* path → double * */
    guint calls;          /* answers to come */
    GError *error;        /* the first */
    guint lives;          /* how often the daemon has ended */
    guint returning;      /* a timer: it is to come back until then */
} Waiting;

/* One account's; what the daemon of another life was asked has no answer. */
typedef struct {
    Waiting *waiting;
    guint life;
} Call;

static gboolean is_busy(const char *state)
{
    return strcmp(state, "syncing") == 0 || strcmp(state, "connecting") == 0 ||
           strcmp(state, "opening") == 0;
}

/* A round can end before the bodies it has found are here: the state says when all is done. */
static void check_end(Waiting *waiting)
{
    GHashTableIter iter;
    gpointer state;

    if (waiting->calls || waiting->returning)
        return;
    g_hash_table_iter_init(&iter, waiting->states);
    while (g_hash_table_iter_next(&iter, NULL, &state)) {
        if (is_busy(state) && !waiting->error)
            return;
    }
    g_main_loop_quit(waiting->loop);
}

static void take(Waiting *waiting, const char *path, GVariant *properties)
{
    g_autoptr(GVariant) progress =
        g_variant_lookup_value(properties, "Progress", G_VARIANT_TYPE_DOUBLE);
    const char *state = ctl_string(properties, "State");
    double sum = 0;
    GHashTableIter iter;
    gpointer value;

    if (!g_hash_table_contains(waiting->states, path))
        return;
    if (*state)
        g_hash_table_insert(waiting->states, g_strdup(path), g_strdup(state));
    if (progress)
        *(double *)g_hash_table_lookup(waiting->progress, path) = g_variant_get_double(progress);
    g_hash_table_iter_init(&iter, waiting->progress);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        sum += *(double *)value;
    ctl_progress("Syncing", sum / g_hash_table_size(waiting->progress));
}

static void on_changed(GDBusConnection *connection, const char *sender, const char *path,
                       const char *interface, const char *signal, GVariant *parameters,
                       gpointer data)
{
    g_autoptr(GVariant) properties = g_variant_get_child_value(parameters, 1);
    take(data, path, properties);
    check_end(data);
}

static void on_synced(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree Call *call = data;
    Waiting *waiting = call->waiting;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);

    /* The bus answers for a daemon that has ended, before or after it says so. */
    if (call->life != waiting->lives || g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY))
        return;
    waiting->calls--;
    if (!answer && !waiting->error)
        waiting->error = g_steal_pointer(&error);
    check_end(waiting);
}

static void begin(Waiting *waiting, GVariant *account)
{
    Call *call = g_new(Call, 1);
    char *path = postern_account_path(ctl_string(account, "Id"));

    g_hash_table_replace(waiting->states, path, g_strdup(ctl_string(account, "State")));
    g_hash_table_replace(waiting->progress, g_strdup(path), g_new0(double, 1));
    take(waiting, path, account);
    waiting->calls++;
    *call = (Call){waiting, waiting->lives};
    g_dbus_connection_call(waiting->ctl->connection, POSTERN_BUS_NAME, path,
                           POSTERN_ACCOUNT_INTERFACE, "Sync", g_variant_new("(b)", TRUE), NULL,
                           G_DBUS_CALL_FLAGS_NONE, G_MAXINT, NULL, on_synced, call);
}

static GPtrArray *sync_choose(Ctl *ctl, const char *id, GError **error)
{
    if (!id) {
        g_autoptr(GPtrArray) all = ctl_accounts(ctl, error);
        GPtrArray *enabled = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);
        for (guint i = 0; all && i < all->len; i++) {
            GVariant *account = g_ptr_array_index(all, i);
            if (strcmp(ctl_string(account, "State"), "disabled") != 0)
                g_ptr_array_add(enabled, g_variant_ref(account));
        }
        if (!all)
            g_clear_pointer(&enabled, g_ptr_array_unref);
        return enabled;
    }
    GVariant *account = ctl_account(ctl, id, error);
    if (!account)
        return NULL;
    GPtrArray *one = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);
    g_ptr_array_add(one, account);
    return one;
}

static gboolean on_not_returned(gpointer data)
{
    Waiting *waiting = data;

    waiting->returning = 0;
    if (!waiting->error)
        waiting->error = g_error_new(CTL_ERROR, CTL_ERROR_NO_DAEMON, "posternd has ended");
    check_end(waiting);
    return G_SOURCE_REMOVE;
}

static void on_sync_vanished(GDBusConnection *connection, const char *name, gpointer data)
{
    Waiting *waiting = data;

    if (waiting->returning)
        return;
    waiting->lives++;
    waiting->calls = 0;
    waiting->returning = g_timeout_add_seconds(RETURN_SECONDS, on_not_returned, waiting);
}

static void begin_all(Waiting *waiting)
{
    g_autoptr(GPtrArray) accounts = sync_choose(waiting->ctl, waiting->only, &waiting->error);

    for (guint i = 0; accounts && i < accounts->len; i++)
        begin(waiting, g_ptr_array_index(accounts, i));
}

/* Everything is asked of it anew. */
static void on_sync_appeared(GDBusConnection *connection, const char *name, const char *owner,
                             gpointer data)
{
    Waiting *waiting = data;

    if (!waiting->returning)
        return;
    g_clear_handle_id(&waiting->returning, g_source_remove);
    begin_all(waiting);
    check_end(waiting);
}

/* States are read after the signals were asked for: a change in between would never be heard of,
 * and a state that was busy then be waited for without end. */
static gboolean wait_for(Ctl *ctl, const char *id, GError **error)
{
    if (!ctl_daemon(ctl, error))
        return FALSE;
    Waiting waiting = {
        .ctl = ctl,
        .only = id,
        .loop = g_main_loop_new(NULL, FALSE),
        .states = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
        .progress = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
    };
    guint signals = g_dbus_connection_signal_subscribe(
        ctl->connection, POSTERN_BUS_NAME, "org.freedesktop.DBus.Properties", "PropertiesChanged",
        NULL, POSTERN_ACCOUNT_INTERFACE, G_DBUS_SIGNAL_FLAGS_NONE, on_changed, &waiting, NULL);
    guint watch = g_bus_watch_name_on_connection(ctl->connection, POSTERN_BUS_NAME,
                                                 G_BUS_NAME_WATCHER_FLAGS_NONE, on_sync_appeared,
                                                 on_sync_vanished, &waiting, NULL);

    begin_all(&waiting);
    if (waiting.calls)
        g_main_loop_run(waiting.loop);
    ctl_progress("", -1);
    g_bus_unwatch_name(watch);
    g_dbus_connection_signal_unsubscribe(ctl->connection, signals);
    g_main_loop_unref(waiting.loop);
    g_hash_table_unref(waiting.states);
    g_hash_table_unref(waiting.progress);
    if (waiting.error)
        g_propagate_error(error, waiting.error);
    return waiting.error == NULL;
}

gboolean cmd_sync(Ctl *ctl, int argc, char **argv, GError **error)
{
    gboolean wait = FALSE;
    const GOptionEntry entries[] = {
        {"wait", 0, 0, G_OPTION_ARG_NONE, &wait, "Until it has ended, or say why it failed", NULL},
        {NULL}};

    if (!ctl_parse(ctl, &(CtlUsage){entries, 0, 1}, &argc, &argv, error))
        return FALSE;
    const char *only = argc > 1 ? argv[1] : NULL;
    if (wait)
        return wait_for(ctl, only, error);
    g_autoptr(GPtrArray) accounts = sync_choose(ctl, only, error);
    if (!accounts)
        return FALSE;
    for (guint i = 0; i < accounts->len; i++) {
        const char *id = ctl_string(g_ptr_array_index(accounts, i), "Id");
        g_autoptr(GVariant) answer =
            ctl_account_call(ctl, id, "Sync", g_variant_new("(b)", FALSE), error);
        if (!answer)
            return FALSE;
    }
    return TRUE;
}
