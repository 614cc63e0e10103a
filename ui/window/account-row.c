/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One account in the window. What the sentences say is in text.c. */
#include "ui/window/account-row.h"

#include "ui/window/client-dialog.h"
#include "ui/window/password-dialog.h"
#include "ui/window/problem-row.h"
#include "ui/window/text.h"
#include "ui/window/toolkit.h"

#include <string.h>

struct _AccountRow {
    AdwExpanderRow parent;
    PosternAccount *account;
    PosternManager *manager;
    GtkWidget *icon, *progress;
    GtkWidget *error, *messages, *pending, *password; /* rows */
    GPtrArray *problems;                              /* rows, borrowed */
    GCancellable *listing;                            /* of what is refused, under way */
};

G_DEFINE_FINAL_TYPE(AccountRow, account_row, ADW_TYPE_EXPANDER_ROW)

/* ---- what it shows ------------------------------------------------------------------------- */

static void show_problems(AccountRow *row, GVariant *list)
{
    for (guint i = 0; i < row->problems->len; i++)
        adw_expander_row_remove(ADW_EXPANDER_ROW(row), row->problems->pdata[i]);
    g_ptr_array_set_size(row->problems, 0);
    for (gsize i = 0; list && i < g_variant_n_children(list); i++) {
        g_autoptr(GVariant) problem = g_variant_get_child_value(list, i);
        GtkWidget *line = problem_row_new(row->account, problem);
        g_ptr_array_add(row->problems, line);
        adw_expander_row_add_row(ADW_EXPANDER_ROW(row), line);
    }
}

static void on_listed(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GVariant) list = NULL;
    g_autoptr(GError) error = NULL;

    /* Cancelled: the row may be gone. An account that doesn't run has nothing to list. */
    if (!postern_account_call_list_pending_finish(POSTERN_ACCOUNT(source), &list, result, &error) &&
        g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    show_problems(data, list);
}

/* The counts say when something may have changed. */
static void list_problems(AccountRow *row, guint count)
{
    g_cancellable_cancel(row->listing);
    g_clear_object(&row->listing);
    if (count == 0) {
        show_problems(row, NULL);
        return;
    }
    row->listing = g_cancellable_new();
    postern_account_call_list_pending(row->account, row->listing, on_listed, row);
}

static void update_details(AccountRow *row)
{
    const char *error = postern_account_get_last_error(row->account);
    g_autofree char *size = g_format_size(postern_account_get_cached_bytes(row->account));
    guint64 missing = postern_account_get_missing(row->account);
    g_autofree char *not_here =
        missing ? g_strdup_printf(", %" G_GUINT64_FORMAT " aren't here yet", missing)
                : g_strdup("");
    g_autofree char *messages =
        g_strdup_printf("%" G_GUINT64_FORMAT " messages in %u folders, %s on this computer%s",
                        postern_account_get_messages(row->account),
                        postern_account_get_folders(row->account), size, not_here);
    GVariant *counts = postern_account_get_pending_changes(row->account);
    guint changes = 0, problems = 0;

    if (counts) {
        g_variant_lookup(counts, "Changes", "u", &changes);
        g_variant_lookup(counts, "Problems", "u", &problems);
    }
    g_autofree char *pending =
        problems ? g_strdup_printf("%u wait for the provider; it has refused %u", changes, problems)
                 : g_strdup_printf("%u wait for the provider", changes);
    adw_action_row_set_subtitle(ADW_ACTION_ROW(row->error), error ? error : "");
    gtk_widget_set_visible(row->error, error && *error);
    adw_action_row_set_subtitle(ADW_ACTION_ROW(row->messages), messages);
    adw_action_row_set_subtitle(ADW_ACTION_ROW(row->pending), pending);
    gtk_widget_set_visible(row->pending, changes || problems);
    list_problems(row, problems);
}

