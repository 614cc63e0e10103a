/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A desktop's two services, for tests: notifications are written to stdout, a line each ("notify N SUMMARY|BODY", "close N"),
 * and GNOME's online accounts are those of a key file, which is read anew at each call. A group is an account's ID:
 * address, imap, smtp (HOST:PORT), imap-user, smtp-user, token or password, attention (true: AttentionNeeded), refuse (the
 * name of the error that EnsureCredentials gives), calls. A line on stdin ("changed ID") tells that AttentionNeeded has changed.
 */
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>

#define GOA      "org.gnome.OnlineAccounts"
#define GOA_PATH "/org/gnome/OnlineAccounts"
#define NOTIFY   "org.freedesktop.Notifications"

static const char xml[] =
    "<node>"
    "<interface name='org.freedesktop.Notifications'>"
    "<method name='Notify'><arg type='s' direction='in'/><arg type='u' direction='in'/><arg "
    "type='s' direction='in'/>"
    "<arg type='s' direction='in'/><arg type='s' direction='in'/><arg type='as' direction='in'/>"
    "<arg type='a{sv}' direction='in'/><arg type='i' direction='in'/><arg type='u' "
    "direction='out'/></method>"
    "<method name='CloseNotification'><arg type='u' direction='in'/></method>"
    "</interface>"
    "<interface name='org.freedesktop.DBus.ObjectManager'>"
    "<method name='GetManagedObjects'><arg type='a{oa{sa{sv}}}' "
    "direction='out'/></method></interface>"
    "<interface name='org.gnome.OnlineAccounts.Account'>"
    "<method name='EnsureCredentials'><arg type='i' direction='out'/></method>"
    "<property name='AttentionNeeded' type='b' access='read'/></interface>"
    "<interface name='org.gnome.OnlineAccounts.OAuth2Based'>"
    "<method name='GetAccessToken'><arg type='s' direction='out'/><arg type='i' "
    "direction='out'/></method></interface>"
    "<interface name='org.gnome.OnlineAccounts.PasswordBased'>"
    "<method name='GetPassword'><arg type='s' direction='in'/><arg type='s' "
    "direction='out'/></method></interface>"
    "</node>";

typedef struct {
    const char *path; /* of the key file */
    guint notifications;
    GDBusConnection *bus;
} Desktop;

static GKeyFile *read_accounts(const Desktop *desktop)
{
    GKeyFile *file = g_key_file_new();

    if (desktop->path)
        g_key_file_load_from_file(file, desktop->path, G_KEY_FILE_NONE, NULL);
    return file;
}

static void put(GVariantBuilder *builder, const char *key, GVariant *value)
{
    g_variant_builder_add(builder, "{sv}", key, value);
}

static void put_text(GKeyFile *file, const char *id, const char *key, GVariantBuilder *builder,
                     const char *name)
{
    g_autofree char *text = g_key_file_get_string(file, id, key, NULL);

    put(builder, name, g_variant_new_string(text ? text : ""));
}

static void put_server(GKeyFile *file, const char *id, gboolean outgoing, GVariantBuilder *mail)
{
    const char *side = outgoing ? "Smtp" : "Imap", *key = outgoing ? "smtp" : "imap";
    g_autofree char *supported = g_strconcat(side, "Supported", NULL);
    g_autofree char *host = g_strconcat(side, "Host", NULL);
    g_autofree char *ssl = g_strconcat(side, "UseSsl", NULL);
    g_autofree char *user = g_strconcat(side, "UserName", NULL);
    g_autofree char *user_key = g_strconcat(key, "-user", NULL);

    put(mail, supported, g_variant_new_boolean(g_key_file_has_key(file, id, key, NULL)));
    put_text(file, id, key, mail, host);
    put(mail, ssl, g_variant_new_boolean(TRUE));
    put_text(file, id, user_key, mail, user);
}

