/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Signing in with OAuth 2 over the bus: Manager.SignIn begins, FinishSignIn waits, and what came of it is
 * used under its handle: to try servers, to add an account, or by Account.Authorize. Tokens never come out.
 */
#include "daemon/bus/private.h"

#include "daemon/discover/probe.h"
#include "daemon/net/proxy.h"
#include "daemon/oauth/signin.h"
#include "daemon/upstream/imap.h"
#include "daemon/upstream/pop3.h"

#include <string.h>

#define HANDLES_MAX   32
#define PROBE_TIMEOUT 20

/* ---- handles ------------------------------------------------------------------------------- */

typedef struct {
    OauthSignIn *sign_in;
    GCancellable *cancellable;
} Handle;

static void handle_free(gpointer data)
{
    Handle *handle = data;

    g_cancellable_cancel(handle->cancellable);
    g_object_unref(handle->cancellable);
    oauth_sign_in_unref(handle->sign_in);
    g_free(handle);
}

void bus_signin_init(Bus *bus)
{
    bus->sign_ins = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, handle_free);
    bus->stop = g_cancellable_new();
}

void bus_signin_stop(Bus *bus)
{
    GHashTableIter iter;
    gpointer handle;

    g_cancellable_cancel(bus->stop);
    g_hash_table_iter_init(&iter, bus->sign_ins);
    while (g_hash_table_iter_next(&iter, NULL, &handle))
        g_cancellable_cancel(((Handle *)handle)->cancellable);
}

void bus_signin_clear(Bus *bus)
{
    g_hash_table_unref(bus->sign_ins);
    g_object_unref(bus->stop);
}

/* Nobody can guess it: whoever has it may use what was signed in for. */
static char *handle_name(void)
{
    g_autofree char *first = g_uuid_string_random(), *second = g_uuid_string_random();
    return g_strconcat(first, second, NULL);
}

OauthSignIn *bus_signin_done(Bus *bus, const char *name, GError **error)
{
    const Handle *handle = g_hash_table_lookup(bus->sign_ins, name);

    if (handle && oauth_sign_in_grant(handle->sign_in))
        return oauth_sign_in_ref(handle->sign_in);
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_INVALID_ARGUMENT,
                "there is no finished sign-in of that name");
    return NULL;
}

/* ---- SignIn -------------------------------------------------------------------------------- */

typedef struct {
    Bus *bus;
    GDBusMethodInvocation *invocation;
    char *address;
    OauthServer *server; /* until it begins */
    char *proxy;         /* as in NetEndpoint; or NULL */
    gboolean device;
} Beginning;

static void beginning_free(Beginning *beginning)
{
    g_free(beginning->address);
    g_free(beginning->proxy);
    oauth_server_free(beginning->server);
    g_free(beginning);
}

static void begin_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    Beginning *beginning = data;
    g_autoptr(GProxyResolver) proxy = net_proxy_resolver(beginning->proxy);
    const WebNetwork network = {.proxy = proxy};
    GError *error = NULL;
    OauthSignIn *sign_in =
        oauth_sign_in_begin(g_steal_pointer(&beginning->server), beginning->address,
                            beginning->device, &network, beginning->bus->stop, &error);

    if (sign_in)
        g_task_return_pointer(task, sign_in, (GDestroyNotify)oauth_sign_in_unref);
    else
        g_task_return_error(task, error);
}

static void begun(GObject *source, GAsyncResult *result, gpointer data)
{
    Beginning *beginning = data;
    Bus *bus = beginning->bus;
    g_autoptr(GError) error = NULL;
    OauthSignIn *sign_in = g_task_propagate_pointer(G_TASK(result), &error);
    GVariantDict dict;

    bus_ran(bus);
    if (sign_in) {
        Handle *handle = g_new0(Handle, 1);
        g_autofree char *name = handle_name();
        const char *code = oauth_sign_in_code(sign_in);
        handle->sign_in = sign_in;
        handle->cancellable = g_cancellable_new();
        if (g_hash_table_size(bus->sign_ins) >= HANDLES_MAX)
            g_hash_table_remove_all(bus->sign_ins);
        g_variant_dict_init(&dict, NULL);
        g_variant_dict_insert(&dict, "Url", "s", oauth_sign_in_url(sign_in));
        g_variant_dict_insert(&dict, "Code", "s", code ? code : "");
        g_variant_dict_insert(&dict, "Returns", "b", oauth_sign_in_returns(sign_in));
        g_hash_table_insert(bus->sign_ins, g_strdup(name), handle);
        postern_manager_complete_sign_in(bus->manager, beginning->invocation, name,
                                         g_variant_dict_end(&dict));
    } else {
        bus_return_error(beginning->invocation, error);
    }
    beginning_free(beginning);
}

