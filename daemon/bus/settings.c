/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Changing the configuration over the bus. The bus is not a way to run code or to steal a password:
 * commands and file paths can't be set here, and where the mail comes from or whose it is changes
 * only together with a new password, which then takes the place of a password-command.
 */
#include "daemon/bus/private.h"

#include <string.h>

/* What may be set; `moves`: changes whom the password is sent to. */
static const struct {
    const char *key;
    gboolean moves;
} settable[] = {
    {"address", TRUE},   {"aliases", FALSE},   {"name", FALSE},    {"incoming", TRUE},
    {"outgoing", TRUE},  {"user", TRUE},       {"auth", TRUE},     {"outgoing-user", TRUE},
    {"prefetch", FALSE}, {"save-sent", FALSE}, {"enabled", FALSE},
};

static gboolean refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static gboolean refuse(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_INVALID_ARGUMENT, message);
    return FALSE;
}

static int find_settable(const char *key)
{
    for (guint i = 0; i < G_N_ELEMENTS(settable); i++) {
        if (strcmp(settable[i].key, key) == 0)
            return (int)i;
    }
    return -1;
}

static gboolean is_one_line(const char *text)
{
    for (const char *c = text; *c; c++) {
        if (g_ascii_iscntrl(*c))
            return FALSE;
    }
    return TRUE;
}

/* Whether setting `key` to `value` changes nothing. */
static gboolean is_same(const ConfigAccount *current, const char *key, const char *value)
{
    const char *now = current ? g_hash_table_lookup(current->values, key) : NULL;
    return strcmp(now ? now : "", value) == 0;
}

static gboolean check(const char *key, GVariant *value, const ConfigAccount *current,
                      gboolean have_password, gboolean *moved, GError **error)
{
    int i = find_settable(key);

    if (i < 0)
        return refuse(error,
                      "%s can't be set over D-Bus; use 'posternctl account set', or edit "
                      "postern.conf and reload",
                      key);
    if (!g_variant_is_of_type(value, G_VARIANT_TYPE_STRING) ||
        !is_one_line(g_variant_get_string(value, NULL)))
        return refuse(error, "the value of %s has to be a string of one line", key);
    if (!settable[i].moves || is_same(current, key, g_variant_get_string(value, NULL)))
        return TRUE;
    *moved = TRUE;
    if (current && !have_password)
        return refuse(error, "%s changes only together with a new password", key);
    return TRUE;
}

gboolean bus_settings_apply(ConfigEdit *edit, const char *id, const ConfigAccount *current,
                            GVariant *settings, gboolean have_password, GError **error)
{
    g_autofree char *group = g_strdup_printf("account %s", id);
    gboolean moved = FALSE;
    GVariantIter iter;
    const char *key;
    GVariant *value;

    g_variant_iter_init(&iter, settings);
    while (g_variant_iter_loop(&iter, "{&sv}", &key, &value)) {
        if (!check(key, value, current, have_password, &moved, error)) {
            g_variant_unref(value);
            return FALSE;
        }
        const char *text = g_variant_get_string(value, NULL);
        if (!is_same(current, key, text))
            config_edit_set(edit, group, key, *text ? text : NULL);
    }
    /* A command's password was meant for the old server. */
    static const char *const commands[] = {"password-command", "outgoing-password-command",
                                           "token-command"};
    for (guint i = 0; current && moved && i < G_N_ELEMENTS(commands); i++) {
        if (g_hash_table_contains(current->values, commands[i]))
            config_edit_set(edit, group, commands[i], NULL);
    }
    return TRUE;
}

/* ---- in a worker thread -------------------------------------------------------------------- */

typedef struct {
    Bus *bus;
    char *id;
    gboolean create;
    GVariant *settings;
    char *password; /* or NULL */
    ConfigAccount *current;
    BusChanged done;
    gpointer data;
} Change;

static void change_free(Change *change)
{
    g_free(change->id);
    g_variant_unref(change->settings);
    account_password_free(change->password);
    if (change->current)
        config_account_unref(change->current);
    g_free(change);
}

/* Reads the edited text back as the daemon will, and gives the account in it. */
static ConfigAccount *read_back(Config **config, ConfigEdit *edit, const char *path, const char *id,
                                GError **error)
{
    g_autofree char *text = config_edit_text(edit);

    *config = config_parse(path, text, error);
    if (!*config)
        return NULL;
    ConfigAccount *account = config_find(*config, id);
    if (!account || account->error) {
        refuse(error, "%s", account ? account->error : "the account's ID can't be used");
        return NULL;
    }
    return account;
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
    g_autoptr(ConfigEdit) edit = config_edit_open(path, error);
    g_autoptr(Config) config = NULL;

    if (!edit || !bus_settings_apply(edit, change->id, change->current, change->settings,
                                     change->password != NULL, error))
        return FALSE;
    const ConfigAccount *account = read_back(&config, edit, path, change->id, error);
    if (!account)
        return FALSE;
    if (change->password && !store_password(account->settings, change->password, error))
        return FALSE;
    return config_edit_save(edit, error);
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
                         const char *password, BusChanged done, gpointer data)
{
    Account *account = accounts_get(bus->daemon->accounts, id);
    Change *change = g_new0(Change, 1);

    change->bus = bus;
    change->id = g_strdup(id);
    change->create = create;
    change->settings = g_variant_ref(settings);
    change->password = password && *password ? g_strdup(password) : NULL;
    change->current =
        !create && account ? config_account_ref((ConfigAccount *)account_config(account)) : NULL;
    change->done = done;
    change->data = data;

    bus_run(bus, change_thread, changed, change);
}
