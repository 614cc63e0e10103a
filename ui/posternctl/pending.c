/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl pending: what upstream hasn't taken, and why; to retry it, give it up, or save a copy.
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

static gboolean print_waiting(GVariant *account)
{
    g_autoptr(GVariant) pending = ctl_child(account, "PendingChanges");
    gint64 changes = ctl_number(pending, "Changes");

    if (changes)
        printf("%s: %" G_GINT64_FORMAT " changes wait for the provider\n",
               ctl_string(account, "Id"), changes);
    return changes > 0;
}

static gboolean list(Ctl *ctl, const char *only, GError **error)
{
    g_autoptr(GVariant) found = only ? ctl_account(ctl, only, error) : NULL;
    g_autoptr(GPtrArray) accounts = only && !found ? NULL : ctl_accounts(ctl, error);
    GVariantBuilder list;
    gboolean waiting = FALSE;

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
        if (!ctl->json && print_waiting(account))
            waiting = TRUE;
    }
    g_autoptr(GVariant) document = g_variant_ref_sink(g_variant_builder_end(&list));
    if (ctl->json)
        ctl_print_json(document, FALSE);
    else if (g_variant_n_children(document))
        print_changes(document);
    else if (!waiting)
        ctl_nothing(ctl, "The provider has taken everything.");
    return TRUE;
}

/* ---- deciding about some ------------------------------------------------------------------- */

static gboolean export_one(Ctl *ctl, const char *id, gint64 number, GError **error)
{
    g_autofree char *path = postern_account_path(id);
    return ctl_call_stdout(ctl, path, POSTERN_ACCOUNT_INTERFACE, "ExportPending",
                           g_variant_new("(xh)", number, 0), error);
}

static gboolean decide_one(Ctl *ctl, const char *id, const char *method, gint64 number,
                           GError **error)
{
    if (!method)
        return export_one(ctl, id, number, error);
    g_autoptr(GVariant) answer =
        ctl_account_call(ctl, id, method, g_variant_new("(x)", number), error);
    return answer != NULL;
}

/* The account, where there is just one: numbers are an account's. */
static char *only_account(Ctl *ctl, GError **error)
{
    g_autoptr(GPtrArray) accounts = ctl_accounts(ctl, error);

    if (accounts && accounts->len != 1)
        ctl_usage(error, "say which account: posternctl pending ID retry|give-up|export N…");
    return accounts && accounts->len == 1 ? g_strdup(ctl_string(accounts->pdata[0], "Id")) : NULL;
}

static gboolean decide(Ctl *ctl, const char *named, const char *method, char **numbers,
                       GError **error)
{
    g_autofree char *id = named ? g_strdup(named) : only_account(ctl, error);
    g_autoptr(GVariant) account = id ? ctl_account(ctl, id, error) : NULL;

    if (!account)
        return FALSE;
    for (guint i = 0; numbers[i]; i++) {
        gint64 number;
        if (!g_ascii_string_to_signed(numbers[i], 10, 1, G_MAXINT64, &number, NULL))
            return ctl_usage(error, "“%s” is no number of a change", numbers[i]);
        if (!decide_one(ctl, id, method, number, error))
            return FALSE;
    }
    return TRUE;
}

static const struct {
    const char *name;
    const char *method; /* NULL: export */
} verbs[] = {{"retry", "RetryPending"}, {"give-up", "GiveUpPending"}, {"export", NULL}};

gboolean cmd_pending(Ctl *ctl, int argc, char **argv, GError **error)
{
    if (!ctl_parse(ctl, &(CtlUsage){NULL, 0, -1}, &argc, &argv, error))
        return FALSE;
    /* "retry N" without an ID, or behind one. */
    for (int at = 1; at <= 2 && at + 1 < argc; at++)
        for (guint i = 0; i < G_N_ELEMENTS(verbs); i++)
            if (g_str_equal(argv[at], verbs[i].name)) {
                if (!verbs[i].method && argc != at + 2)
                    return ctl_usage(error, "one message at a time can be exported");
                return decide(ctl, at == 2 ? argv[1] : NULL, verbs[i].method, argv + at + 1, error);
            }
    if (argc > 2)
        return ctl_usage(error, "usage: %s [ID] [retry|give-up|export N…]", g_get_prgname());
    return list(ctl, argc > 1 ? argv[1] : NULL, error);
}
