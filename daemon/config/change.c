/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Deciding on changes of an account by the file before and the file after. */
#include "daemon/config/change.h"

#include <gio/gio.h>
#include <string.h>

/* What may be set; `moves`: changes whom the password is sent to. */
static const struct {
    const char *key;
    gboolean moves;
} settable[] = {
    {"address", TRUE},       {"aliases", FALSE},      {"name", FALSE},
    {"incoming", TRUE},      {"outgoing", TRUE},      {"user", TRUE},
    {"auth", TRUE},          {"outgoing-user", TRUE}, {"oauth2", TRUE},
    {"prefetch", FALSE},     {"save-sent", FALSE},    {"leave-on-server", FALSE},
    {"enabled", FALSE},      {"quirks", FALSE},       {"folders", FALSE},
    {"headers-only", FALSE}, {"sent-folder", FALSE},  {"drafts-folder", FALSE},
    {"trash-folder", FALSE}, {"junk-folder", FALSE},  {"archive-folder", FALSE},
    {"mechanism", TRUE},     {"proxy", TRUE},         {"outgoing-mechanism", TRUE},
    {"goa", TRUE},
};

/* A command's password was meant for the old server. */
static const char *const commands[] = {"password-command", "outgoing-password-command",
                                       "token-command"};

static gboolean refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static gboolean refuse(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, message);
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

/* What the file says of a key, "" where it says nothing. */
static const char *value_of(const ConfigAccount *account, const char *key)
{
    const char *value = account ? g_hash_table_lookup(account->values, key) : NULL;
    return value ? value : "";
}

static gboolean is_key_allowed(const char *key, const char *value, GError **error)
{
    if (find_settable(key) < 0)
        return refuse(error,
                      "%s can't be set over D-Bus; use 'posternctl account set', or edit "
                      "postern.conf and reload",
                      key);
    if (!g_utf8_validate(value, -1, NULL) || !is_one_line(value))
        return refuse(error, "the value of %s has to be text of one line", key);
    return TRUE;
}

/* ---- before ---------------------------------------------------------------------------------- */

/* Whether all keys may be set; *moved: a password would be sent elsewhere than before. */
static gboolean check_settings(const ConfigChange *change, const ConfigAccount *before,
                               gboolean *moved, GError **error)
{
    GHashTableIter iter;
    gpointer key, value;

    *moved = FALSE;
    g_hash_table_iter_init(&iter, change->settings);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        if (!is_key_allowed(key, value, error))
            return FALSE;
        if (!settable[find_settable(key)].moves || strcmp(value_of(before, key), value) == 0)
            continue;
        *moved = TRUE;
        if (!change->create && !change->has_password)
            return refuse(error, "%s changes only together with a new password", (char *)key);
    }
    return TRUE;
}

static gboolean check_existence(const ConfigChange *change, const ConfigAccount *before,
                                GError **error)
{
    if (change->create && before)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_EXISTS,
                    "there is an account %s in %s already; choose another ID", change->id,
                    change->path);
    else if (!change->create && !before)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "there is no account %s in %s",
                    change->id, change->path);
    else
        return TRUE;
    return FALSE;
}

static void apply(ConfigEdit *edit, const ConfigChange *change, const ConfigAccount *before,
                  gboolean moved)
{
    g_autofree char *group = g_strdup_printf("account %s", change->id);
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, change->settings);
    while (g_hash_table_iter_next(&iter, &key, &value))
        if (strcmp(value_of(before, key), value) != 0)
            config_edit_set(edit, group, key, *(char *)value ? value : NULL);
    for (guint i = 0; moved && before && i < G_N_ELEMENTS(commands); i++)
        if (g_hash_table_contains(before->values, commands[i]))
            config_edit_set(edit, group, commands[i], NULL);
}

/* ---- after ----------------------------------------------------------------------------------- */

/* The file has something that the edit and the parser take differently: a group or a key twice. */
static gboolean ambiguous(const ConfigChange *change, GError **error)
{
    return refuse(error,
                  "%s can't be changed safely: [account %s], or a key in it, is there more than "
                  "once; make one of them, and reload",
                  change->path, change->id);
}

static gboolean is_command(const char *key)
{
    for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
        if (strcmp(commands[i], key) == 0)
            return TRUE;
    return FALSE;
}

