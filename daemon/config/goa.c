/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What GNOME Online Accounts says over D-Bus: org.gnome.OnlineAccounts. */
#include "daemon/config/goa.h"

#include <gio/gio.h>
#include <string.h>

#define PATH       "/org/gnome/OnlineAccounts"
#define ACCOUNTS   PATH "/Accounts/"
#define INTERFACE  GOA_NAME "."
#define MSEC       60000
#define ANSWER_MAX 16384 /* octets of a secret */

void goa_account_free(GoaAccount *account)
{
    if (!account)
        return;
    g_free(account->id);
    g_free(account->name);
    g_free(account->address);
    g_free(account->incoming);
    g_free(account->outgoing);
    g_free(account->user);
    g_free(account->outgoing_user);
    g_free(account);
}

gboolean goa_valid_id(const char *id)
{
    for (const char *c = id; *c; c++)
        if (!g_ascii_isalnum(*c) && *c != '_')
            return FALSE;
    return *id != '\0';
}

static GDBusConnection *connect_to_bus(GError **error)
{
    GDBusConnection *bus = g_bus_get_sync(G_BUS_TYPE_SESSION, NULL, error);

    if (bus)
        g_dbus_connection_set_exit_on_close(bus, FALSE);
    return bus;
}

/* ---- what it knows of accounts --------------------------------------------------------------- */

static char *text_of(GVariant *properties, const char *key)
{
    char *text = NULL;

    if (properties)
        g_variant_lookup(properties, key, "s", &text);
    return text && *text ? text : (g_free(text), NULL);
}

static gboolean flag_of(GVariant *properties, const char *key)
{
    gboolean flag = FALSE;

    return properties && g_variant_lookup(properties, key, "b", &flag) && flag;
}

/* "imap.example.org", with a port where it says one, as a URL; TLS comes before STARTTLS where it says both. */
static char *url_of(GVariant *mail, const char *side, const char *tls_scheme, const char *starttls)
{
    g_autofree char *supported = g_strconcat(side, "Supported", NULL);
    g_autofree char *host_key = g_strconcat(side, "Host", NULL);
    g_autofree char *tls_key = g_strconcat(side, "UseSsl", NULL);
    g_autofree char *starttls_key = g_strconcat(side, "UseTls", NULL);
    g_autofree char *host = text_of(mail, host_key);
    const char *scheme = flag_of(mail, tls_key)        ? tls_scheme
                         : flag_of(mail, starttls_key) ? starttls
                                                       : NULL;

    if (!flag_of(mail, supported) || !host || !scheme)
        return NULL;
    g_autofree char *url = g_strdup_printf("%s://%s", scheme, host);
    g_autoptr(NetEndpoint) endpoint = net_endpoint_parse(url, NULL);
    return endpoint ? net_endpoint_to_string(endpoint) : NULL;
}

/* An object with the interfaces of an account; NULL: it isn't one whose mail can be fetched. */
static GoaAccount *read_account(GVariant *interfaces)
{
    g_autoptr(GVariant) properties =
        g_variant_lookup_value(interfaces, INTERFACE "Account", G_VARIANT_TYPE_VARDICT);
    g_autoptr(GVariant) mail =
        g_variant_lookup_value(interfaces, INTERFACE "Mail", G_VARIANT_TYPE_VARDICT);
    g_autoptr(GVariant) tokens =
        g_variant_lookup_value(interfaces, INTERFACE "OAuth2Based", G_VARIANT_TYPE_VARDICT);
    g_autoptr(GoaAccount) account = g_new0(GoaAccount, 1);

    if (!properties || !mail || flag_of(properties, "MailDisabled"))
        return NULL;
    account->id = text_of(properties, "Id");
    account->name = text_of(properties, "ProviderName");
    account->address = text_of(mail, "EmailAddress");
    account->incoming = url_of(mail, "Imap", "imaps", "imap");
    account->outgoing = url_of(mail, "Smtp", "submissions", "submission");
    account->user = text_of(mail, "ImapUserName");
    account->outgoing_user = text_of(mail, "SmtpUserName");
    account->oauth2 = tokens != NULL;
    account->attention = flag_of(properties, "AttentionNeeded");
    gboolean usable = account->id && account->address && account->incoming;
    return usable && goa_valid_id(account->id) ? g_steal_pointer(&account) : NULL;
}

/* All objects: a{oa{sa{sv}}}. */
static GVariant *ask_for_objects(GDBusConnection *bus, GDBusCallFlags flags, GError **error)
{
    g_autoptr(GVariant) answer = g_dbus_connection_call_sync(
        bus, GOA_NAME, PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL,
        G_VARIANT_TYPE("(a{oa{sa{sv}}})"), flags, MSEC, g_cancellable_get_current(), error);

    return answer ? g_variant_get_child_value(answer, 0) : NULL;
}

