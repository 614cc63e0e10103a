/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Setting up mail programs: those that are on this computer first. See client-page.h. */
#include "ui/window/client-page.h"

#include "dbus/error.h"
#include "ui/common/client-format.h"
#include "ui/common/offer.h"
#include "ui/window/call.h"
#include "ui/window/page.h"
#include "ui/window/row.h"
#include "ui/window/toolkit.h"

#include <glib/gi18n.h>
#include <string.h>

/* How many passwords of one program are looked through for a free name. */
#define NAMES 20

static const struct {
    const char *name, *program, *format; /* format: what client_format() knows it as; or NULL */
    const char *way;                     /* to where the values are typed in */
} programs[] = {
    {"Thunderbird", "thunderbird", NULL,
     N_("Menu → New Account → Email. Type in your name and address and choose “Configure "
        "manually”. "
        "Thunderbird asks once about the certificate of “Postern”: confirm it for good.")},
    {"Evolution", "evolution", NULL,
     N_("Edit → Accounts → Add → Mail Account. The certificate is asked about once: accept it "
        "permanently.")},
    {"Geary", "geary", NULL, N_("Menu → Accounts → Add → Other provider.")},
    {"KMail", "kmail", NULL, N_("Settings → Configure KMail → Accounts → Add.")},
    {"Claws Mail", "claws-mail", NULL, N_("Configuration → Create new account.")},
    {"mutt", "mutt", "mutt", N_("Put this into your .muttrc.")},
    {"neomutt", "neomutt", "neomutt", N_("Put this into your .neomuttrc.")},
    {"aerc", "aerc", "aerc", N_("Put this into accounts.conf in ~/.config/aerc.")},
    {"mbsync", "mbsync", "mbsync", N_("Put this into your .mbsyncrc.")},
    {"msmtp", "msmtp", "msmtp", N_("Put this into your .msmtprc.")},
    {N_("Another program"), NULL, NULL,
     N_("Where the program asks for servers and ports, type these in.")},
};

typedef struct {
    GtkWidget *from;
    PosternAccount *account;
    PosternManager *manager;
    guint program; /* index into `programs` */
    guint name;    /* how many names were tried */
} Request;

static void request_free(Request *request)
{
    g_object_unref(request->from);
    g_object_unref(request->account);
    g_object_unref(request->manager);
    g_free(request);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Request, request_free)

/* ---- what to type in ----------------------------------------------------------------------- */

static void add_server(GtkBox *box, const char *title, GVariant *listeners, const char *protocol)
{
    /* TLS from the first byte is best: nobody who has the port while Postern is down is told the
     * password. */
    g_autoptr(GVariant) listener = client_listener(listeners, protocol, TRUE);
    gboolean tls = listener != NULL;
    GtkWidget *group = adw_preferences_group_new();
    guint16 port = 0;

    if (!listener && !(listener = client_listener(listeners, protocol, FALSE)))
        return;
    g_variant_lookup(listener, "Port", "q", &port);
    g_autofree char *text = g_strdup_printf("%u", port);
    adw_preferences_group_set_title(ADW_PREFERENCES_GROUP(group), title);
    adw_preferences_group_add(ADW_PREFERENCES_GROUP(group),
                              row_new_value(_("Server"), "localhost"));
    adw_preferences_group_add(ADW_PREFERENCES_GROUP(group), row_new_value(_("Port"), text));
    adw_preferences_group_add(ADW_PREFERENCES_GROUP(group),
                              row_new(_("Security"), tls ? _("SSL/TLS; normal password")
                                                         : _("STARTTLS; normal password")));
    gtk_box_append(box, group);
}

static void add_login(GtkBox *box, GVariant *login)
{
    GtkWidget *group = adw_preferences_group_new();

    adw_preferences_group_set_description(
        ADW_PREFERENCES_GROUP(group),
        _("The password is made for this program, and shown only now. It can be ended on the "
          "account’s page."));
    adw_preferences_group_add(ADW_PREFERENCES_GROUP(group),
                              row_new_value(_("User name"), offer_string(login, "User")));
    adw_preferences_group_add(ADW_PREFERENCES_GROUP(group),
                              row_new_value(_("Password"), offer_string(login, "Password")));
    gtk_box_append(box, group);
}

static void add_values(GtkBox *box, Request *request, GVariant *login)
{
    GVariant *listeners = postern_manager_get_listeners(request->manager);

    add_login(box, login);
    add_server(box, _("Incoming mail (IMAP)"), listeners, "imap");
    add_server(box, _("Incoming mail (POP3, for programs without IMAP)"), listeners, "pop3");
    add_server(box, _("Outgoing mail (SMTP)"), listeners, "submission");
}

static void on_copy(GtkWidget *button, GtkTextBuffer *buffer)
{
    g_autofree char *text = NULL;

    g_object_get(buffer, "text", &text, NULL);
    gdk_clipboard_set_text(gtk_widget_get_clipboard(button), text);
}

