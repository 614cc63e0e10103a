/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One outgoing message, and the buttons beside it. */
#include "ui/window/outgoing-row.h"

#include "ui/window/call.h"
#include "ui/window/row.h"
#include "ui/window/text.h"
#include "ui/window/toolkit.h"

#include <glib/gi18n.h>
#include <string.h>

/* What one can do with a message, and in which states. */
typedef struct {
    const char *method, *states, *icon, *name;
} Deed;

static const Deed deeds[] = {
    {"Retry", "waiting failed", "view-refresh-symbolic", N_("Try Now")},
    {"Release", "held", "media-playback-start-symbolic", N_("Send")},
    {"Hold", "waiting", "media-playback-pause-symbolic", N_("Hold Back")},
};

typedef struct {
    GDBusConnection *connection;
    gint64 id;
    char *subject;
} Message;

static void message_free(gpointer data)
{
    Message *message = data;

    g_object_unref(message->connection);
    g_free(message->subject);
    g_free(message);
}

static void on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GtkWidget) row = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = call_finish(source, result, &error);

    if (!answer)
        toolkit_tell(row, _("That Failed"), error->message, NULL);
}

static void act(GtkWidget *row, const char *method)
{
    Message *message = g_object_get_data(G_OBJECT(row), "message");

    outgoing_call(message->connection, message->id, method, on_answer, g_object_ref(row));
}

static void on_deed(GtkWidget *button, GtkWidget *row)
{
    act(row, g_object_get_data(G_OBJECT(button), "method"));
}

static void discard(GtkWidget *row, GtkWidget *extra, gpointer data)
{
    act(row, "Cancel");
}

/* What isn't sent exists nowhere else. */
static void on_discard(GtkWidget *button, GtkWidget *row)
{
    Message *message = g_object_get_data(G_OBJECT(row), "message");
    g_autofree char *body = g_strdup_printf(
        _("“%s” wasn’t sent, and won’t be. It can’t be brought back."), message->subject);
    ToolkitQuestion question = {.heading = _("Throw This Mail Away?"),
                                .body = body,
                                .accept = _("_Throw Away"),
                                .destructive = TRUE};

    toolkit_ask(row, &question, discard, G_OBJECT(row));
}

static void add_buttons(GtkWidget *row, const char *state)
{
    for (guint i = 0; i < G_N_ELEMENTS(deeds); i++) {
        if (!strstr(deeds[i].states, state))
            continue;
        GtkWidget *button =
            row_add_icon_button(row, deeds[i].icon, _(deeds[i].name), G_CALLBACK(on_deed), row);
        g_object_set_data(G_OBJECT(button), "method", (gpointer)deeds[i].method);
    }
    if (strcmp(state, "sending") != 0)
        row_add_icon_button(row, "user-trash-symbolic", _("Throw Away…"), G_CALLBACK(on_discard),
                            row);
}

GtkWidget *outgoing_row_new(GDBusConnection *connection, GVariant *entry)
{
    g_autofree char *text = text_outgoing(entry);
    GtkWidget *row = row_new(text_outgoing_subject(entry), text);
    Message *message = g_new0(Message, 1);
    const char *state = "";

    g_variant_lookup(entry, "Id", "x", &message->id);
    g_variant_lookup(entry, "State", "&s", &state);
    message->connection = g_object_ref(connection);
    message->subject = g_strdup(text_outgoing_subject(entry));
    g_object_set_data_full(G_OBJECT(row), "message", message, message_free);
    add_buttons(row, state);
    return row;
}
