/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl offline and online: the user's switch, two names of one thing.
 */
#include "ui/posternctl/ctl.h"

static gboolean set_offline(Ctl *ctl, gboolean offline, GError **error)
{
    g_autoptr(GVariant) answer =
        ctl_call(ctl, POSTERN_PATH, "org.freedesktop.DBus.Properties", "Set",
                 g_variant_new("(ssv)", POSTERN_MANAGER_INTERFACE, "ForcedOffline",
                               g_variant_new_boolean(offline)),
                 error);
    return answer != NULL;
}

gboolean cmd_offline(Ctl *ctl, int argc, char **argv, GError **error)
{
    return ctl_parse(ctl, &(CtlUsage){NULL, 0, 0}, &argc, &argv, error) &&
           set_offline(ctl, TRUE, error);
}

gboolean cmd_online(Ctl *ctl, int argc, char **argv, GError **error)
{
    if (!ctl_parse(ctl, &(CtlUsage){NULL, 0, 0}, &argc, &argv, error) ||
        !set_offline(ctl, FALSE, error))
        return FALSE;
    /* Who says "online" doesn't want to wait for the next attempt either. */
    g_autoptr(GVariant) answer = ctl_manager(ctl, "Sync", NULL, error);
    return answer != NULL;
}
