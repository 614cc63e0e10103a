/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The page of one account. All that is shown follows the account's properties; what the provider has
 * refused is listed again when its count changes.
 */
#include "ui/window/account-page.h"

#include "ui/window/call.h"
#include "ui/window/client-page.h"
#include "ui/window/folders-page.h"
#include "ui/window/page.h"
#include "ui/window/password-dialog.h"
#include "ui/window/problem-row.h"
#include "ui/window/row.h"
#include "ui/window/server-dialog.h"
#include "ui/window/signin-page.h"
#include "ui/window/text.h"
#include "ui/window/toolkit.h"

#include <glib/gi18n.h>
#include <string.h>

#define ACCOUNT_TYPE_PAGE (account_page_get_type())
G_DECLARE_FINAL_TYPE(AccountPage, account_page, ACCOUNT, PAGE, AdwBin)

struct _AccountPage {
    AdwBin parent;
    PosternAccount *account;
    PosternManager *manager;
    GtkWidget *state, *mail, *keep, *incoming, *outgoing; /* rows */
    GtkWidget *enter, *sign_in;                           /* buttons */
    RowList problems, passwords;
    char **keeps;          /* what `keep` chooses from: values of prefetch= */
    char **shown;          /* the names of the passwords in the list; NULL: none yet */
    gboolean setting_keep; /* it is the account that chose, not the user */
    GCancellable *listing; /* of what is refused, under way */
};

G_DEFINE_FINAL_TYPE(AccountPage, account_page, ADW_TYPE_BIN)

/* ---- what the provider refused ------------------------------------------------------------- */

static void on_listed(GObject *source, GAsyncResult *result, gpointer data)
{
    AccountPage *page = data;
    g_autoptr(GVariant) list = NULL;
    g_autoptr(GError) error = NULL;

    /* Cancelled: the page may be gone. An account that doesn't run has nothing to list. */
    if (!postern_account_call_list_pending_finish(POSTERN_ACCOUNT(source), &list, result, &error) &&
        g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    row_list_clear(&page->problems);
    for (gsize i = 0; list && i < g_variant_n_children(list); i++) {
        g_autoptr(GVariant) problem = g_variant_get_child_value(list, i);
        row_list_add(&page->problems, problem_row_new(page->account, problem));
    }
    gtk_widget_set_visible(GTK_WIDGET(page->problems.group), page->problems.rows->len > 0);
}

static void update_problems(AccountPage *page)
{
    g_cancellable_cancel(page->listing);
    g_clear_object(&page->listing);
    page->listing = g_cancellable_new();
    postern_account_call_list_pending(page->account, page->listing, on_listed, page);
}

/* ---- its settings -------------------------------------------------------------------------- */

static char *setting(AccountPage *page, const char *key)
{
    GVariant *settings = postern_account_get_settings(page->account);
    char *value = NULL;

    if (settings)
        g_variant_lookup(settings, key, "s", &value);
    return value;
}

static gboolean is_local(AccountPage *page)
{
    g_autofree char *incoming = setting(page, "incoming");

    return incoming && g_str_has_prefix(incoming, "local:");
}

static const char *upstream(AccountPage *page, const char *key)
{
    GVariant *upstream = postern_account_get_upstream(page->account);
    const char *value = "";

    if (upstream)
        g_variant_lookup(upstream, key, "&s", &value);
    return value;
}

static void show_server(GtkWidget *row, const char *url, const char *error)
{
    g_autofree char *text =
        g_strdup_printf("%s%s%s", *url ? url : _("none"), *error ? "\n" : "", error);

    adw_action_row_set_subtitle(ADW_ACTION_ROW(row), text);
}

static char *keep_text(const char *prefetch)
{
    int days = atoi(prefetch);

    if (strcmp(prefetch, "all") == 0)
        return g_strdup(_("Everything"));
    if (strcmp(prefetch, "headers") == 0)
        return g_strdup(_("Headers only"));
    return g_strdup_printf(ngettext("The last %d day", "The last %d days", days), days);
}

/* What one usually chooses from, and what the file says if that is something else. */
static void update_keep(AccountPage *page)
{
    g_autofree char *now = setting(page, "prefetch");
    const char *chosen = now && *now ? now : "all";
    static const char *const usual[] = {"all", "90d", "headers", NULL};
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    GtkStringList *texts = gtk_string_list_new(NULL);
    guint at = 0;

    g_strv_builder_addv(builder, (const char **)usual);
    if (!g_strv_contains(usual, chosen))
        g_strv_builder_add(builder, chosen);
    g_strfreev(page->keeps);
    page->keeps = g_strv_builder_end(builder);
    for (guint i = 0; page->keeps[i]; i++) {
        g_autofree char *text = keep_text(page->keeps[i]);
        gtk_string_list_append(texts, text);
        at = strcmp(page->keeps[i], chosen) == 0 ? i : at;
    }
    page->setting_keep = TRUE;
    adw_combo_row_set_model(ADW_COMBO_ROW(page->keep), G_LIST_MODEL(texts));
    adw_combo_row_set_selected(ADW_COMBO_ROW(page->keep), at);
    page->setting_keep = FALSE;
    g_object_unref(texts);
}

static void on_configured(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GtkWidget) page = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = call_finish(source, result, &error);

    if (answer)
        return;
    toolkit_tell(page, _("That Couldn’t Be Changed"), error->message, NULL);
    update_keep(ACCOUNT_PAGE(page));
}

