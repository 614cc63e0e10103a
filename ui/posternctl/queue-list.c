/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl queue list.
 */
#include "ui/posternctl/ctl.h"

#define PAGE 1000

static char *first_recipient(GVariant *entry)
{
    g_autoptr(GVariant) recipients = ctl_child(entry, "Recipients");
    gsize count = recipients ? g_variant_n_children(recipients) : 0;

    if (count == 0)
        return g_strdup("");
    g_autoptr(GVariant) first = g_variant_get_child_value(recipients, 0);
    const char *address = ctl_string(first, "Address");
    return count == 1 ? g_strdup(address)
                      : g_strdup_printf("%s and %" G_GSIZE_FORMAT " more", address, count - 1);
}

/* When it came in; where it is to go out later, that. */
static char *describe_time(GVariant *entry)
{
    gint64 send_at = ctl_number(entry, "SendAt");
    gboolean later = send_at > g_get_real_time() / G_USEC_PER_SEC;
    g_autofree char *when = ctl_ago(later ? send_at : ctl_number(entry, "Submitted"));

    return later ? g_strconcat("to be sent ", when, NULL) : g_steal_pointer(&when);
}

static void add_row(CtlTable *table, GVariant *entry)
{
    g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT, ctl_number(entry, "Id"));
    g_autofree char *to = first_recipient(entry);
    g_autofree char *when = describe_time(entry);

    ctl_table_add(table, number, ctl_string(entry, "State"), ctl_string(entry, "Account"), when, to,
                  ctl_string(entry, "Subject"), ctl_string(entry, "LastError"));
}

static GVariant *get_page(Ctl *ctl, const char *account, const char *state, guint64 offset,
                          GError **error)
{
    GVariantDict filter;

    g_variant_dict_init(&filter, NULL);
    if (account)
        g_variant_dict_insert(&filter, "Account", "s", account);
    if (state)
        g_variant_dict_insert(&filter, "State", "s", state);
    g_autoptr(GVariant) answer = ctl_manager(
        ctl, "ListQueue",
        g_variant_new("(@a{sv}tu)", g_variant_dict_end(&filter), offset, (guint)PAGE), error);
    return answer ? g_variant_get_child_value(answer, 0) : NULL;
}

gboolean cmd_queue_list(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autofree char *account = NULL, *state = NULL;
    const GOptionEntry entries[] = {
        {"account", 0, 0, G_OPTION_ARG_STRING, &account, "Only this account's", "ID"},
        {"state", 0, 0, G_OPTION_ARG_STRING, &state,
         "Only waiting, sending, held, failed or sent ones", "STATE"},
        {NULL}};
    GVariantBuilder list;
    gsize count;

    if (!ctl_parse(ctl, &(CtlUsage){entries, 0, 0}, &argc, &argv, error))
        return FALSE;
    g_autoptr(CtlTable) table = ctl_table_new(7);
    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint64 offset = 0;; offset += PAGE) {
        g_autoptr(GVariant) page = get_page(ctl, account, state, offset, error);
        if (!page) {
            g_variant_builder_clear(&list);
            return FALSE;
        }
        count = g_variant_n_children(page);
        for (gsize i = 0; i < count; i++) {
            g_autoptr(GVariant) entry = g_variant_get_child_value(page, i);
            g_variant_builder_add_value(&list, entry);
            add_row(table, entry);
        }
        if (count < PAGE)
            break;
    }
    g_autoptr(GVariant) document = g_variant_ref_sink(g_variant_builder_end(&list));
    if (ctl->json)
        ctl_print_json(document, FALSE);
    else if (g_variant_n_children(document))
        ctl_table_print(table);
    else
        ctl_nothing(ctl, account || state ? "No such mail is in the queue."
                                          : "No mail is in the queue.");
    return TRUE;
}
