/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Dialogs and widgets, in the words of the GTK and libadwaita that are there. See toolkit.h. */
#include "ui/window/toolkit.h"

#include <glib/gi18n.h>
#include <string.h>

/* libadwaita 1.5 has dialogs that are part of a window; those that are windows of their own are deprecated
 * since 1.6. The names of one are those of the other. */
#if ADW_CHECK_VERSION(1, 5, 0)
#define alert_(name) adw_alert_dialog_##name
typedef AdwAlertDialog Alert;

static Alert *alert_new(GtkWidget *parent, const char *heading, const char *body)
{
    return ADW_ALERT_DIALOG(adw_alert_dialog_new(heading, body));
}

static void alert_show(Alert *alert, GtkWidget *parent)
{
    adw_dialog_present(ADW_DIALOG(alert), parent);
}
#else
#define alert_(name) adw_message_dialog_##name
typedef AdwMessageDialog Alert;

static Alert *alert_new(GtkWidget *parent, const char *heading, const char *body)
{
    GtkWindow *window = GTK_WINDOW(gtk_widget_get_root(parent));

    return ADW_MESSAGE_DIALOG(adw_message_dialog_new(window, heading, body));
}

static void alert_show(Alert *alert, GtkWidget *parent)
{
    gtk_window_present(GTK_WINDOW(alert));
}
#endif

/* What a dialog stands over: `parent`, or the application's window where that has left it meanwhile.
 * NULL: there is none; then `extra`, which nobody owns yet, is freed. */
static GtkWidget *place_over(GtkWidget *parent, GtkWidget *extra)
{
    if (gtk_widget_get_root(parent))
        return parent;
    GtkWindow *window =
        gtk_application_get_active_window(GTK_APPLICATION(g_application_get_default()));
    if (!window && extra)
        g_object_unref(g_object_ref_sink(extra));
    return window ? GTK_WIDGET(window) : NULL;
}

/* Neither kind takes its texts for markup unless told to, so they may be a server's words. */
void toolkit_tell(GtkWidget *parent, const char *heading, const char *body, GtkWidget *extra)
{
    GtkWidget *place = place_over(parent, extra);

    if (!place)
        return;
    Alert *alert = alert_new(place, heading, body);
    if (extra)
        alert_(set_extra_child)(alert, extra);
    alert_(add_response)(alert, "close", _("_Close"));
    alert_show(alert, place);
}

/* ---- questions ----------------------------------------------------------------------------- */

typedef struct {
    GtkWidget *parent;
    ToolkitAccepted accepted;
    GObject *data;
} Asked;

static void asked_free(gpointer data, GClosure *closure)
{
    Asked *asked = data;

    g_object_unref(asked->parent);
    g_object_unref(asked->data);
    g_free(asked);
}

static void on_response(Alert *alert, const char *response, Asked *asked)
{
    if (strcmp(response, "accept") == 0)
        asked->accepted(asked->parent, alert_(get_extra_child)(alert), asked->data);
}

void toolkit_ask(GtkWidget *parent, const ToolkitQuestion *question, ToolkitAccepted accepted,
                 GObject *data)
{
    GtkWidget *place = place_over(parent, question->extra);

    if (!place)
        return;
    Asked *asked = g_new(Asked, 1);
    *asked = (Asked){g_object_ref(parent), accepted, g_object_ref(data)};
    Alert *alert = alert_new(place, question->heading, question->body);
    alert_(set_extra_child)(alert, question->extra);
    alert_(add_responses)(alert, "cancel", _("_Cancel"), "accept", question->accept, NULL);
    alert_(set_response_appearance)(
        alert, "accept", question->destructive ? ADW_RESPONSE_DESTRUCTIVE : ADW_RESPONSE_SUGGESTED);
    alert_(set_default_response)(alert, question->destructive ? "cancel" : "accept");
    alert_(set_close_response)(alert, "cancel");
    g_signal_connect_data(alert, "response", G_CALLBACK(on_response), asked, asked_free, 0);
    alert_show(alert, place);
}

/* ---- files --------------------------------------------------------------------------------- */

typedef struct {
    GtkWidget *parent;
    ToolkitSaved saved;
} Choice;

static void end_choice(Choice *choice, GFile *file)
{
    if (file)
        choice->saved(choice->parent, file);
    g_object_unref(choice->parent);
    g_free(choice);
}

#if GTK_CHECK_VERSION(4, 10, 0)
static void on_chosen(GObject *dialog, GAsyncResult *result, gpointer data)
{
    /* The only error is that the user doesn't want to. */
    g_autoptr(GFile) file = gtk_file_dialog_save_finish(GTK_FILE_DIALOG(dialog), result, NULL);

    end_choice(data, file);
}

static void choose_file(GtkWindow *window, const char *title, const char *name, Choice *choice)
{
    g_autoptr(GtkFileDialog) dialog = gtk_file_dialog_new();

    gtk_file_dialog_set_title(dialog, title);
    gtk_file_dialog_set_initial_name(dialog, name);
    gtk_file_dialog_save(dialog, window, NULL, on_chosen, choice);
}
#else
static void on_chosen(GtkNativeDialog *dialog, int response, gpointer data)
{
    g_autoptr(GFile) file = response == GTK_RESPONSE_ACCEPT
                                ? gtk_file_chooser_get_file(GTK_FILE_CHOOSER(dialog))
                                : NULL;

    end_choice(data, file);
    g_object_unref(dialog);
}

static void choose_file(GtkWindow *window, const char *title, const char *name, Choice *choice)
{
    GtkFileChooserNative *dialog =
        gtk_file_chooser_native_new(title, window, GTK_FILE_CHOOSER_ACTION_SAVE, NULL, NULL);

    gtk_file_chooser_set_current_name(GTK_FILE_CHOOSER(dialog), name);
    g_signal_connect(dialog, "response", G_CALLBACK(on_chosen), choice);
    gtk_native_dialog_show(GTK_NATIVE_DIALOG(dialog));
}
#endif

void toolkit_ask_file(GtkWidget *parent, const char *title, const char *name, ToolkitSaved saved)
{
    GtkRoot *root = gtk_widget_get_root(parent);
    Choice *choice;

    if (!root)
        return;
    choice = g_new(Choice, 1);
    *choice = (Choice){g_object_ref(parent), saved};
    choose_file(GTK_WINDOW(root), title, name, choice);
}

/* ---- the rest ------------------------------------------------------------------------------ */

void toolkit_show_about(GtkApplication *application)
{
#if ADW_CHECK_VERSION(1, 5, 0)
    adw_show_about_dialog(GTK_WIDGET(gtk_application_get_active_window(application)),
#else
    adw_show_about_window(gtk_application_get_active_window(application),
#endif
                          "application-name", "Postern", "application-icon", "org.postern.Postern",
                          "version", POSTERN_VERSION, "developer-name", "The Postern developers",
                          "license-type", GTK_LICENSE_GPL_3_0, "comments",
                          _("Your mail on this computer, for every mail program, online or not."),
                          NULL);
}
