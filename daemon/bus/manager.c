/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * org.postern.Postern1.Manager.
 */
#include "daemon/bus/private.h"
#include "daemon/config/change.h"

#include "daemon/account/purge.h"

#include <string.h>

/* ---- properties ---------------------------------------------------------------------------- */

void bus_manager_update_sessions(Bus *bus)
{
    if (bus->manager)
        postern_manager_set_sessions(bus->manager, sessions_describe(bus->daemon->sessions));
}

void bus_manager_update(Bus *bus)
{
    Daemon *daemon = bus->daemon;
    g_auto(GStrv) problems = NULL;

    if (!bus->manager)
        return;
    problems = daemon_problems(daemon);
    postern_manager_set_online(bus->manager, daemon->network && !daemon->forced_offline);
    postern_manager_set_forced_offline(bus->manager, daemon->forced_offline);
    postern_manager_set_listeners(bus->manager, listeners_describe(daemon->listeners));
    postern_manager_set_problems(bus->manager, (const char *const *)problems);
}

/* The only property that clients write. */
static void on_forced_offline(GObject *object, GParamSpec *pspec, gpointer data)
{
    Bus *bus = data;
    bus_touch(bus);
    daemon_set_forced_offline(bus->daemon, postern_manager_get_forced_offline(bus->manager));
}

/* ---- accounts ------------------------------------------------------------------------------ */

static void added(Bus *bus, const char *id, const GError *error, gpointer data)
{
    GDBusMethodInvocation *invocation = data;
    g_autofree char *path = postern_account_path(id);

    if (error)
        bus_return_error(invocation, error);
    else
        postern_manager_complete_add_account(bus->manager, invocation, path);
}

/* `settings` without what is no key of an account. */
static GVariant *only_keys(GVariant *settings)
{
    GVariantDict dict;
    g_variant_dict_init(&dict, settings);
    g_variant_dict_remove(&dict, "id");
    g_variant_dict_remove(&dict, "sign-in");
    return g_variant_ref_sink(g_variant_dict_end(&dict));
}

static gboolean on_add_account(PosternManager *manager, GDBusMethodInvocation *invocation,
                               GVariant *settings, const char *password, gpointer data)
{
    Bus *bus = data;
    const char *address = NULL;
    g_autofree char *id = NULL;
    const char *handle = NULL;
    g_autoptr(GVariant) rest = only_keys(settings);
    g_autoptr(OauthSignIn) sign_in = NULL;
    g_autoptr(GError) error = NULL;

    bus_touch(bus);
    if (g_variant_lookup(settings, "sign-in", "&s", &handle) &&
        !(sign_in = bus_signin_done(bus, handle, &error))) {
        bus_return_error(invocation, error);
        return TRUE;
    }
    g_variant_lookup(settings, "address", "&s", &address);
    if (!g_variant_lookup(settings, "id", "s", &id) && address)
        id = config_suggest_id(bus->daemon->config, address);
    if (!id || !config_valid_id(id))
        bus_return(invocation, POSTERN_ERROR_INVALID_ARGUMENT,
                   "an account needs an address, and its ID has to be of a-z, 0-9 and -, and not "
                   "all, local or new");
    else if (accounts_get(bus->daemon->accounts, id))
        bus_return(invocation, POSTERN_ERROR_EXISTS,
                   "there is an account %s already; choose another ID", id);
    else
        bus_settings_change(bus, id, TRUE, rest,
                            &(BusSecret){.password = password,
                                         .grant = sign_in ? oauth_sign_in_grant(sign_in) : NULL},
                            added, invocation);
    return TRUE;
}

/* ---- removing ------------------------------------------------------------------------------ */

typedef struct {
    Bus *bus;
    GDBusMethodInvocation *invocation;
    char *id;
} Removal;

static void removal_free(Removal *removal)
{
    g_free(removal->id);
    g_free(removal);
}

static void on_removed(gpointer data)
{
    Removal *removal = data;
    Bus *bus = removal->bus;

    if (account_purge_is_left(bus->daemon->data_dir, removal->id))
        bus_return(removal->invocation, POSTERN_ERROR_FAILED,
                   "%s is removed, but not all that was kept of it could be; the log says why. It "
                   "is tried again at the next start.",
                   removal->id);
    else
        postern_manager_complete_remove_account(bus->manager, removal->invocation);
    removal_free(removal);
}

static gboolean take_group_out(Removal *removal, gboolean purge, GError **error)
{
    Bus *bus = removal->bus;
    const char *path = bus->daemon->config_path;

    pthread_mutex_lock(&bus->config_lock);
    g_autoptr(ConfigEdit) edit = config_edit_open(path, error);
    g_autoptr(Config) after = edit ? config_change_remove(edit, path, removal->id, error) : NULL;
    gboolean saved = after && config_edit_save(edit, error);
    pthread_mutex_unlock(&bus->config_lock);
    if (purge && saved)
        account_purge_decide(bus->daemon->data_dir, removal->id);
    else if (purge)
        account_purge_take_back(bus->daemon->data_dir, removal->id);
    return saved;
}

static void remove_now(Removal *removal, gboolean purge)
{
    Daemon *daemon = removal->bus->daemon;
    Account *account = accounts_get(daemon->accounts, removal->id);
    g_autoptr(GError) error = NULL;

    if ((!purge || account_purge_ask(daemon->data_dir, removal->id, &error)) &&
        take_group_out(removal, purge, &error)) {
        if (account && purge)
            account_purge(account);
        if (daemon_reload(daemon, on_removed, removal, &error))
            return;
    }
    bus_return_error(removal->invocation, error);
    removal_free(removal);
}

