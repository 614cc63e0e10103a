/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The first page of adding an account: the address. See assistant.h. */
#include "ui/window/assistant.h"

#include "ui/window/call.h"
#include "ui/window/page.h"

#include <glib/gi18n.h>
#include <string.h>

/* ---- the address --------------------------------------------------------------------------- */

typedef struct {
    GDBusConnection *connection;
    GtkWidget *page, *address, *words, *next;
    GCancellable *cancellable; /* ends with the page */
} AddressStep;

static void step_free(gpointer data)
{
    AddressStep *step = data;

    g_object_unref(step->connection);
    g_object_unref(step->cancellable);
    g_free(step);
}

static const char *address_of(AddressStep *step)
{
    return gtk_editable_get_text(GTK_EDITABLE(step->address));
}

/* The cancellable and the connection are of the step, which is the page's: a page that has gone answers
 * for nobody. */
static void on_discovered(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = call_finish(source, result, &error);
    g_autoptr(GVariant) offer = answer ? g_variant_get_child_value(answer, 0) : NULL;
    AddressStep *step = data;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    page_wait(step->next, FALSE);
    assistant_open_servers(step->page, step->connection, address_of(step), offer,
                           error ? error->message : NULL);
}

static void on_next(AddressStep *step)
{
    const char *address = address_of(step), *at = strrchr(address, '@');

    if (!at || at == address || !at[1]) {
        page_say(step->words, _("That isn’t a mail address: it has the form name@example.org."));
        return;
    }
    page_say(step->words, "");
    page_wait(step->next, TRUE);
    manager_call(step->connection, "Discover", g_variant_new("(sa{sv})", address, NULL),
                 step->cancellable, on_discovered, step);
}

static void on_gone(GtkWidget *page, AddressStep *step)
{
    g_cancellable_cancel(step->cancellable);
}

void assistant_open(GtkWidget *from, GDBusConnection *connection)
{
    AddressStep *step = g_new0(AddressStep, 1);
    GtkBox *box;
    GtkWidget *column = page_column(&box), *group = adw_preferences_group_new();

    step->connection = g_object_ref(connection);
    step->cancellable = g_cancellable_new();
    step->page = column;
    g_object_set_data_full(G_OBJECT(column), "step", step, step_free);
    page_add_heading(box, _("Add an Account"),
                     _("Postern finds the servers of your mail provider by your address. "
                       "Nothing is sent to them yet."));
    step->address = adw_entry_row_new();
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(step->address), _("Mail address"));
    adw_entry_row_set_input_purpose(ADW_ENTRY_ROW(step->address), GTK_INPUT_PURPOSE_EMAIL);
    g_signal_connect_swapped(step->address, "entry-activated", G_CALLBACK(on_next), step);
    adw_preferences_group_add(ADW_PREFERENCES_GROUP(group), step->address);
    gtk_box_append(box, group);
    step->words = page_add_words(box);
    step->next = page_add_button(box, _("_Continue"), G_CALLBACK(on_next), step);
    g_signal_connect(column, "unrealize", G_CALLBACK(on_gone), step);
    page_open(from, page_new(_("Add an Account"), column));
    gtk_widget_grab_focus(step->address);
}
