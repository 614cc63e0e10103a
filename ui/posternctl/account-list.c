/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl account list.
 */
#include "ui/posternctl/ctl.h"

gboolean cmd_account_list(Ctl *ctl, int argc, char **argv, GError **error)
{
    if (!ctl_parse(ctl, &(CtlUsage){NULL, 0, 0}, &argc, &argv, error))
        return FALSE;
    g_autoptr(GPtrArray) accounts = ctl_accounts(ctl, error);
    GVariantBuilder list;

    if (!accounts)
        return FALSE;
    g_autoptr(CtlTable) table = ctl_table_new(3);
    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < accounts->len; i++) {
        GVariant *account = g_ptr_array_index(accounts, i);
        g_variant_builder_add_value(&list, account);
        ctl_table_add(table, ctl_string(account, "Id"), ctl_string(account, "Address"),
                      ctl_string(account, "State"));
    }
    g_autoptr(GVariant) document = g_variant_ref_sink(g_variant_builder_end(&list));
    if (ctl->json)
        ctl_print_json(document, FALSE);
    else if (accounts->len)
        ctl_table_print(table);
    else
        ctl_nothing(ctl, "No account yet; add one with 'posternctl account add ADDRESS'.");
    return TRUE;
}
