/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The last page of adding an account: how the first sync comes along, and the way on. See assistant.h. */
#include "ui/window/assistant.h"

#include "dbus/error.h"
#include "ui/window/client-page.h"
#include "ui/window/page.h"
#include "ui/window/text.h"

#include <glib/gi18n.h>
#include <string.h>

#define DONE_TYPE_PAGE (done_page_get_type())
G_DECLARE_FINAL_TYPE(DonePage, done_page, DONE, PAGE, AdwBin)

struct _DonePage {
    AdwBin parent;
    PosternAccount *account; /* NULL until the bus has answered */
    PosternManager *manager; /* likewise */
    GtkWidget *state, *rate, *progress, *clients;
    guint64 here_before; /* messages that were here with their content ... */
    gint64 time_before;  /* ... at that time, microseconds */
};

G_DEFINE_FINAL_TYPE(DonePage, done_page, ADW_TYPE_BIN)

/* "120 messages a second, about 3 minutes left"; "" where that can't be told. The caller frees. */
static char *rate_text(DonePage *page)
{
    guint64 messages = postern_account_get_messages(page->account);
    guint64 missing = postern_account_get_missing(page->account);
    guint64 here = messages > missing ? messages - missing : 0;
    gint64 now = g_get_monotonic_time();
    double seconds = (double)(now - page->time_before) / G_USEC_PER_SEC;

    if (page->time_before && seconds < 1)
        return NULL;
    double rate = page->time_before && here > page->here_before
                      ? (double)(here - page->here_before) / seconds
                      : 0;
    page->here_before = here;
    page->time_before = now;
    if (rate <= 0 || !missing)
        return g_strdup("");
    int minutes = (int)((double)missing / rate / 60) + 1;
    return g_strdup_printf(ngettext("%d messages a second, about %d minute left",
                                    "%d messages a second, about %d minutes left", minutes),
                           (int)(rate + 0.5), minutes);
}

static void update(DonePage *page)
{
    g_autofree char *state = text_account_state(page->account);
    g_autofree char *mail = text_account_mail(page->account);
    g_autofree char *rate = rate_text(page);
    g_autofree char *text = g_strdup_printf("%s\n%s", state, mail);

    gtk_label_set_text(GTK_LABEL(page->state), text);
    if (rate)
        gtk_label_set_text(GTK_LABEL(page->rate), rate);
    gtk_progress_bar_set_fraction(GTK_PROGRESS_BAR(page->progress),
                                  postern_account_get_progress(page->account));
}

static void on_account(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(DonePage) page = data;

    page->account = postern_account_proxy_new_finish(result, NULL);
    if (!page->account)
        return;
    g_signal_connect_object(page->account, "notify", G_CALLBACK(update), page, G_CONNECT_SWAPPED);
    update(page);
    gtk_widget_set_sensitive(page->clients, page->manager != NULL);
}

static void on_manager(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(DonePage) page = data;

    page->manager = postern_manager_proxy_new_finish(result, NULL);
    gtk_widget_set_sensitive(page->clients, page->manager && page->account);
}

static void on_clients(DonePage *page)
{
    client_page_open(GTK_WIDGET(page), page->account, page->manager);
}

static void done_page_init(DonePage *page)
{
    GtkBox *box;
    GtkWidget *column = page_column(&box);

    page_add_heading(box, _("The Account Is Added"),
                     _("Its mail comes to this computer now. You can use it meanwhile."));
    page->progress = gtk_progress_bar_new();
    page->state = gtk_label_new("");
    page->rate = gtk_label_new("");
    gtk_label_set_wrap(GTK_LABEL(page->state), TRUE);
    gtk_label_set_justify(GTK_LABEL(page->state), GTK_JUSTIFY_CENTER);
    gtk_widget_add_css_class(page->rate, "dim-label");
    gtk_box_append(box, page->progress);
    gtk_box_append(box, page->state);
    gtk_box_append(box, page->rate);
    page->clients =
        page_add_button(box, _("_Set Up Your Mail Program"), G_CALLBACK(on_clients), page);
    gtk_widget_set_sensitive(page->clients, FALSE);
    adw_bin_set_child(ADW_BIN(page), column);
}

static void done_page_dispose(GObject *object)
{
    DonePage *page = DONE_PAGE(object);

    g_clear_object(&page->account);
    g_clear_object(&page->manager);
    G_OBJECT_CLASS(done_page_parent_class)->dispose(object);
}

static void done_page_class_init(DonePageClass *class)
{
    G_OBJECT_CLASS(class)->dispose = done_page_dispose;
}

void assistant_open_done(GtkWidget *from, GDBusConnection *connection, const char *path)
{
    DonePage *page = g_object_new(DONE_TYPE_PAGE, NULL);
    GtkWidget *stack = gtk_widget_get_ancestor(from, GTK_TYPE_STACK);

    postern_account_proxy_new(connection, G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START, POSTERN_BUS_NAME,
                              path, NULL, on_account, g_object_ref(page));
    postern_manager_proxy_new(connection, G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START, POSTERN_BUS_NAME,
                              POSTERN_PATH, NULL, on_manager, g_object_ref(page));
    page_home(GTK_STACK(stack));
    page_open(stack, page_new(_("Add an Account"), GTK_WIDGET(page)));
}