/* What exists only here, as a sentence; NULL: nothing. */
static gpointer only_here(AccountWork *work, gpointer data, GError **error)
{
    AccountCounts counts;
    guint64 queue[5] = {0};

    if (!account_work_counts(work, &counts, NULL, error) ||
        (work->queue && !queue_counts(work->queue, work->settings->id, queue, error)))
        return NULL;
    guint64 mail =
        queue[QUEUE_WAITING] + queue[QUEUE_SENDING] + queue[QUEUE_HELD] + queue[QUEUE_FAILED];
    if (!mail && !counts.changes && counts.only_here)
        return g_strdup_printf("%" G_GUINT64_FORMAT " messages are in no other place than here; "
                               "move them to another account first, or use --purge to lose them",
                               counts.only_here);
    if (!mail && !counts.changes)
        return NULL;
    return g_strdup_printf("%" G_GUINT64_FORMAT " outgoing messages and %u changes exist only "
                           "here ('posternctl queue list' and 'posternctl pending' show them); "
                           "send or cancel them first, or use --purge to lose them",
                           mail, counts.changes);
}

static void only_here_known(Account *account, gpointer result, const GError *error, gpointer data)
{
    Removal *removal = data;
    g_autofree char *reason = result;

    if (!reason) {
        remove_now(removal, FALSE);
        return;
    }
    bus_return(removal->invocation, POSTERN_ERROR_FAILED, "%s: %s", removal->id, reason);
    removal_free(removal);
}

static gboolean on_remove_account(PosternManager *manager, GDBusMethodInvocation *invocation,
                                  const char *id, gboolean purge, gpointer data)
{
    Bus *bus = data;
    Account *account = accounts_get(bus->daemon->accounts, id);

    bus_touch(bus);
    if (!account) {
        bus_return(invocation, POSTERN_ERROR_NOT_FOUND, "there is no account %s", id);
        return TRUE;
    }
    Removal *removal = g_new0(Removal, 1);
    removal->bus = bus;
    removal->invocation = invocation;
    removal->id = g_strdup(id);
    if (purge)
        remove_now(removal, TRUE);
    else
        account_run(account, only_here, only_here_known, removal);
    return TRUE;
}

/* ---- the rest ------------------------------------------------------------------------------ */

static void on_reloaded(gpointer data)
{
    g_dbus_method_invocation_return_value(data, NULL);
}

static gboolean on_reload(PosternManager *manager, GDBusMethodInvocation *invocation, gpointer data)
{
    Bus *bus = data;
    g_autoptr(GError) error = NULL;

    bus_touch(bus);
    if (!daemon_reload(bus->daemon, on_reloaded, invocation, &error))
        bus_return(invocation, POSTERN_ERROR_INVALID_ARGUMENT, "%s", error->message);
    return TRUE;
}

static gboolean on_manager_sync(PosternManager *manager, GDBusMethodInvocation *invocation,
                                gpointer data)
{
    Bus *bus = data;
    GPtrArray *accounts = accounts_list(bus->daemon->accounts);

    bus_touch(bus);
    for (guint i = 0; i < accounts->len; i++)
        account_sync(g_ptr_array_index(accounts, i), NULL, NULL);
    postern_manager_complete_sync(manager, invocation);
    return TRUE;
}

static gboolean on_list_queue(PosternManager *manager, GDBusMethodInvocation *invocation,
                              GVariant *filter, guint64 offset, guint limit, gpointer data)
{
    bus_touch(data);
    bus_queue_list(data, invocation, filter, offset, limit);
    return TRUE;
}

static GVariant *no_counts(void)
{
    return g_variant_new("a{sv}", NULL);
}

void bus_manager_export(Bus *bus)
{
    static const struct {
        const char *signal;
        GCallback handler;
    } handlers[] = {
        {"handle-add-account", G_CALLBACK(on_add_account)},
        {"handle-remove-account", G_CALLBACK(on_remove_account)},
        {"handle-reload", G_CALLBACK(on_reload)},
        {"handle-sync", G_CALLBACK(on_manager_sync)},
        {"handle-list-queue", G_CALLBACK(on_list_queue)},
        {"notify::forced-offline", G_CALLBACK(on_forced_offline)},
    };
    g_autoptr(GError) error = NULL;

    bus->manager = postern_manager_skeleton_new();
    postern_manager_set_version(bus->manager, POSTERN_VERSION);
    g_autofree char *authority =
        g_build_filename(bus->daemon->data_dir, "tls", "authority.pem", NULL);
    postern_manager_set_config_file(bus->manager, bus->daemon->config_path);
    postern_manager_set_authority(bus->manager, authority);
    postern_manager_set_queue_counts(bus->manager, no_counts());
    bus_manager_update(bus);
    bus_manager_update_sessions(bus);
    for (guint i = 0; i < G_N_ELEMENTS(handlers); i++)
        g_signal_connect(bus->manager, handlers[i].signal, handlers[i].handler, bus);
    bus_discover_connect(bus);
    bus_signin_connect(bus);
    if (!g_dbus_interface_skeleton_export(G_DBUS_INTERFACE_SKELETON(bus->manager), bus->connection,
                                          POSTERN_PATH, &error))
        g_warning("The daemon can't be put on the bus: %s", error->message);
}

void bus_manager_unexport(Bus *bus)
{
    g_signal_handlers_disconnect_by_data(bus->manager, bus);
    g_dbus_interface_skeleton_unexport(G_DBUS_INTERFACE_SKELETON(bus->manager));
    g_clear_object(&bus->manager);
}
