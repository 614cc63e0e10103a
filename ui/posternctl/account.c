/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl account: its own table of commands.
 */
#include "ui/posternctl/ctl.h"

static const CtlCommand commands[] = {
    {"add", "ADDRESS …", "Adds an account", cmd_account_add},
    {"list", "", "Lists the accounts", cmd_account_list},
    {"show", "ID", "Everything about one", cmd_account_show},
    {"authorize", "ID", "Signs in anew", cmd_account_authorize},
    {"set", "ID KEY=VALUE…", "Changes its settings", cmd_account_set},
    {"remove", "ID [--purge]", "Removes it", cmd_account_remove},
    {NULL},
};

gboolean cmd_account(Ctl *ctl, int argc, char **argv, GError **error)
{
    return ctl_dispatch(ctl, commands, "list", argc - 1, argv + 1, error);
}