/* The one that is named, else that of the account that is named. */
static gboolean find_proxy(Beginning *beginning, GVariant *options, GError **error)
{
    const char *id = NULL;

    if (!bus_proxy_of(options, &beginning->proxy, error))
        return FALSE;
    g_variant_lookup(options, "account", "&s", &id);
    Account *account = id ? accounts_get(beginning->bus->daemon->accounts, id) : NULL;
    const AccountSettings *settings = account ? account_config(account)->settings : NULL;
    if (settings && !beginning->proxy)
        beginning->proxy = g_strdup(settings->proxy);
    return TRUE;
}

static gboolean on_sign_in(PosternManager *manager, GDBusMethodInvocation *invocation,
                           const char *address, const char *server, GVariant *options,
                           gpointer data)
{
    Beginning *beginning = g_new0(Beginning, 1);
    g_autoptr(GError) error = NULL;

    bus_touch(data);
    beginning->bus = data;
    beginning->invocation = invocation;
    beginning->address = g_strdup(address);
    g_variant_lookup(options, "device", "b", &beginning->device);
    if (find_proxy(beginning, options, &error))
        beginning->server = bus_providers_server(data, server, &error);
    if (beginning->server) {
        bus_run(data, begin_thread, begun, beginning);
    } else {
        bus_return(invocation, POSTERN_ERROR_INVALID_ARGUMENT, "%s", error->message);
        beginning_free(beginning);
    }
    return TRUE;
}

/* ---- FinishSignIn, CancelSignIn ------------------------------------------------------------ */

typedef struct {
    Bus *bus;
    GDBusMethodInvocation *invocation;
    OauthSignIn *sign_in;
    GCancellable *cancellable;
    char *pasted;
} Finishing;

static void finish_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    Finishing *finishing = data;
    GError *error = NULL;

    if (oauth_sign_in_wait(finishing->sign_in, *finishing->pasted ? finishing->pasted : NULL,
                           finishing->cancellable, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void finished(GObject *source, GAsyncResult *result, gpointer data)
{
    Finishing *finishing = data;
    g_autoptr(GError) error = NULL;

    bus_ran(finishing->bus);
    g_task_propagate_boolean(G_TASK(result), &error);
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT))
        bus_return(finishing->invocation, POSTERN_ERROR_INVALID_ARGUMENT, "%s", error->message);
    else if (error)
        bus_return_error(finishing->invocation, error);
    else
        postern_manager_complete_finish_sign_in(finishing->bus->manager, finishing->invocation);
    oauth_sign_in_unref(finishing->sign_in);
    g_object_unref(finishing->cancellable);
    g_free(finishing->pasted);
    g_free(finishing);
}

static gboolean on_finish_sign_in(PosternManager *manager, GDBusMethodInvocation *invocation,
                                  const char *name, const char *pasted, gpointer data)
{
    Bus *bus = data;
    const Handle *handle = g_hash_table_lookup(bus->sign_ins, name);

    bus_touch(bus);
    if (!handle) {
        bus_return(invocation, POSTERN_ERROR_NOT_FOUND, "there is no sign-in of that name");
        return TRUE;
    }
    Finishing *finishing = g_new0(Finishing, 1);
    finishing->bus = bus;
    finishing->invocation = invocation;
    finishing->sign_in = oauth_sign_in_ref(handle->sign_in);
    finishing->cancellable = g_object_ref(handle->cancellable);
    finishing->pasted = g_strdup(pasted);
    bus_run(bus, finish_thread, finished, finishing);
    return TRUE;
}

static gboolean on_cancel_sign_in(PosternManager *manager, GDBusMethodInvocation *invocation,
                                  const char *name, gpointer data)
{
    Bus *bus = data;

    bus_touch(bus);
    g_hash_table_remove(bus->sign_ins, name);
    postern_manager_complete_cancel_sign_in(manager, invocation);
    return TRUE;
}

