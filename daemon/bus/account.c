/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * org.postern.Postern1.Account, one object for each account of the configuration.
 */
#include "daemon/bus/private.h"

#include "daemon/account/trial.h"
#include "daemon/config/choice.h"
#include "daemon/net/proxy.h"
#include "daemon/words/words.h"

#include "cache/folder.h"
#include "daemon/account/trouble.h"

#include <string.h>

/* ---- properties ---------------------------------------------------------------------------- */

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

/* Commands may hold secrets, and nobody on the bus needs them: they are passed over. */
static GVariant *describe_settings(const ConfigAccount *config)
{
    GVariantDict dict;
    GHashTableIter iter;
    gpointer key, value;

    g_variant_dict_init(&dict, NULL);
    g_hash_table_iter_init(&iter, config->values);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        g_autofree char *shown =
            strcmp(key, "proxy") == 0 ? net_proxy_without_password(value) : g_strdup(value);
        if (!g_str_has_suffix(key, "command") && !strstr(key, "pass") && !strstr(key, "secret"))
            g_variant_dict_insert(&dict, key, "s", shown);
    }
    return g_variant_dict_end(&dict);
}

static void insert_url(GVariantDict *dict, const char *key, const NetEndpoint *endpoint)
{
    g_autofree char *url = endpoint ? net_endpoint_to_string(endpoint) : NULL;
    g_variant_dict_insert(dict, key, "s", or_empty(url));
}

static void insert_habits(GVariantDict *dict, const Account *account)
{
    AccountHabits *habits = account_habits(account);
    Quirks quirks = {0};

    account_habits_get(habits, &quirks);
    g_autofree char *provider = habits ? account_habits_provider(habits) : NULL;
    g_auto(GStrv) names = quirks_names(&quirks);
    g_variant_dict_insert(dict, "Provider", "s", or_empty(provider));
    g_variant_dict_insert_value(dict, "Quirks", g_variant_new_strv((const char *const *)names, -1));
    g_clear_pointer(&habits, account_habits_unref);
}

static GVariant *describe_upstream(const Account *account)
{
    const AccountSettings *settings = account_config(account)->settings;
    const AccountStatus *status = account_status(account);
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    if (settings && settings->kind == ACCOUNT_LOCAL)
        g_variant_dict_insert(&dict, "Incoming", "s", CONFIG_LOCAL_URL);
    else
        insert_url(&dict, "Incoming", settings ? settings->incoming : NULL);
    insert_url(&dict, "Outgoing", settings ? settings->outgoing : NULL);
    g_variant_dict_insert(&dict, "IncomingState", "s", bus_state_name(status->incoming));
    g_variant_dict_insert(&dict, "OutgoingState", "s", bus_state_name(status->outgoing));
    g_variant_dict_insert(&dict, "IncomingError", "s", or_empty(status->incoming_error));
    g_variant_dict_insert(&dict, "OutgoingError", "s", or_empty(status->outgoing_error));
    g_variant_dict_insert(&dict, "Secret", "s", settings ? secrets_place(settings) : "");
    insert_habits(&dict, account);
    return g_variant_dict_end(&dict);
}

static GVariant *describe_pending(const AccountCounts *counts)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "Changes", "u", counts->changes);
    g_variant_dict_insert(&dict, "Problems", "u", counts->problems);
    return g_variant_dict_end(&dict);
}

static GVariant *describe_sockets(const Daemon *daemon, const char *id)
{
    static const char *const protocols[] = {"imap", "pop3", "submission"};
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    for (guint i = 0; daemon->config->sockets && i < G_N_ELEMENTS(protocols); i++) {
        g_autofree char *path = listeners_socket_path(daemon->run_dir, id, protocols[i]);
        g_variant_dict_insert(&dict, protocols[i], "s", path);
    }
    return g_variant_dict_end(&dict);
}

