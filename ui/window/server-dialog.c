/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The dialog for an account's servers. A password never follows to a server that it wasn't typed in for,
 * so it is asked for with them. */
#include "ui/window/server-dialog.h"

#include "ui/window/call.h"
#include "ui/window/toolkit.h"

#include <adwaita.h>
#include <glib/gi18n.h>

static const struct {
    const char *key, *title;
} fields[] = {{"incoming", N_("Incoming mail (imaps://, imap://, pop3s://)")},
              {"outgoing", N_("Outgoing mail (submissions://, submission://)")},
              {"user", N_("User name, if it isn’t the address")}};

static void on_changed(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GtkWidget) parent = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = call_finish(source, result, &error);

    if (!answer)
        toolkit_tell(parent, _("Nothing Was Changed"), error->message, NULL);
}

static const char *text_of(GtkWidget *list, guint at)
{
    GtkListBoxRow *row = gtk_list_box_get_row_at_index(GTK_LIST_BOX(list), (int)at);

    return gtk_editable_get_text(GTK_EDITABLE(row));
}

static void on_entered(GtkWidget *parent, GtkWidget *list, gpointer account)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(fields); i++)
        g_variant_dict_insert(&dict, fields[i].key, "s", text_of(list, i));
    account_call(
        account, "Configure",
        g_variant_new("(@a{sv}s)", g_variant_dict_end(&dict), text_of(list, G_N_ELEMENTS(fields))),
        NULL, on_changed, g_object_ref(parent));
}

static void add_entry(GtkWidget *list, GtkWidget *entry, const char *title, const char *value)
{
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(entry), title);
    gtk_editable_set_text(GTK_EDITABLE(entry), value);
    gtk_list_box_append(GTK_LIST_BOX(list), entry);
}

void server_dialog_show(GtkWidget *parent, PosternAccount *account)
{
    GVariant *settings = postern_account_get_settings(account);
    GtkWidget *list = gtk_list_box_new();
    ToolkitQuestion question = {.heading = _("Servers"),
                                .body = _("Your provider’s help page names them. The password goes "
                                          "to these servers and nowhere else."),
                                .accept = _("_Change"),
                                .extra = list};

    gtk_list_box_set_selection_mode(GTK_LIST_BOX(list), GTK_SELECTION_NONE);
    gtk_widget_add_css_class(list, "boxed-list");
    for (guint i = 0; i < G_N_ELEMENTS(fields); i++) {
        const char *value = "";
        if (settings)
            g_variant_lookup(settings, fields[i].key, "&s", &value);
        add_entry(list, adw_entry_row_new(), _(fields[i].title), value);
    }
    add_entry(list, adw_password_entry_row_new(), _("The provider’s password"), "");
    toolkit_ask(parent, &question, on_entered, G_OBJECT(account));
}
