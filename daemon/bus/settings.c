/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Changing the configuration over the bus; what may be changed is decided in config/change.h. */
#include "daemon/bus/private.h"
#include "daemon/config/change.h"

#include <string.h>

/* ---- in a worker thread -------------------------------------------------------------------- */

typedef struct {
    Bus *bus;
    char *id;
    gboolean create;
    GVariant *settings;
    char *password;    /* or NULL */
    OauthGrant *grant; /* or NULL */
    BusChanged done;
    gpointer data;
} Change;

static void change_free(Change *change)
{
    g_free(change->id);
    g_variant_unref(change->settings);
    account_password_free(change->password);
    oauth_grant_free(change->grant);
    g_free(change);
}

/* key → value; NULL: one isn't text. */
static GHashTable *as_table(GVariant *settings, GError **error)
{
    g_autoptr(GHashTable) table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    GVariantIter iter;
    const char *key;
    GVariant *value;

    g_variant_iter_init(&iter, settings);
    while (g_variant_iter_loop(&iter, "{&sv}", &key, &value)) {
        if (!g_variant_is_of_type(value, G_VARIANT_TYPE_STRING)) {
            g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_INVALID_ARGUMENT,
                        "the value of %s has to be a string", key);
            g_variant_unref(value);
            return NULL;
        }
        g_hash_table_replace(table, g_strdup(key), g_strstrip(g_variant_dup_string(value, NULL)));
    }
    return g_steal_pointer(&table);
}

static gboolean store_password(const AccountSettings *settings, const char *password,
                               GError **error)
{
    return (!settings->incoming || secrets_store(settings, FALSE, password, error)) &&
           (!settings->outgoing || secrets_store(settings, TRUE, password, error));
}

static gboolean change_file(Change *change, GError **error)
{
    const char *path = change->bus->daemon->config_path;
    g_autoptr(GHashTable) table = as_table(change->settings, error);
    g_autoptr(ConfigEdit) edit = table ? config_edit_open(path, error) : NULL;
    const ConfigChange wanted = {.path = path,
                                 .id = change->id,
                                 .create = change->create,
                                 .settings = table,
                                 .has_password = change->password || change->grant};

    if (!edit)
        return FALSE;
    g_autoptr(Config) config = config_change_account(edit, &wanted, error);
    if (!config)
        return FALSE;
    const AccountSettings *settings = config_find(config, change->id)->settings;
    return (!change->password || store_password(settings, change->password, error)) &&
           (!change->grant ||
            oauth_tokens_keep(change->bus->daemon->tokens, settings, change->grant, error)) &&
           config_edit_save(edit, error);
}

static void change_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    Change *change = data;
    GError *error = NULL;

    pthread_mutex_lock(&change->bus->config_lock);
    gboolean changed = change_file(change, &error);
    pthread_mutex_unlock(&change->bus->config_lock);
    if (changed)
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

/* ---- in the main loop ---------------------------------------------------------------------- */

static void finish(Change *change, const GError *error)
{
    change->done(change->bus, change->id, error, change->data);
    change_free(change);
}

static void on_applied(gpointer data)
{
    finish(data, NULL);
}

static void changed(GObject *source, GAsyncResult *result, gpointer data)
{
    Change *change = data;
    g_autoptr(GError) error = NULL;

    bus_ran(change->bus);
    if (!g_task_propagate_boolean(G_TASK(result), &error) ||
        !daemon_reload(change->bus->daemon, on_applied, change, &error))
        finish(change, error);
}

void bus_settings_change(Bus *bus, const char *id, gboolean create, GVariant *settings,
                         const BusSecret *secret, BusChanged done, gpointer data)
{
    Change *change = g_new0(Change, 1);

    change->bus = bus;
    change->id = g_strdup(id);
    change->create = create;
    change->settings = g_variant_ref(settings);
    change->password = secret->password && *secret->password ? g_strdup(secret->password) : NULL;
    change->grant = secret->grant ? oauth_grant_copy(secret->grant) : NULL;
    change->done = done;
    change->data = data;

    bus_run(bus, change_thread, changed, change);
}