void bus_account_update(Bus *bus, Account *account)
{
    PosternAccount *object = g_hash_table_lookup(bus->accounts, account);
    const ConfigAccount *config = account_config(account);
    const AccountSettings *settings = config->settings;
    const AccountStatus *status = account_status(account);

    if (!object)
        return;
    postern_account_set_id(object, config->id);
    postern_account_set_address(
        object,
        or_empty(settings ? settings->address : g_hash_table_lookup(config->values, "address")));
    postern_account_set_state(object, bus_state_name(status->state));
    postern_account_set_last_error(object, or_empty(status->error));
    postern_account_set_last_sync(object, status->counts.last_sync);
    postern_account_set_progress(object, status->progress);
    postern_account_set_activity(object, or_empty(status->activity));
    postern_account_set_folders(object, status->counts.folders);
    postern_account_set_messages(object, status->counts.messages);
    postern_account_set_missing(object, status->counts.missing);
    postern_account_set_cached_bytes(object, status->counts.bytes);
    postern_account_set_pending_changes(object, describe_pending(&status->counts));
    postern_account_set_settings(object, describe_settings(config));
    postern_account_set_upstream(object, describe_upstream(account));
    postern_account_set_sockets(object, describe_sockets(bus->daemon, config->id));
    postern_account_set_local_passwords(object, (const char *const *)status->local_passwords);
}

/* ---- methods ------------------------------------------------------------------------------- */

static void synced(const GError *error, gpointer data)
{
    if (error)
        bus_return_error(data, error);
    else
        g_dbus_method_invocation_return_value(data, NULL);
}

static gboolean on_account_sync(PosternAccount *object, GDBusMethodInvocation *invocation,
                                gboolean wait, gpointer data)
{
    bus_touch(bus_of(object));
    account_sync(bus_account_of(object), wait ? synced : NULL, invocation);
    if (!wait)
        postern_account_complete_sync(object, invocation);
    return TRUE;
}

static void configured(Bus *bus, const char *id, const GError *error, gpointer data)
{
    synced(error, data);
}

static gboolean on_configure(PosternAccount *object, GDBusMethodInvocation *invocation,
                             GVariant *settings, const char *password, gpointer data)
{
    Bus *bus = bus_of(object);

    bus_touch(bus);
    bus_settings_change(bus, account_config(bus_account_of(object))->id, FALSE, settings,
                        &(BusSecret){.password = password}, configured, invocation);
    return TRUE;
}

/* A password for the account as it is: Configure with nothing but it would restart the account even
 * for the outgoing one alone. */
typedef struct {
    AccountSettings *settings;
    char *password;
    gboolean outgoing;
    GDBusMethodInvocation *invocation;
    Bus *bus;
} NewPassword;

static void store_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    NewPassword *change = data;
    GError *error = NULL;
    gboolean both = !change->outgoing && change->settings->outgoing;

    if (secrets_store(change->settings, change->outgoing, change->password, &error) &&
        (!both || secrets_store(change->settings, TRUE, change->password, &error)))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void stored(GObject *source, GAsyncResult *result, gpointer data)
{
    NewPassword *change = data;
    g_autoptr(GError) error = NULL;
    Account *account = accounts_get(change->bus->daemon->accounts, change->settings->id);

    bus_ran(change->bus);
    g_task_propagate_boolean(G_TASK(result), &error);
    if (!error && account)
        account_sync(account, NULL, NULL);
    synced(error, change->invocation);
    account_settings_unref(change->settings);
    account_password_free(change->password);
    g_free(change);
}

static gboolean on_set_password(PosternAccount *object, GDBusMethodInvocation *invocation,
                                const char *password, gboolean outgoing, gpointer data)
{
    Bus *bus = bus_of(object);
    AccountSettings *settings = account_config(bus_account_of(object))->settings;

    bus_touch(bus);
    if (!settings || !*password || (outgoing && !settings->outgoing)) {
        bus_return(invocation, POSTERN_ERROR_INVALID_ARGUMENT, "%s",
                   !*password ? "the password is empty" : "the account has no such server");
        return TRUE;
    }
    if (outgoing ? settings->outgoing_password_command : settings->password_command) {
        bus_return(invocation, POSTERN_ERROR_INVALID_ARGUMENT,
                   "the account's password comes from a command; take that out of postern.conf "
                   "first");
        return TRUE;
    }
    NewPassword *change = g_new0(NewPassword, 1);
    change->settings = account_settings_ref(settings);
    change->password = g_strdup(password);
    change->outgoing = outgoing;
    change->invocation = invocation;
    change->bus = bus;
    bus_run(bus, store_thread, stored, change);
    return TRUE;
}

