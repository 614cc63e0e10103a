/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Commands and paths can't be set over the bus, so posternctl edits the daemon's configuration file
 * itself, as its user could.
 */
#include "ui/posternctl/ctl.h"

#include "daemon/config/config.h"
#include "daemon/config/edit.h"

static char *config_path(Ctl *ctl, GError **error)
{
    g_autoptr(GVariant) manager = ctl_manager_properties(ctl, error);
    return manager ? g_strdup(ctl_string(manager, "ConfigFile")) : NULL;
}

char *ctl_suggest_id(Ctl *ctl, const char *address, GError **error)
{
    g_autofree char *path = config_path(ctl, error);
    g_autoptr(Config) config = path ? config_load(path, error) : NULL;
    return config ? config_suggest_id(config, address) : NULL;
}

/* Whether the edited file says what was meant: read as the daemon will. */
static gboolean check(const char *path, ConfigEdit *edit, const char *id, GError **error)
{
    g_autofree char *text = config_edit_text(edit);
    g_autoptr(Config) config = config_parse(path, text, error);
    const ConfigAccount *account = config ? config_find(config, id) : NULL;

    if (!config)
        return FALSE;
    if (!account)
        return ctl_fail(error,
                        "“%s” can't be an account's ID: use a-z, 0-9 and -, and not all, "
                        "local or new",
                        id);
    if (account->error)
        return ctl_fail(error, "%s", account->error);
    return TRUE;
}

static gboolean known_keys(const CtlSetting *settings, guint count, GError **error)
{
    for (guint i = 0; i < count; i++) {
        if (!config_is_account_key(settings[i].key))
            return ctl_fail(error, "“%s” is no key of an account; postern.conf(5) lists them",
                            settings[i].key);
    }
    return TRUE;
}

gboolean ctl_edit_account(Ctl *ctl, const char *id, gboolean create, const CtlSetting *settings,
                          guint count, GError **error)
{
    g_autofree char *path = config_path(ctl, error);
    g_autofree char *group = g_strdup_printf("account %s", id);
    g_autoptr(Config) before = path ? config_load(path, error) : NULL;
    g_autoptr(ConfigEdit) edit = before ? config_edit_open(path, error) : NULL;

    if (!edit || !known_keys(settings, count, error))
        return FALSE;
    if (create && config_find(before, id))
        return ctl_fail(error, "there is an account %s already; choose another --id", id);
    if (!create && !config_find(before, id))
        return ctl_fail(error, "there is no account %s in %s", id, path);
    for (guint i = 0; i < count; i++) {
        const char *value = settings[i].value;
        config_edit_set(edit, group, settings[i].key, value && *value ? value : NULL);
    }
    if (!check(path, edit, id, error) || !config_edit_save(edit, error))
        return FALSE;
    g_autoptr(GVariant) answer = ctl_manager(ctl, "Reload", NULL, error);
    return answer != NULL;
}