void bus_signin_connect(Bus *bus)
{
    g_signal_connect(bus->manager, "handle-sign-in", G_CALLBACK(on_sign_in), bus);
    g_signal_connect(bus->manager, "handle-finish-sign-in", G_CALLBACK(on_finish_sign_in), bus);
    g_signal_connect(bus->manager, "handle-cancel-sign-in", G_CALLBACK(on_cancel_sign_in), bus);
}

/* ---- Account.Authorize --------------------------------------------------------------------- */

typedef struct {
    Bus *bus;
    GDBusMethodInvocation *invocation;
    AccountSettings *settings;
    OauthSignIn *sign_in;
    gboolean online; /* so that it can be tried */
} Authorizing;

/* Whose sign-in it is shows only where the token is used. */
static gboolean fits_account(const Authorizing *authorizing, GError **error)
{
    const AccountSettings *settings = authorizing->settings;
    char *users[] = {settings->user, NULL};
    g_autoptr(GError) failure = NULL;

    if (!authorizing->online)
        return TRUE;
    g_autoptr(NetTlsClient) tls = net_tls_client_new(settings->tls_ca_file, error);
    ProbeServer server = {
        .login = {.endpoint = settings->incoming,
                  .secret = oauth_sign_in_tokens(authorizing->sign_in)->access_token,
                  .oauth2 = TRUE,
                  .mechanisms = settings->mechanisms,
                  .tls = tls,
                  .timeout = PROBE_TIMEOUT,
                  .cancel = authorizing->bus->cancel},
        .users = users,
    };
    if (!tls)
        return FALSE;
    ProbeResult result = {0};
    gboolean in = probe_incoming(&server, &result, &failure);
    g_free(result.user);
    if (in || !(g_error_matches(failure, IMAP_CLIENT_ERROR, IMAP_CLIENT_ERROR_AUTH) ||
                g_error_matches(failure, POP3_CLIENT_ERROR, POP3_CLIENT_ERROR_AUTH)))
        return TRUE;
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_AUTH_REQUIRED,
                "the sign-in isn't that of %s, or mail isn't allowed to it, and wasn't kept: %s",
                settings->user, failure->message);
    return FALSE;
}

static void authorize_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    Authorizing *authorizing = data;
    GError *error = NULL;

    if (fits_account(authorizing, &error) &&
        oauth_tokens_keep(authorizing->bus->daemon->tokens, authorizing->settings,
                          oauth_sign_in_grant(authorizing->sign_in), &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void authorized(GObject *source, GAsyncResult *result, gpointer data)
{
    Authorizing *authorizing = data;
    Bus *bus = authorizing->bus;
    Account *account = accounts_get(bus->daemon->accounts, authorizing->settings->id);
    g_autoptr(GError) error = NULL;

    bus_ran(bus);
    g_task_propagate_boolean(G_TASK(result), &error);
    if (error)
        bus_return_error(authorizing->invocation, error);
    else
        g_dbus_method_invocation_return_value(authorizing->invocation, NULL);
    if (!error && account)
        account_sync(account, NULL, NULL);
    account_settings_unref(authorizing->settings);
    oauth_sign_in_unref(authorizing->sign_in);
    g_free(authorizing);
}

static gboolean on_authorize(PosternAccount *object, GDBusMethodInvocation *invocation,
                             const char *name, gpointer data)
{
    Bus *bus = bus_of(object);
    AccountSettings *settings = account_config(bus_account_of(object))->settings;
    g_autoptr(GError) error = NULL;

    bus_touch(bus);
    if (!settings || !settings->oauth2_server) {
        bus_return(invocation, POSTERN_ERROR_INVALID_ARGUMENT,
                   "the account isn't one that is signed in to in a browser (auth=oauth2, "
                   "oauth2=)");
        return TRUE;
    }
    OauthSignIn *sign_in = bus_signin_done(bus, name, &error);
    if (!sign_in) {
        bus_return_error(invocation, error);
        return TRUE;
    }
    Authorizing *authorizing = g_new0(Authorizing, 1);
    authorizing->bus = bus;
    authorizing->invocation = invocation;
    authorizing->settings = account_settings_ref(settings);
    authorizing->sign_in = sign_in;
    authorizing->online = bus->daemon->network && !bus->daemon->forced_offline;
    bus_run(bus, authorize_thread, authorized, authorizing);
    return TRUE;
}

void bus_signin_connect_account(PosternAccount *object)
{
    g_signal_connect(object, "handle-authorize", G_CALLBACK(on_authorize), NULL);
}