/* ---- methods that ask the account's work --------------------------------------------------- */

static void account_ask(PosternAccount *object, GDBusMethodInvocation *invocation, AccountJob job,
                        const char *name)
{
    bus_ask(object, job, &(BusAsk){.invocation = invocation, .name = (char *)name, .fd = -1});
}

/* The next free of client, client-2, … */
static char *free_name(ServeVerifiers *verifiers)
{
    g_auto(GStrv) names = serve_verifiers_names(verifiers);
    char *name = g_strdup("client");

    for (guint n = 2; g_strv_contains((const char *const *)names, name); n++) {
        g_free(name);
        name = g_strdup_printf("client-%u", n);
    }
    return name;
}

static gpointer new_password_job(AccountWork *work, gpointer data, GError **error)
{
    BusAsk *call = data;
    g_autofree char *name = *call->name ? g_strdup(call->name) : free_name(work->verifiers);
    g_auto(GStrv) names = serve_verifiers_names(work->verifiers);
    GVariantDict dict;

    if (g_strv_contains((const char *const *)names, name)) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_EXISTS,
                    "%s has a local password named %s already; revoke it first, or choose another "
                    "name",
                    work->settings->id, name);
        return NULL;
    }
    char *password = serve_verifiers_add(work->verifiers, name, error);
    if (!password)
        return NULL;
    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "Name", "s", name);
    g_variant_dict_insert(&dict, "User", "s", work->settings->id);
    g_variant_dict_insert(&dict, "Password", "s", password);
    account_password_free(password);
    call->local_passwords = serve_verifiers_names(work->verifiers);
    return g_variant_ref_sink(g_variant_new("(@a{sv})", g_variant_dict_end(&dict)));
}

static gboolean on_new_local_password(PosternAccount *object, GDBusMethodInvocation *invocation,
                                      const char *name, gpointer data)
{
    account_ask(object, invocation, new_password_job, name);
    return TRUE;
}

static gpointer revoke_job(AccountWork *work, gpointer data, GError **error)
{
    BusAsk *call = data;
    g_auto(GStrv) names = serve_verifiers_names(work->verifiers);

    if (!g_strv_contains((const char *const *)names, call->name))
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND,
                    "%s has no local password named %s", work->settings->id, call->name);
    else if (serve_verifiers_revoke(work->verifiers, call->name, error))
        call->local_passwords = serve_verifiers_names(work->verifiers);
    return NULL;
}

static gboolean on_revoke_local_password(PosternAccount *object, GDBusMethodInvocation *invocation,
                                         const char *name, gpointer data)
{
    account_ask(object, invocation, revoke_job, name);
    return TRUE;
}

static const char *what_is_kept(const AccountSettings *settings, const CacheFolder *folder)
{
    const char *name = folder->base_name ? folder->base_name : folder->name;

    if (!folder->pushed)
        return "all";
    if (account_leaves_out(settings, name))
        return "nothing";
    return account_keeps_headers(settings, name) ? "headers" : "all";
}

static gboolean describe_folder(GVariantBuilder *builder, AccountWork *work, CacheTxn *txn,
                                const AccountTrouble *trouble, const CacheFolder *folder,
                                GError **error)
{
    g_autofree char *why = account_trouble_of(trouble, folder);
    guint64 missing;
    GVariantDict dict;

    if (!account_trouble_missing(txn, folder, work->settings, &missing, error))
        return FALSE;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "Name", "s", folder->name);
    g_variant_dict_insert(&dict, "Role", "s", bus_role_name(folder->role));
    g_variant_dict_insert(&dict, "Messages", "u", folder->exists);
    g_variant_dict_insert(&dict, "Unseen", "u", folder->unseen);
    g_variant_dict_insert(&dict, "Size", "t", folder->size);
    g_variant_dict_insert(&dict, "Selectable", "b", folder->selectable);
    g_variant_dict_insert(&dict, "LastSync", "x", folder->synced);
    g_variant_dict_insert(&dict, "Missing", "u", (guint)missing);
    g_variant_dict_insert(&dict, "Error", "s", or_empty(why));
    g_variant_dict_insert(&dict, "Kept", "s", what_is_kept(work->settings, folder));
    g_variant_builder_add_value(builder, g_variant_dict_end(&dict));
    return TRUE;
}

