/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl pending: what upstream hasn't taken, and why.
 */
#include "ui/posternctl/ctl.h"

#include <stdio.h>

/* One account's problems, each with its account, appended to `list`. */
static gboolean collect(Ctl *ctl, GVariant *account, GVariantBuilder *list, GError **error)
{
    const char *id = ctl_string(account, "Id");
    g_autoptr(GVariant) answer = ctl_account_call(ctl, id, "ListPending", NULL, error);
    g_autoptr(GVariant) changes = answer ? g_variant_get_child_value(answer, 0) : NULL;

    for (gsize i = 0; changes && i < g_variant_n_children(changes); i++) {
        g_autoptr(GVariant) change = g_variant_get_child_value(changes, i);
        GVariantDict dict;
        g_variant_dict_init(&dict, change);
        g_variant_dict_insert(&dict, "Account", "s", id);
        g_variant_builder_add_value(list, g_variant_dict_end(&dict));
    }
    return changes != NULL;
}

static void print_changes(GVariant *document)
{
    g_autoptr(CtlTable) table = ctl_table_new(6);

    for (gsize i = 0; i < g_variant_n_children(document); i++) {
        g_autoptr(GVariant) change = g_variant_get_child_value(document, i);
        g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT, ctl_number(change, "Id"));
        g_autofree char *since = ctl_ago(ctl_number(change, "Since"));
        ctl_table_add(table, ctl_string(change, "Account"), number, ctl_string(change, "Operation"),
                      ctl_string(change, "Folder"), since, ctl_string(change, "Error"));
    }
    ctl_table_print(table);
}

static void print_waiting(GVariant *account)
{
    g_autoptr(GVariant) pending = ctl_child(account, "PendingChanges");
    gint64 changes = ctl_number(pending, "Changes");

    if (changes)
        printf("%s: %" G_GINT64_FORMAT " changes wait for the provider\n",
               ctl_string(account, "Id"), changes);
}

gboolean cmd_pending(Ctl *ctl, int argc, char **argv, GError **error)
{
    if (!ctl_parse(ctl, NULL, "[ID]", 0, 1, &argc, &argv, error))
        return FALSE;
    const char *only = argc > 1 ? argv[1] : NULL;
    g_autoptr(GVariant) found = only ? ctl_account(ctl, only, error) : NULL;
    g_autoptr(GPtrArray) accounts = only && !found ? NULL : ctl_accounts(ctl, error);
    GVariantBuilder list;

    if (!accounts)
        return FALSE;
    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < accounts->len; i++) {
        GVariant *account = g_ptr_array_index(accounts, i);
        if (only && !g_str_equal(only, ctl_string(account, "Id")))
            continue;
        /* One that doesn't run has nothing to tell. */
        if (!collect(ctl, account, &list, only ? error : NULL) && only) {
            g_variant_builder_clear(&list);
            return FALSE;
        }
        if (!ctl->json)
            print_waiting(account);
    }
    g_autoptr(GVariant) document = g_variant_ref_sink(g_variant_builder_end(&list));
    if (ctl->json)
        ctl_print_json(document, FALSE);
    else
        print_changes(document);
    return TRUE;
}
