/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading what is known of a server, and asking it for the rest.
 */
#include "daemon/oauth/server.h"

#include "daemon/web/json.h"

#include <string.h>

#define DOCUMENT_MAX ((gsize)256 * 1024)
#define TENANT       "%TENANT%"

GQuark oauth_error_quark(void)
{
    return g_quark_from_static_string("oauth-error");
}

void oauth_server_free(OauthServer *server)
{
    if (!server)
        return;
    g_free(server->name);
    g_free(server->issuer);
    g_free(server->authorize_url);
    g_free(server->token_url);
    g_free(server->device_url);
    g_free(server->revoke_url);
    g_free(server->register_url);
    g_free(server->client_id);
    g_free(server->client_secret);
    g_free(server->scope);
    g_free(server->extra);
    g_free(server->redirect);
    g_free(server->hint);
    g_free(server);
}

static gboolean is_loopback(const char *host)
{
    g_autoptr(GInetAddress) address = g_inet_address_new_from_string(host);
    return address ? g_inet_address_get_is_loopback(address)
                   : g_ascii_strcasecmp(host, "localhost") == 0;
}

gboolean oauth_is_safe_url(const char *url)
{
    g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_NONE, NULL);
    const char *host = uri ? g_uri_get_host(uri) : NULL;

    if (!host || !*host || g_uri_get_userinfo(uri) || g_uri_get_fragment(uri))
        return FALSE;
    return strcmp(g_uri_get_scheme(uri), "https") == 0 ||
           (strcmp(g_uri_get_scheme(uri), "http") == 0 && is_loopback(host));
}

static gboolean refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static gboolean refuse(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, OAUTH_ERROR, OAUTH_ERROR_CLIENT, message);
    return FALSE;
}

/* ---- what is written down ------------------------------------------------------------------ */

/* Puts the tenant into the address. */
static gboolean fill_in(const char *name, const char *tenant, char **url, GError **error)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";

    if (!*url || !strstr(*url, TENANT))
        return TRUE;
    if (!*tenant || strspn(tenant, letters) != strlen(tenant))
        return refuse(
            error,
            "[oauth2 %s] tenant: “%s” is none; write common, consumers, organizations, or "
            "a directory's ID or domain",
            name, tenant);
    g_auto(GStrv) parts = g_strsplit(*url, TENANT, -1);
    g_free(*url);
    *url = g_strjoinv(tenant, parts);
    return TRUE;
}

static gboolean check_urls(OauthServer *server, const char *tenant, GError **error)
{
    char **urls[] = {&server->issuer,     &server->authorize_url, &server->token_url,
                     &server->device_url, &server->revoke_url,    &server->register_url};

    for (guint i = 0; i < G_N_ELEMENTS(urls); i++) {
        if (!fill_in(server->name, tenant, urls[i], error))
            return FALSE;
        if (*urls[i] && !oauth_is_safe_url(*urls[i]))
            return refuse(error, "[oauth2 %s]: %s isn't an https address", server->name, *urls[i]);
    }
    return TRUE;
}

OauthServer *oauth_server_load(const char *name, OauthKey key, gpointer data, GError **error)
{
    g_autoptr(OauthServer) server = g_new0(OauthServer, 1);
    g_autofree char *tenant = key(name, "tenant", data);
    const struct {
        const char *key;
        char **field;
    } fields[] = {
        {"issuer", &server->issuer},         {"authorize-url", &server->authorize_url},
        {"token-url", &server->token_url},   {"device-url", &server->device_url},
        {"revoke-url", &server->revoke_url}, {"register-url", &server->register_url},
        {"client-id", &server->client_id},   {"client-secret", &server->client_secret},
        {"scope", &server->scope},           {"authorize-extra", &server->extra},
        {"redirect", &server->redirect},     {"hint", &server->hint},
    };

    server->name = g_strdup(name);
    for (guint i = 0; i < G_N_ELEMENTS(fields); i++) {
        *fields[i].field = key(name, fields[i].key, data);
        if (*fields[i].field && !**fields[i].field)
            g_clear_pointer(fields[i].field, g_free);
    }
    if (!server->issuer && !server->token_url) {
        refuse(
            error,
            "nothing is known of the OAuth 2 server “%s”; add a group [oauth2 %s] with issuer= to "
            "postern.conf",
            name, name);
        return NULL;
    }
    return check_urls(server, tenant ? tenant : "common", error) ? g_steal_pointer(&server) : NULL;
}

