/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The dialog that asks for a provider's password. */
#include "ui/window/password-dialog.h"

#include "ui/window/call.h"
#include "ui/window/toolkit.h"

#include <glib/gi18n.h>

static void on_stored(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GtkWidget) parent = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = call_finish(source, result, &error);

    if (!answer)
        toolkit_tell(parent, _("The Password Isn’t Kept"), error->message, NULL);
}

static void on_entered(GtkWidget *parent, GtkWidget *entry, gpointer account)
{
    account_call(POSTERN_ACCOUNT(account), "SetPassword",
                 g_variant_new("(sb)", gtk_editable_get_text(GTK_EDITABLE(entry)), FALSE), NULL,
                 on_stored, g_object_ref(parent));
}

void password_dialog_show(GtkWidget *parent, PosternAccount *account)
{
    GtkWidget *entry = gtk_password_entry_new();
    ToolkitQuestion question = {_("Password for the Provider"),
                                postern_account_get_address(account), _("_Save"), entry, FALSE};

    gtk_password_entry_set_show_peek_icon(GTK_PASSWORD_ENTRY(entry), TRUE);
    g_object_set(entry, "activates-default", TRUE, NULL);
    toolkit_ask(parent, &question, on_entered, G_OBJECT(account));
}