/* a{sa{sv}} */
static GVariant *describe(GKeyFile *file, const char *id)
{
    GVariantBuilder interfaces, account, mail;
    gboolean tokens = g_key_file_has_key(file, id, "token", NULL);

    g_variant_builder_init(&interfaces, G_VARIANT_TYPE("a{sa{sv}}"));
    g_variant_builder_init(&account, G_VARIANT_TYPE_VARDICT);
    put(&account, "Id", g_variant_new_string(id));
    put(&account, "ProviderName", g_variant_new_string("Example"));
    put(&account, "AttentionNeeded",
        g_variant_new_boolean(g_key_file_get_boolean(file, id, "attention", NULL)));
    g_variant_builder_add(&interfaces, "{sa{sv}}", GOA ".Account", &account);
    g_variant_builder_init(&mail, G_VARIANT_TYPE_VARDICT);
    put_text(file, id, "address", &mail, "EmailAddress");
    put_server(file, id, FALSE, &mail);
    put_server(file, id, TRUE, &mail);
    g_variant_builder_add(&interfaces, "{sa{sv}}", GOA ".Mail", &mail);
    g_variant_builder_add(&interfaces, "{sa{sv}}",
                          tokens ? GOA ".OAuth2Based" : GOA ".PasswordBased", NULL);
    return g_variant_builder_end(&interfaces);
}

static GVariant *all_objects(GKeyFile *file)
{
    g_auto(GStrv) ids = g_key_file_get_groups(file, NULL);
    GVariantBuilder objects;

    g_variant_builder_init(&objects, G_VARIANT_TYPE("a{oa{sa{sv}}}"));
    for (char **id = ids; *id; id++) {
        g_autofree char *path = g_strconcat(GOA_PATH "/Accounts/", *id, NULL);
        g_variant_builder_add(&objects, "{o@a{sa{sv}}}", path, describe(file, *id));
    }
    return g_variant_new("(@a{oa{sa{sv}}})", g_variant_builder_end(&objects));
}

static const char *id_of(const char *path)
{
    return strrchr(path, '/') + 1;
}

static void answer_account(GKeyFile *file, const char *id, const char *method,
                           GDBusMethodInvocation *invocation)
{
    g_autofree char *refuse = g_key_file_get_string(file, id, "refuse", NULL);
    gboolean tokens = strcmp(method, "GetAccessToken") == 0;
    g_autofree char *secret = g_key_file_get_string(file, id, tokens ? "token" : "password", NULL);

    printf("%s %s\n", method, id);
    if (refuse && *refuse)
        g_dbus_method_invocation_return_dbus_error(invocation, refuse, "it isn't let in");
    else if (strcmp(method, "EnsureCredentials") == 0)
        g_dbus_method_invocation_return_value(invocation, g_variant_new("(i)", 3600));
    else if (tokens)
        g_dbus_method_invocation_return_value(invocation,
                                              g_variant_new("(si)", secret ? secret : "", 3600));
    else
        g_dbus_method_invocation_return_value(invocation,
                                              g_variant_new("(s)", secret ? secret : ""));
}

static void answer_notification(Desktop *desktop, const char *method, GVariant *arguments,
                                GDBusMethodInvocation *invocation)
{
    const char *summary, *body;
    guint32 number;

    if (strcmp(method, "Notify") == 0) {
        g_autofree char *line = NULL;
        g_variant_get_child(arguments, 3, "&s", &summary);
        g_variant_get_child(arguments, 4, "&s", &body);
        line = g_strdelimit(g_strdup_printf("%s|%s", summary, body), "\n", ' ');
        printf("notify %u %s\n", ++desktop->notifications, line);
        g_dbus_method_invocation_return_value(invocation,
                                              g_variant_new("(u)", desktop->notifications));
    } else {
        g_variant_get(arguments, "(u)", &number);
        printf("close %u\n", number);
        g_dbus_method_invocation_return_value(invocation, NULL);
    }
}

