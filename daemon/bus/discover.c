/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Manager.Discover and Manager.Probe: what is found and tried before an account is made. Both run in
 * threads and change nothing.
 */
#include "daemon/discover/discover.h"
#include "daemon/bus/private.h"
#include "daemon/discover/probe.h"

#include <string.h>

#define PROBE_TIMEOUT 20

/* ---- Discover ------------------------------------------------------------------------------ */

typedef struct {
    Bus *bus;
    GDBusMethodInvocation *invocation;
    char *address;
    char *proxy; /* as in NetEndpoint; or NULL */
    gboolean pacc;
} Finding;

static void finding_free(gpointer data)
{
    Finding *finding = data;
    g_free(finding->address);
    g_free(finding->proxy);
    g_free(finding);
}

static void find_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Finding *finding = data;
    g_autoptr(DiscoverTable) table = bus_providers_table(finding->bus);
    GError *error = NULL;
    g_autoptr(NetTlsClient) tls = net_tls_client_new(NULL, &error);
    DiscoverOptions options = {.table = table,
                               .proxy = finding->proxy,
                               .pacc = finding->pacc,
                               .tls = tls,
                               .cancel = finding->bus->cancel};
    DiscoverOffer *offer = tls ? discover(finding->address, &options, &error) : NULL;

    if (offer)
        g_task_return_pointer(task, offer, (GDestroyNotify)discover_offer_free);
    else
        g_task_return_error(task, error);
}

static void put_string(GVariantDict *dict, const char *key, const char *value)
{
    g_variant_dict_insert(dict, key, "s", value ? value : "");
}

static GVariant *describe_servers(const GPtrArray *servers)
{
    static const char *const auth_names[DISCOVER_AUTHS] = {
        [DISCOVER_AUTH_PASSWORD] = "password", [DISCOVER_AUTH_ENCRYPTED] = "encrypted",
        [DISCOVER_AUTH_OAUTH2] = "oauth2",     [DISCOVER_AUTH_GSSAPI] = "gssapi",
        [DISCOVER_AUTH_NONE] = "none",         [DISCOVER_AUTH_CERTIFICATE] = "certificate",
    };
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < servers->len; i++) {
        const DiscoverServer *server = g_ptr_array_index(servers, i);
        const char *auths[DISCOVER_AUTHS + 1] = {NULL};
        g_autofree char *url = net_endpoint_to_string(server->endpoint);
        GVariantDict dict;
        for (guint n = 0; n < server->n_auth; n++)
            auths[n] = auth_names[server->auth[n]];
        g_variant_dict_init(&dict, NULL);
        put_string(&dict, "Url", url);
        g_variant_dict_insert(&dict, "Users", "^as", server->users);
        g_variant_dict_insert(&dict, "Auth", "^as", auths);
        g_variant_builder_add_value(&list, g_variant_dict_end(&dict));
    }
    return g_variant_builder_end(&list);
}

/* Whether a client id is there, or the server may give one: else the user has to get one first. */
static gboolean is_ready(Bus *bus, const DiscoverOauth *oauth)
{
    g_autoptr(OauthServer) server =
        oauth->name ? bus_providers_server(bus, oauth->name, NULL) : NULL;

    return server ? server->client_id != NULL : oauth->issuer != NULL;
}

static GVariant *describe_oauth(Bus *bus, const DiscoverOauth *oauth)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    if (oauth) {
        put_string(&dict, "Name", oauth->name);
        put_string(&dict, "Issuer", oauth->issuer);
        put_string(&dict, "AuthorizeUrl", oauth->authorize_url);
        put_string(&dict, "TokenUrl", oauth->token_url);
        put_string(&dict, "Scope", oauth->scope);
        g_variant_dict_insert(&dict, "Ready", "b", is_ready(bus, oauth));
    }
    return g_variant_dict_end(&dict);
}

static GVariant *describe_offer(Bus *bus, const DiscoverOffer *offer)
{
    static const char *const source_names[DISCOVER_SOURCES] = {
        [DISCOVER_TABLE] = "table",
        [DISCOVER_PROVIDER] = "provider",
        [DISCOVER_WELL_KNOWN] = "well-known",
        [DISCOVER_PACC] = "pacc",
        [DISCOVER_PLAIN_HTTP] = "http",
        [DISCOVER_ISPDB] = "ispdb",
        [DISCOVER_MX] = "mx",
        [DISCOVER_SRV] = "srv",
        [DISCOVER_GUESS] = "guess",
    };
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    put_string(&dict, "Source", source_names[offer->source]);
    put_string(&dict, "Origin", offer->origin);
    g_variant_dict_insert(&dict, "Trusted", "b", offer->trusted);
    put_string(&dict, "Provider", offer->provider);
    put_string(&dict, "Name", offer->name);
    put_string(&dict, "Hint", offer->hint);
    put_string(&dict, "Link", offer->link);
    g_variant_dict_insert_value(&dict, "Incoming", describe_servers(offer->incoming));
    g_variant_dict_insert_value(&dict, "Outgoing", describe_servers(offer->outgoing));
    g_variant_dict_insert_value(&dict, "OAuth", describe_oauth(bus, offer->oauth));
    return g_variant_dict_end(&dict);
}

