/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl queue: its own table of commands.
 */
#include "ui/posternctl/ctl.h"

static const CtlCommand commands[] = {
    {"list", "[--account ID] [--state STATE]", "Lists outgoing mail, newest first", cmd_queue_list},
    {"show", "N", "Everything about one message", cmd_queue_show},
    {"retry", "N…", "Tries them now", cmd_queue_change},
    {"hold", "N…", "Keeps them until 'release'", cmd_queue_change},
    {"release", "N…", "Lets held ones go", cmd_queue_change},
    {"cancel", "N…", "Removes them", cmd_queue_change},
    {"send-at", "N TIME", "Sends it not before that time", cmd_queue_send_at},
    {NULL},
};

gboolean cmd_queue(Ctl *ctl, int argc, char **argv, GError **error)
{
    return ctl_dispatch(ctl, commands, "list", argc - 1, argv + 1, error);
}
