/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Passwords in encrypted files, where no secret service is there to keep them. */
#include "daemon/config/sealed.h"
#include "daemon/config/config.h"
#include "ui/posternctl/ctl.h"

#include <stdio.h>

#define SERVICE "org.freedesktop.secrets"

static char *config_file(Ctl *ctl, GError **error)
{
    g_autoptr(GVariant) manager = ctl_manager_properties(ctl, error);

    return manager ? g_strdup(ctl_string(manager, "ConfigFile")) : NULL;
}

static gboolean bus_lists(Ctl *ctl, const char *method)
{
    g_autoptr(GVariant) answer = g_dbus_connection_call_sync(
        ctl->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
        method, NULL, G_VARIANT_TYPE("(as)"), G_DBUS_CALL_FLAGS_NONE, 5000, NULL, NULL);
    g_autofree const char **names = NULL;

    if (answer)
        g_variant_get(answer, "(^a&s)", &names);
    return names && g_strv_contains(names, SERVICE);
}

static gboolean has_service(Ctl *ctl)
{
    return bus_lists(ctl, "ListNames") || bus_lists(ctl, "ListActivatableNames");
}

gboolean ctl_seal(Ctl *ctl, const char *id, gboolean asked, const char *password, char **command,
                  GError **error)
{
    if (!asked && (has_service(ctl) || !sealed_is_available()))
        return TRUE;
    if (!asked)
        fprintf(stderr, "There is no secret service here to keep the password.\n");
    if (!asked && !ctl_agree("Keep it in a file that only you on this machine can decrypt?"))
        return ctl_fail(error,
                        "the password is kept nowhere: --encrypted-file keeps it in a file that "
                        "only you on this machine can decrypt; or start a secret service such as "
                        "GNOME Keyring, or use --password-command");
    g_autofree char *path = config_file(ctl, error);
    *command = path ? sealed_write(path, id, password, error) : NULL;
    return *command != NULL;
}

gboolean ctl_is_sealed(Ctl *ctl, const char *id)
{
    g_autofree char *path = config_file(ctl, NULL);
    g_autoptr(Config) config = path ? config_load(path, NULL) : NULL;
    const ConfigAccount *account = config ? config_find(config, id) : NULL;
    const char *command = account ? g_hash_table_lookup(account->values, "password-command") : NULL;

    return command && sealed_is_command(command);
}

void ctl_unseal(Ctl *ctl, const char *id)
{
    g_autofree char *path = config_file(ctl, NULL);

    if (path)
        sealed_remove(path, id);
}