static gpointer folders_job(AccountWork *work, gpointer data, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(work->cache, CACHE_READ, error);
    g_autoptr(GPtrArray) folders = txn ? cache_folder_list(txn, error) : NULL;
    g_autoptr(AccountTrouble) trouble = folders ? account_trouble_read(txn, error) : NULL;
    GVariantBuilder builder;

    if (!trouble)
        return NULL;
    g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < folders->len; i++) {
        const CacheFolder *folder = g_ptr_array_index(folders, i);
        if (folder->name && !describe_folder(&builder, work, txn, trouble, folder, error)) {
            g_variant_builder_clear(&builder);
            return NULL;
        }
    }
    return g_variant_ref_sink(g_variant_new("(aa{sv})", &builder));
}

static gboolean on_list_folders(PosternAccount *object, GDBusMethodInvocation *invocation,
                                gpointer data)
{
    account_ask(object, invocation, folders_job, "");
    return TRUE;
}

/* ---- Test ---------------------------------------------------------------------------------- */

static gpointer trial_job(AccountWork *work, gpointer data, GError **error)
{
    static const char *const states[] = {"passed", "failed", "not-tried"};
    g_autoptr(GPtrArray) steps = account_trial(work);
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < steps->len; i++) {
        const TrialStep *step = steps->pdata[i];
        g_autofree char *text = words_text(step->text ? step->text : "");
        GVariantDict dict;
        g_variant_dict_init(&dict, NULL);
        g_variant_dict_insert(&dict, "Server", "s", step->server);
        g_variant_dict_insert(&dict, "Step", "s", step->step);
        g_variant_dict_insert(&dict, "State", "s", states[step->state]);
        g_variant_dict_insert(&dict, "Text", "s", text);
        g_variant_builder_add_value(&builder, g_variant_dict_end(&dict));
    }
    return g_variant_ref_sink(g_variant_new("(aa{sv})", &builder));
}

static gboolean on_test(PosternAccount *object, GDBusMethodInvocation *invocation, gpointer data)
{
    bus_ask(object, trial_job, &(BusAsk){.invocation = invocation, .fd = -1});
    return TRUE;
}

/* ---- the object's life --------------------------------------------------------------------- */

void bus_account_export(Bus *bus, Account *account)
{
    static const struct {
        const char *signal;
        GCallback handler;
    } handlers[] = {
        {"handle-sync", G_CALLBACK(on_account_sync)},
        {"handle-configure", G_CALLBACK(on_configure)},
        {"handle-set-password", G_CALLBACK(on_set_password)},
        {"handle-new-local-password", G_CALLBACK(on_new_local_password)},
        {"handle-revoke-local-password", G_CALLBACK(on_revoke_local_password)},
        {"handle-list-folders", G_CALLBACK(on_list_folders)},
        {"handle-test", G_CALLBACK(on_test)},
    };
    g_autofree char *path = postern_account_path(account_config(account)->id);
    g_autoptr(PosternObjectSkeleton) place = postern_object_skeleton_new(path);
    PosternAccount *object = postern_account_skeleton_new();

    g_hash_table_insert(bus->accounts, account, object);
    g_object_set_data(G_OBJECT(object), "account", account);
    g_object_set_data(G_OBJECT(object), "bus", bus);
    for (guint i = 0; i < G_N_ELEMENTS(handlers); i++)
        g_signal_connect(object, handlers[i].signal, handlers[i].handler, NULL);
    bus_pending_connect(object);
    bus_mail_connect(object);
    bus_signin_connect_account(object);
    bus_account_update(bus, account);
    postern_object_skeleton_set_account(place, object);
    g_dbus_object_manager_server_export(bus->objects, G_DBUS_OBJECT_SKELETON(place));
}

void bus_account_unexport(Bus *bus, Account *account)
{
    g_autofree char *path = postern_account_path(account_config(account)->id);

    g_dbus_object_manager_server_unexport(bus->objects, path);
    g_hash_table_remove(bus->accounts, account);
}
