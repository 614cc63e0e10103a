/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An account's folders: how many messages, how large, and what is missing. There may be thousands, so
 * only those that are seen have a widget. */
#include "ui/window/folders-page.h"

#include "ui/window/page.h"
#include "ui/window/text.h"

#include <glib/gi18n.h>

static GtkWidget *label_new(const char *style)
{
    GtkWidget *label = gtk_label_new("");

    gtk_label_set_xalign(GTK_LABEL(label), 0);
    gtk_label_set_wrap(GTK_LABEL(label), TRUE);
    gtk_label_set_wrap_mode(GTK_LABEL(label), PANGO_WRAP_WORD_CHAR);
    if (style)
        gtk_widget_add_css_class(label, style);
    return label;
}

static void on_setup(GtkSignalListItemFactory *factory, GtkListItem *item, gpointer data)
{
    GtkWidget *cell = gtk_box_new(GTK_ORIENTATION_VERTICAL, 3);

    gtk_widget_set_margin_top(cell, 6);
    gtk_widget_set_margin_bottom(cell, 6);
    gtk_widget_set_margin_start(cell, 12);
    gtk_widget_set_margin_end(cell, 12);
    gtk_box_append(GTK_BOX(cell), label_new(NULL));
    gtk_box_append(GTK_BOX(cell), label_new("dim-label"));
    gtk_list_item_set_activatable(item, FALSE);
    gtk_list_item_set_child(item, cell);
}

static void on_bind(GtkSignalListItemFactory *factory, GtkListItem *item, gpointer data)
{
    GtkWidget *name = gtk_widget_get_first_child(gtk_list_item_get_child(item));
    GtkWidget *details = gtk_widget_get_next_sibling(name);
    GVariant *folder = g_object_get_data(gtk_list_item_get_item(item), "folder");
    const char *title = "";
    g_autofree char *text = text_folder(folder);

    g_variant_lookup(folder, "Name", "&s", &title);
    gtk_label_set_text(GTK_LABEL(name), title);
    gtk_label_set_text(GTK_LABEL(details), text);
}

static void on_folders(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GListStore) store = data;
    g_autoptr(GVariant) list = NULL;

    if (!postern_account_call_list_folders_finish(POSTERN_ACCOUNT(source), &list, result, NULL))
        return; /* the account's own page says what is wrong with it */
    for (gsize i = 0; i < g_variant_n_children(list); i++) {
        g_autoptr(GObject) folder = g_object_new(G_TYPE_OBJECT, NULL);
        g_object_set_data_full(folder, "folder", g_variant_get_child_value(list, i),
                               (GDestroyNotify)g_variant_unref);
        g_list_store_append(store, folder);
    }
}

void folders_page_open(GtkWidget *from, PosternAccount *account)
{
    GListStore *store = g_list_store_new(G_TYPE_OBJECT);
    GtkListItemFactory *factory = gtk_signal_list_item_factory_new();
    GtkWidget *scrolled = gtk_scrolled_window_new();

    postern_account_call_list_folders(account, NULL, on_folders, g_object_ref(store));
    g_signal_connect(factory, "setup", G_CALLBACK(on_setup), NULL);
    g_signal_connect(factory, "bind", G_CALLBACK(on_bind), NULL);
    GtkWidget *list =
        gtk_list_view_new(GTK_SELECTION_MODEL(gtk_no_selection_new(G_LIST_MODEL(store))), factory);
    gtk_scrolled_window_set_child(GTK_SCROLLED_WINDOW(scrolled), list);
    page_open(from, page_new(_("Folders"), scrolled));
}
