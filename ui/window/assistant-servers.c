/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The second page of adding an account: its servers and how one signs in. They are tried before anything
 * is stored; what they answer is said here, and all of it can be changed and tried again.
 */
#include "ui/common/offer.h"
#include "ui/window/assistant.h"
#include "ui/window/call.h"
#include "ui/window/page.h"
#include "ui/window/signin-page.h"

#include <glib/gi18n.h>
#include <string.h>

typedef struct {
    GDBusConnection *connection;
    char *address;
    OfferAuth auth;
    char **users, **outgoing_users; /* to try, as the offer has them; or NULL */
    char *handle;                   /* of a finished sign-in; or NULL */
    gboolean untried;               /* the user doesn't want it tried */
    gboolean without_sending;       /* ... or accepts that nothing can be sent yet */
    char *tried;                    /* with which servers that was said */
    GtkWidget *page, *incoming, *outgoing, *user, *password, *keep, *agreed; /* agreed: or NULL */
    GtkWidget *words, *next, *anyway;
    GCancellable *cancellable; /* ends with the page */
} Step;

static const char *const keeps[] = {"all", "90d", "headers"};

static void step_free(gpointer data)
{
    Step *step = data;

    g_object_unref(step->connection);
    g_object_unref(step->cancellable);
    g_free(step->address);
    g_free(step->auth.server);
    g_strfreev(step->users);
    g_strfreev(step->outgoing_users);
    g_free(step->handle);
    g_free(step->tried);
    g_free(step);
}

static const char *text_of(GtkWidget *row)
{
    return gtk_editable_get_text(GTK_EDITABLE(row));
}

static void put(GVariantDict *dict, const char *key, const char *value)
{
    if (value && *value)
        g_variant_dict_insert(dict, key, "s", value);
}

/* What went wrong; all can be changed and tried again. */
static void fail(Step *step, const char *words)
{
    page_wait(step->next, FALSE);
    page_say(step->words, words);
}

/* ---- adding it ----------------------------------------------------------------------------- */

static void on_added(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = call_finish(source, result, &error);
    Step *step = data;
    const char *path = NULL;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    if (!answer) {
        fail(step, error->message);
        return;
    }
    g_variant_get(answer, "(&o)", &path);
    assistant_open_done(step->page, step->connection, path);
}

/* `user` and `outgoing_user` are those that the servers took; empty: unknown. */
static void add(Step *step, const char *user, const char *outgoing_user)
{
    const char *name = *user ? user : text_of(step->user);
    guint keep = adw_combo_row_get_selected(ADW_COMBO_ROW(step->keep));
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    put(&dict, "address", step->address);
    put(&dict, "incoming", text_of(step->incoming));
    put(&dict, "outgoing", text_of(step->outgoing));
    if (strcmp(name, step->address) != 0)
        put(&dict, "user", name);
    if (*outgoing_user && strcmp(outgoing_user, *name ? name : step->address) != 0)
        put(&dict, "outgoing-user", outgoing_user);
    if (keep > 0 && keep < G_N_ELEMENTS(keeps))
        put(&dict, "prefetch", keeps[keep]);
    if (step->handle) {
        put(&dict, "auth", "oauth2");
        put(&dict, "oauth2", step->auth.server);
        put(&dict, "sign-in", step->handle);
    }
    manager_call(step->connection, "AddAccount",
                 g_variant_new("(@a{sv}s)", g_variant_dict_end(&dict),
                               step->handle ? "" : text_of(step->password)),
                 step->cancellable, on_added, step);
}

/* ---- trying it ----------------------------------------------------------------------------- */

/* That nothing can be sent yet may be the provider's to change: it can be added all the same. */
static gboolean accepts(Step *step, const char *outgoing_error)
{
    if (!*outgoing_error || step->without_sending)
        return TRUE;
    g_autofree char *words =
        g_strdup_printf(_("The mailbox works, but nothing can be sent yet: %s Your provider may "
                          "have to allow it to mail programs."),
                        outgoing_error);
    step->without_sending = TRUE;
    fail(step, words);
    gtk_button_set_label(GTK_BUTTON(step->next), _("_Add It All the Same"));
    return FALSE;
}