static void on_keep(AccountPage *page)
{
    guint chosen = adw_combo_row_get_selected(ADW_COMBO_ROW(page->keep));
    GVariantDict dict;

    if (page->setting_keep || chosen >= g_strv_length(page->keeps))
        return;
    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "prefetch", "s", page->keeps[chosen]);
    account_call(page->account, "Configure",
                 g_variant_new("(@a{sv}s)", g_variant_dict_end(&dict), ""), NULL, on_configured,
                 g_object_ref(page));
}

/* ---- mail programs ------------------------------------------------------------------------- */

static void on_revoked(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GtkWidget) page = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = call_finish(source, result, &error);

    if (!answer)
        toolkit_tell(page, _("The Password Is Still Good"), error->message, NULL);
}

static void end_password(GtkWidget *parent, GtkWidget *extra, gpointer data)
{
    AccountPage *page = ACCOUNT_PAGE(parent);
    const char *name = g_object_get_data(data, "name");

    account_call(page->account, "RevokeLocalPassword", g_variant_new("(s)", name), NULL, on_revoked,
                 g_object_ref(page));
}

static void on_revoke(GtkWidget *button, AccountPage *page)
{
    g_autofree char *body =
        g_strdup_printf(_("“%s” won’t get at this account any more until it has a new password."),
                        (const char *)g_object_get_data(G_OBJECT(button), "name"));
    ToolkitQuestion question = {.heading = _("End This Password?"),
                                .body = body,
                                .accept = _("_End It"),
                                .destructive = TRUE};

    toolkit_ask(GTK_WIDGET(page), &question, end_password, G_OBJECT(button));
}

static void add_password(AccountPage *page, const char *name)
{
    GtkWidget *row = row_new(name, NULL);
    g_autofree char *label = g_strdup_printf(_("End the password of %s"), name);
    GtkWidget *button =
        row_add_icon_button(row, "user-trash-symbolic", label, G_CALLBACK(on_revoke), page);

    g_object_set_data_full(G_OBJECT(button), "name", g_strdup(name), g_free);
    row_list_add(&page->passwords, row);
}

static void update_passwords(AccountPage *page)
{
    const char *const *names = postern_account_get_local_passwords(page->account);

    if (!names || (page->shown && g_strv_equal(names, (const char *const *)page->shown)))
        return;
    g_strfreev(page->shown);
    page->shown = g_strdupv((char **)names);
    row_list_clear(&page->passwords);
    for (; *names; names++)
        add_password(page, *names);
}

static void on_client(AccountPage *page)
{
    client_page_open(GTK_WIDGET(page), page->account, page->manager);
}

/* ---- the state ----------------------------------------------------------------------------- */

static void on_sync(GtkButton *button, AccountPage *page)
{
    account_call(page->account, "Sync", g_variant_new("(b)", FALSE), NULL, on_configured,
                 g_object_ref(page));
}

static void on_enter(GtkButton *button, AccountPage *page)
{
    password_dialog_show(GTK_WIDGET(page), page->account);
}

