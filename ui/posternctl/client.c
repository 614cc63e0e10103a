/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl client: what to type into a mail client, and its local passwords.
 */
#include "ui/common/client-format.h"
#include "ui/posternctl/ctl.h"

#include <stdio.h>
#include <string.h>

/* The listeners that work, with the keys that a client's settings need. */
static GVariant *servers(GVariant *manager)
{
    static const char *const keys[] = {"Protocol", "Host", "Port", "Security"};
    g_autoptr(GVariant) listeners = ctl_child(manager, "Listeners");
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
    for (gsize i = 0; i < g_variant_n_children(listeners); i++) {
        g_autoptr(GVariant) listener = g_variant_get_child_value(listeners, i);
        GVariantDict dict;
        if (*ctl_string(listener, "Error"))
            continue;
        g_variant_dict_init(&dict, NULL);
        for (guint k = 0; k < G_N_ELEMENTS(keys); k++) {
            g_autoptr(GVariant) value = ctl_child(listener, keys[k]);
            g_variant_dict_insert_value(&dict, keys[k], value);
        }
        g_variant_builder_add_value(&builder, g_variant_dict_end(&dict));
    }
    return g_variant_builder_end(&builder);
}

/* Those with TLS from the first byte, or the others. */
static void add_servers(CtlTable *table, GVariant *list, gboolean tls)
{
    for (gsize i = 0; i < g_variant_n_children(list); i++) {
        g_autoptr(GVariant) server = g_variant_get_child_value(list, i);
        g_autofree char *port = g_strdup_printf("%" G_GINT64_FORMAT, ctl_number(server, "Port"));
        if ((strcmp(ctl_string(server, "Security"), "tls") == 0) != tls)
            continue;
        ctl_table_add(table, "", ctl_string(server, "Protocol"), ctl_string(server, "Host"), port,
                      tls ? "SSL/TLS" : "STARTTLS, or none");
    }
}

/* The best first, and why it is. */
static void print_settings(GVariant *document)
{
    g_autoptr(GVariant) list = ctl_child(document, "Servers");
    g_autoptr(GVariant) sockets = ctl_child(document, "Sockets");
    g_autoptr(CtlTable) table = ctl_table_new(5);
    const char *user = ctl_string(document, "User");

    printf("User name:  %s\n", user);
    if (*ctl_string(document, "Password"))
        printf("Password:   %s   (named “%s”; it is shown only now)\n",
               ctl_string(document, "Password"), ctl_string(document, "Name"));
    else
        printf("Password:   one of this account's local passwords; --new-password makes one\n");
    ctl_table_add(table, "", "Server", "Host", "Port", "Security");
    add_servers(table, list, TRUE);
    add_servers(table, list, FALSE);
    ctl_table_print(table);
    if (sockets && g_variant_n_children(sockets))
        printf(
            "\nA mail program that runs a command for its connection (mutt, isync, Emacs) needs "
            "neither "
            "port\nnor password: posternctl connect imap %s. That socket is open to you alone.\n",
            user);
    printf("\nPrefer SSL/TLS, with ~/.local/share/postern/tls/authority.pem trusted: without it, a "
           "program\nthat has a port while Postern is down would be told the password.\n");
}

/* A program's configuration instead of what there is to type. */
static gboolean print_format(Ctl *ctl, const char *program, GVariant *account, GVariant *manager,
                             GVariant *document, GError **error)
{
    g_autoptr(GVariant) settings = ctl_child(account, "Settings");
    g_autoptr(GVariant) list = ctl_child(document, "Servers");
    const char *address = ctl_string(account, "Address"), *name = ctl_string(settings, "name");
    const char *password = ctl_string(document, "Password");
    const ClientFormat client = {ctl_string(account, "Id"),        address,
                                 *name ? name : address,           *password ? password : NULL,
                                 ctl_string(manager, "Authority"), list};
    g_autoptr(GError) failure = NULL;
    g_autofree char *text = client_format(program, &client, &failure);

    if (g_error_matches(failure, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
        return ctl_usage(error, "%s", failure->message);
    if (!text)
        return ctl_fail(error, "%s", failure->message);

    if (ctl->json) {
        GVariantDict dict;
        g_variant_dict_init(&dict, document);
        g_variant_dict_insert(&dict, "Configuration", "s", text);
        ctl_print_json(g_variant_dict_end(&dict), FALSE);
    } else {
        fputs(text, stdout);
    }
    return TRUE;
}

typedef struct {
    gboolean new_password;
    char *name, *program; /* of the password; of --format; or NULL */
} Wish;

static void wish_clear(Wish *wish)
{
    g_free(wish->name);
    g_free(wish->program);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Wish, wish_clear)

static gboolean show(Ctl *ctl, const char *id, const Wish *wish, GError **error)
{
    g_autoptr(GVariant) account = ctl_account(ctl, id, error);
    g_autoptr(GVariant) manager = account ? ctl_manager_properties(ctl, error) : NULL;
    g_autoptr(GVariant) login = NULL;
    GVariantDict dict;

    if (!manager)
        return FALSE;
    if (wish->new_password) {
        const char *name = wish->name ? wish->name : wish->program ? wish->program : "";
        g_autoptr(GVariant) answer =
            ctl_account_call(ctl, id, "NewLocalPassword", g_variant_new("(s)", name), error);
        if (!answer)
            return FALSE;
        login = g_variant_get_child_value(answer, 0);
    }
    g_autoptr(GVariant) sockets = ctl_child(account, "Sockets");
    g_variant_dict_init(&dict, login);
    g_variant_dict_insert(&dict, "User", "s", id);
    g_variant_dict_insert_value(&dict, "Servers", servers(manager));
    g_variant_dict_insert_value(&dict, "Sockets", sockets);
    g_autoptr(GVariant) document = g_variant_ref_sink(g_variant_dict_end(&dict));
    if (wish->program)
        return print_format(ctl, wish->program, account, manager, document, error);
    if (ctl->json)
        ctl_print_json(document, FALSE);
    else
        print_settings(document);
    return TRUE;
}

gboolean cmd_client(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_auto(Wish) wish = {0};
    g_auto(GStrv) revoke = NULL;
    const GOptionEntry entries[] = {
        {"new-password", 0, 0, G_OPTION_ARG_NONE, &wish.new_password, "Make a local password",
         NULL},
        {"name", 0, 0, G_OPTION_ARG_STRING, &wish.name, "What to call it", "NAME"},
        {"format", 0, 0, G_OPTION_ARG_STRING, &wish.program,
         "Print a configuration for mutt, mbsync, thunderbird, …", "PROGRAM"},
        {"revoke", 0, 0, G_OPTION_ARG_STRING_ARRAY, &revoke,
         "End the local password of that name (may be given several times)", "NAME"},
        {NULL}};

    if (!ctl_parse(ctl, &(CtlUsage){entries, 1, 1}, &argc, &argv, error))
        return FALSE;
    if (wish.name && !wish.new_password)
        return ctl_usage(error, "--name goes with --new-password");
    for (guint i = 0; revoke && revoke[i]; i++) {
        g_autoptr(GVariant) answer = ctl_account_call(ctl, argv[1], "RevokeLocalPassword",
                                                      g_variant_new("(s)", revoke[i]), error);
        if (!answer)
            return FALSE;
    }
    if (revoke && !wish.new_password)
        return TRUE;
    return show(ctl, argv[1], &wish, error);
}