static void on_probed(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = call_finish(source, result, &error);
    g_autoptr(GVariant) found = answer ? g_variant_get_child_value(answer, 0) : NULL;
    Step *step = data;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    const char *words = error ? error->message : offer_string(found, "IncomingError");
    if (*words) {
        fail(step, words);
        gtk_widget_set_visible(step->anyway, TRUE);
        return;
    }
    if (accepts(step, *text_of(step->outgoing) ? offer_string(found, "OutgoingError") : ""))
        add(step, offer_string(found, "User"), offer_string(found, "OutgoingUser"));
}

/* The names that the offer has, unless the user has typed another. */
static GVariant *names(Step *step, char **offered)
{
    const char *typed = text_of(step->user);
    const char *const own[] = {*typed ? typed : step->address, NULL};

    if (offered && *offered && g_strcmp0(step->users ? *step->users : NULL, typed) == 0)
        return g_variant_new_strv((const char *const *)offered, -1);
    return g_variant_new_strv(own, -1);
}

static void probe(Step *step)
{
    GVariantDict dict;

    if (step->untried) {
        add(step, "", "");
        return;
    }
    g_variant_dict_init(&dict, NULL);
    put(&dict, "incoming", text_of(step->incoming));
    put(&dict, "outgoing", text_of(step->outgoing));
    g_variant_dict_insert_value(&dict, "users", names(step, step->users));
    g_variant_dict_insert_value(&dict, "outgoing-users", names(step, step->outgoing_users));
    if (step->handle) {
        put(&dict, "auth", "oauth2");
        put(&dict, "sign-in", step->handle);
    }
    manager_call(step->connection, "Probe",
                 g_variant_new("(@a{sv}s)", g_variant_dict_end(&dict),
                               step->handle ? "" : text_of(step->password)),
                 step->cancellable, on_probed, step);
}

static void on_signed_in(GtkWidget *page, const char *handle)
{
    Step *step = g_object_get_data(G_OBJECT(page), "step");

    if (g_cancellable_is_cancelled(step->cancellable))
        return;
    g_free(step->handle);
    step->handle = g_strdup(handle);
    page_wait(step->next, TRUE);
    probe(step);
}

/* What is missing before anything can be tried; NULL: nothing. */
static const char *missing(Step *step)
{
    if (!*text_of(step->incoming))
        return _("The incoming mail server is missing, such as imaps://imap.example.org.");
    if (step->agreed && !gtk_check_button_get_active(GTK_CHECK_BUTTON(step->agreed)))
        return _("Nobody vouches for these servers: say first that they are your provider’s.");
    if (!step->auth.oauth2 && !*text_of(step->password))
        return _("The password is missing.");
    return NULL;
}

static void go_on(Step *step)
{
    const char *words = missing(step);

    if (words) {
        fail(step, words);
        return;
    }
    page_say(step->words, "");
    if (step->auth.oauth2 && !step->handle) {
        signin_page_open(step->page,
                         &(SignInAt){step->connection, step->address, step->auth.server},
                         on_signed_in);
        return;
    }
    page_wait(step->next, TRUE);
    probe(step);
}

static void on_next(Step *step)
{
    g_autofree char *servers =
        g_strjoin(" ", text_of(step->incoming), text_of(step->outgoing), text_of(step->user), NULL);

    /* What was accepted is good for those servers only. */
    step->without_sending = step->without_sending && g_strcmp0(servers, step->tried) == 0;
    g_free(step->tried);
    step->tried = g_steal_pointer(&servers);
    step->untried = FALSE;
    go_on(step);
}

static void on_anyway(Step *step)
{
    step->untried = TRUE;
    go_on(step);
}

/* ---- the page ------------------------------------------------------------------------------ */

static GtkWidget *add_entry(GtkWidget *group, GtkWidget *row, const char *title, const char *value)
{
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(row), title);
    gtk_editable_set_text(GTK_EDITABLE(row), value);
    adw_preferences_group_add(ADW_PREFERENCES_GROUP(group), row);
    return row;
}

static void add_hint(GtkBox *box, GVariant *offer)
{
    const char *hint = offer_string(offer, "Hint"), *link = offer_string(offer, "Link");

    if (*hint) {
        GtkWidget *label = gtk_label_new(hint);
        gtk_label_set_wrap(GTK_LABEL(label), TRUE);
        gtk_label_set_xalign(GTK_LABEL(label), 0);
        gtk_box_append(box, label);
    }
    if (*link)
        gtk_box_append(box,
                       gtk_link_button_new_with_label(link, _("How to do that at the provider")));
}

