/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One account in the window's list: what it is doing; a click opens its page. */
#include "ui/window/account-row.h"

#include "ui/window/account-page.h"
#include "ui/window/text.h"

#include <string.h>

struct _AccountRow {
    AdwActionRow parent;
    PosternAccount *account;
    PosternManager *manager;
    GtkWidget *icon, *progress;
};

G_DEFINE_FINAL_TYPE(AccountRow, account_row, ADW_TYPE_ACTION_ROW)

static void update(AccountRow *row)
{
    const char *state = postern_account_get_state(row->account);
    const char *address = postern_account_get_address(row->account);
    const char *activity = postern_account_get_activity(row->account);
    const char *id = postern_account_get_id(row->account);

    if (!state || !id)
        return;
    g_autofree char *text = text_account_state(row->account);
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(row), address && *address ? address : id);
    adw_action_row_set_subtitle(ADW_ACTION_ROW(row), text);
    gtk_image_set_from_icon_name(GTK_IMAGE(row->icon), text_account_icon(row->account));
    gtk_progress_bar_set_fraction(GTK_PROGRESS_BAR(row->progress),
                                  postern_account_get_progress(row->account));
    gtk_widget_set_visible(row->progress, strcmp(state, "syncing") == 0 || (activity && *activity));
    if (text_account_is_wrong(state))
        gtk_widget_add_css_class(row->icon, "error");
    else
        gtk_widget_remove_css_class(row->icon, "error");
}

static void on_activated(AccountRow *row, gpointer data)
{
    account_page_open(GTK_WIDGET(row), row->account, row->manager);
}

static void account_row_init(AccountRow *row)
{
    row->icon = gtk_image_new();
    row->progress = gtk_progress_bar_new();
    gtk_widget_set_valign(row->progress, GTK_ALIGN_CENTER);
    gtk_widget_set_size_request(row->progress, 80, -1);
    adw_preferences_row_set_use_markup(ADW_PREFERENCES_ROW(row), FALSE);
    adw_action_row_set_subtitle_lines(ADW_ACTION_ROW(row), 0);
    adw_action_row_add_prefix(ADW_ACTION_ROW(row), row->icon);
    adw_action_row_add_suffix(ADW_ACTION_ROW(row), row->progress);
    adw_action_row_add_suffix(ADW_ACTION_ROW(row),
                              gtk_image_new_from_icon_name("go-next-symbolic"));
    gtk_list_box_row_set_activatable(GTK_LIST_BOX_ROW(row), TRUE);
    g_signal_connect(row, "activated", G_CALLBACK(on_activated), NULL);
}

static void account_row_dispose(GObject *object)
{
    AccountRow *row = ACCOUNT_ROW(object);

    g_clear_object(&row->account);
    g_clear_object(&row->manager);
    G_OBJECT_CLASS(account_row_parent_class)->dispose(object);
}

static void account_row_class_init(AccountRowClass *class)
{
    G_OBJECT_CLASS(class)->dispose = account_row_dispose;
}

GtkWidget *account_row_new(PosternAccount *account, PosternManager *manager)
{
    AccountRow *row = g_object_new(ACCOUNT_TYPE_ROW, NULL);

    row->account = g_object_ref(account);
    row->manager = g_object_ref(manager);
    g_signal_connect_object(account, "notify", G_CALLBACK(update), row, G_CONNECT_SWAPPED);
    update(row);
    return GTK_WIDGET(row);
}