static void update(AccountRow *row)
{
    const char *state = postern_account_get_state(row->account);
    const char *address = postern_account_get_address(row->account);
    const char *id = postern_account_get_id(row->account);

    if (!state || !id)
        return;
    const char *activity = postern_account_get_activity(row->account);
    gboolean busy = strcmp(state, "syncing") == 0 || (activity && *activity);
    gboolean wrong = strcmp(state, "error") == 0 || strcmp(state, "locked") == 0 ||
                     strcmp(state, "auth-required") == 0 || strcmp(state, "no-space") == 0;
    g_autofree char *text = text_account_state(state, postern_account_get_progress(row->account),
                                               postern_account_get_last_sync(row->account));
    g_autofree char *doing =
        text_account_activity(activity, postern_account_get_progress(row->account));
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(row), address && *address ? address : id);
    adw_expander_row_set_subtitle(ADW_EXPANDER_ROW(row), doing ? doing : text);
    gtk_image_set_from_icon_name(GTK_IMAGE(row->icon), text_account_icon(state));
    gtk_progress_bar_set_fraction(GTK_PROGRESS_BAR(row->progress),
                                  postern_account_get_progress(row->account));
    gtk_widget_set_visible(row->progress, busy);
    if (wrong)
        gtk_widget_add_css_class(row->icon, "error");
    else
        gtk_widget_remove_css_class(row->icon, "error");
    gtk_widget_set_visible(row->password, strcmp(state, "auth-required") == 0);
    update_details(row);
}

/* ---- what it does -------------------------------------------------------------------------- */

static void on_client(GtkButton *button, AccountRow *row)
{
    client_dialog_show(GTK_WIDGET(row), row->account, row->manager);
}

static void on_account_password(GtkButton *button, AccountRow *row)
{
    password_dialog_show(GTK_WIDGET(row), row->account);
}

/* ---- life ---------------------------------------------------------------------------------- */

static GtkWidget *detail(AccountRow *row, const char *title)
{
    GtkWidget *line = adw_action_row_new();

    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(line), title);
    /* What servers say is text, not markup. */
    adw_preferences_row_set_use_markup(ADW_PREFERENCES_ROW(line), FALSE);
    adw_action_row_set_subtitle_lines(ADW_ACTION_ROW(line), 0);
    adw_expander_row_add_row(ADW_EXPANDER_ROW(row), line);
    return line;
}

static GtkWidget *button_row(AccountRow *row, const char *title, const char *label,
                             GCallback clicked)
{
    GtkWidget *line = detail(row, title);
    GtkWidget *button = gtk_button_new_with_mnemonic(label);

    gtk_widget_set_valign(button, GTK_ALIGN_CENTER);
    g_signal_connect(button, "clicked", clicked, row);
    adw_action_row_add_suffix(ADW_ACTION_ROW(line), button);
    adw_action_row_set_activatable_widget(ADW_ACTION_ROW(line), button);
    return line;
}

static void account_row_init(AccountRow *row)
{
    row->icon = gtk_image_new();
    row->progress = gtk_progress_bar_new();
    gtk_widget_set_valign(row->progress, GTK_ALIGN_CENTER);
    gtk_widget_set_size_request(row->progress, 120, -1);
    adw_preferences_row_set_use_markup(ADW_PREFERENCES_ROW(row), FALSE);
    adw_expander_row_add_prefix(ADW_EXPANDER_ROW(row), row->icon);
    toolkit_expander_add_suffix(ADW_EXPANDER_ROW(row), row->progress);

    row->error = detail(row, "What is wrong");
    row->password = button_row(row, "Password", "_Enter…", G_CALLBACK(on_account_password));
    row->messages = detail(row, "Mail");
    row->pending = detail(row, "Changes");
    button_row(row, "Mail client", "_Set Up…", G_CALLBACK(on_client));
    row->problems = g_ptr_array_new();
}

static void account_row_dispose(GObject *object)
{
    AccountRow *row = ACCOUNT_ROW(object);

    g_cancellable_cancel(row->listing);
    g_clear_object(&row->listing);
    g_clear_pointer(&row->problems, g_ptr_array_unref);
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