static void add_text(GtkBox *box, const char *text)
{
    GtkWidget *view = gtk_text_view_new(), *scrolled = gtk_scrolled_window_new();
    GtkTextBuffer *buffer = gtk_text_view_get_buffer(GTK_TEXT_VIEW(view));
    GtkWidget *copy = gtk_button_new_with_mnemonic(_("_Copy"));

    gtk_text_buffer_set_text(buffer, text, -1);
    gtk_text_view_set_editable(GTK_TEXT_VIEW(view), FALSE);
    gtk_text_view_set_monospace(GTK_TEXT_VIEW(view), TRUE);
    gtk_scrolled_window_set_min_content_height(GTK_SCROLLED_WINDOW(scrolled), 240);
    gtk_scrolled_window_set_child(GTK_SCROLLED_WINDOW(scrolled), view);
    g_signal_connect(copy, "clicked", G_CALLBACK(on_copy), buffer);
    gtk_widget_set_halign(copy, GTK_ALIGN_END);
    gtk_box_append(box, scrolled);
    gtk_box_append(box, copy);
}

/* The program's own configuration; NULL: it has none, or a port that it needs isn't open. */
static char *format_of(Request *request, GVariant *login)
{
    GVariant *settings = postern_account_get_settings(request->account);
    const char *address = postern_account_get_address(request->account);
    const char *name = settings ? offer_string(settings, "name") : "";
    const ClientFormat client = {postern_account_get_id(request->account),
                                 address,
                                 *name ? name : address,
                                 offer_string(login, "Password"),
                                 postern_manager_get_authority(request->manager),
                                 postern_manager_get_listeners(request->manager)};
    const char *format = programs[request->program].format;

    return format ? client_format(format, &client, NULL) : NULL;
}

static void show_values(Request *request, GVariant *login)
{
    const char *name = _(programs[request->program].name);
    GtkWidget *way = gtk_label_new(_(programs[request->program].way));
    GtkBox *box;
    GtkWidget *column = page_column(&box);
    g_autofree char *text = format_of(request, login);

    gtk_label_set_wrap(GTK_LABEL(way), TRUE);
    gtk_label_set_xalign(GTK_LABEL(way), 0);
    gtk_box_append(box, way);
    if (text)
        add_text(box, text);
    else
        add_values(box, request, login);
    page_open(request->from, page_new(name, column));
}

/* ---- its password -------------------------------------------------------------------------- */

static void ask_password(Request *request);

static void on_password(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Request) request = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = call_finish(source, result, &error);
    g_autoptr(GVariant) login = answer ? g_variant_get_child_value(answer, 0) : NULL;

    if (g_error_matches(error, POSTERN_ERROR, POSTERN_ERROR_EXISTS) && request->name < NAMES)
        ask_password(g_steal_pointer(&request));
    else if (!login)
        toolkit_tell(request->from, _("That Failed"), error->message, NULL);
    else if (gtk_widget_get_root(request->from))
        show_values(request, login);
}

/* The name of the program, and a number where it has a password already. */
static void ask_password(Request *request)
{
    const char *program = programs[request->program].program;
    const char *base = program ? program : "client";
    g_autofree char *name =
        request->name ? g_strdup_printf("%s-%u", base, request->name + 1) : g_strdup(base);

    request->name++;
    account_call(request->account, "NewLocalPassword", g_variant_new("(s)", name), NULL,
                 on_password, request);
}

/* ---- which program ------------------------------------------------------------------------- */

static void on_chosen(GtkWidget *row, const Request *kept)
{
    Request *request = g_new0(Request, 1);

    *request = (Request){g_object_ref(kept->from), g_object_ref(kept->account),
                         g_object_ref(kept->manager),
                         GPOINTER_TO_UINT(g_object_get_data(G_OBJECT(row), "program")), 0};
    ask_password(request);
}

static void on_gone(gpointer data, GClosure *closure)
{
    Request *kept = data;

    g_object_unref(kept->account);
    g_object_unref(kept->manager);
    g_free(kept);
}

static void add_programs(GtkWidget *column, GtkBox *box, const Request *about)
{
    GtkWidget *group = adw_preferences_group_new();

    adw_preferences_group_set_description(
        ADW_PREFERENCES_GROUP(group),
        _("Which program is to read this account’s mail? It gets a password of its own."));
    for (guint i = 0; i < G_N_ELEMENTS(programs); i++) {
        g_autofree char *found =
            programs[i].program ? g_find_program_in_path(programs[i].program) : g_strdup("");
        if (!found)
            continue;
        GtkWidget *row = row_new_opening(_(programs[i].name), NULL);
        Request *kept = g_memdup2(about, sizeof *about);
        kept->from = column;
        g_object_ref(kept->account);
        g_object_ref(kept->manager);
        g_object_set_data(G_OBJECT(row), "program", GUINT_TO_POINTER(i));
        g_signal_connect_data(row, "activated", G_CALLBACK(on_chosen), kept, on_gone, 0);
        adw_preferences_group_add(ADW_PREFERENCES_GROUP(group), row);
    }
    gtk_box_append(box, group);
}

void client_page_open(GtkWidget *from, PosternAccount *account, PosternManager *manager)
{
    GtkBox *box;
    GtkWidget *column = page_column(&box);

    add_programs(column, box, &(Request){.account = account, .manager = manager});
    page_open(from, page_new(_("Set Up a Mail Program"), column));
}
