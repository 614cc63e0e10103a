/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The dialog that asks for a provider's password. */
#include "ui/window/password-dialog.h"

#include <adwaita.h>
#include <string.h>

static void tell(GtkWidget *parent, const char *heading, const char *body)
{
    GtkWidget *dialog = adw_message_dialog_new(GTK_WINDOW(parent), heading, body);

    adw_message_dialog_add_response(ADW_MESSAGE_DIALOG(dialog), "close", "_Close");
    gtk_window_present(GTK_WINDOW(dialog));
}

static void on_stored(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GtkWidget) window = data;
    g_autoptr(GError) error = NULL;

    if (postern_account_call_set_password_finish(POSTERN_ACCOUNT(source), result, &error))
        return;
    g_dbus_error_strip_remote_error(error);
    tell(window, "The Password Isn’t Kept", error->message);
}

static void on_response(AdwMessageDialog *dialog, const char *response, PosternAccount *account)
{
    GtkEditable *entry = GTK_EDITABLE(adw_message_dialog_get_extra_child(dialog));
    GtkWindow *window = gtk_window_get_transient_for(GTK_WINDOW(dialog));

    if (strcmp(response, "save") == 0)
        postern_account_call_set_password(account, gtk_editable_get_text(entry), FALSE, NULL,
                                          on_stored, g_object_ref(window));
}

void password_dialog_show(GtkWidget *parent, PosternAccount *account)
{
    GtkWidget *dialog =
        adw_message_dialog_new(GTK_WINDOW(gtk_widget_get_root(parent)), "Password for the Provider",
                               postern_account_get_address(account));
    AdwMessageDialog *message = ADW_MESSAGE_DIALOG(dialog);
    GtkWidget *entry = gtk_password_entry_new();

    gtk_password_entry_set_show_peek_icon(GTK_PASSWORD_ENTRY(entry), TRUE);
    g_object_set(entry, "activates-default", TRUE, NULL);
    adw_message_dialog_set_extra_child(message, entry);
    adw_message_dialog_add_responses(message, "cancel", "_Cancel", "save", "_Save", NULL);
    adw_message_dialog_set_response_appearance(message, "save", ADW_RESPONSE_SUGGESTED);
    adw_message_dialog_set_default_response(message, "save");
    adw_message_dialog_set_close_response(message, "cancel");
    g_signal_connect_object(dialog, "response", G_CALLBACK(on_response), account, 0);
    gtk_window_present(GTK_WINDOW(dialog));
}
