/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl account authorize: signs in anew for an account with OAuth 2.
 */
#include "ui/posternctl/ctl.h"

#include <stdio.h>

/* Where the account signs in; empty: it doesn't. */
static const char *server_of(GVariant *settings)
{
    return settings ? ctl_string(settings, "oauth2") : "";
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
        return ctl_fail(error,
                        "%s isn't signed in to with OAuth 2; for its password there is 'posternctl "
                        "account set %s --password-stdin'",
                        id, id);
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
