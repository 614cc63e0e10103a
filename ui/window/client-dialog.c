/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The dialog with a mail client's settings and a new local password. */
#include "ui/window/client-dialog.h"

#include "ui/window/toolkit.h"

#include <string.h>

typedef struct {
    GtkWidget *parent;
    PosternManager *manager;
} Request;

static void add_line(GtkGrid *grid, int at, const char *name, const char *value)
{
    GtkWidget *label = gtk_label_new(name), *text = gtk_label_new(value);

    gtk_widget_add_css_class(label, "dim-label");
    gtk_widget_set_halign(label, GTK_ALIGN_END);
    gtk_widget_set_halign(text, GTK_ALIGN_START);
    gtk_label_set_selectable(GTK_LABEL(text), TRUE);
    gtk_widget_set_can_focus(text, FALSE);
    gtk_grid_attach(grid, label, 0, at, 1, 1);
    gtk_grid_attach(grid, text, 1, at, 1, 1);
}

static int add_listeners(GtkGrid *grid, int at, GVariant *listeners)
{
    for (gsize i = 0; i < g_variant_n_children(listeners); i++) {
        g_autoptr(GVariant) listener = g_variant_get_child_value(listeners, i);
        const char *protocol = "", *host = "", *security = "", *error = NULL;
        guint16 port = 0;
        g_variant_lookup(listener, "Protocol", "&s", &protocol);
        g_variant_lookup(listener, "Host", "&s", &host);
        g_variant_lookup(listener, "Port", "q", &port);
        g_variant_lookup(listener, "Security", "&s", &security);
        if (g_variant_lookup(listener, "Error", "&s", &error))
            continue;
        g_autofree char *name = g_ascii_strup(protocol, -1);
        g_autofree char *value =
            g_strdup_printf("%s, port %u, %s", host, port,
                            strcmp(security, "tls") == 0 ? "SSL/TLS" : "no encryption or STARTTLS");
        add_line(grid, at++, name, value);
    }
    return at;
}

static GtkWidget *settings_grid(GVariant *login, PosternManager *manager)
{
    GtkGrid *grid = GTK_GRID(gtk_grid_new());
    GVariant *listeners = postern_manager_get_listeners(manager);
    const char *user = "", *password = "";

    g_variant_lookup(login, "User", "&s", &user);
    g_variant_lookup(login, "Password", "&s", &password);
    gtk_grid_set_row_spacing(grid, 6);
    gtk_grid_set_column_spacing(grid, 12);
    add_line(grid, 0, "User name", user);
    add_line(grid, 1, "Password", password);
    if (listeners)
        add_listeners(grid, 2, listeners);
    return GTK_WIDGET(grid);
}

static void on_client_password(GObject *source, GAsyncResult *result, gpointer data)
{
    Request *request = data;
    g_autoptr(GVariant) login = NULL;
    g_autoptr(GError) error = NULL;

    if (!postern_account_call_new_local_password_finish(POSTERN_ACCOUNT(source), &login, result,
                                                        &error)) {
        g_dbus_error_strip_remote_error(error);
        toolkit_tell(request->parent, "That Failed", error->message, NULL);
    } else {
        toolkit_tell(request->parent, "Settings for a Mail Client",
                     "The password is made for this client, and shown only now.",
                     settings_grid(login, request->manager));
    }
    g_object_unref(request->parent);
    g_object_unref(request->manager);
    g_free(request);
}

void client_dialog_show(GtkWidget *parent, PosternAccount *account, PosternManager *manager)
{
    Request *request = g_new0(Request, 1);

    request->parent = g_object_ref(parent);
    request->manager = g_object_ref(manager);
    postern_account_call_new_local_password(account, "", NULL, on_client_password, request);
}