/* What the account has to say of `key` afterwards. */
static const char *expected(const ConfigChange *change, const ConfigAccount *before, gboolean moved,
                            const char *key)
{
    const char *asked = g_hash_table_lookup(change->settings, key);

    if (asked)
        return asked;
    return moved && is_command(key) ? "" : value_of(before, key);
}

/* Every key of `keys` says what it should. */
static gboolean is_as_expected(const ConfigChange *change, const ConfigAccount *before,
                               const ConfigAccount *after, gboolean moved, GHashTable *keys)
{
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, keys);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        if (strcmp(value_of(after, key), expected(change, before, moved, key)) != 0)
            return FALSE;
    return TRUE;
}

static gboolean is_same_server(const NetEndpoint *a, const NetEndpoint *b)
{
    return a && b ? net_endpoint_equal(a, b) : a == b;
}

/* Whether passwords go where they went, for whom they went, however the file says it. */
static gboolean is_same_destination(const AccountSettings *a, const AccountSettings *b)
{
    return is_same_server(a->incoming, b->incoming) && is_same_server(a->outgoing, b->outgoing) &&
           g_strcmp0(a->user, b->user) == 0 && g_strcmp0(a->outgoing_user, b->outgoing_user) == 0;
}

static gboolean check_result(const ConfigChange *change, const ConfigAccount *before,
                             const ConfigAccount *after, gboolean moved, GError **error)
{
    if (!after)
        return refuse(error, "the account's ID can't be used");
    if (!is_as_expected(change, before, after, moved, after->values) ||
        !is_as_expected(change, before, after, moved, change->settings) ||
        (before && !is_as_expected(change, before, after, moved, before->values)))
        return ambiguous(change, error);
    if (after->error)
        return refuse(error, "%s", after->error);
    if (moved && after->settings->password_command)
        return ambiguous(change, error);
    if (before && before->settings && !moved &&
        !is_same_destination(before->settings, after->settings))
        return ambiguous(change, error);
    return TRUE;
}

/* All accounts of `a` but this one are in `b`, and say the same. */
static gboolean others_are_in(const Config *a, const Config *b, const char *id)
{
    for (guint i = 0; i < a->accounts->len; i++) {
        const ConfigAccount *account = g_ptr_array_index(a->accounts, i);
        const ConfigAccount *same = config_find(b, account->id);
        if (strcmp(account->id, id) != 0 && (!same || !config_account_equal(account, same)))
            return FALSE;
    }
    return TRUE;
}

static gboolean check_others(const Config *before, const Config *after, const char *id,
                             GError **error)
{
    if (others_are_in(before, after, id) && others_are_in(after, before, id))
        return TRUE;
    return refuse(error,
                  "%s can't be changed safely: it would change another account than %s; look for "
                  "groups that are there twice",
                  before->path, id);
}

static Config *parse(ConfigEdit *edit, const char *path, GError **error)
{
    g_autofree char *text = config_edit_text(edit);
    return config_parse(path, text, error);
}

/* ---- both ------------------------------------------------------------------------------------ */

Config *config_change_account(ConfigEdit *edit, const ConfigChange *change, GError **error)
{
    g_autoptr(Config) before = parse(edit, change->path, error);
    const ConfigAccount *account = before ? config_find(before, change->id) : NULL;
    gboolean moved;

    if (!before || !check_existence(change, account, error) ||
        !check_settings(change, account, &moved, error))
        return NULL;
    apply(edit, change, account, moved);
    g_autoptr(Config) after = parse(edit, change->path, error);
    if (!after || !check_result(change, account, config_find(after, change->id), moved, error) ||
        !check_others(before, after, change->id, error))
        return NULL;
    return g_steal_pointer(&after);
}

Config *config_change_remove(ConfigEdit *edit, const char *path, const char *id, GError **error)
{
    g_autofree char *group = g_strdup_printf("account %s", id);
    g_autoptr(Config) before = parse(edit, path, error);

    if (!before)
        return NULL;
    config_edit_remove_group(edit, group);
    g_autoptr(Config) after = parse(edit, path, error);
    if (!after || !check_others(before, after, id, error))
        return NULL;
    if (!config_find(after, id))
        return g_steal_pointer(&after);
    refuse(error, "%s can't be changed safely: take the group of the account %s out by hand", path,
           id);
    return NULL;
}
