/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl status: everything on one screen.
 */
#include "ui/posternctl/ctl.h"

#include <stdio.h>
#include <string.h>

static GVariant *as_document(GVariant *manager, const GPtrArray *accounts)
{
    GVariantBuilder list;
    GVariantDict dict;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < accounts->len; i++)
        g_variant_builder_add_value(&list, g_ptr_array_index(accounts, i));
    g_variant_dict_init(&dict, manager);
    g_variant_dict_insert_value(&dict, "Accounts", g_variant_builder_end(&list));
    return g_variant_dict_end(&dict);
}

static char *count_messages(GVariant *account)
{
    gint64 all = ctl_number(account, "Messages"), missing = ctl_number(account, "Missing");

    return missing ? g_strdup_printf("%" G_GINT64_FORMAT " messages, %" G_GINT64_FORMAT " missing",
                                     all, missing)
                   : g_strdup_printf("%" G_GINT64_FORMAT " messages", all);
}

static void add_account(CtlTable *table, GVariant *account)
{
    g_autoptr(GVariant) pending = ctl_child(account, "PendingChanges");
    g_autofree char *ago = ctl_ago(ctl_number(account, "LastSync"));
    g_autofree char *synced = g_strdup_printf("synced %s", ago);
    g_autofree char *messages = count_messages(account);
    g_autofree char *changes =
        g_strdup_printf("%" G_GINT64_FORMAT " changes waiting, %" G_GINT64_FORMAT " refused",
                        ctl_number(pending, "Changes"), ctl_number(pending, "Problems"));
    gboolean any = ctl_number(pending, "Changes") || ctl_number(pending, "Problems");

    ctl_table_add(table, ctl_string(account, "Id"), ctl_string(account, "Address"),
                  ctl_string(account, "State"), messages, synced, any ? changes : "");
}

/* "work: updating the mail cache, 40 %" */
static void print_activities(const GPtrArray *accounts)
{
    for (guint i = 0; i < accounts->len; i++) {
        GVariant *account = g_ptr_array_index(accounts, i);
        const char *activity = ctl_string(account, "Activity");
        double progress = 0;
        g_variant_lookup(account, "Progress", "d", &progress);
        if (*activity)
            printf("%s: %s, %d %%\n", ctl_string(account, "Id"), activity, (int)(progress * 100));
    }
}

static void print_status_errors(const GPtrArray *accounts, GVariant *manager)
{
    g_autoptr(GVariant) problems = ctl_child(manager, "Problems");
    const char *text;
    GVariantIter iter;

    for (guint i = 0; i < accounts->len; i++) {
        GVariant *account = g_ptr_array_index(accounts, i);
        g_autofree char *error = ctl_escape(ctl_string(account, "LastError"));
        if (*error)
            printf("%s: %s\n", ctl_string(account, "Id"), error);
    }
    g_variant_iter_init(&iter, problems);
    while (g_variant_iter_loop(&iter, "&s", &text)) {
        g_autofree char *problem = ctl_escape(text);
        printf("%s\n", problem);
    }
}

/* What can't be done, for people. What has no words here says itself what it is about. */
static char *describe_refused(const char *operation, const char *folder, const char *text)
{
    static const struct {
        const char *operation, *before, *after;
    } sentences[] = {{"append", "A message can't be put into ", ""},
                     {"copy", "Messages can't be copied to ", ""},
                     {"move", "Messages can't be moved to ", ""},
                     {"flags", "Messages in ", " can't be marked"},
                     {"expunge", "Messages can't be deleted from ", ""},
                     {"create", "The folder ", " can't be made"},
                     {"delete", "The folder ", " can't be deleted"},
                     {"rename", "The folder ", " can't be renamed"},
                     {"subscribe", "The subscription to ", " can't be changed"}};

    for (guint i = 0; i < G_N_ELEMENTS(sentences); i++)
        if (strcmp(operation, sentences[i].operation) == 0)
            return g_strdup_printf("%s%s%s: %s", sentences[i].before, folder, sentences[i].after,
                                   text);
    return g_strdup(text);
}

/* With the server's words, and where one decides about them. */
static void print_refused(Ctl *ctl, GVariant *account)
{
    const char *id = ctl_string(account, "Id");
    g_autoptr(GVariant) counts = ctl_child(account, "PendingChanges");
    g_autoptr(GVariant) answer = ctl_number(counts, "Problems")
                                     ? ctl_account_call(ctl, id, "ListPending", NULL, NULL)
                                     : NULL;
    g_autoptr(GVariant) list = answer ? g_variant_get_child_value(answer, 0) : NULL;
    gboolean any = FALSE;

    for (gsize i = 0; list && i < g_variant_n_children(list); i++) {
        g_autoptr(GVariant) change = g_variant_get_child_value(list, i);
        const char *operation = ctl_string(change, "Operation");
        if (strcmp(operation, "fetch") == 0 || strcmp(operation, "read") == 0)
            continue; /* LastError has said so */
        g_autofree char *folder = ctl_escape(ctl_string(change, "Folder"));
        g_autofree char *text = ctl_escape(ctl_string(change, "Error"));
        g_autofree char *sentence = describe_refused(operation, folder, text);
        printf("%s: %s\n", id, sentence);
        any = TRUE;
    }
    if (any)
        printf("%s: 'posternctl pending %s' lists this, and tries it again or gives it up\n", id,
               id);
}

static void print_queue(GVariant *manager)
{
    static const char *const states[] = {"waiting", "sending", "held", "failed"};
    g_autoptr(GVariant) counts = ctl_child(manager, "QueueCounts");
    const char *before = "Queue: ";

    for (guint i = 0; i < G_N_ELEMENTS(states); i++) {
        gint64 count = ctl_number(counts, states[i]);
        if (count)
            printf("%s%" G_GINT64_FORMAT " %s", before, count, states[i]);
        before = count ? ", " : before;
    }
    if (*before == ',')
        printf("\n");
}

static void print_status(Ctl *ctl, GVariant *manager, const GPtrArray *accounts)
{
    g_autoptr(CtlTable) table = ctl_table_new(6);

    if (ctl_bool(manager, "ForcedOffline"))
        printf("Offline, as you wished; 'posternctl online' ends it\n");
    else if (!ctl_bool(manager, "Online"))
        printf("Offline: the system has no network\n");
    if (accounts->len == 0)
        printf("No account yet; add one with 'posternctl account add ADDRESS'.\n");
    for (guint i = 0; i < accounts->len; i++)
        add_account(table, g_ptr_array_index(accounts, i));
    ctl_table_print(table);
    print_queue(manager);
    print_activities(accounts);
    print_status_errors(accounts, manager);
    for (guint i = 0; i < accounts->len; i++)
        print_refused(ctl, g_ptr_array_index(accounts, i));
}

gboolean cmd_status(Ctl *ctl, int argc, char **argv, GError **error)
{
    if (!ctl_parse(ctl, &(CtlUsage){NULL, 0, 0}, &argc, &argv, error))
        return FALSE;
    g_autoptr(GVariant) manager = ctl_manager_properties(ctl, error);
    g_autoptr(GPtrArray) accounts = manager ? ctl_accounts(ctl, error) : NULL;
    if (!accounts)
        return FALSE;
    if (ctl->json)
        ctl_print_json(as_document(manager, accounts), FALSE);
    else
        print_status(ctl, manager, accounts);
    return TRUE;
}
