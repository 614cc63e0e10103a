/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl account set: edits the account's group, and gives the daemon a new password.
 */
#include "ui/posternctl/ctl.h"

#include <string.h>

/* A new password in the encrypted file. The account logs in with it at once. */
static gboolean seal(Ctl *ctl, const char *id, const char *password, GError **error)
{
    g_autofree char *command = NULL;

    if (!ctl_seal(ctl, id, TRUE, password, &command, error))
        return FALSE;
    g_autoptr(GVariant) answer =
        ctl_account_call(ctl, id, "Sync", g_variant_new("(b)", FALSE), error);
    return answer != NULL;
}

static gboolean set_password(Ctl *ctl, const char *id, GError **error)
{
    char *password = ctl_read_password(TRUE, "", error);

    if (!password)
        return FALSE;
    if (ctl_is_sealed(ctl, id)) {
        gboolean sealed = seal(ctl, id, password, error);
        ctl_wipe(password);
        return sealed;
    }
    g_autoptr(GVariant) answer =
        ctl_account_call(ctl, id, "SetPassword", g_variant_new("(sb)", password, FALSE), error);
    ctl_wipe(password);
    return answer != NULL;
}

gboolean cmd_account_set(Ctl *ctl, int argc, char **argv, GError **error)
{
    gboolean from_stdin = FALSE;
    const GOptionEntry entries[] = {{"password-stdin", 0, 0, G_OPTION_ARG_NONE, &from_stdin,
                                     "Read a new password for the provider from stdin", NULL},
                                    {NULL}};
    g_autoptr(GArray) settings = g_array_new(FALSE, FALSE, sizeof(CtlSetting));

    if (!ctl_parse(ctl, &(CtlUsage){entries, 1, -1}, &argc, &argv, error))
        return FALSE;
    for (int i = 2; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        if (!equals)
            return ctl_usage(error, "“%s” should be KEY=VALUE", argv[i]);
        *equals = '\0';
        CtlSetting setting = {argv[i], equals + 1};
        g_array_append_val(settings, setting);
    }
    if (settings->len == 0 && !from_stdin)
        return ctl_usage(error, "say what to set: KEY=VALUE, or --password-stdin");
    if (settings->len &&
        !ctl_edit_account(ctl, argv[1], FALSE, (CtlSetting *)settings->data, settings->len, error))
        return FALSE;
    return !from_stdin || set_password(ctl, argv[1], error);
}
