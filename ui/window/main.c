/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * postern: the status window as an application.
 */
#include "ui/window/toolkit.h"
#include "ui/window/window.h"

#include "dbus/error.h"

#include <glib/gi18n.h>

static void on_about(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    toolkit_show_about(data);
}

static void on_quit(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    g_application_quit(data);
}

static void on_activate(GApplication *application, gpointer data)
{
    GtkWindow *window = gtk_application_get_active_window(GTK_APPLICATION(application));

    if (!window)
        window = GTK_WINDOW(postern_window_new(GTK_APPLICATION(application)));
    gtk_window_present(window);
}

int main(int argc, char **argv)
{
    static const GActionEntry actions[] = {{"about", on_about}, {"quit", on_quit}};
    static const char *const quit_keys[] = {"<Control>q", NULL};
    static const char *const sync_keys[] = {"<Control>r", "F5", NULL};
    g_autoptr(AdwApplication) application =
        adw_application_new("org.postern.Postern", G_APPLICATION_DEFAULT_FLAGS);

    (void)POSTERN_ERROR;
    bindtextdomain("postern", POSTERN_LOCALE_DIR);
    bind_textdomain_codeset("postern", "UTF-8");
    textdomain("postern");
    g_action_map_add_action_entries(G_ACTION_MAP(application), actions, G_N_ELEMENTS(actions),
                                    application);
    gtk_application_set_accels_for_action(GTK_APPLICATION(application), "app.quit", quit_keys);
    gtk_application_set_accels_for_action(GTK_APPLICATION(application), "win.sync", sync_keys);
    g_signal_connect(application, "activate", G_CALLBACK(on_activate), NULL);
    return g_application_run(G_APPLICATION(application), argc, argv);
}
