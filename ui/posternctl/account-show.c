/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl account show: an account's properties.
 */
#include "ui/posternctl/ctl.h"

#include <string.h>

/* What one looks for first stands first; all else behind it by the alphabet. */
static const char *const order[] = {"Id",       "Address",     "State",         "LastError",
                                    "LastSync", "Progress",    "Messages",      "Missing",
                                    "Folders",  "CachedBytes", "PendingChanges"};

static guint place_of(const char *key)
{
    guint i = 0;

    while (i < G_N_ELEMENTS(order) && strcmp(order[i], key) != 0)
        i++;
    return i;
}

static int compare_keys(gconstpointer a, gconstpointer b)
{
    const char *one = *(const char *const *)a, *other = *(const char *const *)b;
    int difference = (int)place_of(one) - (int)place_of(other);

    return difference ? difference : strcmp(one, other);
}

/* The dictionary's keys, as they are to be shown; the array is the caller's, the keys are `dict`'s. */
static GPtrArray *sorted_keys(GVariant *dict)
{
    GPtrArray *keys = g_ptr_array_new();
    GVariantIter iter;
    const char *key;

    g_variant_iter_init(&iter, dict);
    while (g_variant_iter_next(&iter, "{&sv}", &key, NULL))
        g_ptr_array_add(keys, (gpointer)key);
    g_ptr_array_sort(keys, compare_keys);
    return keys;
}

static void add_rows(CtlTable *table, const char *prefix, GVariant *dict)
{
    g_autoptr(GPtrArray) keys = sorted_keys(dict);

    for (guint i = 0; i < keys->len; i++) {
        const char *key = keys->pdata[i];
        g_autoptr(GVariant) value = ctl_child(dict, key);
        g_autofree char *words = ctl_key(key);
        g_autofree char *name =
            *prefix ? g_strdup_printf("%s, %s", prefix, words) : g_steal_pointer(&words);
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_VARDICT)) {
            add_rows(table, name, value);
            continue;
        }
        g_autofree char *text = ctl_value(key, value);
        ctl_table_add(table, name, text);
    }
}

gboolean cmd_account_show(Ctl *ctl, int argc, char **argv, GError **error)
{
    if (!ctl_parse(ctl, &(CtlUsage){NULL, 1, 1}, &argc, &argv, error))
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