static void add_agreement(Step *step, GtkBox *box)
{
    step->agreed = gtk_check_button_new_with_label(
        _("These are my provider’s servers: my password may go to them"));
    gtk_box_append(box, step->agreed);
}

static void add_rows(Step *step, GtkBox *box, GVariant *incoming, GVariant *outgoing)
{
    GtkWidget *group = adw_preferences_group_new();
    const char *const choices[] = {_("Everything"), _("The last 90 days"), _("Headers only"), NULL};
    GtkStringList *texts = gtk_string_list_new(choices);

    step->incoming = add_entry(group, adw_entry_row_new(), _("Incoming mail server"),
                               incoming ? offer_string(incoming, "Url") : "");
    step->outgoing = add_entry(group, adw_entry_row_new(), _("Outgoing mail server"),
                               outgoing ? offer_string(outgoing, "Url") : "");
    step->user = add_entry(group, adw_entry_row_new(), _("User name"),
                           step->users && *step->users ? *step->users : step->address);
    step->password = add_entry(group, adw_password_entry_row_new(), _("Password"), "");
    gtk_widget_set_visible(step->password, !step->auth.oauth2);
    step->keep = adw_combo_row_new();
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(step->keep), _("Keep on This Computer"));
    adw_combo_row_set_model(ADW_COMBO_ROW(step->keep), G_LIST_MODEL(texts));
    g_object_unref(texts);
    adw_preferences_group_add(ADW_PREFERENCES_GROUP(group), step->keep);
    gtk_box_append(box, group);
    g_signal_connect_swapped(step->password, "entry-activated", G_CALLBACK(on_next), step);
}

/* What was found, and from where. */
static void add_found(GtkBox *box, const char *address, GVariant *offer, const char *words)
{
    const char *name = offer ? offer_string(offer, "Name") : "";
    g_autofree char *text =
        offer ? g_strdup_printf(_("Found by %s."), offer_string(offer, "Origin"))
              : g_strdup_printf("%s %s", words ? words : "",
                                _("Your provider’s help page names its servers: type them in."));

    page_add_heading(box, *name ? name : address, text);
    if (offer)
        add_hint(box, offer);
}

static void on_gone(GtkWidget *page, Step *step)
{
    g_cancellable_cancel(step->cancellable);
}

static void build(Step *step, GtkBox *box, GVariant *offer, const char *words)
{
    g_autoptr(GVariant) incoming =
        offer ? offer_server(offer, "Incoming", step->auth.oauth2) : NULL;
    g_autoptr(GVariant) outgoing =
        offer ? offer_server(offer, "Outgoing", step->auth.oauth2) : NULL;
    gboolean trusted = TRUE;

    if (incoming)
        g_variant_lookup(incoming, "Users", "^as", &step->users);
    if (outgoing)
        g_variant_lookup(outgoing, "Users", "^as", &step->outgoing_users);
    add_found(box, step->address, offer, words);
    add_rows(step, box, incoming, outgoing);
    if (offer && g_variant_lookup(offer, "Trusted", "b", &trusted) && !trusted)
        add_agreement(step, box);
    step->words = page_add_words(box);
    step->next = page_add_button(box, step->auth.oauth2 ? _("_Sign In…") : _("_Add Account"),
                                 G_CALLBACK(on_next), step);
    step->anyway = gtk_button_new_with_mnemonic(_("Add It _Untried"));
    gtk_widget_set_halign(step->anyway, GTK_ALIGN_CENTER);
    gtk_widget_set_visible(step->anyway, FALSE);
    g_signal_connect_swapped(step->anyway, "clicked", G_CALLBACK(on_anyway), step);
    gtk_box_append(box, step->anyway);
}

void assistant_open_servers(GtkWidget *from, GDBusConnection *connection, const char *address,
                            GVariant *offer, const char *words)
{
    Step *step = g_new0(Step, 1);
    GtkBox *box;

    step->connection = g_object_ref(connection);
    step->cancellable = g_cancellable_new();
    step->address = g_strdup(address);
    if (offer)
        offer_choose_auth(offer, &step->auth);
    step->page = page_column(&box);
    g_object_set_data_full(G_OBJECT(step->page), "step", step, step_free);
    g_signal_connect(step->page, "unrealize", G_CALLBACK(on_gone), step);
    build(step, box, offer, words);
    page_open(from, page_new(_("Add an Account"), step->page));
    gtk_widget_grab_focus(step->auth.oauth2 ? step->next : offer ? step->password : step->incoming);
}
