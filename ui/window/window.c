/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The first page, and what is shown of the daemon, which follower.c follows: the Manager's properties,
 * the accounts of its object manager, and the first of the outgoing mail, which is listed again whenever
 * the queue says that it has changed. Other pages open over this one (page.c).
 */
#include "ui/window/window.h"

#include "dbus/error.h"
#include "dbus/postern-dbus.h"
#include "ui/window/account-row.h"
#include "ui/window/assistant.h"
#include "ui/window/follower.h"
#include "ui/window/outgoing-page.h"
#include "ui/window/outgoing-row.h"
#include "ui/window/outgoing.h"
#include "ui/window/page.h"
#include "ui/window/row.h"

#include <glib/gi18n.h>
#include <inttypes.h>

/* More than these have a page of their own. */
#define QUEUE_ROWS 8

/* A daemon that ends does so within these. */
#define STOPPING_SECONDS 15

struct _PosternWindow {
    AdwApplicationWindow parent;
    AdwToastOverlay *toasts;
    GtkStack *pages, *stack; /* the pages; what is on the first one */
    AdwPreferencesGroup *problems, *accounts, *queue;
    AdwActionRow *online_row;
    GtkSwitch *offline;
    GtkButton *all; /* opens the page with all outgoing mail */

    GCancellable *cancellable;   /* ends with the window */
    GCancellable *life;          /* ends with this life of the daemon */
    Follower *follower;          /* NULL: there is no session bus */
    GDBusObjectManager *objects; /* of this life of the daemon, as `manager` */
    PosternManager *manager;     /* NULL: it isn't there */
    GHashTable *account_rows;    /* object path → AccountRow */
    RowList queue_rows, problem_rows;
    gboolean loading_queue, load_queue_again;
    gboolean no_accounts; /* the daemon had none when it was last here: then it doesn't stay */
    gint64 empty_since;   /* monotonic; 0: it has accounts, or isn't here */
    gboolean following;   /* the switch is being set from the daemon's side */
};

G_DEFINE_FINAL_TYPE(PosternWindow, postern_window, ADW_TYPE_APPLICATION_WINDOW)

static void toast(PosternWindow *window, const char *message)
{
    AdwToast *toast = adw_toast_new("");
    g_autofree char *escaped = g_markup_escape_text(message, -1);

    adw_toast_set_title(toast, escaped);
    adw_toast_overlay_add_toast(window->toasts, toast);
}

static void choose_page(PosternWindow *window)
{
    const char *page = "status";

    gboolean none = window->manager && g_hash_table_size(window->account_rows) == 0;
    if (!none)
        window->empty_since = 0;
    else if (!window->empty_since)
        window->empty_since = g_get_monotonic_time();
    if (window->manager)
        window->no_accounts = none;
    if (window->no_accounts)
        page = "empty";
    else if (!window->manager)
        page = "stopped";
    gtk_stack_set_visible_child_name(window->stack, page);
}

/* ---- outgoing mail ------------------------------------------------------------------------- */

static void load_queue(PosternWindow *window);

static GtkWidget *nothing_row(void)
{
    GtkWidget *row = row_new(_("Nothing is waiting"), NULL);

    gtk_widget_add_css_class(row, "dim-label");
    return row;
}

/* The way to all of it, where there is more than is seen here. */
static void show_all_button(PosternWindow *window, guint64 all)
{
    g_autofree char *text = g_strdup_printf(_("_All %" PRIu64 "…"), all);

    gtk_button_set_label(window->all, text);
    gtk_widget_set_visible(GTK_WIDGET(window->all), all > QUEUE_ROWS);
}

static void fill_queue(PosternWindow *window, GPtrArray *entries)
{
    GDBusConnection *connection = g_dbus_proxy_get_connection(G_DBUS_PROXY(window->manager));
    guint64 all = MAX(outgoing_count(window->manager), entries->len);

    row_list_clear(&window->queue_rows);
    for (guint i = 0; i < MIN(entries->len, QUEUE_ROWS); i++)
        row_list_add(&window->queue_rows, outgoing_row_new(connection, entries->pdata[i]));
    if (entries->len == 0)
        row_list_add(&window->queue_rows, nothing_row());
    show_all_button(window, all);
}

/* NULL: that daemon has gone, or the window has. */
static void on_queue(GPtrArray *entries, gpointer data)
{
    PosternWindow *window = data;

    if (!entries)
        return;
    window->loading_queue = FALSE;
    fill_queue(window, entries);
    if (window->load_queue_again)
        load_queue(window);
}

static void load_queue(PosternWindow *window)
{
    window->load_queue_again = window->loading_queue;
    if (window->loading_queue || !window->manager)
        return;
    window->loading_queue = TRUE;
    outgoing_list(window->manager, QUEUE_ROWS + 1, window->life, on_queue, window);
}

/* ---- the accounts -------------------------------------------------------------------------- */