static void on_call(GDBusConnection *bus, const char *sender, const char *path,
                    const char *interface, const char *method, GVariant *arguments,
                    GDBusMethodInvocation *invocation, gpointer data)
{
    g_autoptr(GKeyFile) file = read_accounts(data);

    if (strcmp(interface, NOTIFY) == 0)
        answer_notification(data, method, arguments, invocation);
    else if (strcmp(method, "GetManagedObjects") == 0)
        g_dbus_method_invocation_return_value(invocation, all_objects(file));
    else
        answer_account(file, id_of(path), method, invocation);
    fflush(stdout);
}

static GVariant *on_get(GDBusConnection *bus, const char *sender, const char *path,
                        const char *interface, const char *property, GError **error, gpointer data)
{
    g_autoptr(GKeyFile) file = read_accounts(data);

    return g_variant_new_boolean(g_key_file_get_boolean(file, id_of(path), "attention", NULL));
}

static gboolean on_input(GIOChannel *input, GIOCondition condition, gpointer data)
{
    const Desktop *desktop = data;
    g_autofree char *line = NULL;
    GVariantBuilder changed;

    if (g_io_channel_read_line(input, &line, NULL, NULL, NULL) != G_IO_STATUS_NORMAL)
        exit(0);
    const char *id = strrchr(g_strchomp(line), ' ') + 1;
    g_autofree char *path = g_strconcat(GOA_PATH "/Accounts/", id, NULL);
    g_autoptr(GKeyFile) file = read_accounts(desktop);
    g_variant_builder_init(&changed, G_VARIANT_TYPE_VARDICT);
    put(&changed, "AttentionNeeded",
        g_variant_new_boolean(g_key_file_get_boolean(file, id, "attention", NULL)));
    g_dbus_connection_emit_signal(
        desktop->bus, NULL, path, "org.freedesktop.DBus.Properties", "PropertiesChanged",
        g_variant_new("(sa{sv}as)", GOA ".Account", &changed, NULL), NULL);
    return G_SOURCE_CONTINUE;
}

static void export(Desktop *desktop, GDBusNodeInfo *node)
{
    static const GDBusInterfaceVTable table = {.method_call = on_call, .get_property = on_get};
    g_autoptr(GKeyFile) file = read_accounts(desktop);
    g_auto(GStrv) ids = g_key_file_get_groups(file, NULL);

    g_dbus_connection_register_object(desktop->bus, "/org/freedesktop/Notifications",
                                      node->interfaces[0], &table, desktop, NULL, NULL);
    g_dbus_connection_register_object(desktop->bus, GOA_PATH, node->interfaces[1], &table, desktop,
                                      NULL, NULL);
    for (char **id = ids; *id; id++) {
        g_autofree char *path = g_strconcat(GOA_PATH "/Accounts/", *id, NULL);
        for (guint i = 2; node->interfaces[i]; i++)
            g_dbus_connection_register_object(desktop->bus, path, node->interfaces[i], &table,
                                              desktop, NULL, NULL);
    }
}

static void on_name(GDBusConnection *bus, const char *name, gpointer data)
{
    printf("owns %s\n", name);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    Desktop desktop = {.path = argc > 1 ? argv[1] : NULL};
    g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml(xml, NULL);
    g_autoptr(GIOChannel) input = g_io_channel_unix_new(0);

    desktop.bus = g_bus_get_sync(G_BUS_TYPE_SESSION, NULL, NULL);
    if (!desktop.bus)
        return 1;
    export(&desktop, node);
    g_bus_own_name_on_connection(desktop.bus, NOTIFY, G_BUS_NAME_OWNER_FLAGS_NONE, on_name, NULL,
                                 NULL, NULL);
    if (desktop.path)
        g_bus_own_name_on_connection(desktop.bus, GOA, G_BUS_NAME_OWNER_FLAGS_NONE, on_name, NULL,
                                     NULL, NULL);
    g_io_add_watch(input, G_IO_IN | G_IO_HUP, on_input, &desktop);
    g_main_loop_run(g_main_loop_new(NULL, FALSE));
    return 0;
}