static void found(GObject *source, GAsyncResult *result, gpointer data)
{
    Finding *finding = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(DiscoverOffer) offer = g_task_propagate_pointer(G_TASK(result), &error);

    bus_ran(finding->bus);
    if (offer)
        postern_manager_complete_discover(finding->bus->manager, finding->invocation,
                                          describe_offer(finding->bus, offer));
    else if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
        bus_return(finding->invocation, POSTERN_ERROR_NOT_FOUND, "%s", error->message);
    else if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT))
        bus_return(finding->invocation, POSTERN_ERROR_INVALID_ARGUMENT, "%s", error->message);
    else
        bus_return_error(finding->invocation, error);
    finding_free(finding);
}

static gboolean on_discover(PosternManager *manager, GDBusMethodInvocation *invocation,
                            const char *address, GVariant *options, gpointer data)
{
    Finding *finding = g_new0(Finding, 1);
    g_autoptr(GError) error = NULL;

    bus_touch(data);
    if (!bus_proxy_of(options, &finding->proxy, &error)) {
        bus_return(invocation, POSTERN_ERROR_INVALID_ARGUMENT, "%s", error->message);
        finding_free(finding);
        return TRUE;
    }
    finding->bus = data;
    finding->invocation = invocation;
    finding->address = g_strdup(address);
    g_variant_lookup(options, "pacc", "b", &finding->pacc);
    bus_run(data, find_thread, found, finding);
    return TRUE;
}

/* ---- Probe --------------------------------------------------------------------------------- */

typedef struct {
    Bus *bus;
    GDBusMethodInvocation *invocation;
    NetEndpoint *incoming, *outgoing; /* outgoing may be NULL */
    char **users, **outgoing_users;
    char *password;
    OauthSignIn *sign_in; /* or NULL: in place of the password */
    gboolean oauth2;      /* it is an access token */
    guint mechanisms;     /* SaslMechanism bits that are to be used; 0: the best */
} Probing;

static void probing_free(gpointer data)
{
    Probing *probing = data;
    g_clear_pointer(&probing->incoming, net_endpoint_free);
    g_clear_pointer(&probing->outgoing, net_endpoint_free);
    g_strfreev(probing->users);
    g_strfreev(probing->outgoing_users);
    account_password_free(probing->password);
    if (probing->sign_in)
        oauth_sign_in_unref(probing->sign_in);
    g_free(probing);
}

/* One side of the answer: the name that was taken, or the sentence that says why none was. */
static void probe_side(GVariantDict *dict, const ProbeServer *server, gboolean outgoing,
                       ProbeResult *result)
{
    g_autoptr(GError) error = NULL;

    if (outgoing)
        probe_outgoing(server, result, &error);
    else
        probe_incoming(server, result, &error);
    put_string(dict, outgoing ? "OutgoingUser" : "User", result->user);
    put_string(dict, outgoing ? "OutgoingError" : "IncomingError", error ? error->message : NULL);
}

static const char *name_of(const ProbeResult *result)
{
    return result->user && result->mechanism ? sasl_mechanism_name(result->mechanism) : "";
}

/* What mechanism= and outgoing-mechanism= have to say, so that what worked is what is done from now on. */
static void put_mechanisms(GVariantDict *dict, const ProbeResult *in, const ProbeResult *out)
{
    const char *incoming = in->user && in->unexpected ? name_of(in) : "";
    const char *outgoing = out->user && (out->unexpected || *incoming) ? name_of(out) : "";

    put_string(dict, "Mechanism", incoming);
    put_string(dict, "OutgoingMechanism", strcmp(incoming, outgoing) == 0 ? "" : outgoing);
}