static void on_object_added(PosternWindow *window, GDBusObject *object)
{
    PosternAccount *account = postern_object_peek_account(POSTERN_OBJECT(object));
    const char *path = g_dbus_object_get_object_path(object);

    if (!account || !window->manager || g_hash_table_contains(window->account_rows, path))
        return;
    GtkWidget *row = account_row_new(account, window->manager);
    adw_preferences_group_add(window->accounts, row);
    g_hash_table_insert(window->account_rows, g_strdup(path), row);
    choose_page(window);
}

static void on_object_removed(PosternWindow *window, GDBusObject *object)
{
    const char *path = g_dbus_object_get_object_path(object);
    GtkWidget *row = g_hash_table_lookup(window->account_rows, path);

    if (row)
        adw_preferences_group_remove(window->accounts, row);
    g_hash_table_remove(window->account_rows, path);
    choose_page(window);
}

/* ---- the manager's properties -------------------------------------------------------------- */

static void update_problems(PosternWindow *window)
{
    const char *const *problems = postern_manager_get_problems(window->manager);

    row_list_clear(&window->problem_rows);
    for (; problems && *problems; problems++) {
        GtkWidget *row = row_new(*problems, NULL);
        adw_action_row_set_title_lines(ADW_ACTION_ROW(row), 0);
        adw_action_row_add_prefix(ADW_ACTION_ROW(row),
                                  gtk_image_new_from_icon_name("dialog-warning-symbolic"));
        row_list_add(&window->problem_rows, row);
    }
    gtk_widget_set_visible(GTK_WIDGET(window->problems), window->problem_rows.rows->len > 0);
}

static void update_manager(PosternWindow *window)
{
    gboolean forced = postern_manager_get_forced_offline(window->manager);
    gboolean online = postern_manager_get_online(window->manager);

    window->following = TRUE;
    gtk_switch_set_active(window->offline, forced);
    window->following = FALSE;
    adw_action_row_set_subtitle(window->online_row,
                                forced    ? _("Mail is read from this computer and sent later")
                                : !online ? _("The system has no network")
                                          : "");
    update_problems(window);
    choose_page(window);
}

static void on_switch(PosternWindow *window)
{
    if (!window->following && window->manager)
        postern_manager_set_forced_offline(window->manager, gtk_switch_get_active(window->offline));
}

/* ---- the daemon ---------------------------------------------------------------------------- */

static void on_came(PosternManager *manager, GDBusObjectManager *objects, gpointer data)
{
    PosternWindow *window = data;

    window->life = g_cancellable_new();
    window->manager = g_object_ref(manager);
    window->objects = g_object_ref(objects);
    g_signal_connect_object(objects, "object-added", G_CALLBACK(on_object_added), window,
                            G_CONNECT_SWAPPED);
    g_signal_connect_object(objects, "object-removed", G_CALLBACK(on_object_removed), window,
                            G_CONNECT_SWAPPED);
    g_signal_connect_object(manager, "notify", G_CALLBACK(update_manager), window,
                            G_CONNECT_SWAPPED);
    g_signal_connect_object(manager, "queue-changed", G_CALLBACK(load_queue), window,
                            G_CONNECT_SWAPPED);
    g_autolist(GDBusObject) known = g_dbus_object_manager_get_objects(objects);
    for (GList *at = known; at; at = at->next)
        on_object_added(window, at->data);
    update_manager(window);
    load_queue(window);
}

static void forget_daemon(PosternWindow *window)
{
    if (window->manager) {
        g_signal_handlers_disconnect_by_data(window->manager, window);
        g_signal_handlers_disconnect_by_data(window->objects, window);
    }
    if (window->life)
        g_cancellable_cancel(window->life);
    g_clear_object(&window->life);
    g_clear_object(&window->manager);
    g_clear_object(&window->objects);
    window->loading_queue = window->load_queue_again = FALSE;
}

static void on_went(gpointer data)
{
    PosternWindow *window = data;
    GHashTableIter iter;
    gpointer row;

    /* A daemon that ends takes its accounts away first; that isn't to have none. */
    window->no_accounts = window->empty_since && g_get_monotonic_time() - window->empty_since >
                                                     STOPPING_SECONDS * G_USEC_PER_SEC;
    forget_daemon(window);
    g_hash_table_iter_init(&iter, window->account_rows);
    while (g_hash_table_iter_next(&iter, NULL, &row))
        adw_preferences_group_remove(window->accounts, row);
    g_hash_table_remove_all(window->account_rows);
    row_list_clear(&window->queue_rows);
    row_list_clear(&window->problem_rows);
    if (!window->no_accounts) /* else one may be about to be added, which has the daemon started */
        page_home(window->pages);
    choose_page(window);
}

static void follow_daemon(PosternWindow *window)
{
    const FollowerEvents events = {on_came, on_went, window};
    g_autoptr(GDBusConnection) connection = g_bus_get_sync(G_BUS_TYPE_SESSION, NULL, NULL);

    if (connection)
        window->follower = follower_new(connection, &events);
    else
        choose_page(window);
}

/* ---- actions ------------------------------------------------------------------------------- */

static void on_synced(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(PosternWindow) window = data;
    g_autoptr(GError) error = NULL;

    if (postern_manager_call_sync_finish(POSTERN_MANAGER(source), result, &error))
        return;
    g_dbus_error_strip_remote_error(error);
    toast(window, error->message);
}