static void on_sign_in(GtkButton *button, AccountPage *page)
{
    signin_page_authorize(GTK_WIDGET(page), page->account);
}

static void update_state(AccountPage *page)
{
    const char *error = postern_account_get_last_error(page->account);
    const char *state = postern_account_get_state(page->account);
    g_autofree char *text = text_account_state(page->account);
    g_autofree char *changes = text_account_changes(page->account);
    g_autofree char *oauth2 = setting(page, "oauth2");
    gboolean says_it = error && strcmp(error, text) == 0;
    gboolean wrong = g_strcmp0(state, "auth-required") == 0 || g_strcmp0(state, "locked") == 0;
    g_autofree char *details =
        g_strjoin(error && *error && !says_it && changes ? "\n" : "",
                  error && !says_it ? error : "", changes ? changes : "", NULL);

    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(page->state), text);
    adw_action_row_set_subtitle(ADW_ACTION_ROW(page->state), details);
    gtk_widget_set_visible(page->enter, wrong && !oauth2);
    gtk_widget_set_visible(page->sign_in, oauth2 != NULL);
}

static void update(AccountPage *page)
{
    g_autofree char *mail = text_account_mail(page->account);

    update_state(page);
    adw_action_row_set_subtitle(ADW_ACTION_ROW(page->mail), mail);
    show_server(page->incoming, upstream(page, "Incoming"), upstream(page, "IncomingError"));
    show_server(page->outgoing, upstream(page, "Outgoing"), upstream(page, "OutgoingError"));
    update_passwords(page);
}

/* ---- leaving it ---------------------------------------------------------------------------- */

static void on_removed(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GtkWidget) page = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = call_finish(source, result, &error);

    if (!answer)
        toolkit_tell(page, _("The Account Wasn’t Removed"), error->message, NULL);
    else if (gtk_widget_get_root(page))
        gtk_widget_activate_action(page, "win.back", NULL);
}

static void remove_account(GtkWidget *parent, GtkWidget *purge, gpointer account)
{
    manager_call(g_dbus_proxy_get_connection(account), "RemoveAccount",
                 g_variant_new("(sb)", postern_account_get_id(account),
                               gtk_check_button_get_active(GTK_CHECK_BUTTON(purge))),
                 NULL, on_removed, g_object_ref(parent));
}

static void on_remove(GtkButton *button, AccountPage *page)
{
    ToolkitQuestion question = {
        .heading = _("Remove This Account?"),
        .body = _("Mail programs can’t reach it through Postern any more. At the provider nothing "
                  "changes."),
        .accept = _("_Remove"),
        .extra = gtk_check_button_new_with_mnemonic(
            _("_Delete its mail from this computer too, with what isn’t sent yet")),
        .destructive = TRUE};

    toolkit_ask(GTK_WIDGET(page), &question, remove_account, G_OBJECT(page->account));
}

static void on_servers(GtkButton *button, AccountPage *page)
{
    server_dialog_show(GTK_WIDGET(page), page->account);
}

static void on_folders(AccountPage *page)
{
    folders_page_open(GTK_WIDGET(page), page->account);
}

/* ---- how it is built ----------------------------------------------------------------------- */

static AdwPreferencesGroup *add_group(GtkWidget *list, const char *title)
{
    GtkWidget *group = adw_preferences_group_new();

    adw_preferences_group_set_title(ADW_PREFERENCES_GROUP(group), title);
    adw_preferences_page_add(ADW_PREFERENCES_PAGE(list), ADW_PREFERENCES_GROUP(group));
    return ADW_PREFERENCES_GROUP(group);
}

static void add_state(AccountPage *page, GtkWidget *list)
{
    AdwPreferencesGroup *group = add_group(list, "");

    page->state = row_new("", NULL);
    page->enter = row_add_button(page->state, _("Enter _Password…"), G_CALLBACK(on_enter), page);
    page->sign_in = row_add_button(page->state, _("Sign _In Again…"), G_CALLBACK(on_sign_in), page);
    row_add_icon_button(page->state, "view-refresh-symbolic", _("Look for New Mail"),
                        G_CALLBACK(on_sync), page);
    adw_preferences_group_add(group, page->state);
    group = add_group(list, _("What Needs a Look"));
    gtk_widget_set_visible(GTK_WIDGET(group), FALSE);
    row_list_init(&page->problems, group);
}

