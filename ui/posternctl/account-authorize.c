/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl account authorize: signs in anew, with OAuth 2 or with a new password.
 */
#include "ui/posternctl/ctl.h"

#include <stdio.h>
#include <unistd.h>

/* Where the account signs in; empty: it doesn't. */
static const char *server_of(GVariant *settings)
{
    return settings ? ctl_string(settings, "oauth2") : "";
}

/* What opens the account is a password, which this asks for, or it comes from elsewhere. */
static gboolean authorize_by_password(Ctl *ctl, const char *id, GVariant *settings, GError **error)
{
    if (settings && *ctl_string(settings, "goa"))
        return ctl_fail(error,
                        "%s uses the sign-in of GNOME Online Accounts: sign in again in GNOME's "
                        "settings, Online Accounts",
                        id);
    char *password = ctl_read_password(!isatty(STDIN_FILENO), "The provider's password", error);
    if (!password)
        return FALSE;
    g_autoptr(GVariant) answer =
        ctl_account_call(ctl, id, "SetPassword", g_variant_new("(sb)", password, FALSE), error);
    ctl_wipe(password);
    return answer != NULL;
}

static gboolean authorize(Ctl *ctl, const char *id, CtlSignIn *how, GError **error)
{
    g_autoptr(GVariant) account = ctl_account(ctl, id, error);
    g_autoptr(GVariant) settings = account ? ctl_child(account, "Settings") : NULL;

    if (!account)
        return FALSE;
    how->account = id;
    how->address = ctl_string(account, "Address");
    how->server = server_of(settings);
    if (!*how->server)
        return authorize_by_password(ctl, id, settings, error);
    g_autofree char *handle = ctl_sign_in(ctl, how, error);
    g_autoptr(GVariant) answer =
        handle ? ctl_account_call(ctl, id, "Authorize", g_variant_new("(s)", handle), error) : NULL;
    if (answer && !ctl->json)
        printf("Signed in to %s.\n", id);
    return answer != NULL;
}

gboolean cmd_account_authorize(Ctl *ctl, int argc, char **argv, GError **error)
{
    CtlSignIn how = {0};
    const GOptionEntry entries[] = {
        {"device", 0, 0, G_OPTION_ARG_NONE, &how.device,
         "Sign in on another device, with a code that is typed in there", NULL},
        {"paste", 0, 0, G_OPTION_ARG_NONE, &how.paste,
         "Open no browser; read the address that one ended at from stdin", NULL},
        {NULL}};

    return ctl_parse(ctl, &(CtlUsage){entries, 1, 1}, &argc, &argv, error) &&
           authorize(ctl, argv[1], &how, error);
}