static GPtrArray *read_accounts(GVariant *objects)
{
    GPtrArray *accounts = g_ptr_array_new_with_free_func((GDestroyNotify)goa_account_free);
    GVariantIter iter;
    GVariant *interfaces;

    g_variant_iter_init(&iter, objects);
    while (g_variant_iter_next(&iter, "{&o@a{sa{sv}}}", NULL, &interfaces)) {
        g_autoptr(GVariant) held = interfaces;
        GoaAccount *account = read_account(held);
        if (account)
            g_ptr_array_add(accounts, account);
    }
    return accounts;
}

static GoaAccount *take_among(GPtrArray *accounts, const char *wanted)
{
    for (guint i = 0; i < accounts->len; i++) {
        const GoaAccount *account = g_ptr_array_index(accounts, i);
        if (strcmp(account->id, wanted) == 0 || g_ascii_strcasecmp(account->address, wanted) == 0)
            return g_ptr_array_steal_index(accounts, i);
    }
    return NULL;
}

static GoaAccount *find_among(GVariant *objects, const char *wanted)
{
    g_autoptr(GPtrArray) accounts = read_accounts(objects);

    return take_among(accounts, wanted);
}

GPtrArray *goa_list(void)
{
    g_autoptr(GDBusConnection) bus = connect_to_bus(NULL);
    g_autoptr(GVariant) objects =
        bus ? ask_for_objects(bus, G_DBUS_CALL_FLAGS_NO_AUTO_START, NULL) : NULL;

    return objects ? read_accounts(objects)
                   : g_ptr_array_new_with_free_func((GDestroyNotify)goa_account_free);
}

GoaAccount *goa_find(const char *wanted)
{
    g_autoptr(GPtrArray) accounts = goa_list();

    return take_among(accounts, wanted);
}

/* ---- its secrets ----------------------------------------------------------------------------- */

static gboolean is_not_authorized(const GError *error)
{
    g_autofree char *name =
        error && g_dbus_error_is_remote_error(error) ? g_dbus_error_get_remote_error(error) : NULL;

    return g_strcmp0(name, INTERFACE "Error.NotAuthorized") == 0;
}

static GVariant *call(GDBusConnection *bus, const char *id, const char *method, GVariant *arguments,
                      GError **error)
{
    g_autofree char *path = g_strconcat(ACCOUNTS, id, NULL);
    g_auto(GStrv) parts = g_strsplit(method, ".", 2);
    g_autofree char *interface = g_strconcat(INTERFACE, parts[0], NULL);

    return g_dbus_connection_call_sync(bus, GOA_NAME, path, interface, parts[1], arguments, NULL,
                                       G_DBUS_CALL_FLAGS_NONE, MSEC, g_cancellable_get_current(),
                                       error);
}

static char *take_secret(GVariant *answer)
{
    g_autoptr(GVariant) first =
        answer && g_variant_n_children(answer) ? g_variant_get_child_value(answer, 0) : NULL;
    gsize length = 0;
    const char *text = first && g_variant_is_of_type(first, G_VARIANT_TYPE_STRING)
                           ? g_variant_get_string(first, &length)
                           : NULL;

    return length && length <= ANSWER_MAX ? g_strdup(text) : NULL;
}

/* What is asked for. */
typedef struct {
    const char *id;
    gboolean oauth2, outgoing;
} Wanted;

/* Once: has GNOME see to it that what it has is good, and gives that. */
static char *ask_once(GDBusConnection *bus, const Wanted *wanted, GError **error)
{
    g_autoptr(GVariant) good = call(bus, wanted->id, "Account.EnsureCredentials", NULL, error);
    GVariant *which = g_variant_new("(s)", wanted->outgoing ? "smtp-password" : "imap-password");
    g_autoptr(GVariant) owned = g_variant_ref_sink(which);

    if (!good)
        return NULL;
    g_autoptr(GVariant) answer =
        wanted->oauth2 ? call(bus, wanted->id, "OAuth2Based.GetAccessToken", NULL, error)
                       : call(bus, wanted->id, "PasswordBased.GetPassword", which, error);
    char *secret = take_secret(answer);
    if (answer && !secret)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "its answer is empty");
    return secret;
}

static gboolean missing(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static gboolean missing(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, ACCOUNT_ERROR_DOMAIN, ACCOUNT_SECRET_MISSING, message);
    return FALSE;
}

