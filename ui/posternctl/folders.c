/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl folders.
 */
#include "ui/posternctl/ctl.h"

#include <stdio.h>
#include <string.h>

/* What the settings leave out says so. */
static void print_left_out(GVariant *folders)
{
    for (gsize i = 0; i < g_variant_n_children(folders); i++) {
        g_autoptr(GVariant) folder = g_variant_get_child_value(folders, i);
        g_autofree char *name = ctl_escape(ctl_string(folder, "Name"));
        if (strcmp(ctl_string(folder, "Kept"), "nothing") == 0)
            printf("%s is left out (folders=)\n", name);
    }
}

static void print_folder_errors(GVariant *folders)
{
    for (gsize i = 0; i < g_variant_n_children(folders); i++) {
        g_autoptr(GVariant) folder = g_variant_get_child_value(folders, i);
        g_autofree char *why = ctl_escape(ctl_string(folder, "Error"));
        if (*why)
            printf("%s\n", why);
    }
}

gboolean cmd_folders(Ctl *ctl, int argc, char **argv, GError **error)
{
    if (!ctl_parse(ctl, &(CtlUsage){NULL, 1, 1}, &argc, &argv, error))
        return FALSE;
    g_autoptr(GVariant) answer = ctl_account_call(ctl, argv[1], "ListFolders", NULL, error);
    g_autoptr(GVariant) folders = answer ? g_variant_get_child_value(answer, 0) : NULL;
    if (!folders)
        return FALSE;
    if (ctl->json) {
        ctl_print_json(folders, FALSE);
        return TRUE;
    }
    g_autoptr(CtlTable) table = ctl_table_new(6);
    ctl_table_add(table, "Folder", "Messages", "Unseen", "Missing", "Size", "Role");
    for (gsize i = 0; i < g_variant_n_children(folders); i++) {
        g_autoptr(GVariant) folder = g_variant_get_child_value(folders, i);
        g_autofree char *messages =
            g_strdup_printf("%" G_GINT64_FORMAT, ctl_number(folder, "Messages"));
        g_autofree char *unseen =
            g_strdup_printf("%" G_GINT64_FORMAT, ctl_number(folder, "Unseen"));
        g_autofree char *missing =
            g_strdup_printf("%" G_GINT64_FORMAT, ctl_number(folder, "Missing"));
        g_autofree char *size = ctl_size((guint64)ctl_number(folder, "Size"));
        ctl_table_add(table, ctl_string(folder, "Name"), messages, unseen, missing, size,
                      ctl_string(folder, "Role"));
    }
    ctl_table_print(table);
    print_left_out(folders);
    print_folder_errors(folders);
    return TRUE;
}
