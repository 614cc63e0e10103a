/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Signing in with OAuth 2. See signin-page.h. */
#include "ui/window/signin-page.h"

#include "ui/window/call.h"
#include "ui/window/page.h"
#include "ui/window/row.h"
#include "ui/window/toolkit.h"

#include <glib/gi18n.h>

#define SIGNIN_TYPE_PAGE (signin_page_get_type())
G_DECLARE_FINAL_TYPE(SigninPage, signin_page, SIGNIN, PAGE, AdwBin)

struct _SigninPage {
    AdwBin parent;
    GtkWidget *from;
    GDBusConnection *connection;
    char *address, *server, *handle;
    SignedIn done;
    GtkWidget *status, *paste; /* a label; an entry row */
    AdwPreferencesGroup *group;
    RowList rows;
    GtkWidget *code_button;
    GCancellable *cancellable; /* ends with the page */
};

G_DEFINE_FINAL_TYPE(SigninPage, signin_page, ADW_TYPE_BIN)

static void say(SigninPage *page, const char *text)
{
    gtk_label_set_text(GTK_LABEL(page->status), text);
}

/* ---- the end ------------------------------------------------------------------------------- */

static void on_finished(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(SigninPage) page = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = call_finish(source, result, &error);

    if (g_cancellable_is_cancelled(page->cancellable) || !page->handle)
        return;
    if (!answer) {
        say(page, error->message);
        return;
    }
    g_autoptr(GtkWidget) from = g_object_ref(page->from);
    g_autofree char *handle = g_steal_pointer(&page->handle);
    SignedIn done = page->done;
    if (gtk_widget_get_root(GTK_WIDGET(page)))
        gtk_widget_activate_action(GTK_WIDGET(page), "win.back", NULL);
    done(from, handle);
}

static void finish(SigninPage *page, const char *pasted)
{
    manager_call(page->connection, "FinishSignIn", g_variant_new("(ss)", page->handle, pasted),
                 page->cancellable, on_finished, g_object_ref(page));
}

static void on_pasted(SigninPage *page)
{
    if (page->handle)
        finish(page, gtk_editable_get_text(GTK_EDITABLE(page->paste)));
}

/* ---- the beginning ------------------------------------------------------------------------- */

static void on_open(GtkButton *button, SigninPage *page)
{
    const char *url = g_object_get_data(G_OBJECT(page), "url");

    g_app_info_launch_default_for_uri_async(url, NULL, NULL, NULL, NULL);
}

static void show_page(SigninPage *page, GVariant *answer)
{
    g_autoptr(GVariant) what = NULL;
    const char *url = "", *code = "";
    gboolean returns = FALSE;

    g_variant_get(answer, "(s@a{sv})", &page->handle, &what);
    g_variant_lookup(what, "Url", "&s", &url);
    g_variant_lookup(what, "Code", "&s", &code);
    g_variant_lookup(what, "Returns", "b", &returns);
    g_object_set_data_full(G_OBJECT(page), "url", g_strdup(url), g_free);
    row_list_clear(&page->rows);
    if (*code) {
        say(page, _("Open this page on any device and type in the code. Postern goes on by itself "
                    "as soon as you have agreed there."));
        row_list_add(&page->rows, row_new_value(_("Code"), code));
    } else {
        say(page, _("Sign in in your browser, and agree that Postern may handle your mail. It goes "
                    "on by itself then."));
        on_open(NULL, page);
    }
    GtkWidget *row = row_new_value(_("Page"), url);
    row_add_button(row, _("_Open"), G_CALLBACK(on_open), page);
    row_list_add(&page->rows, row);
    gtk_widget_set_visible(page->paste, !*code);
    gtk_widget_set_visible(page->code_button, !*code);
    if (returns || *code)
        finish(page, "");
}

static void on_begun(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(SigninPage) page = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = call_finish(source, result, &error);

    if (g_cancellable_is_cancelled(page->cancellable))
        return;
    if (answer)
        show_page(page, answer);
    else
        say(page, error->message);
}

static void cancel_sign_in(SigninPage *page)
{
    if (page->handle)
        manager_call(page->connection, "CancelSignIn", g_variant_new("(s)", page->handle), NULL,
                     NULL, NULL);
    g_clear_pointer(&page->handle, g_free);
}

static void begin(SigninPage *page, gboolean device)
{
    GVariantDict options;

    cancel_sign_in(page);
    g_variant_dict_init(&options, NULL);
    g_variant_dict_insert(&options, "device", "b", device);
    say(page, _("Asking the provider…"));
    manager_call(
        page->connection, "SignIn",
        g_variant_new("(ss@a{sv})", page->address, page->server, g_variant_dict_end(&options)),
        page->cancellable, on_begun, g_object_ref(page));
}