/* Whoever can change the configuration must not get at what GNOME keeps. */
static gboolean is_for(const GoaAccount *account, const AccountSettings *settings,
                       gboolean outgoing)
{
    const NetEndpoint *used = outgoing ? settings->outgoing : settings->incoming;
    const char *url = outgoing ? account->outgoing : account->incoming;
    g_autoptr(NetEndpoint) named = url ? net_endpoint_parse(url, NULL) : NULL;

    return named && strcmp(named->protocol, used->protocol) == 0 &&
           g_ascii_strcasecmp(named->host, used->host) == 0 && named->port == used->port;
}

static gboolean check_account(GDBusConnection *bus, const AccountSettings *settings,
                              gboolean outgoing, GError **error)
{
    g_autoptr(GVariant) objects = ask_for_objects(bus, G_DBUS_CALL_FLAGS_NONE, error);
    g_autoptr(GoaAccount) account = objects ? find_among(objects, settings->goa) : NULL;

    if (!objects)
        return FALSE;
    if (!account)
        return missing(error,
                       "GNOME Online Accounts has no account %s with mail; add it in GNOME's "
                       "settings, switch its mail on there, or take goa= out",
                       settings->goa);
    if (!is_for(account, settings, outgoing)) {
        const char *url = outgoing ? account->outgoing : account->incoming;
        return missing(error,
                       "what GNOME Online Accounts keeps for %s is for %s and goes to no other "
                       "server",
                       settings->goa, url ? url : "no such server");
    }
    return TRUE;
}

/* Whether GNOME knows that it isn't let in, whatever it has just said. */
static gboolean needs_attention(GDBusConnection *bus, const char *id)
{
    g_autofree char *path = g_strconcat(ACCOUNTS, id, NULL);
    g_autoptr(GVariant) answer = g_dbus_connection_call_sync(
        bus, GOA_NAME, path, "org.freedesktop.DBus.Properties", "Get",
        g_variant_new("(ss)", INTERFACE "Account", "AttentionNeeded"), G_VARIANT_TYPE("(v)"),
        G_DBUS_CALL_FLAGS_NO_AUTO_START, MSEC, NULL, NULL);
    g_autoptr(GVariant) value = NULL;

    if (answer)
        g_variant_get(answer, "(v)", &value);
    return value && g_variant_is_of_type(value, G_VARIANT_TYPE_BOOLEAN) &&
           g_variant_get_boolean(value);
}

/* Where GNOME says that it isn't let in: once more. */
static char *ask(GDBusConnection *bus, const Wanted *wanted, GError **error)
{
    g_autoptr(GError) failure = NULL;
    char *secret = ask_once(bus, wanted, &failure);

    if (is_not_authorized(failure)) {
        g_clear_error(&failure);
        secret = ask_once(bus, wanted, &failure);
    }
    if (failure && (is_not_authorized(failure) || needs_attention(bus, wanted->id)))
        missing(error,
                "GNOME Online Accounts isn't let in for %s any more; sign in again in GNOME's "
                "settings, Online Accounts",
                wanted->id);
    else if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    return secret;
}

/* All but our own words mean that it can't be asked now. */
static char *say_locked(GError *failure, GError **error)
{
    g_autoptr(GError) owned = failure;

    if (owned->domain == ACCOUNT_ERROR_DOMAIN) {
        g_propagate_error(error, g_steal_pointer(&owned));
        return NULL;
    }
    g_dbus_error_strip_remote_error(owned);
    g_set_error(error, ACCOUNT_ERROR_DOMAIN, ACCOUNT_SECRET_LOCKED,
                "GNOME Online Accounts can't be asked now: %s", owned->message);
    return NULL;
}

char *goa_account_secret(const char *id, gboolean oauth2, GError **error)
{
    const Wanted wanted = {.id = id, .oauth2 = oauth2};
    GError *failure = NULL;
    g_autoptr(GDBusConnection) bus = connect_to_bus(&failure);
    char *secret = bus ? ask(bus, &wanted, &failure) : NULL;

    return secret ? secret : say_locked(failure, error);
}

char *goa_secret(const AccountSettings *settings, gboolean outgoing, GError **error)
{
    const Wanted wanted = {settings->goa, settings->oauth2, outgoing};
    GError *failure = NULL;
    g_autoptr(GDBusConnection) bus = connect_to_bus(&failure);
    gboolean may = bus && check_account(bus, settings, outgoing, &failure);
    char *secret = may ? ask(bus, &wanted, &failure) : NULL;

    return secret ? secret : say_locked(failure, error);
}
