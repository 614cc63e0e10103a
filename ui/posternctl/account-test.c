/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl account test: an account's servers, step by step.
 */
#include "ui/posternctl/ctl.h"

#include <stdio.h>
#include <string.h>

/* One line, below its server's name where that is a new one. */
static void print_step(GVariant *step, char **server)
{
    const char *state = ctl_string(step, "State");
    g_autofree char *text = ctl_escape(ctl_string(step, "Text"));
    g_autofree char *url = ctl_escape(ctl_string(step, "Server"));

    if (g_strcmp0(*server, url) != 0)
        printf("%s\n", url);
    g_free(*server);
    *server = g_steal_pointer(&url);
    printf("  %-10s %s%s%s\n", state, ctl_string(step, "Step"), *text ? ": " : "", text);
}

static gboolean has_failed(GVariant *step)
{
    return strcmp(ctl_string(step, "State"), "failed") == 0;
}

gboolean cmd_account_test(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autofree char *server = NULL;

    if (!ctl_parse(ctl, &(CtlUsage){NULL, 1, 1}, &argc, &argv, error))
        return FALSE;
    g_autoptr(GVariant) answer = ctl_account_call(ctl, argv[1], "Test", NULL, error);
    g_autoptr(GVariant) steps = answer ? g_variant_get_child_value(answer, 0) : NULL;
    if (!steps)
        return FALSE;
    if (ctl->json)
        ctl_print_json(steps, FALSE);
    else if (g_variant_n_children(steps) == 0)
        ctl_nothing(ctl, "The account has no servers: its mail is here only.");
    for (gsize i = 0; i < g_variant_n_children(steps); i++) {
        g_autoptr(GVariant) step = g_variant_get_child_value(steps, i);
        ctl->failed = ctl->failed || has_failed(step);
        if (!ctl->json)
            print_step(step, &server);
    }
    return TRUE;
}
