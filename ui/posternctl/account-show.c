/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl account show: an account's properties.
 */
#include "ui/posternctl/ctl.h"

#include <stdio.h>
#include <string.h>

/* A value as a person reads it; the caller frees. */
static char *to_text(const char *key, GVariant *value)
{
    if (strcmp(key, "LastSync") == 0)
        return ctl_ago(g_variant_get_int64(value));
    if (strcmp(key, "CachedBytes") == 0)
        return ctl_size(g_variant_get_uint64(value));
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_STRING))
        return g_variant_dup_string(value, NULL);
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_STRING_ARRAY)) {
        g_autofree const char **words = g_variant_get_strv(value, NULL);
        return g_strjoinv(", ", (char **)words);
    }
    return g_variant_print(value, FALSE);
}

static void add_rows(CtlTable *table, const char *prefix, GVariant *dict)
{
    GVariantIter iter;
    const char *key;
    GVariant *value;

    g_variant_iter_init(&iter, dict);
    while (g_variant_iter_loop(&iter, "{&sv}", &key, &value)) {
        g_autofree char *name = *prefix ? g_strdup_printf("%s %s", prefix, key) : g_strdup(key);
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_VARDICT)) {
            add_rows(table, name, value);
            continue;
        }
        g_autofree char *text = to_text(key, value);
        ctl_table_add(table, name, text);
    }
}

gboolean cmd_account_show(Ctl *ctl, int argc, char **argv, GError **error)
{
    if (!ctl_parse(ctl, &(CtlUsage){NULL, "ID", 1, 1}, &argc, &argv, error))
        return FALSE;
    g_autoptr(GVariant) account = ctl_account(ctl, argv[1], error);
    if (!account)
        return FALSE;
    if (ctl->json) {
        ctl_print_json(account, FALSE);
        return TRUE;
    }
    g_autoptr(CtlTable) table = ctl_table_new(2);
    add_rows(table, "", account);
    ctl_table_print(table);
    return TRUE;
}