OauthServer *oauth_server_of_issuer(const char *issuer, GError **error)
{
    g_autoptr(GUri) uri = g_uri_parse(issuer, G_URI_FLAGS_NONE, NULL);

    if (!oauth_is_safe_url(issuer)) {
        refuse(error, "“%s” isn't an issuer: that is an https address", issuer);
        return NULL;
    }
    OauthServer *server = g_new0(OauthServer, 1);
    server->name = g_strdup(g_uri_get_host(uri));
    server->issuer = g_strdup(issuer);
    return server;
}

/* ---- metadata ------------------------------------------------------------------------------ */

/* Takes an address from the metadata where none is known yet. */
static void take_url(JsonObject *metadata, const char *name, char **field)
{
    const char *url = web_json_string(metadata, name);

    if (!*field && url && oauth_is_safe_url(url))
        *field = g_strdup(url);
}

static gboolean is_supported(JsonArray *scopes, const char *scope)
{
    for (guint i = 0; i < json_array_get_length(scopes); i++) {
        JsonNode *node = json_array_get_element(scopes, i);
        if (JSON_NODE_HOLDS_VALUE(node) && g_strcmp0(json_node_get_string(node), scope) == 0)
            return TRUE;
    }
    return FALSE;
}

/* Where nobody says what to ask for: what lets one in, and for longer, as far as the server knows it. One
 * that goes by OpenID gives the latter only to whom the person has agreed to (OpenID Connect Core, 11). */
static void choose_scope(OauthServer *server, JsonObject *metadata)
{
    static const char *const wanted[] = {"openid", "email", "offline_access"};
    JsonArray *scopes = web_json_array(metadata, "scopes_supported");
    g_autoptr(GString) scope = g_string_new(NULL);

    for (guint i = 0; i < G_N_ELEMENTS(wanted); i++) {
        if (!scopes || is_supported(scopes, wanted[i]))
            g_string_append_printf(scope, "%s%s", scope->len ? " " : "", wanted[i]);
    }
    if (!server->scope && scope->len)
        server->scope = g_string_free(g_steal_pointer(&scope), FALSE);
    if (!server->extra && server->scope && strstr(server->scope, "offline_access"))
        server->extra = g_strdup("prompt=consent");
}

/* RFC 8414, 3.3: metadata count only if they are the issuer's own. */
static gboolean take_metadata(OauthServer *server, GBytes *document, GError **error)
{
    g_autoptr(JsonObject) metadata = web_json_read(document, error);

    if (!metadata)
        return FALSE;
    if (g_strcmp0(web_json_string(metadata, "issuer"), server->issuer) != 0) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "they are another issuer's");
        return FALSE;
    }
    take_url(metadata, "authorization_endpoint", &server->authorize_url);
    take_url(metadata, "token_endpoint", &server->token_url);
    take_url(metadata, "device_authorization_endpoint", &server->device_url);
    take_url(metadata, "revocation_endpoint", &server->revoke_url);
    take_url(metadata, "registration_endpoint", &server->register_url);
    choose_scope(server, metadata);
    return TRUE;
}

/* The well-known name stands before the issuer's path (RFC 8414, 3.1), OpenID's behind it. */
static char *metadata_url(const char *issuer, gboolean openid)
{
    g_autoptr(GUri) uri = g_uri_parse(issuer, G_URI_FLAGS_NONE, NULL);
    g_autofree char *path = g_strdup(g_uri_get_path(uri));

    if (g_str_has_suffix(path, "/"))
        path[strlen(path) - 1] = '\0';
    g_autofree char *whole =
        openid ? g_strconcat(path, "/.well-known/openid-configuration", NULL)
               : g_strconcat("/.well-known/oauth-authorization-server", path, NULL);
    return g_uri_join(G_URI_FLAGS_NONE, g_uri_get_scheme(uri), NULL, g_uri_get_host(uri),
                      g_uri_get_port(uri), whole, NULL, NULL);
}

