/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All outgoing mail that isn't sent yet. There may be thousands: only those that are seen have widgets, and
 * when the queue changes only what differs is replaced, so that nothing moves under the pointer.
 */
#include "ui/window/outgoing-page.h"

#include "ui/window/outgoing-row.h"
#include "ui/window/outgoing.h"
#include "ui/window/page.h"

#include <glib/gi18n.h>

#define MOST 100000

typedef struct {
    PosternManager *manager;
    GListStore *store; /* GObjects with an entry each */
    GCancellable *cancellable;
    gboolean loading, again;
} Outgoing;

static GVariant *entry_of(gpointer item)
{
    return g_object_get_data(item, "entry");
}

static void outgoing_free(gpointer data)
{
    Outgoing *outgoing = data;

    g_object_unref(outgoing->manager);
    g_object_unref(outgoing->store);
    g_object_unref(outgoing->cancellable);
    g_free(outgoing);
}

/* ---- the list ------------------------------------------------------------------------------ */

static gboolean is_same(GListStore *store, guint at, GPtrArray *entries, guint entry)
{
    g_autoptr(GObject) item = g_list_model_get_item(G_LIST_MODEL(store), at);

    return g_variant_equal(entry_of(item), entries->pdata[entry]);
}

static void replace(GListStore *store, GPtrArray *entries)
{
    guint before = g_list_model_get_n_items(G_LIST_MODEL(store)), same = 0, end = 0;
    guint most = MIN(before, entries->len);
    g_autoptr(GPtrArray) items = g_ptr_array_new_with_free_func(g_object_unref);

    while (same < most && is_same(store, same, entries, same))
        same++;
    while (end < most - same && is_same(store, before - 1 - end, entries, entries->len - 1 - end))
        end++;
    for (guint i = same; i < entries->len - end; i++) {
        GObject *item = g_object_new(G_TYPE_OBJECT, NULL);
        g_object_set_data_full(item, "entry", g_variant_ref(entries->pdata[i]),
                               (GDestroyNotify)g_variant_unref);
        g_ptr_array_add(items, item);
    }
    g_list_store_splice(store, same, before - same - end, items->pdata, items->len);
}

static void load(Outgoing *outgoing);

/* A page that has gone has cancelled, and is told NULL: then nothing of it is touched. */
static void on_listed(GPtrArray *entries, gpointer data)
{
    Outgoing *outgoing = data;

    if (!entries)
        return;
    outgoing->loading = FALSE;
    replace(outgoing->store, entries);
    if (outgoing->again)
        load(outgoing);
}

static void load(Outgoing *outgoing)
{
    outgoing->again = outgoing->loading;
    if (outgoing->loading)
        return;
    outgoing->loading = TRUE;
    outgoing_list(outgoing->manager, MOST, outgoing->cancellable, on_listed, outgoing);
}

/* ---- what is seen of it -------------------------------------------------------------------- */

static void on_bind(GtkSignalListItemFactory *factory, GtkListItem *item, Outgoing *outgoing)
{
    GDBusConnection *connection = g_dbus_proxy_get_connection(G_DBUS_PROXY(outgoing->manager));

    gtk_list_item_set_activatable(item, FALSE);
    gtk_list_item_set_child(item,
                            outgoing_row_new(connection, entry_of(gtk_list_item_get_item(item))));
}

static void on_unbind(GtkSignalListItemFactory *factory, GtkListItem *item, Outgoing *outgoing)
{
    gtk_list_item_set_child(item, NULL);
}

static void on_gone(GtkWidget *page, Outgoing *outgoing)
{
    g_cancellable_cancel(outgoing->cancellable);
    g_signal_handlers_disconnect_by_data(outgoing->manager, outgoing);
}

void outgoing_page_open(GtkWidget *from, PosternManager *manager)
{
    Outgoing *outgoing = g_new0(Outgoing, 1);
    GtkListItemFactory *factory = gtk_signal_list_item_factory_new();
    GtkWidget *scrolled = gtk_scrolled_window_new();

    outgoing->manager = g_object_ref(manager);
    outgoing->store = g_list_store_new(G_TYPE_OBJECT);
    outgoing->cancellable = g_cancellable_new();
    g_object_set_data_full(G_OBJECT(scrolled), "outgoing", outgoing, outgoing_free);
    g_signal_connect(factory, "bind", G_CALLBACK(on_bind), outgoing);
    g_signal_connect(factory, "unbind", G_CALLBACK(on_unbind), outgoing);
    g_signal_connect_swapped(manager, "queue-changed", G_CALLBACK(load), outgoing);
    g_signal_connect(scrolled, "unrealize", G_CALLBACK(on_gone), outgoing);
    GtkWidget *list = gtk_list_view_new(
        GTK_SELECTION_MODEL(gtk_no_selection_new(g_object_ref(G_LIST_MODEL(outgoing->store)))),
        factory);
    gtk_scrolled_window_set_child(GTK_SCROLLED_WINDOW(scrolled), list);
    load(outgoing);
    page_open(from, page_new(_("Outgoing Mail"), scrolled));
}
