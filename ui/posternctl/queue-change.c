/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl queue retry, hold, release and cancel: the same for any number of messages.
 */
#include "ui/posternctl/ctl.h"

#include <stdio.h>
#include <string.h>

static const char *const methods[][2] = {
    {"retry", "Retry"}, {"hold", "Hold"}, {"release", "Release"}, {"cancel", "Cancel"}};

static gboolean change(Ctl *ctl, const char *method, const char *number, GError **error)
{
    guint64 id;

    if (!g_ascii_string_to_unsigned(number, 10, 1, G_MAXINT64, &id, NULL))
        return ctl_usage(error, "“%s” is no number of a message", number);
    g_autofree char *path = g_strdup_printf("%s/%" G_GUINT64_FORMAT, POSTERN_QUEUE_PATH, id);
    g_autoptr(GVariant) answer =
        ctl_call(ctl, path, POSTERN_OUTGOING_INTERFACE, method, NULL, error);
    return answer != NULL;
}

gboolean cmd_queue_change(Ctl *ctl, int argc, char **argv, GError **error)
{
    const char *name = argv[0], *method = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(methods); i++) {
        if (strcmp(methods[i][0], name) == 0)
            method = methods[i][1];
    }
    if (!ctl_parse(ctl, &(CtlUsage){NULL, 1, -1}, &argc, &argv, error))
        return FALSE;
    if (argc == 2)
        return change(ctl, method, argv[1], error);
    for (int i = 1; i < argc; i++) {
        g_autoptr(GError) failure = NULL;
        if (change(ctl, method, argv[i], &failure))
            continue;
        if (failure->domain == CTL_ERROR) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
        g_dbus_error_strip_remote_error(failure);
        g_autofree char *message = ctl_escape(failure->message);
        fprintf(stderr, "posternctl: %s: %s\n", argv[i], message);
        ctl->failed = TRUE;
    }
    return TRUE;
}
