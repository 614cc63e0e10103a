/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows of lists. See row.h. */
#include "ui/window/row.h"

#include <glib/gi18n.h>

GtkWidget *row_new(const char *title, const char *subtitle)
{
    GtkWidget *row = adw_action_row_new();

    adw_preferences_row_set_use_markup(ADW_PREFERENCES_ROW(row), FALSE);
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(row), title);
    adw_action_row_set_title_lines(ADW_ACTION_ROW(row), 2);
    adw_action_row_set_subtitle_lines(ADW_ACTION_ROW(row), 0);
    adw_action_row_set_subtitle(ADW_ACTION_ROW(row), subtitle ? subtitle : "");
    return row;
}

GtkWidget *row_new_opening(const char *title, const char *subtitle)
{
    GtkWidget *row = row_new(title, subtitle);

    gtk_list_box_row_set_activatable(GTK_LIST_BOX_ROW(row), TRUE);
    adw_action_row_add_suffix(ADW_ACTION_ROW(row),
                              gtk_image_new_from_icon_name("go-next-symbolic"));
    return row;
}

static void on_copy(GtkWidget *button, gpointer data)
{
    const char *value = g_object_get_data(G_OBJECT(button), "value");

    gdk_clipboard_set_text(gtk_widget_get_clipboard(button), value);
}

GtkWidget *row_new_value(const char *title, const char *value)
{
    GtkWidget *row = row_new(title, value);
    g_autofree char *name = g_strdup_printf(_("Copy: %s"), title);
    GtkWidget *button =
        row_add_icon_button(row, "edit-copy-symbolic", name, G_CALLBACK(on_copy), NULL);

    g_object_set_data_full(G_OBJECT(button), "value", g_strdup(value), g_free);
    adw_action_row_set_activatable_widget(ADW_ACTION_ROW(row), button);
    return row;
}

static GtkWidget *add_button(GtkWidget *row, GtkWidget *button, GCallback clicked, gpointer data)
{
    gtk_widget_set_valign(button, GTK_ALIGN_CENTER);
    g_signal_connect(button, "clicked", clicked, data);
    adw_action_row_add_suffix(ADW_ACTION_ROW(row), button);
    return button;
}

GtkWidget *row_add_button(GtkWidget *row, const char *label, GCallback clicked, gpointer data)
{
    return add_button(row, gtk_button_new_with_mnemonic(label), clicked, data);
}

GtkWidget *row_add_icon_button(GtkWidget *row, const char *icon, const char *name,
                               GCallback clicked, gpointer data)
{
    GtkWidget *button = gtk_button_new_from_icon_name(icon);

    gtk_widget_add_css_class(button, "flat");
    gtk_widget_set_tooltip_text(button, name);
    gtk_accessible_update_property(GTK_ACCESSIBLE(button), GTK_ACCESSIBLE_PROPERTY_LABEL, name, -1);
    return add_button(row, button, clicked, data);
}

/* ---- rows that come and go ----------------------------------------------------------------- */

void row_list_init(RowList *list, AdwPreferencesGroup *group)
{
    *list = (RowList){group, g_ptr_array_new()};
}

void row_list_add(RowList *list, GtkWidget *row)
{
    adw_preferences_group_add(list->group, row);
    g_ptr_array_add(list->rows, row);
}

void row_list_clear(RowList *list)
{
    for (guint i = 0; i < list->rows->len; i++)
        adw_preferences_group_remove(list->group, g_ptr_array_index(list->rows, i));
    g_ptr_array_set_size(list->rows, 0);
}

void row_list_free(RowList *list)
{
    g_clear_pointer(&list->rows, g_ptr_array_unref);
}