static void on_code(GtkButton *button, SigninPage *page)
{
    begin(page, TRUE);
}

/* ---- the page ------------------------------------------------------------------------------ */

static void build(SigninPage *page)
{
    GtkBox *box;
    GtkWidget *column = page_column(&box);

    page->status = gtk_label_new("");
    gtk_label_set_wrap(GTK_LABEL(page->status), TRUE);
    gtk_label_set_xalign(GTK_LABEL(page->status), 0);
    page->group = ADW_PREFERENCES_GROUP(adw_preferences_group_new());
    row_list_init(&page->rows, page->group);
    page->paste = adw_entry_row_new();
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(page->paste),
                                  _("Is the browser elsewhere? The address that it ended at"));
    adw_entry_row_set_show_apply_button(ADW_ENTRY_ROW(page->paste), TRUE);
    g_signal_connect_swapped(page->paste, "apply", G_CALLBACK(on_pasted), page);
    GtkWidget *pasting = adw_preferences_group_new();
    adw_preferences_group_add(ADW_PREFERENCES_GROUP(pasting), page->paste);
    page->code_button = gtk_button_new_with_mnemonic(_("Sign In With a _Code Instead"));
    gtk_widget_set_halign(page->code_button, GTK_ALIGN_CENTER);
    g_signal_connect(page->code_button, "clicked", G_CALLBACK(on_code), page);
    gtk_box_append(box, page->status);
    gtk_box_append(box, GTK_WIDGET(page->group));
    gtk_box_append(box, pasting);
    gtk_box_append(box, page->code_button);
    adw_bin_set_child(ADW_BIN(page), column);
}

static void signin_page_init(SigninPage *page)
{
    page->cancellable = g_cancellable_new();
    build(page);
}

static void signin_page_dispose(GObject *object)
{
    SigninPage *page = SIGNIN_PAGE(object);

    g_cancellable_cancel(page->cancellable);
    if (page->connection)
        cancel_sign_in(page);
    row_list_free(&page->rows);
    g_clear_object(&page->cancellable);
    g_clear_object(&page->connection);
    g_clear_object(&page->from);
    g_clear_pointer(&page->address, g_free);
    g_clear_pointer(&page->server, g_free);
    G_OBJECT_CLASS(signin_page_parent_class)->dispose(object);
}

/* Calls that are under way hold the page, so they end when it is left, not when it is freed. */
static void signin_page_unroot(GtkWidget *widget)
{
    g_cancellable_cancel(SIGNIN_PAGE(widget)->cancellable);
    GTK_WIDGET_CLASS(signin_page_parent_class)->unroot(widget);
}

static void signin_page_class_init(SigninPageClass *class)
{
    G_OBJECT_CLASS(class)->dispose = signin_page_dispose;
    GTK_WIDGET_CLASS(class)->unroot = signin_page_unroot;
}

void signin_page_open(GtkWidget *from, const SignInAt *at, SignedIn done)
{
    SigninPage *page = g_object_new(SIGNIN_TYPE_PAGE, NULL);

    page->from = g_object_ref(from);
    page->connection = g_object_ref(at->connection);
    page->address = g_strdup(at->address);
    page->server = g_strdup(at->server);
    page->done = done;
    page_open(from, page_new(_("Sign In"), GTK_WIDGET(page)));
    begin(page, FALSE);
}

/* ---- an account that is there already ------------------------------------------------------ */

static void on_authorized(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GtkWidget) from = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = call_finish(source, result, &error);

    if (!answer)
        toolkit_tell(from, _("The Sign-In Isn’t Used"), error->message, NULL);
}

static void authorize(GtkWidget *from, const char *handle)
{
    PosternAccount *account = g_object_get_data(G_OBJECT(from), "signin-account");

    account_call(account, "Authorize", g_variant_new("(s)", handle), NULL, on_authorized,
                 g_object_ref(from));
}

void signin_page_authorize(GtkWidget *from, PosternAccount *account)
{
    GVariant *settings = postern_account_get_settings(account);
    const char *server = "";

    if (settings)
        g_variant_lookup(settings, "oauth2", "&s", &server);
    g_object_set_data_full(G_OBJECT(from), "signin-account", g_object_ref(account), g_object_unref);
    signin_page_open(from,
                     &(SignInAt){g_dbus_proxy_get_connection(G_DBUS_PROXY(account)),
                                 postern_account_get_address(account), server},
                     authorize);
}