static void probe_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Probing *probing = data;
    GError *error = NULL;
    g_autoptr(NetTlsClient) tls = net_tls_client_new(NULL, &error);
    ProbeResult incoming = {0}, outgoing = {0};
    GVariantDict dict;

    if (!tls) {
        g_task_return_error(task, error);
        return;
    }
    ProbeServer server = {
        .login = {.endpoint = probing->incoming,
                  .secret = probing->sign_in ? oauth_sign_in_tokens(probing->sign_in)->access_token
                                             : probing->password,
                  .oauth2 = probing->oauth2,
                  .mechanisms = probing->mechanisms,
                  .tls = tls,
                  .timeout = PROBE_TIMEOUT,
                  .cancel = probing->bus->cancel},
        .users = probing->users,
    };
    g_variant_dict_init(&dict, NULL);
    probe_side(&dict, &server, FALSE, &incoming);
    if (probing->outgoing) {
        server.login.endpoint = probing->outgoing;
        server.users = probing->outgoing_users;
        probe_side(&dict, &server, TRUE, &outgoing);
    }
    put_mechanisms(&dict, &incoming, &outgoing);
    g_free(incoming.user);
    g_free(outgoing.user);
    g_task_return_pointer(task, g_variant_ref_sink(g_variant_dict_end(&dict)),
                          (GDestroyNotify)g_variant_unref);
}

static void probed(GObject *source, GAsyncResult *result, gpointer data)
{
    Probing *probing = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = g_task_propagate_pointer(G_TASK(result), &error);

    bus_ran(probing->bus);
    if (answer)
        postern_manager_complete_probe(probing->bus->manager, probing->invocation, answer);
    else
        bus_return_error(probing->invocation, error);
    probing_free(probing);
}

/* The server under `key`; NULL without an error where it is missing. */
static NetEndpoint *endpoint_of(GVariant *settings, const char *key, GError **error)
{
    const char *url = NULL;

    return g_variant_lookup(settings, key, "&s", &url) && *url ? net_endpoint_parse(url, error)
                                                               : NULL;
}

/* What is known of the provider beforehand, by the files as they are now: so the account will be read. */
static void find_mechanisms(Probing *probing, GVariant *settings)
{
    g_autoptr(Config) config = config_load(probing->bus->daemon->config_path, NULL);
    const char *address = NULL, *server = NULL;

    g_variant_lookup(settings, "address", "&s", &address);
    g_variant_lookup(settings, "oauth2", "&s", &server);
    const ConfigLogin login = {probing->incoming, address, server, probing->oauth2};
    probing->mechanisms =
        config_known_mechanisms(config ? config : probing->bus->daemon->config, &login);
}

static gboolean read_endpoints(Probing *probing, GVariant *settings, GError **error)
{
    g_autofree char *proxy = NULL;
    g_autoptr(GError) failure = NULL;

    if (!bus_proxy_of(settings, &proxy, error))
        return FALSE;
    probing->incoming = endpoint_of(settings, "incoming", &failure);
    if (!failure)
        probing->outgoing = endpoint_of(settings, "outgoing", &failure);
    if (probing->incoming)
        probing->incoming->proxy = g_strdup(proxy);
    if (probing->outgoing)
        probing->outgoing->proxy = g_strdup(proxy);
    if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    return !failure;
}

static gboolean read_probing(Probing *probing, GVariant *settings, GError **error)
{
    g_autoptr(GError) failure = NULL;
    const char *auth = NULL, *handle = NULL;

    probing->oauth2 =
        g_variant_lookup(settings, "auth", "&s", &auth) && strcmp(auth, "oauth2") == 0;
    if (g_variant_lookup(settings, "sign-in", "&s", &handle))
        probing->sign_in = bus_signin_done(probing->bus, handle, &failure);
    if (failure) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    if (!read_endpoints(probing, settings, error))
        return FALSE;
    if (probing->incoming && g_variant_lookup(settings, "users", "^as", &probing->users)) {
        if (!g_variant_lookup(settings, "outgoing-users", "^as", &probing->outgoing_users))
            probing->outgoing_users = g_strdupv(probing->users);
        find_mechanisms(probing, settings);
        return TRUE;
    }
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                "incoming and users have to be given");
    return FALSE;
}

static gboolean on_probe(PosternManager *manager, GDBusMethodInvocation *invocation,
                         GVariant *settings, const char *password, gpointer data)
{
    Probing *probing = g_new0(Probing, 1);
    g_autoptr(GError) error = NULL;

    bus_touch(data);
    probing->bus = data;
    probing->invocation = invocation;
    probing->password = g_strdup(password);
    if (read_probing(probing, settings, &error)) {
        bus_run(data, probe_thread, probed, probing);
    } else {
        bus_return(invocation, POSTERN_ERROR_INVALID_ARGUMENT, "%s", error->message);
        probing_free(probing);
    }
    return TRUE;
}

void bus_discover_connect(Bus *bus)
{
    g_signal_connect(bus->manager, "handle-discover", G_CALLBACK(on_discover), bus);
    g_signal_connect(bus->manager, "handle-probe", G_CALLBACK(on_probe), bus);
}
