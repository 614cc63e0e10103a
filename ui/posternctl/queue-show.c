/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl queue show.
 */
#include "ui/posternctl/ctl.h"

#include <string.h>

static void add_recipients(CtlTable *table, GVariant *entry)
{
    g_autoptr(GVariant) recipients = ctl_child(entry, "Recipients");

    for (gsize i = 0; recipients && i < g_variant_n_children(recipients); i++) {
        g_autoptr(GVariant) recipient = g_variant_get_child_value(recipients, i);
        const char *reply = ctl_string(recipient, "Reply");
        g_autofree char *text =
            g_strdup_printf("%s: %s%s%s", ctl_string(recipient, "Address"),
                            ctl_string(recipient, "Status"), *reply ? ", " : "", reply);
        ctl_table_add(table, "To", text);
    }
}

static void print_entry(GVariant *entry)
{
    static const char *const texts[] = {"Account", "From", "Subject", "State", "LastError"};
    static const char *const times[] = {"Submitted", "NextAttempt", "SendAt"};
    g_autoptr(CtlTable) table = ctl_table_new(2);
    g_autofree char *size = ctl_size((guint64)ctl_number(entry, "Size"));
    g_autofree char *attempts = g_strdup_printf("%" G_GINT64_FORMAT, ctl_number(entry, "Attempts"));

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        ctl_table_add(table, texts[i], ctl_string(entry, texts[i]));
    add_recipients(table, entry);
    ctl_table_add(table, "Size", size);
    ctl_table_add(table, "Attempts", attempts);
    for (guint i = 0; i < G_N_ELEMENTS(times); i++) {
        g_autofree char *when = ctl_ago(ctl_number(entry, times[i]));
        if (ctl_number(entry, times[i]))
            ctl_table_add(table, times[i], when);
    }
    ctl_table_print(table);
}

gboolean cmd_queue_show(Ctl *ctl, int argc, char **argv, GError **error)
{
    gboolean raw = FALSE;
    const GOptionEntry entries[] = {{"raw", 0, 0, G_OPTION_ARG_NONE, &raw,
                                     "Print the message itself, as it was submitted", NULL},
                                    {NULL}};
    guint64 id;

    if (!ctl_parse(ctl, &(CtlUsage){entries, 1, 1}, &argc, &argv, error))
        return FALSE;
    if (!g_ascii_string_to_unsigned(argv[1], 10, 1, G_MAXINT64, &id, NULL))
        return ctl_usage(error, "“%s” is no number of a message", argv[1]);
    g_autofree char *path = g_strdup_printf("%s/%" G_GUINT64_FORMAT, POSTERN_QUEUE_PATH, id);
    if (raw)
        return ctl_call_stdout(ctl, path, POSTERN_OUTGOING_INTERFACE, "Export",
                               g_variant_new("(h)", 0), error);
    g_autoptr(GVariant) answer = ctl_call(ctl, path, "org.freedesktop.DBus.Properties", "GetAll",
                                          g_variant_new("(s)", POSTERN_OUTGOING_INTERFACE), error);
    g_autoptr(GVariant) properties = answer ? g_variant_get_child_value(answer, 0) : NULL;
    GVariantDict dict;

    if (!properties)
        return FALSE;
    g_variant_dict_init(&dict, properties);
    g_variant_dict_insert(&dict, "Id", "x", (gint64)id);
    g_autoptr(GVariant) entry = g_variant_ref_sink(g_variant_dict_end(&dict));
    if (ctl->json)
        ctl_print_json(entry, FALSE);
    else
        print_entry(entry);
    return TRUE;
}