static void add_mail(AccountPage *page, GtkWidget *list)
{
    AdwPreferencesGroup *group = add_group(list, _("Mail"));
    GtkWidget *folders = row_new_opening(_("Folders"), NULL);

    page->mail = row_new(_("On This Computer"), NULL);
    page->keep = adw_combo_row_new();
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(page->keep), _("Keep Here"));
    g_signal_connect_swapped(folders, "activated", G_CALLBACK(on_folders), page);
    g_signal_connect_swapped(page->keep, "notify::selected", G_CALLBACK(on_keep), page);
    adw_preferences_group_add(group, page->mail);
    adw_preferences_group_add(group, folders);
    if (!is_local(page))
        adw_preferences_group_add(group, page->keep);
    else
        g_object_ref_sink(page->keep);
}

static void add_clients(AccountPage *page, GtkWidget *list)
{
    AdwPreferencesGroup *group = add_group(list, _("Mail Programs"));
    GtkWidget *set_up = row_new_opening(_("Set Up a Mail Program"), NULL);

    g_signal_connect_swapped(set_up, "activated", G_CALLBACK(on_client), page);
    adw_preferences_group_add(group, set_up);
    row_list_init(&page->passwords, group);
}

static void add_servers(AccountPage *page, GtkWidget *list)
{
    AdwPreferencesGroup *group = add_group(list, _("Provider"));
    GtkWidget *remove = gtk_button_new_with_mnemonic(_("_Remove Account…"));

    page->incoming = row_new(_("Incoming Mail"), NULL);
    page->outgoing = row_new(_("Outgoing Mail"), NULL);
    row_add_button(page->incoming, _("_Change…"), G_CALLBACK(on_servers), page);
    adw_preferences_group_add(group, page->incoming);
    adw_preferences_group_add(group, page->outgoing);
    if (is_local(page))
        gtk_widget_set_visible(GTK_WIDGET(group), FALSE);
    group = add_group(list, "");
    gtk_widget_add_css_class(remove, "destructive-action");
    gtk_widget_set_halign(remove, GTK_ALIGN_CENTER);
    g_signal_connect(remove, "clicked", G_CALLBACK(on_remove), page);
    adw_preferences_group_add(group, remove);
}

static void account_page_init(AccountPage *page)
{
}

static void account_page_dispose(GObject *object)
{
    AccountPage *page = ACCOUNT_PAGE(object);

    g_cancellable_cancel(page->listing);
    g_clear_object(&page->listing);
    row_list_free(&page->problems);
    row_list_free(&page->passwords);
    g_clear_pointer(&page->keeps, g_strfreev);
    g_clear_pointer(&page->shown, g_strfreev);
    g_clear_object(&page->account);
    g_clear_object(&page->manager);
    G_OBJECT_CLASS(account_page_parent_class)->dispose(object);
}

static void account_page_class_init(AccountPageClass *class)
{
    G_OBJECT_CLASS(class)->dispose = account_page_dispose;
}

void account_page_open(GtkWidget *from, PosternAccount *account, PosternManager *manager)
{
    AccountPage *page = g_object_new(ACCOUNT_TYPE_PAGE, NULL);
    GtkWidget *list = adw_preferences_page_new();
    const char *address = postern_account_get_address(account);

    page->account = g_object_ref(account);
    page->manager = g_object_ref(manager);
    add_state(page, list);
    add_mail(page, list);
    add_clients(page, list);
    add_servers(page, list);
    adw_bin_set_child(ADW_BIN(page), list);
    update_keep(page);
    update(page);
    update_problems(page);
    g_signal_connect_object(account, "notify::pending-changes", G_CALLBACK(update_problems), page,
                            G_CONNECT_SWAPPED);
    g_signal_connect_object(account, "notify", G_CALLBACK(update), page, G_CONNECT_SWAPPED);
    g_signal_connect_object(account, "notify::settings", G_CALLBACK(update_keep), page,
                            G_CONNECT_SWAPPED);
    page_open(from, page_new(address && *address ? address : postern_account_get_id(account),
                             GTK_WIDGET(page)));
}