gboolean oauth_server_complete(OauthServer *server, const WebNetwork *network,
                               GCancellable *cancellable, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (!server->issuer || (server->authorize_url && server->token_url))
        return TRUE;
    for (int openid = 0; openid < 2; openid++) {
        g_autofree char *url = metadata_url(server->issuer, openid);
        g_clear_error(&failure);
        g_autoptr(GBytes) document = web_get(network, url, DOCUMENT_MAX, cancellable, &failure);
        if (document && take_metadata(server, document, &failure))
            break;
    }
    if (server->token_url)
        return TRUE;
    g_set_error(error, OAUTH_ERROR, OAUTH_ERROR_LATER, "%s doesn't say how one signs in there: %s",
                server->issuer,
                failure ? failure->message : "there is no token endpoint in its metadata");
    return FALSE;
}

/* ---- registration -------------------------------------------------------------------------- */

static void add_strings(JsonBuilder *builder, const char *name, const char *const *values)
{
    json_builder_set_member_name(builder, name);
    json_builder_begin_array(builder);
    for (; *values; values++)
        json_builder_add_string_value(builder, *values);
    json_builder_end_array(builder);
}

static void add_string(JsonBuilder *builder, const char *name, const char *value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_string_value(builder, value);
}

static char *registration_of(const OauthServer *server, const char *redirect)
{
    static const char *const codes[] = {"authorization_code", "refresh_token", NULL};
    static const char *const devices[] = {"urn:ietf:params:oauth:grant-type:device_code",
                                          "refresh_token", NULL};
    static const char *const code[] = {"code", NULL}, *const nothing[] = {NULL};
    const char *redirects[] = {redirect, NULL};
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_object(builder);
    add_string(builder, "client_name", "Postern");
    add_string(builder, "application_type", "native");
    add_string(builder, "token_endpoint_auth_method", "none");
    add_strings(builder, "grant_types", redirect ? codes : devices);
    add_strings(builder, "response_types", redirect ? code : nothing);
    add_strings(builder, "redirect_uris", redirects);
    if (server->scope)
        add_string(builder, "scope", server->scope);
    json_builder_end_object(builder);
    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    return json_to_string(root, FALSE);
}

static gboolean no_client(const OauthServer *server, const char *why, GError **error)
{
    return refuse(
        error,
        "%s wants mail programs to have a client ID of their own, and Postern has none%s. "
        "%s%sPut it into postern.conf as\n[oauth2 %s]\nclient-id=…\nclient-secret=… (if "
        "there is one)",
        server->name, why, server->hint ? server->hint : "", server->hint ? ". " : "",
        server->name);
}

gboolean oauth_server_register(OauthServer *server, const char *redirect, const WebNetwork *network,
                               GCancellable *cancellable, GError **error)
{
    if (server->client_id)
        return TRUE;
    if (!server->register_url)
        return no_client(server, "", error);
    g_autofree char *body = registration_of(server, redirect);
    WebRequest request = {.url = server->register_url,
                          .body = body,
                          .type = "application/json",
                          .limit = DOCUMENT_MAX};
    g_auto(WebAnswer) answer = {0};
    if (!web_ask(network, &request, &answer, cancellable, error))
        return FALSE;
    g_autoptr(JsonObject) client = web_json_read(answer.body, NULL);
    const char *id = web_json_string(client, "client_id");
    if (answer.status / 100 != 2 || !id || !*id) {
        const char *words = web_json_string(client, "error_description");
        g_autofree char *why =
            g_strdup_printf(" (it refuses to register it: %s)", words ? words : "no reason given");
        return no_client(server, why, error);
    }
    server->client_id = g_strdup(id);
    server->client_secret = g_strdup(web_json_string(client, "client_secret"));
    return TRUE;
}