static void sync_now(GtkWidget *widget, const char *name, GVariant *parameter)
{
    PosternWindow *window = POSTERN_WINDOW(widget);

    if (window->manager)
        postern_manager_call_sync(window->manager, window->cancellable, on_synced,
                                  g_object_ref(window));
}

static void on_started(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(PosternWindow) window = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);

    if (answer)
        return;
    g_dbus_error_strip_remote_error(error);
    toast(window, error->message);
}

static void start_daemon(GtkWidget *widget, const char *name, GVariant *parameter)
{
    PosternWindow *window = POSTERN_WINDOW(widget);
    g_autoptr(GDBusConnection) connection = g_bus_get_sync(G_BUS_TYPE_SESSION, NULL, NULL);

    if (!connection) {
        toast(window, _("There is no session bus"));
        return;
    }
    g_dbus_connection_call(connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                           "org.freedesktop.DBus", "StartServiceByName",
                           g_variant_new("(su)", POSTERN_BUS_NAME, 0), NULL, G_DBUS_CALL_FLAGS_NONE,
                           -1, window->cancellable, on_started, g_object_ref(window));
}

static void add_account(GtkWidget *widget, const char *name, GVariant *parameter)
{
    PosternWindow *window = POSTERN_WINDOW(widget);
    g_autoptr(GDBusConnection) connection = g_bus_get_sync(G_BUS_TYPE_SESSION, NULL, NULL);

    page_home(window->pages);
    if (connection)
        assistant_open(GTK_WIDGET(window->stack), connection);
    else
        toast(window, _("There is no session bus"));
}

static void show_queue(GtkWidget *widget, const char *name, GVariant *parameter)
{
    PosternWindow *window = POSTERN_WINDOW(widget);

    if (window->manager)
        outgoing_page_open(GTK_WIDGET(window->stack), window->manager);
}

static void go_back(GtkWidget *widget, const char *name, GVariant *parameter)
{
    page_back(POSTERN_WINDOW(widget)->pages);
}

/* ---- life ---------------------------------------------------------------------------------- */

static void postern_window_init(PosternWindow *window)
{
    gtk_widget_init_template(GTK_WIDGET(window));
    window->cancellable = g_cancellable_new();
    window->account_rows = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    row_list_init(&window->queue_rows, window->queue);
    row_list_init(&window->problem_rows, window->problems);
    g_signal_connect_swapped(window->offline, "notify::active", G_CALLBACK(on_switch), window);
    follow_daemon(window);
}

static void postern_window_dispose(GObject *object)
{
    PosternWindow *window = POSTERN_WINDOW(object);

    g_cancellable_cancel(window->cancellable);
    g_clear_pointer(&window->follower, follower_free);
    forget_daemon(window);
    G_OBJECT_CLASS(postern_window_parent_class)->dispose(object);
}

static void postern_window_finalize(GObject *object)
{
    PosternWindow *window = POSTERN_WINDOW(object);

    g_object_unref(window->cancellable);
    g_hash_table_unref(window->account_rows);
    row_list_free(&window->queue_rows);
    row_list_free(&window->problem_rows);
    G_OBJECT_CLASS(postern_window_parent_class)->finalize(object);
}

static void postern_window_class_init(PosternWindowClass *class)
{
    GtkWidgetClass *widget = GTK_WIDGET_CLASS(class);

    G_OBJECT_CLASS(class)->dispose = postern_window_dispose;
    G_OBJECT_CLASS(class)->finalize = postern_window_finalize;
    gtk_widget_class_set_template_from_resource(widget, "/org/postern/Postern/window.ui");
    gtk_widget_class_bind_template_child(widget, PosternWindow, toasts);
    gtk_widget_class_bind_template_child(widget, PosternWindow, pages);
    gtk_widget_class_bind_template_child(widget, PosternWindow, stack);
    gtk_widget_class_bind_template_child(widget, PosternWindow, problems);
    gtk_widget_class_bind_template_child(widget, PosternWindow, accounts);
    gtk_widget_class_bind_template_child(widget, PosternWindow, queue);
    gtk_widget_class_bind_template_child(widget, PosternWindow, online_row);
    gtk_widget_class_bind_template_child(widget, PosternWindow, offline);
    gtk_widget_class_bind_template_child(widget, PosternWindow, all);
    gtk_widget_class_install_action(widget, "win.sync", NULL, sync_now);
    gtk_widget_class_install_action(widget, "win.start", NULL, start_daemon);
    gtk_widget_class_install_action(widget, "win.add-account", NULL, add_account);
    gtk_widget_class_install_action(widget, "win.queue", NULL, show_queue);
    gtk_widget_class_install_action(widget, "win.back", NULL, go_back);
    gtk_widget_class_add_binding_action(widget, GDK_KEY_Left, GDK_ALT_MASK, "win.back", NULL);
    gtk_widget_class_add_binding_action(widget, GDK_KEY_Escape, 0, "win.back", NULL);
}

GtkWidget *postern_window_new(GtkApplication *application)
{
    return g_object_new(POSTERN_TYPE_WINDOW, "application", application, NULL);
}
