/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl account remove.
 */
#include "ui/posternctl/ctl.h"

gboolean cmd_account_remove(Ctl *ctl, int argc, char **argv, GError **error)
{
    gboolean purge = FALSE;
    const GOptionEntry entries[] = {{"purge", 0, 0, G_OPTION_ARG_NONE, &purge,
                                     "Also what exists only here: cache, queued mail, password",
                                     NULL},
                                    {NULL}};

    if (!ctl_parse(ctl, &(CtlUsage){entries, 1, 1}, &argc, &argv, error))
        return FALSE;
    gboolean sealed = purge && ctl_is_sealed(ctl, argv[1]);
    g_autoptr(GVariant) answer =
        ctl_manager(ctl, "RemoveAccount", g_variant_new("(sb)", argv[1], purge), error);
    if (answer && sealed)
        ctl_unseal(ctl, argv[1]);
    return answer != NULL;
}
