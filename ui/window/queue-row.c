/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One outgoing message, and the buttons beside it. */
#include "ui/window/queue-row.h"

#include "dbus/error.h"
#include "ui/window/text.h"

#include <string.h>

typedef struct {
    GDBusConnection *connection;
    char *path;
    const char *method;
    QueueRowFailed failed;
    gpointer data;
} Action;

static void action_free(gpointer data, GClosure *closure)
{
    Action *action = data;
    g_object_unref(action->connection);
    g_free(action->path);
    g_free(action);
}

/* The row may be gone by the time of the answer, the window isn't. */
typedef struct {
    QueueRowFailed failed;
    gpointer data;
} Answer;

static void on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree Answer *answer = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) value =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);

    if (value)
        return;
    g_dbus_error_strip_remote_error(error);
    answer->failed(error->message, answer->data);
}

static void on_clicked(GtkButton *button, Action *action)
{
    Answer *answer = g_new0(Answer, 1);

    answer->failed = action->failed;
    answer->data = action->data;
    g_dbus_connection_call(action->connection, POSTERN_BUS_NAME, action->path,
                           POSTERN_OUTGOING_INTERFACE, action->method, NULL, NULL,
                           G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_answer, answer);
}

static void add_queue_button(GtkWidget *row, const Action *template, const char *method,
                             const char *icon, const char *tooltip)
{
    GtkWidget *button = gtk_button_new_from_icon_name(icon);
    Action *action = g_memdup2(template, sizeof *template);

    action->connection = g_object_ref(template->connection);
    action->path = g_strdup(template->path);
    action->method = method;
    gtk_widget_set_tooltip_text(button, tooltip);
    gtk_widget_set_valign(button, GTK_ALIGN_CENTER);
    gtk_widget_add_css_class(button, "flat");
    g_signal_connect_data(button, "clicked", G_CALLBACK(on_clicked), action, action_free, 0);
    adw_action_row_add_suffix(ADW_ACTION_ROW(row), button);
}

static char *recipients_text(GVariant *entry)
{
    g_autoptr(GVariant) list = g_variant_lookup_value(entry, "Recipients", NULL);
    gsize count = list ? g_variant_n_children(list) : 0;
    const char *address = "";

    if (count == 0)
        return g_strdup("");
    g_autoptr(GVariant) first = g_variant_get_child_value(list, 0);
    g_variant_lookup(first, "Address", "&s", &address);
    return count == 1 ? g_strdup_printf("To %s", address)
                      : g_strdup_printf("To %s and %" G_GSIZE_FORMAT " more", address, count - 1);
}

static char *subtitle_text(GVariant *entry, const char *state)
{
    g_autofree char *to = recipients_text(entry);
    const char *error = "";
    gint64 next = 0, send_at = 0;

    g_variant_lookup(entry, "LastError", "&s", &error);
    g_variant_lookup(entry, "NextAttempt", "x", &next);
    g_variant_lookup(entry, "SendAt", "x", &send_at);
    g_autofree char *what = text_queue_state(state, next, send_at);
    return g_strdup_printf("%s\n%s%s%s", to, what, *error ? ": " : "", error);
}

GtkWidget *queue_row_new(GDBusConnection *connection, GVariant *entry, QueueRowFailed failed,
                         gpointer data)
{
    GtkWidget *row = adw_action_row_new();
    const char *subject = "", *state = "";
    gint64 id = 0;

    g_variant_lookup(entry, "Id", "x", &id);
    g_variant_lookup(entry, "Subject", "&s", &subject);
    g_variant_lookup(entry, "State", "&s", &state);
    g_autofree char *subtitle = subtitle_text(entry, state);
    g_autofree char *path = g_strdup_printf("%s/%" G_GINT64_FORMAT, POSTERN_QUEUE_PATH, id);
    const Action template = {connection, path, NULL, failed, data};

    adw_preferences_row_set_use_markup(ADW_PREFERENCES_ROW(row), FALSE);
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(row), *subject ? subject : "(no subject)");
    adw_action_row_set_subtitle(ADW_ACTION_ROW(row), subtitle);
    adw_action_row_set_title_lines(ADW_ACTION_ROW(row), 1);
    if (strcmp(state, "waiting") == 0 || strcmp(state, "failed") == 0)
        add_queue_button(row, &template, "Retry", "view-refresh-symbolic", "Try Now");
    if (strcmp(state, "held") == 0)
        add_queue_button(row, &template, "Release", "media-playback-start-symbolic", "Send");
    if (strcmp(state, "waiting") == 0)
        add_queue_button(row, &template, "Hold", "media-playback-pause-symbolic", "Hold");
    if (strcmp(state, "sending") != 0 && strcmp(state, "sent") != 0)
        add_queue_button(row, &template, "Cancel", "user-trash-symbolic", "Cancel");
    return row;
}
